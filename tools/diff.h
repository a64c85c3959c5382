/* Differences between two texts, line by line (diff.c), and between a module before and after a pass (print_diff.c). */
#ifndef ADZE_DIFF_H
#define ADZE_DIFF_H

#include "command.h"

/* ---- Lines (diff.c) ---- */

typedef struct adze_line {
    const char *text; /* borrowed, without the line break */
    const char *key;  /* what is compared, ends in a zero byte */
    uint32_t size;    /* of text */
} adze_line;

typedef struct adze_lines {
    adze_line *items;
    uint32_t count;
} adze_lines;

/* match[i] is the line of `b` that line i of `a` became, -1 where it is gone; lines keep their order. What takes more
 * than a bounded number of steps to compare counts as replaced in whole. Source: Myers, An O(ND) Difference Algorithm
 * and Its Variations, Algorithmica 1, 1986. */
void adze_diff(const adze_lines *a, const adze_lines *b, int32_t *match);
/* Hunks of a unified diff with three lines of context, to stderr; `title` stands behind the place of each. */
void adze_diff_print(const adze_lines *a, const adze_lines *b, const int32_t *match, const char *title, bool color);

/* ---- Modules (print_diff.c) ---- */

/* What a module was when it was looked at last. */
typedef struct adze_snapshot adze_snapshot;
adze_snapshot *adze_snapshot_create(const adze_module *module);
/* Prints what the pass changed, function by function, and takes the module as it is now. Values without a name are
 * the same under another number. */
void adze_snapshot_print_diff(adze_snapshot **snapshot, const adze_module *module, const char *pass, bool color);
void adze_snapshot_destroy(adze_snapshot *snapshot);

#endif
