/* TIFF, by libtiff: the first picture of the file, by the library's own way to RGBA, which knows strips and tiles, the
 * kinds of colour, and compressions. Transparency is left out; the picture is turned as its orientation says.
 */
#include "image.h"

#include <stdio.h>
#include <string.h>

#include <tiffio.h>

typedef struct reader {
    image *m;
    uint64_t at;
    char why[160];
} reader;

/* The first error is the cause; true: nobody else is told. */
static int on_error(TIFF *tiff, void *self, const char *module, const char *text, va_list args)
{
    reader *r = self;
    (void)tiff, (void)module;
    if (r->why[0]) return 1;
    vsnprintf(r->why, sizeof r->why, text, args);
    /* It goes on with a row that may be none, 4294967295. */
    if (!strncmp(r->why, "Read error at", 13)) snprintf(r->why, sizeof r->why, "its data end before the picture does");
    return 1;
}

static int on_warning(TIFF *tiff, void *self, const char *module, const char *text, va_list args)
{
    (void)tiff, (void)self, (void)module, (void)text, (void)args;
    return 1;
}

static tmsize_t read_bytes(thandle_t self, void *out, tmsize_t size)
{
    reader *r = self;
    uint64_t left = r->at < r->m->size ? r->m->size - r->at : 0, n = size < 0 ? 0 : (uint64_t)size;
    if (n > left) n = left;
    if (n) memcpy(out, r->m->bytes + r->at, n);
    r->at += n;
    return (tmsize_t)n;
}

static tmsize_t write_bytes(thandle_t self, void *bytes, tmsize_t size)
{
    (void)self, (void)bytes, (void)size;
    return -1;
}

static toff_t seek(thandle_t self, toff_t offset, int from)
{
    reader *r = self;
    uint64_t base = from == SEEK_CUR ? r->at : from == SEEK_END ? r->m->size : 0;
    r->at = base + offset; /* past the end nothing is read */
    return r->at;
}

static int close_file(thandle_t self)
{
    (void)self;
    return 0;
}

static toff_t file_size(thandle_t self) { return ((reader *)self)->m->size; }

static TIFF *open_file(reader *r)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)(2 * IMAGE_MOST));
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, r);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, r);
    TIFF *tiff = TIFFClientOpenExt("image", "rm", r, read_bytes, write_bytes, seek, close_file, file_size, NULL, NULL,
                                   options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

static adze_status fail(const reader *r)
{
    return image_fail(r->m, ADZE_ERR_FORMAT, "%s", r->why[0] ? r->why : "cannot be read");
}

/* Says of further samples that nobody knows what they are: as transparency they would darken the colours. */
static void forget_alpha(TIFF *tiff)
{
    enum { MOST = 16 };
    static const uint16_t unspecified[MOST];
    uint16_t count = 0, *kinds = NULL;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
    if (count && count <= MOST) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, unspecified);
}

/* Rows of the result from those that were stored: `turn` is the orientation, 1 to 8, in the words of the tag. */
static void put_turned(image *m, const uint32_t *stored, uint32_t width, uint32_t height, uint32_t turn, uint8_t *row)
{
    bool sideways = turn >= ORIENTATION_LEFTTOP;
    bool right = turn == ORIENTATION_TOPRIGHT || turn == ORIENTATION_BOTRIGHT || turn == ORIENTATION_RIGHTTOP ||
                 turn == ORIENTATION_RIGHTBOT;
    bool bottom = turn == ORIENTATION_BOTLEFT || turn == ORIENTATION_BOTRIGHT || turn == ORIENTATION_LEFTBOT ||
                  turn == ORIENTATION_RIGHTBOT;
    for (int64_t y = 0; y < m->dims[0]; y++) {
        for (int64_t x = 0; x < m->dims[1]; x++) {
            int64_t from_right = right ? m->dims[1] - 1 - x : x, from_bottom = bottom ? m->dims[0] - 1 - y : y;
            int64_t line = sideways ? from_right : from_bottom, column = sideways ? from_bottom : from_right;
            uint32_t pixel = line < height && column < width ? stored[line * width + column] : 0;
            row[3 * x] = (uint8_t)TIFFGetR(pixel);
            row[3 * x + 1] = (uint8_t)TIFFGetG(pixel);
            row[3 * x + 2] = (uint8_t)TIFFGetB(pixel);
        }
        image_put_row(m, y, row, 3);
    }
}

static adze_status read_picture(reader *r, TIFF *tiff)
{
    image *m = r->m;
    uint32_t width = 0, height = 0;
    uint16_t turn = ORIENTATION_TOPLEFT;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height))
        return image_fail(m, ADZE_ERR_FORMAT, "no width or height");
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &turn);
    if (turn < ORIENTATION_TOPLEFT || turn > ORIENTATION_LEFTBOT) turn = ORIENTATION_TOPLEFT;
    bool sideways = turn >= ORIENTATION_LEFTTOP;
    adze_status status = image_size(m, sideways ? height : width, sideways ? width : height);
    if (status || !m->pixels) return status;
    forget_alpha(tiff);
    uint32_t *stored = image_scratch(m, (uint64_t)width * height, sizeof *stored);
    uint8_t *row = stored ? image_scratch(m, (uint64_t)m->dims[1], 3) : NULL;
    if (!row) return ADZE_ERR_NO_MEMORY;
    /* Asked for the orientation that it has, libtiff turns nothing. */
    if (!TIFFReadRGBAImageOriented(tiff, width, height, stored, turn, 1)) return fail(r);
    put_turned(m, stored, width, height, turn, row);
    return ADZE_OK;
}

adze_status image_read_tiff(image *m)
{
    reader r = {.m = m};
    TIFF *tiff = open_file(&r);
    if (!tiff) return fail(&r);
    adze_status status = read_picture(&r, tiff);
    TIFFClose(tiff);
    return status;
}
