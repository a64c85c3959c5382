/* Reads a planned module into tables (see program.h).
 *
 * A planned `main` holds launches, view ops and ops that run their evaluation. Its attribute
 * `offsets` lists, for every result of every op in order, the byte offset of its allocation in the
 * arena, or -1: the memory of a model output (a launch may carry its own `offsets` instead). Views
 * are their operand's bytes.
 */
#include "backends/x86/reader.h"
#include "backends/x86/ukernels/native.h"

#include <adze/plan.h>

#include <stdio.h>
#include <string.h>

static const adze_dim *element_bytes(adze_context *c, const adze_type *type,
                                     const adze_dim *elements)
{
    uint32_t bits = adze_dtype_bits(adze_type_dtype(type));
    return adze_dim_binary(c, ADZE_DIM_CEILDIV, adze_dim_mul_const(c, elements, bits),
                           adze_dim_const(c, 8));
}

static const adze_dim *origin_bytes(adze_context *c, const adze_type *type)
{
    if (!adze_type_is_tensor(type) || !adze_type_has_layout(type)) return adze_dim_const(c, 0);
    return element_bytes(c, type, adze_layout_origin(type));
}

static bool is_minus_one(const adze_dim *dim)
{
    int64_t value;
    return adze_dim_is_const(dim, &value) && value < 0;
}

enum { MAX_LATE = 1 << 20 };

typedef struct x86_offsets {
    x86_reader *reader;
    const adze_attr_dims *all;
    adze_ints slots;
    uint32_t at;
} x86_offsets;

/* Offsets of all values of `main`, from the function's attribute and the launches' own. */
static void read_offset(void *self, adze_op *op, const adze_ir_value *value)
{
    x86_offsets *o = self;
    const adze_attr_dims *own = adze_op_is(op, "launch") && adze_op_attr_is_set(op, "offsets")
                                    ? adze_op_attr_dims(op, "offsets")
                                    : NULL;
    uint32_t i = adze_value_index(value), at = o->at++;
    const adze_dim *dim = own && i < own->count          ? own->dims[i]
                          : o->all && at < o->all->count ? o->all->dims[at]
                                                         : NULL;
    if (dim) adze_table_put(&o->reader->offsets, value, (void *)(uintptr_t)dim);
    int64_t slot = at < o->slots.count ? o->slots.data[at] : -1;
    if (slot < 0 || slot > MAX_LATE) return;
    adze_table_put(&o->reader->slots, value, (void *)(uintptr_t)(slot + 1));
    if (o->reader->p->n_late <= slot) o->reader->p->n_late = (uint32_t)slot + 1;
}

static bool read_offsets(x86_reader *r)
{
    const adze_attr *attr = adze_func_find_attr(r->p->main, "offsets");
    const adze_attr_dims *all = attr && attr->kind == ADZE_ATTR_DIMS ? attr->value.object : NULL;
    const adze_attr *slots = adze_func_find_attr(r->p->main, "slots");
    x86_offsets o = {r, all, {NULL, 0}, 0};
    if (slots && slots->kind == ADZE_ATTR_INTS) o.slots = slots->value.ints;
    adze_plan_each(r->p->main, read_offset, &o);
    if (all && o.at != all->count)
        return adze_error(adze_op_loc(adze_region_first(adze_func_body(r->p->main))),
                          "`offsets` of @%s has %u entries for %u values",
                          adze_func_name(r->p->main), all->count, o.at);
    return true;
}

/* The first model output that is the value or a view of it; -1 = none. */
static int64_t output_of(x86_reader *r, const adze_ir_value *value)
{
    return (int64_t)(uintptr_t)adze_table_get(&r->outputs, adze_plan_home(value)) - 1;
}

static void read_outputs(x86_reader *r)
{
    const adze_op *end = adze_func_return(r->p->main);
    for (uint32_t i = adze_op_num_operands(end); i-- > 0;)
        adze_table_put(&r->outputs, adze_plan_root(adze_op_operand(end, i)), (void *)(uintptr_t)(i + 1));
}

void x86_put_place(x86_reader *r, const adze_ir_value *value, x86_place place)
{
    adze_table_put(&r->places, value, adze_arena_copy(&r->p->arena, &place, sizeof place));
}

static bool place_const(x86_reader *r, const adze_ir_value *value, x86_place *out)
{
    x86_program *p = r->p;
    adze_const *c = adze_value_const(value);
    const adze_type *type = adze_const_type(c);
    int64_t origin;
    if (adze_type_dtype(type) == ADZE_DTYPE_str) {
        *out = (x86_place){.kind = X86_STRINGS, .at = {.is_const = true}};
        out->strings = adze_data_load(adze_const_data(c));
        if (out->strings) x86_put_place(r, value, *out);
        return out->strings != NULL;
    }
    if (!adze_dim_is_const(origin_bytes(p->context, type), &origin))
        return adze_error(adze_loc_unknown(p->context), "constant @%s has dims that are not fixed",
                          adze_const_name(c));
    p->weights = adze_arena_grow(&p->arena, p->weights, p->n_weights, &p->weights_capacity,
                                 sizeof *p->weights);
    x86_weight *w = &p->weights[p->n_weights++];
    w->constant = c;
    w->offset = (p->weights_size + 63) & ~UINT64_C(63);
    w->size = adze_data_size(adze_const_data(c));
    p->weights_size = w->offset + w->size;
    *out = (x86_place){.kind = X86_WEIGHTS,
                       .at = {.is_const = true, .value = (int64_t)w->offset + origin}};
    x86_put_place(r, value, *out);
    return true;
}

/* The place of an operand: set for arguments and results when their op is read, made here for
 * constants. */
bool x86_find_place(x86_reader *r, const adze_ir_value *value, x86_place *out)
{
    *out = (x86_place){.kind = X86_ABSENT, .at = {.is_const = true}};
    if (!value) return true;
    const x86_place *known = adze_table_get(&r->places, value);
    if (known) {
        *out = *known;
        return true;
    }
    return adze_value_const(value) ? place_const(r, value, out) : false;
}

bool x86_place_value(x86_reader *r, adze_op *op, const adze_ir_value *value, x86_place *out)
{
    x86_program *p = r->p;
    const adze_dim *offset = adze_table_get(&r->offsets, value);
    uintptr_t slot = (uintptr_t)adze_table_get(&r->slots, value);
    *out = (x86_place){.kind = X86_ABSENT, .at = {.is_const = true}};
    if (slot) {
        out->kind = X86_LATE;
        out->io = (uint32_t)(slot - 1);
        if (!adze_type_is_open(adze_value_type(value)))
            out->at = x86_dims_size(&p->dims, origin_bytes(p->context, adze_value_type(value)));
    } else if (offset && !is_minus_one(offset)) {
        const adze_dim *at =
            adze_dim_add(p->context, offset, origin_bytes(p->context, adze_value_type(value)));
        out->kind = X86_ARENA;
        out->at = x86_dims_size(&p->dims, at);
    } else {
        int64_t output = output_of(r, value);
        if (output < 0)
            return adze_error(adze_op_loc(op),
                              "result %u of '%s' has no memory: the module is not planned",
                              adze_value_index(value), adze_op_name(op));
        out->kind = X86_IO;
        out->io = p->n_inputs + (uint32_t)output;
    }
    x86_put_place(r, value, *out);
    return true;
}

bool x86_same_place(const x86_place *a, const x86_place *b)
{
    return a->kind == b->kind && a->io == b->io && a->at.is_const == b->at.is_const &&
           a->at.value == b->at.value && a->at.dim == b->at.dim;
}

static const char *join_nodes(x86_program *p, const adze_op *op)
{
    size_t size = 1;
    uint32_t n = adze_op_num_nodes(op);
    for (uint32_t i = 0; i < n; i++) size += strlen(adze_op_node(op, i)) + 1;
    char *text = adze_arena_alloc(&p->arena, size), *at = text;
    for (uint32_t i = 0; i < n; i++)
        at += snprintf(at, size - (size_t)(at - text), "%s%s", i ? "\n" : "", adze_op_node(op, i));
    return text;
}

x86_step *x86_new_step(x86_reader *r, adze_op *op, x86_step_kind kind, uint32_t n_operands)
{
    x86_program *p = r->p;
    p->steps =
        adze_arena_grow(&p->arena, p->steps, p->n_steps, &p->steps_capacity, sizeof *p->steps);
    x86_step *step = &p->steps[p->n_steps++];
    memset(step, 0, sizeof *step);
    step->kind = kind;
    step->macs = step->bytes = UINT32_MAX;
    step->name = adze_op_name(op);
    step->nodes = join_nodes(p, op);
    step->operands = ADZE_NEW_ARRAY(&p->arena, x86_operand, n_operands);
    return step;
}

bool x86_fill_operand(x86_reader *r, adze_op *op, const adze_ir_value *value, const x86_place *place, x86_operand *out)
{
    return !value || x86_fill_typed(r, op, adze_value_type(value), place, out);
}

bool x86_fill_typed(x86_reader *r, adze_op *op, const adze_type *type, const x86_place *place, x86_operand *out)
{
    x86_program *p = r->p;
    out->place = *place;
    out->dtype = adze_type_is_tensor(type) ? adze_type_dtype(type) : ADZE_DTYPE_NONE;
    out->is_open = adze_type_is_open(type);
    bool is_input = place->kind == X86_IO && place->io < p->n_inputs;
    if (out->is_open && place->kind != X86_LATE && place->kind != X86_STRINGS && !is_input)
        return adze_error(adze_op_loc(op), "'%s': a value of unknown dims has no memory: the module is not planned",
                          adze_op_name(op));
    if (out->is_open && place->kind != X86_STRINGS) return true;
    out->rank = adze_type_rank(type);
    x86_size *dims = ADZE_NEW_ARRAY(&p->arena, x86_size, out->rank);
    for (uint32_t i = 0; i < out->rank; i++) {
        if (!x86_is_known(r, adze_type_dim(type, i)))
            return adze_error(adze_op_loc(op), "'%s': no input and no `named` above gives dim %u of a value",
                              adze_op_name(op), i);
        dims[i] = x86_dims_size(&p->dims, adze_type_dim(type, i));
    }
    out->dims = dims;
    if (place->kind == X86_LATE) out->bytes = x86_dims_size(&p->dims, adze_layout_bytes(type));
    return true;
}

static bool fill_operands(x86_reader *r, adze_op *op, x86_step *step)
{
    uint32_t n = adze_op_num_operands(op), m = adze_op_num_results(op);
    x86_operand *operands = ADZE_NEW_ARRAY(&r->p->arena, x86_operand, n + m);
    for (uint32_t i = 0; i < n + m; i++) {
        const adze_ir_value *value = i < n ? adze_op_operand(op, i) : adze_op_result(op, i - n);
        x86_place place;
        if (!(i < n ? x86_find_place(r, value, &place) : x86_place_value(r, op, value, &place)) ||
            !x86_fill_operand(r, op, value, &place, &operands[i]))
            return false;
    }
    step->operands = operands;
    step->n_inputs = n;
    step->n_outputs = m;
    return true;
}

/* Does it call a micro-kernel that is `such`? */
static bool calls(const adze_region *region, bool (*such)(const char *name))
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_is(op, "ukernel") && such(adze_op_attr_str(op, "name"))) return true;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (calls(adze_op_region(op, i), such)) return true;
    }
    return false;
}

static uint32_t find_kernel(x86_reader *r, const adze_func *func)
{
    x86_program *p = r->p;
    uintptr_t known = (uintptr_t)adze_table_get(&r->kernels, func);
    if (known) return (uint32_t)(known - 1);
    p->kernels = adze_arena_grow(&p->arena, p->kernels, p->n_kernels, &p->kernels_capacity,
                                 sizeof *p->kernels);
    x86_kernel *k = &p->kernels[p->n_kernels++];
    k->func = func;
    k->name = adze_func_name(func);
    k->may_alias = ADZE_NEW_ARRAY(&p->arena, bool, adze_region_num_args(adze_func_body(func)));
    p->has_dots |= calls(adze_func_body(func), adze_uk_has_dots);
    adze_table_put(&r->kernels, func, (void *)(uintptr_t)p->n_kernels);
    return p->n_kernels - 1;
}

static const adze_func *stands_for(const x86_program *p, const adze_func *func)
{
    const adze_attr *attr = adze_func_find_attr(func, "stands_for");
    return attr && attr->kind == ADZE_ATTR_SYM ? adze_module_find_func(p->module, attr->value.s.data)
                                               : NULL;
}

/* A function of one level takes the same buffers as the one it stands for. */
static bool check_levels(const x86_program *p)
{
    bool ok = true;
    for (const adze_func *f = adze_module_first_func(p->module); f; f = adze_func_next(f)) {
        if (!adze_func_find_attr(f, "stands_for")) continue;
        const adze_func *first = stands_for(p, f);
        const adze_region *a = adze_func_body(f), *b = first ? adze_func_body(first) : NULL;
        bool same = b && adze_region_num_args(a) == adze_region_num_args(b);
        for (uint32_t i = 0; same && i < adze_region_num_args(a); i++)
            same = adze_value_type(adze_region_arg(a, i)) == adze_value_type(adze_region_arg(b, i));
        if (!same)
            ok = adze_error(adze_loc_unknown(p->context),
                            "@%s does not take the buffers of the function it stands for",
                            adze_func_name(f));
    }
    return ok;
}

const adze_func *x86_kernel_at(const x86_program *p, const x86_kernel *kernel, const char *level)
{
    for (const adze_func *f = adze_module_first_func(p->module); f; f = adze_func_next(f)) {
        const adze_attr *attr = adze_func_find_attr(f, "level");
        if (attr && attr->kind == ADZE_ATTR_STR && !strcmp(attr->value.s.data, level) &&
            stands_for(p, f) == kernel->func)
            return f;
    }
    return kernel->func;
}

bool x86_program_has_tiles(const x86_program *p, const char *level)
{
    bool has = false;
    for (uint32_t i = 0; i < p->n_kernels && !has; i++)
        has = calls(adze_func_body(x86_kernel_at(p, &p->kernels[i], level)), adze_uk_has_tiles);
    return has;
}

static bool read_launch(x86_reader *r, adze_op *op)
{
    x86_program *p = r->p;
    const char *callee = adze_op_attr_str(op, "callee");
    const adze_func *func = adze_module_find_func(p->module, callee);
    uint32_t n = adze_op_num_operands(op) + adze_op_num_results(op);
    if (!func || adze_region_num_args(adze_func_body(func)) != n)
        return adze_error(adze_op_loc(op), "launch of @%s: no such function with %u buffers",
                          callee, n);
    x86_step *step = x86_new_step(r, op, X86_STEP_KERNEL, 0);
    if (!fill_operands(r, op, step)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (step->operands[i].is_open)
            return adze_error(adze_op_loc(op), "launch of @%s: buffer %u has unknown dims", callee, i);
    step->kernel = find_kernel(r, func);
    step->name = callee;
    const adze_dim *macs = adze_op_attr_dim(op, "macs"), *bytes = adze_op_attr_dim(op, "bytes");
    if (macs && !adze_dim_is_unknown(macs)) step->macs = x86_dims_add(&p->dims, macs);
    if (bytes && !adze_dim_is_unknown(bytes)) step->bytes = x86_dims_add(&p->dims, bytes);
    x86_add_natural(r, op, step);
    bool *may_alias = p->kernels[step->kernel].may_alias;
    for (uint32_t i = step->n_inputs; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (x86_same_place(&step->operands[i].place, &step->operands[j].place))
                may_alias[i] = may_alias[j] = true;
    return true;
}

static bool read_view(x86_reader *r, adze_op *op)
{
    x86_place from;
    if (!x86_find_place(r, adze_op_operand(op, 0), &from) || !x86_add_count(r, op)) return false;
    x86_put_place(r, adze_op_result(op, 0), from);
    return true;
}

static bool read_dims(x86_reader *r, adze_op *op)
{
    x86_program *p = r->p;
    const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
    x86_step *step = x86_new_step(r, op, X86_STEP_DIMS, 0);
    if (!fill_operands(r, op, step)) return false;
    x86_size *sizes = ADZE_NEW_ARRAY(&p->arena, x86_size, dims->count);
    for (uint32_t i = 0; i < dims->count; i++) sizes[i] = x86_dims_size(&p->dims, dims->dims[i]);
    step->dims = sizes;
    step->n_dims = dims->count;
    return true;
}

static bool read_floor(x86_reader *r, adze_op *op)
{
    const adze_op_row *row = adze_op_get_row(op);
    if (!row->eval || adze_op_num_regions(op))
        return adze_error(adze_op_loc(op), "'%s' has no lowering for x86", adze_op_name(op));
    x86_step *step = x86_new_step(r, op, X86_STEP_FLOOR, 0);
    if (!fill_operands(r, op, step)) return false;
    for (uint32_t i = 0; i < step->n_inputs + step->n_outputs; i++) {
        const adze_ir_value *v =
            i < step->n_inputs ? adze_op_operand(op, i) : adze_op_result(op, i - step->n_inputs);
        if (v && !adze_type_is_open(adze_value_type(v)) && adze_type_has_layout(adze_value_type(v)))
            return adze_error(adze_op_loc(op),
                              "'%s' runs its evaluation, which needs dense operands",
                              adze_op_name(op));
    }
    step->row = row;
    step->attrs = adze_op_attrs(op);
    step->flags = ADZE_STEP_FLOOR;
    for (uint32_t i = step->n_inputs; i < step->n_inputs + step->n_outputs; i++)
        if (step->operands[i].is_open) step->flags |= ADZE_STEP_DATA_DEPENDENT;
    return true;
}

static bool read_op(x86_reader *r, adze_op *op)
{
    if (adze_op_is_control(op)) return x86_read_control(r, op);
    if (adze_op_is(op, "launch")) return read_launch(r, op);
    if (adze_op_is(op, "dims")) return read_dims(r, op);
    if (adze_op_is(op, "named")) return x86_read_named(r, op);
    if (adze_plan_is_view(op)) return read_view(r, op);
    return read_floor(r, op);
}

bool x86_read_ops(x86_reader *r, const adze_region *region)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op))
        if (!adze_op_has_trait(op, ADZE_TERMINATOR)) ok = read_op(r, op) && ok;
    return ok;
}

static bool is_late_output(const x86_io *io)
{
    for (uint32_t i = 0; i < io->rank; i++)
        if (io->dims[i] == ADZE_ARTIFACT_DIM_UNKNOWN) return true;
    return io->words != NULL;
}

/* Outputs that lie elsewhere (arguments, constants, values returned twice) are copied at the end. */
static bool read_return(x86_reader *r, adze_op *op)
{
    bool ok = true;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *value = adze_op_operand(op, i);
        x86_place to = {.kind = X86_IO, .io = r->p->n_inputs + i, .at = {.is_const = true}};
        ok = (is_late_output(&r->p->outputs[i]) ? x86_add_output(r, op, value, i)
                                                : x86_add_copy(r, op, value, r->p->outputs[i].type, &to)) &&
             ok;
    }
    return ok;
}

/* Is what the map holds a number or string for each key, as far as is known? */
static bool is_map_of_scalars(const adze_type *map)
{
    const adze_type *value = adze_type_element(map);
    return adze_type_is_tensor(value) && adze_type_rank(value) == 0;
}

/* The type as an entry of io_types; false where it is none that artifacts hold. */
static bool add_words(x86_program *p, x86_io *io)
{
    const adze_type *type = io->type;
    io->words = ADZE_NEW_ARRAY(&p->arena, uint32_t, ADZE_ARTIFACT_MAX_WORDS);
    uint32_t rank_of_any = ADZE_ARTIFACT_RANK_ANY;
    for (uint32_t depth = 0; !adze_type_is_tensor(type); type = adze_type_element(type)) {
        adze_type_kind kind = adze_type_get_kind(type);
        bool map = kind == ADZE_TYPE_MAP;
        if ((map ? !is_map_of_scalars(type) : kind != ADZE_TYPE_SEQUENCE && kind != ADZE_TYPE_OPTIONAL) ||
            depth++ == ADZE_ARTIFACT_MAX_NESTED)
            return adze_error(adze_loc_unknown(p->context), "'%s': no input or output can be of that type", io->name);
        io->words[io->n_words++] = map                           ? ADZE_VALUE_MAP
                                   : kind == ADZE_TYPE_SEQUENCE ? ADZE_VALUE_SEQUENCE
                                                                : ADZE_VALUE_OPTIONAL;
        if (map) io->words[io->n_words++] = (uint32_t)adze_type_key(type), rank_of_any = 0;
    }
    io->words[io->n_words++] = ADZE_VALUE_TENSOR;
    io->words[io->n_words++] = (uint32_t)adze_type_dtype(type);
    io->words[io->n_words++] = adze_type_is_ranked(type) ? adze_type_rank(type) : rank_of_any;
    return true;
}

static bool has_unknown_dim(const adze_type *type)
{
    bool found = false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) found |= adze_dim_is_unknown(adze_type_dim(type, i));
    return found;
}

static bool read_io(x86_reader *r, x86_io *io, const char *name, const adze_type *type, bool is_output)
{
    x86_program *p = r->p;
    bool ranked = adze_type_is_tensor(type) && adze_type_is_ranked(type);
    *io = (x86_io){.name = name, .type = type};
    if (ranked && adze_type_has_layout(type))
        return adze_error(adze_loc_unknown(p->context), "'%s': inputs and outputs must be dense tensors", name);
    bool said = ranked && is_output && adze_type_dtype(type) != ADZE_DTYPE_str;
    if (adze_type_is_open(type) && !said && !add_words(p, io)) return false;
    if (!ranked || (!is_output && has_unknown_dim(type))) return true;
    uint32_t *dims = ADZE_NEW_ARRAY(&p->arena, uint32_t, adze_type_rank(type));
    io->rank = adze_type_rank(type);
    for (uint32_t i = 0; i < io->rank; i++) {
        const adze_dim *dim = adze_type_dim(type, i);
        bool late = is_output && !x86_is_given(r, dim);
        dims[i] = late ? ADZE_ARTIFACT_DIM_UNKNOWN : x86_dims_add(&p->dims, dim);
    }
    io->dims = dims;
    return true;
}

static bool read_signature(x86_reader *r)
{
    x86_program *p = r->p;
    const adze_region *body = adze_func_body(p->main);
    p->n_inputs = adze_region_num_args(body);
    p->n_outputs = adze_func_num_results(p->main);
    p->inputs = ADZE_NEW_ARRAY(&p->arena, x86_io, p->n_inputs);
    p->outputs = ADZE_NEW_ARRAY(&p->arena, x86_io, p->n_outputs);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        const char *name = adze_value_name(arg);
        if (!name) name = adze_internf(p->context, "input%u", i);
        const adze_type *type = adze_value_type(arg);
        if (!read_io(r, &p->inputs[i], name, type, false)) return false;
        for (uint32_t k = 0; k < p->inputs[i].rank; k++)
            if (adze_dim_get_kind(adze_type_dim(type, k)) == ADZE_DIM_SYMBOL)
                adze_table_put(&r->given, adze_dim_symbol_name(adze_type_dim(type, k)), p);
        x86_put_place(r, arg, (x86_place){.kind = X86_IO, .io = i, .at = {.is_const = true}});
    }
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        const char *name = adze_func_result_name(p->main, i);
        if (!name) name = adze_internf(p->context, "output%u", i);
        const adze_type *type = adze_func_result_type(p->main, i);
        if (adze_type_is_open(type)) type = adze_value_type(adze_op_operand(adze_func_return(p->main), i));
        if (!read_io(r, &p->outputs[i], name, type, true)) return false;
    }
    return true;
}

static bool read_arena(x86_program *p)
{
    const adze_attr *attr = adze_func_find_attr(p->main, "arena_bytes");
    const adze_dim *bytes = NULL;
    if (attr && attr->kind == ADZE_ATTR_INT) bytes = adze_dim_const(p->context, attr->value.i);
    if (attr && attr->kind == ADZE_ATTR_DIM) bytes = attr->value.object;
    if (!bytes) bytes = adze_dim_const(p->context, 0);
    p->arena_bytes = x86_dims_add(&p->dims, bytes);
    return true;
}

bool x86_program_make(x86_program *p, const adze_module *module)
{
    memset(p, 0, sizeof *p);
    p->module = module;
    p->context = adze_module_context(module);
    p->main = adze_module_main(module);
    p->dims.arena = &p->arena;
    p->dims.context = p->context;
    p->scratch_bytes = adze_dim_const(p->context, 0);
    if (!p->main || !adze_func_return(p->main))
        return adze_error(adze_loc_unknown(p->context),
                          "the module has no finished function to compile");
    x86_reader r = {.p = p};
    bool ok = check_levels(p) && read_signature(&r) && read_arena(p) && read_offsets(&r);
    read_outputs(&r);
    /* goes on after an error, to report all; what lacks its place because of one is silent */
    if (ok) {
        x86_add_extents(&r, adze_func_body(p->main));
        ok = x86_read_ops(&r, adze_func_body(p->main));
        ok = read_return(&r, adze_func_return(p->main)) && ok;
    }
    adze_table_free(&r.places);
    adze_table_free(&r.offsets);
    adze_table_free(&r.outputs);
    adze_table_free(&r.kernels);
    adze_table_free(&r.slots);
    adze_table_free(&r.given);
    adze_table_free(&r.defined);
    adze_table_free(&r.live);
    return ok;
}

/* Symbols of a dim, with the input dim that gives each its value. */
static bool add_symbols(x86_program *p, const adze_dim *dim)
{
    adze_dim_kind kind = adze_dim_get_kind(dim);
    if (kind == ADZE_DIM_CONST) return true;
    if (kind != ADZE_DIM_SYMBOL)
        return add_symbols(p, adze_dim_operand(dim, 0)) && add_symbols(p, adze_dim_operand(dim, 1));
    const char *name = adze_dim_symbol_name(dim);
    for (uint32_t i = 0; i < p->n_symbols; i++)
        if (!strcmp(p->symbols[i].name, name)) return true;
    for (uint32_t i = 0; i < p->n_inputs; i++)
        for (uint32_t k = 0; k < p->inputs[i].rank; k++)
            if (adze_type_dim(p->inputs[i].type, k) == dim) {
                p->symbols = adze_arena_grow(&p->arena, p->symbols, p->n_symbols,
                                             &p->symbols_capacity, sizeof *p->symbols);
                p->symbols[p->n_symbols++] = (x86_symbol){name, i, k};
                return true;
            }
    return adze_error(adze_loc_unknown(p->context), "no input has the dim %s that the model needs",
                      name);
}

bool x86_program_finish(x86_program *p)
{
    p->scratch_dim = x86_dims_add(&p->dims, p->scratch_bytes);
    for (uint32_t i = 0; i < p->dims.count; i++)
        if (!add_symbols(p, p->dims.items[i])) return false;
    return true;
}

void x86_program_free(x86_program *p)
{
    adze_table_free(&p->dims.index);
    adze_arena_free(&p->arena);
}

const char *x86_kernel_symbol(adze_arena *arena, const char *name)
{
    size_t size = strlen(name) + sizeof "adze_kernel_";
    char *symbol = adze_arena_alloc(arena, size);
    snprintf(symbol, size, "adze_kernel_%s", name);
    return symbol;
}
