/* What the readers of image formats share; not installed.
 *
 * A reader looks at the head, calls image_size, and goes on only where that says so. It may not trust a byte: errors
 * are one line to the environment, and nothing is printed.
 */
#ifndef ADZE_IMAGE_H
#define ADZE_IMAGE_H

#include <adze/export.h>
#include <adze/images.h>

/* One call of measure or decode. */
typedef struct image {
    const adze_env *env;
    const uint8_t *bytes;
    size_t size;
    adze_pixel_format format;
    const char *name; /* of the file format */
    int64_t dims[3];  /* height, width, channels: those that decode was given, or what image_size found */
    uint8_t *pixels;  /* of the result; NULL: only its dims are wanted */
} image;

/* Reads the format; the image lies in m->bytes. */
typedef adze_status image_reader(image *m);
image_reader image_read_bmp, image_read_pnm;
/* Those of libraries: NULL where the build had none. */
__attribute__((weak)) image_reader image_read_jpeg, image_read_jpeg2000, image_read_png, image_read_tiff,
    image_read_webp;

/* Reports "image_decode: NAME: ..." and returns the status. */
ADZE_PRINTF(3, 4) adze_status image_fail(const image *m, adze_status status, const char *text, ...);
/* The status of a file that ends before its image does. */
adze_status image_cut(const image *m);
/* Takes the size that the head says, or holds it against the given one. Reports an empty image and one of more than
 * IMAGE_MOST bytes, before anything of that size is allocated. */
adze_status image_size(image *m, uint64_t width, uint64_t height);
/* Scratch memory; reports where there is none. */
void *image_scratch(const image *m, uint64_t count, uint64_t size);
/* Room for what a library is about to take, so that the session's bound holds for it: scratch memory that nobody
 * touches. Reports where there is none. */
bool image_has_room(const image *m, uint64_t bytes);
/* Row `y` of the result from pixels of `step` bytes each, red, green and blue first. `rgb` may be that row itself. */
void image_put_row(image *m, int64_t y, const uint8_t *rgb, uint32_t step);
/* Where a reader that gives all pixels at once may put them as red, green, blue: the result itself or scratch memory;
 * NULL after an error. image_put_all makes the result of them. */
uint8_t *image_all(const image *m);
void image_put_all(image *m, const uint8_t *all);

/* Bytes of a result. */
#define IMAGE_MOST (UINT64_C(1) << 31)

/* 8 bits of a sample that is `most` at its largest, rounded. */
static inline uint8_t image_scale(uint32_t value, uint32_t most)
{
    return (uint8_t)(value >= most ? 255 : (value * UINT64_C(255) + most / 2) / most);
}

static inline uint32_t image_u16_le(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t image_u32_le(const uint8_t *p) { return image_u16_le(p) | image_u16_le(p + 2) << 16; }

#endif
