/* From a model to a planned module and an artifact: what compile, run, check, bench and eval share. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LEVELS = 8 };

/* "x86:a,b" names several levels; each becomes a target of its own, in the given order (best first). */
static uint32_t read_levels(adze_work *session, const char *text, const adze_target **out)
{
    char name[64];
    const char *colon = strchr(text, ':'), *at = colon ? colon + 1 : NULL;
    uint32_t n = 0;
    if (!at || !strchr(at, ',')) return (out[0] = adze_registry_target(session->registry, text)) ? 1 : 0;
    for (; n < MAX_LEVELS; n++) {
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s:%.*s", (int)(colon - text), text, (int)length, at);
        if (!(out[n] = adze_registry_target(session->registry, name))) return 0;
        at += length;
        if (!*at++) return n + 1;
    }
    adze_error(adze_loc_unknown(session->context), "--target names more than %d levels", MAX_LEVELS);
    return 0;
}

static void show_pass(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                      adze_outcome outcome)
{
    (void)outcome;
    if (seconds < 0) adze_progress_update(self, count ? (double)index / count : -1, pass);
}

bool adze_work_lower(adze_work *session, const adze_common *common, adze_module *module)
{
    const adze_target *levels[MAX_LEVELS];
    int precision = adze_common_precision(common);
    if (precision < 0 || !read_levels(session, common->target ? common->target : "x86:host", levels)) return false;
    const adze_backend *backend = adze_registry_backend(session->registry, adze_target_name(levels[0]));
    if (!backend) return false;
    const char *text = common->passes ? common->passes : backend->pipeline(common->level < 0 ? 2 : common->level);
    adze_pipeline *pipeline = adze_pipeline_parse(session->registry, text);
    if (!pipeline) return false;
    adze_progress *progress = adze_progress_begin(session, "passes");
    adze_run_options options = {.struct_size = sizeof options,
                                .target = levels[0],
                                .precision = precision,
                                .progress = show_pass,
                                .self = progress};
    bool ok = adze_pipeline_run(pipeline, module, &options);
    adze_progress_end(progress);
    adze_pipeline_destroy(pipeline);
    return ok;
}

bool adze_work_emit(adze_work *session, const adze_common *common, adze_module *module, const char *output)
{
    const adze_target *levels[MAX_LEVELS];
    uint32_t n = read_levels(session, common->target ? common->target : "x86:host", levels);
    const adze_backend *backend = n ? adze_registry_backend(session->registry, adze_target_name(levels[0])) : NULL;
    if (!backend) return false;
    adze_emit_options options = {.struct_size = sizeof options,
                                 .output = output,
                                 .name = adze_module_name(module),
                                 .levels = levels,
                                 .n_levels = n,
                                 .precision = adze_common_precision(common),
                                 .verbose = common->verbose};
    if (!adze_work_lower(session, common, module)) return false;
    adze_progress *progress = adze_progress_begin(session, "code generation");
    bool ok = backend->emit(module, session->registry, &options);
    adze_progress_end(progress);
    return ok;
}

adze_model *adze_work_device(adze_work *session, const adze_common *common, const char *path)
{
    char output[] = "/tmp/adze-XXXXXX.so";
    const char *file = path;
    adze_model *model = NULL;
    adze_status status = ADZE_OK;
    if (!adze_is_artifact(path)) {
        int handle = mkstemps(output, 3);
        if (handle < 0) {
            adze_error(adze_loc_unknown(session->context), "cannot make a temporary file");
            return NULL;
        }
        close(handle);
        file = output;
        adze_module *module = adze_work_read(session, common, path);
        bool ok = module && adze_work_emit(session, common, module, output);
        adze_module_destroy(module);
        if (!ok) status = ADZE_ERR_UNSUPPORTED;
    }
    if (status == ADZE_OK && (status = adze_model_open(file, NULL, &model)) != ADZE_OK) {
        adze_error(adze_loc_unknown(session->context), "%s: %s", path, model ? adze_model_error(model) : "cannot open");
        adze_model_close(model);
        model = NULL;
    }
    if (file == output) unlink(output);
    return model;
}

bool adze_is_artifact(const char *path)
{
    return adze_has_suffix(path, ".so");
}
