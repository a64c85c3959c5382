/* Conformance cases as compiled code: one module, in an artifact of its own that is gone once it is open. */
#ifndef COMPILED_H
#define COMPILED_H

#include <adze/registry.h>
#include <adze_runtime.h>

typedef struct compiled {
    adze_registry *registry;
    adze_model *model;
    adze_session *session;
    const char *error; /* of the run that failed; valid until close */
} compiled;

/* Lowers the module for `target` and opens what comes of it; false after an error, which is in the context or in
 * `error`. Close in either case, before the module's context goes. */
bool compiled_open(compiled *c, adze_module *module, const char *target);
/* `out` is the session's. */
bool compiled_run(compiled *c, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out);
void compiled_close(compiled *c);

#endif
