/* Times of modules (times.h). */
#include "passes/compress/times.h"

#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/table.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Measuring ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs often enough that the clock can tell, and keeps the shortest time of one run. */
static bool measure_once(timed_program *p, uint32_t runs)
{
    const adze_value *results;
    double start = now();
    for (uint32_t i = 0; i < runs; i++)
        if (!adze_program_run(p->program, &p->input, &results)) return false;
    p->seconds = fmin(p->seconds, (now() - start) / runs);
    return true;
}

bool times_measure(timed_program *const *programs, uint32_t n)
{
    enum { LEAST_ROUNDS = 5, MOST_ROUNDS = 200, MOST_RUNS = 1000 };
    static const double span = 2e-4, total = 0.03; /* seconds: of a measurement, and of all of a program */
    bool ok = true;
    uint32_t *runs = adze_malloc((n + 1u) * sizeof *runs);
    for (uint32_t i = 0; ok && i < n; i++) { /* the first run fills caches; the second one says how many fit */
        programs[i]->seconds = INFINITY;
        ok = measure_once(programs[i], 1);
        programs[i]->seconds = INFINITY;
        ok = ok && measure_once(programs[i], 1);
        double wanted = span / fmax(programs[i]->seconds, 1e-9);
        runs[i] = wanted < 1 ? 1 : wanted > MOST_RUNS ? MOST_RUNS : (uint32_t)wanted;
    }
    double start = now();
    for (uint32_t round = 0; ok && round < MOST_ROUNDS; round++) {
        if (round >= LEAST_ROUNDS && now() - start > total * n) break;
        for (uint32_t i = 0; ok && i < n; i++) ok = measure_once(programs[i], runs[i]);
    }
    free(runs);
    return ok;
}

/* ---- Hashes ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    return adze_hash_mix(hash, adze_hash_bytes(bytes, size));
}

static uint64_t mix_attrs(uint64_t hash, const adze_op *op)
{
    const adze_op_row *row = adze_op_get_row(op);
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        const char *name = row->attrs[i].name;
        double real = 0;
        int64_t whole = 0;
        adze_ints ints = {0};
        switch (row->attrs[i].kind) {
        case ADZE_ATTR_INT:
        case ADZE_ATTR_BOOL:
        case ADZE_ATTR_TYPE: whole = adze_op_attr_int(op, name); break;
        case ADZE_ATTR_FLOAT: real = adze_op_attr_float(op, name); break;
        case ADZE_ATTR_STR:
            if (adze_op_attr_str(op, name)) hash = mix(hash, adze_op_attr_str(op, name), strlen(adze_op_attr_str(op, name)));
            break;
        case ADZE_ATTR_INTS: ints = adze_op_attr_ints(op, name); break;
        default: break; /* no contraction, and no op beside one, has others */
        }
        hash = mix(hash, &real, sizeof real);
        hash = mix(hash, &whole, sizeof whole);
        hash = mix(hash, ints.data, ints.count * sizeof *ints.data);
    }
    return hash;
}

/* Types; of zero points also whether they are 0, since borders are then free. */
static uint64_t mix_value(uint64_t hash, const adze_ir_value *value)
{
    char type[512] = "_";
    double splat;
    if (!value) return mix(hash, type, 1);
    adze_type_print(adze_value_type(value), type, sizeof type);
    hash = mix(hash, type, strlen(type));
    bool zero = adze_value_const(value) && adze_type_dtype(adze_value_type(value)) == ADZE_DTYPE_u8 &&
                adze_value_as_splat(value, &splat) && splat == 0;
    return adze_hash_mix(hash, zero);
}

uint64_t times_hash(const adze_module *module, const adze_value *input)
{
    uint64_t hash = adze_hash_bytes(input->dims, input->rank * sizeof *input->dims);
    const adze_func *main = adze_module_main(module);
    for (const adze_op *op = adze_region_first(adze_func_body(main)); op; op = adze_op_next(op)) {
        hash = mix_attrs(mix(hash, adze_op_name(op), strlen(adze_op_name(op))), op);
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) hash = mix_value(hash, adze_op_operand(op, i));
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) hash = mix_value(hash, adze_op_result(op, i));
    }
    return hash;
}

/* ---- The file ---- */

typedef struct known_time {
    uint64_t hash;
    double seconds;
    struct known_time *next;
} known_time;

struct times_cache {
    adze_context *context;
    const char *path;
    adze_arena arena;
    adze_table table;
    bool warned;
};

static bool same(const void *self, const void *item) { return ((const known_time *)item)->hash == *(const uint64_t *)self; }

static void keep(times_cache *cache, uint64_t hash, double seconds)
{
    known_time *known = ADZE_NEW(&cache->arena, known_time);
    *known = (known_time){hash, seconds, NULL};
    adze_table_add(&cache->table, hash, known);
}

times_cache *times_cache_open(adze_context *context, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file && errno != ENOENT) {
        adze_error(adze_loc_unknown(context), "%s: %s", path, strerror(errno));
        return NULL;
    }
    times_cache *cache = adze_malloc(sizeof *cache);
    *cache = (times_cache){.context = context, .path = adze_intern_z(context, path)};
    char line[128];
    while (file && fgets(line, sizeof line, file)) {
        char *end;
        uint64_t hash = strtoull(line, &end, 16);
        double seconds = end > line ? adze_text_to_double(end, &end) : 0, known;
        if (seconds > 0 && seconds < 1e6 && *end == '\n' && !times_cache_find(cache, hash, &known))
            keep(cache, hash, seconds); /* a line that was cut off, or is none, counts as not there */
    }
    if (file) fclose(file);
    return cache;
}

bool times_cache_find(const times_cache *cache, uint64_t hash, double *out_seconds)
{
    const known_time *known = cache ? adze_table_find(&cache->table, hash, same, &hash) : NULL;
    if (known) *out_seconds = known->seconds;
    return known;
}

void times_cache_add(times_cache *cache, uint64_t hash, double seconds)
{
    double known;
    if (!cache || times_cache_find(cache, hash, &known)) return;
    keep(cache, hash, seconds);
    adze_text line = {0};
    adze_text_append(&line, "%016" PRIx64 " ", hash);
    adze_text_double(&line, seconds);
    adze_text_append(&line, "\n");
    FILE *file = fopen(cache->path, "a");
    bool ok = file && fwrite(line.data, 1, line.size, file) == line.size;
    if (file && fclose(file)) ok = false;
    adze_text_free(&line);
    if (ok || cache->warned) return;
    cache->warned = true;
    adze_warning(adze_loc_unknown(cache->context), "%s: measured times cannot be kept: %s", cache->path,
                 strerror(errno));
}

void times_cache_close(times_cache *cache)
{
    if (!cache) return;
    adze_table_free(&cache->table);
    adze_arena_free(&cache->arena);
    free(cache);
}
