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
    int64_t *order; /* candidates, best first; then the chosen ones in front */
    int64_t *spare;
    box *box;
} task;

/* Best scores first, of equal ones the first box; stable merging. */
static int64_t sort_candidates(task *t, int64_t row)
{
    int64_t count = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (!t->bounded || ev_get_f64(t->scores, row + i) > t->least) t->order[count++] = i;
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 0; low < count; low += 2 * width) {
            int64_t mid = ev_min(low + width, count), high = ev_min(low + 2 * width, count), a = low, b = mid;
            for (int64_t k = low; k < high; k++) {
                bool left = a < mid;
                if (left && b < high)
                    left = !(ev_get_f64(t->scores, row + t->order[a]) < ev_get_f64(t->scores, row + t->order[b]));
                t->spare[k] = left ? t->order[a++] : t->order[b++];
            }
        }
        memcpy(t->order, t->spare, (size_t)count * sizeof *t->order);
    }
    return count;
}

/* The boxes that stay, of one batch and class, in t->order; how many. */
static int64_t choose(task *t, int64_t batch, int64_t row)
{
    int64_t count = sort_candidates(t, row), chosen = 0;
    for (int64_t i = 0; i < t->n; i++) t->box[i] = read_box(t->boxes, batch * t->n + i, t->centre);
    for (int64_t i = 0; i < count && chosen < t->limit; i++) {
        bool stays = true;
        for (int64_t k = 0; k < chosen && stays; k++)
            stays = !(overlap(&t->box[t->order[i]], &t->box[t->order[k]]) > t->overlap);
        if (stays) t->order[chosen++] = t->order[i];
    }
    return chosen;
}

/* Writes the chosen boxes to `out`, or counts them where it is NULL. */
static int64_t walk(task *t, int64_t batches, int64_t classes, int64_t *out)
{
    int64_t total = 0;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t c = 0; c < classes; c++) {
            int64_t chosen = choose(t, b, (b * classes + c) * t->n);
            for (int64_t i = 0; i < chosen && out; i++) {
                out[3 * (total + i)] = b;
                out[3 * (total + i) + 1] = c;
                out[3 * (total + i) + 2] = t->order[i];
            }
            total += chosen;
        }
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
    t.order = ev_scratch(env, (uint64_t)t.n, sizeof *t.order);
    t.spare = ev_scratch(env, (uint64_t)t.n, sizeof *t.spare);
    t.box = ev_scratch(env, (uint64_t)t.n, sizeof *t.box);
    if (!t.order || !t.spare || !t.box) return ev_no_memory(env);
    int64_t dims[2] = {walk(&t, in[1].dims[0], in[1].dims[1], NULL), 3};
    status = ev_result(env, out, ADZE_DTYPE_i64, 2, dims);
    if (status == ADZE_OK && dims[0]) walk(&t, in[1].dims[0], in[1].dims[1], out->data);
    return status;
}
