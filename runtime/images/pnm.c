/* Portable bit, grey and pixel maps (P1 to P6, the formats of Netpbm), as text and as bytes: the first picture of the
 * file. Samples of up to 16 bits are scaled to 8. */
#include "image.h"

typedef struct reader {
    image *m;
    size_t at;
} reader;

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Past white space and comments, which go to the end of their line. */
static void skip_space(reader *r)
{
    for (; r->at < r->m->size; r->at++) {
        if (r->m->bytes[r->at] == '#')
            while (r->at + 1 < r->m->size && r->m->bytes[r->at + 1] != '\n') r->at++;
        else if (!is_space(r->m->bytes[r->at]))
            return;
    }
}

/* A number without a sign; reports one that is none or larger than `most`. */
static adze_status number(reader *r, uint32_t most, uint32_t *out)
{
    const image *m = r->m;
    uint64_t value = 0;
    skip_space(r);
    size_t from = r->at;
    for (; r->at < m->size && m->bytes[r->at] >= '0' && m->bytes[r->at] <= '9' && value <= most; r->at++)
        value = value * 10 + (m->bytes[r->at] - '0');
    if (r->at == from && r->at == m->size) return image_cut(m);
    if (r->at == from) return image_fail(m, ADZE_ERR_FORMAT, "no number at byte %zu", from);
    if (value > most) return image_fail(m, ADZE_ERR_FORMAT, "the number at byte %zu is too large", from);
    *out = (uint32_t)value;
    return ADZE_OK;
}

/* One sample of text. Bits stand without space between them and say how black they are. */
static adze_status text_sample(reader *r, bool is_bit, uint32_t most, uint8_t *out)
{
    uint32_t value;
    if (!is_bit) {
        adze_status status = number(r, most, &value);
        if (status == ADZE_OK) *out = image_scale(value, most);
        return status;
    }
    skip_space(r);
    if (r->at == r->m->size) return image_cut(r->m);
    uint8_t c = r->m->bytes[r->at++];
    if (c != '0' && c != '1') return image_fail(r->m, ADZE_ERR_FORMAT, "no bit at byte %zu", r->at - 1);
    *out = c == '0' ? 255 : 0;
    return ADZE_OK;
}

/* Sample `i` of a row of bytes. */
static uint8_t byte_sample(const uint8_t *row, int64_t i, bool is_bit, uint32_t most)
{
    if (is_bit) return row[i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
    return image_scale(most < 256 ? row[i] : (uint32_t)row[2 * i] << 8 | row[2 * i + 1], most);
}

/* Bytes of a row, of text the fewest that it may take. */
static size_t row_bytes(int64_t samples, char kind, uint32_t most)
{
    if (kind == '4') return (size_t)(samples + 7) / 8;
    bool is_double = kind == '2' || kind == '3' || most > 255; /* a digit and what parts it from the next one */
    return (size_t)samples * (kind != '1' && is_double ? 2 : 1);
}

static adze_status read_rows(reader *r, char kind, uint32_t most)
{
    image *m = r->m;
    bool is_text = kind < '4', is_bit = kind == '1' || kind == '4', is_colour = kind == '3' || kind == '6';
    int64_t samples = m->dims[1] * (is_colour ? 3 : 1);
    size_t bytes = row_bytes(samples, kind, most);
    uint8_t *row = image_scratch(m, (uint64_t)m->dims[1], 3);
    if (!row) return ADZE_ERR_NO_MEMORY;
    for (int64_t y = 0; y < m->dims[0]; y++) {
        if (!is_text && bytes > m->size - r->at) return image_cut(m);
        for (int64_t i = 0; i < samples; i++) {
            uint8_t value = 0;
            adze_status status = is_text ? text_sample(r, is_bit, most, &value) : ADZE_OK;
            if (status) return status;
            if (!is_text) value = byte_sample(m->bytes + r->at, i, is_bit, most);
            for (int c = 0; c < (is_colour ? 1 : 3); c++) row[is_colour ? i : 3 * i + c] = value;
        }
        if (!is_text) r->at += bytes;
        image_put_row(m, y, row, 3);
    }
    return ADZE_OK;
}

adze_status image_read_pnm(image *m)
{
    reader r = {.m = m, .at = 2};
    char kind = (char)m->bytes[1];
    uint32_t width, height, most = 1;
    adze_status status = number(&r, INT32_MAX, &width);
    if (status == ADZE_OK) status = number(&r, INT32_MAX, &height);
    if (status == ADZE_OK && kind != '1' && kind != '4') status = number(&r, 65535, &most);
    if (status == ADZE_OK) status = image_size(m, width, height);
    if (status) return status;
    int64_t samples = m->dims[1] * (kind == '3' || kind == '6' ? 3 : 1);
    if (row_bytes(samples, kind, most) * height > m->size - r.at) return image_cut(m);
    if (!m->pixels) return ADZE_OK;
    if (most == 0) return image_fail(m, ADZE_ERR_FORMAT, "the largest sample is 0");
    if (kind >= '4' && (r.at == m->size || !is_space(m->bytes[r.at++])))
        return image_fail(m, ADZE_ERR_FORMAT, "no white space behind the head");
    return read_rows(&r, kind, most);
}
