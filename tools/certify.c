/* The table of --certify, its inputs, and rewrites as text (certify.h). */
#include "certify.h"

#include <stdio.h>
#include <string.h>

bool adze_certifying_begin(adze_certifying *c, adze_work *work, const adze_common *common,
                           const adze_certify_flags *flags, const adze_module *module, const char *path)
{
    *c = (adze_certifying){.options = {.struct_size = sizeof c->options,
                                       .seed = (uint64_t)flags->seed,
                                       .bound = flags->bound}};
    if (!flags->inputs || !*flags->inputs) return true;
    adze_feed_flags from = {.inputs = flags->inputs};
    bool ok = adze_device_open_module(&c->device, work, common, adze_module_clone(module), path,
                                      ADZE_DEVICE_REFERENCE) &&
              adze_feed_load(&c->feed, &c->device, common, &from);
    c->options.inputs = c->feed.values;
    c->options.n_inputs = c->feed.count;
    return ok;
}

void adze_certifying_end(adze_certifying *c)
{
    adze_feed_free(&c->feed);
    adze_device_close(&c->device);
}

static void print_place(const adze_certificate *c)
{
    fprintf(stderr, "  %s[", c->output);
    for (uint32_t k = 0; k < c->rank; k++) fprintf(stderr, "%s%lld", k ? "," : "", (long long)c->at[k]);
    fprintf(stderr, "] of @%s: %.9g -> %.9g", c->func, c->before, c->after);
    if (*c->nodes) fprintf(stderr, " (%s)", c->nodes);
}

void adze_certificate_print(const adze_certificate *c)
{
    static const char *const declared[] = {"EXACT", "FAST", "LOSSY"};
    if (c->number == 1)
        fprintf(stderr, "// max rel: of the largest magnitude of the output\n"
                        "// run  pass             changed  allowed  outputs     max abs   max rel  worst\n");
    const char *outputs = *c->why ? "FAILED" : c->exact ? "exact" : c->ok ? "close" : "WRONG";
    if (c->ok && !c->exact && c->numerics == ADZE_LOSSY) outputs = "differ";
    fprintf(stderr, "// %3u  %-16s %-7s  %-7s  %-7s  %10.3g%10.3g", c->number, c->pass->name,
            c->outcome == ADZE_CHANGED ? "yes" : "no", declared[c->numerics], outputs, c->max_abs, c->max_rel);
    if (*c->why) fprintf(stderr, "  %s", c->why);
    else if (c->func) print_place(c);
    fprintf(stderr, "\n");
}

void adze_op_describe(const adze_op *op, adze_text *out_op, adze_text *out_nodes)
{
    static const char location[] = " loc(\"";
    adze_text text = {0};
    if (!op) return;
    adze_op_print(op, &text);
    adze_text_write(&text, "", 1);
    char *line = text.data + strspn(text.data, " "), *end = strchr(line, '\n');
    char *loc = strstr(line, location); /* nodes have a line of their own */
    char *region = strstr(line, " do {");
    if (loc && (!end || loc < end)) end = loc;
    if (region && (!end || region < end)) end = region;
    adze_text_append(out_op, "%.*s", end ? (int)(end - line) : (int)strlen(line), line);
    adze_text_free(&text);
    for (uint32_t i = 0; i < adze_op_num_nodes(op); i++)
        adze_text_append(out_nodes, "%s%s", i ? ", " : "", adze_op_node(op, i));
}

void adze_print_rewrite(const adze_rewrite_info *info)
{
    adze_text op = {0}, nodes = {0};
    adze_op_describe(info->op, &op, &nodes);
    fprintf(stderr, "rewrite %llu (run %u): %s: %s", (unsigned long long)info->number, info->run, info->pass->name,
            info->what);
    if (op.size) fprintf(stderr, ": %.*s", (int)op.size, op.data);
    if (nodes.size) fprintf(stderr, "; ONNX nodes: %.*s", (int)nodes.size, nodes.data);
    fprintf(stderr, "\n");
    adze_text_free(&op);
    adze_text_free(&nodes);
}
