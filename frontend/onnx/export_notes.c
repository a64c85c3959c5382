/* Documentation and metadata of nodes, values and tensors: attributes of the module (notes.c) into their messages. */
#include "export.h"

#include <string.h>

/* Attributes of the module, and how many strings an entry has. */
static const struct {
    const char *name;
    uint32_t width;
} lists[ADZE_ONNX_NOTES] = {
    [ADZE_ONNX_NODE_DOCS] = {"node_docs", 2},     [ADZE_ONNX_NODE_METADATA] = {"node_metadata", 3},
    [ADZE_ONNX_VALUE_DOCS] = {"value_docs", 2},   [ADZE_ONNX_VALUE_METADATA] = {"value_metadata", 3},
    [ADZE_ONNX_TENSOR_DOCS] = {"tensor_docs", 2}, [ADZE_ONNX_TENSOR_METADATA] = {"tensor_metadata", 3},
};

void adze_onnx_notes_open(adze_onnx_export *x)
{
    for (uint32_t i = 0; i < ADZE_ONNX_NOTES; i++) {
        const adze_attr *attr = adze_module_find_attr(x->module, lists[i].name);
        if (!attr || attr->kind != ADZE_ATTR_STRS) continue;
        x->notes[i] = adze_map_create();
        const char *const *at = attr->value.object;
        for (uint64_t k; at && *at; at += k) {
            for (k = 0; k < lists[i].width && at[k]; k++) continue;
            if (k < lists[i].width) break; /* half an entry */
            const char *name = adze_intern_z(x->context, at[0]);
            if (!adze_map_get(x->notes[i], name)) adze_map_set(x->notes[i], name, (void *)(uintptr_t)at);
        }
    }
}

void adze_onnx_notes_close(adze_onnx_export *x)
{
    for (uint32_t i = 0; i < ADZE_ONNX_NOTES; i++) adze_map_destroy(x->notes[i]);
}

bool adze_onnx_has_note(const adze_onnx_export *x, adze_onnx_note_list docs, const char *name)
{
    for (uint32_t i = docs; i <= docs + 1u; i++)
        if (x->notes[i] && adze_map_get(x->notes[i], name)) return true;
    return false;
}

void adze_onnx_put_notes(const adze_onnx_export *x, adze_onnx_bytes *out, adze_onnx_note_list docs, const char *name,
                         uint32_t doc_field, uint32_t metadata_field)
{
    const adze_map *texts = x->notes[docs], *pairs = x->notes[docs + 1];
    const char *const *doc = texts ? adze_map_get(texts, name) : NULL;
    const char *const *entry = pairs ? adze_map_get(pairs, name) : NULL;
    if (doc) adze_onnx_put_text(out, doc_field, doc[1]);
    for (; entry && entry[0] && !strcmp(entry[0], name); entry += 3)
        adze_onnx_put_pair(out, metadata_field, entry[1], entry[2]);
}

void adze_onnx_put_pair(adze_onnx_bytes *out, uint32_t field, const char *key, const char *value)
{
    size_t begin = adze_onnx_put_begin(out, field);
    adze_onnx_put_text(out, 1, key);
    adze_onnx_put_text(out, 2, value);
    adze_onnx_put_end(out, begin);
}

void adze_onnx_put_pairs(const adze_onnx_export *x, adze_onnx_bytes *out, uint32_t field, const char *attribute)
{
    const adze_attr *attr = adze_module_find_attr(x->module, attribute);
    if (!attr || attr->kind != ADZE_ATTR_STRS) return;
    for (const char *const *at = attr->value.object; at && at[0] && at[1]; at += 2)
        adze_onnx_put_pair(out, field, at[0], at[1]);
}
