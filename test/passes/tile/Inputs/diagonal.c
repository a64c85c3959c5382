/* A plug-in with an op that reads along two axes at once: y[j, i] = x[i, i, j]. */
#include <adze/plugin.h>

static bool infer(adze_op *op, const adze_type **out_types)
{
    const adze_type *x = adze_value_type(adze_op_operand(op, 0));
    const adze_dim *dims[] = {adze_type_dim(x, 2), adze_type_dim(x, 0)};
    *out_types = adze_type_tensor(adze_op_context(op), adze_type_dtype(x), 2, dims, NULL);
    return true;
}

static bool access(const adze_op *op, adze_access *out)
{
    adze_context *context = adze_op_context(op);
    const adze_type *y = adze_value_type(adze_op_result(op, 0));
    const adze_dim *j = adze_dim_axis(context, 0), *i = adze_dim_axis(context, 1);
    out->n_axes = 2;
    for (uint32_t d = 0; d < 2; d++) {
        out->kind[d] = ADZE_AXIS_PARALLEL;
        out->extent[d] = adze_type_dim(y, d);
    }
    out->n_operands = out->n_results = 1;
    out->operand[0] = (adze_access_map){.present = true, .rank = 3, .dims = {i, i, j}};
    out->result[0] = (adze_access_map){.present = true, .rank = 2, .dims = {j, i}};
    return true;
}

static adze_status evaluate(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                            const void *attrs)
{
    (void)env, (void)n_in, (void)n_out, (void)attrs;
    const float *x = in[0].data;
    float *y = out[0].data;
    int64_t n = in[0].dims[0], m = in[0].dims[2];
    for (int64_t j = 0; j < m; j++)
        for (int64_t i = 0; i < n; i++) y[j * n + i] = x[(i * n + i) * m + j];
    return ADZE_OK;
}

static const adze_op_row row = {
    .struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = "demo_diagonal", .help = "x[i, i, j], turned",
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .traits = ADZE_PURE | ADZE_MOVE,
    .infer = infer, .access = access, .eval = evaluate};
static const adze_op_row *const ops[] = {&row, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI, .struct_size = sizeof(adze_plugin), .name = "diagonal",
    .version = "1", .ops = ops};
