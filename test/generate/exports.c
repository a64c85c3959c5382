/* Random modules as ONNX: what is written reads as a module that computes the same, and writes as the same again. */
#include "generate.h"

#include <adze/onnx.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_to(const adze_module *module, adze_text *out)
{
    const adze_print_options options = {.struct_size = sizeof options, .max_elements = 1 << 20};
    adze_module_print(module, &options, out);
    adze_text_write(out, "", 1);
}

/* Spelled-out ops round more often, in parts of the largest magnitude; integers are the same. */
static bool close_enough(const adze_value *a, const adze_value *b)
{
    adze_dtype dtype = (adze_dtype)b->dtype;
    uint64_t count = adze_value_count(b), bytes = adze_dtype_bytes(dtype, count);
    if (a->dtype != b->dtype || a->rank != b->rank || adze_value_count(a) != count) return false;
    if (!bytes || !memcmp(a->data, b->data, bytes)) return true;
    if (adze_dtype_get_kind(dtype) != ADZE_KIND_FLOAT) return false;
    double far = 0, most = 1e-30;
    for (uint64_t i = 0; i < count; i++) {
        double x = adze_value_real(a, i), y = adze_value_real(b, i);
        if (isnan(x) != isnan(y) || (isinf(y) && x != y)) return false;
        if (isnan(y) || isinf(y)) continue;
        far = fmax(far, fabs(x - y));
        most = fmax(most, fabs(y));
    }
    return far <= (adze_dtype_bits(dtype) >= 32 ? 1e-5 : 2e-2) * most;
}

static bool same_results(const gen *g, const adze_func *func)
{
    uint32_t n = adze_func_num_results(g->func);
    adze_value *want = calloc(n + 1u, sizeof *want), *got = calloc(n + 1u, sizeof *got);
    if (!want || !got) abort();
    bool ok = adze_interpret(g->func, g->inputs, g->n_inputs, want, n, NULL, NULL) &&
              adze_interpret(func, g->inputs, g->n_inputs, got, n, NULL, NULL);
    for (uint32_t i = 0; ok && i < n; i++)
        if (!close_enough(&got[i], &want[i])) ok = printf("output %u differs\n", i) < 0;
    adze_outputs_free(want, n);
    adze_outputs_free(got, n);
    free(want);
    free(got);
    return ok;
}

/* Control flow is written, but not read. */
static bool has_branches(const gen *g)
{
    for (const adze_op *op = adze_region_first(adze_func_body(g->func)); op; op = adze_op_next(op))
        if (adze_op_is(op, "if")) return true;
    return false;
}

bool gen_export(const gen *g, const char *path, bool *out_refused)
{
    uint64_t errors = adze_context_errors(g->context);
    *out_refused = false;
    if (!adze_onnx_write(g->module, path, NULL)) {
        *out_refused = adze_context_errors(g->context) == errors + 1;
        return *out_refused;
    }
    if (has_branches(g)) return true;
    char other[512];
    snprintf(other, sizeof other, "%s.again", path);
    adze_text first = {0}, second = {0};
    adze_module *read = adze_onnx_read(g->context, path, NULL), *again = NULL;
    bool ok = read && same_results(g, adze_module_main(read));
    ok = ok && adze_onnx_write(read, other, NULL) && (again = adze_onnx_read(g->context, other, NULL));
    if (ok) {
        print_to(read, &first);
        print_to(again, &second);
        ok = !strcmp(first.data, second.data) || printf("its text changes when it is written again\n") < 0;
    }
    remove(other);
    adze_text_free(&first);
    adze_text_free(&second);
    adze_module_destroy(read);
    adze_module_destroy(again);
    return ok;
}
