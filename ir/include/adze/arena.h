/* Arenas: zeroed memory that is freed whole (support/arena.c). For what a pass keeps while it runs.
 *
 * An arena that is all zero is empty, and may be a member of another struct. Memory that the system refuses ends the
 * process (abort); --max-memory bounds what hostile input can ask for long before. An arena is
 * used by one thread at a time.
 */
#ifndef ADZE_IR_ARENA_H
#define ADZE_IR_ARENA_H

#include <adze/export.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_block adze_block;
typedef struct adze_arena { /* its members are the functions' own */
    adze_block *blocks;
    char *at, *end;
    size_t total;
} adze_arena;

/* `size` zero bytes, aligned to 16; they live until adze_arena_free. Never NULL. */
ADZE_API void *adze_arena_alloc(adze_arena *arena, size_t size);
ADZE_API void *adze_arena_copy(adze_arena *arena, const void *bytes, size_t size);
/* The same with a zero byte behind it. */
ADZE_API char *adze_arena_text(adze_arena *arena, const char *text, size_t size);
ADZE_API void adze_arena_free(adze_arena *arena);
/* An array of at least `count + 1` items of `item` bytes with the first `count` of `items`: `items` itself where
 * *capacity says that it has room, else a longer copy. */
ADZE_API void *adze_arena_grow(adze_arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t item);

#define ADZE_NEW(arena, type) ((type *)adze_arena_alloc((arena), sizeof(type)))
#define ADZE_NEW_ARRAY(arena, type, count) ((type *)adze_arena_alloc((arena), sizeof(type) * (count)))

/* malloc and realloc, which end the process where memory is out. Free with free. */
ADZE_API void *adze_malloc(size_t size);
ADZE_API void *adze_realloc(void *memory, size_t size);

#ifdef __cplusplus
}
#endif
#endif
