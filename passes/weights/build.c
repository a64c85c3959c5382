/* Builders for ops that passes need over and over. */
#include "passes/weights/build.h"

bool build_feeds_constants(const adze_module *module, const adze_const *constant)
{
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        adze_const *const *inputs;
        uint32_t n;
        if (!adze_data_is_derived(adze_const_data(c), NULL, NULL, &inputs, &n)) continue;
        for (uint32_t i = 0; i < n; i++)
            if (inputs[i] == constant) return true;
    }
    return false;
}

adze_ir_value *build_unary(adze_builder *b, const char *name, adze_ir_value *x)
{
    return x ? adze_build_unary(b, name, x) : NULL;
}

adze_ir_value *build_binary(adze_builder *b, const char *name, adze_ir_value *x, adze_ir_value *y)
{
    return x && y ? adze_build_binary(b, name, x, y) : NULL;
}

adze_ir_value *build_scalar(adze_builder *b, const adze_ir_value *x, double value)
{
    return x ? adze_const_scalar(b->module, "number", adze_type_dtype(adze_value_type(x)), value) : NULL;
}

adze_ir_value *build_with(adze_builder *b, const char *name, adze_ir_value *x, double value)
{
    return build_binary(b, name, x, build_scalar(b, x, value));
}

adze_ir_value *build_cast(adze_builder *b, adze_ir_value *x, adze_dtype to)
{
    if (!x || adze_type_dtype(adze_value_type(x)) == to) return x;
    adze_attr attr = adze_attr_type("to", to);
    return adze_build1(b, "cast", &x, 1, &attr, 1);
}

static adze_ir_value *build_stated(adze_builder *b, const char *name, adze_ir_value *x, const adze_type *type)
{
    if (!x || adze_value_type(x) == type) return x;
    adze_op *op = adze_build(b, name, &x, 1, NULL, 0, &type, 1);
    return op ? adze_op_result(op, 0) : NULL;
}

adze_ir_value *build_reshape(adze_builder *b, adze_ir_value *x, uint32_t rank, const adze_dim *const *dims)
{
    return x ? build_stated(b, "reshape", x, adze_type_with_dims(adze_value_type(x), rank, dims)) : NULL;
}

adze_ir_value *build_reshape_as(adze_builder *b, adze_ir_value *x, const adze_type *type)
{
    return x ? build_reshape(b, x, adze_type_rank(type), adze_type_dims(type)) : NULL;
}

adze_ir_value *build_expand_as(adze_builder *b, adze_ir_value *x, const adze_type *type)
{
    if (!x) return NULL;
    type = adze_type_with_dims(adze_value_type(x), adze_type_rank(type), adze_type_dims(type));
    return build_stated(b, "expand", x, type);
}

adze_ir_value *build_transpose(adze_builder *b, adze_ir_value *x, const int64_t *perm)
{
    if (!x) return NULL;
    adze_attr attr = adze_attr_ints("perm", perm, adze_type_rank(adze_value_type(x)));
    return adze_build1(b, "transpose", &x, 1, &attr, 1);
}

adze_ir_value *build_swap_last(adze_builder *b, adze_ir_value *x)
{
    if (!x) return NULL;
    int64_t perm[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(adze_value_type(x));
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    return build_transpose(b, x, perm);
}

adze_ir_value *build_slice(adze_builder *b, adze_ir_value *x, uint32_t axis, int64_t start, int64_t end, int64_t step)
{
    if (!x) return NULL;
    int64_t numbers[] = {start, end, axis, step};
    adze_ir_value *in[5] = {x};
    for (int i = 0; i < 4; i++) {
        in[1 + i] = adze_const_ints(b->module, "index", &numbers[i], 1);
        if (!in[1 + i]) return NULL;
    }
    return adze_build1(b, "slice", in, 5, NULL, 0);
}

adze_ir_value *build_pad(adze_builder *b, adze_ir_value *x, const int64_t *before, const int64_t *after)
{
    return build_pad_with(b, x, before, after, 0);
}

adze_ir_value *build_pad_with(adze_builder *b, adze_ir_value *x, const int64_t *before, const int64_t *after,
                              double fill)
{
    if (!x) return NULL;
    int64_t pads[2 * ADZE_MAX_RANK];
    bool any = false;
    uint32_t rank = adze_type_rank(adze_value_type(x));
    for (uint32_t i = 0; i < rank; i++) {
        pads[i] = before[i];
        pads[rank + i] = after[i];
        any = any || before[i] || after[i];
    }
    if (!any) return x;
    adze_ir_value *in[] = {x, adze_const_ints(b->module, "pads", pads, 2 * (int)rank), NULL};
    if (fill != 0) in[2] = build_scalar(b, x, fill);
    return in[1] && (in[2] || fill == 0) ? adze_build1(b, "pad", in, in[2] ? 3 : 2, NULL, 0) : NULL;
}

adze_ir_value *build_concat(adze_builder *b, adze_ir_value *const *parts, uint32_t n, uint32_t axis)
{
    for (uint32_t i = 0; i < n; i++)
        if (!parts[i]) return NULL;
    adze_attr attr = adze_attr_int("axis", axis);
    return n == 1 ? parts[0] : adze_build1(b, "concat", parts, n, &attr, 1);
}

adze_ir_value *build_reduce(adze_builder *b, const char *name, adze_ir_value *x, const int64_t *axes, uint32_t n,
                            bool keep)
{
    if (!x) return NULL;
    adze_ir_value *in[] = {x, n ? adze_const_ints(b->module, "axes", axes, (int)n) : NULL};
    if (n && !in[1]) return NULL;
    adze_attr attr = adze_attr_int("keepdims", keep);
    return adze_build1(b, name, in, n ? 2 : 1, &attr, 1);
}
