/* adze compile: a model to an artifact. */
#include "command.h"

#include <adze_io.h>

#include <string.h>

typedef struct options {
    adze_common common;
    const char *output;
} options;

static const adze_flag flags[] = {
    {"-o", "FILE", "where to write; the suffix says what", ADZE_FLAG_TEXT, offsetof(options, output)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze compile IN.onnx|IN.adz -o OUT [flags]\n"
    "Compiles a model. OUT ends in .so (library), .o (object, with a .h beside it), nothing (a program that\n"
    "reads and writes .npy and .npz), .adz (IR after the passes), .mlir, .ll or .s.\n"
    "Several levels in one artifact: --target=x86:x86-64-v4,x86-64-v3 (the best one that the CPU has runs).\n"
    "Example: adze compile model.onnx -o model.so --target=x86:host\n";

static bool write_text(adze_work *session, const adze_module *module, const char *path)
{
    adze_text text = {0};
    adze_print_options print = {.struct_size = sizeof print, .locations = true};
    adze_io_error error = {0};
    adze_outfile *file = NULL;
    bool ok = adze_module_print(module, &print, &text);
    adze_status status = ok ? adze_outfile_create(path, 0666, &file, &error) : ADZE_OK;
    if (ok && status == ADZE_OK) {
        adze_outfile_write(file, text.data, text.size);
        status = adze_outfile_commit(file, &error);
    }
    adze_text_free(&text);
    return ok && (status == ADZE_OK || adze_error(adze_loc_unknown(session->context), "%s", error.text));
}

static int run(int argc, char **argv)
{
    options o = {.common = ADZE_COMMON_START};
    int status, n = adze_flags_parse(argc, argv, flags, &o, usage, &status);
    if (n >= 0 && n != 1) status = adze_usage_error("compile takes one model, got %d", n), n = -1;
    if (n >= 0 && !o.output) status = adze_usage_error("compile needs -o OUT"), n = -1;
    if (n >= 0 && adze_common_precision(&o.common) < 0) status = 2, n = -1;
    adze_work session;
    if (n >= 0 && adze_work_open(&session, &o.common)) {
        adze_module *module = adze_work_read(&session, &o.common, argv[0]);
        const char *dot = strrchr(o.output, '.');
        bool text = dot && !strcmp(dot, ".adz");
        bool ok = module && (text ? adze_work_lower(&session, &o.common, module) && write_text(&session, module, o.output)
                                  : adze_work_emit(&session, &o.common, module, o.output));
        adze_module_destroy(module);
        adze_work_close(&session);
        status = ok ? 0 : 1;
    } else if (n >= 0) {
        status = 1;
    }
    adze_flag_list_free(&o.common.plugins);
    adze_flag_list_free(&o.common.dims);
    return status;
}

const adze_command adze_command_compile = {"compile", "compile a model to an artifact", run};
