/* recurrent: layers of rnn, gru and lstm become products and a loop over time, which have kernels.
 *
 * What a layer does with its inputs does not depend on its state: one product for all times. A loop adds what the state
 * adds, a product a step, and the gates; a single time needs no loop. States are carried; what a layer gives at each
 * time is stacked, backwards for the reverse direction. Gates lie in ONNX's order: z, r, h of gru, i, o, f, c of lstm.
 *
 *     %y, %h, %c = lstm(%x, @W, @R, @B)     →      %0 = matmul(%x, @W.T); %1 = add(%0, @b)
 *                                                  %h, %c, %y = loop(@time, _, %h0, %c0) do { … matmul(%h, @R.T) }
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/weights/build.h"

#include <string.h>
#include <strings.h>

enum { X, W, R, BIAS, LENGTHS, FIRST_H, FIRST_C, PEEPHOLES, MAX_GATES = 4, EACH = 3 };

typedef adze_ir_value *function(adze_builder *b, adze_ir_value *x);

typedef struct layer {
    adze_op *op;
    bool is_gru, is_lstm, both, reverse, after_reset, coupled;
    double clip; /* 0: none */
    int64_t gates, hidden;
    uint32_t direction;
    const adze_type *state; /* [batch, hidden] */
    const adze_dim *time;
    function *functions[2 * EACH];
    /* Of the direction at hand. */
    adze_ir_value *inputs;    /* [time, batch, gates * hidden], biases added */
    adze_ir_value *recurrent; /* [hidden, gates * hidden] */
    adze_ir_value *bias;      /* of gru's h behind its reset: [hidden], or NULL */
    adze_ir_value *peephole[3];
} layer;

/* ---- Activations ---- */

static adze_ir_value *tanh_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "tanh", x); }
static adze_ir_value *sigmoid_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "sigmoid", x); }
static adze_ir_value *relu_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "relu", x); }
static adze_ir_value *softsign_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "softsign", x); }
static adze_ir_value *softplus_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "softplus", x); }
static adze_ir_value *hard_sigmoid_of(adze_builder *b, adze_ir_value *x) { return build_unary(b, "hard_sigmoid", x); }
static adze_ir_value *affine_of(adze_builder *b, adze_ir_value *x) { return (void)b, x; }

/* With the parameters that ONNX gives them where a model gives none. */
static const struct {
    const char *name;
    function *build;
} activations[] = {{"Tanh", tanh_of},         {"Sigmoid", sigmoid_of},   {"Relu", relu_of},
                   {"Softsign", softsign_of}, {"Softplus", softplus_of}, {"HardSigmoid", hard_sigmoid_of},
                   {"Affine", affine_of}};

static function *find_activation(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strlen(activations[i].name) == size && !strncasecmp(activations[i].name, name, size))
            return activations[i].build;
    return NULL;
}

/* A list of words, one a function and direction; NULL: those that ONNX has by default. */
static bool read_activations(layer *l, const char *text)
{
    uint32_t each = l->is_lstm ? 3 : l->is_gru ? 2 : 1, n = each * (l->both ? 2 : 1), found = 0;
    for (uint32_t i = 0; i < n; i++)
        l->functions[i] = (l->is_lstm || l->is_gru) && i % each == 0 ? sigmoid_of : tanh_of;
    for (const char *at = text ? text : ""; *at; at += *at == ' ') {
        size_t size = strcspn(at, " ");
        function *f = find_activation(at, size);
        if (!f || found == n) return false;
        l->functions[found++] = f;
        at += size;
    }
    return !found || found == n;
}

/* ---- What can be written so ---- */

static bool has(const adze_op *op, const char *name) { return adze_op_attr_is_set(op, name); }

static bool describe(adze_op *op, layer *out)
{
    *out = (layer){.op = op, .is_gru = adze_op_is(op, "gru"), .is_lstm = adze_op_is(op, "lstm")};
    if (!out->is_gru && !out->is_lstm && !adze_op_is(op, "rnn")) return false;
    const adze_type *x = adze_value_type(adze_op_operand(op, X)), *r = adze_value_type(adze_op_operand(op, R));
    if (!adze_type_is_ranked(x) || !adze_type_is_ranked(r) || adze_type_rank(x) != 3 || adze_type_rank(r) != 3)
        return false;
    if (adze_type_dtype(x) != ADZE_DTYPE_f32 || !adze_dim_is_const(adze_type_dim(r, 2), &out->hidden)) return false;
    for (uint32_t i = 0; i < 3; i++)
        if (adze_dim_is_unknown(adze_type_dim(x, i))) return false;
    if (adze_op_operand(op, LENGTHS) || has(op, "activation_alpha") || has(op, "activation_beta")) return false;
    const char *direction = adze_op_attr_str(op, "direction");
    out->both = !strcmp(direction, "bidirectional");
    out->reverse = !strcmp(direction, "reverse");
    out->gates = out->is_lstm ? 4 : out->is_gru ? 3 : 1;
    out->clip = has(op, "clip") ? adze_op_attr_float(op, "clip") : 0;
    if (has(op, "clip") && !(out->clip > 0)) return false;
    out->after_reset = out->is_gru && adze_op_attr_int(op, "linear_before_reset");
    out->coupled = out->is_lstm && adze_op_attr_int(op, "input_forget");
    out->time = adze_type_dim(x, 0);
    const adze_dim *dims[] = {adze_type_dim(x, 1), adze_dim_const(adze_op_context(op), out->hidden)};
    out->state = adze_type_with_dims(x, 2, dims);
    return !adze_dim_is_value(out->time, 0) && read_activations(out, adze_op_attr_str(op, "activations"));
}

/* ---- One direction's operands ---- */

/* Row `d` of an operand that has one a direction, in other dims; NULL where it is absent. */
static adze_ir_value *of_direction(adze_builder *b, const layer *l, uint32_t index, uint32_t rank,
                                   const adze_dim *const *dims)
{
    adze_ir_value *all = adze_op_operand(l->op, index);
    if (!all) return NULL;
    return build_reshape(b, build_slice(b, all, 0, l->direction, l->direction + 1, 1), rank, dims);
}

static const adze_dim *number(const layer *l, int64_t value) { return adze_dim_const(adze_op_context(l->op), value); }

/* The biases of x and of h; the latter's of gru's h apart where the reset comes behind it. */
static adze_ir_value *read_bias(adze_builder *b, layer *l)
{
    int64_t rows = l->gates * l->hidden, apart = l->after_reset ? l->hidden : 0;
    const adze_dim *dims[] = {number(l, 2 * rows)};
    adze_ir_value *all = of_direction(b, l, BIAS, 1, dims);
    if (!all) return NULL;
    adze_ir_value *of_x = build_slice(b, all, 0, 0, rows, 1), *of_h = build_slice(b, all, 0, rows, 2 * rows, 1);
    if (!apart) return build_binary(b, "add", of_x, of_h);
    const int64_t none = 0;
    l->bias = build_slice(b, of_h, 0, rows - apart, rows, 1);
    return build_binary(b, "add", of_x, build_pad(b, build_slice(b, of_h, 0, 0, rows - apart, 1), &none, &apart));
}

static bool read_direction(adze_builder *b, layer *l)
{
    int64_t rows = l->gates * l->hidden;
    const adze_type *x = adze_value_type(adze_op_operand(l->op, X));
    const adze_dim *w[] = {number(l, rows), adze_type_dim(x, 2)}, *r[] = {number(l, rows), number(l, l->hidden)};
    adze_ir_value *weights = build_swap_last(b, of_direction(b, l, W, 2, w));
    l->bias = NULL;
    l->recurrent = build_swap_last(b, of_direction(b, l, R, 2, r));
    l->inputs = build_binary(b, "matmul", adze_op_operand(l->op, X), weights);
    if (adze_op_operand(l->op, BIAS)) l->inputs = build_binary(b, "add", l->inputs, read_bias(b, l));
    const adze_dim *p[] = {number(l, 3 * l->hidden)};
    adze_ir_value *peepholes = l->is_lstm ? of_direction(b, l, PEEPHOLES, 1, p) : NULL;
    for (int64_t i = 0; i < 3; i++)
        l->peephole[i] = peepholes ? build_slice(b, peepholes, 0, i * l->hidden, (i + 1) * l->hidden, 1) : NULL;
    return l->inputs && l->recurrent;
}

/* What a layer starts from, [batch, hidden]; zeros where nothing is given. */
static adze_ir_value *first_state(adze_builder *b, const layer *l, uint32_t index)
{
    adze_ir_value *given = of_direction(b, l, index, 2, adze_type_dims(l->state));
    if (given) return given;
    return build_expand_as(b, adze_const_scalar(b->module, "zero", ADZE_DTYPE_f32, 0), l->state);
}

/* ---- One step ---- */

static adze_ir_value *gate_of(adze_builder *b, const layer *l, adze_ir_value *all, int64_t gate)
{
    return build_slice(b, all, 1, gate * l->hidden, (gate + 1) * l->hidden, 1);
}

static adze_ir_value *activate(adze_builder *b, const layer *l, uint32_t which, adze_ir_value *x)
{
    uint32_t each = l->is_lstm ? 3 : l->is_gru ? 2 : 1;
    if (l->clip > 0) x = build_with(b, "min", build_with(b, "max", x, -l->clip), l->clip);
    return x ? l->functions[l->direction * each + which](b, x) : NULL;
}

/* 1 - x */
static adze_ir_value *rest_of(adze_builder *b, adze_ir_value *x)
{
    return build_binary(b, "sub", build_scalar(b, x, 1), x);
}

static adze_ir_value *peep(adze_builder *b, const layer *l, uint32_t which, adze_ir_value *gate, adze_ir_value *c)
{
    if (!l->peephole[which]) return gate;
    return build_binary(b, "add", gate, build_binary(b, "mul", c, l->peephole[which]));
}

static void step_lstm(adze_builder *b, const layer *l, adze_ir_value *x, adze_ir_value **h, adze_ir_value **c)
{
    adze_ir_value *all = build_binary(b, "add", x, build_binary(b, "matmul", *h, l->recurrent));
    adze_ir_value *in = activate(b, l, 0, peep(b, l, 0, gate_of(b, l, all, 0), *c));
    adze_ir_value *forget = l->coupled ? rest_of(b, in) : activate(b, l, 0, peep(b, l, 2, gate_of(b, l, all, 2), *c));
    adze_ir_value *kept = build_binary(b, "mul", forget, *c);
    *c = build_binary(b, "add", kept, build_binary(b, "mul", in, activate(b, l, 1, gate_of(b, l, all, 3))));
    adze_ir_value *out = activate(b, l, 0, peep(b, l, 1, gate_of(b, l, all, 1), *c));
    *h = build_binary(b, "mul", out, activate(b, l, 2, *c));
}

/* The reset multiplies the state, or what the product makes of it. */
static adze_ir_value *candidate(adze_builder *b, const layer *l, adze_ir_value *x, adze_ir_value *own, adze_ir_value *h,
                                adze_ir_value *reset)
{
    adze_ir_value *part = own;
    if (l->after_reset) {
        if (l->bias) part = build_binary(b, "add", part, l->bias);
        part = build_binary(b, "mul", reset, part);
    } else {
        adze_ir_value *weights = gate_of(b, l, l->recurrent, 2);
        part = build_binary(b, "matmul", build_binary(b, "mul", reset, h), weights);
    }
    return activate(b, l, 1, build_binary(b, "add", x, part));
}

static void step_gru(adze_builder *b, const layer *l, adze_ir_value *x, adze_ir_value **h)
{
    int64_t used = (l->after_reset ? 3 : 2) * l->hidden;
    adze_ir_value *weights = build_slice(b, l->recurrent, 1, 0, used, 1), *own = build_binary(b, "matmul", *h, weights);
    adze_ir_value *gates[2];
    for (int64_t i = 0; i < 2; i++)
        gates[i] = activate(b, l, 0, build_binary(b, "add", gate_of(b, l, x, i), gate_of(b, l, own, i)));
    adze_ir_value *last = l->after_reset ? gate_of(b, l, own, 2) : NULL;
    adze_ir_value *next = candidate(b, l, gate_of(b, l, x, 2), last, *h, gates[1]);
    adze_ir_value *changed = build_binary(b, "mul", rest_of(b, gates[0]), next);
    *h = build_binary(b, "add", changed, build_binary(b, "mul", gates[0], *h));
}

/* x: [batch, gates * hidden]; the states become those behind it. */
static bool step(adze_builder *b, const layer *l, adze_ir_value *x, adze_ir_value **h, adze_ir_value **c)
{
    if (l->is_lstm) {
        step_lstm(b, l, x, h, c);
    } else if (l->is_gru) {
        step_gru(b, l, x, h);
    } else {
        adze_ir_value *own = build_binary(b, "matmul", *h, l->recurrent);
        *h = activate(b, l, 0, build_binary(b, "add", x, own));
    }
    return *h && (*c || !l->is_lstm);
}

/* ---- All times ---- */

static adze_ir_value *count_of(adze_builder *b, const layer *l)
{
    int64_t known;
    if (adze_dim_is_const(l->time, &known)) return adze_const_scalar(b->module, "time", ADZE_DTYPE_i64, (double)known);
    adze_attr attr = adze_attr_dims_make(adze_op_context(l->op), "dims", &l->time, 1);
    return build_reshape(b, adze_build1(b, "dims", NULL, 0, &attr, 1), 0, NULL);
}

/* What the step at hand reads of the inputs: the last ones first, for the reverse direction. */
static adze_ir_value *inputs_at(adze_builder *b, const layer *l, adze_ir_value *count, adze_ir_value *run)
{
    adze_ir_value *at = run;
    if (l->reverse || l->direction) at = build_with(b, "sub", build_binary(b, "sub", count, run), 1);
    adze_ir_value *operands[] = {l->inputs, at};
    adze_attr axis = adze_attr_int("axis", 0);
    return at ? adze_build1(b, "gather", operands, 2, &axis, 1) : NULL;
}

/* The loop; *y: [time, batch, hidden], in the order of the steps. */
static bool repeat(adze_builder *b, const layer *l, adze_ir_value **h, adze_ir_value **c, adze_ir_value **y)
{
    adze_context *context = adze_op_context(l->op);
    uint32_t n = l->is_lstm ? 2 : 1;
    adze_ir_value *count = count_of(b, l), *operands[] = {count, NULL, *h, *c};
    const adze_dim *dims[] = {l->time, adze_type_dim(l->state, 0), adze_type_dim(l->state, 1)};
    const adze_type *types[] = {l->state, l->state, l->state};
    types[n] = adze_type_with_dims(l->state, 3, dims);
    adze_op *loop = count ? adze_build(b, "loop", operands, 2 + n, NULL, 0, types, n + 1) : NULL;
    if (!loop) return false;
    adze_region *region = adze_op_region(loop, 0);
    adze_ir_value *run = adze_region_add_arg(region, adze_type_tensor(context, ADZE_DTYPE_i64, 0, NULL, NULL), NULL);
    adze_ir_value *state[] = {adze_region_add_arg(region, l->state, NULL), NULL};
    if (n == 2) state[1] = adze_region_add_arg(region, l->state, NULL);
    adze_builder in = adze_builder_at_end(b->module, region);
    in.loc = adze_op_loc(l->op);
    if (!step(&in, l, inputs_at(&in, l, count, run), &state[0], &state[1])) return false;
    adze_ir_value *yielded[] = {NULL, state[0], state[1], state[0]};
    yielded[1 + n] = state[0];
    if (!adze_build(&in, "yield", yielded, n + 2, NULL, 0, NULL, 0)) return false;
    *h = adze_op_result(loop, 0);
    if (n == 2) *c = adze_op_result(loop, 1);
    *y = adze_op_result(loop, n);
    return true;
}

static bool once(adze_builder *b, const layer *l, adze_ir_value **h, adze_ir_value **c, adze_ir_value **y)
{
    const adze_dim *dims[] = {adze_type_dim(l->state, 0), number(l, l->gates * l->hidden)};
    const adze_dim *all[] = {l->time, adze_type_dim(l->state, 0), adze_type_dim(l->state, 1)};
    if (!step(b, l, build_reshape(b, l->inputs, 2, dims), h, c)) return false;
    return (*y = build_reshape(b, *h, 3, all)) != NULL;
}

static bool run_direction(adze_builder *b, layer *l, adze_ir_value *out[3])
{
    adze_ir_value *c = NULL, *h;
    if (!read_direction(b, l) || !(h = first_state(b, l, FIRST_H))) return false;
    if (l->is_lstm && !(c = first_state(b, l, FIRST_C))) return false;
    bool ok = adze_dim_is_value(l->time, 1) ? once(b, l, &h, &c, &out[0]) : repeat(b, l, &h, &c, &out[0]);
    if (ok && (l->reverse || l->direction)) out[0] = build_slice(b, out[0], 0, -1, INT64_MIN, -1);
    out[1] = h;
    out[2] = c;
    return ok && out[0];
}

/* Both directions beside each other, in the dims of the op's result. */
static adze_ir_value *join(adze_builder *b, const layer *l, uint32_t index, adze_ir_value *const parts[2])
{
    const adze_type *type = adze_value_type(adze_op_result(l->op, index));
    uint32_t axis = index ? 0 : 1, rank = adze_type_rank(type);
    const adze_dim *dims[4];
    adze_ir_value *shaped[2];
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i == axis ? number(l, 1) : index ? adze_type_dim(l->state, i - 1) : i ? adze_type_dim(l->state, i - 2)
                                                                                      : l->time;
    for (uint32_t i = 0; i < (l->both ? 2u : 1u); i++)
        if (!(shaped[i] = build_reshape(b, parts[i], rank, dims))) return NULL;
    return l->both ? build_concat(b, shaped, 2, axis) : shaped[0];
}

static bool lower(layer *l)
{
    adze_builder b = adze_builder_before(l->op);
    adze_ir_value *out[2][3] = {{NULL}};
    for (l->direction = 0; l->direction < (l->both ? 2u : 1u); l->direction++)
        if (!run_direction(&b, l, out[l->direction])) return false;
    for (uint32_t k = 0; k < adze_op_num_results(l->op); k++) {
        adze_ir_value *result = adze_op_result(l->op, k), *parts[] = {out[0][k], out[1][k]};
        if (!adze_value_has_uses(result)) continue;
        adze_ir_value *joined = join(&b, l, k, parts);
        if (!joined) return false;
        if (!adze_value_name(joined)) adze_value_set_name(joined, adze_value_name(result));
        adze_value_replace_uses(result, joined);
    }
    adze_op_erase(l->op);
    return true;
}

static adze_outcome run_region(adze_region *region, adze_pass_run *self)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(region), *next; op && all != ADZE_FAILED; op = next) {
        layer l;
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && adze_op_is_control(op) && all != ADZE_FAILED; i++) {
            adze_outcome one = run_region(adze_op_region(op, i), self);
            if (one != ADZE_UNCHANGED) all = one;
        }
        if (describe(op, &l) && adze_rewrite(self, op, "steps")) all = lower(&l) ? ADZE_CHANGED : ADZE_FAILED;
    }
    return all;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    if (self->precision == ADZE_PRECISION_STRICT) return ADZE_UNCHANGED;
    return run_region(adze_func_body(func), self);
}

const adze_pass adze_pass_recurrent = {
    .struct_size = sizeof(adze_pass),
    .name = "recurrent",
    .help = "recurrent layers become products and a loop over time",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "lower",
    .contract = "Layers of f32 of known hidden size, without lengths of sequences, with activations that need no "
                "parameters but ONNX's own. The others stay, and run their evaluation. Sums are of f32, where "
                "evaluation has double: nothing changes with --precision=strict. fold behind it turns the weights.",
    .example = adze_example_recurrent,
};
