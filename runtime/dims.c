/* Dim expressions of an artifact: postfix code that is checked once, then evaluated and printed.
 *
 * Every step of an evaluation checks for overflow: sizes come from callers, who may be wrong. */
#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool has_operand(int64_t code) { return code <= ADZE_DIM_CODE_SYMBOL; }

bool adze_rt_dim_is_valid(const adze_artifact_dim *dim, uint32_t n_symbols)
{
    uint64_t depth = 0;
    if (!dim->code || dim->n_code > MAX_DIM_CODE) return false;
    for (uint64_t i = 0; i < dim->n_code; i++) {
        int64_t code = dim->code[i];
        if (code < 0 || code > ADZE_DIM_CODE_MAX) return false;
        if (has_operand(code)) {
            if (++i >= dim->n_code || ++depth > MAX_DIM_DEPTH) return false;
            if (code == ADZE_DIM_CODE_SYMBOL && (dim->code[i] < 0 || dim->code[i] >= n_symbols))
                return false;
        } else if (depth-- < 2) {
            return false;
        }
    }
    return depth == 1;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool apply(int64_t code, int64_t a, int64_t b, int64_t *out)
{
    switch (code) {
    case ADZE_DIM_CODE_ADD:
        return !__builtin_add_overflow(a, b, out);
    case ADZE_DIM_CODE_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case ADZE_DIM_CODE_FLOORDIV:
    case ADZE_DIM_CODE_CEILDIV:
        if (b == 0 || (a == INT64_MIN && b == -1)) return false;
        *out = a / b;
        if (a % b != 0) {
            bool negative = (a < 0) != (b < 0);
            if (code == ADZE_DIM_CODE_FLOORDIV && negative) *out -= 1;
            if (code == ADZE_DIM_CODE_CEILDIV && !negative) *out += 1;
        }
        return true;
    case ADZE_DIM_CODE_MOD:
        if (b == 0) return false;
        *out = floor_mod(a, b);
        return true;
    case ADZE_DIM_CODE_MIN:
        *out = a < b ? a : b;
        return true;
    default:
        *out = a > b ? a : b;
        return true;
    }
}

bool adze_rt_dim_eval(const adze_artifact_dim *dim, const int64_t *symbols, int64_t *out)
{
    int64_t stack[MAX_DIM_DEPTH];
    uint32_t depth = 0;
    for (uint64_t i = 0; i < dim->n_code; i++) {
        int64_t code = dim->code[i];
        if (has_operand(code)) {
            int64_t operand = dim->code[++i];
            stack[depth++] = code == ADZE_DIM_CODE_CONST ? operand : symbols[operand];
        } else {
            depth--;
            if (!apply(code, stack[depth - 1], stack[depth], &stack[depth - 1])) return false;
        }
    }
    *out = stack[0];
    return true;
}

int64_t adze_rt_dim_fixed(const adze_artifact_dim *dim)
{
    int64_t value;
    for (uint64_t i = 0; i < dim->n_code; i++) {
        if (dim->code[i] == ADZE_DIM_CODE_SYMBOL) return -1;
        if (has_operand(dim->code[i])) i++;
    }
    return adze_rt_dim_eval(dim, NULL, &value) ? value : -1;
}

bool adze_rt_dim_is_symbol(const adze_artifact_dim *dim, int64_t *out_symbol)
{
    if (dim->n_code != 2 || dim->code[0] != ADZE_DIM_CODE_SYMBOL) return false;
    *out_symbol = dim->code[1];
    return true;
}

/* Text that grows past its buffer without writing past it. */
typedef struct sink {
    char *out;
    size_t size, length;
} sink;

static void put(sink *s, const char *text)
{
    for (; *text; text++, s->length++)
        if (s->length + 1 < s->size) s->out[s->length] = *text;
}

/* The code word before `end` is an operator or a leaf's operand; gives where that subexpression
 * starts. Walking forward and keeping starts is what tells operands from operators. */
static uint64_t start_of(const adze_artifact_dim *dim, uint64_t from, uint64_t end)
{
    uint64_t starts[MAX_DIM_DEPTH];
    uint32_t depth = 0;
    for (uint64_t i = from; i < end; i++) {
        if (has_operand(dim->code[i]))
            starts[depth++] = i++;
        else
            depth--;
    }
    return starts[depth - 1];
}

static void print(sink *s, const adze_artifact_dim *dim, const adze_artifact_symbol *symbols,
                  uint64_t from, uint64_t end, bool in_product)
{
    static const char *const names[] = {"",        "",    "+",   "*",  "floordiv",
                                        "ceildiv", "mod", "min", "max"};
    if (end - from == 2) {
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, dim->code[from + 1]);
        put(s, dim->code[from] == ADZE_DIM_CODE_CONST ? number : symbols[dim->code[from + 1]].name);
        return;
    }
    int64_t code = dim->code[end - 1];
    uint64_t middle = start_of(dim, from, end - 1);
    bool infix = code == ADZE_DIM_CODE_ADD || code == ADZE_DIM_CODE_MUL;
    bool product = code == ADZE_DIM_CODE_MUL, paren = !infix || (in_product && !product);
    if (!infix) put(s, names[code]);
    if (paren) put(s, "(");
    print(s, dim, symbols, from, middle, infix && product);
    put(s, infix ? names[code] : ", ");
    print(s, dim, symbols, middle, end - 1, infix && product);
    if (paren) put(s, ")");
}

size_t adze_rt_dim_text(const adze_artifact_dim *dim, const adze_artifact_symbol *symbols,
                        char *out, size_t size)
{
    sink s = {out, size, 0};
    if (dim->n_code > MAX_DIM_TEXT_CODE)
        put(&s, "...");
    else
        print(&s, dim, symbols, 0, dim->n_code, false);
    if (size) out[s.length < size ? s.length : size - 1] = 0;
    return s.length;
}
