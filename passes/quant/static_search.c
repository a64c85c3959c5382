/* Learned clipping: ranges of values, and of weights that are rounded to nearest, found one at a time by a golden
 * section search on the error of what contractions give, round after round until the rounds are over.
 *
 * The error is that of all contractions of the model, each against its own size, so that a range answers for what it
 * does to the layers behind it; the last layer alone gives too few numbers, and ranges fit those too well. All scales
 * are arguments of one program, so that nothing is compiled anew for another range. A range only changes where the
 * error gets less.
 */
#include "passes/quant/static.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Factors of a range that are tried in the first round, and how many; later rounds reach half as far each. */
static const double least_factor = 0.5, greatest_factor = 1.25;
enum { TRIES = 7, ELEMENTS = 4096 /* of a result that are looked at, in a sample */ };

/* What is searched: the factor of one range. */
typedef struct knob {
    activation *root; /* of values; or */
    weight_matrix *m; /* of weights */
    float scale;      /* arguments: of a value its scale and zero point; of weights the factor */
    uint8_t zero;
    double lo, hi, factor; /* the range at factor 1, and the best factor */
} knob;

typedef struct search {
    static_plan *plan;
    adze_module *module; /* main with the scales as further arguments */
    adze_program *program;
    knob *knobs;
    uint32_t n, capacity, n_inputs, n_results;
    uint64_t samples;
    float **wanted;       /* [samples * n_results]: what the float model gives, every stride-th */
    double *power, *sums; /* [n_results]: of its squares, of those of the error */
    adze_value *inputs;   /* those of a sample, then the scales */
} search;

static knob *add_knob(search *s)
{
    s->knobs = adze_arena_grow(&s->plan->arena, s->knobs, s->n, &s->capacity, sizeof *s->knobs);
    s->knobs[s->n] = (knob){.factor = 1};
    return &s->knobs[s->n++];
}

static adze_ir_value *add_arg(search *s, adze_dtype dtype)
{
    const adze_type *type = adze_type_tensor_const(s->plan->run->context, dtype, 0, NULL);
    adze_region *body = adze_func_body(adze_module_main(s->module));
    const char *name = adze_internf(s->plan->run->context, "quantize-static.search.%u", adze_region_num_args(body));
    return adze_region_add_arg(body, type, name);
}

/* ---- The program ---- */

/* Makes main give what its contractions give, in the place of its results. */
static uint32_t tap(const static_plan *plan, const adze_func *func, adze_module *module)
{
    adze_func *main = adze_module_main(module);
    adze_op *end = adze_func_return(main), *twin = adze_region_first(adze_func_body(main));
    uint32_t n = 0, most = 0;
    for (const adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) most++;
    const adze_type **types = adze_malloc((most + 1) * sizeof(adze_type *));
    const char **names = adze_malloc((most + 1) * sizeof(char *));
    while (adze_op_num_operands(end)) adze_op_remove_operand(end, 0);
    const adze_op *op = adze_region_first(adze_func_body(func));
    for (; op; op = adze_op_next(op), twin = adze_op_next(twin)) {
        if (static_kind_of(plan, op) != STATIC_CONTRACT) continue;
        adze_ir_value *value = adze_op_result(twin, 0);
        types[n] = adze_value_type(value);
        names[n] = adze_internf(plan->run->context, "quantize-static.result.%u", n);
        adze_op_insert_operand(end, n++, value);
    }
    adze_func_set_results(main, types, names, n);
    free(types);
    free(names);
    return n;
}

/* `x` through a grid whose scale and zero point are arguments. */
static adze_ir_value *round_value(adze_op *before, adze_ir_value *x, adze_ir_value *scale, adze_ir_value *zero)
{
    adze_builder b = adze_builder_before(before);
    adze_ir_value *in[] = {x, scale, zero};
    in[0] = adze_build1(&b, "quantize", in, 3, NULL, 0);
    return in[0] ? adze_build1(&b, "dequantize", in, 3, NULL, 0) : NULL;
}

/* A constant of one number a row that the weights can be divided by; NULL after an error. */
static adze_ir_value *row_scales(search *s, const weight_matrix *m, const quant_step *steps)
{
    const adze_type *type = adze_const_type(m->constant);
    int64_t dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < adze_type_rank(type); i++) dims[i] = i == m->row_axis ? (int64_t)m->rows : 1;
    float *x = adze_malloc(m->rows * sizeof *x);
    for (size_t i = 0; i < m->rows; i++) x[i] = (float)steps[i].scale;
    type = adze_type_tensor_const(s->plan->run->context, ADZE_DTYPE_f32, adze_type_rank(type), dims);
    adze_ir_value *made = adze_const_make(s->module, "scales", type, x);
    free(x);
    return made;
}

/* clip(round(w / (scales * factor))) * (scales * factor) in place of the weights of `op`. */
static bool round_weights(search *s, const weight_matrix *m, adze_op *op, adze_ir_value *factor)
{
    weight_plan plan = s->plan->weights;
    if (adze_table_get(&s->plan->first, m->op) || adze_table_get(&s->plan->last, m->op)) plan.bits = 8;
    weight_rounded r;
    if (!weight_round(m, &plan, &r)) return false;
    adze_ir_value *scales = row_scales(s, m, r.steps), *w = adze_op_operand(op, m->operand);
    adze_ir_value *lo = adze_const_scalar(s->module, "least", ADZE_DTYPE_f32, r.grid.least);
    adze_ir_value *hi = adze_const_scalar(s->module, "greatest", ADZE_DTYPE_f32, r.grid.greatest);
    weight_free(&r);
    if (!scales || !lo || !hi) return false;
    adze_builder b = adze_builder_before(op);
    scales = adze_build_binary(&b, "mul", scales, factor);
    adze_ir_value *q = scales ? adze_build_binary(&b, "div", w, scales) : NULL;
    q = q ? adze_build_unary(&b, "round", q) : NULL;
    adze_ir_value *bounds[] = {q, lo, hi};
    q = q ? adze_build1(&b, "clip", bounds, 3, NULL, 0) : NULL;
    q = q ? adze_build_binary(&b, "mul", q, scales) : NULL;
    if (q) adze_op_set_operand(op, m->operand, q);
    return q;
}

static bool build_values(search *s, const adze_op *op, adze_op *twin, adze_table *args)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        if (!static_reads(op, i)) continue;
        activation *a = static_activation(s->plan, adze_op_operand(op, i)), *root = static_root(a);
        if (!a->wanted) continue;
        adze_ir_value **arg = adze_table_get(args, root);
        if (!arg) {
            arg = ADZE_NEW_ARRAY(&s->plan->arena, adze_ir_value *, 2);
            arg[0] = add_arg(s, ADZE_DTYPE_f32);
            arg[1] = add_arg(s, ADZE_DTYPE_u8);
            adze_table_put(args, root, arg);
            knob *k = add_knob(s);
            k->root = root;
            k->lo = root->lo;
            k->hi = root->hi;
        }
        adze_ir_value *made = round_value(twin, adze_op_operand(twin, i), arg[0], arg[1]);
        if (!made) return false;
        adze_op_set_operand(twin, i, made);
    }
    return true;
}

static bool build(search *s, adze_func *func)
{
    adze_table args = {0};
    bool ok = true;
    adze_op *twin = adze_region_first(adze_func_body(adze_module_main(s->module)));
    adze_op *op = adze_region_first(adze_func_body(func));
    for (; ok && op; op = adze_op_next(op), twin = adze_op_next(twin)) {
        weight_matrix m;
        if (static_reads_codes(s->plan, op)) ok = build_values(s, op, twin, &args);
        bool nearest = s->plan->weights.method == WEIGHT_RTN && !s->plan->weights.polish && !s->plan->weights.refit;
        if (!ok || !nearest || static_kind_of(s->plan, op) != STATIC_CONTRACT || !weight_describe(op, &m)) continue;
        if (adze_value_num_uses(adze_const_value(m.constant)) != 1) continue; /* shared ones stay as they are */
        knob *k = add_knob(s);
        k->m = ADZE_NEW(&s->plan->arena, weight_matrix);
        *k->m = m;
        ok = round_weights(s, &m, twin, add_arg(s, ADZE_DTYPE_f32));
    }
    adze_table_free(&args);
    return ok;
}

/* ---- Running ---- */

static bool read_inputs(search *s, uint64_t sample)
{
    const adze_calibration *data = s->plan->run->calibration;
    return data->sample(data->self, sample, s->inputs);
}

/* Odd, so that it does not fall into step with rows. */
static uint64_t stride_of(const adze_value *value)
{
    return adze_value_count(value) / ELEMENTS | 1;
}

/* What the float model gives. */
static bool find_wanted(search *s, const adze_module *module)
{
    const adze_value *results;
    adze_program *program = adze_program_open(s->plan->run->registry, module);
    bool ok = program;
    for (uint64_t i = 0; ok && i < s->samples; i++) {
        ok = read_inputs(s, i) && adze_program_run(program, s->inputs, &results);
        for (uint32_t r = 0; ok && r < s->n_results; r++) {
            const float *x = results[r].data;
            uint64_t count = adze_value_count(&results[r]), stride = stride_of(&results[r]), n = 0;
            float *y = s->wanted[i * s->n_results + r] = adze_malloc((count / stride + 1) * sizeof *y);
            for (uint64_t k = 0; k < count; k += stride, n++) {
                y[n] = x[k];
                s->power[r] += (double)y[n] * (double)y[n];
            }
        }
    }
    adze_program_close(program);
    return ok;
}

/* Scales of a knob at a factor. */
static void turn(const search *s, knob *k, double factor)
{
    if (k->m) {
        k->scale = (float)factor;
        return;
    }
    quant_step step = quant_step_of(s->plan->grid, k->lo * factor, k->hi * factor);
    k->scale = (float)step.scale;
    k->zero = (uint8_t)step.zero;
}

static void bind(search *s)
{
    uint32_t at = s->n_inputs;
    for (uint32_t i = 0; i < s->n; i++) {
        knob *k = &s->knobs[i];
        s->inputs[at++] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .data = &k->scale};
        if (!k->root) continue;
        s->inputs[at++] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_u8, .data = &k->zero};
    }
}

/* The squared error of each result against its square, all samples together, added up. False after an error. */
static bool measure(search *s, double *out)
{
    const adze_value *results;
    memset(s->sums, 0, s->n_results * sizeof *s->sums);
    for (uint64_t i = 0; i < s->samples; i++) {
        if (!read_inputs(s, i) || !adze_program_run(s->program, s->inputs, &results)) return false;
        for (uint32_t r = 0; r < s->n_results; r++) {
            const float *y = s->wanted[i * s->n_results + r], *x = results[r].data;
            uint64_t count = adze_value_count(&results[r]), stride = stride_of(&results[r]);
            for (uint64_t k = 0; k < count; k += stride) {
                double d = (double)x[k] - (double)*y++;
                s->sums[r] += d * d;
            }
        }
    }
    *out = 0;
    for (uint32_t r = 0; r < s->n_results; r++) *out += s->power[r] > 0 ? s->sums[r] / s->power[r] : s->sums[r];
    if (isnan(*out)) *out = INFINITY;
    return true;
}

static bool measure_at(search *s, knob *k, double factor, double *error)
{
    turn(s, k, factor);
    return measure(s, error);
}

/* Golden section between two factors; `best` is the error with the factors that all have, and gets less where one
 * between these does better. */
static bool search_knob(search *s, knob *k, double lo, double hi, double *best)
{
    const double golden = 0.6180339887498949;
    double at[2] = {hi - golden * (hi - lo), lo + golden * (hi - lo)}, error[2];
    if (!measure_at(s, k, at[0], &error[0]) || !measure_at(s, k, at[1], &error[1])) return false;
    for (int i = 2;; i++) {
        int less = error[1] < error[0];
        if (error[less] < *best) {
            *best = error[less];
            k->factor = at[less];
        }
        if (i == TRIES) break;
        if (less) {
            lo = at[0];
            at[0] = at[1];
            error[0] = error[1];
            at[1] = lo + golden * (hi - lo);
        } else {
            hi = at[1];
            at[1] = at[0];
            error[1] = error[0];
            at[0] = hi - golden * (hi - lo);
        }
        if (!measure_at(s, k, at[less], &error[less])) return false;
    }
    turn(s, k, k->factor);
    return true;
}

static void apply(search *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        knob *k = &s->knobs[i];
        if (k->root) {
            k->root->lo = k->lo * k->factor;
            k->root->hi = k->hi * k->factor;
            k->root->step = quant_step_of(s->plan->grid, k->root->lo, k->root->hi);
        } else {
            double *factor = ADZE_NEW(&s->plan->arena, double);
            *factor = k->factor;
            adze_table_put(&s->plan->shrinks, k->m->op, factor);
        }
    }
}

static bool search_all(search *s, const adze_module *module)
{
    double best;
    s->program = adze_program_open(s->plan->run->registry, s->module);
    if (!s->program || !find_wanted(s, module)) return false;
    for (uint32_t i = 0; i < s->n; i++) turn(s, &s->knobs[i], 1);
    bind(s);
    if (!measure(s, &best)) return false;
    double reach = 1;
    int64_t rounds = s->plan->options->search;
    for (int64_t round = 0; round < rounds; round++, reach /= 2)
        for (uint32_t i = 0; i < s->n; i++) {
            adze_pass_progress(s->plan->run, (uint64_t)round * s->n + i, (uint64_t)rounds * s->n, "scales");
            double f = s->knobs[i].factor, lo = f - (f - f * least_factor) * reach;
            if (!search_knob(s, &s->knobs[i], lo, f + (f * greatest_factor - f) * reach, &best)) return false;
        }
    apply(s);
    return true;
}

bool static_search(static_plan *plan, adze_func *func)
{
    const adze_calibration *data = plan->run->calibration;
    if (!data)
        return adze_error(adze_loc_unknown(plan->run->context),
                          "quantize-static: search needs calibration data: --calib=DATA");
    search s = {.plan = plan, .module = adze_module_clone(adze_func_module(func)), .n_inputs = data->n_inputs};
    adze_module *exact = adze_module_clone(s.module);
    s.n_results = tap(plan, func, s.module);
    (void)tap(plan, func, exact);
    uint64_t most = (uint64_t)plan->options->search_samples;
    s.samples = data->count < most ? data->count : most;
    s.wanted = ADZE_NEW_ARRAY(&plan->arena, float *, s.samples * s.n_results + 1);
    s.power = ADZE_NEW_ARRAY(&plan->arena, double, 2 * s.n_results + 1u);
    s.sums = s.power + s.n_results;
    bool ok = build(&s, func);
    s.inputs = ADZE_NEW_ARRAY(&plan->arena, adze_value, s.n_inputs + 2u * s.n + 1u);
    ok = ok && (!s.n || search_all(&s, exact));
    adze_program_close(s.program);
    for (uint64_t i = 0; i < s.samples * s.n_results; i++) free(s.wanted[i]);
    adze_module_destroy(s.module);
    adze_module_destroy(exact);
    return ok;
}
