/* Arenas: zeroed memory that is freed whole (see arena.h). */
#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

struct adze_block {
    adze_block *next;
    size_t size;
    _Alignas(16) char data[];
};

enum { BLOCK = 64 * 1024 };

void *adze_malloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

void *adze_realloc(void *memory, size_t size)
{
    memory = realloc(memory, size ? size : 1);
    if (!memory) abort();
    return memory;
}

void *adze_arena_alloc(adze_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) abort();
    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)(arena->end - arena->at)) {
        size_t want = size > BLOCK / 4 ? size : BLOCK;
        adze_block *block = calloc(1, sizeof *block + want);
        if (!block) abort();
        block->size = want;
        arena->total += want;
        if (want != BLOCK && arena->blocks) { /* a large piece: keep filling the open block */
            block->next = arena->blocks->next;
            arena->blocks->next = block;
            return block->data;
        }
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = block->data;
        arena->end = block->data + want;
    }
    void *result = arena->at;
    arena->at += size;
    return result;
}

void *adze_arena_copy(adze_arena *arena, const void *bytes, size_t size)
{
    void *copy = adze_arena_alloc(arena, size);
    if (size) memcpy(copy, bytes, size);
    return copy;
}

char *adze_arena_text(adze_arena *arena, const char *text, size_t size)
{
    char *copy = adze_arena_alloc(arena, size + 1);
    if (size) memcpy(copy, text, size);
    return copy;
}

void adze_arena_free(adze_arena *arena)
{
    for (adze_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (adze_arena){0};
}

void *adze_arena_grow(adze_arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t item)
{
    if (count < *capacity) return items;
    uint32_t more = *capacity ? *capacity * 2 : 4;
    void *grown = adze_arena_alloc(arena, more * item);
    if (count) memcpy(grown, items, count * item);
    *capacity = more;
    return grown;
}
