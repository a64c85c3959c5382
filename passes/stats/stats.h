/* What statistics hold, and what the parts of this folder share. */
#ifndef ADZE_STATS_PRIVATE_H
#define ADZE_STATS_PRIVATE_H

#include <adze/arena.h>
#include <adze/stats.h>
#include <adze/table.h>

#include <stdio.h>

/* Arrays of one value's channels: those of adze_channel_stats, to write to. */
typedef struct channels {
    uint64_t *count;
    double *min, *max, *abs_max, *mean, *abs_mean, *variance;
} channels;

typedef struct value_entry {
    adze_value_stats view; /* what is handed out; its arrays are the ones below */
    uint64_t *bins;
    int exponent; /* bin_width is 2^exponent; means something where view.count > 0 */
    channels channels;
} value_entry;

typedef struct gram_entry {
    adze_gram view;
    uint64_t *rows;
    double *sums;    /* each group: sum of x, [size], then the lower triangle of sum x x^T by rows;
                        NULL: in the file, or all 0 */
    uint64_t offset; /* there; 0: they are not in it */
    uint64_t hash;   /* of the bytes there */
    bool checked;    /* that they have it */
    /* Rows that wait until they are STATS_BLOCK, in strips as kernels.h has them; of matrices of one group, while they
     * are collected. */
    float *pending;
    uint32_t n_pending;
} gram_entry;

/* How far a collection is. */
typedef struct stats_progress {
    bool incomplete;
    uint64_t options;    /* hash of what it was told */
    uint64_t turn, next; /* the sample that comes next in that turn */
} stats_progress;

struct adze_stats {
    adze_context *context;
    adze_arena arena;
    uint64_t fingerprint, data; /* of the module, of the calibration data */
    uint64_t samples;
    stats_progress progress;
    value_entry **values;
    gram_entry **grams;
    uint32_t n_values, n_grams, values_capacity, grams_capacity;
    adze_table by_name;  /* value_entry by its name */
    adze_table by_value; /* value_entry by the value of the attached module */
    FILE *file;          /* holds sums; NULL = all are in memory */
    const char *path;    /* its, for messages */
};

/* ---- stats.c ---- */

/* Adds an entry; the name is copied and must be new. Arrays are zero. */
value_entry *stats_add_value(adze_stats *stats, const char *name, uint32_t axis);
/* Gives the entry `n` channels, all zero; false: no memory. */
bool stats_set_channels(value_entry *entry, uint64_t n);
void stats_drop_channels(value_entry *entry);
/* Adds one without sums. */
gram_entry *stats_add_gram(adze_stats *stats, const char *name, const char *window, uint64_t size, uint32_t n_groups);
gram_entry *stats_find_gram(const adze_stats *stats, const char *name, const char *window);
/* Numbers in `sums`, all groups together; and with the rows that wait. */
uint64_t gram_num_sums(const gram_entry *gram);
uint64_t gram_numbers(const gram_entry *gram);

/* ---- accumulate.c ---- */

enum {
    STATS_MIN_EXPONENT = -100, /* of the width of bins: narrower ones hold zero alone */
    STATS_BIN_BITS = 28        /* of a bin's number: floats have 24 */
};

/* The number of the bin of that width that x falls into, counted from zero. */
int64_t stats_bin_of(double x, int exponent);

/* ---- keys.c ---- */

/* What the text calls the values of a function, without % but for those that it numbers: "%3". */
typedef struct value_key {
    const adze_ir_value *value;
    const char *name;
} value_key;
typedef struct value_keys {
    adze_arena arena; /* holds all of it; the caller frees it */
    value_key *items;
    uint32_t count;
} value_keys;

void stats_keys(const adze_func *func, value_keys *out_keys);

/* ---- describe.c ---- */

/* How a contraction reads its data: element (row, column, group) stands at sum(coef * axis) + rest
 * along each dim. Row, column and group axes are numbered one after the other. */
typedef struct gram_map {
    const adze_ir_value *value;
    const char *window;                                 /* interned; the form that equal readings have in common */
    uint32_t rank, n_axes, n_rows, n_columns, n_groups; /* axes of each kind, in this order */
    const adze_dim *extent[ADZE_MAX_AXES];
    int64_t coef[ADZE_MAX_RANK][ADZE_MAX_AXES];
    const adze_dim *rest[ADZE_MAX_RANK];
    uint64_t size, groups; /* products of the columns' and groups' extents */
} gram_map;

/* False, without a message, where the operand has no Gram matrix. */
bool gram_describe(const adze_op *op, uint32_t operand, gram_map *out);

/* ---- file_write.c, file_read.c ---- */

/* adze_stats_save; from then on sums may be taken out of memory, they are read from that file. */
bool stats_spill(adze_stats *stats, const char *path);
/* adze_stats_load, of an unfinished run too where `unfinished`. */
adze_stats *stats_read(adze_context *context, const char *path, bool unfinished);
/* Copies `count` of a matrix' numbers, sums and then rows that wait, from number `first`, out of memory or file. False
 * after an error. */
bool stats_read_sums(const adze_stats *stats, gram_entry *gram, uint64_t first, uint64_t count, double *out);

#define STATS_MAGIC "ADZSTATS"
enum {
    STATS_VERSION = 1,
    STATS_INCOMPLETE = 1, /* in `flags` */
    STATS_HEAD = 40,      /* magic, version, flags, bytes of the file, bytes of the table, hash of the table */
    STATS_MAX_VALUES = 1 << 20,
    STATS_MAX_NAME = 1 << 16,
    STATS_PART = 8192 /* numbers of a matrix that are hashed together */
};

#endif
