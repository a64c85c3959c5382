/* tile: turn kernels into functions of loop IR, with sizes from the target description.
 *
 * Each kernel becomes a function over buffers and a `launch` of it; equal functions are shared. Weights
 * of contractions are replaced by their packed panels. Where an artifact serves several levels, each has a function
 * of its own, which says which one it stands for (`level`, `stands_for`).
 *
 *     %1 = kernel(%x) do {(%p: f32[64])        →    %1 = launch(%x) {callee = @k0} : f32[64]
 *       %0 = relu(%p) : f32[64]                     func @k0(%a: buffer(f32[64]), %y: buffer(f32[64])) -> ()
 *       yield(%0)                                     for (0, 64, 16) load, relu, store
 *     } : f32[64]
 */
#include "passes/examples_embedded.h"
#include "passes/tile/contract.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 8 };

typedef struct known { /* functions of one kernel by their text without the names */
    uint64_t hash;
    char *text;
    adze_func *func;
} known;

typedef struct state {
    adze_pass_run *run;
    tile_level levels[MAX_LEVELS]; /* [0] is `run`; the others differ in their target */
    uint32_t n_levels;
    known *list;
    uint32_t n, capacity, next_name;
} state;

/* ---- One kernel ---- */

static void add_arguments(tile *t, adze_ir_value *const *operands)
{
    adze_region *body = adze_func_body(t->func);
    bool flat = tile_is_flat(t->kernel); /* element i is read before it is written: may run in place */
    uint32_t n = adze_op_num_operands(t->kernel), alias = 0;
    for (uint32_t i = 0; i < n; i++) {
        alias = flat ? 1 : i + 1;
        adze_region_add_arg(body, adze_layout_buffer(adze_value_type(operands[i]), alias),
                            adze_internf(t->context, "a%u", i));
    }
    for (uint32_t i = 0; i < adze_op_num_results(t->kernel); i++)
        adze_region_add_arg(body,
                            adze_layout_buffer(adze_value_type(adze_op_result(t->kernel, i)), flat ? 1 : n + i + 1),
                            adze_internf(t->context, "y%u", i));
}

static bool is_double(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return adze_type_is_tensor(type) && adze_type_dtype(type) == ADZE_DTYPE_f64;
}

/* Every rounding counts where a value becomes a code: a half goes up or down by the last bit. Who computes in doubles
 * wants the last bit. */
static bool keeps_roundings(const adze_op *kernel)
{
    for (const adze_op *op = adze_region_first(adze_op_region(kernel, 0)); op; op = adze_op_next(op)) {
        if (adze_op_has_trait(op, ADZE_ELEMWISE) && is_double(adze_op_result(op, 0))) return true;
        const adze_use *use = adze_op_has_trait(op, ADZE_QUANT) ? adze_value_first_use(adze_op_result(op, 0)) : NULL;
        if (use && tile_codes(adze_use_op(use)) != op) return true; /* those of weights give floats */
    }
    return false;
}

typedef bool form(tile *t);

/* Writes the kernel in one form; nothing stays behind where it does not fit. */
static adze_func *try_form(tile_level *level, adze_op *kernel, form *emit, bool scalar,
                           adze_ir_value *const *operands, const char *name)
{
    adze_module *module = adze_op_module(kernel);
    tile *t = calloc(1, sizeof *t);
    if (!t) abort();
    *t = (tile){.run = &level->run, .options = level->options, .context = adze_op_context(kernel),
                .module = module, .kernel = kernel,
                .operands = operands, .region = adze_op_region(kernel, 0), .lane = -1, .any_axis = -1,
                .scalar = scalar};
    t->func = adze_module_add_func(module, name);
    add_arguments(t, operands);
    t->b = adze_builder_at_end(module, adze_func_body(t->func));
    bool ok = emit(t) && !t->failed;
    if (ok) adze_build(&t->b, "return", NULL, 0, NULL, 0, NULL, 0);
    adze_func *func = t->func;
    if (ok && keeps_roundings(kernel)) adze_func_set_attr(func, adze_attr_int("exact", 1));
    free(t->flat_buffers);
    free(t);
    if (ok) return func;
    adze_func_erase(func);
    return NULL;
}

/* Ops between `above` and the kernel served a form that came to nothing. */
static void erase_ahead(adze_op *kernel, const adze_op *above)
{
    while (adze_op_prev(kernel) != above) adze_op_erase(adze_op_prev(kernel));
}

/* Contractions read their weights as panels; operands stay as they were where no form fits. */
static adze_func *emit_contraction(tile_level *level, adze_op *kernel, adze_ir_value **operands, const char *name)
{
    adze_func *func = NULL;
    const adze_op *above = adze_op_prev(kernel);
    uint32_t n = adze_op_num_operands(kernel), n_packed = 0;
    adze_ir_value **packed = calloc(n + 1u, sizeof *packed);
    if (!packed) abort();
    tile t = {.run = &level->run, .options = level->options, .context = adze_op_context(kernel),
              .module = adze_op_module(kernel), .kernel = kernel};
    for (adze_op *root = tile_root(kernel, NULL); root; root = tile_root(kernel, root)) {
        if (!tile_has_panels(kernel, root)) continue;
        uint32_t at = adze_value_index(tile_weights_arg(root));
        packed[at] = tile_pack(&t, root, operands[at]);
        n_packed += packed[at] != NULL;
        if (!tile_codes(root)) continue;
        for (uint32_t i = 1; i < adze_op_num_operands(tile_codes(root)); i++) {
            if (!adze_op_operand(tile_codes(root), i)) continue;
            at = adze_value_index(adze_op_operand(tile_codes(root), i));
            packed[at] = tile_pack_scales(&t, root, operands[at]);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (!packed[i]) packed[i] = operands[i];
    form *chosen = tile_is_chain(kernel) ? tile_rows : tile_contract;
    if (n_packed) func = try_form(level, kernel, chosen, false, packed, name);
    if (func) memcpy(operands, packed, n * sizeof *packed);
    else erase_ahead(kernel, above);
    free(packed);
    return func;
}

/* Does an op of the kernel make it? Else it is an argument or a constant, which loops have no store for. */
static bool is_made(const adze_op *kernel, const adze_ir_value *yielded)
{
    const adze_op *op = adze_value_op(yielded);
    return op && adze_op_parent(op) == adze_op_region(kernel, 0);
}

static bool makes_results(const adze_op *kernel)
{
    const adze_op *yield = adze_region_last(adze_op_region(kernel, 0));
    bool made = true;
    for (uint32_t i = 0; i < adze_op_num_operands(yield); i++) made &= is_made(kernel, adze_op_operand(yield, i));
    return made;
}

static bool has_codes(const adze_op *kernel)
{
    bool any = false;
    for (adze_op *root = tile_root(kernel, NULL); root; root = tile_root(kernel, root))
        any |= tile_codes(root) != NULL;
    return any;
}

/* Loops do not read codes themselves: every contraction must have its panels. */
static adze_func *emit_codes(tile_level *level, adze_op *kernel, adze_ir_value **operands, const char *name)
{
    for (adze_op *root = tile_root(kernel, NULL); root; root = tile_root(kernel, root))
        if (!tile_has_panels(kernel, root)) return NULL;
    return emit_contraction(level, kernel, operands, name);
}

static adze_func *emit(tile_level *level, adze_op *kernel, const char *name, adze_ir_value **operands)
{
    if (!makes_results(kernel)) return NULL;
    if (has_codes(kernel)) return emit_codes(level, kernel, operands, name);
    adze_func *func = try_form(level, kernel, tile_pack_bytes, false, operands, name);
    if (!func) func = try_form(level, kernel, tile_attention, false, operands, name);
    if (!func) func = emit_contraction(level, kernel, operands, name);
    if (!func) func = try_form(level, kernel, tile_product, false, operands, name);
    if (!func) func = try_form(level, kernel, tile_nest, false, operands, name);
    if (!func) func = try_form(level, kernel, tile_nest, true, operands, name);
    return func;
}

/* The kernel's function at each level. Where a level's form wants other operands (NULL here), the first
 * one's function serves it too. False: the kernel has no form. */
static bool emit_levels(state *s, adze_op *kernel, adze_ir_value **operands, adze_func **out)
{
    adze_context *context = adze_op_context(kernel);
    uint32_t n = adze_op_num_operands(kernel);
    const char *name = adze_internf(context, "k%u", s->next_name);
    while (adze_module_find_func(adze_op_module(kernel), name)) name = adze_internf(context, "k%u", ++s->next_name);
    adze_ir_value **own = calloc(n + 1u, sizeof *own);
    if (!own) abort();
    memcpy(own, operands, n * sizeof *own);
    out[0] = emit(&s->levels[0], kernel, name, operands);
    for (uint32_t i = 1; out[0] && i < s->n_levels; i++) {
        const char *level = adze_target_level(s->levels[i].run.target);
        adze_ir_value **again = calloc(n + 1u, sizeof *again);
        if (!again) abort();
        memcpy(again, own, n * sizeof *own);
        const adze_op *above = adze_op_prev(kernel);
        out[i] = emit(&s->levels[i], kernel, adze_internf(context, "%s.%s", name, level), again);
        if (out[i] && memcmp(again, operands, n * sizeof *again) != 0) {
            adze_func_erase(out[i]);
            erase_ahead(kernel, above);
            out[i] = NULL;
        }
        free(again);
    }
    free(own);
    return out[0] != NULL;
}

/* ---- Sharing equal functions ---- */

static uint64_t hash_text(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* Without the name. */
static void append_body(const adze_func *func, adze_text *out)
{
    adze_text text = {0};
    adze_print_options options = {.struct_size = sizeof options};
    adze_func_print(func, &options, &text);
    adze_text_write(&text, "", 1);
    const char *body = strchr(text.data, '(');
    adze_text_append(out, "%s", body ? body : text.data);
    adze_text_free(&text);
}

static void erase_levels(const state *s, adze_func **funcs)
{
    for (uint32_t i = 0; i < s->n_levels; i++)
        if (funcs[i]) adze_func_erase(funcs[i]);
}

/* A level's function says what it stands for; one that is like the first is not needed. */
static void mark_levels(state *s, adze_func **funcs, const char *first)
{
    for (uint32_t i = 1; i < s->n_levels; i++) {
        if (!funcs[i]) continue;
        adze_text text = {0};
        append_body(funcs[i], &text);
        bool same = !strcmp(text.data, first);
        adze_text_free(&text);
        if (same) {
            adze_func_erase(funcs[i]);
            continue;
        }
        adze_func_set_attr(funcs[i], adze_attr_str("level", adze_target_level(s->levels[i].run.target)));
        adze_func_set_attr(funcs[i], adze_attr_sym("stands_for", adze_func_name(funcs[0])));
    }
}

/* The function to launch: these ones, or equal ones of an earlier kernel. */
static adze_func *share(state *s, adze_func **funcs)
{
    adze_text text = {0};
    size_t first = 0; /* length of the first body */
    for (uint32_t i = 0; i < s->n_levels; i++) {
        if (funcs[i]) append_body(funcs[i], &text);
        if (!i) first = text.size;
    }
    uint64_t hash = hash_text(text.data);
    for (uint32_t i = 0; i < s->n; i++)
        if (s->list[i].hash == hash && !strcmp(s->list[i].text, text.data)) {
            erase_levels(s, funcs);
            adze_text_free(&text);
            return s->list[i].func;
        }
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->list = realloc(s->list, s->capacity * sizeof *s->list);
        if (!s->list) abort();
    }
    s->list[s->n++] = (known){hash, strdup(text.data), funcs[0]};
    s->next_name++;
    text.data[first] = '\0';
    mark_levels(s, funcs, text.data);
    adze_text_free(&text);
    return funcs[0];
}

/* ---- Launches ---- */

static const adze_dim *multiply_adds(const adze_op *kernel)
{
    const adze_region *region = adze_op_region(kernel, 0);
    adze_context *context = adze_op_context(kernel);
    const adze_dim *total = NULL;
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        adze_access access;
        if (adze_op_is(op, "attention")) { /* two products over the keys */
            const adze_type *q = adze_value_type(adze_op_operand(op, 0)), *k = adze_value_type(adze_op_operand(op, 1));
            total = adze_dim_mul_const(context, adze_dim_mul(context, adze_type_count(q), adze_type_dim(k, 2)), 2);
        }
        if (!adze_op_has_trait(op, ADZE_CONTRACTION) || !adze_op_access(op, &access)) continue;
        const adze_dim *points = adze_dim_const(context, 1);
        for (uint32_t i = 0; i < access.n_axes; i++) points = adze_dim_mul(context, points, access.extent[i]);
        total = total ? adze_dim_add(context, total, points) : points;
    }
    return total && !adze_dim_is_unknown(total) ? total : NULL;
}

/* Dims of the kernel's values that the sizes of a run may make negative; loops over such are not what they seem. */
static adze_attr natural_dims(const adze_op *kernel)
{
    enum { MAX = 16 };
    const adze_dim *found[MAX];
    uint32_t n = 0;
    for (const adze_op *op = adze_region_first(adze_op_region(kernel, 0)); op; op = adze_op_next(op))
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            const adze_type *type = adze_value_type(adze_op_result(op, i));
            for (uint32_t d = 0; adze_type_is_tensor(type) && d < adze_type_rank(type) && n < MAX; d++) {
                const adze_dim *dim = adze_type_dim(type, d);
                uint32_t k = 0;
                int64_t low, high;
                adze_dim_range(dim, NULL, 0, &low, &high);
                while (k < n && found[k] != dim) k++;
                if (low < 0 && k == n) found[n++] = dim;
            }
        }
    adze_attr attr = adze_attr_dims_make(adze_op_context(kernel), "natural", found, n);
    if (!n) attr.value.object = NULL;
    return attr;
}

static adze_op *launch(adze_op *kernel, adze_func *func, adze_ir_value *const *operands)
{
    adze_context *context = adze_op_context(kernel);
    adze_builder b = adze_builder_before(kernel);
    const adze_type **types = calloc(adze_op_num_results(kernel) + 1u, sizeof *types);
    if (!types) abort();
    const adze_dim *bytes = adze_dim_const(context, 0);
    for (uint32_t i = 0; i < adze_op_num_results(kernel); i++) {
        types[i] = adze_value_type(adze_op_result(kernel, i));
        bytes = adze_dim_add(context, bytes, adze_layout_bytes(types[i]));
    }
    for (uint32_t i = 0; i < adze_op_num_operands(kernel); i++)
        bytes = adze_dim_add(context, bytes, adze_layout_bytes(adze_value_type(operands[i])));
    adze_attr attrs[4] = {adze_attr_sym("callee", adze_func_name(func)), adze_attr_dim("bytes", bytes)};
    adze_attr more[] = {adze_attr_dim("macs", multiply_adds(kernel)), natural_dims(kernel)};
    uint32_t n = 2;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i].value.object) attrs[n++] = more[i];
    adze_op *op = adze_build(&b, "launch", operands, adze_op_num_operands(kernel), attrs, n, types,
                             adze_op_num_results(kernel));
    free(types);
    for (uint32_t i = 0; i < adze_op_num_results(kernel); i++) {
        adze_value_set_name(adze_op_result(op, i), adze_value_name(adze_op_result(kernel, i)));
        adze_value_replace_uses(adze_op_result(kernel, i), adze_op_result(op, i));
    }
    adze_op_erase(kernel);
    return op;
}

static adze_op *lower(state *s, adze_op *kernel);

/* The value in another layout, copied by a kernel of its own above `before`. */
static adze_ir_value *convert(state *s, adze_op *before, adze_ir_value *value, const adze_type *type)
{
    adze_op *launched = lower(s, tile_relayout(before, value, type));
    return launched ? adze_op_result(launched, 0) : value;
}

static const adze_type *dense(const adze_type *type)
{
    return adze_type_is_tensor(type) && adze_type_has_layout(type) ? adze_type_with_layout(type, NULL) : type;
}

/* The kernel's ops, back in the function and on dense tensors, as their evaluations want them. */
static void take_apart(state *s, adze_op *kernel)
{
    adze_region *region = adze_op_region(kernel, 0);
    adze_map *map = adze_map_create();
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        adze_ir_value *value = adze_op_operand(kernel, i);
        const adze_type *type = dense(adze_value_type(value));
        if (type != adze_value_type(value)) value = convert(s, kernel, value, type);
        adze_map_set(map, adze_region_arg(region, i), value);
    }
    adze_builder b = adze_builder_before(kernel);
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (!adze_op_has_trait(op, ADZE_TERMINATOR)) {
            adze_op *copy = adze_clone(&b, op, map);
            for (uint32_t i = 0; i < adze_op_num_results(copy); i++)
                adze_value_set_type(adze_op_result(copy, i), dense(adze_value_type(adze_op_result(copy, i))));
            continue;
        }
        for (uint32_t i = 0; i < adze_op_num_results(kernel); i++) {
            adze_ir_value *value = adze_op_operand(op, i), *mapped = adze_map_get(map, value);
            const adze_type *type = adze_value_type(adze_op_result(kernel, i));
            bool copy = !is_made(kernel, value); /* it may have to be returned */
            value = mapped ? mapped : value;
            copy |= adze_value_type(value) != type && adze_type_has_layout(type);
            if (copy) value = convert(s, kernel, value, type);
            adze_value_replace_uses(adze_op_result(kernel, i), value);
        }
    }
    adze_map_destroy(map);
    adze_op_erase(kernel);
}

/* The launch that stands for the kernel now; NULL where it was taken apart. */
static adze_op *lower(state *s, adze_op *kernel)
{
    uint32_t n = adze_op_num_operands(kernel);
    adze_ir_value **operands = calloc(n + 1u, sizeof *operands);
    if (!operands) abort();
    for (uint32_t i = 0; i < n; i++) operands[i] = adze_op_operand(kernel, i);
    adze_func *funcs[MAX_LEVELS] = {NULL};
    bool ok = emit_levels(s, kernel, operands, funcs);
    if (!ok && tile_widen_kernel(kernel)) {
        free(operands);
        return lower(s, kernel);
    }
    adze_op *launched = ok ? launch(kernel, share(s, funcs), operands) : NULL;
    if (!launched) take_apart(s, kernel);
    free(operands);
    return launched;
}

/* The target first, then the other levels, each once. */
static void find_levels(state *s, const tile_options *options)
{
    s->levels[s->n_levels++] = (tile_level){*s->run, options};
    for (uint32_t i = 0; s->run->others && s->run->others[i] && s->n_levels < MAX_LEVELS; i++) {
        bool again = false;
        for (uint32_t k = 0; k < s->n_levels; k++)
            again |= !strcmp(adze_target_level(s->levels[k].run.target), adze_target_level(s->run->others[i]));
        if (again) continue;
        s->levels[s->n_levels] = (tile_level){*s->run, options};
        s->levels[s->n_levels++].run.target = s->run->others[i];
    }
}

static bool lower_block(state *s, adze_region *block)
{
    bool changed = false;
    for (adze_op *op = adze_region_first(block), *next; op; op = next) {
        next = adze_op_next(op);
        if (tile_keeps_codes(op)) { /* no kernel took it */
            changed |= tile_make_wide(op);
            continue;
        }
        if (!adze_op_is(op, "kernel") || !adze_rewrite(s->run, op, "loops")) continue;
        lower(s, op);
        changed = true;
    }
    return changed;
}

/* Do the dims multiply to less than makes strides, offsets and bytes overflow 64 bits? Where they are symbols or not
 * known, a run finds out. */
static bool has_possible_size(const adze_type *type)
{
    static const int64_t most = INT64_C(1) << 56;
    int64_t product = 1, dim;
    if (!adze_type_is_tensor(type) || adze_type_is_open(type)) return true;
    if (adze_dim_is_unknown(adze_type_count(type))) return false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        if (adze_dim_is_const(adze_type_dim(type, i), &dim) && __builtin_mul_overflow(product, dim, &product))
            return false;
    return product <= most;
}

static bool check_size(const adze_ir_value *value, adze_loc loc)
{
    char text[256];
    const adze_type *type = adze_value_type(value);
    if (has_possible_size(type)) return true;
    adze_type_print(type, text, sizeof text);
    return adze_error(loc, "the dims of %s multiply to more than an address can tell", text);
}

static bool check_sizes(const adze_module *module)
{
    bool ok = true;
    for (adze_func *func = adze_module_first_func(module); func && ok; func = adze_func_next(func))
        for (adze_region *block = adze_func_body(func); block && ok; block = adze_block_next(block)) {
            for (uint32_t i = 0; i < adze_region_num_args(block) && ok; i++)
                ok = check_size(adze_region_arg(block, i), adze_func_loc(func));
            for (adze_op *op = adze_region_first(block); op && ok; op = adze_op_next(op))
                for (uint32_t i = 0; i < adze_op_num_results(op) && ok; i++)
                    ok = check_size(adze_op_result(op, i), adze_op_loc(op));
        }
    return ok;
}

static adze_outcome run(adze_module *module, const void *options, adze_pass_run *self)
{
    const tile_options *o = options;
    if (strcmp(o->sparse, "auto") && strcmp(o->sparse, "true") && strcmp(o->sparse, "false")) {
        adze_error(adze_loc_unknown(self->context), "tile: sparse takes auto, true or false, got '%s'", o->sparse);
        return ADZE_FAILED;
    }
    if (!check_sizes(module)) return ADZE_FAILED;
    state s = {.run = self};
    find_levels(&s, o);
    bool changed = false;
    adze_func *last = NULL; /* functions behind it are made here */
    for (adze_func *func = adze_module_first_func(module); func; func = adze_func_next(func)) last = func;
    for (adze_func *func = adze_module_first_func(module); func; func = func == last ? NULL : adze_func_next(func))
        for (adze_region *block = adze_func_body(func); block; block = adze_block_next(block))
            changed |= lower_block(&s, block);
    for (uint32_t i = 0; i < s.n; i++) free(s.list[i].text);
    free(s.list);
    return changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

static const adze_option tile_option_rows[] = {
    {"sparse", "leave out weights that are zero, by rows of 16 or one by one: auto (where that is faster), true, false",
     ADZE_OPTION_STR, offsetof(tile_options, sparse), "auto"},
    {"small", "store other panels without their zeros, where that is smaller: made dense at run time, which takes time",
     ADZE_OPTION_BOOL, offsetof(tile_options, small), "false"},
};

const adze_pass adze_pass_tile = {
    .struct_size = sizeof(adze_pass),
    .name = "tile",
    .help = "turn kernels into loop IR, sized for the target",
    .numerics = ADZE_FAST,
    .options = tile_option_rows,
    .n_options = sizeof tile_option_rows / sizeof *tile_option_rows,
    .options_size = sizeof(tile_options),
    .run_module = run,
    .purpose = "lower",
    .contract = "Needs fuse and layout. A kernel that has no form in loop IR is taken apart again: its ops then run "
                "their evaluation, and reports name them. Sums of a reduction run in 16 lanes, in an order that does "
                "not depend on the number of threads.",
    .example = adze_example_tile,
};
