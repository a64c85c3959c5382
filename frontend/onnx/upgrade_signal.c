/* Window functions, grids and cuts that are computed from dims; older forms of ops on signals and images. */
#include "compose.h"

#include <string.h>

/* ---- Windows ---- */

/* constant + sum of factor cos(2 pi k n / length), k from 1; the length is one less where it is not periodic. */
static bool window(adze_onnx_node *node, double constant, const double *factors, uint32_t n)
{
    static const double turn = 6.283185307179586;
    term *size = adze_onnx_operand(node, 0);
    int64_t number = 1, periodic = 1;
    if (!adze_onnx_attr_int(node, "output_datatype", &number) || !adze_onnx_attr_flag(node, "periodic", &periodic))
        return false;
    adze_dtype dtype = adze_onnx_dtype(number), wide = ADZE_DTYPE_f64;
    /* an integer is what is left of a number, so that a rounding counts */
    if (adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT && dtype != ADZE_DTYPE_f64) wide = ADZE_DTYPE_f32;
    if (!size) return adze_onnx_invalid(node, "has no input");
    if (dtype == ADZE_DTYPE_NONE) return adze_onnx_unsupported(node, "element type %lld", (long long)number);
    size = compose_scalar(node, compose_cast(node, size, ADZE_DTYPE_i64));
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *at = compose_cast(node, compose3(node, "range", zero, size, one), wide);
    term *length = compose_cast(node, periodic ? size : compose2(node, "sub", size, one), wide);
    term *angle = compose2(node, "div", compose2(node, "mul", at, compose_number(node, wide, turn)), length);
    term *sum = NULL; /* the constant comes last: then the peak of three terms is 1 itself */
    for (uint32_t k = 0; k < n; k++) {
        term *wave = compose1(node, "cos", compose2(node, "mul", angle, compose_number(node, wide, k + 1)));
        wave = compose2(node, "mul", wave, compose_number(node, wide, factors[k]));
        sum = k ? compose2(node, "add", sum, wave) : wave;
    }
    sum = compose2(node, "add", sum, compose_number(node, wide, constant));
    return compose_end(node, compose_cast(node, sum, dtype));
}

bool adze_onnx_upgrade_hann_window(adze_onnx_node *node) { return window(node, 0.5, (double[]){-0.5}, 1); }

bool adze_onnx_upgrade_hamming_window(adze_onnx_node *node)
{
    return window(node, 25.0 / 46, (double[]){-21.0 / 46}, 1);
}

bool adze_onnx_upgrade_blackman_window(adze_onnx_node *node)
{
    return window(node, 0.42, (double[]){-0.5, 0.08}, 2);
}

/* ---- Transforms ---- */

/* Before opset 20: the axis as an attribute. */
bool adze_onnx_upgrade_dft(adze_onnx_node *node)
{
    int64_t axis = 1;
    if (node->version >= 20) return adze_onnx_finish_row(node);
    if (!adze_onnx_attr_int(node, "axis", &axis)) return false;
    adze_ir_value *operand = adze_onnx_scalar(node, "axis", ADZE_DTYPE_i64, (double)axis);
    return adze_onnx_set_operand(node, 2, adze_onnx_was_attribute(node->import, operand, "DFT", "axis")) &&
           adze_onnx_finish_row(node);
}

/* Modes had names of two axes before opset 20. */
bool adze_onnx_upgrade_grid_sample(adze_onnx_node *node)
{
    const char *mode = "linear";
    if (!adze_onnx_attr_str(node, "mode", &mode)) return false;
    if (!strcmp(mode, "bilinear")) mode = "linear";
    if (!strcmp(mode, "bicubic")) mode = "cubic";
    adze_attr attr = adze_attr_str("mode", mode);
    return adze_onnx_finish(node, "grid_sample", &attr, 1);
}

/* Before opset 16 regions were not shifted by half a pixel. */
bool adze_onnx_upgrade_roi_align(adze_onnx_node *node)
{
    adze_attr attr = adze_attr_str("coordinate_transformation_mode", "output_half_pixel");
    return adze_onnx_finish(node, "roi_align", &attr, node->version < 16 ? 1 : 0);
}

/* ---- Cuts and grids ---- */

/* Axes cut or padded with zeros on both sides to given dims: of an odd rest one more at the end. */
bool adze_onnx_upgrade_center_crop_pad(adze_onnx_node *node)
{
    term *x, *target;
    uint32_t rank, unused, axis;
    const int64_t *given = NULL;
    size_t n = 0;
    int64_t axes[ADZE_MAX_RANK];
    if (!adze_onnx_attr_ints(node, "axes", &given, &n) || !compose_operand(node, 0, 1, &x, &rank) ||
        !compose_operand(node, 1, 1, &target, &unused))
        return false;
    if (!given) n = rank;
    if (n > rank) return adze_onnx_invalid(node, "%zu axes of %u", n, rank);
    for (size_t i = 0; i < n; i++) {
        if (!compose_axis(node, given ? given[i] : (int64_t)i, rank, &axis)) return false;
        axes[i] = axis;
    }
    term *list = compose_ints(node, axes, n), *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    term *two = compose_number(node, ADZE_DTYPE_i64, 2);
    term *dims = compose2(node, "gather", compose1(node, "shape", x), list);
    target = compose_cast(node, target, ADZE_DTYPE_i64);
    term *over = compose2(node, "max", compose2(node, "sub", dims, target), zero);
    term *start = compose2(node, "div", over, two);
    term *end = compose2(node, "add", start, compose2(node, "min", dims, target));
    term *missing = compose2(node, "max", compose2(node, "sub", target, dims), zero);
    term *before = compose2(node, "div", missing, two), *after = compose2(node, "sub", missing, before);
    x = compose_all(node, "slice", (term *[]){x, start, end, list}, 4, 4, NULL, 0);
    term *pads = compose_concat(node, (term *[]){before, after}, 2, 0);
    if (!x || !pads) return false;
    return compose_end(node, compose_all(node, "pad", (term *[]){x, pads, NULL, list}, 4, 2, NULL, 0));
}

/* Coordinates from -1 to 1 along axis `at` of `axes`, as many as entry 2 + at of `size`, shaped [1, …, n, …, 1]. */
static term *coordinates(adze_onnx_node *node, term *size, uint32_t at, uint32_t axes, bool aligned, adze_dtype dtype)
{
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *count = compose_scalar(node, compose_slice(node, size, 0, 2 + at, 3 + (int64_t)at, 1));
    term *place = compose_cast(node, compose3(node, "range", zero, count, one), dtype);
    term *twice = compose2(node, "add", place, place), *n = compose_cast(node, count, dtype);
    if (aligned) n = compose2(node, "sub", n, compose_number(node, dtype, 1));
    else twice = compose2(node, "add", twice, compose_number(node, dtype, 1));
    term *x = compose2(node, "sub", compose2(node, "div", twice, n), compose_number(node, dtype, 1));
    return compose_unsqueeze(node, x, 1, axes - at + 1);
}

/* theta [batch, d, d + 1] times the coordinates, last axis first, and 1: [batch, …, d]. */
bool adze_onnx_upgrade_affine_grid(adze_onnx_node *node)
{
    term *theta, *size, *sum = NULL;
    uint32_t rank, unused;
    int64_t aligned = 0, entries;
    if (!adze_onnx_attr_flag(node, "align_corners", &aligned) || !compose_operand(node, 0, 3, &theta, &rank) ||
        !compose_operand(node, 1, 1, &size, &unused))
        return false;
    if (!adze_dim_is_const(compose_dim(size, 0), &entries) || (entries != 4 && entries != 5))
        return adze_onnx_unsupported(node, "a size that is not 4 or 5 numbers");
    uint32_t axes = (uint32_t)entries - 2;
    adze_dtype dtype = compose_dtype(theta);
    for (uint32_t i = 0; i <= axes; i++) {
        /* column i of theta as [batch, 1, …, d], and what it is multiplied with as [1, …, n, …, 1] */
        term *column = compose_slice(node, theta, 2, i, (int64_t)i + 1, 1);
        column = compose_transpose(node, column, (int64_t[]){0, 2, 1}, 3);
        column = compose_unsqueeze(node, column, 1, axes);
        term *by = i < axes ? coordinates(node, size, axes - 1 - i, axes, aligned != 0, dtype) : NULL;
        term *part = i < axes ? compose2(node, "mul", column, by) : column;
        sum = sum ? compose2(node, "add", sum, part) : part;
        if (!sum) return false;
    }
    return compose_end(node, sum);
}
