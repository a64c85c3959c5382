/* tile: a chain of convolutions by rows of the image, so that what lies between them stays in the cache.
 *
 * Stages are the kernel's convolutions in order, each with the elementwise ops that follow it; a `relayout`
 * ahead of the first one is a stage too. A chunk is some rows of the last result of one image. It goes
 * through them in blocks of a few rows: for each block every stage makes the rows that the next one reads
 * and does not have yet, in a slab of scratch memory. Rows that two blocks share are copied to the front
 * of the slab; rows that two chunks share are computed twice. Sums run as they do without the chain.
 */
#include "passes/tile/contract.h"

enum { MAX_STAGES = 4, MIN_CHUNK_ROWS = 8 };
enum { MAX_DIM = 1 << 24, MAX_WINDOW = 1 << 16 }; /* so that sizes of slabs do not overflow */

typedef struct stage {
    contraction c; /* c.root NULL: the stage is the relayout */
    adze_ir_value *value;   /* what it makes: c.yielded, or the relayout's result */
    const adze_dim *height; /* rows of the whole value */
    int64_t rows;           /* most rows that a block makes */
    int64_t width, channels;
    /* Of the rows that a block reads of the stage before: */
    int64_t reach, stride;     /* extent of a window, step */
    int64_t pads[4];           /* above, left, below, right */
    /* The slab that holds what it makes; none for the last stage. */
    adze_ir_value *slab;    /* [rows][row_size] */
    int64_t row_size;       /* elements, zeros at both ends of the columns counted in */
    int64_t halo;           /* columns of zeros at each end */
    bool padded;            /* the next stage reads zeros around it */
    const adze_dim *first;  /* the row that the slab begins with */
    const adze_dim *from, *to; /* rows that the block makes */
    int64_t least_first, least_to; /* in any block */
} stage;

typedef struct chain {
    stage stages[MAX_STAGES];
    uint32_t n;
    const adze_dim *block, *chunk_first, *chunk_end; /* axes: number of the block in its chunk; rows */
    int64_t height, block_rows, chunk_rows;
    const adze_dim *image;
} chain;

/* ---- What the stages are ---- */

static bool add_stage(chain *ch, const stage *s)
{
    if (ch->n == MAX_STAGES) return false;
    ch->stages[ch->n++] = *s;
    return true;
}

static bool known(const adze_ir_value *value, uint32_t axis, int64_t *out)
{
    return adze_dim_is_const(adze_type_dim(adze_value_type(value), axis), out) && *out > 0 && *out <= MAX_DIM;
}

/* Is `value` an image of f32 with known channels, rows and columns? */
static bool measure(stage *s, adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    int64_t rows;
    s->value = value;
    if (!adze_type_is_ranked(type) || adze_type_rank(type) != 4 || adze_type_dtype(type) != ADZE_DTYPE_f32)
        return false;
    s->height = adze_type_dim(type, 2);
    return known(value, 1, &s->channels) && known(value, 2, &rows) && known(value, 3, &s->width);
}

static bool window_of(stage *s)
{
    const adze_op *conv = s->c.root;
    int64_t kernel;
    adze_ints strides = adze_op_attr_ints(conv, "strides"), dilations = adze_op_attr_ints(conv, "dilations");
    if (!adze_op_has_trait(conv, ADZE_WINDOW) || !tile_conv_pads(conv, 2, s->pads)) return false;
    if (!known(adze_op_operand(conv, 1), 2, &kernel)) return false;
    s->stride = strides.count ? strides.data[0] : 1;
    s->reach = (kernel - 1) * (dilations.count ? dilations.data[0] : 1) + 1;
    if (s->reach < s->stride) s->reach = s->stride; /* rows that no window reads are made too: blocks leave no gaps */
    for (uint32_t i = 0; i < 4; i++)
        if (s->pads[i] > MAX_WINDOW) return false;
    return s->reach <= MAX_WINDOW;
}

/* The stages of a kernel; false where it is no chain. */
static bool find_stages(const adze_op *kernel, chain *ch)
{
    const adze_region *region = adze_op_region(kernel, 0);
    adze_op *root = tile_root(kernel, NULL);
    if (!root || adze_op_num_results(kernel) != 1) return false;
    adze_op *ahead = adze_value_op(adze_op_operand(root, 0));
    if (ahead) { /* a copy in another layout, of an argument */
        stage s = {.stride = 1, .reach = 1};
        if (adze_op_has_trait(ahead, ADZE_CONTRACTION) || !adze_op_is(ahead, "relayout")) return false;
        if (adze_value_op(adze_op_operand(ahead, 0)) || !measure(&s, adze_op_result(ahead, 0))) return false;
        add_stage(ch, &s);
    }
    for (adze_op *next; root; root = next) {
        next = tile_root(kernel, root);
        stage s = {.c.root = root};
        adze_ir_value *value = next ? adze_op_operand(next, 0) : adze_op_operand(adze_region_last(region), 0);
        if (!tile_has_panels(kernel, root) || !window_of(&s) || !measure(&s, value) || !add_stage(ch, &s)) return false;
    }
    return ch->n > 1;
}

bool tile_is_chain(const adze_op *kernel)
{
    chain ch = {.n = 0};
    return find_stages(kernel, &ch);
}

/* ---- Sizes ---- */

/* Rows that each stage makes for a block of `rows` rows of the last one; all slabs' bytes. */
static double slab_bytes(chain *ch, int64_t rows)
{
    double bytes = 0;
    for (uint32_t i = ch->n; i--;) {
        stage *s = &ch->stages[i];
        s->rows = rows;
        if (i + 1 < ch->n) bytes += 4 * (double)rows * (double)s->row_size;
        rows = (rows - 1) * s->stride + s->reach;
    }
    return bytes;
}

static void choose_slabs(chain *ch)
{
    for (uint32_t i = 0; i + 1 < ch->n; i++) {
        stage *s = &ch->stages[i], *next = &ch->stages[i + 1];
        const int64_t *pads = next->pads;
        s->halo = pads[1] > pads[3] ? pads[1] : pads[3];
        s->padded = pads[0] || pads[1] || pads[2] || pads[3];
        s->row_size = (s->width + 2 * s->halo) * s->channels;
    }
}

/* Chunks that are worth handing out; blocks whose slabs take at most half the L2 cache, if a row does. */
static bool choose_rows(tile *t, chain *ch)
{
    int64_t height = 1, outer = 1, half = adze_target_number(t->run->target, "l2", 1 << 20) / 2;
    double flops = 0;
    adze_dim_is_const(ch->stages[ch->n - 1].height, &height);
    for (uint32_t i = 0; i < ch->n; i++) {
        const stage *s = &ch->stages[i];
        int64_t rows = 1, in = 1, taps = 1;
        adze_dim_is_const(s->height, &rows);
        if (!s->c.root) continue;
        known(adze_op_operand(s->c.root, 1), 1, &in);
        known(adze_op_operand(s->c.root, 1), 3, &taps);
        flops += 2.0 * (double)rows * (double)s->width * (double)s->channels * (double)in * (double)(taps * taps);
    }
    adze_dim_is_const(adze_type_dim(adze_value_type(ch->stages[0].value), 0), &outer);
    int64_t most = TILE_MAX_CHUNKS / (outer > 0 ? outer : 1);
    double each = (double)TILE_CHUNK_FLOPS;
    int64_t chunks = flops < each * (double)most ? (int64_t)(flops / each) : most;
    chunks = chunks < 1 ? 1 : chunks;
    ch->height = height;
    ch->chunk_rows = (height + chunks - 1) / chunks;
    if (ch->chunk_rows < MIN_CHUNK_ROWS) ch->chunk_rows = height < MIN_CHUNK_ROWS ? height : MIN_CHUNK_ROWS;
    int64_t rows = ch->chunk_rows;
    while (rows > 1 && slab_bytes(ch, rows) > (double)half) rows--;
    int64_t blocks = (ch->chunk_rows + rows - 1) / rows;
    ch->block_rows = (ch->chunk_rows + blocks - 1) / blocks;
    return slab_bytes(ch, ch->block_rows) < INT32_MAX;
}

/* ---- Rows of a block ---- */

/* Rows that the slab of stage i shares with the block before. */
static int64_t kept_rows(const chain *ch, uint32_t i)
{
    return ch->stages[i + 1].reach - ch->stages[i + 1].stride;
}

/* The row with which the slab of stage i begins in block `number`. */
static const adze_dim *slab_first(tile *t, const chain *ch, uint32_t i, const adze_dim *number)
{
    adze_context *c = t->context;
    const adze_dim *row = adze_dim_add(c, ch->chunk_first, adze_dim_mul_const(c, number, ch->block_rows));
    const adze_dim *later = tile_min(t, tile_dim(t, 1), number); /* 0 in a chunk's first block */
    for (uint32_t k = ch->n - 1;; k--) {
        const stage *s = &ch->stages[k];
        row = adze_dim_add_const(c, adze_dim_mul_const(c, row, s->stride), -s->pads[0]);
        if (k == i + 1) return row;
        row = adze_dim_add(c, row, adze_dim_mul_const(c, later, kept_rows(ch, k - 1)));
    }
}

/* The row as an axis of its own, so that expressions stay short; axes are never negative. */
static const adze_dim *bound(tile *t, const adze_dim *row, int64_t at_least)
{
    const adze_dim *above = adze_dim_add_const(t->context, row, -at_least);
    return adze_dim_add_const(t->context, tile_bind(t, above, adze_dim_unknown(t->context)), at_least);
}

/* Which rows every stage makes in this block. */
static void choose_block(tile *t, chain *ch)
{
    adze_context *c = t->context;
    stage *last = &ch->stages[ch->n - 1];
    bool several = ch->block_rows < ch->chunk_rows;
    const adze_dim *later = several ? tile_min(t, tile_dim(t, 1), ch->block) : tile_dim(t, 0);
    last->least_first = 0;
    last->least_to = 1;
    last->from = adze_dim_add(c, ch->chunk_first, adze_dim_mul_const(c, ch->block, ch->block_rows));
    last->to = tile_min(t, adze_dim_add_const(c, last->from, ch->block_rows), ch->chunk_end);
    for (uint32_t i = ch->n - 1; i--;) {
        stage *s = &ch->stages[i], *next = &ch->stages[i + 1];
        s->first = slab_first(t, ch, i, ch->block);
        s->from = adze_dim_add(c, s->first, adze_dim_mul_const(c, later, kept_rows(ch, i)));
        const adze_dim *end = adze_dim_add_const(c, next->to, -1);
        s->to = adze_dim_add_const(c, adze_dim_mul_const(c, end, next->stride), next->reach - next->pads[0]);
        s->least_first = next->least_first * next->stride - next->pads[0];
        s->least_to = (next->least_to - 1) * next->stride + next->reach - next->pads[0];
        s->first = bound(t, s->first, s->least_first);
        s->from = bound(t, s->from, s->least_first);
        s->to = bound(t, s->to, s->least_to);
    }
}

/* ---- Slabs ---- */

typedef struct sweep { /* over the elements of rows of a slab */
    const stage *s;
    const adze_type *type;
    const adze_dim *to, *from; /* rows; from NULL = zeros */
} sweep;

static void sweep_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    const sweep *w = self;
    (void)carried;
    tile_point to = {2, {w->to, adze_dim_axis(t->context, axis)}}, from = {2, {w->from, to.at[1]}};
    adze_ir_value *value =
        w->from ? tile_load(t, w->s->slab, w->type, &from) : tile_lit(t, ADZE_DTYPE_f32, 0);
    tile_store(t, value, w->s->slab, w->type, &to);
}

/* Rows `lo` .. `hi` of the slab, as it lies, become zeros, or copies of those `shift` further on. */
static void sweep_rows(tile *t, const stage *s, const adze_dim *lo, const adze_dim *hi, const adze_dim *shift)
{
    const adze_dim *dims[] = {tile_dim(t, s->rows), tile_dim(t, s->row_size)};
    sweep w = {.s = s, .type = adze_type_tensor(t->context, ADZE_DTYPE_f32, 2, dims, NULL)};
    tile_loop loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, NULL, 0);
    w.to = adze_dim_axis(t->context, loop.axis);
    w.from = shift ? adze_dim_add(t->context, w.to, shift) : NULL;
    tile_lanes(t, dims[1], sweep_lane, &w, NULL, 0);
    tile_end(t, &loop, NULL, 0);
}

/* Channels last, one image; columns of zeros at both ends. */
static const adze_type *slab_type(tile *t, const stage *s)
{
    const adze_dim *dims[] = {tile_dim(t, 1), tile_dim(t, s->channels), tile_dim(t, s->rows), tile_dim(t, s->width)};
    adze_layout layout = {.has_perm = true, .perm = {0, 2, 3, 1}, .halo = {0, 0, 0, (uint32_t)s->halo}};
    return adze_type_tensor(t->context, ADZE_DTYPE_f32, 4, dims, &layout);
}

static void make_slab(tile *t, stage *s)
{
    /* Micro-kernels may read a vector past the last element. */
    const adze_dim *size = tile_dim(t, s->rows * s->row_size + ADZE_LANES);
    const adze_dim *dims[] = {tile_dim(t, s->rows), tile_dim(t, s->row_size)};
    const adze_type *rows = adze_type_buffer(t->context, ADZE_DTYPE_f32, 2, dims, NULL, 64, 0);
    adze_ir_value *operands[] = {tile_scratch(t, ADZE_DTYPE_f32, 1, &size), adze_build_index(&t->b, 0)};
    s->slab = adze_op_result(adze_build(&t->b, "subview", operands, 2, NULL, 0, &rows, 1), 0);
    if (s->padded) sweep_rows(t, s, tile_dim(t, 0), tile_dim(t, s->rows), NULL);
}

/* The slab as an image whose first element is the first column behind the zeros. */
static adze_ir_value *image_of(tile *t, const stage *s)
{
    const adze_type *type = adze_layout_buffer(slab_type(t, s), 0);
    adze_ir_value *operands[] = {s->slab, adze_build_index(&t->b, 0), adze_build_index(&t->b, s->halo * s->channels)};
    return adze_op_result(adze_build(&t->b, "subview", operands, 3, NULL, 0, &type, 1), 0);
}

/* ---- Stages ---- */

typedef struct copy { /* of the relayout's operand into the slab */
    const stage *s;
    adze_ir_value *image;
    const adze_type *type;
    tile_point at;
    uint32_t axis; /* logical, of the lanes */
} copy;

static void copy_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    copy *c = self;
    (void)carried;
    c->at.at[c->axis] = adze_dim_axis(t->context, axis);
    tile_point to = c->at;
    to.at[0] = tile_dim(t, 0);
    to.at[2] = adze_dim_sub(t->context, c->at.at[2], c->s->first);
    tile_store(t, tile_value(t, c->s->value, &c->at), c->image, c->type, &to);
}

/* Lanes run over channels where there are enough of them, else over columns. */
static void copy_rows(tile *t, const chain *ch, const stage *s, const adze_dim *lo, const adze_dim *hi)
{
    copy c = {.s = s, .image = image_of(t, s), .type = slab_type(t, s), .at = {.rank = 4}};
    bool over_channels = s->channels >= ADZE_LANES;
    uint32_t other = over_channels ? 3 : 1;
    c.axis = over_channels ? 1 : 3;
    c.at.at[0] = ch->image;
    tile_loop rows, others;
    if (!tile_open(t, lo, hi, &rows)) return;
    c.at.at[2] = adze_dim_axis(t->context, rows.axis);
    const adze_dim *shift[4] = {c.at.at[0], NULL, s->first, NULL};
    if (tile_transpose_at(t, s->value, c.image, c.type, &c.at, shift)) {
        tile_end(t, &rows, NULL, 0);
        return;
    }
    const adze_dim *extent = tile_dim(t, over_channels ? s->width : s->channels);
    others = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, extent), 1, false, NULL, 0);
    t->extents[others.axis] = extent;
    c.at.at[other] = adze_dim_axis(t->context, others.axis);
    tile_lanes(t, tile_dim(t, over_channels ? s->channels : s->width), copy_lane, &c, NULL, 0);
    tile_end(t, &others, NULL, 0);
    tile_end(t, &rows, NULL, 0);
}

/* One block makes the whole image. Behind the last window of the next stage there may be rows that it does not want. */
static bool makes_all(const chain *ch, const stage *s)
{
    bool last = s == &ch->stages[ch->n - 1];
    int64_t height = ch->height;
    if (ch->block_rows < ch->height) return false;
    return last || (adze_dim_is_const(s->height, &height) && s->least_first + s->rows >= height);
}

static bool convolve_rows(tile *t, chain *ch, uint32_t i, const adze_dim *lo, const adze_dim *hi)
{
    stage *s = &ch->stages[i];
    contraction *c = &s->c;
    c->yielded = s->value;
    if (i) {
        c->x = slab_type(t, &ch->stages[i - 1]);
        c->input = image_of(t, &ch->stages[i - 1]);
        c->x_first = ch->stages[i - 1].first;
    } else {
        c->x = adze_value_type(adze_op_operand(c->root, 0));
        c->input = tile_buffer(t, adze_op_operand(c->root, 0));
    }
    bool last = i + 1 == ch->n;
    c->y = last ? adze_value_type(adze_op_result(t->kernel, 0)) : slab_type(t, s);
    c->output = last ? tile_result(t, 0) : image_of(t, s);
    c->y_first = last ? NULL : s->first;
    if (!tile_describe(t, c)) return false;
    c->at.at[c->outer[0]] = ch->image;
    c->some_rows = !makes_all(ch, s);
    if (!c->some_rows) {
        lo = tile_dim(t, 0);
        hi = tile_units(t, c);
    }
    const adze_dim *blocks = tile_dim(t, (tile_channels(c) + c->nr - 1) / c->nr), *zero = tile_dim(t, 0);
    tile_loop groups = {.op = NULL};
    bool grouped = c->groups > 1 && !c->depthwise;
    if (grouped && !tile_open(t, zero, tile_dim(t, c->groups), &groups)) return false;
    tile_blocks(t, c, grouped ? adze_dim_axis(t->context, groups.axis) : zero, zero, blocks, lo, hi);
    if (grouped) tile_end(t, &groups, NULL, 0);
    return !t->failed;
}

/* One block: every stage in turn. */
static bool block(tile *t, chain *ch)
{
    choose_block(t, ch);
    for (uint32_t i = 0; i < ch->n; i++) {
        stage *s = &ch->stages[i];
        bool last = i + 1 == ch->n;
        if (!last && kept_rows(ch, i) && ch->block_rows < ch->chunk_rows) {
            const adze_dim *before = slab_first(t, ch, i, adze_dim_add_const(t->context, ch->block, -1));
            const adze_dim *later = tile_min(t, tile_dim(t, 1), ch->block);
            sweep_rows(t, s, tile_dim(t, 0), adze_dim_mul_const(t->context, later, kept_rows(ch, i)),
                       adze_dim_sub(t->context, s->first, before));
        }
        const adze_dim *lo = last ? s->from : tile_max(t, s->from, tile_dim(t, 0));
        const adze_dim *hi = last ? s->to : tile_min(t, s->to, s->height);
        if (!s->c.root)
            copy_rows(t, ch, s, lo, hi);
        else if (!convolve_rows(t, ch, i, lo, hi))
            return false;
        /* Rows above the image are zeros since the slab was made; those below hold what came before. */
        if (!last && s->padded)
            sweep_rows(t, s, adze_dim_sub(t->context, tile_max(t, s->from, s->height), s->first),
                       adze_dim_sub(t->context, s->to, s->first), NULL);
    }
    return !t->failed;
}

static bool chunk(tile *t, chain *ch)
{
    for (uint32_t i = 0; i + 1 < ch->n; i++) make_slab(t, &ch->stages[i]);
    if (ch->block_rows == ch->chunk_rows) {
        ch->block = tile_dim(t, 0);
        return block(t, ch);
    }
    const adze_dim *rows = adze_dim_sub(t->context, ch->chunk_end, ch->chunk_first);
    const adze_dim *blocks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, rows, tile_dim(t, ch->block_rows));
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, blocks), 1, false, NULL, 0);
    t->extents[loop.axis] = tile_dim(t, (ch->chunk_rows + ch->block_rows - 1) / ch->block_rows);
    ch->block = adze_dim_axis(t->context, loop.axis);
    bool ok = block(t, ch);
    tile_end(t, &loop, NULL, 0);
    return ok;
}

bool tile_rows(tile *t)
{
    chain ch = {.n = 0};
    if (!find_stages(t->kernel, &ch)) return false;
    choose_slabs(&ch);
    if (!choose_rows(t, &ch)) return false;
    tile_zero_halo(t, 0);
    adze_context *c = t->context;
    const adze_dim *height = ch.stages[ch.n - 1].height;
    const adze_dim *per_image = adze_dim_binary(c, ADZE_DIM_CEILDIV, height, tile_dim(t, ch.chunk_rows));
    const adze_dim *images = adze_type_dim(adze_value_type(adze_op_result(t->kernel, 0)), 0);
    tile_loop loop = tile_parallel(t, adze_dim_mul(c, images, per_image));
    const adze_dim *number = adze_dim_axis(c, loop.axis);
    const adze_dim *image = adze_dim_binary(c, ADZE_DIM_FLOORDIV, number, per_image);
    const adze_dim *part = adze_dim_binary(c, ADZE_DIM_MOD, number, per_image);
    ch.image = tile_bind(t, image, images);
    const adze_dim *first = adze_dim_mul_const(c, part, ch.chunk_rows);
    ch.chunk_first = tile_bind(t, first, height);
    const adze_dim *end = tile_min(t, adze_dim_add_const(c, ch.chunk_first, ch.chunk_rows), height);
    ch.chunk_end = tile_bind(t, end, adze_dim_add_const(c, height, 1));
    bool ok = chunk(t, &ch);
    tile_end_parallel(t, &loop);
    return ok && !t->failed;
}
