/* Fuzzing of what a model goes through: read, verified, printed, written as ONNX, simplified with constants folded, and
 * run on the reference. There is a module, or there are errors; never both, never neither. What was verified before a
 * pass is valid after it. */
#include "fuzz.h"

#include <adze/onnx.h>
#include <adze/registry.h>

#include <stdlib.h>

/* Of a run and of folding: what takes as many bytes is done soon. */
enum { RUN_MEMORY = 1 << 17, MAX_RUNS = 16 };

/* Loops of which it is not known that they end soon: endless ones are as valid as in any language. */
static bool may_run_long(const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        int64_t bound;
        if (adze_op_is(op, "loop") &&
            (!adze_op_operand(op, 0) || adze_value_as_ints(adze_op_operand(op, 0), &bound, 1) < 0 || bound > MAX_RUNS))
            return true;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (may_run_long(adze_op_region(op, i))) return true;
    }
    return false;
}

/* An input of small dims; false where the type is none that this makes. */
static bool make_input(const adze_type *type, adze_value *out)
{
    enum { MOST = 4096 };
    static const int64_t none[1];
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return false;
    int64_t *dims = calloc(adze_type_rank(type) + 1u, sizeof *dims), count = 1;
    if (!dims) abort();
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        if (!adze_dim_is_const(adze_type_dim(type, i), &dims[i])) dims[i] = 2;
        if (dims[i] > MOST || (count *= dims[i]) > MOST) {
            free(dims);
            return false;
        }
    }
    size_t size = adze_dtype_bytes(adze_type_dtype(type), (uint64_t)count);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = adze_type_dtype(type), .rank = adze_type_rank(type),
                        .dims = adze_type_rank(type) ? dims : none,
                        .data = aligned_alloc(64, (size + 127) & ~(size_t)63)};
    uint8_t *bytes = out->data;
    if (!bytes) abort();
    bool plain = adze_type_dtype(type) != ADZE_DTYPE_str && adze_type_dtype(type) != ADZE_DTYPE_bool;
    for (size_t i = 0; i < size; i++) bytes[i] = plain ? (uint8_t)(i * 37 % 64) : 0;
    if (!adze_type_rank(type)) free(dims);
    return true;
}

static void run(adze_module *module)
{
    adze_func *func = adze_module_main(module);
    const adze_region *body = adze_func_body(func);
    uint32_t n = adze_region_num_args(body), n_out = adze_func_num_results(func), made = 0;
    adze_value *in = calloc(n + 1u, sizeof *in), *out = calloc(n_out + 1u, sizeof *out);
    if (!in || !out) abort();
    while (made < n && make_input(adze_value_type(adze_region_arg(body, made)), &in[made])) made++;
    if (made == n) {
        adze_interpret(func, in, n, out, n_out, NULL, NULL);
        adze_outputs_free(out, n_out);
    }
    for (uint32_t i = 0; i < made; i++) {
        if (in[i].rank) free((void *)(uintptr_t)in[i].dims);
        free(in[i].data);
    }
    free(in);
    free(out);
}

static void check(adze_context *context, adze_module *module, const uint8_t *bytes, size_t size)
{
    adze_text text = {0};
    adze_print_options options = {.struct_size = sizeof options, .max_elements = 16};
    if (!adze_module_verify(module)) fuzz_fail("read, but not valid", bytes, size);
    adze_module_print(module, &options, &text);
    adze_text_free(&text);
    uint64_t errors = adze_context_errors(context);
    bool written = adze_onnx_write(module, "/dev/null", NULL);
    if (adze_context_errors(context) != errors + !written) fuzz_fail("written and refused", bytes, size);
    adze_context_set_max_memory(context, RUN_MEMORY);
    if (may_run_long(adze_func_body(adze_module_main(module)))) return;
    adze_registry *registry = adze_registry_create(context);
    adze_pipeline *pipeline = adze_pipeline_parse(registry, "simplify");
    adze_run_options run_options = {.struct_size = sizeof run_options};
    if (!pipeline) fuzz_fail("no pipeline", bytes, size);
    bool simplified = adze_pipeline_run(pipeline, module, &run_options);
    if (simplified && !adze_module_verify(module)) fuzz_fail("simplified, but not valid", bytes, size);
    if (simplified) run(module);
    adze_pipeline_destroy(pipeline);
    adze_registry_destroy(registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_module *module = adze_onnx_read_memory(context, "fuzz.onnx", bytes, size, NULL);
    if ((module != NULL) != (adze_context_errors(context) == 0)) fuzz_fail("neither clear nor refused", bytes, size);
    if (module) {
        check(context, module, bytes, size);
        adze_module_destroy(module);
    }
    adze_context_destroy(context);
    return 0;
}
