/* JPEG 2000, by OpenJPEG: .jp2 files and bare codestreams; grey, RGB and sYCC, components of any depth and subsampling.
 * Transparency is left out, profiles are not applied.
 */
#include "image.h"

#include <stdio.h>
#include <string.h>

#include <openjpeg.h>

enum { MOST_COMPONENTS = 5 }; /* four inks and transparency */

typedef struct reader {
    image *m;
    size_t at;
    opj_stream_t *stream;
    opj_codec_t *codec;
    opj_image_t *picture;
    char why[160];
} reader;

/* The first error is the cause. */
static void on_error(const char *text, void *self)
{
    reader *r = self;
    if (r->why[0]) return;
    snprintf(r->why, sizeof r->why, "%s", text);
    r->why[strcspn(r->why, "\n")] = 0;
}

static void on_message(const char *text, void *self) { (void)text, (void)self; }

static OPJ_SIZE_T read_bytes(void *out, OPJ_SIZE_T size, void *self)
{
    reader *r = self;
    size_t n = r->m->size - r->at;
    if (n > size) n = size;
    if (n == 0) return (OPJ_SIZE_T)-1;
    memcpy(out, r->m->bytes + r->at, n);
    r->at += n;
    return n;
}

static OPJ_OFF_T skip(OPJ_OFF_T size, void *self)
{
    reader *r = self;
    size_t left = r->m->size - r->at;
    if (size < 0) return -1;
    size_t n = (uint64_t)size < left ? (size_t)size : left;
    r->at += n;
    return n || !size ? (OPJ_OFF_T)n : -1;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *self)
{
    reader *r = self;
    if (to < 0 || (uint64_t)to > r->m->size) return OPJ_FALSE;
    r->at = (size_t)to;
    return OPJ_TRUE;
}

static bool start(reader *r)
{
    opj_dparameters_t parameters;
    r->codec = opj_create_decompress(r->m->bytes[0] ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    r->stream = opj_stream_default_create(OPJ_TRUE);
    if (!r->codec || !r->stream) return false;
    opj_set_error_handler(r->codec, on_error, r);
    opj_set_warning_handler(r->codec, on_message, r);
    opj_set_info_handler(r->codec, on_message, r);
    opj_stream_set_read_function(r->stream, read_bytes);
    opj_stream_set_skip_function(r->stream, skip);
    opj_stream_set_seek_function(r->stream, seek);
    opj_stream_set_user_data(r->stream, r, NULL);
    opj_stream_set_user_data_length(r->stream, r->m->size);
    opj_set_default_decoder_parameters(&parameters);
    return opj_setup_decoder(r->codec, &parameters) && opj_decoder_set_strict_mode(r->codec, OPJ_TRUE);
}

/* 8 bits of component `c` at a place of the picture. */
static uint8_t sample(const opj_image_t *picture, uint32_t c, uint32_t x, uint32_t y)
{
    const opj_image_comp_t *part = &picture->comps[c];
    /* A component has the places that its steps divide (Annex B.2 of ISO/IEC 15444-1). */
    uint32_t column = (picture->x0 + x) / part->dx - (picture->x0 + part->dx - 1) / part->dx;
    uint32_t line = (picture->y0 + y) / part->dy - (picture->y0 + part->dy - 1) / part->dy;
    if (column == UINT32_MAX) column = 0; /* left of the first one */
    if (line == UINT32_MAX) line = 0;
    if (column >= part->w) column = part->w - 1;
    if (line >= part->h) line = part->h - 1;
    int64_t value = part->data[(size_t)line * part->w + column], most = (INT64_C(1) << part->prec) - 1;
    if (part->sgnd) value += INT64_C(1) << (part->prec - 1);
    if (value < 0) value = 0;
    return image_scale((uint32_t)(value > most ? most : value), (uint32_t)most);
}

static uint8_t clamp(double value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5); }

/* sYCC of IEC 61966-2-1, Amendment 1: the equations of JPEG. */
static void ycc_to_rgb(uint8_t *pixel)
{
    double y = pixel[0], cb = pixel[1] - 128.0, cr = pixel[2] - 128.0;
    pixel[0] = clamp(y + 1.402 * cr);
    pixel[1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
    pixel[2] = clamp(y + 1.772 * cb);
}

static void put_rows(image *m, const opj_image_t *picture, uint8_t *row)
{
    bool is_grey = picture->numcomps < 3;
    bool is_ycc = picture->color_space == OPJ_CLRSPC_SYCC || picture->color_space == OPJ_CLRSPC_EYCC;
    for (int64_t y = 0; y < m->dims[0]; y++) {
        for (int64_t x = 0; x < m->dims[1]; x++) {
            uint8_t *pixel = row + 3 * x;
            for (uint32_t c = 0; c < 3; c++) pixel[c] = sample(picture, is_grey ? 0 : c, (uint32_t)x, (uint32_t)y);
            if (is_ycc && !is_grey) ycc_to_rgb(pixel);
        }
        image_put_row(m, y, row, 3);
    }
}

/* What is decoded has components of these depths, all with data. */
static bool is_whole(const opj_image_t *picture)
{
    if (picture->numcomps == 0 || picture->numcomps > MOST_COMPONENTS) return false;
    for (uint32_t c = 0; c < picture->numcomps; c++) {
        const opj_image_comp_t *part = &picture->comps[c];
        if (!part->data || !part->w || !part->h || !part->dx || !part->dy || part->prec < 1 || part->prec > 31)
            return false;
    }
    return true;
}

static adze_status fail(const reader *r)
{
    return image_fail(r->m, ADZE_ERR_FORMAT, "%s", r->why[0] ? r->why : "the bytes are damaged");
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Each tile has a head of 14 bytes at least (SOT and SOD, A.4 of ISO/IEC 15444-1), and OpenJPEG keeps some kilobytes
 * for each that the file declares (SIZ, A.5.1): so they are counted before it reads anything. */
static bool holds_its_tiles(const image *m)
{
    enum { SIZ = 4, LEAST = 38, TILE_HEAD = 14 };
    static const uint8_t start_of[] = {0xff, 0x4f, 0xff, 0x51};
    const uint8_t *at = memmem(m->bytes, m->size, start_of, sizeof start_of);
    if (!at || m->size - (size_t)(at - m->bytes) < SIZ + LEAST) return false;
    const uint8_t *size = at + SIZ + 4, *step = size + 16, *first = size + 24;
    uint64_t tiles = 1;
    for (int axis = 0; axis < 2; axis++) {
        uint32_t end = u32(size + 4 * axis), begin = u32(first + 4 * axis), each = u32(step + 4 * axis);
        if (begin >= end || each == 0) return true; /* which OpenJPEG says in its own words */
        tiles *= ((uint64_t)end - begin - 1) / each + 1;
        if (tiles > m->size / TILE_HEAD) return false;
    }
    return true;
}

/* Bytes that OpenJPEG takes: each sample in 32 bits, of a tile and of the whole. */
static uint64_t taken(const image *m, const opj_image_t *picture)
{
    return (uint64_t)m->dims[0] * (uint64_t)m->dims[1] * picture->numcomps * 8;
}

static adze_status read_file(reader *r)
{
    image *m = r->m;
    if (!holds_its_tiles(m)) return image_cut(m);
    if (!start(r)) return image_fail(m, ADZE_ERR_NO_MEMORY, "OpenJPEG does not start");
    if (!opj_read_header(r->stream, r->codec, &r->picture)) return fail(r);
    const opj_image_t *p = r->picture;
    if (p->x1 <= p->x0 || p->y1 <= p->y0) return image_fail(m, ADZE_ERR_FORMAT, "an image without pixels");
    if (p->numcomps == 0 || p->numcomps > MOST_COMPONENTS)
        return image_fail(m, ADZE_ERR_UNSUPPORTED, "%u components", p->numcomps);
    adze_status status = image_size(m, p->x1 - p->x0, p->y1 - p->y0);
    if (status || !m->pixels) return status;
    uint8_t *row = image_scratch(m, (uint64_t)m->dims[1], 3);
    if (!row || !image_has_room(m, taken(m, p))) return ADZE_ERR_NO_MEMORY;
    if (!opj_decode(r->codec, r->stream, r->picture) || !opj_end_decompress(r->codec, r->stream)) return fail(r);
    if (!is_whole(r->picture)) return image_fail(m, ADZE_ERR_FORMAT, "components without samples");
    if (r->picture->color_space == OPJ_CLRSPC_CMYK) return image_fail(m, ADZE_ERR_UNSUPPORTED, "colours as inks");
    put_rows(m, r->picture, row);
    return ADZE_OK;
}

adze_status image_read_jpeg2000(image *m)
{
    reader r = {.m = m};
    adze_status status = read_file(&r);
    opj_image_destroy(r.picture);
    opj_destroy_codec(r.codec);
    opj_stream_destroy(r.stream);
    return status;
}
