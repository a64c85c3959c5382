/* What every evaluation shares: prototypes of all of them, results, errors, indices.
 *
 * An evaluation is the meaning of an op. It is freestanding (no libc but memcpy, memset and memcmp)
 * because the same source runs in the compiler and, as bitcode, in artifacts. It works out the dims
 * of its results itself: storage that arrives allocated is checked against them, storage that does
 * not (kind ABSENT: the compiler could not know the dims) is asked for.
 *
 * A sequence or an optional that an evaluation gives is no more than an array of items in scratch, and an item may be
 * an operand's; bytes of strings that it gives may be scratch or an operand's too. The caller copies them before either
 * goes.
 */
#ifndef ADZE_EVAL_H
#define ADZE_EVAL_H

#include <adze/abi.h>
#include <adze/ops_attrs.h>

#define ATTR(name, kind, fallback)
#define OP(name, onnx, imin, imax, omin, omax, traits, access, infer, help, attrs)                 \
    adze_eval_fn eval_##name;
#define BODY(name, onnx, n_in, traits, infer, help, attrs) adze_eval_fn eval_##name;
#define STRUCT(name, imin, imax, omin, omax, rmin, rmax, traits, infer, help, attrs)
#include <adze/ops.def>

/* The C library functions that evaluations may use; compilers emit calls to them anyway. By these names, those of
 * constant size become instructions in freestanding code, too, where plain names are calls. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memcmp __builtin_memcmp

static inline adze_status ev_fail(const adze_env *env, adze_status status, const char *message)
{
    return env->error ? env->error(env, status, message) : status;
}

struct adze_body;
/* Applies a body to its operands, broadcast together, and to parameters (elementwise.c). */
adze_status ev_apply_body(const adze_env *env, const struct adze_body *body, const adze_value *in, adze_value *out,
                          const double *params);

/* For generated code: reports an index that is out of range, as gather does (index.c). */
void eval_check_index(const adze_env *env, uint8_t in_range);

static inline adze_status ev_no_memory(const adze_env *env)
{
    return ev_fail(env, ADZE_ERR_NO_MEMORY, "no memory for an evaluation");
}

static inline adze_status ev_bad_dtype(const adze_env *env)
{
    return ev_fail(env, ADZE_ERR_UNSUPPORTED, "not implemented for this element type");
}

/* Scratch for `count` elements of `size` bytes; NULL if there is none or the product overflows. */
static inline void *ev_scratch(const adze_env *env, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (!env->scratch || __builtin_mul_overflow(count, size, &bytes)) return NULL;
    return env->scratch(env, bytes ? bytes : 1);
}

/* Is operand or result `index` there? */
static inline bool ev_has(const adze_value *values, uint32_t count, uint32_t index)
{
    return index < count && values[index].kind != ADZE_VALUE_ABSENT;
}

/* Sees to it that `out` is a tensor of that form. */
static inline adze_status ev_result(const adze_env *env, adze_value *out, uint32_t dtype,
                                      uint32_t rank, const int64_t *dims)
{
    if (rank > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "result has too many dims");
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] < 0) return ev_fail(env, ADZE_ERR_DIM, "a dim of the result is negative");
    if (out->kind == ADZE_VALUE_ABSENT) {
        if (!env->output) return ev_fail(env, ADZE_ERR_ARGUMENT, "no storage for a result");
        return env->output(env, out, (adze_dtype)dtype, rank, dims);
    }
    if (out->dtype != dtype)
        return ev_fail(env, ADZE_ERR_DTYPE, "element type of the result is not the inferred one");
    if (out->rank != rank)
        return ev_fail(env, ADZE_ERR_RANK, "rank of the result is not the inferred one");
    for (uint32_t i = 0; i < rank; i++)
        if (out->dims[i] != dims[i])
            return ev_fail(env, ADZE_ERR_DIM, "dims of the result are not the inferred ones");
    return ADZE_OK;
}

static inline adze_status ev_result_like(const adze_env *env, adze_value *out,
                                           const adze_value *like)
{
    return ev_result(env, out, like->dtype, like->rank, like->dims);
}

/* `out` becomes the value: a tensor is copied, of anything else the items stay where they are. */
static inline adze_status ev_give(const adze_env *env, const adze_value *value, adze_value *out)
{
    if (value->kind != ADZE_VALUE_TENSOR) {
        *out = *value;
        return ADZE_OK;
    }
    adze_status status = ev_result_like(env, out, value);
    uint64_t bytes = status ? 0 : adze_dtype_bytes((adze_dtype)value->dtype, adze_value_count(value));
    if (bytes) memcpy(out->data, value->data, bytes);
    return status;
}

static inline uint64_t ev_bytes(const adze_value *v)
{
    return adze_dtype_bytes((adze_dtype)v->dtype, adze_value_count(v));
}

/* Product of dims[from .. to-1]. */
static inline int64_t ev_product(const int64_t *dims, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t i = from; i < to; i++) n *= dims[i];
    return n;
}

/* Element strides of a dense tensor. */
static inline void ev_strides(uint32_t rank, const int64_t *dims, int64_t *out_strides)
{
    int64_t step = 1;
    for (uint32_t i = rank; i-- > 0;) {
        out_strides[i] = step;
        step *= dims[i];
    }
}

/* An axis counted from either end; false if out of range. */
static inline bool ev_axis(int64_t axis, uint32_t rank, uint32_t *out_axis)
{
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return false;
    *out_axis = (uint32_t)axis;
    return true;
}

/* Next index in row-major order; false after the last one. */
static inline bool ev_next(uint32_t rank, const int64_t *dims, int64_t *index)
{
    for (uint32_t i = rank; i-- > 0;) {
        if (++index[i] < dims[i]) return true;
        index[i] = 0;
    }
    return false;
}

static inline bool ev_text_is(adze_string text, const char *want)
{
    size_t n = 0;
    while (want[n]) n++;
    return text.size == n && memcmp(text.data, want, n) == 0;
}

static inline bool ev_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static inline int64_t ev_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t ev_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Result dims of broadcasting two shapes by numpy's rule; false if they do not agree. `rank` and
 * `dims` hold the first shape and receive the result. */
static inline bool ev_broadcast(uint32_t *rank, int64_t *dims, uint32_t b_rank,
                                  const int64_t *b_dims)
{
    uint32_t a_rank = *rank, r = a_rank > b_rank ? a_rank : b_rank;
    if (r > ADZE_MAX_RANK) return false;
    for (uint32_t i = 0; i < r; i++) { /* from the last axis, so that dims can grow in place */
        int64_t a = i < a_rank ? dims[a_rank - 1 - i] : 1;
        int64_t b = i < b_rank ? b_dims[b_rank - 1 - i] : 1;
        if (a != b && a != 1 && b != 1) return false;
    }
    int64_t result[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < r; i++) {
        int64_t a = i < a_rank ? dims[a_rank - 1 - i] : 1;
        int64_t b = i < b_rank ? b_dims[b_rank - 1 - i] : 1;
        result[r - 1 - i] = a == 1 ? b : a;
    }
    for (uint32_t i = 0; i < r; i++) dims[i] = result[i];
    *rank = r;
    return true;
}

/* Strides with which `v` is read over dims of `rank` axes: 0 along axes it is broadcast over.
 * False if it does not broadcast to them. */
static inline bool ev_broadcast_strides(const adze_value *v, uint32_t rank, const int64_t *dims,
                                          int64_t *out_strides)
{
    if (v->rank > rank) return false;
    int64_t step = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t axis = rank - 1 - i;
        int64_t d = i < v->rank ? v->dims[v->rank - 1 - i] : 1;
        if (d != dims[axis] && d != 1) return false;
        out_strides[axis] = d == 1 ? 0 : step;
        step *= d;
    }
    return true;
}

#endif
