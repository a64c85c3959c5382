/* An allocator for the runtime that counts what is taken and given back, and may fail. */
#ifndef COUNTING_ALLOCATOR_H
#define COUNTING_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Bytes that are taken now, and at most; allocations so far, and how many succeed (-1: all). */
typedef struct counter {
    int64_t live, most, calls, budget;
} counter;

static inline void *count_alloc(void *self, size_t bytes, size_t alignment)
{
    counter *c = self;
    void *memory;
    if (c->budget >= 0 && c->calls >= c->budget) return NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1)) return NULL;
    c->calls++;
    c->live += (int64_t)bytes;
    if (c->live > c->most) c->most = c->live;
    return memory;
}

static inline void count_free(void *self, void *memory, size_t bytes)
{
    counter *c = self;
    c->live -= (int64_t)bytes;
    free(memory);
}

#endif
