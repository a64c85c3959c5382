/* What the files of `adze opt` and `adze help` share. */
#ifndef ADZE_OPT_H
#define ADZE_OPT_H

#include "command.h"

/* ---- Lists, to stdout (opt_list.c) ---- */

/* Passes by purpose, with their options; "other" comes last. */
void adze_list_passes(const adze_registry *registry);
void adze_list_ops(const adze_context *context);
/* Rule sets; with `rules` the rules of each. */
void adze_list_rules(const adze_registry *registry, bool rules);
const char *adze_pass_purpose(const adze_pass *pass);
/* Runs the tests of all rules; the exit status. */
int adze_test_rules(const adze_registry *registry);

/* ---- Times of passes (opt_times.c) ---- */

/* Seconds by pass name, in the order of first use. */
typedef struct adze_timing {
    const char *names[256];
    double seconds[256];
    uint32_t runs[256], count;
} adze_timing;
void adze_timing_add(adze_timing *timing, const char *pass, double seconds);
void adze_timing_print(const adze_timing *timing);

/* ---- Graphs (opt_graph.c) ---- */

/* The name ends in .dot or .svg. */
bool adze_is_graph(const char *path);
/* Writes what adze_module_print_dot made; for a name in .svg, what Graphviz draws. Uses up the text. */
bool adze_write_graph(adze_work *work, const char *path, adze_text *text);

#endif
