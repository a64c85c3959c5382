/* Ways of shrinking that make dims smaller, everywhere at once (reduce.h).
 *
 * A number that is a dim somewhere becomes another one wherever it is a dim: in inputs, constants, stated types and
 * entries of integer constants (which may be shapes). Then every type is inferred again. What does not fit together
 * then is thrown away by the verifier. Tensors alone; loop IR keeps its sizes.
 */
#include "reduce.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SIZES = 256, MAX_BYTES = 64 << 20, MAX_ENTRIES = 16 };

typedef struct sizes {
    int64_t items[MAX_SIZES]; /* from the largest down */
    uint32_t count;
} sizes;

typedef struct change {
    const sizes *all;
    uint32_t first, n; /* those of `all` that change */
    int64_t to;        /* what they become; 0 = the half */
} change;

/* ---- Which sizes there are ---- */

static void note(sizes *s, const adze_type *type)
{
    for (uint32_t i = 0; adze_type_is_tensor(type) && i < adze_type_rank(type); i++) {
        int64_t n;
        uint32_t at = 0;
        if (!adze_dim_is_const(adze_type_dim(type, i), &n) || n < 2 || s->count == MAX_SIZES) continue;
        while (at < s->count && s->items[at] > n) at++;
        if (at < s->count && s->items[at] == n) continue;
        memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof *s->items);
        s->items[at] = n;
        s->count++;
    }
}

/* Calls `visit` with every value over tensors: arguments, results, not constants. */
static void for_values(const adze_region *region, void (*visit)(void *self, adze_ir_value *value), void *self)
{
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) visit(self, adze_region_arg(region, i));
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) visit(self, adze_op_result(op, i));
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) for_values(adze_op_region(op, i), visit, self);
    }
}

static void note_value(void *self, adze_ir_value *value) { note(self, adze_value_type(value)); }

static sizes sizes_of(const adze_module *module)
{
    sizes s = {.count = 0};
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) note(&s, adze_const_type(c));
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        for_values(adze_func_body(f), note_value, &s);
    return s;
}

static uint32_t count_sizes(const adze_module *module) { return sizes_of(module).count; }

/* ---- Changing them ---- */

static int64_t changed_size(const change *c, int64_t size)
{
    for (uint32_t i = c->first; i < c->first + c->n && i < c->all->count; i++)
        if (c->all->items[i] == size && size > c->to) return c->to ? c->to : (size + 1) / 2;
    return size;
}

static const adze_type *changed_type(const change *c, const adze_type *type)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    adze_context *context = adze_type_context(type);
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return type;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        int64_t n;
        dims[i] = adze_type_dim(type, i);
        if (adze_dim_is_const(dims[i], &n)) dims[i] = adze_dim_const(context, changed_size(c, n));
    }
    const adze_layout *layout = adze_type_has_layout(type) ? adze_type_layout(type) : NULL;
    return adze_type_tensor(context, adze_type_dtype(type), adze_type_rank(type), dims, layout);
}

static void change_value(void *self, adze_ir_value *value)
{
    adze_value_set_type(value, changed_type(self, adze_value_type(value)));
}

/* The corner of the elements that the new type has room for. */
static void copy_corner(const adze_type *from, const adze_type *to, size_t size, const char *in, char *out)
{
    int64_t at[ADZE_MAX_RANK] = {0}, old[ADZE_MAX_RANK], now[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(to), i;
    for (i = 0; i < rank; i++) {
        adze_dim_is_const(adze_type_dim(from, i), &old[i]);
        adze_dim_is_const(adze_type_dim(to, i), &now[i]);
    }
    do {
        size_t offset = 0;
        for (i = 0; i < rank; i++) offset = offset * (size_t)old[i] + (size_t)at[i];
        memcpy(out, in + offset * size, size);
        out += size;
        for (i = rank; i && ++at[i - 1] == now[i - 1]; i--) at[i - 1] = 0;
    } while (i);
}

static adze_ir_value *corner(adze_module *module, const adze_const *c, const adze_type *to)
{
    const adze_type *from = adze_const_type(c);
    uint32_t bits = adze_dtype_bits(adze_type_dtype(from));
    uint64_t bytes = adze_data_size(adze_const_data(c));
    double value;
    if (adze_value_as_splat(adze_const_value(c), &value))
        return adze_make_splat(module, adze_successor_name(c), to, value);
    const char *in = bits % 8 == 0 && bytes && bytes <= MAX_BYTES ? adze_data_load(adze_const_data(c)) : NULL;
    char *out = in ? malloc(bytes) : NULL;
    if (!out) return adze_make_splat(module, adze_successor_name(c), to, 0);
    copy_corner(from, to, bits / 8, in, out);
    adze_ir_value *made = adze_const_make(module, adze_successor_name(c), to, out);
    free(out);
    return made;
}

/* A list of integers that may be a shape: its entries change like dims. NULL where none does. */
static adze_ir_value *changed_list(adze_module *module, const adze_const *c, const change *how)
{
    int64_t entries[MAX_ENTRIES];
    int n = adze_value_as_ints(adze_const_value(c), entries, MAX_ENTRIES);
    bool changed = false;
    if (n < 1 || adze_type_dtype(adze_const_type(c)) != ADZE_DTYPE_i64) return NULL;
    for (int i = 0; i < n; i++) {
        int64_t now = changed_size(how, entries[i]);
        changed |= now != entries[i];
        entries[i] = now;
    }
    return changed ? adze_const_make(module, adze_successor_name(c), adze_const_type(c), entries) : NULL;
}

static bool change_constants(adze_module *module, const change *how)
{
    uint32_t n = 0;
    for (adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) n++;
    for (adze_const *c = adze_module_first_const(module), *next; n; c = next, n--) { /* new ones stand behind these */
        const adze_type *type = adze_const_type(c), *now = changed_type(how, type);
        adze_ir_value *made = now == type ? changed_list(module, c, how) : corner(module, c, now);
        if (now != type && !made) return false;
        next = adze_const_next(c);
        if (made) adze_const_replace(c, made);
    }
    return true;
}

/* ---- Inference, all over again ---- */

static bool infer_region(adze_region *region)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
            adze_region *inner = adze_op_region(op, i);
            for (uint32_t k = 0; adze_op_is(op, "kernel") && k < adze_op_num_operands(op); k++)
                adze_value_set_type(adze_region_arg(inner, k), adze_value_type(adze_op_operand(op, k)));
            if (!infer_region(inner)) return false;
        }
        if (!adze_op_infer(op)) return false;
    }
    return true;
}

static bool infer(adze_func *func)
{
    adze_op *end = adze_func_return(func);
    uint32_t n = adze_func_num_results(func);
    if (!infer_region(adze_func_body(func)) || !end || adze_op_num_operands(end) != n) return false;
    const adze_type **types = calloc(n + 1u, sizeof *types);
    const char **names = calloc(n + 1u, sizeof *names);
    if (!types || !names) abort();
    for (uint32_t i = 0; i < n; i++) {
        types[i] = adze_value_type(adze_op_operand(end, i));
        names[i] = adze_func_result_name(func, i);
    }
    adze_func_set_results(func, types, names, n);
    free(types);
    free(names);
    return true;
}

static bool change_sizes(adze_module *module, uint32_t first, uint32_t n, int64_t to)
{
    sizes all = sizes_of(module);
    change how = {&all, first, n, to};
    bool any = false;
    for (uint32_t i = first; i < first + n && i < all.count; i++)
        any |= changed_size(&how, all.items[i]) != all.items[i];
    if (!any || !change_constants(module, &how)) return false;
    for (adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) {
        for_values(adze_func_body(f), change_value, &how);
        if (!infer(f)) return false;
    }
    return true;
}

static bool sizes_to_one(adze_module *module, uint32_t first, uint32_t n) { return change_sizes(module, first, n, 1); }
static bool sizes_to_two(adze_module *module, uint32_t first, uint32_t n) { return change_sizes(module, first, n, 2); }
static bool sizes_to_half(adze_module *module, uint32_t first, uint32_t n) { return change_sizes(module, first, n, 0); }

/* ---- Symbols ---- */

typedef struct symbols {
    const char *items[MAX_SIZES];
    uint32_t count;
} symbols;

static void note_symbols(symbols *s, const adze_dim *dim)
{
    if (adze_dim_get_kind(dim) == ADZE_DIM_SYMBOL) {
        for (uint32_t i = 0; i < s->count; i++)
            if (!strcmp(s->items[i], adze_dim_symbol_name(dim))) return;
        if (s->count < MAX_SIZES) s->items[s->count++] = adze_dim_symbol_name(dim);
    } else if (adze_dim_get_kind(dim) >= ADZE_DIM_ADD && adze_dim_get_kind(dim) <= ADZE_DIM_MAX) {
        note_symbols(s, adze_dim_operand(dim, 0));
        note_symbols(s, adze_dim_operand(dim, 1));
    }
}

static void note_symbols_of(void *self, adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    for (uint32_t i = 0; adze_type_is_tensor(type) && i < adze_type_rank(type); i++)
        note_symbols(self, adze_type_dim(type, i));
}

static symbols symbols_of(const adze_module *module)
{
    symbols s = {.count = 0};
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        for_values(adze_func_body(f), note_symbols_of, &s);
    return s;
}

static uint32_t count_symbols(const adze_module *module) { return symbols_of(module).count; }

static bool fix(adze_module *module, uint32_t first, uint32_t n, int64_t value)
{
    symbols s = symbols_of(module);
    for (uint32_t i = first; i < first + n && i < s.count; i++)
        if (!adze_module_fix_dim(module, s.items[i], value)) return false;
    return first < s.count;
}

static bool fix_to_one(adze_module *module, uint32_t first, uint32_t n) { return fix(module, first, n, 1); }
static bool fix_to_two(adze_module *module, uint32_t first, uint32_t n) { return fix(module, first, n, 2); }

const adze_reducer adze_reduce_shapes[] = {
    {"symbols to 1", count_symbols, fix_to_one},
    {"symbols to 2", count_symbols, fix_to_two},
    {"sizes to 1", count_sizes, sizes_to_one},
    {"sizes to 2", count_sizes, sizes_to_two},
    {"sizes to half", count_sizes, sizes_to_half},
    {NULL, NULL, NULL},
};
