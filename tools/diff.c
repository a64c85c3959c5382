/* Differences between lines: which are the same, and the rest as hunks. */
#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1000, CONTEXT = 3 };

static bool same(const adze_lines *a, int64_t i, const adze_lines *b, int64_t k)
{
    return !strcmp(a->items[i].key, b->items[k].key);
}

/* The part of both texts that is left to compare: lines [from, a_end) of a and [from, b_end) of b. */
typedef struct middle {
    const adze_lines *a, *b;
    int64_t from, n, m; /* n lines of a, m of b */
    int64_t *reach;     /* row d, diagonal k: how far in a d steps come, at d*d + d + k */
    int64_t rows;
} middle;

static int64_t *at(middle *w, int64_t d, int64_t k) { return &w->reach[d * d + d + k]; }

/* The step that leads to diagonal k in d steps came from the diagonal above, by a line of b. */
static bool comes_down(middle *w, int64_t d, int64_t k)
{
    return k == -d || (k != d && *at(w, d - 1, k - 1) < *at(w, d - 1, k + 1));
}

static bool add_row(middle *w, int64_t d)
{
    if (d < w->rows) return true;
    int64_t rows = w->rows ? 2 * w->rows : 32;
    int64_t *reach = realloc(w->reach, (size_t)(rows * rows) * sizeof *reach);
    if (!reach) return false;
    w->reach = reach;
    w->rows = rows;
    return true;
}

/* The number of steps from one middle to the other; -1 = too many. */
static int64_t count_steps(middle *w)
{
    for (int64_t d = 0; d <= MAX_STEPS && add_row(w, d); d++) {
        for (int64_t k = -d; k <= d; k += 2) {
            int64_t x = !d ? 0 : comes_down(w, d, k) ? *at(w, d - 1, k + 1) : *at(w, d - 1, k - 1) + 1;
            while (x < w->n && x - k < w->m && same(w->a, w->from + x, w->b, w->from + x - k)) x++;
            *at(w, d, k) = x;
            if (x == w->n && x - k == w->m) return d;
        }
    }
    return -1;
}

/* Back from the end: the runs between steps are what stayed. */
static void keep_runs(middle *w, int64_t d, int32_t *match)
{
    int64_t x = w->n, y = w->m;
    for (; d >= 0; d--) {
        int64_t k = x - y, before = !d ? 0 : comes_down(w, d, k) ? k + 1 : k - 1;
        int64_t start = !d ? 0 : *at(w, d - 1, before);
        for (; x > start && y > start - before; x--, y--) match[w->from + x - 1] = (int32_t)(w->from + y - 1);
        x = start;
        y = start - before;
    }
}

void adze_diff(const adze_lines *a, const adze_lines *b, int32_t *match)
{
    uint32_t least = a->count < b->count ? a->count : b->count, head = 0, tail = 0;
    while (head < least && same(a, head, b, head)) head++;
    while (tail < least - head && same(a, a->count - 1 - tail, b, b->count - 1 - tail)) tail++;
    for (uint32_t i = 0; i < a->count; i++) {
        bool in_tail = i >= a->count - tail;
        match[i] = i < head ? (int32_t)i : in_tail ? (int32_t)(i + b->count - a->count) : -1;
    }
    middle w = {
        .a = a, .b = b, .from = head, .n = (int64_t)a->count - head - tail, .m = (int64_t)b->count - head - tail};
    int64_t steps = w.n && w.m ? count_steps(&w) : -1;
    if (steps >= 0) keep_runs(&w, steps, match);
    free(w.reach);
}

/* ---- Printing ---- */

typedef struct walk { /* one line of either text, or of both */
    uint32_t a, b;    /* where each text stands before it */
    char mark;
} walk;

/* The line at which both texts stand, by what becomes of it; 0 at the end. */
static char step(const adze_lines *a, const adze_lines *b, const int32_t *match, const walk *w)
{
    if (w->a < a->count && match[w->a] < 0) return '-';
    if (w->b < b->count && (w->a == a->count || (uint32_t)match[w->a] > w->b)) return '+';
    return w->a < a->count ? ' ' : '\0';
}

static void print_line(char mark, const adze_line *line, bool color)
{
    const char *start = !color || mark == ' ' ? "" : mark == '-' ? "\033[31m" : "\033[32m";
    fprintf(stderr, "%s%c%.*s%s\n", start, mark, (int)line->size, line->text, *start ? "\033[0m" : "");
}

/* Number of the first line and count, as a hunk's head has them. */
static void print_range(char mark, uint32_t from, uint32_t count)
{
    fprintf(stderr, "%c%u", mark, count ? from + 1 : from);
    if (count != 1) fprintf(stderr, ",%u", count);
}

static void print_hunk(const adze_lines *a, const adze_lines *b, const walk *from, const walk *to, const char *title,
                       bool color)
{
    fprintf(stderr, "%s@@ ", color ? "\033[36m" : "");
    print_range('-', from->a, to->a - from->a);
    fprintf(stderr, " ");
    print_range('+', from->b, to->b - from->b);
    fprintf(stderr, " @@%s %s\n", color ? "\033[0m" : "", title);
    for (const walk *w = from; w < to; w++)
        print_line(w->mark, w->mark == '-' ? &a->items[w->a] : &b->items[w->b], color);
}

void adze_diff_print(const adze_lines *a, const adze_lines *b, const int32_t *match, const char *title, bool color)
{
    walk *all = calloc((size_t)a->count + b->count + 1, sizeof *all), w = {0};
    uint32_t n = 0;
    while (all && (w.mark = step(a, b, match, &w)) != '\0') {
        all[n++] = w;
        w.a += w.mark != '+';
        w.b += w.mark != '-';
    }
    if (all) all[n] = w;
    for (uint32_t i = 0; all && i < n;) {
        if (all[i].mark == ' ') {
            i++;
            continue;
        }
        uint32_t from = i > CONTEXT ? i - CONTEXT : 0, last = i, to;
        for (i++; i < n && i - last <= 2 * CONTEXT; i++)
            if (all[i].mark != ' ') last = i;
        to = last + 1 + CONTEXT < n ? last + 1 + CONTEXT : n;
        print_hunk(a, b, &all[from], &all[to], title, color);
        i = to;
    }
    free(all);
}
