/* The extension's table: finds the format by the first bytes, and what its readers share. */
#include "image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A file format: bytes that it begins with, further ones that follow at `at`, and its reader: a weak name, NULL where
 * the build had no library for it. */
typedef struct file_format {
    const char *name, *start;
    uint32_t start_size;
    uint32_t at;
    const char *then;
    image_reader *read;
} file_format;

#define START(bytes) bytes, sizeof bytes - 1
static const file_format formats[] = {
    {"bmp", START("BM"), 0, "", image_read_bmp},
    {"jpeg", START("\xff\xd8\xff"), 0, "", image_read_jpeg},
    {"jpeg2000", START("\0\0\0\14jP  \r\n\x87\n"), 0, "", image_read_jpeg2000},
    {"jpeg2000", START("\xff\x4f\xff\x51"), 0, "", image_read_jpeg2000},
    {"png", START("\x89PNG\r\n\x1a\n"), 0, "", image_read_png},
    {"pnm", START("P1"), 0, "", image_read_pnm},
    {"pnm", START("P2"), 0, "", image_read_pnm},
    {"pnm", START("P3"), 0, "", image_read_pnm},
    {"pnm", START("P4"), 0, "", image_read_pnm},
    {"pnm", START("P5"), 0, "", image_read_pnm},
    {"pnm", START("P6"), 0, "", image_read_pnm},
    {"tiff", START("II*\0"), 0, "", image_read_tiff},
    {"tiff", START("MM\0*"), 0, "", image_read_tiff},
    {"tiff", START("II+\0"), 0, "", image_read_tiff},
    {"tiff", START("MM\0+"), 0, "", image_read_tiff},
    {"webp", START("RIFF"), 8, "WEBP", image_read_webp},
};

/* ---- What readers share ---- */

adze_status image_fail(const image *m, adze_status status, const char *text, ...)
{
    char line[256];
    va_list args;
    va_start(args, text);
    int n = snprintf(line, sizeof line, m->name ? "image_decode: %s: " : "image_decode: ", m->name);
    vsnprintf(line + n, sizeof line - (size_t)n, text, args);
    va_end(args);
    /* Codec libraries quote what they read. */
    for (char *c = line; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    return m->env->error ? m->env->error(m->env, status, line) : status;
}

adze_status image_cut(const image *m) { return image_fail(m, ADZE_ERR_FORMAT, "the file ends inside of the image"); }

adze_status image_size(image *m, uint64_t width, uint64_t height)
{
    int64_t channels = m->format == ADZE_PIXELS_GRAY ? 1 : 3;
    if (width == 0 || height == 0) return image_fail(m, ADZE_ERR_FORMAT, "an image without pixels");
    if (width > INT32_MAX || height > INT32_MAX || width * height > IMAGE_MOST / (uint64_t)channels)
        return image_fail(m, ADZE_ERR_DIM, "%llu x %llu pixels are more than 2 GB", (unsigned long long)width,
                          (unsigned long long)height);
    const int64_t dims[] = {(int64_t)height, (int64_t)width, channels};
    if (m->pixels && memcmp(dims, m->dims, sizeof dims) != 0)
        return image_fail(m, ADZE_ERR_ARGUMENT, "the result has other dims than the image");
    memcpy(m->dims, dims, sizeof dims);
    return ADZE_OK;
}

void *image_scratch(const image *m, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    void *memory = NULL;
    if (m->env->scratch && !__builtin_mul_overflow(count, size, &bytes)) memory = m->env->scratch(m->env, bytes);
    if (!memory) image_fail(m, ADZE_ERR_NO_MEMORY, "no memory");
    return memory;
}

bool image_has_room(const image *m, uint64_t bytes) { return image_scratch(m, bytes, 1) != NULL; }

/* Luma of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B in 16 bits behind the point, rounded, as Pillow converts to L. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000) >> 16);
}

void image_put_row(image *m, int64_t y, const uint8_t *rgb, uint32_t step)
{
    int64_t width = m->dims[1];
    uint8_t *to = m->pixels + y * width * m->dims[2];
    uint32_t first = m->format == ADZE_PIXELS_BGR ? 2 : 0;
    for (int64_t x = 0; x < width; x++, rgb += step) {
        if (m->format == ADZE_PIXELS_GRAY) {
            *to++ = luma(rgb);
            continue;
        }
        uint8_t red = rgb[0], green = rgb[1], blue = rgb[2]; /* `to` may be what is read */
        to[first] = red;
        to[1] = green;
        to[2 - first] = blue;
        to += 3;
    }
}

uint8_t *image_all(const image *m)
{
    if (m->format != ADZE_PIXELS_GRAY) return m->pixels;
    return image_scratch(m, (uint64_t)m->dims[0] * (uint64_t)m->dims[1], 3);
}

void image_put_all(image *m, const uint8_t *all)
{
    for (int64_t y = 0; y < m->dims[0]; y++) image_put_row(m, y, all + y * m->dims[1] * 3, 3);
}

/* ---- The table ---- */

static const file_format *find_format(const uint8_t *bytes, uint64_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const file_format *f = &formats[i];
        size_t then = strlen(f->then);
        if (size < f->start_size || size < f->at + then) continue;
        if (memcmp(bytes, f->start, f->start_size) == 0 && memcmp(bytes + f->at, f->then, then) == 0) return f;
    }
    return NULL;
}

static adze_status read_image(image *m)
{
    if (m->size == 0) return image_fail(m, ADZE_ERR_FORMAT, "no bytes at all");
    const file_format *f = find_format(m->bytes, m->size);
    if (!f)
        return image_fail(m, ADZE_ERR_FORMAT, "the bytes are no image in bmp, jpeg, jpeg2000, png, pnm, tiff or webp");
    m->name = f->name;
    if (!f->read) return image_fail(m, ADZE_ERR_UNSUPPORTED, "not built in: this Adze was built without its library");
    return f->read(m);
}

static adze_status measure(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                           int64_t out_dims[3])
{
    image m = {.env = env, .bytes = bytes, .size = size, .format = format};
    adze_status status = read_image(&m);
    memcpy(out_dims, m.dims, sizeof m.dims);
    return status;
}

static adze_status decode(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                          const int64_t dims[3], uint8_t *out_pixels)
{
    image m = {.env = env, .bytes = bytes, .size = size, .format = format, .pixels = out_pixels};
    memcpy(m.dims, dims, sizeof m.dims);
    return read_image(&m);
}

ADZE_API extern const adze_images adze_images_table;
const adze_images adze_images_table = {
    .struct_size = sizeof(adze_images), .abi = ADZE_ABI, .formats = ADZE_IMAGES_FORMATS, .measure = measure,
    .decode = decode};
