/* Writes statistics to a file, whole or not at all: under another name, which then is changed.
 *
 * All numbers are little endian. A head of STATS_HEAD bytes, a table of entries, then the sums of
 * the matrices, one after the other, as f64. file_read.c says what must hold.
 */
#include "passes/stats/stats.h"

#include <adze/temporary.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Numbers as bytes ---- */

static void put(adze_text *out, uint64_t word, uint32_t bytes)
{
    char data[8];
    for (uint32_t i = 0; i < bytes; i++) data[i] = (char)(word >> 8 * i & 0xff);
    adze_text_write(out, data, bytes);
}

static void put_u32(adze_text *out, uint32_t value) { put(out, value, 4); }
static void put_u64(adze_text *out, uint64_t value) { put(out, value, 8); }

static void put_f64(adze_text *out, double value)
{
    uint64_t word;
    memcpy(&word, &value, 8);
    put(out, word, 8);
}

static void put_f64s(adze_text *out, const double *values, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) put_f64(out, values[i]);
}

static void put_u64s(adze_text *out, const uint64_t *values, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) put_u64(out, values[i]);
}

static void put_name(adze_text *out, const char *name)
{
    put_u32(out, (uint32_t)strlen(name));
    adze_text_write(out, name, strlen(name));
}

/* ---- Entries ---- */

static void put_bins(adze_text *out, const value_entry *v)
{
    uint32_t first = 0, end = ADZE_STATS_BINS;
    while (first < end && !v->bins[first]) first++;
    while (end > first && !v->bins[end - 1]) end--;
    put_u32(out, first);
    put_u32(out, end - first);
    put_u64s(out, v->bins + first, end - first);
}

static void put_value(adze_text *out, const value_entry *v)
{
    const adze_value_stats *s = &v->view;
    put_name(out, s->name);
    put_u32(out, s->axis);
    put_u64s(out, (const uint64_t[]){s->samples, s->count, s->n_nan, s->n_infinite}, 4);
    put_f64s(out, (const double[]){s->min, s->max, s->mean, s->abs_mean, s->variance}, 5);
    put_u64(out, (uint64_t)(int64_t)v->exponent);
    put_u64(out, (uint64_t)s->first_bin);
    put_bins(out, v);
    uint64_t n = s->channels.n;
    put_u64(out, n);
    put_u64s(out, v->channels.count, n);
    const channels *c = &v->channels;
    const double *arrays[] = {c->min, c->max, c->abs_max, c->mean, c->abs_mean, c->variance};
    for (uint32_t i = 0; i < sizeof arrays / sizeof *arrays; i++) put_f64s(out, arrays[i], n);
}

static void put_gram(adze_text *out, const gram_entry *g, uint64_t offset, uint64_t hash)
{
    put_name(out, g->view.name);
    put_name(out, g->view.window);
    put_u32(out, g->view.n_groups);
    put_u32(out, g->n_pending);
    put_u64s(out, (const uint64_t[]){g->view.size, g->view.left_out, offset, hash}, 4);
    put_u64s(out, g->rows, g->view.n_groups);
}

/* ---- The file ---- */

typedef struct place {
    uint64_t offset, hash;
} place;

/* Sums of one matrix, in parts; their hash goes to *out_hash. */
static bool write_sums(const adze_stats *stats, gram_entry *g, FILE *file, uint64_t *out_hash)
{
    double *part = adze_malloc(STATS_PART * sizeof *part);
    adze_text bytes = {0};
    uint64_t total = gram_numbers(g), hash = total;
    bool ok = true;
    for (uint64_t at = 0; ok && at < total; at += STATS_PART) {
        uint64_t n = total - at < STATS_PART ? total - at : STATS_PART;
        ok = stats_read_sums(stats, g, at, n, part);
        if (!ok) break;
        bytes.size = 0;
        put_f64s(&bytes, part, n);
        hash = adze_hash_mix(hash, adze_hash_bytes(bytes.data, bytes.size));
        ok = fwrite(bytes.data, 1, bytes.size, file) == bytes.size || ferror(file);
    }
    free(part);
    adze_text_free(&bytes);
    *out_hash = hash;
    return ok;
}

static void make_table(const adze_stats *stats, const place *places, adze_text *out)
{
    const stats_progress *p = &stats->progress;
    put_u64s(out, (const uint64_t[]){stats->fingerprint, stats->data, stats->samples, p->options, p->turn, p->next}, 6);
    put_u32(out, stats->n_values);
    put_u32(out, stats->n_grams);
    for (uint32_t i = 0; i < stats->n_values; i++) put_value(out, stats->values[i]);
    for (uint32_t i = 0; i < stats->n_grams; i++) put_gram(out, stats->grams[i], places[i].offset, places[i].hash);
}

/* The head goes first in the file, but is known last. */
static bool write_head(const adze_stats *stats, const adze_text *table, uint64_t end, FILE *file)
{
    adze_text head = {0};
    adze_text_write(&head, STATS_MAGIC, 8);
    put_u32(&head, STATS_VERSION);
    put_u32(&head, stats->progress.incomplete ? STATS_INCOMPLETE : 0);
    put_u64s(&head, (const uint64_t[]){end, table->size, adze_hash_bytes(table->data, table->size)}, 3);
    bool ok = !fseeko(file, 0, SEEK_SET) && fwrite(head.data, 1, head.size, file) == head.size;
    ok = ok && fwrite(table->data, 1, table->size, file) == table->size;
    adze_text_free(&head);
    return ok;
}

/* Bytes of the table do not depend on what stands in it for places and hashes. */
static bool write_all(const adze_stats *stats, FILE *file, place *places)
{
    adze_text table = {0};
    make_table(stats, places, &table);
    uint64_t end = STATS_HEAD + table.size;
    bool ok = !fseeko(file, (off_t)end, SEEK_SET);
    for (uint32_t i = 0; ok && i < stats->n_grams; i++) {
        places[i].offset = end;
        ok = write_sums(stats, stats->grams[i], file, &places[i].hash);
        end += 8 * gram_numbers(stats->grams[i]);
    }
    table.size = 0;
    make_table(stats, places, &table);
    ok = ok && write_head(stats, &table, end, file);
    adze_text_free(&table);
    return ok && !fflush(file) && !ferror(file);
}

/* From now on the sums lie in `file`. */
static void spill_to(adze_stats *stats, FILE *file, const char *path, const place *places)
{
    if (stats->file) fclose(stats->file);
    stats->file = file;
    stats->path = adze_arena_text(&stats->arena, path, strlen(path));
    for (uint32_t i = 0; i < stats->n_grams; i++) {
        gram_entry *g = stats->grams[i];
        g->offset = places[i].offset;
        g->hash = places[i].hash;
        g->checked = true;
    }
}

/* Where a link leads, so that it stays one; NULL where renaming would replace what is no file, a device say. */
static const char *target_of(const adze_stats *stats, const char *path)
{
    struct stat info;
    if (stat(path, &info)) return path;
    if (!S_ISREG(info.st_mode)) {
        adze_error(adze_loc_unknown(stats->context), "%s: cannot be written: not a regular file", path);
        return NULL;
    }
    char *real = realpath(path, NULL);
    if (!real) return path;
    path = adze_intern_z(stats->context, real);
    free(real);
    return path;
}

/* Gives the open file, and places[n_grams] where its matrices lie; NULL after an error. */
static FILE *write_file(const adze_stats *stats, const char *path, place *places)
{
    uint64_t errors = adze_context_errors(stats->context);
    path = target_of(stats, path);
    if (!path) return NULL;
    const char *part = adze_internf(stats->context, "%s.%ld.tmp", path, (long)getpid());
    errno = 0;
    adze_temporary_add(stats->context, part);
    FILE *file = fopen(part, "wb+");
    if (file && write_all(stats, file, places) && !rename(part, path)) {
        adze_temporary_forget(stats->context, part);
        return file;
    }
    if (adze_context_errors(stats->context) == errors)
        adze_error(adze_loc_unknown(stats->context), "%s: cannot be written: %s", path, strerror(errno ? errno : EIO));
    if (file) {
        fclose(file);
        unlink(part);
    }
    adze_temporary_forget(stats->context, part);
    return NULL;
}

static place *make_places(const adze_stats *stats)
{
    place *places = adze_malloc((stats->n_grams + 1u) * sizeof *places);
    memset(places, 0, (stats->n_grams + 1u) * sizeof *places);
    return places;
}

bool adze_stats_save(const adze_stats *stats, const char *path)
{
    place *places = make_places(stats);
    FILE *file = write_file(stats, path, places);
    if (file) fclose(file);
    free(places);
    return file;
}

bool stats_spill(adze_stats *stats, const char *path)
{
    place *places = make_places(stats);
    FILE *file = write_file(stats, path, places);
    if (file) spill_to(stats, file, path, places);
    free(places);
    return file;
}
