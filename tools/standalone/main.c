/* main of a standalone executable: a compiled model that reads and writes .npy and .npz.
 *
 * Linked with a model's object, which defines `adze_artifact`, and libadze_runtime.a.
 * Results go to stdout or --outputs, all else to stderr. Exit status: 0 done; 1 the inputs are at
 * fault; 2 the command line is wrong. */
#include "adze_io.h"
#include <adze_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The symbol has the type's name, so C needs another one for it. */
extern const adze_artifact linked_artifact __asm__("adze_artifact");

enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2 };

typedef struct request {
    const char *program, *inputs, *outputs;
    const char **singles; /* NAME=FILE */
    int n_singles;
    uint32_t n_threads;
    bool help;
} request;

typedef struct state {
    adze_model *model;
    adze_session *session;
    adze_array *arrays; /* one an input */
    uint32_t n_inputs;
} state;

static void print_io(FILE *to, const char *kind, const adze_io_info *info)
{
    fprintf(to, "  %-6s %s: %s[", kind, info->name, adze_dtype_name(info->dtype));
    for (uint32_t d = 0; d < info->rank; d++) fprintf(to, "%s%s", d ? "," : "", info->dims_text[d]);
    fprintf(to, "]\n");
}

static void print_signature(FILE *to, const adze_model *model)
{
    adze_io_info info;
    for (uint32_t i = 0; adze_model_input(model, i, &info) == ADZE_OK; i++)
        print_io(to, "input", &info);
    for (uint32_t i = 0; adze_model_output(model, i, &info) == ADZE_OK; i++)
        print_io(to, "output", &info);
}

static void print_help(const request *r, const adze_model *model)
{
    printf("usage: %s --inputs=x.npz [--outputs=y.npz] [--threads=N]\n\n"
           "Runs the model '%s' once.\n"
           "  --inputs=FILE.npz      arrays named as the inputs\n"
           "  --input NAME=FILE.npy  one input; may be repeated\n"
           "  --outputs=FILE.npz     where the outputs go; without it their types are printed\n"
           "  --threads=N            threads to use (default 1, 0 = one per CPU)\n"
           "  --help                 this text\n\n",
           r->program, linked_artifact.name);
    print_signature(stdout, model);
}

static const char *option_value(const char *arg, const char *name)
{
    size_t n = strlen(name);
    return strncmp(arg, name, n) == 0 && arg[n] == '=' ? arg + n + 1 : NULL;
}

static int usage_error(const request *r, const char *what, const char *arg)
{
    fprintf(stderr, "%s: error: %s '%s'\n  %s --help tells what there is\n", r->program, what, arg,
            r->program);
    return EXIT_USAGE;
}

static int parse_threads(request *r, const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > 1024)
        return usage_error(r, "--threads takes a number up to 1024, not", text);
    r->n_threads = (uint32_t)n;
    return EXIT_DONE;
}

static int parse_arguments(request *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value;
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            r->help = true;
        } else if ((value = option_value(arg, "--inputs")) != NULL) {
            r->inputs = value;
        } else if ((value = option_value(arg, "--outputs")) != NULL) {
            r->outputs = value;
        } else if ((value = option_value(arg, "--threads")) != NULL) {
            int code = parse_threads(r, value);
            if (code) return code;
        } else if ((value = option_value(arg, "--input")) != NULL || strcmp(arg, "--input") == 0) {
            if (!value && ++i < argc) value = argv[i];
            if (!value || !strchr(value, '=') || *value == '=')
                return usage_error(r, "--input takes NAME=FILE.npy, not", value ? value : "");
            r->singles[r->n_singles++] = value;
        } else {
            return usage_error(r, "unknown argument", arg);
        }
    }
    return EXIT_DONE;
}

static int fail(const request *r, const char *message)
{
    fprintf(stderr, "%s: error: %s\n", r->program, message);
    return EXIT_INPUT;
}

/* Files of arrays hold no sequences, optionals and maps. */
static int check_types(const request *r)
{
    const adze_artifact *a = &linked_artifact;
    for (uint32_t i = 0; a->io_types && i < a->n_inputs + a->n_outputs; i++) {
        const adze_artifact_io *io = i < a->n_inputs ? &a->inputs[i] : &a->outputs[i - a->n_inputs];
        if (!a->io_types[i] || *a->io_types[i] == ADZE_VALUE_TENSOR) continue;
        fprintf(stderr, "%s: error: '%s' is no tensor, which an .npz cannot hold\n", r->program, io->name);
        return EXIT_INPUT;
    }
    return EXIT_DONE;
}

static int read_inputs(const request *r, state *s)
{
    adze_io_error error = {""};
    adze_npz *npz;
    adze_status status = adze_npz_open(r->inputs, &npz, &error);
    if (status) return fail(r, error.text);
    for (uint32_t i = 0; i < adze_npz_count(npz) && !status; i++) {
        int64_t index = adze_model_find_input(s->model, adze_npz_name(npz, i));
        if (index < 0) continue; /* a data set may hold labels too */
        status = adze_npz_read(npz, i, &s->arrays[index], &error);
    }
    adze_npz_close(npz);
    return status ? fail(r, error.text) : EXIT_DONE;
}

/* The file comes after the last '=' that leaves the name of an input before it. */
static int read_single(const request *r, state *s, const char *single)
{
    adze_io_error error = {""};
    adze_io_info info;
    for (uint32_t i = 0; adze_model_input(s->model, i, &info) == ADZE_OK; i++) {
        const char *path = option_value(single, info.name);
        if (!path) continue;
        adze_array_free(&s->arrays[i]);
        return adze_npy_read(path, &s->arrays[i], &error) ? fail(r, error.text) : EXIT_DONE;
    }
    fprintf(stderr, "%s: error: '%s' names no input of the model\n", r->program, single);
    print_signature(stderr, s->model);
    return EXIT_INPUT;
}

static int give_inputs(const request *r, state *s)
{
    bool missing = false;
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        adze_array *a = &s->arrays[i];
        adze_io_info info;
        adze_model_input(s->model, i, &info);
        if (!a->data) {
            fprintf(stderr, "%s: error: no value for input '%s'\n", r->program, info.name);
            missing = true;
            continue;
        }
        if (a->dtype != info.dtype) {
            adze_io_error error = {""};
            if (adze_array_retype(a, info.dtype, &error) == ADZE_ERR_VALUE)
                return fail(r, error.text);
        }
        adze_value value = adze_value_tensor(a->dtype, a->rank, a->dims, a->data);
        if (adze_session_set_input(s->session, i, &value))
            return fail(r, adze_session_error(s->session));
    }
    if (!missing) return EXIT_DONE;
    fprintf(stderr, "the model has\n");
    print_signature(stderr, s->model);
    return EXIT_INPUT;
}

static int write_outputs(const request *r, state *s)
{
    adze_io_error error = {""};
    uint32_t n = adze_model_num_outputs(s->model);
    adze_array *arrays = calloc(n + 1u, sizeof *arrays);
    if (!arrays) return fail(r, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        adze_value value;
        adze_io_info info;
        adze_model_output(s->model, i, &info);
        if (adze_session_output(s->session, i, &value)) continue;
        arrays[i].name = (char *)(uintptr_t)info.name;
        arrays[i].dtype = info.dtype;
        arrays[i].rank = value.rank;
        arrays[i].data = value.data;
        if (value.rank) memcpy(arrays[i].dims, value.dims, value.rank * sizeof *value.dims);
        if (r->outputs) continue;
        printf("%s: %s[", info.name, adze_dtype_name(info.dtype));
        for (uint32_t d = 0; d < value.rank; d++)
            printf("%s%lld", d ? "," : "", (long long)value.dims[d]);
        printf("]\n");
    }
    adze_status status = r->outputs ? adze_npz_write(r->outputs, arrays, n, &error) : ADZE_OK;
    free(arrays);
    return status ? fail(r, error.text) : EXIT_DONE;
}

/* NULL unless the linker was told to bring it, as it is where the model asks for an extension. */
__attribute__((weak, visibility("hidden"))) adze_extension_fn adze_extension_find;

static int run(const request *r, state *s)
{
    adze_pool *pool = NULL;
    int code = check_types(r);
    if (!code && r->inputs) code = read_inputs(r, s);
    for (int i = 0; i < r->n_singles && !code; i++) code = read_single(r, s, r->singles[i]);
    if (code) return code;
    adze_status status = r->n_threads != 1 ? adze_pool_create(r->n_threads, &pool) : ADZE_OK;
    adze_session_options options = {.struct_size = sizeof options, .pool = pool, .extension = adze_extension_find};
    if (!status) status = adze_session_create(s->model, &options, &s->session);
    code = status ? fail(r, adze_status_text(status)) : give_inputs(r, s);
    if (!code && adze_session_run(s->session)) code = fail(r, adze_session_error(s->session));
    if (!code) code = write_outputs(r, s);
    adze_session_destroy(s->session);
    adze_pool_destroy(pool);
    return code;
}

int main(int argc, char **argv)
{
    request r = {.program = argc > 0 ? argv[0] : "model", .n_threads = 1};
    state s = {0};
    int code = EXIT_INPUT;
    r.singles = calloc((size_t)argc + 1, sizeof *r.singles);
    if (!r.singles) return fail(&r, "out of memory");
    code = parse_arguments(&r, argc, argv);
    if (!code && adze_model_open_linked(&linked_artifact, NULL, &s.model))
        code = fail(&r, adze_model_error(s.model));
    s.n_inputs = adze_model_num_inputs(s.model);
    if (!code && r.help) {
        print_help(&r, s.model);
    } else if (!code) {
        s.arrays = calloc(s.n_inputs + 1u, sizeof *s.arrays);
        code = s.arrays ? run(&r, &s) : fail(&r, "out of memory");
    }
    for (uint32_t i = 0; s.arrays && i < s.n_inputs; i++) adze_array_free(&s.arrays[i]);
    free(s.arrays);
    free(r.singles);
    adze_model_close(s.model);
    if (fflush(stdout) != 0 && !code) code = fail(&r, "stdout cannot be written");
    return code;
}
