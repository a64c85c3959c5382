/* Splits a program into parts, each of which becomes code for itself: every kernel, the steps that run one evaluation,
 * and the step functions, which know where operands lie and call the others.
 *
 * A part's text before LLVM, with the level, decides its code; a hash of them names its function. So kernels that are
 * equal are compiled once, and what was compiled before, by any process, comes from the cache. Nothing in a part tells
 * where in the program it stands.
 */
#include "backends/x86/compile.h"
#include "backends/x86/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void x86_job_init(const x86_compile *c, x86_job *job, uint32_t level, x86_content content, x86_output output)
{
    memset(job, 0, sizeof *job);
    job->program = &c->program;
    job->symbols = &c->symbols;
    job->contexts = c->contexts;
    job->cache = c->cache.folder ? &c->cache : NULL;
    job->level = c->levels[level];
    job->lowest = c->levels[c->n_levels - 1];
    job->variant = c->variants[level];
    job->level_index = level;
    job->content = content;
    job->opt = content == X86_CONTENT_STEPS ? 1 : 3; /* steps are calls */
    job->output = output;
}

/* ---- Keys ---- */

static void append(MlirStringRef text, void *self)
{
    adze_text_write(self, text.data, text.length);
}

static void print_mlir(const x86_job *job, adze_text *out)
{
    MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
    mlirOpPrintingFlagsPrintGenericOpForm(flags);
    mlirOpPrintingFlagsAssumeVerified(flags);
    mlirOperationPrintWithFlags(mlirModuleGetOperation(job->module), flags, append, out);
    mlirOpPrintingFlagsDestroy(flags);
}

static void find_key(x86_job *job)
{
    adze_text text = {0};
    if (job->llvm) {
        char *printed = LLVMPrintModuleToString(job->llvm);
        adze_text_write(&text, printed, strlen(printed));
        LLVMDisposeMessage(printed);
    } else {
        print_mlir(job, &text);
    }
    adze_text_append(&text, "%s -O%d%s", job->level->name, job->opt, job->exact ? " exact" : "");
    job->key = x86_hash_bytes(text.data, text.size);
    adze_text_free(&text);
    const char *what = job->content == X86_CONTENT_KERNEL ? "adze_kernel" : "adze_eval";
    snprintf(job->symbol, sizeof job->symbol, "%s_%016llx%016llx", what, (unsigned long long)job->key.words[0],
             (unsigned long long)job->key.words[1]);
}

/* ---- Jobs ---- */

static bool start(x86_compile *c, x86_job *job)
{
    if (!c->has_symbols && !x86_symbols_make(&c->symbols, c->levels, c->n_levels))
        return adze_error(adze_loc_unknown(c->context), "the bitcode in the x86 backend cannot be read");
    c->has_symbols = true;
    x86_queue_add(c->queue, job);
    return true;
}

/* Has the job done, unless an equal one is or its code is there. */
static bool submit(x86_compile *c, x86_job *job, adze_table *seen)
{
    find_key(job);
    if (adze_table_get_name(seen, job->symbol)) {
        x86_job_free(job);
        c->n_jobs--;
        return true;
    }
    adze_table_put_name(seen, job->symbol, job);
    if (job->cache) job->bytes = x86_cache_find(job->cache, job->key, &job->size);
    job->ok = job->bytes != NULL;
    if (!job->ok) return start(c, job);
    x86_drop_mlir(job);
    return true;
}

static bool add_kernel(x86_compile *c, uint32_t level, const x86_kernel *kernel, const char **out_symbol,
                       adze_table *seen)
{
    x86_job *job = &c->jobs[c->n_jobs++];
    x86_job_init(c, job, level, X86_CONTENT_KERNEL, X86_OBJECT);
    x86_take_mlir(job);
    x86_emit e;
    x86_emit_init(&e, &c->program, job->mlir, job->module, c->options->precision != ADZE_PRECISION_STRICT);
    bool ok = x86_emit_kernel(&e, kernel, job->variant, X86_KERNEL_PART);
    job->exact = !e.contract;
    x86_emit_free(&e);
    if (!ok || !submit(c, job, seen)) return false;
    *out_symbol = adze_arena_text(&c->program.arena, job->symbol, strlen(job->symbol));
    return true;
}

/* The steps that run the evaluation of step `first`, the first one of its row. */
static bool add_floor(x86_compile *c, uint32_t level, uint32_t first, const char **callees, adze_table *seen)
{
    x86_program *p = &c->program;
    x86_job *job = &c->jobs[c->n_jobs++];
    x86_job_init(c, job, level, X86_CONTENT_FLOOR, X86_OBJECT);
    job->row = p->steps[first].row;
    x86_job_begin(job);
    x86_build_floors(job);
    char symbol[sizeof job->symbol + 16];
    if (!submit(c, job, seen)) return false;
    for (uint32_t i = first, n = 0; i < p->n_steps; i++) {
        if (p->steps[i].kind != X86_STEP_FLOOR || p->steps[i].row != job->row) continue;
        int size = snprintf(symbol, sizeof symbol, "%s_%u", job->symbol, n++);
        callees[i] = adze_arena_text(&p->arena, symbol, (size_t)size);
    }
    return true;
}

static bool add_level(x86_compile *c, uint32_t level, adze_table *seen)
{
    x86_program *p = &c->program;
    const char **callees = ADZE_NEW_ARRAY(&p->arena, const char *, p->n_steps);
    const char **kernels = ADZE_NEW_ARRAY(&p->arena, const char *, p->n_kernels);
    for (uint32_t i = 0; i < p->n_kernels; i++)
        if (!add_kernel(c, level, &p->kernels[i], &kernels[i], seen)) return false;
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const x86_step *step = &p->steps[i];
        if (step->kind == X86_STEP_KERNEL) callees[i] = kernels[step->kernel];
        if (step->kind == X86_STEP_FLOOR && !callees[i] && !add_floor(c, level, i, callees, seen)) return false;
    }
    x86_job *job = &c->jobs[c->n_jobs++];
    x86_job_init(c, job, level, X86_CONTENT_STEPS, X86_OBJECT);
    job->callees = callees;
    x86_job_begin(job);
    x86_build_steps(job);
    return submit(c, job, seen);
}

/* Everything in one module, under the names of the kernels. */
static bool add_text(x86_compile *c, x86_output output)
{
    x86_program *p = &c->program;
    x86_job *job = &c->jobs[c->n_jobs++];
    x86_job_init(c, job, 0, X86_CONTENT_ALL, output);
    const char **callees = ADZE_NEW_ARRAY(&p->arena, const char *, p->n_steps);
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const x86_step *step = &p->steps[i];
        char name[64];
        int size = snprintf(name, sizeof name, X86_FLOOR_PART "%u", i);
        if (step->kind == X86_STEP_FLOOR) callees[i] = adze_arena_text(&p->arena, name, (size_t)size);
        if (step->kind == X86_STEP_KERNEL)
            callees[i] = x86_kernel_symbol(&p->arena, p->kernels[step->kernel].name);
    }
    job->callees = callees;
    x86_take_mlir(job);
    x86_emit e;
    x86_emit_init(&e, p, job->mlir, job->module, c->options->precision != ADZE_PRECISION_STRICT);
    bool ok = true;
    for (uint32_t i = 0; ok && i < p->n_kernels; i++) {
        ok = x86_emit_kernel(&e, &p->kernels[i], job->variant, x86_kernel_symbol(&p->arena, p->kernels[i].name));
        job->exact = job->exact || !e.contract;
    }
    x86_emit_free(&e);
    return ok && start(c, job);
}

static bool check_jobs(x86_compile *c)
{
    for (uint32_t i = 0; i < c->n_jobs; i++)
        if (!c->jobs[i].ok) return adze_error(adze_loc_unknown(c->context), "x86: %s", c->jobs[i].error);
    return true;
}

bool x86_parts_run(x86_compile *c, x86_output output, bool text)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const x86_program *p = &c->program;
    c->jobs = calloc((size_t)c->n_levels * (p->n_kernels + p->n_steps + 1u) + 1u, sizeof *c->jobs);
    c->contexts = c->jobs ? x86_contexts_create() : NULL;
    c->queue = c->contexts ? x86_queue_create(cores > 1 ? (uint32_t)cores - 1 : 0) : NULL;
    if (!c->queue) return adze_error(adze_loc_unknown(c->context), "out of memory");
    adze_table seen = {0}; /* symbols of jobs */
    bool ok = true;
    if (text) ok = add_text(c, output);
    for (uint32_t i = 0; ok && !text && i < c->n_levels; i++) ok = add_level(c, i, &seen);
    x86_queue_finish(c->queue);
    c->queue = NULL;
    adze_table_free(&seen);
    return ok && check_jobs(c);
}
