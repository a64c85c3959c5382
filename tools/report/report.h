/* What the parts of `adze report` share: a report that was read and checked, figures for people, the page. */
#ifndef ADZE_REPORT_H
#define ADZE_REPORT_H

#include "tools/json.h"

/* The number that `adze compress` writes as "schema". */
enum { ADZE_REPORT_SCHEMA = 1, ADZE_MAX_REPORTS = 6 };

/* `root` has been checked: each member that the schema names is of its kind, null or missing. */
typedef struct adze_report {
    const char *file;
    const adze_json *root;
} adze_report;

/* ---- schema.c ---- */

/* Reads the text of `file` and checks it; what `out` holds lives in the arena. False after one error. */
bool adze_report_read(adze_context *context, adze_arena *arena, const char *file, const char *text, size_t size,
                      adze_report *out);
/* Are they of one model? False after an error. */
bool adze_report_same_model(adze_context *context, const adze_report *reports, uint32_t n);

/* ---- Members: missing is as null (figures.c) ---- */

/* The member, or NULL where it is missing or null. */
const adze_json *adze_report_get(const adze_json *object, const char *key);
/* NaN where there is none. */
double adze_report_number(const adze_json *object, const char *key);
/* The first value of an array, NULL where there is none; go on with ->next. */
const adze_json *adze_report_first(const adze_json *object, const char *key);
bool adze_report_is_true(const adze_json *object, const char *key);
/* Why a figure is missing; a sentence of its own where the report does not say. */
const adze_json *adze_report_missing(const adze_report *report, const char *what);
/* before / after, NaN unless both are known and above 0. */
double adze_report_ratio(double before, double after);
/* The part of a path behind its last '/'. */
const char *adze_report_base(const char *path);

/* ---- Figures for people (figures.c) ---- */

/* Each appends a number with its unit; "–" where it is NaN. */
typedef void adze_report_figure(adze_text *out, double value);
adze_report_figure adze_report_bytes, adze_report_ms, adze_report_us, adze_report_mj, adze_report_db, adze_report_loss,
    adze_report_percent, adze_report_points, adze_report_plain, adze_report_times, adze_report_seconds,
    adze_report_bytes_short, adze_report_us_short;

/* That of what a goal bounds and reached: per cents where its text says so. */
adze_report_figure *adze_report_goal_figure(const adze_json *goal);

/* Appends text that came from a model: control characters, bytes that are no UTF-8 and marks that turn the direction of
 * writing become visible signs; with `html` also what means something to HTML. At most `limit` characters; 0 = all. */
void adze_report_escape(adze_text *out, const char *text, size_t size, bool html, size_t limit);
/* The same of a string value; "–" for NULL. */
void adze_report_string(adze_text *out, const adze_json *value, bool html, size_t limit);

/* ---- Forms ---- */

/* A table for the terminal (table.c). */
void adze_report_print(adze_text *out, const adze_report *reports, uint32_t n);
/* A page of HTML that needs nothing else (page.c). */
void adze_report_page(adze_text *out, const adze_report *reports, uint32_t n);

/* ---- Pieces of the page ---- */

void adze_report_put(adze_text *out, const char *html);
/* A number with its exact digits behind what is shown; `value` may be NULL. */
void adze_report_data(adze_text *out, const adze_json *value, adze_report_figure *figure);
/* The same of a member. */
void adze_report_field(adze_text *out, const adze_json *object, const char *key, adze_report_figure *figure);
/* Text of a member, escaped. */
void adze_report_words(adze_text *out, const adze_json *object, const char *key);
/* The top of a report: four figures, goals (cards.c). */
void adze_report_cards(adze_text *out, const adze_report *report);
/* Layers, what else they could have been, trials, how it was made (sections.c). */
void adze_report_layers(adze_text *out, const adze_report *report, uint32_t index);
void adze_report_trials(adze_text *out, const adze_report *report);
void adze_report_origin(adze_text *out, const adze_report *report);
/* Bars of the parts of the size (size.c). */
void adze_report_size(adze_text *out, const adze_report *report);
/* Loss against bytes and against time; the chosen points are marked (plot.c). */
void adze_report_plots(adze_text *out, const adze_report *reports, uint32_t n);

#endif
