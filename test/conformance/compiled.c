#include "compiled.h"

#include <adze/ir.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool emit(compiled *c, adze_module *module, const char *name, const char *path)
{
    const adze_target *target = adze_registry_target(c->registry, name);
    const adze_backend *backend = target ? adze_registry_backend(c->registry, adze_target_name(target)) : NULL;
    adze_pipeline *pipeline = backend ? adze_pipeline_parse(c->registry, backend->pipeline(2)) : NULL;
    adze_run_options run = {.struct_size = sizeof run, .target = target, .precision = ADZE_PRECISION_F32};
    bool ok = pipeline && adze_pipeline_run(pipeline, module, &run);
    adze_pipeline_destroy(pipeline);
    adze_emit_options options = {.struct_size = sizeof options,
                                 .output = path,
                                 .name = "case",
                                 .levels = &target,
                                 .n_levels = 1,
                                 .precision = ADZE_PRECISION_F32};
    return ok && backend->emit(module, c->registry, &options);
}

bool compiled_open(compiled *c, adze_module *module, const char *target)
{
    char path[] = "/tmp/adze-case-XXXXXX.so";
    *c = (compiled){.registry = adze_registry_create(adze_module_context(module))};
    int file = mkstemps(path, 3);
    if (file < 0) return false;
    close(file);
    adze_open_options options = {.struct_size = sizeof options};
    bool ok = emit(c, module, target, path);
    if (ok && adze_model_open(path, &options, &c->model)) {
        c->error = c->model ? adze_model_error(c->model) : "out of memory";
        ok = false;
    }
    unlink(path);
    adze_session_options session = {.struct_size = sizeof session};
    if (ok && adze_session_create(c->model, &session, &c->session)) {
        c->error = "no session";
        ok = false;
    }
    return ok;
}

bool compiled_run(compiled *c, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out)
{
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; i < n_in && !status; i++) status = adze_session_set_input(c->session, i, &in[i]);
    if (!status) status = adze_session_run(c->session);
    for (uint32_t i = 0; i < n_out && !status; i++) status = adze_session_output(c->session, i, &out[i]);
    if (status) c->error = adze_session_error(c->session);
    return !status;
}

void compiled_close(compiled *c)
{
    adze_session_destroy(c->session);
    adze_model_close(c->model);
    adze_registry_destroy(c->registry);
}
