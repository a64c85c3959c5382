/* The whole way of one artifact: program, jobs on threads, descriptor, files. */
#ifndef ADZE_X86_COMPILE_H
#define ADZE_X86_COMPILE_H

#include "backends/x86/codegen.h"
#include "backends/x86/output.h"

typedef struct x86_queue x86_queue;

typedef struct x86_compile {
    adze_context *context;
    const adze_emit_options *options;
    x86_program program;
    x86_symbols symbols; /* read when the first job needs them */
    bool has_symbols;
    x86_cache cache;
    x86_contexts *contexts;
    x86_queue *queue;
    const x86_level *levels[X86_MAX_LEVELS];
    const char *variants[X86_MAX_LEVELS]; /* per level: see x86_job */
    uint32_t n_levels;
    x86_job *jobs; /* by level: kernels, evaluations, steps; equal ones once. The descriptor last */
    uint32_t n_jobs;
    bool uses_libm; /* code of a plug-in does */
} x86_compile;

/* ---- parts.c ---- */

/* Makes code of all parts at all levels, or text of everything at the best level. */
bool x86_parts_run(x86_compile *c, x86_output output, bool text);
void x86_job_init(const x86_compile *c, x86_job *job, uint32_t level, x86_content content, x86_output output);

/* ---- plugin_code.c ---- */

/* Gives the linker the objects of plug-ins that the jobs call. */
bool x86_code_add_objects(x86_compile *c, x86_work *work);

/* ---- queue.c ---- */

/* Threads that run jobs as they are added; the caller helps in x86_queue_finish. NULL: no memory. */
x86_queue *x86_queue_create(uint32_t n_threads);
void x86_queue_add(x86_queue *queue, x86_job *job);
void x86_queue_finish(x86_queue *queue);

/* ---- compile.c ---- */

/* adze_backend.emit */
bool x86_emit_artifact(const adze_module *module, adze_registry *registry,
                       const adze_emit_options *options);
extern const char *const x86_suffixes[];

#endif
