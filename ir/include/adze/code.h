/* Machine code of ops and micro-kernels that plug-ins bring (code.c).
 *
 * An op's meaning is its evaluation, which runs in the compiler. For an artifact, which runs without the compiler
 * and without the plug-in, a backend needs the same function as code that it can link.
 */
#ifndef ADZE_IR_CODE_H
#define ADZE_IR_CODE_H

#include <adze/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Code for one target: LLVM bitcode (of LLVM 22 or older; it is inlined and vectorised for the artifact's level)
 * or a relocatable object (of any compiler; it runs as it is). The bytes say themselves which it is.
 *
 * Of the functions that it defines a backend uses
 *     adze_status eval_<op>(…)   an adze_eval_fn: the evaluation of op <op>
 *     float adze_body_<op>_f32(…)  a scalar body, under the name that the op's row gives it (body.h)
 *     void adze_uk_<name>(…)     micro-kernel <name>, with the parameters of its signature
 * They may call each other, memcpy, memmove, memset, memcmp, and functions of libm; nothing else. */
typedef struct adze_code { /* a descriptor */
    uint32_t struct_size;
    uint32_t reserved;
    const char *name;   /* in messages */
    const char *target; /* "x86" */
    const char *level;  /* the lowest level that may run it, "x86-64-v3"; NULL = every level */
    const void *bytes, *end;     /* must outlive the context */
    const char *const *symbols;  /* the functions that it is for, NULL-ended: "eval_mish2" */
} adze_code;

/* Adds code, which must outlive the context; refused where it is not what it says, or where an earlier one is
 * for the same function, target and level. */
ADZE_API bool adze_context_add_code(adze_context *context, const adze_code *code);
/* Code for a function on a target, for one of `levels` (NULL-ended names, best first) or for every level; NULL if
 * there is none. */
ADZE_API const adze_code *adze_context_find_code(const adze_context *context, const char *target,
                                                 const char *const *levels, const char *symbol);

#ifdef __cplusplus
}
#endif
#endif
