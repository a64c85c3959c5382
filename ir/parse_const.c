/* Constants in IR text.
 *
 *     const @w: f32[2] = dense[1.0, 2.0]               values, row-major
 *     const @w: f16[2] = hex"003c0040"                 bytes as stored, little endian
 *     const @w: f32[64,64] = blob("w.bin", 64, 16384)  part of a file beside the text
 *     const @w: f32[2,3] = derived transpose(@v) {perm = [1, 0]}
 *
 * A blob's path is relative to the text's folder and may not leave it: no absolute path, no "..",
 * no symbolic link out of it.
 */
#include <adze/digit.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/eval/convert.h"
#include "ir/parse.h"

/* Elements and bytes of a static tensor type. */
static bool type_bytes(adze_parser *p, const adze_token *at, const adze_type *type,
                       uint64_t *out_count, uint64_t *out_bytes)
{
    int64_t count;
    if (!adze_type_is_tensor(type) || !adze_type_is_static(type) || adze_type_has_layout(type))
        return adze_parse_error(p, at, "a constant is a dense tensor with known dims");
    if (!adze_dim_is_const(adze_type_count(type), &count) || count < 0 || count > INT64_MAX / 16)
        return adze_parse_error(p, at, "the constant's dims are too large");
    *out_count = (uint64_t)count;
    *out_bytes = adze_dtype_bytes(adze_type_dtype(type), (uint64_t)count);
    if (p->context->max_memory && *out_bytes > p->context->max_memory)
        return adze_parse_error(p, at, "the constant is larger than the memory bound");
    return true;
}

static void put_bits(uint8_t *bytes, uint64_t index, uint32_t bits, uint64_t value)
{
    if (bits >= 8) {
        memcpy(bytes + index * (bits / 8), &value, bits / 8); /* little endian hosts only */
        return;
    }
    uint64_t bit = index * bits;
    bytes[bit / 8] |= (uint8_t)((value & ((1u << bits) - 1)) << (bit % 8));
}

static bool dense_integer(adze_parser *p, adze_dtype dtype, uint8_t *bytes, uint64_t index)
{
    adze_token start = p->token;
    bool negative = adze_parse_take(p, '-'),
         is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    uint32_t bits = adze_dtype_bits(dtype);
    uint64_t magnitude, limit = UINT64_MAX >> (64 - bits);
    if (p->token.kind != ADZE_TOKEN_INT) return adze_parse_unexpected(p, "an integer");
    bool fits = adze_token_integer(&p->token, &magnitude);
    if (is_signed) limit = (limit >> 1) + negative;
    if (!fits || magnitude > limit || (negative && !is_signed && magnitude))
        return adze_parse_error(p, &start, "the value does not fit the element type");
    put_bits(bytes, index, bits, negative ? 0 - magnitude : magnitude);
    adze_parse_next(p);
    return true;
}

static bool dense_float(adze_parser *p, adze_dtype dtype, uint8_t *bytes, uint64_t index)
{
    bool negative = adze_parse_take(p, '-');
    double value;
    if (p->token.kind == ADZE_TOKEN_INT || p->token.kind == ADZE_TOKEN_FLOAT)
        value = adze_token_number(&p->token);
    else if (adze_token_is(&p->token, "inf") || adze_token_is(&p->token, "nan"))
        value = p->token.text[0] == 'i' ? __builtin_inf() : __builtin_nan("");
    else
        return adze_parse_unexpected(p, "a number, inf or nan");
    if (negative) value = -value;
    const ev_format *small = ev_small_float(dtype);
    float single = (float)value;
    if (small)
        put_bits(bytes, index, adze_dtype_bits(dtype), ev_encode(small, value, false));
    else if (dtype == ADZE_DTYPE_f64)
        memcpy(bytes + index * 8, &value, 8);
    else
        memcpy(bytes + index * 4, &single, 4);
    adze_parse_next(p);
    return true;
}

static bool dense_string(adze_parser *p, uint8_t *bytes, uint64_t index)
{
    size_t size;
    if (p->token.kind != ADZE_TOKEN_STRING) return adze_parse_unexpected(p, "a string in quotes");
    const char *text = adze_parse_bytes(p, &p->token, &size);
    adze_string string = {adze_arena_text(&p->context->arena, text, size), size};
    memcpy(bytes + index * sizeof string, &string, sizeof string);
    adze_parse_next(p);
    return true;
}

static bool dense_element(adze_parser *p, adze_dtype dtype, uint8_t *bytes, uint64_t index)
{
    switch (adze_dtype_get_kind(dtype)) {
    case ADZE_KIND_BOOL:
        if (!adze_token_is(&p->token, "true") && !adze_token_is(&p->token, "false"))
            return adze_parse_unexpected(p, "true or false");
        bytes[index] = p->token.text[0] == 't';
        adze_parse_next(p);
        return true;
    case ADZE_KIND_INT:
    case ADZE_KIND_UINT:
        return dense_integer(p, dtype, bytes, index);
    case ADZE_KIND_STRING:
        return dense_string(p, bytes, index);
    case ADZE_KIND_FLOAT:
        if (dtype != ADZE_DTYPE_f8e8m0) return dense_float(p, dtype, bytes, index);
        break;
    default:
        break;
    }
    return adze_parse_error(p, &p->token, "constants of this element type are written as hex\"…\"");
}

/* At '['. Every element takes text, so the text bounds the memory. */
static adze_data *parse_dense(adze_parser *p, const adze_type *type, uint64_t count, uint64_t size)
{
    adze_token start = p->token;
    if (!adze_parse_expect(p, '[', "'['")) return NULL;
    if (count > (uint64_t)(p->lexer.end - p->lexer.at) + 16) { /* the next token is read already */
        adze_parse_error(p, &start, "the type has %llu elements, the text fewer",
                         (unsigned long long)count);
        return NULL;
    }
    uint8_t *bytes = adze_malloc(size + 1);
    memset(bytes, 0, size + 1);
    uint64_t n = 0;
    bool ok = true;
    for (; ok && p->token.kind != ']'; n++) {
        ok = (!n || adze_parse_expect(p, ',', "',' or ']'"));
        if (ok && n == count)
            ok = adze_parse_error(p, &p->token, "more elements than the type has (%llu)",
                                  (unsigned long long)count);
        ok = ok && dense_element(p, adze_type_dtype(type), bytes, n);
    }
    if (ok && n < count)
        ok = adze_parse_error(p, &p->token, "the type has %llu elements, the text has %llu",
                              (unsigned long long)count, (unsigned long long)n);
    if (ok) {
        adze_parse_next(p);
        return adze_data_take(p->context, bytes, size);
    }
    free(bytes);
    return NULL;
}

static adze_data *parse_hex(adze_parser *p, const adze_type *type, uint64_t size)
{
    adze_token token = p->token;
    if (!adze_parse_expect(p, ADZE_TOKEN_STRING, "hex digits in quotes")) return NULL;
    if (adze_type_dtype(type) == ADZE_DTYPE_str) {
        adze_parse_error(p, &token, "strings are written as dense[…]");
        return NULL;
    }
    if (token.size % 2 || token.size / 2 != size) {
        adze_parse_error(p, &token, "the type has %llu bytes, so %llu digits are needed; found %zu",
                         (unsigned long long)size, (unsigned long long)size * 2, token.size);
        return NULL;
    }
    uint8_t *bytes = adze_malloc(size + 1);
    for (uint64_t i = 0; i < size; i++) {
        int high = adze_hex_digit(token.text[2 * i]), low = adze_hex_digit(token.text[2 * i + 1]);
        if (high < 0 || low < 0) {
            free(bytes);
            adze_parse_error(p, &token, "byte %llu is not two hexadecimal digits",
                             (unsigned long long)i);
            return NULL;
        }
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return adze_data_take(p->context, bytes, size);
}

/* The path of a blob, or NULL after an error. */
static const char *blob_path(adze_parser *p, const adze_token *token)
{
    const char *name = adze_parse_name(p, token);
    if (!name) return NULL;
    bool leaves = name[0] == '/';
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0)) leaves = true;
    }
    if (leaves) {
        adze_parse_error(p, token, "the path must stay in the folder of the text");
        return NULL;
    }
    const char *path = adze_internf(p->context, "%s/%s", p->folder, name);
    char *real = realpath(path, NULL), *folder = realpath(p->folder, NULL);
    const char *out = NULL;
    size_t n = folder ? strlen(folder) : 0;
    if (!real || !folder)
        adze_parse_error(p, token, "there is no file '%s'", path);
    else if (strncmp(real, folder, n) != 0 || (real[n] && real[n] != '/' && n > 1))
        adze_parse_error(p, token, "'%s' leads out of the text's folder", name);
    else
        out = path;
    free(real);
    free(folder);
    return out;
}

/* `("file", offset, size)` after the word blob. */
static adze_data *parse_blob(adze_parser *p, const adze_type *type, uint64_t size)
{
    int64_t offset, bytes;
    if (!adze_parse_expect(p, '(', "'('")) return NULL;
    adze_token file = p->token;
    if (!adze_parse_expect(p, ADZE_TOKEN_STRING, "a file name in quotes") ||
        !adze_parse_expect(p, ',', "','"))
        return NULL;
    adze_token at = p->token;
    if (!adze_parse_int(p, &offset) || !adze_parse_expect(p, ',', "','") ||
        !adze_parse_int(p, &bytes) || !adze_parse_expect(p, ')', "')'"))
        return NULL;
    if (adze_type_dtype(type) == ADZE_DTYPE_str) {
        adze_parse_error(p, &file, "strings are written as dense[…]");
        return NULL;
    }
    const char *path = blob_path(p, &file);
    if (!path) return NULL;
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        adze_parse_error(p, &file, "'%s' is not a file", path);
        return NULL;
    }
    if (bytes < 0 || (uint64_t)bytes != size) {
        adze_parse_error(p, &at, "the type has %llu bytes, the blob %lld", (unsigned long long)size,
                         (long long)bytes);
        return NULL;
    }
    if (offset < 0 || offset > info.st_size || bytes > info.st_size - offset) {
        adze_parse_error(p, &at, "the file has %lld bytes only", (long long)info.st_size);
        return NULL;
    }
    return adze_data_file(p->context, path, (uint64_t)offset, size);
}

/* The op of a derived constant in a scratch function, so that inference can check the type. */
static adze_data *derive(adze_parser *p, adze_op *op, adze_const **inputs, uint32_t n,
                         const adze_token *at, const adze_type *type)
{
    const adze_type *inferred = type;
    op->results[0].type = type;
    uint64_t errors = p->context->errors;
    if (adze_op_missing_attr(op)) {
        adze_parse_error(p, at, "%s needs attribute '%s'", op->row->name, adze_op_missing_attr(op));
        return NULL;
    }
    if (!adze_row_has_meaning(op->row) || !(op->row->traits & ADZE_PURE) ||
        (op->row->traits & ADZE_DATA_DEPENDENT)) {
        adze_parse_error(p, at, "%s cannot derive a constant", op->row->name);
        return NULL;
    }
    if (!op->row->infer || !adze_op_infer_types(op, &inferred)) {
        if (p->context->errors == errors)
            adze_parse_error(p, at, "the operands do not fit %s", op->row->name);
        else
            p->errors++;
        return NULL;
    }
    if (inferred != type) {
        char want[256];
        adze_type_print(inferred, want, sizeof want);
        adze_parse_error(p, at, "%s gives %s", op->row->name, want);
        return NULL;
    }
    return adze_data_derived(p->context, op->row, op->attrs, inputs, n, type);
}

/* `(@a, _, …)`. An input whose definition had an error sets `broken`. */
static bool parse_inputs(adze_parser *p, adze_parse_list *inputs, bool *broken)
{
    if (!adze_parse_expect(p, '(', "'('")) return false;
    while (p->token.kind != ')') {
        if (inputs->count && !adze_parse_expect(p, ',', "',' or ')'")) return false;
        adze_token at = p->token;
        bool absent = adze_token_is(&at, "_");
        if (!absent && at.kind != ADZE_TOKEN_SYMBOL)
            return adze_parse_unexpected(p, "a constant's name after '@'");
        const char *from = absent ? NULL : adze_parse_name(p, &at);
        const adze_const *constant = from ? adze_module_find_const(p->module, from) : NULL;
        if (!absent && !from) return false;
        if (from && !constant && !adze_table_get(&p->broken, from))
            return adze_parse_error(p, &at, "no constant @%s above", from);
        *broken |= from && !constant;
        adze_parse_push(p, inputs, constant);
        adze_parse_next(p);
    }
    adze_parse_next(p);
    return true;
}

/* Bounds the evaluations that a chain of derived constants takes. */
static bool count_cost(adze_parser *p, const adze_token *name, adze_const *const *inputs,
                       uint32_t n)
{
    p->cost = 1;
    for (uint32_t i = 0; i < n; i++)
        p->cost += inputs[i] ? (uintptr_t)adze_table_get(&p->costs, inputs[i]) : 0;
    return p->cost <= ADZE_PARSE_DERIVED ||
           adze_parse_error(p, name, "derived from more than %d other derived constants",
                            ADZE_PARSE_DERIVED);
}

/* `op(@a, …) {attrs}` after the word derived. */
static adze_data *parse_derived(adze_parser *p, const adze_type *type)
{
    adze_token name = p->token;
    adze_parse_list inputs = {0};
    bool broken = false;
    if (name.kind != ADZE_TOKEN_ID && name.kind != ADZE_TOKEN_STRING) {
        adze_parse_unexpected(p, "an op");
        return NULL;
    }
    const char *text = adze_parse_name(p, &name);
    const adze_op_row *row = text ? adze_row_find(p->context, text) : NULL;
    adze_parse_next(p);
    if (text && !row) adze_parse_no_op(p, &name, text);
    if (!row || !parse_inputs(p, &inputs, &broken)) return NULL;
    if (broken) { /* reported there */
        if (p->token.kind == '{') adze_parse_skip_line(p, NULL, p->braces);
        return NULL;
    }
    uint32_t n = inputs.count;
    adze_const **constants = (adze_const **)(void *)inputs.items;
    if (n < row->in_min || (n > row->in_max && row->in_max != ADZE_VARIADIC) || row->out_min > 1) {
        adze_parse_error(p, &name, "%s with %u operands cannot derive a constant", row->name, n);
        return NULL;
    }
    if (!count_cost(p, &name, constants, n)) return NULL;
    adze_func shelf = {.module = p->module};
    adze_region_init(&shelf.body, &shelf, NULL);
    adze_op *op = adze_op_new(p->module, row, n, 1, 0);
    op->loc = adze_parse_at(p, &name);
    adze_op_insert(&shelf.body, NULL, op);
    for (uint32_t i = 0; i < n; i++)
        adze_op_set_operand(op, i, constants[i] ? adze_const_value(constants[i]) : NULL);
    adze_data *data = NULL;
    if (p->token.kind != '{' || adze_parse_op_attrs(p, op))
        data = derive(p, op, constants, n, &name, type);
    adze_op_erase(op);
    return data;
}

/* After the colon: type and contents. */
static bool parse_definition(adze_parser *p, const adze_token *name, const char *text)
{
    uint64_t count = 0, size = 0;
    adze_token at = p->token;
    const adze_type *type = adze_parse_type(p);
    if (!type || !type_bytes(p, &at, type, &count, &size) || !adze_parse_expect(p, '=', "'='"))
        return false;
    if (adze_module_find_const(p->module, text))
        return adze_parse_error(p, name, "@%s is defined twice", text);
    adze_token form = p->token;
    adze_data *data = NULL;
    p->cost = 0;
    if (form.kind == ADZE_TOKEN_ID) adze_parse_next(p);
    if (adze_token_is(&form, "dense"))
        data = parse_dense(p, type, count, size);
    else if (adze_token_is(&form, "hex"))
        data = parse_hex(p, type, size);
    else if (adze_token_is(&form, "blob"))
        data = parse_blob(p, type, size);
    else if (adze_token_is(&form, "derived"))
        data = parse_derived(p, type);
    else
        return adze_parse_error(p, &form, "expected dense[…], hex\"…\", blob(…) or derived op(…)");
    if (!data) return false;
    adze_const *constant = adze_module_add_const(p->module, text, type, data);
    if (p->cost) adze_table_put(&p->costs, constant, (void *)p->cost);
    return true;
}

bool adze_parse_const(adze_parser *p)
{
    adze_token name = p->token;
    if (!adze_parse_expect(p, ADZE_TOKEN_SYMBOL, "a constant's name after '@'")) return false;
    const char *text = adze_parse_name(p, &name);
    if (!text) return false;
    if (adze_parse_expect(p, ':', "':'") && parse_definition(p, &name, text)) return true;
    adze_table_put(&p->broken, text, (void *)(uintptr_t)text);
    return false;
}
