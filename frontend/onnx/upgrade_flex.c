/* FlexAttention: attention over heads whose scores and probabilities go through graphs of the model's own. */
#include "ml.h"

#include <math.h>

/* x through the graph of that attribute, which must keep its type; x itself where there is none. */
static term *modified(adze_onnx_node *node, const char *name, term *x)
{
    if (!x || !adze_onnx_attr(node, name)) return x;
    const Pb__Graph *graph = adze_onnx_attr_graph(node, name);
    if (!graph) return NULL;
    if (graph->n_input != 1 || graph->n_output != 1)
        return adze_onnx_invalid(node, "the graph '%s' has %zu inputs and %zu outputs, not one of each", name,
                                 graph->n_input, graph->n_output), NULL;
    adze_onnx_body body;
    bool ok = adze_onnx_body_begin(&body, node, node->scope, graph) && adze_onnx_body_bind(&body, 0, x) &&
              adze_onnx_body_run(&body);
    term *y = ok ? body.out[0] : NULL;
    adze_onnx_body_end(&body);
    if (!y) return NULL;
    if (compose_dtype(y) != compose_dtype(x) || !adze_type_compatible(adze_value_type(y), adze_value_type(x)))
        return adze_onnx_invalid(node, "the graph '%s' changes the type of what it is given", name), NULL;
    return y;
}

bool adze_onnx_flex_attention(adze_onnx_node *node)
{
    static const int64_t perm[] = {0, 1, 3, 2};
    term *q, *k, *v;
    uint32_t ranks[3];
    int64_t heads, kv_heads, v_heads, size = 1, number = 0;
    double scale = 0;
    if (!compose_operand(node, 0, 4, &q, &ranks[0]) || !compose_operand(node, 1, 4, &k, &ranks[1]) ||
        !compose_operand(node, 2, 4, &v, &ranks[2]) || !adze_onnx_attr_int(node, "softmax_precision", &number) ||
        !adze_onnx_attr_float(node, "scale", &scale))
        return false;
    if (ranks[0] != 4 || ranks[1] != 4 || ranks[2] != 4)
        return adze_onnx_invalid(node, "inputs that are not of rank 4");
    if (!adze_dim_is_const(compose_dim(q, 1), &heads) || !adze_dim_is_const(compose_dim(k, 1), &kv_heads) ||
        !adze_dim_is_const(compose_dim(v, 1), &v_heads))
        return adze_onnx_undetermined(node, "heads of unknown number");
    if (kv_heads < 1 || v_heads != kv_heads || heads % kv_heads)
        return adze_onnx_invalid(node, "%lld heads of queries to %lld of keys and %lld of values", (long long)heads,
                                 (long long)kv_heads, (long long)v_heads);
    if (!adze_onnx_attr(node, "scale")) {
        if (!adze_dim_is_const(compose_dim(q, 3), &size)) return adze_onnx_undetermined(node, "heads of unknown size");
        scale = 1 / sqrt((double)size);
    }
    adze_dtype dtype = compose_dtype(q);
    adze_dtype wide = number ? adze_onnx_dtype(number) : dtype == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32;
    if (adze_dtype_get_kind(wide) != ADZE_KIND_FLOAT)
        return adze_onnx_invalid(node, "softmax_precision is %lld", (long long)number);
    k = compose_transpose(node, compose_repeat_heads(node, k, kv_heads, heads), perm, 4);
    term *scores = compose2(node, "matmul", q, k);
    scores = compose_cast(node, compose2(node, "mul", scores, compose_like(node, scores, scale)), wide);
    term *share = compose_with(node, "softmax", modified(node, "score_mod", scores), adze_attr_int("axis", -1));
    share = compose_cast(node, modified(node, "prob_mod", share), dtype);
    return compose_end(node, compose2(node, "matmul", share, compose_repeat_heads(node, v, kv_heads, heads)));
}
