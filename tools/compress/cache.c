/* Times that were measured before: a file with a line for each, "HASH SECONDS". */
#include "times.h"

#include <adze/arena.h>
#include <adze/table.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[] = "adze-times 1\n";

typedef struct known_time {
    uint64_t hash;
    double seconds;
} known_time;

struct times_cache {
    adze_context *context;
    const char *path;
    adze_arena arena;
    adze_table table;
    bool begun;  /* its first line is there */
    bool warned;
};

static bool same(const void *self, const void *item)
{
    return ((const known_time *)item)->hash == *(const uint64_t *)self;
}

static void keep(times_cache *cache, uint64_t hash, double seconds)
{
    known_time *known = adze_table_find(&cache->table, hash, same, &hash);
    if (!known) {
        known = ADZE_NEW(&cache->arena, known_time);
        adze_table_add(&cache->table, hash, known);
    }
    *known = (known_time){hash, seconds}; /* a later line is newer */
}

static times_cache *refuse(adze_context *context, const char *path, const char *why, FILE *file)
{
    adze_error(adze_loc_unknown(context), "%s: %s", path, why);
    if (file) fclose(file);
    return NULL;
}

times_cache *times_cache_open(adze_context *context, const char *path)
{
    struct stat info;
    char line[128] = "";
    if (!stat(path, &info) && !S_ISREG(info.st_mode)) return refuse(context, path, "is no file to keep times in", NULL);
    FILE *file = fopen(path, "r");
    if (!file && errno != ENOENT) return refuse(context, path, strerror(errno), NULL);
    if (file && fgets(line, sizeof line, file) && strcmp(line, magic) != 0)
        return refuse(context, path, "is no file of measured times", file);
    times_cache *cache = adze_malloc(sizeof *cache);
    *cache = (times_cache){.context = context, .path = adze_intern_z(context, path), .begun = *line};
    while (file && fgets(line, sizeof line, file)) {
        char *end;
        uint64_t hash = strtoull(line, &end, 16);
        double seconds = end > line ? adze_text_to_double(end, &end) : 0;
        if (end > line && seconds >= 0 && seconds < 1e6 && *end == '\n')
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
    if (!cache || (times_cache_find(cache, hash, &known) && known == seconds)) return;
    keep(cache, hash, seconds);
    adze_text line = {0};
    if (!cache->begun) adze_text_append(&line, "%s", magic);
    cache->begun = true;
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
