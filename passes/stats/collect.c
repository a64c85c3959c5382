/* Collects statistics: runs the module with the wanted values as its results, sample by sample, in as many turns as the
 * bound on memory asks for. The state goes to a file now and then, from which a later run goes on and ends in the same
 * bits as one that was never stopped.
 */
#include "passes/stats/collect.h"

#include <adze/registry.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_BOUND = 1 << 30, DEFAULT_EVERY = 30 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool no_memory(const collection *c) { return adze_error(adze_func_loc(c->func), "statistics: out of memory"); }

/* ---- Samples ---- */

static const char *input_name(const collection *c, uint32_t index)
{
    const char *name = adze_value_name(adze_region_arg(adze_func_body(c->func), index));
    return name ? name : adze_internf(c->context, "input_%u", index);
}

static bool refuse_input(const collection *c, uint64_t sample, uint32_t index, const char *what)
{
    return adze_error(adze_loc_unknown(c->context), "%s: sample %llu of input '%s' %s", c->data->name,
                      (unsigned long long)sample, input_name(c, index), what);
}

static void bind_symbol(collection *c, const adze_dim *dim, int64_t value)
{
    int64_t known;
    const char *name = adze_dim_symbol_name(dim);
    if (!name || collection_symbol(c, name, &known)) return;
    c->symbols = adze_arena_grow(&c->arena, c->symbols, c->n_symbols, &c->symbols_capacity, sizeof *c->symbols);
    c->symbols[c->n_symbols++] = (symbol_value){name, value};
}

static bool check_input(collection *c, uint64_t sample, uint32_t index)
{
    const adze_type *type = adze_value_type(adze_region_arg(adze_func_body(c->func), index));
    const adze_value *value = &c->inputs[index];
    if (!adze_type_is_tensor(type)) return refuse_input(c, sample, index, "is no tensor");
    bool fits = value->kind == ADZE_VALUE_TENSOR && value->dtype == (uint32_t)adze_type_dtype(type) &&
                (!adze_type_is_ranked(type) || value->rank == adze_type_rank(type));
    for (uint32_t k = 0; fits && k < adze_type_rank(type); k++) {
        int64_t extent;
        fits = !adze_dim_is_const(adze_type_dim(type, k), &extent) || extent == value->dims[k];
        if (fits) bind_symbol(c, adze_type_dim(type, k), value->dims[k]);
    }
    if (!fits) {
        char want[256], what[300];
        adze_type_print(type, want, sizeof want);
        snprintf(what, sizeof what, "does not fit %s", want);
        return refuse_input(c, sample, index, what);
    }
    if (adze_dtype_get_kind((adze_dtype)value->dtype) != ADZE_KIND_FLOAT) return true;
    if (!floats_take(&c->floats, value)) return no_memory(c);
    for (uint64_t i = 0; i < c->floats.count; i++)
        if (!isfinite(c->floats.data[i]))
            return refuse_input(c, sample, index, isnan(c->floats.data[i]) ? "holds NaN" : "holds infinity");
    return true;
}

/* Reads a sample into c->inputs and binds its symbols. */
static bool read_sample(collection *c, uint64_t sample)
{
    c->n_symbols = 0;
    if (!c->data->sample(c->data->self, sample, c->inputs)) return false;
    for (uint32_t i = 0; i < c->data->n_inputs; i++)
        if (!check_input(c, sample, i)) return false;
    return true;
}

/* ---- State ---- */

/* What a run that goes on must have in common with the one before. */
static uint64_t options_hash(const collection *c)
{
    uint64_t hash = adze_hash_mix(c->options.gram, c->samples);
    hash = adze_hash_mix(hash, c->n_turns);
    for (uint32_t i = 0; i < c->n_taps; i++) {
        const char *name = c->taps[i].entry->view.name;
        hash = adze_hash_mix(hash, adze_hash_mix(adze_hash_bytes(name, strlen(name)), c->taps[i].turn));
    }
    return hash ^ c->n_grams;
}

static bool save(collection *c)
{
    if (!c->options.partial) return true;
    c->stats->progress.incomplete = true;
    c->last_save = now();
    return stats_spill(c->stats, c->options.partial);
}

static bool refuse_state(const collection *c, const char *what)
{
    return adze_error(adze_loc_unknown(c->context), "%s: cannot go on with it: it is of %s", c->options.partial, what);
}

/* Sums of the turn that goes on must be in memory. */
static bool load_sums(collection *c, gram_entry *gram)
{
    uint64_t size = gram->view.size, n_sums = gram_num_sums(gram), n = gram_numbers(gram);
    double *sums = malloc((n + 1) * sizeof *sums);
    if (!sums || !gram_start(gram)) {
        free(sums);
        return no_memory(c);
    }
    if (!stats_read_sums(c->stats, gram, 0, n, sums)) {
        free(sums);
        return false;
    }
    for (uint64_t i = n_sums; i < n; i++)
        gram->pending[gram_place((uint32_t)((i - n_sums) / size), (i - n_sums) % size)] = (float)sums[i];
    gram->sums = sums;
    return true;
}

/* Puts the state of an earlier run in the place of the new one. */
static bool go_on(collection *c)
{
    if (!c->options.resume || !c->options.partial || access(c->options.partial, F_OK)) return true;
    adze_stats *old = stats_read(c->context, c->options.partial, true), *fresh = c->stats;
    if (!old) return false;
    bool same_model = old->fingerprint == fresh->fingerprint, same_data = old->data == fresh->data;
    bool same = old->progress.options == fresh->progress.options && old->n_values == fresh->n_values &&
                old->n_grams == fresh->n_grams && old->progress.turn <= c->n_turns && old->progress.next <= c->samples;
    for (uint32_t i = 0; same && i < c->n_taps; i++) same = adze_stats_find(old, c->taps[i].entry->view.name);
    for (uint32_t i = 0; same && i < c->n_grams; i++) {
        const gram_entry *was = stats_find_gram(old, c->grams[i].gram->view.name, c->grams[i].map.window);
        same = was && was->view.size == c->grams[i].map.size && was->view.n_groups == c->grams[i].map.groups;
    }
    if (!same_model || !same_data || !same) {
        adze_stats_destroy(old);
        return refuse_state(c, !same_model ? "another model" : !same_data ? "other data" : "a run with other options");
    }
    for (uint32_t i = 0; i < c->n_taps; i++)
        c->taps[i].entry = adze_table_get_name(&old->by_name, c->taps[i].entry->view.name);
    for (uint32_t i = 0; i < c->n_grams; i++)
        c->grams[i].gram = stats_find_gram(old, c->grams[i].gram->view.name, c->grams[i].map.window);
    c->stats = old;
    adze_stats_destroy(fresh);
    for (uint32_t i = 0; i < c->n_grams; i++)
        if (c->taps[c->grams[i].tap].turn == old->progress.turn && !load_sums(c, c->grams[i].gram)) return false;
    return true;
}

/* ---- Running ---- */

static bool add_tap(collection *c, uint32_t index, const adze_value *value)
{
    const tap *t = &c->taps[index];
    uint64_t bad = 0;
    const char *why = "";
    if (value->kind != ADZE_VALUE_TENSOR)
        return adze_error(adze_func_loc(c->func), "value '%s' is no tensor in a run", t->entry->view.name);
    if (!floats_take(&c->floats, value) || !stats_add_sample(t->entry, value, &c->floats, &bad)) return no_memory(c);
    for (uint32_t i = 0; i < c->n_grams; i++) {
        gram_tap *g = &c->grams[i];
        if (g->tap == index &&
            !gram_add_sample(g->gram, &g->map, value, &c->floats, !bad, collection_symbol, c, &c->room, &why))
            return adze_error(adze_func_loc(c->func), "Gram matrix of '%s': %s", t->entry->view.name, why);
    }
    return true;
}

static bool run_sample(collection *c, adze_program *program, uint32_t turn, uint64_t sample)
{
    const adze_value *results = NULL;
    if (!read_sample(c, sample)) return false;
    double start = now();
    if (program && !adze_program_run(program, c->inputs, &results)) return false;
    c->model_seconds += now() - start;
    for (uint32_t i = 0; i < c->n_taps; i++) {
        const tap *t = &c->taps[i];
        if (t->turn != turn) continue;
        bool argument = adze_value_def(t->value) == ADZE_DEF_ARGUMENT;
        if (!add_tap(c, i, argument ? &c->inputs[t->index] : &results[t->index])) return false;
    }
    return true;
}

/* Tells how far it is; saves what is due. */
static bool step(collection *c, uint32_t turn, uint64_t done)
{
    const adze_collect_options *o = &c->options;
    c->stats->progress.turn = turn;
    c->stats->progress.next = done;
    if (o->progress) {
        char detail[64], place[32] = "";
        double all = (double)c->n_turns * (double)c->samples;
        if (c->n_turns > 1) snprintf(place, sizeof place, ", turn %u of %u", turn + 1, c->n_turns);
        snprintf(detail, sizeof detail, "%llu of %llu%s", (unsigned long long)done, (unsigned long long)c->samples,
                 place);
        if (!o->progress(o->self, ((double)turn * (double)c->samples + (double)done) / all, detail)) {
            save(c);
            return false;
        }
    }
    double every = o->every > 0 ? o->every : (double)DEFAULT_EVERY;
    return now() - c->last_save < every || save(c);
}

static bool run_turn(collection *c, uint32_t turn, uint64_t first)
{
    adze_module *module = collection_tapped(c, turn);
    adze_program *program = module ? adze_program_open(c->registry, module) : NULL;
    bool ok = program || !module;
    adze_module_destroy(module);
    for (uint64_t i = first; ok && i < c->samples; i++) ok = run_sample(c, program, turn, i) && step(c, turn, i + 1);
    adze_program_close(program);
    return ok;
}

/* A turn's matrices wait in the file for the end, where there is one. */
static bool end_turn(collection *c, uint32_t turn)
{
    c->stats->progress.turn = turn + 1;
    c->stats->progress.next = 0;
    for (uint32_t i = 0; i < c->n_grams; i++)
        if (c->taps[c->grams[i].tap].turn == turn) gram_finish(c->grams[i].gram);
    if (turn + 1 == c->n_turns || !c->options.partial) return true;
    if (!save(c)) return false;
    for (uint32_t i = 0; i < c->n_grams; i++) {
        if (c->taps[c->grams[i].tap].turn != turn) continue;
        free(c->grams[i].gram->sums);
        c->grams[i].gram->sums = NULL;
    }
    return true;
}

static bool run_all(collection *c)
{
    const stats_progress *p = &c->stats->progress;
    uint32_t first = (uint32_t)p->turn;
    for (uint32_t turn = first; turn < c->n_turns; turn++)
        if (!run_turn(c, turn, turn == first ? p->next : 0) || !end_turn(c, turn)) return false;
    c->stats->samples = c->samples;
    c->stats->progress = (stats_progress){0};
    return true;
}

/* ---- The whole ---- */

static bool begin(collection *c, const adze_calibration *data, const adze_collect_options *options)
{
    adze_loc loc = adze_func_loc(c->func);
    if (options) {
        size_t size = options->struct_size < sizeof c->options ? options->struct_size : sizeof c->options;
        memcpy(&c->options, options, size);
    }
    if (!data || !data->count) return adze_error(loc, "statistics need at least one sample of calibration data");
    if (data->n_inputs != adze_region_num_args(adze_func_body(c->func)))
        return adze_error(loc, "%s: has %u inputs, the model %u", data->name, data->n_inputs,
                          adze_region_num_args(adze_func_body(c->func)));
    c->samples = c->options.samples && c->options.samples < data->count ? c->options.samples : data->count;
    c->bound = c->options.max_memory ? c->options.max_memory : adze_context_max_memory(c->context) / 2;
    if (!c->bound) c->bound = DEFAULT_BOUND;
    c->last_save = now();
    c->stats = adze_stats_create(c->context);
    c->stats->data = data->fingerprint;
    c->stats->fingerprint = adze_stats_fingerprint(c->module);
    c->inputs = ADZE_NEW_ARRAY(&c->arena, adze_value, data->n_inputs + 1u);
    return c->stats->fingerprint != 0;
}

adze_stats *adze_stats_collect(adze_registry *registry, const adze_module *module, const adze_ir_value *const *values,
                               uint32_t n_values, const adze_calibration *calibration,
                               const adze_collect_options *options)
{
    collection c = {.registry = registry,
                    .context = adze_registry_context(registry),
                    .module = module,
                    .func = adze_module_main(module),
                    .data = calibration};
    if (!c.func || !adze_func_return(c.func)) {
        adze_error(adze_loc_unknown(c.context), "the module has no function to run");
        return NULL;
    }
    bool ok = begin(&c, calibration, options) && collection_choose(&c, values, n_values) && read_sample(&c, 0);
    if (ok) {
        collection_split(&c);
        c.stats->progress.options = options_hash(&c);
        ok = go_on(&c) && run_all(&c) && adze_stats_attach(c.stats, module);
    }
    if (ok && c.options.partial) unlink(c.options.partial);
    if (c.options.out_model_seconds) *c.options.out_model_seconds = c.model_seconds;
    free(c.floats.own);
    gram_room_free(&c.room);
    adze_arena_free(&c.arena);
    if (ok) return c.stats;
    adze_stats_destroy(c.stats);
    return NULL;
}
