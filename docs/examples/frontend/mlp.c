/* mlp: a frontend. Reads multilayer perceptrons from text: words and numbers between blanks.
 *
 *     input 2              numbers a sample
 *     dense 3 relu         outputs, and relu, tanh, sigmoid or linear
 *     …                    3 x 2 weights, row by row, then 3 biases
 */
#include <adze/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WIDTH = 4096 };

typedef struct reader {
    FILE *file;
    adze_context *context;
    const char *path;
    adze_module *module;
    adze_builder builder;
    adze_ir_value *last; /* what the layers so far give: f32[N,width] */
    int64_t width;
} reader;

static bool fail(const reader *r, const char *what)
{
    adze_loc loc = adze_loc_unknown(r->context);
    loc.file = adze_intern_z(r->context, r->path);
    return adze_error(loc, "at byte %ld: %s", ftell(r->file), what);
}

static bool read_width(reader *r, int64_t *out)
{
    long width;
    if (fscanf(r->file, "%ld", &width) != 1 || width < 1 || width > MAX_WIDTH)
        return fail(r, "expected a number from 1 to 4096");
    *out = width;
    return true;
}

/* A constant of rank 1 or 2 with the numbers that follow; NULL after an error. */
static adze_ir_value *read_constant(reader *r, const char *name, uint32_t rank, const int64_t *dims)
{
    size_t n = (size_t)dims[0] * (rank > 1 ? (size_t)dims[1] : 1);
    float *numbers = malloc(n * sizeof *numbers);
    bool ok = numbers || fail(r, "out of memory");
    for (size_t i = 0; ok && i < n; i++) ok = fscanf(r->file, "%f", &numbers[i]) == 1 || fail(r, "expected a number");
    const adze_type *type = adze_type_tensor_const(r->context, ADZE_DTYPE_f32, rank, dims);
    adze_ir_value *constant = ok ? adze_const_make(r->module, name, type, numbers) : NULL;
    free(numbers);
    return constant;
}

static bool read_dense(reader *r)
{
    int64_t dims[2] = {0, r->width};
    char word[16] = "", padded[20];
    if (!read_width(r, &dims[0])) return false;
    int found = fscanf(r->file, "%15s", word);
    snprintf(padded, sizeof padded, " %s ", word);
    if (found != 1 || !strstr(" relu tanh sigmoid linear ", padded))
        return fail(r, "expected relu, tanh, sigmoid or linear");
    adze_ir_value *weights = read_constant(r, "weights", 2, dims);
    adze_ir_value *bias = weights ? read_constant(r, "bias", 1, dims) : NULL;
    if (!bias) return false;
    adze_attr transposed = adze_attr_int("transB", 1);
    r->last = adze_build1(&r->builder, "gemm", (adze_ir_value *[]){r->last, weights, bias}, 3, &transposed, 1);
    if (r->last && strcmp(word, "linear") != 0) r->last = adze_build_unary(&r->builder, word, r->last);
    r->width = dims[0];
    return r->last != NULL;
}

static bool read_model(reader *r)
{
    adze_func *func = adze_module_add_func(r->module, "main");
    adze_region *body = adze_func_body(func);
    char word[16];
    if (fscanf(r->file, "%15s", word) != 1 || strcmp(word, "input") != 0) return fail(r, "expected 'input'");
    if (!read_width(r, &r->width)) return false;
    const adze_dim *dims[] = {adze_dim_symbol(r->context, "N"), adze_dim_const(r->context, r->width)};
    r->last = adze_region_add_arg(body, adze_type_tensor(r->context, ADZE_DTYPE_f32, 2, dims, NULL), "x");
    r->builder = adze_builder_at_end(r->module, body);
    while (fscanf(r->file, "%15s", word) == 1) {
        if (strcmp(word, "dense") != 0) return fail(r, "expected 'dense'");
        if (!read_dense(r)) return false;
    }
    const adze_type *type = adze_value_type(r->last);
    adze_func_set_results(func, &type, (const char *[]){"y"}, 1);
    return adze_build(&r->builder, "return", &r->last, 1, NULL, 0, NULL, 0) != NULL;
}

static adze_module *read_file(adze_context *context, const char *path, const adze_read_options *options)
{
    FILE *file = fopen(path, "r");
    if (!file) return adze_error(adze_loc_unknown(context), "%s: %s", path, strerror(errno)), NULL;
    reader r = {.file = file, .context = context, .path = path, .module = adze_module_create(context, "mlp")};
    bool ok = read_model(&r);
    for (uint32_t i = 0; ok && i < options->n_dims; i++)
        ok = adze_module_fix_dim(r.module, options->dims[i].name, options->dims[i].value);
    fclose(file);
    if (ok) return r.module;
    adze_module_destroy(r.module);
    return NULL;
}

static const char *const suffixes[] = {".mlp", NULL};
static const adze_frontend mlp = {.struct_size = sizeof(adze_frontend), .name = "mlp",
    .help = "multilayer perceptrons as text", .suffixes = suffixes, .read = read_file};
static const adze_frontend *const frontends[] = {&mlp, NULL};

const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin), .name = "mlp", .version = "1", .frontends = frontends};
