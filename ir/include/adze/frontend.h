/* Frontends read model files of one format. */
#ifndef ADZE_FRONTEND_H
#define ADZE_FRONTEND_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A symbolic dim that the user fixed (--dim NAME=VALUE). */
typedef struct adze_fixed_dim {
    const char *name;
    int64_t value;
} adze_fixed_dim;

typedef struct adze_read_options {
    uint32_t struct_size;
    uint32_t n_dims;
    const adze_fixed_dim *dims; /* `read` gives them their values; adze_module_fix_dim does that */
} adze_read_options;

/* Reads models of one file format. A descriptor. Files are hostile: `read` must refuse what is cut, huge or nonsense
 * with an error, and hold no more memory than the file justifies. */
typedef struct adze_frontend {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* "onnx" */
    const char *help; /* one line, lower case, no full stop */
    const char *const *suffixes; /* of file names, NULL-ended: ".onnx". ".adz" and those of artifacts are taken */
    /* The module, which the caller owns, or NULL after errors were reported: all of them, not the first alone. */
    adze_module *(*read)(adze_context *context, const char *path, const adze_read_options *options);
} adze_frontend;

#ifdef __cplusplus
}
#endif
#endif
