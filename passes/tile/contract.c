/* tile: a contraction with constant weights (matmul, gemm, conv) and the elementwise ops that follow it.
 *
 * The weights are packed into panels of 16 columns when the artifact is written. Chunks are blocks of tiles
 * that keep their input in the L2 cache, or groups of panels where the weights are the larger part.
 */
#include "passes/tile/contract.h"

#include <math.h>

typedef struct grid {
    int64_t unit_block, channel_block; /* units and channel blocks of one chunk */
    const adze_dim *n_unit_blocks;
    int64_t n_channel_blocks;
} grid;

static int64_t at_most(double x, int64_t most) { return x < (double)most ? (int64_t)x : most; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Sizes of chunks: input of a block within half the L2, and enough chunks to share, not more. */
static grid plan_grid(tile *t, contraction *c, const adze_dim *n_units, const adze_dim *n_outer)
{
    int64_t channels = tile_channels(c), blocks = ceil_div(channels, c->nr);
    int64_t n, rows = 1, cols, k, outer = 1;
    grid g = {.unit_block = 4, .channel_block = blocks, .n_channel_blocks = 1};
    adze_dim_is_const(n_outer, &outer);
    bool known = adze_dim_is_const(n_units, &n) && adze_dim_is_const(c->cols, &cols) && n > 0 && cols > 0;
    if (known && (c->row_axis < 0 || adze_dim_is_const(c->rows, &rows))) {
        adze_dim_is_const(c->k, &k);
        double taps = (double)c->kernel[0] * (c->depthwise || !adze_dim_is_value(c->t1, 1) ? (double)c->kernel[1] : 1);
        double flops = 2.0 * (double)rows * (double)cols * (double)channels * taps * (double)k;
        int64_t wanted = at_most(flops * (double)c->groups * (double)outer / (double)TILE_CHUNK_FLOPS, TILE_MAX_CHUNKS);
        if (wanted < 1) wanted = 1;
        int64_t share = ceil_div(wanted, outer * (c->depthwise ? 1 : c->groups));
        double size = c->integer ? 1 : 4;
        double in_bytes =
            size * (double)rows * (double)cols * (double)(c->stride[0] * c->stride[1]) * (double)c->group_in;
        double w_bytes = size * (double)channels * taps * (double)k;
        int64_t l2 = adze_target_number(t->run->target, "l2", 1 << 20);
        int64_t unit_blocks = at_most(ceil(2 * in_bytes / (double)(l2 > 0 ? l2 : 1)), n);
        if (unit_blocks < 1) unit_blocks = 1;
        if (c->masked || (c->code_bits && !c->direct && !c->depthwise)) {
            /* every block of units makes its weights wide again */
            g.n_channel_blocks = share < blocks ? share : blocks;
            int64_t rest = ceil_div(share, g.n_channel_blocks);
            unit_blocks = unit_blocks > rest ? unit_blocks : rest;
        } else if (c->depthwise || in_bytes >= w_bytes)
            unit_blocks = unit_blocks > share ? unit_blocks : share;
        else if (share > unit_blocks)
            g.n_channel_blocks = ceil_div(share, unit_blocks);
        if (unit_blocks > n) unit_blocks = n;
        if (c->tiles && share > unit_blocks * g.n_channel_blocks) /* units are large, and may be few */
            g.n_channel_blocks = ceil_div(share, unit_blocks);
        if (g.n_channel_blocks > blocks) g.n_channel_blocks = blocks;
        g.unit_block = ceil_div(n, unit_blocks);
        g.channel_block = ceil_div(blocks, g.n_channel_blocks);
        g.n_channel_blocks = ceil_div(blocks, g.channel_block);
    }
    g.n_unit_blocks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, n_units, tile_dim(t, g.unit_block));
    return g;
}

/* All tiles of rows of a chunk are laid out at once: within half the L2, if one unit is. */
static void bound_pixels(tile *t, contraction *c, grid *g, const adze_dim *n_units)
{
    int64_t cols = 1, l2 = adze_target_number(t->run->target, "l2", 1 << 20), units = 1;
    adze_dim_is_const(c->cols, &cols);
    adze_dim_is_const(n_units, &units);
    int64_t tiles = c->row_axis < 0 ? 1 : ceil_div(cols, c->mr);
    double bytes = (double)(tiles * TILE_PIXELS * 4) * (double)tile_all_steps(c);
    int64_t most = at_most((double)l2 / 2 / bytes, units);
    if (most < 1) most = 1;
    if (g->unit_block > most) g->unit_block = most;
    c->tiles_at_once = g->unit_block * tiles;
    g->n_unit_blocks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, n_units, tile_dim(t, g->unit_block));
}

static void chunk(tile *t, contraction *c, const grid *g, const adze_dim *number, const adze_dim *n_units)
{
    const adze_dim *rest = number;
    int64_t channels = tile_channels(c);
    const adze_dim *block = tile_digit(t, &rest, tile_dim(t, g->n_channel_blocks));
    const adze_dim *unit = tile_digit(t, &rest, g->n_unit_blocks);
    const adze_dim *group = tile_digit(t, &rest, tile_dim(t, c->depthwise ? 1 : c->groups));
    for (uint32_t i = c->n_outer; i--;)
        c->at.at[c->outer[i]] = tile_digit(t, &rest, adze_type_dim(c->y, c->outer[i]));
    const adze_dim *lo = adze_dim_mul_const(t->context, block, g->channel_block);
    const adze_dim *hi =
        tile_min(t, adze_dim_add_const(t->context, lo, g->channel_block), tile_dim(t, ceil_div(channels, c->nr)));
    const adze_dim *unit_lo = adze_dim_mul_const(t->context, unit, g->unit_block);
    const adze_dim *unit_hi = tile_min(t, adze_dim_add_const(t->context, unit_lo, g->unit_block), n_units);
    tile_blocks(t, c, group, lo, hi, unit_lo, unit_hi);
}

bool tile_contract(tile *t)
{
    contraction c = {.root = tile_root(t->kernel, NULL)};
    if (!c.root || adze_op_num_results(t->kernel) != 1) return false;
    if (adze_value_def(adze_op_operand(c.root, 0)) != ADZE_DEF_ARGUMENT) return false;
    c.x = adze_value_type(adze_op_operand(c.root, 0));
    c.y = adze_value_type(adze_op_result(t->kernel, 0));
    c.input = tile_buffer(t, adze_op_operand(c.root, 0));
    c.output = tile_result(t, 0);
    c.yielded = adze_op_operand(adze_region_last(t->region), 0);
    if (!tile_describe(t, &c)) return false;
    tile_zero_halo(t, 0);
    if (adze_dim_is_value(adze_type_count(c.y), 0)) return !t->failed;
    const adze_dim *n_units = tile_units(t, &c), *n_outer = tile_dim(t, 1);
    for (uint32_t i = 0; i < c.n_outer; i++)
        n_outer = adze_dim_mul(t->context, n_outer, adze_type_dim(c.y, c.outer[i]));
    grid g = plan_grid(t, &c, n_units, n_outer);
    if (c.each) bound_pixels(t, &c, &g, n_units);
    const adze_dim *chunks = adze_dim_mul(t->context, n_outer, g.n_unit_blocks);
    chunks = adze_dim_mul_const(t->context, chunks, g.n_channel_blocks * (c.depthwise ? 1 : c.groups));
    if (adze_dim_is_value(chunks, 1)) {
        chunk(t, &c, &g, tile_dim(t, 0), n_units);
        return !t->failed;
    }
    tile_loop loop = tile_parallel(t, chunks);
    chunk(t, &c, &g, adze_dim_axis(t->context, loop.axis), n_units);
    tile_end_parallel(t, &loop);
    return !t->failed;
}
