/* SparseGPT: removes weights column by column, later columns taking over what earlier ones gave.
 *
 * As in passes/quant/gptq.c over a factor of h = r r^T, r upper triangular: the error is the sum over columns i of
 * (sum_{j <= i} e_j r_ji)^2, e = out - w. Given the errors of the columns before it, column i is best
 * w_i - sum_{j < i} e_j r_ji / r_ii, and to make it 0 costs the square of that times r_ii^2. The paper divides by the
 * squared diagonal of the factor of the inverse, which is the same.
 */
#include "passes/prune/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128 };

typedef struct sparsegpt {
    prune_layer part;  /* the rows of one group */
    const double *r;   /* [cols][cols] */
    double *error;     /* [rows][cols] out - w */
    double *sum;       /* [rows][cols] over earlier columns of error r */
    double *now, *scores; /* [rows][cols]: weights as they would be best now; what it costs to remove them */
    bool *kept;
    double *out;
} sparsegpt;

/* What columns [at, at + width) of a row would be, and what each is worth. */
static void score_row(const sparsegpt *s, size_t row, size_t at, size_t width)
{
    size_t n = s->part.cols, first = row * n + at;
    double *now = s->now + first;
    memcpy(now, s->sum + first, width * sizeof *now);
    linalg_solve_upper(now, width, s->r + at * n + at, n, 1, width);
    for (size_t j = 0; j < width; j++) {
        double r = s->r[(at + j) * (n + 1)];
        now[j] = s->part.w[first + j] - now[j];
        s->scores[first + j] = s->part.h[(at + j) * (n + 1)] > 0 ? now[j] * now[j] * r * r : 0;
    }
}

/* The mask of columns [at, end) of all rows; `share` is that of these columns. */
static void choose_block(sparsegpt *s, size_t at, size_t end, double share)
{
    size_t n = s->part.cols, rows = s->part.rows, width = end - at;
    bool *kept = adze_malloc(rows * width * sizeof *kept);
    double *scores = adze_malloc(rows * width * sizeof *scores);
    for (size_t i = 0; i < rows; i++) {
        score_row(s, i, at, width);
        memcpy(kept + i * width, s->kept + i * n + at, width * sizeof *kept);
        memcpy(scores + i * width, s->scores + i * n + at, width * sizeof *scores);
    }
    prune_layer block = s->part;
    block.cols = width;
    prune_select(&block, scores, share, false, kept);
    for (size_t i = 0; i < rows; i++) memcpy(s->kept + i * n + at, kept + i * width, width * sizeof *kept);
    free(kept);
    free(scores);
}

/* Of n:m, which looks at the weights as they are when its m columns come. */
static void choose_row(sparsegpt *s, size_t row, size_t at)
{
    prune_layer few = s->part;
    few.rows = 1;
    few.cols = few.pattern.m;
    score_row(s, row, at, few.cols);
    prune_select(&few, s->scores + row * s->part.cols + at, 0, false, s->kept + row * s->part.cols + at);
}

static void remove_block(sparsegpt *s, size_t at, size_t end)
{
    size_t n = s->part.cols, m = s->part.pattern.m;
    for (size_t i = 0; i < s->part.rows; i++) {
        double *sum = s->sum + i * n, *error = s->error + i * n;
        for (size_t k = at; k < end; k++) {
            const double *r = s->r + k * n;
            if (m && k % m == 0) choose_row(s, i, k);
            double w = s->part.w[i * n + k], v = s->kept[i * n + k] ? w - sum[k] / r[k] : 0;
            s->out[i * n + k] = v;
            error[k] = v - w;
            for (size_t j = k; j < end; j++) sum[j] += error[k] * r[j];
        }
    }
}

static void remove_all(sparsegpt *s, double share)
{
    const prune_pattern *p = &s->part.pattern;
    size_t n = s->part.cols, unit = p->m ? p->m : p->cols, width = BLOCK / unit * unit;
    for (size_t at = 0, end; at < n; at = end) {
        end = n - at < width ? n : at + width;
        if (!p->m) choose_block(s, at, end, share);
        remove_block(s, at, end);
        linalg_gemm(s->sum + end, n, s->error + at, n, s->r + at * n + end, n, s->part.rows, n - end, end - at, 1);
    }
}

bool prune_sparsegpt(const prune_layer *layer, double share, bool *kept, double *out)
{
    size_t n = layer->cols, rows = layer->rows / layer->groups, count = rows * n;
    double *h = adze_malloc(2 * n * n * sizeof *h), *room = adze_malloc((4 * count + 1) * sizeof *room);
    bool ok = true;
    for (size_t g = 0; ok && g < layer->groups; g++) {
        sparsegpt s = {.part = *layer, .r = h + n * n, .kept = kept + g * count, .out = out + g * count};
        s.part.rows = rows;
        s.part.groups = 1;
        s.part.w = layer->w + g * count;
        s.part.h = layer->h + g * n * n;
        s.error = room;
        s.sum = room + count;
        s.now = room + 2 * count;
        s.scores = room + 3 * count;
        memset(s.sum, 0, count * sizeof *s.sum);
        ok = weight_damp(s.part.h, n, h, h + n * n);
        if (ok) remove_all(&s, share);
    }
    free(h);
    free(room);
    return ok;
}
