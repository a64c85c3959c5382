/* From a model to a planned module and an artifact: what compile, run, check, bench and eval share. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool adze_common_is_reference(const adze_common *common)
{
    return !common->target || !strcmp(common->target, "reference");
}

/* The reference runs what the passes make for this machine. */
static const char *target_of(const adze_common *common)
{
    return adze_common_is_reference(common) ? "x86:host" : common->target;
}

bool adze_work_levels(adze_work *session, const char *text, adze_levels *out)
{
    const char *colon = strchr(text, ':'), *at = colon ? colon + 1 : NULL;
    *out = (adze_levels){0};
    if (!at || !strchr(at, ',')) return (out->items[out->count++] = adze_registry_target(session->registry, text));
    for (; out->count < ADZE_MAX_LEVELS; at++) {
        size_t length = strcspn(at, ",");
        const char *name = adze_internf(session->context, "%.*s:%.*s", (int)(colon - text), text, (int)length, at);
        if (!(out->items[out->count++] = adze_registry_target(session->registry, name))) return false;
        at += length;
        if (!*at) return true;
    }
    return adze_error(adze_loc_unknown(session->context), "--target names more than %d levels", ADZE_MAX_LEVELS);
}

const adze_target *adze_work_target(adze_work *session, const adze_common *common)
{
    adze_levels levels;
    return adze_work_levels(session, target_of(common), &levels) ? levels.items[0] : NULL;
}

bool adze_work_check(adze_work *session, const adze_common *common)
{
    adze_levels levels;
    if (!adze_common_is_reference(common) && !adze_work_levels(session, common->target, &levels)) return false;
    adze_pipeline *pipeline = common->passes ? adze_pipeline_parse(session->registry, common->passes) : NULL;
    adze_pipeline_destroy(pipeline);
    return pipeline || !common->passes;
}

void adze_print_pass(const char *pass, double seconds, adze_outcome outcome)
{
    fprintf(stderr, "%10.3f ms  %s%s\n", 1e3 * seconds, pass, outcome == ADZE_UNCHANGED ? ", nothing changed" : "");
}

typedef struct watch {
    adze_progress *progress;
    bool verbose;
} watch;

static void show_pass(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                      adze_outcome outcome)
{
    const watch *w = self;
    if (seconds < 0)
        adze_progress_update(w->progress, count ? (double)index / count : -1, pass);
    else if (w->verbose)
        adze_print_pass(pass, seconds, outcome);
}

bool adze_work_lower(adze_work *session, const adze_common *common, adze_module *module)
{
    adze_levels levels;
    if (!adze_work_levels(session, target_of(common), &levels)) return false;
    const adze_target *best = levels.items[0];
    const adze_backend *backend = adze_registry_backend(session->registry, adze_target_name(best));
    if (!backend) return false;
    const char *text = common->passes ? common->passes : backend->pipeline(common->level < 0 ? 2 : common->level);
    adze_pipeline *pipeline = adze_pipeline_parse(session->registry, text);
    if (!pipeline) return false;
    if (common->verbose) fprintf(stderr, "%s:%s %s\n", adze_target_name(best), adze_target_level(best), text);
    watch seen = {adze_progress_begin(session, "passes"), common->verbose};
    adze_run_options options = {.struct_size = sizeof options,
                                .target = best,
                                .others = &levels.items[1],
                                .precision = adze_common_precision(common),
                                .progress = show_pass,
                                .self = &seen};
    bool ok = adze_pipeline_run(pipeline, module, &options);
    adze_progress_end(seen.progress);
    adze_pipeline_destroy(pipeline);
    return ok;
}

bool adze_work_emit(adze_work *session, const adze_common *common, adze_module *module, const char *output)
{
    adze_levels levels;
    if (!adze_work_levels(session, target_of(common), &levels)) return false;
    const adze_backend *backend = adze_registry_backend(session->registry, adze_target_name(levels.items[0]));
    if (!backend) return false;
    adze_emit_options options = {.struct_size = sizeof options,
                                 .output = output,
                                 .name = adze_module_name(module),
                                 .levels = levels.items,
                                 .n_levels = levels.count,
                                 .precision = adze_common_precision(common),
                                 .verbose = common->verbose};
    if (!adze_work_lower(session, common, module)) return false;
    adze_progress *progress = adze_progress_begin(session, "code generation");
    double start = adze_now();
    bool ok = backend->emit(module, session->registry, &options);
    if (common->verbose) fprintf(stderr, "%10.3f ms  code generation\n", 1e3 * (adze_now() - start));
    adze_progress_end(progress);
    return ok;
}

static adze_model *open_model(adze_work *session, const char *path, const char *file)
{
    adze_model *model = NULL;
    if (adze_model_open(file, NULL, &model) == ADZE_OK) return model;
    const char *why = model ? adze_model_error(model) : "out of memory";
    bool named = !strcmp(path, file) && !strncmp(why, path, strlen(path)); /* what is wrong with the file says so */
    adze_error(adze_loc_unknown(session->context), "%s%s%s", named ? "" : path, named ? "" : ": ", why);
    adze_model_close(model);
    return NULL;
}

adze_model *adze_work_compiled(adze_work *session, const adze_common *common, adze_module *module, const char *path)
{
    const char *folder = getenv("TMPDIR");
    adze_text output = {0};
    adze_text_append(&output, "%s/adze-XXXXXX.so", folder && *folder ? folder : "/tmp");
    adze_text_write(&output, "", 1);
    int handle = mkstemps(output.data, 3);
    adze_model *model = NULL;
    if (handle < 0)
        adze_error(adze_loc_unknown(session->context), "%s: cannot make a temporary file", output.data);
    else if (adze_work_emit(session, common, module, output.data))
        model = open_model(session, path, output.data);
    if (handle >= 0) {
        close(handle);
        unlink(output.data);
    }
    adze_text_free(&output);
    return model;
}

adze_model *adze_work_device(adze_work *session, const adze_common *common, const char *path)
{
    if (adze_is_artifact(path)) return open_model(session, path, path);
    adze_module *module = adze_work_read(session, common, path);
    adze_model *model = module ? adze_work_compiled(session, common, module, path) : NULL;
    adze_module_destroy(module);
    return model;
}

bool adze_is_artifact(const char *path)
{
    return adze_has_suffix(path, ".so");
}
