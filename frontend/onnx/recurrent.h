/* A recurrent layer said step by step, with a `loop` over its times. Private. */
#ifndef ADZE_ONNX_RECURRENT_H
#define ADZE_ONNX_RECURRENT_H

#include "compose.h"

typedef enum recurrent_kind { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM } recurrent_kind;

/* Operands and attributes of the ops rnn, gru and lstm; those that may be absent are NULL. */
typedef struct recurrent {
    recurrent_kind kind;
    term *x, *w, *r; /* [time, batch, size], [directions, gates, size], [directions, gates, hidden] */
    term *b, *lengths, *h, *c, *p;
    const char *direction, *activations; /* names with spaces between; "" = those of the kind */
    const double *alpha, *beta;
    size_t n_alpha, n_beta;
    bool clips, linear_before_reset, input_forget;
    double clip;
    /* Integers: w is [directions, size, gates], r [directions, hidden, gates], each with scales and zero points
     * [directions] or [directions, gates]; x as a whole and h in every step are quantized to u8 by their range. */
    term *w_scale, *w_zero, *r_scale, *r_zero; /* NULL: floats */
} recurrent;

/* out: all h [time, directions, batch, hidden], the last h, of lstm the last c. False after an error. */
bool compose_recurrent(adze_onnx_node *node, const recurrent *layer, term *out[3]);

#endif
