/* adze compile: a model to an artifact. */
#include "onnx_out.h"

#include <string.h>

typedef struct options {
    adze_common common;
    const char *output;
    adze_onnx_flags onnx;
} options;

static const adze_flag flags[] = {
    {"-o", "FILE", "where to write; the suffix says what", ADZE_FLAG_TEXT, offsetof(options, output)},
    ADZE_ONNX_FLAGS(options, onnx),
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze compile IN.onnx|IN.adz -o OUT [FLAGS]\n\n"
    "Compiles a model for --target (default x86:host). OUT ends in .so (library), .o (object, with a .h beside\n"
    "it), nothing (a program that reads and writes .npy and .npz), .adz (IR after the passes), .mlir, .ll, .s,\n"
    ".onnx (the model after --passes; -O1 and above: simplify; else as it is).\n"
    "Several levels in one artifact: --target=x86:x86-64-v4,x86-64-v3 (the best one that the CPU has runs).\n\n"
    "Example: adze compile model.onnx -o model.so --target=x86:host\n";

static bool is_text(const char *output)
{
    return !strcmp(output, "-") || adze_has_suffix(output, ".adz");
}

/* 0, or the exit status: can the output be written at all? */
static int check_output(adze_work *work, const options *o)
{
    if (!o->output) return adze_usage_error("compile needs -o OUT");
    if (o->common.target && adze_common_is_reference(&o->common))
        return adze_usage_error("the reference runs models, it does not compile them; try --target=x86");
    int status = adze_onnx_flags_check(&o->onnx, o->output);
    if (status || is_text(o->output) || adze_is_onnx(o->output)) return status;
    const adze_target *target = adze_work_target(work, &o->common);
    const adze_backend *backend = target ? adze_registry_backend(work->registry, adze_target_name(target)) : NULL;
    if (!backend) return 1;
    const char *slash = strrchr(o->output, '/'), *name = slash ? slash + 1 : o->output, *dot = strrchr(name, '.');
    for (uint32_t i = 0; backend->suffixes[i]; i++)
        if (!strcmp(backend->suffixes[i], dot ? dot : "")) return 0;
    adze_text list = {0};
    adze_backend_suffixes(backend->suffixes, &list);
    status = adze_usage_error("%s: the %s backend does not write '%s' files; suffixes are %.*s", o->output,
                              backend->name, dot ? dot : name, (int)list.size, list.data ? list.data : "");
    adze_text_free(&list);
    return status;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    (void)n_files;
    int status = check_output(work, o);
    if (status) return status;
    work->output = strcmp(o->output, "-") ? o->output : NULL;
    adze_module *module = adze_work_read(work, &o->common, files[0]);
    bool ok = module && (adze_is_onnx(o->output) ? adze_write_simplified(work, &o->common, &o->onnx, module, o->output)
                         : is_text(o->output) ? adze_work_lower(work, &o->common, module, false) &&
                                                  adze_write_module(work, module, o->output)
                                            : adze_work_emit(work, &o->common, module, o->output));
    adze_module_destroy(module);
    return !ok;
}

static const options defaults = {.common = ADZE_COMMON_START, .onnx = ADZE_ONNX_FLAGS_START};

const adze_command adze_command_compile = {
    .name = "compile",
    .summary = "compile a model to an artifact",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .files_min = 1,
    .files_max = 1,
    .run = run,
};
