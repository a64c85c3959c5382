/* Opsets 1 to 6, whose ops mean the same but are said otherwise: broadcasting is asked for, at an axis; dims, repeats
 * and pads are attributes; a type is named; many ops say which inputs they may write over. Runs before the op's own
 * form.
 */
#include "compose.h"

#include <string.h>

/* Attributes that are known on any op, so that the op's own list need not have them. */
const char *const adze_onnx_legacy_attrs =
    " axis broadcast consumed_inputs height_scale output_sequence paddings shape width_scale ";

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

/* Without marking it as read. */
static bool has_attr(const adze_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++)
        if (node->proto->attribute[i]->name && !strcmp(node->proto->attribute[i]->name, name)) return true;
    return false;
}

/* The second operand's axes lie at `axis` of the first one's, at the end without it. */
static bool broadcast(adze_onnx_node *node)
{
    term *a, *b;
    uint32_t rank, b_rank, axis;
    int64_t asked = 0, wanted = 0;
    bool placed = adze_onnx_attr(node, "axis") != NULL;
    if (!adze_onnx_attr_int(node, "broadcast", &asked) || !adze_onnx_attr_int(node, "axis", &wanted)) return false;
    if (!asked || !placed) return true;
    if (!compose_operand(node, 0, 0, &a, &rank) || !compose_operand(node, 1, 0, &b, &b_rank)) return false;
    if (b_rank == 0) return true;
    if (!compose_axis(node, wanted, rank, &axis)) return false;
    if (axis + b_rank > rank)
        return adze_onnx_invalid(node, "axis %u and rank %u go beyond rank %u", axis, b_rank, rank);
    node->in[1] = compose_unsqueeze(node, b, b_rank, rank - axis);
    return node->in[1] != NULL;
}

/* A slope for each channel lies along axis 1. */
static bool channel_slope(adze_onnx_node *node)
{
    term *x, *slope;
    uint32_t rank, slope_rank;
    if (!compose_operand(node, 0, 1, &x, &rank) || !compose_operand(node, 1, 0, &slope, &slope_rank)) return false;
    if (slope_rank != 1 || adze_dim_is_value(compose_dim(slope, 0), 1)) return true;
    node->in[1] = compose_channels(node, slope, rank);
    return node->in[1] != NULL;
}

/* The element type by its name. */
static bool named_cast(adze_onnx_node *node)
{
    static const char *const names[] = {"FLOAT", "UINT8", "INT8",    "UINT16", "INT16",  "INT32",     "INT64",
                                        "STRING", "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64"};
    const char *to = "";
    if (!adze_onnx_attr_str(node, "to", &to)) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        adze_attr attr = adze_attr_type("to", adze_onnx_dtype((int64_t)i + 1));
        if (!strcmp(to, names[i])) return adze_onnx_finish(node, "cast", &attr, 1);
    }
    return adze_onnx_invalid(node, "attribute 'to' is '%s'", to);
}

/* One axis, as often as an operand says. */
static bool tile_axis(adze_onnx_node *node)
{
    term *x, *axis = adze_onnx_operand(node, 2);
    uint32_t rank, at;
    double wanted; /* both are of the element type of the operand */
    if (!axis) return true;
    if (!compose_operand(node, 0, 1, &x, &rank)) return false;
    if (!adze_value_as_splat(axis, &wanted) || !(wanted > -0x1p31 && wanted < 0x1p31))
        return adze_onnx_unsupported(node, "an axis that is computed");
    if (!compose_axis(node, (int64_t)wanted, rank, &at)) return false;
    const adze_dim *one = adze_dim_const(node->import->context, 1);
    term *parts[ADZE_MAX_RANK], *times = compose_cast(node, node->in[1], ADZE_DTYPE_i64);
    times = compose_reshape(node, times, &one, 1);
    for (uint32_t i = 0; i < rank; i++) parts[i] = i == at ? times : compose_int(node, 1);
    node->in[1] = compose_concat(node, parts, rank, 0);
    node->in[2] = NULL;
    node->n_in = 2;
    return node->in[1] != NULL;
}

/* Scales of the two spatial axes. */
static bool scales_of_two(adze_onnx_node *node)
{
    double height = 1, width = 1;
    int64_t count = 4;
    if (!adze_onnx_attr(node, "height_scale") && !adze_onnx_attr(node, "width_scale")) return true;
    if (!adze_onnx_attr_float(node, "height_scale", &height) || !adze_onnx_attr_float(node, "width_scale", &width))
        return false;
    float scales[] = {1, 1, (float)height, (float)width};
    const adze_type *type = adze_type_tensor_const(node->import->context, ADZE_DTYPE_f32, 1, &count);
    const char *name = adze_internf(node->import->context, "%s_scales", node->name);
    return adze_onnx_set_operand(node, 1, adze_const_make(node->import->module, name, type, scales));
}

/* Opset 6 gave the constants more digits. */
static bool coarse_selu(adze_onnx_node *node)
{
    double alpha = 1.6732, gamma = 1.0507;
    if (!adze_onnx_attr_float(node, "alpha", &alpha) || !adze_onnx_attr_float(node, "gamma", &gamma)) return false;
    adze_attr attrs[] = {adze_attr_float("alpha", alpha), adze_attr_float("gamma", gamma)};
    return adze_onnx_finish(node, "selu", attrs, 2);
}

bool adze_onnx_upgrade_legacy(adze_onnx_node *node, bool *out_done)
{
    static const char *const binary[] = {"Add", "And", "Div", "Equal", "Greater", "Less",
                                         "Mul", "Or",  "Pow", "Sub",   "Xor"};
    const char *op = node->op_type;
    int64_t unused = 0;
    *out_done = false;
    adze_onnx_attr(node, "consumed_inputs"); /* nothing is written over here */
    if (is_one_of(op, binary, sizeof binary / sizeof *binary)) return broadcast(node);
    if (!strcmp(op, "PRelu")) return channel_slope(node);
    if (!strcmp(op, "Gemm")) return adze_onnx_attr_int(node, "broadcast", &unused); /* as today, but asked for */
    if (!strcmp(op, "Tile")) return tile_axis(node);
    if (!strcmp(op, "Upsample")) return scales_of_two(node);
    if (!strcmp(op, "Pad") && adze_onnx_attr(node, "paddings")) return adze_onnx_ints_to_operand(node, "paddings", 1);
    if (!strcmp(op, "Reshape") && adze_onnx_attr(node, "shape")) return adze_onnx_ints_to_operand(node, "shape", 1);
    if (node->version < 6 && (!strcmp(op, "Cast") || !strcmp(op, "Selu"))) {
        *out_done = true;
        return op[0] == 'C' ? named_cast(node) : coarse_selu(node);
    }
    if (!strcmp(op, "Concat") && !has_attr(node, "axis")) {
        adze_attr axis = adze_attr_int("axis", 1);
        *out_done = true;
        return adze_onnx_finish(node, "concat", &axis, 1);
    }
    return true;
}
