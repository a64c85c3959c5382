/* Fits in closed form against what is known. */
#include "unit.h"

#include "passes/recover/fit.h"

#include <stdlib.h>

enum { ROWS = 3, COLS = 5, PLACES = 64 };

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (double)(state >> 11) / 9007199254740992.0 - 0.5;
}

static const double shift[ROWS] = {1, -2, 0.5};

/* Sums over places where r = w x + shift + noise. */
static fit_sums made(const double *w, double noise)
{
    fit_sums s = fit_sums_create(ROWS, COLS);
    for (int p = 0; p < PLACES; p++) {
        double x[COLS], r[ROWS];
        for (int j = 0; j < COLS; j++) x[j] = uniform() + (j == 1);
        for (int i = 0; i < ROWS; i++) {
            r[i] = shift[i] + noise * uniform();
            for (int j = 0; j < COLS; j++) r[i] += w[i * COLS + j] * x[j];
            s.r[i] += r[i];
            s.rr += r[i] * r[i];
            for (int j = 0; j < COLS; j++) s.rx[i * COLS + j] += r[i] * x[j];
        }
        for (int j = 0; j < COLS; j++) {
            s.x[j] += x[j];
            for (int k = 0; k < COLS; k++) s.xx[j * COLS + k] += x[j] * x[k];
        }
        s.n++;
    }
    return s;
}

static void random_weights(double *w)
{
    for (int i = 0; i < ROWS * COLS; i++) w[i] = uniform();
}

TEST(finds_weights_and_shift)
{
    double w[ROWS * COLS], got[ROWS * COLS], b[ROWS];
    random_weights(w);
    fit_sums s = made(w, 0);
    fit_change change = {got, b};
    CHECK(fit_solve(&s, 1e-12, NULL, &change));
    for (int i = 0; i < ROWS * COLS; i++) CHECK_NEAR(got[i], w[i], 1e-8);
    for (int i = 0; i < ROWS; i++) CHECK_NEAR(b[i], shift[i], 1e-8);
    CHECK_NEAR(fit_error(&s, &change), -s.rr, 1e-6 * s.rr);
    fit_sums_free(&s);
}

/* Where the wanted weights are 0 outside of the mask, a solve on it finds them; what is masked stays 0. */
TEST(keeps_to_its_mask)
{
    double w[ROWS * COLS], got[ROWS * COLS], b[ROWS];
    bool mask[ROWS * COLS], none[ROWS * COLS] = {false};
    random_weights(w);
    for (int i = 0; i < ROWS * COLS; i++) {
        mask[i] = i % 3 != 1;
        if (!mask[i]) w[i] = 0;
    }
    fit_sums s = made(w, 0);
    fit_change change = {got, b};
    CHECK(fit_solve(&s, 1e-12, mask, &change));
    for (int i = 0; i < ROWS * COLS; i++) CHECK_NEAR(got[i], w[i], mask[i] ? 1e-8 : 0);
    CHECK(fit_solve(&s, 1e-12, none, &change));
    for (int i = 0; i < ROWS; i++) CHECK_NEAR(b[i], s.r[i] / s.n, 1e-12);
    fit_sums_free(&s);
}

/* Nothing to see: nothing changes. Inputs that are always 0 do not make it fail. */
TEST(without_information_nothing_changes)
{
    double got[ROWS * COLS], b[ROWS];
    fit_change change = {got, b};
    fit_sums s = fit_sums_create(ROWS, COLS);
    CHECK(!fit_solve(&s, 1, NULL, &change));
    s.n = 4;
    CHECK(fit_solve(&s, 1, NULL, &change));
    for (int i = 0; i < ROWS * COLS; i++) CHECK_NEAR(got[i], 0, 0);
    fit_sums empty = fit_sums_create(ROWS, COLS);
    CHECK(!fit_choose(&s, &empty, 1e-3, 10, 4, NULL, &change, NULL));
    fit_sums_free(&s);
    fit_sums_free(&empty);
}

/* A fit to noise alone does harm elsewhere, and is left. */
TEST(samples_held_back_decide)
{
    double w[ROWS * COLS] = {0}, got[ROWS * COLS], chosen = 0;
    fit_change change = {got, NULL};
    fit_sums s = made(w, 0), held = made(w, 0);
    for (int i = 0; i < ROWS * COLS; i++) {
        s.rx[i] = 1;
        held.rx[i] = -1;
    }
    CHECK(!fit_choose(&s, &held, 1e-3, 10, 4, NULL, &change, &chosen));
    for (int i = 0; i < ROWS * COLS; i++) CHECK_NEAR(got[i], 0, 0);
    CHECK_NEAR(chosen, 0, 0);
    for (int i = 0; i < ROWS * COLS; i++) held.rx[i] = 1e-2;
    CHECK(fit_choose(&s, &held, 1e-3, 10, 8, NULL, &change, &chosen));
    CHECK(chosen > 1);
    fit_sums_free(&s);
    fit_sums_free(&held);
}

int main(void)
{
    RUN(finds_weights_and_shift);
    RUN(keeps_to_its_mask);
    RUN(without_information_nothing_changes);
    RUN(samples_held_back_decide);
    return unit_end();
}
