/* The table of com.microsoft. A model's own function of that name, or a plug-in's row, goes before it. */
#include "contrib.h"

#include <stdlib.h>
#include <string.h>

static const adze_onnx_upgrade rows[] = {
    {"Attention",
     " do_rotary mask_filter_value num_heads past_present_share_buffer qkv_hidden_sizes rotary_embedding_dim scale "
     "unidirectional ",
     adze_onnx_contrib_attention},
    {"BiasAdd", NULL, adze_onnx_contrib_gelu},
    {"BiasGelu", NULL, adze_onnx_contrib_gelu},
    {"BiasSplitGelu", NULL, adze_onnx_contrib_gelu},
    {"CDist", " metric ", adze_onnx_contrib_distance},
    {"DecoderMaskedMultiHeadAttention", " mask_filter_value num_heads output_qk past_present_share_buffer scale ",
     adze_onnx_contrib_decoder},
    {"DequantizeLinear", " axis ", adze_onnx_contrib_quantize},
    {"DynamicQuantizeMatMul", NULL, adze_onnx_contrib_dynamic_matmul},
    {"EmbedLayerNormalization", " epsilon mask_index_type ", adze_onnx_contrib_embed_norm},
    {"ExpandDims", NULL, adze_onnx_contrib_expand_dims},
    {"FastGelu", NULL, adze_onnx_contrib_gelu},
    {"FusedConv", " activation activation_params auto_pad dilations group kernel_shape pads strides ",
     adze_onnx_contrib_fused_conv},
    {"FusedGemm", " activation activation_alpha activation_beta activation_gamma alpha beta transA transB ",
     adze_onnx_contrib_fused_gemm},
    {"FusedMatMul", " alpha transA transB transBatchA transBatchB ", adze_onnx_contrib_fused_matmul},
    {"FusedMatMulActivation",
     " activation activation_alpha activation_axis activation_beta activation_gamma alpha transA transB transBatchA "
     "transBatchB ",
     adze_onnx_contrib_fused_matmul},
    {"GatherBlockQuantized", " bits block_size gather_axis quantize_axis ", adze_onnx_contrib_gather_bits},
    {"GatherND", NULL, adze_onnx_contrib_standard},
    {"Gelu", NULL, adze_onnx_contrib_gelu},
    {"GemmFastGelu", NULL, adze_onnx_contrib_fused_matmul},
    {"GridSample", " align_corners mode padding_mode ", adze_onnx_contrib_standard},
    {"GroupQueryAttention",
     " causal do_rotary k_quant_type kv_cache_bit_width kv_num_heads local_window_size num_heads qk_norm_epsilon "
     "qk_output rotary_interleaved scale sliding_window_cache smooth_softmax softcap v_quant_type ",
     adze_onnx_contrib_group_query},
    {"Inverse", NULL, adze_onnx_contrib_inverse},
    {"MatMulInteger16", NULL, adze_onnx_contrib_integer_matmul},
    {"MatMulIntegerToFloat", NULL, adze_onnx_contrib_integer_to_float},
    {"MatMulNBits", " K N accuracy_level bits block_size weight_prepacked ", adze_onnx_contrib_matmul_bits},
    {"MulInteger", NULL, adze_onnx_contrib_mul_integer},
    {"MultiHeadAttention", " mask_filter_value num_heads scale unidirectional ", adze_onnx_contrib_multi_head},
    {"NhwcMaxPool", " auto_pad ceil_mode dilations kernel_shape pads strides ", adze_onnx_contrib_nhwc_pool},
    {"Pad", " mode ", adze_onnx_contrib_standard},
    {"QAttention",
     " do_rotary mask_filter_value num_heads past_present_share_buffer scale unidirectional ",
     adze_onnx_contrib_attention},
    {"QEmbedLayerNormalization", " epsilon ", adze_onnx_contrib_embed_norm},
    {"QGemm", " alpha transA transB ", adze_onnx_contrib_qgemm},
    {"QLinearAdd", NULL, adze_onnx_contrib_qlinear},
    {"QLinearAveragePool", " auto_pad ceil_mode channels_last count_include_pad kernel_shape pads strides ",
     adze_onnx_contrib_qlinear},
    {"QLinearConcat", " axis ", adze_onnx_contrib_qlinear_concat},
    {"QLinearConv", " auto_pad channels_last dilations group kernel_shape pads strides ",
     adze_onnx_contrib_qlinear_conv},
    {"QLinearGlobalAveragePool", " channels_last ", adze_onnx_contrib_qlinear},
    {"QLinearLeakyRelu", " alpha ", adze_onnx_contrib_qlinear},
    {"QLinearMul", NULL, adze_onnx_contrib_qlinear},
    {"QLinearSigmoid", NULL, adze_onnx_contrib_qlinear},
    {"QLinearSoftmax", " axis opset ", adze_onnx_contrib_qlinear},
    {"QLinearWhere", NULL, adze_onnx_contrib_qlinear},
    {"QuantizeLinear", " axis ", adze_onnx_contrib_quantize},
    {"QuickGelu", " alpha ", adze_onnx_contrib_quick_gelu},
    {"Range", NULL, adze_onnx_contrib_standard},
    {"RotaryEmbedding", " interleaved is_packed_batching num_heads rotary_embedding_dim scale ",
     adze_onnx_contrib_rotary},
    {"ScaledSiLU", " alpha ", adze_onnx_contrib_quick_gelu},
    {"SkipLayerNormalization", " epsilon ", adze_onnx_contrib_skip_norm},
    {"SkipSimplifiedLayerNormalization", " epsilon ", adze_onnx_contrib_skip_norm},
    {"TransposeMatMul", " alpha transA transB ", adze_onnx_contrib_fused_matmul},
    {"Trilu", " upper ", adze_onnx_upgrade_trilu},
    {"Unique", NULL, adze_onnx_contrib_unique},
};

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const adze_onnx_upgrade *)row)->op_type);
}

const adze_onnx_upgrade *adze_onnx_contrib_find(const char *op_type)
{
    return bsearch(op_type, rows, sizeof rows / sizeof *rows, sizeof *rows, compare);
}
