/* Grids: which codes there are, and which numbers they stand for. */
#include "passes/quant/numerics.h"

#include <math.h>

quant_grid quant_grid_make(uint32_t bits, bool is_signed, bool symmetric)
{
    int32_t half = (int32_t)1 << (bits - 1);
    quant_grid grid = {.symmetric = symmetric, .is_signed = is_signed};
    grid.least = is_signed ? -half : 0;
    grid.greatest = is_signed ? half - 1 : 2 * half - 1;
    if (symmetric && bits >= 8) grid.least++;
    return grid;
}

double quant_storable(quant_grid grid, double scale)
{
    if (grid.half) {
        const double least = 0x1p-14, greatest = 65504;
        int exponent;
        double part = frexp(scale < least ? least : scale > greatest ? greatest : scale, &exponent);
        return ldexp(rint(ldexp(part, 11)), exponent - 11); /* 11 bits */
    }
    float f = (float)scale;
    return (double)(f < 1e-30f ? 1e-30f : f); /* normal, never 0 */
}

quant_step quant_step_of(quant_grid grid, double lo, double hi)
{
    lo = lo < 0 ? lo : 0;
    hi = hi > 0 ? hi : 0;
    int32_t middle = grid.is_signed ? 0 : (grid.greatest + 1) / 2;
    if (!(hi > lo) || !isfinite(hi - lo)) return (quant_step){1, grid.symmetric ? middle : grid.least};
    if (grid.symmetric) {
        double top = -lo > hi ? -lo : hi;
        return (quant_step){quant_storable(grid, top / (grid.greatest - middle)), middle};
    }
    double scale = quant_storable(grid, (hi - lo) / (grid.greatest - grid.least));
    double zero = rint(grid.least - lo / scale);
    zero = zero < grid.least ? grid.least : zero > grid.greatest ? grid.greatest : zero;
    return (quant_step){scale, (int32_t)zero};
}

int32_t quant_code(quant_grid grid, quant_step step, double x)
{
    double q = rint(x / step.scale) + step.zero;
    if (isnan(q)) return step.zero;
    return q < grid.least ? grid.least : q > grid.greatest ? grid.greatest : (int32_t)q;
}

double quant_round(quant_grid grid, quant_step step, double x)
{
    return (quant_code(grid, step, x) - step.zero) * step.scale;
}

double quant_scale_for_bias(double scale, double x_scale, double bias)
{
    double least = fabs(bias) / 1073741824.0 / x_scale; /* 2^30 */
    return scale >= least ? scale : quant_storable((quant_grid){0}, least * 1.000001);
}
