/* The whole way of one artifact: program, jobs on threads, descriptor, files. */
#ifndef ADZE_X86_COMPILE_H
#define ADZE_X86_COMPILE_H

#include "backends/x86/codegen.h"
#include "backends/x86/output.h"

typedef struct x86_compile {
    adze_context *context;
    const adze_emit_options *options;
    x86_program program;
    x86_symbols symbols;
    const x86_level *levels[X86_MAX_LEVELS];
    const char *variants[X86_MAX_LEVELS]; /* per level: see x86_job */
    uint32_t n_levels, n_parts;
    uint32_t *part_of_kernel, *part_of_step;
    x86_job *jobs; /* by level, then part; the descriptor last */
    uint32_t n_jobs;
    bool uses_libm; /* code of a plug-in does */
} x86_compile;

/* ---- parts.c ---- */

/* Splits kernels and steps into at most `max` parts of similar cost. */
void x86_parts_make(x86_compile *c, uint32_t max);

/* ---- plugin_code.c ---- */

/* Gives the linker the objects of plug-ins that the jobs call. */
bool x86_code_add_objects(x86_compile *c, x86_work *work);

/* ---- queue.c ---- */

typedef struct x86_queue x86_queue;
/* Threads that run jobs as they are added; the caller helps in x86_queue_finish. NULL: no memory.
 */
x86_queue *x86_queue_create(uint32_t n_threads);
void x86_queue_add(x86_queue *queue, x86_job *job);
void x86_queue_finish(x86_queue *queue);

/* ---- compile.c ---- */

/* adze_backend.emit */
bool x86_emit_artifact(const adze_module *module, adze_registry *registry,
                       const adze_emit_options *options);
extern const char *const x86_suffixes[];

#endif
