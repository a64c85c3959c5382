/* Which elements of each axis a slice op takes, for inference and access (private). */
#ifndef ADZE_SLICE_H
#define ADZE_SLICE_H

#include <adze/ir.h>

typedef struct adze_slice {
    const adze_dim *start; /* index of the first element */
    const adze_dim *count; /* elements taken */
    int64_t step;          /* 0 = unknown */
} adze_slice;

/* Reads starts, ends, axes and steps for `rank` axes of extents `dims`. What does not follow from
 * constants and shapes is unknown. Reports contradictions. */
bool adze_slices(const adze_op *op, uint32_t rank, const adze_dim *const *dims, adze_slice *out);

#endif
