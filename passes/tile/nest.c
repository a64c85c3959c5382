/* tile: kernels without a contraction become one loop nest a result: chunks over the outer axes, then
 * loops, then lanes along the axis that is contiguous in the result. */
#include "passes/tile/tile.h"

#include <stdlib.h>
#include <string.h>

/* Elements that a chunk should at least handle, so that handing it out is cheap beside it (20 us). */
enum { CHUNK_ELEMENTS = 32768 };
/* Entries up to which a piece of a row is made one by one, rather than by lanes of which most are masked. */
enum { FEW_LANES = 4 };

/* Of rows that lie across memory, 16 of which are kept. */
enum { LONGEST_ROW = 8192 };

typedef struct nest {
    adze_ir_value *value;    /* of the region */
    const adze_type *domain; /* its type: the space of the loops */
    adze_ir_value *buffer;
    const adze_type *tensor; /* the kernel's result */
    int shift_axis;          /* concat: the value lies `shift` further along this axis; -1 = none */
    const adze_dim *shift;
    uint32_t order[ADZE_MAX_RANK]; /* logical axes, outermost first, lane axis left out */
    uint32_t n_order;
    int lane_axis; /* logical; -1: results are computed one by one */
    int row_axis;  /* logical, of a normalization across lanes that hold a row each; -1: lanes run along rows */
    int64_t first;         /* of the entries along the lane axis that are made now */
    const adze_op *repeat; /* the tile op whose operand `value` is; the domain has its last axis as two; or NULL */
    tile_point at;
} nest;

/* Where the value is wanted. */
static tile_point value_point(tile *t, const nest *n)
{
    tile_point at = n->at;
    if (!n->repeat) return at;
    const adze_type *type = adze_value_type(n->value);
    at.rank--;
    at.at[at.rank - 1] = n->at.at[at.rank];
    for (uint32_t d = 0; d + 1 < at.rank; d++) {
        const adze_dim *extent = adze_type_dim(type, d);
        if (adze_dim_equal(extent, adze_type_dim(n->domain, d))) continue;
        at.at[d] = tile_bind(t, adze_dim_binary(t->context, ADZE_DIM_MOD, at.at[d], extent), extent);
    }
    return at;
}

static const adze_op *find_normalization(const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op))
        if (adze_op_has_trait(op, ADZE_NORMALIZE)) return op;
    return NULL;
}

/* Does the op add up elements that lie beside each other, vectors of them? Then lanes run over these, and the results
 * are computed one by one: lanes over the results would each read from a row of its own. */
static bool adds_up_rows(const adze_op *op)
{
    adze_access access;
    if (!adze_op_has_trait(op, ADZE_REDUCE) || !adze_op_access(op, &access)) return false;
    if (access.combine == ADZE_COMBINE_NONE || access.body || access.four_sums || access.operand[0].guarded)
        return false;
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    uint32_t rank = adze_type_rank(type), last = access.n_axes;
    for (uint32_t k = 0; k < access.n_axes; k++)
        if (access.kind[k] != ADZE_AXIS_PARALLEL) last = k;
    if (!rank || last == access.n_axes) return false;
    const adze_dim *inner = access.operand[0].dims[tile_logical_axis(type, rank - 1)];
    int64_t extent;
    if (adze_dim_get_kind(inner) != ADZE_DIM_AXIS || adze_dim_axis_index(inner) != last) return false;
    return !adze_dim_is_const(access.extent[last], &extent) || extent >= ADZE_LANES;
}

/* Is there such an op whose results are as many as those of the nest? Others are computed ahead, once a row. */
static bool has_rows(const tile *t, const nest *n)
{
    for (const adze_op *op = adze_region_first(t->region); op; op = adze_op_next(op))
        if (adds_up_rows(op) &&
            adze_dim_equal(adze_type_count(adze_value_type(adze_op_result(op, 0))), adze_type_count(n->domain)))
            return true;
    return false;
}

/* The last axis in memory that has more than one entry; -1: none. */
static int contiguous_axis(const nest *n)
{
    const adze_layout *layout = adze_type_layout(n->tensor);
    for (uint32_t i = adze_type_rank(n->domain); i--;) {
        uint32_t axis = layout->has_perm ? layout->perm[i] : i;
        if (!adze_dim_is_value(adze_type_dim(n->domain, axis), 1)) return (int)axis;
    }
    return -1;
}

/* Do rows of a normalization lie across memory, so that lanes had better take one each? Their elements are kept. */
static bool is_across(const tile *t, const nest *n, int row_axis, int contiguous)
{
    int64_t length, beside;
    if (t->scalar || row_axis < 0 || contiguous < 0 || row_axis == contiguous) return false;
    if (!adze_dim_is_const(adze_type_dim(n->domain, (uint32_t)row_axis), &length) || length > LONGEST_ROW) return false;
    return !adze_dim_is_const(adze_type_dim(n->domain, (uint32_t)contiguous), &beside) || beside >= ADZE_LANES / 2;
}

static void choose_axes(tile *t, nest *n)
{
    uint32_t rank = adze_type_rank(n->domain);
    const adze_layout *layout = adze_type_layout(n->tensor);
    const adze_op *row = find_normalization(t->region);
    int contiguous = contiguous_axis(n);
    n->lane_axis = n->row_axis = -1;
    if (row && adze_type_rank(adze_value_type(adze_op_result(row, 0))) == rank) n->lane_axis = tile_row_axis(row);
    if (is_across(t, n, n->lane_axis, contiguous)) {
        n->row_axis = n->lane_axis;
        n->lane_axis = contiguous;
    }
    if (n->lane_axis < 0) n->lane_axis = contiguous;
    if (n->lane_axis < 0 && rank) n->lane_axis = (int)rank - 1;
    if (!row && has_rows(t, n)) n->lane_axis = -1;
    n->n_order = 0;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t axis = layout->has_perm ? layout->perm[i] : i;
        if ((int)axis != n->lane_axis && (int)axis != n->row_axis) n->order[n->n_order++] = axis;
    }
    n->at.rank = rank;
}

static void store_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    nest *n = self;
    (void)carried;
    uint32_t n_memo = t->n_memo;
    if (n->lane_axis >= 0)
        n->at.at[n->lane_axis] = adze_dim_add_const(t->context, adze_dim_axis(t->context, axis), n->first);
    tile_point to = n->at;
    if (n->shift_axis >= 0) to.at[n->shift_axis] = adze_dim_add(t->context, to.at[n->shift_axis], n->shift);
    tile_point from = value_point(t, n);
    tile_store(t, tile_value(t, n->value, &from), n->buffer, n->tensor, &to);
    t->n_memo = n_memo;
}

/* 16 rows, one a lane: what they need ahead, then their elements one after the other. */
static void store_rows(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    nest *n = self;
    const adze_dim *extent = adze_type_dim(n->domain, (uint32_t)n->row_axis);
    uint32_t along = tile_axis(t, NULL, extent); /* only named, as in `row` */
    n->at.at[n->lane_axis] = adze_dim_axis(t->context, axis);
    n->at.at[n->row_axis] = adze_dim_axis(t->context, along);
    tile_point at = value_point(t, n);
    tile_prepare(t, n->value, &at, along);
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, extent), 1, false, NULL, 0);
    t->extents[loop.axis] = extent;
    n->at.at[n->row_axis] = adze_dim_axis(t->context, loop.axis);
    store_lane(t, n, axis, carried);
    tile_end(t, &loop, NULL, 0);
}

/* The reduction of the kernel that the nest makes vectors of columns of, enough for several in one pass. */
static adze_op *find_columns(const tile *t, const nest *n, int64_t extent)
{
    if (t->scalar || n->repeat || n->shift_axis >= 0 || extent < TILE_COLUMNS * ADZE_LANES) return NULL;
    for (adze_op *op = adze_region_first(t->region); op; op = adze_op_next(op)) {
        if (!tile_has_columns(op)) continue;
        const adze_type *type = adze_value_type(adze_op_result(op, 0));
        bool same = adze_type_rank(type) == adze_type_rank(n->domain);
        for (uint32_t i = 0; same && i < adze_type_rank(type); i++)
            same = adze_dim_equal(adze_type_dim(type, i), adze_type_dim(n->domain, i));
        return same ? op : NULL;
    }
    return NULL;
}

/* A row of sums over columns: one vector at a time would read from each row of the operand as much as a cache line, and
 * each sum would wait for the one before. */
static bool columns(tile *t, nest *n)
{
    const int64_t step = TILE_COLUMNS * ADZE_LANES;
    const adze_dim *extent = adze_type_dim(n->domain, (uint32_t)n->lane_axis);
    int64_t known;
    adze_op *op = adze_dim_is_const(extent, &known) ? find_columns(t, n, known) : NULL;
    if (!op || find_normalization(t->region)) return false; /* that is prepared a row */
    const int64_t whole = known / step * step;
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), adze_build_index(&t->b, whole), step, false, NULL, 0);
    t->extents[loop.axis] = extent;
    t->lane = (int)loop.axis;
    n->at.at[n->lane_axis] = adze_dim_axis(t->context, loop.axis);
    tile_reduce_columns(t, op, &n->at, (uint32_t)n->lane_axis);
    for (n->first = 0; n->first < step && !t->failed; n->first += ADZE_LANES) store_lane(t, n, loop.axis, NULL);
    tile_end(t, &loop, NULL, 0);
    t->lane = -1;
    n->first = whole;
    if (whole < known) tile_lanes(t, tile_dim(t, known - whole), store_lane, n, NULL, 0);
    n->first = 0;
    return true;
}

static void row(tile *t, nest *n)
{
    if (n->row_axis >= 0) {
        tile_lanes(t, adze_type_dim(n->domain, (uint32_t)n->lane_axis), store_rows, n, NULL, 0);
        return;
    }
    if (n->lane_axis < 0) {
        tile_point at = value_point(t, n);
        tile_prepare(t, n->value, &at, tile_axis(t, NULL, tile_dim(t, 1)));
        store_lane(t, n, 0, NULL);
        return;
    }
    if (columns(t, n)) return;
    const adze_dim *extent = adze_type_dim(n->domain, (uint32_t)n->lane_axis);
    uint32_t lane = tile_axis(t, NULL, extent); /* only named, never read, while the row is prepared */
    n->at.at[n->lane_axis] = adze_dim_axis(t->context, lane);
    tile_point at = value_point(t, n);
    tile_prepare(t, n->value, &at, lane);
    int64_t ends[TILE_MAX_PIECES];
    uint32_t pieces = t->scalar || n->repeat ? 0 : tile_pieces(t, n->value, &at, (uint32_t)n->lane_axis, lane, ends);
    n->first = 0;
    for (uint32_t i = 0; i < pieces; i++) {
        int64_t length = ends[i] - n->first;
        t->scalar = length < FEW_LANES;
        tile_lanes(t, tile_dim(t, length), store_lane, n, NULL, 0);
        t->scalar = false;
        n->first = ends[i];
    }
    if (!pieces) tile_lanes(t, extent, store_lane, n, NULL, 0);
    n->first = 0;
}

static void inner_loops(tile *t, nest *n, uint32_t i)
{
    if (i == n->n_order) {
        row(t, n);
        return;
    }
    uint32_t axis = n->order[i];
    const adze_dim *extent = adze_type_dim(n->domain, axis);
    if (adze_dim_is_value(extent, 1)) {
        n->at.at[axis] = tile_dim(t, 0);
        inner_loops(t, n, i + 1);
        return;
    }
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, extent), 1, false, NULL, 0);
    t->extents[loop.axis] = extent;
    n->at.at[axis] = adze_dim_axis(t->context, loop.axis);
    inner_loops(t, n, i + 1);
    tile_end(t, &loop, NULL, 0);
}

/* Positions of the first `n_flat` outer axes from one index over their product. */
static void unflatten(tile *t, nest *n, uint32_t n_flat, uint32_t axis)
{
    const adze_dim *rest = adze_dim_axis(t->context, axis), *inner = tile_dim(t, 1);
    for (uint32_t i = n_flat; i--;) {
        const adze_dim *extent = adze_type_dim(n->domain, n->order[i]);
        const adze_dim *at = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, rest, inner);
        bool outermost = true;
        for (uint32_t k = 0; k < i; k++) outermost &= adze_dim_is_value(adze_type_dim(n->domain, n->order[k]), 1);
        if (!outermost) at = adze_dim_binary(t->context, ADZE_DIM_MOD, at, extent);
        at = adze_dim_is_value(extent, 1) ? tile_dim(t, 0) : tile_bind(t, at, extent);
        n->at.at[n->order[i]] = at;
        inner = adze_dim_mul(t->context, inner, extent);
    }
}

/* How many outer axes are dealt out in chunks, and how many positions a chunk takes. */
static uint32_t plan_chunks(tile *t, const nest *n, const adze_dim **out_positions, int64_t *out_chunk)
{
    const adze_dim *positions = tile_dim(t, 1), *inner = tile_dim(t, 1);
    uint32_t n_flat = 0;
    int64_t count = 1, size;
    for (; n_flat < n->n_order && count < 64; n_flat++) {
        const adze_dim *extent = adze_type_dim(n->domain, n->order[n_flat]);
        positions = adze_dim_mul(t->context, positions, extent);
        if (!adze_dim_is_const(positions, &count)) count = 1;
    }
    for (uint32_t i = n_flat; i < n->n_order; i++)
        inner = adze_dim_mul(t->context, inner, adze_type_dim(n->domain, n->order[i]));
    if (n->lane_axis >= 0) inner = adze_dim_mul(t->context, inner, adze_type_dim(n->domain, (uint32_t)n->lane_axis));
    if (n->row_axis >= 0) inner = adze_dim_mul(t->context, inner, adze_type_dim(n->domain, (uint32_t)n->row_axis));
    *out_positions = positions;
    *out_chunk = 1;
    if (adze_dim_is_const(inner, &size) && size > 0 && size < CHUNK_ELEMENTS) *out_chunk = CHUNK_ELEMENTS / size;
    if (adze_dim_is_const(positions, &count) && *out_chunk > count) *out_chunk = count > 0 ? count : 1;
    return n_flat;
}

static void chunk_body(tile *t, nest *n, uint32_t n_flat, const adze_dim *positions, int64_t chunk,
                       const adze_dim *first)
{
    if (adze_dim_is_value(positions, 1)) {
        for (uint32_t i = 0; i < n_flat; i++) n->at.at[n->order[i]] = tile_dim(t, 0);
        inner_loops(t, n, n_flat);
        return;
    }
    const adze_dim *last = tile_min(t, adze_dim_add_const(t->context, first, chunk), positions);
    tile_loop loop = tile_for(t, tile_index(t, first), tile_index(t, last), 1, false, NULL, 0);
    t->extents[loop.axis] = positions;
    unflatten(t, n, n_flat, loop.axis);
    inner_loops(t, n, n_flat);
    tile_end(t, &loop, NULL, 0);
}

static void emit_nest(tile *t, nest *n)
{
    const adze_dim *positions;
    int64_t chunk;
    choose_axes(t, n);
    uint32_t n_flat = plan_chunks(t, n, &positions, &chunk);
    const adze_dim *chunks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, positions, tile_dim(t, chunk));
    if (adze_dim_is_value(chunks, 1)) {
        chunk_body(t, n, n_flat, positions, chunk, tile_dim(t, 0));
        return;
    }
    tile_loop loop = tile_parallel(t, chunks);
    chunk_body(t, n, n_flat, positions, chunk,
               adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), chunk));
    tile_end_parallel(t, &loop);
}

/* ---- All dims as one, where every operand has the result's shape or one element ---- */

static bool same_space(const adze_type *a, const adze_type *b)
{
    if (adze_type_rank(a) != adze_type_rank(b)) return false;
    for (uint32_t i = 0; i < adze_type_rank(a); i++)
        if (!adze_dim_equal(adze_type_dim(a, i), adze_type_dim(b, i))) return false;
    const adze_layout *x = adze_type_layout(a), *y = adze_type_layout(b);
    for (uint32_t i = 0; i < adze_type_rank(a); i++)
        if (x->halo[i] || y->halo[i] || x->pad[i] || y->pad[i]) return false;
    return !memcmp(x, y, sizeof *x);
}

static bool is_single(const adze_type *type) { return adze_dim_is_value(adze_type_count(type), 1); }

bool tile_is_flat(const adze_op *kernel)
{
    const adze_region *region = adze_op_region(kernel, 0);
    const adze_type *tensor = adze_value_type(adze_op_result(kernel, 0));
    if (adze_op_num_results(kernel) != 1 || !adze_type_is_ranked(tensor)) return false;
    if (is_single(tensor)) return false;
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        const adze_type *type = adze_value_type(adze_region_arg(region, i));
        if (!is_single(type) && !same_space(type, tensor)) return false;
    }
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        if (!adze_op_has_trait(op, ADZE_ELEMWISE) || tile_packs(op)) return false; /* packed ones lie elsewhere */
        const adze_type *type = adze_value_type(adze_op_result(op, 0));
        if (!is_single(type) && adze_type_rank(type) != adze_type_rank(tensor)) return false;
    }
    return true;
}

adze_ir_value *tile_flat(tile *t, adze_ir_value *buffer, const adze_dim *count)
{
    const adze_type *type = adze_value_type(buffer);
    const adze_type *flat = adze_type_buffer(t->context, adze_type_dtype(type), 1, &count, NULL, adze_type_align(type),
                                             adze_type_alias(type));
    if (flat == type) return buffer;
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {buffer};
    for (uint32_t i = 0; i < adze_type_rank(type); i++) operands[i + 1] = adze_build_index(&t->b, 0);
    return adze_op_result(adze_build(&t->b, "subview", operands, adze_type_rank(type) + 1, NULL, 0, &flat, 1), 0);
}

static void flatten_nest(tile *t, nest *n)
{
    const adze_dim *count = adze_type_count(n->tensor);
    uint32_t n_args = adze_region_num_args(t->region);
    t->flat = true;
    t->flat_buffers = calloc(n_args + 1u, sizeof *t->flat_buffers);
    for (uint32_t i = 0; t->flat_buffers && i < n_args; i++) {
        adze_ir_value *arg = adze_region_arg(t->region, i);
        if (!is_single(adze_value_type(arg))) t->flat_buffers[i] = tile_flat(t, tile_buffer(t, arg), count);
    }
    n->buffer = tile_flat(t, n->buffer, count);
    /* Two axes, so that there is something to deal out: blocks of a whole number of vectors, if they fit. */
    n->tensor = n->domain = adze_type_tensor(t->context, adze_type_dtype(n->tensor), 1, &count, NULL);
}

static void flat_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    nest *n = self;
    (void)carried;
    uint32_t n_memo = t->n_memo;
    tile_point at = {.rank = 1, .at = {adze_dim_add(t->context, n->at.at[0], adze_dim_axis(t->context, axis))}};
    tile_store(t, tile_value(t, n->value, &at), n->buffer, n->tensor, &at);
    t->n_memo = n_memo;
}

/* Chunks of CHUNK_ELEMENTS of the one axis; the last may be shorter. */
static void emit_flat(tile *t, nest *n)
{
    const adze_dim *count = adze_type_dim(n->domain, 0), *size = tile_dim(t, CHUNK_ELEMENTS);
    int64_t total;
    n->at.rank = 1;
    n->at.at[0] = tile_dim(t, 0);
    if (adze_dim_is_const(count, &total) && total <= 2 * CHUNK_ELEMENTS) {
        tile_lanes(t, count, flat_lane, n, NULL, 0);
        return;
    }
    tile_loop loop = tile_parallel(t, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, count, size));
    const adze_dim *first = adze_dim_mul(t->context, adze_dim_axis(t->context, loop.axis), size);
    n->at.at[0] = tile_bind(t, first, count);
    const adze_dim *left = adze_dim_sub(t->context, count, n->at.at[0]);
    tile_lanes(t, tile_bind(t, tile_min(t, size, left), count), flat_lane, n, NULL, 0);
    tile_end_parallel(t, &loop);
}

/* ---- Halo ---- */

typedef struct slab {
    const adze_type *tensor; /* with the interior grown by the halo of the axes that are filled whole */
    adze_ir_value *buffer;
    const uint32_t *order;
    uint32_t rank, axis; /* physical position of the slab's axis */
    bool after;          /* the slab behind the interior, not before it */
    tile_point at;
} slab;

typedef struct run {
    adze_ir_value *buffer;
    const adze_type *tensor;
} run;

static void zero_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    const run *r = self;
    (void)carried;
    tile_point at = {.rank = 1, .at = {adze_dim_axis(t->context, axis)}};
    tile_store(t, tile_lit(t, adze_type_dtype(r->tensor), 0), r->buffer, r->tensor, &at);
}

/* From s->at on. All of an entry of an axis lies together, with the halo of the axes further in: one loop fills it.
 * Nests of loops over so little are unrolled whole: thousands of stores in a block, which LLVM does not get through. */
static void zero_run(tile *t, slab *s, const adze_dim *entries)
{
    const adze_type *type = adze_value_type(s->buffer);
    const adze_dim *count = adze_dim_mul(t->context, entries, adze_type_stride(type, s->axis));
    const adze_dim *one = tile_dim(t, 1);
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {s->buffer};
    for (uint32_t i = 0; i < s->rank; i++) operands[i + 1] = tile_index(t, s->at.at[s->order[i]]);
    const adze_type *flat = adze_type_buffer(t->context, adze_type_dtype(type), 1, &count, &one, 0,
                                             adze_type_alias(type));
    run r = {.tensor = adze_type_tensor(t->context, adze_type_dtype(type), 1, &count, NULL)};
    r.buffer = adze_op_result(adze_build(&t->b, "subview", operands, s->rank + 1, NULL, 0, &flat, 1), 0);
    tile_lanes(t, count, zero_lane, &r, NULL, 0);
}

/* One loop over all axes further out. */
static void zero_slab(tile *t, slab *s)
{
    const adze_layout *layout = adze_type_layout(s->tensor);
    const uint32_t axis = s->order[s->axis], halo = layout->halo[axis];
    const adze_dim *positions = tile_dim(t, 1);
    s->at.at[axis] = s->after ? adze_type_dim(s->tensor, axis) : tile_dim(t, -(int64_t)halo);
    for (uint32_t k = s->axis + 1; k < s->rank; k++)
        s->at.at[s->order[k]] = tile_dim(t, -(int64_t)layout->halo[s->order[k]]);
    for (uint32_t k = 0; k < s->axis; k++)
        positions = adze_dim_mul(t->context, positions, adze_type_dim(s->tensor, s->order[k]));
    if (adze_dim_is_value(positions, 0)) return; /* digits of nothing would divide by 0 */
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, positions), 1, false, NULL, 0);
    t->extents[loop.axis] = positions;
    const adze_dim *rest = adze_dim_axis(t->context, loop.axis);
    for (uint32_t k = s->axis; k--;)
        s->at.at[s->order[k]] = tile_digit(t, &rest, adze_type_dim(s->tensor, s->order[k]));
    zero_run(t, s, tile_dim(t, halo));
    tile_end(t, &loop, NULL, 0);
}

void tile_zero_halo(tile *t, uint32_t index)
{
    const adze_type *tensor = adze_value_type(adze_op_result(t->kernel, index));
    const adze_layout *layout = adze_type_layout(tensor);
    uint32_t rank = adze_type_rank(tensor), order[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) order[i] = layout->has_perm ? layout->perm[i] : i;
    for (uint32_t i = 0; i < rank; i++)
        for (int after = 0; layout->halo[order[i]] && after < 2; after++) {
            slab s = {.tensor = tensor, .buffer = tile_result(t, index), .order = order, .rank = rank, .axis = i,
                      .after = after, .at = {.rank = rank}};
            zero_slab(t, &s);
        }
}

/* ---- Repeats along the axis that is contiguous ---- */

static bool is_plain(const adze_type *type)
{
    const adze_layout *layout = adze_type_layout(type);
    bool plain = !layout->has_perm;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) plain &= !layout->halo[i] && !layout->pad[i];
    return plain;
}

/* A vector that begins in one copy and ends in the next would take its lanes from two places. So that axis is written
 * as two, the copies and what lies in each. False, with nothing changed, where it is not repeated so. */
static bool split_repeats(tile *t, nest *n)
{
    const adze_op *op = adze_value_op(n->value);
    uint32_t rank = adze_type_rank(n->tensor);
    adze_access access;
    int64_t inner, all;
    if (t->scalar || n->shift_axis >= 0 || !op || !adze_op_is(op, "tile") || rank + 1 > ADZE_MAX_RANK || !rank)
        return false;
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    if (!adze_op_access(op, &access) || !is_plain(n->tensor) || find_normalization(t->region)) return false;
    if (!adze_dim_is_const(adze_type_dim(type, rank - 1), &inner) || inner < ADZE_LANES) return false;
    if (!adze_dim_is_const(adze_type_dim(n->tensor, rank - 1), &all) || all == inner) return false;
    const adze_type *buffer = adze_value_type(n->buffer);
    const adze_dim *dims[ADZE_MAX_RANK], *strides[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = adze_type_dim(n->tensor, i);
        strides[i] = adze_type_stride(buffer, i);
    }
    strides[rank] = strides[rank - 1];
    strides[rank - 1] = adze_dim_mul_const(t->context, strides[rank], inner);
    dims[rank - 1] = tile_dim(t, all / inner);
    dims[rank] = tile_dim(t, inner);
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {n->buffer};
    for (uint32_t i = 0; i < rank; i++) operands[i + 1] = adze_build_index(&t->b, 0);
    const adze_type *split = adze_type_buffer(t->context, adze_type_dtype(buffer), rank + 1, dims, strides,
                                              adze_type_align(buffer), adze_type_alias(buffer));
    n->buffer = adze_op_result(adze_build(&t->b, "subview", operands, rank + 1, NULL, 0, &split, 1), 0);
    n->tensor = n->domain = adze_type_tensor(t->context, adze_type_dtype(n->tensor), rank + 1, dims, NULL);
    n->value = adze_op_operand(op, 0);
    n->repeat = op;
    return true;
}

/* ---- A kernel's results, one after another ---- */

static void emit_value(tile *t, nest *n)
{
    adze_op *op = adze_value_op(n->value);
    if (op && adze_op_is(op, "concat")) {
        nest part = *n;
        int64_t axis = adze_op_attr_int(op, "axis");
        if (axis < 0) axis += adze_type_rank(n->tensor);
        const adze_dim *shift = tile_dim(t, 0);
        if (n->shift_axis >= 0) t->failed = true; /* fuse never nests them */
        for (uint32_t i = 0; i < adze_op_num_operands(op) && !t->failed; i++) {
            part.value = adze_op_operand(op, i);
            part.domain = adze_value_type(part.value);
            part.shift_axis = (int)axis;
            part.shift = shift;
            if (adze_dim_is_value(adze_type_count(part.domain), 0)) continue;
            emit_nest(t, &part);
            shift = adze_dim_add(t->context, shift, adze_type_dim(part.domain, (uint32_t)axis));
        }
        return;
    }
    if (tile_is_flat(t->kernel)) {
        flatten_nest(t, n);
        emit_flat(t, n);
        free(t->flat_buffers);
        t->flat_buffers = NULL;
        t->flat = false;
        return;
    }
    if (split_repeats(t, n) || !tile_transpose(t, n->value, n->buffer, n->tensor)) emit_nest(t, n);
}

bool tile_nest(tile *t)
{
    adze_op *yield = adze_region_last(t->region);
    for (uint32_t i = 0; i < adze_op_num_results(t->kernel) && !t->failed; i++) {
        const adze_type *tensor = adze_value_type(adze_op_result(t->kernel, i));
        if (!adze_type_is_ranked(tensor)) return false;
        if (adze_dim_is_value(adze_type_count(tensor), 0)) continue;
        nest n = {.value = adze_op_operand(yield, i), .buffer = tile_result(t, i), .tensor = tensor, .shift_axis = -1};
        n.domain = adze_value_type(n.value);
        tile_zero_halo(t, i);
        emit_value(t, &n);
        t->n_memo = 0;
    }
    return !t->failed;
}
