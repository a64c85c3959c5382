/* Names of values as the module's text has them, and the hash that tells modules apart. */
#include "passes/stats/stats.h"

#include <stdio.h>
#include <string.h>

/* ---- Names ---- */

typedef struct naming {
    value_keys *keys;
    uint32_t capacity;
    adze_table taken; /* how many values have asked for the name: uint32_t * */
    uint32_t next;
} naming;

/* The rule of the printer (ir/print_names.c): the second value `x` is `x_1`. */
static const char *unique_name(naming *n, const char *name)
{
    uint32_t *count = adze_table_get_name(&n->taken, name);
    const char *unique = name;
    while (count) {
        char suffix[16];
        int size = snprintf(suffix, sizeof suffix, "_%u", ++*count);
        size_t length = strlen(name);
        char *candidate = adze_arena_alloc(&n->keys->arena, length + (size_t)size + 1);
        memcpy(candidate, name, length);
        memcpy(candidate + length, suffix, (size_t)size);
        unique = candidate;
        if (!adze_table_get_name(&n->taken, unique)) break;
    }
    adze_table_put_name(&n->taken, unique, ADZE_NEW(&n->keys->arena, uint32_t));
    return unique;
}

static void name_value(naming *n, const adze_ir_value *value)
{
    const char *name = adze_value_name(value);
    char number[16];
    if (name)
        name = unique_name(n, name);
    else
        snprintf(number, sizeof number, "%%%u", n->next++);
    const char *text = name ? name : number;
    value_keys *k = n->keys;
    k->items = adze_arena_grow(&k->arena, k->items, k->count, &n->capacity, sizeof *k->items);
    k->items[k->count++] = (value_key){value, adze_arena_text(&k->arena, text, strlen(text))};
}

static void name_region(naming *n, const adze_region *region)
{
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) name_value(n, adze_region_arg(region, i));
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) name_value(n, adze_op_result(op, i));
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) name_region(n, adze_op_region(op, i));
    }
}

void stats_keys(const adze_func *func, value_keys *out_keys)
{
    *out_keys = (value_keys){0};
    naming n = {.keys = out_keys};
    name_region(&n, adze_func_body(func));
    adze_table_free(&n.taken);
}

/* ---- Fingerprints ---- */

/* The text, without the contents of large constants, and a part of those. */
static bool add_const(const adze_const *constant, uint64_t *hash)
{
    enum { PART = 4096 };
    unsigned char bytes[PART];
    adze_data *data = adze_const_data(constant);
    uint64_t size = adze_data_size(data), part = size < PART ? size : PART;
    if (!part) return true;
    if (!adze_data_read(data, 0, bytes, part)) return false;
    *hash = adze_hash_mix(*hash, adze_hash_bytes(bytes, part));
    if (!adze_data_read(data, size - part, bytes, part)) return false;
    *hash = adze_hash_mix(*hash, adze_hash_bytes(bytes, part));
    return true;
}

uint64_t adze_stats_fingerprint(const adze_module *module)
{
    uint64_t hash = STATS_VERSION;
    adze_text text = {0};
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) {
        text.size = 0;
        if (!adze_func_print(f, NULL, &text)) {
            adze_text_free(&text);
            return 0;
        }
        hash = adze_hash_mix(hash, adze_hash_bytes(text.data, text.size));
    }
    adze_text_free(&text);
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        const char *name = adze_const_name(c);
        hash = adze_hash_mix(hash, adze_hash_bytes(name, strlen(name)));
        if (!add_const(c, &hash)) return 0;
    }
    return hash ? hash : 1;
}
