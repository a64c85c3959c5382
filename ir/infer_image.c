/* Result type of image_decode: only the bytes say how many pixels there are. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

bool infer_image_decode(adze_op *op, const adze_type **out_types)
{
    inferred bytes, out = infer_unknown_dims(op, ADZE_DTYPE_u8, 3);
    const char *format = adze_op_attr_str(op, "pixel_format");
    bool is_gray = strcmp(format, "Grayscale") == 0;
    if (!infer_ranked(op, 0, 1, 1, &bytes)) return false;
    if (bytes.dtype != ADZE_DTYPE_u8)
        return adze_error(adze_op_loc(op), "operand 1 of %s is %s, not bytes of an image (u8)", adze_op_name(op),
                          infer_type_text(op, 0));
    if (!is_gray && strcmp(format, "RGB") != 0 && strcmp(format, "BGR") != 0)
        return adze_error(adze_op_loc(op), "pixel_format of %s is \"%s\"; expected one of RGB BGR Grayscale",
                          adze_op_name(op), format);
    out.dims[2] = adze_dim_const(adze_op_context(op), is_gray ? 1 : 3);
    return infer_result(op, out_types, 0, &out);
}
