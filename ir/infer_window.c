/* Result types of pooling ops. */
#include "ir/infer.h"
#include "ir/rows.h"
#include <adze/window.h>

bool infer_pool(adze_op *op, const adze_type **out_types)
{
    inferred x;
    adze_window window[ADZE_MAX_RANK];
    if (!infer_ranked(op, 0, 3, ADZE_MAX_RANK, &x)) return false;
    if (x.ranked) {
        if (adze_op_attr_ints(op, "kernel_shape").count != x.rank - 2)
            return adze_error(adze_op_loc(op), "kernel_shape of %s has %llu entries but the operand is %s",
                              adze_op_name(op), (unsigned long long)adze_op_attr_ints(op, "kernel_shape").count,
                              infer_type_text(op, 0));
        if (!adze_windows(op, x.rank - 2, &x.dims[2], NULL, window)) return false;
        for (uint32_t i = 2; i < x.rank; i++) x.dims[i] = window[i - 2].out;
    }
    if (!infer_result(op, out_types, 0, &x)) return false;
    x.dtype = ADZE_DTYPE_i64; /* where the largest elements are */
    return adze_op_num_results(op) < 2 || infer_result(op, out_types, 1, &x);
}

bool infer_global_pool(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_ranked(op, 0, 2, ADZE_MAX_RANK, &x)) return false;
    for (uint32_t i = 2; i < x.rank; i++) x.dims[i] = adze_dim_const(adze_op_context(op), 1);
    return infer_result(op, out_types, 0, &x);
}
