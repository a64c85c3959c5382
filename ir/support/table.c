/* Hash tables (see table.h). */
#include <adze/table.h>

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

uint64_t adze_hash_mix(uint64_t a, uint64_t b)
{
    uint64_t h = a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2));
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    h ^= h >> 33;
    return h;
}

uint64_t adze_hash_bytes(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    uint64_t h = size;
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = adze_hash_mix(h, word);
    }
    uint64_t tail = 0;
    if (size) memcpy(&tail, p, size);
    return adze_hash_mix(h, tail);
}

static void insert(adze_table *table, adze_table_entry entry)
{
    size_t mask = table->capacity - 1;
    size_t i = entry.hash & mask;
    while (table->entries[i].item) i = (i + 1) & mask;
    table->entries[i] = entry;
    table->count++;
}

static void add(adze_table *table, adze_table_entry entry)
{
    if (3 * (table->count + 1) > 2 * table->capacity) {
        adze_table grown = {.capacity = table->capacity ? table->capacity * 2 : 32};
        grown.entries = calloc(grown.capacity, sizeof *grown.entries);
        if (!grown.entries) abort();
        for (size_t i = 0; i < table->capacity; i++)
            if (table->entries[i].item) insert(&grown, table->entries[i]);
        free(table->entries);
        *table = grown;
    }
    insert(table, entry);
}

void *adze_table_find(const adze_table *table, uint64_t hash, adze_same_fn *same, const void *self)
{
    if (!table->capacity) return NULL;
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask; table->entries[i].item; i = (i + 1) & mask)
        if (table->entries[i].hash == hash && same(self, table->entries[i].item))
            return table->entries[i].item;
    return NULL;
}

void adze_table_add(adze_table *table, uint64_t hash, void *item)
{
    add(table, (adze_table_entry){hash, item, NULL});
}

static adze_table_entry *find_key(const adze_table *table, const void *key)
{
    if (!table->capacity) return NULL;
    uint64_t hash = adze_hash_mix(1, (uint64_t)(uintptr_t)key);
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask; table->entries[i].item; i = (i + 1) & mask)
        if (table->entries[i].key == key) return &table->entries[i];
    return NULL;
}

void *adze_table_get(const adze_table *table, const void *key)
{
    adze_table_entry *entry = find_key(table, key);
    return entry ? entry->item : NULL;
}

void adze_table_put(adze_table *table, const void *key, void *item)
{
    adze_table_entry *entry = find_key(table, key);
    if (entry)
        entry->item = item;
    else
        add(table, (adze_table_entry){adze_hash_mix(1, (uint64_t)(uintptr_t)key), item, key});
}

static adze_table_entry *find_name(const adze_table *table, const char *name, uint64_t hash)
{
    if (!table->capacity) return NULL;
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask; table->entries[i].item; i = (i + 1) & mask)
        if (table->entries[i].hash == hash && !strcmp(table->entries[i].key, name))
            return &table->entries[i];
    return NULL;
}

void *adze_table_get_name(const adze_table *table, const char *name)
{
    adze_table_entry *entry = find_name(table, name, adze_hash_bytes(name, strlen(name)));
    return entry ? entry->item : NULL;
}

void adze_table_put_name(adze_table *table, const char *name, void *item)
{
    uint64_t hash = adze_hash_bytes(name, strlen(name));
    adze_table_entry *entry = find_name(table, name, hash);
    if (entry)
        entry->item = item;
    else
        add(table, (adze_table_entry){hash, item, name});
}

void adze_table_free(adze_table *table)
{
    free(table->entries);
    *table = (adze_table){0};
}
