/* Ops that are one ONNX op of another name or spelling: attributes that are said otherwise, or must be said. */
#include "export.h"

#include <string.h>

static void say_operands(adze_onnx_export *x, const char *op_type)
{
    adze_onnx_begin(x, op_type);
    for (uint32_t i = 0; i < adze_op_num_operands(x->op); i++) adze_onnx_in(x, adze_onnx_argument(x, i));
    for (uint32_t i = 0; i < adze_op_num_results(x->op); i++) adze_onnx_out(x, adze_onnx_result(x, i));
}

/* BitShift is for unsigned numbers, as its forms say. */
static bool say_shift(adze_onnx_export *x)
{
    say_operands(x, "BitShift");
    adze_onnx_string(x, "direction", adze_op_is(x->op, "shift_left") ? "LEFT" : "RIGHT");
    return adze_onnx_end(x);
}

/* From texts and to them: attributes of the row, or the element type that it does not say. */
static bool say_cast(adze_onnx_export *x)
{
    if (adze_op_is(x->op, "parse_number")) return adze_onnx_say_as(x, "Cast");
    say_operands(x, "Cast");
    adze_onnx_int(x, "to", adze_onnx_dtype_number(ADZE_DTYPE_str));
    return adze_onnx_end(x);
}

/* Largest and smallest came with opset 18. */
static bool say_scatter(adze_onnx_export *x)
{
    const char *reduction = adze_op_attr_str(x->op, "reduction");
    bool extreme = !strcmp(reduction, "max") || !strcmp(reduction, "min");
    if (extreme && x->opset < 18) return adze_onnx_refuse(x, "reduction '%s' comes with opset 18", reduction);
    return adze_onnx_say_as(x, adze_op_get_row(x->op)->onnx);
}

/* Before opset 20 modes are of two axes. */
static bool say_grid_sample(adze_onnx_export *x)
{
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 0));
    const char *mode = adze_op_attr_str(x->op, "mode"), *padding = adze_op_attr_str(x->op, "padding_mode");
    if (x->opset < 20 && (!adze_type_is_ranked(type) || adze_type_rank(type) != 4))
        return adze_onnx_refuse(x, "other than two axes come with opset 20");
    if (x->opset < 20 && !strcmp(mode, "linear")) mode = "bilinear";
    if (x->opset < 20 && !strcmp(mode, "cubic")) mode = "bicubic";
    say_operands(x, "GridSample");
    if (adze_op_attr_int(x->op, "align_corners")) adze_onnx_int(x, "align_corners", 1);
    adze_onnx_string(x, "mode", mode);
    if (strcmp(padding, "zeros") != 0) adze_onnx_string(x, "padding_mode", padding);
    return adze_onnx_end(x);
}

/* What it means without the attribute changed with opset 16, so it is said. */
static bool say_roi_align(adze_onnx_export *x)
{
    const adze_op *op = x->op;
    say_operands(x, "RoiAlign");
    adze_onnx_string(x, "coordinate_transformation_mode", adze_op_attr_str(op, "coordinate_transformation_mode"));
    adze_onnx_string(x, "mode", adze_op_attr_str(op, "mode"));
    adze_onnx_int(x, "output_height", adze_op_attr_int(op, "output_height"));
    adze_onnx_int(x, "output_width", adze_op_attr_int(op, "output_width"));
    adze_onnx_int(x, "sampling_ratio", adze_op_attr_int(op, "sampling_ratio"));
    adze_onnx_float(x, "spatial_scale", adze_op_attr_float(op, "spatial_scale"));
    return adze_onnx_end(x);
}

static void put_floats(adze_onnx_export *x, const char *name)
{
    const adze_slot *slots = adze_op_attrs(x->op);
    int index = adze_row_attr_index(adze_op_get_row(x->op), name);
    if (!adze_op_attr_is_set(x->op, name)) return;
    adze_onnx_float_list(x, name, slots[1 + index].floats.data, slots[1 + index].floats.count);
}

/* Activations are strings there, and one text here. */
static bool say_recurrent(adze_onnx_export *x)
{
    static const char *const ints[] = {"hidden_size", "input_forget", "linear_before_reset"};
    const char *activations = adze_op_attr_str(x->op, "activations");
    const adze_op_row *row = adze_op_get_row(x->op);
    say_operands(x, row->onnx);
    put_floats(x, "activation_alpha");
    put_floats(x, "activation_beta");
    if (activations && *activations) adze_onnx_string_list(x, "activations", activations);
    if (adze_op_attr_is_set(x->op, "clip")) adze_onnx_float(x, "clip", adze_op_attr_float(x->op, "clip"));
    if (strcmp(adze_op_attr_str(x->op, "direction"), "forward") != 0)
        adze_onnx_string(x, "direction", adze_op_attr_str(x->op, "direction"));
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (adze_row_attr_index(row, ints[i]) >= 0 && adze_op_attr_int(x->op, ints[i]))
            adze_onnx_int(x, ints[i], adze_op_attr_int(x->op, ints[i]));
    return adze_onnx_end(x);
}

adze_onnx_speaker *adze_onnx_spelling_find(const char *op)
{
    static const struct {
        const char *op;
        adze_onnx_speaker *speaker;
    } rows[] = {
        {"format_number", say_cast}, {"grid_sample", say_grid_sample}, {"gru", say_recurrent},
        {"lstm", say_recurrent},     {"parse_number", say_cast},       {"rnn", say_recurrent},
        {"roi_align", say_roi_align}, {"scatter_elements", say_scatter}, {"scatter_nd", say_scatter},
        {"shift_left", say_shift},   {"shift_right", say_shift},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op, op)) return rows[i].speaker;
    return NULL;
}
