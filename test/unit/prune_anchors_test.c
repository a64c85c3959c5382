/* Methods of pruning weights against each other, on a synthetic layer: which one keeps more of the outputs. Asserts the
 * order; `prune_anchors` prints the table (signal to noise of the outputs in dB, on test rows that calibration has not
 * seen), with least squares on the mask behind each method beside it.
 */
#include "anchor_layer.h"
#include "unit.h"

#include "passes/prune/numerics.h"

enum { N_METHODS = 4, N_PATTERNS = 6 };

static const char *const methods[N_METHODS] = {"magnitude", "wanda", "sparsegpt", "obs"};
static const struct {
    const char *pattern;
    double share;
} patterns[N_PATTERNS] = {{"", 0.5}, {"2:4", 0.5}, {"1x4", 0.5}, {"4x1", 0.5}, {"16x1", 0.5}, {"", 0.8}};

static layer_data sets[2]; /* even gains, with outliers */
static bool kept[M * D];
static double out[M * D], scores[M * D];
static double got[N_PATTERNS][N_METHODS][2][2]; /* set; with least squares */

static size_t count_kept(void)
{
    size_t n = 0;
    for (size_t i = 0; i < (size_t)M * D; i++) n += kept[i];
    return n;
}

static void prune(const prune_layer *layer, int method, double share)
{
    memset(kept, true, sizeof kept);
    if (method == PRUNE_OBS) {
        prune_trace trace;
        REQUIRE(prune_trace_make(layer, kept, &trace));
        prune_trace_select(layer, &trace, share, kept);
        prune_trace_free(&trace);
        CHECK(prune_refit(layer, kept, out));
    } else if (method == PRUNE_SPARSEGPT) {
        CHECK(prune_sparsegpt(layer, share, kept, out));
    } else {
        CHECK(prune_scores(layer, (prune_method)method, scores));
        prune_select(layer, scores, share, method == PRUNE_WANDA, kept);
        for (size_t i = 0; i < (size_t)M * D; i++) out[i] = kept[i] ? layer->w[i] : 0;
    }
}

static void measure(int pattern, int method, int set)
{
    const layer_data *s = &sets[set];
    prune_layer layer = {.rows = M, .cols = D, .groups = 1, .w = s->w, .h = s->h};
    REQUIRE(prune_pattern_parse(patterns[pattern].pattern, &layer.pattern));
    prune(&layer, method, patterns[pattern].share);
    double units = (double)prune_units(&layer), size = M * D / units;
    CHECK_NEAR((double)count_kept(), M * D * (1 - patterns[pattern].share), 2 * M * size);
    got[pattern][method][set][0] = anchor_quality(s, out);
    CHECK(prune_refit(&layer, kept, out));
    got[pattern][method][set][1] = anchor_quality(s, out);
}

static void better(int pattern, int set, int a, int b, int fitted, double margin)
{
    bool ok = got[pattern][a][set][fitted] >= got[pattern][b][set][fitted] + margin;
    CHECK(ok);
    if (!ok) printf("  '%s', set %d: %s against %s\n", patterns[pattern].pattern, set, methods[a], methods[b]);
}

TEST(order)
{
    printf("%-22s %6s %6s %6s %6s   (dB; even gains, with outliers; the same with least squares)\n", "", "even",
           "outl.", "+LS", "+LS");
    for (int p = 0; p < N_PATTERNS; p++)
        for (int m = 0; m < N_METHODS; m++) {
            for (int set = 0; set < 2; set++) measure(p, m, set);
            printf("%3.0f %% %-6s %-10s %6.1f %6.1f %6.1f %6.1f\n", 100 * patterns[p].share, patterns[p].pattern,
                   methods[m], got[p][m][0][0], got[p][m][1][0], got[p][m][0][1], got[p][m][1][1]);
        }
    for (int p = 0; p < N_PATTERNS; p++)
        for (int set = 0; set < 2; set++) {
            better(p, set, PRUNE_SPARSEGPT, PRUNE_MAGNITUDE, 0, 2);
            better(p, set, PRUNE_SPARSEGPT, PRUNE_WANDA, 0, 1);
            better(p, set, PRUNE_OBS, PRUNE_SPARSEGPT, 0, 1);
            for (int m = 0; m < N_METHODS; m++) CHECK(got[p][m][set][1] > got[p][m][set][0] - 0.1);
            better(p, set, PRUNE_OBS, PRUNE_MAGNITUDE, 1, 1);
        }
    for (int p = 0; p < N_PATTERNS; p++) better(p, 1, PRUNE_WANDA, PRUNE_MAGNITUDE, 0, 3); /* what it is for */
    for (int set = 0; set < 2; set++)
        for (int m = 0; m < N_METHODS; m++)
            for (int p = 1; p < 5; p++) CHECK(got[0][m][set][0] > got[p][m][set][0]); /* freedom is worth something */
}

int main(void)
{
    for (int i = 0; i < 2; i++) make(&sets[i], i);
    RUN(order);
    return unit_end();
}
