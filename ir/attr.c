/* Attributes: 16-byte slots in the order of the op's row. */
#include "ir/ir_private.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

adze_attr adze_attr_int(const char *name, int64_t value)
{
    return (adze_attr){name, ADZE_ATTR_INT, {.i = value}};
}

adze_attr adze_attr_float(const char *name, double value)
{
    return (adze_attr){name, ADZE_ATTR_FLOAT, {.f = value}};
}

adze_attr adze_attr_str(const char *name, const char *value)
{
    return (adze_attr){name, ADZE_ATTR_STR, {.s = {value, strlen(value)}}};
}

adze_attr adze_attr_type(const char *name, adze_dtype value)
{
    return (adze_attr){name, ADZE_ATTR_TYPE, {.i = (int64_t)value}};
}

adze_attr adze_attr_ints(const char *name, const int64_t *values, uint64_t count)
{
    return (adze_attr){name, ADZE_ATTR_INTS, {.ints = {values, count}}};
}

adze_attr adze_attr_floats(const char *name, const double *values, uint64_t count)
{
    return (adze_attr){name, ADZE_ATTR_FLOATS, {.floats = {values, count}}};
}

adze_attr adze_attr_dim(const char *name, const adze_dim *dim)
{
    return (adze_attr){name, ADZE_ATTR_DIM, {.object = dim}};
}

adze_attr adze_attr_dims_make(adze_context *context, const char *name, const adze_dim *const *dims, uint32_t count)
{
    adze_attr_dims *list = ADZE_NEW(&context->arena, adze_attr_dims);
    list->count = count;
    list->dims = adze_arena_copy(&context->arena, dims, count * sizeof *dims);
    return (adze_attr){name, ADZE_ATTR_DIMS, {.object = list}};
}

adze_attr adze_attr_strs_make(adze_context *context, const char *name, const char *const *strings, uint32_t count)
{
    const char **list = ADZE_NEW_ARRAY(&context->arena, const char *, count + 1u);
    for (uint32_t i = 0; i < count; i++) list[i] = adze_intern_z(context, strings[i]);
    return (adze_attr){name, ADZE_ATTR_STRS, {.object = list}};
}

adze_attr adze_attr_sym(const char *name, const char *symbol)
{
    return (adze_attr){name, ADZE_ATTR_SYM, {.s = {symbol, strlen(symbol)}}};
}

adze_slot adze_slot_copy(adze_arena *arena, adze_attr_kind kind, adze_slot value)
{
    switch (kind) {
    case ADZE_ATTR_STR:
    case ADZE_ATTR_SYM:
        if (value.s.data) value.s.data = adze_arena_text(arena, value.s.data, value.s.size);
        break;
    case ADZE_ATTR_INTS:
        value.ints.data = adze_arena_copy(arena, value.ints.data, value.ints.count * sizeof(int64_t));
        break;
    case ADZE_ATTR_FLOATS:
        value.floats.data = adze_arena_copy(arena, value.floats.data, value.floats.count * sizeof(double));
        break;
    default: break; /* plain values, or objects that the context keeps */
    }
    return value;
}

/* The bytes that a slot of this kind is compared by. */
static const void *bytes_of(adze_attr_kind kind, const adze_slot *slot, size_t *size)
{
    switch (kind) {
    case ADZE_ATTR_STR:
    case ADZE_ATTR_SYM: return *size = slot->s.size, slot->s.data;
    case ADZE_ATTR_INTS: return *size = slot->ints.count * sizeof(int64_t), slot->ints.data;
    case ADZE_ATTR_FLOATS: return *size = slot->floats.count * sizeof(double), slot->floats.data;
    case ADZE_ATTR_DIMS: {
        const adze_attr_dims *dims = slot->object;
        return *size = dims ? dims->count * sizeof(void *) : 0, dims ? (const void *)dims->dims : NULL;
    }
    default: return *size = 8, slot;
    }
}

bool adze_slot_equal(adze_attr_kind kind, adze_slot a, adze_slot b)
{
    size_t n, m;
    const void *x = bytes_of(kind, &a, &n), *y = bytes_of(kind, &b, &m);
    return n == m && (!n || !memcmp(x, y, n));
}

uint64_t adze_slot_hash(adze_attr_kind kind, adze_slot value)
{
    size_t n;
    const void *bytes = bytes_of(kind, &value, &n);
    return n ? adze_hash_bytes(bytes, n) : 0;
}

static adze_ints default_ints(adze_context *context, const char *text)
{
    int64_t values[2 * ADZE_MAX_RANK];
    uint64_t count = 0;
    for (const char *at = text + 1; *at && *at != ']' && count < 2 * ADZE_MAX_RANK;) {
        char *end;
        values[count++] = strtoll(at, &end, 10);
        at = end + strspn(end, ", ");
    }
    return (adze_ints){adze_arena_copy(&context->arena, values, count * sizeof *values), count};
}

bool adze_slot_default(adze_context *context, const adze_attr_row *row, adze_slot *out)
{
    *out = (adze_slot){.words = {0, 0}};
    const char *text = row->fallback;
    if (!text || !strcmp(text, "!")) return false;
    switch (row->kind) {
    case ADZE_ATTR_INT: out->i = strtoll(text, NULL, 10); return true;
    case ADZE_ATTR_BOOL: out->i = !strcmp(text, "true"); return true;
    case ADZE_ATTR_FLOAT: out->f = adze_text_to_double(text, NULL); return true;
    case ADZE_ATTR_TYPE: out->i = (int64_t)adze_dtype_find(text); return true;
    case ADZE_ATTR_STR: /* in quotes */
        out->s.size = strlen(text) - 2;
        out->s.data = adze_intern(context, text + 1, out->s.size);
        return true;
    case ADZE_ATTR_INTS: out->ints = default_ints(context, text); return true;
    default: return false;
    }
}
