/* Dims as polynomials: sums of constants times products of atoms (private to dim.c and dim_divide.c). */
#ifndef ADZE_IR_DIM_POLY_H
#define ADZE_IR_DIM_POLY_H

#include "ir/ir_private.h"

enum { ADZE_DIM_TERMS = 48, ADZE_DIM_FACTORS = 24 };

typedef struct adze_dim_term {
    const adze_dim *mono; /* product of atoms; NULL = 1 */
    int64_t coef;
} adze_dim_term;

typedef struct adze_dim_poly {
    uint32_t n;
    bool bad; /* overflow or too large */
    adze_dim_term terms[ADZE_DIM_TERMS];
} adze_dim_poly;

/* dim.c. The node as it is, not brought to normal form. */
const adze_dim *adze_dim_intern(adze_context *context, adze_dim_kind kind, int64_t value, const char *name,
                                const adze_dim *a, const adze_dim *b);
adze_dim_term adze_dim_as_term(const adze_dim *dim);
void adze_dim_poly_clear(adze_dim_poly *p);
void adze_dim_poly_add_term(adze_dim_poly *p, adze_dim_term t);
void adze_dim_poly_add(adze_dim_poly *p, const adze_dim *dim);
const adze_dim *adze_dim_from_poly(adze_context *context, const adze_dim_poly *p);
/* The atoms of a product, into `out` (room for ADZE_DIM_FACTORS); their number. */
uint32_t adze_dim_factors(const adze_dim *mono, const adze_dim **out);
/* The product of atoms, which are put in order; NULL where there are none. */
const adze_dim *adze_dim_monomial(adze_context *context, const adze_dim **factors, uint32_t n);
const adze_dim *adze_dim_mul_monomials(adze_context *context, const adze_dim *a, const adze_dim *b, bool *bad);

/* dim_divide.c. floordiv, ceildiv or mod; b is not 0. */
const adze_dim *adze_dim_divide(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b);
/* c * floordiv(a, c) + mod(a, c) is a, and mod(a, c) - a is -c * floordiv(a, c). */
void adze_dim_poly_join(adze_context *context, adze_dim_poly *p);

#endif
