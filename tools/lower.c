/* From a model to a planned module and an artifact: what compile, run, check, bench and eval share. */
#include "calibration.h"
#include "crash.h"

#include <adze/plan.h>
#include <adze/temporary.h>

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

/* ---- What a target cannot do ---- */

static void refuse(const adze_op *op, const adze_backend *backend, const char *why)
{
    char type[256] = "";
    if (adze_op_num_results(op)) adze_type_print(adze_value_type(adze_op_result(op, 0)), type, sizeof type);
    adze_error(adze_op_loc(op), "'%s'%s%s cannot be compiled for %s: %s", adze_op_name(op), *type ? " : " : "", type,
               backend->name, why);
}

/* Loops and what ends a region are the target's own. */
static bool report_region(const adze_backend *backend, const adze_region *region)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        char why[256] = "";
        bool own = adze_op_has_trait(op, ADZE_TERMINATOR) || adze_op_has_trait(op, ADZE_LOOP);
        if (!own && !backend->supports(op, why, sizeof why)) {
            ok = false;
            refuse(op, backend, *why ? why : "the backend gives no reason");
        }
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) ok &= report_region(backend, adze_op_region(op, i));
    }
    return ok;
}

static bool is_planned(const adze_module *module)
{
    const adze_func *main = adze_module_main(module);
    for (const adze_op *op = adze_region_first(adze_func_body(main)); op; op = adze_op_next(op))
        if (adze_op_is(op, "kernel")) return false;
    return adze_func_find_attr(main, "offsets") || adze_plan_arena_bytes(main);
}

typedef struct watch {
    adze_progress *progress;
    const adze_backend *backend; /* that makes code of it; NULL = none does */
    bool verbose, tiled;
} watch;

/* Passes before `tile` remove much of what a target could not do as imported; after it there are no ops to name. */
static bool before_pass(void *self, const char *pass, const adze_module *module)
{
    watch *w = self;
    if (!w->backend || w->tiled || strcmp(pass, "tile") != 0) return true;
    w->tiled = true;
    return report_region(w->backend, adze_func_body(adze_module_main(module)));
}

/* Of what went through no `tile` now: IR text that did before, or a pipeline of the user's. */
static bool check_end(const watch *w, const adze_module *module)
{
    if (!w->tiled && !report_region(w->backend, adze_func_body(adze_module_main(module)))) return false;
    return w->backend->takes_tensors || is_planned(module) || adze_error(adze_loc_unknown(adze_module_context(module)),
                                            "the passes leave a module without loops or places in memory: a pipeline "
                                            "for compiled code ends in tile,plan");
}

static bool enter_pass(void *self, const adze_step_info *step, const adze_module *module)
{
    (void)self, (void)module;
    adze_crash_enter(step, -1, 0);
    return true;
}

static void show_pass(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                      adze_outcome outcome)
{
    const watch *w = self;
    if (seconds < 0)
        adze_progress_update(w->progress, count ? (double)index / count : -1, pass);
    else if (w->verbose)
        adze_print_pass(pass, seconds, outcome);
}

static void show_within(void *self, const char *pass, double part, const char *what)
{
    adze_progress_within(((const watch *)self)->progress, pass, part, what);
}

/* The passes that flags ask for: as text, and the target's backend. NULL after an error. */
static const char *find_passes(adze_work *session, const adze_common *common, adze_levels *out_levels,
                               const adze_backend **out_backend)
{
    if (!adze_work_levels(session, target_of(common), out_levels)) return NULL;
    const adze_backend *backend = adze_registry_backend(session->registry, adze_target_name(out_levels->items[0]));
    if (!backend) return NULL;
    const char *text = common->passes ? common->passes : backend->pipeline(common->level < 0 ? 2 : common->level);
    if (!text)
        adze_error(adze_loc_unknown(session->context), "the %s backend has no pipeline for -O%d", backend->name,
                   common->level < 0 ? 2 : common->level);
    *out_backend = backend;
    return text;
}

/* Which passes changed what a module computes. */
typedef struct losses {
    uint32_t run;  /* number of the pass that runs … */
    bool lossy;
    uint32_t last; /* … and of the last one that lost something; 0 = none did */
} losses;

static bool enter_loss(void *self, const adze_step_info *step, const adze_module *module)
{
    (void)module;
    losses *l = self;
    l->run = step->run;
    l->lossy = step->pass->numerics == ADZE_LOSSY;
    return true;
}

static void leave_loss(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                       adze_outcome outcome)
{
    (void)pass, (void)index, (void)count;
    losses *l = self;
    if (seconds >= 0 && outcome == ADZE_CHANGED && l->lossy) l->last = l->run;
}

bool adze_work_run_passes(adze_work *session, const adze_common *common, const char *passes,
                          const adze_calibration *calibration, adze_module *module)
{
    adze_pipeline *pipeline = adze_pipeline_parse(session->registry, passes);
    adze_run_options options = {.struct_size = sizeof options,
                                .precision = adze_common_precision(common),
                                .calibration = calibration};
    bool ok = pipeline && adze_pipeline_run(pipeline, module, &options);
    adze_pipeline_destroy(pipeline);
    return ok;
}

bool adze_work_lower_lossy(adze_work *session, const adze_common *common, adze_module *module, bool *out_changed)
{
    adze_levels levels;
    const adze_backend *backend;
    losses found = {0};
    *out_changed = false;
    const char *text = find_passes(session, common, &levels, &backend);
    adze_pipeline *pipeline = text ? adze_pipeline_parse(session->registry, text) : NULL;
    adze_calibration_files files = {0};
    if (!pipeline || !adze_calibration_open_for(&files, session, common, module)) {
        adze_calibration_close(&files);
        adze_pipeline_destroy(pipeline);
        return false;
    }
    adze_run_options options = {.struct_size = sizeof options,
                                .target = levels.items[0],
                                .others = &levels.items[1],
                                .precision = adze_common_precision(common),
                                .progress = leave_loss,
                                .enter = enter_loss,
                                .self = &found,
                                .calibration = adze_calibration_get(&files)};
    adze_module *copy = adze_module_clone(module);
    bool ok = adze_pipeline_run(pipeline, copy, &options);
    adze_module_destroy(copy);
    *out_changed = found.last != 0;
    options.stop_before = found.last + 1;
    ok = ok && (!*out_changed || adze_pipeline_run(pipeline, module, &options));
    adze_calibration_close(&files);
    adze_pipeline_destroy(pipeline);
    return ok;
}

/* The codes of up to 8 bits that a constant was made of by a dequantize; NULL: it was not. */
static const adze_const *codes_of(const adze_const *constant)
{
    const adze_op_row *row;
    adze_const *const *inputs;
    uint32_t n;
    const adze_const *found = NULL;
    if (!adze_data_is_derived(adze_const_data(constant), &row, NULL, &inputs, &n)) return NULL;
    if (!strcmp(row->name, "dequantize") && adze_dtype_bits(adze_type_dtype(adze_const_type(inputs[0]))) <= 8)
        return inputs[0];
    for (uint32_t i = 0; i < n && !found; i++) found = inputs[i] ? codes_of(inputs[i]) : NULL;
    return found;
}

/* Weights whose codes no kernel reads, so that they take more bytes than they might. */
static void show_wide(const adze_module *module)
{
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        const adze_const *codes = adze_value_has_uses(adze_const_value(c)) ? codes_of(c) : NULL;
        if (!codes || adze_type_dtype(adze_const_type(c)) != ADZE_DTYPE_f32) continue;
        char type[256] = "";
        adze_type_print(adze_const_type(codes), type, sizeof type);
        fprintf(stderr, "%10.1f KB  @%s, %s, is stored as f32: no kernel reads codes of this form\n",
                (double)adze_data_size(adze_const_data(c)) / 1024, adze_const_name(codes), type);
    }
}

bool adze_work_lower(adze_work *session, const adze_common *common, adze_module *module, bool for_code)
{
    adze_levels levels;
    const adze_backend *backend;
    if (for_code && !adze_module_main(module))
        return adze_error(adze_loc_unknown(session->context), "the module has no function");
    const char *text = find_passes(session, common, &levels, &backend);
    if (!text) return false;
    const adze_target *best = levels.items[0];
    adze_pipeline *pipeline = adze_pipeline_parse(session->registry, text);
    adze_calibration_files files = {0};
    if (!pipeline || !adze_calibration_open_for(&files, session, common, module)) {
        adze_calibration_close(&files);
        adze_pipeline_destroy(pipeline);
        return false;
    }
    watch seen = {adze_progress_begin(session, "passes"), for_code ? backend : NULL, common->verbose, false};
    if (common->verbose) fprintf(stderr, "%s:%s %s\n", adze_target_name(best), adze_target_level(best), text);
    adze_run_options options = {.struct_size = sizeof options,
                                .target = best,
                                .others = &levels.items[1],
                                .precision = adze_common_precision(common),
                                .progress = show_pass,
                                .within = show_within,
                                .before = before_pass,
                                .enter = enter_pass,
                                .self = &seen,
                                .calibration = adze_calibration_get(&files)};
    adze_crash_options crash = {session, common, target_of(common), text, NULL};
    adze_crash_begin(&crash);
    bool ok = adze_pipeline_run(pipeline, module, &options) && (!for_code || check_end(&seen, module));
    adze_crash_end();
    adze_progress_end(seen.progress);
    if (ok && for_code && common->verbose) show_wide(module);
    adze_calibration_close(&files);
    adze_pipeline_destroy(pipeline);
    return ok;
}

/* Whether it did is seen: no artifact without a file, no failure without a message. */
static bool emit(adze_work *session, const adze_backend *backend, const adze_module *module,
                 const adze_emit_options *options)
{
    uint64_t errors = adze_context_errors(session->context);
    bool ok = backend->emit(module, session->registry, options);
    bool told = adze_context_errors(session->context) > errors;
    if (told || (ok && !access(options->output, F_OK))) return ok && !told;
    return adze_error(adze_loc_unknown(session->context), "the %s backend %s %s", backend->name,
                      ok ? "has not written" : "cannot write", options->output);
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
    if (!adze_work_lower(session, common, module, true)) return false;
    adze_progress *progress = adze_progress_begin(session, "code generation");
    double start = adze_now();
    bool ok = emit(session, backend, module, &options);
    if (common->verbose) fprintf(stderr, "%10.3f ms  code generation\n", 1e3 * (adze_now() - start));
    adze_progress_end(progress);
    return ok;
}

static adze_model *open_model(adze_work *session, const char *path, const char *file, bool describe_only)
{
    adze_model *model = NULL;
    adze_open_options options = {.struct_size = sizeof options, .describe_only = describe_only};
    if (adze_model_open(file, &options, &model) == ADZE_OK) return model;
    const char *why = model ? adze_model_error(model) : "out of memory";
    bool named = !strcmp(path, file) && !strncmp(why, path, strlen(path)); /* what is wrong with the file says so */
    adze_error(adze_loc_unknown(session->context), "%s%s%s", named ? "" : path, named ? "" : ": ", why);
    adze_model_close(model);
    return NULL;
}

static bool writes(const adze_backend *backend, const char *suffix)
{
    for (const char *const *s = backend->suffixes; *s; s++)
        if (!strcmp(*s, suffix)) return true;
    return false;
}

/* Does the target's backend write what can be run here? */
static bool makes_models(adze_work *session, const adze_common *common)
{
    const adze_target *target = adze_work_target(session, common);
    const adze_backend *backend = target ? adze_registry_backend(session->registry, adze_target_name(target)) : NULL;
    return backend && (writes(backend, ".so") ||
                       adze_error(adze_loc_unknown(session->context), "the %s backend writes nothing that can be run",
                                  backend->name));
}

adze_model *adze_work_compiled(adze_work *session, const adze_common *common, adze_module *module, const char *path)
{
    if (!makes_models(session, common)) return NULL;
    const char *folder = getenv("TMPDIR");
    adze_text output = {0};
    adze_text_append(&output, "%s/adze-XXXXXX.so", folder && *folder ? folder : "/tmp");
    adze_text_write(&output, "", 1);
    int handle = adze_temporary_file(session->context, output.data, 3);
    adze_model *model = NULL;
    if (handle < 0)
        adze_error(adze_loc_unknown(session->context), "%s: cannot make a temporary file", output.data);
    else if (adze_work_emit(session, common, module, output.data))
        model = open_model(session, path, output.data, false);
    if (handle >= 0) {
        close(handle);
        unlink(output.data);
        adze_temporary_forget(session->context, output.data);
    }
    adze_text_free(&output);
    return model;
}

adze_model *adze_work_describe(adze_work *session, const char *path)
{
    return open_model(session, path, path, true);
}

adze_model *adze_work_device(adze_work *session, const adze_common *common, const char *path)
{
    if (adze_is_artifact(path)) return open_model(session, path, path, false);
    adze_module *module = adze_work_read(session, common, path);
    adze_model *model = module ? adze_work_compiled(session, common, module, path) : NULL;
    adze_module_destroy(module);
    return model;
}

bool adze_is_artifact(const char *path)
{
    return adze_has_suffix(path, ".so");
}
