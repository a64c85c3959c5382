/* Hash tables from bytes or pointers to pointers: open addressing, no removal but by overwriting.
 * Source of the mix: Murmur3's 64-bit finaliser (Appleby, public domain constants). */
#ifndef ADZE_TABLE_H
#define ADZE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct adze_table_entry {
    uint64_t hash;
    void *item; /* NULL = free */
    const void *key;
} adze_table_entry;

typedef struct adze_table {
    adze_table_entry *entries;
    size_t count, capacity;
} adze_table;

uint64_t adze_hash_bytes(const void *bytes, size_t size);
uint64_t adze_hash_mix(uint64_t a, uint64_t b);
/* Finds the first entry with `hash` for which same(self, item) is true. */
typedef bool adze_same_fn(const void *self, const void *item);
void *adze_table_find(const adze_table *table, uint64_t hash, adze_same_fn *same, const void *self);
void adze_table_add(adze_table *table, uint64_t hash, void *item);
/* By pointer. */
void *adze_table_get(const adze_table *table, const void *key);
void adze_table_put(adze_table *table, const void *key, void *item);
/* By string. */
void *adze_table_get_name(const adze_table *table, const char *name);
void adze_table_put_name(adze_table *table, const char *name, void *item); /* name is borrowed */
void adze_table_free(adze_table *table);

#endif
