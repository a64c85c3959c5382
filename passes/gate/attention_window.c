/* attention-window: heads of an attention that look at near positions only, on calibration data, get a window that says
 * so: code leaves out what lies beyond it.
 *
 * For each head the pass adds up how much of the softmax lies at which distance of a key from its query. The window is
 * the least distance that holds `mass` of it. A head whose window leaves out less than it would have to (`most`) keeps
 * what it may look at, all keys or a window that it has.
 *
 *     %y = attention(%q, %k, %v)            →         %y = attention(%q, %k, %v, _, @y.window)
 */
#include "passes/examples_embedded.h"
#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/pass.h>
#include <adze/registry.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MASK = 3, WINDOW = 4 };

typedef struct options {
    double mass, most;
} options;

/* An attention over as many keys as queries. */
typedef struct site {
    adze_op *op;
    size_t heads, length;
    double *mass; /* [heads][length]: by distance, over all rows */
    double *rows; /* [heads] */
    int64_t *sides; /* [heads][2]: what it may look at now, to the left and to the right */
} site;

typedef struct windows {
    const options *options;
    adze_pass_run *run;
    adze_module *module;
    site *sites;
    uint32_t n, room;
} windows;

/* ---- Sites ---- */

static bool is_float(const adze_ir_value *value) { return adze_type_dtype(adze_value_type(value)) == ADZE_DTYPE_f32; }

static bool describe(adze_op *op, site *out)
{
    const adze_type *q = adze_value_type(adze_op_operand(op, 0)), *k = adze_value_type(adze_op_operand(op, 1));
    int64_t heads, queries, keys;
    if (adze_type_rank(q) != 4 || adze_type_rank(k) != 4 || !is_float(adze_op_operand(op, 0))) return false;
    if (adze_op_operand(op, MASK) && !is_float(adze_op_operand(op, MASK))) return false;
    if (!adze_dim_is_const(adze_type_dim(q, 1), &heads)) return false;
    if (!adze_dim_is_const(adze_type_dim(q, 2), &queries)) return false;
    if (!adze_dim_is_const(adze_type_dim(k, 2), &keys) || keys != queries) return false;
    const adze_ir_value *window = adze_op_operand(op, WINDOW);
    if (window && !adze_value_const(window)) return false;
    *out = (site){.op = op, .heads = (size_t)heads, .length = (size_t)queries};
    return heads * queries * queries <= INT64_C(1) << 26;
}

static const char *name_of(const site *t)
{
    const char *name = adze_value_name(adze_op_result(t->op, 0));
    return name ? name : "attention";
}

/* The window that there is; what it leaves to the end is length - 1. */
static bool read_sides(site *t)
{
    adze_ir_value *window = adze_op_operand(t->op, WINDOW);
    adze_data *data = window ? adze_const_data(adze_value_const(window)) : NULL;
    size_t n = data ? (size_t)adze_data_size(data) / sizeof *t->sides : 0;
    int64_t last = (int64_t)t->length - 1;
    if (data && !adze_data_read(data, 0, t->sides, n * sizeof *t->sides)) return false;
    for (size_t i = 0; i < 2 * t->heads; i++) {
        int64_t side = !n ? last : i < n ? t->sides[i] : t->sides[i % 2]; /* one for all heads */
        t->sides[i] = side < 0 || side > last ? last : side;
    }
    return true;
}

static bool find_sites(windows *w)
{
    const adze_func *main = adze_module_main(w->module);
    for (adze_op *op = main ? adze_region_first(adze_func_body(main)) : NULL; op; op = adze_op_next(op)) {
        site one;
        if (!adze_op_is(op, "attention")) continue;
        if (!describe(op, &one)) {
            adze_note(adze_op_loc(op), "attention-window: this one stays: its queries and keys are not as many, known "
                                       "in number and f32, or too many");
            continue;
        }
        size_t count = one.heads * (one.length + 1);
        one.mass = adze_malloc(count * sizeof *one.mass);
        memset(one.mass, 0, count * sizeof *one.mass);
        one.rows = one.mass + one.heads * one.length;
        one.sides = adze_malloc((2 * one.heads + 2) * sizeof *one.sides);
        if (w->n == w->room) w->sites = adze_realloc(w->sites, (w->room = 2 * w->room + 8) * sizeof *w->sites);
        w->sites[w->n++] = one;
        if (!read_sides(&one)) return false;
    }
    return true;
}

/* ---- Where the softmax lies ---- */

/* Element [b, h, i, j] of what broadcasts to the scores. */
static float mask_at(const adze_value *mask, const int64_t *at)
{
    int64_t index = 0;
    for (uint32_t i = 0; i < mask->rank; i++) {
        int64_t own = at[4 - mask->rank + i];
        index = index * mask->dims[i] + (mask->dims[i] == 1 ? 0 : own);
    }
    return ((const float *)mask->data)[index];
}

/* One query's softmax by distance. Rows without a finite score are left out. */
static void add_row(site *t, const adze_value *q, const adze_value *k, const adze_value *mask, double scale,
                    int64_t *at, double *scores)
{
    size_t n = t->length, depth = (size_t)q->dims[3], head = (size_t)(at[0] * q->dims[1] + at[1]);
    const float *query = (const float *)q->data + (head * n + (size_t)at[2]) * depth;
    double top = -INFINITY, sum = 0;
    const int64_t *sides = &t->sides[2 * at[1]];
    for (size_t j = 0; j < n; j++) {
        scores[j] = -INFINITY;
        if (at[2] - (int64_t)j > sides[0] || (int64_t)j - at[2] > sides[1]) continue;
        const float *key = (const float *)k->data + (head * n + j) * depth;
        double s = 0;
        for (size_t d = 0; d < depth; d++) s += (double)query[d] * (double)key[d];
        at[3] = (int64_t)j;
        scores[j] = s * scale + (mask ? (double)mask_at(mask, at) : 0);
        if (scores[j] > top) top = scores[j];
    }
    for (size_t j = 0; j < n; j++) sum += scores[j] = exp(scores[j] - top);
    if (!isfinite(sum) || !(sum > 0)) return;
    double *mass = t->mass + (size_t)at[1] * n;
    for (size_t j = 0; j < n; j++) mass[(size_t)llabs((long long)j - at[2])] += scores[j] / sum;
    t->rows[at[1]]++;
}

static void add_sample(site *t, const adze_value *q, const adze_value *k, const adze_value *mask)
{
    double scale = adze_op_attr_float(t->op, "scale"), *scores = adze_malloc(t->length * sizeof *scores);
    int64_t at[4];
    for (at[0] = 0; at[0] < q->dims[0]; at[0]++)
        for (at[1] = 0; at[1] < q->dims[1]; at[1]++)
            for (at[2] = 0; at[2] < q->dims[2]; at[2]++) add_row(t, q, k, mask, scale, at, scores);
    free(scores);
}

/* main of the copy gives queries, keys and masks of all sites instead. */
static void tap(const windows *w, adze_module *copy)
{
    adze_func *func = adze_module_main(copy);
    adze_op *end = adze_func_return(func);
    const adze_type **types = adze_malloc(3 * w->n * sizeof *types);
    const char **names = adze_malloc(3 * w->n * sizeof *names);
    uint32_t n = 0;
    while (adze_op_num_operands(end)) adze_op_remove_operand(end, 0);
    for (uint32_t i = 0; i < w->n; i++)
        for (uint32_t o = 0; o <= MASK; o++) {
            adze_ir_value *value = adze_op_operand(copy_twin(copy, w->sites[i].op), o);
            if (o == 2 || !value) continue;
            types[n] = adze_value_type(value);
            names[n] = adze_internf(w->run->context, "tap_%u", n);
            adze_op_insert_operand(end, n++, value);
        }
    adze_func_set_results(func, types, names, n);
    free(names);
    free(types);
}

static bool collect(windows *w)
{
    const adze_calibration *data = w->run->calibration;
    adze_module *copy = adze_module_clone(w->module);
    tap(w, copy);
    adze_program *program = adze_program_open(w->run->registry, copy);
    adze_value *inputs = adze_malloc((data->n_inputs + 1u) * sizeof *inputs);
    bool ok = program;
    for (uint64_t s = 0; ok && s < data->count; s++) {
        const adze_value *results;
        ok = data->sample(data->self, s, inputs) && adze_program_run(program, inputs, &results);
        for (uint32_t i = 0, r = 0; ok && i < w->n; i++) {
            bool masked = adze_op_operand(w->sites[i].op, MASK);
            add_sample(&w->sites[i], &results[r], &results[r + 1], masked ? &results[r + 2] : NULL);
            r += masked ? 3 : 2;
        }
    }
    free(inputs);
    adze_program_close(program);
    adze_module_destroy(copy);
    return ok;
}

/* ---- Windows ---- */

/* Pairs of a query and a key that a window holds. */
static double pairs_of(const int64_t sides[2], size_t n)
{
    double pairs = 0;
    int64_t last = (int64_t)n - 1;
    for (int64_t i = 0; i <= last; i++)
        pairs += (double)((i < sides[0] ? i : sides[0]) + (last - i < sides[1] ? last - i : sides[1]) + 1);
    return pairs;
}

/* The least distance that holds the mass, within what the head may look at now; false where that is too much of it. */
static bool find_window(const windows *w, const site *t, size_t head, int64_t out[2])
{
    const double *mass = t->mass + head * t->length;
    const int64_t *now = &t->sides[2 * head];
    double held = 0;
    memcpy(out, now, 2 * sizeof *out);
    for (size_t d = 0; d + 1 < t->length && t->rows[head] > 0; d++) {
        held += mass[d];
        if (held < w->options->mass * t->rows[head]) continue;
        int64_t reach = (int64_t)d, near[] = {reach < now[0] ? reach : now[0], reach < now[1] ? reach : now[1]};
        if (!memcmp(near, now, sizeof near) ||
            pairs_of(near, t->length) > w->options->most * pairs_of(now, t->length))
            return false;
        memcpy(out, near, sizeof near);
        return true;
    }
    return false;
}

static bool set_window(const windows *w, const site *t, const int64_t *sides)
{
    int64_t dims[] = {(int64_t)t->heads, 2};
    adze_ir_value *window = adze_const_make(w->module, adze_internf(w->run->context, "%s.window", name_of(t)),
                                            adze_type_tensor_const(w->run->context, ADZE_DTYPE_i64, 2, dims), sides);
    if (!window) return false;
    while (adze_op_num_operands(t->op) < WINDOW) adze_op_insert_operand(t->op, adze_op_num_operands(t->op), NULL);
    if (adze_op_num_operands(t->op) > WINDOW)
        adze_op_set_operand(t->op, WINDOW, window);
    else
        adze_op_insert_operand(t->op, WINDOW, window);
    return true;
}

static adze_outcome narrow(const windows *w, const site *t)
{
    int64_t *sides = adze_malloc(2 * t->heads * sizeof *sides), least = INT64_MAX, most = 0;
    size_t local = 0;
    double pairs = 0, before = 0;
    for (size_t h = 0; h < t->heads; h++) {
        int64_t *own = &sides[2 * h];
        if (find_window(w, t, h, own)) {
            int64_t reach = own[0] > own[1] ? own[0] : own[1];
            local++;
            least = reach < least ? reach : least;
            most = reach > most ? reach : most;
        }
        pairs += pairs_of(own, t->length);
        before += pairs_of(&t->sides[2 * h], t->length);
    }
    adze_outcome outcome = ADZE_UNCHANGED;
    if (!local)
        adze_note(adze_op_loc(t->op), "attention-window: '%s' stays: no head is local", name_of(t));
    else if (adze_rewrite(w->run, t->op, "window")) {
        outcome = set_window(w, t, sides) ? ADZE_CHANGED : ADZE_FAILED;
        adze_note(adze_op_loc(t->op), "attention-window: '%s': %zu of %zu heads look no farther than %lld to %lld; "
                                      "%.1f %% of the pairs are left",
                  name_of(t), local, t->heads, (long long)least, (long long)most, 100 * pairs / before);
    }
    free(sides);
    return outcome;
}

/* ---- The pass ---- */

static bool check(const options *o, const adze_pass_run *run)
{
    adze_loc loc = adze_loc_unknown(run->context);
    if (!run->calibration) return adze_error(loc, "attention-window: windows are found on data: --calib=DATA");
    if (!(o->mass > 0 && o->mass <= 1)) return adze_error(loc, "attention-window: mass is above 0, and at most 1");
    return (o->most > 0 && o->most <= 1) || adze_error(loc, "attention-window: most is above 0, and at most 1");
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    windows *w = adze_malloc(sizeof *w);
    *w = (windows){.options = opaque, .run = self, .module = module};
    bool ok = check(w->options, self);
    ok = ok && find_sites(w);
    if (ok && !w->n)
        adze_note(adze_loc_unknown(self->context), "attention-window: nothing to do: no attention that it can be for");
    ok = ok && (!w->n || collect(w));
    adze_outcome all = ok ? ADZE_UNCHANGED : ADZE_FAILED;
    for (uint32_t i = 0; i < w->n && all != ADZE_FAILED; i++) {
        adze_outcome one = narrow(w, &w->sites[i]);
        if (one != ADZE_UNCHANGED) all = one;
    }
    for (uint32_t i = 0; i < w->n; i++) {
        free(w->sites[i].mass);
        free(w->sites[i].sides);
    }
    free(w->sites);
    free(w);
    return all;
}

static const adze_option option_table[] = {
    {"mass", "share of the softmax that a window holds, over all rows", ADZE_OPTION_FLOAT, offsetof(options, mass),
     "0.99"},
    {"most", "share of the pairs of a query and a key that a window may leave", ADZE_OPTION_FLOAT,
     offsetof(options, most), "0.5"},
};

const adze_pass adze_pass_attention_window = {
    .struct_size = sizeof(adze_pass),
    .name = "attention-window",
    .help = "leave out keys that heads of an attention do not look at",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs --calib and attention ops, which simplify makes, over as many keys as queries, known in "
                "number. Code computes the blocks of keys that a window reaches and no others, so time falls with the "
                "pairs that are left.",
    .example = adze_example_attention_window,
};
