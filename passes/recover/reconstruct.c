/* Block-wise reconstruction: block after block, weights, biases, normalizations and scales of codes are trained to give
 * what the teachers give there, from what the blocks before now give.
 *
 * Adam on random batches, with a rate that falls as a cosine. The loss on samples held back says which state is kept:
 * a block never ends worse than it began, and where the model's outputs end worse, all is as it was. Source of the
 * blocks: Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", 2021.
 */
#include "passes/recover/teachers.h"
#include "passes/recover/trainer.h"

#include "passes/weights/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 10, PATIENCE = 4 }; /* at samples held back, while a block trains; that may show no progress */

/* ---- One block ---- */

/* Are samples below n held back at all? */
static bool holds(const recover_options *o, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (pair_is_held(i, o->hold)) return true;
    return false;
}

/* The mean loss on samples held back, or on all where none are. */
static bool judge(trainer *t, double *out)
{
    bool some = holds(t->o, t->n_samples), ok = true;
    uint64_t n = 0;
    *out = 0;
    for (uint64_t i = 0; ok && i < t->n_samples; i++) {
        const adze_value *results;
        if (some && !pair_is_held(i, t->o->hold)) continue;
        ok = trainer_run(t, i, &results);
        if (ok) *out += (double)*(const float *)results[0].data;
        n++;
    }
    if (n) *out /= (double)n;
    return ok;
}

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return *state >> 33;
}

static uint64_t draw(const trainer *t, uint64_t *state)
{
    bool some = holds(t->o, t->n_samples);
    for (;;) {
        uint64_t i = next(state) % t->n_samples;
        if (!some || !pair_is_held(i, t->o->hold)) return i;
    }
}

/* One step; *out_finite false: a gradient was NaN or infinite, and nothing changed. */
static bool train_step(trainer *t, uint64_t step, double rate, uint64_t *state, bool *out_finite)
{
    *out_finite = true;
    for (int64_t i = 0; i < t->o->batch; i++) {
        const adze_value *results;
        if (!trainer_run(t, draw(t, state), &results)) return false;
        for (uint32_t k = 0; *out_finite && k < t->n_all; k++)
            *out_finite = adam_add(&t->all[k].array, results[1 + k].data);
        if (!*out_finite) return true;
    }
    for (uint32_t k = 0; k < t->n_all; k++) adam_step(&t->all[k].array, step, (double)t->o->batch, rate);
    return true;
}

static void keep_best(trainer *t)
{
    for (uint32_t i = 0; i < t->n_all; i++)
        memcpy(t->all[i].best, t->all[i].array.x, t->all[i].array.n * sizeof(float));
}

/* Which of all blocks trains. */
typedef struct turn {
    uint32_t i, n;
} turn;

static void show(const trainer *t, turn at, uint64_t step)
{
    uint64_t steps = (uint64_t)t->o->steps;
    char what[32];
    snprintf(what, sizeof what, "block %u of %u", at.i + 1, at.n);
    adze_pass_progress(t->p->run, at.i * steps + step, at.n * steps, what);
}

static bool train(trainer *t, turn at, bool *out_better)
{
    double first, best, now;
    uint64_t steps = (uint64_t)t->o->steps, state = (uint64_t)t->o->seed + at.i;
    uint64_t every = steps / LOOKS + (steps < LOOKS), idle = 0;
    bool finite = true;
    *out_better = false;
    if (!judge(t, &first)) return false;
    best = first;
    for (uint64_t i = 1; finite && i <= steps && idle < PATIENCE; i++) {
        show(t, at, i - 1);
        double rate = t->o->rate * 0.5 * (1 + cos(acos(-1) * (double)(i - 1) / (double)steps));
        if (!train_step(t, i, rate, &state, &finite)) return false;
        if (!finite || (i % every && i != steps)) continue;
        if (!judge(t, &now)) return false;
        idle++;
        if (!(now < best)) continue;
        best = now;
        idle = 0;
        *out_better = true;
        keep_best(t);
    }
    return true;
}

static bool reconstruct(recover_pair *p, const recover_options *o, const recover_block *block, turn at)
{
    trainer t;
    bool better = false;
    if (!adze_rewrite(p->run, block->ops[0], "reconstruct")) return true;
    bool ok = trainer_open(&t, p, o, block);
    if (ok && t.program) ok = train(&t, at, &better) && (!better || trainer_write(&t));
    trainer_close(&t);
    return ok;
}

/* ---- The whole ---- */

/* The mean loss of the outputs on samples held back. */
static bool judge_outputs(recover_pair *p, const recover_options *o, double *out)
{
    recover_block all = {.ends = p->own_outputs, .n_ends = p->n_outputs, .last = true};
    uint32_t n_terms;
    uint64_t n = pair_samples(p, o->samples), count = 0;
    adze_builder b = pair_begin(p);
    loss_term *terms = loss_terms(p, o, &all, &b, &n_terms);
    adze_ir_value *sum = NULL;
    for (uint32_t i = 0; i < n_terms; i++) {
        adze_ir_value *loss = loss_build(&b, o, &terms[i], terms[i].value, terms[i].target);
        sum = i ? build_binary(&b, "add", sum, loss) : loss;
    }
    bool ok = n_terms && sum, some = holds(o, n);
    if (!n_terms) adze_error(adze_func_loc(adze_module_main(p->student)), "recover: no output is a tensor of f32");
    adze_program *program = ok ? pair_program(p, &sum, 1) : NULL;
    adze_value *inputs = adze_malloc((p->run->calibration->n_inputs + 1u) * sizeof *inputs);
    ok = program;
    *out = 0;
    for (uint64_t i = 0; ok && i < n; i++) {
        const adze_value *results;
        if (some && !pair_is_held(i, o->hold)) continue;
        ok = pair_sample(p, i, inputs) && adze_program_run(program, inputs, &results);
        if (ok) *out += (double)*(const float *)results[0].data;
        count++;
    }
    if (count) *out /= (double)count;
    free(inputs);
    adze_program_close(program);
    pair_end(p);
    return ok;
}

/* The student as it was. */
static void restore(recover_pair *p)
{
    for (adze_op *op = p->first; op; op = adze_op_next(op)) {
        const pair_twin *t = adze_table_get(&p->twins, op);
        if (!t || adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        for (uint32_t i = 0; i < t->n; i++) adze_op_set_operand(op, i, t->operands[i]);
    }
}

bool recover_reconstruct(recover_pair *p, const recover_options *o)
{
    double weights[RECOVER_MAX_TEACHERS], before, after;
    uint32_t n;
    if (!teacher_weights(p, o->w, weights)) return false;
    recover_block *blocks = recover_blocks(p, o, &n);
    if (!n) return true; /* the student is its teacher */
    if (!judge_outputs(p, o, &before)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!reconstruct(p, o, &blocks[i], (turn){i, n})) return false;
    if (!judge_outputs(p, o, &after)) return false;
    if (after < before) return true;
    if (after > before || isnan(after))
        adze_note(adze_func_loc(adze_module_main(p->student)),
                  "recover: the outputs came no nearer on samples held back (loss %g, before %g): all is as it was",
                  after, before);
    restore(p);
    return true;
}
