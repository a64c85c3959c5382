/* mask-window: masks of attention that hide all but a band around each query become windows, whose kernels leave out
 * what lies beyond: of the mask that hides what comes later, the half of all pairs.
 *
 * A band says which distances, key minus query, are seen. It is found in comparisons of positions, whatever the length,
 * and in constants, where every row must agree. What hides is a bool, or a number that is added and low enough for the
 * exponential of any score to vanish.
 *
 *     %m = where(less(%i, %j), -inf, 0)
 *     %y = attention(%q, %k, %v, %m)        →         %y = attention(%q, %k, %v, _, dense[9223372036854775807, 0])
 */
#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MASK = 3, WINDOW = 4, MAX_DEPTH = 16, MAX_OFFSET = 1 << 22 };

/* f32 exponentials are 0 from -104 on; scores that would make up for this are none. */
static const double HIDES = -1e4;

/* Distances from lo to hi; INT64_MIN and INT64_MAX: without end. */
typedef struct band {
    int64_t lo, hi;
} band;

static const band everywhere = {INT64_MIN, INT64_MAX};

static band meet(band a, band b) { return (band){a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi}; }

/* ---- Positions ---- */

/* A value that is its place along one axis, counted from the last one (1 = keys, 2 = queries), plus an offset. */
typedef struct place {
    uint32_t axis;
    int64_t offset;
    const adze_dim *extent; /* of that axis */
} place;

static bool whole(const adze_ir_value *value, int64_t *out)
{
    double x;
    if (!adze_value_as_splat(value, &x) || x != floor(x) || fabs(x) > (double)MAX_OFFSET) return false;
    *out = (int64_t)x;
    return true;
}

/* The only axis of more than one element, or of a number that is not known. */
static bool only_axis(const adze_type *type, place *out)
{
    uint32_t rank = adze_type_rank(type), n = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (adze_dim_is_value(adze_type_dim(type, i), 1)) continue;
        out->axis = rank - i;
        out->extent = adze_type_dim(type, i);
        n++;
    }
    return n == 1;
}

/* Are places exact in this element type, and those below 0? */
static bool holds_places(const adze_type *type)
{
    adze_dtype dtype = adze_type_dtype(type);
    int64_t count;
    if (dtype == ADZE_DTYPE_i64 || dtype == ADZE_DTYPE_f64 || dtype == ADZE_DTYPE_i32) return true;
    return dtype == ADZE_DTYPE_f32 && adze_dim_is_const(adze_type_count(type), &count) && count <= 1 << 22;
}

static bool find_place(const adze_ir_value *value, int depth, place *out)
{
    const adze_op *op = value ? adze_value_op(value) : NULL;
    if (!op || !depth || !adze_type_is_ranked(adze_value_type(value))) return false;
    if (!holds_places(adze_value_type(value))) return false;
    if (adze_op_is(op, "iota")) {
        int64_t start = adze_op_attr_int(op, "start");
        *out = (place){1, start, adze_type_dim(adze_value_type(value), 0)};
        return adze_type_rank(adze_value_type(value)) == 1 && adze_op_attr_int(op, "step") == 1 &&
               start >= -MAX_OFFSET && start <= MAX_OFFSET;
    }
    if (adze_op_is(op, "reshape")) { /* of all places, and of nothing that was broadcast */
        const adze_ir_value *from = adze_op_operand(op, 0);
        return find_place(from, depth - 1, out) &&
               adze_dim_equal(adze_type_count(adze_value_type(from)), out->extent) &&
               only_axis(adze_value_type(value), out);
    }
    if (adze_op_is(op, "cast")) return find_place(adze_op_operand(op, 0), depth - 1, out);
    bool add = adze_op_is(op, "add"), sub = adze_op_is(op, "sub");
    if (!add && !sub) return false;
    int64_t by;
    if (whole(adze_op_operand(op, 1), &by)) {
        if (!find_place(adze_op_operand(op, 0), depth - 1, out)) return false;
        by = add ? by : -by;
    } else if (!add || !whole(adze_op_operand(op, 0), &by) || !find_place(adze_op_operand(op, 1), depth - 1, out)) {
        return false;
    }
    out->offset += by;
    return true;
}

/* ---- Conditions ---- */

/* Distances where a comparison of a key's and a query's place holds. */
static bool compare(const adze_op *op, const adze_dim *length, int depth, band *out)
{
    static const char *const names[] = {"less", "less_equal", "greater", "greater_equal"};
    uint32_t kind = 0;
    while (kind < 4 && !adze_op_is(op, names[kind])) kind++;
    place a, b;
    if (kind == 4 || !find_place(adze_op_operand(op, 0), depth, &a) || !find_place(adze_op_operand(op, 1), depth, &b))
        return false;
    if (a.axis == b.axis || a.axis > 2 || b.axis > 2) return false;
    if (!adze_dim_equal(a.extent, length) || !adze_dim_equal(b.extent, length)) return false;
    bool query_first = a.axis == 2, above = kind >= 2, strict = kind % 2 == 0;
    /* Query first: i + a ? j + b, or a - b ? j - i. Key first: j - i ? b - a. */
    int64_t bound = query_first ? a.offset - b.offset : b.offset - a.offset;
    *out = everywhere;
    if (query_first != above) out->lo = bound + strict;
    else out->hi = bound - strict;
    return true;
}

/* Distances where the condition is `sense`: false where these are no band. */
static bool find_condition(const adze_ir_value *value, bool sense, const adze_dim *length, int depth, band *out)
{
    const adze_op *op = value ? adze_value_op(value) : NULL;
    if (!op || !depth) return false;
    if (adze_op_is(op, "not")) return find_condition(adze_op_operand(op, 0), !sense, length, depth - 1, out);
    if (adze_op_is(op, sense ? "and" : "or")) { /* of distances where either is false, both are no band */
        band a, b;
        if (!find_condition(adze_op_operand(op, 0), sense, length, depth - 1, &a) ||
            !find_condition(adze_op_operand(op, 1), sense, length, depth - 1, &b))
            return false;
        *out = meet(a, b);
        return true;
    }
    if (!compare(op, length, depth - 1, out)) return false;
    if (sense) return true;
    bool below = out->lo == INT64_MIN;
    *out = below ? (band){out->hi + 1, INT64_MAX} : (band){INT64_MIN, out->lo - 1};
    return true;
}

static bool is_bool(const adze_ir_value *value) { return adze_type_dtype(adze_value_type(value)) == ADZE_DTYPE_bool; }

/* A mask that is computed: *rest is what it does besides, NULL = nothing. Where another mask hides too, it may be all
 * that a query sees: then finite numbers that hide still tell its keys apart, and only what is infinite hides by
 * itself. */
static bool find_computed(adze_ir_value *mask, const adze_dim *length, band *out, adze_ir_value **rest, bool *infinite)
{
    const adze_op *op = adze_value_op(mask);
    double yes, no;
    *rest = NULL;
    *infinite = true;
    if (is_bool(mask)) return find_condition(mask, true, length, MAX_DEPTH, out);
    if (!op || !adze_op_is(op, "where")) return false;
    adze_ir_value *condition = adze_op_operand(op, 0), *then = adze_op_operand(op, 1), *other = adze_op_operand(op, 2);
    bool some = adze_value_as_splat(then, &yes), any = adze_value_as_splat(other, &no);
    if (any && no <= HIDES && find_condition(condition, true, length, MAX_DEPTH, out)) {
        *rest = some && yes == 0 ? NULL : then;
        *infinite = isinf(no);
        return *infinite || !*rest;
    }
    if (!some || !(yes <= HIDES) || !find_condition(condition, false, length, MAX_DEPTH, out)) return false;
    *rest = any && no == 0 ? NULL : other;
    *infinite = isinf(yes);
    return *infinite || !*rest;
}

/* ---- Constants ---- */

enum { MAX_ELEMENTS = 1 << 26 };

typedef struct table {
    const void *data;
    adze_dtype dtype;
    int64_t heads, length;
    bool finite; /* what hides, somewhere */
} table;

/* 1 seen, 0 hidden, -1 neither. */
static int sees(table *t, int64_t at)
{
    if (t->dtype == ADZE_DTYPE_bool) return ((const uint8_t *)t->data)[at] != 0;
    float x = ((const float *)t->data)[at];
    if ((double)x <= HIDES && !isinf(x)) t->finite = true;
    return x == 0 ? 1 : (double)x <= HIDES ? 0 : -1;
}

/* The band of one head; rows need not reach to its ends where the table ends. */
static bool find_rows(table *t, int64_t head, band *out)
{
    int64_t n = t->length, left = 0, right = 0;
    const int64_t first = head * n * n;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i, to = i;
        if (sees(t, first + i * n + i) != 1) return false;
        while (from > 0 && sees(t, first + i * n + from - 1) == 1) from--;
        while (to + 1 < n && sees(t, first + i * n + to + 1) == 1) to++;
        left = i - from > left ? i - from : left;
        right = to - i > right ? to - i : right;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            if (sees(t, first + i * n + j) != (i - j <= left && j - i <= right)) return false;
    *out = (band){left == n - 1 ? INT64_MIN : -left, right == n - 1 ? INT64_MAX : right};
    return true;
}

/* As many bands as the mask has heads. */
static bool find_constant(const adze_ir_value *mask, int64_t length, band **out, int64_t *out_heads, bool *infinite)
{
    adze_const *c = adze_value_const(mask);
    const adze_type *type = adze_value_type(mask);
    uint32_t rank = adze_type_rank(type);
    int64_t dims[4] = {1, 1, 0, 0};
    if (!c || rank < 2 || rank > 4 || adze_type_has_layout(type)) return false;
    for (uint32_t i = 0; i < rank; i++)
        if (!adze_dim_is_const(adze_type_dim(type, i), &dims[4 - rank + i])) return false;
    table t = {.dtype = adze_type_dtype(type), .heads = dims[1], .length = length};
    bool fits = dims[0] == 1 && dims[2] == length && dims[3] == length && length > 1 &&
                t.heads > 0 && t.heads <= MAX_ELEMENTS / length / length;
    if (!fits || (t.dtype != ADZE_DTYPE_f32 && t.dtype != ADZE_DTYPE_bool)) return false;
    t.data = adze_data_load(adze_const_data(c));
    if (!t.data) return false;
    *out_heads = t.heads;
    *out = adze_malloc((size_t)t.heads * sizeof **out);
    bool ok = true;
    for (int64_t h = 0; ok && h < t.heads; h++) ok = find_rows(&t, h, &(*out)[h]);
    *infinite = !t.finite;
    if (!ok) free(*out);
    return ok;
}

/* ---- The pass ---- */

/* The mask gives way to a window, and `rest` to the mask. */
static bool replace(adze_op *op, const band *bands, int64_t heads, adze_ir_value *rest)
{
    adze_module *module = adze_op_module(op);
    int64_t dims[] = {heads, 2}, *sides = adze_malloc((size_t)heads * 2 * sizeof *sides);
    for (int64_t h = 0; h < heads; h++) {
        sides[2 * h] = bands[h].lo == INT64_MIN ? INT64_MAX : -bands[h].lo;
        sides[2 * h + 1] = bands[h].hi;
    }
    adze_ir_value *window = adze_const_make(
        module, "window", adze_type_tensor_const(adze_op_context(op), ADZE_DTYPE_i64, 2, dims), sides);
    free(sides);
    if (!window) return false;
    adze_op_set_operand(op, MASK, rest);
    if (adze_op_num_operands(op) > WINDOW) adze_op_set_operand(op, WINDOW, window);
    else adze_op_insert_operand(op, WINDOW, window);
    return true;
}

/* Its bands, to be freed; NULL: it is none. */
static band *find(adze_ir_value *mask, const adze_type *q, int64_t *heads, adze_ir_value **rest, bool *infinite)
{
    int64_t length;
    band one, *bands = NULL;
    *heads = 1;
    *rest = NULL;
    bool known = adze_dim_is_const(adze_type_dim(q, 2), &length);
    if (known && find_constant(mask, length, &bands, heads, infinite)) return bands;
    if (!find_computed(mask, adze_type_dim(q, 2), &one, rest, infinite)) return NULL;
    bands = adze_malloc(sizeof *bands);
    *bands = one;
    return bands;
}

static adze_outcome visit(adze_op *op, adze_pass_run *self)
{
    if (!adze_op_is(op, "attention") || !adze_op_operand(op, MASK) || adze_op_operand(op, WINDOW))
        return ADZE_UNCHANGED;
    const adze_type *q = adze_value_type(adze_op_operand(op, 0)), *k = adze_value_type(adze_op_operand(op, 1));
    if (adze_type_rank(q) != 4 || adze_type_rank(k) != 4 || !adze_dim_equal(adze_type_dim(q, 2), adze_type_dim(k, 2)))
        return ADZE_UNCHANGED;
    adze_ir_value *mask = adze_op_operand(op, MASK), *other = NULL, *rest;
    const adze_op *sum = adze_value_op(mask);
    int64_t heads;
    bool infinite;
    band *bands = find(mask, q, &heads, &rest, &infinite);
    for (uint32_t i = 0; !bands && sum && adze_op_is(sum, "add") && i < 2; i++) { /* of several masks */
        bands = find(adze_op_operand(sum, i), q, &heads, &rest, &infinite);
        other = adze_op_operand(sum, 1 - i);
        if (!bands || (!rest && infinite)) continue;
        free(bands);
        bands = NULL;
    }
    bool fits = bands;
    for (int64_t h = 0; fits && h < heads; h++) fits = bands[h].lo <= 0 && bands[h].hi >= 0;
    if (bands && other) rest = other;
    adze_outcome outcome = ADZE_UNCHANGED;
    if (fits && adze_rewrite(self, op, "window"))
        outcome = replace(op, bands, heads, rest) ? ADZE_CHANGED : ADZE_FAILED;
    free(bands);
    return outcome;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    adze_outcome all = ADZE_UNCHANGED;
    if (self->precision == ADZE_PRECISION_STRICT) return all;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        adze_outcome one = visit(op, self);
        if (one != ADZE_UNCHANGED) all = one;
    }
    return all;
}

const adze_pass adze_pass_mask_window = {
    .struct_size = sizeof(adze_pass),
    .name = "mask-window",
    .help = "masks of attention that hide all but a band become windows",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "simplify",
    .contract = "Part of simplify. What hides is a bool, or -10000 and lower where it is added; the other numbers of "
                "such a mask are 0, or are left as the mask. Attention over as many keys as queries. Changes nothing "
                "with --precision=strict.",
    .example = adze_example_mask_window,
};
