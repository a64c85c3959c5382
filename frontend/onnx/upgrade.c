/* Ops that are not their row one to one: older forms, forms by attribute, ops that only old opsets
 * have. Everything here brings a node to the form that the op table has, that of the newest opset.
 *
 * Attributes that became operands are looked for at every opset: where the attribute is there, it
 * is meant. What an op means by default at an older opset is decided by node->version.
 */
#include "contrib.h"

static const adze_onnx_upgrade rows[] = {
    {"AffineGrid", " align_corners ", adze_onnx_upgrade_affine_grid},
    {"Attention",
     " is_causal kv_num_heads left_window_size q_num_heads qk_matmul_output_mode right_window_size scale softcap "
     "softmax_precision ",
     adze_onnx_upgrade_attention},
    {"BatchNormalization", " spatial is_test ", adze_onnx_upgrade_batch_norm},
    {"Bernoulli", " dtype seed ", adze_onnx_upgrade_bernoulli},
    {"BitShift", " direction ", adze_onnx_upgrade_bit_shift},
    {"BlackmanWindow", " output_datatype periodic ", adze_onnx_upgrade_blackman_window},
    {"Cast", NULL, adze_onnx_upgrade_cast},
    {"CastLike", " round_mode saturate ", adze_onnx_upgrade_cast_like},
    {"CausalConvWithState", " activation ", adze_onnx_upgrade_causal_conv},
    {"CenterCropPad", " axes ", adze_onnx_upgrade_center_crop_pad},
    {"Clip", " min max ", adze_onnx_upgrade_clip},
    {"Constant",
     " value sparse_value value_float value_floats value_int value_ints value_string "
     "value_strings ",
     adze_onnx_upgrade_constant},
    {"ConstantOfShape", " value ", adze_onnx_upgrade_constant_of_shape},
    {"ConvTranspose",
     " auto_pad dilations group kernel_shape output_padding output_shape pads strides ",
     adze_onnx_upgrade_conv_transpose},
    {"DFT", " axis ", adze_onnx_upgrade_dft},
    {"Dropout", " ratio is_test ", adze_onnx_upgrade_dropout},
    {"DynamicQuantizeLinear", NULL, adze_onnx_upgrade_dynamic_quantize},
    {"Einsum", " equation ", adze_onnx_upgrade_einsum},
    {"Erf", NULL, adze_onnx_upgrade_wide},
    {"EyeLike", " dtype k ", adze_onnx_upgrade_eye_like},
    {"GRU", " layout output_sequence ", adze_onnx_upgrade_recurrent},
    {"Gelu", " approximate ", adze_onnx_upgrade_gelu},
    {"GlobalLpPool", " p ", adze_onnx_upgrade_global_lp_pool},
    {"GridSample", NULL, adze_onnx_upgrade_grid_sample},
    {"GroupNormalization", " epsilon num_groups stash_type ", adze_onnx_upgrade_group_norm},
    {"HammingWindow", " output_datatype periodic ", adze_onnx_upgrade_hamming_window},
    {"HannWindow", " output_datatype periodic ", adze_onnx_upgrade_hann_window},
    {"Hardmax", " axis ", adze_onnx_upgrade_hardmax},
    {"If", " else_branch then_branch ", adze_onnx_upgrade_if},
    {"InstanceNormalization", " epsilon consumed_inputs ", adze_onnx_upgrade_instance_norm},
    {"IsInf", NULL, adze_onnx_upgrade_wide},
    {"IsNaN", NULL, adze_onnx_upgrade_wide},
    {"LRN", " alpha beta bias size ", adze_onnx_upgrade_lrn},
    {"LSTM", " layout output_sequence ", adze_onnx_upgrade_recurrent},
    {"LayerNormalization", NULL, adze_onnx_upgrade_layer_norm},
    {"LogSoftmax", NULL, adze_onnx_upgrade_softmax},
    {"Loop", " body ", adze_onnx_upgrade_loop},
    {"LpNormalization", " axis p ", adze_onnx_upgrade_lp_normalization},
    {"LpPool", NULL, adze_onnx_upgrade_lp_pool},
    {"Max", NULL, adze_onnx_upgrade_variadic},
    {"Mean", " consumed_inputs ", adze_onnx_upgrade_mean},
    {"MeanVarianceNormalization", " axes ", adze_onnx_upgrade_mean_variance_norm},
    {"Min", NULL, adze_onnx_upgrade_variadic},
    {"NegativeLogLikelihoodLoss", " ignore_index reduction ", adze_onnx_upgrade_nll_loss},
    {"OneHot", " axis ", adze_onnx_upgrade_one_hot},
    {"Optional", " type ", adze_onnx_upgrade_optional},
    {"Pad", " pads value ", adze_onnx_upgrade_pad},
    {"QLinearConv", " auto_pad dilations group kernel_shape pads strides ", adze_onnx_upgrade_qlinear_conv},
    {"QLinearMatMul", NULL, adze_onnx_upgrade_qlinear_matmul},
    {"RMSNormalization", NULL, adze_onnx_upgrade_rms_norm},
    {"RNN", " layout output_sequence ", adze_onnx_upgrade_recurrent},
    {"ReduceL1", " axes ", adze_onnx_upgrade_axes},
    {"ReduceL2", " axes ", adze_onnx_upgrade_axes},
    {"ReduceLogSum", " axes ", adze_onnx_upgrade_axes},
    {"ReduceLogSumExp", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMax", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMean", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMin", " axes ", adze_onnx_upgrade_axes},
    {"ReduceProd", " axes ", adze_onnx_upgrade_axes},
    {"ReduceSum", " axes ", adze_onnx_upgrade_axes},
    {"ReduceSumSquare", " axes ", adze_onnx_upgrade_axes},
    {"Resize", NULL, adze_onnx_upgrade_resize},
    {"RoiAlign", NULL, adze_onnx_upgrade_roi_align},
    {"RotaryEmbedding", " interleaved num_heads rotary_embedding_dim ", adze_onnx_upgrade_rotary_embedding},
    {"Scan", " axes body directions num_scan_inputs scan_input_axes scan_input_directions scan_output_axes "
             "scan_output_directions ", adze_onnx_upgrade_scan},
    {"Scatter", " axis ", adze_onnx_upgrade_scatter},
    {"SequenceEmpty", " dtype ", adze_onnx_upgrade_sequence_empty},
    {"SequenceMap", " body ", adze_onnx_upgrade_sequence_map},
    {"Shrink", " bias lambd ", adze_onnx_upgrade_shrink},
    {"SimplifiedLayerNormalization", " axis epsilon stash_type ", adze_onnx_contrib_simplified_norm},
    {"Slice", " starts ends axes ", adze_onnx_upgrade_slice},
    {"Softmax", NULL, adze_onnx_upgrade_softmax},
    {"SoftmaxCrossEntropyLoss", " ignore_index reduction ", adze_onnx_upgrade_softmax_loss},
    {"Split", " split ", adze_onnx_upgrade_split},
    {"Squeeze", " axes ", adze_onnx_upgrade_axes},
    {"Sum", NULL, adze_onnx_upgrade_variadic},
    {"SwiGLU", " alpha ", adze_onnx_upgrade_swiglu},
    {"TensorScatter", " axis mode ", adze_onnx_upgrade_tensor_scatter},
    {"TfIdfVectorizer", " pool_strings ", adze_onnx_upgrade_tfidf},
    {"TopK", " k ", adze_onnx_upgrade_topk},
    {"Trilu", " upper ", adze_onnx_upgrade_trilu},
    {"Unsqueeze", " axes ", adze_onnx_upgrade_axes},
    {"Upsample", " mode scales ", adze_onnx_upgrade_upsample},
};

const adze_onnx_upgrades adze_onnx_upgrades_standard = {"", 0, rows, sizeof rows / sizeof *rows};

bool adze_onnx_ints_to_operand(adze_onnx_node *node, const char *name, uint32_t index)
{
    const int64_t *values = NULL;
    size_t count = 0;
    if (!adze_onnx_attr_ints(node, name, &values, &count)) return false;
    if (!values) return true;
    adze_ir_value *value = adze_onnx_ints(node, name, values, count);
    return adze_onnx_set_operand(node, index, adze_onnx_was_attribute(node->import, value, node->op_type, name));
}

bool adze_onnx_finish_row(adze_onnx_node *node)
{
    const adze_op_row *row = adze_row_find_onnx(node->import->context, NULL, node->op_type);
    if (!row) return adze_onnx_unsupported(node, "the op is not known");
    return adze_onnx_finish(node, row->name, NULL, 0);
}
