/* Loops and parallel regions.
 *
 * A loop of known bounds that asks for it, or that runs once, is emitted per iteration with known
 * indices. The body of `parallel` becomes a function of its own: values from outside are its
 * parameters, so that `noalias` holds for buffers, and a wrapper of the runtime's chunk type
 * unpacks them from a struct.
 */
#include "backends/x86/emit.h"

#include <stdio.h>
#include <string.h>

enum { MAX_UNROLL = 4096 };

/* ---- for ---- */

/* The body once, at a known index, from and to `carried`. */
static bool emit_once(x86_emit *e, const adze_region *body, int64_t index, x86_value *carried,
                      uint32_t n)
{
    x86_set(e, adze_region_arg(body, 0), x86_const(index));
    for (uint32_t i = 0; i < n; i++) x86_set(e, adze_region_arg(body, i + 1), carried[i]);
    const adze_dim *offset = e->scope->offset;
    const adze_op *end;
    if (!x86_emit_ops(e, body, &end)) return false;
    e->scope->offset = offset;
    for (uint32_t i = 0; i < n; i++) carried[i] = *x86_get(e, adze_op_operand(end, i));
    return true;
}

static bool emit_scf_for(x86_emit *e, const adze_op *op, x86_value *bounds, x86_value *carried,
                         uint32_t n)
{
    const adze_region *body = adze_op_region(op, 0);
    MlirValue *inits = ADZE_NEW_ARRAY(&e->arena, MlirValue, n + 1);
    MlirValue limits[3];
    for (uint32_t i = 0; i < 3; i++) limits[i] = x86_use_value(e, &bounds[i]);
    for (uint32_t i = 0; i < n; i++) inits[i] = x86_use_value(e, &carried[i]);
    MlirOperation loop;
    mb saved = e->b;
    MlirBlock block = mb_for(&e->b, limits[0], limits[1], limits[2], n, inits, &loop);
    e->b.block = block;
    e->b.before = (MlirOperation){NULL};
    x86_set(e, adze_region_arg(body, 0),
            (x86_value){.v = mlirBlockGetArgument(block, 0), .nonneg = bounds[0].nonneg});
    for (uint32_t i = 0; i < n; i++) {
        x86_value inside = carried[i];
        inside.is_const = false, inside.nonneg = false;
        inside.m = (MlirValue){NULL};
        inside.v = mlirBlockGetArgument(block, i + 1);
        x86_set(e, adze_region_arg(body, i + 1), inside);
    }
    const adze_dim *offset = e->scope->offset;
    const adze_op *end;
    if (!x86_emit_ops(e, body, &end)) return false;
    e->scope->offset = offset;
    for (uint32_t i = 0; i < n; i++) inits[i] = x86_use(e, adze_op_operand(end, i));
    mb_op(&e->b, "scf.yield", n, inits, 0, NULL, (MlirType){NULL});
    e->b = saved;
    for (uint32_t i = 0; i < n; i++) {
        carried[i].v = mlirOperationGetResult(loop, i);
        carried[i].m = (MlirValue){NULL};
        carried[i].is_const = carried[i].nonneg = false;
    }
    return true;
}

bool x86_emit_for(x86_emit *e, const adze_op *op)
{
    uint32_t n = adze_op_num_operands(op) - 3;
    x86_value bounds[3];
    for (uint32_t i = 0; i < 3; i++) bounds[i] = *x86_get(e, adze_op_operand(op, i));
    x86_value *carried = ADZE_NEW_ARRAY(&e->arena, x86_value, n + 1);
    for (uint32_t i = 0; i < n; i++) carried[i] = *x86_get(e, adze_op_operand(op, i + 3));
    int64_t lo = bounds[0].c, hi = bounds[1].c, step = bounds[2].c;
    bool known = bounds[0].is_const && bounds[1].is_const && bounds[2].is_const;
    if (bounds[2].is_const && step < 1)
        return adze_error(adze_op_loc(op), "'for' needs a step of at least 1");
    int64_t trips = known && hi > lo ? (hi - lo - 1) / step + 1 : 0;
    bool ok = true;
    if (known && (trips <= 1 || (adze_op_attr_int(op, "unroll") == 1 && trips <= MAX_UNROLL))) {
        for (int64_t i = lo; ok && i < hi; i += step)
            ok = emit_once(e, adze_op_region(op, 0), i, carried, n);
    } else {
        ok = emit_scf_for(e, op, bounds, carried, n);
    }
    if (!ok) return false;
    for (uint32_t i = 0; i < n; i++) x86_set(e, adze_op_result(op, i), carried[i]);
    return true;
}

/* ---- parallel ---- */

typedef struct captures {
    const adze_region *region;
    const adze_ir_value **values;
    uint32_t count, capacity;
    adze_table seen;
} captures;

static bool is_inside(const adze_ir_value *value, const adze_region *region)
{
    const adze_op *op = adze_value_op(value);
    const adze_region *at = op ? adze_op_parent(op) : adze_value_region(value);
    while (at && at != region) {
        const adze_op *parent = adze_region_op(at);
        at = parent ? adze_op_parent(parent) : NULL;
    }
    return at == region;
}

static void capture(x86_emit *e, captures *c, const adze_ir_value *value)
{
    if (!value || adze_table_get(&c->seen, value) || is_inside(value, c->region)) return;
    if (x86_get(e, value)->is_const) return;
    adze_table_put(&c->seen, value, c);
    c->values = adze_arena_grow(&e->arena, c->values, c->count, &c->capacity, sizeof *c->values);
    c->values[c->count++] = value;
}

static void capture_region(x86_emit *e, captures *c, const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
            capture(e, c, adze_op_operand(op, i));
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            capture_region(e, c, adze_op_region(op, i));
    }
}

/* Layout of the struct that carries captured values: the frame, then each value in order. */
static int64_t align_of(MlirType type)
{
    if (mlirTypeIsAVector(type)) return 64;
    return 8;
}

static int64_t size_of(MlirType type) { return mlirTypeIsAVector(type) ? 128 : 8; }

static int64_t place_field(int64_t *at, MlirType type)
{
    int64_t align = align_of(type), field = (*at + align - 1) / align * align;
    *at = field + size_of(type);
    return field;
}

/* The wrapper of type adze_chunk_fn: unpacks and calls the body. */
static void emit_wrapper(x86_emit *e, const char *chunk, const char *body, uint32_t n,
                         const MlirType *types)
{
    mb saved = e->b;
    MlirType params[] = {e->b.ptr, e->b.i64, e->b.i64};
    e->b.before = (MlirOperation){NULL};
    e->b.block = mb_func(&e->b, chunk, (MlirType){NULL}, 3, params, NULL, true);
    MlirValue packed = mlirBlockGetArgument(e->b.block, 0);
    MlirValue *args = ADZE_NEW_ARRAY(&e->arena, MlirValue, n + 2);
    int64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        MlirValue field = mb_field(&e->b, packed, place_field(&at, types[i]));
        args[i] = mb_load(&e->b, field, types[i], align_of(types[i]));
    }
    args[n] = mlirBlockGetArgument(e->b.block, 1);
    args[n + 1] = mlirBlockGetArgument(e->b.block, 2);
    mb_call(&e->b, body, n + 2, args, (MlirType){NULL});
    mb_op(&e->b, "llvm.return", 0, NULL, 0, NULL, (MlirType){NULL});
    e->b = saved;
}

/* The region as a function (frame, captured values, chunk, worker). */
static bool emit_body(x86_emit *e, const adze_op *op, const char *name, const captures *c,
                      const MlirType *types, const bool *noalias)
{
    const adze_region *region = adze_op_region(op, 0);
    uint32_t n = c->count;
    x86_scope *parent = e->scope;
    x86_scope scope = {.is_chunk = true, .offset = parent->offset};
    mb saved = e->b;
    scope.entry = mb_func(&e->b, name, (MlirType){NULL}, n + 3, types, noalias, true);
    scope.frame = mlirBlockGetArgument(scope.entry, 0);
    scope.worker = mlirBlockGetArgument(scope.entry, n + 2);
    e->scope = &scope;
    e->b.block = scope.entry;
    e->b.before = (MlirOperation){NULL};
    scope.marker = mlirOpResultGetOwner(mb_i64(&e->b, 0));
    x86_value *outside = ADZE_NEW_ARRAY(&e->arena, x86_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        outside[i] = *x86_get(e, c->values[i]);
        x86_value inside = outside[i];
        inside.v = mlirBlockGetArgument(scope.entry, i + 1);
        inside.m = (MlirValue){NULL};
        inside.noalias = noalias[i + 1];
        x86_set(e, c->values[i], inside);
    }
    x86_set(e, adze_region_arg(region, 0),
            (x86_value){.v = mlirBlockGetArgument(scope.entry, n + 1), .nonneg = true});
    const adze_op *end;
    bool ok = x86_emit_ops(e, region, &end);
    if (ok) mb_op(&e->b, "llvm.return", 0, NULL, 0, NULL, (MlirType){NULL});
    for (uint32_t i = 0; i < n; i++) x86_set(e, c->values[i], outside[i]);
    adze_table_free(&scope.scratch);
    e->b = saved;
    e->scope = parent;
    return ok;
}

/* Packs the frame and the captured values, and hands the chunks to the frame's parallel_for. */
static void emit_dispatch(x86_emit *e, const adze_op *op, const char *chunk, const captures *c,
                          const MlirType *types)
{
    mb *b = &e->b;
    int64_t size = 0, at = 0;
    for (uint32_t i = 0; i <= c->count; i++) place_field(&size, types[i]);
    mb saved = x86_prologue_begin(e);
    MlirValue packed = mb_alloca(b, size, 64);
    x86_prologue_end(e, saved);
    for (uint32_t i = 0; i <= c->count; i++) {
        MlirValue v = i ? x86_use(e, c->values[i - 1]) : e->scope->frame;
        mb_store(b, v, mb_field(b, packed, place_field(&at, types[i])), align_of(types[i]));
    }
    MlirValue call[5];
    call[0] =
        mb_load(b, mb_field(b, e->scope->frame, offsetof(adze_frame, parallel_for)), b->ptr, 8);
    call[1] = mb_load(b, mb_field(b, e->scope->frame, offsetof(adze_frame, pool)), b->ptr, 8);
    call[2] = mb_address_of(b, chunk);
    call[3] = packed;
    call[4] = x86_use(e, adze_op_operand(op, 0));
    mb_call_pointer(b, 5, call);
}

/* Inside a chunk there is nobody left to share with: a plain loop. */
static bool emit_serial(x86_emit *e, const adze_op *op)
{
    x86_value bounds[3] = {x86_const(0), *x86_get(e, adze_op_operand(op, 0)), x86_const(1)};
    return emit_scf_for(e, op, bounds, NULL, 0);
}

bool x86_emit_parallel(x86_emit *e, const adze_op *op)
{
    x86_value *count = x86_get(e, adze_op_operand(op, 0));
    if (count->is_const && count->c <= 0) return true;
    if (e->scope->is_chunk) return emit_serial(e, op);
    captures c = {.region = adze_op_region(op, 0)};
    capture_region(e, &c, c.region);
    adze_table_free(&c.seen);
    MlirType *types = ADZE_NEW_ARRAY(&e->arena, MlirType, c.count + 3);
    bool *noalias = ADZE_NEW_ARRAY(&e->arena, bool, c.count + 3);
    types[0] = e->b.ptr;
    types[c.count + 1] = types[c.count + 2] = e->b.i64;
    for (uint32_t i = 0; i < c.count; i++) {
        const x86_value *v = x86_get(e, c.values[i]);
        const adze_type *type = adze_value_type(c.values[i]);
        types[i + 1] = x86_type(e, type);
        noalias[i + 1] = adze_type_get_kind(type) == ADZE_TYPE_BUFFER && v->noalias;
        for (uint32_t j = 0; noalias[i + 1] && j < c.count; j++)
            if (j != i && x86_get(e, c.values[j])->root == v->root) noalias[i + 1] = false;
    }
    size_t size = strlen(e->kernel) + 24;
    char *chunk = adze_arena_alloc(&e->arena, size), *body = adze_arena_alloc(&e->arena, size);
    snprintf(chunk, size, "%s_chunk%u", e->kernel, e->n_chunks);
    snprintf(body, size, "%s_body%u", e->kernel, e->n_chunks++);
    if (!emit_body(e, op, body, &c, types, noalias)) return false;
    emit_wrapper(e, chunk, body, c.count + 1, types);
    emit_dispatch(e, op, chunk, &c, types);
    return true;
}
