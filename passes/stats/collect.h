/* What a collection holds. */
#ifndef ADZE_STATS_COLLECT_H
#define ADZE_STATS_COLLECT_H

#include "passes/stats/accumulate.h"

typedef struct tap {
    const adze_ir_value *value;
    value_entry *entry;
    uint32_t turn;
    uint32_t index; /* among main's arguments where it is one, else among the results of its turn's program */
} tap;

typedef struct gram_tap {
    gram_entry *gram;
    gram_map map;
    uint32_t tap;
} gram_tap;

typedef struct symbol_value {
    const char *name;
    int64_t value;
} symbol_value;

typedef struct collection {
    adze_registry *registry;
    adze_context *context;
    const adze_module *module;
    const adze_func *func; /* its main */
    const adze_calibration *data;
    adze_collect_options options;
    adze_arena arena;
    adze_stats *stats;
    tap *taps;
    gram_tap *grams;
    uint32_t n_taps, n_grams, taps_capacity, grams_capacity, n_turns;
    uint64_t samples, bound;
    adze_value *inputs;    /* of one sample */
    symbol_value *symbols; /* of that sample */
    uint32_t n_symbols, symbols_capacity;
    floats floats;
    gram_room room;
    double model_seconds, last_save;
} collection;

/* ---- taps.c ---- */

/* Fills taps, grams and their entries; NULL values = all of main. */
bool collection_choose(collection *c, const adze_ir_value *const *values, uint32_t n_values);
/* Splits the taps into turns that stay within the bound at the sizes of the sample that is
 * bound, in the order of ops. */
void collection_split(collection *c);
/* A copy of the module whose main gives the values of that turn, and nothing else; NULL: it needs no run. */
adze_module *collection_tapped(const collection *c, uint32_t turn);
/* adze_dim_value_of of a collection: symbols of the sample that is bound. */
bool collection_symbol(void *self, const char *name, int64_t *out);

#endif
