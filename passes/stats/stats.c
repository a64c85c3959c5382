/* Statistics in memory: entries by name, and by the values of the module that they are attached to.
 */
#include "passes/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

adze_stats *adze_stats_create(adze_context *context)
{
    adze_stats *stats = adze_malloc(sizeof *stats);
    *stats = (adze_stats){.context = context};
    return stats;
}

void adze_stats_destroy(adze_stats *stats)
{
    if (!stats) return;
    for (uint32_t i = 0; i < stats->n_values; i++) {
        stats_drop_channels(stats->values[i]);
        free(stats->values[i]->bins);
    }
    for (uint32_t i = 0; i < stats->n_grams; i++) {
        free(stats->grams[i]->rows);
        free(stats->grams[i]->sums);
        free(stats->grams[i]->pending);
    }
    if (stats->file) fclose(stats->file);
    adze_table_free(&stats->by_name);
    adze_table_free(&stats->by_value);
    adze_arena_free(&stats->arena);
    free(stats);
}

/* ---- Entries ---- */

value_entry *stats_add_value(adze_stats *stats, const char *name, uint32_t axis)
{
    value_entry *entry = ADZE_NEW(&stats->arena, value_entry);
    entry->bins = adze_malloc(ADZE_STATS_BINS * sizeof *entry->bins);
    memset(entry->bins, 0, ADZE_STATS_BINS * sizeof *entry->bins);
    entry->view = (adze_value_stats){.struct_size = sizeof entry->view,
                                     .axis = axis,
                                     .name = adze_arena_text(&stats->arena, name, strlen(name)),
                                     .bins = entry->bins};
    stats->values = adze_arena_grow(&stats->arena, (void *)stats->values, stats->n_values, &stats->values_capacity,
                                    sizeof(value_entry *));
    stats->values[stats->n_values++] = entry;
    adze_table_put_name(&stats->by_name, entry->view.name, entry);
    return entry;
}

void stats_drop_channels(value_entry *entry)
{
    channels *c = &entry->channels;
    free(c->count);
    free(c->min); /* the other arrays lie behind it */
    *c = (channels){0};
    entry->view.channels = (adze_channel_stats){0};
}

bool stats_set_channels(value_entry *entry, uint64_t n)
{
    enum { ARRAYS = 6 };
    channels *c = &entry->channels;
    stats_drop_channels(entry);
    if (!n) return true;
    c->count = calloc(n, sizeof *c->count);
    c->min = calloc(n, ARRAYS * sizeof *c->min);
    if (!c->count || !c->min) {
        stats_drop_channels(entry);
        return false;
    }
    c->max = c->min + n;
    c->abs_max = c->max + n;
    c->mean = c->abs_max + n;
    c->abs_mean = c->mean + n;
    c->variance = c->abs_mean + n;
    entry->view.channels = (adze_channel_stats){.n = n,
                                                .count = c->count,
                                                .min = c->min,
                                                .max = c->max,
                                                .abs_max = c->abs_max,
                                                .mean = c->mean,
                                                .abs_mean = c->abs_mean,
                                                .variance = c->variance};
    return true;
}

gram_entry *stats_add_gram(adze_stats *stats, const char *name, const char *window, uint64_t size, uint32_t n_groups)
{
    gram_entry *gram = ADZE_NEW(&stats->arena, gram_entry);
    gram->rows = adze_malloc((n_groups + 1u) * sizeof *gram->rows);
    memset(gram->rows, 0, (n_groups + 1u) * sizeof *gram->rows);
    gram->view = (adze_gram){.struct_size = sizeof gram->view,
                             .n_groups = n_groups,
                             .name = adze_arena_text(&stats->arena, name, strlen(name)),
                             .window = adze_arena_text(&stats->arena, window, strlen(window)),
                             .size = size,
                             .rows = gram->rows};
    stats->grams = adze_arena_grow(&stats->arena, (void *)stats->grams, stats->n_grams, &stats->grams_capacity,
                                   sizeof(gram_entry *));
    stats->grams[stats->n_grams++] = gram;
    return gram;
}

gram_entry *stats_find_gram(const adze_stats *stats, const char *name, const char *window)
{
    for (uint32_t i = 0; i < stats->n_grams; i++) {
        gram_entry *gram = stats->grams[i];
        if (!strcmp(gram->view.name, name) && !strcmp(gram->view.window, window)) return gram;
    }
    return NULL;
}

uint64_t gram_num_sums(const gram_entry *gram)
{
    uint64_t size = gram->view.size;
    return gram->view.n_groups * (size + size * (size + 1) / 2);
}

uint64_t gram_numbers(const gram_entry *gram) { return gram_num_sums(gram) + gram->n_pending * gram->view.size; }

/* ---- Binding to a module ---- */

static const char mark[] = "statistics";

/* Fingerprints are words; attributes are signed. */
static bool is_marked(const adze_stats *stats, const adze_module *module)
{
    const adze_attr *attr = adze_module_find_attr(module, mark);
    return attr && attr->kind == ADZE_ATTR_INT && (uint64_t)attr->value.i == stats->fingerprint;
}

void adze_stats_mark(const adze_stats *stats, adze_module *module)
{
    adze_module_set_attr(module, adze_attr_int(mark, (int64_t)stats->fingerprint));
}

static bool refuse(const adze_stats *stats, const adze_func *func, uint32_t found)
{
    const char *path = stats->path ? stats->path : "the statistics";
    if (!found)
        return adze_error(adze_func_loc(func), "%s: they are of another model: none of their %u values is in this one",
                          path, stats->n_values);
    return adze_error(adze_func_loc(func),
                      "%s: they are of another model, or of another state of it: %u of their %u values are in "
                      "this one, "
                      "which is not the same. They hold behind the pipeline 'simplify' of the model that "
                      "'adze calibrate' has read",
                      path, found, stats->n_values);
}

bool adze_stats_attach(adze_stats *stats, const adze_module *module)
{
    const adze_func *func = adze_module_main(module);
    if (!func) return adze_error(adze_loc_unknown(stats->context), "the module has no function");
    bool marked = is_marked(stats, module);
    uint64_t fingerprint = marked ? stats->fingerprint : adze_stats_fingerprint(module);
    if (!fingerprint) return false;
    adze_table_free(&stats->by_value);
    value_keys keys;
    stats_keys(func, &keys);
    uint32_t found = 0;
    for (uint32_t i = 0; i < keys.count; i++) {
        value_entry *entry = adze_table_get_name(&stats->by_name, keys.items[i].name);
        /* Numbers of values without names are others once ops have come or gone. */
        if (!entry || (marked && !adze_value_name(keys.items[i].value))) continue;
        adze_table_put(&stats->by_value, keys.items[i].value, entry);
        found++;
    }
    adze_arena_free(&keys.arena);
    return fingerprint == stats->fingerprint || refuse(stats, func, found);
}

const adze_value_stats *adze_stats_of(const adze_stats *stats, const adze_ir_value *value)
{
    const value_entry *entry = adze_table_get(&stats->by_value, value);
    return entry ? &entry->view : NULL;
}

const adze_gram *adze_stats_gram(const adze_stats *stats, const adze_op *op, uint32_t operand)
{
    gram_map map;
    const adze_ir_value *value = adze_op_operand(op, operand);
    const value_entry *entry = value ? adze_table_get(&stats->by_value, value) : NULL;
    if (!entry || !gram_describe(op, operand, &map)) return NULL;
    const gram_entry *gram = stats_find_gram(stats, entry->view.name, map.window);
    return gram ? &gram->view : NULL;
}

/* ---- Reading ---- */

const adze_value_stats *adze_stats_find(const adze_stats *stats, const char *name)
{
    const value_entry *entry = adze_table_get_name(&stats->by_name, name);
    return entry ? &entry->view : NULL;
}

uint32_t adze_stats_num_values(const adze_stats *stats) { return stats->n_values; }

const adze_value_stats *adze_stats_value(const adze_stats *stats, uint32_t index)
{
    return &stats->values[index]->view;
}

uint32_t adze_stats_num_grams(const adze_stats *stats) { return stats->n_grams; }

const adze_gram *adze_stats_gram_at(const adze_stats *stats, uint32_t index) { return &stats->grams[index]->view; }

uint64_t adze_stats_samples(const adze_stats *stats) { return stats->samples; }

static gram_entry *entry_of(const adze_stats *stats, const adze_gram *gram)
{
    for (uint32_t i = 0; i < stats->n_grams; i++)
        if (&stats->grams[i]->view == gram) return stats->grams[i];
    return NULL;
}

bool adze_gram_read(const adze_stats *stats, const adze_gram *gram, uint32_t group, double *out_h, double *out_mean)
{
    gram_entry *entry = entry_of(stats, gram);
    if (!entry || group >= gram->n_groups)
        return adze_error(adze_loc_unknown(stats->context), "there is no group %u of that matrix in the statistics",
                          group);
    uint64_t size = gram->size, each = size + size * (size + 1) / 2, first = group * each;
    double rows = gram->rows[group] ? (double)gram->rows[group] : 1;
    if (out_mean && !stats_read_sums(stats, entry, first, size, out_mean)) return false;
    for (uint64_t i = 0; out_mean && i < size; i++) out_mean[i] /= rows;
    uint64_t at = first + size;
    for (uint64_t i = 0; out_h && i < size; i++) {
        double *row = out_h + i * size;
        if (!stats_read_sums(stats, entry, at, i + 1, row)) return false;
        for (uint64_t k = 0; k <= i; k++) out_h[k * size + i] = row[k] = 2 * row[k] / rows;
        at += i + 1;
    }
    return true;
}
