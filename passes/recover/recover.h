/* What ways of recovery share: options, teacher and student side by side, layers and what they aim at. */
#ifndef ADZE_RECOVER_H
#define ADZE_RECOVER_H

#include "passes/weights/matrix.h"

#include <adze/arena.h>
#include <adze/pass.h>
#include <adze/table.h>

typedef struct recover_options {
    const char *method, *teacher, *w, *blocks;
    int64_t samples, steps, batch, seed, min_layers;
    double damping, hold, temperature, rate, features, attention, logits;
    bool scales;
} recover_options;

/* ---- Pair: a student and its teachers over the same inputs (pair.c) ---- */

enum { RECOVER_MAX_TEACHERS = 8 };

/* A copy of the student's main with the teachers' ops above its own, and nothing that it gives. What is changed is
 * changed there first; pair_commit takes it over. */
typedef struct recover_pair {
    adze_pass_run *run;
    adze_module *student; /* the one that is recovered */
    adze_module *module;  /* the copy, with the teachers */
    adze_module *teachers[RECOVER_MAX_TEACHERS];
    const char *names[RECOVER_MAX_TEACHERS];         /* for messages */
    adze_ir_value **outputs[RECOVER_MAX_TEACHERS]; /* what main gives, as the copy has it */
    adze_ir_value **own_outputs;
    uint32_t n_teachers, n_outputs;
    adze_arena arena;
    adze_table by_name[RECOVER_MAX_TEACHERS], by_node[RECOVER_MAX_TEACHERS]; /* values of teachers */
    adze_table twins; /* pair_twin by op of the copy */
    adze_table merged; /* the teacher's op, by that of the copy which computes the same */
    adze_op *first;   /* of the student's in the copy */
    adze_op *mark;    /* the last op that stays, while others are added for a run; NULL = none are */
} recover_pair;

/* An op of the copy: the student's, and its own operands before anything changed. */
typedef struct pair_twin {
    adze_op *origin;
    adze_ir_value **operands;
    uint32_t n;
} pair_twin;

/* Reads the teachers, which are files, comma between, and simplifies them as the student was. False after an error. */
bool pair_open(recover_pair *p, adze_pass_run *run, adze_module *student, const char *files);
/* The same with a module as the only teacher, which must outlive the pair; files NULL there. */
bool pair_open_module(recover_pair *p, adze_pass_run *run, adze_module *student, const adze_module *teacher);
void pair_close(recover_pair *p);
/* Ops are added before the copy's return from here on, for a run; pair_end takes them out again. */
adze_builder pair_begin(recover_pair *p);
void pair_end(recover_pair *p);
/* A program that gives these values. NULL after an error. */
adze_program *pair_program(recover_pair *p, adze_ir_value *const *values, uint32_t n);
/* What the teacher's value of the same name is; of a value without a name, that of the last op of the same ONNX node.
 * NULL where there is none, or its type is another. */
adze_ir_value *pair_match(const recover_pair *p, uint32_t teacher, const adze_ir_value *value);
/* What has changed in the copy is written to the student. */
adze_outcome pair_commit(recover_pair *p);
/* Inputs of sample `index`; false after an error: they do not fit, or hold NaN. */
bool pair_sample(const recover_pair *p, uint64_t index, adze_value *out_inputs);
/* How many samples are used, at most `most` where that is above 0. */
uint64_t pair_samples(const recover_pair *p, int64_t most);
/* Is the sample one that nothing is fitted to? Every n-th is, so that about `hold` of all are. */
bool pair_is_held(uint64_t index, double hold);

/* ---- Layers (layer.c) ---- */

typedef struct recover_layer {
    weight_matrix m;       /* of the copy's op; constant NULL: the weights are codes */
    adze_op *dequantize;   /* what makes weights of codes; NULL = they are floats */
    adze_op *bias;         /* the op that adds one number a row: the layer's own, or an add behind it; NULL: none can */
    uint32_t bias_operand;
    adze_ir_value *out;    /* with the bias */
    adze_ir_value *target; /* the teacher's */
    adze_ir_value *behind; /* `out`, or what an add makes of it and a shortcut */
    adze_ir_value *behind_target;
} recover_layer;

/* The layers of the copy, in order, that have a target and do not equal it by construction. Of others `skipped` counts
 * those that no value of the teacher's is named like. NULL after an error: no layer has a target. */
recover_layer *recover_layers(recover_pair *p, uint32_t *out_n, uint32_t *out_skipped);
/* Numbers that are added to each row, [rows]; zeros where there are none yet. NULL after an error; free. */
double *layer_bias_read(const recover_layer *l);
bool layer_bias_write(recover_pair *p, const recover_layer *l, const double *bias);
/* Each row's weights, or the scales of their codes, times factors[rows]; can: these are constants of this layer alone
 * that have a number for each row. False after an error. */
bool layer_can_scale(const recover_pair *p, const recover_layer *l);
bool layer_scale(recover_pair *p, const recover_layer *l, const double *factors);
/* Weights become w[rows][cols]; can: they are floats of this layer alone. */
bool layer_can_write(const recover_pair *p, const recover_layer *l);
bool layer_write(recover_pair *p, recover_layer *l, const double *w);

/* ---- Ways ---- */

bool recover_moments(recover_pair *p, const recover_options *o, bool scale);
adze_outcome recover_batchnorm(adze_module *module, adze_pass_run *run, const recover_options *o);
bool recover_least_squares(recover_pair *p, const recover_options *o);
bool recover_ridge(recover_pair *p, const recover_options *o);
bool recover_reconstruct(recover_pair *p, const recover_options *o);

#endif
