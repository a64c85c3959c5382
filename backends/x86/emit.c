/* Functions, values and dispatch of the emission (see emit.h). */
#include "backends/x86/emit.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    x86_handler *emit;
} handlers[] = {
    {"apply", x86_emit_apply},
    {"barrier", NULL}, /* a parallel op ends only when its chunks have */
    {"cast", x86_emit_cast},
    {"check", x86_emit_check},
    {"for", x86_emit_for},
    {"lanes", x86_emit_lanes},
    {"lit", x86_emit_lit},
    {"load", x86_emit_load},
    {"mask", x86_emit_mask},
    {"parallel", x86_emit_parallel},
    {"prefetch", x86_emit_prefetch},
    {"reduce_lanes", x86_emit_reduce_lanes},
    {"scratch", x86_emit_scratch},
    {"splat", x86_emit_splat},
    {"store", x86_emit_store},
    {"subview", x86_emit_subview},
    {"ukernel", x86_emit_ukernel},
};
enum { N_HANDLERS = sizeof handlers / sizeof handlers[0] };

void x86_emit_init(x86_emit *e, x86_program *program, MlirContext context, MlirModule module,
                   bool contract)
{
    memset(e, 0, sizeof *e);
    e->program = program;
    e->may_contract = contract;
    mb_init(&e->b, context, module);
    for (uint32_t i = 0; i < N_HANDLERS; i++) {
        const adze_op_row *row = adze_row_find(program->context, handlers[i].name);
        assert(row);
        adze_table_put(&e->handlers, row, (void *)(uintptr_t)(i + 1));
    }
}

void x86_emit_free(x86_emit *e)
{
    adze_table_free(&e->values);
    adze_table_free(&e->handlers);
    adze_table_free(&e->declared);
    adze_arena_free(&e->arena);
}

/* ---- Values ---- */

x86_value x86_const(int64_t value)
{
    return (x86_value){.is_const = true, .nonneg = value >= 0, .c = value};
}

x86_value *x86_get(x86_emit *e, const adze_ir_value *value)
{
    x86_value *known = adze_table_get(&e->values, value);
    assert(known);
    return known;
}

void x86_set(x86_emit *e, const adze_ir_value *value, x86_value result)
{
    x86_value *slot = adze_table_get(&e->values, value);
    if (!slot) {
        slot = ADZE_NEW(&e->arena, x86_value);
        adze_table_put(&e->values, value, slot);
    }
    *slot = result;
}

void x86_result(x86_emit *e, const adze_op *op, MlirValue v)
{
    x86_set(e, adze_op_result(op, 0), (x86_value){.v = v});
}

static MlirType like(x86_emit *e, MlirValue value, MlirType element)
{
    (void)e;
    MlirType type = mlirValueGetType(value);
    return mlirTypeIsAVector(type) ? mb_vector(element, mlirShapedTypeGetDimSize(type, 0))
                                   : element;
}

/* Constants and conversions are made anew at each use: the last one may not dominate this one. */
MlirValue x86_use_value(x86_emit *e, x86_value *value)
{
    if (value->is_const) return mb_i64(&e->b, value->c);
    if (mb_is_null(value->v))
        return mb_op1(&e->b, "arith.extui", value->m, like(e, value->m, e->b.i8));
    return value->v;
}

MlirValue x86_use(x86_emit *e, const adze_ir_value *value)
{
    return x86_use_value(e, x86_get(e, value));
}

MlirValue x86_use_mask(x86_emit *e, const adze_ir_value *value)
{
    x86_value *known = x86_get(e, value);
    if (!mb_is_null(known->m)) return known->m;
    MlirValue v = x86_use_value(e, known);
    return mb_cmpi(&e->b, 1, v, mb_zero(&e->b, mlirValueGetType(v)));
}

MlirType x86_element_type(x86_emit *e, adze_dtype dtype)
{
    if (!adze_dtype_in_loops(dtype)) return (MlirType){NULL};
    if (adze_dtype_get_kind(dtype) == ADZE_KIND_BOOL) return e->b.i8;
    if (dtype == ADZE_DTYPE_f32) return e->b.f32;
    if (dtype == ADZE_DTYPE_f64) return mlirF64TypeGet(e->b.context);
    /* Half precision is stored as bits: nothing but a conversion looks at the value, and what LLVM makes
     * of other ops on it calls libgcc. */
    return mlirIntegerTypeGet(e->b.context, adze_dtype_bits(dtype));
}

MlirType x86_type(x86_emit *e, const adze_type *type)
{
    if (adze_type_get_kind(type) == ADZE_TYPE_BUFFER) return e->b.ptr;
    MlirType element = x86_element_type(e, adze_type_dtype(type));
    bool vector = adze_type_get_kind(type) == ADZE_TYPE_VECTOR;
    return vector && !mlirTypeIsNull(element) ? mb_vector(element, ADZE_LANES) : element;
}

/* ---- Functions ---- */

mb x86_prologue_begin(x86_emit *e)
{
    mb saved = e->b;
    e->b.block = e->scope->entry;
    e->b.before = e->scope->marker;
    return saved;
}

void x86_prologue_end(x86_emit *e, mb saved) { e->b = saved; }

MlirValue x86_dim_value(x86_emit *e, uint32_t dim)
{
    x86_scope *s = e->scope;
    if (dim >= s->dims_capacity) {
        uint32_t capacity = dim + 32;
        MlirValue *dims = ADZE_NEW_ARRAY(&e->arena, MlirValue, capacity);
        if (s->dims_capacity) memcpy(dims, s->dims, s->dims_capacity * sizeof *dims);
        s->dims = dims;
        s->dims_capacity = capacity;
    }
    if (!mb_is_null(s->dims[dim])) return s->dims[dim];
    mb saved = x86_prologue_begin(e);
    if (mb_is_null(s->dims_base))
        s->dims_base =
            mb_load(&e->b, mb_field(&e->b, s->frame, offsetof(adze_frame, dims)), e->b.ptr, 8);
    s->dims[dim] = mb_load(&e->b, mb_field(&e->b, s->dims_base, (int64_t)dim * 8), e->b.i64, 8);
    x86_prologue_end(e, saved);
    return s->dims[dim];
}

void x86_declare(x86_emit *e, const char *name, MlirType result, intptr_t n, const MlirType *params)
{
    if (adze_table_get_name(&e->declared, name)) return;
    adze_table_put_name(&e->declared, adze_arena_text(&e->arena, name, strlen(name)), e);
    mb_func(&e->b, name, result, n, params, NULL, false);
}

bool x86_emit_ops(x86_emit *e, const adze_region *region, const adze_op **out_end)
{
    *out_end = NULL;
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_has_trait(op, ADZE_TERMINATOR)) {
            *out_end = op;
            return true;
        }
        uintptr_t index = (uintptr_t)adze_table_get(&e->handlers, adze_op_get_row(op));
        x86_handler *emit = index ? handlers[index - 1].emit : x86_emit_elementwise;
        if (!index && !adze_op_has_trait(op, ADZE_ELEMWISE))
            return adze_error(adze_op_loc(op), "'%s' cannot stand in a kernel", adze_op_name(op));
        if (emit && !emit(e, op)) return false;
    }
    return true;
}

/* Different non-zero alias classes do not alias, and nothing aliases where no class is 0. */
static bool is_alone(const adze_region *body, uint32_t index)
{
    uint32_t alias = adze_type_alias(adze_value_type(adze_region_arg(body, index)));
    if (!alias) return false;
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        uint32_t other = adze_type_alias(adze_value_type(adze_region_arg(body, i)));
        if (i != index && (!other || other == alias)) return false;
    }
    return true;
}

bool x86_emit_kernel(x86_emit *e, const x86_kernel *kernel, const char *level, const char *symbol)
{
    const adze_func *func = x86_kernel_at(e->program, kernel, level);
    const adze_region *body = adze_func_body(func);
    e->contract = e->may_contract && !adze_func_find_attr(func, "exact");
    uint32_t n = adze_region_num_args(body);
    MlirType *types = ADZE_NEW_ARRAY(&e->arena, MlirType, n + 1);
    bool *noalias = ADZE_NEW_ARRAY(&e->arena, bool, n + 1);
    for (uint32_t i = 0; i <= n; i++) types[i] = e->b.ptr;
    for (uint32_t i = 0; i < n; i++) {
        if (adze_type_get_kind(adze_value_type(adze_region_arg(body, i))) != ADZE_TYPE_BUFFER)
            return adze_error(adze_loc_unknown(e->program->context),
                              "@%s: parameter %u is no buffer", kernel->name, i);
        noalias[i + 1] = !kernel->may_alias[i] && is_alone(body, i);
    }
    e->kernel = symbol;
    e->n_chunks = 0;
    x86_scope scope = {.offset = adze_dim_const(e->program->context, 0)};
    e->scope = &scope;
    scope.entry = mb_func(&e->b, e->kernel, (MlirType){NULL}, n + 1, types, noalias, true);
    scope.frame = mlirBlockGetArgument(scope.entry, 0);
    e->b.block = scope.entry;
    scope.marker = mlirOpResultGetOwner(mb_i64(&e->b, 0));
    for (uint32_t i = 0; i < n; i++)
        x86_set(e, adze_region_arg(body, i),
                (x86_value){.v = mlirBlockGetArgument(scope.entry, i + 1),
                            .noalias = noalias[i + 1],
                            .root = ++e->n_roots});
    const adze_op *end;
    bool ok = x86_emit_ops(e, body, &end);
    if (ok) mb_op(&e->b, "llvm.return", 0, NULL, 0, NULL, (MlirType){NULL});
    adze_table_free(&scope.scratch);
    e->scope = NULL;
    return ok;
}
