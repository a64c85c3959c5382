/* lookup: elements by a table. The keys are hashed into slots of scratch memory, so that each element takes a constant
 * time. Of equal keys the last one counts; any NaN equals any other, and -0 equals 0. */
#include "copy.h"

typedef struct table {
    const adze_value *keys;
    int64_t *slots; /* index + 1 of a key; 0 = free */
    uint64_t mask;  /* slots - 1, a power of two less one */
} table;

/* A number such that equal elements have equal ones. */
static uint64_t number_of(const adze_value *v, int64_t index)
{
    if (!ev_is_float(v->dtype)) return (uint64_t)ev_get_i64(v, index);
    double x = ev_get_f64(v, index);
    if (x != x) return adze_bits_f64(ev_nan());
    return x == 0 ? 0 : adze_bits_f64(x);
}

/* FNV-1a of strings, and a mix of all bits (Murmur3's finaliser, public domain constants). */
static uint64_t hash_of(const adze_value *v, int64_t index)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (v->dtype == ADZE_DTYPE_str) {
        adze_string text = ((const adze_string *)v->data)[index];
        for (uint64_t i = 0; i < text.size; i++) hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C(0x100000001b3);
    } else {
        hash = number_of(v, index);
    }
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 33;
}

static bool is_same(const adze_value *a, int64_t i, const adze_value *b, int64_t k)
{
    if (a->dtype != ADZE_DTYPE_str) return number_of(a, i) == number_of(b, k);
    adze_string one = ((const adze_string *)a->data)[i], two = ((const adze_string *)b->data)[k];
    return one.size == two.size && (!one.size || memcmp(one.data, two.data, one.size) == 0);
}

/* The slot that holds an equal key, or the free one where it would be. */
static uint64_t slot_of(const table *t, const adze_value *v, int64_t index)
{
    uint64_t slot = hash_of(v, index) & t->mask;
    while (t->slots[slot] && !is_same(t->keys, t->slots[slot] - 1, v, index)) slot = (slot + 1) & t->mask;
    return slot;
}

static bool build(const adze_env *env, table *t)
{
    uint64_t count = adze_value_count(t->keys), room = 4;
    if (count > UINT64_MAX / 64) return false;
    while (room < 2 * count) room *= 2;
    t->mask = room - 1;
    t->slots = ev_scratch(env, room, sizeof *t->slots);
    if (!t->slots) return false;
    memset(t->slots, 0, room * sizeof *t->slots);
    for (uint64_t i = 0; i < count; i++) t->slots[slot_of(t, t->keys, (int64_t)i)] = (int64_t)i + 1;
    return true;
}

static bool is_key_type(uint32_t dtype) { return dtype == ADZE_DTYPE_str || ev_is_number(dtype); }

adze_status eval_lookup(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                        const void *attrs)
{
    (void)n_out, (void)attrs;
    table t = {.keys = &in[1]};
    const adze_value *values = &in[2], *rest = ev_has(in, n_in, 3) ? &in[3] : NULL;
    if (in->dtype != in[1].dtype || !is_key_type(in->dtype) || adze_dtype_bits((adze_dtype)values->dtype) % 8)
        return ev_bad_dtype(env);
    if (adze_value_count(t.keys) != adze_value_count(values))
        return ev_fail(env, ADZE_ERR_DIM, "lookup: there are not as many values as keys");
    if (rest && (rest->dtype != values->dtype || adze_value_count(rest) != 1))
        return ev_fail(env, ADZE_ERR_DIM, "lookup: the value of what is no key is no single one of the values' type");
    adze_status status = ev_result(env, out, values->dtype, in->rank, in->dims);
    if (status != ADZE_OK) return status;
    if (!build(env, &t)) return ev_no_memory(env);
    size_t size = adze_dtype_bits((adze_dtype)values->dtype) / 8;
    int64_t count = (int64_t)adze_value_count(in);
    for (int64_t i = 0; i < count; i++) {
        int64_t found = t.slots[slot_of(&t, in, i)] - 1;
        if (found < 0 && !rest) return ev_fail(env, ADZE_ERR_VALUE, "lookup: an element is no key");
        const uint8_t *from = found < 0 ? rest->data : (const uint8_t *)values->data + (size_t)found * size;
        memcpy((uint8_t *)out->data + (size_t)i * size, from, size);
    }
    return ADZE_OK;
}
