/* ONNX's operator conformance cases, on the reference or compiled.
 *
 *   onnx_node [-v] [--export] [--atol=X] [--target=NAME] [--part=I/N] [FOLDER [CASE...]]
 *
 * FOLDER holds a folder per case with model.onnx and test_data_set_*; without it the stored cases
 * beside the models (ADZE_MODELS) are looked for. Without CASE all run. A case that the import does
 * not support is skipped; -v says why. With --export each model is written as ONNX and read again before it runs, and
 * that model written again must read as the same IR text. Tolerances are those of ONNX's own runner:
 * |got - want| <= 1e-7 + 1e-3 |want|, of bf16 two units in the last place; a file `atol` in a case's folder, else
 * --atol, puts another number in the place of the first. With --target each model is compiled for it (x86:host, say).
 * A set without outputs wants what the reference gives. --part runs each N-th case, from the I-th on.
 */
#include "compiled.h"

#include <adze/onnx.h>

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Cases whose stored outputs are not the one right answer. Those that are drawn count by their types and dims; the
 * others must go on differing. Neither counts as passed. */
static const struct {
    const char *name, *why;
    bool drawn;
} listed[] = {
#define DRAWN(name) {name, "values drawn by another library's generator; types and dims agree", true}
    DRAWN("test_bernoulli"),
    DRAWN("test_bernoulli_double"),
    DRAWN("test_bernoulli_double_expanded"),
    DRAWN("test_bernoulli_expanded"),
    DRAWN("test_bernoulli_seed"),
    DRAWN("test_bernoulli_seed_expanded"),
    DRAWN("test_training_dropout"),
    DRAWN("test_training_dropout_default"),
    DRAWN("test_training_dropout_default_mask"),
    DRAWN("test_training_dropout_mask"),
#undef DRAWN
    {"test_dft_inverse", "zeros that the stored output has as what rounding in f32 left", false},
    {"test_dft_inverse_opset19", "zeros that the stored output has as what rounding in f32 left", false},
    {"test_resize_downsample_scales_cubic_align_corners", "corners aligned to a fractional length", false},
    {"test_resize_downsample_scales_linear_align_corners", "corners aligned to a fractional length", false},
};

typedef struct reports {
    uint32_t unsupported, other;
    char first[512];
} reports;

static void sink(void *self, const adze_diagnostic *d)
{
    reports *r = self;
    if (d->severity != ADZE_ERROR) return;
    if (!r->first[0])
        snprintf(r->first, sizeof r->first, "%s%s%.*s", d->loc.op_type ? d->loc.op_type : "",
                 d->loc.op_type ? ": " : "", (int)strcspn(d->message, "\n"), d->message);
    if (strstr(d->message, "not supported"))
        r->unsupported++;
    else
        r->other++;
}

/* ---- Comparing ---- */

static double half(uint16_t bits)
{
    int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    double value = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return bits & 0x8000 ? -value : value;
}

/* Element i, or part i of complex ones, as a double; exact compare by bytes where there is no such conversion. */
static bool number(const adze_value *v, uint64_t i, double *out)
{
    const void *p = v->data;
    uint32_t bits;
    switch ((adze_dtype)v->dtype) {
    case ADZE_DTYPE_f32:
    case ADZE_DTYPE_c64:
        *out = (double)((const float *)p)[i];
        return true;
    case ADZE_DTYPE_f64:
    case ADZE_DTYPE_c128:
        *out = ((const double *)p)[i];
        return true;
    case ADZE_DTYPE_f16:
        *out = half(((const uint16_t *)p)[i]);
        return true;
    case ADZE_DTYPE_bf16: {
        float f;
        bits = (uint32_t)((const uint16_t *)p)[i] << 16;
        memcpy(&f, &bits, 4);
        *out = (double)f;
        return true;
    }
    default:
        return false;
    }
}

static bool same_string(adze_string a, adze_string b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

ADZE_PRINTF(3, 4) static bool say(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return false;
}

static bool same_elements(const adze_value *got, const adze_value *want, double tolerance, char *why, size_t size)
{
    /* complex numbers by their parts */
    bool parts = want->dtype == ADZE_DTYPE_c64 || want->dtype == ADZE_DTYPE_c128;
    uint64_t count = adze_value_count(want) * (parts ? 2 : 1);
    const double relative = want->dtype == ADZE_DTYPE_bf16 ? 1.0 / 64 : 1e-3;
    for (uint64_t i = 0; i < count; i++) {
        double a, b;
        if (want->dtype == ADZE_DTYPE_str) {
            if (!same_string(((adze_string *)got->data)[i], ((adze_string *)want->data)[i]))
                return say(why, size, "string %llu differs", (unsigned long long)i);
            continue;
        }
        if (!number(got, i, &a) || !number(want, i, &b)) {
            uint64_t bytes = adze_dtype_bytes((adze_dtype)want->dtype, count);
            return memcmp(got->data, want->data, bytes) == 0 || say(why, size, "other elements");
        }
        bool ok = (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance + relative * fabs(b);
        if (!ok)
            return say(why, size, "element %llu is %.9g, want %.9g", (unsigned long long)i, a, b);
    }
    return true;
}

/* `tolerance` < 0: elements do not count. */
static bool same(const adze_value *got, const adze_value *want, double tolerance, char *why, size_t size)
{
    if (got->kind != want->kind) return say(why, size, "value of kind %u, want %u", got->kind, want->kind);
    if (got->kind != ADZE_VALUE_TENSOR) {
        if (got->n_items != want->n_items)
            return say(why, size, "%llu items, want %llu", (unsigned long long)got->n_items,
                       (unsigned long long)want->n_items);
        for (uint64_t i = 0; i < got->n_items; i++)
            if (!same(&got->items[i], &want->items[i], tolerance, why, size)) return false;
        return true;
    }
    if (got->dtype != want->dtype)
        return say(why, size, "dtype %u, want %u", got->dtype, want->dtype);
    if (got->rank != want->rank) return say(why, size, "rank %u, want %u", got->rank, want->rank);
    for (uint32_t i = 0; i < got->rank; i++)
        if (got->dims[i] != want->dims[i])
            return say(why, size, "dim %u is %lld, want %lld", i, (long long)got->dims[i],
                       (long long)want->dims[i]);
    return tolerance < 0 || same_elements(got, want, tolerance, why, size);
}

/* ---- Running ---- */

static const adze_type *type_of(const adze_func *func, bool results, uint32_t index)
{
    return results ? adze_func_result_type(func, index) : adze_value_type(adze_region_arg(adze_func_body(func), index));
}

static bool read_set(adze_context *context, const char *set, const adze_func *func, bool results, adze_value *values,
                     uint32_t count)
{
    char path[4096];
    for (uint32_t i = 0; i < count; i++) {
        adze_type_kind kind = adze_type_get_kind(type_of(func, results, i));
        adze_value_kind stored = kind == ADZE_TYPE_SEQUENCE   ? ADZE_VALUE_SEQUENCE
                                 : kind == ADZE_TYPE_OPTIONAL ? ADZE_VALUE_OPTIONAL
                                 : kind == ADZE_TYPE_MAP      ? ADZE_VALUE_MAP
                                                              : ADZE_VALUE_TENSOR;
        snprintf(path, sizeof path, "%s/%s_%u.pb", set, results ? "output" : "input", i);
        if (!adze_onnx_read_value(context, path, stored, &values[i], NULL)) return false;
    }
    return true;
}

static bool has_results(const char *set)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/output_0.pb", set);
    return access(path, R_OK) == 0;
}

/* What runs a case: compiled code, or where that is NULL the reference. */
static bool evaluate(compiled *code, const adze_func *func, const adze_value *in, uint32_t n_in, adze_value *out,
                     uint32_t n_out, char *why, size_t size)
{
    if (!code) return adze_interpret(func, in, n_in, out, n_out, NULL, NULL);
    return compiled_run(code, in, n_in, out, n_out) || say(why, size, "%s", code->error);
}

static bool run_set(adze_context *context, compiled *code, const adze_func *func, const char *set, double tolerance,
                    char *why, size_t size)
{
    uint32_t n_in = adze_region_num_args(adze_func_body(func)), n_out = adze_func_num_results(func);
    adze_value *in = calloc(n_in + 1, sizeof *in), *out = calloc(n_out + 1, sizeof *out),
               *want = calloc(n_out + 1, sizeof *want);
    if (!in || !out || !want) abort();
    bool told = has_results(set);
    bool ok = read_set(context, set, func, false, in, n_in) &&
              (told ? read_set(context, set, func, true, want, n_out)
                    : adze_interpret(func, in, n_in, want, n_out, NULL, NULL));
    if (ok && evaluate(code, func, in, n_in, out, n_out, why, size)) {
        for (uint32_t i = 0; ok && i < n_out; i++) ok = same(&out[i], &want[i], tolerance, why, size);
        if (!code) adze_outputs_free(out, n_out);
    } else {
        ok = false;
    }
    for (uint32_t i = 0; i < n_in; i++) adze_onnx_value_free(&in[i]);
    for (uint32_t i = 0; told && i < n_out; i++) adze_onnx_value_free(&want[i]);
    if (!told) adze_outputs_free(want, n_out);
    free(in);
    free(out);
    free(want);
    return ok;
}

enum { PASSED, FAILED, SKIPPED };

/* Its row in `listed`; -1: none. */
static int find_listed(const char *name)
{
    for (int i = 0; i < (int)(sizeof listed / sizeof *listed); i++)
        if (strcmp(listed[i].name, name) == 0) return i;
    return -1;
}

static double usual = 1e-7;

static double tolerance_of(const char *folder, const char *name)
{
    char path[2048];
    double absolute = usual;
    int row = find_listed(name);
    if (row >= 0 && listed[row].drawn) return -1;
    snprintf(path, sizeof path, "%s/%s/atol", folder, name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%lf", &absolute) != 1) absolute = 0;
    if (file) fclose(file);
    return absolute;
}

static const char *target; /* NULL: the reference */

static int run_sets(adze_context *context, adze_module *module, const char *folder, const char *name, char *why,
                    size_t size)
{
    const adze_func *func = adze_module_main(module);
    compiled code = {0};
    bool ok = !target || compiled_open(&code, module, target) || say(why, size, "%s", code.error ? code.error : "");
    int set = 0;
    for (; ok; set++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/%s/test_data_set_%d", folder, name, set);
        if (access(path, R_OK) != 0) break;
        ok = run_set(context, target ? &code : NULL, func, path, tolerance_of(folder, name), why, size);
    }
    if (target) compiled_close(&code);
    return ok && set > 0 ? PASSED : FAILED;
}

static int judge(const char *name, int result, char *why, size_t size)
{
    int row = find_listed(name);
    if (row < 0 || result == SKIPPED || (listed[row].drawn && result == FAILED)) return result;
    if (!listed[row].drawn && result == PASSED) {
        say(why, size, "is listed as differing but passes");
        return FAILED;
    }
    say(why, size, "%s", listed[row].why);
    return SKIPPED;
}

/* ---- Out and in again ---- */

/* The module that the model written from `module` reads as; NULL after an error. */
static adze_module *again(adze_context *context, const adze_module *module)
{
    char path[] = "/tmp/adze-onnx-XXXXXX.onnx";
    int file = mkstemps(path, 5);
    if (file < 0) return NULL;
    close(file);
    adze_module *read = adze_onnx_write(module, path, NULL) ? adze_onnx_read(context, path, NULL) : NULL;
    unlink(path);
    return read;
}

/* Text without what a lowest opset changes: the module's first line. */
static const char *text_of(const adze_module *module, adze_text *out)
{
    if (!adze_module_print(module, NULL, out)) return "";
    const char *line = strchr(out->data, '\n');
    return line ? line : "";
}

static bool same_text(const adze_module *a, const adze_module *b)
{
    adze_text one = {0}, two = {0};
    bool same_lines = strcmp(text_of(a, &one), text_of(b, &two)) == 0;
    adze_text_free(&one);
    adze_text_free(&two);
    return same_lines;
}

static uint32_t n_exact;

/* In the place of the module what it reads as after it was written. The second time nothing may change. */
static bool go_round(adze_context *context, adze_module **module, char *why, size_t size)
{
    adze_module *second = again(context, *module), *third = second ? again(context, second) : NULL;
    bool ok = third && (same_text(second, third) || say(why, size, "its text changes when it is written again"));
    if (ok) n_exact += same_text(*module, second);
    adze_module_destroy(*module);
    adze_module_destroy(third);
    *module = second;
    return ok;
}

static int run_case(const char *folder, const char *name, bool verbose, bool exports)
{
    char path[2048], why[256] = "";
    reports r = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, sink, &r);
    snprintf(path, sizeof path, "%s/%s/model.onnx", folder, name);
    adze_module *module = adze_onnx_read(context, path, NULL);
    int result = r.unsupported && !r.other ? SKIPPED : FAILED;
    if (module && exports && !go_round(context, &module, why, sizeof why)) {
        adze_module_destroy(module);
    } else if (module) {
        result = run_sets(context, module, folder, name, why, sizeof why);
        adze_module_destroy(module);
    }
    result = judge(name, result, why, sizeof why);
    if (result == FAILED || (verbose && result == SKIPPED))
        printf("%s %s: %s%s\n", result == FAILED ? "FAILED" : "skipped", name, r.first, why);
    adze_context_destroy(context);
    return result;
}

static int is_case(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Where the cases lie if nobody says. */
static const char *default_folder(char *out, size_t size)
{
    const char *models = getenv("ADZE_MODELS"), *tree = getenv("ADZE_SOURCE_DIR");
    if (models)
        snprintf(out, size, "%s/../onnx_conformance_node/node", models);
    else
        snprintf(out, size, "%s/../shared/onnx_conformance_node/node", tree ? tree : ".");
    return out;
}

typedef struct options {
    bool verbose, exports;
    int part, parts;
} options;

/* Takes the flags off the front; what is left is the folder and the cases. */
static bool read_options(options *o, int *argc, char ***argv)
{
    *o = (options){.parts = 1};
    for (; *argc > 1 && (*argv)[1][0] == '-'; --*argc, ++*argv) {
        const char *flag = (*argv)[1];
        char end;
        if (!strcmp(flag, "-v"))
            o->verbose = true;
        else if (!strcmp(flag, "--export"))
            o->exports = true;
        else if (!strncmp(flag, "--atol=", 7))
            usual = strtod(flag + 7, NULL);
        else if (!strncmp(flag, "--target=", 9))
            target = flag + 9;
        else if (sscanf(flag, "--part=%d/%d%c", &o->part, &o->parts, &end) != 2 || o->parts < 1)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    char buffer[2048];
    uint32_t count[3] = {0};
    options o;
    if (!read_options(&o, &argc, &argv)) {
        fprintf(stderr, "onnx_node: unknown flag %s\n", argv[1]);
        return 2;
    }
    const char *folder = argc > 1 ? argv[1] : default_folder(buffer, sizeof buffer);
    if (access(folder, R_OK) != 0) {
        printf("skipped: no conformance cases in %s\n", folder);
        return 77;
    }
    for (int i = 2; i < argc; i++) count[run_case(folder, argv[i], o.verbose, o.exports)]++;
    struct dirent **cases = NULL;
    int n = argc > 2 ? 0 : scandir(folder, &cases, is_case, alphasort);
    for (int i = 0; i < n; i++) {
        if (i % o.parts == o.part) count[run_case(folder, cases[i]->d_name, o.verbose, o.exports)]++;
        free(cases[i]);
    }
    free(cases);
    if (o.exports) printf("%u read as the same text after they were written once\n", n_exact);
    printf("%u passed, %u failed, %u skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
    return count[FAILED] > 0 || count[PASSED] == 0;
}
