/* The derivative of recurrent layers: said step by step with a loop, and back through that. */
#include "gradient_terms.h"
#include "recurrent.h"

#include <adze/ops_attrs.h>

#include <stdlib.h>

/* The ops behind `last` in the region where the builder stands, which depend; freed by the caller. */
static const adze_op **ops_behind(gradient *g, const adze_op *last, size_t *out_n)
{
    const adze_op *first = last ? adze_op_next(last) : adze_region_first(g->node->import->builder.region);
    size_t count = 0;
    for (const adze_op *op = first; op; op = adze_op_next(op)) count++;
    const adze_op **ops = calloc(count + 1, sizeof *ops);
    *out_n = 0;
    if (!ops || !adze_onnx_count(g->node->import, count)) return ops;
    for (const adze_op *op = first; op; op = adze_op_next(op)) {
        if (!derive_reads(g, op)) continue;
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) adze_map_set(g->depends, adze_op_result(op, i), g);
        ops[(*out_n)++] = op;
    }
    return ops;
}

static recurrent layer_of(const adze_op *op)
{
    const struct adze_rnn_attrs *a = (const void *)adze_op_attrs(op); /* gru and lstm begin with the same ones */
    adze_floats alpha = a->activation_alpha, beta = a->activation_beta;
    recurrent l = {.direction = adze_op_attr_str(op, "direction"),
                   .activations = adze_op_attr_is_set(op, "activations") ? adze_op_attr_str(op, "activations") : "",
                   .alpha = alpha.data, .n_alpha = alpha.count, .beta = beta.data, .n_beta = beta.count,
                   .clips = adze_op_attr_is_set(op, "clip")};
    l.kind = adze_op_is(op, "lstm") ? RECURRENT_LSTM : adze_op_is(op, "gru") ? RECURRENT_GRU : RECURRENT_RNN;
    if (l.clips) l.clip = adze_op_attr_float(op, "clip");
    if (l.kind == RECURRENT_GRU) l.linear_before_reset = adze_op_attr_int(op, "linear_before_reset") != 0;
    if (l.kind == RECURRENT_LSTM) l.input_forget = adze_op_attr_int(op, "input_forget") != 0;
    term **const to[] = {&l.x, &l.w, &l.r, &l.b, &l.lengths, &l.h, &l.c, &l.p};
    for (uint32_t i = 0; i < adze_op_num_operands(op) && i < 8; i++) *to[i] = in(op, i);
    return l;
}

bool derive_recurrent(gradient *g, const adze_op *op, term *unused)
{
    recurrent l = layer_of(op);
    term *out[3];
    size_t n;
    const adze_op *last = adze_region_last(g->node->import->builder.region);
    (void)unused;
    if (!compose_recurrent(g->node, &l, out)) return false;
    const adze_op **ops = ops_behind(g, last, &n);
    bool ok = ops != NULL;
    for (uint32_t i = 0; ok && i < adze_op_num_results(op); i++) {
        term *d = derive_of_result(g, i);
        if (d) ok = derive_add_to(g, out[i], d);
    }
    ok = ok && derive_back(g, ops, n);
    free(ops);
    return ok;
}
