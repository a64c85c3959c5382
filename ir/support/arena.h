/* Arenas: zeroed memory that is freed whole. An allocation that the system refuses ends the process
 * through abort after a message; --max-memory bounds what hostile input can ask for long before. */
#ifndef ADZE_ARENA_H
#define ADZE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct adze_block adze_block;
typedef struct adze_arena {
    adze_block *blocks;
    char *at, *end;
    size_t total;
} adze_arena;

/* Zeroed, aligned to 16. Never NULL. */
void *adze_arena_alloc(adze_arena *arena, size_t size);
void *adze_arena_copy(adze_arena *arena, const void *bytes, size_t size);
char *adze_arena_text(adze_arena *arena, const char *text, size_t size);
void adze_arena_free(adze_arena *arena);
/* Grows an array in the arena to hold at least `count + 1` items. */
void *adze_arena_grow(adze_arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t item);

#define ADZE_NEW(arena, type) ((type *)adze_arena_alloc((arena), sizeof(type)))
#define ADZE_NEW_ARRAY(arena, type, count) ((type *)adze_arena_alloc((arena), sizeof(type) * (count)))

/* malloc and realloc that abort with a message where memory is out. */
void *adze_malloc(size_t size);
void *adze_realloc(void *memory, size_t size);

#endif
