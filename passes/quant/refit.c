/* Scales in closed form: the best ones for the codes that rounding has chosen.
 *
 * A row's weights are sum_g s_g c_g, c_g the codes of group g less their zero point and 0 elsewhere. Its error is a
 * square in s, so that the best s solves A s = b with A_gk = c_g h c_k^T and b_g = c_g h w^T.
 */
#include "passes/quant/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fit {
    size_t cols, groups, width;
    double *codes;         /* [cols] */
    double *a, *r, *b, *s; /* [groups][groups], its factor, [groups] */
} fit;

/* a and b of a row. */
static void equations(const fit *f, const double *h, const double *w)
{
    memset(f->a, 0, f->groups * f->groups * sizeof *f->a);
    memset(f->b, 0, f->groups * sizeof *f->b);
    for (size_t j = 0; j < f->cols; j++)
        for (size_t g = 0; g < f->groups; g++) {
            const double *row = h + j * f->cols;
            size_t from = g * f->width, end = f->cols - from < f->width ? f->cols : from + f->width;
            double sum = 0;
            for (size_t k = from; k < end; k++) sum += row[k] * f->codes[k];
            f->a[j / f->width * f->groups + g] += f->codes[j] * sum;
            f->b[g] += w[j] * sum;
        }
}

/* The error of a row, less that of no weights at all. */
static double error_of(const fit *f, const double *s)
{
    double error = 0;
    for (size_t g = 0; g < f->groups; g++) {
        for (size_t k = 0; k < f->groups; k++) error += s[g] * f->a[g * f->groups + k] * s[k];
        error -= 2 * f->b[g] * s[g];
    }
    return error;
}

/* Puts scales that the file can hold into f->s; false where there are none above 0, or they are not better. */
static bool solve(const fit *f, quant_grid grid, const quant_step *steps, double *before)
{
    size_t n = f->groups;
    memcpy(f->r, f->a, n * n * sizeof *f->r);
    for (size_t g = 0; g < n; g++) {
        before[g] = f->s[g] = steps[g].scale;
        if (f->a[g * n + g] > 0) continue;
        f->r[g * n + g] = 1; /* nothing but zeros: its scale stays */
    }
    for (size_t g = 0; g < n; g++)
        if (f->a[g * n + g] > 0) f->s[g] = f->b[g];
    if (!linalg_cholesky(f->r, n)) return false;
    linalg_solve(f->s, f->r, 1, n);
    for (size_t g = 0; g < n; g++) {
        if (!(f->s[g] > 1e-30) || !(f->s[g] < 1e30)) return false;
        f->s[g] = quant_storable(grid, f->s[g]);
    }
    return error_of(f, f->s) < error_of(f, before);
}

size_t quant_refit(const quant_layer *layer, quant_step *steps, double *out)
{
    size_t groups = quant_groups(layer), n = layer->cols, changed = 0;
    fit f = {.cols = n, .groups = groups, .width = layer->group ? layer->group : n};
    double *room = adze_malloc((n + 2 * groups * groups + 3 * groups) * sizeof *room), *before;
    f.codes = room;
    f.a = f.codes + n;
    f.r = f.a + groups * groups;
    f.b = f.r + groups * groups;
    f.s = f.b + groups;
    before = f.s + groups;
    for (size_t i = 0; i < layer->rows; i++) {
        quant_step *own = steps + i * groups;
        for (size_t j = 0; j < n; j++) f.codes[j] = rint(out[i * n + j] / own[j / f.width].scale);
        equations(&f, layer->h, layer->w + i * n);
        if (!solve(&f, layer->grid, own, before)) continue;
        for (size_t g = 0; g < groups; g++) own[g].scale = f.s[g];
        for (size_t j = 0; j < n; j++) out[i * n + j] = f.codes[j] * f.s[j / f.width];
        changed++;
    }
    free(room);
    return changed;
}
