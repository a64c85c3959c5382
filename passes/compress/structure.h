/* Structures of layers: the parts that are stored. */
#ifndef ADZE_COMPRESS_STRUCTURE_H
#define ADZE_COMPRESS_STRUCTURE_H

#include <adze/compress.h>

enum { LAYER_MAX_FACTORS = 3 };

/* A factor of a layer's weights, as a matrix. */
typedef struct layer_factor {
    uint64_t rows, cols;
} layer_factor;

/* The factors of a layer in a concrete format, at least one; the layer itself where it has no more. Their number. */
uint32_t layer_factors(const adze_layer *layer, adze_format format, layer_factor out[LAYER_MAX_FACTORS]);
/* The share of the weights that is not 0. */
double layer_density(adze_format format);

#endif
