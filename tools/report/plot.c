/* Loss against bytes and against time. The points of a report have a colour, its chosen one a diamond; the line joins
 * those that no other point beats. Losses that differ by orders of magnitude get a logarithmic axis, on which 0 is the
 * bottom. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 560, HEIGHT = 380, LEFT = 84, RIGHT = 28, TOP = 16, BOTTOM = 58, TICKS = 4, N_COLORS = 6 };

typedef struct axis {
    double low, high; /* of what is shown, for a logarithmic axis of the exponent */
    double least;     /* above 0; on a logarithmic axis 0 stands a step below it */
    bool log;
} axis;

typedef struct plot {
    const char *key; /* of the horizontal axis */
    adze_report_figure *figure;
    axis x, y;
} plot;

/* Both places are known, and differences between them are numbers. */
static bool is_shown(const adze_json *point, const char *key)
{
    return fabs(adze_report_number(point, key)) < 1e100 && fabs(adze_report_number(point, "loss")) < 1e100;
}

static void widen(axis *a, double value)
{
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
    if (value > 0) a->least = fmin(a->least, value);
}

/* A round step that gives about TICKS of them. */
static double step_of(const axis *a)
{
    double rough = (a->high - a->low) / (double)TICKS, power = pow(10, floor(log10(rough)));
    if (a->log) return fmax(1, round(rough));
    return rough / power < 1.5 ? power : rough / power < 3.5 ? 2 * power : rough / power < 7.5 ? 5 * power : 10 * power;
}

/* Chooses the kind and leaves some room around the values. */
static void settle(axis *a, bool may_log)
{
    a->log = may_log && a->low >= 0 && isfinite(a->least) && a->high / a->least > 30;
    if (a->log) {
        bool zero = a->low <= 0;
        a->high = log10(a->high) + 0.2;
        a->low = zero ? floor(log10(a->least)) - 1 : log10(a->least) - 0.2;
        return;
    }
    bool positive = a->low >= 0;
    double room = a->high > a->low ? 0.06 * (a->high - a->low) : a->high != 0 ? 0.1 * fabs(a->high) : 0.5;
    room = fmax(room, 1e-6 * fmax(fabs(a->low), fabs(a->high))); /* so that ticks differ */
    a->low -= room, a->high += room;
    if (positive && a->low < (a->high - a->low) / 4) a->low = 0;
}

static double place(const axis *a, double value, double from, double to)
{
    double at = a->log ? (value > 0 ? log10(value) : a->low) : value;
    return from + (to - from) * (at - a->low) / (a->high - a->low);
}

static double x_of(const plot *p, const adze_json *point)
{
    return place(&p->x, adze_report_number(point, p->key), LEFT, WIDTH - RIGHT);
}

static double y_of(const plot *p, const adze_json *point)
{
    return place(&p->y, adze_report_number(point, "loss"), HEIGHT - BOTTOM, TOP);
}

/* ---- Axes ---- */

/* Ticks at whole steps. */
static void x_axis(adze_text *out, const plot *p)
{
    double step = step_of(&p->x);
    for (double i = ceil(p->x.low / step); i * step <= p->x.high; i++) {
        double x = place(&p->x, i * step, LEFT, WIDTH - RIGHT);
        adze_text_append(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" class=\"mid\">", x,
                         TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 22);
        if (i == 0)
            adze_report_put(out, "0");
        else
            p->figure(out, i * step);
        adze_report_put(out, "</text>\n");
    }
}

static void y_axis(adze_text *out, const plot *p)
{
    double step = step_of(&p->y), height = HEIGHT - BOTTOM - TOP;
    for (double i = ceil(p->y.low / step); i * step <= p->y.high; i++) {
        double y = HEIGHT - BOTTOM - height * (i * step - p->y.low) / (p->y.high - p->y.low);
        bool zero = p->y.log ? pow(10, i * step) < p->y.least / 10 : i == 0;
        adze_text_append(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" class=\"end\">", LEFT,
                         y, WIDTH - RIGHT, LEFT - 8, y + 5);
        if (zero)
            adze_report_put(out, "0");
        else if (p->y.log && i * step < -2)
            adze_text_append(out, "1e%.0f", i * step);
        else
            adze_report_plain(out, p->y.log ? pow(10, i * step) : i * step);
        adze_report_put(out, "</text>\n");
    }
}

/* ---- Points ---- */

typedef struct spot {
    double x, y;
} spot;

/* From left to right, of one x the lowest first. */
static int by_place(const void *a, const void *b)
{
    const spot *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y < q->y) - (p->y > q->y);
}

/* The method that a point is of alone; NULL: all together. */
static const char *method_of(const adze_json *point)
{
    const adze_json *method = adze_report_get(point, "method");
    return method && method->kind == ADZE_JSON_STRING && *method->text ? method->text : NULL;
}

static bool is_of(const adze_json *point, const char *method)
{
    const char *is = method_of(point);
    return method ? is && !strcmp(is, method) : !is;
}

/* The line through the points of a method that are best at their place: to the right, ever less loss (larger y). */
static void frontier(adze_text *out, const plot *p, const adze_report *r, const char *method, uint32_t color)
{
    uint32_t n = 0, count = adze_report_get(r->root, "pareto") ? adze_report_get(r->root, "pareto")->count : 0;
    spot *at = adze_malloc((count + 1u) * sizeof *at);
    double best = -1;
    for (const adze_json *point = adze_report_first(r->root, "pareto"); point; point = point->next)
        if (is_shown(point, p->key) && is_of(point, method)) at[n++] = (spot){x_of(p, point), y_of(p, point)};
    qsort(at, n, sizeof *at, by_place);
    adze_text_append(out, "<path class=\"front%s s%u\" d=\"", method ? " alone" : "", color);
    for (uint32_t i = 0; i < n; i++) {
        if (at[i].y <= best) continue;
        adze_text_append(out, "%c%.1f %.1f", best < 0 ? 'M' : 'L', at[i].x, at[i].y);
        best = at[i].y;
    }
    adze_report_put(out, "\"/>\n");
    if (method && n) /* at its left end */
        adze_text_append(out, "<text class=\"alone\" x=\"%.1f\" y=\"%.1f\">%s alone</text>\n", at[0].x + 4,
                         at[0].y + 16, method);
    free(at);
}

/* Of each method alone. */
static void frontiers_alone(adze_text *out, const plot *p, const adze_report *r, uint32_t color)
{
    static const char *const methods[] = {"bits", "zeros", "factors", "channels"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        bool any = false;
        for (const adze_json *point = adze_report_first(r->root, "pareto"); point; point = point->next)
            any = any || is_of(point, methods[i]);
        if (any) frontier(out, p, r, methods[i], color);
    }
}

static void title(adze_text *out, const plot *p, const adze_json *point)
{
    adze_report_put(out, "<title>");
    if (adze_report_is_true(point, "chosen")) adze_report_put(out, "chosen: ");
    p->figure(out, adze_report_number(point, p->key));
    adze_report_put(out, ", loss ");
    adze_report_loss(out, adze_report_number(point, "loss"));
    adze_report_put(out, "</title>");
}

/* A diamond. Its label would lie on those of other reports, so it has one only where it is alone. */
static void draw_mark(adze_text *out, const plot *p, const adze_json *point, uint32_t color, bool label)
{
    double x = x_of(p, point), y = y_of(p, point);
    bool right = x > WIDTH - 160;
    adze_text_append(out, "<path class=\"mark s%u\" d=\"M%.1f %.1fl10 10l-10 10l-10 -10z\">", color, x, y - 10);
    title(out, p, point);
    adze_report_put(out, "</path>");
    if (label)
        adze_text_append(out, "<text class=\"chosen %s\" x=\"%.1f\" y=\"%.1f\">chosen</text>", right ? "end" : "start",
                         right ? x - 14 : x + 14, y - 10);
    adze_report_put(out, "\n");
}

static void draw_points(adze_text *out, const plot *p, const adze_report *r, uint32_t color)
{
    for (const adze_json *point = adze_report_first(r->root, "pareto"); point; point = point->next) {
        if (!is_shown(point, p->key) || method_of(point) || adze_report_is_true(point, "chosen")) continue;
        adze_text_append(out, "<circle class=\"point s%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\">", color, x_of(p, point),
                         y_of(p, point));
        title(out, p, point);
        adze_report_put(out, "</circle>\n");
    }
}

static void draw_marks(adze_text *out, const plot *p, const adze_report *r, uint32_t color, bool label)
{
    for (const adze_json *point = adze_report_first(r->root, "pareto"); point; point = point->next)
        if (is_shown(point, p->key) && adze_report_is_true(point, "chosen")) draw_mark(out, p, point, color, label);
}

static void draw(adze_text *out, plot *p, const char *name, const adze_report *reports, uint32_t n)
{
    settle(&p->x, false);
    settle(&p->y, true);
    adze_text_append(out,
                     "<figure><figcaption>Loss against %s</figcaption><svg class=\"plot\" viewBox=\"0 0 %d %d\" "
                     "role=\"img\"><title>Loss against %s, the chosen point marked</title>\n",
                     name, WIDTH, HEIGHT, name);
    x_axis(out, p);
    y_axis(out, p);
    adze_text_append(out, "<text class=\"mid name\" x=\"%d\" y=\"%d\">%s</text>", (LEFT + WIDTH - RIGHT) / 2,
                     HEIGHT - 8, name);
    adze_text_append(out, "<text class=\"mid name\" transform=\"translate(17 %d) rotate(-90)\">loss</text>\n",
                     (TOP + HEIGHT - BOTTOM) / 2);
    for (uint32_t i = 0; i < n; i++) frontier(out, p, &reports[i], NULL, i % N_COLORS);
    if (n == 1) frontiers_alone(out, p, reports, 0); /* those of several reports would hide each other */
    for (uint32_t i = 0; i < n; i++) draw_points(out, p, &reports[i], i % N_COLORS);
    for (uint32_t i = 0; i < n; i++) draw_marks(out, p, &reports[i], i % N_COLORS, n == 1);
    adze_report_put(out, "</svg></figure>\n");
}

/* How many points it has: it is drawn where there are two. */
static uint32_t measure(plot *p, const adze_report *reports, uint32_t n)
{
    uint32_t count = 0;
    p->x = p->y = (axis){.low = INFINITY, .high = -INFINITY, .least = INFINITY};
    for (uint32_t i = 0; i < n; i++)
        for (const adze_json *point = adze_report_first(reports[i].root, "pareto"); point; point = point->next) {
            if (!is_shown(point, p->key)) continue;
            widen(&p->x, adze_report_number(point, p->key));
            widen(&p->y, adze_report_number(point, "loss"));
            count++;
        }
    return count;
}

/* ---- Points as a table ---- */

static void points(adze_text *out, const adze_report *reports, uint32_t n)
{
    adze_report_put(out, "<details><summary>The points as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" "
                         "role=\"region\" aria-label=\"Points\"><table class=\"points\"><caption>Points</caption>\n"
                         "<thead><tr><th scope=\"col\">Report</th><th scope=\"col\">Method</th>"
                         "<th scope=\"col\" class=\"n\">Bytes</th>"
                         "<th scope=\"col\" class=\"n\">Time</th><th scope=\"col\" class=\"n\">Loss</th>"
                         "<th scope=\"col\">Chosen</th></tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < n; i++)
        for (const adze_json *p = adze_report_first(reports[i].root, "pareto"); p; p = p->next) {
            const char *name = adze_report_base(reports[i].file);
            adze_report_put(out, "<tr><td>");
            adze_report_escape(out, name, strlen(name), true, 0);
            const char *method = method_of(p) ? method_of(p) : "all";
            adze_report_put(out, "</td><td>");
            adze_report_escape(out, method, strlen(method), true, 0);
            adze_report_put(out, "</td><td class=\"n\">");
            adze_report_field(out, p, "bytes", adze_report_bytes);
            adze_report_put(out, "</td><td class=\"n\">");
            adze_report_field(out, p, "us", adze_report_us);
            adze_report_put(out, "</td><td class=\"n\">");
            adze_report_field(out, p, "loss", adze_report_loss);
            adze_report_put(out,
                            adze_report_is_true(p, "chosen") ? "</td><td>chosen</td></tr>\n" : "</td><td></td></tr>\n");
        }
    adze_report_put(out, "</tbody></table></div></details>\n");
}

static void key(adze_text *out, const adze_report *reports, uint32_t n)
{
    adze_report_put(out, "<ul class=\"key\">");
    for (uint32_t i = 0; i < n; i++) {
        const char *name = adze_report_base(reports[i].file);
        adze_text_append(out,
                         "<li><svg class=\"key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\">"
                         "<circle class=\"point s%u\" cx=\"5\" cy=\"5\" r=\"4.5\"/></svg>",
                         i % N_COLORS);
        adze_report_escape(out, name, strlen(name), true, 0);
        adze_report_put(out, "</li>");
    }
    adze_report_put(out, "</ul>\n");
}

void adze_report_plots(adze_text *out, const adze_report *reports, uint32_t n)
{
    plot bytes = {.key = "bytes", .figure = adze_report_bytes_short},
         time = {.key = "us", .figure = adze_report_us_short};
    uint32_t n_bytes = measure(&bytes, reports, n), n_times = measure(&time, reports, n);
    bool any = false;
    for (uint32_t i = 0; i < n; i++) any |= adze_report_first(reports[i].root, "pareto") != NULL;
    if (!any) return;
    adze_report_put(out,
                    "<section><h2>What else was possible</h2>\n<p>Each point is a plan; to the lower left is better. "
                    "The diamond is the plan that was taken; dashed lines are of one method alone.</p>\n");
    adze_report_put(out, n > 1 ? "<div class=\"split compared\">\n" : "<div class=\"split\">\n");
    if (n_bytes > 1) draw(out, &bytes, "size", reports, n);
    if (n_times > 1) draw(out, &time, "time", reports, n);
    adze_report_put(out, "</div>\n");
    if (n > 1) key(out, reports, n);
    points(out, reports, n);
    adze_report_put(out, "</section>\n");
}
