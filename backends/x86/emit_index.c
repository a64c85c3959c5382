/* Index arithmetic: dim expressions over operands and symbols as i64 code.
 *
 * Known values fold here, so that unrolled loops carry constants. Parts without operands are
 * entries of the artifact's dims and are loaded, not computed. Division rounds down; a divisor of 0
 * counts as 1, because a kernel over nothing still computes its bounds.
 */
#include "backends/x86/emit.h"

enum { CMP_EQ = 0, CMP_NE = 1, CMP_SLT = 2 };

static bool has_axis(const adze_dim *dim)
{
    switch (adze_dim_get_kind(dim)) {
    case ADZE_DIM_AXIS:
        return true;
    case ADZE_DIM_CONST:
    case ADZE_DIM_SYMBOL:
    case ADZE_DIM_UNKNOWN:
    case ADZE_DIM_ANY:
        return false;
    default:
        return has_axis(adze_dim_operand(dim, 0)) || has_axis(adze_dim_operand(dim, 1));
    }
}

/* Symbols are >= 0, so sums and products of them are. */
static bool is_nonneg(const adze_dim *dim)
{
    int64_t value;
    if (adze_dim_is_const(dim, &value)) return value >= 0;
    switch (adze_dim_get_kind(dim)) {
    case ADZE_DIM_SYMBOL:
        return true;
    case ADZE_DIM_MAX:
        return is_nonneg(adze_dim_operand(dim, 0)) || is_nonneg(adze_dim_operand(dim, 1));
    case ADZE_DIM_MOD:
        return is_nonneg(adze_dim_operand(dim, 1));
    case ADZE_DIM_AXIS:
    case ADZE_DIM_UNKNOWN:
    case ADZE_DIM_ANY:
        return false;
    default:
        return is_nonneg(adze_dim_operand(dim, 0)) && is_nonneg(adze_dim_operand(dim, 1));
    }
}

static bool fold(adze_dim_kind kind, int64_t a, int64_t b, int64_t *out)
{
    switch (kind) {
    case ADZE_DIM_ADD:
        return !__builtin_add_overflow(a, b, out);
    case ADZE_DIM_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case ADZE_DIM_MIN:
        *out = a < b ? a : b;
        return true;
    case ADZE_DIM_MAX:
        *out = a > b ? a : b;
        return true;
    default:
        break;
    }
    if (b == 0 || (b == -1 && a == INT64_MIN)) return false;
    int64_t q = adze_floor_div(a, b);
    *out = kind == ADZE_DIM_FLOORDIV ? q : kind == ADZE_DIM_MOD ? a - q * b : q + (q * b != a);
    return true;
}

/* a / b rounded down. */
static MlirValue divide(x86_emit *e, x86_value *a, x86_value *b)
{
    mb *m = &e->b;
    MlirValue x = x86_use_value(e, a), y = x86_use_value(e, b);
    if (!b->is_const || b->c == 0)
        y = mb_select(m, mb_cmpi(m, CMP_EQ, y, mb_i64(m, 0)), mb_i64(m, 1), y);
    if (a->nonneg && b->nonneg) return mb_op2(m, "arith.divui", x, y, m->i64);
    MlirValue q = mb_op2(m, "arith.divsi", x, y, m->i64);
    MlirValue rest = mb_sub(m, x, mb_mul(m, q, y));
    MlirValue inexact = mb_cmpi(m, CMP_NE, rest, mb_i64(m, 0));
    MlirValue signs = mb_op2(m, "arith.xori", rest, y, m->i64);
    MlirValue differ = mb_cmpi(m, CMP_SLT, signs, mb_i64(m, 0));
    MlirValue down = mb_op2(m, "arith.andi", inexact, differ, m->i1);
    return mb_select(m, down, mb_sub(m, q, mb_i64(m, 1)), q);
}

static MlirValue combine(x86_emit *e, adze_dim_kind kind, x86_value *a, x86_value *b)
{
    mb *m = &e->b;
    MlirValue x, y;
    switch (kind) {
    case ADZE_DIM_ADD:
        return mb_add(m, x86_use_value(e, a), x86_use_value(e, b));
    case ADZE_DIM_MUL:
        return mb_mul(m, x86_use_value(e, a), x86_use_value(e, b));
    case ADZE_DIM_MIN:
    case ADZE_DIM_MAX:
        x = x86_use_value(e, a), y = x86_use_value(e, b);
        return mb_op2(m, kind == ADZE_DIM_MIN ? "arith.minsi" : "arith.maxsi", x, y, m->i64);
    case ADZE_DIM_FLOORDIV:
        return divide(e, a, b);
    case ADZE_DIM_MOD:
        x = divide(e, a, b);
        return mb_sub(m, x86_use_value(e, a), mb_mul(m, x, x86_use_value(e, b)));
    default: /* CEILDIV: -floor(-a / b) for any sign */
        x = mb_sub(m, mb_i64(m, 0), x86_use_value(e, a));
        return mb_sub(m, mb_i64(m, 0), divide(e, &(x86_value){.v = x}, b));
    }
}

x86_value x86_emit_dim(x86_emit *e, const adze_dim *dim, const x86_value *axes, uint32_t n_axes)
{
    int64_t known;
    if (adze_dim_is_const(dim, &known)) return x86_const(known);
    adze_dim_kind kind = adze_dim_get_kind(dim);
    if (kind == ADZE_DIM_AXIS && adze_dim_axis_index(dim) < n_axes)
        return axes[adze_dim_axis_index(dim)];
    if (!has_axis(dim)) {
        MlirValue v = x86_dim_value(e, x86_dims_add(&e->program->dims, dim));
        return (x86_value){.v = v, .nonneg = is_nonneg(dim)};
    }
    x86_value a = x86_emit_dim(e, adze_dim_operand(dim, 0), axes, n_axes);
    x86_value b = x86_emit_dim(e, adze_dim_operand(dim, 1), axes, n_axes);
    if (a.is_const && b.is_const && fold(kind, a.c, b.c, &known)) return x86_const(known);
    bool nonneg = kind == ADZE_DIM_MAX ? a.nonneg || b.nonneg : a.nonneg && b.nonneg;
    if (kind == ADZE_DIM_MOD) nonneg = b.nonneg;
    return (x86_value){.v = combine(e, kind, &a, &b), .nonneg = nonneg};
}

bool x86_emit_apply(x86_emit *e, const adze_op *op)
{
    x86_value axes[ADZE_MAX_AXES * 2];
    uint32_t n = adze_op_num_operands(op);
    if (n > ADZE_MAX_AXES * 2) return adze_error(adze_op_loc(op), "'apply' has too many operands");
    for (uint32_t i = 0; i < n; i++) axes[i] = *x86_get(e, adze_op_operand(op, i));
    x86_set(e, adze_op_result(op, 0), x86_emit_dim(e, adze_op_attr_dim(op, "expr"), axes, n));
    return true;
}

bool x86_emit_lit(x86_emit *e, const adze_op *op)
{
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    double value = adze_op_attr_float(op, "value");
    adze_dtype dtype = adze_type_dtype(type);
    MlirType element = x86_element_type(e, dtype);
    if (mlirTypeIsNull(element) || adze_type_get_kind(type) != ADZE_TYPE_SCALAR)
        return adze_error(adze_op_loc(op), "'lit' of this type is not supported on x86");
    uint16_t half = 0; /* bits */
    if (dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16) {
        float single = (float)value;
        adze_cast_find(ADZE_DTYPE_f32, dtype)
            ->row(&half, (const void *[]){&single}, (const int64_t[]){1}, 1);
        x86_result(e, op, mb_int(&e->b, element, half));
    } else if (dtype == ADZE_DTYPE_i64)
        x86_set(e, adze_op_result(op, 0), x86_const((int64_t)value));
    else if (adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT)
        x86_result(e, op, mb_float(&e->b, element, value));
    else
        x86_result(e, op, mb_int(&e->b, element, (int64_t)value));
    return true;
}
