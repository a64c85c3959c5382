/* Modules as graphs, in the language of Graphviz.
 *
 * A function is a cluster, and so is an op with regions: its own node takes the operands and leads to the arguments of
 * its regions, and the op that ends the last region stands for its results. Edges are written behind all clusters,
 * because a node belongs to every cluster that names it. Source of the syntax: graphviz.org/doc/info/lang.html.
 */
#include "ir/print.h"

#include <string.h>

enum { LONGEST = 60, SHOWN_ELEMENTS = 16 };

typedef struct source {     /* where a value comes from */
    uint32_t node, cluster; /* cluster: 0 = the node itself */
} source;

typedef struct graph {
    adze_text *out;
    adze_text edges;
    adze_arena arena;
    adze_names names;   /* of the function */
    adze_table sources; /* value -> source */
    uint32_t n_nodes, n_clusters;
} graph;

/* ---- Labels ---- */

/* `"…"` with the text in it, cut where it is too long. Line breaks stay. */
static void write_string(adze_text *out, const adze_text *text)
{
    size_t line = 0;
    adze_text_write(out, "\"", 1);
    for (size_t i = 0; i < text->size;) {
        size_t n = adze_utf8_length(text->data + i, text->data + text->size);
        char c = text->data[i];
        line = c == '\n' ? 0 : line + 1;
        if (line == LONGEST + 1)
            adze_text_append(out, "…");
        else if (c == '\n')
            adze_text_append(out, "\\n");
        else if (line <= LONGEST && (c == '"' || c == '\\'))
            adze_text_append(out, "\\%c", c);
        else if (line <= LONGEST)
            adze_text_write(out, n ? text->data + i : "?", n ? n : 1);
        i += n ? n : 1;
    }
    adze_text_write(out, "\"", 1);
}

/* Takes the text. */
static void write_label(adze_text *out, adze_text *text)
{
    adze_text_append(out, "label=");
    write_string(out, text);
    adze_text_free(text);
}

static void write_type_label(adze_text *out, const adze_type *type)
{
    adze_text text = {0};
    adze_text_type(&text, type);
    write_label(out, &text);
}

/* ---- Nodes ---- */

static void set_source(graph *g, const adze_ir_value *value, uint32_t node, uint32_t cluster)
{
    source *s = ADZE_NEW(&g->arena, source);
    *s = (source){node, cluster};
    adze_table_put(&g->sources, value, s);
}

/* The number of the one element that all are, where that is quickly found. */
static void write_contents(adze_text *text, const adze_ir_value *value)
{
    int64_t count;
    double number;
    bool derived = adze_data_is_derived(adze_const_data(adze_value_const(value)), NULL, NULL, NULL, NULL);
    if (derived || !adze_type_is_tensor(value->type)) return;
    if (!adze_dim_is_const(adze_type_count(value->type), &count) || count < 1 || count > SHOWN_ELEMENTS) return;
    if (!adze_value_as_splat(value, &number)) return;
    adze_text_append(text, "\n");
    adze_text_double(text, number);
}

/* One for each use, so that no edge runs through the whole picture. */
static uint32_t add_const(graph *g, const adze_ir_value *value)
{
    adze_text text = {0};
    adze_names_print(&g->names, &text, value);
    write_contents(&text, value);
    adze_text_append(g->out, "n%u [shape=plain, fontsize=8, ", ++g->n_nodes);
    write_label(g->out, &text);
    adze_text_append(g->out, "];\n");
    return g->n_nodes;
}

static void add_edge(graph *g, const adze_op *op, uint32_t index, uint32_t node)
{
    const adze_ir_value *value = op->operands[index].value;
    if (!value) return;
    const source *from = adze_table_get(&g->sources, value);
    if (value->def != ADZE_DEF_CONST && !from) return; /* a value of another function: the module is broken */
    uint32_t n = from ? from->node : add_const(g, value);
    adze_text_append(&g->edges, "n%u -> n%u [", n, node);
    write_type_label(&g->edges, value->type);
    if (from && from->cluster) adze_text_append(&g->edges, ", ltail=cluster%u", from->cluster);
    if (op->n_operands > 1) adze_text_append(&g->edges, ", headlabel=\"%u\"", index);
    adze_text_append(&g->edges, "];\n");
}

/* Results, name and attributes. */
static void add_op_node(graph *g, const adze_op *op)
{
    adze_text text = {0};
    for (uint32_t i = 0; i < op->n_results; i++) {
        adze_text_append(&text, i ? ", " : "");
        adze_names_print(&g->names, &text, &op->results[i]);
    }
    if (op->n_results) adze_text_append(&text, " = ");
    adze_text_id(&text, op->row->name);
    adze_text attrs = {0};
    adze_print_slots(&attrs, op->loc.context, op->row, op->attrs);
    if (attrs.size) adze_text_append(&text, "\n%s", attrs.data + 1); /* without the space */
    adze_text_free(&attrs);
    adze_text_append(g->out, "n%u [", ++g->n_nodes);
    write_label(g->out, &text);
    adze_text_append(g->out, "%s];\n", op->row->traits & ADZE_TERMINATOR ? ", shape=box, style=rounded" : "");
}

/* Arguments of a region; `owner` is the node of the op that has the region, 0 for a function. */
static void add_args(graph *g, const adze_region *region, uint32_t owner)
{
    for (uint32_t i = 0; i < region->n_args; i++) {
        adze_text text = {0};
        adze_names_print(&g->names, &text, region->args[i]);
        adze_text_append(g->out, "n%u [shape=ellipse, ", ++g->n_nodes);
        write_label(g->out, &text);
        adze_text_append(g->out, "];\n");
        set_source(g, region->args[i], g->n_nodes, 0);
        if (!owner) continue;
        adze_text_append(&g->edges, "n%u -> n%u [style=dashed, ", owner, g->n_nodes);
        write_type_label(&g->edges, region->args[i]->type);
        adze_text_append(&g->edges, "];\n");
    }
}

static uint32_t open_cluster(graph *g, adze_text *label)
{
    adze_text_append(g->out, "subgraph cluster%u {\n", ++g->n_clusters);
    write_label(g->out, label);
    adze_text_append(g->out, ";\n");
    return g->n_clusters;
}

static uint32_t add_region(graph *g, const adze_region *region);

/* Gives its node. */
static uint32_t add_op(graph *g, const adze_op *op)
{
    uint32_t cluster = 0;
    if (op->n_regions) {
        adze_text label = {0};
        adze_text_id(&label, op->row->name);
        cluster = open_cluster(g, &label);
    }
    add_op_node(g, op);
    uint32_t node = g->n_nodes, last = node;
    for (uint32_t i = 0; i < op->n_operands; i++) add_edge(g, op, i, node);
    for (uint32_t i = 0; i < op->n_regions; i++) {
        add_args(g, &op->regions[i], node);
        uint32_t end = add_region(g, &op->regions[i]);
        if (end) last = end;
    }
    if (cluster) adze_text_append(g->out, "}\n");
    for (uint32_t i = 0; i < op->n_results; i++) set_source(g, &op->results[i], last, cluster);
    return node;
}

/* Gives the node of the last op, 0 where there is none. */
static uint32_t add_region(graph *g, const adze_region *region)
{
    uint32_t last = 0;
    for (const adze_op *op = region->first; op; op = op->next) last = add_op(g, op);
    return last;
}

static void add_func(graph *g, const adze_func *func)
{
    adze_text label = {0};
    adze_text_append(&label, "func ");
    adze_text_symbol(&label, '@', func->name);
    adze_names_open(&g->names, &func->body);
    open_cluster(g, &label);
    add_args(g, &func->body, 0);
    add_region(g, &func->body);
    adze_text_append(g->out, "}\n");
    adze_names_close(&g->names);
    g->names = (adze_names){0};
}

void adze_module_print_dot(const adze_module *module, adze_text *out)
{
    graph g = {.out = out};
    adze_text name = {0};
    adze_text_symbol(&name, '@', module->name);
    adze_text_append(out, "digraph ");
    write_string(out, &name);
    adze_text_append(out, " {\ncompound=true;\nnode [shape=box, fontname=\"monospace\", fontsize=10];\n"
                          "edge [fontname=\"monospace\", fontsize=8];\n"
                          "graph [fontname=\"monospace\", fontsize=10, style=rounded, color=gray];\n");
    adze_text_free(&name);
    for (const adze_func *func = module->first_func; func; func = func->next) add_func(&g, func);
    if (g.edges.size) adze_text_write(out, g.edges.data, g.edges.size);
    adze_text_append(out, "}\n");
    adze_text_free(&g.edges);
    adze_table_free(&g.sources);
    adze_arena_free(&g.arena);
}
