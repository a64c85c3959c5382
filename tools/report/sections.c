/* Tables of a report: layers, what else they could have been, trials, how it was made. */
#include "report.h"

#include <math.h>
#include <string.h>

enum { MAX_FORMATS = 12 };

/* A table that scrolls inside its own box where the page is narrow. */
static void open_table(adze_text *out, const char *caption, const char *kind)
{
    adze_text_append(out,
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table class=\"%s\">"
                     "<caption>%s</caption>\n",
                     caption, kind, caption);
}

static void close_table(adze_text *out) { adze_report_put(out, "</tbody></table></div>\n"); }

static void heads(adze_text *out, const char *const *names)
{
    adze_report_put(out, "<thead><tr>");
    for (; *names; names++) {
        bool number = **names == '#';
        adze_text_append(out, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "", *names + number);
    }
    adze_report_put(out, "</tr></thead>\n<tbody>\n");
}

static void number_cell(adze_text *out, const adze_json *row, const char *key, adze_report_figure *figure)
{
    adze_report_put(out, "<td class=\"n\">");
    adze_report_field(out, row, key, figure);
    adze_report_put(out, "</td>");
}

/* With a bar behind the figure: its share of the largest one. */
static void bar_cell(adze_text *out, const adze_json *row, const char *key, adze_report_figure *figure, double largest)
{
    double value = adze_report_number(row, key);
    adze_text_append(out, "<td class=\"n bar\" style=\"--p:%.1f%%\">",
                     value > 0 && largest > 0 ? 100 * value / largest : 0);
    adze_report_field(out, row, key, figure);
    adze_report_put(out, "</td>");
}

static void word_cell(adze_text *out, const adze_json *row, const char *key, const char *class)
{
    adze_text_append(out, "<td%s%s%s>", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
    adze_report_words(out, row, key);
    adze_report_put(out, "</td>");
}

/* ---- Layers ---- */

static double largest_of(const adze_json *rows, const char *key)
{
    double largest = 0;
    for (; rows; rows = rows->next) largest = fmax(largest, adze_report_number(rows, key)); /* fmax skips NaN */
    return largest;
}

/* The name; the nodes where they are others; the type. */
static void name_cell(adze_text *out, const adze_json *layer)
{
    const adze_json *name = adze_report_get(layer, "name"), *node = adze_report_first(layer, "nodes");
    bool same = node && !node->next && node->size == name->size && !memcmp(node->text, name->text, name->size);
    adze_report_put(out, "<th scope=\"row\">");
    adze_report_words(out, layer, "name");
    adze_report_put(out, "<small>");
    if (adze_report_get(layer, "type")) adze_report_words(out, layer, "type");
    for (bool first = true; node && !same; node = node->next, first = false) {
        adze_report_put(out, first ? "; nodes " : ", ");
        adze_report_string(out, node, true, 0);
    }
    adze_report_put(out, "</small></th>");
}

static void bits_cell(adze_text *out, const adze_json *layer)
{
    adze_report_put(out, "<td class=\"n\">");
    adze_report_field(out, layer, "weight_bits", adze_report_plain);
    adze_report_put(out, " / ");
    adze_report_field(out, layer, "activation_bits", adze_report_plain);
    if (adze_report_get(layer, "group")) {
        bool whole = adze_report_number(layer, "group") == 0;
        adze_report_put(out, whole ? "<span hidden>" : "<small>groups of ");
        adze_report_field(out, layer, "group", adze_report_plain);
        adze_report_put(out, whole ? "</span>" : "</small>");
    }
    adze_report_put(out, "</td>");
}

static void layer_row(adze_text *out, const adze_json *layer, double most_bytes, double most_us)
{
    adze_report_put(out, "<tr>");
    name_cell(out, layer);
    word_cell(out, layer, "op", NULL);
    word_cell(out, layer, "format", "format");
    word_cell(out, layer, "method", NULL);
    bits_cell(out, layer);
    number_cell(out, layer, "error_db", adze_report_db);
    number_cell(out, layer, "loss", adze_report_loss);
    number_cell(out, layer, "bytes_before", adze_report_bytes);
    bar_cell(out, layer, "bytes_after", adze_report_bytes, most_bytes);
    number_cell(out, layer, "us_before", adze_report_us);
    bar_cell(out, layer, "us_after", adze_report_us, most_us);
    word_cell(out, layer, "reason", "reason");
    adze_report_put(out, "</tr>\n");
}

/* The formats that get a column: the first ones that stand in the report. `out_more`: there are others. */
static uint32_t formats_of(const adze_report *r, const char **names, bool *out_more)
{
    uint32_t n = 0;
    for (const adze_json *l = adze_report_first(r->root, "layers"); l; l = l->next)
        for (const adze_json *f = adze_report_first(l, "formats"); f; f = f->next) {
            uint32_t i = 0;
            const char *name = adze_report_get(f, "format")->text;
            while (i < n && strcmp(names[i], name) != 0) i++;
            if (i == n && n < MAX_FORMATS)
                names[n++] = name;
            else if (i == n)
                *out_more = true;
        }
    return n;
}

/* Loss, bytes and time in a format; ● where the layer became that. */
static void write_format(adze_text *out, const adze_json *layer, const adze_json *f, bool named)
{
    const adze_json *chosen = adze_report_get(layer, "format");
    bool is_chosen = chosen && !strcmp(chosen->text, adze_report_get(f, "format")->text);
    adze_report_put(out, is_chosen ? "<b class=\"chosen\">● " : "<span>");
    if (named) adze_report_words(out, f, "format"), adze_report_put(out, ": ");
    adze_report_field(out, f, "loss", adze_report_loss);
    adze_report_put(out, is_chosen ? "</b><small>" : "</span><small>");
    adze_report_field(out, f, "bytes", adze_report_bytes);
    adze_report_put(out, " · ");
    adze_report_field(out, f, "us", adze_report_us);
    adze_report_put(out, "</small>");
}

/* Those of one name, or with name NULL those that have no column. */
static void format_cell(adze_text *out, const adze_json *layer, const char *const *names, uint32_t n, const char *name)
{
    adze_report_put(out, "<td class=\"n\">");
    for (const adze_json *f = adze_report_first(layer, "formats"); f; f = f->next) {
        uint32_t i = 0;
        while (i < n && strcmp(names[i], adze_report_get(f, "format")->text) != 0) i++;
        if (name ? i < n && names[i] == name : i == n) write_format(out, layer, f, !name);
    }
    adze_report_put(out, "</td>");
}

static void formats(adze_text *out, const adze_report *r)
{
    const char *names[MAX_FORMATS];
    bool more = false;
    uint32_t n = formats_of(r, names, &more);
    if (!n) return;
    adze_report_put(
        out, "<details><summary>What each layer could have been: loss, bytes and time in each format</summary>\n");
    open_table(out, "Loss, bytes and time of each layer in each format; ● is what it became", "formats");
    adze_report_put(out, "<thead><tr><th scope=\"col\">Layer</th>");
    for (uint32_t i = 0; i < n; i++) {
        adze_report_put(out, "<th scope=\"col\" class=\"n\">");
        adze_report_escape(out, names[i], strlen(names[i]), true, 40);
        adze_report_put(out, "</th>");
    }
    if (more) adze_report_put(out, "<th scope=\"col\" class=\"n\">Others</th>");
    adze_report_put(out, "</tr></thead>\n<tbody>\n");
    for (const adze_json *l = adze_report_first(r->root, "layers"); l; l = l->next) {
        adze_report_put(out, "<tr><th scope=\"row\">");
        adze_report_words(out, l, "name");
        adze_report_put(out, "</th>");
        for (uint32_t i = 0; i < n; i++) format_cell(out, l, names, n, names[i]);
        if (more) format_cell(out, l, names, n, NULL);
        adze_report_put(out, "</tr>\n");
    }
    close_table(out);
    adze_report_put(out, "</details>\n");
}

/* "25 layers w8a8, 1 layer f32": runs of what the layers became, the most frequent format first. */
static void count_formats(adze_text *out, const adze_json *layers)
{
    const char *names[MAX_FORMATS];
    uint32_t counts[MAX_FORMATS] = {0}, n = 0, others = 0;
    for (const adze_json *l = layers; l; l = l->next) {
        const adze_json *format = adze_report_get(l, "format");
        uint32_t i = 0;
        while (format && i < n && strcmp(names[i], format->text) != 0) i++;
        if (format && i == n && n < MAX_FORMATS) names[n++] = format->text;
        if (format && i < n)
            counts[i]++;
        else
            others++;
    }
    adze_report_put(out, "<p>");
    for (uint32_t done = 0; done < n; done++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++)
            if (counts[i] > counts[best]) best = i;
        adze_text_append(out, "%s%u layer%s ", done ? ", " : "", counts[best], counts[best] == 1 ? "" : "s");
        adze_report_escape(out, names[best], strlen(names[best]), true, 40);
        counts[best] = 0;
    }
    if (others) adze_text_append(out, n ? ", %u others" : "%u layers", others);
    adze_report_put(out, ".</p>\n");
}

void adze_report_layers(adze_text *out, const adze_report *r, uint32_t index)
{
    static const char *const names[] = {
        "Layer",         "Op",           "Format",       "Method",      "#Bits w / a", "#Error dB", "#Loss",
        "#Bytes before", "#Bytes after", "#Time before", "#Time after", "Reason",      NULL};
    const adze_json *first = adze_report_first(r->root, "layers");
    double most_bytes = largest_of(first, "bytes_after"), most_us = largest_of(first, "us_after");
    adze_text_append(out, "<section aria-labelledby=\"layers%u\"><h2 id=\"layers%u\">Layers</h2>\n", index, index);
    if (!first) {
        adze_report_put(out, "<p>No layer has weights that could be compressed.</p></section>\n");
        return;
    }
    count_formats(out, first);
    open_table(out, "Each layer before and after", "layers");
    heads(out, names);
    for (const adze_json *l = first; l; l = l->next) layer_row(out, l, most_bytes, most_us);
    close_table(out);
    formats(out, r);
    adze_report_put(out, "</section>\n");
}

/* ---- Trials ---- */

void adze_report_trials(adze_text *out, const adze_report *r)
{
    static const char *const names[] = {"#Step", "#Restored", "#Loss", "#Agreement", "#Bytes", "#Fastest run", NULL};
    const adze_json *trial = adze_report_first(r->root, "trials");
    if (!trial) return;
    adze_report_put(out, "<section><h2>Trials of the guard</h2>\n<p>The guard measures the compressed model on samples "
                         "that were held back, and gives layers back until the goals hold.</p>\n");
    open_table(out, "Trials of the guard", "trials");
    heads(out, names);
    for (; trial; trial = trial->next) {
        adze_text_append(out, "<tr%s>", trial->next ? "" : " class=\"last\"");
        number_cell(out, trial, "step", adze_report_plain);
        number_cell(out, trial, "restored", adze_report_plain);
        number_cell(out, trial, "loss", adze_report_loss);
        number_cell(out, trial, "agreement", adze_report_percent);
        number_cell(out, trial, "bytes", adze_report_bytes);
        number_cell(out, trial, "min_ms", adze_report_ms);
        adze_report_put(out, "</tr>\n");
    }
    close_table(out);
    adze_report_put(out, "</section>\n");
}

/* ---- How it was made ---- */

/* For a shell: between single quotes. */
static void quoted(adze_text *out, const adze_json *value)
{
    adze_text shell = {0};
    adze_report_put(&shell, "'");
    for (size_t i = 0; i < value->size; i++)
        if (value->text[i] == '\'')
            adze_report_put(&shell, "'\\''");
        else
            adze_text_write(&shell, &value->text[i], 1);
    adze_report_put(&shell, "'");
    adze_report_escape(out, shell.data, shell.size, true, 0);
    adze_text_free(&shell);
}

static void flag(adze_text *out, const adze_report *r, const char *before, const char *key)
{
    const adze_json *value = adze_report_get(r->root, key);
    if (!value) return;
    adze_report_put(out, before);
    quoted(out, value);
}

/* The command as it was given where the report has it, else what runs the same passes. */
static void replay(adze_text *out, const adze_report *r)
{
    if (!adze_report_get(r->root, "pipeline") && !adze_report_get(r->root, "command")) return;
    adze_report_put(out, "<h3>To do it again</h3>\n<pre>");
    if (adze_report_get(r->root, "command")) {
        adze_report_words(out, r->root, "command");
    } else {
        flag(out, r, "adze compile ", "model");
        flag(out, r, " \\\n  --passes=", "pipeline");
        flag(out, r, " \\\n  --target=", "target");
        flag(out, r, " \\\n  -o ", "result");
    }
    adze_report_put(out, "</pre>\n");
}

static void fact(adze_text *out, const adze_json *object, const char *name, const char *key, bool number)
{
    if (!adze_report_get(object, key)) return;
    adze_text_append(out, "<dt>%s</dt><dd>", name);
    if (number)
        adze_report_field(out, object, key, adze_report_plain);
    else
        adze_report_words(out, object, key);
    adze_report_put(out, "</dd>\n");
}

static void times(adze_text *out, const adze_report *r)
{
    static const char *const names[] = {"Step", "#Seconds", NULL};
    const adze_json *step = adze_report_first(r->root, "seconds");
    double largest = largest_of(step, "seconds");
    if (!step) return;
    open_table(out, "Where the compression spent its time", "seconds");
    heads(out, names);
    for (; step; step = step->next) {
        adze_report_put(out, "<tr><th scope=\"row\">");
        adze_report_words(out, step, "step");
        adze_report_put(out, "</th>");
        bar_cell(out, step, "seconds", adze_report_seconds, largest);
        adze_report_put(out, "</tr>\n");
    }
    close_table(out);
}

void adze_report_origin(adze_text *out, const adze_report *r)
{
    const adze_json *samples = adze_report_get(r->root, "samples");
    adze_report_put(out, "<section><h2>How it was made</h2>\n");
    if (adze_report_get(r->root, "pipeline")) {
        adze_report_put(out, "<h3>Pipeline</h3>\n<pre>");
        adze_report_words(out, r->root, "pipeline");
        adze_report_put(out, "</pre>\n");
    }
    replay(out, r);
    adze_report_put(out, "<dl>\n");
    fact(out, r->root, "Model", "model", false);
    fact(out, r->root, "Result", "result", false);
    fact(out, r->root, "Target", "target", false);
    fact(out, r->root, "Processor", "cpu", false);
    fact(out, r->root, "Threads", "threads", true);
    fact(out, r->root, "Seed", "seed", true);
    fact(out, samples, "Samples for calibration", "calibration", true);
    fact(out, samples, "Samples held back", "held_back", true);
    if (adze_report_get(samples, "labels"))
        adze_text_append(out, "<dt>Labels</dt><dd>%s</dd>\n", adze_report_is_true(samples, "labels") ? "yes" : "no");
    fact(out, r->root, "Adze", "adze", false);
    fact(out, r->root, "Schema of the report", "schema", true);
    adze_report_put(out, "<dt>Report</dt><dd>");
    adze_report_escape(out, r->file, strlen(r->file), true, 0);
    adze_report_put(out, "</dd>\n</dl>\n");
    times(out, r);
    adze_report_put(out, "</section>\n");
}
