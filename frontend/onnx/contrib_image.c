/* com.microsoft: parts of images. */
#include "contrib.h"
#include "upgrade.h"

#include <string.h>

/* One axis of what is cropped: positions in the image as floats [regions, size], and how far these go. */
typedef struct crop_axis {
    term *at, *most;
} crop_axis;

/* 0, 1, … below the crop's size as floats, and that size as a float; the size is a constant, or of a run. */
static term *steps(adze_onnx_node *node, term *sizes, int64_t index, term **out_size)
{
    adze_context *context = node->import->context;
    int64_t known[2];
    term *size = compose_cast(node, compose_scalar(node, compose_slice(node, sizes, 0, index, index + 1, 1)),
                              ADZE_DTYPE_i64);
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1), *list;
    if (adze_value_as_ints(sizes, known, 2) != 2) {
        term *none = compose2(node, "less", size, one), *error = compose_number(node, ADZE_DTYPE_i64, -1);
        term *places = compose_unsqueeze(node, compose3(node, "where", none, error, size), 0, 1);
        list = compose2(node, "expand", compose3(node, "range", zero, size, one), places); /* which no dim can be */
    } else if (known[index] < 1 || known[index] > INT32_MAX) {
        return adze_onnx_invalid(node, "crops of %lld x %lld", (long long)known[0], (long long)known[1]), NULL;
    } else {
        list = compose_iota(node, adze_dim_const(context, known[index]), 1, 0);
    }
    *out_size = compose_cast(node, size, ADZE_DTYPE_f32);
    return compose_cast(node, list, ADZE_DTYPE_f32);
}

/* From the first to the last position of a region, whose corners are in parts of the image; its middle where the crop
 * has one element. */
static bool find_axis(adze_onnx_node *node, term *x, term *regions, term *sizes, uint32_t index, crop_axis *out)
{
    term *size = NULL, *step = steps(node, sizes, index, &size), *one = compose_number(node, ADZE_DTYPE_f32, 1);
    term *first = compose_slice(node, regions, 1, index, index + 1, 1);
    term *last = compose_slice(node, regions, 1, index + 2, index + 3, 1);
    term *extent = compose_cast(node, compose_scalar(node, compose_size(node, x, 2 + index)), ADZE_DTYPE_f32);
    term *most = out->most = compose2(node, "sub", extent, one);
    term *gaps = compose2(node, "max", compose2(node, "sub", size, one), one);
    term *stride = compose2(node, "div", compose2(node, "mul", compose2(node, "sub", last, first), most), gaps);
    term *many = compose2(node, "add", compose2(node, "mul", first, most), compose2(node, "mul", step, stride));
    term *half = compose2(node, "mul", compose_number(node, ADZE_DTYPE_f32, 0.5), compose2(node, "add", first, last));
    out->at = compose3(node, "where", compose2(node, "greater", size, one), many, compose2(node, "mul", half, most));
    return out->at != NULL;
}

/* Places of a row or a column as i64, with axes of 1 for the other one: [regions, high, 1] or [regions, 1, wide]. */
static term *placed(adze_onnx_node *node, const crop_axis *axis, term *at, uint32_t index)
{
    at = compose3(node, "clip", at, compose_number(node, ADZE_DTYPE_f32, 0), axis->most);
    return compose_unsqueeze(node, compose_cast(node, at, ADZE_DTYPE_i64), 2 - index, 3 - index);
}

/* The pixels [regions, high, wide, channels] at rows and columns of each region's image. */
static term *pixels(adze_onnx_node *node, term *table, term *x, term *image, term *row, term *column)
{
    term *high = compose_scalar(node, compose_size(node, x, 2)), *wide = compose_scalar(node, compose_size(node, x, 3));
    term *at = compose2(node, "add", compose2(node, "mul", image, high), row);
    adze_attr axis = adze_attr_int("axis", 0);
    at = compose2(node, "add", compose2(node, "mul", at, wide), column);
    return compose_all(node, "gather", (term *[]){table, at}, 2, 2, &axis, 1);
}

/* The part of a position behind its place, with an axis for the channels. */
static term *behind(adze_onnx_node *node, const crop_axis *axis, uint32_t index)
{
    term *part = compose2(node, "sub", axis->at, compose1(node, "floor", axis->at));
    return compose_unsqueeze(node, compose_unsqueeze(node, part, 2 - index, 3 - index), 3, 4);
}

static term *mix(adze_onnx_node *node, term *a, term *b, term *part)
{
    return compose2(node, "add", a, compose2(node, "mul", compose2(node, "sub", b, a), part));
}

/* The pixels around each position, weighed; or the nearest one, of two as near the later. */
static term *sampled(adze_onnx_node *node, term *x, term *image, const crop_axis axes[2], bool nearest)
{
    static const int64_t turn[] = {0, 2, 3, 1};
    adze_context *context = node->import->context;
    const adze_dim *count = adze_dim_mul(context, compose_dim(x, 0), compose_dim(x, 2));
    const adze_dim *rows[] = {adze_dim_mul(context, count, compose_dim(x, 3)), compose_dim(x, 1)};
    term *table = compose_reshape(node, compose_transpose(node, x, turn, 4), rows, 2), *place[2][2], *line[2];
    for (uint32_t i = 0; i < 2; i++) {
        term *low = compose1(node, "floor", axes[i].at), *high = compose1(node, "ceil", axes[i].at);
        if (nearest) {
            term *part = compose2(node, "sub", axes[i].at, low);
            term *far = compose2(node, "greater_equal", part, compose_number(node, ADZE_DTYPE_f32, 0.5));
            low = compose3(node, "where", far, high, low);
        }
        place[i][0] = placed(node, &axes[i], low, i);
        place[i][1] = placed(node, &axes[i], high, i);
    }
    if (nearest) return pixels(node, table, x, image, place[0][0], place[1][0]);
    for (int i = 0; i < 2; i++)
        line[i] = mix(node, pixels(node, table, x, image, place[0][i], place[1][0]),
                      pixels(node, table, x, image, place[0][i], place[1][1]), behind(node, &axes[1], 1));
    return mix(node, line[0], line[1], behind(node, &axes[0], 0));
}

/* Regions [regions, 4] of images as (top, left, bottom, right), all brought to one size; what lies outside of its image
 * gets a number. */
bool adze_onnx_contrib_crop(adze_onnx_node *node)
{
    static const int64_t turn[] = {0, 3, 1, 2};
    const char *mode = "bilinear";
    double outside = 0;
    term *x, *regions, *image, *sizes, *inside = NULL;
    uint32_t rank[4];
    crop_axis axes[2];
    if (!adze_onnx_attr_str(node, "mode", &mode) || !adze_onnx_attr_float(node, "extrapolation_value", &outside) ||
        !compose_operand(node, 0, 4, &x, &rank[0]) || !compose_operand(node, 1, 2, &regions, &rank[1]) ||
        !compose_operand(node, 2, 1, &image, &rank[2]) || !compose_operand(node, 3, 1, &sizes, &rank[3]))
        return false;
    bool nearest = !strcmp(mode, "nearest");
    if (!nearest && strcmp(mode, "bilinear")) return adze_onnx_invalid(node, "attribute 'mode' is '%s'", mode);
    if (rank[0] != 4 || rank[1] != 2 || rank[2] != 1 || rank[3] != 1 ||
        !adze_dim_is_value(compose_dim(regions, 1), 4) || !adze_dim_is_value(compose_dim(sizes, 0), 2))
        return adze_onnx_invalid(node, "operands that are not images, regions of 4 numbers, their images and 2 sizes");
    for (uint32_t i = 0; i < 2; i++) {
        if (adze_dim_is_value(compose_dim(x, 2 + i), 0)) return adze_onnx_invalid(node, "images without pixels");
        if (!find_axis(node, x, regions, sizes, i, &axes[i])) return false;
        term *from = compose2(node, "greater_equal", axes[i].at, compose_number(node, ADZE_DTYPE_f32, 0));
        term *fits = compose2(node, "and", from, compose2(node, "less_equal", axes[i].at, axes[i].most));
        fits = compose_unsqueeze(node, fits, 2 - i, 3 - i);
        inside = i ? compose2(node, "and", inside, fits) : fits;
    }
    /* an image below 0 is none: places do not count from the end */
    term *none = compose_scalar(node, compose_size(node, x, 0)), *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    image = compose_cast(node, image, ADZE_DTYPE_i64);
    image = compose3(node, "where", compose2(node, "less", image, zero), none, image);
    term *y = sampled(node, x, compose_unsqueeze(node, image, 1, 3), axes, nearest);
    y = compose3(node, "where", compose_unsqueeze(node, inside, 3, 4), y, compose_like(node, x, outside));
    return compose_end(node, compose_transpose(node, y, turn, 4));
}

/* A transposed convolution whose pads are an operand: all of it, then less at both ends of each axis. */
bool adze_onnx_contrib_conv_transpose(adze_onnx_node *node)
{
    enum { PADS = 2, BIAS };
    const char *auto_pad = "NOTSET";
    term *pads = adze_onnx_operand(node, PADS);
    uint32_t rank;
    term *x;
    int64_t count;
    if (!adze_onnx_attr_str(node, "auto_pad", &auto_pad) || !compose_operand(node, 0, 3, &x, &rank)) return false;
    if (!pads) return adze_onnx_invalid(node, "has no input %d", PADS);
    node->in[PADS] = adze_onnx_operand(node, BIAS);
    if (node->n_in > BIAS) node->n_in = BIAS;
    int64_t axes = (int64_t)rank - 2;
    if (strcmp(auto_pad, "NOTSET")) return adze_onnx_invalid(node, "pads, and auto_pad '%s'", auto_pad);
    if (compose_dtype(pads) != ADZE_DTYPE_i64 || compose_rank(pads) != 1 ||
        !adze_dim_is_const(compose_dim(pads, 0), &count) || count != 2 * axes)
        return adze_onnx_invalid(node, "pads that are not %lld integers", (long long)(2 * axes));
    if (!adze_onnx_upgrade_conv_transpose(node)) return false;
    term *none = compose_ints(node, (int64_t[]){0, 0}, 2), *less = compose1(node, "neg", pads);
    term *parts[] = {none, compose_slice(node, less, 0, 0, axes, 1), none,
                     compose_slice(node, less, 0, axes, INT64_MAX, 1)};
    return compose_end(node, compose2(node, "pad", node->out[0], compose_concat(node, parts, 4, 0)));
}
