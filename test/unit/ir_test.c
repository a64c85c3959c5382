/* Dims, types and the structure of modules. */
#include "unit.h"

#include <adze/ir.h>


static adze_context *c;

static const char *text(const adze_dim *dim)
{
    static char buffer[256];
    adze_dim_print(dim, buffer, sizeof buffer);
    return buffer;
}

TEST(dims_have_one_normal_form)
{
    const adze_dim *n = adze_dim_symbol(c, "N"), *m = adze_dim_symbol(c, "M");
    const adze_dim *two = adze_dim_const(c, 2);
    const adze_dim *odd = adze_dim_add_const(c, adze_dim_mul(c, two, n), 1);
    CHECK(!strcmp(text(odd), "2*N+1"));
    CHECK(adze_dim_sub(c, odd, n) == adze_dim_add_const(c, n, 1));
    CHECK(adze_dim_mul(c, adze_dim_add(c, n, m), n) == adze_dim_add(c, adze_dim_mul(c, n, n), adze_dim_mul(c, n, m)));
    const adze_dim *q = adze_dim_binary(c, ADZE_DIM_FLOORDIV, adze_dim_mul_const(c, adze_dim_mul(c, n, m), 64), m);
    CHECK(!strcmp(text(q), "64*N"));
    CHECK(adze_dim_binary(c, ADZE_DIM_FLOORDIV, odd, two) == n);
    CHECK(adze_dim_is_value(adze_dim_binary(c, ADZE_DIM_MOD, odd, two), 1));
    CHECK(adze_dim_binary(c, ADZE_DIM_MAX, n, adze_dim_add_const(c, n, 3)) == adze_dim_add_const(c, n, 3));
    CHECK(adze_dim_is_value(adze_dim_sub(c, n, n), 0));
    CHECK(adze_dim_is_unknown(adze_dim_mul(c, adze_dim_const(c, INT64_MAX), two)));
    CHECK(!adze_dim_equal(adze_dim_unknown(c), adze_dim_unknown(c)));
    int64_t lo, hi, coef;
    const adze_dim *extents[] = {adze_dim_const(c, 56), adze_dim_const(c, 3)};
    const adze_dim *window = adze_dim_add_const(
        c, adze_dim_add(c, adze_dim_mul_const(c, adze_dim_axis(c, 0), 2), adze_dim_axis(c, 1)), -1);
    CHECK(adze_dim_range(window, extents, 2, &lo, &hi) && lo == -1 && hi == 111);
    const adze_dim *rest;
    CHECK(adze_dim_axis_coefficient(c, window, 0, &coef, &rest) && coef == 2);
    CHECK(!strcmp(text(rest), "$1-1"));
    int64_t axes[] = {5, 2}, value;
    CHECK(adze_dim_evaluate(window, axes, 2, NULL, NULL, &value) && value == 11);
}

TEST(layouts_give_strides_and_bytes)
{
    int64_t dims[] = {1, 64, 56, 56}, value;
    adze_layout nhwc = {.has_perm = true, .perm = {0, 2, 3, 1}, .halo = {0, 0, 1, 1}};
    const adze_type *plain = adze_type_tensor_const(c, ADZE_DTYPE_f32, 4, dims);
    const adze_type *type = adze_type_with_layout(plain, &nhwc);
    CHECK(type == adze_type_with_layout(plain, &nhwc) && type != plain);
    CHECK(adze_dim_is_const(adze_layout_bytes(type), &value) && value == 58 * 58 * 64 * 4);
    CHECK(adze_dim_is_const(adze_layout_origin(type), &value) && value == (58 + 1) * 64);
    const adze_type *buffer = adze_layout_buffer(type, 1);
    CHECK(adze_dim_is_value(adze_type_stride(buffer, 1), 58 * 64));
    CHECK(adze_dim_is_value(adze_type_stride(buffer, 3), 1));
    CHECK(adze_dim_is_value(adze_type_dim(buffer, 3), 64));
    CHECK(adze_type_with_layout(type, NULL) == plain);
    const adze_type *unranked = adze_type_unranked(c, ADZE_DTYPE_f32);
    CHECK(adze_type_with_layout(unranked, NULL) == unranked);
}

TEST(modules_keep_uses_and_names)
{
    int64_t dims[] = {4};
    const adze_type *type = adze_type_tensor_const(c, ADZE_DTYPE_f32, 1, dims);
    adze_module *module = adze_module_create(c, "m");
    adze_func *func = adze_module_add_func(module, "main");
    adze_region *body = adze_func_body(func);
    adze_ir_value *x = adze_region_add_arg(body, type, "x");
    adze_builder b = adze_builder_at_end(module, body);
    adze_op *relu = adze_build(&b, "relu", &x, 1, NULL, 0, &type, 1);
    adze_op_add_node(relu, "relu1");
    adze_ir_value *y = adze_op_result(relu, 0);
    float ones[4] = {1, 1, 1, 1};
    adze_ir_value *w = adze_const_make(module, "w", type, ones);
    adze_ir_value *pair[] = {y, w};
    adze_op *sum = adze_build(&b, "add", pair, 2, NULL, 0, &type, 1);
    adze_ir_value *z = adze_op_result(sum, 0);
    adze_build(&b, "return", &z, 1, NULL, 0, NULL, 0);
    adze_func_set_results(func, &type, NULL, 1);
    CHECK(adze_value_num_uses(x) == 1 && adze_value_num_uses(y) == 1);
    adze_module *copy = adze_module_clone(module);
    adze_value_replace_uses(y, x);
    adze_op_erase(relu);
    CHECK(adze_value_num_uses(x) == 1 && adze_region_first(body) == sum);
    adze_op *cloned = adze_region_first(adze_func_body(adze_module_main(copy)));
    CHECK(adze_op_is(cloned, "relu") && !strcmp(adze_op_node(cloned, 0), "relu1"));
    const float *bytes = adze_data_load(adze_const_data(adze_module_find_const(copy, "w")));
    CHECK(bytes && bytes[3] == 1);
    CHECK(adze_const_has_uses(adze_module_find_const(module, "w")));
    adze_module_destroy(copy);
    adze_module_destroy(module);
}

int main(void)
{
    c = adze_context_create();
    RUN(dims_have_one_normal_form);
    RUN(layouts_give_strides_and_bytes);
    RUN(modules_keep_uses_and_names);
    adze_context_destroy(c);
    return unit_end();
}
