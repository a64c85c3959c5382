/* Ops over maps on the reference. A map is two items, tensors of rank 1: keys and values. */
#include "ir/interp.h"

#include "ir/eval/convert.h"

#include <stdlib.h>
#include <string.h>

static bool fail(const adze_op *op, const char *what)
{
    return adze_error(adze_op_loc(op), "%s: %s", op->row->name, what);
}

/* A key and where it stands. */
typedef struct entry {
    adze_string text;
    int64_t number;
    bool is_unsigned;
    int64_t index;
} entry;

static int compare(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->text.data || b->text.data) {
        uint64_t n = a->text.size < b->text.size ? a->text.size : b->text.size;
        int order = n ? memcmp(a->text.data, b->text.data, n) : 0;
        return order ? order : (a->text.size > b->text.size) - (a->text.size < b->text.size);
    }
    if (a->is_unsigned)
        return ((uint64_t)a->number > (uint64_t)b->number) - ((uint64_t)a->number < (uint64_t)b->number);
    return (a->number > b->number) - (a->number < b->number);
}

/* The keys in order, freed by the caller; NULL: no memory. */
static entry *sorted(const adze_value *keys)
{
    int64_t n = keys->dims[0];
    entry *entries = calloc((size_t)n + 1, sizeof *entries);
    for (int64_t i = 0; entries && i < n; i++) {
        entries[i] = (entry){.is_unsigned = ev_is_unsigned(keys->dtype), .index = i};
        if (keys->dtype == ADZE_DTYPE_str)
            entries[i].text = ((const adze_string *)keys->data)[i];
        else
            entries[i].number = ev_get_i64(keys, i);
    }
    if (entries) qsort(entries, (size_t)n, sizeof *entries, compare);
    return entries;
}

/* A tensor of the n elements from[first + entries[i].index]. */
static bool pick(adze_interp *interp, const adze_op *op, const adze_value *from, uint64_t first, const entry *entries,
                 uint64_t n, adze_value *out)
{
    size_t size = adze_dtype_bits((adze_dtype)from->dtype) / 8;
    int64_t dim = (int64_t)n;
    if (!adze_interp_new(interp, adze_op_loc(op), (adze_dtype)from->dtype, 1, &dim, out)) return false;
    for (uint64_t i = 0; i < n; i++)
        memcpy((char *)out->data + i * size, (const char *)from->data + (first + (uint64_t)entries[i].index) * size,
               size);
    return adze_interp_own(interp, adze_op_loc(op), out);
}

/* Rows as maps, whose keys are in order. */
static bool run_zip(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    const adze_value *x = &in[0], *keys = &in[1];
    if (x->rank < 1 || x->rank > 2 || keys->rank != 1 || keys->dims[0] != x->dims[x->rank - 1])
        return fail(op, "there are not as many keys as columns");
    uint64_t rows = x->rank == 2 ? (uint64_t)x->dims[0] : 1, n = (uint64_t)keys->dims[0];
    entry *entries = sorted(keys);
    *out = (adze_value){.kind = ADZE_VALUE_SEQUENCE, .items = calloc(rows + 1, sizeof *out->items)};
    bool ok = (entries && out->items) || fail(op, "out of memory");
    for (uint64_t i = 0; ok && i < rows; i++) {
        adze_value *map = &out->items[out->n_items++];
        *map = (adze_value){.kind = ADZE_VALUE_MAP, .items = calloc(2, sizeof *map->items)};
        ok = map->items || fail(op, "out of memory");
        if (ok) map->n_items = 2;
        ok = ok && pick(interp, op, keys, 0, entries, n, &map->items[0]) &&
             pick(interp, op, x, i * n, entries, n, &map->items[1]);
    }
    free(entries);
    return ok;
}

static bool run_entries(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    const adze_value *keys = in->items, *values = in->items + 1;
    if (in->kind != ADZE_VALUE_MAP || in->n_items != 2 || keys->rank != 1 || values->rank != 1 ||
        keys->dims[0] != values->dims[0])
        return fail(op, "there are not as many keys as values");
    entry *entries = sorted(keys);
    if (!entries) return fail(op, "out of memory");
    uint64_t n = (uint64_t)keys->dims[0];
    bool ok = pick(interp, op, keys, 0, entries, n, &out[0]) && pick(interp, op, values, 0, entries, n, &out[1]);
    free(entries);
    return ok;
}

bool adze_interp_map(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    return adze_op_is(op, "zip_map") ? run_zip(interp, op, in, out) : run_entries(interp, op, in, out);
}
