/* Formats of layers: text and back. */
#include <adze/compress.h>

#include <string.h>

/* A number without sign; false if there is none, or it has more than six digits. */
static bool take_number(const char **at, const char *end, uint32_t *out)
{
    const char *first = *at;
    uint32_t n = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - first < 6) n = 10 * n + (uint32_t)(*(*at)++ - '0');
    *out = n;
    return *at > first;
}

static bool take(const char **at, const char *end, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(end - *at) < size || memcmp(*at, word, size) != 0) return false;
    *at += size;
    return true;
}

static bool find_codes(const char *at, const char *end, adze_format *out)
{
    *out = (adze_format){.kind = ADZE_FORMAT_WEIGHTS};
    if (!take(&at, end, "w") || !take_number(&at, end, &out->bits) || out->bits < 2 || out->bits > 8) return false;
    if (take(&at, end, "a8")) out->kind = take(&at, end, "-rows") ? ADZE_FORMAT_ROWS : ADZE_FORMAT_STATIC;
    if (out->kind != ADZE_FORMAT_STATIC && take(&at, end, "g") && (!take_number(&at, end, &out->group) || !out->group))
        return false;
    return at == end;
}

bool adze_format_find(const char *text, size_t size, adze_format *out)
{
    static const struct {
        const char *name;
        adze_format format;
    } plain[] = {{"f32", {.kind = ADZE_FORMAT_FLOAT, .bits = 32}},
                 {"f16", {.kind = ADZE_FORMAT_CAST, .bits = 16}},
                 {"bf16", {.kind = ADZE_FORMAT_CAST, .bits = 16, .brain = 1}}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strlen(plain[i].name) == size && !memcmp(plain[i].name, text, size)) return *out = plain[i].format, true;
    return find_codes(text, text + size, out);
}

void adze_format_print(adze_format format, adze_text *out)
{
    if (format.kind == ADZE_FORMAT_FLOAT) {
        adze_text_append(out, "f32");
    } else if (format.kind == ADZE_FORMAT_CAST) {
        adze_text_append(out, format.brain ? "bf16" : "f16");
    } else {
        adze_text_append(out, "w%u%s%s", format.bits, format.kind == ADZE_FORMAT_WEIGHTS ? "" : "a8",
                         format.kind == ADZE_FORMAT_ROWS ? "-rows" : "");
        if (format.group) adze_text_append(out, "g%u", format.group);
    }
}

bool adze_format_equal(adze_format a, adze_format b)
{
    return a.kind == b.kind && a.bits == b.bits && a.group == b.group && a.brain == b.brain;
}
