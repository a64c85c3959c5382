/* The engine that passes and searches run modules with: code for this machine, if there is a backend for it.
 *
 * It compiles to a temporary file, which is gone once it is open. Passes may call it while `adze_work_lower` runs, so
 * that reports of crashes and the progress line stay theirs.
 */
#include "command.h"

#include <adze/temporary.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct program {
    adze_work *work;
    adze_model *model;
    adze_session *session;
    adze_value *results;
    uint32_t n_inputs, n_results;
} program;

static bool fail(const adze_work *work, const char *what)
{
    return adze_error(adze_loc_unknown(work->context), "%s: %s", work->engine.name, what);
}

static void close_program(void *given)
{
    program *p = given;
    adze_session_destroy(p->session);
    adze_model_close(p->model);
    free(p->results);
    free(p);
}

static bool lower(adze_work *work, const adze_target *target, const adze_backend *backend, adze_module *module)
{
    adze_pipeline *pipeline = adze_pipeline_parse(work->registry, backend->pipeline(2));
    adze_run_options options = {.struct_size = sizeof options, .target = target, .precision = work->engine_precision};
    bool ok = pipeline && adze_pipeline_run(pipeline, module, &options);
    adze_pipeline_destroy(pipeline);
    return ok;
}

static bool emit(adze_work *work, adze_module *module, const char *path)
{
    const adze_target *target = adze_registry_target(work->registry, work->engine.name);
    const adze_backend *backend = target ? adze_registry_backend(work->registry, adze_target_name(target)) : NULL;
    if (!backend || !lower(work, target, backend, module)) return false;
    adze_emit_options options = {.struct_size = sizeof options,
                                 .output = path,
                                 .name = adze_module_name(module),
                                 .levels = &target,
                                 .n_levels = 1,
                                 .precision = work->engine_precision};
    return backend->emit(module, work->registry, &options);
}

/* Compiles the module and opens what came of it. */
static bool make_model(program *p, adze_module *module)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/adze-XXXXXX.so", folder && *folder ? folder : "/tmp");
    int handle = n > 0 && (size_t)n < sizeof path ? adze_temporary_file(p->work->context, path, 3) : -1;
    if (handle < 0) return fail(p->work, "cannot make a temporary file");
    adze_open_options options = {.struct_size = sizeof options};
    bool ok = emit(p->work, module, path);
    if (ok && adze_model_open(path, &options, &p->model))
        ok = fail(p->work, p->model ? adze_model_error(p->model) : "out of memory");
    close(handle);
    unlink(path);
    adze_temporary_forget(p->work->context, path);
    return ok;
}

static bool make_session(program *p)
{
    const adze_artifact *artifact = adze_model_artifact(p->model);
    adze_session_options options = {
        .struct_size = sizeof options, .n_threads = p->work->engine_threads, .max_memory = p->work->max_memory};
    p->n_inputs = artifact->n_inputs;
    p->n_results = artifact->n_outputs;
    p->results = calloc(p->n_results + 1u, sizeof *p->results);
    adze_status status = p->results ? adze_session_create(p->model, &options, &p->session) : ADZE_ERR_NO_MEMORY;
    return !status || fail(p->work, adze_status_text(status));
}

static void *open_program(void *self, adze_module *module)
{
    program *p = calloc(1, sizeof *p);
    if (!p) {
        fail(self, "out of memory");
        return NULL;
    }
    p->work = self;
    if (make_model(p, module) && make_session(p)) return p;
    close_program(p);
    return NULL;
}

static bool run_program(void *given, const adze_value *inputs, const adze_value **out_results)
{
    program *p = given;
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; i < p->n_inputs && !status; i++) status = adze_session_set_input(p->session, i, &inputs[i]);
    if (!status) status = adze_session_run(p->session);
    for (uint32_t i = 0; i < p->n_results && !status; i++) status = adze_session_output(p->session, i, &p->results[i]);
    *out_results = p->results;
    return !status || fail(p->work, adze_session_error(p->session));
}

void adze_work_set_engine(adze_work *work, const adze_common *common)
{
    bool reference = common->target && adze_common_is_reference(common);
    if (reference || !adze_host_level() || !adze_registry_has_backend(work->registry, "x86")) return;
    long cpus = common->threads ? common->threads : sysconf(_SC_NPROCESSORS_ONLN);
    work->engine_threads = cpus > 0 ? (uint32_t)cpus : 1;
    work->engine_precision = adze_common_precision(common);
    work->engine = (adze_engine){.struct_size = sizeof work->engine,
                                 .name = "x86:host",
                                 .self = work,
                                 .open = open_program,
                                 .run = run_program,
                                 .close = close_program};
    adze_registry_set_engine(work->registry, &work->engine);
}
