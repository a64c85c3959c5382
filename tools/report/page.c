/* The page: one HTML file. The style and the script that sorts tables lie beside this file and are written into it. */
#include "report.h"

#include <adze/embed.h>
#include <adze/version.h>

#include <string.h>

ADZE_EMBED(adze_report_style, ADZE_REPORT_FOLDER "/page.css");
ADZE_EMBED(adze_report_script, ADZE_REPORT_FOLDER "/page.js");

void adze_report_data(adze_text *out, const adze_json *value, adze_report_figure *figure)
{
    if (!value) {
        adze_report_put(out, "<span class=\"none\">–</span>");
        return;
    }
    adze_text_append(out, "<data value=\"%s\">", value->text); /* digits, which the reader has checked */
    figure(out, value->number);
    adze_report_put(out, "</data>");
}

void adze_report_field(adze_text *out, const adze_json *object, const char *key, adze_report_figure *figure)
{
    adze_report_data(out, adze_report_get(object, key), figure);
}

void adze_report_words(adze_text *out, const adze_json *object, const char *key)
{
    adze_report_string(out, adze_report_get(object, key), true, 0);
}

static void base_name(adze_text *out, const char *path)
{
    const char *base = adze_report_base(path);
    adze_report_escape(out, base, strlen(base), true, 0);
}

static void model_name(adze_text *out, const adze_report *r)
{
    base_name(out, adze_report_get(r->root, "model")->text);
}

static void head(adze_text *out, const adze_report *reports)
{
    adze_report_put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                         "<meta name=\"color-scheme\" content=\"light dark\">\n"
                         "<meta name=\"generator\" content=\"adze " ADZE_VERSION "\">\n<title>");
    model_name(out, reports);
    adze_report_put(out, " – compression report</title>\n<style>\n");
    adze_text_write(out, adze_report_style, (size_t)(adze_report_style_end - adze_report_style));
    adze_report_put(out, "</style>\n</head>\n<body>\n<header><p class=\"over\">Compression report</p><h1>");
    model_name(out, reports);
    adze_report_put(out, "</h1>");
}

/* "x86:x86-64-v3 · AMD EPYC 7B13 · 1 thread", and whether all goals held. */
static void summary(adze_text *out, const adze_report *r)
{
    static const char *const keys[] = {"target", "cpu"};
    const char *between = "";
    adze_report_put(out, "<p class=\"sub\">");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!adze_report_get(r->root, keys[i])) continue;
        adze_report_put(out, between);
        adze_report_words(out, r->root, keys[i]);
        between = " · ";
    }
    if (adze_report_get(r->root, "threads")) {
        adze_report_put(out, between);
        adze_report_field(out, r->root, "threads", adze_report_plain);
        adze_report_put(out, adze_report_number(r->root, "threads") == 1 ? " thread" : " threads");
    }
    adze_report_put(out, "</p>");
    if (!adze_report_first(r->root, "goal")) return;
    adze_report_put(out, adze_report_is_true(r->root, "held") ? "<p class=\"verdict held\">✓ All goals held</p>"
                                                              : "<p class=\"verdict missed\">✗ Not all goals held</p>");
}

/* ---- Several reports ---- */

static void ratio_cell(adze_text *out, const adze_report *r, const char *key)
{
    adze_report_put(out, "<td class=\"n\">");
    adze_report_times(out, adze_report_ratio(adze_report_number(adze_report_get(r->root, "original"), key),
                                             adze_report_number(adze_report_get(r->root, "compressed"), key)));
    adze_report_put(out, "</td>");
}

static void comparison_row(adze_text *out, const adze_report *r, uint32_t index)
{
    const adze_json *after = adze_report_get(r->root, "compressed");
    adze_text_append(out, "<tr><th scope=\"row\"><a href=\"#report%u\">", index);
    base_name(out, r->file);
    adze_report_put(out, "</a></th><td class=\"n\">");
    adze_report_field(out, adze_report_get(after, "agreement"), "value", adze_report_percent);
    adze_report_put(out, "</td><td class=\"n\">");
    adze_report_field(out, after, "bytes", adze_report_bytes);
    adze_report_put(out, "</td>");
    ratio_cell(out, r, "bytes");
    adze_report_put(out, "<td class=\"n\">");
    adze_report_field(out, after, "min_ms", adze_report_ms);
    adze_report_put(out, "</td>");
    ratio_cell(out, r, "min_ms");
    adze_report_put(out, "<td class=\"n\">");
    adze_report_field(out, after, "memory_bytes", adze_report_bytes);
    adze_report_put(out, "</td><td class=\"n\">");
    adze_report_field(out, after, "energy_mj", adze_report_mj);
    adze_report_put(out, adze_report_is_true(r->root, "held") ? "</td><td>✓ held</td></tr>\n"
                                                              : "</td><td>✗ missed</td></tr>\n");
}

static void comparison(adze_text *out, const adze_report *reports, uint32_t n)
{
    adze_report_put(out,
                    "<section><h2>Side by side</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                    "aria-label=\"Side by side\"><table class=\"compare\"><caption>The reports side by side</caption>\n"
                    "<thead><tr><th scope=\"col\">Report</th><th scope=\"col\" class=\"n\">Agreement</th>"
                    "<th scope=\"col\" class=\"n\">Size</th><th scope=\"col\" class=\"n\">Smaller</th>"
                    "<th scope=\"col\" class=\"n\">Fastest run</th><th scope=\"col\" class=\"n\">Faster</th>"
                    "<th scope=\"col\" class=\"n\">Memory</th><th scope=\"col\" class=\"n\">Energy</th>"
                    "<th scope=\"col\">Goals</th></tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < n; i++) comparison_row(out, &reports[i], i);
    adze_report_put(out, "</tbody></table></div></section>\n");
    adze_report_plots(out, reports, n);
}

/* ---- The page ---- */

static void body(adze_text *out, const adze_report *r, uint32_t index, bool alone)
{
    adze_report_cards(out, r);
    adze_report_size(out, r);
    if (alone) adze_report_plots(out, r, 1);
    adze_report_layers(out, r, index);
    adze_report_trials(out, r);
    adze_report_origin(out, r);
}

void adze_report_page(adze_text *out, const adze_report *reports, uint32_t n)
{
    head(out, reports);
    if (n == 1) summary(out, reports);
    adze_report_put(out, "</header>\n<main>\n");
    if (n > 1) comparison(out, reports, n);
    if (n == 1) body(out, reports, 0, true);
    for (uint32_t i = 0; n > 1 && i < n; i++) {
        adze_text_append(out, "<article aria-labelledby=\"report%u\"><h2 class=\"report\" id=\"report%u\">", i, i);
        base_name(out, reports[i].file);
        adze_report_put(out, "</h2>");
        summary(out, &reports[i]);
        body(out, &reports[i], i, false);
        adze_report_put(out, "</article>\n");
    }
    adze_report_put(out, "</main>\n<footer>Written by adze " ADZE_VERSION ".</footer>\n<script>\n");
    adze_text_write(out, adze_report_script, (size_t)(adze_report_script_end - adze_report_script));
    adze_report_put(out, "</script>\n</body>\n</html>\n");
}
