/* com.microsoft: recurrent layers over weights of 8 bits. */
#include "contrib.h"
#include "ml.h"
#include "recurrent.h"

/* Weights [directions, size, 4 hidden] as r says; scales or zero points, of one a direction or of one a column. */
static bool check_quantized(adze_onnx_node *node, term *w, term *r, term *scale, term *zero)
{
    int64_t hidden, columns;
    bool fits = compose_rank(w) == 3 && compose_rank(r) == 3 && adze_dim_is_const(compose_dim(r, 1), &hidden) &&
                adze_dim_is_const(compose_dim(w, 2), &columns) && columns % 4 == 0 && columns / 4 == hidden;
    if (!fits) return adze_onnx_invalid(node, "has weights that are not [directions, size, 4 * hidden]");
    adze_dtype dtype = compose_dtype(w);
    if (dtype != ADZE_DTYPE_i8 && dtype != ADZE_DTYPE_u8)
        return adze_onnx_invalid(node, "has weights of another type than i8 and u8");
    if (compose_dtype(zero) != dtype)
        return adze_onnx_invalid(node, "has zero points of another type than its weights");
    for (int i = 0; i < 2; i++) {
        int rank = compose_rank(i ? zero : scale);
        if (rank != 1 && rank != 2) return adze_onnx_invalid(node, "has scales or zero points of rank %d", rank);
    }
    return true;
}

/* An LSTM of floats whose products are of integers: x as a whole, and h of a batch in every step, become u8 by their
 * range, as ONNX Runtime does on one thread. */
bool adze_onnx_contrib_dynamic_lstm(adze_onnx_node *node)
{
    enum { W_SCALE = 8, INPUTS = 12 };
    const float *given;
    const char *direction = "forward";
    double alpha[6], beta[6];
    int64_t forget = 0, hidden = 0;
    recurrent l = {.kind = RECURRENT_LSTM, .alpha = alpha, .beta = beta};
    l.activations = adze_onnx_join(node, "activations");
    l.clips = adze_onnx_attr(node, "clip") != NULL;
    if (!l.activations || !adze_onnx_attr_str(node, "direction", &direction) ||
        !adze_onnx_attr_flag(node, "input_forget", &forget) || !adze_onnx_attr_float(node, "clip", &l.clip) ||
        !adze_onnx_attr_int(node, "hidden_size", &hidden))
        return false;
    for (int i = 0; i < 2; i++) {
        size_t n;
        if (!adze_onnx_attr_floats(node, i ? "activation_beta" : "activation_alpha", &given, &n)) return false;
        if (n > 6) return adze_onnx_invalid(node, "has %zu parameters of activations", n);
        for (size_t k = 0; k < n; k++) (i ? beta : alpha)[k] = (double)given[k];
        *(i ? &l.n_beta : &l.n_alpha) = n;
    }
    term **const to[INPUTS] = {&l.x, &l.w,       &l.r,      &l.b,       &l.lengths, &l.h,
                               &l.c, &l.p, &l.w_scale, &l.w_zero, &l.r_scale, &l.r_zero};
    for (uint32_t i = 0; i < INPUTS; i++) {
        *to[i] = adze_onnx_operand(node, i);
        if (!*to[i] && (i < 3 || i >= W_SCALE)) return adze_onnx_invalid(node, "has no input %u", i);
    }
    l.direction = direction;
    l.input_forget = forget != 0;
    term *out[3];
    if (!check_quantized(node, l.w, l.r, l.w_scale, l.w_zero) ||
        !check_quantized(node, l.r, l.r, l.r_scale, l.r_zero) ||
        !compose_recurrent(node, &l, out))
        return false;
    int64_t found;
    if (hidden && (!adze_dim_is_const(compose_dim(l.r, 1), &found) || found != hidden))
        return adze_onnx_invalid(node, "attribute 'hidden_size' is %lld", (long long)hidden);
    for (uint32_t i = 0; i < node->n_out && i < 3; i++) node->out[i] = out[i];
    return true;
}
