/* Dims: interned integer expressions (dim.c, dim_query.c).
 *
 * Equal expressions are equal pointers: sums and products are kept in one normal form. Symbols stand
 * for integers >= 0. `?` (unknown) is equal to nothing; use adze_dim_equal. Dims live as long as the context; making
 * one never fails: what overflows 64 bits is unknown. */
#ifndef ADZE_IR_DIM_H
#define ADZE_IR_DIM_H

#include <adze/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adze_dim_kind {
    ADZE_DIM_CONST,
    ADZE_DIM_SYMBOL,
    ADZE_DIM_AXIS, /* axis of an iteration space or operand of `apply`, printed $k */
    ADZE_DIM_ADD,
    ADZE_DIM_MUL,
    ADZE_DIM_FLOORDIV,
    ADZE_DIM_CEILDIV,
    ADZE_DIM_MOD,
    ADZE_DIM_MIN,
    ADZE_DIM_MAX,
    ADZE_DIM_UNKNOWN,
    ADZE_DIM_ANY /* `*`: any number of dims, in rule patterns only */
} adze_dim_kind;

ADZE_API const adze_dim *adze_dim_const(adze_context *context, int64_t value);
ADZE_API const adze_dim *adze_dim_symbol(adze_context *context, const char *name);
ADZE_API const adze_dim *adze_dim_axis(adze_context *context, uint32_t axis);
ADZE_API const adze_dim *adze_dim_unknown(adze_context *context);
ADZE_API const adze_dim *adze_dim_any(adze_context *context);
/* Simplified result of one binary kind (ADD .. MAX). Division and MOD round towards minus infinity, CEILDIV towards
 * plus infinity; by a constant 0 they are unknown. */
ADZE_API const adze_dim *adze_dim_binary(adze_context *context, adze_dim_kind kind, const adze_dim *a,
                                         const adze_dim *b);
ADZE_API const adze_dim *adze_dim_add(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_sub(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_mul(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_mul_const(adze_context *context, const adze_dim *a, int64_t factor);
ADZE_API const adze_dim *adze_dim_add_const(adze_context *context, const adze_dim *a, int64_t term);
/* a / b rounded towards minus infinity. b is not 0, and the quotient fits (dim_divide.c). */
ADZE_API int64_t adze_floor_div(int64_t a, int64_t b);
/* The greatest number that divides both, at least 0; of 0 and 0 that is 0. */
ADZE_API int64_t adze_gcd(int64_t a, int64_t b);
ADZE_API adze_dim_kind adze_dim_get_kind(const adze_dim *dim);
/* Operand 0 or 1 of a binary kind; NULL of others. */
ADZE_API const adze_dim *adze_dim_operand(const adze_dim *dim, uint32_t index);
ADZE_API bool adze_dim_is_const(const adze_dim *dim, int64_t *out_value); /* out_value may be NULL */
ADZE_API bool adze_dim_is_value(const adze_dim *dim, int64_t value);
ADZE_API bool adze_dim_is_unknown(const adze_dim *dim); /* unknown anywhere inside */
/* The name of a SYMBOL (NULL of others), the number of an AXIS. */
ADZE_API const char *adze_dim_symbol_name(const adze_dim *dim);
ADZE_API uint32_t adze_dim_axis_index(const adze_dim *dim);
/* Known to be equal for every value of the symbols. */
ADZE_API bool adze_dim_equal(const adze_dim *a, const adze_dim *b);
/* Could be equal: false only where constants differ. */
ADZE_API bool adze_dim_compatible(const adze_dim *a, const adze_dim *b);
/* Replaces axes by `with[axis]` (n entries; NULL entries stay) and symbols by `symbol(self, name)`
 * where that returns non-NULL; either may be NULL. */
typedef const adze_dim *adze_dim_lookup(void *self, const char *name);
ADZE_API const adze_dim *adze_dim_substitute(adze_context *context, const adze_dim *dim,
                                             const adze_dim *const *with, uint32_t n,
                                             adze_dim_lookup *symbol, void *self);
/* Coefficient of axis `axis` where dim = coef * axis + rest with rest free of it; out_rest may be NULL. False if it
 * is not affine in the axis. Reports nothing. */
ADZE_API bool adze_dim_axis_coefficient(adze_context *context, const adze_dim *dim, uint32_t axis,
                                        int64_t *out_coef, const adze_dim **out_rest);
/* Value with axes[k] for axes and symbol values by callback, which may be NULL where there are no symbols. False on
 * unknown, overflow, division by 0, an axis past n_axes, or where the callback says so. Reports nothing. */
typedef bool adze_dim_value_of(void *self, const char *name, int64_t *out);
ADZE_API bool adze_dim_evaluate(const adze_dim *dim, const int64_t *axes, uint32_t n_axes,
                                adze_dim_value_of *symbol, void *self, int64_t *out);
/* Smallest and largest value where axis k is in [0, extents[k] - 1] and symbols are in [0, unbounded); false = there is
 * no bound. Reports nothing. */
ADZE_API bool adze_dim_range(const adze_dim *dim, const adze_dim *const *extents, uint32_t n_axes,
                             int64_t *out_min, int64_t *out_max);
/* Writes at most `size` bytes with a zero byte; returns the full length (as snprintf). */
ADZE_API size_t adze_dim_print(const adze_dim *dim, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
