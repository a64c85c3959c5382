/* Documentation and metadata of nodes, values and tensors, as attributes of the module: lists of names and what belongs
 * to them.
 *
 *     node_docs = ["y", "what the node says that makes y"], node_metadata = ["y", "key", "value"]
 *     value_docs, value_metadata: of values; tensor_docs, tensor_metadata: of constants
 *
 * Ops are named by their first result that has a name. So a rewrite that keeps the name keeps what was said, and a
 * model without any pays nothing.
 */
#include "import.h"
#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

typedef struct note {
    const char *doc;          /* interned; NULL: none */
    const char *const *pairs; /* keys and values, ended by NULL; NULL: none */
} note;

/* What is said of one value: by the node that makes it, of itself, of the constant that it is. */
typedef enum about { NODE, VALUE, TENSOR, N_ABOUT } about;

struct adze_onnx_notes {
    adze_arena arena;
    adze_map *of[N_ABOUT]; /* adze_ir_value -> note */
    adze_map *named;       /* interned name -> note of VALUE, until the values are there */
    const char **names;    /* the keys of `named` */
    uint32_t n_names, names_capacity;
};

static adze_onnx_notes *notes_of(adze_onnx_import *import)
{
    if (import->notes) return import->notes;
    adze_onnx_notes *notes = calloc(1, sizeof *notes);
    if (!notes) abort();
    for (int i = 0; i < N_ABOUT; i++)
        if (!(notes->of[i] = adze_map_create())) abort();
    if (!(notes->named = adze_map_create())) abort();
    return import->notes = notes;
}

void adze_onnx_notes_free(adze_onnx_import *import)
{
    adze_onnx_notes *notes = import->notes;
    if (!notes) return;
    for (int i = 0; i < N_ABOUT; i++) adze_map_destroy(notes->of[i]);
    adze_map_destroy(notes->named);
    adze_arena_free(&notes->arena);
    free(notes);
    import->notes = NULL;
}

static bool is_said(const char *doc, size_t n_entries) { return (doc && *doc) || n_entries; }

static note *make(adze_onnx_import *import, const char *doc, Pb__Entry *const *entries, size_t n)
{
    adze_onnx_notes *notes = notes_of(import);
    note *made = ADZE_NEW(&notes->arena, note);
    made->doc = doc && *doc ? adze_intern_z(import->context, doc) : NULL;
    if (!n) return made;
    const char **pairs = ADZE_NEW_ARRAY(&notes->arena, const char *, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        pairs[2 * i] = adze_intern_z(import->context, entries[i]->key ? entries[i]->key : "");
        pairs[2 * i + 1] = adze_intern_z(import->context, entries[i]->value ? entries[i]->value : "");
    }
    made->pairs = pairs;
    return made;
}

void adze_onnx_note_node(adze_onnx_import *import, const Pb__Node *proto, adze_ir_value *value)
{
    if (!is_said(proto->doc_string, proto->n_metadata_props) || adze_value_def(value) == ADZE_DEF_ARGUMENT) return;
    note *made = make(import, proto->doc_string, proto->metadata_props, proto->n_metadata_props);
    adze_map_set(import->notes->of[adze_value_const(value) ? TENSOR : NODE], value, made);
}

void adze_onnx_note_tensor(adze_onnx_import *import, const Pb__Tensor *proto, adze_ir_value *value)
{
    if (!is_said(proto->doc_string, proto->n_metadata_props)) return;
    note *made = make(import, proto->doc_string, proto->metadata_props, proto->n_metadata_props);
    adze_map_set(import->notes->of[TENSOR], value, made);
}

void adze_onnx_note_info(adze_onnx_import *import, const Pb__ValueInfo *proto)
{
    if (!is_said(proto->doc_string, proto->n_metadata_props) || !proto->name) return;
    note *made = make(import, proto->doc_string, proto->metadata_props, proto->n_metadata_props);
    adze_onnx_notes *notes = import->notes;
    const char *name = adze_intern_z(import->context, proto->name);
    adze_map_set(notes->named, name, made);
    notes->names = adze_arena_grow(&notes->arena, notes->names, notes->n_names, &notes->names_capacity,
                                   sizeof *notes->names);
    notes->names[notes->n_names++] = name;
}

/* ---- The lists ---- */

typedef struct list {
    const char **items;
    uint32_t count, capacity;
} list;

/* All lists, and the names that values have in text: unique, since lists name by them. */
typedef struct lists {
    adze_onnx_import *import;
    adze_map *taken; /* interned name -> the last number behind it, and 1 */
    list docs[N_ABOUT], pairs[N_ABOUT];
} lists;

static void push(list *l, const char *item)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 64;
        l->items = realloc(l->items, l->capacity * sizeof *l->items);
        if (!l->items) abort();
    }
    l->items[l->count++] = item;
}

static void add(lists *l, about what, const char *name, const adze_ir_value *value)
{
    const note *n = adze_map_get(l->import->notes->of[what], value);
    if (!n || !name) return;
    if (n->doc) push(&l->docs[what], name), push(&l->docs[what], n->doc);
    for (const char *const *at = n->pairs; at && *at; at += 2) {
        push(&l->pairs[what], name);
        push(&l->pairs[what], at[0]);
        push(&l->pairs[what], at[1]);
    }
}

/* Gives the value the name that it has in text, where another one above has it too. */
static void name_once(lists *l, adze_ir_value *value)
{
    const char *name = adze_value_name(value), *unique = name;
    if (!name) return;
    for (uintptr_t i; (i = (uintptr_t)adze_map_get(l->taken, unique)) != 0;) {
        i = (uintptr_t)adze_map_get(l->taken, name);
        adze_map_set(l->taken, name, (void *)(i + 1));
        unique = adze_internf(l->import->context, "%s_%zu", name, (size_t)i);
    }
    adze_map_set(l->taken, unique, (void *)(uintptr_t)1);
    if (unique != name) adze_value_set_name(value, unique);
}

static void add_values(lists *l, const adze_region *region)
{
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        adze_ir_value *value = adze_region_arg(region, i);
        name_once(l, value);
        add(l, VALUE, adze_value_name(value), value);
    }
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            adze_ir_value *value = adze_op_result(op, i);
            name_once(l, value);
            add(l, NODE, adze_value_name(value), value);
            add(l, VALUE, adze_value_name(value), value);
        }
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) add_values(l, adze_op_region(op, i));
    }
}

void adze_onnx_notes_finish(adze_onnx_import *import, const adze_onnx_scope *scope)
{
    static const char *const docs[] = {"node_docs", "value_docs", "tensor_docs"};
    static const char *const pairs[] = {"node_metadata", "value_metadata", "tensor_metadata"};
    adze_onnx_notes *notes = import->notes;
    lists l = {.import = import};
    if (!notes) return;
    if (!(l.taken = adze_map_create())) abort();
    for (uint32_t i = 0; i < notes->n_names; i++) {
        adze_ir_value *value = adze_map_get(scope->values, notes->names[i]);
        if (!value || value == adze_onnx_poison() || adze_value_const(value)) continue;
        const char *name = adze_value_name(value);
        if (name && !strcmp(name, notes->names[i]))
            adze_map_set(notes->of[VALUE], value, adze_map_get(notes->named, notes->names[i]));
    }
    add_values(&l, adze_func_body(adze_module_main(import->module)));
    for (const adze_const *c = adze_module_first_const(import->module); c; c = adze_const_next(c))
        add(&l, TENSOR, adze_const_name(c), adze_const_value(c));
    for (int i = 0; i < N_ABOUT; i++) {
        list *const both[] = {&l.docs[i], &l.pairs[i]};
        for (int k = 0; k < 2; k++) {
            const char *name = k ? pairs[i] : docs[i];
            if (both[k]->count)
                adze_module_set_attr(import->module, adze_attr_strs_make(import->context, name, both[k]->items,
                                                                         both[k]->count));
            free(both[k]->items);
        }
    }
    adze_map_destroy(l.taken);
}
