/* The report as text for a terminal. */
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { NAME_WIDTH = 60 };

static size_t columns_of(const adze_text *text, size_t from)
{
    size_t n = 0;
    for (size_t i = from; i < text->size; i++) n += ((unsigned char)text->data[i] & 0xc0) != 0x80;
    return n;
}

/* Fills up to `width` columns from `from` on: behind what stands there, or before it where `width` is below 0. */
static void pad(adze_text *out, size_t from, int width)
{
    size_t wanted = (size_t)(width < 0 ? -width : width), n = columns_of(out, from);
    if (n >= wanted) return;
    size_t more = wanted - n, length = out->size - from;
    adze_text_append(out, "%*s", (int)more, "");
    if (width > 0) return;
    memmove(out->data + from + more, out->data + from, length);
    memset(out->data + from, ' ', more);
}

static void figure_of(adze_text *out, adze_report_figure *figure, double value, int width)
{
    size_t from = out->size;
    figure(out, value);
    pad(out, from, -width);
}

static void number(adze_text *out, const adze_json *object, const char *key, adze_report_figure *figure, int width)
{
    adze_report_put(out, "  ");
    figure_of(out, figure, adze_report_number(object, key), width);
}

static void words(adze_text *out, const adze_json *object, const char *key, int width)
{
    size_t from = out->size;
    adze_report_string(out, adze_report_get(object, key), false, NAME_WIDTH);
    pad(out, from, width);
}

static void label(adze_text *out, const char *name) { adze_text_append(out, "%-11s", name); }

/* ---- The top ---- */

static void before_after(adze_text *out, const adze_report *r, const char *name, const char *key, const char *missing,
                         adze_report_figure *figure)
{
    double before = adze_report_number(adze_report_get(r->root, "original"), key);
    double after = adze_report_number(adze_report_get(r->root, "compressed"), key);
    label(out, name);
    if (isnan(before) && isnan(after)) {
        adze_report_put(out, "not measured: ");
        adze_report_string(out, adze_report_missing(r, missing), false, 0);
    } else {
        figure(out, before);
        adze_report_put(out, " -> ");
        figure(out, after);
        double ratio = adze_report_ratio(before, after);
        if (!isnan(ratio)) adze_text_append(out, "  (%.2fx)", ratio);
    }
    adze_report_put(out, "\n");
}

static void interval(adze_text *out, const adze_json *o, adze_report_figure *figure)
{
    if (!isnan(adze_report_number(o, "low")) && !isnan(adze_report_number(o, "high"))) {
        adze_report_put(out, "  (95 %: ");
        figure(out, adze_report_number(o, "low"));
        adze_report_put(out, " to ");
        figure(out, adze_report_number(o, "high"));
        adze_report_put(out, ")");
    }
    double n = adze_report_number(o, "n");
    if (!isnan(n)) adze_text_append(out, "  of %.0f samples", n);
}

static void quality(adze_text *out, const adze_report *r)
{
    const adze_json *compressed = adze_report_get(r->root, "compressed");
    const adze_json *accuracy = adze_report_get(compressed, "accuracy");
    const adze_json *agreement = adze_report_get(compressed, "agreement");
    label(out, "accuracy");
    if (accuracy) {
        adze_report_string(out, adze_report_get(accuracy, "metric"), false, NAME_WIDTH);
        adze_report_put(out, " ");
        adze_report_plain(out, adze_report_number(accuracy, "original"));
        adze_report_put(out, " -> ");
        adze_report_plain(out, adze_report_number(accuracy, "value"));
        adze_report_put(out, ", difference ");
        adze_report_plain(out, adze_report_number(accuracy, "difference"));
        interval(out, accuracy, adze_report_plain);
    } else {
        adze_report_put(out, "not measured: ");
        adze_report_string(out, adze_report_missing(r, "accuracy"), false, 0);
    }
    adze_report_put(out, "\n");
    if (agreement) {
        label(out, "agreement");
        adze_report_percent(out, adze_report_number(agreement, "value"));
        interval(out, agreement, adze_report_percent);
        adze_report_put(out, "\n");
    }
}

static void goals(adze_text *out, const adze_report *r)
{
    for (const adze_json *g = adze_report_first(r->root, "goal"); g; g = g->next) {
        label(out, "goal");
        words(out, g, "text", 0);
        adze_report_put(out, adze_report_is_true(g, "held") ? ": held, reached " : ": MISSED, reached ");
        adze_report_goal_figure(g)(out, adze_report_number(g, "reached"));
        adze_report_put(out, "\n");
    }
}

static void top(adze_text *out, const adze_report *r)
{
    static const char *const rows[] = {"model", "result", "target", "cpu"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        label(out, rows[i]);
        adze_report_string(out, adze_report_get(r->root, rows[i]), false, 0);
        adze_report_put(out, "\n");
    }
    goals(out, r);
    quality(out, r);
    before_after(out, r, "time", "min_ms", "time", adze_report_ms);
    before_after(out, r, "size", "bytes", "size", adze_report_bytes);
    before_after(out, r, "memory", "memory_bytes", "memory", adze_report_bytes);
    before_after(out, r, "energy", "energy_mj", "energy", adze_report_mj);
}

/* ---- Tables ---- */

static void layers(adze_text *out, const adze_report *r)
{
    adze_report_put(
        out, "\nformat     method        error dB      loss     before      after       time      after  layer\n");
    for (const adze_json *l = adze_report_first(r->root, "layers"); l; l = l->next) {
        words(out, l, "format", 9);
        adze_report_put(out, "  ");
        words(out, l, "method", 12);
        number(out, l, "error_db", adze_report_db, 8);
        number(out, l, "loss", adze_report_loss, 8);
        number(out, l, "bytes_before", adze_report_bytes, 9);
        number(out, l, "bytes_after", adze_report_bytes, 9);
        number(out, l, "us_before", adze_report_us, 9);
        number(out, l, "us_after", adze_report_us, 9);
        adze_report_put(out, "  ");
        words(out, l, "name", 0);
        if (adze_report_get(l, "reason")) adze_report_put(out, ": "), words(out, l, "reason", 0);
        adze_report_put(out, "\n");
    }
}

static void sizes(adze_text *out, const adze_report *r)
{
    if (!adze_report_first(r->root, "size")) return;
    adze_report_put(out, "\n   before      after  part\n");
    for (const adze_json *s = adze_report_first(r->root, "size"); s; s = s->next) {
        figure_of(out, adze_report_bytes, adze_report_number(s, "before"), 9);
        number(out, s, "after", adze_report_bytes, 9);
        adze_report_put(out, "  ");
        words(out, s, "part", 0);
        adze_report_put(out, "\n");
    }
}

static void trials(adze_text *out, const adze_report *r)
{
    if (!adze_report_first(r->root, "trials")) return;
    adze_report_put(out, "\ntrial  restored      loss  agreement      bytes       time\n");
    for (const adze_json *t = adze_report_first(r->root, "trials"); t; t = t->next) {
        figure_of(out, adze_report_plain, adze_report_number(t, "step"), 5);
        number(out, t, "restored", adze_report_plain, 8);
        number(out, t, "loss", adze_report_loss, 8);
        number(out, t, "agreement", adze_report_percent, 9);
        number(out, t, "bytes", adze_report_bytes, 9);
        number(out, t, "min_ms", adze_report_ms, 9);
        adze_report_put(out, "\n");
    }
}

static void comparison(adze_text *out, const adze_report *reports, uint32_t n)
{
    adze_report_put(out, "agreement       size  smaller       time  faster  goals   report\n");
    for (uint32_t i = 0; i < n; i++) {
        const adze_json *root = reports[i].root, *after = adze_report_get(root, "compressed");
        const adze_json *before = adze_report_get(root, "original");
        figure_of(out, adze_report_percent, adze_report_number(adze_report_get(after, "agreement"), "value"), 9);
        number(out, after, "bytes", adze_report_bytes, 9);
        adze_report_put(out, "  ");
        figure_of(out, adze_report_times,
                  adze_report_ratio(adze_report_number(before, "bytes"), adze_report_number(after, "bytes")), 7);
        number(out, after, "min_ms", adze_report_ms, 9);
        adze_report_put(out, "  ");
        figure_of(out, adze_report_times,
                  adze_report_ratio(adze_report_number(before, "min_ms"), adze_report_number(after, "min_ms")), 6);
        adze_report_put(out, adze_report_is_true(root, "held") ? "  held    " : "  missed  ");
        adze_report_escape(out, reports[i].file, strlen(reports[i].file), false, 0);
        adze_report_put(out, "\n");
    }
}

void adze_report_print(adze_text *out, const adze_report *reports, uint32_t n)
{
    if (n > 1) comparison(out, reports, n);
    for (uint32_t i = 0; i < n; i++) {
        if (n > 1) adze_report_put(out, "\n");
        top(out, &reports[i]);
        layers(out, &reports[i]);
        sizes(out, &reports[i]);
        trials(out, &reports[i]);
        if (!adze_report_get(reports[i].root, "pipeline")) continue;
        adze_report_put(out, "\npipeline   ");
        adze_report_string(out, adze_report_get(reports[i].root, "pipeline"), false, 0);
        adze_report_put(out, "\n");
    }
}
