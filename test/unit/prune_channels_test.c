/* Scores of channels against each other, on a synthetic layer half of whose inputs go: what is left of the outputs
 * without and with least squares. Asserts the order; prints the table. And what scores are on numbers that can be
 * checked by hand.
 */
#include "anchor_layer.h"
#include "unit.h"

#include "passes/prune/channels/scores.h"

#include <stdlib.h>
#include <string.h>

static layer_data sets[2]; /* even gains, with outliers */
static uint32_t columns[D];
static double pruned[M * D];

static void by_score(const double *score, bool *gone)
{
    memset(gone, 0, D);
    for (size_t k = 0; k < D / 2; k++) {
        size_t best = D;
        for (size_t j = 0; j < D; j++)
            if (!gone[j] && (best == D || score[j] < score[best])) best = j;
        gone[best] = true;
    }
}

static void by_order(const uint32_t *order, bool *gone)
{
    memset(gone, 0, D);
    for (size_t k = 0; k < D / 2; k++) gone[order[k]] = true;
}

static score_consumer consumer_of(const layer_data *s, double *w, double *h)
{
    memcpy(w, s->w, sizeof s->w);
    memcpy(h, s->h, sizeof s->h);
    return (score_consumer){.rows = M, .cols = D, .units = D, .per_unit = 1, .columns = columns, .w = w, .h = h};
}

static double left_alone(const layer_data *s, const bool *gone)
{
    for (size_t i = 0; i < (size_t)M * D; i++) pruned[i] = gone[i % D] ? 0 : s->w[i];
    return anchor_quality(s, pruned);
}

static double fitted(const layer_data *s, const bool *gone)
{
    static double b[M * D];
    memset(b, 0, sizeof b);
    linalg_gemm(b, D, s->w, D, s->h, D, M, D, D, 1);
    CHECK(score_refit(b, s->h, s->w, gone, M, D, 1e-6, pruned));
    return anchor_quality(s, pruned);
}

enum { L1, L2, GEOMEAN, GEOMEDIAN, ACTIVATION, THINET, OBS, N_SCORES };
static const char *const names[N_SCORES] = {"l1", "l2", "geomean", "geomedian", "activation", "thinet", "obs"};

static void choose(const layer_data *s, int score, bool *gone)
{
    static double w[M * D], h[D * D], turned[D * M], c[D * D], loss[D], value[D];
    static uint32_t order[D];
    static const double one = 1;
    score_consumer consumer = consumer_of(s, w, h);
    for (size_t m = 0; m < M; m++)
        for (size_t j = 0; j < D; j++) turned[j * M + m] = s->w[m * D + j];
    memset(value, 0, sizeof value);
    memset(c, 0, sizeof c);
    switch (score) {
    case L1: score_l1(turned, D, M, value); break;
    case L2: score_l2(turned, D, M, value); break;
    case GEOMEAN: score_geomean(turned, D, M, value); break;
    case GEOMEDIAN: score_geomedian(turned, D, M, value); break;
    case ACTIVATION: score_activation(&consumer, 1, value); break;
    case THINET:
        score_products(&consumer, 1, c);
        score_thinet(c, D, order, loss);
        break;
    default:
        REQUIRE(score_invert(h, D, 1e-3));
        score_obs(&consumer, 1, &one, D / 2, order, loss);
    }
    if (score < THINET) by_score(value, gone);
    else by_order(order, gone);
}

TEST(half_of_the_channels)
{
    static double alone[N_SCORES][2], fit[N_SCORES][2];
    bool gone[D];
    for (uint32_t j = 0; j < D; j++) columns[j] = j;
    for (int set = 0; set < 2; set++) {
        make(&sets[set], set);
        for (int score = 0; score < N_SCORES; score++) {
            choose(&sets[set], score, gone);
            alone[score][set] = left_alone(&sets[set], gone);
            fit[score][set] = fitted(&sets[set], gone);
        }
    }
    printf("%-12s %22s   %s\n", "dB of outputs", "even gains", "with outliers");
    for (int score = 0; score < N_SCORES; score++)
        printf("%-12s alone %5.1f fitted %5.1f   alone %5.1f fitted %5.1f\n", names[score], alone[score][0],
               fit[score][0], alone[score][1], fit[score][1]);
    for (int set = 0; set < 2; set++) {
        for (int score = 0; score < N_SCORES; score++) CHECK(fit[score][set] > alone[score][set] + 3);
        CHECK(fit[ACTIVATION][set] > fit[L1][set] + 2);
        CHECK(fit[OBS][set] > fit[ACTIVATION][set] + 0.5);
        CHECK(fit[OBS][set] > fit[THINET][set] + 0.5);
    }
    CHECK(fit[OBS][1] > fit[L1][1] + 6);
}

/* What the surgeon says that it costs, and leaves, is what least squares says. */
TEST(obs_is_least_squares)
{
    enum { N = 6, R = 3, GONE = 2 };
    static const uint32_t pairs[] = {0, 3, 1, 5, 2, 4};
    double x[N * 40], h[N * N] = {0}, inverse[N * N], w[R * N], old[R * N], b[R * N] = {0}, out[R * N], room[6];
    state = 7;
    for (size_t i = 0; i < N * 40; i++) x[i] = normal() + (i >= 40 ? 0.7 * x[i - 40] : 0);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            for (size_t r = 0; r < 40; r++) h[i * N + j] += x[i * 40 + r] * x[j * 40 + r];
    for (size_t i = 0; i < R * N; i++) old[i] = w[i] = normal();
    memcpy(inverse, h, sizeof h);
    REQUIRE(score_invert(inverse, N, 0));
    score_consumer c = {.rows = R, .cols = N, .units = 3, .per_unit = 2, .columns = pairs, .w = w, .h = inverse};
    double cost = score_obs_cost(&c, GONE, room);
    static const uint32_t only[] = {GONE};
    score_obs_remove(&c, only, 1);
    bool gone[N] = {[2] = true, [4] = true};
    linalg_gemm(b, N, old, N, h, N, R, N, N, 1);
    REQUIRE(score_refit(b, h, old, gone, R, N, 0, out));
    double e[R * N];
    for (size_t i = 0; i < R * N; i++) {
        CHECK_NEAR(w[i], out[i], 1e-9);
        e[i] = old[i] - out[i];
    }
    CHECK_NEAR(cost, linalg_error(e, h, R, N), 1e-9 * cost);
    for (size_t j = 0; j < N; j++) CHECK(inverse[2 * N + j] == 0 && inverse[j * N + 4] == 0);
}

TEST(by_hand)
{
    static const double w[] = {1, -2, 2, 0, 0, 4, 1, 1, 1};
    double out[3], c[9] = {1, -1, 0, -1, 1, 0, 0, 0, 0.5}, loss[3];
    uint32_t order[3];
    score_l1(w, 3, 3, out);
    CHECK_NEAR(out[0], 5, 0);
    CHECK_NEAR(out[1], 4, 0);
    score_l2(w, 3, 3, out);
    CHECK_NEAR(out[0], 3, 1e-12);
    score_geomean(w, 3, 3, out); /* one zero does not make it 0 */
    CHECK_NEAR(out[0], cbrt(4.0), 1e-9);
    CHECK(out[1] > 0 && out[1] < 1e-6);
    CHECK_NEAR(out[2], 1, 1e-9);
    score_geomedian(w, 3, 3, out);
    CHECK_NEAR(out[0], sqrt(1 + 4 + 4) + sqrt(0 + 9 + 1.0), 1e-12);
    /* Two units that cancel are worth nothing together: one that is worth less alone goes first, then they do. */
    score_thinet(c, 3, order, loss);
    CHECK_INT(order[0], 2);
    CHECK_NEAR(loss[0], 0.5, 0);
    CHECK_NEAR(loss[2], 0.5, 1e-12);
}

/* Nothing that can be inverted is no crash. */
TEST(singular)
{
    double h[4] = {0}, nan[4] = {NAN, NAN, NAN, NAN}, out[2], b[2] = {0};
    bool gone[2] = {true, false};
    CHECK(score_invert(h, 2, 1e-3));
    CHECK(!score_invert(nan, 2, 1e-3));
    double zero[4] = {0};
    CHECK(score_refit(b, zero, b, gone, 1, 2, 1e-6, out));
    CHECK(out[0] == 0 && out[1] == 0);
    CHECK(!score_refit(b, nan, b, gone, 1, 2, 1e-6, out));
}

int main(void)
{
    RUN(half_of_the_channels);
    RUN(obs_is_least_squares);
    RUN(by_hand);
    RUN(singular);
    return unit_end();
}
