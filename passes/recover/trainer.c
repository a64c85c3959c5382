/* Makes a block a program of its own: what layers before it gave, what teachers say, and the numbers that are trained
 * are further arguments of main; results are the loss and its gradients. */
#include "passes/recover/trainer.h"

#include "passes/weights/build.h"
#include "passes/weights/copy.h"

#include <adze/gradient.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t default_bound = UINT64_C(1) << 30; /* bytes of samples that are kept */

/* ---- What is trained ---- */

/* Weights, biases, and what normalizations multiply with and add; not codes, nor constants of formulas. */
static bool is_trained(const recover_options *o, const adze_op *op, uint32_t operand)
{
    int64_t count;
    const adze_ir_value *x = adze_op_operand(op, operand);
    if (!x || !adze_value_const(x) || adze_type_dtype(adze_value_type(x)) != ADZE_DTYPE_f32) return false;
    if (!adze_dim_is_const(adze_type_count(adze_value_type(x)), &count) || count < 2) return false;
    if (adze_op_has_trait(op, ADZE_CONTRACTION)) return operand > 0;
    if (adze_op_is(op, "dequantize")) return o->scales && operand == 1;
    if (adze_op_is(op, "batch_norm")) return operand == 1 || operand == 2;
    if (adze_op_is(op, "layer_norm") || adze_op_is(op, "rms_norm")) return operand > 0;
    return adze_op_is(op, "add") || adze_op_is(op, "mul");
}

static bool is_own(const recover_pair *p, const adze_op *op)
{
    return adze_table_get(&p->twins, op) && !adze_table_get(&p->merged, op);
}

/* Do ops of the student beyond the block read the constant, too? */
static bool is_read_elsewhere(const trainer *t, const adze_ir_value *x)
{
    for (const adze_use *use = adze_value_first_use(x); use; use = adze_use_next(use)) {
        bool here = false;
        if (!is_own(t->p, adze_use_op(use))) continue;
        for (uint32_t i = 0; !here && i < t->block->n_ops; i++) here = t->block->ops[i] == adze_use_op(use);
        if (!here) return true;
    }
    return false;
}

/* Does an add hold numbers that make others vanish? A step is a part of an array's size, and theirs is no scale. */
static bool is_mask(const adze_op *op, const float *x, size_t n)
{
    static const float low = -1e4f;
    bool any = false;
    for (size_t i = 0; i < n && adze_op_is(op, "add"); i++) any |= !(x[i] > low);
    return any;
}

static bool add_trained(trainer *t, const adze_op *op, const adze_ir_value *x)
{
    const adze_const *c = adze_value_const(x);
    for (uint32_t i = 0; i < t->n_all; i++)
        if (t->all[i].constant == c) return true;
    int64_t count;
    (void)adze_dim_is_const(adze_type_count(adze_value_type(x)), &count);
    size_t bytes = (size_t)count * sizeof(float);
    float *numbers = adze_malloc(bytes);
    if (!adze_data_read(adze_const_data(c), 0, numbers, bytes)) {
        free(numbers);
        return false;
    }
    if (is_mask(op, numbers, (size_t)count)) {
        free(numbers);
        return true;
    }
    bool is_bias = adze_type_rank(adze_value_type(x)) < 2;
    t->all = adze_arena_grow(&t->p->arena, t->all, t->n_all, &t->capacity, sizeof *t->all);
    trained *made = &t->all[t->n_all++];
    made->constant = c;
    made->array = adam_create(numbers, (size_t)count, adze_op_has_trait(op, ADZE_CONTRACTION) && !is_bias);
    made->best = adze_malloc(bytes);
    memcpy(made->best, numbers, bytes);
    return true;
}

static bool find_trained(trainer *t)
{
    for (uint32_t i = 0; i < t->block->n_ops; i++) {
        const adze_op *op = t->block->ops[i];
        for (uint32_t k = 0; k < adze_op_num_operands(op); k++) {
            if (!is_trained(t->o, op, k) || is_read_elsewhere(t, adze_op_operand(op, k))) continue;
            if (!add_trained(t, op, adze_op_operand(op, k))) return false;
        }
    }
    return true;
}

/* ---- Samples ---- */

/* Fewer samples where all of them would take too much memory. */
static void bound_samples(trainer *t)
{
    uint64_t bound = adze_context_max_memory(t->p->run->context) / 2, bytes = 1;
    if (!bound) bound = default_bound;
    for (uint32_t i = 0; i < t->n_kept; i++)
        bytes += adze_dtype_bytes((adze_dtype)t->kept[i].dtype, adze_value_count(&t->kept[i]));
    if (t->n_samples > bound / bytes) t->n_samples = bound / bytes < 4 ? 4 : bound / bytes;
}

static bool keep_samples(trainer *t, adze_program *program)
{
    const adze_value *results;
    uint64_t all = t->n_samples;
    t->kept = calloc(all * t->n_kept + 1u, sizeof *t->kept);
    bool ok = t->kept;
    for (uint64_t i = 0; ok && i < t->n_samples; i++) {
        ok = pair_sample(t->p, i, t->inputs) && adze_program_run(program, t->inputs, &results);
        for (uint32_t k = 0; ok && k < t->n_kept; k++) {
            ok = copy_value(&results[k], &t->kept[i * t->n_kept + k]);
            if (!ok) adze_error(adze_loc_unknown(t->p->run->context), "recover: out of memory");
        }
        if (ok && !i) bound_samples(t);
        if (t->n_samples > all) t->n_samples = all;
    }
    return ok;
}

static bool collect(trainer *t)
{
    recover_pair *p = t->p;
    adze_builder b = pair_begin(p);
    t->terms = loss_terms(p, t->o, t->block, &b, &t->n_terms);
    t->n_kept = t->block->n_inputs + t->n_terms;
    adze_ir_value **values = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, t->n_kept + 1u);
    for (uint32_t i = 0; i < t->n_kept; i++)
        values[i] = i < t->block->n_inputs ? t->block->inputs[i] : t->terms[i - t->block->n_inputs].target;
    adze_program *program = t->n_terms ? pair_program(p, values, t->n_kept) : NULL;
    bool ok = !t->n_terms || (program && keep_samples(t, program));
    adze_program_close(program);
    pair_end(p);
    return ok;
}

/* ---- The program ---- */

static adze_ir_value *add_arg(trainer *t, const adze_type *type)
{
    adze_region *body = adze_func_body(adze_module_main(t->p->module));
    const char *name = adze_internf(t->p->run->context, "recover.arg.%u", adze_region_num_args(body));
    return adze_region_add_arg(body, type, name);
}

/* What the constants of the block are, as arguments. */
static void map_trained(trainer *t, adze_map *map, adze_ir_value **args)
{
    for (uint32_t i = 0; i < t->n_all; i++) {
        args[i] = add_arg(t, adze_const_type(t->all[i].constant));
        adze_map_set(map, adze_const_value(t->all[i].constant), args[i]);
    }
}

static adze_ir_value *build_loss(trainer *t, adze_builder *b, adze_map *map, adze_ir_value **targets)
{
    adze_ir_value *sum = NULL;
    for (uint32_t i = 0; i < t->block->n_ops; i++) (void)adze_clone(b, t->block->ops[i], map);
    for (uint32_t i = 0; i < t->n_terms; i++) {
        adze_ir_value *value = adze_map_get(map, t->terms[i].value);
        if (!value) continue; /* it does not change */
        adze_ir_value *loss = loss_build(b, t->o, &t->terms[i], value, targets[i]);
        if (!loss) return NULL;
        sum = sum ? build_binary(b, "add", sum, loss) : loss;
    }
    if (!sum) adze_error(adze_op_loc(t->block->ops[0]), "recover: a block has no result that a teacher knows");
    return sum;
}

static bool build(trainer *t)
{
    recover_pair *p = t->p;
    adze_func *func = adze_module_main(p->module);
    adze_builder b = pair_begin(p);
    adze_map *map = adze_map_create();
    adze_region *body = adze_func_body(func);
    uint32_t n_main = adze_region_num_args(body);
    adze_ir_value **values = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, t->n_all + 1u);
    adze_ir_value **targets = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, t->n_terms + 1u);
    adze_ir_value **args = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, t->n_all + 1u);
    for (uint32_t i = 0; i < t->block->n_inputs; i++)
        adze_map_set(map, t->block->inputs[i], add_arg(t, adze_value_type(t->block->inputs[i])));
    for (uint32_t i = 0; i < t->n_terms; i++) targets[i] = add_arg(t, t->terms[i].type);
    map_trained(t, map, args);
    values[0] = build_loss(t, &b, map, targets);
    adze_map_destroy(map);
    bool ok = values[0] && adze_gradient_build(func, values[0], args, t->n_all, values + 1);
    t->program = ok ? pair_program(p, values, t->n_all + 1) : NULL;
    pair_end(p);
    while (adze_region_num_args(body) > n_main) adze_region_remove_arg(body, adze_region_num_args(body) - 1);
    return t->program;
}

bool trainer_open(trainer *t, recover_pair *p, const recover_options *o, const recover_block *block)
{
    *t = (trainer){.p = p, .o = o, .block = block, .n_samples = pair_samples(p, o->samples)};
    if (!find_trained(t)) return false;
    if (!t->n_all) return true;
    uint32_t most = p->run->calibration->n_inputs + block->n_inputs + 3 * block->n_ops + block->n_ends + t->n_all + 4;
    t->inputs = adze_malloc(most * sizeof *t->inputs);
    t->dims = adze_malloc(t->n_all * sizeof *t->dims);
    if (!collect(t)) return false;
    if (!t->n_terms) return true;
    uint32_t at = p->run->calibration->n_inputs + t->n_kept;
    for (uint32_t i = 0; i < t->n_all; i++) {
        const adze_type *type = adze_const_type(t->all[i].constant);
        for (uint32_t d = 0; d < adze_type_rank(type); d++)
            (void)adze_dim_is_const(adze_type_dim(type, d), &t->dims[i][d]);
        t->inputs[at + i] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32,
                                         .rank = adze_type_rank(type), .dims = t->dims[i], .data = t->all[i].array.x};
    }
    return build(t);
}

bool trainer_run(trainer *t, uint64_t sample, const adze_value **out_results)
{
    uint32_t n_main = t->p->run->calibration->n_inputs;
    if (!pair_sample(t->p, sample, t->inputs)) return false;
    memcpy(t->inputs + n_main, t->kept + sample * t->n_kept, t->n_kept * sizeof *t->inputs);
    return adze_program_run(t->program, t->inputs, out_results);
}

bool trainer_write(trainer *t)
{
    for (uint32_t i = 0; i < t->n_all; i++) {
        const adze_const *c = t->all[i].constant;
        adze_ir_value *made = adze_const_make(t->p->module, adze_const_name(c), adze_const_type(c), t->all[i].best);
        if (!made) return false;
        for (uint32_t k = 0; k < t->block->n_ops; k++)
            for (uint32_t n = 0; n < adze_op_num_operands(t->block->ops[k]); n++)
                if (adze_op_operand(t->block->ops[k], n) == adze_const_value(c))
                    adze_op_set_operand(t->block->ops[k], n, made);
    }
    return true;
}

void trainer_close(trainer *t)
{
    adze_program_close(t->program);
    for (uint64_t i = 0; t->kept && i < t->n_samples * t->n_kept; i++) copy_value_free(&t->kept[i]);
    for (uint32_t i = 0; i < t->n_all; i++) {
        adam_free(&t->all[i].array);
        free(t->all[i].best);
    }
    free(t->kept);
    free(t->inputs);
    free(t->dims);
}
