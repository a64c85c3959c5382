/* Modules, functions and ops as text, the inverse of parse.c and parse_op.c.
 *
 * What is printed parses to an equal module, and that prints the same text.
 */
#include "ir/print.h"

#include <string.h>

typedef struct printer {
    adze_text *text;
    const adze_print_options *options;
    adze_names names;
} printer;

/* ---- Ops ---- */

static void print_op(printer *p, const adze_op *op, uint32_t indent);

static void print_args(printer *p, const adze_region *region)
{
    adze_text_put(p->text, "(");
    for (uint32_t i = 0; i < region->n_args; i++) {
        if (i) adze_text_put(p->text, ", ");
        adze_names_print(&p->names, p->text, region->args[i]);
        adze_text_put(p->text, ": ");
        adze_names_print_type(&p->names, p->text, region->args[i]->type);
    }
    adze_text_put(p->text, ")");
}

static void print_ops(printer *p, const adze_region *region, uint32_t indent)
{
    for (const adze_op *op = region->first; op; op = op->next) print_op(p, op, indent);
}

static void print_regions(printer *p, const adze_op *op, uint32_t indent)
{
    for (uint32_t i = 0; i < op->n_regions; i++) {
        const adze_region *region = &op->regions[i];
        adze_text_put(p->text, " do {");
        if (region->n_args) {
            adze_text_put(p->text, " ");
            print_args(p, region);
        }
        adze_text_put(p->text, "\n");
        print_ops(p, region, indent + 1);
        adze_text_append(p->text, "%*s}", 2 * indent, "");
    }
}

static void print_op(printer *p, const adze_op *op, uint32_t indent)
{
    adze_text *text = p->text;
    adze_text_append(text, "%*s", 2 * indent, "");
    for (uint32_t i = 0; i < op->n_results; i++) {
        if (i) adze_text_put(text, ", ");
        adze_names_print(&p->names, p->text, &op->results[i]);
    }
    if (op->n_results) adze_text_put(text, " = ");
    adze_text_id(text, op->row->name);
    adze_text_put(text, "(");
    for (uint32_t i = 0; i < op->n_operands; i++) {
        if (i) adze_text_put(text, ", ");
        if (op->operands[i].value)
            adze_names_print(&p->names, p->text, op->operands[i].value);
        else
            adze_text_put(text, "_");
    }
    adze_text_put(text, ")");
    adze_print_slots(text, op->loc.context, op->row, op->attrs);
    print_regions(p, op, indent);
    for (uint32_t i = 0; i < op->n_results; i++) {
        adze_text_put(text, i ? ", " : " : ");
        adze_names_print_type(&p->names, text, op->results[i].type);
    }
    if (p->options->locations && op->n_nodes) {
        for (uint32_t i = 0; i < op->n_nodes; i++) {
            adze_text_put(text, i ? ", " : " loc(");
            adze_text_quoted(text, op->nodes[i], strlen(op->nodes[i]));
        }
        adze_text_put(text, ")");
    }
    adze_text_put(text, "\n");
}

/* ---- Functions and modules ---- */

static adze_print_options full_options(const adze_print_options *options)
{
    adze_print_options full = {.struct_size = sizeof full, .max_elements = 16};
    if (options)
        memcpy(&full, options,
               options->struct_size < sizeof full ? options->struct_size : sizeof full);
    return full;
}

static printer start(adze_text *text, const adze_print_options *options, const adze_region *region)
{
    printer p = {.text = text, .options = options};
    adze_names_open(&p.names, region);
    return p;
}

static void print_func(const adze_func *func, const adze_print_options *options, adze_text *text,
                       uint32_t indent)
{
    printer p = start(text, options, &func->body);
    adze_text_append(text, "%*sfunc ", 2 * indent, "");
    adze_text_symbol(text, '@', func->name);
    print_args(&p, &func->body);
    adze_text_put(text, " -> (");
    for (uint32_t i = 0; i < func->n_results; i++) {
        if (i) adze_text_put(text, ", ");
        if (func->result_names[i]) {
            adze_text_symbol(text, '%', func->result_names[i]);
            adze_text_put(text, ": ");
        }
        adze_text_type(text, func->result_types[i]);
    }
    adze_text_put(text, ")");
    adze_print_free_attrs(text, &func->attrs);
    adze_text_put(text, " {\n");
    print_ops(&p, &func->body, indent + 1);
    adze_text_append(text, "%*s}\n", 2 * indent, "");
    adze_names_close(&p.names);
}

bool adze_func_print(const adze_func *func, const adze_print_options *options, adze_text *out)
{
    adze_print_options full = full_options(options);
    print_func(func, &full, out, 0);
    return true;
}

bool adze_module_print(const adze_module *module, const adze_print_options *options, adze_text *out)
{
    adze_print_options full = full_options(options);
    adze_blob_writer blobs;
    if (!adze_blob_writer_open(&blobs, module->context, &full)) return false;
    adze_text_put(out, "module ");
    adze_text_symbol(out, '@', module->name);
    adze_print_free_attrs(out, &module->attrs);
    adze_text_put(out, " {\n");
    bool ok = true;
    for (const adze_const *c = module->first_const; ok && c; c = c->next) {
        adze_text_put(out, "  ");
        ok = adze_print_const(out, c, &blobs);
        adze_text_put(out, "\n");
    }
    for (const adze_func *func = module->first_func; ok && func; func = func->next)
        print_func(func, &full, out, 1);
    adze_text_put(out, "}\n");
    return adze_blob_writer_close(&blobs, module->context, ok) && ok;
}

void adze_op_print(const adze_op *op, adze_text *out)
{
    adze_print_options full = full_options(NULL);
    full.locations = true;
    const adze_region *region = op->parent;
    while (region && region->op) region = region->op->parent;
    adze_region none = {0};
    printer p = start(out, &full, region ? region : &none);
    print_op(&p, op, 0);
    adze_names_close(&p.names);
}
