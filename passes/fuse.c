/* fuse: group ops into kernels, each of which runs as one loop nest.
 *
 * A contraction with constant weights takes the elementwise ops that follow it; elementwise ops grow into
 * chains; reductions, windows and row normalizations take the elementwise ops before and after them.
 * An op joins the kernel of its operand only where that value has no other user and where its elements
 * are read exactly where they are written (both from `access`), so nothing is computed twice.
 * Convolutions form a chain with the depthwise one beside them where what lies between is large for the
 * L2 cache: such a kernel runs by rows of the image. Weights that are stored as codes go into the kernel of their
 * contraction with the dequantize in front of it.
 *
 *     %0 = conv(%x, @w, @b)         →    %1 = kernel(%x, @w, @b) do {(%p, %q, %r)
 *     %1 = relu(%0)                        %2 = conv(%p, %q, %r)  %3 = relu(%2)  yield(%3) }
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/tile/tile.h"

#include <stdlib.h>
#include <string.h>

typedef struct fuse_options {
    int64_t max_ops;
    bool single; /* one op a kernel: for comparison */
    bool chains; /* of convolutions */
} fuse_options;

/* A chain's rows must fill the register tile, and more stages compute more rows twice. */
enum { CHAIN_WIDTH = 14, CHAIN_CONVS = 3 };

typedef enum form {
    FORM_NONE,       /* not for kernels */
    FORM_ELEMENTWISE,
    FORM_CONTRACT,
    FORM_REDUCE,     /* reductions and windows */
    FORM_NORMALIZE,
    FORM_ALONE       /* moves, attention: kernels of one op */
} form;

typedef struct member {
    adze_op *op;
    uint32_t at; /* in the function: its number among all ops */
} member;

typedef struct group {
    form form;
    member *ops;
    uint32_t n, capacity;
    adze_op *last;
    struct group *into; /* merged into another */
} group;

typedef struct fuser {
    const fuse_options *options;
    adze_map *groups; /* op to group */
    group **all;
    uint32_t n, capacity;
} fuser;

/* ---- What an op can be ---- */

static bool dtype_fits(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return !adze_type_is_open(type) && adze_dtype_in_loops(adze_type_dtype(type));
}

static bool is_half(const adze_ir_value *value)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(value));
    return adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT && adze_dtype_bits(dtype) == 16;
}

static bool is_f32(const adze_ir_value *value) { return adze_type_dtype(adze_value_type(value)) == ADZE_DTYPE_f32; }

static bool types_fit(const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
        if (adze_op_operand(op, i) && !dtype_fits(adze_op_operand(op, i))) return false;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (!dtype_fits(adze_op_result(op, i))) return false;
    return true;
}

static bool any_half(const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
        if (adze_op_operand(op, i) && is_half(adze_op_operand(op, i))) return true;
    return is_half(adze_op_result(op, 0));
}

/* Kernels make half precision by way of f32. A conversion to it rounds once only where f32 holds every value, or
 * where what it cannot hold is infinite in f16. */
static bool rounds_once(const adze_op *op)
{
    adze_dtype from = adze_type_dtype(adze_value_type(adze_op_operand(op, 0)));
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    bool real = adze_dtype_get_kind(from) == ADZE_KIND_FLOAT;
    if (!is_half(adze_op_result(op, 0))) return true;
    return adze_dtype_bits(from) <= 16 || from == ADZE_DTYPE_f32 || (to == ADZE_DTYPE_f16 && !real);
}

/* Quantized values come from f32 and go to f32, or from sums of integers. */
static bool quantized_fits(const adze_op *op)
{
    if (adze_op_is(op, "requantize")) return !strcmp(adze_op_attr_str(op, "mode"), "f32-rne");
    bool to = adze_dtype_get_kind(adze_type_dtype(adze_value_type(adze_op_operand(op, 0)))) == ADZE_KIND_FLOAT;
    const adze_ir_value *real = to ? adze_op_operand(op, 0) : adze_op_result(op, 0);
    return is_f32(real) && is_f32(adze_op_operand(op, 1));
}

/* Operands of one element type, but for the condition of a choice. */
static bool one_type(const adze_op *op)
{
    adze_dtype seen = ADZE_DTYPE_NONE;
    uint32_t n = adze_op_num_operands(op), i = adze_op_is(op, "where") ? 1 : 0;
    for (; i < n; i++) {
        const adze_ir_value *value = adze_op_operand(op, i);
        adze_dtype type = value ? adze_type_dtype(adze_value_type(value)) : seen;
        if (seen != ADZE_DTYPE_NONE && type != seen) return false;
        seen = type;
    }
    return true;
}

/* Windows that the micro-kernels do not slide run on their evaluation, which shares what it loads between outputs: a
 * cube of 3x3x3 over 16 channels takes it 7 ms, plain loops 45. */
static bool contraction_fits(const adze_op *op, const adze_access *access)
{
    uint32_t windows = 0;
    for (uint32_t k = 0; k < access->n_axes; k++) windows += access->kind[k] == ADZE_AXIS_WINDOW;
    bool integer = adze_type_dtype(adze_value_type(adze_op_result(op, 0))) == ADZE_DTYPE_i32 &&
                   adze_dtype_bits(adze_type_dtype(adze_value_type(adze_op_operand(op, 0)))) == 8;
    if (!windows) return integer || one_type(op);
    if (windows > 2) return windows == 3 && one_type(op) && tile_slides_over_three(op);
    return integer || (one_type(op) && is_f32(adze_op_result(op, 0)));
}

static form form_of(const adze_op *op)
{
    adze_access access;
    if (tile_packs(op)) return FORM_ALONE;
    if (!adze_op_has_trait(op, ADZE_PURE) || adze_op_num_regions(op) || adze_op_has_trait(op, ADZE_VIEW) ||
        !types_fit(op))
        return FORM_NONE;
    if (adze_op_num_results(op) != 1 && !adze_op_has_trait(op, ADZE_MOVE)) return FORM_NONE;
    bool contraction = adze_op_has_trait(op, ADZE_CONTRACTION);
    bool sums = contraction || adze_op_has_trait(op, ADZE_NORMALIZE) || adze_op_has_trait(op, ADZE_REDUCE);
    if (sums && any_half(op)) return FORM_NONE; /* widen makes them f32 */
    if (contraction) return adze_op_access(op, &access) && contraction_fits(op, &access) ? FORM_CONTRACT : FORM_NONE;
    if (adze_op_has_trait(op, ADZE_NORMALIZE)) return FORM_NORMALIZE;
    if (adze_op_has_trait(op, ADZE_REDUCE)) return adze_op_access(op, &access) ? FORM_REDUCE : FORM_NONE;
    if (adze_op_has_trait(op, ADZE_QUANT)) return quantized_fits(op) ? FORM_ELEMENTWISE : FORM_NONE;
    if (adze_op_has_trait(op, ADZE_SHAPE)) return adze_op_access(op, &access) ? FORM_ELEMENTWISE : FORM_NONE;
    if (adze_op_has_trait(op, ADZE_ELEMWISE) && !adze_op_has_trait(op, ADZE_MOVE))
        return adze_op_has_loop_form(op) && one_type(op) && rounds_once(op) ? FORM_ELEMENTWISE : FORM_NONE;
    /* These have forms of their own. */
    if (adze_op_is(op, "attention") || adze_op_is(op, "concat") || adze_op_is(op, "split")) return FORM_ALONE;
    if (adze_op_has_trait(op, ADZE_MOVE)) return adze_op_access(op, &access) ? FORM_ALONE : FORM_NONE;
    return FORM_NONE;
}

/* ---- Groups ---- */

static group *group_of(const fuser *f, const adze_op *op)
{
    group *g = op ? adze_map_get(f->groups, op) : NULL;
    while (g && g->into) g = g->into;
    return g;
}

static void append(group *g, member op)
{
    if (g->n == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 4;
        g->ops = realloc(g->ops, g->capacity * sizeof *g->ops);
        if (!g->ops) abort();
    }
    g->ops[g->n++] = op;
}

static group *new_group(fuser *f, adze_op *op, uint32_t at, form kind)
{
    group *g = calloc(1, sizeof *g);
    if (!g) abort();
    if (f->n == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 64;
        f->all = realloc(f->all, f->capacity * sizeof *f->all);
        if (!f->all) abort();
    }
    f->all[f->n++] = g;
    g->form = kind;
    g->last = op;
    append(g, (member){op, at});
    adze_map_set(f->groups, op, g);
    return g;
}

static bool same_dims(const adze_ir_value *a, const adze_ir_value *b)
{
    const adze_type *x = adze_value_type(a), *y = adze_value_type(b);
    if (adze_type_rank(x) != adze_type_rank(y)) return false;
    for (uint32_t i = 0; i < adze_type_rank(x); i++)
        if (!adze_dim_equal(adze_type_dim(x, i), adze_type_dim(y, i))) return false;
    return true;
}

/* The value has no user but `op`. */
static bool only_used_by(const adze_ir_value *value, const adze_op *op)
{
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (adze_use_op(use) != op) return false;
    return true;
}

/* Does `op` read operand i exactly where its own result lies? */
static bool reads_in_place(const adze_op *op, uint32_t i)
{
    adze_access access;
    const adze_ir_value *operand = adze_op_operand(op, i);
    if (!same_dims(operand, adze_op_result(op, 0))) return false;
    if (adze_op_has_trait(op, ADZE_QUANT) || adze_op_is(op, "clip")) return i == 0;
    if (!adze_op_access(op, &access)) return false;
    const adze_access_map *from = &access.operand[i], *to = &access.result[0];
    if (from->guarded || from->rank != to->rank) return false;
    for (uint32_t d = 0; d < to->rank; d++)
        if (from->dims[d] != to->dims[d] && !adze_dim_is_value(adze_type_dim(adze_value_type(operand), d), 1))
            return false;
    return true;
}

/* May `op`, of form `kind`, join the group that makes its operand i? */
static bool may_join(const fuser *f, const group *g, const adze_op *op, form kind, uint32_t i)
{
    const adze_ir_value *operand = adze_op_operand(op, i);
    if (f->options->single || adze_value_op(operand) != g->last || !only_used_by(operand, op) ||
        adze_op_num_results(g->last) != 1 || g->n >= (uint32_t)f->options->max_ops)
        return false;
    if (kind == FORM_ELEMENTWISE) return g->form != FORM_ALONE && reads_in_place(op, i);
    if (kind == FORM_REDUCE || kind == FORM_NORMALIZE) return g->form == FORM_ELEMENTWISE && i == 0;
    return false;
}

static int order_of(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void merge(group *into, group *from)
{
    for (uint32_t i = 0; i < from->n; i++) append(into, from->ops[i]);
    from->into = into;
    if (from->form != FORM_ELEMENTWISE) into->form = from->form;
}

/* The group ends with a dequantize that only `op` reads: it becomes the first of op's own, so that codes lie between
 * the two kernels, and not what they stand for. */
static void take_dequantize(fuser *f, adze_op *op, group *own, form kind, uint32_t i)
{
    adze_ir_value *operand = adze_op_operand(op, i);
    adze_op *last = operand ? adze_value_op(operand) : NULL;
    group *g = group_of(f, last);
    if (!g || g == own || g->last != last || g->n < 2 || !adze_op_is(last, "dequantize")) return;
    if (!only_used_by(operand, op) || own->n >= (uint32_t)f->options->max_ops || f->options->single) return;
    bool reads = kind == FORM_ELEMENTWISE                             ? reads_in_place(op, i)
                 : (kind == FORM_REDUCE || kind == FORM_NORMALIZE) ? i == 0
                                                                      : false;
    if (!reads) return;
    uint32_t k = 0;
    while (g->ops[k].op != last) k++;
    append(own, g->ops[k]);
    g->ops[k] = g->ops[--g->n];
    g->last = adze_value_op(adze_op_operand(last, 0));
    adze_map_set(f->groups, last, own);
}

/* The dequantize right above a contraction that gives it its weights is the first op of its kernel. */
static void take_codes(fuser *f, group *own)
{
    const member root = own->ops[0];
    adze_op *codes = own->form == FORM_CONTRACT ? adze_value_op(adze_op_operand(root.op, 1)) : NULL;
    if (!codes || codes != adze_op_prev(root.op) || !tile_keeps_codes(codes)) return;
    append(own, (member){codes, root.at - 1});
    adze_map_set(f->groups, codes, own);
}

static void place(fuser *f, adze_op *op, uint32_t at)
{
    form kind = tile_keeps_codes(op) ? FORM_NONE : form_of(op);
    if (kind == FORM_NONE) return;
    group *own = new_group(f, op, at, kind);
    take_codes(f, own);
    /* The heaviest producer first: contractions keep their epilogue. */
    static const form preference[] = {FORM_CONTRACT, FORM_NORMALIZE, FORM_REDUCE, FORM_ELEMENTWISE};
    for (uint32_t p = 0; p < 4; p++)
        for (uint32_t i = adze_op_num_operands(op); i--;) {
            adze_ir_value *operand = adze_op_operand(op, i);
            group *g = operand ? group_of(f, adze_value_op(operand)) : NULL;
            if (!g || g == own || g->form != preference[p]) continue;
            bool rooted = own->form != FORM_ELEMENTWISE && !(kind == FORM_REDUCE || kind == FORM_NORMALIZE);
            if (rooted && g->form != FORM_ELEMENTWISE) continue;
            if (own->n + g->n <= (uint32_t)f->options->max_ops && may_join(f, g, op, kind, i)) merge(own, g);
        }
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) take_dequantize(f, op, own, kind, i);
}

/* ---- Chains of convolutions ---- */

static uint32_t count_trait(const group *g, uint64_t traits)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++) n += adze_op_has_trait(g->ops[i].op, traits);
    return n;
}

static adze_op *conv_of(const group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (adze_op_has_trait(g->ops[i].op, ADZE_CONTRACTION | ADZE_WINDOW)) return g->ops[i].op;
    return NULL;
}

static bool is_depthwise(const adze_op *conv)
{
    const adze_type *w = adze_value_type(adze_op_operand(conv, 1));
    int64_t groups = adze_op_attr_int(conv, "group");
    return groups > 1 && adze_dim_is_value(adze_type_dim(w, 0), groups) && adze_dim_is_value(adze_type_dim(w, 1), 1);
}

/* Bytes of an image of f32 whose size is known, 0 for anything else. */
static int64_t image_bytes(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    int64_t dim, bytes = 4;
    if (adze_type_rank(type) != 4 || adze_type_dtype(type) != ADZE_DTYPE_f32) return 0;
    for (uint32_t i = 1; i < 4; i++) {
        if (!adze_dim_is_const(adze_type_dim(type, i), &dim) || dim < 1 || bytes > INT64_MAX / dim) return 0;
        bytes *= dim;
    }
    return adze_dim_is_const(adze_type_dim(type, 3), &dim) && dim >= CHAIN_WIDTH ? bytes : 0;
}

static uint32_t count_reads(const group *g, const adze_ir_value *value)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t k = 0; k < adze_op_num_operands(g->ops[i].op); k++)
            n += adze_op_operand(g->ops[i].op, k) == value;
    return n;
}

/* Weights lie in panels for one convolution; what else reads them in the same kernel would find panels, too. */
static bool shares_weights(const group *a, const group *b)
{
    for (uint32_t i = 0; i < a->n + b->n; i++) {
        const adze_op *op = i < a->n ? a->ops[i].op : b->ops[i - a->n].op;
        if (!adze_op_has_trait(op, ADZE_CONTRACTION)) continue;
        const adze_ir_value *weights = adze_op_operand(op, 1);
        if (count_reads(a, weights) + count_reads(b, weights) > 1) return true;
    }
    return false;
}

/* May the convolution of `b` run by rows behind the group that makes its data? */
static bool may_chain(const fuser *f, const group *a, const group *b, const adze_op *conv, int64_t cache)
{
    const adze_ir_value *data = adze_op_operand(conv, 0);
    int64_t bytes = image_bytes(data);
    uint32_t convs = count_trait(a, ADZE_CONTRACTION);
    if (a == b || a->form != FORM_CONTRACT || adze_value_op(data) != a->last || !only_used_by(data, conv)) return false;
    if (convs != count_trait(a, ADZE_CONTRACTION | ADZE_WINDOW) || convs + 1 > CHAIN_CONVS) return false;
    if (a->n + b->n > (uint32_t)f->options->max_ops || !image_bytes(adze_op_result(b->last, 0))) return false;
    bool depthwise = is_depthwise(conv), behind = false;
    for (uint32_t i = 0; i < a->n; i++)
        behind |= adze_op_has_trait(a->ops[i].op, ADZE_CONTRACTION) && is_depthwise(a->ops[i].op);
    return depthwise != behind && 2 * bytes > cache && !shares_weights(a, b);
}

static void make_chains(fuser *f, const adze_target *target)
{
    int64_t cache = adze_target_number(target, "l2", 1 << 20);
    for (uint32_t i = 0; i < f->n; i++) {
        group *b = f->all[i];
        adze_op *conv = b->into || b->form != FORM_CONTRACT ? NULL : conv_of(b);
        group *a = conv ? group_of(f, adze_value_op(adze_op_operand(conv, 0))) : NULL;
        if (a && may_chain(f, a, b, conv, cache)) merge(b, a);
    }
}

/* ---- Kernels ---- */

static bool inside(const fuser *f, const group *g, const adze_ir_value *value)
{
    return adze_value_op(value) && group_of(f, adze_value_op(value)) == g;
}

static void make_kernel(fuser *f, group *g)
{
    adze_op *last = g->last;
    adze_context *context = adze_op_context(last);
    qsort(g->ops, g->n, sizeof *g->ops, order_of);
    adze_builder b = adze_builder_before(last);
    uint32_t n_results = adze_op_num_results(last), n_operands = 0, capacity = 0;
    for (uint32_t i = 0; i < g->n; i++) capacity += adze_op_num_operands(g->ops[i].op);
    adze_ir_value **operands = calloc(capacity + 1u, sizeof *operands);
    const adze_type **types = calloc(n_results + 1u, sizeof *types);
    adze_ir_value **yields = calloc(n_results + 1u, sizeof *yields);
    if (!operands || !types || !yields) abort();
    adze_map *map = adze_map_create();
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t k = 0; k < adze_op_num_operands(g->ops[i].op); k++) {
            adze_ir_value *value = adze_op_operand(g->ops[i].op, k);
            if (!value || inside(f, g, value) || adze_map_get(map, value)) continue;
            operands[n_operands++] = value;
            adze_map_set(map, value, value);
        }
    for (uint32_t i = 0; i < n_results; i++) types[i] = adze_value_type(adze_op_result(last, i));
    adze_op *kernel = adze_build(&b, "kernel", operands, n_operands, NULL, 0, types, n_results);
    adze_region *region = adze_op_region(kernel, 0);
    for (uint32_t i = 0; i < n_operands; i++)
        adze_map_set(map, operands[i], adze_region_add_arg(region, adze_value_type(operands[i]), NULL));
    adze_builder in = adze_builder_at_end(b.module, region);
    in.loc = adze_loc_unknown(context);
    for (uint32_t i = 0; i < g->n; i++) {
        adze_clone(&in, g->ops[i].op, map);
        adze_op_add_nodes_of(kernel, g->ops[i].op);
    }
    for (uint32_t i = 0; i < n_results; i++) yields[i] = adze_map_get(map, adze_op_result(last, i));
    adze_build(&in, "yield", yields, n_results, NULL, 0, NULL, 0);
    for (uint32_t i = 0; i < n_results; i++) {
        adze_ir_value *from = adze_op_result(last, i), *to = adze_op_result(kernel, i);
        adze_value_set_name(to, adze_value_name(from));
        adze_value_replace_uses(from, to);
    }
    for (uint32_t i = g->n; i--;) adze_op_erase(g->ops[i].op);
    adze_map_destroy(map);
    free(operands);
    free(types);
    free(yields);
}

static bool fuse_block(adze_region *block, const fuse_options *options, adze_pass_run *self)
{
    fuser f = {.options = options, .groups = adze_map_create()};
    uint32_t at = 0;
    bool changed = false;
    for (adze_op *op = adze_region_first(block); op; op = adze_op_next(op))
        changed |= tile_gives_codes(op) && adze_rewrite(self, op, "codes") && tile_take_codes(op);
    for (adze_op *op = adze_region_first(block); op; op = adze_op_next(op)) place(&f, op, at++);
    if (f.options->chains && !f.options->single) make_chains(&f, self->target);
    for (uint32_t i = 0; i < f.n; i++)
        if (!f.all[i]->into && adze_rewrite(self, f.all[i]->last, "kernel")) {
            make_kernel(&f, f.all[i]);
            changed = true;
        }
    for (uint32_t i = 0; i < f.n; i++) {
        free(f.all[i]->ops);
        free(f.all[i]);
    }
    free(f.all);
    adze_map_destroy(f.groups);
    return changed;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    bool changed = false;
    for (adze_region *block = adze_func_body(func); block; block = adze_block_next(block))
        changed |= fuse_block(block, options, self);
    return changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

static const adze_option fuse_option_rows[] = {
    {"chains", "convolutions that run by rows, one behind the other", ADZE_OPTION_BOOL, offsetof(fuse_options, chains),
     "true"},
    {"max-ops", "largest number of ops in a kernel", ADZE_OPTION_INT, offsetof(fuse_options, max_ops), "64"},
    {"single", "one op a kernel, for comparison", ADZE_OPTION_BOOL, offsetof(fuse_options, single), "false"},
};

const adze_pass adze_pass_fuse = {
    .struct_size = sizeof(adze_pass),
    .name = "fuse",
    .help = "group ops into kernels that run as one loop nest",
    .numerics = ADZE_EXACT,
    .options = fuse_option_rows,
    .n_options = sizeof fuse_option_rows / sizeof *fuse_option_rows,
    .options_size = sizeof(fuse_options),
    .run = run,
    .purpose = "lower",
    .contract = "Gives kernels for layout and tile. Computes nothing twice. Views stay outside: they cost nothing. "
                "What no kernel can hold stays an op of its own.",
    .example = adze_example_fuse,
};
