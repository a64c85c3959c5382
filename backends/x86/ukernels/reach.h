/* Memory that the families of micro-kernels touch, in bytes from each pointer; see adze_ukernel.reach. */
#ifndef ADZE_UKERNELS_REACH_H
#define ADZE_UKERNELS_REACH_H

#include <adze/ir.h>

bool adze_uk_reach_gemm(int64_t mr, int64_t nr, const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_gemm_f64(int64_t mr, const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_dw(int64_t mw, const adze_ukernel_arg *args, adze_reach *out);
/* Integer families, with weights of one or two bytes. */
bool adze_uk_reach_gemm_int(int64_t mr, int64_t nr, int64_t weight_bytes, const adze_ukernel_arg *args,
                            adze_reach *out);
bool adze_uk_reach_gemm_tiles(int64_t nr, const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_dw_int(int64_t mw, int64_t weight_bytes, const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_gemm_codes(int64_t bits, int64_t scale_bytes, int64_t mr, int64_t nr, const adze_ukernel_arg *args,
                              adze_reach *out);
bool adze_uk_reach_widen(int64_t bits, int64_t scale_bytes, const adze_ukernel_arg *args, adze_reach *out);
/* Zero points lie like the scales, which are pointer `scales`, a byte each. */
bool adze_uk_reach_zeros(adze_reach *out, int64_t scale_bytes, int scales);
bool adze_uk_reach_widen_int(const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_gemm_kept(int64_t mr, const adze_ukernel_arg *args, adze_reach *out);
/* Do the words of a panel of kept weights, which lie within what reach says, stay inside its rows and the span? */
bool adze_uk_kept_holds(const int32_t *b, int64_t panels, int64_t rows, int64_t panel, int64_t span);
bool adze_uk_reach_gemm_each(const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_pixels(const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_widen_masked(int64_t size, const adze_ukernel_arg *args, adze_reach *out);
/* The same of a masked panel and its values. */
bool adze_uk_masked_holds(const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t kept);
bool adze_uk_reach_transpose(int64_t bytes, const adze_ukernel_arg *args, adze_reach *out);
/* Of elements below a byte, in `packed`, and of as many bytes. */
bool adze_uk_reach_bits(int64_t bits, const adze_ukernel_arg *args, adze_reach *packed, adze_reach *bytes);
bool adze_uk_reach_pack(int64_t bytes, const adze_ukernel_arg *args, adze_reach *out);
bool adze_uk_reach_sum(const adze_ukernel_arg *args, adze_reach *out);

#endif
