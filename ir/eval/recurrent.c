/* Recurrent layers: rnn, gru, lstm, a sequence at a time, in f64. Gates are in ONNX's order: z, r, h of gru and
 * i, o, f, c of lstm. What lies behind a sequence's length is 0 in the result. */
#include "convert.h"
#include "math.h"

/* ---- Activations ---- */

typedef enum function {
    TANH,
    SIGMOID,
    RELU,
    AFFINE,
    LEAKY_RELU,
    THRESHOLDED_RELU,
    SCALED_TANH,
    HARD_SIGMOID,
    ELU,
    SOFTSIGN,
    SOFTPLUS,
    FUNCTIONS
} function;

typedef struct activation {
    function function;
    double alpha, beta;
} activation;

static double apply(const activation *f, double x)
{
    double a = f->alpha, b = f->beta;
    switch (f->function) {
    case TANH: return adze_body_tanh_f64(x);
    case SIGMOID: return 1 / (1 + adze_body_exp_f64(-x));
    case RELU: return x < 0 ? 0 : x;
    case AFFINE: return a * x + b;
    case LEAKY_RELU: return x < 0 ? a * x : x;
    case THRESHOLDED_RELU: return x >= a ? x : 0;
    case SCALED_TANH: return a * adze_body_tanh_f64(b * x);
    case HARD_SIGMOID: return a * x + b < 0 ? 0 : a * x + b > 1 ? 1 : a * x + b;
    case ELU: return x < 0 ? a * adze_body_expm1_f64(x) : x;
    case SOFTSIGN: return x / (1 + (x < 0 ? -x : x));
    case SOFTPLUS: return (x > 0 ? x : 0) + adze_body_log1p_f64(adze_body_exp_f64(x < 0 ? x : -x));
    default: return x;
    }
}

/* Is the word at `text` this name, whatever its case? */
static bool is_word(const char *text, uint64_t size, const char *name)
{
    uint64_t n = 0;
    while (n < size && name[n] && (text[n] | 32) == (name[n] | 32)) n++;
    return n == size && !name[n];
}

static bool find_function(const char *text, uint64_t size, activation *out)
{
    bool known = true;
    *out = (activation){TANH, 0, 0};
    if (is_word(text, size, "Tanh")) out->function = TANH;
    else if (is_word(text, size, "Sigmoid")) out->function = SIGMOID;
    else if (is_word(text, size, "Relu")) out->function = RELU;
    else if (is_word(text, size, "Affine")) *out = (activation){AFFINE, 1, 0};
    else if (is_word(text, size, "LeakyRelu")) *out = (activation){LEAKY_RELU, 0.01, 0};
    else if (is_word(text, size, "ThresholdedRelu")) *out = (activation){THRESHOLDED_RELU, 1, 0};
    else if (is_word(text, size, "ScaledTanh")) *out = (activation){SCALED_TANH, 1, 1};
    else if (is_word(text, size, "HardSigmoid")) *out = (activation){HARD_SIGMOID, 0.2, 0.5};
    else if (is_word(text, size, "Elu")) *out = (activation){ELU, 1, 0};
    else if (is_word(text, size, "Softsign")) out->function = SOFTSIGN;
    else if (is_word(text, size, "Softplus")) out->function = SOFTPLUS;
    else known = false;
    return known;
}

/* ---- One layer ---- */

enum { MAX_FUNCTIONS = 6, MAX_GATES = 4 };
typedef enum kind { RNN, GRU, LSTM } kind;

typedef struct layer {
    kind kind;
    int64_t gates, directions, time, batch, size, hidden;
    bool reverse, linear_before_reset, input_forget;
    double clip; /* infinite: none */
    activation functions[MAX_FUNCTIONS];
    double *w, *r, *b, *p;       /* of one direction; b: of x, then of h; p: i, o, f */
    double *x, *h, *c, *gate, *own; /* a step's x; state; gates: x's part with its biases, and h's own */
} layer;

/* The layer's activations, a list a direction, and their parameters in the order of those that take any. */
static adze_status read_functions(const adze_env *env, layer *l, adze_string names, adze_floats alpha, adze_floats beta)
{
    uint32_t each = l->kind == LSTM ? 3 : l->kind == GRU ? 2 : 1, n = each * (uint32_t)l->directions, found = 0;
    uint64_t at = 0, alphas = 0, betas = 0;
    for (uint32_t i = 0; i < n; i++)
        l->functions[i] = (activation){l->kind != RNN && i % each == 0 ? SIGMOID : TANH, 0, 0};
    while (at < names.size) {
        uint64_t size = 0;
        while (at + size < names.size && names.data[at + size] != ' ') size++;
        if (found == n || !find_function(names.data + at, size, &l->functions[found]))
            return ev_fail(env, ADZE_ERR_VALUE, "a recurrent layer's activations are not known, or too many");
        activation *f = &l->functions[found++];
        bool one = f->function == LEAKY_RELU || f->function == THRESHOLDED_RELU || f->function == ELU;
        bool two = f->function == AFFINE || f->function == SCALED_TANH || f->function == HARD_SIGMOID;
        if ((one || two) && alphas < alpha.count) f->alpha = alpha.data[alphas++];
        if (two && betas < beta.count) f->beta = beta.data[betas++];
        at += size + 1;
    }
    return found == 0 || found == n ? ADZE_OK
                                    : ev_fail(env, ADZE_ERR_VALUE, "a recurrent layer has too few activations");
}

static bool has_dims(const adze_value *v, uint32_t rank, int64_t a, int64_t b, int64_t c)
{
    return v->rank == rank && v->dims[0] == a && (rank < 2 || v->dims[1] == b) && (rank < 3 || v->dims[2] == c);
}

static adze_status check_operands(const adze_env *env, layer *l, const adze_value *in, uint32_t n_in)
{
    enum { LENGTHS = 4 };
    if (in[0].rank != 3 || in[1].rank != 3 || in[2].rank != 3)
        return ev_fail(env, ADZE_ERR_RANK, "a recurrent layer's operands have not three axes");
    for (uint32_t i = 0; i < n_in; i++)
        if (in[i].kind != ADZE_VALUE_ABSENT && !(i == LENGTHS ? ev_is_int(in[i].dtype) : ev_is_float(in[i].dtype)))
            return ev_bad_dtype(env);
    l->time = in->dims[0];
    l->batch = in->dims[1];
    l->size = in->dims[2];
    l->hidden = in[2].dims[2];
    int64_t rows = l->gates * l->hidden, d = l->directions;
    bool ok = has_dims(&in[1], 3, d, rows, l->size) && has_dims(&in[2], 3, d, rows, l->hidden) &&
              (!ev_has(in, n_in, 3) || has_dims(&in[3], 2, d, 2 * rows, 0)) &&
              (!ev_has(in, n_in, 4) || has_dims(&in[4], 1, l->batch, 0, 0)) &&
              (!ev_has(in, n_in, 5) || has_dims(&in[5], 3, d, l->batch, l->hidden)) &&
              (!ev_has(in, n_in, 6) || has_dims(&in[6], 3, d, l->batch, l->hidden)) &&
              (!ev_has(in, n_in, 7) || has_dims(&in[7], 2, d, 3 * l->hidden, 0));
    if (!ok) return ev_fail(env, ADZE_ERR_DIM, "a recurrent layer's operands do not fit together");
    for (int64_t b = 0; b < l->batch && ev_has(in, n_in, LENGTHS); b++)
        if (ev_get_i64(&in[LENGTHS], b) < 0 || ev_get_i64(&in[LENGTHS], b) > l->time)
            return ev_fail(env, ADZE_ERR_VALUE, "a recurrent layer's sequence is longer than the operand");
    return ADZE_OK;
}

static adze_status reserve(const adze_env *env, layer *l)
{
    uint64_t rows = (uint64_t)(l->gates * l->hidden), hidden = (uint64_t)l->hidden;
    l->w = ev_scratch(env, rows, (uint64_t)l->size * sizeof(double));
    l->r = ev_scratch(env, rows, hidden * sizeof(double));
    l->b = ev_scratch(env, 2 * rows, sizeof(double));
    l->p = ev_scratch(env, 3 * hidden, sizeof(double));
    l->x = ev_scratch(env, (uint64_t)l->size, sizeof(double));
    l->h = ev_scratch(env, 2 * hidden, sizeof(double));
    l->c = ev_scratch(env, hidden, sizeof(double));
    l->gate = ev_scratch(env, rows, sizeof(double));
    l->own = ev_scratch(env, rows, sizeof(double));
    bool ok = l->w && l->r && l->b && l->p && l->x && l->h && l->c && l->gate && l->own;
    return ok ? ADZE_OK : ev_no_memory(env);
}

/* `count` elements of operand `index` from the `at`-th such piece on; zeros where it is absent. */
static void load(const adze_value *in, uint32_t n_in, uint32_t index, int64_t at, int64_t count, double *out)
{
    if (ev_has(in, n_in, index))
        ev_load_f64(in[index].dtype, in[index].data, at * count, 1, count, out);
    else
        memset(out, 0, (size_t)count * sizeof *out);
}

/* out[i] = bias[i] + sum of m[i][k] x[k] */
static void product(double *out, const double *m, const double *x, const double *bias, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t k = 0; k < columns; k++) sum += m[i * columns + k] * x[k];
        out[i] = bias[i] + sum;
    }
}

static double activate(const layer *l, const activation *f, double x)
{
    return apply(f, x > l->clip ? l->clip : x < -l->clip ? -l->clip : x);
}

static void step_rnn(layer *l, const activation *f)
{
    for (int64_t i = 0; i < l->hidden; i++) l->h[i] = activate(l, f, l->gate[i] + l->own[i]);
}

static void step_gru(layer *l, const activation *f)
{
    int64_t n = l->hidden;
    double *reset = l->h + n; /* behind the state: reset times it, or the reset gate */
    for (int64_t i = 0; i < n; i++) {
        double r = activate(l, &f[0], l->gate[n + i] + l->own[n + i]);
        reset[i] = l->linear_before_reset ? r : r * l->h[i];
    }
    if (!l->linear_before_reset) product(l->own + 2 * n, l->r + 2 * n * n, reset, l->b + 5 * n, n, n);
    for (int64_t i = 0; i < n; i++) {
        double z = activate(l, &f[0], l->gate[i] + l->own[i]);
        double own = l->linear_before_reset ? reset[i] * l->own[2 * n + i] : l->own[2 * n + i];
        double h = activate(l, &f[1], l->gate[2 * n + i] + own);
        l->h[i] = (1 - z) * h + z * l->h[i];
    }
}

static void step_lstm(layer *l, const activation *f)
{
    int64_t n = l->hidden;
    for (int64_t i = 0; i < n; i++) {
        const double *g = l->gate + i, *own = l->own + i;
        double in = activate(l, &f[0], g[0] + own[0] + l->p[i] * l->c[i]);
        double forget = activate(l, &f[0], g[2 * n] + own[2 * n] + l->p[2 * n + i] * l->c[i]);
        if (l->input_forget) forget = 1 - in;
        l->c[i] = forget * l->c[i] + in * activate(l, &f[1], g[3 * n] + own[3 * n]);
        double out = activate(l, &f[0], g[n] + own[n] + l->p[n + i] * l->c[i]);
        l->h[i] = out * activate(l, &f[2], l->c[i]);
    }
}

/* One sequence in one direction; `y` is the result whose [time, direction, batch, hidden] it fills. */
static void run_sequence(layer *l, const adze_value *in, adze_value *y, int64_t d, int64_t b, int64_t length)
{
    int64_t rows = l->gates * l->hidden;
    uint32_t each = l->kind == LSTM ? 3 : l->kind == GRU ? 2 : 1;
    const activation *f = &l->functions[(uint32_t)d * each];
    bool backwards = l->reverse || d == 1;
    for (int64_t i = 0; i < length; i++) {
        int64_t t = backwards ? length - 1 - i : i;
        ev_load_f64(in->dtype, in->data, (t * l->batch + b) * l->size, 1, l->size, l->x);
        product(l->gate, l->w, l->x, l->b, rows, l->size);
        product(l->own, l->r, l->h, l->b + rows, rows, l->hidden);
        if (l->kind == RNN) step_rnn(l, f);
        if (l->kind == GRU) step_gru(l, f);
        if (l->kind == LSTM) step_lstm(l, f);
        int64_t to = ((t * l->directions + d) * l->batch + b) * l->hidden;
        ev_store_f64(y->dtype, y->data, to, 1, l->hidden, l->h);
    }
}

static adze_status run(const adze_env *env, layer *l, const adze_value *in, uint32_t n_in, adze_value *out,
                       uint32_t n_out)
{
    adze_status status = check_operands(env, l, in, n_in);
    if (status != ADZE_OK) return status;
    int64_t d = l->directions, rows = l->gates * l->hidden;
    int64_t dims[] = {l->time, d, l->batch, l->hidden};
    for (uint32_t k = 0; k < n_out && status == ADZE_OK; k++)
        status = ev_result(env, &out[k], in->dtype, k ? 3 : 4, k ? dims + 1 : dims);
    if (status == ADZE_OK) status = reserve(env, l);
    if (status != ADZE_OK) return status;
    memset(out[0].data, 0, (size_t)ev_bytes(&out[0]));
    for (int64_t k = 0; k < d; k++) {
        load(in, n_in, 1, k, rows * l->size, l->w);
        load(in, n_in, 2, k, rows * l->hidden, l->r);
        load(in, n_in, 3, k, 2 * rows, l->b);
        load(in, n_in, 7, k, 3 * l->hidden, l->p);
        for (int64_t b = 0; b < l->batch; b++) {
            load(in, n_in, 5, k * l->batch + b, l->hidden, l->h);
            load(in, n_in, 6, k * l->batch + b, l->hidden, l->c);
            run_sequence(l, in, &out[0], k, b, ev_has(in, n_in, 4) ? ev_get_i64(&in[4], b) : l->time);
            int64_t to = (k * l->batch + b) * l->hidden;
            if (n_out > 1) ev_store_f64(in->dtype, out[1].data, to, 1, l->hidden, l->h);
            if (n_out > 2) ev_store_f64(in->dtype, out[2].data, to, 1, l->hidden, l->c);
        }
    }
    return ADZE_OK;
}

enum { CLIP = 1 << 3 }; /* the fourth attribute */

/* What the three have in common: the attributes of an rnn are the first of all. */
static adze_status begin(const adze_env *env, layer *l, kind which, const void *attrs)
{
    const struct adze_rnn_attrs *a = attrs;
    bool both = ev_text_is(a->direction, "bidirectional");
    *l = (layer){.kind = which, .gates = which == LSTM ? 4 : which == GRU ? 3 : 1, .directions = both ? 2 : 1};
    l->reverse = ev_text_is(a->direction, "reverse");
    l->clip = a->set & CLIP ? a->clip : ev_inf();
    if (!both && !l->reverse && !ev_text_is(a->direction, "forward"))
        return ev_fail(env, ADZE_ERR_VALUE, "a recurrent layer's direction is not known");
    return read_functions(env, l, a->activations, a->activation_alpha, a->activation_beta);
}

adze_status eval_rnn(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                     const void *attrs)
{
    layer l;
    adze_status status = begin(env, &l, RNN, attrs);
    return status == ADZE_OK ? run(env, &l, in, n_in, out, n_out) : status;
}

adze_status eval_gru(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                     const void *attrs)
{
    const struct adze_gru_attrs *a = attrs;
    layer l;
    adze_status status = begin(env, &l, GRU, attrs);
    l.linear_before_reset = a->linear_before_reset != 0;
    return status == ADZE_OK ? run(env, &l, in, n_in, out, n_out) : status;
}

adze_status eval_lstm(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                      const void *attrs)
{
    const struct adze_lstm_attrs *a = attrs;
    layer l;
    adze_status status = begin(env, &l, LSTM, attrs);
    l.input_forget = a->input_forget != 0;
    return status == ADZE_OK ? run(env, &l, in, n_in, out, n_out) : status;
}
