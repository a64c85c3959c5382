/* Where everything of a model lies in its file: the first step of reading. Private. */
#ifndef ADZE_ONNX_INDEX_H
#define ADZE_ONNX_INDEX_H

#include "scan.h"

typedef struct adze_onnx_list {
    adze_onnx_range *items;
    uint32_t count, capacity;
} adze_onnx_list;

/* A model-local function. */
typedef struct adze_onnx_function_index {
    adze_onnx_range body;
    adze_onnx_list nodes;
} adze_onnx_function_index;

typedef struct adze_onnx_index {
    bool has_graph;
    adze_onnx_range graph;
    adze_onnx_list nodes, initializers, inputs, outputs, infos, sparse_initializers;
    adze_onnx_function_index *functions;
    uint32_t n_functions, functions_capacity;
    uint32_t entries;
} adze_onnx_index;

/* Walks the whole model, checks it and fills the index. False after an error. Free in either case.
 */
bool adze_onnx_index_build(adze_onnx_index *index, adze_onnx_source *source);
void adze_onnx_index_free(adze_onnx_index *index);

#endif
