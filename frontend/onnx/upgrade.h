/* The forms of ops that are not one row's, grouped by file. Private. */
#ifndef ADZE_ONNX_UPGRADE_H
#define ADZE_ONNX_UPGRADE_H

#include "import.h"

/* upgrade_shape.c: attributes that became operands, and shape ops. */
bool adze_onnx_upgrade_axes(adze_onnx_node *node);
bool adze_onnx_upgrade_slice(adze_onnx_node *node);
bool adze_onnx_upgrade_pad(adze_onnx_node *node);
bool adze_onnx_upgrade_split(adze_onnx_node *node);
bool adze_onnx_upgrade_constant_of_shape(adze_onnx_node *node);
/* upgrade_math.c: elementwise ops, normalizations. */
bool adze_onnx_upgrade_clip(adze_onnx_node *node);
bool adze_onnx_upgrade_dropout(adze_onnx_node *node);
bool adze_onnx_upgrade_softmax(adze_onnx_node *node);
bool adze_onnx_upgrade_batch_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_variadic(adze_onnx_node *node);
bool adze_onnx_upgrade_gelu(adze_onnx_node *node);
/* upgrade_resize.c */
bool adze_onnx_upgrade_upsample(adze_onnx_node *node);
bool adze_onnx_upgrade_resize(adze_onnx_node *node);
/* upgrade_if.c, upgrade_loop.c, upgrade_scan.c: graphs inside nodes */
bool adze_onnx_upgrade_if(adze_onnx_node *node);
bool adze_onnx_upgrade_loop(adze_onnx_node *node);
bool adze_onnx_upgrade_scan(adze_onnx_node *node);
/* Is it known which bool the value is: from constants and shapes? */
bool adze_onnx_known_bool(const adze_ir_value *value, bool *out);
/* upgrade_sequence.c */
bool adze_onnx_upgrade_sequence_empty(adze_onnx_node *node);
bool adze_onnx_upgrade_sequence_map(adze_onnx_node *node);
bool adze_onnx_upgrade_optional(adze_onnx_node *node);
/* upgrade_constant.c */
bool adze_onnx_upgrade_constant(adze_onnx_node *node);

/* Ops that are said with others; how is in compose.h. */
/* upgrade_index.c */
bool adze_onnx_upgrade_trilu(adze_onnx_node *node);
bool adze_onnx_upgrade_eye_like(adze_onnx_node *node);
bool adze_onnx_upgrade_one_hot(adze_onnx_node *node);
bool adze_onnx_upgrade_hardmax(adze_onnx_node *node);
bool adze_onnx_upgrade_scatter(adze_onnx_node *node);
bool adze_onnx_upgrade_tensor_scatter(adze_onnx_node *node);
bool adze_onnx_upgrade_topk(adze_onnx_node *node);
bool adze_onnx_upgrade_tfidf(adze_onnx_node *node);
/* upgrade_elementwise.c */
bool adze_onnx_upgrade_cast(adze_onnx_node *node);
bool adze_onnx_upgrade_cast_like(adze_onnx_node *node);
bool adze_onnx_upgrade_bit_shift(adze_onnx_node *node);
bool adze_onnx_upgrade_mean(adze_onnx_node *node);
bool adze_onnx_upgrade_shrink(adze_onnx_node *node);
bool adze_onnx_upgrade_swiglu(adze_onnx_node *node);
bool adze_onnx_upgrade_wide(adze_onnx_node *node);
bool adze_onnx_upgrade_bernoulli(adze_onnx_node *node);
bool adze_onnx_dropout_training(adze_onnx_node *node, double usual);
/* Even numbers in [0, 1) of the operand's dims, by the node's seed, or by one made of its name. */
adze_ir_value *compose_random(adze_onnx_node *node, adze_ir_value *x, adze_dtype dtype);
/* upgrade_loss.c */
bool adze_onnx_upgrade_nll_loss(adze_onnx_node *node);
bool adze_onnx_upgrade_softmax_loss(adze_onnx_node *node);
/* upgrade_norm.c */
bool adze_onnx_upgrade_instance_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_layer_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_rms_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_group_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_mean_variance_norm(adze_onnx_node *node);
bool adze_onnx_batch_norm_training(adze_onnx_node *node);
bool adze_onnx_upgrade_lrn(adze_onnx_node *node);
bool adze_onnx_upgrade_lp_normalization(adze_onnx_node *node);
bool adze_onnx_upgrade_global_lp_pool(adze_onnx_node *node);
bool adze_onnx_upgrade_lp_pool(adze_onnx_node *node);
/* upgrade_conv.c */
bool adze_onnx_upgrade_conv_transpose(adze_onnx_node *node);
bool adze_onnx_upgrade_causal_conv(adze_onnx_node *node);
bool adze_onnx_upgrade_qlinear_matmul(adze_onnx_node *node);
bool adze_onnx_upgrade_qlinear_conv(adze_onnx_node *node);
bool adze_onnx_upgrade_dynamic_quantize(adze_onnx_node *node);
/* upgrade_attention.c */
bool adze_onnx_upgrade_attention(adze_onnx_node *node);
bool adze_onnx_upgrade_rotary_embedding(adze_onnx_node *node);
/* upgrade_signal.c */
bool adze_onnx_upgrade_hann_window(adze_onnx_node *node);
bool adze_onnx_upgrade_hamming_window(adze_onnx_node *node);
bool adze_onnx_upgrade_blackman_window(adze_onnx_node *node);
bool adze_onnx_upgrade_dft(adze_onnx_node *node);
bool adze_onnx_upgrade_grid_sample(adze_onnx_node *node);
bool adze_onnx_upgrade_roi_align(adze_onnx_node *node);
bool adze_onnx_upgrade_center_crop_pad(adze_onnx_node *node);
bool adze_onnx_upgrade_affine_grid(adze_onnx_node *node);
/* upgrade_recurrent.c */
bool adze_onnx_upgrade_recurrent(adze_onnx_node *node);
/* Strings as one text with spaces between; NULL after an error, "" where there are none. */
const char *adze_onnx_join(adze_onnx_node *node, const char *name);
/* upgrade_einsum.c */
bool adze_onnx_upgrade_einsum(adze_onnx_node *node);
/* upgrade_legacy.c: what opsets before 7 say otherwise, on any op. *out_done: the node is imported. */
bool adze_onnx_upgrade_legacy(adze_onnx_node *node, bool *out_done);
extern const char *const adze_onnx_legacy_attrs;

/* Helpers (upgrade.c). The attribute `name`, a list of ints, becomes operand `index`, if it is
 * given. */
bool adze_onnx_ints_to_operand(adze_onnx_node *node, const char *name, uint32_t index);
/* The node's row by its ONNX name: same name in the IR. */
bool adze_onnx_finish_row(adze_onnx_node *node);

#endif
