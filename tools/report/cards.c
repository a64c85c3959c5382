/* The top of a report: accuracy, speed, memory, energy, and whether the goals held. */
#include "report.h"

#include <math.h>

/* What one card says; `big` has been written by the caller. */
static void open_card(adze_text *out, const char *id, const char *title)
{
    adze_text_append(out, "<li class=\"card\" data-card=\"%s\"><h3>%s</h3>\n", id, title);
}

static void close_card(adze_text *out) { adze_report_put(out, "</li>\n"); }

static void not_measured(adze_text *out, const adze_report *r, const char *what)
{
    adze_report_put(out, "<p class=\"big none\">not measured</p><p>");
    adze_report_string(out, adze_report_missing(r, what), true, 0);
    adze_report_put(out, "</p>");
}

static void from_to(adze_text *out, const adze_report *r, const char *what, const char *key, adze_report_figure *figure)
{
    adze_text_append(out, "<p>%s <span class=\"pair\">", what);
    adze_report_field(out, adze_report_get(r->root, "original"), key, figure);
    adze_report_put(out, " → ");
    adze_report_field(out, adze_report_get(r->root, "compressed"), key, figure);
    adze_report_put(out, "</span></p>");
}

static double ratio_of(const adze_report *r, const char *key)
{
    return adze_report_ratio(adze_report_number(adze_report_get(r->root, "original"), key),
                             adze_report_number(adze_report_get(r->root, "compressed"), key));
}

/* "2.31× faster"; what became worse says so. */
static void big_ratio(adze_text *out, double ratio, const char *better, const char *worse)
{
    adze_report_put(out, "<p class=\"big\">");
    if (isnan(ratio))
        adze_report_put(out, "–");
    else
        adze_text_append(out, "%.2f× <small>%s</small>", ratio >= 1 ? ratio : 1 / ratio, ratio >= 1 ? better : worse);
    adze_report_put(out, "</p>");
}

static bool has_either(const adze_report *r, const char *key)
{
    return adze_report_get(adze_report_get(r->root, "original"), key) ||
           adze_report_get(adze_report_get(r->root, "compressed"), key);
}

/* ---- Accuracy ---- */

/* A bar from `from` to `to` on a scale that the caller chose; the middle is a dot. */
static void whisker(adze_text *out, double low, double value, double high, double from, double to, const char *title)
{
    double scale = 200 / (to - from);
    double a = (low - from) * scale, b = (high - from) * scale, m = (value - from) * scale;
    adze_text_append(out,
                     "<svg class=\"whisker\" viewBox=\"-6 0 212 14\" role=\"img\"><title>%s</title>"
                     "<path class=\"rail\" d=\"M0 7H200M0 4V10M200 4V10\"/>"
                     "<path class=\"range\" d=\"M%.1f 7H%.1fM%.1f 3V11M%.1f 3V11\"/>"
                     "<circle class=\"dot\" cx=\"%.1f\" cy=\"7\" r=\"4\"/></svg>\n",
                     title, a, b, a, b, m);
}

static void agreement_whisker(adze_text *out, const adze_json *agreement)
{
    double low = adze_report_number(agreement, "low"), high = adze_report_number(agreement, "high");
    double value = adze_report_number(agreement, "value");
    if (isnan(low) || isnan(high) || low > value || high < value) return;
    double from = low - (1 - low) < 0 ? 0 : low - (1 - low);
    if (1 - from < 0.01) from = 0.99;
    whisker(out, low, value, high, from, 1, "The interval of the agreement; the right end is 100 %");
}

/* Around 0, which is the middle of the scale. */
static void accuracy_whisker(adze_text *out, const adze_json *accuracy)
{
    double low = adze_report_number(accuracy, "low"), high = adze_report_number(accuracy, "high");
    double value = adze_report_number(accuracy, "difference");
    if (isnan(low) || isnan(high) || isnan(value) || low > value || high < value) return;
    double reach = 1.25 * fmax(fabs(low), fabs(high));
    if (reach > 1e-12 && reach < 1e12)
        whisker(out, low, value, high, -reach, reach, "The interval of the difference; the middle is 0");
}

static void interval(adze_text *out, const adze_json *o, adze_report_figure *figure)
{
    if (adze_report_get(o, "low") && adze_report_get(o, "high")) {
        adze_report_put(out, "95 % interval ");
        adze_report_field(out, o, "low", figure);
        adze_report_put(out, " to ");
        adze_report_field(out, o, "high", figure);
    } else {
        adze_report_put(out, "no interval");
    }
    if (adze_report_get(o, "n")) {
        adze_report_put(out, ", ");
        adze_report_field(out, o, "n", adze_report_plain);
        adze_report_put(out, " samples");
    }
}

static void accuracy_card(adze_text *out, const adze_report *r, const adze_json *accuracy, const adze_json *agreement)
{
    const adze_json *original = adze_report_get(accuracy, "original");
    if (!original) original = adze_report_get(adze_report_get(r->root, "original"), "accuracy");
    double value = adze_report_number(accuracy, "value");
    bool share = value >= 0 && value <= 1 && !(original && original->number > 1);
    open_card(out, "accuracy", "Accuracy");
    adze_report_put(out, "<p class=\"big\">");
    adze_report_field(out, accuracy, "value", share ? adze_report_percent : adze_report_plain);
    adze_report_put(out, " <small>");
    adze_report_words(out, accuracy, "metric");
    adze_report_put(out, "</small></p>");
    accuracy_whisker(out, accuracy);
    adze_report_put(out, "<p>");
    adze_report_data(out, original, share ? adze_report_percent : adze_report_plain);
    adze_report_put(out, " before; difference ");
    adze_report_field(out, accuracy, "difference", share ? adze_report_points : adze_report_plain);
    adze_report_put(out, share ? " points, " : ", ");
    interval(out, accuracy, share ? adze_report_points : adze_report_plain);
    adze_report_put(out, "</p>");
    if (agreement) {
        adze_report_put(out, "<p>agreement ");
        adze_report_field(out, agreement, "value", adze_report_percent);
        adze_report_put(out, ", ");
        interval(out, agreement, adze_report_percent);
        adze_report_put(out, "</p>");
    }
    close_card(out);
}

static void agreement_card(adze_text *out, const adze_report *r, const adze_json *agreement)
{
    open_card(out, "accuracy", "Agreement with the original");
    if (agreement) {
        adze_report_put(out, "<p class=\"big\">");
        adze_report_field(out, agreement, "value", adze_report_percent);
        adze_report_put(out, "</p>");
        agreement_whisker(out, agreement);
        adze_report_put(out, "<p>");
        interval(out, agreement, adze_report_percent);
        adze_report_put(out, "</p><p>");
        if (adze_report_get(adze_report_get(r->root, "original"), "accuracy")) {
            adze_report_put(out, "accuracy of the original ");
            adze_report_field(out, adze_report_get(r->root, "original"), "accuracy", adze_report_plain);
            adze_report_put(out, "; ");
        }
        adze_report_put(out, "accuracy not measured: ");
        adze_report_string(out, adze_report_missing(r, "accuracy"), true, 0);
        adze_report_put(out, "</p>");
    } else {
        not_measured(out, r, "agreement");
    }
    close_card(out);
}

/* ---- The others ---- */

static void speed_card(adze_text *out, const adze_report *r)
{
    open_card(out, "speed", "Speed");
    if (has_either(r, "min_ms")) {
        big_ratio(out, ratio_of(r, "min_ms"), "faster", "slower");
        from_to(out, r, "fastest run", "min_ms", adze_report_ms);
        from_to(out, r, "median run", "median_ms", adze_report_ms);
    } else {
        not_measured(out, r, "time");
    }
    close_card(out);
}

static void memory_card(adze_text *out, const adze_report *r)
{
    open_card(out, "memory", "Memory");
    if (has_either(r, "bytes")) {
        big_ratio(out, ratio_of(r, "bytes"), "smaller", "larger");
        from_to(out, r, "file", "bytes", adze_report_bytes);
    } else {
        not_measured(out, r, "size");
    }
    if (has_either(r, "memory_bytes")) {
        from_to(out, r, "working memory", "memory_bytes", adze_report_bytes);
    } else {
        adze_report_put(out, "<p>working memory not measured: ");
        adze_report_string(out, adze_report_missing(r, "memory"), true, 0);
        adze_report_put(out, "</p>");
    }
    close_card(out);
}

static void energy_card(adze_text *out, const adze_report *r)
{
    open_card(out, "energy", "Energy");
    if (has_either(r, "energy_mj")) {
        big_ratio(out, ratio_of(r, "energy_mj"), "less", "more");
        from_to(out, r, "a run", "energy_mj", adze_report_mj);
        adze_report_put(out, "<p>of the whole processor package</p>");
    } else {
        not_measured(out, r, "energy");
    }
    close_card(out);
}

/* ---- Goals ---- */

static void goals(adze_text *out, const adze_report *r)
{
    const adze_json *goal = adze_report_first(r->root, "goal");
    if (!goal) {
        adze_report_put(out, "<p class=\"goals\">No goal was set.</p>\n");
        return;
    }
    adze_report_put(out, "<ul class=\"goals\">\n");
    for (; goal; goal = goal->next) {
        bool held = adze_report_is_true(goal, "held");
        adze_text_append(out, "<li class=\"%s\"><b>%s</b> <code>", held ? "held" : "missed",
                         held ? "✓ goal held" : "✗ goal missed");
        adze_report_words(out, goal, "text");
        adze_report_put(out, "</code> <span>reached ");
        adze_report_field(out, goal, "reached", adze_report_goal_figure(goal));
        if (adze_report_get(goal, "kind")) {
            adze_report_put(out, " (");
            adze_report_words(out, goal, "kind");
            adze_report_put(out, ", bound ");
            adze_report_field(out, goal, "bound", adze_report_goal_figure(goal));
            adze_report_put(out, ")");
        }
        adze_report_put(out, "</span></li>\n");
    }
    adze_report_put(out, "</ul>\n");
}

static void note(adze_text *out, const adze_json *compressed, const char *name, const char *key,
                 adze_report_figure *figure)
{
    if (!adze_report_get(compressed, key)) return;
    adze_text_append(out, "<li>%s ", name);
    adze_report_field(out, compressed, key, figure);
    adze_report_put(out, "</li>");
}

static void notes(adze_text *out, const adze_report *r)
{
    const adze_json *compressed = adze_report_get(r->root, "compressed");
    adze_report_put(out, "<ul class=\"note\">");
    note(out, compressed, "signal to noise of the outputs, dB:", "snr_db", adze_report_db);
    note(out, compressed, "Kullback–Leibler divergence:", "kl", adze_report_loss);
    if (has_either(r, "weight_bytes")) {
        adze_report_put(out, "<li>");
        from_to(out, r, "weights", "weight_bytes", adze_report_bytes);
        adze_report_put(out, "</li>");
    }
    adze_report_put(out, "</ul>\n");
}

void adze_report_cards(adze_text *out, const adze_report *r)
{
    const adze_json *compressed = adze_report_get(r->root, "compressed");
    const adze_json *accuracy = adze_report_get(compressed, "accuracy");
    const adze_json *agreement = adze_report_get(compressed, "agreement");
    adze_report_put(out, "<ul class=\"cards\">\n");
    if (accuracy)
        accuracy_card(out, r, accuracy, agreement);
    else
        agreement_card(out, r, agreement);
    speed_card(out, r);
    memory_card(out, r);
    energy_card(out, r);
    adze_report_put(out, "</ul>\n");
    goals(out, r);
    notes(out, r);
}
