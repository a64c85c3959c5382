/* Models that come out as ONNX: what compile and opt share. */
#ifndef ADZE_TOOLS_ONNX_OUT_H
#define ADZE_TOOLS_ONNX_OUT_H

#include "command.h"

/* --opset and --external-data. */
typedef struct adze_onnx_flags {
    int64_t opset; /* INT64_MIN = not given */
    const char *external_data; /* the least bytes of what lies beside the model, "" = the usual; NULL = not given */
} adze_onnx_flags;

#define ADZE_ONNX_FLAGS_START {.opset = INT64_MIN}

#define ADZE_ONNX_FLAGS(type, member)                                                                              \
    {"--opset", "N", "of .onnx output (default: the model's own if that will do, else the lowest that will)",      \
     ADZE_FLAG_INT, offsetof(type, member) + offsetof(adze_onnx_flags, opset)},                                    \
    {                                                                                                              \
        "--external-data", "BYTES",                                                                                \
            "of .onnx output: weights of BYTES (1K) or more in FILE.data, as always above 2 GB",                   \
            ADZE_FLAG_MAYBE, offsetof(type, member) + offsetof(adze_onnx_flags, external_data)                      \
    }

/* Does the name end in .onnx? NULL does not. */
bool adze_is_onnx(const char *path);
/* 0, or the exit status: the flags are for .onnx files, and the opset is a number that there is. */
int adze_onnx_flags_check(const adze_onnx_flags *flags, const char *output);
/* `flags` may be NULL. */
bool adze_write_onnx(const adze_onnx_flags *flags, const adze_module *module, const char *path);
/* The same after --passes, or from -O1 on after `simplify`. */
bool adze_write_simplified(adze_work *work, const adze_common *common, const adze_onnx_flags *flags,
                           adze_module *module, const char *path);

#endif
