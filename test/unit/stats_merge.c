/* Statistics of two halves of a data set, weighted together, beside statistics of the whole. */
#include "unit.h"

#include <adze/registry.h>
#include <adze/stats.h>
#include <adze/table.h>

#include <stdlib.h>
#include <unistd.h>

#define COUNT(got, want) CHECK_INT((int64_t)(got), (int64_t)(want))

static char messages[4096];

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    size_t used = strlen(messages);
    (void)self;
    snprintf(messages + used, sizeof messages - used, "%s\n", diagnostic->message);
}

static void check_message(const char *text)
{
    if (!unit_check(strstr(messages, text) && strchr(messages, '\n') == messages + strlen(messages) - 1, __FILE__,
                    __LINE__, "one message with the text"))
        printf("  text: %s\n  messages: %s\n", text, messages);
    messages[0] = '\0';
}

/* ---- A model and its data ---- */

enum { ROWS = 3, WIDTH = 3, OLD = 4, NEW = 7, ALL = OLD + NEW };

static const char source[] = "module @m {\n"
                             "  const @w: f32[3,2] = dense[1.0, 2.0, 0.0, -1.0, 3.0, 1.0]\n"
                             "  const @v: f32[2,2] = dense[1.0, 0.0, 0.0, 1.0]\n"
                             "  func @main(%x: f32[N,3]) -> (%out: f32[N,2]) {\n"
                             "    %h = matmul(%x, @w) : f32[N,2]\n"
                             "    %0 = relu(%h) : f32[N,2]\n"
                             "    %y = matmul(%0, @v) : f32[N,2]\n"
                             "    return(%y)\n  }\n}\n";

typedef struct world {
    adze_context *context;
    adze_registry *registry;
    adze_module *module;
    float x[ALL][ROWS][WIDTH];
    uint64_t first; /* of the part that is collected from */
    int64_t dims[2];
} world;

static bool sample(void *self, uint64_t index, adze_value *out)
{
    world *w = self;
    w->dims[0] = ROWS;
    w->dims[1] = WIDTH;
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR,
                        .dtype = ADZE_DTYPE_f32,
                        .rank = 2,
                        .dims = w->dims,
                        .data = w->x[w->first + index]};
    return true;
}

/* The old samples are `scale` as large as the new ones, and shifted. */
static bool begin(world *w, float scale)
{
    *w = (world){.context = adze_context_create()};
    adze_context_set_sink(w->context, keep, NULL);
    w->registry = adze_registry_create(w->context);
    w->module = adze_module_parse(w->context, "unit", source, strlen(source));
    for (uint32_t s = 0, seed = 1; s < ALL; s++)
        for (int k = 0; k < ROWS * WIDTH; k++) {
            seed = seed * 1664525u + 1013904223u;
            float x = (float)(seed >> 8) / 0x1p22f - 1.5f;
            w->x[s][k / WIDTH][k % WIDTH] = s < OLD ? scale * (x + 0.7f) : x;
        }
    messages[0] = '\0';
    return w->registry && w->module;
}

static void end(world *w)
{
    CHECK(!messages[0]);
    adze_module_destroy(w->module);
    adze_registry_destroy(w->registry);
    adze_context_destroy(w->context);
}

static adze_stats *collect_of(world *w, const adze_module *module, uint64_t first, uint64_t count, bool gram,
                              const adze_ir_value *only)
{
    adze_collect_options options = {.struct_size = sizeof options, .gram = gram};
    adze_calibration data = {.struct_size = sizeof data,
                             .n_inputs = 1,
                             .count = count,
                             .fingerprint = first + 7,
                             .name = "data",
                             .self = w,
                             .sample = sample};
    w->first = first;
    return adze_stats_collect(w->registry, module, only ? &only : NULL, only != NULL, &data, &options);
}

static adze_stats *collect(world *w, uint64_t first, uint64_t count)
{
    return collect_of(w, w->module, first, count, true, NULL);
}

/* ---- Comparing ---- */

static void check_channels(const adze_channel_stats *a, const adze_channel_stats *b)
{
    COUNT(a->n, b->n);
    for (uint64_t i = 0; i < a->n && i < b->n; i++) {
        COUNT(a->count[i], b->count[i]);
        CHECK(a->min[i] == b->min[i] && a->max[i] == b->max[i] && a->abs_max[i] == b->abs_max[i]);
        CHECK_NEAR(a->mean[i], b->mean[i], 1e-6 * (b->abs_mean[i] + 1));
        CHECK_NEAR(a->abs_mean[i], b->abs_mean[i], 1e-6 * (b->abs_mean[i] + 1));
        CHECK_NEAR(a->variance[i], b->variance[i], 1e-6 * (b->variance[i] + 1));
    }
}

static void check_value(const adze_value_stats *a, const adze_value_stats *b)
{
    COUNT(a->count, b->count);
    COUNT(a->samples, b->samples);
    CHECK(a->min == b->min && a->max == b->max && a->bin_width == b->bin_width && a->first_bin == b->first_bin);
    CHECK(!memcmp(a->bins, b->bins, ADZE_STATS_BINS * sizeof *a->bins));
    CHECK_NEAR(a->mean, b->mean, 1e-6 * (b->abs_mean + 1));
    CHECK_NEAR(a->abs_mean, b->abs_mean, 1e-6 * (b->abs_mean + 1));
    CHECK_NEAR(a->variance, b->variance, 1e-6 * (b->variance + 1));
    check_channels(&a->channels, &b->channels);
}

static void check_gram(const adze_stats *a, const adze_stats *b, uint32_t index)
{
    const adze_gram *x = adze_stats_gram_at(a, index), *y = adze_stats_gram_at(b, index);
    double h[2][WIDTH * WIDTH] = {{0}}, mean[2][WIDTH] = {{0}};
    COUNT(x->rows[0], y->rows[0]);
    CHECK(adze_gram_read(a, x, 0, h[0], mean[0]) && adze_gram_read(b, y, 0, h[1], mean[1]));
    for (int i = 0; i < WIDTH * WIDTH; i++) CHECK_NEAR(h[0][i], h[1][i], 1e-6 * (fabs(h[1][i]) + 1));
    for (int i = 0; i < WIDTH; i++) CHECK_NEAR(mean[0][i], mean[1][i], 1e-6 * (fabs(mean[1][i]) + 1));
}

static void check_same(const adze_stats *a, const adze_stats *b)
{
    COUNT(adze_stats_samples(a), adze_stats_samples(b));
    REQUIRE(adze_stats_num_values(a) == adze_stats_num_values(b) && adze_stats_num_grams(a) == adze_stats_num_grams(b));
    for (uint32_t i = 0; i < adze_stats_num_values(b); i++)
        check_value(adze_stats_value(a, i), adze_stats_value(b, i));
    for (uint32_t i = 0; i < adze_stats_num_grams(b); i++) check_gram(a, b, i);
}

/* The file that statistics become, in memory; the caller frees it. */
static char *bytes_of(const adze_stats *stats, const char *path, size_t *out_size)
{
    char *bytes = NULL;
    FILE *file = adze_stats_save(stats, path) ? fopen(path, "rb") : NULL;
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *out_size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*out_size + 1);
    if (fread(bytes, 1, *out_size, file) != *out_size) *out_size = 0;
    fclose(file);
    remove(path);
    return bytes;
}

static void check_bytes(const adze_stats *a, const adze_stats *b)
{
    char path[] = "/tmp/adze-unit-merge-XXXXXX";
    int file = mkstemp(path);
    size_t n = 0, m = 1;
    char *x = bytes_of(a, path, &n), *y = bytes_of(b, path, &m);
    CHECK(x && y && n == m && !memcmp(x, y, n));
    free(x);
    free(y);
    if (file >= 0) close(file);
}

/* ---- What is merged ---- */

static const float scales[] = {1, 40, 1.0f / 3000};

TEST(halves_make_the_whole)
{
    for (int i = 0; i < 3; i++) {
        world w;
        REQUIRE(begin(&w, scales[i]));
        adze_stats *old = collect(&w, 0, OLD), *new = collect(&w, OLD, NEW), *all = collect(&w, 0, ALL);
        REQUIRE(old && new && all);
        CHECK(adze_stats_merge(new, old, (double)OLD / (int)ALL));
        check_same(new, all);
        adze_stats_destroy(old);
        adze_stats_destroy(new);
        adze_stats_destroy(all);
        end(&w);
    }
}

TEST(all_or_nothing)
{
    for (int i = 0; i < 3; i++) {
        world w;
        REQUIRE(begin(&w, scales[i]));
        adze_stats *old = collect(&w, 0, OLD), *new = collect(&w, OLD, NEW), *as = collect(&w, OLD, NEW);
        REQUIRE(old && new && as);
        CHECK(adze_stats_merge(new, old, 0));
        check_bytes(new, as);
        CHECK(adze_stats_merge(new, old, 1));
        check_bytes(new, old);
        check_same(new, old);
        adze_stats_destroy(old);
        adze_stats_destroy(new);
        adze_stats_destroy(as);
        end(&w);
    }
}

/* Elements below each border that both have in common. */
static double below(const adze_value_stats *s, double border)
{
    double sum = 0;
    for (int64_t i = 0; i < ADZE_STATS_BINS; i++)
        if ((double)(s->first_bin + i + 1) * s->bin_width <= border) sum += (double)s->bins[i];
    return sum / (double)s->count;
}

/* By share, not by numbers: a quarter of the old ones, though they are more than a third of the rows. */
TEST(shares_count)
{
    static const double share = 0.25;
    world w;
    REQUIRE(begin(&w, 5));
    adze_stats *old = collect(&w, 0, OLD), *new = collect(&w, OLD, NEW), *both = collect(&w, OLD, NEW);
    REQUIRE(old && new && both && adze_stats_merge(both, old, share));
    for (uint32_t i = 0; i < adze_stats_num_values(both); i++) {
        const adze_value_stats *s = adze_stats_value(both, i), *a = adze_stats_value(old, i),
                               *b = adze_stats_value(new, i);
        uint64_t sum = 0;
        for (int k = 0; k < ADZE_STATS_BINS; k++) sum += s->bins[k];
        COUNT(sum, s->count);
        COUNT(s->count, a->count + b->count);
        CHECK(s->min == fmin(a->min, b->min) && s->max == fmax(a->max, b->max));
        CHECK_NEAR(s->mean, share * a->mean + (1 - share) * b->mean, 1e-9 * (s->abs_mean + 1));
        for (int64_t k = 0; k < ADZE_STATS_BINS; k++) {
            double border = (double)(s->first_bin + k + 1) * s->bin_width;
            double want = share * below(a, border) + (1 - share) * below(b, border);
            if (!unit_check(fabs(below(s, border) - want) <= 0.51 / (double)s->count, __FILE__, __LINE__, "a bin"))
                break;
        }
    }
    double h[3][WIDTH * WIDTH] = {{0}};
    adze_stats *const which[] = {old, new, both};
    for (int k = 0; k < 3; k++) CHECK(adze_gram_read(which[k], adze_stats_gram_at(which[k], 0), 0, h[k], NULL));
    for (int i = 0; i < WIDTH * WIDTH; i++)
        CHECK_NEAR(h[2][i], share * h[0][i] + (1 - share) * h[1][i], 1e-9 * (fabs(h[2][i]) + 1));
    adze_stats_destroy(old);
    adze_stats_destroy(new);
    adze_stats_destroy(both);
    end(&w);
}

/* A file that was read, whose matrices lie in it, and what is written of them. */
TEST(files_merge)
{
    char path[] = "/tmp/adze-unit-merge-XXXXXX";
    int file = mkstemp(path);
    world w;
    REQUIRE(file >= 0 && begin(&w, 40));
    adze_stats *old = collect(&w, 0, OLD), *new = collect(&w, OLD, NEW), *same = collect(&w, OLD, NEW);
    REQUIRE(old && new && same && adze_stats_save(old, path));
    adze_stats *read = adze_stats_load(w.context, path);
    REQUIRE(read && adze_stats_merge(new, read, 0.5) && adze_stats_merge(same, old, 0.5));
    check_bytes(new, same);
    CHECK(adze_stats_save(new, path));
    adze_stats *again = adze_stats_load(w.context, path); /* what was merged is no damaged file */
    REQUIRE(again && adze_stats_attach(again, w.module));
    check_same(again, new);
    adze_stats *const all[] = {old, new, same, read, again};
    for (int i = 0; i < 5; i++) adze_stats_destroy(all[i]);
    close(file);
    remove(path);
    end(&w);
}

TEST(what_only_one_has)
{
    world w;
    REQUIRE(begin(&w, 2));
    const adze_op *first = adze_region_first(adze_func_body(adze_module_main(w.module)));
    const adze_ir_value *h = adze_op_result(first, 0);
    adze_stats *old = collect(&w, 0, OLD), *one = collect_of(&w, w.module, OLD, NEW, false, h),
               *new = collect(&w, OLD, NEW);
    REQUIRE(old && one && new);
    COUNT(adze_stats_num_values(one), 1);
    CHECK(adze_stats_merge(one, old, 0.5) && adze_stats_attach(one, w.module));
    COUNT(adze_stats_num_values(one), adze_stats_num_values(old));
    COUNT(adze_stats_num_grams(one), adze_stats_num_grams(old));
    check_value(adze_stats_find(one, "x"), adze_stats_find(old, "x"));
    COUNT(adze_stats_of(one, h)->count, (OLD + NEW) * ROWS * 2);
    check_gram(one, old, 0);
    /* The other way round: values and matrices that the old ones lack stay. */
    adze_stats *few = collect_of(&w, w.module, 0, OLD, false, h), *as = collect(&w, OLD, NEW);
    REQUIRE(few && as && adze_stats_merge(new, few, 0.5));
    check_value(adze_stats_find(new, "x"), adze_stats_find(as, "x"));
    check_gram(new, as, 0);
    COUNT(adze_stats_find(new, "h")->count, (OLD + NEW) * ROWS * 2);
    adze_stats *const all[] = {old, one, new, few, as};
    for (int i = 0; i < 5; i++) adze_stats_destroy(all[i]);
    end(&w);
}

/* Elements that are none, in one half alone. */
TEST(not_finite_elements)
{
    world w;
    REQUIRE(begin(&w, 1));
    for (int s = OLD; s < ALL; s++)
        for (int r = 0; r < ROWS; r++) w.x[s][r][0] = 3e38f; /* their products overflow */
    adze_stats *old = collect(&w, 0, OLD), *new = collect(&w, OLD, NEW), *all = collect(&w, 0, ALL);
    REQUIRE(old && new && all);
    const adze_value_stats *bad = adze_stats_find(new, "h");
    CHECK(bad->n_infinite > 0 && !bad->channels.count[1] && bad->channels.count[0]);
    CHECK(adze_stats_merge(new, old, (double)OLD / (int)ALL));
    const adze_value_stats *is = adze_stats_find(new, "h"), *want = adze_stats_find(all, "h");
    COUNT(is->n_infinite, want->n_infinite);
    COUNT(is->count, want->count);
    CHECK(is->channels.min[1] == want->channels.min[1] && is->channels.max[1] == want->channels.max[1]);
    CHECK_NEAR(is->channels.mean[1], want->channels.mean[1], 1e-6);
    COUNT(adze_stats_gram_at(new, 1)->rows[0], adze_stats_gram_at(all, 1)->rows[0]);
    adze_stats_destroy(old);
    adze_stats_destroy(new);
    adze_stats_destroy(all);
    end(&w);
}

TEST(what_cannot_be_merged)
{
    world w;
    REQUIRE(begin(&w, 1));
    adze_module *changed = adze_module_clone(w.module);
    const float weights[] = {1, 2, 0, -1, 3, 2};
    adze_const *was = adze_module_find_const(changed, "w");
    adze_value_replace_uses(adze_const_value(was), adze_const_make(changed, "w2", adze_const_type(was), weights));
    adze_stats *old = collect_of(&w, changed, 0, OLD, true, NULL), *new = collect(&w, OLD, NEW);
    REQUIRE(old && new);
    CHECK(!adze_stats_merge(new, old, 0.5));
    check_message("they are of another model, or of another state of it");
    CHECK(!adze_stats_merge(new, new, 1.5) && !strstr(messages, "another model"));
    check_message("the share of old statistics lies between 0 and 1");
    CHECK(!adze_stats_merge(new, new, NAN));
    check_message("the share of old statistics lies between 0 and 1");
    adze_stats_destroy(old);
    adze_stats_destroy(new);
    adze_module_destroy(changed);
    end(&w);
}

int main(void)
{
    RUN(halves_make_the_whole);
    RUN(all_or_nothing);
    RUN(shares_count);
    RUN(files_merge);
    RUN(what_only_one_has);
    RUN(not_finite_elements);
    RUN(what_cannot_be_merged);
    return unit_end();
}
