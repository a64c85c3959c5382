/* Ops of the domain com.microsoft, which ONNX Runtime's optimizer and quantizer and some exporters write, grouped by
 * file. All are said with others; how is in compose.h. Source: ONNX Runtime's operator schemas, and what its CPU
 * kernels compute. Private.
 */
#ifndef ADZE_ONNX_CONTRIB_H
#define ADZE_ONNX_CONTRIB_H

#include "compose.h"

/* contrib_activation.c */
bool adze_onnx_contrib_gelu(adze_onnx_node *node);
bool adze_onnx_contrib_quick_gelu(adze_onnx_node *node);
bool adze_onnx_contrib_bias_softmax(adze_onnx_node *node);
bool adze_onnx_contrib_bias_dropout(adze_onnx_node *node);
bool adze_onnx_contrib_fused_conv(adze_onnx_node *node);
bool adze_onnx_contrib_fused_gemm(adze_onnx_node *node);

/* contrib_norm.c */
bool adze_onnx_contrib_skip_norm(adze_onnx_node *node);
bool adze_onnx_contrib_simplified_norm(adze_onnx_node *node);
bool adze_onnx_contrib_embed_norm(adze_onnx_node *node);
bool adze_onnx_contrib_group_norm(adze_onnx_node *node);
bool adze_onnx_contrib_gated_norm(adze_onnx_node *node);
bool adze_onnx_contrib_branch_norm(adze_onnx_node *node);

/* contrib_recurrent.c */
bool adze_onnx_contrib_dynamic_lstm(adze_onnx_node *node);

/* contrib_matmul.c */
bool adze_onnx_contrib_fused_matmul(adze_onnx_node *node);
bool adze_onnx_contrib_integer_matmul(adze_onnx_node *node);
bool adze_onnx_contrib_integer_to_float(adze_onnx_node *node);
bool adze_onnx_contrib_dynamic_matmul(adze_onnx_node *node);
bool adze_onnx_contrib_qgemm(adze_onnx_node *node);
/* One side of a product of integers: elements, scale, zero point, which may be NULL. */
typedef struct quantized_side {
    term *x, *scale, *zero;
} quantized_side;
/* The product in integers, times both scales, plus a bias, which may be NULL, in the type of a's scale. */
term *compose_scaled_product(adze_onnx_node *node, const quantized_side *a, const quantized_side *b, term *bias);

/* contrib_bits.c: weights packed below a byte */
bool adze_onnx_contrib_matmul_bits(adze_onnx_node *node);
bool adze_onnx_contrib_gather_bits(adze_onnx_node *node);
bool adze_onnx_contrib_matmul_bnb4(adze_onnx_node *node);
bool adze_onnx_contrib_matmul_blob(adze_onnx_node *node);
/* The unsigned element type of 2, 4 or 8 bits; NONE of others. */
adze_dtype compose_code_type(int64_t bits);
/* A constant of bytes read as codes of these dims: the same bytes in the file, the lowest bits first. */
term *compose_codes(adze_onnx_node *node, term *bytes, int64_t bits, uint32_t rank, const int64_t *dims);

/* contrib_quant.c */
bool adze_onnx_contrib_quantize(adze_onnx_node *node);
bool adze_onnx_contrib_qlinear(adze_onnx_node *node);
bool adze_onnx_contrib_qlinear_concat(adze_onnx_node *node);
bool adze_onnx_contrib_qlinear_conv(adze_onnx_node *node);
bool adze_onnx_contrib_nhwc_pool(adze_onnx_node *node);
bool adze_onnx_contrib_nhwc_conv(adze_onnx_node *node);
bool adze_onnx_contrib_nhwc_fused_conv(adze_onnx_node *node);
bool adze_onnx_contrib_qlinear_mean(adze_onnx_node *node);
bool adze_onnx_contrib_mul_integer(adze_onnx_node *node);

/* contrib_attention.c, contrib_group.c */
bool adze_onnx_contrib_attention(adze_onnx_node *node);
bool adze_onnx_contrib_multi_head(adze_onnx_node *node);
bool adze_onnx_contrib_decoder(adze_onnx_node *node);
bool adze_onnx_contrib_group_query(adze_onnx_node *node);
bool adze_onnx_contrib_rotary(adze_onnx_node *node);
bool adze_onnx_contrib_sparse_attention(adze_onnx_node *node);

/* contrib_hash.c */
bool adze_onnx_contrib_murmur(adze_onnx_node *node);
bool adze_onnx_contrib_ngram_hash(adze_onnx_node *node);
bool adze_onnx_contrib_word_conv(adze_onnx_node *node);

/* contrib_image.c */
bool adze_onnx_contrib_crop(adze_onnx_node *node);
bool adze_onnx_contrib_conv_transpose(adze_onnx_node *node);

/* contrib_linear.c */
bool adze_onnx_contrib_causal_conv(adze_onnx_node *node);
bool adze_onnx_contrib_linear_attention(adze_onnx_node *node);
bool adze_onnx_contrib_gated_delta(adze_onnx_node *node);
bool adze_onnx_contrib_linear_gate(adze_onnx_node *node);
bool adze_onnx_contrib_gated_add(adze_onnx_node *node);

/* contrib_experts.c */
bool adze_onnx_contrib_experts(adze_onnx_node *node);
bool adze_onnx_contrib_quantized_experts(adze_onnx_node *node);

/* contrib_search.c, contrib_greedy.c, contrib_sampling.c */
bool adze_onnx_contrib_greedy_search(adze_onnx_node *node);
bool adze_onnx_contrib_sampling(adze_onnx_node *node);
bool adze_onnx_contrib_beam_search(adze_onnx_node *node);
bool adze_onnx_contrib_whisper_search(adze_onnx_node *node);

/* contrib_align.c */
bool adze_onnx_contrib_warp(adze_onnx_node *node);
bool adze_onnx_contrib_bifurcation(adze_onnx_node *node);

/* contrib_streams.c */
bool adze_onnx_contrib_stream_sum(adze_onnx_node *node);
bool adze_onnx_contrib_stream_mix(adze_onnx_node *node);
bool adze_onnx_contrib_memory_gate(adze_onnx_node *node);
bool adze_onnx_contrib_group_router(adze_onnx_node *node);

/* contrib_varlen.c */
bool adze_onnx_contrib_varlen_conv(adze_onnx_node *node);

/* contrib_text.c: what loops around a model of text take from it */
bool adze_onnx_contrib_ngram_block(adze_onnx_node *node);
bool adze_onnx_contrib_unfold(adze_onnx_node *node);
bool adze_onnx_contrib_relative_bias(adze_onnx_node *node);
bool adze_onnx_contrib_gated_bias(adze_onnx_node *node);

/* contrib_standard.c: what ai.onnx has as well, and small ones */
bool adze_onnx_contrib_standard(adze_onnx_node *node);
bool adze_onnx_contrib_expand_dims(adze_onnx_node *node);
bool adze_onnx_contrib_unique(adze_onnx_node *node);
bool adze_onnx_contrib_inverse(adze_onnx_node *node);
bool adze_onnx_contrib_distance(adze_onnx_node *node);
bool adze_onnx_contrib_complex_product(adze_onnx_node *node);

#endif
