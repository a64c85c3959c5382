/* A loop on its way into the IR, shared by Loop, Scan and SequenceMap. Private. */
#ifndef ADZE_ONNX_REPEAT_H
#define ADZE_ONNX_REPEAT_H

#include "import.h"

typedef struct adze_onnx_repeat {
    adze_onnx_node *node;
    const adze_onnx_scope *scope; /* around the graph */
    const Pb__Graph *graph;
    adze_ir_value *bound, *condition; /* NULL = absent */
    const adze_dim *runs;             /* how many entries a stack has; NULL = not known */
    adze_ir_value *const *carried;    /* their first values */
    uint32_t n_carried, n_stacks;
    bool decides; /* the graph's first output says whether to go on */
    /* Gives the graph's inputs their values; the builder stands in the region. */
    bool (*enter)(struct adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region);
    /* May be NULL. Changes the graph's outputs into what the region yields; likewise. */
    bool (*leave)(struct adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region);
    void *own;        /* for both */
    uint64_t wrapped; /* carried values that begin as optionals, but are what these hold after a run: a bit each */
} adze_onnx_repeat;

/* The `loop`; NULL after an error, with nothing left behind. */
adze_op *adze_onnx_repeat_import(adze_onnx_repeat *self);
/* A result of it for the node; NULL after an error. */
adze_ir_value *adze_onnx_repeat_result(const adze_onnx_repeat *self, adze_op *op, uint32_t index);
/* A stack of `runs` (NULL = unknown) of these; NULL after an error. */
const adze_type *adze_onnx_stack_type(adze_onnx_node *node, const adze_dim *runs, const adze_type *one);

#endif
