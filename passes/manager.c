/* Runs a pipeline: every pass on every function, the verifier after each, and on request timing,
 * printing and the check mode.
 *
 * Check mode prints the module before and after each pass. A pass that says UNCHANGED but changed the
 * text fails, and so does a printout that does not read back to itself. With `certify` the module runs
 * before the first pass and after each.
 */
#include "passes/certifier.h"
#include "passes/pipeline.h"

#include <string.h>
#include <time.h>

/* Rounds after which a repeat without n is taken to be without end. */
enum { MAX_ROUNDS = 1000 };

typedef struct run {
    adze_pipeline *pipeline;
    adze_module *module;
    adze_run_options options;
    adze_pass_run self;
    adze_certifier *certifier; /* or NULL */
    adze_rewrites rewrites;
    uint32_t index;  /* of the leaf in the pipeline */
    uint32_t number; /* of runs so far */
    bool stopped;    /* by stop_before */
} run;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool print(const adze_module *module, const char *folder, adze_text *out)
{
    adze_print_options options = {.struct_size = sizeof options, .max_elements = 16, .folder = folder};
    return adze_module_print(module, &options, out);
}

static bool same_text(const adze_text *a, const adze_text *b)
{
    return a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
}

/* Line of the first difference. */
static int differs_at(const adze_text *a, const adze_text *b)
{
    int line = 1;
    for (size_t i = 0; i < a->size && i < b->size && a->data[i] == b->data[i]; i++)
        if (a->data[i] == '\n') line++;
    return line;
}

/* Print, parse, print must give the same text again. */
static bool check_text(run *r, const char *pass, const adze_text *text)
{
    adze_loc loc = adze_loc_unknown(r->self.context);
    /* Printed for the root folder, so that every file of a constant can be named. */
    adze_module *again = adze_module_parse(r->self.context, "/re-read", text->data, text->size);
    if (!again) return adze_error(loc, "pass '%s': its result does not read back", pass);
    adze_text second = {0};
    bool ok = print(again, "/", &second);
    if (ok && !same_text(text, &second))
        ok = adze_error(loc, "pass '%s': line %d of its result prints differently after reading it back",
                        pass, differs_at(text, &second));
    adze_text_free(&second);
    adze_module_destroy(again);
    return ok;
}

/* What a call of the pass finds. */
static void begin(run *r, const adze_pass *pass)
{
    r->self.numerics = pass->numerics;
    r->rewrites.rules = ADZE_EXACT;
}

static adze_outcome run_pass(run *r, const adze_step *step)
{
    const adze_pass *pass = step->pass;
    begin(r, pass);
    if (pass->run_module) return pass->run_module(r->module, step->options, &r->self);
    adze_outcome outcome = ADZE_UNCHANGED;
    adze_numerics numerics = ADZE_EXACT; /* of all functions */
    for (adze_func *func = adze_module_first_func(r->module), *next; func; func = next) {
        next = adze_func_next(func);
        begin(r, pass);
        adze_outcome one = pass->run(func, step->options, &r->self);
        if (one != ADZE_UNCHANGED && one != ADZE_CHANGED) return one;
        if (one == ADZE_CHANGED) outcome = one;
        if ((unsigned)r->self.numerics > (unsigned)numerics) numerics = r->self.numerics;
    }
    r->self.numerics = numerics;
    return outcome;
}

/* What must hold after a pass whatever it is. */
static bool check_result(run *r, const adze_pass *pass, adze_outcome outcome, uint64_t errors,
                         const adze_text *before)
{
    adze_loc loc = adze_loc_unknown(r->self.context);
    if (outcome == ADZE_FAILED)
        return adze_context_errors(r->self.context) > errors ? false
                                                             : adze_error(loc, "pass '%s' failed", pass->name);
    if (outcome != ADZE_UNCHANGED && outcome != ADZE_CHANGED)
        return adze_error(loc, "pass '%s' gave %d, which is none of FAILED, UNCHANGED, CHANGED", pass->name,
                          (int)outcome);
    if ((unsigned)r->self.numerics > ADZE_LOSSY)
        return adze_error(loc, "pass '%s' left numerics at %d, which is none of EXACT, FAST, LOSSY", pass->name,
                          (int)r->self.numerics);
    if (adze_context_errors(r->self.context) > errors)
        return adze_error(loc, "pass '%s' reported an error but did not fail", pass->name);
    if (!adze_module_verify(r->module))
        return adze_error(loc, "pass '%s' left the module broken", pass->name);
    bool wanted = r->options.print_after && r->options.print &&
                  (!strcmp(r->options.print_after, "*") || !strcmp(r->options.print_after, pass->name));
    if (!wanted && !r->options.check) return true;
    adze_text after = {0};
    bool ok = print(r->module, r->options.check ? "/" : NULL, &after);
    if (ok && wanted) r->options.print(r->options.self, pass->name, after.data, after.size);
    if (ok && r->options.check && outcome == ADZE_UNCHANGED && !same_text(before, &after))
        ok = adze_error(loc, "pass '%s' says UNCHANGED but line %d of the module differs", pass->name,
                        differs_at(before, &after));
    if (ok && r->options.check) ok = check_text(r, pass->name, &after);
    adze_text_free(&after);
    return ok;
}

/* What the pass did to the outputs. */
static bool certify(run *r, const adze_pass *pass, adze_outcome outcome)
{
    adze_certificate certificate = {.struct_size = sizeof certificate,
                                    .number = r->number,
                                    .pass = pass,
                                    .numerics = r->self.numerics < pass->numerics ? r->self.numerics : pass->numerics,
                                    .outcome = outcome};
    if (outcome == ADZE_UNCHANGED) certificate.numerics = ADZE_EXACT;
    return adze_certifier_check(r->certifier, r->module, &certificate);
}

static bool enter(run *r, const adze_step *step)
{
    const adze_run_options *o = &r->options;
    r->rewrites.run = ++r->number;
    r->rewrites.pass = step->pass;
    r->rewrites.index = r->index;
    if (o->before && !o->before(o->self, step->pass->name, r->module)) return false;
    if (!o->enter) return true;
    adze_text text = {0};
    adze_step_print(r->pipeline, step, &text);
    adze_text_write(&text, "", 1);
    adze_step_info info = {
        .struct_size = sizeof info, .run = r->number, .pass = step->pass, .text = text.data};
    bool ok = o->enter(o->self, &info, r->module);
    adze_text_free(&text);
    return ok;
}

static adze_outcome run_one(run *r, const adze_step *step)
{
    adze_text before = {0};
    uint64_t errors = adze_context_errors(r->self.context);
    uint32_t count = r->pipeline->n_passes;
    if (!enter(r, step)) return ADZE_FAILED;
    if (r->options.check && !print(r->module, "/", &before)) {
        adze_text_free(&before);
        return ADZE_FAILED;
    }
    if (r->options.progress)
        r->options.progress(r->options.self, step->pass->name, r->index, count, -1, ADZE_UNCHANGED);
    double start = now();
    adze_outcome outcome = run_pass(r, step);
    double seconds = now() - start;
    bool ok = check_result(r, step->pass, outcome, errors, &before) &&
              (!r->certifier || certify(r, step->pass, outcome));
    if (r->options.progress)
        r->options.progress(r->options.self, step->pass->name, r->index, count, seconds,
                            ok ? outcome : ADZE_FAILED);
    adze_text_free(&before);
    r->index++;
    return ok ? outcome : ADZE_FAILED;
}

static adze_outcome run_steps(run *r, const adze_step *step);

static adze_outcome run_repeat(run *r, const adze_step *step)
{
    uint32_t index = r->index;
    adze_outcome all = ADZE_UNCHANGED;
    int64_t limit = step->rounds ? step->rounds : MAX_ROUNDS;
    for (int64_t i = 0; i < limit; i++) {
        r->index = index;
        adze_outcome one = run_steps(r, step->first);
        if (one == ADZE_FAILED) return one;
        if (one == ADZE_UNCHANGED || r->stopped) return all;
        all = one;
    }
    if (step->rounds) return all;
    adze_error(adze_loc_unknown(r->self.context), "repeat: still changing after %d rounds", MAX_ROUNDS);
    return ADZE_FAILED;
}

static adze_outcome run_steps(run *r, const adze_step *step)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (; step && !r->stopped; step = step->next) {
        r->stopped = r->options.stop_before && step->pass && r->number + 1 == r->options.stop_before;
        if (r->stopped) return all;
        adze_outcome one = step->pass ? run_one(r, step) : run_repeat(r, step);
        if (one == ADZE_FAILED) return one;
        if (one == ADZE_CHANGED) all = one;
    }
    return all;
}

bool adze_pipeline_run(adze_pipeline *pipeline, adze_module *module, const adze_run_options *options)
{
    run r = {.pipeline = pipeline, .module = module};
    if (options) {
        size_t size = options->struct_size < sizeof r.options ? options->struct_size : sizeof r.options;
        memcpy(&r.options, options, size);
    }
    r.self = (adze_pass_run){.struct_size = sizeof r.self,
                             .context = adze_module_context(module),
                             .registry = pipeline->registry,
                             .target = r.options.target,
                             .precision = r.options.precision,
                             .others = r.options.others,
                             .calibration = r.options.calibration};
    r.self.rewrites = &r.rewrites;
    r.rewrites.ask = r.options.rewrite;
    r.rewrites.within = r.options.within;
    r.rewrites.n_passes = pipeline->n_passes;
    r.rewrites.self = r.options.self;
    if (!options) r.self.precision = ADZE_PRECISION_F32;
    if (!r.self.target) r.self.target = adze_registry_target(pipeline->registry, "x86:x86-64-v3");
    if (!r.self.target || !adze_module_verify(module)) return false;
    if (r.options.certify) {
        r.certifier = adze_certifier_create(pipeline->registry, r.self.target, module, r.options.certify);
        if (!r.certifier) return false;
    }
    bool ok = run_steps(&r, pipeline->first) != ADZE_FAILED;
    adze_certifier_destroy(r.certifier);
    return ok;
}
