/* ONNX in and out: models, and the tensors of ONNX's test data sets.
 *
 * A model is read in two steps: a scanner of ours checks the whole wire format and remembers where
 * each tensor's payload lies; then payload-free pieces are unpacked one node at a time. Weights
 * become constants that are ranges of the file, so the file must stay as it is while the module
 * lives; a file that shrinks meanwhile is an error when the constant is read.
 */
#ifndef ADZE_ONNX_H
#define ADZE_ONNX_H

#include <adze/frontend.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opsets of the default domain that are understood. */
enum { ADZE_ONNX_OPSET_MIN = 1, ADZE_ONNX_OPSET_MAX = 28 };

typedef struct adze_onnx_options {
    uint32_t struct_size;
    uint32_t n_dims;
    const adze_fixed_dim *dims; /* by the model's dim_param, or the symbol made of it */
    /* Folder in which external data must lie. NULL: the model's own folder; models from memory have
     * none then, and external data is an error. */
    const char *data_folder;
} adze_onnx_options;

/* Reads a model of opset 1 to 28. The module has one function, `main`, with the graph's inputs
 * (those that no initializer gives a value) and outputs under their ONNX names; module attributes
 * `opset`, `ir_version` and `producer` say where it came from; `domain`, `model_version`, `doc`, `graph_doc` and
 * `metadata` (keys and values in turn) are there if the model has them, and so are `graph_metadata`,
 * `node_docs`, `value_docs`, `tensor_docs` (names and texts in turn), `node_metadata`, `value_metadata` and
 * `tensor_metadata` (names, keys and values); a node is named by its first result. Where nodes were read as other
 * ops, `opset` is the one that these need. Symbolic dims keep their names where
 * these are identifiers; unnamed unknown dims of inputs become fresh symbols. NULL after an error;
 * everything unsupported in the model is reported before that, one error a node. The caller owns
 * the module. `options` may be NULL. */
ADZE_API adze_module *adze_onnx_read(adze_context *context, const char *path,
                                     const adze_onnx_options *options);
/* The same from memory; `name` stands for the file in messages. Payloads are copied. */
ADZE_API adze_module *adze_onnx_read_memory(adze_context *context, const char *name,
                                            const void *bytes, size_t size,
                                            const adze_onnx_options *options);

typedef struct adze_onnx_write_options {
    uint32_t struct_size;
    uint32_t opset;     /* 7 to 28; 0 = the module's own if that says all its ops, else the next one that does */
    bool external_data; /* weights of least_bytes or more lie in PATH.data beside the model */
    uint64_t max_bytes; /* so do those of a larger model; 0 = 2 GiB - 1, more than which no file of ONNX may have */
    uint64_t least_bytes; /* 0 = 1 KiB */
} adze_onnx_write_options;

/* Writes a module of one function of tensor ops as a model; `options` may be NULL. Names, documentation, metadata, node
 * names and the sharing of constants are kept; the result is a function of module and options alone. With a stated
 * opset, ops that came later are spelled out in older ones where that can be said. Weights are read from where they lie
 * in pieces of 1 MiB. Files are written whole or not at all. False after one error, which names all that the opset
 * cannot say, or says why the file cannot be written. */
ADZE_API bool adze_onnx_write(const adze_module *module, const char *path, const adze_onnx_write_options *options);

/* Reads a stored value (TensorProto, SequenceProto, OptionalProto or MapProto: the file does not say which,
 * so `kind` must). The value is the caller's, freed by adze_onnx_value_free; so is the interned
 * name in `out_name` (may be NULL) the context's. False after an error, with `out` empty. */
ADZE_API bool adze_onnx_read_value(adze_context *context, const char *path, adze_value_kind kind,
                                   adze_value *out, const char **out_name);
/* Writes a tensor, or a sequence or optional of tensors. The file is written whole or not at all.
 */
ADZE_API bool adze_onnx_write_value(adze_context *context, const char *path, const char *name,
                                    const adze_value *value);
/* Frees what adze_onnx_read_value made and clears it. */
ADZE_API void adze_onnx_value_free(adze_value *value);

#ifdef __cplusplus
}
#endif
#endif
