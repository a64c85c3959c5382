/* RNN, GRU and LSTM: batch-first operands are transposed, names of activations become one text. */
#include "compose.h"

#include <stdlib.h>
#include <string.h>

const char *adze_onnx_join(adze_onnx_node *node, const char *name)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, name);
    adze_text text = {0};
    for (size_t i = 0; attr && i < attr->n_strings; i++) {
        const ProtobufCBinaryData *word = &attr->strings[i];
        if (word->len == 0 || memchr(word->data, 0, word->len) || memchr(word->data, ' ', word->len)) {
            adze_text_free(&text);
            return adze_onnx_invalid(node, "attribute '%s' holds an odd name", name), NULL;
        }
        if (i) adze_text_write(&text, " ", 1);
        adze_text_write(&text, (const char *)word->data, word->len);
    }
    const char *all = adze_intern(node->import->context, text.size ? text.data : "", text.size);
    adze_text_free(&text);
    return all;
}

/* Axes 0 and 1 of an operand change places. */
static term *swapped(adze_onnx_node *node, term *x, uint32_t rank)
{
    return compose_transpose(node, x, rank == 3 ? (int64_t[]){1, 0, 2} : (int64_t[]){2, 0, 1, 3}, rank);
}

bool adze_onnx_upgrade_recurrent(adze_onnx_node *node)
{
    enum { FIRST_H = 5, FIRST_C = 6 };
    int64_t layout = 0, sequence = 0;
    const char *activations = adze_onnx_join(node, "activations");
    const char *op = !strcmp(node->op_type, "LSTM") ? "lstm" : !strcmp(node->op_type, "GRU") ? "gru" : "rnn";
    if (!activations || !adze_onnx_attr_flag(node, "layout", &layout) ||
        !adze_onnx_attr_int(node, "output_sequence", &sequence)) /* opset 1: results are optional by themselves */
        return false;
    for (uint32_t i = 0; layout && i <= FIRST_C; i++)
        if ((i == 0 || i >= FIRST_H) && adze_onnx_operand(node, i) && !(node->in[i] = swapped(node, node->in[i], 3)))
            return false;
    adze_attr attr = adze_attr_str("activations", activations);
    if (!adze_onnx_finish(node, op, &attr, *activations ? 1 : 0)) return false;
    for (uint32_t k = 0; layout && k < node->n_out; k++)
        if (!(node->out[k] = swapped(node, node->out[k], k ? 3 : 4))) return false;
    return true;
}
