/* Einsum: operands one after the other as batched matrix products, with transposes around them.
 *
 * A letter that an operand has twice is its diagonal: the positions along both axes are compared, and one axis is added
 * up. The dots become letters of their own, counted from the last axis, so that they broadcast. */
#include "compose.h"

#include <string.h>

enum { LETTERS = 52 + ADZE_MAX_RANK, DOTS = 52 };

/* A term with a letter for each axis. */
typedef struct lettered {
    term *x;
    uint32_t rank;
    uint8_t letter[2 * ADZE_MAX_RANK];
} lettered;

static int letter_of(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? 26 + c - 'A' : -1;
}

static bool has(const lettered *a, uint32_t letter, uint32_t *out_axis)
{
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->letter[i] == letter) {
            if (out_axis) *out_axis = i;
            return true;
        }
    return false;
}

/* Letters from `at` to a comma, an arrow or the end; `rank` < 0: unknown, the dots stand for `dots` axes. */
static bool read_letters(adze_onnx_node *node, const char **at, int rank, uint32_t dots, lettered *out)
{
    const char *p = *at, *stop = p + strcspn(p, ",-");
    uint32_t named = 0;
    bool dotted = false;
    for (const char *c = p; c < stop; c++) named += letter_of(*c) >= 0;
    uint32_t hidden = rank < 0 ? dots : (uint32_t)rank > named ? (uint32_t)rank - named : 0;
    out->rank = 0;
    for (; p < stop; p++) {
        if (*p == ' ') continue;
        if (letter_of(*p) < 0 && (strncmp(p, "...", 3) || dotted))
            return adze_onnx_invalid(node, "the equation has '%c'", *p);
        if (letter_of(*p) >= 0 && out->rank < ADZE_MAX_RANK) {
            out->letter[out->rank++] = (uint8_t)letter_of(*p);
        } else if (letter_of(*p) < 0) {
            dotted = true;
            p += 2;
            for (uint32_t i = 0; i < hidden && out->rank < ADZE_MAX_RANK; i++)
                out->letter[out->rank++] = (uint8_t)(DOTS + hidden - 1 - i);
        }
    }
    *at = stop;
    if (named + (dotted ? hidden : 0) > ADZE_MAX_RANK || (rank >= 0 && out->rank != (uint32_t)rank))
        return adze_onnx_invalid(node, "the equation does not fit the rank of an input");
    return true;
}

/* Only the diagonal of letters that stand twice. */
static bool take_diagonals(adze_onnx_node *node, lettered *a)
{
    for (uint32_t i = 0; i < a->rank; i++)
        for (uint32_t k = i + 1; k < a->rank;) {
            if (a->letter[k] != a->letter[i]) {
                k++;
                continue;
            }
            int64_t axes[] = {k};
            term *row = compose_positions(node, a->x, i, a->rank - i, 0);
            term *column = compose_positions(node, a->x, k, a->rank - i, k - i);
            term *on = compose2(node, "equal", row, column);
            a->x = compose3(node, "where", on, a->x, compose_like(node, a->x, 0));
            a->x = compose_reduce(node, "reduce_sum", a->x, axes, 1, false);
            if (!a->x) return false;
            memmove(a->letter + k, a->letter + k + 1, a->rank - k - 1);
            a->rank--;
        }
    return true;
}

/* Adds up the axes whose letters are not wanted. */
static bool drop(adze_onnx_node *node, lettered *a, const bool *wanted)
{
    int64_t axes[2 * ADZE_MAX_RANK];
    uint32_t n = 0, rank = 0;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (wanted[a->letter[i]]) a->letter[rank++] = a->letter[i];
        else axes[n++] = i;
    }
    a->rank = rank;
    if (n) a->x = compose_reduce(node, "reduce_sum", a->x, axes, n, false);
    return a->x != NULL;
}

/* Axes in the order of `order`, axes of 1 where it has a letter that the term does not. */
static term *arrange(adze_onnx_node *node, const lettered *a, const uint8_t *order, uint32_t n)
{
    int64_t perm[2 * ADZE_MAX_RANK], missing[2 * ADZE_MAX_RANK];
    uint32_t rank = 0, gaps = 0, axis;
    bool moved = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!has(a, order[i], &axis)) {
            missing[gaps++] = i;
            continue;
        }
        moved |= axis != rank;
        perm[rank++] = axis;
    }
    term *x = moved ? compose_transpose(node, a->x, perm, rank) : a->x;
    return gaps ? compose2(node, "unsqueeze", x, compose_ints(node, missing, gaps)) : x;
}

static bool is_one(const lettered *a, uint32_t letter)
{
    uint32_t axis;
    return has(a, letter, &axis) && adze_dim_is_value(compose_dim(a->x, axis), 1);
}

/* Letters in groups: in both and kept; in a alone; in both and not wanted after; in b alone. */
typedef struct groups {
    uint8_t letter[4][LETTERS];
    uint32_t n[4];
} groups;

enum { BATCH, LEFT, SUM, RIGHT };

static void find_groups(const lettered *a, const lettered *b, const bool *wanted, groups *g)
{
    memset(g, 0, sizeof *g);
    for (uint32_t i = 0; i < a->rank; i++) {
        uint8_t c = a->letter[i];
        uint32_t group = !has(b, c, NULL) ? LEFT : wanted[c] ? BATCH : SUM;
        g->letter[group][g->n[group]++] = c;
    }
    for (uint32_t i = 0; i < b->rank; i++)
        if (!has(a, b->letter[i], NULL)) g->letter[RIGHT][g->n[RIGHT]++] = b->letter[i];
}

/* The product of the dims of a group's letters. */
static const adze_dim *extent(adze_onnx_node *node, const groups *g, uint32_t group, const lettered *a)
{
    const adze_dim *n = adze_dim_const(node->import->context, 1);
    uint32_t axis;
    for (uint32_t i = 0; i < g->n[group]; i++)
        if (has(a, g->letter[group][i], &axis)) n = adze_dim_mul(node->import->context, n, compose_dim(a->x, axis));
    return n;
}

/* `a` as [batch…, rows, columns], where each of the two is one group made one axis. */
static term *matrix(adze_onnx_node *node, const lettered *a, const groups *g, uint32_t rows, uint32_t columns)
{
    uint8_t order[3 * LETTERS];
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t n = 0, groups_of[] = {BATCH, rows, columns}, axis;
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < g->n[groups_of[k]]; i++) order[n++] = g->letter[groups_of[k]][i];
    term *x = arrange(node, a, order, n);
    if (g->n[rows] == 1 && g->n[columns] == 1) return x;
    n = 0;
    for (uint32_t i = 0; i < g->n[BATCH]; i++)
        if (has(a, g->letter[BATCH][i], &axis)) dims[n++] = compose_dim(a->x, axis);
    dims[n++] = extent(node, g, rows, a);
    dims[n++] = extent(node, g, columns, a);
    return compose_reshape(node, x, dims, n);
}

/* Letters of both that are summed, or kept, must be of one size for a matrix product; else they broadcast. */
static bool broadcasts(const lettered *a, const lettered *b)
{
    for (uint32_t i = 0; i < a->rank; i++)
        if (has(b, a->letter[i], NULL) && is_one(a, a->letter[i]) != is_one(b, a->letter[i])) return true;
    return false;
}

static bool is_summable(adze_dtype dtype)
{
    return adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT || dtype == ADZE_DTYPE_i32 || dtype == ADZE_DTYPE_i64 ||
           dtype == ADZE_DTYPE_u32 || dtype == ADZE_DTYPE_u64;
}

/* a becomes a times b, without the letters that nobody wants any more. */
static bool multiply(adze_onnx_node *node, lettered *a, const lettered *b, const bool *wanted)
{
    groups g;
    uint8_t order[3 * LETTERS];
    uint32_t n = 0, axis;
    find_groups(a, b, wanted, &g);
    for (uint32_t k = 0; k < 4; k++)
        for (uint32_t i = 0; i < g.n[k]; i++) order[n++] = g.letter[k][i];
    if (n > ADZE_MAX_RANK) return adze_onnx_unsupported(node, "more than %d letters", ADZE_MAX_RANK);
    if (g.n[SUM] == 0 || broadcasts(a, b) || !is_summable(compose_dtype(a->x))) {
        a->x = compose2(node, "mul", arrange(node, a, order, n), arrange(node, b, order, n));
        memcpy(a->letter, order, n);
        a->rank = n;
        return a->x && drop(node, a, wanted);
    }
    const adze_dim *dims[ADZE_MAX_RANK];
    lettered y = {0};
    static const uint32_t kept[] = {BATCH, LEFT, RIGHT};
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < g.n[kept[k]]; i++) {
            uint8_t c = g.letter[kept[k]][i];
            const lettered *from = has(a, c, &axis) ? a : b;
            if (!has(from, c, &axis)) return false;
            dims[y.rank] = compose_dim(from->x, axis);
            y.letter[y.rank++] = c;
        }
    y.x = compose2(node, "matmul", matrix(node, a, &g, LEFT, SUM), matrix(node, b, &g, SUM, RIGHT));
    if (g.n[LEFT] != 1 || g.n[RIGHT] != 1) y.x = compose_reshape(node, y.x, dims, y.rank);
    *a = y;
    return a->x != NULL;
}

/* Without an arrow: the dots, then letters that stand once, by the alphabet. */
static void implied(const uint32_t *count, lettered *out)
{
    static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (uint32_t i = ADZE_MAX_RANK; i-- > 0;)
        if (count[DOTS + i]) out->letter[out->rank++] = (uint8_t)(DOTS + i);
    for (const char *c = order; *c; c++)
        if (count[letter_of(*c)] == 1 && out->rank < ADZE_MAX_RANK) out->letter[out->rank++] = (uint8_t)letter_of(*c);
}

/* Letters of operand `index`, by its place in the equation. */
static bool read_operand(adze_onnx_node *node, const char **at, uint32_t index, uint32_t *count, lettered *out)
{
    uint32_t rank;
    if (!compose_operand(node, index, 0, &out->x, &rank) || !read_letters(node, at, (int)rank, 0, out)) return false;
    bool last = index + 1 == node->n_in;
    if (last ? **at == ',' : **at != ',') return adze_onnx_invalid(node, "the equation has not one part an input");
    *at += !last;
    for (uint32_t i = 0; i < out->rank; i++) count[out->letter[i]]++;
    return true;
}

enum { MAX_INPUTS = 16 };

bool adze_onnx_upgrade_einsum(adze_onnx_node *node)
{
    const char *equation = "", *at;
    lettered in[MAX_INPUTS] = {{0}}, result = {0};
    uint32_t count[LETTERS] = {0}, dots = 0;
    if (!adze_onnx_attr_str(node, "equation", &equation)) return false;
    if (node->n_in < 1 || node->n_in > MAX_INPUTS) return adze_onnx_unsupported(node, "%u inputs", node->n_in);
    at = equation;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!read_operand(node, &at, i, count, &in[i])) return false;
    while (dots < ADZE_MAX_RANK && count[DOTS + dots]) dots++;
    if (*at == '-' && at[1] != '>') return adze_onnx_invalid(node, "the equation is '%s'", equation);
    at += *at ? 2 : 0;
    bool says = strchr(equation, '>') != NULL;
    if (says && (!read_letters(node, &at, -1, dots, &result) || *at))
        return adze_onnx_invalid(node, "the equation is '%s'", equation);
    if (!says) implied(count, &result);
    bool kept[LETTERS] = {false};
    for (uint32_t i = 0; i < result.rank; i++) {
        if (kept[result.letter[i]] || !count[result.letter[i]])
            return adze_onnx_invalid(node, "the equation is '%s'", equation);
        kept[result.letter[i]] = true;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool wanted[LETTERS];
        if (!take_diagonals(node, &in[i])) return false;
        memcpy(wanted, kept, sizeof wanted); /* by the result, and by other operands not multiplied yet */
        for (uint32_t k = i + 1; k < node->n_in; k++)
            for (uint32_t n = 0; n < in[k].rank; n++) wanted[in[k].letter[n]] = true;
        if (i == 0 && !drop(node, &in[0], wanted)) return false;
        if (i == 0) continue;
        for (uint32_t n = 0; n < in[0].rank; n++) wanted[in[0].letter[n]] |= kept[in[0].letter[n]];
        bool alone[LETTERS];
        memcpy(alone, wanted, sizeof alone);
        for (uint32_t n = 0; n < in[0].rank; n++) alone[in[0].letter[n]] = true;
        if (!drop(node, &in[i], alone) || !multiply(node, &in[0], &in[i], wanted)) return false;
    }
    return compose_end(node, arrange(node, &in[0], result.letter, result.rank));
}
