/* SVMRegressor and SVMClassifier: a kernel of x with the support vectors, and products with coefficients.
 *
 * A classifier decides between each two classes; what it decides is a product of the kernel's values with a matrix that
 * is made of the coefficients here: those of the vectors of class i against class j stand in row j - 1, those of j
 * against i in row i. The class that wins most pairs is the label. Without support vectors both are linear.
 */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

typedef struct svm {
    const char *kernel, *transform;
    float gamma, shift, degree;
    const float *vectors, *coefficients, *rho;
    size_t n_vectors, n_coefficients, n_rho; /* of floats */
} svm;

static bool read_svm(adze_onnx_node *node, svm *s)
{
    static const char *const known[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    const float *params;
    size_t count;
    *s = (svm){.kernel = "LINEAR"};
    if (!ml_read_transform(node, &s->transform) || !adze_onnx_attr_str(node, "kernel_type", &s->kernel) ||
        !adze_onnx_attr_floats(node, "kernel_params", &params, &count) ||
        !adze_onnx_attr_floats(node, "support_vectors", &s->vectors, &s->n_vectors) ||
        !adze_onnx_attr_floats(node, "coefficients", &s->coefficients, &s->n_coefficients) ||
        !adze_onnx_attr_floats(node, "rho", &s->rho, &s->n_rho))
        return false;
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) found = found || !strcmp(s->kernel, known[i]);
    if (!found) return adze_onnx_invalid(node, "attribute 'kernel_type' is '%s'", s->kernel);
    if (count != 0 && count != 3)
        return adze_onnx_invalid(node, "%zu kernel_params; gamma, coef0 and degree are expected", count);
    if (count) s->gamma = params[0], s->shift = params[1], s->degree = params[2];
    if (!s->n_rho) return adze_onnx_invalid(node, "has no rho");
    return true;
}

static term *number(adze_onnx_node *node, float value) { return compose_number(node, ADZE_DTYPE_f32, (double)value); }

/* Rows of x with rows of the constant: [rows, n]. */
static term *dot(adze_onnx_node *node, term *x, const float *values, int64_t count, int64_t columns)
{
    adze_attr attr = adze_attr_int("transB", 1);
    term *weights = compose_floats(node, values, count, columns);
    return compose_all(node, "gemm", (term *[]){x, weights}, 2, 2, &attr, 1);
}

/* |x - v|^2 for each vector v, difference by difference: nothing cancels. */
static term *distance(adze_onnx_node *node, const svm *s, term *x, int64_t columns)
{
    int64_t axis = 2;
    term *vectors = compose_floats(node, s->vectors, (int64_t)s->n_vectors, columns);
    term *far = compose2(node, "sub", compose_unsqueeze(node, x, 1, 2), vectors);
    return compose_reduce(node, "reduce_sum", compose2(node, "mul", far, far), &axis, 1, false);
}

/* [rows, vectors] */
static term *kernel(adze_onnx_node *node, const svm *s, term *x, int64_t columns)
{
    if (!strcmp(s->kernel, "RBF"))
        return compose1(node, "exp", compose2(node, "mul", distance(node, s, x, columns), number(node, -s->gamma)));
    term *k = dot(node, x, s->vectors, (int64_t)s->n_vectors, columns);
    if (!strcmp(s->kernel, "LINEAR")) return k;
    k = compose2(node, "add", compose2(node, "mul", k, number(node, s->gamma)), number(node, s->shift));
    if (!strcmp(s->kernel, "SIGMOID")) return compose1(node, "tanh", k);
    return compose2(node, "pow", k, number(node, s->degree));
}

/* x as rows, and how many columns it must have: `count` floats are `rows` rows of it. */
static bool read_rows(adze_onnx_node *node, size_t count, int64_t rows, const char *what, term **x, int64_t *columns)
{
    int64_t given;
    *x = ml_rows(node, 0, ADZE_DTYPE_f32);
    if (!*x) return false;
    if (rows < 1 || !count || count % (uint64_t)rows)
        return adze_onnx_invalid(node, "%zu floats for %lld %s", count, (long long)rows, what);
    *columns = (int64_t)(count / (uint64_t)rows);
    if (adze_dim_is_const(compose_dim(*x, 1), &given) && given != *columns)
        return adze_onnx_invalid(node, "%zu floats for %lld %s of %lld columns", count, (long long)rows, what,
                                 (long long)given);
    return true;
}

bool adze_onnx_ml_svm_regressor(adze_onnx_node *node)
{
    svm s;
    term *x, *y;
    int64_t supports = 0, one_class = 0, columns;
    if (!read_svm(node, &s) || !adze_onnx_attr_int(node, "n_supports", &supports) ||
        !adze_onnx_attr_flag(node, "one_class", &one_class))
        return false;
    if (supports < 0 || (supports && s.n_coefficients != (uint64_t)supports))
        return adze_onnx_invalid(node, "%zu coefficients for %lld support vectors", s.n_coefficients,
                                 (long long)supports);
    if (supports) {
        if (!read_rows(node, s.n_vectors, supports, "support vectors", &x, &columns)) return false;
        y = dot(node, kernel(node, &s, x, columns), s.coefficients, supports, supports);
    } else {
        if (!read_rows(node, s.n_coefficients, 1, "coefficients", &x, &columns)) return false;
        y = dot(node, x, s.coefficients, columns, columns);
    }
    y = compose2(node, "add", y, number(node, s.rho[0]));
    if (one_class) {
        term *inside = compose2(node, "greater", y, number(node, 0));
        y = compose3(node, "where", inside, number(node, 1), number(node, -1));
    }
    return compose_end(node, ml_transform(node, s.transform, y));
}

/* ---- Classes ---- */

/* Bound on the matrix of coefficients, which has a row for each pair: n / 2 times what the node has. */
enum { MAX_WEIGHTS = 1 << 26 };

typedef struct classes {
    int64_t n, pairs, vectors;
    const int64_t *counts; /* of the vectors of each class */
    float *weights; /* [pairs, vectors] */
} classes;

static void fill(const svm *s, classes *c)
{
    int64_t pair = 0, first_i = 0;
    for (int64_t i = 0; i < c->n; first_i += c->counts[i++]) {
        int64_t first_j = first_i + c->counts[i];
        for (int64_t j = i + 1; j < c->n; first_j += c->counts[j++], pair++) {
            float *row = c->weights + pair * c->vectors;
            for (int64_t k = 0; k < c->counts[i]; k++)
                row[first_i + k] = s->coefficients[(j - 1) * c->vectors + first_i + k];
            for (int64_t k = 0; k < c->counts[j]; k++)
                row[first_j + k] = s->coefficients[i * c->vectors + first_j + k];
        }
    }
}

static bool read_classes(adze_onnx_node *node, const svm *s, term *labels, classes *c)
{
    size_t count = 0;
    *c = (classes){0};
    if (!adze_onnx_attr_ints(node, "vectors_per_class", &c->counts, &count)) return false;
    c->n = (int64_t)count;
    c->pairs = c->n * (c->n - 1) / 2;
    for (int64_t i = 0; i < c->n; i++) {
        if (c->counts[i] < 0 || c->counts[i] > (int64_t)s->n_vectors)
            return adze_onnx_invalid(node, "class %lld has %lld vectors", (long long)i, (long long)c->counts[i]);
        c->vectors += c->counts[i];
    }
    if (c->n < 2 || c->n > 4096 || c->n != compose_count(labels) || (int64_t)s->n_rho != c->pairs ||
        (int64_t)s->n_coefficients != (c->n - 1) * c->vectors)
        return adze_onnx_invalid(
            node, "%lld class labels, %zu coefficients and %zu rho for %lld vectors of %lld classes",
            (long long)compose_count(labels), s->n_coefficients, s->n_rho, (long long)c->vectors, (long long)c->n);
    if (c->vectors > MAX_WEIGHTS / c->pairs)
        return adze_onnx_unsupported(node, "%lld vectors of %lld classes: %lld pairs of them take more than %d MB",
                                     (long long)c->vectors, (long long)c->n, (long long)c->pairs,
                                     MAX_WEIGHTS / (1 << 18));
    c->weights = calloc((size_t)(c->pairs * c->vectors) + 1, sizeof *c->weights);
    if (!c->weights) return adze_onnx_invalid(node, "out of memory");
    fill(s, c);
    return true;
}

/* What is there for each pair, [rows, 2 pairs] (for its first class, then for its second), as [rows, n, n]: of class i
 * against class j. On the diagonal stands that of the first pair. */
static term *by_classes(adze_onnx_node *node, const classes *c, term *pairs)
{
    adze_context *context = node->import->context;
    int64_t *places = calloc((size_t)(c->n * c->n), sizeof *places);
    if (!places) return adze_onnx_invalid(node, "out of memory"), NULL;
    int64_t pair = 0;
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t j = i + 1; j < c->n; j++, pair++) {
            places[i * c->n + j] = pair;
            places[j * c->n + i] = c->pairs + pair;
        }
    adze_attr axis = adze_attr_int("axis", 1);
    term *list = compose_ints(node, places, (size_t)(c->n * c->n));
    free(places);
    term *all = compose_all(node, "gather", (term *[]){pairs, list}, 2, 2, &axis, 1);
    if (!all) return NULL;
    const adze_dim *n = adze_dim_const(context, c->n), *dims[] = {compose_dim(all, 0), n, n};
    return compose_reshape(node, all, dims, 3);
}

/* Which class wins most pairs. The diagonal gives all of them the same. */
static term *winner(adze_onnx_node *node, const classes *c, term *decided)
{
    int64_t axis = 2;
    term *above = compose2(node, "greater", decided, number(node, 0));
    term *both[] = {compose_cast(node, above, ADZE_DTYPE_f32),
                    compose_cast(node, compose1(node, "not", above), ADZE_DTYPE_f32)};
    term *wins = by_classes(node, c, compose_concat(node, both, 2, 1));
    return ml_best(node, compose_reduce(node, "reduce_sum", wins, &axis, 1, false));
}

/* Probabilities of the classes: of pairs by Platt's logistic function of what is decided, then coupled. */
static term *couple(adze_onnx_node *node, const classes *c, const float *a, const float *b, term *decided)
{
    term *steep = compose_floats(node, a, c->pairs, 0), *moved = compose_floats(node, b, c->pairs, 0);
    term *x = compose2(node, "add", compose2(node, "mul", decided, steep), moved);
    term *p = compose1(node, "sigmoid", compose1(node, "neg", x));
    p = compose_all(node, "clip", (term *[]){p, number(node, 1e-7f), number(node, 1 - 1e-7f)}, 3, 3, NULL, 0);
    p = compose_concat(node, (term *[]){p, compose2(node, "sub", number(node, 1), p)}, 2, 1);
    return compose1(node, "couple_probabilities", by_classes(node, c, p));
}

static bool say_classes(adze_onnx_node *node, const svm *s, const classes *c, term *labels, term *decided)
{
    const float *a, *b;
    size_t n_a, n_b;
    if (!adze_onnx_attr_floats(node, "prob_a", &a, &n_a) || !adze_onnx_attr_floats(node, "prob_b", &b, &n_b))
        return false;
    if (n_a != n_b || (n_a && (int64_t)n_a != c->pairs))
        return adze_onnx_invalid(node, "%zu prob_a and %zu prob_b for %lld pairs of classes", n_a, n_b,
                                 (long long)c->pairs);
    node->out[0] = ml_labels(node, labels, winner(node, c, decided));
    if (node->n_out < 2) return node->out[0] != NULL;
    if (n_a) {
        node->out[1] = ml_transform(node, s->transform, couple(node, c, a, b, decided));
    } else if (c->pairs == 1) {
        bool plain = !strcmp(s->transform, "NONE"), done = strcmp(s->transform, "PROBIT") != 0;
        term *scores = ml_second_class(node, s->transform, decided, !plain, true);
        node->out[1] = done ? scores : ml_transform(node, s->transform, scores);
    } else {
        node->out[1] = ml_transform(node, s->transform, decided);
    }
    return node->out[0] && node->out[1];
}

/* Without support vectors: a product for each class. */
static bool say_linear(adze_onnx_node *node, const svm *s, term *labels)
{
    term *x;
    int64_t columns, n = compose_count(labels);
    if (!read_rows(node, s->n_coefficients, n, "classes", &x, &columns)) return false;
    term *scores = compose2(node, "add", dot(node, x, s->coefficients, (int64_t)s->n_coefficients, columns),
                            number(node, s->rho[0]));
    node->out[0] = ml_labels(node, labels, ml_best(node, scores));
    if (node->n_out > 1) node->out[1] = ml_transform(node, s->transform, scores);
    return node->out[0] && (node->n_out < 2 || node->out[1]);
}

bool adze_onnx_ml_svm_classifier(adze_onnx_node *node)
{
    svm s;
    classes c;
    term *labels, *x;
    int64_t columns;
    if (!read_svm(node, &s) || !ml_read_labels(node, "classlabels_ints", &labels)) return false;
    if (!s.n_vectors) return say_linear(node, &s, labels);
    bool ok = read_classes(node, &s, labels, &c) &&
              read_rows(node, s.n_vectors, c.vectors, "support vectors", &x, &columns);
    if (ok) {
        term *decided = dot(node, kernel(node, &s, x, columns), c.weights, c.pairs * c.vectors, c.vectors);
        decided = compose2(node, "add", decided, compose_floats(node, s.rho, c.pairs, 0));
        ok = say_classes(node, &s, &c, labels, decided);
    }
    free(c.weights);
    return ok;
}
