/* mish2: an op, com.example's Mish2 in ONNX files, with its meaning and with code for x86. */
#include <adze/embed.h>
#include <adze/plugin.h>

float adze_body_mish2_f32(float x, float beta); /* mish2_code.c */

/* The body over rows of elements: what the reference runs. */
static void mish2_row(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const float *x = args[0], *beta = args[1];
    float *y = out;
    for (int64_t i = 0; i < n; i++) y[i] = adze_body_mish2_f32(x[i * steps[0]], beta[i * steps[1]]);
}

/* One a type of elements; an op over other types is refused. */
static const adze_body bodies[] = {{
    .name = "mish2",
    .symbol = "adze_body_mish2_f32",
    .params = "beta",
    .operands = 1,
    .arguments = 2,
    .dtype = ADZE_DTYPE_f32,
    .compute = ADZE_DTYPE_f32,
    .result = ADZE_DTYPE_f32,
    .args = {ADZE_DTYPE_f32, ADZE_DTYPE_f32},
    .row = mish2_row,
}};

static const adze_attr_row attrs[] = {{"beta", ADZE_ATTR_FLOAT, "1.0"}};

static const adze_op_row mish2 = {
    .struct_size = sizeof(adze_op_row),
    .abi = ADZE_ABI,
    .name = "mish2",
    .onnx = "Mish2",
    .domain = "com.example",
    .help = "x * tanh(softplus(beta * x))",
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .n_attrs = 1,
    .attrs = attrs,
    .traits = ADZE_PURE | ADZE_ELEMWISE,
    .infer = adze_infer_same,          /* the result's type is the operand's */
    .access = adze_access_elementwise, /* so it can be fused with its neighbours */
    .bodies = bodies,
    .n_bodies = 1,
};

/* The same function as code: LLVM bitcode or an object, the file says which. */
ADZE_EMBED(mish2_code, "mish2_code.o");

static const char *const symbols[] = {"adze_body_mish2_f32", NULL};
static const adze_code code = {
    .struct_size = sizeof(adze_code),
    .name = "mish2",
    .target = "x86",
    .bytes = mish2_code,
    .end = mish2_code_end,
    .symbols = symbols,
};

static const adze_op_row *const ops[] = {&mish2, NULL};
static const adze_code *const codes[] = {&code, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "mish2",
    .version = "1",
    .ops = ops,
    .codes = codes,
};
