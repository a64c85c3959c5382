/* A plug-in whose op and micro-kernel x86 compiles: CODE names the file that holds them as bitcode or object, LEVEL
 * the level it is for, CODE2 and LEVEL2 another one. */
#include "code_eval.c"

#include <adze/plugin.h>

#define EMBED(id, file)                                                                                          \
    extern const char id[], id##_end[];                                                                          \
    __asm__(".pushsection .rodata\n.balign 16\n.globl " #id "\n.globl " #id "_end\n" #id ":\n.incbin \"" file    \
            "\"\n" #id "_end:\n.popsection\n");
#ifndef LEVEL
#define LEVEL NULL
#endif
#ifndef SYMBOLS
#define SYMBOLS "eval_demo_swish", "adze_uk_demo_halve", "adze_body_demo_tilt_f32"
#endif

static const adze_op_row swish = {
    .struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = "demo_swish", .help = "x / (1 + exp(-x))",
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .traits = ADZE_PURE | ADZE_ELEMWISE,
    .infer = adze_infer_same, .eval = eval_demo_swish};
static void tilt_row(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const float *x = args[0], *by = args[1];
    for (int64_t i = 0; i < n; i++) ((float *)out)[i] = adze_body_demo_tilt_f32(x[i * steps[0]], by[i * steps[1]]);
}

static const adze_body tilt_body = {
    .name = "demo_tilt", .symbol = "adze_body_demo_tilt_f32", .params = "by", .operands = 1, .arguments = 2,
    .dtype = ADZE_DTYPE_f32, .compute = ADZE_DTYPE_f32, .result = ADZE_DTYPE_f32,
    .args = {ADZE_DTYPE_f32, ADZE_DTYPE_f32}, .row = tilt_row};
static const adze_attr_row tilt_attrs[] = {{"by", ADZE_ATTR_FLOAT, "0.25"}};
static const adze_op_row tilt = {
    .struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = "demo_tilt", .help = "x, or x * by below 0",
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .traits = ADZE_PURE | ADZE_ELEMWISE, .n_attrs = 1,
    .attrs = tilt_attrs, .infer = adze_infer_same, .access = adze_access_elementwise, .bodies = &tilt_body,
    .n_bodies = 1};
static const adze_op_row *const ops[] = {&swish, &tilt, NULL};

static void halve(const adze_ukernel_arg *args) { adze_uk_demo_halve(args[0].p, args[1].cp, args[2].i); }

static bool reach(const adze_ukernel_arg *args, adze_reach *out)
{
    out[0] = out[1] = (adze_reach){0, args[2].i * 4};
    return args[2].i >= 0;
}

static const adze_ukernel ukernel = {"demo_halve", "ppi", halve, reach};
static const adze_ukernel *const ukernels[] = {&ukernel, NULL};

static const char *const symbols[] = {SYMBOLS, NULL};
#ifdef CODE
EMBED(demo_code, CODE)
static const adze_code code = {.struct_size = sizeof(adze_code), .name = "demo", .target = "x86", .level = LEVEL,
                               .bytes = demo_code, .end = demo_code_end, .symbols = symbols};
#endif
#ifdef CODE2
EMBED(demo_code2, CODE2)
static const adze_code code2 = {.struct_size = sizeof(adze_code), .name = "demo2", .target = "x86", .level = LEVEL2,
                                .bytes = demo_code2, .end = demo_code2_end, .symbols = symbols};
#endif
static const adze_code *const codes[] = {
#ifdef CODE
    &code,
#endif
#ifdef CODE2
    &code2,
#endif
    NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI, .struct_size = sizeof(adze_plugin), .name = "demo", .version = "1",
    .ops = ops, .codes = codes, .ukernels = ukernels};
