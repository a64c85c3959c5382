/* adze opt --bisect: the first pass that breaks something, and in it the first rewrite.
 *
 * Each pass is held to what it was given, so the first bad pass is found by one run of the pipeline, which ends there;
 * a search over prefixes of the pipeline would have to judge sums of many passes' roundings. Then that pass runs on a
 * copy of its input again and again, with ever fewer of its rewrites: a binary search, as with LLVM's
 * opt-bisect-limit.
 */
#include "certify.h"
#include "crash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first error of a run. */
typedef struct first_error {
    char text[1024];
} first_error;

typedef struct search {
    adze_work *work;
    adze_module *input; /* of the pass that ran last */
    char *text;         /* that pass, as a pipeline */
    const char *pass;
    uint32_t run;
    uint64_t before, count; /* rewrites before it, and its own */
    uint64_t limit;         /* of its own */
    uint64_t shown;         /* the rewrite to describe, 0 = none */
    adze_text what, op, nodes;
    adze_certificate last; /* what its strings were is in `place` and `where` */
    char place[512], where[512];
    first_error error;
} search;

static void keep_error(void *self, const adze_diagnostic *diagnostic)
{
    search *s = self;
    if (diagnostic->severity == ADZE_ERROR && !*s->error.text)
        snprintf(s->error.text, sizeof s->error.text, "%s", diagnostic->message);
}

static bool enter(void *self, const adze_step_info *step, const adze_module *module)
{
    search *s = self;
    adze_module_destroy(s->input);
    free(s->text);
    s->input = adze_module_clone(module);
    s->text = strdup(step->text);
    s->pass = step->pass->name;
    s->run = step->run;
    s->before += s->count;
    s->count = 0;
    adze_crash_enter(step, -1, 0);
    return s->input && s->text;
}

static bool count(void *self, const adze_rewrite_info *info)
{
    search *s = self;
    (void)info;
    s->count++;
    return true;
}

static void report(void *self, const adze_certificate *c)
{
    search *s = self;
    adze_text at = {0};
    for (uint32_t k = 0; k < c->rank; k++) adze_text_append(&at, "%s%lld", k ? "," : "", (long long)c->at[k]);
    s->last = *c;
    snprintf(s->place, sizeof s->place, "%s[%.*s] of @%s", c->func ? c->output : "", (int)at.size,
             at.data ? at.data : "", c->func ? c->func : "");
    snprintf(s->where, sizeof s->where, "%s", c->nodes);
    adze_text_free(&at);
}

static bool within_limit(void *self, const adze_rewrite_info *info)
{
    search *s = self;
    if (info->number == s->shown) {
        adze_text_append(&s->what, "%s", info->what);
        adze_op_describe(info->op, &s->op, &s->nodes);
    }
    return info->number <= s->limit;
}

/* Runs the pass on a copy of its input with that many rewrites; true if it still breaks something. */
static bool is_bad(search *s, const adze_run_options *run, const adze_certify_options *certify, uint64_t limit)
{
    adze_certify_options numbers = *certify;
    adze_run_options one = *run;
    adze_module *copy = adze_module_clone(s->input);
    adze_pipeline *pipeline = adze_pipeline_parse(s->work->registry, s->text);
    numbers.report = report;
    numbers.self = one.self = s;
    one.enter = NULL;
    one.before = NULL;
    one.progress = NULL;
    one.rewrite = within_limit;
    one.certify = &numbers;
    s->limit = limit;
    *s->error.text = '\0';
    s->last = (adze_certificate){0};
    bool ok = copy && pipeline && adze_pipeline_run(pipeline, copy, &one);
    adze_pipeline_destroy(pipeline);
    adze_module_destroy(copy);
    return !ok;
}

static void line(const char *name, const char *format, ...) ADZE_PRINTF(2, 3);
static void line(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%-12s", name);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static void print_error(const search *s, const adze_certificate *before)
{
    static const char *const kinds[] = {"EXACT", "FAST", "LOSSY"};
    const adze_certificate *c = &s->last;
    if (!c->func || *s->error.text == '\0' || c->ok) {
        line("error", "%s", s->error.text);
        return;
    }
    line("output", "%s: %.9g before the pass, %.9g after it", s->place, c->before, c->after);
    if (*s->where) line("made by", "%s", s->where);
    line("error", "%.3g of the output's largest magnitude; %.3g without the rewrite; the pass is %s", c->max_rel,
         before->max_rel, kinds[c->numerics]);
}

/* The bad pass is known, and its input. */
static void search_rewrites(search *s, const adze_run_options *run, const adze_certify_options *certify)
{
    uint64_t low = 0, high = s->count; /* good and bad */
    line("pass", "%s", s->text);
    line("run", "%u of the pipeline", s->run);
    if (is_bad(s, run, certify, 0)) {
        line("rewrite", "none: it breaks something without any rewrite that it asks for (adze_rewrite)");
        print_error(s, &s->last);
        return;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (is_bad(s, run, certify, middle)) high = middle;
        else low = middle;
    }
    is_bad(s, run, certify, low);
    adze_certificate before = s->last;
    s->shown = high;
    if (!is_bad(s, run, certify, high)) *s->error.text = '\0';
    line("rewrite", "%llu, number %llu of the %llu of this pass: %.*s", (unsigned long long)(s->before + high),
         (unsigned long long)high, (unsigned long long)s->count, (int)s->what.size, s->what.data ? s->what.data : "");
    if (s->op.size) line("op", "%.*s", (int)s->op.size, s->op.data);
    line("ONNX nodes", "%.*s", s->nodes.size ? (int)s->nodes.size : 4, s->nodes.size ? s->nodes.data : "none");
    print_error(s, &before);
}

int adze_bisect(adze_work *work, adze_pipeline *pipeline, adze_module *module, const adze_run_options *run,
                const adze_certify_options *certify)
{
    search s = {.work = work};
    adze_run_options all = *run;
    adze_certify_options numbers = *certify;
    adze_progress *progress = adze_progress_begin(work, "bisect");
    numbers.report = report;
    numbers.self = all.self = &s;
    all.enter = enter;
    all.before = NULL;
    all.progress = NULL;
    all.print_after = NULL;
    all.rewrite = count;
    all.certify = &numbers;
    adze_context_set_sink(work->context, keep_error, &s);
    bool ok = adze_pipeline_run(pipeline, module, &all);
    uint64_t n = s.count;
    if (!ok && s.text) search_rewrites(&s, &all, certify);
    adze_context_set_sink(work->context, adze_print_to_stderr, work);
    adze_progress_end(progress);
    if (ok)
        printf("nothing is wrong: %u runs of passes with %llu rewrites keep what they declare\n", s.run,
               (unsigned long long)(s.before + n));
    else if (!s.text)
        adze_error(adze_loc_unknown(work->context), "%s", s.error.text);
    adze_module_destroy(s.input);
    free(s.text);
    adze_text_free(&s.what);
    adze_text_free(&s.op);
    adze_text_free(&s.nodes);
    return !ok;
}
