/* Scales of activations, from statistics. */
#include "passes/quant/static.h"

/* Bounds that an op gives its results, whatever it reads. Results of softmax and sigmoid are below 1 and those of tanh
 * in (-1, 1), but for rounding: steps of 1/256 and 1/128 are exact. */
static bool known_range(const static_plan *plan, const adze_ir_value *value, double *lo, double *hi)
{
    const adze_op *op = adze_value_op(value);
    double codes = plan->grid.greatest - plan->grid.least;
    if (!op) return false;
    if (adze_op_is(op, "softmax") || adze_op_is(op, "sigmoid")) return *lo = 0, *hi = codes / (codes + 1), true;
    if (adze_op_is(op, "tanh")) return *lo = -1, *hi = (codes - 1) / (codes + 1), true;
    if (!adze_op_is(op, "clip") || !adze_op_operand(op, 1) || !adze_op_operand(op, 2)) return false;
    return adze_value_as_splat(adze_op_operand(op, 1), lo) && adze_value_as_splat(adze_op_operand(op, 2), hi);
}

/* What was seen, narrowed as the options say. */
static bool seen_range(static_plan *plan, const adze_ir_value *value, double *lo, double *hi)
{
    const adze_value_stats *s = plan->stats ? adze_stats_of(plan->stats, value) : NULL;
    if (!s || !s->count) return false;
    double bins[ADZE_STATS_BINS];
    for (uint32_t i = 0; i < ADZE_STATS_BINS; i++) bins[i] = (double)s->bins[i];
    quant_histogram h = {.lo = (double)s->first_bin * s->bin_width, .bins = bins, .n = ADZE_STATS_BINS};
    h.hi = h.lo + s->bin_width * h.n;
    *lo = s->min;
    *hi = s->max;
    quant_range_choose(plan->range, h, plan->grid, plan->options->share, lo, hi);
    return true;
}

bool static_range_of(static_plan *plan, const adze_ir_value *value, double *lo, double *hi)
{
    const adze_op *op = adze_value_op(value);
    /* A clip may reach its bounds on other data, but what was seen says more. */
    bool unit = op && !adze_op_is(op, "clip") && known_range(plan, value, lo, hi);
    return unit || seen_range(plan, value, lo, hi) || known_range(plan, value, lo, hi);
}

static bool find_range(static_plan *plan, const activation *a, double *lo, double *hi)
{
    const adze_op *op = adze_value_op(a->value);
    if (static_range_of(plan, a->value, lo, hi)) return true;
    adze_context *context = plan->run->context;
    const char *name = adze_value_name(a->value);
    const char *what = name ? adze_internf(context, "'%%%s'", name)
                       : op ? adze_internf(context, "what this %s gives", adze_op_name(op))
                            : "an input without a name";
    adze_loc loc = op ? adze_op_loc(op) : adze_loc_unknown(context);
    if (!plan->stats)
        return adze_error(loc, "the range of %s is not known without statistics: stats=FILE, which adze calibrate "
                               "writes", what);
    return adze_error(loc, "no statistics of %s: calibrate the model as simplify leaves it", what);
}

bool static_ranges(static_plan *plan)
{
    for (uint32_t i = 0; i < plan->n; i++) {
        activation *a = plan->order[i], *root = static_root(a);
        double lo, hi;
        if (!a->wanted || (a->copied && !a->covers)) continue;
        if (!find_range(plan, a, &lo, &hi)) return false;
        root->lo = root->ranged && root->lo < lo ? root->lo : lo;
        root->hi = root->ranged && root->hi > hi ? root->hi : hi;
        root->ranged = true;
    }
    for (uint32_t i = 0; i < plan->n; i++) {
        activation *root = static_root(plan->order[i]);
        if (root->ranged) root->step = quant_step_of(plan->grid, root->lo, root->hi);
    }
    return true;
}
