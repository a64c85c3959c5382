/* Comparison of values (compare.h). */
#include "compare.h"

#include <adze/interp.h>
#include <adze/text.h>
#include <adze_runtime.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_type(const adze_value *v, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s[", adze_dtype_name((adze_dtype)v->dtype));
    for (uint32_t k = 0; k < v->rank && n < size; k++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", k ? "," : "", (long long)v->dims[k]);
    if (n < size) snprintf(out + n, size - n, "]");
}

void adze_index_print(const adze_value *value, uint64_t index, char *out, size_t size)
{
    int64_t at[ADZE_MAX_RANK];
    size_t n = (size_t)snprintf(out, size, "[");
    for (uint32_t k = value->rank; k-- > 0; index /= (uint64_t)value->dims[k])
        at[k] = (int64_t)(index % (uint64_t)value->dims[k]);
    for (uint32_t k = 0; k < value->rank && n < size; k++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", k ? "," : "", (long long)at[k]);
    if (n < size) snprintf(out + n, size - n, "]");
}

void adze_string_print(const adze_string *string, char out[ADZE_STRING_ROOM])
{
    enum { MOST = 40 };
    const char *at = string->size ? string->data : "", *end = at + string->size;
    adze_text text = {0};
    if (string->size > MOST) {
        end = at + MOST;
        while (end > at && ((unsigned char)*end & 0xC0) == 0x80) end--; /* no part of a character */
    }
    adze_text_append(&text, "\"");
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        size_t n = adze_utf8_length(at, end);
        if (c == '"' || c == '\\') adze_text_append(&text, "\\%c", c);
        else if (c == '\n') adze_text_append(&text, "\\n");
        else if (n == 0 || c < 0x20 || c == 0x7f) adze_text_append(&text, "\\x%02x", c);
        else adze_text_write(&text, at, n);
        at += n ? n : 1;
    }
    snprintf(out, ADZE_STRING_ROOM, "%.*s\"%s", (int)text.size, text.data, string->size > MOST ? "…" : "");
    adze_text_free(&text);
}

void adze_difference_place(const adze_difference *difference, char *out, size_t size)
{
    size_t n = 0;
    *out = 0;
    if (*difference->why || !difference->tensor) return;
    if (difference->item)
        n = (size_t)snprintf(out, size, "item %llu, ", (unsigned long long)difference->item);
    if (n < size) adze_index_print(difference->tensor, difference->where, out + n, size - n);
}

/* A step of the last place of small floats: two roundings may fall on different sides. */
static double default_rtol(adze_dtype dtype, double usual)
{
    double step = 0;
    switch (dtype) {
    case ADZE_DTYPE_f16: step = 0x1p-10; break;
    case ADZE_DTYPE_bf16: step = 0x1p-7; break;
    case ADZE_DTYPE_f8e4m3fn:
    case ADZE_DTYPE_f8e4m3fnuz: step = 0x1p-3; break;
    case ADZE_DTYPE_f8e5m2:
    case ADZE_DTYPE_f8e5m2fnuz: step = 0x1p-2; break;
    default: break;
    }
    return fmax(usual, step);
}

static bool compare_numbers(const adze_value *got, const adze_value *wanted, uint64_t count, uint32_t dtype,
                            adze_tolerance t, adze_difference *out)
{
    bool floats = adze_dtype_get_kind((adze_dtype)dtype) == ADZE_KIND_FLOAT;
    double rtol = !floats ? 0 : t.rtol >= 0 ? t.rtol : default_rtol((adze_dtype)dtype, t.usual);
    double scale = 0;
    adze_value a = *got, b = *wanted;
    a.dtype = b.dtype = dtype;
    for (uint64_t i = 0; i < count; i++) {
        double w = adze_value_real(&b, i);
        if (isfinite(w)) scale = fmax(scale, fabs(w));
    }
    double bound = fmax(t.atol, 0) + rtol * scale;
    *out = (adze_difference){.scale = scale, .count = count};
    for (uint64_t i = 0; i < count; i++) {
        double g = adze_value_real(&a, i), w = adze_value_real(&b, i), d = fabs(g - w);
        if (isnan(g) && isnan(w)) continue;
        if (g == w && (floats || adze_value_int(&a, i) == adze_value_int(&b, i))) continue;
        if (isnan(d)) d = INFINITY;
        if (!floats) d = fmax(d, 1); /* doubles do not hold all of 64 bits */
        out->n_over += d > bound || isinf(d);
        if (d <= out->largest) continue;
        out->largest = d;
        out->where = i;
        out->got = g;
        out->wanted = w;
    }
    return !out->n_over;
}

static bool compare_strings(const adze_value *got, const adze_value *wanted, uint64_t count, adze_difference *out)
{
    const adze_string *g = got->data, *w = wanted->data;
    char at[128], have[ADZE_STRING_ROOM], want[ADZE_STRING_ROOM];
    *out = (adze_difference){.count = count};
    for (uint64_t i = 0; i < count; i++) {
        if (g[i].size == w[i].size && (!g[i].size || !memcmp(g[i].data, w[i].data, g[i].size))) continue;
        if (out->n_over++) continue;
        adze_index_print(wanted, i, at, sizeof at);
        adze_string_print(&g[i], have);
        adze_string_print(&w[i], want);
        snprintf(out->why, sizeof out->why, "at %s it is %.180s, not %.180s", at, have, want);
    }
    return !out->n_over;
}

static bool compare_tensors(const adze_value *got, const adze_value *wanted, adze_tolerance t, adze_difference *out)
{
    bool same = got->dtype == wanted->dtype && got->rank == wanted->rank;
    for (uint32_t k = 0; same && k < got->rank; k++) same = got->dims[k] == wanted->dims[k];
    if (!same) {
        char have[96], want[96];
        print_type(got, have, sizeof have);
        print_type(wanted, want, sizeof want);
        snprintf(out->why, sizeof out->why, "it is %s, not %s", have, want);
        return false;
    }
    uint64_t count = adze_value_count(wanted);
    if (wanted->dtype == ADZE_DTYPE_str) return compare_strings(got, wanted, count, out);
    if (adze_dtype_get_kind((adze_dtype)wanted->dtype) != ADZE_KIND_COMPLEX)
        return compare_numbers(got, wanted, count, wanted->dtype, t, out);
    uint32_t part = wanted->dtype == ADZE_DTYPE_c64 ? ADZE_DTYPE_f32 : ADZE_DTYPE_f64;
    same = compare_numbers(got, wanted, 2 * count, part, t, out);
    out->where /= 2;
    return same;
}

bool adze_values_compare(const adze_value *got, const adze_value *wanted, adze_tolerance tolerance,
                         adze_difference *out)
{
    *out = (adze_difference){0};
    if (got->kind != wanted->kind) return snprintf(out->why, sizeof out->why, "it is a value of another kind"), false;
    if (got->kind == ADZE_VALUE_TENSOR) {
        bool same = compare_tensors(got, wanted, tolerance, out);
        out->tensor = wanted;
        return same;
    }
    if (got->n_items != wanted->n_items) {
        snprintf(out->why, sizeof out->why, "it has %llu items, not %llu", (unsigned long long)got->n_items,
                 (unsigned long long)wanted->n_items);
        return false;
    }
    bool same = true;
    for (uint64_t i = 0; same && i < got->n_items; i++) {
        same = adze_values_compare(&got->items[i], &wanted->items[i], tolerance, out);
        out->item = i + 1;
    }
    return same;
}
