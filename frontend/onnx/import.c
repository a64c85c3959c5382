/* Reading a model: the entry points, the head of the file, inputs, initializers, outputs. */
#include "import.h"

#include <adze/table.h>

#include <stdlib.h>
#include <string.h>

/* The marks are never read through, only compared. */
static const char poison, absent;

adze_ir_value *adze_onnx_poison(void) { return (adze_ir_value *)(uintptr_t)&poison; }

adze_ir_value *adze_onnx_absent(void) { return (adze_ir_value *)(uintptr_t)&absent; }

bool adze_onnx_told(const adze_onnx_node *node)
{
    return adze_context_errors(node->import->context) != node->errors_before;
}

static bool is_clean(const adze_onnx_import *import)
{
    return adze_context_errors(import->context) == import->errors_before;
}

static bool fail(adze_onnx_import *import, const char *what)
{
    return adze_error(adze_onnx_source_loc(&import->source), "%s", what);
}

/* ---- The parts of the graph ---- */

/* What is done with one unpacked piece of the graph. */
typedef bool visit(adze_onnx_import *import, const adze_onnx_scope *scope, void *message);

static bool for_each(adze_onnx_import *import, const adze_onnx_scope *scope, const adze_onnx_list *list,
                     const ProtobufCMessageDescriptor *descriptor, visit *read)
{
    adze_onnx_piece piece = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < list->count; i++) {
        void *message = adze_onnx_piece_unpack(&piece, &import->source, list->items[i], descriptor);
        ok = message && read(import, scope, message);
    }
    adze_onnx_piece_free(&piece);
    return ok;
}

/* The declared types of results, by name. Those of inputs are read with the inputs. */
static bool read_declared(adze_onnx_import *import, const adze_onnx_scope *scope, void *message)
{
    const Pb__ValueInfo *info = message;
    (void)scope;
    adze_onnx_note_info(import, info);
    if (!info->name || !info->type || !info->type->tensor_type || info->type->tensor_type->elem_type == 0)
        return true;
    const char *name = adze_intern_z(import->context, info->name);
    const adze_type *type = adze_onnx_type(import, info->type, name, ADZE_ONNX_KNOWN_SYMBOLS);
    if (type) adze_map_set(import->declared, name, (void *)(uintptr_t)type);
    return adze_onnx_may_report(import);
}

/* Of a tensor, or where `sparse` is there of that. */
static bool read_constant(adze_onnx_import *import, const adze_onnx_scope *scope, const Pb__Tensor *tensor,
                          const Pb__SparseTensor *sparse)
{
    adze_loc loc = adze_onnx_source_loc(&import->source);
    if (!tensor || !tensor->name || !tensor->name[0]) return fail(import, "an initializer without a name");
    const char *name = adze_intern_z(import->context, tensor->name);
    if (adze_map_get(scope->values, name)) return adze_error(loc, "initializer '%s' is given twice", name);
    const char *inside = adze_internf(import->context, "%s%s", scope->prefix, name);
    adze_ir_value *value = sparse ? adze_onnx_sparse_const(import, sparse, inside, loc)
                                  : adze_onnx_tensor_const(import, tensor, inside, loc);
    if (value) adze_onnx_note_tensor(import, tensor, value);
    if (value) import->composed |= adze_onnx_dtype_version(adze_type_dtype(adze_value_type(value))) != 0;
    if (value && adze_onnx_is_helper(name)) adze_onnx_note_helper(import, value);
    adze_map_set(scope->values, name, value ? value : adze_onnx_poison());
    return adze_onnx_may_report(import);
}

bool adze_onnx_read_initializer(adze_onnx_import *import, const adze_onnx_scope *scope, Pb__Tensor *tensor)
{
    return read_constant(import, scope, tensor, NULL);
}

bool adze_onnx_read_sparse(adze_onnx_import *import, const adze_onnx_scope *scope, const Pb__SparseTensor *tensor)
{
    return read_constant(import, scope, tensor->values, tensor);
}

static bool read_sparse(adze_onnx_import *import, const adze_onnx_scope *scope, void *message)
{
    return adze_onnx_read_sparse(import, scope, message);
}

static bool read_initializer(adze_onnx_import *import, const adze_onnx_scope *scope, void *message)
{
    return adze_onnx_read_initializer(import, scope, message);
}

static bool mark_output(adze_onnx_import *import, const adze_onnx_scope *scope, void *message)
{
    const Pb__ValueInfo *info = message;
    if (info->name) adze_map_set(scope->used, adze_intern_z(import->context, info->name), import);
    return true;
}

/* Inputs that an initializer gives a value are no arguments. */
static bool read_input(adze_onnx_import *import, const adze_onnx_scope *scope, void *message)
{
    const Pb__ValueInfo *info = message;
    if (!info->name || !info->name[0]) return fail(import, "an input without a name");
    const char *name = adze_intern_z(import->context, info->name);
    adze_ir_value *known = adze_map_get(scope->values, name);
    if (known && (known == adze_onnx_poison() || adze_value_def(known) == ADZE_DEF_CONST)) return true;
    if (known) return adze_error(adze_onnx_source_loc(&import->source), "input '%s' is given twice", name);
    const adze_type *type = adze_onnx_type(import, info->type, name, ADZE_ONNX_NEW_SYMBOLS);
    adze_ir_value *value =
        type ? adze_region_add_arg(import->builder.region, type, name) : adze_onnx_poison();
    adze_onnx_note_info(import, info);
    adze_map_set(scope->values, name, value);
    return adze_onnx_may_report(import);
}

/* The value of output `name`, the index-th, as a result that has this name and is no other output: what ONNX would have
 * to copy to say it is a copy here, too. `values`: of the outputs before. */
static adze_ir_value *own_result(adze_onnx_import *import, adze_ir_value *value, const char *name,
                                 adze_ir_value *const *values, uint32_t index)
{
    const char *known = adze_value_name(value);
    bool result = adze_value_def(value) == ADZE_DEF_RESULT, again = false, same = known && !strcmp(known, name);
    for (uint32_t i = 0; i < index; i++) again |= values[i] == value;
    if (same && !again) return value;
    if (!result || again) {
        import->builder.loc = adze_onnx_source_loc(&import->source);
        adze_op *copy = adze_build(&import->builder, "identity", &value, 1, NULL, 0, NULL, 1);
        if (!copy) return adze_onnx_poison();
        value = adze_op_result(copy, 0);
    }
    adze_value_set_name(value, name);
    return value;
}

/* Collects the graph's outputs and ends the function with them. */
static bool finish(adze_onnx_import *import, const adze_onnx_scope *scope, adze_func *func)
{
    const adze_onnx_list *list = &import->index.outputs;
    uint32_t count = list->count;
    adze_ir_value **values = calloc((size_t)count + 1, sizeof(adze_ir_value *));
    const char **names = calloc((size_t)count + 1, sizeof(const char *));
    const adze_type **types = calloc((size_t)count + 1, sizeof(const adze_type *));
    adze_map *listed = adze_map_create();
    adze_onnx_piece piece = {0};
    bool ok = (values && names && types && listed) || fail(import, "out of memory");
    for (uint32_t i = 0; ok && i < count; i++) {
        Pb__ValueInfo *info = adze_onnx_piece_unpack(&piece, &import->source, list->items[i],
                                                     &pb__value_info__descriptor);
        if (!info) {
            ok = false;
            break;
        }
        names[i] = adze_intern_z(import->context, info->name ? info->name : "");
        values[i] = adze_map_get(scope->values, names[i]);
        if (adze_map_get(listed, names[i])) {
            adze_error(adze_onnx_source_loc(&import->source), "output '%s' is given twice", names[i]);
        } else if (!values[i]) {
            if (!import->nameless)
                adze_error(adze_onnx_source_loc(&import->source), "output '%s' is defined nowhere", names[i]);
        } else if (values[i] != adze_onnx_poison()) {
            values[i] = own_result(import, values[i], names[i], values, i);
            if (values[i] != adze_onnx_poison()) types[i] = adze_value_type(values[i]);
            adze_map_set(scope->values, names[i], values[i]);
        }
        adze_map_set(listed, names[i], import);
    }
    ok = ok && (count > 0 || fail(import, "the graph has no outputs"));
    if (ok && is_clean(import)) {
        import->builder.loc = adze_onnx_source_loc(&import->source);
        adze_func_set_results(func, types, names, count);
        ok = adze_build(&import->builder, "return", values, count, NULL, 0, NULL, 0) != NULL;
    }
    free(values);
    free(names);
    free(types);
    if (listed) adze_map_destroy(listed);
    adze_onnx_piece_free(&piece);
    return ok;
}

static bool read_graph(adze_onnx_import *import, const Pb__ModelHead *head)
{
    adze_func *func = adze_module_add_func(import->module, "main");
    import->builder = adze_builder_at_end(import->module, adze_func_body(func));
    adze_onnx_scope scope = {.prefix = "",
                             .values = adze_map_create(),
                             .used = adze_map_create(),
                             .opsets = head->opset_import,
                             .n_opsets = head->n_opset_import};
    const ProtobufCMessageDescriptor *info = &pb__value_info__descriptor;
    const adze_onnx_index *index = &import->index;
    adze_onnx_nodes nodes = {.ranges = index->nodes.items, .count = index->nodes.count};
    bool ok = ((scope.values && scope.used) || fail(import, "out of memory")) &&
              for_each(import, &scope, &index->outputs, info, mark_output) &&
              for_each(import, &scope, &index->initializers, &pb__tensor__descriptor, read_initializer) &&
              for_each(import, &scope, &index->sparse_initializers, &pb__sparse_tensor__descriptor, read_sparse) &&
              for_each(import, &scope, &index->inputs, info, read_input) &&
              for_each(import, &scope, &index->infos, info, read_declared) &&
              for_each(import, &scope, &index->outputs, info, read_declared) &&
              adze_onnx_import_nodes(import, &scope, &nodes) &&
              finish(import, &scope, func);
    if (ok && is_clean(import)) adze_onnx_drop_helpers(import);
    if (ok && is_clean(import)) adze_onnx_notes_finish(import, &scope);
    if (scope.values) adze_map_destroy(scope.values);
    if (scope.used) adze_map_destroy(scope.used);
    return ok;
}

/* ---- The head of the file ---- */

/* Version of the default domain; 0 if the model does not use it. */
static int64_t default_opset(const Pb__ModelHead *head)
{
    for (size_t i = 0; i < head->n_opset_import; i++) {
        const char *domain = head->opset_import[i]->domain;
        if (!domain || !*domain || strcmp(domain, "ai.onnx") == 0)
            return head->opset_import[i]->version;
    }
    return 0;
}

/* Said once; without it every node would say the same. */
static bool check_opset(adze_onnx_import *import, const Pb__ModelHead *head)
{
    int64_t opset = default_opset(head);
    if (head->n_opset_import > ADZE_ONNX_MAX_LIST)
        return adze_error(adze_onnx_source_loc(&import->source), "%zu opsets; at most %d are supported",
                          head->n_opset_import, ADZE_ONNX_MAX_LIST);
    if (!opset || (opset >= ADZE_ONNX_OPSET_MIN && opset <= ADZE_ONNX_OPSET_MAX)) return true;
    return adze_error(adze_onnx_source_loc(&import->source),
                      "not supported (opset %lld): opsets %d to %d are read", (long long)opset,
                      ADZE_ONNX_OPSET_MIN, ADZE_ONNX_OPSET_MAX);
}

static void set_text(adze_onnx_import *import, const char *name, const char *text)
{
    if (text && *text) adze_module_set_attr(import->module, adze_attr_str(name, text));
}

/* Keys and values in turn; without a name where there are none. */
static adze_attr pairs_attr(adze_onnx_import *import, const char *name, Pb__Entry *const *entries, size_t count)
{
    const char **list = calloc(2 * count + 1, sizeof *list);
    if (!list) abort();
    uint32_t n = 0;
    for (size_t i = 0; i < count; i++) {
        list[n++] = entries[i]->key ? entries[i]->key : "";
        list[n++] = entries[i]->value ? entries[i]->value : "";
    }
    adze_attr attr = n ? adze_attr_strs_make(import->context, name, list, n) : (adze_attr){0};
    free(list);
    return attr;
}

/* Name and version in one, which the export takes apart at the last space; a version that it would not find stands for
 * itself. */
static void set_producer(adze_onnx_import *import, const char *name, const char *version)
{
    bool both = *name && *version;
    const char *all = adze_internf(import->context, "%s%s%s", name, both ? " " : "", version);
    const char *space = strrchr(all, ' ');
    bool split = space && space[1] >= '0' && space[1] <= '9';
    bool found = split ? !strcmp(space + 1, version) && *name : !*version;
    set_text(import, "producer", found ? all : name);
    if (!found) adze_module_set_attr(import->module, adze_attr_str("producer_version", version));
}

static void set_attributes(adze_onnx_import *import, const Pb__ModelHead *head)
{
    int64_t opset = default_opset(head);
    adze_module_set_attr(import->module, adze_attr_int("opset", opset > 0 ? opset : ADZE_ONNX_OPSET_USUAL));
    adze_module_set_attr(import->module, adze_attr_int("ir_version", head->ir_version));
    set_producer(import, head->producer_name ? head->producer_name : "",
                 head->producer_version ? head->producer_version : "");
    set_text(import, "domain", head->domain);
    if (head->model_version) adze_module_set_attr(import->module, adze_attr_int("model_version", head->model_version));
    set_text(import, "doc", head->doc_string);
    adze_attr metadata = pairs_attr(import, "metadata", head->metadata_props, head->n_metadata_props);
    if (metadata.name) adze_module_set_attr(import->module, metadata);
}

/* Symbols so far: as text, as far as it is short, and how many more there are. */
typedef struct symbol_list {
    adze_text *text;
    adze_table seen;
    uint32_t more;
} symbol_list;

/* Returns NULL: the dim stays what it is. */
static const adze_dim *list_symbol(void *self, const char *name)
{
    enum { ENOUGH = 240 };
    symbol_list *list = self;
    if (adze_table_get(&list->seen, name)) return NULL;
    adze_table_put(&list->seen, name, list);
    if (list->text->size > ENOUGH) list->more++;
    else adze_text_append(list->text, "%s %.100s", list->text->size ? "," : "", name);
    return NULL;
}

void adze_onnx_list_symbols(const adze_onnx_import *import, adze_text *text)
{
    const adze_region *body = adze_func_body(adze_module_main(import->module));
    symbol_list list = {.text = text};
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const adze_type *type = adze_value_type(adze_region_arg(body, i));
        for (uint32_t k = 0; adze_type_is_tensor(type) && k < adze_type_rank(type); k++)
            adze_dim_substitute(import->context, adze_type_dim(type, k), NULL, 0, list_symbol, &list);
    }
    if (list.more) adze_text_append(text, " and %u more", list.more);
    adze_table_free(&list.seen);
}

static bool check_dims_used(const adze_onnx_import *import)
{
    bool ok = true;
    for (uint32_t i = 0; i < import->options.n_dims; i++) {
        if (import->dim_used[i]) continue;
        adze_text list = {0};
        adze_onnx_list_symbols(import, &list);
        ok = adze_error(adze_onnx_source_loc(&import->source),
                        "no input has a symbolic dim '%s'; %s%s", import->options.dims[i].name,
                        list.size ? "there are" : "there is none", list.size ? list.data : "");
        adze_text_free(&list);
    }
    return ok;
}

/* `out_doc` NULL: it has no documentation. `out_metadata` likewise, or its keys and values. */
static const char *graph_name(adze_onnx_import *import, const char **out_doc, adze_attr *out_metadata)
{
    adze_onnx_piece piece = {0};
    Pb__GraphHead *head = adze_onnx_piece_unpack(&piece, &import->source, import->index.graph,
                                                 &pb__graph_head__descriptor);
    const char *name = NULL;
    if (head)
        name = adze_intern_z(import->context, head->name && *head->name ? head->name : "model");
    *out_metadata = (adze_attr){0};
    if (head) *out_metadata = pairs_attr(import, "graph_metadata", head->metadata_props, head->n_metadata_props);
    *out_doc = head && head->doc_string ? adze_intern_z(import->context, head->doc_string) : NULL;
    adze_onnx_piece_free(&piece);
    return name;
}

/* Where nodes were said with other ops, or are older than what is written, the opset that these need: that it is
 * written with. */
static void set_needs(adze_onnx_import *import)
{
    int64_t opset, ir_version;
    if (!adze_onnx_needs(import->module, &opset, &ir_version)) return;
    adze_module_set_attr(import->module, adze_attr_int("opset", opset));
    adze_module_set_attr(import->module, adze_attr_int("ir_version", ir_version));
}

static bool read_model(adze_onnx_import *import)
{
    if (!adze_onnx_index_build(&import->index, &import->source)) return false;
    adze_attr metadata;
    const char *doc, *name = graph_name(import, &doc, &metadata);
    adze_onnx_piece piece = {0};
    Pb__ModelHead *head =
        adze_onnx_piece_unpack(&piece, &import->source, (adze_onnx_range){0, import->source.size},
                               &pb__model_head__descriptor);
    import->module = head && name ? adze_module_create(import->context, name) : NULL;
    bool ok = import->module != NULL;
    if (ok) {
        set_attributes(import, head);
        set_text(import, "graph_doc", doc);
        if (metadata.name) adze_module_set_attr(import->module, metadata);
        ok = check_opset(import, head) && read_graph(import, head) && is_clean(import) &&
             check_dims_used(import);
        if (ok && import->composed) set_needs(import);
        ok = ok && is_clean(import); /* a constant that cannot be read */
        if (ok) adze_onnx_order(import);
    }
    adze_onnx_piece_free(&piece);
    return ok;
}

/* ---- Entry points ---- */

static bool begin(adze_onnx_import *import, const adze_onnx_options *options)
{
    if (options) {
        size_t size =
            options->struct_size < sizeof *options ? options->struct_size : sizeof *options;
        memcpy(&import->options, options, size);
    }
    import->errors_before = adze_context_errors(import->context);
    adze_onnx_problems_begin(import);
    if (import->options.data_folder) import->folder = import->options.data_folder;
    import->symbols = adze_map_create();
    import->taken = adze_map_create();
    import->declared = adze_map_create();
    import->dim_used = calloc((size_t)import->options.n_dims + 1, sizeof *import->dim_used);
    for (uint32_t i = 0; i < import->options.n_dims; i++)
        if (import->options.dims[i].value < 0)
            return adze_error(adze_onnx_source_loc(&import->source), "dim '%s' cannot be %lld",
                              import->options.dims[i].name,
                              (long long)import->options.dims[i].value);
    return (import->symbols && import->taken && import->declared && import->dim_used) ||
           fail(import, "out of memory");
}

static void end(adze_onnx_import *import)
{
    adze_map *const maps[] = {import->symbols, import->taken, import->declared, import->functions, import->helpers};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (maps[i]) adze_map_destroy(maps[i]);
    adze_onnx_problems_end(import);
    adze_onnx_notes_free(import);
    free(import->was);
    free(import->dim_used);
    adze_onnx_index_free(&import->index);
    adze_onnx_source_close(&import->source);
}

static adze_module *run(adze_onnx_import *import, const adze_onnx_options *options)
{
    bool ok = begin(import, options) && read_model(import);
    end(import);
    if (!ok && import->module) adze_module_destroy(import->module);
    return ok ? import->module : NULL;
}

adze_module *adze_onnx_read(adze_context *context, const char *path,
                            const adze_onnx_options *options)
{
    adze_onnx_import import = {.context = context};
    if (!adze_onnx_source_open(&import.source, context, path)) {
        adze_onnx_source_close(&import.source);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    import.folder = !slash          ? "."
                    : slash == path ? "/"
                                    : adze_intern(context, path, (size_t)(slash - path));
    return run(&import, options);
}

adze_module *adze_onnx_read_memory(adze_context *context, const char *name, const void *bytes,
                                   size_t size, const adze_onnx_options *options)
{
    adze_onnx_import import = {.context = context};
    adze_onnx_source_open_memory(&import.source, context, name, bytes, size);
    return run(&import, options);
}
