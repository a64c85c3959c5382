/* What keeps a random module within the bound of FAST passes by construction.
 *
 * A FAST pass may round elsewhere. How much that changes an output is a matter of the module, so it is measured where
 * the module is built: the function runs on the inputs of the certificate, and runs again with every rounding result
 * off by some 10 roundings of f32 (of what was added up: sums cancel), or by one step of the last place in half
 * precision. A value that moves by more than 1e-5 of its largest magnitude is taken back with its op: it divides by
 * almost nothing, is the small difference of large numbers, or the like. Half precision may move by the one step that
 * certificates allow, so one rounding op there is all that a chain has.
 *
 * Ops that are not continuous (floor, comparisons, casts to integers, argmax, …) take exact values alone: inputs,
 * constants, and what moves, chooses, counts and compares them. Those run unperturbed.
 */
#include "generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double noise = 0x1p-20, allowed = 1e-5;


typedef struct run {
    gen *g;
    int round; /* 0: as it is; 1, 2: perturbed */
    bool ok;
    uint64_t random;
} run;

/* ---- What an op does to exactness ---- */

static bool listed(const char *const *names, const adze_op *op)
{
    for (; *names; names++)
        if (adze_op_is(op, *names)) return true;
    return false;
}

/* Float results that jump. */
static bool jumps(const adze_op *op)
{
    static const char *const names[] = {"ceil", "floor", "round", "sign", "mod", "thresholded_relu", NULL};
    adze_dtype dtype = gen_dtype(adze_op_result(op, 0));
    return listed(names, op) || !gen_is_float(adze_op_result(op, 0)) || adze_dtype_bits(dtype) < 16;
}

/* Float results that are elements of the operands, up to sign, or known without any. */
static bool chooses(const adze_op *op)
{
    static const char *const names[] = {"neg",     "max",        "min",        "max_n",           "min_n",    "where",
                                        "cast",    "clip",       "dropout",    "global_max_pool", "max_pool", "if",
                                        "prelu",   "reduce_max", "reduce_min", "leaky_relu",      "random_normal",
                                        "bitcast", "max_unpool", "reverse_sequence", "scatter_elements", "scatter_nd",
                                        "random_normal_like", "random_uniform", "random_uniform_like", "topk",
                                        NULL};
    if (adze_op_has_trait(op, ADZE_MOVE)) return !adze_op_is(op, "resize");
    return adze_op_has_trait(op, ADZE_IDEMPOTENT | ADZE_SHAPE) || listed(names, op);
}

/* Adds up: a rounding is one of what is added, however small the sum. */
static bool sums(const adze_op *op)
{
    static const char *const names[] = {"add", "sub", "sum_n", "fma", "cum_sum", "batch_norm", "reduce_l1",
                                        "reduce_log_sum", "resize", NULL};
    return adze_op_has_trait(op, ADZE_REDUCE) || listed(names, op);
}

static bool exact_operands(const gen *g, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const gen_value *v = gen_find(g, adze_op_operand(op, i));
        if (v && !v->exact) return false;
    }
    return true;
}

/* leaky_relu and prelu multiply, but one rounding of one product has one result. */
static bool result_exact(const gen *g, const adze_op *op)
{
    return exact_operands(g, op) && (jumps(op) || chooses(op)) && !adze_op_is(op, "leaky_relu") &&
           !adze_op_is(op, "prelu");
}

/* ---- Perturbed runs ---- */

static double magnitude_of(const run *r, const adze_op *op, const adze_value *result)
{
    double scale = 0, product = 1;
    for (uint64_t i = 0; i < adze_value_count(result); i++) scale = fmax(scale, fabs(adze_value_real(result, i)));
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        double x = gen_largest(r->g, adze_op_operand(op, i));
        if (sums(op)) scale = fmax(scale, x);
        if (i < 2) product *= x;
    }
    return adze_op_has_trait(op, ADZE_CONTRACTION) ? fmax(scale, product) : scale;
}

/* In place: what the ops below read is this. */
static void perturb(run *r, const adze_op *op, const adze_value *result)
{
    bool narrow = adze_dtype_bits((adze_dtype)result->dtype) < 32;
    double scale = magnitude_of(r, op, result) * noise;
    for (uint64_t i = 0; i < adze_value_count(result); i++) {
        r->random = r->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double x = adze_value_real(result, i), sign = r->random >> 63 ? 1 : -1;
        double step = result->dtype == ADZE_DTYPE_f16 ? 0x1.02p-11 : 0x1.02p-8;
        adze_value_set_real(result, i, x + sign * (narrow ? fabs(x) * step : scale));
    }
}

/* By how much two runs may differ in a value, of its largest magnitude. */
static double bound_of(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_f16: return 0x1p-10;
    case ADZE_DTYPE_bf16: return 0x1p-7;
    default: return allowed;
    }
}

static bool compare(const gen_value *v, const adze_value *now)
{
    double bound = bound_of((adze_dtype)now->dtype) * fmax(fabs(v->low), fabs(v->high));
    for (uint64_t i = 0; i < adze_value_count(now); i++)
        if (!(fabs(adze_value_real(now, i) - adze_value_real(&v->data, i)) <= bound)) return false;
    return true;
}

static bool is_finite(const adze_value *value)
{
    bool is_float = adze_dtype_get_kind((adze_dtype)value->dtype) == ADZE_KIND_FLOAT;
    for (uint64_t i = 0; is_float && i < adze_value_count(value); i++)
        if (!(fabs(adze_value_real(value, i)) < 1e5)) return false;
    return adze_value_count(value) <= 4 * GEN_MAX_COUNT;
}

/* The first run takes new values into scope; the others compare those that may be read. */
static void observe(void *self, const adze_op *op, const adze_value *results, uint32_t n)
{
    run *r = self;
    for (uint32_t i = 0; i < n && r->ok; i++) {
        const adze_ir_value *value = adze_op_result(op, i);
        gen_value *known = gen_find(r->g, value);
        if (r->round == 0) {
            if (known || adze_op_parent(op) != adze_func_body(r->g->func)) continue;
            bool exact = result_exact(r->g, op);
            r->ok = (exact || !jumps(op) || exact_operands(r->g, op)) && is_finite(&results[i]) &&
                    gen_add_value(r->g, (adze_ir_value *)(uintptr_t)value, &results[i]);
            if (r->ok) gen_find(r->g, value)->exact = exact;
        } else if (known && !known->exact) {
            if (!chooses(op)) perturb(r, op, &results[i]);
            if (known->usable) r->ok = compare(known, &results[i]);
        }
    }
}

static bool run_once(gen *g, int round)
{
    run r = {.g = g, .round = round, .ok = true, .random = g->random + (uint64_t)round};
    adze_context_mute(g->context, true);
    bool ran = adze_interpret(g->func, g->inputs, g->n_inputs, NULL, 0, observe, &r);
    adze_context_mute(g->context, false);
    return ran && r.ok;
}

/* ---- Taking back ---- */

static void forget(gen *g, uint32_t from)
{
    while (g->n_values > from) {
        gen_value *v = &g->values[g->n_values - 1];
        if (adze_value_def(v->value) != ADZE_DEF_RESULT) break; /* inputs and constants stay */
        adze_map_set(g->index, v->value, NULL);
        adze_outputs_free(&v->data, 1);
        g->n_values--;
    }
}

void gen_undo(gen *g, adze_op *mark)
{
    for (adze_op *op = adze_op_prev(g->end), *prev; op && op != mark; op = prev) {
        prev = adze_op_prev(op);
        adze_op_erase(op);
    }
}

bool gen_check(gen *g, adze_op *mark, const adze_op *root)
{
    uint32_t from = g->n_values;
    bool ok = run_once(g, 0);
    for (uint32_t i = from; i < g->n_values; i++)
        g->values[i].usable = !root || adze_value_op(g->values[i].value) == root;
    ok = ok && run_once(g, 1) && run_once(g, 2);
    if (ok) return true;
    forget(g, from);
    gen_undo(g, mark);
    return false;
}
