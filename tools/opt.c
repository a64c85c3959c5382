/* adze opt: the pass writer's tool. Reads a model, runs a pipeline, prints the IR. */
#include "calibration.h"
#include "certify.h"
#include "crash.h"
#include "diff.h"
#include "expect.h"
#include "onnx_out.h"
#include "opt.h"
#include "split.h"
#include "update_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    adze_common common;
    const char *output, *print_after, *print_diff, *split_input;
    bool print_pipeline, time_passes, list_passes, list_ops, list_rules, test_rules, verify_diagnostics, check,
        update_checks;
    bool locations;
    adze_certify_flags certify;
    int64_t rewrite_limit, stop_before;
} options;

static const options defaults = {.common = ADZE_COMMON_START, .rewrite_limit = -1};

static const adze_flag flags[] = {
    ADZE_COMMON_FLAGS,
    {"-o", "FILE", "write there: IR text (.adz), a model (.onnx), a graph (.dot) or its picture (.svg)", ADZE_FLAG_TEXT,
     offsetof(options, output)},
    {"--print-after", "PASS", "print the IR to stderr after that pass; * is every pass", ADZE_FLAG_TEXT,
     offsetof(options, print_after)},
    {"--print-diff", "PASS", "print to stderr what each pass, or that one, changed, function by function",
     ADZE_FLAG_MAYBE, offsetof(options, print_diff)},
    {"--print-pipeline", NULL, "print the pipeline with its options and stop", ADZE_FLAG_BOOL,
     offsetof(options, print_pipeline)},
    {"--time-passes", NULL, "print to stderr how long each pass took", ADZE_FLAG_BOOL,
     offsetof(options, time_passes)},
    {"--list-passes", NULL, "print all passes with their options and stop", ADZE_FLAG_BOOL,
     offsetof(options, list_passes)},
    {"--list-ops", NULL, "print the op table and stop", ADZE_FLAG_BOOL, offsetof(options, list_ops)},
    {"--list-rules", NULL, "print the rule sets and stop", ADZE_FLAG_BOOL, offsetof(options, list_rules)},
    {"--test-rules", NULL, "run the tests of all rewrite rules, those of plug-ins too, and stop", ADZE_FLAG_BOOL,
     offsetof(options, test_rules)},
    {"--verify-diagnostics", NULL, "succeed if the messages are the ones that // expected-error comments say",
     ADZE_FLAG_BOOL, offsetof(options, verify_diagnostics)},
    {"--split-input", "MARK", "the file holds several modules between lines that are MARK (default // -----)",
     ADZE_FLAG_MAYBE, offsetof(options, split_input)},
    {"--update-checks", NULL,
     "write the CHECK lines of the lit test IN anew, as its RUN lines print; keep those by hand", ADZE_FLAG_BOOL,
     offsetof(options, update_checks)},
    {"--check", NULL, "re-read each pass's result; fail a pass that lies about UNCHANGED", ADZE_FLAG_BOOL,
     offsetof(options, check)},
    {"--locations", NULL, "print ONNX node names", ADZE_FLAG_BOOL, offsetof(options, locations)},
    ADZE_CERTIFY_FLAGS(options, certify),
    {"--rewrite-limit", "N", "let the passes make the first N rewrites only; -v numbers them", ADZE_FLAG_INT,
     offsetof(options, rewrite_limit)},
    {"--stop-before", "N", "print the IR before the N-th run of a pass, counted from 1", ADZE_FLAG_INT,
     offsetof(options, stop_before)},
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] = "Usage: adze opt [FLAGS] IN\n\n"
                            "Reads IN (.adz or .onnx; - is IR text on stdin), runs passes and prints the IR.\n"
                            "Example: adze opt model.onnx --passes=shape-fold,fold,dce --time-passes\n";

/* ---- Running ---- */

typedef struct job {
    const options *options;
    adze_work *session;
    adze_pipeline *pipeline;
    adze_levels levels;
    adze_print_options print;
    adze_text out;
    adze_timing timing;
    const char *passes;
    uint64_t n_rewrites; /* asked for */
    adze_module *module;
    adze_snapshot *snapshot; /* of --print-diff */
    adze_progress *progress; /* of the pipeline that runs; NULL = none is shown */
    bool printed; /* something after --print-after's pass */
    bool changed; /* something by --print-diff's */
} job;

static void print_after(void *self, const char *pass, const char *text, size_t size)
{
    ((job *)self)->printed = true;
    fprintf(stderr, "// after %s\n", pass);
    if (size) fwrite(text, 1, size, stderr);
}

static void print_diff(job *j, const char *pass)
{
    const char *wanted = j->options->print_diff;
    if (!wanted) return;
    if (!*wanted || !strcmp(wanted, pass)) {
        adze_snapshot_print_diff(&j->snapshot, j->module, pass, j->session->color);
        j->changed = true;
    } else {
        adze_snapshot_destroy(j->snapshot);
        j->snapshot = adze_snapshot_create(j->module);
    }
}

static void after_pass(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                     adze_outcome outcome)
{
    job *j = self;
    if (seconds < 0) adze_progress_update(j->progress, count ? (double)index / count : -1, pass);
    if (seconds < 0) return;
    if (j->options->common.verbose) adze_print_pass(pass, seconds, outcome);
    if (outcome == ADZE_CHANGED) print_diff(j, pass);
    adze_timing_add(&j->timing, pass, seconds);
}

static void show_within(void *self, const char *pass, double part, const char *what)
{
    adze_progress_within(((job *)self)->progress, pass, part, what);
}

static bool ask_rewrite(void *self, const adze_rewrite_info *info)
{
    const options *o = ((job *)self)->options;
    ((job *)self)->n_rewrites = info->number;
    bool wanted = o->rewrite_limit < 0 || info->number <= (uint64_t)o->rewrite_limit;
    if (wanted && o->common.verbose) adze_print_rewrite(info);
    return wanted;
}

static bool enter_pass(void *self, const adze_step_info *step, const adze_module *module)
{
    const job *j = self;
    (void)module;
    adze_crash_enter(step, j->options->rewrite_limit, j->n_rewrites);
    return true;
}

static void print_certificate(void *self, const adze_certificate *certificate)
{
    (void)self;
    adze_certificate_print(certificate);
}

/* Runs the pipeline on one module, which came from `path`, and appends its text to the output. Takes the module. */
static bool process(job *j, adze_module *module, const char *path)
{
    const options *o = j->options;
    adze_certifying certifying;
    if (!module) return false;
    adze_run_options run = {.struct_size = sizeof run,
                            .target = j->levels.items[0],
                            .others = j->levels.count ? &j->levels.items[1] : NULL,
                            .precision = adze_common_precision(&j->options->common),
                            .check = j->options->check,
                            .time_passes = j->options->time_passes,
                            .print_after = j->options->print_after,
                            .print = print_after,
                            .progress = after_pass,
                            .within = show_within,
                            .enter = enter_pass,
                            .rewrite = ask_rewrite,
                            .stop_before = (uint32_t)o->stop_before,
                            .self = j};
    adze_calibration_files calibration;
    j->module = module;
    if (o->print_diff) j->snapshot = adze_snapshot_create(module);
    bool ok = adze_certifying_begin(&certifying, j->session, &o->common, &o->certify, module, path);
    ok = adze_calibration_open_for(&calibration, j->session, &o->common, module) && ok;
    run.calibration = adze_calibration_get(&calibration);
    certifying.options.report = print_certificate;
    if (o->certify.inputs) run.certify = &certifying.options;
    const char *equals = o->split_input && *o->split_input ? "=" : "";
    const char *split = o->split_input ? adze_internf(j->session->context, "--split-input%s%s", equals, o->split_input)
                                       : NULL;
    adze_crash_options crash = {j->session, &o->common, o->common.target, j->passes, split};
    j->n_rewrites = 0;
    adze_crash_begin(&crash);
    j->progress = adze_progress_begin(j->session, "passes");
    if (o->certify.bisect) ok = ok && !adze_bisect(j->session, j->pipeline, module, &run, &certifying.options);
    else ok = ok && adze_pipeline_run(j->pipeline, module, &run);
    adze_progress_end(j->progress);
    j->progress = NULL;
    adze_crash_end();
    adze_certifying_end(&certifying);
    adze_calibration_close(&calibration);
    adze_snapshot_destroy(j->snapshot);
    j->snapshot = NULL;
    if (ok && adze_is_onnx(o->output))
        ok = adze_write_onnx(NULL, module, o->output);
    else if (ok && adze_is_graph(o->output))
        adze_module_print_dot(module, &j->out);
    else if (ok && !o->certify.bisect)
        ok = adze_module_print(module, &j->print, &j->out);
    adze_module_destroy(module);
    return ok;
}

/* One part of a text; its messages are compared where that is wanted. */
static bool process_part(job *j, const char *path, const char *part, size_t size)
{
    const options *o = j->options;
    size_t printed = j->out.size;
    adze_expectations *expected = NULL;
    if (o->verify_diagnostics && !(expected = adze_expect_begin(j->session, adze_input_name(path), part))) return false;
    bool ok = process(j, adze_work_parse(j->session, &o->common, path, part, size), path);
    if (!ok) j->out.size = printed;
    return expected ? adze_expect_end(expected) : ok;
}

/* An error in one part does not stop the others. */
static bool process_text(job *j, const char *path, const char *text)
{
    const char *mark = j->options->split_input;
    adze_split split;
    bool ok = adze_split_begin(&split, j->session, adze_input_name(path), text,
                               mark && !*mark ? ADZE_SPLIT_MARK : mark);
    for (uint32_t i = 0; split.part && adze_split_next(&split); i++) {
        if (i) adze_text_append(&j->out, "%s\n", split.mark);
        ok &= process_part(j, path, split.part, split.size);
    }
    adze_split_end(&split);
    return ok;
}

static bool write_out(job *j)
{
    if (adze_is_graph(j->options->output)) return adze_write_graph(j->session, j->options->output, &j->out);
    return adze_write_printed(j->session, j->options->output ? j->options->output : "-", &j->print, &j->out);
}

static bool run_input(job *j, const char *path)
{
    const options *o = j->options;
    j->session->input = path;
    j->session->output = o->output;
    if (!o->split_input && !o->verify_diagnostics)
        return process(j, adze_work_read(j->session, &o->common, path), path) &&
               (o->certify.bisect || adze_is_onnx(o->output) || write_out(j));
    size_t size;
    char *text = adze_read_text(j->session, path, &size);
    bool ok = text && process_text(j, path, text);
    free(text);
    /* what became of the good parts is worth looking at, but no file is written in part */
    return (ok || !o->output) && write_out(j) && ok;
}

static int run_job(const options *o, adze_work *session, const char *path)
{
    static const char *const levels[] = {"O0", "O1", "O2", "O3"};
    job j = {.options = o, .session = session};
    const char *passes = o->common.passes ? o->common.passes : o->common.level >= 0 ? levels[o->common.level] : "";
    j.passes = passes;
    j.pipeline = adze_pipeline_parse(session->registry, passes);
    if (!j.pipeline) return 2;
    /* several modules in one file keep their constants in the text */
    bool one = o->output && !o->split_input && !o->verify_diagnostics;
    j.print = adze_print_options_for(session, one ? o->output : "-");
    j.print.locations = o->locations;
    int status = 0;
    if (o->common.target && !adze_work_levels(session, o->common.target, &j.levels)) status = 2;
    if (!status && o->print_pipeline) {
        adze_text text = {0};
        adze_pipeline_print(j.pipeline, &text);
        printf("%.*s\n", (int)text.size, text.data ? text.data : "");
        adze_text_free(&text);
    } else if (!status) {
        status = !run_input(&j, path);
        if (!status && o->print_after && !j.printed)
            adze_note(adze_loc_unknown(session->context), "pass '%s' of --print-after did not run", o->print_after);
        if (!status && o->print_diff && *o->print_diff && !j.changed)
            adze_note(adze_loc_unknown(session->context), "pass '%s' of --print-diff changed nothing", o->print_diff);
        if (o->time_passes) adze_timing_print(&j.timing);
    }
    adze_text_free(&j.out);
    adze_pipeline_destroy(j.pipeline);
    return status;
}

/* 0, or the exit status where there is no such pass. */
static int check_pass(const adze_work *work, const char *flag, const char *name)
{
    char ask[96];
    adze_nearest nearest = {.wanted = name};
    if (adze_registry_find_pass(work->registry, name)) return 0;
    adze_registry_near_pass(work->registry, &nearest);
    return adze_usage_error("%s: there is no pass named '%s'%s", flag, name,
                            nearest.name ? adze_nearest_ask(&nearest, ask, sizeof ask) : "; --list-passes lists them");
}

/* 0, or the exit status for what would be ignored. */
static int check_flags(const adze_work *work, const options *o)
{
    const char *slash = o->output ? strrchr(o->output, '/') : NULL, *name = slash ? slash + 1 : o->output;
    const char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && strcmp(dot, ".adz") != 0 && !adze_is_graph(name) && !adze_is_onnx(name))
        return adze_usage_error("%s: opt writes IR text, to .adz files or names without a suffix, models, to .onnx "
                                "files, and graphs, to .dot and .svg files", o->output);
    if ((adze_is_graph(name) || adze_is_onnx(name)) && (o->split_input || o->verify_diagnostics))
        return adze_usage_error("%s: it takes one module, without --split-input and --verify-diagnostics", o->output);
    bool after = o->print_after && strcmp(o->print_after, "*") != 0;
    if (after && check_pass(work, "--print-after", o->print_after)) return 2;
    if (o->print_diff && *o->print_diff && check_pass(work, "--print-diff", o->print_diff)) return 2;
    if (o->stop_before < 0 || o->stop_before > UINT32_MAX)
        return adze_usage_error("--stop-before takes a number from 1, got %lld", (long long)o->stop_before);
    if (o->rewrite_limit < defaults.rewrite_limit)
        return adze_usage_error("--rewrite-limit takes a number from 0, got %lld", (long long)o->rewrite_limit);
    if (o->certify.bisect && (o->split_input || o->verify_diagnostics || o->output || o->print_diff))
        return adze_usage_error("--bisect prints what it finds and nothing else: it takes no -o, --print-diff, "
                                "--split-input or --verify-diagnostics");
    return 0;
}

static int update_checks(adze_work *work, const options *o, const char *path)
{
    if (o->common.passes || o->common.level >= 0 || o->common.target || o->output || o->split_input ||
        o->verify_diagnostics || !strcmp(path, "-"))
        return adze_usage_error("--update-checks writes to the file that it reads, and takes from its RUN lines what "
                                "to run; it goes with --plugin alone");
    return adze_update_checks(work, path, o->common.plugins.count ? o->common.plugins.items[0] : NULL);
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    int status = check_flags(work, o);
    if (status) return status;
    bool lists = o->list_passes || o->list_ops || o->list_rules || o->test_rules;
    if (!lists && !o->print_pipeline && n_files != 1)
        return adze_usage_error("opt takes one input, got %d; adze opt --help says more", n_files);
    if (o->update_checks) return update_checks(work, o, files[0]);
    if (o->list_passes) adze_list_passes(work->registry);
    if (o->list_ops) adze_list_ops(work->context);
    if (o->list_rules) adze_list_rules(work->registry, false);
    if (o->test_rules) return adze_test_rules(work->registry);
    return lists ? 0 : run_job(o, work, n_files ? files[0] : NULL);
}

const adze_command adze_command_opt = {
    .name = "opt",
    .summary = "run passes on IR and print it; for writers of passes",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .files_max = 1,
    .run = run,
};
