/* Writing a model: which opset says all its ops, the head of the file, what is refused. */
#include "export.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before it ops broadcast along axes that they named. */
enum { FIRST = ADZE_ONNX_OPSET_WRITTEN };

bool adze_onnx_refuse(adze_onnx_export *x, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    const char *what = adze_internf(x->context, "%s (%s)", x->op ? adze_op_name(x->op) : "the graph", why);
    adze_onnx_refusal *r = x->refusals;
    while (r < x->refusals + x->n_refusals && r->what != what) r++;
    if (r == x->refusals + x->n_refusals) {
        x->refusals = realloc(x->refusals, (x->n_refusals + 1u) * sizeof *x->refusals);
        if (!x->refusals) abort();
        r = &x->refusals[x->n_refusals++];
        *r = (adze_onnx_refusal){.what = what};
    }
    const char *node = x->op && adze_op_num_nodes(x->op) ? adze_op_node(x->op, 0) : NULL;
    const char *value = x->op && adze_op_num_results(x->op) ? adze_value_name(adze_op_result(x->op, 0)) : NULL;
    if (node || value) adze_text_append(&r->ops, "%s'%s'", r->ops.size ? ", " : " ", node ? node : value);
    return false;
}

static bool report(adze_onnx_export *x, const char *path)
{
    adze_text text = {0};
    adze_loc loc = adze_loc_unknown(x->context);
    loc.file = adze_intern_z(x->context, path);
    for (uint32_t i = 0; i < x->n_refusals; i++)
        adze_text_append(&text, "%s%s%.*s", i ? "; " : "", x->refusals[i].what, (int)x->refusals[i].ops.size,
                         x->refusals[i].ops.size ? x->refusals[i].ops.data : "");
    adze_error(loc, "ONNX opset %lld cannot say: %.*s", (long long)x->opset, (int)text.size, text.data);
    adze_text_free(&text);
    return false;
}

/* ---- One try ---- */

/* The opset that the module came with; 0: none. */
static int64_t own_opset(const adze_module *module)
{
    const adze_attr *attr = adze_module_find_attr(module, "opset");
    int64_t opset = attr && attr->kind == ADZE_ATTR_INT ? attr->value.i : 0;
    return opset < 0 || opset > ADZE_ONNX_OPSET_MAX ? 0 : opset;
}

static void begin(adze_onnx_export *x, const adze_module *module, int64_t opset, bool spell_out)
{
    *x = (adze_onnx_export){.context = adze_module_context(module),
                            .module = module,
                            .func = adze_module_main(module),
                            .opset = opset,
                            .own = own_opset(module),
                            .spell_out = spell_out,
                            .ml_least = 1,
                            .ml_most = 5};
    adze_map **maps[] = {&x->names, &x->dtypes, &x->taken, &x->tried, &x->taken_nodes, &x->used, &x->domains};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (!(*maps[i] = adze_map_create())) abort();
    adze_onnx_notes_open(x);
}

static void end(adze_onnx_export *x)
{
    adze_map *const maps[] = {x->names, x->dtypes, x->taken, x->tried, x->taken_nodes, x->used, x->domains};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) adze_map_destroy(maps[i]);
    adze_onnx_notes_close(x);
    adze_onnx_homes_free(x->homes);
    for (uint32_t i = 0; i < x->n_refusals; i++) adze_text_free(&x->refusals[i].ops);
    free(x->refusals);
    free(x->draft.in);
    free(x->draft.out);
    free(x->draft.attrs);
    adze_onnx_bytes_free(&x->draft.body);
    adze_onnx_bytes_free(&x->graph_nodes);
    adze_onnx_bytes_free(&x->tensors);
    adze_onnx_bytes_free(&x->tensor_infos);
    adze_onnx_bytes_free(&x->infos);
    adze_onnx_bytes_free(&x->ends);
}

/* Everything but the weights; true if the opset can say it. */
static bool say(adze_onnx_export *x)
{
    adze_onnx_put_graph(x);
    return x->n_refusals == 0 && !x->failed;
}

/* ---- The head of the file ---- */

static const char *text_attr(const adze_module *module, const char *name)
{
    const adze_attr *attr = adze_module_find_attr(module, name);
    return attr && attr->kind == ADZE_ATTR_STR && attr->value.s.size ? attr->value.s.data : NULL;
}

int64_t adze_onnx_ir_version(const adze_onnx_export *x)
{
    /* that an opset came with, from 7 on (ONNX, docs/Versioning.md) */
    static const uint8_t versions[] = {3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 14};
    enum { OLDEST = 3, NEWEST = 14 };
    const adze_attr *attr = adze_module_find_attr(x->module, "ir_version");
    int64_t own = attr && attr->kind == ADZE_ATTR_INT && attr->value.i <= NEWEST ? attr->value.i : 0;
    int64_t version = versions[x->opset - FIRST];
    if (own >= OLDEST && (own > version || x->opset == x->own)) version = own;
    return x->ir_version > version ? x->ir_version : version;
}

/* "pytorch 2.1" is a name and a version, where no version stands for itself. */
static void put_producer(const adze_onnx_export *x, adze_onnx_bytes *out)
{
    const char *producer = text_attr(x->module, "producer"), *own = text_attr(x->module, "producer_version");
    bool apart = adze_module_find_attr(x->module, "producer_version") != NULL;
    const char *space = producer && !apart ? strrchr(producer, ' ') : NULL;
    bool version = space && space[1] >= '0' && space[1] <= '9';
    if (producer) adze_onnx_put_bytes(out, 2, producer, version ? (size_t)(space - producer) : strlen(producer));
    if (version || own) adze_onnx_put_text(out, 3, version ? space + 1 : own);
}

static void put_opset(adze_onnx_bytes *out, const char *domain, int64_t version)
{
    size_t begin_at = adze_onnx_put_begin(out, 8);
    if (domain) adze_onnx_put_text(out, 1, domain);
    adze_onnx_put_int(out, 2, version);
    adze_onnx_put_end(out, begin_at);
}

void adze_onnx_put_model(const adze_onnx_export *x, adze_onnx_bytes *before, adze_onnx_bytes *behind)
{
    const char *domain = text_attr(x->module, "domain"), *doc = text_attr(x->module, "doc");
    const adze_attr *version = adze_module_find_attr(x->module, "model_version");
    adze_onnx_put_int(before, 1, adze_onnx_ir_version(x));
    put_producer(x, before);
    if (domain) adze_onnx_put_text(before, 4, domain);
    if (version && version->kind == ADZE_ATTR_INT) adze_onnx_put_int(before, 5, version->value.i);
    if (doc) adze_onnx_put_text(before, 6, doc);
    put_opset(behind, NULL, x->opset);
    for (uint32_t i = 0; i < x->n_domains; i++) {
        bool ml = !strcmp(x->domain_list[i], ADZE_ONNX_ML);
        put_opset(behind, x->domain_list[i], ml ? x->ml_least : 1);
    }
    adze_onnx_put_pairs(x, behind, 14, "metadata");
}

/* ---- Entry point ---- */

/* Was it made by `tile`? */
static bool is_kernel(const adze_func *func)
{
    const adze_region *body = adze_func_body(func);
    if (adze_region_num_args(body) == 0) return false;
    return adze_type_get_kind(adze_value_type(adze_region_arg(body, 0))) == ADZE_TYPE_BUFFER;
}

static bool check(const adze_module *module, const char *path, const adze_onnx_write_options *options)
{
    static const char ahead_of_kernels[] =
        "; it is a kernel in loops: `adze compile -O1 -o FILE.onnx` ends ahead of them";
    adze_loc loc = adze_loc_unknown(adze_module_context(module));
    loc.file = adze_intern_z(loc.context, path);
    const adze_func *func = adze_module_main(module);
    if (!func || !adze_func_return(func)) return adze_error(loc, "the module has no function to write");
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        if (f != func)
            return adze_error(loc, "ONNX has no place for function @%s: only modules of one function are written%s",
                              adze_func_name(f), is_kernel(f) ? ahead_of_kernels : "");
    if (adze_func_num_results(func) == 0) return adze_error(loc, "ONNX has no models without outputs");
    if (options->opset && (options->opset < FIRST || options->opset > ADZE_ONNX_OPSET_MAX))
        return adze_error(loc, "opset %u: opsets %d to %d are written", options->opset, FIRST, ADZE_ONNX_OPSET_MAX);
    return true;
}

/* The first opset from that of `x` to `last` that says everything; false if none does, and `x` is that of the last. */
static bool try_opsets(adze_onnx_export *x, int64_t last)
{
    const adze_module *module = x->module;
    bool ok = say(x);
    for (int64_t opset = x->opset; !ok && !x->failed && opset < last;) {
        end(x);
        begin(x, module, ++opset, false);
        ok = say(x);
    }
    return ok;
}

/* Once more, with constants in inner graphs, where some belong there. */
static bool say_homes(adze_onnx_export *x)
{
    adze_onnx_homes *homes = adze_onnx_find_homes(x);
    if (!homes) return true;
    const adze_module *module = x->module;
    int64_t opset = x->opset;
    bool spell_out = x->spell_out;
    end(x);
    begin(x, module, opset, spell_out);
    x->homes = homes;
    return say(x);
}

static int64_t first_opset(const adze_module *module)
{
    int64_t own = own_opset(module);
    return !own ? ADZE_ONNX_OPSET_USUAL : own < FIRST ? FIRST : own;
}

/* Behind all others, in their order. */
static void move_attributes(const adze_onnx_export *x)
{
    const adze_const *first = NULL;
    for (adze_const *c = adze_module_first_const(x->module), *next; c && c != first; c = next) {
        next = adze_const_next(c);
        if (adze_onnx_is_written(x, c)) continue;
        adze_const_move_last(c);
        if (!first) first = c;
    }
}

bool adze_onnx_needs(adze_module *module, int64_t *out_opset, int64_t *out_ir_version)
{
    adze_onnx_export x;
    begin(&x, module, first_opset(module), false);
    bool ok = try_opsets(&x, ADZE_ONNX_OPSET_MAX);
    *out_opset = x.opset;
    *out_ir_version = adze_onnx_ir_version(&x);
    if (ok) move_attributes(&x);
    end(&x);
    return ok;
}

bool adze_onnx_write(const adze_module *module, const char *path, const adze_onnx_write_options *given)
{
    adze_onnx_write_options options = {0};
    if (given) memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
    if (!check(module, path, &options)) return false;
    adze_onnx_export x;
    begin(&x, module, options.opset ? options.opset : first_opset(module), options.opset != 0);
    bool ok = try_opsets(&x, options.opset ? options.opset : ADZE_ONNX_OPSET_MAX);
    ok = ok && say_homes(&x);
    if (!x.failed) ok = ok ? adze_onnx_write_files(&x, path, &options) : report(&x, path);
    end(&x);
    return ok;
}
