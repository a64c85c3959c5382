/* What the attentions of ai.onnx and com.microsoft share (upgrade_attention.c). Private. */
#ifndef ADZE_ONNX_ATTENTION_H
#define ADZE_ONNX_ATTENTION_H

#include "compose.h"

typedef struct attention {
    term *q, *k, *v; /* [batch, heads, time, size] */
    term *mask, *past_k, *past_v, *lengths;
    term *sink; /* one more score for each head, [1, heads, 1, 1], that takes its share and gives nothing; or NULL */
    int64_t causal, q_heads, kv_heads, mode, precision, left, right;
    double scale, softcap; /* 0: 1 / sqrt(size); no cap */
    bool flat;             /* the operands came as [batch, time, heads * size] */
} attention;

/* The scores before and behind the cap, with the bias, and their shares. */
enum { SCORES_RAW, SCORES_CAPPED, SCORES_BIASED, SCORES_SHARES, N_SCORES };

/* [batch, time, heads * size] as [batch, heads, time, size], and back. */
term *adze_onnx_split_heads(adze_onnx_node *node, term *x, int64_t heads);
term *adze_onnx_join_heads(adze_onnx_node *node, term *x);
/* Which keys a query may see by its place alone; NULL: all. Queries stand behind what is in the cache. */
bool adze_onnx_allowed_places(adze_onnx_node *node, const attention *a, term **out);
/* `bias` is added to the scores (NULL: nothing); `rows`: it may hide all keys from a query, which then gets zeros.
 * The result is [batch, heads, time, size]. */
term *adze_onnx_attend(adze_onnx_node *node, const attention *a, term *bias, bool rows, term *out_scores[N_SCORES]);

/* Elements turned by angles: x [batch, heads, time, size]; cos, sin broadcast to [batch, heads, time, turned / 2]. */
typedef struct rotary {
    term *x, *cos, *sin;
    int64_t interleaved, size, turned; /* of the last axis: all, and as many as are turned */
} rotary;

term *adze_onnx_turn(adze_onnx_node *node, const rotary *r);

#endif
