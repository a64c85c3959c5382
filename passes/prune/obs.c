/* Exact removal (optimal brain surgeon): which weight costs least, where the others go, again and again.
 *
 * To remove column j of a row whose other columns may move costs w_j^2 / g_jj, moves w by -w_j g_j,: / g_jj, and leaves
 * the inverse g - g_:,j g_j,: / g_jj over what is left: g is the inverse of h over the columns that are there. Units of
 * more columns go column by column, which comes to the same; their cost is w_B (g_BB)^-1 w_B^T. Rows that share a mask
 * share g.
 *
 * g is brought up to date for some removals at a time, which is a product of matrices. In between, the row that a
 * removal needs is made from it and the removals since; what units cost needs no more than the blocks of g on its
 * diagonal.
 */
#include "passes/prune/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, STRIP = 64 };

typedef struct band {
    size_t rows, width; /* of a unit */
    size_t m, n;        /* of m columns n stay; m = 0: no such rule */
    size_t n_here;      /* columns that are still here, units one behind the other; those removed since too */
    size_t n_pending, units;
    double *g;       /* [here][here] */
    double *pending; /* [BATCH][here]: rows of g over the root of their diagonal */
    double *turned;  /* [here][BATCH] */
    double *w;       /* [rows][here] */
    double *blocks;  /* [units here][width][width] of g, up to date */
    size_t *column;  /* [here] */
    bool *gone;      /* [units here] */
    size_t *left;    /* [cols / m] */
} band;

/* h^-1 of the damped h. */
bool prune_inverse(const double *h, size_t n, double *out)
{
    double *room = adze_malloc(2 * n * n * sizeof *room), *r = room + n * n;
    bool ok = weight_damp(h, n, room, r);
    memset(out, 0, n * n * sizeof *out);
    for (size_t j = 0; j < n; j++) out[j * (n + 1)] = 1;
    if (ok) linalg_solve(out, r, n, n);
    free(room);
    return ok;
}

/* ---- Bringing g up to date ---- */

/* g -= pending^T pending over what is left, by the upper triangle. */
static void subtract_pending(band *b, size_t n)
{
    for (size_t k = 0; k < b->n_pending; k++)
        for (size_t j = 0; j < n; j++) b->turned[j * BATCH + k] = b->pending[k * n + j];
    for (size_t j = 0; j < n; j += STRIP) {
        size_t width = n - j < STRIP ? n - j : STRIP;
        linalg_gemm(b->g + j, n, b->turned, BATCH, b->pending + j, n, j + width, width, b->n_pending, -1);
    }
    for (size_t i = 0; i < n; i += STRIP)
        for (size_t j = 0; j <= i; j += STRIP)
            for (size_t p = i; p < n && p < i + STRIP; p++)
                for (size_t q = j; q < p && q < j + STRIP; q++) b->g[p * n + q] = b->g[q * n + p];
}

/* Takes out the columns that are gone: all arrays close up. */
static void close_up(band *b, size_t *here)
{
    size_t old = b->n_here, n = 0, wide = b->width;
    for (size_t j = 0; j < old; j++)
        if (!b->gone[j / wide]) here[n++] = j;
    for (size_t i = 0; i < n; i++) /* the upper triangle; the lower one comes of it */
        for (size_t j = i; j < n; j++) b->g[i * n + j] = b->g[here[i] * old + here[j]];
    for (size_t k = 0; k < b->n_pending; k++)
        for (size_t j = 0; j < n; j++) b->pending[k * n + j] = b->pending[k * old + here[j]];
    for (size_t i = 0; i < b->rows; i++)
        for (size_t j = 0; j < n; j++) b->w[i * n + j] = b->w[i * old + here[j]];
    for (size_t j = 0; j < n; j++) b->column[j] = b->column[here[j]];
    for (size_t u = 0; u < n / wide; u++) {
        size_t from = here[u * wide] / wide;
        memmove(b->blocks + u * wide * wide, b->blocks + from * wide * wide, wide * wide * sizeof *b->blocks);
        b->gone[u] = false;
    }
    b->n_here = n;
    b->units = n / wide;
}

/* Arrays close up where enough has gone since: to move them costs more than to drag some columns along. */
static void flush(band *b, size_t *here)
{
    size_t gone = 0;
    for (size_t u = 0; u < b->units; u++) gone += b->gone[u];
    if (8 * gone >= b->units) close_up(b, here);
    subtract_pending(b, b->n_here);
    b->n_pending = 0;
}

/* ---- Removing ---- */

/* Removes one column; false where g has lost its definiteness. */
static bool remove_column(band *b, size_t j)
{
    size_t n = b->n_here, wide = b->width;
    double *v = b->pending + b->n_pending * n;
    memcpy(v, b->g + j * n, n * sizeof *v);
    for (size_t k = 0; k < b->n_pending; k++) {
        const double *p = b->pending + k * n;
        double x = p[j];
        for (size_t i = 0; i < n; i++) v[i] -= x * p[i];
    }
    if (!(v[j] > 0) || !isfinite(v[j])) return false;
    double scale = 1 / sqrt(v[j]);
    for (size_t i = 0; i < n; i++) v[i] *= scale;
    for (size_t r = 0; r < b->rows; r++) {
        double *w = b->w + r * n, x = w[j] * scale;
        for (size_t i = 0; i < n; i++) w[i] -= x * v[i];
        w[j] = 0;
    }
    if (wide == 1)
        for (size_t i = 0; i < n; i++) b->blocks[i] -= v[i] * v[i];
    else
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < wide; k++) b->blocks[i * wide + k] -= v[i] * v[i / wide * wide + k];
    b->n_pending++;
    return true;
}

/* tr(w_B (g_BB)^-1 w_B^T) over the band's rows. */
static double wide_cost(const band *b, size_t unit)
{
    double r[PRUNE_MAX_SIDE * PRUNE_MAX_SIDE], x[PRUNE_MAX_SIDE], sum = 0;
    size_t wide = b->width;
    memcpy(r, b->blocks + unit * wide * wide, wide * wide * sizeof *r);
    if (!linalg_cholesky(r, wide)) return INFINITY;
    for (size_t i = 0; i < b->rows; i++) {
        const double *w = b->w + i * b->n_here + unit * wide;
        memcpy(x, w, wide * sizeof *x);
        linalg_solve(x, r, 1, wide);
        for (size_t j = 0; j < wide; j++) sum += x[j] * w[j];
    }
    return sum;
}

static double cost(const band *b, size_t unit)
{
    if (b->width > 1) return wide_cost(b, unit);
    double sum = 0;
    for (size_t i = 0; i < b->rows; i++) {
        double w = b->w[i * b->n_here + unit];
        sum += w * w;
    }
    return sum / b->blocks[unit];
}

static bool may_go(const band *b, size_t unit)
{
    if (b->gone[unit]) return false;
    return !b->m || b->left[b->column[unit] / b->m] > b->n;
}

/* The unit that costs least; b->units where there is none. */
static size_t find_cheapest(const band *b, double *out_cost)
{
    size_t best = b->units;
    *out_cost = INFINITY;
    for (size_t u = 0; u < b->units; u++) {
        if (!may_go(b, u)) continue;
        double c = cost(b, u);
        if (best < b->units && !(c < *out_cost)) continue;
        best = u;
        *out_cost = c;
    }
    return best;
}

static bool remove_unit(band *b, size_t unit, size_t *here)
{
    bool ok = true;
    for (size_t j = 0; ok && j < b->width; j++) {
        if (b->n_pending == BATCH) {
            size_t before = b->column[unit * b->width];
            flush(b, here);
            for (unit = 0; b->column[unit * b->width] != before;) unit++;
        }
        ok = remove_column(b, unit * b->width + j);
    }
    b->gone[unit] = true;
    if (b->m) b->left[b->column[unit] / b->m]--;
    return ok;
}

/* ---- A row of blocks ---- */

static void start(band *b, const prune_layer *layer, const double *inverse, size_t number)
{
    size_t n = layer->cols, wide = b->width;
    b->n_here = n;
    b->units = n / wide;
    b->n_pending = 0;
    memcpy(b->g, inverse, n * n * sizeof *b->g);
    memcpy(b->w, layer->w + number * b->rows * n, b->rows * n * sizeof *b->w);
    for (size_t j = 0; j < n; j++) b->column[j] = j;
    for (size_t u = 0; u < b->units; u++) {
        b->gone[u] = false;
        for (size_t i = 0; i < wide * wide; i++)
            b->blocks[u * wide * wide + i] = inverse[(u * wide + i / wide) * n + u * wide + i % wide];
    }
    for (size_t k = 0; b->m && k < n / b->m; k++) b->left[k] = b->m;
}

/* Is a unit gone already, or was what it reads always 0? */
static bool goes_first(const prune_layer *layer, const double *h, const bool *kept, size_t unit)
{
    size_t wide = layer->pattern.cols;
    bool dead = true;
    for (size_t j = unit * wide; j < (unit + 1) * wide; j++) dead = dead && !(h[j * (layer->cols + 1)] > 0);
    return dead || !kept[unit * wide];
}

static size_t unit_at(const band *b, size_t column)
{
    size_t u = 0;
    while (b->column[u * b->width] != column) u++;
    return u;
}

/* Removes units of row of blocks `number` in the order of the method; kept is that of its first row. */
static bool trace_band(band *b, const prune_layer *layer, const double *h, const bool *kept, size_t number,
                       prune_trace *out, size_t *here)
{
    size_t at = number * out->units, n = 0, units = b->units, unit;
    bool ok = true;
    for (int pass = 0; pass < 2; pass++) /* what is gone, then what was always 0 */
        for (size_t u = 0; ok && u < units; u++) {
            bool gone = !kept[u * b->width];
            if (pass ? gone || !goes_first(layer, h, kept, u) : !gone) continue;
            unit = unit_at(b, u * b->width);
            if (!may_go(b, unit)) continue;
            ok = remove_unit(b, unit, here);
            out->order[at + n] = (uint32_t)u;
            out->loss[at + n++] = 0;
        }
    double loss;
    while (ok && (unit = find_cheapest(b, &loss)) < b->units) {
        size_t u = b->column[unit * b->width] / b->width;
        ok = isfinite(loss) && remove_unit(b, unit, here);
        out->order[at + n] = (uint32_t)u;
        out->loss[at + n++] = fmax(loss, 0);
    }
    out->length[number] = n;
    return ok;
}

/* Room for a band of the layer; free the first pointer of each kind. */
static band make_band(const prune_layer *layer, double **room, size_t **numbers)
{
    const prune_pattern *p = &layer->pattern;
    size_t n = layer->cols;
    band b = {.rows = p->rows, .width = p->cols, .m = p->m, .n = p->n};
    *room = adze_malloc((n * n + 2 * BATCH * n + p->rows * n + n * p->cols + 1) * sizeof **room);
    b.g = *room;
    b.pending = b.g + n * n;
    b.turned = b.pending + BATCH * n;
    b.w = b.turned + BATCH * n;
    b.blocks = b.w + p->rows * n;
    *numbers = adze_malloc((2 * n + 1) * sizeof **numbers);
    b.column = *numbers;
    b.left = b.column + n;
    b.gone = adze_malloc((n + 1) * sizeof *b.gone);
    return b;
}

bool prune_trace_make(const prune_layer *layer, const bool *kept, prune_trace *out)
{
    size_t n = layer->cols, rows = layer->pattern.rows, per_group = layer->rows / layer->groups / rows;
    *out = (prune_trace){.bands = layer->rows / rows, .units = n / layer->pattern.cols};
    out->order = adze_malloc((out->bands * out->units + 1) * sizeof *out->order);
    out->loss = adze_malloc((out->bands * out->units + 1) * sizeof *out->loss);
    out->length = adze_malloc((out->bands + 1) * sizeof *out->length);
    memset(out->loss, 0, out->bands * out->units * sizeof *out->loss);
    double *room, *inverse = adze_malloc(n * n * sizeof *inverse);
    size_t *numbers, *here = adze_malloc((n + 1) * sizeof *here);
    band b = make_band(layer, &room, &numbers);
    bool ok = true;
    for (size_t i = 0; ok && i < out->bands; i++) {
        const double *h = layer->h + i / per_group * n * n;
        if (i % per_group == 0) ok = prune_inverse(h, n, inverse);
        if (!ok) break;
        start(&b, layer, inverse, i);
        ok = trace_band(&b, layer, h, kept + i * rows * n, i, out, here);
    }
    free(room);
    free(inverse);
    free(numbers);
    free(here);
    free(b.gone);
    if (!ok) prune_trace_free(out);
    return ok;
}

void prune_trace_free(prune_trace *trace)
{
    free(trace->order);
    free(trace->loss);
    free(trace->length);
    *trace = (prune_trace){0};
}
