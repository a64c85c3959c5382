/* Methods of rounding weights and activations against each other, on a synthetic layer: which one keeps more of the
 * outputs. Asserts the order; `quant_anchors` prints the table (signal to noise of the outputs in dB, on test rows that
 * calibration has not seen).
 */
#include "anchor_layer.h"
#include "unit.h"

#include "passes/quant/numerics.h"

#include <stdlib.h>

enum { GROUP = 32 };

static layer_data sets[2]; /* even gains, with outliers */

/* ---- Weights alone ---- */

static quant_step steps[M * D / GROUP];
static double rounded[M * D];

static double weight_quality(const layer_data *s)
{
    return anchor_quality(s, rounded);
}

static quant_layer layer_of(const layer_data *s, uint32_t bits, bool symmetric, quant_clip clip, size_t group)
{
    return (quant_layer){.rows = M, .cols = D, .group = group, .w = s->w, .h = s->h,
                         .grid = quant_grid_make(bits, symmetric, symmetric), .clip = clip};
}

static double rtn(const layer_data *s, uint32_t bits, bool symmetric, quant_clip clip, size_t group)
{
    quant_layer layer = layer_of(s, bits, symmetric, clip, group);
    quant_steps(&layer, steps);
    quant_rtn(&layer, steps, rounded);
    return weight_quality(s);
}

static double rtn_symmetric(const layer_data *s, uint32_t bits)
{
    return rtn(s, bits, true, QUANT_CLIP_NONE, 0);
}

static double rtn_mse(const layer_data *s, uint32_t bits)
{
    return rtn(s, bits, false, QUANT_CLIP_MSE, 0);
}

static double rtn_gram(const layer_data *s, uint32_t bits)
{
    return rtn(s, bits, false, QUANT_CLIP_GRAM, 0);
}

static double rtn_grouped(const layer_data *s, uint32_t bits)
{
    return rtn(s, bits, false, QUANT_CLIP_NONE, GROUP);
}

static double descend(const layer_data *s, uint32_t bits)
{
    quant_layer layer = layer_of(s, bits, false, QUANT_CLIP_MSE, 0);
    quant_steps(&layer, steps);
    quant_rtn(&layer, steps, rounded);
    quant_descend(&layer, steps, 20, rounded);
    return weight_quality(s);
}

static double gptq(const layer_data *s, uint32_t bits, bool act_order, quant_clip clip, size_t group)
{
    quant_layer layer = layer_of(s, bits, false, clip, group);
    CHECK(quant_gptq(&layer, act_order, 0.01, steps, rounded));
    return weight_quality(s);
}

static double gptq_plain(const layer_data *s, uint32_t bits)
{
    return gptq(s, bits, false, QUANT_CLIP_MSE, 0);
}

static double gptq_ordered(const layer_data *s, uint32_t bits)
{
    return gptq(s, bits, true, QUANT_CLIP_MSE, 0);
}

static double gptq_gram(const layer_data *s, uint32_t bits)
{
    return gptq(s, bits, true, QUANT_CLIP_GRAM, 0);
}

static double gptq_grouped(const layer_data *s, uint32_t bits)
{
    return gptq(s, bits, true, QUANT_CLIP_MSE, GROUP);
}

static double polished(const layer_data *s, uint32_t bits, bool refit)
{
    quant_layer layer = layer_of(s, bits, false, QUANT_CLIP_GRAM, GROUP);
    CHECK(quant_gptq(&layer, true, 0.01, steps, rounded));
    quant_descend(&layer, steps, 20, rounded);
    for (int i = 0; refit && i < 3; i++) {
        quant_refit(&layer, steps, rounded);
        quant_descend(&layer, steps, 20, rounded);
    }
    return weight_quality(s);
}

static double gptq_polished(const layer_data *s, uint32_t bits)
{
    return polished(s, bits, false);
}

static double gptq_refit(const layer_data *s, uint32_t bits)
{
    return polished(s, bits, true);
}

/* By way of 8 and 6 bits, each rounded from the one before. */
static double progressive(const layer_data *s, uint32_t bits)
{
    static double from[M * D];
    memcpy(from, s->w, sizeof from);
    for (uint32_t level = 8; level >= bits; level = level > 6 ? 6 : level > bits ? bits : 0) {
        quant_layer layer = layer_of(s, level, false, QUANT_CLIP_GRAM, GROUP), start = layer;
        start.w = from;
        CHECK(quant_gptq(&start, true, 0.01, steps, rounded));
        quant_descend(&layer, steps, 20, rounded);
        memcpy(from, rounded, sizeof from);
    }
    return weight_quality(s);
}

/* Factors of AWQ, then GPTQ. */
static double awq_gptq(const layer_data *s, uint32_t bits)
{
    static double w[M * D], h[D * D];
    double factors[D];
    quant_layer layer = layer_of(s, bits, false, QUANT_CLIP_GRAM, GROUP);
    quant_awq(&layer, s->mean_abs, D, factors, steps, rounded);
    for (size_t i = 0; i < (size_t)M * D; i++) w[i] = s->w[i] * factors[i % D];
    for (size_t i = 0; i < (size_t)D * D; i++) h[i] = s->h[i] / (factors[i / D] * factors[i % D]);
    layer.w = w;
    layer.h = h;
    CHECK(quant_gptq(&layer, true, 0.01, steps, rounded));
    for (size_t i = 0; i < (size_t)M * D; i++) rounded[i] /= factors[i % D];
    return weight_quality(s);
}

static double awq_grouped(const layer_data *s, uint32_t bits)
{
    double factors[D];
    quant_layer layer = layer_of(s, bits, false, QUANT_CLIP_GRAM, GROUP);
    quant_awq(&layer, s->mean_abs, D, factors, steps, rounded);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < D; j++) rounded[i * D + j] /= factors[j];
    return weight_quality(s);
}

/* ---- Weights and activations of 8 bits ---- */

/* `alpha` < 0: no factors. */
static double w8a8(const layer_data *s, double alpha, bool per_token)
{
    static double x[ROWS * D], w[D * M], y[ROWS * M], e[ROWS * M];
    double factors[D], w_max[D];
    quant_grid narrow = quant_grid_make(8, true, true), wide = quant_grid_make(8, false, false);
    for (size_t j = 0; j < D; j++) {
        w_max[j] = 0;
        for (size_t i = 0; i < M; i++) w_max[j] = fmax(w_max[j], fabs(s->w[i * D + j]));
        factors[j] = 1;
    }
    if (alpha >= 0) quant_smooth(s->abs_max, w_max, D, alpha, factors);
    double lo = 0, hi = 0;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < D; j++) {
            double v = s->calibration[r * D + j] / factors[j];
            lo = fmin(lo, v);
            hi = fmax(hi, v);
        }
    quant_step step = quant_step_of(wide, lo, hi);
    for (size_t r = 0; r < ROWS; r++) {
        double top = 0;
        for (size_t j = 0; j < D; j++) top = fmax(top, fabs(s->test[r * D + j] / factors[j]));
        quant_step own = quant_step_of(narrow, -top, top);
        for (size_t j = 0; j < D; j++)
            x[r * D + j] = quant_round(per_token ? narrow : wide, per_token ? own : step,
                                       s->test[r * D + j] / factors[j]);
    }
    for (size_t i = 0; i < M; i++) {
        double top = 0;
        for (size_t j = 0; j < D; j++) top = fmax(top, fabs(s->w[i * D + j] * factors[j]));
        quant_step own = quant_step_of(narrow, -top, top);
        for (size_t j = 0; j < D; j++) w[j * M + i] = quant_round(narrow, own, s->w[i * D + j] * factors[j]);
    }
    memset(e, 0, sizeof e);
    memset(y, 0, sizeof y);
    linalg_gemm(e, M, x, D, w, M, ROWS, M, D, 1);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < D; j++) w[j * M + i] = s->w[i * D + j];
    linalg_gemm(y, M, s->test, D, w, M, ROWS, M, D, 1);
    double signal = 0, noise = 0;
    for (size_t i = 0; i < (size_t)ROWS * M; i++) {
        signal += y[i] * y[i];
        noise += (e[i] - y[i]) * (e[i] - y[i]);
    }
    return decibel(signal, noise);
}

/* ---- The table ---- */

enum { RTN_SYM, RTN_MSE, RTN_GRAM, CD, GPTQ, GPTQ_ORDER, GPTQ_GRAM, RTN_G32, AWQ_G32, GPTQ_G32,
       POLISHED, REFIT, PROGRESSIVE, AWQ_GPTQ, N_METHODS };
static const struct {
    const char *name;
    double (*run)(const layer_data *s, uint32_t bits);
} methods[N_METHODS] = {
    {"rtn, symmetric, absmax", rtn_symmetric}, {"rtn, asymmetric, mse clip", rtn_mse},
    {"rtn, asymmetric, gram clip", rtn_gram},  {"rtn + descent, 20 sweeps", descend},
    {"gptq, mse clip", gptq_plain},            {"gptq, act-order, mse clip", gptq_ordered},
    {"gptq, act-order, gram clip", gptq_gram}, {"rtn, group 32", rtn_grouped},
    {"awq, group 32", awq_grouped},            {"gptq, group 32, act-order", gptq_grouped},
    {"and gram clip, descent", gptq_polished}, {"and 3 refits", gptq_refit},
    {"descent, 8, 6, then fewer", progressive}, {"awq, then gptq, group 32", awq_gptq}};

static double got[2][2][N_METHODS]; /* bits 4 or 3; set */

static const struct {
    const char *name;
    double alpha;
    bool per_token;
} eights[] = {{"static", -1, false}, {"smooth 0.5, static", 0.5, false}, {"smooth 0.75, static", 0.75, false},
              {"per token", -1, true}, {"smooth 0.5, per token", 0.5, true}};

/* a is better than b by at least `margin` dB. */
static void better(int bits, int set, int a, int b, double margin)
{
    bool ok = got[bits][set][a] >= got[bits][set][b] + margin;
    CHECK(ok);
    if (!ok) printf("  W%d, set %d: '%s' against '%s'\n", 4 - bits, set, methods[a].name, methods[b].name);
}

TEST(weights)
{
    printf("%-28s %6s %6s %6s %6s   (dB; even gains, with outliers)\n", "weights", "W4", "", "W3", "");
    for (int m = 0; m < N_METHODS; m++) {
        for (int bits = 0; bits < 2; bits++)
            for (int set = 0; set < 2; set++) got[bits][set][m] = methods[m].run(&sets[set], 4 - (uint32_t)bits);
        printf("%-28s %6.1f %6.1f %6.1f %6.1f\n", methods[m].name, got[0][0][m], got[0][1][m], got[1][0][m],
               got[1][1][m]);
    }
    for (int bits = 0; bits < 2; bits++)
        for (int set = 0; set < 2; set++) {
            better(bits, set, RTN_MSE, RTN_SYM, 1);
            better(bits, set, RTN_GRAM, RTN_MSE, 0);
            better(bits, set, CD, RTN_MSE, 4);
            better(bits, set, GPTQ, RTN_MSE, 4);
            better(bits, set, GPTQ_ORDER, GPTQ, 0.5);
            better(bits, set, GPTQ_GRAM, GPTQ_ORDER, -0.2);
            better(bits, set, AWQ_G32, RTN_G32, 0.3);
            better(bits, set, GPTQ_G32, AWQ_G32, 1);
            better(bits, set, POLISHED, GPTQ_G32, 0);
            better(bits, set, REFIT, POLISHED, 0);
            better(bits, set, POLISHED, PROGRESSIVE, -0.1); /* the way there gains nothing */
            better(bits, set, AWQ_GPTQ, AWQ_G32, 1);
        }
    for (int bits = 0; bits < 2; bits++) /* and groups where they are even */
        better(bits, 0, GPTQ_G32, GPTQ_GRAM, 0.5);
    for (int bits = 0; bits < 2; bits++) { /* uneven inputs are what these are for */
        better(bits, 1, RTN_GRAM, RTN_MSE, 2);
        better(bits, 1, GPTQ_GRAM, GPTQ_ORDER, 2);
        better(bits, 1, AWQ_G32, RTN_G32, 3);
        better(bits, 1, CD, GPTQ, 1);
        better(bits, 1, GPTQ_GRAM, GPTQ_G32, 0.3);
    }
}

TEST(eight_bits)
{
    double q[2][5];
    printf("%-28s %6s %6s\n", "W8A8", "even", "outliers");
    for (int i = 0; i < 5; i++) {
        for (int set = 0; set < 2; set++) q[set][i] = w8a8(&sets[set], eights[i].alpha, eights[i].per_token);
        printf("%-28s %6.1f %6.1f\n", eights[i].name, q[0][i], q[1][i]);
    }
    for (int set = 0; set < 2; set++) {
        CHECK(q[set][1] > q[set][0] + 2); /* smooth 0.5 over static */
        CHECK(q[set][2] > q[set][1]);     /* 0.75 over 0.5 */
        CHECK(q[set][3] > q[set][0] + 2); /* per token over static */
        CHECK(q[set][4] > q[set][3] + 1); /* both over each */
        CHECK(q[set][4] > q[set][2] + 1);
    }
}

int main(void)
{
    for (int i = 0; i < 2; i++) make(&sets[i], i);
    RUN(weights);
    RUN(eight_bits);
    return unit_end();
}
