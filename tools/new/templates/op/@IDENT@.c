/* @IDENT@: an op, @CAMEL@ of the domain com.example in ONNX files, with its meaning and with code for x86. */
#include <adze/embed.h>
#include <adze/plugin.h>

float adze_body_@IDENT@_f32(float x, float scale); /* @IDENT@_code.c */

/* The body over rows of elements: what the reference runs. */
static void @IDENT@_row(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const float *x = args[0], *scale = args[1];
    float *y = out;
    for (int64_t i = 0; i < n; i++) y[i] = adze_body_@IDENT@_f32(x[i * steps[0]], scale[i * steps[1]]);
}

/* One a type of elements; an op over other types is refused. */
static const adze_body bodies[] = {{
    .name = "@IDENT@",
    .symbol = "adze_body_@IDENT@_f32",
    .params = "scale",
    .operands = 1,
    .arguments = 2,
    .dtype = ADZE_DTYPE_f32,
    .compute = ADZE_DTYPE_f32,
    .result = ADZE_DTYPE_f32,
    .args = {ADZE_DTYPE_f32, ADZE_DTYPE_f32},
    .row = @IDENT@_row,
}};

static const adze_attr_row attrs[] = {{"scale", ADZE_ATTR_FLOAT, "1.0"}};

static const adze_op_row @IDENT@ = {
    .struct_size = sizeof(adze_op_row),
    .abi = ADZE_ABI,
    .name = "@IDENT@",
    .onnx = "@CAMEL@",
    .domain = "com.example",
    .help = "scale * x / (1 + |x|)",
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
ADZE_EMBED(@IDENT@_code, "@IDENT@_code.o");

static const char *const symbols[] = {"adze_body_@IDENT@_f32", NULL};
static const adze_code code = {
    .struct_size = sizeof(adze_code),
    .name = "@IDENT@",
    .target = "x86",
    .bytes = @IDENT@_code,
    .end = @IDENT@_code_end,
    .symbols = symbols,
};

static const adze_op_row *const ops[] = {&@IDENT@, NULL};
static const adze_code *const codes[] = {&code, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "@NAME@",
    .version = "1",
    .ops = ops,
    .codes = codes,
};
