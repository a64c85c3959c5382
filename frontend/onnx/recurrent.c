/* rnn, gru and lstm with a loop over their times, as ir/eval/recurrent.c computes them: for derivatives, and for layers
 * whose products are of integers. Gates are in ONNX's order: z, r, h of gru and i, o, f, c of lstm. */
#include "recurrent.h"

#include "activations.h"
#include "contrib.h"

#include <string.h>

enum { MAX_FUNCTIONS = 6 };

/* ---- Activations ---- */

/* The layer's functions, one list a direction; parameters in the order of those that take any. */
static bool read_functions(adze_onnx_node *node, const recurrent *l, uint32_t n_directions, activation_use *out)
{
    uint32_t each = l->kind == RECURRENT_LSTM ? 3 : l->kind == RECURRENT_GRU ? 2 : 1;
    uint32_t n = each * n_directions, found = 0;
    size_t given[ACTIVATION_PARAMS] = {0};
    for (uint32_t i = 0; i < n; i++) {
        const char *usual = l->kind != RECURRENT_RNN && i % each == 0 ? "Sigmoid" : "Tanh";
        out[i] = (activation_use){.kind = compose_find_activation(usual, strlen(usual), ACTIVATION_OF_LAYERS)};
    }
    for (const char *at = l->activations; *at; at += *at == ' ') {
        size_t size = strcspn(at, " ");
        const activation *kind = compose_find_activation(at, size, ACTIVATION_OF_LAYERS);
        if (!kind || found == n)
            return adze_onnx_invalid(node, "activations '%s' are not known, or too many", l->activations);
        activation_use *f = &out[found++];
        f->kind = kind;
        for (uint32_t i = 0; i < ACTIVATION_PARAMS; i++) {
            bool listed = kind->params[i] && given[i] < (i ? l->n_beta : l->n_alpha);
            f->params[i] = listed ? (i ? l->beta : l->alpha)[given[i]++] : kind->usual[i];
        }
        at += size;
    }
    return found == 0 || found == n || adze_onnx_invalid(node, "has %u activations, not %u", found, n);
}

static term *activate(adze_onnx_node *node, const recurrent *l, const activation_use *f, term *x)
{
    if (l->clips)
        x = compose3(node, "clip", x, compose_like(node, x, -l->clip), compose_like(node, x, l->clip));
    return compose_activate(node, f, x);
}

/* ---- One direction ---- */

typedef struct direction {
    const recurrent *layer;
    const activation_use *functions;
    int64_t index, hidden, gates;
    term *own, *own_scale, *own_zero; /* what h is multiplied by [hidden, gates * hidden] */
    term *own_bias, *peepholes[3];    /* NULL: none */
    term *given;                      /* x's part of all gates [time, batch, gates * hidden], with its biases */
    bool backwards;
} direction;

/* Entry `index` of the first axis of a term; NULL of NULL. */
static term *entry(adze_onnx_node *node, term *x, int64_t index)
{
    adze_attr axis = adze_attr_int("axis", 0);
    term *in[] = {x, x ? compose_number(node, ADZE_DTYPE_i64, (double)index) : NULL};
    return x ? compose_all(node, "gather", in, 2, 2, &axis, 1) : NULL;
}

/* Gate `k` of what has them all along its last axis. */
static term *gate(adze_onnx_node *node, const direction *d, term *x, int64_t k)
{
    return compose_slice(node, x, -1, k * d->hidden, (k + 1) * d->hidden, 1);
}

/* x times weights [size, columns], plus a bias that may be NULL. */
static term *product(adze_onnx_node *node, term *x, term *w, term *scale, term *zero, term *bias)
{
    if (!scale) {
        term *y = compose2(node, "matmul", x, w);
        return bias ? compose2(node, "add", y, bias) : y;
    }
    quantized_side a = {0}, b = {w, scale, zero};
    a.x = compose_dynamic_quantize(node, x, &a.scale, &a.zero);
    return a.x ? compose_scaled_product(node, &a, &b, bias) : NULL;
}

/* The sequences the other way round, each up to its length. */
static term *reversed(adze_onnx_node *node, const recurrent *l, term *x)
{
    if (!l->lengths) return compose_slice(node, x, 0, -1, INT64_MIN, -1);
    adze_attr attrs[] = {adze_attr_int("batch_axis", 1), adze_attr_int("time_axis", 0)};
    term *in[] = {x, compose_cast(node, l->lengths, ADZE_DTYPE_i64)};
    return compose_all(node, "reverse_sequence", in, 2, 2, attrs, 2);
}

static bool begin_direction(adze_onnx_node *node, direction *d)
{
    static const int64_t turn[] = {1, 0};
    const recurrent *l = d->layer;
    int64_t rows = d->gates * d->hidden;
    term *w = entry(node, l->w, d->index), *r = entry(node, l->r, d->index), *b = entry(node, l->b, d->index);
    term *x = d->backwards ? reversed(node, l, l->x) : l->x, *p = entry(node, l->p, d->index);
    term *w_scale = entry(node, l->w_scale, d->index), *w_zero = entry(node, l->w_zero, d->index);
    d->own_scale = entry(node, l->r_scale, d->index);
    d->own_zero = entry(node, l->r_zero, d->index);
    d->own_bias = b ? compose_slice(node, b, 0, rows, 2 * rows, 1) : NULL;
    d->own = l->w_scale ? r : compose_transpose(node, r, turn, 2);
    for (int64_t i = 0; p && i < 3; i++) d->peepholes[i] = gate(node, d, p, i);
    if (!l->w_scale) w = compose_transpose(node, w, turn, 2);
    d->given = product(node, x, w, w_scale, w_zero, b ? compose_slice(node, b, 0, 0, rows, 1) : NULL);
    return d->given && d->own;
}

/* ---- One step ---- */

typedef struct step {
    adze_onnx_node *node;
    const direction *d;
    term *x, *h, *c; /* x's part of the gates; state */
    term *own;       /* h's part */
} step;

static term *sum_of(const step *s, int64_t k)
{
    return compose2(s->node, "add", gate(s->node, s->d, s->x, k), gate(s->node, s->d, s->own, k));
}

static term *with_peephole(const step *s, term *x, uint32_t which, term *c)
{
    term *p = s->d->peepholes[which];
    return p ? compose2(s->node, "add", x, compose2(s->node, "mul", p, c)) : x;
}

static term *run_gru(const step *s)
{
    adze_onnx_node *node = s->node;
    const direction *d = s->d;
    const recurrent *l = d->layer;
    term *r = activate(node, l, &d->functions[0], sum_of(s, 1)), *own;
    if (l->linear_before_reset) {
        own = compose2(node, "mul", r, gate(node, d, s->own, 2));
    } else {
        term *bias = d->own_bias ? gate(node, d, d->own_bias, 2) : NULL;
        own = product(node, compose2(node, "mul", r, s->h), gate(node, d, d->own, 2), NULL, NULL, bias);
    }
    term *z = activate(node, l, &d->functions[0], sum_of(s, 0));
    term *h = activate(node, l, &d->functions[1], compose2(node, "add", gate(node, d, s->x, 2), own));
    term *rest = compose2(node, "mul", compose2(node, "sub", compose_like(node, z, 1), z), h);
    return compose2(node, "add", rest, compose2(node, "mul", z, s->h));
}

/* The next h; the next c in *c. */
static term *run_lstm(const step *s, term **c)
{
    adze_onnx_node *node = s->node;
    const activation_use *f = s->d->functions;
    const recurrent *l = s->d->layer;
    term *in = activate(node, l, &f[0], with_peephole(s, sum_of(s, 0), 0, s->c)), *forget;
    if (l->input_forget) forget = compose2(node, "sub", compose_like(node, in, 1), in);
    else forget = activate(node, l, &f[0], with_peephole(s, sum_of(s, 2), 2, s->c));
    term *added = compose2(node, "mul", in, activate(node, l, &f[1], sum_of(s, 3)));
    *c = compose2(node, "add", compose2(node, "mul", forget, s->c), added);
    term *out = activate(node, l, &f[0], with_peephole(s, sum_of(s, 1), 1, *c));
    return compose2(node, "mul", out, activate(node, l, &f[2], *c));
}

/* h as it is quantized: once a sequence has ended and given its last h, that counts in the range no more. */
static term *in_range(adze_onnx_node *node, const recurrent *l, term *number, term *h)
{
    if (!l->w_scale || !l->lengths) return h;
    term *runs = compose2(node, "less_equal", number, compose_cast(node, l->lengths, ADZE_DTYPE_i64));
    return compose3(node, "where", compose_unsqueeze(node, runs, 1, 2), h, compose_like(node, h, 0));
}

/* Behind a sequence's end its state stays, and the result is 0. */
static bool run_step(adze_onnx_node *node, const direction *d, const compose_loop *loop, term *out[3])
{
    const recurrent *l = d->layer;
    bool lstm = l->kind == RECURRENT_LSTM;
    adze_attr axis = adze_attr_int("axis", 0);
    term *number = compose_loop_argument(loop, 0), *in[] = {d->given, number}, *c = NULL;
    step s = {.node = node, .d = d, .x = compose_all(node, "gather", in, 2, 2, &axis, 1),
              .h = compose_loop_argument(loop, 1), .c = lstm ? compose_loop_argument(loop, 2) : NULL};
    s.own = product(node, in_range(node, l, number, s.h), d->own, d->own_scale, d->own_zero, d->own_bias);
    term *h = lstm                        ? run_lstm(&s, &c)
              : l->kind == RECURRENT_GRU ? run_gru(&s)
                                          : activate(node, l, d->functions, compose2(node, "add", s.x, s.own));
    uint32_t n = 0;
    term *alive = NULL;
    if (l->lengths)
        alive = compose_unsqueeze(node, compose2(node, "less", number, compose_cast(node, l->lengths, ADZE_DTYPE_i64)),
                                  1, 2);
    out[n++] = alive ? compose3(node, "where", alive, h, s.h) : h;
    if (lstm) out[n++] = alive ? compose3(node, "where", alive, c, s.c) : c;
    out[n] = alive ? compose3(node, "where", alive, h, compose_like(node, h, 0)) : h;
    return out[n] != NULL;
}

/* ---- The layer ---- */

/* The state at the start: entry `index` of an operand, or zeros. */
static term *first_state(adze_onnx_node *node, const direction *d, term *given)
{
    if (given) return entry(node, given, d->index);
    const adze_dim *dims[] = {compose_dim(d->layer->x, 1), adze_dim_const(node->import->context, d->hidden)};
    return compose_expand(node, compose_like(node, d->layer->x, 0), dims, 2);
}

static bool run_direction(adze_onnx_node *node, direction *d, term *count, term *out[3])
{
    const recurrent *l = d->layer;
    bool lstm = l->kind == RECURRENT_LSTM;
    uint32_t n = lstm ? 2 : 1;
    const adze_dim *runs = compose_dim(l->x, 0);
    compose_loop loop;
    term *values[3] = {NULL}, *first[] = {first_state(node, d, l->h), lstm ? first_state(node, d, l->c) : NULL};
    bool ok = begin_direction(node, d);
    ok = compose_loop_begin(node, ok ? count : NULL, NULL, first, n, 1, &loop) && run_step(node, d, &loop, values);
    if (!compose_loop_end(node, &loop, adze_dim_is_unknown(runs) ? NULL : runs, NULL, ok ? values : NULL, n + 1))
        return false;
    term *y = adze_op_result(loop.op, n);
    if (d->backwards) y = reversed(node, l, y);
    out[0] = compose_unsqueeze(node, y, 1, 2);
    for (uint32_t i = 0; i < n; i++) out[i + 1] = compose_unsqueeze(node, adze_op_result(loop.op, i), 0, 1);
    return out[0] && out[1] && (!lstm || out[2]);
}

bool compose_recurrent(adze_onnx_node *node, const recurrent *l, term *out[3])
{
    bool both = !strcmp(l->direction, "bidirectional"), back = !strcmp(l->direction, "reverse");
    uint32_t n = both ? 2 : 1, results = l->kind == RECURRENT_LSTM ? 3 : 2;
    activation_use list[MAX_FUNCTIONS];
    term *parts[3][2];
    int64_t hidden, time;
    if (!both && !back && strcmp(l->direction, "forward"))
        return adze_onnx_invalid(node, "attribute 'direction' is '%s'", l->direction);
    if (!read_functions(node, l, n, list)) return false;
    if (compose_rank(l->x) != 3 || compose_rank(l->w) != 3 || compose_rank(l->r) != 3 ||
        !adze_dim_is_const(compose_dim(l->r, l->w_scale ? 1 : 2), &hidden))
        return adze_onnx_undetermined(node, "a recurrent layer of unknown dims");
    if (hidden < 1 || hidden > INT32_MAX / 8) return adze_onnx_invalid(node, "a state of %lld", (long long)hidden);
    term *count = adze_dim_is_const(compose_dim(l->x, 0), &time)
                      ? compose_number(node, ADZE_DTYPE_i64, (double)time)
                      : compose_scalar(node, compose_size(node, l->x, 0));
    for (uint32_t i = 0; i < n; i++) {
        direction d = {.layer = l, .functions = list + i * (results == 3 ? 3 : l->kind == RECURRENT_GRU ? 2 : 1),
                       .index = i, .hidden = hidden, .backwards = back || i == 1,
                       .gates = results == 3 ? 4 : l->kind == RECURRENT_GRU ? 3 : 1};
        term *made[3];
        if (!run_direction(node, &d, count, made)) return false;
        for (uint32_t k = 0; k < results; k++) parts[k][i] = made[k];
    }
    for (uint32_t k = 0; k < results; k++) {
        out[k] = both ? compose_concat(node, parts[k], 2, k ? 0 : 1) : parts[k][0];
        if (!out[k]) return false;
    }
    return true;
}
