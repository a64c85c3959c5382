/* The names that values have in text. Names are made unique within a function; values without a name get numbers in
 * the order of the text. */
#include "ir/print.h"

#include <stdio.h>
#include <string.h>

typedef struct suffix_count {
    uint32_t next;
} suffix_count;

static const char *unique_name(adze_names *names, const char *name)
{
    suffix_count *count = adze_table_get_name(&names->taken, name);
    const char *unique = name;
    while (count) {
        char suffix[16];
        int n = snprintf(suffix, sizeof suffix, "_%u", ++count->next);
        size_t size = strlen(name);
        char *candidate = adze_arena_alloc(&names->arena, size + (size_t)n + 1);
        memcpy(candidate, name, size);
        memcpy(candidate + size, suffix, (size_t)n);
        unique = candidate;
        if (!adze_table_get_name(&names->taken, unique)) break;
    }
    adze_table_put_name(&names->taken, unique, ADZE_NEW(&names->arena, suffix_count));
    return unique;
}

static void name_value(adze_names *names, const adze_ir_value *value)
{
    adze_text *text = &names->scratch;
    text->size = 0;
    if (value->name)
        adze_text_symbol(text, '%', unique_name(names, value->name));
    else
        adze_text_append(text, "%%%u", names->next_number++);
    adze_table_put(&names->names, value, adze_arena_text(&names->arena, text->data, text->size));
}

void adze_names_open(adze_names *names, const adze_region *body)
{
    for (uint32_t i = 0; i < body->n_args; i++) name_value(names, body->args[i]);
    for (const adze_op *op = body->first; op; op = op->next) {
        for (uint32_t i = 0; i < op->n_results; i++) name_value(names, &op->results[i]);
        for (uint32_t i = 0; i < op->n_regions; i++) adze_names_open(names, &op->regions[i]);
    }
}

void adze_names_close(adze_names *names)
{
    adze_table_free(&names->names);
    adze_table_free(&names->taken);
    adze_table_free(&names->types);
    adze_text_free(&names->scratch);
    adze_arena_free(&names->arena);
}

void adze_names_print(adze_names *names, adze_text *text, const adze_ir_value *value)
{
    const char *name = value->def == ADZE_DEF_CONST ? NULL : adze_table_get(&names->names, value);
    if (value->def == ADZE_DEF_CONST)
        adze_text_symbol(text, '@', value->owner.constant->name);
    else
        adze_text_put(text, name ? name : "%?");
}

void adze_names_print_type(adze_names *names, adze_text *text, const adze_type *type)
{
    char *known = adze_table_get(&names->types, type);
    if (!known) {
        names->scratch.size = 0;
        adze_text_type(&names->scratch, type);
        known = adze_arena_text(&names->arena, names->scratch.data, names->scratch.size);
        adze_table_put(&names->types, type, known);
    }
    adze_text_put(text, known);
}
