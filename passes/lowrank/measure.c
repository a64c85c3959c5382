/* Time of a layer as it is, and of its factors, each in a module of its own. */
#include "passes/lowrank/lowrank.h"
#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/registry.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Inputs ---- */

static bool is_in_main(const lowrank_site *site)
{
    const adze_op *op = site->members[0].op;
    return adze_op_parent(op) == adze_func_body(adze_module_main(adze_op_module(op)));
}

bool lowrank_stands_alone(const lowrank_site *site)
{
    if (!is_in_main(site)) return false;
    for (uint32_t i = 0; i < site->n; i++) {
        const adze_op *op = site->members[i].op;
        if (adze_value_const(adze_op_operand(op, 0))) return false;
        for (uint32_t k = 1; k < adze_op_num_operands(op); k++)
            if (adze_op_operand(op, k) && !adze_value_const(adze_op_operand(op, k))) return false;
    }
    return true;
}

void lowrank_values_free(adze_value *values, uint32_t n)
{
    for (uint32_t i = 0; values && i < n; i++) copy_value_free(&values[i]);
    free(values);
}

adze_value *lowrank_values(adze_pass_run *run, const adze_module *module, const lowrank_site *sites, uint32_t n)
{
    const adze_calibration *data = run->calibration;
    adze_module *copy = adze_module_clone(module);
    adze_ir_value **tapped = adze_malloc((n + 1u) * sizeof(adze_ir_value *));
    uint32_t *place = adze_malloc((n + 1u) * sizeof *place), count = 0;
    adze_value *out = adze_malloc((n + 1u) * sizeof *out), *arguments = NULL;
    memset(out, 0, (n + 1u) * sizeof *out);
    for (uint32_t i = 0; i < n; i++) {
        if (!lowrank_stands_alone(&sites[i])) continue;
        place[count] = i;
        tapped[count++] = adze_op_operand(copy_twin(copy, sites[i].members[0].op), 0);
    }
    copy_set_results(adze_module_main(copy), tapped, count);
    adze_program *program = adze_program_open(run->registry, copy);
    const adze_value *results;
    arguments = adze_malloc((data->n_inputs + 1u) * sizeof *arguments);
    bool ok = program && data->sample(data->self, 0, arguments) && adze_program_run(program, arguments, &results);
    for (uint32_t i = 0; ok && i < count; i++)
        ok = copy_value(&results[i], &out[place[i]]) ||
             adze_error(adze_loc_unknown(run->context), "low-rank: out of memory");
    free(arguments);
    free(tapped);
    free(place);
    adze_program_close(program);
    adze_module_destroy(copy);
    if (ok) return out;
    lowrank_values_free(out, n);
    return NULL;
}

/* ---- Modules ---- */

/* The site in a copy of its module. False where its weights are not what they were. */
static bool twin_site(const adze_module *copy, const lowrank_site *site, lowrank_site *out)
{
    *out = *site;
    for (uint32_t i = 0; i < site->n; i++)
        if (!weight_describe(copy_twin(copy, site->members[i].op), &out->members[i])) return false;
    return true;
}

/* main(x) gives what the site's first ops make of x; f NULL = as they are. NULL after an error. */
static adze_module *cut(adze_pass_run *run, const lowrank_site *site, const lowrank_factors *f, const adze_value *x)
{
    adze_module *copy = adze_module_clone(adze_op_module(site->members[0].op));
    adze_func *func = adze_module_main(copy);
    lowrank_site mine;
    lowrank_constants c;
    adze_ir_value *results[LOWRANK_MAX_SHARED], *first = NULL;
    bool ok = twin_site(copy, site, &mine) && (!f || lowrank_constants_make(&mine, f, &c));
    adze_ir_value *was = ok ? adze_op_operand(mine.members[0].op, 0) : NULL;
    for (uint32_t i = 0; ok && i < site->n; i++) {
        adze_op *op = mine.members[i].op;
        results[i] = f ? lowrank_emit(&mine, i, f, &c, op, &first) : adze_op_result(op, 0);
        ok = results[i];
    }
    if (ok) {
        const adze_type *type = adze_type_tensor_const(run->context, (adze_dtype)x->dtype, x->rank, x->dims);
        adze_value_replace_uses(was, adze_region_add_arg(adze_func_body(func), type, "input of a layer"));
        copy_set_results(func, results, site->n);
        ok = copy_settle(run->registry, copy);
    }
    if (ok) return copy;
    adze_module_destroy(copy);
    return NULL;
}

/* ---- Time ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Lowers *least to the shortest of some runs. */
static bool time_runs(adze_program *program, const adze_value *x, double seconds, double *least)
{
    enum { MOST = 200 };
    const adze_value *results;
    double end = now() + seconds;
    for (int i = 0; i < MOST; i++) {
        double begin = now();
        if (!adze_program_run(program, x, &results)) return false;
        double after = now();
        *least = fmin(*least, after - begin);
        if (after > end) break;
    }
    return true;
}

bool lowrank_measure(adze_pass_run *run, const lowrank_site *site, const lowrank_factors *f, const adze_value *x,
                     double *dense, double *factored)
{
    enum { ROUNDS = 8 };
    static const double slice = 0.004; /* seconds, in turns: what else runs on the machine slows both */
    adze_module *was = cut(run, site, NULL, x), *is = was ? cut(run, site, f, x) : NULL;
    adze_program *a = is ? adze_program_open(run->registry, was) : NULL;
    adze_program *b = a ? adze_program_open(run->registry, is) : NULL;
    *dense = *factored = INFINITY;
    bool ok = b;
    for (int round = 0; ok && round < ROUNDS; round++)
        ok = time_runs(a, x, slice, dense) && time_runs(b, x, slice, factored);
    adze_program_close(a);
    adze_program_close(b);
    adze_module_destroy(was);
    adze_module_destroy(is);
    return ok;
}
