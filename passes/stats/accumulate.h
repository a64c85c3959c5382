/* Adding samples to statistics. */
#ifndef ADZE_STATS_ACCUMULATE_H
#define ADZE_STATS_ACCUMULATE_H

#include "passes/stats/kernels.h"
#include "passes/stats/stats.h"

/* ---- accumulate.c ---- */

/* A dense tensor of floats as f32. `data` is `own` where the tensor has other elements. */
typedef struct floats {
    const float *data;
    float *own;
    uint64_t capacity; /* of `own`, in elements */
    uint64_t count;
} floats;

/* False: no memory. `f` starts as zeros and may be used again; free(f->own) in the end. */
bool floats_take(floats *f, const adze_value *value);

/* Adds one sample of the value; false: no memory. `out_bad`: its elements that are NaN or infinite. */
bool stats_add_sample(value_entry *entry, const adze_value *value, const floats *data, uint64_t *out_bad);

/* Widens the bins, so that they hold [min, max] besides what they hold, to 2^least at least. */
void stats_widen(value_entry *entry, double min, double max, int least);

/* ---- gram.c ---- */

/* Memory that samples share; starts as zeros, gram_room_free ends it. */
typedef struct gram_room {
    float *padded, *strips;
    uint64_t padded_capacity, strips_capacity;
    int64_t *offsets; /* of columns */
    uint64_t offsets_capacity;
} gram_room;

void gram_room_free(gram_room *room);
/* Memory for rows that wait; false: there is none. */
bool gram_start(gram_entry *gram);
/* Adds those to the sums, and frees their memory. */
void gram_finish(gram_entry *gram);
/* Where column `column` of row `row` stands in strips. */
uint64_t gram_place(uint32_t row, uint64_t column);

/* Adds what the contraction reads of one sample. `symbol` gives the sizes of symbolic dims. `finite`: all elements are.
 * False with the reason in *out_why. */
bool gram_add_sample(gram_entry *gram, const gram_map *map, const adze_value *value, const floats *data, bool finite,
                     adze_dim_value_of *symbol, void *self, gram_room *room, const char **out_why);

#endif
