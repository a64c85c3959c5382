/* Numeric certificates (certify.h): runs the functions of a module before and after each pass.
 *
 * The functions are chosen before the first pass: the main one, and others over tensors. What is kept is their
 * outputs before the pass that runs now.
 */
#include "passes/certifier.h"

#include <adze/arena.h>
#include <adze/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct certified {
    const char *name;
    adze_value *in, *out;
    uint32_t n_in, n_out;
    bool made; /* the inputs are ours */
} certified;

struct adze_certifier {
    adze_registry *registry;
    const adze_target *target;
    adze_context *context;
    adze_certify_options options;
    certified *funcs;
    uint32_t n_funcs;
    bool has_backend;
    uint64_t text;       /* hash of the module that ran last */
    uint64_t n_elements; /* of all outputs */
};

/* ---- Micro-kernels ---- */

static bool has_ukernel(const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_is(op, "ukernel")) return true;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (has_ukernel(adze_op_region(op, i))) return true;
    }
    return false;
}

/* Their native twins come with the backend. */
static bool load_ukernels(adze_certifier *c, const adze_module *module)
{
    for (const adze_func *f = adze_module_first_func(module); f && !c->has_backend; f = adze_func_next(f))
        if (has_ukernel(adze_func_body(f))) {
            if (!adze_registry_backend(c->registry, adze_target_name(c->target))) return false;
            c->has_backend = true;
        }
    return true;
}

/* ---- Runs ---- */

/* 0 where it cannot be printed. */
static uint64_t hash_of(const adze_module *module)
{
    adze_print_options options = {.struct_size = sizeof options, .max_elements = 16};
    adze_text text = {0};
    uint64_t hash = adze_module_print(module, &options, &text) ? adze_hash_bytes(text.data, text.size) : 0;
    adze_text_free(&text);
    return hash;
}

static bool run(certified *f, const adze_func *func, adze_value **out)
{
    *out = calloc(f->n_out + 1u, sizeof **out);
    if (!*out) return adze_error(adze_func_loc(func), "@%s: out of memory for its outputs", f->name);
    if (adze_interpret(func, f->in, f->n_in, *out, f->n_out, NULL, NULL)) return true;
    free(*out);
    *out = NULL;
    return false;
}

static void clear(certified *f)
{
    if (f->made) adze_outputs_free(f->in, f->n_in);
    if (f->out) adze_outputs_free(f->out, f->n_out);
    if (f->made) free(f->in);
    free(f->out);
    *f = (certified){0};
}

/* Made inputs, in the first round whose sizes the function takes. What the rounds before it say is not shown. */
static bool start_made(adze_certifier *c, const adze_func *func, certified *f, bool quiet)
{
    adze_context *context = c->context;
    char why[512] = "";
    f->made = true;
    f->in = calloc(f->n_in + 1u, sizeof *f->in);
    for (int round = 0; f->in && round < ADZE_INPUT_ROUNDS; round++) {
        bool shown = !quiet && round + 1 == ADZE_INPUT_ROUNDS;
        adze_context_mute(context, !shown);
        bool made = adze_inputs_make(func, &c->options, round, f->in, why, sizeof why);
        bool ok = made && run(f, func, &f->out);
        adze_context_mute(context, false);
        if (ok) return true;
        if (made) adze_outputs_free(f->in, f->n_in);
        if (made) snprintf(why, sizeof why, "the reference does not run it");
        if (shown)
            adze_error(adze_func_loc(func), "@%s cannot be certified: %s%s", f->name, made ? "" : "its ", why);
    }
    free(f->in);
    *f = (certified){0};
    return false;
}

static bool start_given(adze_certifier *c, const adze_func *func, certified *f)
{
    f->in = (adze_value *)(uintptr_t)c->options.inputs;
    uint32_t given = c->options.n_inputs;
    if (f->n_in != given)
        return adze_error(adze_func_loc(func), "@%s has %u inputs, %u are given", f->name, f->n_in, given);
    return run(f, func, &f->out) ||
           adze_error(adze_func_loc(func), "@%s cannot be certified: the reference does not run it", f->name);
}

static bool over_tensors(const adze_func *func)
{
    const adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++)
        if (!adze_type_is_tensor(adze_value_type(adze_region_arg(body, i)))) return false;
    return adze_func_num_results(func);
}

/* The main function must run; others may. */
static bool start(adze_certifier *c, const adze_module *module)
{
    const adze_func *main = adze_module_main(module);
    for (const adze_func *func = adze_module_first_func(module); func; func = adze_func_next(func)) {
        certified *f = &c->funcs[c->n_funcs];
        if (func != main && (c->options.inputs || !over_tensors(func))) continue;
        *f = (certified){.name = adze_func_name(func),
                         .n_in = adze_region_num_args(adze_func_body(func)),
                         .n_out = adze_func_num_results(func)};
        bool ok = c->options.inputs ? start_given(c, func, f) : start_made(c, func, f, func != main);
        c->n_funcs += ok || f->name;
        if (!ok && func == main) return false;
    }
    return c->n_funcs || adze_error(adze_loc_unknown(c->context), "there is no function to certify");
}

adze_certifier *adze_certifier_create(adze_registry *registry, const adze_target *target, const adze_module *module,
                                      const adze_certify_options *options)
{
    adze_certifier *c = adze_malloc(sizeof *c);
    uint32_t count = 0;
    *c = (adze_certifier){.registry = registry, .target = target, .context = adze_module_context(module)};
    size_t size = options->struct_size < sizeof c->options ? options->struct_size : sizeof c->options;
    memcpy(&c->options, options, size);
    if (c->options.bound <= 0) c->options.bound = ADZE_CERTIFY_BOUND;
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) count++;
    c->funcs = adze_malloc((count + 1u) * sizeof *c->funcs);
    c->text = hash_of(module);
    if (load_ukernels(c, module) && start(c, module)) return c;
    adze_certifier_destroy(c);
    return NULL;
}

void adze_certifier_destroy(adze_certifier *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->n_funcs; i++) clear(&c->funcs[i]);
    free(c->funcs);
    free(c);
}

/* ---- What a pass did ---- */

/* The op that makes the output, or the nearest one above it that has node names. */
static void name_nodes(const adze_func *func, uint32_t result, adze_text *out)
{
    enum { MAX_STEPS = 64 };
    const adze_op *end = adze_func_return(func);
    const adze_ir_value *value = end ? adze_op_operand(end, result) : NULL;
    const adze_op *op = value ? adze_value_op(value) : NULL;
    for (int i = 0; op && !adze_op_num_nodes(op) && i < MAX_STEPS; i++) {
        value = adze_op_num_operands(op) ? adze_op_operand(op, 0) : NULL;
        op = value ? adze_value_op(value) : NULL;
    }
    for (uint32_t i = 0; op && i < adze_op_num_nodes(op); i++)
        adze_text_append(out, "%s%s", i ? ", " : "", adze_op_node(op, i));
}

typedef struct names { /* of the worst element; they live as long as the report */
    adze_text nodes;
    char why[512];
} names;

static bool wrong(names *n, adze_certificate *out, const char *func, const char *output, const char *what)
{
    snprintf(n->why, sizeof n->why, "@%s: %s%s%s%s", func, output ? "output '" : "", output ? output : "",
             output ? "' " : "", what);
    out->why = n->why;
    return false;
}

static bool compare(adze_certifier *c, const adze_func *func, certified *f, adze_comparison *how, names *n,
                    adze_certificate *out)
{
    adze_value *now;
    char why[256] = "";
    if (!func) return wrong(n, out, f->name, NULL, "it is gone");
    if (adze_region_num_args(adze_func_body(func)) != f->n_in || adze_func_num_results(func) != f->n_out)
        return wrong(n, out, f->name, NULL, "it has other inputs or outputs");
    if (!run(f, func, &now)) return wrong(n, out, f->name, NULL, "the reference cannot run it any more");
    for (uint32_t i = 0; i < f->n_out && !*why; i++) {
        const char *name = adze_func_result_name(func, i);
        if (!name) name = adze_internf(c->context, "output%u", i);
        bool worst = adze_compare_output(how, &f->out[i], &now[i], out, why, sizeof why);
        if (*why) wrong(n, out, f->name, name, why);
        if (!worst) continue;
        out->func = f->name;
        out->output = name;
        out->result = i;
        n->nodes.size = 0;
        name_nodes(func, i, &n->nodes);
    }
    adze_outputs_free(f->out, f->n_out);
    free(f->out);
    f->out = now;
    return !*why;
}

static bool refuse(const adze_certifier *c, const adze_certificate *x)
{
    static const char *const kinds[] = {"EXACT", "FAST", "LOSSY"};
    adze_loc loc = adze_loc_unknown(c->context);
    if (*x->why) return adze_error(loc, "pass '%s' (run %u) is wrong: %s", x->pass->name, x->number, x->why);
    adze_text at = {0};
    for (uint32_t k = 0; k < x->rank; k++) adze_text_append(&at, "%s%lld", k ? "," : "", (long long)x->at[k]);
    adze_error(loc,
               "pass '%s' (run %u) is %s, but output '%s' of @%s is %.9g at [%.*s], was %.9g; %llu of %llu elements "
               "are off, the worst by %.3g of the output's largest magnitude%s%.*s",
               x->pass->name, x->number, kinds[x->numerics], x->output, x->func, x->after, (int)at.size,
               at.data ? at.data : "", x->before, (unsigned long long)x->n_over, (unsigned long long)x->n_elements,
               x->max_rel, *x->nodes ? "; ONNX nodes: " : "", (int)strlen(x->nodes), x->nodes);
    adze_text_free(&at);
    return false;
}

bool adze_certifier_check(adze_certifier *c, const adze_module *module, adze_certificate *x)
{
    names n = {0};
    adze_comparison how = {.context = c->context,
                           .numerics = x->numerics,
                           .bound = c->options.bound,
                           .absolute = c->options.absolute};
    uint64_t text = hash_of(module);
    bool same = x->outcome == ADZE_UNCHANGED && text && text == c->text && c->n_elements;
    bool ok = same || load_ukernels(c, module);
    x->nodes = x->why = "";
    if (same) x->n_elements = c->n_elements; /* the same module again gives the same outputs */
    for (uint32_t i = 0; ok && !same && i < c->n_funcs; i++)
        ok = compare(c, adze_module_find_func(module, c->funcs[i].name), &c->funcs[i], &how, &n, x);
    c->text = text;
    c->n_elements = x->n_elements;
    adze_text_write(&n.nodes, "", 1);
    x->nodes = n.nodes.data;
    x->exact = ok && !x->n_differ;
    x->ok = ok && !x->n_over;
    if (c->options.report) c->options.report(c->options.self, x);
    if (!x->ok) refuse(c, x);
    adze_text_free(&n.nodes);
    return x->ok;
}
