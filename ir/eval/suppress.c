/* non_max_suppression: of boxes that overlap too much, the one with the best score. Per batch and class; in f64. */
#include "convert.h"

typedef struct box {
    double low[2], high[2]; /* y, x */
} box;

/* Corners in any order, or centre and size: x, y, width, height. */
static box read_box(const adze_value *boxes, int64_t index, bool centre)
{
    double v[4];
    box b;
    ev_load_f64(boxes->dtype, boxes->data, index * 4, 1, 4, v);
    for (uint32_t i = 0; i < 2; i++) {
        double p = centre ? v[1 - i] - v[3 - i] / 2 : v[i], q = centre ? v[1 - i] + v[3 - i] / 2 : v[2 + i];
        b.low[i] = p < q || centre ? p : q;
        b.high[i] = p < q || centre ? q : p;
    }
    return b;
}

static double area(const box *b)
{
    return (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]);
}

/* Intersection over union; 0 where either box has no area. */
static double overlap(const box *a, const box *b)
{
    box common;
    for (uint32_t i = 0; i < 2; i++) {
        common.low[i] = a->low[i] > b->low[i] ? a->low[i] : b->low[i];
        common.high[i] = a->high[i] < b->high[i] ? a->high[i] : b->high[i];
        if (!(common.high[i] > common.low[i])) return 0;
    }
    double shared = area(&common), whole = area(a) + area(b) - shared;
    return area(a) > 0 && area(b) > 0 && whole > 0 ? shared / whole : 0;
}

/* The operand's one number as a double, `usual` where it is absent or empty. */
static adze_status number(const adze_env *env, const adze_value *in, uint32_t n_in, uint32_t index, double usual,
                          double *out)
{
    *out = usual;
    if (!ev_has(in, n_in, index) || adze_value_count(&in[index]) == 0) return ADZE_OK;
    if (adze_value_count(&in[index]) != 1 || !ev_is_number(in[index].dtype))
        return ev_fail(env, ADZE_ERR_VALUE, "non_max_suppression: a bound is not one number");
    *out = ev_get_f64(&in[index], 0);
    return ADZE_OK;
}

typedef struct task {
    const adze_value *boxes, *scores;
    bool centre, bounded;
    double least, overlap;
    int64_t limit, n;
    int64_t *heap, *chosen; /* candidates; of one class those that stay, best first */
    double *score;
    box *box, *kept; /* all of a batch; those that stay */
} task;

/* Best scores first, of equal ones the first box; NaN last. */
static bool is_before(const task *t, int64_t a, int64_t b)
{
    double x = t->score[a], y = t->score[b];
    if (x != x || y != y) return x == x || (y != y && a < b);
    return x > y || (x == y && a < b);
}

/* Moves the entry at `at` down to its place. */
static void sift(task *t, int64_t at, int64_t count)
{
    int64_t moved = t->heap[at];
    for (int64_t below; (below = 2 * at + 1) < count; at = below) {
        if (below + 1 < count && is_before(t, t->heap[below + 1], t->heap[below])) below++;
        if (!is_before(t, t->heap[below], moved)) break;
        t->heap[at] = t->heap[below];
    }
    t->heap[at] = moved;
}

/* The candidates of a batch and class as a heap: only as many are put in order as are looked at. */
static int64_t find_candidates(task *t, int64_t row)
{
    int64_t count = 0;
    ev_load_f64(t->scores->dtype, t->scores->data, row, 1, t->n, t->score);
    for (int64_t i = 0; i < t->n; i++) {
        t->heap[count] = i;
        count += !t->bounded || t->score[i] > t->least;
    }
    for (int64_t i = count / 2; i-- > 0;) sift(t, i, count);
    return count;
}

/* The boxes that stay, of one class, in t->chosen; how many. */
static int64_t choose(task *t, int64_t row)
{
    int64_t chosen = 0;
    for (int64_t count = find_candidates(t, row); count > 0 && chosen < t->limit;) {
        int64_t best = t->heap[0];
        const box *b = &t->box[best];
        bool stays = true;
        for (int64_t k = 0; k < chosen && stays; k++) stays = !(overlap(b, &t->kept[k]) > t->overlap);
        t->kept[chosen] = *b;
        t->chosen[chosen] = best;
        chosen += stays;
        t->heap[0] = t->heap[--count];
        sift(t, 0, count);
    }
    return chosen;
}

/* The chosen boxes of all batches and classes in t->chosen, one class after another, and how many of each. */
static int64_t walk(task *t, int64_t batches, int64_t classes, int64_t *counts)
{
    int64_t total = 0;
    for (int64_t b = 0; b < batches; b++) {
        for (int64_t i = 0; i < t->n; i++) t->box[i] = read_box(t->boxes, b * t->n + i, t->centre);
        for (int64_t c = 0; c < classes; c++) {
            int64_t chosen = choose(t, (b * classes + c) * t->n);
            counts[b * classes + c] = chosen;
            t->chosen += chosen;
            total += chosen;
        }
    }
    t->chosen -= total;
    return total;
}

adze_status eval_non_max_suppression(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                     uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_non_max_suppression_attrs *a = attrs;
    if (in[0].rank != 3 || in[1].rank != 3 || in[0].dims[2] != 4 || in[0].dims[0] != in[1].dims[0] ||
        in[0].dims[1] != in[1].dims[2])
        return ev_fail(env, ADZE_ERR_DIM, "non_max_suppression: boxes and scores do not fit");
    if (!ev_is_float(in[0].dtype) || !ev_is_float(in[1].dtype)) return ev_bad_dtype(env);
    task t = {.boxes = &in[0], .scores = &in[1], .centre = a->center_point_box != 0, .n = in[0].dims[1],
              .bounded = ev_has(in, n_in, 4) && adze_value_count(&in[4]) > 0};
    double limit;
    adze_status status = number(env, in, n_in, 2, 0, &limit);
    if (status == ADZE_OK) status = number(env, in, n_in, 3, 0, &t.overlap);
    if (status == ADZE_OK) status = number(env, in, n_in, 4, 0, &t.least);
    if (status != ADZE_OK) return status;
    t.limit = limit > 0 ? (limit < 0x1p62 ? (int64_t)limit : t.n) : 0;
    int64_t classes = in[1].dims[1], rows = in[1].dims[0] * classes, most = ev_min(t.limit, t.n), at = 0;
    t.heap = ev_scratch(env, (uint64_t)t.n, sizeof *t.heap);
    t.score = ev_scratch(env, (uint64_t)t.n, sizeof *t.score);
    t.box = ev_scratch(env, (uint64_t)t.n, sizeof *t.box);
    t.kept = ev_scratch(env, (uint64_t)t.n, sizeof *t.kept);
    t.chosen = ev_scratch(env, (uint64_t)rows, (uint64_t)(most + 1) * sizeof *t.chosen);
    int64_t *counts = ev_scratch(env, (uint64_t)rows, sizeof *counts);
    if (!t.heap || !t.score || !t.box || !t.kept || !t.chosen || !counts) return ev_no_memory(env);
    int64_t dims[2] = {walk(&t, in[1].dims[0], classes, counts), 3};
    status = ev_result(env, out, ADZE_DTYPE_i64, 2, dims);
    int64_t *to = status == ADZE_OK ? out->data : NULL;
    for (int64_t row = 0; to && row < rows; row++)
        for (int64_t i = 0; i < counts[row]; i++, at++) {
            to[3 * at] = row / classes;
            to[3 * at + 1] = row % classes;
            to[3 * at + 2] = t.chosen[at];
        }
    return status;
}
