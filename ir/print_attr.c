/* Attributes as text, the inverse of parse_attr.c. */
#include <inttypes.h>
#include <string.h>

#include "ir/print.h"

static void print_list(adze_text *text, adze_attr_kind kind, const adze_slot *slot)
{
    if (kind == ADZE_ATTR_INTS) {
        for (uint64_t i = 0; i < slot->ints.count; i++)
            adze_text_append(text, "%s%" PRId64, i ? ", " : "", slot->ints.data[i]);
    } else if (kind == ADZE_ATTR_FLOATS) {
        for (uint64_t i = 0; i < slot->floats.count; i++) {
            if (i) adze_text_put(text, ", ");
            adze_text_double(text, slot->floats.data[i]);
        }
    } else if (kind == ADZE_ATTR_STRS) {
        const char *const *strings = slot->object;
        for (uint32_t i = 0; strings && strings[i]; i++) {
            if (i) adze_text_put(text, ", ");
            adze_text_quoted(text, strings[i], strlen(strings[i]));
        }
    } else {
        const adze_attr_dims *dims = slot->object;
        for (uint32_t i = 0; dims && i < dims->count; i++) {
            if (i) adze_text_put(text, ", ");
            adze_text_dim(text, dims->dims[i]);
        }
    }
}

static void print_value(adze_text *text, adze_attr_kind kind, const adze_slot *slot)
{
    switch (kind) {
    case ADZE_ATTR_INT:
        adze_text_append(text, "%" PRId64, slot->i);
        return;
    case ADZE_ATTR_BOOL:
        adze_text_append(text, slot->i ? "true" : "false");
        return;
    case ADZE_ATTR_FLOAT:
        adze_text_double(text, slot->f);
        return;
    case ADZE_ATTR_STR:
        adze_text_quoted(text, slot->s.data, slot->s.size);
        return;
    case ADZE_ATTR_SYM:
        adze_text_symbol(text, '@', slot->s.data ? slot->s.data : "");
        return;
    case ADZE_ATTR_TYPE:
        adze_text_put(text, adze_dtype_text((adze_dtype)slot->i));
        return;
    case ADZE_ATTR_DIM:
        adze_text_dim(text, slot->object);
        return;
    case ADZE_ATTR_TYPEREF:
        adze_text_type(text, slot->object);
        return;
    case ADZE_ATTR_INTS:
    case ADZE_ATTR_FLOATS:
    case ADZE_ATTR_STRS:
    case ADZE_ATTR_DIMS:
        adze_text_put(text, "[");
        print_list(text, kind, slot);
        adze_text_put(text, "]");
        return;
    }
}

void adze_print_slots(adze_text *text, adze_context *context, const adze_op_row *row,
                      const adze_slot *slots)
{
    const char *separator = " {";
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        adze_slot fallback;
        const adze_attr_row *attr = &row->attrs[i];
        if (!(slots[0].set >> i & 1)) continue;
        if (adze_slot_default(context, attr, &fallback) &&
            adze_slot_equal(attr->kind, slots[i + 1], fallback))
            continue;
        adze_text_append(text, "%s%s = ", separator, attr->name);
        print_value(text, attr->kind, &slots[i + 1]);
        separator = ", ";
    }
    if (*separator == ',') adze_text_put(text, "}");
}

void adze_print_free_attrs(adze_text *text, const adze_attr_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const adze_attr *attr = &list->items[i];
        adze_text_append(text, "%s%s = ", i ? ", " : " {", attr->name);
        const char *wrap = attr->kind == ADZE_ATTR_DIM       ? "dim("
                           : attr->kind == ADZE_ATTR_DIMS    ? "dims("
                           : attr->kind == ADZE_ATTR_TYPEREF ? "type("
                                                             : NULL;
        if (wrap) adze_text_put(text, wrap);
        if (attr->kind == ADZE_ATTR_DIMS)
            print_list(text, attr->kind, &attr->value);
        else
            print_value(text, attr->kind, &attr->value);
        if (wrap) adze_text_put(text, ")");
    }
    if (list->count) adze_text_put(text, "}");
}
