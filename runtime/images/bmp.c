/* Windows and OS/2 bitmaps: 1 to 32 bits a pixel, palettes, bit fields, run lengths. The layout is that of Microsoft's
 * documentation of BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER and its later forms. */
#include "image.h"

enum { FILE_HEAD = 14, CORE_HEAD = 12, OS2_HEAD = 64, INFO_HEAD = 40 };
enum { PLAIN = 0, RUNS_8 = 1, RUNS_4 = 2, FIELDS = 3, FIELDS_ALPHA = 6 }; /* biCompression */

typedef struct reader {
    image *m;
    uint32_t bits, kind;
    uint32_t pixels; /* where they begin */
    size_t stride;   /* bytes of a stored row */
    bool from_top;
    uint32_t masks[3];         /* red, green, blue of a pixel of 16 or 32 bits */
    uint8_t palette[256][3]; /* colours that the file's lacks are black */
    uint8_t *indices;          /* of a picture in run lengths, stored rows one after the other */
} reader;

static const uint8_t *at(const reader *r, uint32_t offset) { return r->m->bytes + offset; }

static adze_status read_palette(reader *r, uint32_t head, uint32_t used)
{
    uint32_t entry = head == CORE_HEAD ? 3 : 4, count = 1u << r->bits;
    uint64_t from = FILE_HEAD + (uint64_t)head;
    if (head == INFO_HEAD && r->kind == FIELDS) from += 12;
    if (used && used < count) count = used;
    if (from + (uint64_t)entry * count > r->m->size) return image_cut(r->m);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t c = 0; c < 3; c++) r->palette[i][c] = r->m->bytes[from + (uint64_t)entry * i + 2 - c];
    return ADZE_OK;
}

static adze_status read_masks(reader *r, uint32_t head)
{
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    bool given = r->kind == FIELDS || r->kind == FIELDS_ALPHA;
    if (given && (head < INFO_HEAD || r->m->size < FILE_HEAD + INFO_HEAD + 12)) return image_cut(r->m);
    for (uint32_t c = 0; c < 3; c++)
        r->masks[c] = given ? image_u32_le(at(r, FILE_HEAD + INFO_HEAD + 4 * c)) : usual[r->bits == 32][c];
    return ADZE_OK;
}

/* Which pairs of depth and compression there are. */
static bool is_known(const reader *r, uint32_t head)
{
    switch (r->kind) {
    case PLAIN:
        return r->bits == 1 || r->bits == 2 || r->bits == 4 || r->bits == 8 || r->bits == 16 || r->bits == 24 ||
               r->bits == 32;
    case RUNS_8: return r->bits == 8 && !r->from_top;
    case RUNS_4: return r->bits == 4 && !r->from_top;
    case FIELDS:
    case FIELDS_ALPHA: return head != OS2_HEAD && (r->bits == 16 || r->bits == 32);
    default: return false;
    }
}

static adze_status read_head(reader *r)
{
    image *m = r->m;
    if (m->size < FILE_HEAD + CORE_HEAD) return image_cut(m);
    uint32_t head = image_u32_le(at(r, FILE_HEAD)), used = 0;
    int64_t width, height;
    r->pixels = image_u32_le(at(r, 10));
    if (head != CORE_HEAD && (head < INFO_HEAD || head > 124))
        return image_fail(m, ADZE_ERR_UNSUPPORTED, "a head of %u bytes", head);
    if (m->size < FILE_HEAD + (uint64_t)head) return image_cut(m);
    if (head == CORE_HEAD) {
        width = image_u16_le(at(r, 18));
        height = image_u16_le(at(r, 20));
        r->bits = image_u16_le(at(r, 24));
    } else {
        width = (int32_t)image_u32_le(at(r, 18));
        height = (int32_t)image_u32_le(at(r, 22));
        r->bits = image_u16_le(at(r, 28));
        r->kind = image_u32_le(at(r, 30));
        used = image_u32_le(at(r, 46));
    }
    r->from_top = height < 0;
    if (!is_known(r, head))
        return image_fail(m, ADZE_ERR_UNSUPPORTED, "%u bits a pixel with compression %u", r->bits, r->kind);
    if (width < 0) return image_fail(m, ADZE_ERR_FORMAT, "a width below 0");
    adze_status status = image_size(m, (uint64_t)width, (uint64_t)(height < 0 ? -height : height));
    if (status) return status;
    r->stride = ((size_t)width * r->bits + 31) / 32 * 4;
    uint64_t needed = r->kind == RUNS_8 || r->kind == RUNS_4 ? 0 : (uint64_t)m->dims[0] * r->stride;
    if (r->pixels > m->size || needed > m->size - r->pixels) return image_cut(m);
    if (!m->pixels) return ADZE_OK;
    if (r->bits <= 8) return read_palette(r, head, used);
    return r->bits == 24 ? ADZE_OK : read_masks(r, head);
}

/* ---- Run lengths ---- */

typedef struct runs {
    const uint8_t *p, *end;
    int64_t x, y;
} runs;

/* `count` pixels from here on: of two colours in turns, or from the bytes at `from`. */
static bool put_run(reader *r, runs *s, uint32_t count, uint8_t colours, const uint8_t *from)
{
    int64_t width = r->m->dims[1];
    if (s->y >= r->m->dims[0] || count > width - s->x) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = !from ? colours : from[r->bits == 8 ? i : i / 2];
        uint8_t index = r->bits == 8 ? byte : i % 2 ? byte & 15 : byte >> 4;
        r->indices[s->y * width + s->x++] = index;
    }
    return true;
}

/* What two bytes that begin with 0 say: 0 next row, 1 the end, 2 a move, else so many pixels that follow. */
static adze_status escape(reader *r, runs *s, uint8_t code, bool *out_end)
{
    uint32_t bytes = code == 2 ? 2 : code < 2 ? 0 : r->bits == 8 ? code : (code + 1u) / 2;
    if (bytes > (size_t)(s->end - s->p)) return image_cut(r->m);
    *out_end = code == 1;
    if (code == 0) {
        s->x = 0;
        s->y++;
    } else if (code == 2) {
        s->x += s->p[0];
        s->y += s->p[1];
        if (s->x > r->m->dims[1]) return image_fail(r->m, ADZE_ERR_FORMAT, "a run leaves the image");
    } else if (code > 2 && !put_run(r, s, code, 0, s->p)) {
        return image_fail(r->m, ADZE_ERR_FORMAT, "a run leaves the image");
    }
    size_t padded = bytes + bytes % 2, left = (size_t)(s->end - s->p);
    s->p += padded < left ? padded : left;
    return ADZE_OK;
}

static adze_status read_runs(reader *r)
{
    image *m = r->m;
    uint64_t count = (uint64_t)m->dims[0] * (uint64_t)m->dims[1];
    runs s = {at(r, r->pixels), m->bytes + m->size, 0, 0};
    r->indices = image_scratch(m, count, 1);
    if (!r->indices) return ADZE_ERR_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) r->indices[i] = 0;
    for (bool end = false; !end;) {
        if (s.end - s.p < 2) return image_cut(m);
        uint8_t n = s.p[0], code = s.p[1];
        s.p += 2;
        adze_status status = n ? ADZE_OK : escape(r, &s, code, &end);
        if (status) return status;
        if (n && !put_run(r, &s, n, code, NULL)) return image_fail(m, ADZE_ERR_FORMAT, "a run leaves the image");
    }
    return ADZE_OK;
}

/* ---- Rows ---- */

static uint8_t field(uint32_t pixel, uint32_t mask)
{
    if (!mask) return 0;
    uint32_t low = mask & (~mask + 1);
    return image_scale((pixel & mask) / low, mask / low);
}

static void read_pixel(const reader *r, const uint8_t *stored, int64_t line, int64_t x, uint8_t *rgb)
{
    if (r->bits == 24) {
        for (int c = 0; c < 3; c++) rgb[c] = stored[3 * x + 2 - c];
    } else if (r->bits > 8) {
        uint32_t pixel = r->bits == 16 ? image_u16_le(stored + 2 * x) : image_u32_le(stored + 4 * x);
        for (int c = 0; c < 3; c++) rgb[c] = field(pixel, r->masks[c]);
    } else {
        uint32_t first = (uint32_t)(x * r->bits), shift = 8 - r->bits - first % 8;
        uint32_t index = r->indices ? r->indices[line * r->m->dims[1] + x]
                                    : (uint32_t)stored[x * r->bits / 8] >> shift & ((1u << r->bits) - 1);
        for (int c = 0; c < 3; c++) rgb[c] = r->palette[index][c];
    }
}

adze_status image_read_bmp(image *m)
{
    reader r = {.m = m};
    adze_status status = read_head(&r);
    if (status || !m->pixels) return status;
    bool in_runs = r.kind == RUNS_8 || r.kind == RUNS_4;
    if (in_runs) status = read_runs(&r);
    if (status) return status;
    uint8_t *row = image_scratch(m, (uint64_t)m->dims[1], 3);
    if (!row) return ADZE_ERR_NO_MEMORY;
    for (int64_t y = 0; y < m->dims[0]; y++) {
        int64_t line = r.from_top ? y : m->dims[0] - 1 - y;
        const uint8_t *stored = in_runs ? NULL : at(&r, r.pixels) + (size_t)line * r.stride;
        for (int64_t x = 0; x < m->dims[1]; x++) read_pixel(&r, stored, line, x, row + 3 * x);
        image_put_row(m, y, row, 3);
    }
    return ADZE_OK;
}
