/* Forms that ops had before the opset of their row: operands that were attributes or had to be there, another name,
 * axes that were counted otherwise. What differs stands in tables; what the opset has is looked up in forms.def.
 */
#include "export.h"

#include <stdlib.h>
#include <string.h>

/* From NEGATIVE_AXES on an axis may count from the end; from ONE_AXIS on softmax runs along one. */
enum { RESIZE_10 = 10, NEGATIVE_AXES = 11, RESIZE_11 = 11, ONE_AXIS = 13 };

/* ---- Names ---- */

const char *adze_onnx_older_name(const adze_onnx_export *x, const char *op_type)
{
    static const struct {
        const char *op_type;
        int64_t before; /* this opset */
        const char *name;
    } rows[] = {{"Resize", 10, "Upsample"}, {"ScatterElements", 11, "Scatter"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (x->opset < rows[i].before && !strcmp(rows[i].op_type, op_type)) return rows[i].name;
    return op_type;
}

/* ---- Operands ---- */

typedef enum older_kind {
    AS_INT, /* an attribute of that kind */
    AS_INTS,
    AS_FLOAT,
    AS_FLOATS,
    ALWAYS, /* could not be said: has this value throughout */
    FILLED, /* had to be there: a number that changes nothing */
    EMPTY   /* had to be there: without elements */
} older_kind;

typedef struct older_operand {
    const char *op_type; /* NULL: any */
    uint32_t operand;
    older_kind kind;
    const char *attribute; /* or what it is, in messages */
    double value;
} older_operand;

/* They hold for the forms that take no such operand, or for the last two kinds those that demand one. */
static const older_operand rows[] = {
    {"Clip", 1, AS_FLOAT, "min", 0},       {"Clip", 2, AS_FLOAT, "max", 0},   {"DFT", 2, AS_INT, "axis", 0},
    {"Dropout", 1, AS_FLOAT, "ratio", 0},  {"Dropout", 2, ALWAYS, "training", 0},
    {"Gemm", 2, FILLED, "C", 0},       {"Pad", 1, AS_INTS, "pads", 0},
    {"Pad", 2, AS_FLOAT, "value", 0},      {"Resize", 1, EMPTY, "roi", 0},    {"Resize", 2, EMPTY, "scales", 0},
    {"Slice", 1, AS_INTS, "starts", 0},    {"Slice", 2, AS_INTS, "ends", 0},  {"Slice", 3, AS_INTS, "axes", 0},
    {"Slice", 4, ALWAYS, "steps", 1},      {"Split", 1, AS_INTS, "split", 0}, {"TopK", 1, AS_INT, "k", 0},
    {"Upsample", 1, AS_FLOATS, "scales", 0}, {NULL, 1, AS_INTS, "axes", 0},
};

static const older_operand *find_row(const adze_onnx_form *form, uint32_t operand, bool demanded)
{
    for (const older_operand *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        if (row->operand != operand || (row->op_type && strcmp(row->op_type, form->op) != 0)) continue;
        if ((row->kind == FILLED || row->kind == EMPTY) != demanded) continue;
        if (demanded || row->kind == ALWAYS || adze_onnx_form_has(form, row->attribute)) return row;
    }
    return NULL;
}

int64_t adze_onnx_opset_taking(const adze_onnx_export *x, const char *op_type, uint32_t index)
{
    for (int64_t opset = x->opset; opset <= ADZE_ONNX_OPSET_MAX; opset++) {
        const adze_onnx_form *form = adze_onnx_form_find(op_type, opset, NULL);
        if (form && adze_onnx_form_inputs(form) > index) return opset;
    }
    return 0;
}

static bool refuse_row(adze_onnx_export *x, const char *op_type, const older_operand *row, const char *what)
{
    int64_t opset = adze_onnx_opset_taking(x, op_type, row->operand);
    return opset ? adze_onnx_refuse(x, "'%s' %s comes with opset %lld", row->attribute, what, (long long)opset)
                 : adze_onnx_refuse(x, "'%s' %s", row->attribute, what);
}

/* Axes as the opset counts them: of the operand, or of the result where the op makes the axis. */
int64_t adze_onnx_older_axis(const adze_onnx_export *x, int64_t axis)
{
    static const char *const made[] = {"Unsqueeze", "ConcatFromSequence"};
    const char *name = adze_op_get_row(x->op)->onnx;
    const adze_ir_value *value = adze_op_operand(x->op, 0);
    if (axis >= 0 || x->opset >= NEGATIVE_AXES || (x->own && x->own < NEGATIVE_AXES)) return axis;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (name && !strcmp(name, made[i])) value = adze_op_result(x->op, 0);
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) ? axis + adze_type_rank(type) : axis;
}

static bool put_ints(adze_onnx_export *x, const char *op_type, const older_operand *row, const adze_ir_value *value)
{
    int64_t ints[256];
    int n = adze_value_as_ints(value, ints, 256);
    if (n < 0) return refuse_row(x, op_type, row, "that is computed");
    bool axes = !strcmp(row->attribute, "axes");
    for (int i = 0; i < n && axes; i++) ints[i] = adze_onnx_older_axis(x, ints[i]);
    if (row->kind == AS_INT) {
        adze_onnx_int(x, row->attribute, n ? ints[0] : 0);
    } else if (n > 0 || !axes) { /* without axes all are meant */
        adze_onnx_int_list(x, row->attribute, ints, (uint64_t)n);
    }
    return true;
}

static bool put_float(adze_onnx_export *x, const char *op_type, const older_operand *row, const adze_ir_value *value)
{
    double number;
    if (!adze_value_as_splat(value, &number)) return refuse_row(x, op_type, row, "that is computed");
    if ((double)(float)number != number && number == number)
        return refuse_row(x, op_type, row, "that no f32 holds");
    adze_onnx_float(x, row->attribute, number);
    return true;
}

static bool put_floats(adze_onnx_export *x, const char *op_type, const older_operand *row, const adze_ir_value *value)
{
    adze_const *constant = adze_value_const(value);
    adze_data *data = constant ? adze_const_data(constant) : NULL;
    if (!data || adze_onnx_value_dtype(value) != ADZE_DTYPE_f32)
        return refuse_row(x, op_type, row, "that is computed");
    uint64_t count = adze_data_size(data) / sizeof(float);
    const float *floats = adze_data_load(data);
    double *values = calloc(count + 1, sizeof *values);
    if (!values) abort();
    for (uint64_t i = 0; floats && i < count; i++) values[i] = (double)floats[i];
    if (floats) adze_onnx_float_list(x, row->attribute, values, count);
    else x->failed = true; /* it has been said why */
    free(values);
    return floats != NULL;
}

/* An operand that the form does not take. */
static bool put_other(adze_onnx_export *x, const char *op_type, const older_operand *row, const adze_ir_value *value)
{
    double number;
    switch (row->kind) {
    case AS_INT:
    case AS_INTS: return put_ints(x, op_type, row, value);
    case AS_FLOAT: return put_float(x, op_type, row, value);
    case AS_FLOATS: return put_floats(x, op_type, row, value);
    default:
        return (adze_value_as_splat(value, &number) && number == row->value) ||
               refuse_row(x, op_type, row, "of another value");
    }
}

/* An operand that the form demands and the op does not have. */
static void put_demanded(adze_onnx_export *x, const adze_onnx_form *form, uint32_t operand)
{
    const older_operand *row = find_row(form, operand, true);
    if (!row)
        adze_onnx_in(x, NULL);
    else if (row->kind == EMPTY)
        adze_onnx_in(x, adze_onnx_new_empty(x, ADZE_DTYPE_f32));
    else
        adze_onnx_in(x, adze_onnx_new_scalar(x, adze_onnx_value_dtype(adze_op_operand(x->op, 0)), row->value));
}

/* Opset 8 brought broadcasting to ops of any number of operands. */
static bool broadcasts(adze_onnx_export *x, const char *op_type)
{
    enum { FIRST = 8 };
    static const char *const ops[] = {"Max", "Min", "Sum"};
    bool differ = false, listed = false;
    if (x->opset >= FIRST) return true;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) listed |= !strcmp(ops[i], op_type);
    for (uint32_t i = 1; listed && i < adze_op_num_operands(x->op); i++)
        differ |= adze_value_type(adze_op_operand(x->op, i)) != adze_value_type(adze_op_operand(x->op, 0));
    return !differ || adze_onnx_refuse(x, "broadcasting comes with opset %d", FIRST);
}

bool adze_onnx_put_operands(adze_onnx_export *x, const char *op_type, const adze_onnx_form *form)
{
    uint32_t n = adze_op_num_operands(x->op), most = form ? adze_onnx_form_inputs(form) : UINT32_MAX;
    uint32_t least = form ? adze_onnx_form_least(form) : 0;
    if (!broadcasts(x, op_type)) return false;
    for (uint32_t i = 0; i < n || i < least; i++) {
        const adze_ir_value *value = i < n ? adze_op_operand(x->op, i) : NULL;
        const older_operand *row = i < most ? NULL : find_row(form, i, false);
        if (!value && i < least) put_demanded(x, form, i);
        else if (!row) adze_onnx_in(x, adze_onnx_name(x, value));
        else if (value && !put_other(x, op_type, row, value)) return false;
    }
    return true;
}

const char *adze_onnx_say_axes(adze_onnx_export *x, const char *op_type, const char *a, const int64_t *axes,
                               uint32_t count, adze_dtype dtype, const char *out)
{
    const adze_onnx_form *form = adze_onnx_form_find(op_type, x->opset, NULL);
    bool attribute = form && adze_onnx_form_has(form, "axes");
    const char *operand = attribute ? NULL : adze_onnx_new_ints(x, axes, count);
    if (!out) out = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, op_type);
    adze_onnx_in(x, a);
    if (operand) adze_onnx_in(x, operand);
    adze_onnx_out(x, out);
    if (attribute) adze_onnx_int_list(x, "axes", axes, count);
    adze_onnx_end(x);
    return out;
}

/* ---- Ops that meant something else ---- */

bool adze_onnx_older_scales(adze_onnx_export *x, const char *op_type)
{
    const adze_onnx_form *form = adze_onnx_form_find(op_type, x->opset, NULL);
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 1));
    bool single = adze_type_is_ranked(type) && adze_dim_is_value(adze_type_count(type), 1);
    return !form || adze_onnx_form_has(form, "axis") || single ||
           adze_onnx_refuse(x, "scales along an axis come with opset %d", ONE_AXIS);
}

static bool say_quantize(adze_onnx_export *x)
{
    return adze_onnx_older_scales(x, "QuantizeLinear") && adze_onnx_say_as(x, "QuantizeLinear");
}

static const char *say_turned(adze_onnx_export *x, const char *a, uint32_t axis, uint32_t rank, const char *out)
{
    int64_t perm[ADZE_MAX_RANK];
    adze_dtype dtype = adze_onnx_value_dtype(adze_op_operand(x->op, 0));
    for (uint32_t i = 0; i < rank; i++) perm[i] = i == axis ? rank - 1 : i == rank - 1 ? axis : i;
    if (!out) out = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, "Transpose");
    adze_onnx_in(x, a);
    adze_onnx_out(x, out);
    adze_onnx_int_list(x, "perm", perm, rank);
    adze_onnx_end(x);
    return out;
}

/* Before opset 13 all axes from `axis` on are one: the last one is the one to name, and others are turned there. */
static bool say_softmax(adze_onnx_export *x)
{
    const char *op_type = adze_op_get_row(x->op)->onnx, *a = adze_onnx_argument(x, 0), *out = adze_onnx_result(x, 0);
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 0));
    int64_t axis = adze_op_attr_int(x->op, "axis");
    if (x->opset >= ONE_AXIS) return adze_onnx_say_as(x, op_type);
    if (!adze_type_is_ranked(type)) return adze_onnx_refuse(x, "of unknown rank");
    uint32_t rank = adze_type_rank(type), at = (uint32_t)(axis < 0 ? axis + rank : axis), last = rank ? rank - 1 : 0;
    bool turned = false;
    for (uint32_t i = at + 1; i < rank; i++) turned |= !adze_dim_is_value(adze_type_dim(type, i), 1);
    if (turned) a = say_turned(x, a, at, rank, NULL);
    adze_dtype dtype = adze_type_dtype(type);
    const char *y = turned ? adze_onnx_fresh(x, dtype) : out;
    adze_onnx_begin(x, op_type);
    adze_onnx_in(x, a);
    adze_onnx_out(x, y);
    adze_onnx_int(x, "axis", turned ? last : at);
    if (!adze_onnx_end(x)) return false;
    return !turned || say_turned(x, y, at, rank, out) != NULL;
}

/* Does nearest round as ONNX Runtime rounds for these scales, without saying so: down, and up where it shrinks? */
static bool rounds_so(const adze_ir_value *scales, const char *nearest, bool shrinks)
{
    adze_const *constant = scales ? adze_value_const(scales) : NULL;
    adze_data *data = constant ? adze_const_data(constant) : NULL;
    const float *values = data && adze_onnx_value_dtype(scales) == ADZE_DTYPE_f32 ? adze_data_load(data) : NULL;
    bool up = false, down = false;
    if (!values) return false;
    for (uint64_t i = 0; i < adze_data_size(data) / sizeof *values; i++) {
        up |= values[i] > 1;
        down |= values[i] < 1;
    }
    return (shrinks || !down) && !(up && down) && !strcmp(nearest, down ? "ceil" : "floor");
}

/* Resize-10 and Upsample place output x at x / scale. */
static bool say_resize(adze_onnx_export *x)
{
    const char *mode = adze_op_attr_str(x->op, "mode"), *op_type = adze_onnx_older_name(x, "Resize");
    const adze_ir_value *scales = adze_op_operand(x->op, 2);
    if (x->opset >= RESIZE_11) return adze_onnx_say_as(x, "Resize");
    bool linear = !strcmp(mode, "linear");
    bool simple = !strcmp(adze_op_attr_str(x->op, "coordinate_transformation_mode"), "asymmetric") && scales &&
                  !adze_op_operand(x->op, 3) && !adze_op_attr_int(x->op, "antialias") &&
                  !adze_op_attr_is_set(x->op, "axes") && !adze_op_attr_int(x->op, "exclude_outside");
    bool nearest = !strcmp(mode, "nearest") &&
                   rounds_so(scales, adze_op_attr_str(x->op, "nearest_mode"), x->opset >= RESIZE_10);
    if (!simple || (!linear && !nearest)) return adze_onnx_refuse(x, "of this kind it comes with opset 11");
    const adze_onnx_form *form = adze_onnx_form_find(op_type, x->opset, NULL);
    if (!form) return adze_onnx_say_as(x, "Resize");
    adze_onnx_begin(x, op_type);
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (adze_onnx_form_inputs(form) > 1) adze_onnx_in(x, adze_onnx_name(x, scales));
    else if (!put_other(x, op_type, find_row(form, 1, false), scales)) return false;
    adze_onnx_string(x, "mode", mode);
    return adze_onnx_end(x);
}

/* Before opset 22 a last window may begin in the padding behind the image, and counts in the dims of the result. */
static bool say_pool(adze_onnx_export *x)
{
    enum { FIRST = 22 };
    const adze_type *from = adze_value_type(adze_op_operand(x->op, 0)), *to = adze_value_type(adze_op_result(x->op, 0));
    bool known = adze_type_is_ranked(from) && adze_type_is_ranked(to) && adze_type_rank(from) == adze_type_rank(to);
    adze_ints size = adze_op_attr_ints(x->op, "kernel_shape"), pads = adze_op_attr_ints(x->op, "pads");
    adze_ints strides = adze_op_attr_ints(x->op, "strides"), dilations = adze_op_attr_ints(x->op, "dilations");
    bool ceils = x->opset < FIRST && known && adze_op_attr_int(x->op, "ceil_mode");
    for (uint32_t i = 0; ceils && i < size.count && i + 2 < adze_type_rank(from); i++) {
        int64_t in, out, stride = strides.count ? strides.data[i] : 1;
        if (!adze_dim_is_const(adze_type_dim(from, i + 2), &in) || !adze_dim_is_const(adze_type_dim(to, i + 2), &out))
            continue;
        if (pads.count) in += pads.data[i] + pads.data[i + size.count];
        int64_t reach = (size.data[i] - 1) * (dilations.count ? dilations.data[i] : 1) + 1;
        if (stride > 0 && (in - reach + stride - 1) / stride + 1 != out)
            return adze_onnx_refuse(x, "a last window that is not there because it begins in the padding comes with "
                                       "opset %d", FIRST);
    }
    return adze_onnx_say_as(x, adze_op_get_row(x->op)->onnx);
}

/* Pads of all axes, from constant ones of some: [before of each..., after of each...]. False if they are computed. */
static bool spread_pads(const adze_op *op, uint32_t rank, int64_t out[2 * ADZE_MAX_RANK])
{
    int64_t axes[ADZE_MAX_RANK], pads[2 * ADZE_MAX_RANK];
    int n = adze_value_as_ints(adze_op_operand(op, 3), axes, ADZE_MAX_RANK);
    if (n < 0 || adze_value_as_ints(adze_op_operand(op, 1), pads, 2 * ADZE_MAX_RANK) != 2 * n) return false;
    for (uint32_t i = 0; i < 2 * rank; i++) out[i] = 0;
    for (int i = 0; i < n; i++) {
        uint32_t axis = (uint32_t)(axes[i] < 0 ? axes[i] + rank : axes[i]);
        out[axis] = pads[i];
        out[rank + axis] = pads[n + i];
    }
    return true;
}

/* Opset 18 brought axes, before which pads are of all of them, and opset 19 the mode "wrap". */
static bool say_pad(adze_onnx_export *x)
{
    enum { AXES = 18, WRAP = 19 };
    const adze_op *op = x->op;
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    const char *mode = adze_op_attr_str(op, "mode");
    int64_t pads[2 * ADZE_MAX_RANK];
    if (x->opset < WRAP && !strcmp(mode, "wrap")) return adze_onnx_refuse(x, "mode 'wrap' comes with opset %d", WRAP);
    if (x->opset >= AXES || adze_op_num_operands(op) < 4 || !adze_op_operand(op, 3)) return adze_onnx_say_as(x, "Pad");
    if (!adze_type_is_ranked(type)) return adze_onnx_refuse(x, "of unknown rank");
    if (!spread_pads(op, adze_type_rank(type), pads))
        return adze_onnx_refuse(x, "'axes', where it or pads is computed, comes with opset %d", AXES);
    const adze_onnx_form *form = adze_onnx_form_find("Pad", x->opset, NULL);
    const adze_ir_value *value = adze_op_operand(op, 2);
    uint32_t n = 2 * adze_type_rank(type);
    bool attribute = form && adze_onnx_form_has(form, "pads");
    const char *operand = attribute ? NULL : adze_onnx_new_ints(x, pads, n);
    adze_onnx_begin(x, "Pad");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    if (attribute) adze_onnx_int_list(x, "pads", pads, n);
    else adze_onnx_in(x, operand);
    if (!attribute) adze_onnx_in(x, adze_onnx_name(x, value));
    else if (value && !put_other(x, "Pad", find_row(form, 2, false), value)) return false;
    if (strcmp(mode, "constant") != 0) adze_onnx_string(x, "mode", mode);
    adze_onnx_out(x, adze_onnx_result(x, 0));
    return adze_onnx_end(x);
}

/* A comparison that opset 12 brought: one of the two that are older, or equal. Of NaN neither holds. */
static bool say_or_equal(adze_onnx_export *x)
{
    const char *op_type = adze_op_get_row(x->op)->onnx;
    if (!x->spell_out || adze_onnx_form_find(op_type, x->opset, NULL)) return adze_onnx_say_as(x, op_type);
    const char *in[] = {adze_onnx_argument(x, 0), adze_onnx_argument(x, 1)};
    const char *parts[] = {adze_onnx_say(x, op_type[0] == 'L' ? "Less" : "Greater", in, 2, ADZE_DTYPE_bool, NULL),
                           adze_onnx_say(x, "Equal", in, 2, ADZE_DTYPE_bool, NULL)};
    return adze_onnx_say(x, "Or", parts, 2, ADZE_DTYPE_bool, adze_onnx_result(x, 0)) != NULL;
}

adze_onnx_speaker *adze_onnx_older_find(const char *op)
{
    static const struct {
        const char *op;
        adze_onnx_speaker *speaker;
    } speakers[] = {{"average_pool", say_pool},   {"greater_equal", say_or_equal}, {"less_equal", say_or_equal},
                    {"log_softmax", say_softmax}, {"lp_pool", say_pool},           {"max_pool", say_pool},
                    {"pad", say_pad},             {"quantize", say_quantize},      {"resize", say_resize},
                    {"softmax", say_softmax}};
    for (size_t i = 0; i < sizeof speakers / sizeof *speakers; i++)
        if (!strcmp(speakers[i].op, op)) return speakers[i].speaker;
    return NULL;
}
