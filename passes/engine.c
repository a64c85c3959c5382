/* Engines: what runs a module for passes. The built-in one is the reference. */
#include "passes/registry_private.h"

#include <adze/engine.h>

#include <stdlib.h>

/* ---- The reference ---- */

typedef struct reference {
    const adze_func *func;
    adze_value *results;
    uint32_t n_inputs, n_results;
} reference;

static void *reference_open(void *self, adze_module *module)
{
    (void)self;
    const adze_func *func = adze_module_main(module);
    reference *r = adze_malloc(sizeof *r);
    *r = (reference){
        .func = func, .n_inputs = adze_region_num_args(adze_func_body(func)), .n_results = adze_func_num_results(func)};
    r->results = calloc(r->n_results + 1u, sizeof *r->results);
    if (r->results) return r;
    adze_error(adze_func_loc(func), "out of memory");
    free(r);
    return NULL;
}

static bool reference_run(void *program, const adze_value *inputs, const adze_value **out_results)
{
    reference *r = program;
    adze_outputs_free(r->results, r->n_results);
    *out_results = r->results;
    return adze_interpret(r->func, inputs, r->n_inputs, r->results, r->n_results, NULL, NULL);
}

static void reference_close(void *program)
{
    reference *r = program;
    adze_outputs_free(r->results, r->n_results);
    free(r->results);
    free(r);
}

static const adze_engine reference_engine = {
    .struct_size = sizeof(adze_engine),
    .name = "reference",
    .open = reference_open,
    .run = reference_run,
    .close = reference_close,
};

/* ---- Programs ---- */

struct adze_program {
    const adze_engine *engine;
    adze_module *module; /* its own copy */
    void *program;
};

void adze_registry_set_engine(adze_registry *registry, const adze_engine *engine) { registry->engine = engine; }

const adze_engine *adze_registry_engine(const adze_registry *registry)
{
    return registry->engine ? registry->engine : &reference_engine;
}

adze_program *adze_program_open(adze_registry *registry, const adze_module *module)
{
    if (!adze_module_main(module)) {
        adze_error(adze_loc_unknown(registry->context), "the module has no function");
        return NULL;
    }
    adze_program *p = adze_malloc(sizeof *p);
    *p = (adze_program){.engine = adze_registry_engine(registry), .module = adze_module_clone(module)};
    p->program = p->engine->open(p->engine->self, p->module);
    if (p->program) return p;
    adze_program_close(p);
    return NULL;
}

bool adze_program_run(adze_program *program, const adze_value *inputs, const adze_value **out_results)
{
    return program->engine->run(program->program, inputs, out_results);
}

void adze_program_close(adze_program *program)
{
    if (!program) return;
    if (program->program) program->engine->close(program->program);
    adze_module_destroy(program->module);
    free(program);
}
