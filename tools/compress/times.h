/* Times of layers, measured where they stand in the whole model, and a file that keeps them. */
#ifndef ADZE_COMPRESS_TIMES_H
#define ADZE_COMPRESS_TIMES_H

#include "compress.h"

/* The file: "adze-times 1", and a line for each time, "HASH SECONDS". */
typedef struct times_cache times_cache;

/* A file that is not there is empty. NULL after an error: it cannot be read, or is another kind of file. */
times_cache *times_cache_open(adze_context *context, const char *path);
bool times_cache_find(const times_cache *cache, uint64_t hash, double *out_seconds); /* NULL cache: false */
/* Appended at once; where that cannot be done, it warns once. NULL is allowed. */
void times_cache_add(times_cache *cache, uint64_t hash, double seconds);
void times_cache_close(times_cache *cache); /* NULL is allowed */

#endif
