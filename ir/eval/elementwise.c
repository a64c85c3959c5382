/* Elementwise ops: one loop with broadcasting over the row functions of the scalar bodies. Every BODY
 * row of the op table gets its evaluation here, and so do the ops that are made of bodies.
 */
#include "copy.h"

#include "bodies_table.h"

/* What a row function is applied to: operands with their strides, then parameters. */
typedef struct call {
    adze_row_fn *row;
    uint32_t n; /* arguments */
    const void *data[ADZE_BODY_MAX_ARGS];
    uint32_t size[ADZE_BODY_MAX_ARGS]; /* bytes of an element */
    int64_t strides[ADZE_BODY_MAX_ARGS][ADZE_MAX_RANK];
} call;

/* Drops axes of extent 1 and joins neighbours that every argument walks as one; the new rank. */
static uint32_t join_axes(call *c, uint32_t rank, int64_t *dims)
{
    uint32_t r = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] == 1) continue;
        bool joins = r > 0;
        for (uint32_t k = 0; k < c->n && joins; k++)
            joins = c->strides[k][r - 1] == c->strides[k][i] * dims[i];
        if (joins)
            dims[r - 1] *= dims[i];
        else
            dims[r++] = dims[i];
        for (uint32_t k = 0; k < c->n; k++) c->strides[k][r - 1] = c->strides[k][i];
    }
    return r;
}

static void run_call(call *c, adze_value *out)
{
    int64_t dims[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0}, steps[ADZE_BODY_MAX_ARGS] = {0};
    uint32_t size = ev_size(out->dtype);
    if (adze_value_count(out) == 0) return;
    for (uint32_t i = 0; i < out->rank; i++) dims[i] = out->dims[i];
    uint32_t rank = join_axes(c, out->rank, dims), outer = rank ? rank - 1 : 0;
    int64_t n = rank ? dims[outer] : 1;
    for (uint32_t k = 0; k < c->n && rank; k++) steps[k] = c->strides[k][outer];
    uint8_t *to = out->data;
    do {
        const void *args[ADZE_BODY_MAX_ARGS] = {0};
        for (uint32_t k = 0; k < c->n; k++) {
            int64_t at = 0;
            for (uint32_t i = 0; i < outer; i++) at += index[i] * c->strides[k][i];
            args[k] = (const uint8_t *)c->data[k] + at * c->size[k];
        }
        c->row(to, args, steps, n);
        to += n * size;
    } while (ev_next(outer, dims, index));
}

/* Applies `row` to `n` operands, broadcast together, and to parameters given as doubles, which the
 * row reads as elements of type `compute`. */
static adze_status apply(const adze_env *env, adze_row_fn *row, const adze_value *in, uint32_t n,
                         uint32_t result, adze_value *out, uint32_t compute, const double *params,
                         uint32_t n_params)
{
    int64_t dims[ADZE_MAX_RANK] = {0}, values[ADZE_BODY_MAX_ARGS];
    uint32_t rank = 0;
    if (!row) return ev_bad_dtype(env);
    for (uint32_t k = 0; k < n; k++)
        if (!ev_broadcast(&rank, dims, in[k].rank, in[k].dims))
            return ev_fail(env, ADZE_ERR_DIM, "operands do not broadcast together");
    adze_status status = ev_result(env, out, result, rank, dims);
    if (status != ADZE_OK) return status;
    call c = {.row = row, .n = n + n_params};
    for (uint32_t k = 0; k < n; k++) {
        c.data[k] = in[k].data;
        c.size[k] = ev_size(in[k].dtype);
        if (!ev_broadcast_strides(&in[k], rank, dims, c.strides[k]))
            return ev_fail(env, ADZE_ERR_DIM, "operands do not broadcast together");
    }
    for (uint32_t k = 0; k < n_params; k++) {
        ev_store_f64(compute, &values[k], 0, 1, 1, &params[k]);
        c.data[n + k] = &values[k];
    }
    run_call(&c, out);
    return ADZE_OK;
}

adze_status ev_apply_body(const adze_env *env, const adze_body *body, const adze_value *in, adze_value *out,
                          const double *params)
{
    return apply(env, body->row, in, body->operands, body->result, out, body->compute, params,
                 (uint32_t)body->arguments - body->operands);
}

static adze_status same_dtypes(const adze_env *env, const adze_value *in, uint32_t from, uint32_t n)
{
    for (uint32_t k = from + 1; k < n; k++)
        if (in[k].dtype != in[from].dtype)
            return ev_fail(env, ADZE_ERR_DTYPE, "operands differ in element type");
    return ADZE_OK;
}

/* Half precision computes in f32. */
static uint32_t compute_type(uint32_t dtype)
{
    return dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16 ? ADZE_DTYPE_f32 : dtype;
}

/* A row function for elements of 16 bytes; strings and c128 have no body. */
static void row_where_block(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const uint8_t *c = args[0];
    const ev_block16 *a = args[1], *b = args[2];
    for (int64_t i = 0; i < n; i++)
        ((ev_block16 *)out)[i] = c[i * steps[0]] ? a[i * steps[1]] : b[i * steps[2]];
}

static void row_equal_str(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const adze_string *a = args[0], *b = args[1];
    for (int64_t i = 0; i < n; i++) {
        adze_string x = a[i * steps[0]], y = b[i * steps[1]];
        ((uint8_t *)out)[i] = x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
    }
}

/* Conversion of any number type to any other, in blocks; what pairs without a body use. */
static void convert(const adze_value *in, adze_value *out, bool saturate, char round)
{
    enum { BLOCK = 256 };
    double floats[BLOCK];
    int64_t ints[BLOCK], n = (int64_t)adze_value_count(in);
    bool whole = ev_is_int(in->dtype) && ev_is_int(out->dtype);
    if (adze_dtype_bits((adze_dtype)out->dtype) < 8) memset(out->data, 0, ev_bytes(out));
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t now = ev_min(BLOCK, n - i);
        if (whole) {
            ev_load_i64(in->dtype, in->data, i, 1, now, ints);
            ev_store_i64(out->dtype, out->data, i, 1, now, ints);
            continue;
        }
        ev_load_f64(in->dtype, in->data, i, 1, now, floats);
        ev_store_cast(out->dtype, out->data, i, now, floats, saturate, round);
    }
}

/* `v` as elements of type `dtype`, in scratch. */
static adze_status as_type(const adze_env *env, const adze_value *v, uint32_t dtype, adze_value *out)
{
    *out = *v;
    if (v->dtype == dtype) return ADZE_OK;
    out->dtype = dtype;
    out->data = ev_scratch(env, adze_value_count(v), ev_size(dtype));
    if (!out->data) return ev_no_memory(env);
    convert(v, out, false, 'n');
    return ADZE_OK;
}

/* Element types are spelled as in dtype.def from here on, and bodies_rows.h undefines `bool`. */
#include "bodies_rows.h"

/* ---- Which row function serves an element type: pick_<body>(dtype) ---- */

#define CASE(t, name)                                                                              \
    case ADZE_DTYPE_##t: return adze_row_##name##_##t;
#define PICK(name, types)                                                                          \
    static inline adze_row_fn *pick_##name(uint32_t dtype)                                         \
    {                                                                                              \
        switch (dtype) {                                                                           \
            BODY_TYPES_##types(CASE, name)                                                         \
        default: return NULL;                                                                      \
        }                                                                                          \
    }
#define BODY1(name, operands, params, types, lanes, r, a)       PICK(name, types)
#define BODY2(name, operands, params, types, lanes, r, a, b)    PICK(name, types)
#define BODY3(name, operands, params, types, lanes, r, a, b, c) PICK(name, types)
#include "bodies.def"

static adze_row_fn *pick_cast(uint32_t from, uint32_t to)
{
#define CAST_CASE(a, b, lanes)                                                                     \
    case ADZE_DTYPE_##a * ADZE_DTYPE_COUNT + ADZE_DTYPE_##b: return adze_row_cast_##a##_##b;
    switch (from * ADZE_DTYPE_COUNT + to) {
        CAST_PAIRS(CAST_CASE)
    default: return NULL;
    }
}

/* ---- Evaluations of the BODY rows; they differ by what inference says of the result ---- */

#define EVAL(name)                                                                                 \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in,              \
                            adze_value *out, uint32_t n_out, const void *attrs)
#define PLAIN(name, result, ...)                                                                   \
    EVAL(name)                                                                                     \
    {                                                                                              \
        (void)n_out;                                                                               \
        const struct adze_##name##_attrs *a = attrs;                                               \
        const double params[] = {__VA_ARGS__ 0};                                                          \
        adze_status status = same_dtypes(env, in, 0, n_in);                                        \
        (void)a;                                                                                   \
        if (status != ADZE_OK) return status;                                                      \
        return apply(env, pick_##name(in->dtype), in, n_in, result, out, compute_type(in->dtype),  \
                     params, sizeof params / sizeof *params - 1);                                  \
    }
#define EVAL_same(name, ...) PLAIN(name, in->dtype, __VA_ARGS__)
#define EVAL_broadcast(name, ...) PLAIN(name, in->dtype, __VA_ARGS__)
#define EVAL_compare(name, ...) PLAIN(name, ADZE_DTYPE_bool, __VA_ARGS__)
#define EVAL_cast(name, ...)
#define EVAL_pow(name, ...)
#define EVAL_where(name, ...)

/* Strings are equal or not, but have no body. */
#define pick_equal(dtype) ((dtype) == ADZE_DTYPE_str ? row_equal_str : pick_equal(dtype))

#define OP(name, onnx, imin, imax, omin, omax, traits, access, infer, help, attrs)
#define STRUCT(name, imin, imax, omin, omax, rmin, rmax, traits, infer, help, attrs)
#define BODY(name, onnx, n_in, traits, infer, help, attrs) EVAL_##infer(name, attrs)
#define ATTR(name, kind, fallback)                         (double)a->name,
#include <adze/ops.def>

#undef pick_equal

/* Any type can be chosen from: its bits are those of an unsigned integer. */
EVAL(where)
{
    (void)n_out, (void)attrs;
    adze_status status = same_dtypes(env, in, 1, n_in);
    if (status != ADZE_OK) return status;
    if (in->dtype != ADZE_DTYPE_bool) return ev_fail(env, ADZE_ERR_DTYPE, "where: the condition is not bool");
    adze_row_fn *row = NULL;
    switch (adze_dtype_bits((adze_dtype)in[1].dtype)) {
    case 8: row = adze_row_where_u8; break;
    case 16: row = adze_row_where_u16; break;
    case 32: row = adze_row_where_u32; break;
    case 64: row = adze_row_where_u64; break;
    case 128: row = row_where_block; break;
    default: break;
    }
    return apply(env, row, in, n_in, in[1].dtype, out, 0, NULL, 0);
}

EVAL(cast)
{
    (void)n_in, (void)n_out;
    const struct adze_cast_attrs *a = attrs;
    uint32_t to = (uint32_t)a->to;
    adze_row_fn *row = pick_cast(in->dtype, to);
    if (row) return apply(env, row, in, 1, to, out, 0, NULL, 0);
    if (!ev_is_number(in->dtype) || !ev_is_number(to)) return ev_bad_dtype(env);
    adze_status status = ev_result(env, out, to, in->rank, in->dims);
    if (status == ADZE_OK) convert(in, out, a->saturate != 0, a->round_mode.size ? a->round_mode.data[0] : 'u');
    return status;
}

EVAL(bitcast)
{
    (void)n_in, (void)n_out;
    const struct adze_bitcast_attrs *a = attrs;
    uint32_t to = (uint32_t)a->to;
    if (in->dtype == ADZE_DTYPE_str || to == ADZE_DTYPE_str ||
        adze_dtype_bits((adze_dtype)in->dtype) != adze_dtype_bits((adze_dtype)to))
        return ev_fail(env, ADZE_ERR_DTYPE, "bitcast: elements of another size");
    adze_status status = ev_result(env, out, to, in->rank, in->dims);
    if (status == ADZE_OK) memcpy(out->data, in->data, (size_t)ev_bytes(in));
    return status;
}

/* The exponent takes the base's type; an integer to a float power goes through f64. */
EVAL(pow)
{
    (void)n_in, (void)n_out, (void)attrs;
    uint32_t base = in->dtype, rank = in->rank;
    if (!pick_pow(base) || !ev_is_number(in[1].dtype)) return ev_bad_dtype(env);
    uint32_t compute = ev_is_int(base) && ev_is_float(in[1].dtype) ? ADZE_DTYPE_f64 : base;
    adze_value args[2], wide = {0};
    adze_status status = as_type(env, &in[0], compute, &args[0]);
    if (status == ADZE_OK) status = as_type(env, &in[1], compute, &args[1]);
    if (status != ADZE_OK) return status;
    if (compute == base) return apply(env, pick_pow(base), args, 2, base, out, 0, NULL, 0);
    int64_t dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = in->dims[i];
    if (!ev_broadcast(&rank, dims, in[1].rank, in[1].dims))
        return ev_fail(env, ADZE_ERR_DIM, "operands do not broadcast together");
    status = ev_result(env, out, base, rank, dims);
    if (status != ADZE_OK) return status;
    wide = *out;
    wide.dtype = compute;
    wide.data = ev_scratch(env, adze_value_count(out), sizeof(double));
    if (!wide.data) return ev_no_memory(env);
    status = apply(env, pick_pow(compute), args, 2, compute, &wide, 0, NULL, 0);
    if (status == ADZE_OK) convert(&wide, out, false, 'n');
    return status;
}

/* ---- Ops made of bodies ---- */

EVAL(clip)
{
    (void)n_out, (void)attrs;
    adze_value args[3] = {in[0]};
    int64_t bounds[2];
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    for (uint32_t k = 1; k < 3; k++) {
        args[k] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = in->dtype, .data = &bounds[k - 1]};
        double none = k == 1 ? -ev_inf() : ev_inf();
        if (ev_has(in, n_in, k)) {
            if (in[k].dtype != in->dtype || adze_value_count(&in[k]) != 1)
                return ev_fail(env, ADZE_ERR_DTYPE, "clip: a bound is not one element of the operand's type");
            args[k].data = in[k].data;
        } else {
            ev_store_f64(in->dtype, &bounds[k - 1], 0, 1, 1, &none);
        }
    }
    return apply(env, pick_clip(in->dtype), args, 3, in->dtype, out, 0, NULL, 0);
}

/* The first operand spread out over the result, then one operand after the other on top. */
static adze_status fold(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        adze_row_fn *row, adze_row_fn *copy)
{
    int64_t dims[ADZE_MAX_RANK] = {0};
    uint32_t rank = 0;
    adze_status status = same_dtypes(env, in, 0, n_in);
    if (status != ADZE_OK) return status;
    if (!row || !copy) return ev_bad_dtype(env);
    for (uint32_t k = 0; k < n_in; k++)
        if (!ev_broadcast(&rank, dims, in[k].rank, in[k].dims))
            return ev_fail(env, ADZE_ERR_DIM, "operands do not broadcast together");
    status = ev_result(env, out, in->dtype, rank, dims);
    if (status != ADZE_OK) return status;
    for (uint32_t k = 0; k < n_in; k++) {
        call c = {.row = k ? row : copy, .n = k ? 2 : 1};
        const adze_value *args[2] = {k ? out : &in[0], &in[k]};
        for (uint32_t i = 0; i < c.n; i++) {
            c.data[i] = args[i]->data;
            c.size[i] = ev_size(in->dtype);
            if (!ev_broadcast_strides(args[i], rank, dims, c.strides[i]))
                return ev_fail(env, ADZE_ERR_DIM, "operands do not broadcast together");
        }
        run_call(&c, out);
    }
    return ADZE_OK;
}

EVAL(max_n)
{
    (void)n_out, (void)attrs;
    return fold(env, in, n_in, out, pick_max(in->dtype), pick_identity(in->dtype));
}

EVAL(min_n)
{
    (void)n_out, (void)attrs;
    return fold(env, in, n_in, out, pick_min(in->dtype), pick_identity(in->dtype));
}

EVAL(sum_n)
{
    (void)n_out, (void)attrs;
    return fold(env, in, n_in, out, pick_add(in->dtype), pick_identity(in->dtype));
}
