/* Hash tables of pointers: by hash and comparison, by pointer, or by name (support/table.c).
 *
 * A table that is all zero is empty, and may be a member of another struct. Keys and items are borrowed and must
 * outlive the table; an item is not NULL. Nothing is removed but by adze_table_free. One table uses one of the three
 * kinds of keys. Memory that the system refuses ends the process. A table is used by one thread at a time.
 */
#ifndef ADZE_IR_TABLE_H
#define ADZE_IR_TABLE_H

#include <adze/export.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_table_entry {
    uint64_t hash;
    void *item; /* NULL = free */
    const void *key;
} adze_table_entry;

typedef struct adze_table { /* its members are the functions' own */
    adze_table_entry *entries;
    size_t count, capacity;
} adze_table;

/* Hashes, the same in every run. Source of the mix: Murmur3's 64-bit finaliser (Appleby, public domain constants). */
ADZE_API uint64_t adze_hash_bytes(const void *bytes, size_t size);
ADZE_API uint64_t adze_hash_mix(uint64_t a, uint64_t b);

/* The first item added with that hash for which same(self, item) is true; NULL if there is none. */
typedef bool adze_same_fn(const void *self, const void *item);
ADZE_API void *adze_table_find(const adze_table *table, uint64_t hash, adze_same_fn *same, const void *self);
ADZE_API void adze_table_add(adze_table *table, uint64_t hash, void *item);
/* By pointer; NULL if there is none. put replaces what was there. */
ADZE_API void *adze_table_get(const adze_table *table, const void *key);
ADZE_API void adze_table_put(adze_table *table, const void *key, void *item);
/* By string. */
ADZE_API void *adze_table_get_name(const adze_table *table, const char *name);
ADZE_API void adze_table_put_name(adze_table *table, const char *name, void *item);
ADZE_API void adze_table_free(adze_table *table);

#ifdef __cplusplus
}
#endif
#endif
