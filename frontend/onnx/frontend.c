/* The ONNX frontend as the registry sees it. */
#include <adze/onnx.h>

static adze_module *read_model(adze_context *context, const char *path, const adze_read_options *given)
{
    adze_onnx_options options = {.struct_size = sizeof options, .n_dims = given->n_dims, .dims = given->dims};
    return adze_onnx_read(context, path, &options);
}

static const char *const suffixes[] = {".onnx", NULL};

extern const adze_frontend adze_frontend_onnx;
const adze_frontend adze_frontend_onnx = {
    .struct_size = sizeof(adze_frontend),
    .name = "onnx",
    .help = "ONNX models of opset 1 to 28",
    .suffixes = suffixes,
    .read = read_model,
};
