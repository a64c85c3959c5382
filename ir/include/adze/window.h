/* Sliding windows of conv and pooling ops along each spatial axis, for inference, access and passes. */
#ifndef ADZE_WINDOW_H
#define ADZE_WINDOW_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_window {
    const adze_dim *in, *out;  /* extents */
    const adze_dim *kernel;    /* elements of the window */
    int64_t stride, dilation;
    const adze_dim *before, *after; /* padding */
} adze_window;

/* Reads strides, dilations, pads, auto_pad, kernel_shape and ceil_mode, as far as the op has them, for
 * `n` axes of extents `in`. `kernel` gives the windows' extents; NULL = kernel_shape does. Reports
 * attributes of the wrong length or range and windows that do not fit, and is false then. `out` has room for n. */
ADZE_API bool adze_windows(const adze_op *op, uint32_t n, const adze_dim *const *in, const adze_dim *const *kernel,
                           adze_window *out);
/* Where along one axis the window at axis $at of an iteration space reads its element $tap. */
ADZE_API const adze_dim *adze_window_index(const adze_op *op, const adze_window *window, uint32_t at, uint32_t tap);
/* Could some window read outside of the input? */
ADZE_API bool adze_window_leaves(const adze_op *op, const adze_window *window);

#ifdef __cplusplus
}
#endif
#endif
