/* Buffers: loads, stores, subviews, scratch, prefetch.
 *
 * A vector access takes 16 elements along one axis of the buffer: contiguous where the axis has
 * stride 1, one element in all lanes where it has stride 0, gathered or scattered otherwise. Lanes
 * that are masked off touch no memory.
 */
#include "backends/x86/emit.h"

enum { SCRATCH_ALIGN = 64, MAX_STACK = 64 * 1024 };

/* Pointer to the element at the index operands from `first` on. */
static MlirValue address(x86_emit *e, const adze_op *op, const adze_ir_value *buffer,
                         uint32_t first)
{
    const adze_type *type = adze_value_type(buffer);
    adze_dtype dtype = adze_type_dtype(type);
    MlirType element = x86_element_type(e, dtype);
    int64_t fixed = 0;
    MlirValue offset = {NULL};
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        x86_value index = *x86_get(e, adze_op_operand(op, first + i));
        x86_value stride = x86_emit_dim(e, adze_type_stride(type, i), NULL, 0);
        if (index.is_const && stride.is_const) {
            fixed += index.c * stride.c;
            continue;
        }
        MlirValue term = stride.is_const && stride.c == 1
                             ? x86_use_value(e, &index)
                             : mb_mul(&e->b, x86_use_value(e, &index), x86_use_value(e, &stride));
        offset = mb_is_null(offset) ? term : mb_add(&e->b, offset, term);
    }
    MlirValue base = x86_use(e, buffer);
    if (!mb_is_null(offset)) base = mb_gep(&e->b, base, offset, element);
    return fixed ? mb_gep(&e->b, base, mb_i64(&e->b, fixed), element) : base;
}

/* The op's buffer, its vector axis and element; false where the types do not fit. */
typedef struct access {
    const adze_ir_value *buffer, *mask;
    MlirType element;
    uint32_t align;
    uint32_t first; /* first index operand */
    bool vector;
    x86_value stride; /* of the vector axis */
} access;

static bool read_access(x86_emit *e, const adze_op *op, uint32_t buffer, const adze_ir_value *value,
                        access *out)
{
    out->buffer = adze_op_operand(op, buffer);
    out->mask = adze_op_operand(op, buffer + 1);
    out->first = buffer + 2;
    const adze_type *type = adze_value_type(out->buffer);
    uint32_t rank = adze_type_rank(type);
    adze_dtype dtype = adze_type_dtype(type);
    out->element = x86_element_type(e, dtype);
    if (mlirTypeIsNull(out->element) || adze_op_num_operands(op) != out->first + rank ||
        adze_type_dtype(adze_value_type(value)) != dtype)
        return adze_error(adze_op_loc(op),
                          "'%s': element type or number of indices does not fit the buffer",
                          adze_op_name(op));
    out->align = adze_dtype_bits(dtype) / 8;
    out->vector = adze_type_get_kind(adze_value_type(value)) == ADZE_TYPE_VECTOR;
    int64_t axis = adze_op_attr_int(op, "axis");
    if (axis < 0) axis += rank;
    out->stride = out->vector && rank
                      ? x86_emit_dim(e, adze_type_stride(type, (uint32_t)axis), NULL, 0)
                      : x86_const(1);
    return true;
}

static MlirValue all_on(x86_emit *e)
{
    MlirType type = mb_vector(e->b.i1, ADZE_LANES);
    MlirAttribute on = mlirDenseElementsAttrSplatGet(type, mlirIntegerAttrGet(e->b.i1, 1));
    MlirNamedAttribute value = mb_attr(&e->b, "value", on);
    return mb_op(&e->b, "arith.constant", 0, NULL, 1, &value, type);
}

static MlirValue lane_pointers(x86_emit *e, access *a, MlirValue base)
{
    MlirValue steps = mb_mul(&e->b, mb_lanes(&e->b, e->b.i64),
                             mb_splat(&e->b, x86_use_value(e, &a->stride), ADZE_LANES));
    return mb_gep(&e->b, base, steps, a->element);
}

static MlirValue masked_load(x86_emit *e, const char *name, MlirValue from, MlirValue mask,
                             access *a)
{
    MlirType type = mb_vector(a->element, mlirShapedTypeGetDimSize(mlirValueGetType(mask), 0));
    MlirNamedAttribute align = mb_attr_int(&e->b, "alignment", e->b.i32, a->align);
    MlirValue off = mb_zero(&e->b, type);
    return mb_op(&e->b, name, 3, (MlirValue[]){from, mask, off}, 1, &align, type);
}

/* One element in every lane, read only if some lane is on. */
static MlirValue load_same(x86_emit *e, access *a, MlirValue from)
{
    mb *b = &e->b;
    if (!a->mask) return mb_splat(b, mb_load(b, from, a->element, a->align), ADZE_LANES);
    MlirValue mask = x86_use_mask(e, a->mask);
    MlirValue any = mb_op1(b, "llvm.intr.vector.reduce.or", mask, b->i1);
    MlirValue one = masked_load(e, "llvm.intr.masked.load", from, mb_splat(b, any, 1), a);
    MlirNamedAttribute at =
        mb_attr(b, "static_position", mlirDenseI64ArrayGet(b->context, 1, (int64_t[]){0}));
    MlirValue scalar = mb_op(b, "vector.extract", 1, &one, 1, &at, a->element);
    MlirValue all = mb_splat(b, scalar, ADZE_LANES);
    return mb_select(b, mask, all, mb_zero(b, mlirValueGetType(all)));
}

bool x86_emit_load(x86_emit *e, const adze_op *op)
{
    access a;
    if (!read_access(e, op, 0, adze_op_result(op, 0), &a)) return false;
    MlirValue from = address(e, op, a.buffer, a.first), v;
    if (!a.vector) {
        v = mb_load(&e->b, from, a.element, a.align);
        if (a.mask) return adze_error(adze_op_loc(op), "'load' of a scalar takes no mask");
    } else if (a.stride.is_const && a.stride.c == 1) {
        v = a.mask ? masked_load(e, "llvm.intr.masked.load", from, x86_use_mask(e, a.mask), &a)
                   : mb_load(&e->b, from, mb_vector(a.element, ADZE_LANES), a.align);
    } else if (a.stride.is_const && a.stride.c == 0) {
        v = load_same(e, &a, from);
    } else {
        MlirValue mask = a.mask ? x86_use_mask(e, a.mask) : all_on(e);
        v = masked_load(e, "llvm.intr.masked.gather", lane_pointers(e, &a, from), mask, &a);
    }
    x86_result(e, op, v);
    return true;
}

bool x86_emit_store(x86_emit *e, const adze_op *op)
{
    access a;
    const adze_ir_value *value = adze_op_operand(op, 0);
    if (!read_access(e, op, 1, value, &a)) return false;
    MlirValue to = address(e, op, a.buffer, a.first), v = x86_use(e, value);
    bool dense = a.stride.is_const && a.stride.c == 1;
    if (!a.vector && a.mask)
        return adze_error(adze_op_loc(op), "'store' of a scalar takes no mask");
    if (!a.vector || (dense && !a.mask)) {
        mb_store(&e->b, v, to, a.align);
        return true;
    }
    MlirNamedAttribute align = mb_attr_int(&e->b, "alignment", e->b.i32, a.align);
    MlirValue mask = a.mask ? x86_use_mask(e, a.mask) : all_on(e);
    if (!dense) to = lane_pointers(e, &a, to);
    mb_op(&e->b, dense ? "llvm.intr.masked.store" : "llvm.intr.masked.scatter", 3,
          (MlirValue[]){v, to, mask}, 1, &align, (MlirType){NULL});
    return true;
}

bool x86_emit_subview(x86_emit *e, const adze_op *op)
{
    x86_value result = *x86_get(e, adze_op_operand(op, 0));
    result.v = address(e, op, adze_op_operand(op, 0), 1);
    x86_set(e, adze_op_result(op, 0), result);
    return true;
}

bool x86_emit_prefetch(x86_emit *e, const adze_op *op)
{
    MlirValue at = address(e, op, adze_op_operand(op, 0), 1);
    MlirNamedAttribute attrs[] = {
        mb_attr_int(&e->b, "cache", e->b.i32, 1), /* data */
        mb_attr_int(&e->b, "hint", e->b.i32, 2),  /* into L2 */
        mb_attr_int(&e->b, "rw", e->b.i32, 0),
    };
    mb_op(&e->b, "llvm.intr.prefetch", 1, &at, 3, attrs, (MlirType){NULL});
    return true;
}

/* Bytes of a buffer that starts at its base: up to the last element. */
static const adze_dim *buffer_bytes(x86_emit *e, const adze_type *type)
{
    adze_context *c = e->program->context;
    const adze_dim *last = adze_dim_const(c, 1);
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        const adze_dim *steps = adze_dim_add_const(c, adze_type_dim(type, i), -1);
        steps = adze_dim_binary(c, ADZE_DIM_MAX, steps, adze_dim_const(c, 0));
        last = adze_dim_add(c, last, adze_dim_mul(c, steps, adze_type_stride(type, i)));
    }
    const adze_dim *bytes = adze_dim_mul_const(c, last, adze_dtype_bits(adze_type_dtype(type)) / 8);
    return adze_dim_mul_const(
        c, adze_dim_binary(c, ADZE_DIM_CEILDIV, bytes, adze_dim_const(c, SCRATCH_ALIGN)),
        SCRATCH_ALIGN);
}

/* Scratch on the stack: small and of known size. LLVM then keeps it in registers where it can. */
static MlirValue stack_scratch(x86_emit *e, const adze_op *op, int64_t bytes)
{
    x86_value *known = adze_table_get(&e->scope->scratch, op);
    if (known) return known->v;
    mb saved = x86_prologue_begin(e);
    MlirValue v = mb_alloca(&e->b, bytes, SCRATCH_ALIGN);
    x86_prologue_end(e, saved);
    e->scope->stack_bytes += bytes;
    known = ADZE_NEW(&e->arena, x86_value);
    known->v = v;
    adze_table_put(&e->scope->scratch, op, known);
    return v;
}

/* Scratch of the worker that runs the function, behind what is in use already. */
static MlirValue frame_scratch(x86_emit *e, const adze_dim *bytes)
{
    adze_context *c = e->program->context;
    x86_scope *s = e->scope;
    mb *b = &e->b;
    MlirValue base = mb_load(b, mb_field(b, s->frame, offsetof(adze_frame, scratch)), b->ptr, 8);
    x86_value offset = x86_emit_dim(e, s->offset, NULL, 0);
    MlirValue at = x86_use_value(e, &offset);
    if (!mb_is_null(s->worker)) {
        MlirValue each =
            mb_load(b, mb_field(b, s->frame, offsetof(adze_frame, scratch_bytes)), b->i64, 8);
        at = mb_add(b, at, mb_mul(b, each, s->worker));
    }
    s->offset = adze_dim_add(c, s->offset, bytes);
    e->program->scratch_bytes =
        adze_dim_binary(c, ADZE_DIM_MAX, e->program->scratch_bytes, s->offset);
    return mb_gep(b, base, at, b->i8);
}

bool x86_emit_scratch(x86_emit *e, const adze_op *op)
{
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    if (adze_type_get_kind(type) != ADZE_TYPE_BUFFER ||
        mlirTypeIsNull(x86_element_type(e, adze_type_dtype(type))))
        return adze_error(adze_op_loc(op), "'scratch' of this type is not supported on x86");
    const adze_dim *bytes = buffer_bytes(e, type);
    int64_t known;
    if (adze_dim_is_unknown(bytes)) return adze_error(adze_op_loc(op), "'scratch' of unknown size");
    bool small =
        adze_dim_is_const(bytes, &known) && known <= MAX_STACK &&
        (adze_table_get(&e->scope->scratch, op) || e->scope->stack_bytes + known <= MAX_STACK);
    MlirValue v = small ? stack_scratch(e, op, known) : frame_scratch(e, bytes);
    x86_set(e, adze_op_result(op, 0), (x86_value){.v = v, .noalias = true, .root = ++e->n_roots});
    return true;
}
