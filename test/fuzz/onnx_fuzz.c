/* Fuzzing of what a model goes through: read, verified, printed, written as ONNX, simplified with constants folded, and
 * run on the reference before and after. There is a module, or there are errors; never both, never neither. What was
 * verified before a pass is valid after it, and gives the same. */
#include "fuzz.h"

#include <adze/onnx.h>
#include <adze/registry.h>

#include <stdlib.h>
#include <string.h>

#include "passes/certifier.h"

/* Of a run and of folding: what takes as many bytes is done soon. */
enum { RUN_MEMORY = 1 << 17, MAX_RUNS = 64, MAX_OPS = 2000 };

/* Loops of which it is not known that they end soon, those inside each other together: endless ones are as valid as in
 * any language. `runs` is how often the region runs. */
static bool may_run_long(const adze_region *region, int64_t runs)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        int64_t bound, inside = runs;
        if (adze_op_is(op, "loop")) {
            if (!adze_op_operand(op, 0) || adze_value_as_ints(adze_op_operand(op, 0), &bound, 1) < 0 ||
                bound > MAX_RUNS / runs)
                return true;
            inside = bound > 1 ? runs * bound : runs;
        }
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (may_run_long(adze_op_region(op, i), inside)) return true;
    }
    return false;
}

static uint32_t count_ops(const adze_region *region)
{
    uint32_t n = 0;
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op), n++)
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) n += count_ops(adze_op_region(op, i));
    return n;
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
    if (!out->data) abort();
    memset(out->data, 0, size);
    bool real = adze_dtype_get_kind(adze_type_dtype(type)) == ADZE_KIND_FLOAT;
    for (int64_t i = 0; adze_dtype_is_number(adze_type_dtype(type)) && i < count; i++) /* whole ones may be indices */
        adze_value_set_real(out, (uint64_t)i, real ? (double)(i * 37 % 64 - 24) / 16 : (double)(i % 2));
    if (!adze_type_rank(type)) free(dims);
    return true;
}

/* What the main function is run with, and gives; without outputs where it does not run. */
typedef struct results {
    adze_value *in, *out;
    uint32_t n_in, n_out;
} results;

static results run(const adze_module *module)
{
    adze_func *func = adze_module_main(module);
    const adze_region *body = adze_func_body(func);
    uint32_t n = adze_region_num_args(body);
    results r = {.n_out = adze_func_num_results(func)};
    r.in = calloc(n + 1u, sizeof *r.in);
    r.out = calloc(r.n_out + 1u, sizeof *r.out);
    if (!r.in || !r.out) abort();
    while (r.n_in < n && make_input(adze_value_type(adze_region_arg(body, r.n_in)), &r.in[r.n_in])) r.n_in++;
    if (r.n_in == n && adze_interpret(func, r.in, n, r.out, r.n_out, NULL, NULL)) return r;
    free(r.out);
    r.out = NULL;
    return r;
}

static void forget(results *r)
{
    if (r->out) adze_outputs_free(r->out, r->n_out);
    for (uint32_t i = 0; i < r->n_in; i++) {
        if (r->in[i].rank) free((void *)(uintptr_t)r->in[i].dims);
        free(r->in[i].data);
    }
    free(r->in);
    free(r->out);
}

/* What strict passes leave is the same, bit by bit; what others leave has the same types and dims. */
static void compare(adze_context *context, const results *before, const results *after, bool strict,
                    const uint8_t *bytes, size_t size)
{
    adze_comparison how = {.context = context, .numerics = strict ? ADZE_EXACT : ADZE_LOSSY};
    adze_certificate found = {.struct_size = sizeof found};
    char why[256] = "";
    if (!before->out || !after->out) return;
    for (uint32_t i = 0; i < before->n_out && !*why; i++)
        adze_compare_output(&how, &before->out[i], &after->out[i], &found, why, sizeof why);
    if (*why) fuzz_fail(why, bytes, size);
    if (found.n_over) fuzz_fail("simplified, it gives something else", bytes, size);
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
    const adze_region *body = adze_func_body(adze_module_main(module));
    if (may_run_long(body, 1) || count_ops(body) > MAX_OPS) return;
    bool strict = size % 4 != 0; /* else with rules that round differently, too */
    results before = run(module);
    setenv("ADZE_DATA_DIR", ADZE_DATA, 0);
    adze_registry *registry = adze_registry_create(context);
    adze_pipeline *pipeline = adze_pipeline_parse(registry, "simplify");
    adze_run_options run_options = {.struct_size = sizeof run_options,
                                    .target = adze_registry_target(registry, "x86:x86-64-v3"),
                                    .precision = strict ? ADZE_PRECISION_STRICT : ADZE_PRECISION_F32};
    if (!pipeline || !run_options.target) fuzz_fail("no pipeline, or no target", bytes, size);
    bool simplified = adze_pipeline_run(pipeline, module, &run_options);
    if (simplified && !adze_module_verify(module)) fuzz_fail("simplified, but not valid", bytes, size);
    if (simplified) {
        results after = run(module);
        compare(context, &before, &after, strict, bytes, size);
        forget(&after);
    }
    forget(&before);
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
