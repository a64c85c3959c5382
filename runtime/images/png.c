/* PNG, by libpng: any colour type and depth, interlaced or not, as 8 bits each of red, green and blue. Transparency is
 * left out, gamma and profiles are not applied. */
#include "image.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

enum {
    MOST_CHUNK = 8 << 20, /* bytes of a text or profile, unpacked */
    MOST_PACKED = 1032    /* times that DEFLATE makes something smaller at best (zlib's technical details) */
};

typedef struct reader {
    image *m;
    size_t at;
    png_structp png;
    png_infop info;
    uint8_t *pixels;
    char why[160];
} reader;

static void on_error(png_structp png, png_const_charp text)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void read_bytes(png_structp png, png_bytep out, size_t size)
{
    reader *r = png_get_io_ptr(png);
    if (size > r->m->size - r->at) png_error(png, "the file ends inside of the image");
    memcpy(out, r->m->bytes + r->at, size);
    r->at += size;
}

/* libpng leaves by longjmp: what it interrupts lies in `r`, not in this frame. */
static adze_status read_head(reader *r)
{
    if (setjmp(png_jmpbuf(r->png))) return image_fail(r->m, ADZE_ERR_FORMAT, "%s", r->why);
    png_set_read_fn(r->png, r, read_bytes);
    png_set_user_limits(r->png, INT32_MAX, INT32_MAX); /* image_size has its own */
    png_set_chunk_malloc_max(r->png, MOST_CHUNK);
    png_read_info(r->png, r->info);
    uint32_t height = png_get_image_height(r->png, r->info);
    adze_status status = image_size(r->m, png_get_image_width(r->png, r->info), height);
    if (status == ADZE_OK && (uint64_t)png_get_rowbytes(r->png, r->info) * height / MOST_PACKED > r->m->size)
        return image_cut(r->m);
    return status;
}

static adze_status read_rows(reader *r)
{
    image *m = r->m;
    if (setjmp(png_jmpbuf(r->png))) return image_fail(m, ADZE_ERR_FORMAT, "%s", r->why);
    png_set_scale_16(r->png);
    if (png_get_color_type(r->png, r->info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    size_t row = (size_t)m->dims[1] * 3;
    if (png_get_rowbytes(r->png, r->info) != row) png_error(r->png, "pixels of an unknown kind");
    r->pixels = passes == 1 ? image_scratch(m, 1, row) : image_all(m);
    if (!r->pixels) return ADZE_ERR_NO_MEMORY;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < m->dims[0]; y++) {
            png_read_row(r->png, r->pixels + (passes == 1 ? 0 : (size_t)y * row), NULL);
            if (passes == 1) image_put_row(m, y, r->pixels, 3);
        }
    png_read_end(r->png, NULL);
    if (passes > 1) image_put_all(m, r->pixels);
    return ADZE_OK;
}

adze_status image_read_png(image *m)
{
    reader r = {.m = m};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    adze_status status = r.info ? read_head(&r) : image_fail(m, ADZE_ERR_NO_MEMORY, "libpng does not start");
    if (status == ADZE_OK && m->pixels) status = read_rows(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return status;
}
