/* Sequences and optionals that state their type: ONNX says it by an attribute. */
#include "export.h"

#include <string.h>

static bool say_empty(adze_onnx_export *x)
{
    const adze_type *element = adze_type_element(adze_value_type(adze_op_result(x->op, 0)));
    if (!adze_type_is_tensor(element)) return adze_onnx_refuse(x, "a sequence of what is no tensor");
    adze_onnx_begin(x, "SequenceEmpty");
    adze_onnx_out(x, adze_onnx_result(x, 0));
    adze_onnx_int(x, "dtype", adze_onnx_dtype_number(adze_type_dtype(element)));
    return adze_onnx_end(x);
}

static bool say_optional(adze_onnx_export *x)
{
    enum { TYPE = 14, IS_TYPE = 13 };
    const char *held = adze_op_num_operands(x->op) ? adze_onnx_argument(x, 0) : NULL;
    adze_onnx_bytes type = {0};
    adze_onnx_begin(x, "Optional");
    if (held) adze_onnx_in(x, held);
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (!held) {
        adze_onnx_put_type(&type, adze_type_element(adze_value_type(adze_op_result(x->op, 0))));
        adze_onnx_message(x, "type", TYPE, IS_TYPE, &type);
    }
    adze_onnx_bytes_free(&type);
    return adze_onnx_end(x);
}

adze_onnx_speaker *adze_onnx_sequence_find(const char *op)
{
    if (!strcmp(op, "sequence_empty")) return say_empty;
    return strcmp(op, "optional") ? NULL : say_optional;
}
