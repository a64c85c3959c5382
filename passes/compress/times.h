/* Times of modules, measured in turns, and a file that keeps them. */
#ifndef ADZE_COMPRESS_TIMES_H
#define ADZE_COMPRESS_TIMES_H

#include <adze/engine.h>

/* A program with one input. */
typedef struct timed_program {
    adze_program *program; /* NULL: its time is known */
    adze_value input;
    uint64_t hash;
    double seconds; /* the shortest of all runs */
} timed_program;

/* Runs them in turns, each for some hundredths of a second in all. False after an error. */
bool times_measure(timed_program *const *programs, uint32_t n);
/* Of the ops, attributes and types of main, and the dims of its input: not of what constants hold. */
uint64_t times_hash(const adze_module *module, const adze_value *input);

/* The file: a line for each time, "HASH SECONDS". */
typedef struct times_cache times_cache;

/* A file that is not there is empty. NULL after an error. */
times_cache *times_cache_open(adze_context *context, const char *path);
bool times_cache_find(const times_cache *cache, uint64_t hash, double *out_seconds); /* NULL cache: false */
/* At once in the file, so that a run that is stopped keeps it; where that cannot be written, it warns once. */
void times_cache_add(times_cache *cache, uint64_t hash, double seconds);
void times_cache_close(times_cache *cache); /* NULL is allowed */

#endif
