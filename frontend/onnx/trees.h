/* Decision trees on their way into the op tree_ensemble (private). */
#ifndef ADZE_ONNX_TREES_H
#define ADZE_ONNX_TREES_H

#include "ml.h"

/* A node that branches. A child from 0 on is another one, -1 - i is leaf i. */
typedef struct adze_onnx_branch {
    int64_t feature, mode, missing, child[2];
    double split;
} adze_onnx_branch;

typedef struct adze_onnx_trees {
    adze_onnx_branch *branches;
    int64_t n_branches;
    int64_t *roots;
    int64_t n_roots;
    int64_t n_leaves;
    int64_t *starts;  /* of the weights of each leaf, one more than leaves */
    int64_t *targets; /* of each weight */
    double *weights;
    int64_t n_weights, n_targets;
    const char *aggregate; /* as the op has it */
} adze_onnx_trees;

void adze_onnx_trees_free(adze_onnx_trees *trees);
/* Puts every child behind its node, checks that each is there, and builds the op over x [rows, features], whose type is
 * that of the thresholds too. NULL after an error, a cycle for one. */
term *adze_onnx_trees_build(adze_onnx_node *node, adze_onnx_trees *trees, term *x);

/* Numbers of an attribute that is a list or a tensor, as doubles that the caller frees; *out NULL if it is absent.
 * *out_dtype (may be NULL): their element type. */
bool adze_onnx_numbers(adze_onnx_node *node, const char *name, double **out, size_t *out_count, adze_dtype *out_dtype);

#endif
