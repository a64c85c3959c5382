/* Activations that attributes of other ops name: of recurrent layers and of the fused ops of com.microsoft. Private. */
#ifndef ADZE_ONNX_ACTIVATIONS_H
#define ADZE_ONNX_ACTIVATIONS_H

#include "compose.h"

typedef enum activation_user { ACTIVATION_OF_LAYERS = 1, ACTIVATION_OF_FUSED = 2 } activation_user;

enum { ACTIVATION_PARAMS = 2 };

/* y = op(x), with its parameters as attributes of these names; `op` NULL: put together of several. */
typedef struct activation {
    const char *name, *op, *params[ACTIVATION_PARAMS]; /* NULL: no more */
    double usual[ACTIVATION_PARAMS];                   /* where they are not given */
    uint32_t users;                                    /* activation_user, or both */
} activation;

/* One with its parameters; `kind` NULL: none. */
typedef struct activation_use {
    const activation *kind;
    double params[ACTIVATION_PARAMS];
} activation_use;

/* The one of this name of `size` bytes; NULL: none. Layers take names in any case. */
const activation *compose_find_activation(const char *name, size_t size, activation_user user);
/* That of a fused op: the attribute `activation`, and those of its parameters, activation_alpha, _beta and _gamma, that
 * are there; others are as usual. Reports one that is not known. */
bool compose_read_activation(adze_onnx_node *node, activation_use *out);
/* x through it. Sources: ONNX's RNN and the ops of those names; ONNX Runtime for the fused ones. */
term *compose_activate(adze_onnx_node *node, const activation_use *use, term *x);

#endif
