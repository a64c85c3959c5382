/* LinearRegressor and LinearClassifier, and what all classifiers share: transforms of scores, and labels. Where the
 * standard leaves open what the scores of two classes with one score are, this is what ONNX Runtime gives. */
#include "ml.h"

#include <math.h>
#include <string.h>

term *ml_rows(adze_onnx_node *node, uint32_t index, adze_dtype dtype)
{
    term *x;
    uint32_t rank;
    if (!compose_operand(node, index, 1, &x, &rank)) return NULL;
    if (compose_dtype(x) == ADZE_DTYPE_str) return adze_onnx_invalid(node, "input %u is of strings", index), NULL;
    if (rank == 1) x = compose_unsqueeze(node, x, 0, 1);
    if (rank > 2) x = compose_with(node, "flatten", x, adze_attr_int("axis", 1));
    return compose_cast(node, x, dtype);
}

bool ml_read_transform(adze_onnx_node *node, const char **out)
{
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    *out = "NONE";
    if (!adze_onnx_attr_str(node, "post_transform", out)) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(*out, names[i])) return true;
    return adze_onnx_invalid(node, "attribute 'post_transform' is '%s'", *out);
}

/* Softmax over the entries that are not 0; those stay. */
static term *softmax_zero(adze_onnx_node *node, term *x)
{
    int64_t axis = -1;
    term *best = compose_reduce(node, "reduce_max", x, &axis, 1, true);
    term *some = compose2(node, "greater", compose1(node, "abs", x), compose_like(node, x, 1e-7));
    term *share = compose1(node, "exp", compose2(node, "sub", x, best));
    share = compose3(node, "where", some, share, compose_like(node, x, 0));
    return compose2(node, "div", share, compose_reduce(node, "reduce_sum", share, &axis, 1, true));
}

/* sqrt(2) erfinv(2 x - 1) with Winitzki's form of erfinv ("A handy approximation for the error function and its
 * inverse", 2008), whose constant a is 0.147. */
static term *probit(adze_onnx_node *node, term *x)
{
    const double a = 0.147, pi = 3.14159;
    term *z = compose2(node, "sub", compose2(node, "mul", x, compose_like(node, x, 2)), compose_like(node, x, 1));
    term *one = compose_like(node, x, 1);
    term *left = compose2(node, "mul", compose2(node, "sub", one, z), compose2(node, "add", one, z));
    term *log = compose1(node, "log", left);
    term *v = compose2(node, "add", compose2(node, "mul", log, compose_like(node, x, 0.5)),
                       compose_like(node, x, 2 / (pi * a)));
    term *w = compose2(node, "mul", log, compose_like(node, x, 1 / a));
    term *root = compose1(node, "sqrt", compose2(node, "sub", compose2(node, "mul", v, v), w));
    root = compose1(node, "sqrt", compose2(node, "sub", root, v));
    term *below = compose2(node, "less", z, compose_like(node, x, 0));
    root = compose3(node, "where", below, compose1(node, "neg", root), root);
    return compose2(node, "mul", root, compose_like(node, x, sqrt(2)));
}

term *ml_transform(adze_onnx_node *node, const char *transform, term *scores)
{
    if (!strcmp(transform, "LOGISTIC")) return compose1(node, "sigmoid", scores);
    if (!strcmp(transform, "SOFTMAX")) return compose_with(node, "softmax", scores, adze_attr_int("axis", -1));
    if (!strcmp(transform, "SOFTMAX_ZERO")) return softmax_zero(node, scores);
    if (!strcmp(transform, "PROBIT")) return probit(node, scores);
    return scores;
}

term *ml_second_class(adze_onnx_node *node, const char *transform, term *score, bool complement, bool logistic)
{
    bool both = logistic && !strcmp(transform, "LOGISTIC");
    term *other = complement && !both ? compose2(node, "sub", compose_like(node, score, 1), score)
                                      : compose1(node, "neg", score);
    term *pair = compose_concat(node, (term *[]){other, score}, 2, 1);
    return both ? compose1(node, "sigmoid", pair) : pair;
}

term *ml_labels(adze_onnx_node *node, term *labels, term *index) { return compose2(node, "gather", labels, index); }

term *ml_best(adze_onnx_node *node, term *scores)
{
    adze_attr attrs[] = {adze_attr_int("axis", 1), adze_attr_int("keepdims", 0)};
    return compose_all(node, "argmax", &scores, 1, 1, attrs, 2);
}

term *ml_above(adze_onnx_node *node, term *score, double threshold)
{
    term *above = compose2(node, "greater", score, compose_like(node, score, threshold));
    return compose_squeeze(node, compose_cast(node, above, ADZE_DTYPE_i64), 1);
}

bool ml_read_labels(adze_onnx_node *node, const char *ints, term **out)
{
    const char *const names[] = {"classlabels_strings", ints, NULL};
    if (!adze_onnx_attr_list_of(node, names, NULL, out)) return false;
    return (*out && compose_count(*out)) || adze_onnx_invalid(node, "has no class labels");
}

/* x C^T + b, with as many rows of C as there are scores. */
static bool read_scores(adze_onnx_node *node, int64_t count, term *intercepts, term **out)
{
    const float *values;
    size_t size;
    int64_t columns;
    term *x = ml_rows(node, 0, ADZE_DTYPE_f32);
    if (!x || !adze_onnx_attr_floats(node, "coefficients", &values, &size)) return false;
    if (!size || count < 1 || size % (uint64_t)count)
        return adze_onnx_invalid(node, "%zu coefficients for %lld scores", size, (long long)count);
    if (adze_dim_is_const(compose_dim(x, 1), &columns) && (uint64_t)columns != size / (uint64_t)count)
        return adze_onnx_invalid(node, "%zu coefficients for %lld scores of %lld columns", size, (long long)count,
                                 (long long)columns);
    term *weights = compose_floats(node, values, (int64_t)size, (int64_t)(size / (uint64_t)count));
    adze_attr attr = adze_attr_int("transB", 1);
    *out = compose_all(node, "gemm", (term *[]){x, weights, intercepts}, intercepts ? 3 : 2, 2, &attr, 1);
    return *out != NULL;
}

bool adze_onnx_ml_linear_regressor(adze_onnx_node *node)
{
    const char *transform;
    int64_t targets = 1;
    term *intercepts, *y;
    if (!ml_read_transform(node, &transform) || !adze_onnx_attr_int(node, "targets", &targets) ||
        !adze_onnx_attr_list(node, "intercepts", &intercepts))
        return false;
    if (compose_count(intercepts) == 0) intercepts = NULL;
    if (intercepts && compose_count(intercepts) != targets)
        return adze_onnx_invalid(node, "%lld intercepts for %lld targets", (long long)compose_count(intercepts),
                                 (long long)targets);
    return read_scores(node, targets, intercepts, &y) && compose_end(node, ml_transform(node, transform, y));
}

bool adze_onnx_ml_linear_classifier(adze_onnx_node *node)
{
    const char *transform;
    int64_t multi_class = 0;
    term *labels, *intercepts, *scores;
    if (!ml_read_transform(node, &transform) || !ml_read_labels(node, "classlabels_ints", &labels) ||
        !adze_onnx_attr_int(node, "multi_class", &multi_class) || !adze_onnx_attr_list(node, "intercepts", &intercepts))
        return false;
    int64_t classes = compose_count(labels), count = intercepts ? compose_count(intercepts) : classes;
    if (count != classes && !(count == 1 && classes == 2))
        return adze_onnx_invalid(node, "%lld intercepts for %lld class labels", (long long)count, (long long)classes);
    if (!read_scores(node, count, intercepts, &scores)) return false;
    bool single = count == 1 && classes == 2;
    node->out[0] = ml_labels(node, labels, single ? ml_above(node, scores, 0) : ml_best(node, scores));
    if (node->n_out < 2) return node->out[0] != NULL;
    if (single) scores = ml_second_class(node, transform, scores, true, true);
    bool done = single && strcmp(transform, "PROBIT") != 0;
    node->out[1] = done ? scores : ml_transform(node, transform, scores);
    return node->out[0] && node->out[1];
}
