/* Numeric certificates, inside: what manager.c calls, and what the files of certify share. */
#ifndef ADZE_CERTIFIER_H
#define ADZE_CERTIFIER_H

#include <adze/certify.h>

typedef struct adze_certifier adze_certifier;

/* certify.c: runs the module as it is, to compare with. NULL after an error. Micro-kernels of `target`'s backend are
 * loaded where the module calls some. */
adze_certifier *adze_certifier_create(adze_registry *registry, const adze_target *target, const adze_module *module,
                                      const adze_certify_options *options);
void adze_certifier_destroy(adze_certifier *certifier);
/* Runs the module again, fills what is left open of `certificate`, and reports it. False, after an error, where it is
 * not ok; else the new outputs are what the next pass is compared with. */
bool adze_certifier_check(adze_certifier *certifier, const adze_module *module, adze_certificate *certificate);

/* certify_inputs.c: one value for each argument, to be freed by adze_outputs_free; sizes of symbols as in round
 * `round` of ADZE_INPUT_ROUNDS. False, with one line in `why`, where an argument has no value. */
enum { ADZE_INPUT_ROUNDS = 3 };
bool adze_inputs_make(const adze_func *func, const adze_certify_options *options, int round, adze_value *out,
                      char *why, size_t why_size);

/* certify_compare.c */
typedef struct adze_comparison {
    adze_context *context;
    adze_numerics numerics;
    double bound, absolute;
    bool found, over; /* a worst element so far; it is over its bound */
    double rel;
} adze_comparison;

/* Adds to the certificate what one output became; true if its worst element is the worst so far. A change of type or
 * dims goes to `why`. */
bool adze_compare_output(adze_comparison *how, const adze_value *before, const adze_value *after,
                         adze_certificate *out, char *why, size_t why_size);

#endif
