/* The extension "images": encoded images to pixels, by the codec libraries of the machine. libadze_images.so exports it
 * as `const adze_images adze_images_table`; a program may give a table of its own instead (extension.h). */
#ifndef ADZE_IMAGES_H
#define ADZE_IMAGES_H

#include <adze/extension.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a pixel of the result holds: one byte, or three in that order. */
typedef enum adze_pixel_format { ADZE_PIXELS_RGB, ADZE_PIXELS_BGR, ADZE_PIXELS_GRAY } adze_pixel_format;

/* Both functions report one line to env->error and return its status where they fail: FORMAT for what is no image or a
 * damaged one, UNSUPPORTED for a kind of image that is not known, DIM, NO_MEMORY. They take memory from env->scratch;
 * what the codec libraries allocate is freed before they return. */
typedef struct adze_images {
    uint32_t struct_size; /* sizeof(adze_images) */
    uint32_t abi;         /* ADZE_ABI */
    const char *formats;  /* names of the formats that this build reads, each between spaces */
    /* Height, width and channels of the image in these bytes, from its head alone. */
    adze_status (*measure)(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                           int64_t out_dims[3]);
    /* Decodes into height x width x channels bytes, dense, rows from the top; `dims` are those that measure gave. */
    adze_status (*decode)(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                          const int64_t dims[3], uint8_t *out_pixels);
} adze_images;

#ifdef __cplusplus
}
#endif
#endif
