/* The micro-kernels compiled for the host that built this library: what the interpreter runs. */
#ifndef ADZE_UKERNELS_NATIVE_H
#define ADZE_UKERNELS_NATIVE_H

#include <adze/ir.h>

/* In the order of ukernels.def; names without adze_uk_. */
extern const adze_ukernel adze_uk_table[];
extern const uint32_t adze_uk_count;

/* NULL if there is none of that name. */
const adze_ukernel *adze_uk_find(const char *name);

/* Is it better where the CPU has instructions that multiply and add bytes or 16-bit integers? */
bool adze_uk_has_dots(const char *name);
/* Is it better where the CPU has instructions for tiles of bytes? */
bool adze_uk_has_tiles(const char *name);

#endif
