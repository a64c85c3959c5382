/* Saying a node with several ops (private).
 *
 * A term is a value of the graph being written. Every function gives NULL if it was given NULL where a term must be, or
 * after an error: a chain of them needs one check at its end.
 */
#ifndef ADZE_ONNX_COMPOSE_H
#define ADZE_ONNX_COMPOSE_H

#include "upgrade.h"

typedef adze_ir_value term;

/* The op `name` with 1 to 3 operands and one result. */
term *compose1(adze_onnx_node *node, const char *name, term *a);
term *compose2(adze_onnx_node *node, const char *name, term *a, term *b);
term *compose3(adze_onnx_node *node, const char *name, term *a, term *b, term *c);
/* With one operand, the op's first, and one attribute. */
term *compose_with(adze_onnx_node *node, const char *name, term *a, adze_attr attr);
/* The largest or smallest `k` along the last axis, the first of equal ones first; *at where they are. */
term *compose_top(adze_onnx_node *node, term *x, int64_t k, bool largest, term **at);
/* The op as adze_onnx_emit makes it; the first `needed` operands must be there. */
term *compose_all(adze_onnx_node *node, const char *name, term *const *in, uint32_t n, uint32_t needed,
                  const adze_attr *attrs, uint32_t n_attrs);

adze_dtype compose_dtype(const term *x); /* NONE of NULL */
/* Rank and dims of a term; rank -1 if it is not known. */
int compose_rank(const term *x);
const adze_dim *compose_dim(const term *x, uint32_t axis);
/* The node's operand `index`, which must be there and of known rank, at least `least`. Reports if not. */
bool compose_operand(adze_onnx_node *node, uint32_t index, int least, term **out, uint32_t *out_rank);
/* The first `count` operands must be there. Reports if not. */
bool compose_need(adze_onnx_node *node, uint32_t count);
/* Axis counted from either end. Reports one out of range. */
bool compose_axis(adze_onnx_node *node, int64_t axis, uint32_t rank, uint32_t *out);

/* The op that converts elements; to strings without an attribute `to`. */
const char *compose_cast_op(adze_dtype from, adze_dtype to);
term *compose_cast(adze_onnx_node *node, term *x, adze_dtype dtype);
/* Constants: one number of rank 0, of a dtype or of that of a term; a list of ints. */
term *compose_number(adze_onnx_node *node, adze_dtype dtype, double value);
term *compose_like(adze_onnx_node *node, const term *x, double value);
term *compose_ints(adze_onnx_node *node, const int64_t *values, size_t count);
term *compose_int(adze_onnx_node *node, int64_t value); /* of rank 1 */
/* 0 … n-1 as i64 of `rank` axes, all but `at` of 1; n is a dim, or axis `of` of a term where that is not known. */
term *compose_iota(adze_onnx_node *node, const adze_dim *n, uint32_t rank, uint32_t at);
term *compose_positions(adze_onnx_node *node, term *x, uint32_t of, uint32_t rank, uint32_t at);
/* Axis `axis` of the term's dims as i64 of rank 1. */
term *compose_size(adze_onnx_node *node, term *x, uint32_t axis);

/* Other dims for the same elements; all must be known. */
term *compose_reshape(adze_onnx_node *node, term *x, const adze_dim *const *dims, uint32_t rank);
term *compose_expand(adze_onnx_node *node, term *x, const adze_dim *const *dims, uint32_t rank);
term *compose_scalar(adze_onnx_node *node, term *x); /* one element, as rank 0 */
/* Axes of 1 between the result's axes `from` and `to`, which is not one of them. */
term *compose_unsqueeze(adze_onnx_node *node, term *x, uint32_t from, uint32_t to);
term *compose_squeeze(adze_onnx_node *node, term *x, int64_t axis);
term *compose_transpose(adze_onnx_node *node, term *x, const int64_t *perm, uint32_t rank);
/* Elements start, start + step, … below `end` of one axis. */
term *compose_slice(adze_onnx_node *node, term *x, int64_t axis, int64_t start, int64_t end, int64_t step);
term *compose_concat(adze_onnx_node *node, term *const *parts, uint32_t n, int64_t axis);
/* reduce_…; axes NULL = all. */
term *compose_reduce(adze_onnx_node *node, const char *name, term *x, const int64_t *axes, size_t count, bool keep);
/* A list of a parameter for each channel as [1…], so that it broadcasts along axis 1 of `rank` axes. */
term *compose_channels(adze_onnx_node *node, term *x, uint32_t rank);

/* [batch, have, time, size] with each head of keys or values as often as `want` heads of queries use it
 * (upgrade_attention.c). */
term *compose_repeat_heads(adze_onnx_node *node, term *x, int64_t have, int64_t want);
/* A term that holds one element as rank 0; any other one, and NULL, as it is. */
term *compose_one(adze_onnx_node *node, term *x);
/* Zeros in i64 of the dims of `wrong`, i64 that is never below 0. A run in which one of its elements is above 0 looks
 * up a place that is not there, which is its error; so add it to what the result needs. */
term *compose_zeros_or_error(adze_onnx_node *node, term *wrong);

/* compose_loop.c: a `loop`. Between begin and end what is said stands in its region, whose arguments are the number of
 * the run (index 0) and what is carried; begin and end come in pairs, whatever they answer. `values` of the end are
 * what is carried on, with types as at the start, then what is stacked; NULL: give it up, as after an error. `runs`:
 * how many entries a stack has, NULL where that is not known. One of `count` and `go_on` may be NULL, which says
 * whether to run at all, and at the end whether once more. Results are those of `op`, which is NULL after an error. */
enum { COMPOSE_LOOP_VALUES = 128 };
typedef struct compose_loop {
    adze_op *op;
    uint32_t n_carried;
    adze_builder before;
    adze_const *last;
} compose_loop;
bool compose_loop_begin(adze_onnx_node *node, term *count, term *go_on, term *const *carried, uint32_t n_carried,
                        uint32_t n_stacks, compose_loop *out);
term *compose_loop_argument(const compose_loop *loop, uint32_t index);
bool compose_loop_end(adze_onnx_node *node, compose_loop *loop, const adze_dim *runs, term *go_on, term *const *values,
                      uint32_t n);

/* upgrade_conv.c: what a convolution makes of d where it runs backwards, as for its gradient: of [batch, out, …] and
 * the weights [out, in / group, …] a term [batch, in, …] of the windows' `in`. Numbers of one axis each. */
typedef struct compose_window {
    int64_t in, out, kernel, stride, dilation, before, after;
} compose_window;
term *compose_conv_back(adze_onnx_node *node, term *d, term *w, uint32_t axes, const compose_window *windows,
                        int64_t group);

/* upgrade_conv.c: each channel of x [batch, channels, time] by itself over what came before, the past [batch, channels,
 * (k - 1) * dilation] or zeros, and itself; w is [channels, 1, k]. The last elements are the next state, of the past's
 * dims. Activations: none, silu or swish. */
typedef struct causal_conv {
    term *x, *w, *bias, *past;
    int64_t dilation;
    const char *activation;
} causal_conv;
term *compose_causal_conv(adze_onnx_node *node, const causal_conv *c, term **out_state);

/* upgrade_conv.c: floats of a quantized term and back; scale and zero point (NULL: 0) hold one element or one for each
 * entry of `axis`. */
term *compose_dequantize(adze_onnx_node *node, term *x, term *scale, term *zero, int64_t axis);
term *compose_quantize(adze_onnx_node *node, term *x, term *scale, term *zero);
/* u8 by the range of the term, which holds 0. */
term *compose_dynamic_quantize(adze_onnx_node *node, term *x, term **out_scale, term **out_zero);

/* upgrade_norm.c: (x - mean) / sqrt(variance + epsilon) over some axes. */
term *compose_normalize(adze_onnx_node *node, term *x, const int64_t *axes, size_t n, double epsilon);

/* The node's only result. */
bool compose_end(adze_onnx_node *node, term *result);

#endif
