/* The built-in op rows, expanded from ops.def in table.c, and the functions that they name. */
#ifndef ADZE_ROWS_H
#define ADZE_ROWS_H

#include <adze/ir.h>

extern const adze_op_row adze_builtin_rows[];
extern const uint32_t adze_n_builtin_rows;

/* row.c: lists the built-in scalar bodies by name, for a new context. */
void adze_bodies_index(adze_context *context);
/* The built-in body of op `name` over `dtype`; NULL if there is none, with *out_any false where the op has none at
 * all. */
const adze_body *adze_bodies_find(const adze_context *context, const char *name, adze_dtype dtype, bool *out_any);

/* Columns `access` (access_*.c) and `infer` (infer_*.c). */
adze_access_fn access_elementwise, access_matmul, access_matmul_integer, access_gemm, access_conv,
    access_conv_integer, access_pool, access_global_pool, access_reduction, access_transpose, access_slice,
    access_pad, access_depth_to_space, access_space_to_depth, access_tile, access_resize, access_gather,
    access_gather_elements, access_gather_nd;

adze_infer_fn infer_same, infer_clip, infer_compare, infer_cast, infer_bitcast, infer_broadcast, infer_pow, infer_where,
    infer_dropout;
adze_infer_fn infer_quantize, infer_dequantize, infer_requantize, infer_densify;
adze_infer_fn infer_matmul, infer_matmul_integer, infer_gemm, infer_conv, infer_conv_integer, infer_attention,
    infer_pack_panels, infer_pack_kept, infer_pack_masked;
adze_infer_fn infer_pool, infer_global_pool, infer_reduce, infer_argreduce, infer_layer_norm;
adze_infer_fn infer_reshape, infer_flatten, infer_squeeze, infer_unsqueeze, infer_transpose, infer_relayout,
    infer_expand, infer_concat, infer_split, infer_slice, infer_pad, infer_tile, infer_resize,
    infer_depth_to_space, infer_space_to_depth;
adze_infer_fn infer_gather, infer_gather_elements, infer_gather_nd;
adze_infer_fn infer_scatter_elements, infer_scatter_nd, infer_reverse_sequence;
adze_infer_fn infer_image_decode;
adze_infer_fn infer_compress, infer_nonzero, infer_unique, infer_topk, infer_non_max_suppression;
adze_infer_fn infer_max_unpool, infer_col2im, infer_roi_align, infer_max_roi_pool, infer_grid_sample,
    infer_deform_conv;
adze_infer_fn infer_det, infer_tfidf_vectorizer, infer_dft, infer_stft, infer_mel_weight_matrix;
adze_infer_fn infer_recurrent, infer_linear_attention;
adze_infer_fn infer_lookup, infer_tree_ensemble, infer_couple_probabilities, infer_zip_map, infer_map_entries;
adze_infer_fn infer_shape, infer_size, infer_constant_of_shape, infer_range, infer_dims, infer_stated,
    infer_random, infer_random_like, infer_multinomial;
adze_infer_fn infer_sequence_construct, infer_sequence_at, infer_sequence_insert, infer_sequence_erase,
    infer_sequence_length, infer_split_to_sequence, infer_concat_from_sequence, infer_optional,
    infer_optional_get_element, infer_optional_has_element;
adze_infer_fn infer_string_concat, infer_string_split, infer_string_normalizer, infer_regex_full_match,
    infer_format_number, infer_parse_number;
adze_infer_fn infer_kernel, infer_named, infer_apply, infer_for, infer_mask, infer_splat, infer_lanes,
    infer_reduce_lanes;

#endif
