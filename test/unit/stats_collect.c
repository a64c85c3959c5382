/* Collecting statistics, and what passes do with them: files, binding to modules, engines, changed prefixes. */
#include "unit.h"

#include <adze/registry.h>
#include <adze/stats.h>
#include <adze/table.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(got, want) CHECK_INT((int64_t)(got), (int64_t)(want))

static char messages[4096];

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    size_t used = strlen(messages);
    (void)self;
    snprintf(messages + used, sizeof messages - used, "%s\n", diagnostic->message);
}

/* The last call failed with one message that holds `text`. */
static void check_message(const char *text)
{
    if (!unit_check(strstr(messages, text) && strchr(messages, '\n') == messages + strlen(messages) - 1, __FILE__,
                    __LINE__, "one message with the text"))
        printf("  text: %s\n  messages: %s\n", text, messages);
    messages[0] = '\0';
}

/* ---- A model and its data ---- */

enum { SAMPLES = 5, WIDTH = 3 };

static const char source[] = "module @m {\n"
                             "  const @w: f32[3,2] = dense[1.0, 2.0, 0.0, -1.0, 3.0, 1.0]\n"
                             "  const @v: f32[2,2] = dense[1.0, 0.0, 0.0, 1.0]\n"
                             "  func @main(%x: f32[N,3]) -> (%out: f32[N,2]) {\n"
                             "    %h = matmul(%x, @w) : f32[N,2]\n"
                             "    %0 = relu(%h) : f32[N,2]\n"
                             "    %y = matmul(%0, @v) : f32[N,2]\n"
                             "    %z = matmul(%0, @v) : f32[N,2]\n"
                             "    %1 = add(%y, %z) : f32[N,2]\n"
                             "    return(%1)\n  }\n}\n";

typedef struct world {
    adze_context *context;
    adze_registry *registry;
    adze_module *module;
    adze_calibration data;
    float x[SAMPLES][2][WIDTH]; /* sample s has 1 + s % 2 rows */
    int64_t dims[2];
} world;

static bool sample(void *self, uint64_t index, adze_value *out)
{
    world *w = self;
    w->dims[0] = 1 + (int64_t)index % 2;
    w->dims[1] = WIDTH;
    *out = (adze_value){
        .kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 2, .dims = w->dims, .data = w->x[index]};
    return true;
}

static adze_module *parse(const world *w, const char *text)
{
    return adze_module_parse(w->context, "unit", text, strlen(text));
}

static bool begin(world *w)
{
    *w = (world){.context = adze_context_create()};
    adze_context_set_sink(w->context, keep, NULL);
    w->registry = adze_registry_create(w->context);
    w->module = parse(w, source);
    w->data = (adze_calibration){.struct_size = sizeof w->data,
                                 .n_inputs = 1,
                                 .count = SAMPLES,
                                 .fingerprint = 7,
                                 .name = "data",
                                 .self = w,
                                 .sample = sample};
    for (int s = 0; s < SAMPLES; s++)
        for (int k = 0; k < 2 * WIDTH; k++) w->x[s][k / WIDTH][k % WIDTH] = (float)((s * 5 + k * 3) % 7 - 3);
    messages[0] = '\0';
    return w->registry && w->module;
}

static void end(world *w)
{
    adze_module_destroy(w->module);
    adze_registry_destroy(w->registry);
    adze_context_destroy(w->context);
}

static const adze_op *op_at(const world *w, int index)
{
    const adze_op *op = adze_region_first(adze_func_body(adze_module_main(w->module)));
    while (index--) op = adze_op_next(op);
    return op;
}

static adze_stats *collect(world *w, bool gram)
{
    adze_collect_options options = {.struct_size = sizeof options, .gram = gram};
    return adze_stats_collect(w->registry, w->module, NULL, 0, &w->data, &options);
}

/* ---- What is collected ---- */

TEST(all_values_are_found)
{
    world w;
    REQUIRE(begin(&w));
    adze_stats *stats = collect(&w, true);
    REQUIRE(stats);
    COUNT(adze_stats_num_values(stats), 6);
    COUNT(adze_stats_samples(stats), SAMPLES);
    /* Values by name, numbered ones as the text has them, and by pointer. */
    const adze_value_stats *h = adze_stats_find(stats, "h"), *relu = adze_stats_find(stats, "%0");
    REQUIRE(h && relu && adze_stats_find(stats, "x") && adze_stats_find(stats, "%1"));
    CHECK(!adze_stats_find(stats, "0") && !adze_stats_find(stats, "w"));
    CHECK(adze_stats_of(stats, adze_op_result(op_at(&w, 1), 0)) == relu);
    CHECK(adze_stats_of(stats, adze_op_operand(op_at(&w, 1), 0)) == h);
    CHECK(!adze_stats_of(stats, adze_op_operand(op_at(&w, 0), 1))); /* a constant */
    double low = 0, high = 0;
    for (int s = 0; s < SAMPLES; s++)
        for (int r = 0; r < 1 + s % 2; r++) {
            double a = (double)(w.x[s][r][0] + 3 * w.x[s][r][2]);
            low = fmin(low, a), high = fmax(high, a);
        }
    COUNT(h->count, 14);
    COUNT(h->channels.n, 2);
    COUNT(h->axis, 1);
    CHECK(h->channels.min[0] == low && h->channels.max[0] == high && relu->min == 0);
    adze_stats_destroy(stats);
    end(&w);
}

TEST(products_that_read_the_same_share_a_matrix)
{
    world w;
    REQUIRE(begin(&w));
    adze_stats *stats = collect(&w, true);
    REQUIRE(stats);
    COUNT(adze_stats_num_grams(stats), 2);
    const adze_gram *x = adze_stats_gram(stats, op_at(&w, 0), 0), *y = adze_stats_gram(stats, op_at(&w, 2), 0);
    REQUIRE(x && y);
    CHECK(y == adze_stats_gram(stats, op_at(&w, 3), 0));
    CHECK(!adze_stats_gram(stats, op_at(&w, 0), 1) && !adze_stats_gram(stats, op_at(&w, 4), 0));
    double h[WIDTH * WIDTH], mean[WIDTH], want = 0;
    REQUIRE(adze_gram_read(stats, x, 0, h, mean));
    COUNT(x->rows[0], 7);
    for (int s = 0; s < SAMPLES; s++)
        for (int r = 0; r < 1 + s % 2; r++) want += (double)(w.x[s][r][0] * w.x[s][r][2]);
    CHECK_NEAR(h[2], 2 * want / 7, 1e-6);
    CHECK_NEAR(h[2 * WIDTH], 2 * want / 7, 1e-6);
    CHECK_NEAR(mean[1], adze_stats_find(stats, "x")->channels.mean[1], 1e-6);
    CHECK(!adze_gram_read(stats, x, 1, h, NULL));
    check_message("there is no group 1");
    adze_stats_destroy(stats);
    end(&w);
}

/* ---- Files ---- */

static const char *file_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/adze-unit-%ld.stats", (long)getpid());
    return path;
}

static unsigned char *read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 20);
    *out_size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file) fclose(file);
    return bytes;
}

static void write_file(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

TEST(files_hold_all)
{
    world w;
    REQUIRE(begin(&w));
    adze_stats *stats = collect(&w, true);
    REQUIRE(stats && adze_stats_save(stats, file_path()));
    adze_stats *again = adze_stats_load(w.context, file_path());
    REQUIRE(again && adze_stats_attach(again, w.module));
    for (uint32_t i = 0; i < adze_stats_num_values(stats); i++) {
        const adze_value_stats *a = adze_stats_value(stats, i), *b = adze_stats_value(again, i);
        CHECK_STR(b->name, a->name);
        CHECK(a->min == b->min && a->max == b->max && a->mean == b->mean && a->variance == b->variance);
        CHECK(a->bin_width == b->bin_width && a->first_bin == b->first_bin && a->axis == b->axis);
        CHECK(!memcmp(a->bins, b->bins, ADZE_STATS_BINS * sizeof *a->bins));
        CHECK(!memcmp(a->channels.variance, b->channels.variance, a->channels.n * sizeof(double)));
    }
    double h[2][WIDTH * WIDTH], mean[2][WIDTH];
    CHECK(adze_gram_read(stats, adze_stats_gram_at(stats, 0), 0, h[0], mean[0]));
    CHECK(adze_gram_read(again, adze_stats_gram(again, op_at(&w, 0), 0), 0, h[1], mean[1]));
    CHECK(!memcmp(h[0], h[1], sizeof h[0]) && !memcmp(mean[0], mean[1], sizeof mean[0]));
    /* A file that came of the file has its bytes. */
    size_t sizes[2];
    unsigned char *bytes[2] = {read_file(file_path(), &sizes[0])};
    CHECK(adze_stats_save(again, file_path()));
    bytes[1] = read_file(file_path(), &sizes[1]);
    CHECK(sizes[0] == sizes[1] && !memcmp(bytes[0], bytes[1], sizes[0]));
    CHECK(!adze_stats_save(stats, "/tmp/no such folder/x.stats"));
    check_message("cannot be written: No such file or directory");
    for (int i = 0; i < 2; i++) free(bytes[i]);
    adze_stats_destroy(stats);
    adze_stats_destroy(again);
    unlink(file_path());
    end(&w);
}

/* A file in memory: thousands of them on a disk take minutes. */
static const char *memory_path(void)
{
    static char path[64];
    if (!*path) snprintf(path, sizeof path, "/proc/self/fd/%d", memfd_create("stats", 0));
    return path;
}

/* Loads what is there and reads all of it. True where there is no error. */
static bool read_all(const world *w)
{
    double h[64], mean[8];
    adze_stats *stats = adze_stats_load(w->context, memory_path());
    bool ok = stats;
    for (uint32_t i = 0; ok && i < adze_stats_num_grams(stats); i++) {
        const adze_gram *g = adze_stats_gram_at(stats, i);
        for (uint32_t k = 0; ok && k < g->n_groups && g->size <= 8; k++) ok = adze_gram_read(stats, g, k, h, mean);
    }
    adze_stats_destroy(stats);
    bool told = messages[0];
    if (ok == told) printf("  %s\n", messages);
    CHECK(ok != told);
    messages[0] = '\0';
    return ok;
}

enum { HEAD = 40 }; /* its last word is the hash of the table behind it; the one before, its size */

/* The table's checksum becomes right again, so that what is wrong in it is seen by what it means. */
static void sign(unsigned char *bytes)
{
    uint64_t size, hash;
    memcpy(&size, bytes + HEAD - 16, 8);
    hash = adze_hash_bytes(bytes + HEAD, size);
    memcpy(bytes + HEAD - 8, &hash, 8);
}

TEST(hostile_files)
{
    world w;
    size_t size;
    REQUIRE(begin(&w));
    adze_stats *stats = collect(&w, true);
    REQUIRE(stats && adze_stats_save(stats, file_path()));
    adze_stats_destroy(stats);
    unsigned char *good = read_file(file_path(), &size), *bad = malloc(size + 8);
    uint64_t table;
    memcpy(&table, good + HEAD - 16, 8);
    unlink(file_path());
    write_file(memory_path(), good, size);
    CHECK(read_all(&w));
    for (size_t n = 0; n < size; n += n < 100 ? 1 : 977) {
        write_file(memory_path(), good, n);
        CHECK(!read_all(&w));
    }
    memcpy(bad, good, size);
    write_file(memory_path(), bad, size + 8);
    CHECK(!read_all(&w));
    /* One byte is another: seen by a checksum, or it says something else that makes sense. */
    uint32_t random = 1, accepted = 0;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 8) % size;
        memcpy(bad, good, size);
        bad[at] ^= (unsigned char)(1u << (random >> 5) % 8);
        write_file(memory_path(), bad, size);
        CHECK(!read_all(&w));
        if (at < HEAD || at >= HEAD + table) continue;
        sign(bad);
        write_file(memory_path(), bad, size);
        accepted += read_all(&w);
    }
    CHECK(accepted > 0);
    /* Words of the table that are counts become as large as can be, or numbers NaN. */
    static const uint64_t words[] = {UINT64_MAX, UINT64_MAX / 8, 0x7ff8000000000000, 1ull << 40, 0};
    for (size_t at = HEAD; at + 8 <= HEAD + table; at += 20) {
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            memcpy(bad, good, size);
            memcpy(bad + at, &words[k], 8);
            sign(bad);
            write_file(memory_path(), bad, size);
            read_all(&w);
        }
    }
    free(good);
    free(bad);
    end(&w);
}

/* ---- Modules ---- */

TEST(statistics_of_another_model)
{
    static const char other[] = "module @o {\n  func @main(%a: f32[4]) -> (f32[4]) {\n"
                                "    %b = relu(%a) : f32[4]\n    return(%b)\n  }\n}\n";
    world w;
    REQUIRE(begin(&w));
    adze_stats *stats = collect(&w, false);
    adze_module *module = parse(&w, other), *changed = adze_module_clone(w.module);
    REQUIRE(stats && module);
    CHECK(!adze_stats_attach(stats, module));
    check_message("they are of another model: none of their 6 values is in this one");
    /* Another weight is another model; so is another op. */
    const float weights[] = {1, 2, 0, -1, 3, 2};
    adze_const *old = adze_module_find_const(changed, "w");
    adze_value_replace_uses(adze_const_value(old), adze_const_make(changed, "w2", adze_const_type(old), weights));
    CHECK(!adze_stats_attach(stats, changed));
    check_message("or of another state of it: 6 of their 6 values are in this one");
    /* Unless a pass says that it came of theirs: then names count, numbers do not. */
    adze_stats_mark(stats, changed);
    CHECK(adze_stats_attach(stats, changed));
    const adze_op *first = adze_region_first(adze_func_body(adze_module_main(changed)));
    CHECK(adze_stats_of(stats, adze_op_result(first, 0)) == adze_stats_find(stats, "h"));
    CHECK(!adze_stats_of(stats, adze_op_result(adze_op_next(first), 0)));
    adze_module_destroy(changed);
    adze_module_destroy(module);
    adze_stats_destroy(stats);
    CHECK(!messages[0]);
    end(&w);
}

TEST(chosen_values_run_no_further)
{
    world w;
    REQUIRE(begin(&w));
    const adze_ir_value *wanted[] = {adze_op_result(op_at(&w, 0), 0)};
    adze_stats *stats = adze_stats_collect(w.registry, w.module, wanted, 1, &w.data, NULL);
    REQUIRE(stats);
    COUNT(adze_stats_num_values(stats), 1);
    COUNT(adze_stats_find(stats, "h")->count, 14);
    adze_stats_destroy(stats);
    const adze_ir_value *constant[] = {adze_op_operand(op_at(&w, 0), 1)};
    CHECK(!adze_stats_collect(w.registry, w.module, constant, 1, &w.data, NULL));
    check_message("value 0 of those to look at is no tensor of floats in main");
    end(&w);
}

/* ---- Wrong data ---- */

static bool refuses(void *self, uint64_t index, adze_value *out)
{
    world *w = self;
    (void)out;
    return index < 3 ? sample(self, index, out) : adze_error(adze_loc_unknown(w->context), "the data ends");
}

static bool narrow(void *self, uint64_t index, adze_value *out)
{
    world *w = self;
    sample(self, index, out);
    w->dims[1] = 2;
    return true;
}

TEST(wrong_data)
{
    world w;
    REQUIRE(begin(&w));
    w.data.count = 0;
    CHECK(!collect(&w, false));
    check_message("statistics need at least one sample of calibration data");
    w.data.count = SAMPLES;
    w.data.n_inputs = 2;
    CHECK(!collect(&w, false));
    check_message("data: has 2 inputs, the model 1");
    w.data.n_inputs = 1;
    w.x[4][0][1] = NAN;
    CHECK(!collect(&w, false));
    check_message("data: sample 4 of input 'x' holds NaN");
    w.x[4][0][1] = -INFINITY;
    CHECK(!collect(&w, false));
    check_message("data: sample 4 of input 'x' holds infinity");
    w.x[4][0][1] = 0;
    w.data.sample = refuses;
    CHECK(!collect(&w, false));
    check_message("the data ends");
    w.data.sample = narrow;
    CHECK(!collect(&w, false));
    check_message("data: sample 0 of input 'x' does not fit f32[N,3]");
    end(&w);
}

/* ---- Passes and engines ---- */

static int opened, runs, closed;

static void *count_open(void *self, adze_module *module)
{
    opened++;
    return adze_program_open(self, module);
}

static bool count_run(void *program, const adze_value *inputs, const adze_value **out)
{
    runs++;
    return adze_program_run(program, inputs, out);
}

static void count_close(void *program)
{
    closed++;
    adze_program_close(program);
}

/* Doubles the first weights, then looks at what comes behind them. */
static double before, after;

static double largest(adze_module *module, adze_pass_run *self)
{
    const adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    const adze_ir_value *value = adze_op_result(op, 0);
    adze_stats *stats = adze_stats_collect(self->registry, module, &value, 1, self->calibration, NULL);
    double max = stats ? adze_stats_of(stats, value)->max : NAN;
    adze_stats_destroy(stats);
    return max;
}

static adze_outcome double_weights(adze_module *module, const void *options, adze_pass_run *self)
{
    float twice[6];
    (void)options;
    if (!self->calibration) return adze_error(adze_loc_unknown(self->context), "no data"), ADZE_FAILED;
    before = largest(module, self);
    adze_const *old = adze_module_find_const(module, "w");
    memcpy(twice, adze_data_load(adze_const_data(old)), sizeof twice);
    for (int i = 0; i < 6; i++) twice[i] *= 2;
    adze_value_replace_uses(adze_const_value(old), adze_const_make(module, "w2", adze_const_type(old), twice));
    after = largest(module, self);
    return ADZE_CHANGED;
}

static const adze_pass pass = {.struct_size = sizeof(adze_pass),
                               .name = "double-weights",
                               .help = "for tests",
                               .numerics = ADZE_LOSSY,
                               .run_module = double_weights};
static const adze_pass *const passes[] = {&pass, NULL};
static const adze_plugin plugin = {.magic = ADZE_PLUGIN_MAGIC,
                                   .abi = ADZE_ABI,
                                   .struct_size = sizeof(adze_plugin),
                                   .name = "stats-test",
                                   .version = "1",
                                   .passes = passes};

TEST(passes_see_behind_their_changes)
{
    world w, inner;
    REQUIRE(begin(&w) && begin(&inner));
    /* The engine runs modules in a registry that has none. */
    adze_registry *plain = adze_registry_create(w.context);
    adze_engine engine = {.struct_size = sizeof engine,
                          .name = "counting",
                          .self = plain,
                          .open = count_open,
                          .run = count_run,
                          .close = count_close};
    CHECK_STR(adze_registry_engine(w.registry)->name, "reference");
    adze_registry_set_engine(w.registry, &engine);
    REQUIRE(adze_registry_add(w.registry, &plugin));
    adze_pipeline *pipeline = adze_pipeline_parse(w.registry, "double-weights");
    adze_run_options options = {.struct_size = sizeof options, .calibration = &w.data};
    CHECK(adze_pipeline_run(pipeline, w.module, &options));
    CHECK(before > 0 && after == 2 * before);
    COUNT(opened, 2);
    COUNT(runs, 2 * SAMPLES);
    COUNT(closed, 2);
    /* Nobody gave data. */
    options.calibration = NULL;
    CHECK(!adze_pipeline_run(pipeline, w.module, &options));
    check_message("no data");
    adze_pipeline_destroy(pipeline);
    adze_registry_destroy(plain);
    end(&w);
    end(&inner);
}

TEST(programs_are_copies)
{
    world w;
    REQUIRE(begin(&w));
    adze_program *program = adze_program_open(w.registry, w.module);
    const adze_value *results = NULL;
    adze_value x;
    REQUIRE(program && sample(&w, 0, &x));
    adze_module_destroy(w.module);
    w.module = NULL;
    CHECK(adze_program_run(program, &x, &results));
    CHECK(results && results[0].rank == 2 && results[0].dims[1] == 2);
    adze_program_close(program);
    end(&w);
}

int main(void)
{
    RUN(all_values_are_found);
    RUN(products_that_read_the_same_share_a_matrix);
    RUN(files_hold_all);
    RUN(hostile_files);
    RUN(statistics_of_another_model);
    RUN(chosen_values_run_no_further);
    RUN(wrong_data);
    RUN(passes_see_behind_their_changes);
    RUN(programs_are_copies);
    return unit_end();
}
