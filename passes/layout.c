/* layout: choose how tensors between kernels lie in memory.
 *
 * Images go channels last, with a halo of zeros as wide as the padding of the convolutions that read
 * them, so that no loop tests for edges. Transposes become views where the kernel before or after can
 * walk the other order.
 *
 *     %0 = kernel(%x, @w) conv, pads 1  →  %1 = kernel(%x) relayout : f32[1,64,56,56]<perm=[0,2,3,1], halo=[0,0,1,1]>
 *                                          %0 = kernel(%1, @w) conv : f32[1,64,56,56]<perm=[0,2,3,1]>
 */
#include "passes/examples_embedded.h"
#include "passes/tile/tile.h"

#include <adze/plan.h>

#include <stdlib.h>
#include <string.h>

static bool is_kernel(const adze_op *op) { return op && adze_op_is(op, "kernel"); }

/* The op of a kernel's region that has all of `traits`. */
static adze_op *find_trait(const adze_op *kernel, uint64_t traits)
{
    if (!is_kernel(kernel)) return NULL;
    for (adze_op *op = adze_region_first(adze_op_region(kernel, 0)); op; op = adze_op_next(op))
        if (adze_op_has_trait(op, traits)) return op;
    return NULL;
}

static adze_op *conv_of(const adze_op *kernel) { return find_trait(kernel, ADZE_CONTRACTION | ADZE_WINDOW); }

/* Operand `index` of the kernel is what its contraction slides over or multiplies. */
static bool is_data_of(const adze_op *kernel, uint32_t index, const adze_op *root)
{
    return root && adze_op_operand(root, 0) == adze_region_arg(adze_op_region(kernel, 0), index);
}

static bool is_data_of_use(const adze_use *use, const adze_op *root)
{
    return root && is_data_of(adze_use_op(use), adze_use_index(use), root);
}

static void set_type(adze_ir_value *value, const adze_type *type)
{
    adze_value_set_type(value, type);
    for (adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (is_kernel(adze_use_op(use)))
            adze_value_set_type(adze_region_arg(adze_op_region(adze_use_op(use), 0), adze_use_index(use)), type);
}

static void set_operand(adze_op *op, uint32_t index, adze_ir_value *value)
{
    adze_op_set_operand(op, index, value);
    if (is_kernel(op)) adze_value_set_type(adze_region_arg(adze_op_region(op, 0), index), adze_value_type(value));
}

/* ---- Transposes ---- */

static adze_op *transpose_of(const adze_op *kernel)
{
    if (!is_kernel(kernel)) return NULL;
    adze_op *op = adze_region_first(adze_op_region(kernel, 0));
    return adze_op_is(op, "transpose") && adze_op_next(op) == adze_region_last(adze_op_region(kernel, 0)) ? op : NULL;
}

static void permutation(const adze_op *transpose, uint32_t rank, uint8_t *out)
{
    adze_ints perm = adze_op_attr_ints(transpose, "perm");
    for (uint32_t i = 0; i < rank; i++) out[i] = (uint8_t)(perm.count ? perm.data[i] : (int64_t)(rank - 1 - i));
}

/* Can every user walk the value in any order? Not a convolution, whose weights are packed from dense ones. */
static bool users_walk(const adze_ir_value *value)
{
    for (adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        adze_op *user = adze_use_op(use);
        adze_op *root = find_trait(user, ADZE_CONTRACTION);
        if (!is_kernel(user) || conv_of(user) || is_data_of(user, adze_use_index(use), root)) return false;
    }
    return adze_value_has_uses(value);
}

/* Replaces the kernel by the bare op with a result type that makes it the same bytes. */
static void make_view(adze_op *kernel, adze_op *transpose, const adze_layout *layout)
{
    adze_builder b = adze_builder_before(kernel);
    adze_ir_value *operand = adze_op_operand(kernel, 0), *from = adze_op_result(kernel, 0);
    const adze_type *type = adze_type_with_layout(adze_value_type(from), layout);
    adze_attr perm = {"perm", ADZE_ATTR_INTS, {.ints = adze_op_attr_ints(transpose, "perm")}};
    adze_op *op = adze_build(&b, "transpose", &operand, 1, &perm, perm.value.ints.count != 0, &type, 1);
    adze_ir_value *to = adze_op_result(op, 0);
    adze_value_set_name(to, adze_value_name(from));
    adze_value_replace_uses(from, to);
    set_type(to, type);
    adze_op_erase(kernel);
}

/* The kernel that makes the operand writes it in the order in which it is read. */
static bool fold_into_producer(adze_op *kernel, adze_pass_run *self)
{
    adze_op *transpose = transpose_of(kernel);
    if (!transpose) return false;
    adze_ir_value *x = adze_op_operand(kernel, 0);
    adze_op *producer = adze_value_op(x);
    adze_layout layout = {.has_perm = true};
    permutation(transpose, adze_type_rank(adze_value_type(x)), layout.perm);
    if (!is_kernel(producer) || conv_of(producer) || transpose_of(producer) || adze_value_num_uses(x) != 1 ||
        adze_type_has_layout(adze_value_type(x)) || !adze_rewrite(self, kernel, "view-above"))
        return false;
    set_type(x, adze_type_with_layout(adze_value_type(x), &layout));
    make_view(kernel, transpose, NULL);
    return true;
}

/* How the transpose's result lies where it is the operand's bytes; false where those have a halo. */
static bool as_it_lies(const adze_op *transpose, const adze_type *from, adze_layout *out)
{
    uint32_t rank = adze_type_rank(from);
    const adze_layout *layout = adze_type_layout(from);
    uint8_t inverse[ADZE_MAX_RANK], perm[ADZE_MAX_RANK];
    *out = (adze_layout){.has_perm = true};
    permutation(transpose, rank, perm);
    for (uint32_t i = 0; i < rank; i++) {
        if (layout->halo[i] || layout->pad[i]) return false;
        inverse[perm[i]] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < rank; i++) out->perm[i] = inverse[layout->has_perm ? layout->perm[i] : i];
    return true;
}

static bool is_dense(const adze_layout *layout, uint32_t rank)
{
    bool dense = true;
    for (uint32_t i = 0; i < rank; i++) dense &= layout->perm[i] == i;
    return dense;
}

/* The transpose only undoes the order in which its operand lies: the bytes are those of a dense tensor. */
static bool lies_dense(const adze_op *kernel)
{
    const adze_op *transpose = transpose_of(kernel);
    const adze_type *from = transpose ? adze_value_type(adze_op_operand(kernel, 0)) : NULL;
    adze_layout layout;
    if (!from || !adze_type_has_layout(from)) return false; /* an argument or a constant may be returned */
    return as_it_lies(transpose, from, &layout) && is_dense(&layout, adze_type_rank(from));
}

/* The kernels that use the result walk it in the operand's order; where that is dense, anything reads it. */
static bool fold_into_users(adze_op *kernel, adze_pass_run *self)
{
    adze_op *transpose = transpose_of(kernel);
    adze_ir_value *x = transpose ? adze_op_operand(kernel, 0) : NULL;
    bool dense = lies_dense(kernel);
    adze_layout layout;
    if (!x || adze_value_const(x) || (!dense && !users_walk(adze_op_result(kernel, 0)))) return false;
    if (adze_type_has_layout(adze_value_type(adze_op_result(kernel, 0)))) return false;
    if (!as_it_lies(transpose, adze_value_type(x), &layout) || !adze_rewrite(self, kernel, "view-below")) return false;
    make_view(kernel, transpose, dense ? NULL : &layout);
    return true;
}

/* ---- Channels last ---- */

static bool is_image(const adze_type *type)
{
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return false;
    uint32_t rank = adze_type_rank(type);
    if (rank < 3 || rank > 5) return false;
    for (uint32_t i = 2; i < rank; i++)
        if (!adze_dim_is_value(adze_type_dim(type, i), 1)) return true;
    return false; /* one pixel: both orders are the same */
}

static adze_layout channels_last(uint32_t rank)
{
    adze_layout layout = {.has_perm = true};
    for (uint32_t i = 1; i + 1 < rank; i++) layout.perm[i] = (uint8_t)(i + 1);
    layout.perm[rank - 1] = 1;
    return layout;
}

static bool is_channels_last(const adze_type *type)
{
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type) || adze_type_rank(type) < 3) return false;
    const adze_layout *layout = adze_type_layout(type);
    return layout->has_perm && layout->perm[adze_type_rank(type) - 1] == 1;
}

/* The widest padding of the convolutions that slide over the value. */
static void widen_halo(const adze_ir_value *value, adze_layout *layout)
{
    uint32_t spatial = adze_type_rank(adze_value_type(value)) - 2;
    for (adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        adze_op *user = adze_use_op(use), *conv = conv_of(user);
        int64_t pads[2 * ADZE_MAX_RANK];
        if (!is_data_of_use(use, conv) || !tile_conv_pads(conv, spatial, pads)) continue;
        for (uint32_t i = 0; i < 2 * spatial; i++)
            if (pads[i] > 0 && (uint32_t)pads[i] > layout->halo[2 + i % spatial])
                layout->halo[2 + i % spatial] = (uint32_t)pads[i];
    }
}

static bool wants_channels_last(const adze_op *kernel, const adze_ir_value *value)
{
    const adze_op *window = find_trait(kernel, ADZE_WINDOW);
    int64_t channels;
    bool few = adze_dim_is_const(adze_type_dim(adze_value_type(value), 1), &channels) && channels < ADZE_LANES;
    if (window && (conv_of(kernel) || !few)) return true; /* a pool's lanes are its columns then */
    for (adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (find_trait(adze_use_op(use), ADZE_WINDOW) && is_data_of_use(use, find_trait(adze_use_op(use), ADZE_WINDOW)))
            return true;
    for (uint32_t i = 0; i < adze_op_num_operands(kernel); i++) {
        const adze_type *type = adze_value_type(adze_op_operand(kernel, i));
        if (is_channels_last(type) && adze_type_rank(type) == adze_type_rank(adze_value_type(value))) return true;
    }
    return false;
}

static bool choose(adze_op *kernel, adze_pass_run *self)
{
    bool changed = false;
    if (lies_dense(kernel)) return false;
    for (uint32_t i = 0; i < adze_op_num_results(kernel); i++) {
        adze_ir_value *value = adze_op_result(kernel, i);
        const adze_type *type = adze_value_type(value);
        if (!is_image(type) || adze_type_has_layout(type) || !wants_channels_last(kernel, value)) continue;
        if (!adze_rewrite(self, kernel, "channels-last")) continue;
        adze_layout layout = channels_last(adze_type_rank(type));
        widen_halo(value, &layout);
        set_type(value, adze_type_with_layout(type, &layout));
        changed = true;
    }
    return changed;
}

/* ---- Meeting points ---- */

/* A pool of an image reads each element several times: 16 channels at once are worth a copy that turns the image. */
static bool is_pooled(const adze_type *type, const adze_use *use)
{
    const adze_op *pool = find_trait(adze_use_op(use), ADZE_WINDOW);
    int64_t channels;
    return is_image(type) && is_data_of_use(use, pool) && !adze_type_has_layout(type) &&
           adze_dtype_bits(adze_type_dtype(type)) == 32 && adze_dim_is_const(adze_type_dim(type, 1), &channels) &&
           channels >= ADZE_LANES;
}

/* The type in which this use wants the value; the value's own where it does not matter. */
static const adze_type *wanted(const adze_ir_value *value, const adze_use *use)
{
    const adze_type *type = adze_value_type(value);
    adze_op *user = adze_use_op(use);
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return type;
    adze_op *conv = conv_of(user), *root = find_trait(user, ADZE_CONTRACTION);
    if (is_data_of_use(use, conv) && adze_type_rank(type) >= 3) {
        adze_layout need = channels_last(adze_type_rank(type));
        widen_halo(value, &need);
        const adze_layout *have = adze_type_layout(type);
        const adze_dim *strides[ADZE_MAX_RANK];
        adze_layout_strides(type, strides);
        bool fits = adze_dim_is_value(strides[1], 1);
        for (uint32_t i = 2; i < adze_type_rank(type); i++) fits &= have->halo[i] >= need.halo[i];
        return fits ? type : adze_type_with_layout(type, &need);
    }
    /* Weights that a run makes are packed from dense ones. */
    if (conv && adze_op_operand(conv, 1) == adze_region_arg(adze_op_region(user, 0), adze_use_index(use)))
        return adze_type_with_layout(type, NULL);
    if (is_pooled(type, use)) {
        adze_layout need = channels_last(adze_type_rank(type));
        return adze_type_with_layout(type, &need);
    }
    if (is_data_of_use(use, root)) {
        const adze_dim *strides[ADZE_MAX_RANK];
        uint32_t rank = adze_type_rank(type);
        adze_layout_strides(type, strides);
        return rank && adze_dim_is_value(strides[rank - 1], 1) ? type : adze_type_with_layout(type, NULL);
    }
    if (is_kernel(user) || adze_op_is(user, "launch") || adze_plan_is_view(user)) return type;
    return adze_type_with_layout(type, NULL);
}

/* More elements than the image has: chunks are then groups of channels, and each would copy the image for itself. */
static bool outweighs(const adze_type *weights, const adze_type *image)
{
    double weight = 1, pixel = 1;
    int64_t dim;
    for (uint32_t i = 0; i < adze_type_rank(weights); i++)
        weight *= adze_dim_is_const(adze_type_dim(weights, i), &dim) ? (double)dim : 0;
    for (uint32_t i = 1; i < adze_type_rank(image); i++)
        pixel *= adze_dim_is_const(adze_type_dim(image, i), &dim) ? (double)dim : 0;
    return weight > pixel;
}

/* The conversion becomes a stage of the only kernel that wants it, where that can run by rows. */
static bool convert_inside(adze_ir_value *value, adze_op *kernel, uint32_t index, const adze_type *type)
{
    adze_op *conv = conv_of(kernel);
    adze_region *region = conv ? adze_op_region(kernel, 0) : NULL;
    adze_ir_value *arg = region ? adze_region_arg(region, index) : NULL;
    if (!arg || adze_value_num_uses(arg) != 1 || adze_value_const(value)) return false;
    if (outweighs(adze_value_type(adze_op_operand(conv, 1)), type)) return false;
    for (adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (adze_use_op(use) != kernel && is_data_of_use(use, conv_of(adze_use_op(use)))) return false;
    adze_builder in = adze_builder_before(adze_region_first(region));
    adze_op *copy = adze_build(&in, "relayout", &arg, 1, NULL, 0, &type, 1);
    adze_op_set_operand(conv, 0, adze_op_result(copy, 0));
    if (tile_is_chain(kernel)) return true;
    adze_op_set_operand(conv, 0, arg);
    adze_op_erase(copy);
    return false;
}

/* Gives every use the layout it wants, one conversion a layout. */
static bool meet(adze_region *block, adze_ir_value *value, adze_pass_run *self)
{
    adze_ir_value *made[4] = {NULL};
    uint32_t n_made = 0;
    bool changed = false;
    for (adze_use *use = adze_value_first_use(value), *next; use; use = next) {
        next = adze_use_next(use);
        adze_op *user = adze_use_op(use);
        uint32_t index = adze_use_index(use);
        if (is_kernel(adze_region_op(adze_op_parent(user)))) continue;
        const adze_type *type = wanted(value, use);
        /* What is no kernel knows nothing of layouts; a kernel only runs faster. */
        if (type == adze_value_type(value) || (is_kernel(user) && !adze_rewrite(self, user, "relayout"))) continue;
        changed = true;
        adze_ir_value *to = NULL;
        for (uint32_t i = 0; i < n_made; i++)
            if (adze_value_type(made[i]) == type) to = made[i];
        if (!to && convert_inside(value, user, index, type)) continue;
        if (!to) {
            adze_op *producer = adze_value_op(value);
            adze_op *above = producer ? adze_op_next(producer) : adze_region_first(block);
            adze_op *kernel = tile_relayout(above, value, type);
            if (producer) adze_op_add_nodes_of(kernel, producer);
            to = adze_op_result(kernel, 0);
            if (n_made < 4) made[n_made++] = to;
        }
        set_operand(user, index, to);
    }
    return changed;
}

/* What the value shows through reshapes, whether or not layouts let them be views, and transposes that are views. */
static adze_ir_value *viewed(adze_ir_value *value)
{
    while (adze_value_op(value) &&
           (adze_op_has_trait(adze_value_op(value), ADZE_VIEW) || adze_plan_is_view(adze_value_op(value))))
        value = adze_op_operand(adze_value_op(value), 0);
    return value;
}

/* Strings and what is no tensor: the runtime copies them from place to place. */
static bool has_kernels(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return adze_type_is_tensor(type) && adze_type_dtype(type) != ADZE_DTYPE_str;
}

/* Have loops elements of that type? Those of others, of few bits or of two parts, are copied by the evaluation. */
static bool has_lanes(adze_dtype dtype)
{
    uint32_t bits = adze_dtype_bits(dtype);
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    return bits >= 8 && kind != ADZE_KIND_COMPLEX && (kind != ADZE_KIND_FLOAT || bits > 8);
}

/* The op reads a dense copy, made right above it, or one that the evaluation of `identity` gives. */
static void copy_operand(adze_op *op, uint32_t index)
{
    adze_ir_value *value = adze_op_operand(op, index);
    if (!has_kernels(value) || !has_lanes(adze_type_dtype(adze_value_type(value)))) {
        adze_builder b = adze_builder_before(op);
        adze_op_set_operand(op, index, adze_build_unary(&b, "identity", value));
        return;
    }
    adze_op *kernel = tile_relayout(op, value, adze_type_with_layout(adze_value_type(value), NULL));
    adze_op_set_operand(op, index, adze_op_result(kernel, 0));
}

/* An argument, a constant or a value that is returned already must be copied to be returned. */
static bool copy_returns(adze_func *func)
{
    adze_op *ret = adze_func_return(func);
    bool changed = false;
    for (uint32_t i = 0; ret && i < adze_op_num_operands(ret); i++) {
        adze_ir_value *value = adze_op_operand(ret, i), *root = viewed(value);
        if (!has_kernels(value)) continue;
        bool copy = !adze_value_op(root);
        for (uint32_t k = 0; k < i && !copy; k++) copy = viewed(adze_op_operand(ret, k)) == root;
        if (!copy) continue;
        copy_operand(ret, i);
        changed = true;
    }
    return changed;
}

/* Between two runs of a loop each carried value goes to its place, one after the other, and then the condition is
 * looked at: what another carried value held in this run is copied first. */
static bool copy_carried(adze_region *block)
{
    adze_op *op = adze_region_op(block), *yield = adze_region_last(block);
    bool changed = false;
    if (!op || !adze_op_is(op, "loop")) return false;
    for (uint32_t i = 0; i < adze_region_num_args(block); i++) {
        adze_ir_value *value = adze_op_operand(yield, i), *root = value ? viewed(value) : NULL;
        if (!root || adze_value_region(root) != block || adze_value_index(root) == i) continue;
        copy_operand(yield, i);
        changed = true;
    }
    return changed;
}

static bool lay_out(adze_region *block, adze_pass_run *self)
{
    bool changed = false;
    for (adze_op *op = adze_region_first(block), *next; op; op = next) {
        next = adze_op_next(op);
        changed |= fold_into_producer(op, self);
    }
    for (adze_op *op = adze_region_first(block); op; op = adze_op_next(op))
        if (is_kernel(op)) changed |= choose(op, self);
    for (adze_op *op = adze_region_first(block), *next; op; op = next) {
        next = adze_op_next(op);
        changed |= fold_into_users(op, self);
    }
    return changed;
}

static bool meet_all(adze_region *block, adze_pass_run *self)
{
    bool changed = false;
    for (uint32_t i = 0; i < adze_region_num_args(block); i++)
        changed |= meet(block, adze_region_arg(block, i), self);
    for (adze_op *op = adze_region_first(block), *next; op; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) changed |= meet(block, adze_op_result(op, i), self);
    }
    return changed;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    bool changed = false;
    for (adze_region *block = adze_func_body(func); block; block = adze_block_next(block))
        changed |= lay_out(block, self);
    for (adze_region *block = adze_func_body(func); block; block = adze_block_next(block)) {
        changed |= meet_all(block, self);
        changed |= copy_carried(block);
    }
    changed |= copy_returns(func);
    return changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

const adze_pass adze_pass_layout = {
    .struct_size = sizeof(adze_pass),
    .name = "layout",
    .help = "channels last with a halo for convolutions, transposes as views",
    .numerics = ADZE_EXACT,
    .run = run,
    .purpose = "lower",
    .contract = "Needs fuse. Views, ops outside kernels, and the model's inputs and outputs stay dense; a relayout "
                "converts where the two meet. A value that is returned twice, or an argument or constant that is "
                "returned, becomes a copy.",
    .example = adze_example_layout,
};
