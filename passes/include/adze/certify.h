/* Numeric certificates: what each pass of a pipeline does to the outputs, measured on the reference.
 *
 * Where its options have `certify`, adze_pipeline_run runs the module on the reference before the first pass and after
 * each one; not again where a pass says UNCHANGED and the module's text is the same. A pass that does more than it
 * declares ends the run with one error:
 *
 *     EXACT   every element keeps its bits; any NaN is as good as any other
 *     FAST    floats stay within a bound, all other elements are equal. An element that was NaN or infinite may be
 *             anything, as rules (docs/design/rules.md) may change what comes of those
 *     LOSSY   outputs keep their types and dims
 */
#ifndef ADZE_CERTIFY_H
#define ADZE_CERTIFY_H

#include <adze/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one run of a pass did. Strings are valid during the call of `report`. */
typedef struct adze_certificate {
    uint32_t struct_size;
    uint32_t number;        /* of the run in its pipeline, from 1; a pass inside `repeat` counts each time */
    const adze_pass *pass;
    adze_numerics numerics; /* what it is held to: adze_pass_run.numerics */
    adze_outcome outcome;
    bool ok, exact;
    uint32_t result;        /* the output of the worst element, among those of `func` */
    double max_abs;         /* largest |after - before|; infinite where one of the two is NaN or infinite */
    double max_rel;         /* the same, each divided by the largest finite magnitude of its output before */
    /* The worst element: over its bound if any is, else the largest relative difference. */
    const char *func;       /* NULL = no element differs */
    const char *output;     /* the result's name, or "output<k>" */
    const char *nodes;      /* ONNX nodes of the op that makes the output, "a, b"; "" = none known */
    uint32_t rank;
    int64_t at[ADZE_MAX_RANK];
    double before, after, scale; /* its values, and the largest magnitude of its output */
    uint64_t n_elements, n_differ, n_over; /* of all outputs: compared, not bit-equal, over their bound */
    uint64_t n_unordered;   /* were NaN or infinite and are something else now */
    const char *why;        /* what is wrong beside elements: a dim, a type, an evaluation that fails; else "" */
} adze_certificate;

#define ADZE_CERTIFY_BOUND 2e-5

struct adze_certify_options {
    uint32_t struct_size;
    uint32_t n_inputs;
    const adze_value *inputs; /* of the main function; NULL = made from `seed` */
    uint64_t seed;
    /* Symbols of made inputs that have a size; others get small ones. */
    const adze_fixed_dim *dims;
    uint32_t n_dims;
    uint32_t reserved;
    double bound;    /* FAST: of the output's largest magnitude; 0 = ADZE_CERTIFY_BOUND */
    double absolute; /* FAST: may differ by that much more, whatever the magnitude */
    /* After each pass, before a certificate that is not `ok` becomes an error; NULL = nobody asks. */
    void (*report)(void *self, const adze_certificate *certificate);
    void *self;
};

/* Which functions run: the main function, and others over tensors that can run on made inputs. A main function
 * that the reference cannot run is an error. Those that `launch` calls run through their callers. Floats of 16 and
 * fewer bits may differ by a step of their last place where that is more than the bound. */

/* ---- Made inputs ---- */

/* Random elements: floats in [-1, 1), integers of 32 and 64 bits and booleans 0 or 1 (they may be indices or masks),
 * smaller integers of any value. `state` is that of the generator. Not for strings. */
ADZE_API void adze_value_fill(adze_value *value, uint64_t *state);

#ifdef __cplusplus
}
#endif
#endif
