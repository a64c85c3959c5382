/* What layers become: sites of a module, their factors, the ops that compute with them. */
#ifndef ADZE_LOWRANK_H
#define ADZE_LOWRANK_H

#include "passes/lowrank/numerics.h"
#include "passes/weights/prefix.h"

#include <adze/compress.h>
#include <adze/pass.h>

enum { LOWRANK_MAX_SHARED = 8 };

typedef struct lowrank_options {
    const char *method, *conv, *stats, *plan;
    int64_t rank, multiple;
    double ratio, energy, min_gain;
    bool share, refit, correct_bias, sequential, measure, report;
} lowrank_options;

/* Contractions with constant weights that get factors together: one, or products that read the same value and share
 * its factor. */
typedef struct lowrank_site {
    weight_matrix members[LOWRANK_MAX_SHARED];
    uint32_t n;
    size_t rows, cols;      /* of all members, stacked */
    bool window;            /* a convolution without groups, over `spatial` axes */
    uint32_t spatial;
    size_t kernel[ADZE_MAX_RANK], stride[ADZE_MAX_RANK];
    adze_format format;     /* what a plan asks for; ADZE_DENSE = the options decide */
} lowrank_site;

typedef enum lowrank_form {
    LOWRANK_MATRIX,  /* the layer to `rank` channels, then a product (1x1) to all */
    LOWRANK_TUCKER,  /* 1x1 to `in` channels, the window from these to `out`, 1x1 to all */
    LOWRANK_SPATIAL, /* a column of the window to `rank` channels, then a row of it */
    LOWRANK_FORMS
} lowrank_form;

/* A form with its ranks, and what it costs. */
typedef struct lowrank_shape {
    lowrank_form form;
    size_t rank, out, in;
    double numbers, work; /* weights; products per position of the result */
} lowrank_shape;

/* Factors of a site: MATRIX u[rows][rank] v[rank][cols]; TUCKER u[rows][out] core[out][in * taps] v[in][channels];
 * SPATIAL u[rows][rank * width] v[rank][channels * height]. lowrank_factors_free ends it. */
typedef struct lowrank_factors {
    lowrank_shape shape;
    double *u, *core, *v;
    double *is;    /* [rows][cols], the weights that they stand for */
    double *shift; /* [rows], what the bias gets; NULL = nothing */
    double error;  /* of the outputs, over these, by the method's own measure */
} lowrank_factors;

/* ---- choose.c ---- */

const char *lowrank_form_name(lowrank_form form);
lowrank_shape lowrank_dense(const lowrank_site *site);
/* The shape with its costs. */
lowrank_shape lowrank_shape_of(const lowrank_site *site, lowrank_form form, size_t rank, size_t out, size_t in);
/* Can the site have the form? *why is a reason where it cannot. */
bool lowrank_has_form(const lowrank_site *site, lowrank_form form, const char **why);
/* Down (up) to a multiple; half of one where that is all there is, 0 where there is less. */
size_t lowrank_round(size_t rank, size_t multiple, bool up);

/* ---- factor.c ---- */

typedef struct lowrank_work {
    const lowrank_options *options;
    lowrank_method method;
    const adze_stats *stats;             /* NULL = none */
    weight_prefix *prefix;               /* NULL = each layer for itself */
} lowrank_work;

/* Factors of the site with ranks as options or plan say. False after an error; no factors (out->u is NULL) with *why
 * where the layer stays as it is. */
bool lowrank_factorise(const lowrank_work *work, const lowrank_site *site, lowrank_factors *out, const char **why);
void lowrank_factors_free(lowrank_factors *f);

/* ---- emit.c ---- */

/* Constants of the site's factors: one a member, the first factor one for all. */
typedef struct lowrank_constants {
    adze_ir_value *v, *core, *u[LOWRANK_MAX_SHARED];
} lowrank_constants;

bool lowrank_constants_make(const lowrank_site *site, const lowrank_factors *f, lowrank_constants *out);
/* Ops above `op`, one of those that read member `index`, that compute what it does. *first is what other members that
 * read the same value may start from; NULL = make it. NULL after an error. */
adze_ir_value *lowrank_emit(const lowrank_site *site, uint32_t index, const lowrank_factors *f,
                            const lowrank_constants *c, adze_op *op, adze_ir_value **first);
/* All that read the members' weights compute with the factors instead. False after an error. */
bool lowrank_replace(const lowrank_site *site, const lowrank_factors *f);

/* ---- measure.c ---- */

/* What the sites' first ops read in the first sample of the calibration data, one a site; lowrank_values_free ends it.
 * NULL after an error. */
adze_value *lowrank_values(adze_pass_run *run, const adze_module *module, const lowrank_site *sites, uint32_t n);
void lowrank_values_free(adze_value *values, uint32_t n); /* NULL is allowed */
/* Can the site stand alone? */
bool lowrank_stands_alone(const lowrank_site *site);
/* Seconds of the site's first ops as they are, and with the factors, alone on `x`, through the registry's engine. False
 * after an error. */
bool lowrank_measure(adze_pass_run *run, const lowrank_site *site, const lowrank_factors *f, const adze_value *x,
                     double *dense, double *factored);

#endif
