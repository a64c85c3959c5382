/* Shapes: symbolic dims as tensors, ops whose result dims stand in their type, and split. */
#include "export.h"

#include <string.h>

static const char *say2(adze_onnx_export *x, const char *op_type, const char *a, const char *b)
{
    const char *in[] = {a, b};
    return adze_onnx_say(x, op_type, in, 2, ADZE_DTYPE_i64, NULL);
}

static const char *new_int(adze_onnx_export *x, int64_t value) { return adze_onnx_new_ints(x, &value, 1); }

/* ---- Dims as i64 tensors of one element ---- */

/* Shape and Gather of an input that has the symbol as a dim. Said once, in the main graph. */
static const char *say_symbol(adze_onnx_export *x, const adze_dim *dim)
{
    const adze_region *body = adze_func_body(x->func);
    const char *known = adze_map_get(x->names, dim);
    if (known) return known;
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        const adze_type *type = adze_value_type(arg);
        if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) continue;
        for (uint32_t k = 0; k < adze_type_rank(type); k++) {
            if (adze_type_dim(type, k) != dim) continue;
            const char *name = adze_onnx_name(x, arg);
            const char *shape = adze_onnx_say(x, "Shape", &name, 1, ADZE_DTYPE_i64, NULL);
            known = say2(x, "Gather", shape, new_int(x, k));
            adze_map_set(x->names, dim, (void *)(uintptr_t)known);
            return known;
        }
    }
    adze_onnx_refuse(x, "'%s' is no dim of an input", adze_dim_symbol_name(dim));
    return NULL;
}

/* Floor and not truncation: what is subtracted may make it negative. */
static const char *say_floor(adze_onnx_export *x, const char *a, const char *b)
{
    adze_onnx_begin(x, "Mod");
    const char *rest = adze_onnx_fresh(x, ADZE_DTYPE_i64);
    adze_onnx_in(x, a);
    adze_onnx_in(x, b);
    adze_onnx_out(x, rest);
    adze_onnx_end(x);
    return say2(x, "Div", say2(x, "Sub", a, rest), b);
}

static const char *say_dim(adze_onnx_export *x, const adze_dim *dim)
{
    int64_t value;
    if (adze_dim_is_const(dim, &value)) return new_int(x, value);
    adze_dim_kind kind = adze_dim_get_kind(dim);
    if (kind == ADZE_DIM_SYMBOL) return say_symbol(x, dim);
    if (!adze_dim_operand(dim, 1)) return adze_onnx_refuse(x, "a dim that is not known"), NULL;
    const char *a = say_dim(x, adze_dim_operand(dim, 0)), *b = a ? say_dim(x, adze_dim_operand(dim, 1)) : NULL;
    if (!b) return NULL;
    switch (kind) {
    case ADZE_DIM_ADD: return say2(x, "Add", a, b);
    case ADZE_DIM_MUL: return say2(x, "Mul", a, b);
    case ADZE_DIM_FLOORDIV: return say_floor(x, a, b);
    case ADZE_DIM_CEILDIV: return say_floor(x, say2(x, "Add", a, say2(x, "Sub", b, new_int(x, 1))), b);
    case ADZE_DIM_MOD: return say2(x, "Mod", a, b);
    case ADZE_DIM_MIN: return say2(x, "Min", a, b);
    case ADZE_DIM_MAX: return say2(x, "Max", a, b);
    default: return adze_onnx_refuse(x, "a dim of an unknown kind"), NULL;
    }
}

static const char *say_parts(adze_onnx_export *x, const adze_dim *const *dims, uint32_t count)
{
    const char *parts[64];
    int64_t values[64];
    uint32_t n_parts = 0;
    if (count > 64) return adze_onnx_refuse(x, "more than 64 dims"), NULL;
    for (uint32_t i = 0; i < count;) {
        uint32_t n = 0;
        while (i < count && adze_dim_is_const(dims[i], &values[n])) n++, i++;
        if (n) parts[n_parts++] = adze_onnx_new_ints(x, values, n);
        else if (!(parts[n_parts++] = say_dim(x, dims[i++]))) return NULL;
    }
    if (n_parts == 0) return adze_onnx_new_ints(x, values, 0);
    if (n_parts == 1) return parts[0];
    const char *all = adze_onnx_fresh(x, ADZE_DTYPE_i64);
    adze_onnx_begin(x, "Concat");
    for (uint32_t i = 0; i < n_parts; i++) adze_onnx_in(x, parts[i]);
    adze_onnx_out(x, all);
    adze_onnx_int(x, "axis", 0);
    adze_onnx_end(x);
    return all;
}

const char *adze_onnx_say_dims(adze_onnx_export *x, const adze_dim *const *dims, uint32_t count, const char *out)
{
    /* in the main graph, where later nodes find it too */
    adze_onnx_bytes *outer = x->nodes;
    x->nodes = &x->graph_nodes;
    const char *name = say_parts(x, dims, count);
    x->nodes = outer;
    return name && out ? adze_onnx_say(x, "Identity", &name, 1, ADZE_DTYPE_i64, out) : name;
}

static const char *say_result_dims(adze_onnx_export *x)
{
    const adze_type *type = adze_value_type(adze_op_result(x->op, 0));
    if (!adze_type_is_ranked(type)) return adze_onnx_refuse(x, "of unknown rank"), NULL;
    return adze_onnx_say_dims(x, adze_type_dims(type), adze_type_rank(type), NULL);
}

/* ---- Ops ---- */

static bool say_dims_op(adze_onnx_export *x)
{
    const adze_attr_dims *dims = adze_op_attr_dims(x->op, "dims");
    return adze_onnx_say_dims(x, dims->dims, dims->count, adze_onnx_result(x, 0)) != NULL;
}

/* ConstantOfShape with its value as a tensor of one element. */
static bool say_filled(adze_onnx_export *x, const char *shape, adze_dtype dtype, double value, const char *out)
{
    enum { TENSOR = 5, IS_TENSOR = 4 };
    uint8_t bytes[16];
    uint32_t size = adze_onnx_number(x, dtype, value, bytes);
    adze_onnx_bytes tensor = {0};
    if (!size) return adze_onnx_refuse(x, "no constant of that element type can be made");
    adze_onnx_put_int(&tensor, 1, 1);
    adze_onnx_put_int(&tensor, 2, adze_onnx_dtype_number(dtype));
    adze_onnx_put_bytes(&tensor, 9, bytes, size);
    adze_onnx_begin(x, "ConstantOfShape");
    adze_onnx_in(x, shape);
    adze_onnx_out(x, out);
    adze_onnx_message(x, "value", TENSOR, IS_TENSOR, &tensor);
    adze_onnx_bytes_free(&tensor);
    return adze_onnx_end(x);
}

static bool say_constant_of_shape(adze_onnx_export *x)
{
    const char *shape = adze_onnx_argument(x, 0);
    return say_filled(x, shape, adze_onnx_value_dtype(adze_op_result(x->op, 0)), adze_op_attr_float(x->op, "value"),
                      adze_onnx_result(x, 0));
}

static bool say_full(adze_onnx_export *x)
{
    const char *shape = say_result_dims(x);
    return shape && say_filled(x, shape, adze_onnx_value_dtype(adze_op_result(x->op, 0)),
                               adze_op_attr_float(x->op, "value"), adze_onnx_result(x, 0));
}

/* One i64 of rank 0: constant, or computed. */
static const char *say_scalar(adze_onnx_export *x, const adze_dim *dim)
{
    int64_t value;
    if (adze_dim_is_const(dim, &value)) return adze_onnx_new_scalar(x, ADZE_DTYPE_i64, (double)value);
    const char *made = adze_onnx_say_dims(x, &dim, 1, NULL);
    return made ? adze_onnx_say_axes(x, "Squeeze", made, (int64_t[]){0}, 1, ADZE_DTYPE_i64, NULL) : NULL;
}

/* A line of numbers in the result's dims. A dim of 0 is meant so, and not as that of the line; of one that a run may
 * find to be 0, opset 13 cannot say that. */
static const char *say_shaped(adze_onnx_export *x, const char *line, const char *dims, const char *out)
{
    enum { ALLOWS_ZERO = 14 };
    const adze_type *type = adze_value_type(adze_op_result(x->op, 0));
    bool zero = false, open = false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        zero |= adze_dim_is_value(adze_type_dim(type, i), 0);
        open |= !adze_dim_is_const(adze_type_dim(type, i), NULL);
    }
    if (!out) out = adze_onnx_fresh(x, ADZE_DTYPE_i64);
    adze_onnx_begin(x, "Reshape");
    adze_onnx_in(x, line);
    adze_onnx_in(x, dims);
    adze_onnx_out(x, out);
    if (zero || (open && x->opset >= ALLOWS_ZERO)) adze_onnx_int(x, "allowzero", 1);
    adze_onnx_end(x);
    return out;
}

/* Range in i64, then the element type and the dims. */
static bool say_iota(adze_onnx_export *x)
{
    const adze_type *type = adze_value_type(adze_op_result(x->op, 0));
    adze_dtype dtype = adze_type_dtype(type);
    int64_t start = adze_op_attr_int(x->op, "start"), step = adze_op_attr_int(x->op, "step");
    if (!adze_type_is_ranked(type)) return adze_onnx_refuse(x, "of unknown rank");
    if (step == 0) {
        const char *shape = say_result_dims(x);
        return shape && say_filled(x, shape, dtype, (double)start, adze_onnx_result(x, 0));
    }
    const adze_dim *limit = adze_dim_add_const(x->context, adze_dim_mul_const(x->context, adze_type_count(type), step),
                                               start);
    bool casts = dtype != ADZE_DTYPE_i64, reshapes = adze_type_rank(type) != 1;
    const char *out = adze_onnx_result(x, 0), *end = say_scalar(x, limit);
    if (!end) return false;
    const char *in[] = {adze_onnx_new_scalar(x, ADZE_DTYPE_i64, (double)start), end,
                        adze_onnx_new_scalar(x, ADZE_DTYPE_i64, (double)step)};
    const char *values = adze_onnx_say(x, "Range", in, 3, ADZE_DTYPE_i64, casts || reshapes ? NULL : out);
    if (reshapes) {
        const char *dims = say_result_dims(x);
        if (!dims) return false;
        values = say_shaped(x, values, dims, casts ? NULL : out);
    }
    if (!casts) return true;
    adze_onnx_begin(x, "Cast");
    adze_onnx_in(x, values);
    adze_onnx_out(x, out);
    adze_onnx_int(x, "to", adze_onnx_dtype_number(dtype));
    return adze_onnx_end(x);
}

/* ONNX wants numbers without dims where the IR takes one of rank 1 as well. */
static bool say_range(adze_onnx_export *x)
{
    const char *in[3];
    for (uint32_t i = 0; i < 3; i++) {
        const adze_ir_value *value = adze_op_operand(x->op, i);
        const adze_type *type = adze_value_type(value);
        in[i] = adze_onnx_name(x, value);
        if (adze_type_is_ranked(type) && adze_type_rank(type) == 1)
            in[i] = adze_onnx_say_axes(x, "Squeeze", in[i], (int64_t[]){0}, 1, adze_type_dtype(type), NULL);
    }
    adze_dtype dtype = adze_onnx_value_dtype(adze_op_result(x->op, 0));
    return adze_onnx_say(x, "Range", in, 3, dtype, adze_onnx_result(x, 0)) != NULL;
}

/* The dims of a reshape as one constant, where ONNX has a way to say it: 0 is the operand's dim, -1 what is left. */
static bool constant_target(const adze_type *from, const adze_type *to, int64_t *out)
{
    bool open = false;
    for (uint32_t i = 0; i < adze_type_rank(to); i++) {
        const adze_dim *dim = adze_type_dim(to, i);
        bool kept = adze_type_is_ranked(from) && i < adze_type_rank(from) &&
                    adze_dim_equal(dim, adze_type_dim(from, i));
        if (adze_dim_is_const(dim, &out[i]) && (out[i] != 0 || kept)) continue;
        if (!kept && (open || adze_dim_is_value(dim, 0))) return false;
        out[i] = kept ? 0 : -1;
        open |= !kept;
    }
    return true;
}

/* May a run find a computed dim to be 0 that is not the operand's own? ONNX would take that dim of the operand. */
static bool needs_allowzero(const adze_type *from, const adze_type *to)
{
    int64_t low, high;
    for (uint32_t i = 0; i < adze_type_rank(to); i++) {
        const adze_dim *dim = adze_type_dim(to, i);
        bool within = adze_type_is_ranked(from) && i < adze_type_rank(from);
        if (within && adze_dim_equal(dim, adze_type_dim(from, i))) continue;
        adze_dim_range(dim, NULL, 0, &low, &high);
        if (low < 1) return true;
    }
    return false;
}

static bool say_reshape(adze_onnx_export *x)
{
    int64_t target[ADZE_MAX_RANK];
    if (adze_op_operand(x->op, 1)) return adze_onnx_say_as(x, "Reshape");
    const adze_type *to = adze_value_type(adze_op_result(x->op, 0));
    const adze_type *from = adze_value_type(adze_op_operand(x->op, 0));
    if (!adze_type_is_ranked(to)) return adze_onnx_refuse(x, "of unknown rank");
    bool constant = constant_target(from, to, target);
    const char *dims = constant ? adze_onnx_new_ints(x, target, adze_type_rank(to)) : say_result_dims(x);
    if (!dims) return false;
    adze_onnx_begin(x, "Reshape");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_in(x, dims);
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (!constant && needs_allowzero(from, to)) adze_onnx_int(x, "allowzero", 1);
    return adze_onnx_end(x);
}

static bool say_expand(adze_onnx_export *x)
{
    if (adze_op_operand(x->op, 1)) return adze_onnx_say_as(x, "Expand");
    const char *in[] = {adze_onnx_argument(x, 0), say_result_dims(x)};
    return in[1] && adze_onnx_say(x, "Expand", in, 2, adze_onnx_value_dtype(adze_op_operand(x->op, 0)),
                                  adze_onnx_result(x, 0)) != NULL;
}

/* Before opset 18 a split without sizes has equal parts, as many as outputs; from then on it says how many. */
static bool say_split(adze_onnx_export *x)
{
    const adze_onnx_form *form = adze_onnx_form_find("Split", x->opset, NULL);
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 0));
    int64_t axis = adze_op_attr_int(x->op, "axis"), size, parts = adze_op_num_results(x->op);
    if (adze_op_operand(x->op, 1)) return adze_onnx_say_as(x, "Split");
    bool says = form && adze_onnx_form_has(form, "num_outputs");
    if (!says && adze_type_is_ranked(type)) {
        if (axis < 0) axis += adze_type_rank(type);
        if (!adze_dim_is_const(adze_type_dim(type, (uint32_t)axis), &size) || size % parts)
            return adze_onnx_refuse(x, "parts of unequal size come with opset 18");
    }
    adze_onnx_begin(x, "Split");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    for (uint32_t i = 0; i < parts; i++) adze_onnx_out(x, adze_onnx_result(x, i));
    if (adze_op_attr_int(x->op, "axis") != 0) adze_onnx_int(x, "axis", adze_op_attr_int(x->op, "axis"));
    if (says) adze_onnx_int(x, "num_outputs", parts);
    return adze_onnx_end(x);
}

adze_onnx_speaker *adze_onnx_shape_find(const char *op)
{
    static const struct {
        const char *op;
        adze_onnx_speaker *speaker;
    } rows[] = {
        {"constant_of_shape", say_constant_of_shape},
        {"dims", say_dims_op},
        {"expand", say_expand},
        {"full", say_full},
        {"iota", say_iota},
        {"range", say_range},
        {"reshape", say_reshape},
        {"split", say_split},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op, op)) return rows[i].speaker;
    return NULL;
}
