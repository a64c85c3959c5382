/* From objects to files: linking, weights, names. */
#ifndef ADZE_X86_OUTPUT_H
#define ADZE_X86_OUTPUT_H

#include "backends/x86/program.h"

#include <adze/pass.h>

/* A folder beside the output in which everything is made; the result is renamed into place. */
typedef struct x86_work {
    adze_context *context;
    adze_arena arena;
    const char *output; /* where the result goes */
    const char *folder;
    const char **objects;
    uint32_t n_objects, objects_capacity;
    bool needs_libm;
    bool asks_extension; /* a step does, so an executable brings what opens it */
} x86_work;

/* ---- work.c ---- */

bool x86_work_begin(x86_work *work, adze_context *context, const char *output);
/* Removes the folder with all that is left in it. */
void x86_work_end(x86_work *work);
/* Path of a file in the folder. */
const char *x86_work_path(x86_work *work, const char *name);
bool x86_work_write(x86_work *work, const char *path, const void *bytes, size_t size);
/* Writes an object for the linker. */
bool x86_work_add_object(x86_work *work, const char *name, const void *bytes, size_t size);
/* Moves a finished file to its place, `mode` as chmod. */
bool x86_work_commit(x86_work *work, const char *path, const char *target, unsigned mode);

/* ---- link.c ---- */

typedef enum x86_link_kind {
    X86_LINK_RELOCATABLE,
    X86_LINK_SHARED,
    X86_LINK_EXECUTABLE
} x86_link_kind;
/* Links the work's objects to `path`. */
bool x86_link(x86_work *work, x86_link_kind kind, const char *path);

/* ---- elf.c ---- */

/* Gives the section of weights of a linked file or object its content, appended to the file. */
bool x86_elf_add_weights(const x86_program *program, const char *path);
/* elf_local.c: makes every defined global symbol of an object local but those of `keep`, NULL-ended. */
bool x86_elf_localize(adze_context *context, const char *path, const char *const *keep);

#endif
