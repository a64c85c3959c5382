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

/* The micro-kernels for x86-64-v4 and x86-64-v3, one source compiled twice. */
extern const adze_bitcode adze_bitcode_ukernels_v4[];
extern const size_t adze_bitcode_ukernels_v4_count;
extern const adze_bitcode adze_bitcode_ukernels_v3[];
extern const size_t adze_bitcode_ukernels_v3_count;

#endif
