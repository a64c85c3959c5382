/* Bitcode modules that the build embeds in this backend (cmake/AdzeBitcode.cmake). */
#ifndef ADZE_X86_BITCODE_H
#define ADZE_X86_BITCODE_H

#include <stddef.h>

/* One module, from one C file. The size is `end - start`. */
typedef struct adze_bitcode {
    const char *name; /* the file's name without folder and suffix */
    const unsigned char *start;
    const unsigned char *end;
} adze_bitcode;

/* The op evaluations (ir/eval), portable code without a target CPU. */
extern const adze_bitcode adze_bitcode_eval[];
extern const size_t adze_bitcode_eval_count;

/* The scalar bodies as symbols (ir/eval/bodies_symbols.c): adze_body_<op>_<dtype>, and with x16 appended
 * for 16 lanes, everything by value and in LLVM's default calling convention. Its triple and data layout
 * are UEFI's: set the module's own before linking, and strip target attributes. */
extern const adze_bitcode adze_bitcode_bodies[];
extern const size_t adze_bitcode_bodies_count;

/* The micro-kernels for x86-64-v4-amx, x86-64-v4-vnni, x86-64-v4 and x86-64-v3, one source compiled four times. */
extern const adze_bitcode adze_bitcode_ukernels_v4_amx[];
extern const size_t adze_bitcode_ukernels_v4_amx_count;
extern const adze_bitcode adze_bitcode_ukernels_v4_vnni[];
extern const size_t adze_bitcode_ukernels_v4_vnni_count;
extern const adze_bitcode adze_bitcode_ukernels_v4[];
extern const size_t adze_bitcode_ukernels_v4_count;
extern const adze_bitcode adze_bitcode_ukernels_v3[];
extern const size_t adze_bitcode_ukernels_v3_count;

#endif
