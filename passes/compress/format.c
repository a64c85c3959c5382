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

static bool find_storage(const char *text, size_t size, adze_format *out)
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

/* Behind `s`: 50, 80b16x1 or 2:4. */
static bool find_sparse(const char *at, const char *end, adze_format *out)
{
    uint32_t n;
    if (!take_number(&at, end, &n) || !n) return false;
    out->structure = ADZE_SPARSE;
    out->percent = n;
    if (take(&at, end, ":")) {
        out->structure = ADZE_SPARSE_N_M;
        out->percent = 0;
        out->first = n;
        return take_number(&at, end, &out->second) && at == end && n < out->second && out->second <= 64;
    }
    if (take(&at, end, "b")) {
        out->structure = ADZE_SPARSE_BLOCKS;
        if (!take_number(&at, end, &out->first) || !take(&at, end, "x") || !take_number(&at, end, &out->second))
            return false;
        if (!out->first || !out->second) return false;
    }
    return at == end && n <= 99;
}

static bool find_structure(const char *at, const char *end, adze_format *out)
{
    if (take(&at, end, "s")) return find_sparse(at, end, out);
    out->structure = take(&at, end, "r")   ? ADZE_LOW_RANK
                     : take(&at, end, "t") ? ADZE_TUCKER
                     : take(&at, end, "v") ? ADZE_SPATIAL
                                           : ADZE_DENSE;
    if (out->structure == ADZE_DENSE || !take_number(&at, end, &out->first) || !out->first) return false;
    if (take(&at, end, "%")) { /* of the weights */
        out->percent = out->first;
        out->first = 0;
        return at == end && out->percent <= 99;
    }
    if (out->structure == ADZE_TUCKER && (!take(&at, end, "x") || !take_number(&at, end, &out->second) || !out->second))
        return false;
    return at == end;
}

bool adze_format_find(const char *text, size_t size, adze_format *out)
{
    if (find_storage(text, size, out)) return true;
    const char *plus = memchr(text, '+', size), *end = plus ? plus : text + size;
    adze_format structure = {0};
    if (!find_structure(text, end, &structure)) return false;
    *out = (adze_format){.kind = ADZE_FORMAT_FLOAT, .bits = 32};
    if (plus && !find_storage(plus + 1, (size_t)(text + size - plus - 1), out)) return false;
    out->structure = structure.structure;
    out->percent = structure.percent;
    out->first = structure.first;
    out->second = structure.second;
    return true;
}

static void print_structure(adze_format format, adze_text *out)
{
    static const char letters[] = {[ADZE_SPARSE] = 's', [ADZE_SPARSE_BLOCKS] = 's', [ADZE_LOW_RANK] = 'r',
                                   [ADZE_TUCKER] = 't', [ADZE_SPATIAL] = 'v'};
    bool share = format.percent && format.structure > ADZE_SPARSE_N_M;
    if (format.structure == ADZE_DENSE) return;
    if (format.structure == ADZE_SPARSE_N_M)
        adze_text_append(out, "s%u:%u", format.first, format.second);
    else
        adze_text_append(out, "%c%u", letters[format.structure], format.percent ? format.percent : format.first);
    if (format.structure == ADZE_SPARSE_BLOCKS) adze_text_append(out, "b%ux%u", format.first, format.second);
    if (format.structure == ADZE_TUCKER && !share) adze_text_append(out, "x%u", format.second);
    if (share) adze_text_append(out, "%%");
}

void adze_format_print(adze_format format, adze_text *out)
{
    print_structure(format, out);
    if (format.structure != ADZE_DENSE && format.kind == ADZE_FORMAT_FLOAT) return;
    if (format.structure != ADZE_DENSE) adze_text_append(out, "+");
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
    return a.kind == b.kind && a.bits == b.bits && a.group == b.group && a.brain == b.brain &&
           a.structure == b.structure && a.percent == b.percent && a.first == b.first && a.second == b.second;
}

bool adze_format_leaves_zeros_out(adze_format format) /* pack_masked in passes/tile/sparse.c */
{
    if (format.structure < ADZE_SPARSE || format.structure > ADZE_SPARSE_N_M) return false;
    bool activations = format.kind == ADZE_FORMAT_STATIC || format.kind == ADZE_FORMAT_ROWS;
    return format.kind == ADZE_FORMAT_FLOAT || (activations && format.bits > 4 && !format.group);
}
