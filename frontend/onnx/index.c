/* One walk over a model's wire format. See index.h. */
#include "index.h"
#include "onnx.pb-c.h"

#include <stdlib.h>

/* A node takes a few bytes of file but 16 here. */
enum { MAX_ENTRIES = 1 << 22 };

static bool push(adze_onnx_index *index, const adze_onnx_scanner *scanner, adze_onnx_list *list)
{
    if (index->entries == MAX_ENTRIES) {
        adze_onnx_scan_error(scanner, "more than %d nodes, tensors and values", MAX_ENTRIES);
        return false;
    }
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
        adze_onnx_range *items = realloc(list->items, capacity * sizeof *items);
        if (!items) {
            adze_onnx_scan_error(scanner, "out of memory");
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = scanner->range;
    index->entries++;
    return true;
}

/* A message directly in the graph. */
static bool note_graph_part(adze_onnx_index *index, const adze_onnx_scanner *scanner)
{
    switch (scanner->number) {
    case 1:
        return push(index, scanner, &index->nodes);
    case 5:
        return push(index, scanner, &index->initializers);
    case 11:
        return push(index, scanner, &index->inputs);
    case 12:
        return push(index, scanner, &index->outputs);
    case 13:
        return push(index, scanner, &index->infos);
    case 15:
        return push(index, scanner, &index->sparse_initializers);
    default:
        return true;
    }
}

static bool note_graph(adze_onnx_index *index, const adze_onnx_scanner *scanner)
{
    if (index->has_graph) {
        adze_onnx_scan_error(scanner, "a second graph");
        return false;
    }
    index->has_graph = true;
    index->graph = scanner->range;
    return true;
}

static bool note_function(adze_onnx_index *index, const adze_onnx_scanner *scanner)
{
    if (index->n_functions == index->functions_capacity) {
        uint32_t capacity = index->functions_capacity ? index->functions_capacity * 2 : 8;
        if (capacity > MAX_ENTRIES / 64) {
            adze_onnx_scan_error(scanner, "more than %d functions", MAX_ENTRIES / 128);
            return false;
        }
        adze_onnx_function_index *functions =
            realloc(index->functions, capacity * sizeof *functions);
        if (!functions) {
            adze_onnx_scan_error(scanner, "out of memory");
            return false;
        }
        index->functions = functions;
        index->functions_capacity = capacity;
    }
    index->functions[index->n_functions++] = (adze_onnx_function_index){.body = scanner->range};
    return true;
}

static bool note(adze_onnx_index *index, const adze_onnx_scanner *scanner)
{
    const ProtobufCMessageDescriptor *outer = scanner->frames[1].message;
    if (scanner->depth == 1 && outer == &pb__graph__descriptor) return note_graph(index, scanner);
    if (scanner->depth == 1 && outer == &pb__function__descriptor)
        return note_function(index, scanner);
    if (scanner->depth == 2 && outer == &pb__graph__descriptor)
        return note_graph_part(index, scanner);
    if (scanner->depth == 2 && outer == &pb__function__descriptor && scanner->number == 7)
        return push(index, scanner, &index->functions[index->n_functions - 1].nodes);
    return true;
}

bool adze_onnx_index_build(adze_onnx_index *index, adze_onnx_source *source)
{
    adze_onnx_scanner scanner;
    *index = (adze_onnx_index){0};
    adze_onnx_scan_begin(&scanner, source, (adze_onnx_range){0, source->size},
                         &pb__model__descriptor);
    for (;;) {
        switch (adze_onnx_scan_next(&scanner)) {
        case ADZE_ONNX_FAILED:
            return false;
        case ADZE_ONNX_ENTER:
            if (!note(index, &scanner)) return false;
            break;
        case ADZE_ONNX_FIELD:
        case ADZE_ONNX_LEAVE:
            break;
        case ADZE_ONNX_END:
            if (index->has_graph) return true;
            return adze_error(adze_onnx_source_loc(source),
                              source->size ? "not an ONNX model: it has no graph" : "empty file");
        }
    }
}

void adze_onnx_index_free(adze_onnx_index *index)
{
    free(index->nodes.items);
    free(index->initializers.items);
    free(index->inputs.items);
    free(index->outputs.items);
    free(index->infos.items);
    free(index->sparse_initializers.items);
    for (uint32_t i = 0; i < index->n_functions; i++) free(index->functions[i].nodes.items);
    free(index->functions);
    *index = (adze_onnx_index){0};
}
