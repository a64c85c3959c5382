/* Scores of units, and least squares without them. */
#include "passes/prune/channels/scores.h"
#include "passes/weights/linalg.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Filters alone ---- */

void score_l1(const double *values, size_t units, size_t n, double *out)
{
    for (size_t u = 0; u < units; u++) {
        out[u] = 0;
        for (size_t i = 0; i < n; i++) out[u] += fabs(values[u * n + i]);
    }
}

void score_l2(const double *values, size_t units, size_t n, double *out)
{
    for (size_t u = 0; u < units; u++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += values[u * n + i] * values[u * n + i];
        out[u] = sqrt(sum);
    }
}

void score_geomean(const double *values, size_t units, size_t n, double *out)
{
    for (size_t u = 0; u < units; u++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += log(fabs(values[u * n + i]) + 1e-12);
        out[u] = n ? exp(sum / (double)n) : 0;
    }
}

void score_geomedian(const double *values, size_t units, size_t n, double *out)
{
    memset(out, 0, units * sizeof *out);
    for (size_t u = 0; u < units; u++)
        for (size_t v = 0; v < u; v++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) {
                double d = values[u * n + i] - values[v * n + i];
                sum += d * d;
            }
            out[u] += sqrt(sum);
            out[v] += sqrt(sum);
        }
}

/* ---- Consumers ---- */

void score_activation(const score_consumer *c, double scale, double *out)
{
    for (size_t u = 0; u < c->units; u++)
        for (size_t k = 0; k < c->per_unit; k++) {
            size_t j = c->columns[u * c->per_unit + k];
            double sum = 0;
            for (size_t m = 0; m < c->rows; m++) sum += c->w[m * c->cols + j] * c->w[m * c->cols + j];
            out[u] += scale * sum * c->h[j * c->cols + j];
        }
}

void score_products(const score_consumer *consumer, double scale, double *c)
{
    size_t cols = consumer->cols, rows = consumer->rows, count = consumer->units * consumer->per_unit;
    double *turned = adze_malloc(cols * rows * sizeof *turned), *ww = adze_malloc(cols * cols * sizeof *ww);
    for (size_t m = 0; m < rows; m++)
        for (size_t j = 0; j < cols; j++) turned[j * rows + m] = consumer->w[m * cols + j];
    memset(ww, 0, cols * cols * sizeof *ww);
    linalg_gemm(ww, cols, turned, rows, consumer->w, cols, cols, cols, rows, 1);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            size_t i = consumer->columns[a], j = consumer->columns[b];
            c[a / consumer->per_unit * consumer->units + b / consumer->per_unit] +=
                scale * ww[i * cols + j] * consumer->h[i * cols + j];
        }
    free(turned);
    free(ww);
}

void score_thinet(double *c, size_t units, uint32_t *order, double *loss)
{
    double *with = adze_malloc(units * sizeof *with), total = 0; /* twice the products with what has gone */
    bool *gone = adze_malloc(units * sizeof *gone);
    for (size_t u = 0; u < units; u++) with[u] = 0, gone[u] = false;
    for (size_t k = 0; k < units; k++) {
        size_t best = units;
        for (size_t u = 0; u < units; u++)
            if (!gone[u] && (best == units || c[u * units + u] + with[u] < c[best * units + best] + with[best]))
                best = u;
        total += c[best * units + best] + with[best];
        gone[best] = true;
        order[k] = (uint32_t)best;
        loss[k] = total;
        for (size_t u = 0; u < units; u++) with[u] += 2 * c[u * units + best];
    }
    free(with);
    free(gone);
}

bool score_invert(double *h, size_t n, double damp)
{
    double mean = 0, *r = adze_malloc(n * n * sizeof *r);
    for (size_t i = 0; i < n; i++) mean += h[i * n + i] / (double)n;
    if (!(mean > 0)) mean = 1;
    bool ok = linalg_cholesky_damped(h, n, mean, &damp, 10, 6, r);
    if (ok) {
        memset(h, 0, n * n * sizeof *h);
        for (size_t i = 0; i < n; i++) h[i * n + i] = 1;
        linalg_solve(h, r, n, n);
    }
    free(r);
    return ok;
}

/* The block of the inverse that belongs to n columns, factored; a block that is not positive any more gets its diagonal
 * raised. */
static void factor_block(const score_consumer *c, const uint32_t *at, size_t n, double *block)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, c->h[at[i] * c->cols + at[i]]);
    for (double raise = 1e-12;; raise *= 100) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                block[i * n + j] = c->h[at[i] * c->cols + at[j]] + (i == j ? raise * (most > 0 ? most : 1) : 0);
        if (linalg_cholesky(block, n) || raise > 1e6) return;
    }
}

double score_obs_cost(const score_consumer *c, size_t unit, double *room)
{
    size_t n = c->per_unit;
    const uint32_t *at = c->columns + unit * n;
    double *block = room, *row = room + n * n, sum = 0;
    factor_block(c, at, n, block);
    /* |x|^2 with x = w_g r^-T, where h^-1_gg = r r^T. */
    for (size_t m = 0; m < c->rows; m++) {
        for (size_t j = n; j-- > 0;) {
            double s = c->w[m * c->cols + at[j]];
            for (size_t k = j + 1; k < n; k++) s -= row[k] * block[j * n + k];
            row[j] = s / block[j * n + j];
            sum += row[j] * row[j];
        }
    }
    return sum;
}

void score_obs_remove(score_consumer *c, const uint32_t *units, size_t n_units)
{
    size_t n = n_units * c->per_unit, cols = c->cols, most = c->rows > cols ? c->rows : cols;
    uint32_t *at = adze_malloc((n + 1) * sizeof *at);
    double *block = adze_malloc(n * n * sizeof *block), *strip = adze_malloc(n * cols * sizeof *strip);
    double *left = adze_malloc(most * n * sizeof *left);
    for (size_t i = 0; i < n; i++) at[i] = c->columns[units[i / c->per_unit] * c->per_unit + i % c->per_unit];
    factor_block(c, at, n, block);
    for (size_t i = 0; i < n; i++) memcpy(strip + i * cols, c->h + at[i] * cols, cols * sizeof *strip);
    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n; i++) left[m * n + i] = c->w[m * cols + at[i]];
    linalg_solve(left, block, c->rows, n);
    linalg_gemm(c->w, cols, left, n, strip, cols, c->rows, cols, n, -1);
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < n; i++) left[j * n + i] = strip[i * cols + j];
    linalg_solve(left, block, cols, n);
    linalg_gemm(c->h, cols, left, n, strip, cols, cols, cols, n, -1);
    for (size_t i = 0; i < n; i++) {
        for (size_t m = 0; m < c->rows; m++) c->w[m * cols + at[i]] = 0;
        for (size_t j = 0; j < cols; j++) c->h[at[i] * cols + j] = c->h[j * cols + at[i]] = 0;
    }
    free(at);
    free(block);
    free(strip);
    free(left);
}

/* The next `n` units by present costs, into order and loss from k on. */
static void take_least(const double *cost, bool *gone, size_t units, size_t k, size_t n, uint32_t *order, double *loss)
{
    for (size_t i = k; i < k + n; i++) {
        size_t best = units;
        for (size_t u = 0; u < units; u++)
            if (!gone[u] && (best == units || cost[u] < cost[best])) best = u;
        gone[best] = true;
        order[i] = (uint32_t)best;
        loss[i] = cost[best] + (i ? loss[i - 1] : 0);
    }
}

void score_obs(score_consumer *consumers, size_t n, const double *scale, size_t steps, uint32_t *order, double *loss)
{
    enum { TURNS = 128 };
    size_t units = n ? consumers[0].units : 0, widest = 0, batch = units < TURNS ? 1 : units / TURNS;
    for (size_t i = 0; i < n; i++)
        if (consumers[i].per_unit > widest) widest = consumers[i].per_unit;
    double *room = adze_malloc((widest * (widest + 1) + 1) * sizeof *room);
    double *cost = adze_malloc((units + 1) * sizeof *cost);
    bool *gone = adze_malloc(units + 1);
    memset(gone, 0, units + 1);
    if (steps > units) steps = units;
    for (size_t k = 0; k < steps; k += batch) {
        size_t now = steps - k < batch ? steps - k : batch;
        for (size_t u = 0; u < units; u++) {
            cost[u] = 0;
            for (size_t i = 0; i < n && !gone[u]; i++) cost[u] += scale[i] * score_obs_cost(&consumers[i], u, room);
        }
        take_least(cost, gone, units, k, now, order, loss);
        for (size_t i = 0; i < n && k + now < steps; i++) score_obs_remove(&consumers[i], order + k, now);
    }
    for (size_t u = 0, k = steps; u < units; u++)
        if (!gone[u]) order[k] = (uint32_t)u, loss[k++] = INFINITY;
    free(room);
    free(cost);
    free(gone);
}

bool score_refit(const double *b, const double *h, const double *w, const bool *gone, size_t rows, size_t cols,
                 double eps, double *out)
{
    size_t n = 0, *kept = adze_malloc((cols + 1) * sizeof *kept);
    for (size_t j = 0; j < cols; j++)
        if (!gone[j]) kept[n++] = j;
    double *r = adze_malloc((n * n + 1) * sizeof *r), *x = adze_malloc((rows * n + 1) * sizeof *x), mean = 0;
    for (size_t i = 0; i < n; i++) mean += h[kept[i] * cols + kept[i]] / (double)n;
    if (!(mean > 0)) mean = 1;
    bool ok = !n;
    for (int times = 0; times < 8 && !ok; times++, eps *= 10) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) r[i * n + j] = h[kept[i] * cols + kept[j]] + (i == j ? eps * mean : 0);
        ok = linalg_cholesky(r, n);
    }
    eps *= mean / 10; /* as it was in the last round */
    for (size_t m = 0; ok && m < rows; m++)
        for (size_t i = 0; i < n; i++) x[m * n + i] = b[m * cols + kept[i]] + eps * w[m * cols + kept[i]];
    if (ok) linalg_solve(x, r, rows, n);
    memset(out, 0, rows * cols * sizeof *out);
    for (size_t m = 0; ok && m < rows; m++)
        for (size_t i = 0; i < n; i++) {
            out[m * cols + kept[i]] = x[m * n + i];
            ok = ok && isfinite(x[m * n + i]);
        }
    free(kept);
    free(r);
    free(x);
    return ok;
}
