/* dot: a backend that draws the graph, as text for Graphviz, one node an op, input and constant.
 *
 * A backend says which ops it can do, which passes make its input, and writes a file. This one takes tensor ops, so
 * its pipeline ends before they become loops.
 */
#include <adze/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct drawing {
    adze_text text;
    adze_map *ids; /* value -> id of the node that gives it, as a pointer */
    uintptr_t last;
} drawing;

static void append_quoted(adze_text *text, const char *word)
{
    for (; *word; word++) adze_text_append(text, *word == '"' || *word == '\\' ? "\\%c" : "%c", *word);
}

static uintptr_t add_node(drawing *d, const char *shape, const char *label, const adze_type *type)
{
    char shown[256] = "";
    if (type) adze_type_print(type, shown, sizeof shown);
    adze_text_append(&d->text, "  n%zu [shape=%s, label=\"", (size_t)++d->last, shape);
    append_quoted(&d->text, label);
    if (type) adze_text_append(&d->text, "\\n");
    append_quoted(&d->text, shown);
    adze_text_append(&d->text, "\"];\n");
    return d->last;
}

static void add_value(drawing *d, const char *shape, const adze_ir_value *value)
{
    uintptr_t id = add_node(d, shape, adze_value_name(value), adze_value_type(value));
    adze_map_set(d->ids, value, (void *)id);
}

static void add_op(drawing *d, const adze_op *op)
{
    uint32_t n = adze_op_num_results(op);
    uintptr_t id = add_node(d, "box", adze_op_name(op), n ? adze_value_type(adze_op_result(op, 0)) : NULL);
    for (uint32_t i = 0; i < n; i++) adze_map_set(d->ids, adze_op_result(op, i), (void *)id);
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *operand = adze_op_operand(op, i);
        if (!operand) continue; /* an optional one that is absent */
        if (adze_value_def(operand) == ADZE_DEF_CONST && !adze_map_get(d->ids, operand))
            add_value(d, "note", operand);
        adze_text_append(&d->text, "  n%zu -> n%zu;\n", (size_t)adze_map_get(d->ids, operand), (size_t)id);
    }
}

static void draw(drawing *d, const adze_func *func)
{
    adze_region *body = adze_func_body(func);
    adze_text_append(&d->text, "digraph \"");
    append_quoted(&d->text, adze_func_name(func));
    adze_text_append(&d->text, "\" {\n");
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) add_value(d, "oval", adze_region_arg(body, i));
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) add_op(d, op);
    adze_text_append(&d->text, "}\n");
}

/* The file appears under its name when it is complete. */
static bool write_whole(const char *path, const adze_text *text)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) return errno = ENAMETOOLONG, false;
    FILE *file = fopen(part, "w");
    if (!file) return false;
    bool ok = fwrite(text->data, 1, text->size, file) == text->size;
    ok = !fclose(file) && ok;
    if (ok && !rename(part, path)) return true;
    remove(part);
    return false;
}

static bool emit(const adze_module *module, adze_registry *registry, const adze_emit_options *options)
{
    (void)registry;
    drawing d = {.ids = adze_map_create()};
    draw(&d, adze_module_main(module));
    bool ok = write_whole(options->output, &d.text);
    if (!ok) adze_error(adze_loc_unknown(adze_module_context(module)), "%s: %s", options->output, strerror(errno));
    adze_text_free(&d.text);
    adze_map_destroy(d.ids);
    return ok;
}

static bool supports(const adze_op *op, char *why, size_t why_size)
{
    (void)op, (void)why, (void)why_size;
    return true;
}

static const char *pipeline(int level) { return level < 1 ? "shape-fold" : "simplify"; }

static const char *const suffixes[] = {".dot", NULL};
static const adze_backend dot = {.struct_size = sizeof(adze_backend), .name = "dot", .help = "the graph for Graphviz",
    .supports = supports, .pipeline = pipeline, .emit = emit, .suffixes = suffixes, .takes_tensors = true};
static const adze_backend *const backends[] = {&dot, NULL};

const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin), .name = "dot", .version = "1", .backends = backends};
