/* numpy's fixed-width strings: U is UCS-4, zero padded; S is bytes, zero padded. Ours are UTF-8. */
#include "io_private.h"
#include <stdlib.h>
#include <string.h>

enum { REPLACEMENT = 0xfffd, MAX_CODE_POINT = 0x10ffff };

static bool is_character(uint32_t c) { return c <= MAX_CODE_POINT && (c < 0xd800 || c > 0xdfff); }

static size_t utf8_put(uint32_t c, char *out)
{
    if (!is_character(c)) c = REPLACEMENT;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* The next character; what is no UTF-8 becomes a replacement of one byte. */
static uint32_t utf8_get(const char **at, const char *end)
{
    const uint8_t *p = (const uint8_t *)*at;
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    uint32_t c = n == 1 ? p[0] : n ? p[0] & (0x7fu >> n) : REPLACEMENT;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (n > (size_t)(end - *at)) n = 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            n = 0;
        else
            c = c << 6 | (p[i] & 0x3f);
    }
    if (n == 0 || c < least[n] || !is_character(c)) {
        *at += 1;
        return REPLACEMENT;
    }
    *at += n;
    return c;
}

static uint32_t ucs4(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Length without padding, in characters of `width` bytes. */
static uint64_t trimmed(const uint8_t *item, uint64_t bytes, uint64_t width)
{
    while (bytes && item[bytes - 1] == 0) bytes--;
    return (bytes + width - 1) / width;
}

adze_status adze_io_strings_decode(const npy_head *h, const void *stored, const char *where,
                                   adze_array *out_array, adze_io_error *error)
{
    uint64_t bytes, count = h->count;
    if (__builtin_mul_overflow(count, sizeof(adze_string) + h->item, &bytes)) bytes = UINT64_MAX;
    adze_string *strings = adze_io_alloc(bytes);
    if (!strings) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
    char *text = (char *)(strings + count);
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *item = (const uint8_t *)stored + i * h->item;
        uint64_t width = h->kind == NPY_UNICODE ? 4 : 1, n = trimmed(item, h->item, width),
                 size = 0;
        strings[i].data = text;
        for (uint64_t k = 0; k < n; k++) {
            if (width == 1)
                text[size++] = (char)item[k];
            else
                size += utf8_put(ucs4(item + 4 * k), text + size);
        }
        strings[i].size = size;
        text += size;
    }
    out_array->data = strings;
    out_array->bytes = count * sizeof *strings;
    return ADZE_OK;
}

static uint64_t characters(const adze_string *s)
{
    uint64_t n = 0;
    for (const char *at = s->data, *end = at + s->size; s->size && at < end; n++)
        utf8_get(&at, end);
    return n;
}

adze_status adze_io_strings_encode(const adze_string *strings, uint64_t count, void **out_data,
                                   uint64_t *out_item, adze_io_error *error)
{
    uint64_t longest = 1, bytes;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = characters(&strings[i]);
        if (n > longest) longest = n;
    }
    if (__builtin_mul_overflow(count, 4 * longest, &bytes)) bytes = UINT64_MAX;
    uint8_t *out = adze_io_alloc(bytes);
    if (!out) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "out of memory");
    memset(out, 0, bytes);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *item = out + i * 4 * longest;
        const char *at = strings[i].data, *end = strings[i].size ? at + strings[i].size : at;
        for (; at < end; item += 4) {
            uint32_t c = utf8_get(&at, end);
            for (int k = 0; k < 4; k++) item[k] = (uint8_t)(c >> 8 * k);
        }
    }
    *out_data = out;
    *out_item = 4 * longest;
    return ADZE_OK;
}
