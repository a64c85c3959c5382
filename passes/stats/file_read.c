/* Reads files of statistics. A file is hostile until proved otherwise: the table is checked whole
 * before anything is handed out, and takes no more memory than its bytes justify; a matrix is
 * checked when it is read.
 */
#include "passes/stats/accumulate.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    adze_context *context;
    const char *path;
    const unsigned char *at, *end;
    bool failed;
} reader;

/* Reports the first fault alone. */
static bool damaged(reader *r, const char *what)
{
    if (r->failed) return false;
    r->failed = true;
    return adze_error(adze_loc_unknown(r->context), "%s: damaged file of statistics: %s", r->path, what);
}

/* ---- Numbers ---- */

static uint64_t word_at(const unsigned char *at, uint32_t bytes)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < bytes; i++) word |= (uint64_t)at[i] << 8 * i;
    return word;
}

static double double_at(const unsigned char *at)
{
    uint64_t word = word_at(at, 8);
    double value;
    memcpy(&value, &word, 8);
    return value;
}

static bool has(reader *r, uint64_t bytes)
{
    return !r->failed && (bytes <= (uint64_t)(r->end - r->at) || damaged(r, "the table is cut off"));
}

static uint64_t get(reader *r, uint32_t bytes)
{
    if (!has(r, bytes)) return 0;
    r->at += bytes;
    return word_at(r->at - bytes, bytes);
}

static uint32_t get_u32(reader *r) { return (uint32_t)get(r, 4); }
static uint64_t get_u64(reader *r) { return get(r, 8); }

static double get_f64(reader *r)
{
    if (!has(r, 8)) return 0;
    r->at += 8;
    double value = double_at(r->at - 8);
    if (!isfinite(value)) damaged(r, "a number is not finite");
    return value;
}

/* Borrowed from `context`; never NULL. */
static const char *get_name(reader *r)
{
    uint32_t size = get_u32(r);
    if (size > STATS_MAX_NAME && !r->failed) damaged(r, "a name is too long");
    if (!has(r, size)) return "";
    const char *name = adze_intern(r->context, (const char *)r->at, size);
    if (strlen(name) != size) damaged(r, "a name has a zero byte");
    r->at += size;
    return name;
}

/* ---- Values ---- */

/* Do the bins cover [min, max], and no more than the accumulation may make? */
static bool bins_fit(const value_entry *v)
{
    const adze_value_stats *s = &v->view;
    double most = fmax(fabs(s->min), fabs(s->max));
    if (!s->count) return true;
    if (v->exponent < STATS_MIN_EXPONENT || v->exponent > 128 || !(most <= FLT_MAX)) return false;
    if (most > 0 && v->exponent < ilogb(most) - STATS_BIN_BITS) return false;
    int64_t last = stats_bin_of(s->max, v->exponent);
    return stats_bin_of(s->min, v->exponent) == s->first_bin && last - s->first_bin < ADZE_STATS_BINS;
}

static bool read_bins(reader *r, value_entry *v)
{
    uint32_t first = get_u32(r), n = get_u32(r);
    uint64_t sum = 0;
    if (r->failed || first > ADZE_STATS_BINS || n > ADZE_STATS_BINS - first)
        return damaged(r, "a histogram has too many bins");
    if (!bins_fit(v)) return damaged(r, "a histogram does not fit its range");
    for (uint32_t i = 0; i < n; i++) {
        v->bins[first + i] = get_u64(r);
        if (v->bins[first + i] > v->view.count - sum) return damaged(r, "a histogram counts too much");
        sum += v->bins[first + i];
        if (v->bins[first + i] && v->view.first_bin + first + i > stats_bin_of(v->view.max, v->exponent))
            return damaged(r, "a histogram does not fit its range");
    }
    return sum == v->view.count || damaged(r, "a histogram does not count all elements");
}

static bool read_channels(reader *r, value_entry *v)
{
    uint64_t n = get_u64(r), sum = 0;
    if (n > ADZE_STATS_MAX_CHANNELS || (n && v->view.axis == ADZE_STATS_NO_AXIS))
        return damaged(r, "a value has too many channels");
    if (!has(r, n * 7 * 8)) return false;
    if (!stats_set_channels(v, n)) return damaged(r, "there is no memory for its channels");
    for (uint64_t i = 0; i < n; i++) {
        v->channels.count[i] = get_u64(r);
        if (v->channels.count[i] > v->view.count - sum) return damaged(r, "channels count too much");
        sum += v->channels.count[i];
    }
    channels *c = &v->channels;
    double *arrays[] = {c->min, c->max, c->abs_max, c->mean, c->abs_mean, c->variance};
    for (uint32_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
        for (uint64_t i = 0; i < n; i++) arrays[a][i] = get_f64(r);
    for (uint64_t i = 0; i < n; i++)
        if (c->min[i] > c->max[i] || c->variance[i] < 0 || c->abs_max[i] != fmax(fabs(c->min[i]), fabs(c->max[i])))
            return damaged(r, "the range of a channel contradicts itself");
    return !r->failed;
}

static bool read_value(reader *r, adze_stats *stats)
{
    const char *name = get_name(r);
    uint32_t axis = get_u32(r);
    if (r->failed) return false;
    if (axis >= ADZE_MAX_RANK && axis != ADZE_STATS_NO_AXIS) return damaged(r, "an axis is out of range");
    if (adze_stats_find(stats, name)) return damaged(r, "two values have one name");
    value_entry *v = stats_add_value(stats, name, axis);
    adze_value_stats *s = &v->view;
    s->samples = get_u64(r);
    s->count = get_u64(r);
    s->n_nan = get_u64(r);
    s->n_infinite = get_u64(r);
    s->min = get_f64(r);
    s->max = get_f64(r);
    s->mean = get_f64(r);
    s->abs_mean = get_f64(r);
    s->variance = get_f64(r);
    if (!r->failed && (s->min > s->max || s->variance < 0 || s->abs_mean < 0))
        return damaged(r, "the range of a value contradicts itself");
    int64_t exponent = (int64_t)get_u64(r);
    s->first_bin = (int64_t)get_u64(r);
    if (exponent < -1000 || exponent > 1000) return damaged(r, "the width of a histogram's bins is out of range");
    v->exponent = (int)exponent;
    s->bin_width = s->count ? ldexp(1, v->exponent) : 0;
    return read_bins(r, v) && read_channels(r, v);
}

/* ---- Matrices ---- */

static bool read_gram(reader *r, adze_stats *stats, uint64_t *place)
{
    const char *name = get_name(r), *window = get_name(r);
    uint32_t n_groups = get_u32(r), n_pending = get_u32(r);
    uint64_t size = get_u64(r), left_out = get_u64(r), offset = get_u64(r), hash = get_u64(r);
    if (r->failed) return false;
    if (!size || size > ADZE_STATS_MAX_GRAM || !n_groups || n_groups > ADZE_STATS_MAX_CHANNELS)
        return damaged(r, "a matrix has too many columns or groups");
    if (n_pending && (n_pending >= STATS_BLOCK || n_groups > 1 || !stats->progress.incomplete))
        return damaged(r, "a matrix is not finished");
    if (!has(r, 8 * (uint64_t)n_groups)) return false;
    if (!adze_stats_find(stats, name)) return damaged(r, "a matrix is of no value");
    if (stats_find_gram(stats, name, window)) return damaged(r, "there are two of one matrix");
    gram_entry *g = stats_add_gram(stats, name, window, size, n_groups);
    g->view.left_out = left_out;
    g->n_pending = n_pending;
    g->offset = offset;
    g->hash = hash;
    for (uint32_t i = 0; i < n_groups; i++) g->rows[i] = get_u64(r);
    if (offset != *place) return damaged(r, "a matrix does not stand where it should");
    *place += 8 * gram_numbers(g);
    return !r->failed;
}

static bool read_part(const adze_stats *stats, const gram_entry *gram, uint64_t first, uint64_t count, double *out)
{
    return (stats->file && !fseeko(stats->file, (off_t)(gram->offset + 8 * first), SEEK_SET) &&
            fread(out, 8, count, stats->file) == count) ||
           adze_error(adze_loc_unknown(stats->context), "%s: cannot be read any more: it is shorter than it was",
                      stats->path ? stats->path : "statistics");
}

/* Once for each matrix: do its bytes have their hash? The parts are the writer's. */
static bool check_sums(const adze_stats *stats, gram_entry *gram)
{
    double *part = adze_malloc(STATS_PART * sizeof *part);
    uint64_t total = gram_numbers(gram), hash = total;
    bool ok = true;
    for (uint64_t at = 0; ok && at < total; at += STATS_PART) {
        uint64_t n = total - at < STATS_PART ? total - at : STATS_PART;
        ok = read_part(stats, gram, at, n, part);
        hash = adze_hash_mix(hash, ok ? adze_hash_bytes(part, 8 * n) : 0);
    }
    free(part);
    gram->checked = ok && hash == gram->hash;
    return gram->checked ||
           (ok && adze_error(adze_loc_unknown(stats->context),
                             "%s: damaged file of statistics: the checksum of a matrix of '%s' is wrong", stats->path,
                             gram->view.name));
}

bool stats_read_sums(const adze_stats *stats, gram_entry *gram, uint64_t first, uint64_t count, double *out)
{
    uint64_t n_sums = gram_num_sums(gram), size = gram->view.size;
    for (uint64_t i = 0; gram->sums && i < count; i++) {
        uint64_t k = first + i - n_sums; /* among the rows that wait */
        out[i] = first + i < n_sums ? gram->sums[first + i]
                                    : (double)gram->pending[gram_place((uint32_t)(k / size), k % size)];
    }
    if (gram->sums) return true;
    if (!gram->offset) { /* nothing was added yet */
        memset(out, 0, count * sizeof *out);
        return true;
    }
    if (!gram->checked && !check_sums(stats, gram)) return false;
    if (!read_part(stats, gram, first, count, out)) return false;
    for (uint64_t i = 0; i < count; i++) {
        out[i] = double_at((const unsigned char *)&out[i]);
        if (!isfinite(out[i]))
            return adze_error(adze_loc_unknown(stats->context),
                              "%s: damaged file of statistics: a matrix of '%s' holds a number "
                              "that is not finite",
                              stats->path, gram->view.name);
    }
    return true;
}

/* ---- The file ---- */

static bool read_table(reader *r, adze_stats *stats, uint64_t end_of_file)
{
    stats->fingerprint = get_u64(r);
    stats->data = get_u64(r);
    stats->samples = get_u64(r);
    stats->progress.options = get_u64(r);
    stats->progress.turn = get_u64(r);
    stats->progress.next = get_u64(r);
    uint32_t n_values = get_u32(r), n_grams = get_u32(r);
    uint64_t place = STATS_HEAD + (uint64_t)(r->end - r->at) + 56;
    if (r->failed) return false;
    if (n_values > STATS_MAX_VALUES || n_grams > STATS_MAX_VALUES) return damaged(r, "there are too many values");
    for (uint32_t i = 0; i < n_values; i++)
        if (!read_value(r, stats)) return false;
    for (uint32_t i = 0; i < n_grams; i++)
        if (!read_gram(r, stats, &place)) return false;
    if (r->at != r->end) return damaged(r, "there is something behind the table");
    return place == end_of_file || damaged(r, "its matrices are cut off");
}

/* Of the head: what kind of file it is. */
static bool read_head(reader *r, adze_stats *stats, uint64_t *out_file, uint64_t *out_table, uint64_t *out_hash)
{
    adze_loc loc = adze_loc_unknown(r->context);
    if (r->end - r->at < STATS_HEAD || memcmp(r->at, STATS_MAGIC, 8) != 0)
        return adze_error(loc, "%s: not a file of statistics, which 'adze calibrate' writes", r->path);
    r->at += 8;
    uint32_t version = get_u32(r), flags = get_u32(r);
    if (version != STATS_VERSION)
        return adze_error(loc, "%s: statistics of version %u, this Adze reads version %d; calibrate again", r->path,
                          version, STATS_VERSION);
    if (flags & ~(uint32_t)STATS_INCOMPLETE) return damaged(r, "it has unknown flags");
    stats->progress.incomplete = flags & STATS_INCOMPLETE;
    *out_file = get_u64(r);
    *out_table = get_u64(r);
    *out_hash = get_u64(r);
    return true;
}

static bool read_file(reader *r, adze_stats *stats, bool unfinished)
{
    unsigned char head[STATS_HEAD];
    uint64_t file = 0, size = 0, hash = 0;
    size_t n = fread(head, 1, sizeof head, stats->file);
    r->at = head;
    r->end = head + n;
    if (!read_head(r, stats, &file, &size, &hash)) return false;
    off_t end = fseeko(stats->file, 0, SEEK_END) ? -1 : ftello(stats->file);
    if (end < 0 || (uint64_t)end != file || size > file - STATS_HEAD) return damaged(r, "it is cut off");
    if (stats->progress.incomplete && !unfinished)
        return adze_error(adze_loc_unknown(r->context),
                          "%s: the run that wrote it has not ended; 'adze calibrate --resume' goes on with it",
                          r->path);
    unsigned char *table = malloc(size + 1);
    bool ok = table && !fseeko(stats->file, STATS_HEAD, SEEK_SET) && fread(table, 1, size, stats->file) == size;
    if (!ok) damaged(r, table ? "it cannot be read" : "there is no memory for its table");
    if (ok && adze_hash_bytes(table, size) != hash) ok = damaged(r, "the table's checksum is wrong");
    r->at = table;
    r->end = table + size;
    ok = ok && read_table(r, stats, file);
    free(table);
    return ok;
}

adze_stats *stats_read(adze_context *context, const char *path, bool unfinished)
{
    adze_stats *stats = adze_stats_create(context);
    reader r = {.context = context, .path = path};
    stats->path = adze_arena_text(&stats->arena, path, strlen(path));
    stats->file = fopen(path, "rb");
    if (!stats->file)
        adze_error(adze_loc_unknown(context), "%s: %s", path, strerror(errno));
    else if (read_file(&r, stats, unfinished))
        return stats;
    adze_stats_destroy(stats);
    return NULL;
}

adze_stats *adze_stats_load(adze_context *context, const char *path) { return stats_read(context, path, false); }
