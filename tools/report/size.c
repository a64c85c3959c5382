/* The size by parts: stacked bars, before and after on one scale and after once more as wide as the figure, and the
 * figures in a table that is their key. */
#include "report.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 1000, HEIGHT = 120, BAR = 30, GAP = 15, N_COLORS = 6 };

static double total(const adze_json *parts, const char *key)
{
    double sum = 0;
    for (; parts; parts = parts->next) {
        double value = adze_report_number(parts, key);
        if (value > 0) sum += value;
    }
    return sum;
}

static void bar(adze_text *out, const adze_json *parts, const char *key, double scale, int y)
{
    double x = 0;
    int i = 0;
    for (; parts; parts = parts->next, i++) {
        double value = adze_report_number(parts, key), width = value > 0 ? value * scale : 0;
        if (width <= 0) continue;
        adze_text_append(out, "<rect class=\"c%d\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"><title>",
                         i % N_COLORS, x, y, width > 4 ? width - 2 : width, BAR);
        adze_report_words(out, parts, "part");
        adze_report_put(out, ": ");
        adze_report_bytes(out, value);
        adze_report_put(out, "</title></rect>\n");
        x += width;
    }
}

static void row(adze_text *out, const adze_json *part, int color)
{
    adze_text_append(out,
                     "<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\">"
                     "<rect class=\"c%d\" width=\"10\" height=\"10\"/></svg>",
                     color % N_COLORS);
    adze_report_words(out, part, "part");
    adze_report_put(out, "</th><td class=\"n\">");
    adze_report_field(out, part, "before", adze_report_bytes);
    adze_report_put(out, "</td><td class=\"n\">");
    adze_report_field(out, part, "after", adze_report_bytes);
    adze_report_put(out, "</td></tr>\n");
}

static void key(adze_text *out, const adze_json *parts, double before, double after)
{
    adze_report_put(out,
                    "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Size by parts\"><table "
                    "class=\"parts\"><caption>Size by parts</caption>\n<thead><tr><th scope=\"col\">Part</th>"
                    "<th scope=\"col\" class=\"n\">Before</th><th scope=\"col\" class=\"n\">After</th></tr></thead>\n"
                    "<tbody>\n");
    int i = 0;
    for (const adze_json *p = parts; p; p = p->next) row(out, p, i++);
    adze_report_put(out, "</tbody>\n<tfoot><tr><th scope=\"row\">All</th><td class=\"n\">");
    adze_report_bytes(out, before);
    adze_report_put(out, "</td><td class=\"n\">");
    adze_report_bytes(out, after);
    adze_report_put(out, "</td></tr></tfoot></table></div>\n");
}

void adze_report_size(adze_text *out, const adze_report *r)
{
    const adze_json *parts = adze_report_first(r->root, "size");
    double before = total(parts, "before"), after = total(parts, "after"), largest = fmax(before, after);
    const double width = WIDTH;
    if (!parts) return;
    adze_report_put(out, "<section><h2>Size</h2>\n<div class=\"split\">\n<figure>");
    if (largest > 0) {
        adze_text_append(out,
                         "<div class=\"bars\"><span>before</span><span>after</span><span>after, enlarged</span><svg "
                         "class=\"size\" viewBox=\"0 0 %d %d\" "
                         "preserveAspectRatio=\"none\" role=\"img\"><title>Size by parts, before and after</title>\n",
                         WIDTH, HEIGHT);
        bar(out, parts, "before", width / largest, 0);
        bar(out, parts, "after", width / largest, BAR + GAP);
        if (after > 0) bar(out, parts, "after", width / after, 2 * (BAR + GAP));
        adze_report_put(out, "</svg></div>");
    }
    adze_report_put(out, "</figure>\n");
    key(out, parts, before, after);
    adze_report_put(out, "</div></section>\n");
}
