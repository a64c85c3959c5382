/* From a layer's weights and statistics to its factors. */
#include "passes/lowrank/lowrank.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3 };
/* Of the mean diagonal: what is added to Gram matrices, and to those that a target is moved by, which must not follow
 * few samples. */
static const double DAMPING = 1e-3, AIM_DAMPING = 1e-2;

/* A layer as arrays. */
typedef struct layer {
    const lowrank_work *work;
    const lowrank_site *site;
    size_t rows, cols;
    double *w;        /* what is to be approximated */
    double *original; /* the weights as they are */
    double *h, *r;    /* the method's measure, and its factor */
    double *known;    /* Gram matrix of the inputs, NULL = none: what the last factor is fitted by */
    double *mean;     /* of the inputs, NULL = none */
    double total;     /* tr(w h w^T) */
} layer;

void lowrank_factors_free(lowrank_factors *f)
{
    free(f->u);
    free(f->core);
    free(f->v);
    free(f->is);
    free(f->shift);
    *f = (lowrank_factors){0};
}

static void end(layer *x)
{
    free(x->w);
    free(x->original);
    free(x->h);
    free(x->r);
    free(x->known);
    free(x->mean);
}

/* ---- Weights and statistics ---- */

static bool read_weights(layer *x)
{
    size_t at = 0;
    x->w = adze_malloc(x->rows * x->cols * sizeof *x->w);
    for (uint32_t i = 0; i < x->site->n; i++) {
        const weight_matrix *m = &x->site->members[i];
        double *one = weight_read(m);
        if (!one) return false;
        memcpy(x->w + at, one, m->rows * m->cols * sizeof *one);
        at += m->rows * m->cols;
        free(one);
    }
    x->original = adze_malloc(at * sizeof *x->original);
    memcpy(x->original, x->w, at * sizeof *x->w);
    return true;
}

static bool no_numbers(const layer *x)
{
    const weight_matrix *m = &x->site->members[0];
    return adze_error(adze_op_loc(m->op), "'%s': weights or statistics are too large to be factorised",
                      adze_const_name(m->constant));
}

/* Behind the layers that have changed: the Gram matrix of what the layer reads now, and the weights that come closest
 * to the outputs as they were. */
static bool read_prefix(layer *x)
{
    prefix_moments moments;
    if (!prefix_measure(x->work->prefix, &x->site->members[0], false, &moments)) return false;
    memcpy(x->h, moments.h, x->cols * x->cols * sizeof *x->h);
    bool ok = !moments.cross ||
              lowrank_aim(x->original, moments.h, moments.cross, AIM_DAMPING, x->rows, x->cols, x->w) || no_numbers(x);
    prefix_moments_free(&moments);
    return ok;
}

/* Members read the same value, so the first one's statistics are those of all. */
static bool read_stats(layer *x)
{
    const lowrank_work *work = x->work;
    size_t n = x->cols;
    x->h = adze_malloc(n * n * sizeof *x->h);
    x->r = adze_malloc(n * n * sizeof *x->r);
    memset(x->h, 0, n * n * sizeof *x->h);
    bool any = work->stats || work->prefix;
    if (work->prefix && !read_prefix(x)) return false;
    if (work->stats && !work->prefix) {
        bool centred = work->options->correct_bias;
        x->mean = centred ? adze_malloc(n * sizeof *x->mean) : NULL;
        if (!weight_gram(&x->site->members[0], work->stats, 0, centred, x->h, x->mean)) return false;
    }
    if (any && work->method != LOWRANK_DATA && work->options->refit) {
        x->known = adze_malloc(n * n * sizeof *x->known);
        memcpy(x->known, x->h, n * n * sizeof *x->h);
        if (!lowrank_metric(LOWRANK_DATA, DAMPING, x->known, x->r, n)) return no_numbers(x);
    }
    if (!lowrank_metric(work->method, DAMPING, x->h, x->r, n)) return no_numbers(x);
    x->total = linalg_error(x->w, x->h, x->rows, n);
    return isfinite(x->total) || no_numbers(x);
}

static lowrank_window window_of(const layer *x, lowrank_form form)
{
    const weight_matrix *m = &x->site->members[0];
    size_t taps = form == LOWRANK_MATRIX ? 1 : form == LOWRANK_TUCKER ? m->taps : x->site->kernel[1];
    return (lowrank_window){x->rows, x->cols / taps, taps, x->w, x->h};
}

/* ---- Ranks ---- */

static bool by_ratio(const lowrank_work *work, const lowrank_site *site)
{
    const lowrank_options *o = work->options;
    return !o->rank && !(o->energy > 0) && site->format.structure == ADZE_DENSE;
}

/* The ratio is one of numbers; less work is asked for by min-gain. */
static bool fits(const layer *x, lowrank_shape s)
{
    const lowrank_options *o = x->work->options;
    lowrank_shape dense = lowrank_dense(x->site);
    if (x->site->format.structure != ADZE_DENSE) return s.numbers < dense.numbers; /* as the plan says */
    if (s.numbers * o->min_gain > dense.numbers || s.work * o->min_gain > dense.work) return false;
    return !by_ratio(x->work, x->site) || s.numbers <= o->ratio * dense.numbers;
}

/* Of MATRIX and SPATIAL: one rank. 0 = there is none. */
static size_t choose_rank(const layer *x, lowrank_form form, const double *energy, size_t k)
{
    const lowrank_options *o = x->work->options;
    size_t rank = (size_t)o->rank;
    if (x->site->format.structure != ADZE_DENSE) return x->site->format.first;
    if (rank) return rank;
    if (o->energy > 0) {
        rank = lowrank_round(lowrank_rank_of(energy, k, o->energy), (size_t)o->multiple, true);
        return rank < k ? rank : k;
    }
    size_t own = 1; /* of the weights: no more would change anything */
    while (own < k && energy[own] > 1e-12 * energy[0]) own++;
    for (rank = k; rank && !fits(x, lowrank_shape_of(x->site, form, rank, 0, 0));) rank--;
    return own <= rank ? own : lowrank_round(rank, (size_t)o->multiple, false);
}

static double sum_from(const double *energy, size_t from, size_t n)
{
    double sum = 0;
    for (size_t i = from; i < n; i++) sum += energy[i];
    return sum;
}

/* Of TUCKER by ratio: of all pairs that fit, the one that leaves out least energy on both sides. */
static void choose_pair(const layer *x, const double *outputs, size_t n_out, const double *inputs, size_t n_in,
                        size_t *out, size_t *in)
{
    size_t step = (size_t)x->work->options->multiple / 2;
    double best = INFINITY, all_out = sum_from(outputs, 0, n_out), all_in = sum_from(inputs, 0, n_in);
    if (!step) step = 1;
    *out = *in = 0;
    for (size_t a = step; a <= n_out; a += step)
        for (size_t b = step; b <= n_in; b += step) {
            if (!fits(x, lowrank_shape_of(x->site, LOWRANK_TUCKER, 0, a, b))) break;
            double lost = sum_from(outputs, a, n_out) / all_out + sum_from(inputs, b, n_in) / all_in;
            if (!(lost < best)) continue;
            best = lost;
            *out = a;
            *in = b;
        }
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* ---- Forms ---- */

/* Room for factors; u is what says that there are some. */
static void make_room(const layer *x, lowrank_factors *f, size_t u, size_t core, size_t v)
{
    f->u = adze_malloc(u * sizeof *f->u);
    f->core = core ? adze_malloc(core * sizeof *f->core) : NULL;
    f->v = adze_malloc(v * sizeof *f->v);
    f->is = adze_malloc(x->rows * x->cols * sizeof *f->is);
    memset(f->is, 0, x->rows * x->cols * sizeof *f->is);
}

/* As the ranks ask for it, *why they cannot be. */
static bool take(const layer *x, lowrank_shape s, size_t most, lowrank_factors *f, const char **why)
{
    f->shape = s;
    if (s.form == LOWRANK_TUCKER ? !s.out || !s.in : !s.rank) *why = "no rank of that multiple is small enough";
    else if (s.form != LOWRANK_TUCKER && s.rank > most) *why = "its own rank is not larger";
    else if (!fits(x, s)) *why = "its factors would not be smaller as asked";
    else return true;
    return false;
}

static bool make_matrix(const layer *x, lowrank_factors *f, const char **why)
{
    size_t rows = x->rows, cols = x->cols, k = least(rows, cols);
    double *u = adze_malloc(rows * k * sizeof *u), *energy = adze_malloc(k * sizeof *energy);
    bool ok = lowrank_outputs(x->w, x->r, rows, cols, u, energy) || no_numbers(x);
    size_t rank = ok ? choose_rank(x, LOWRANK_MATRIX, energy, k) : 0;
    if (ok && take(x, lowrank_shape_of(x->site, LOWRANK_MATRIX, rank, 0, 0), k, f, why)) {
        make_room(x, f, rows * rank, 0, rank * cols);
        lowrank_project(x->w, u, rows, cols, k, rank, f->v);
        for (size_t i = 0; i < rows * rank; i++) f->u[i] = u[i / rank * k + i % rank];
        if (x->known) { /* the second factor by what is known of the inputs */
            lowrank_window all = {rows, cols, 1, x->w, x->known};
            ok = lowrank_refit(&all, f->v, rank, f->u, NULL) || no_numbers(x);
        }
        linalg_gemm(f->is, cols, f->u, rank, f->v, cols, rows, cols, rank, 1);
    }
    free(u);
    free(energy);
    return ok;
}

static bool make_spatial(const layer *x, lowrank_factors *f, const char **why)
{
    lowrank_window win = window_of(x, LOWRANK_SPATIAL);
    size_t k = least(win.inputs, x->rows * win.taps);
    double *b = adze_malloc(k * win.inputs * sizeof *b), *energy = adze_malloc(k * sizeof *energy);
    bool ok = lowrank_inputs(&win, x->w, x->rows, b, energy) || no_numbers(x);
    size_t rank = ok ? choose_rank(x, LOWRANK_SPATIAL, energy, k) : 0;
    if (ok && take(x, lowrank_shape_of(x->site, LOWRANK_SPATIAL, rank, 0, 0), k, f, why)) {
        make_room(x, f, x->rows * rank * win.taps, 0, rank * win.inputs);
        memcpy(f->v, b, rank * win.inputs * sizeof *b);
        if (x->known) win.h = x->known;
        ok = lowrank_refit(&win, f->v, rank, f->u, NULL) || no_numbers(x);
        if (ok) lowrank_expand(&win, f->v, rank, f->u, x->rows, f->is);
    }
    free(b);
    free(energy);
    return ok;
}

/* Ranks as options or the plan say; the pair that fits best by ratio. */
static bool tucker_ranks(const layer *x, const lowrank_window *win, size_t *out, size_t *in)
{
    const lowrank_options *o = x->work->options;
    const adze_format *format = &x->site->format;
    size_t n_out = least(x->rows, x->cols), n_in = least(win->inputs, x->rows * win->taps);
    *out = format->structure != ADZE_DENSE ? format->first : (size_t)o->rank;
    *in = format->structure != ADZE_DENSE ? format->second : (size_t)o->rank;
    if (*out) return *out = least(*out, n_out), *in = least(*in, n_in), true;
    double *u = adze_malloc(x->rows * n_out * sizeof *u), *outputs = adze_malloc(n_out * sizeof *outputs);
    double *b = adze_malloc(n_in * win->inputs * sizeof *b), *inputs = adze_malloc(n_in * sizeof *inputs);
    bool ok = (lowrank_outputs(x->w, x->r, x->rows, x->cols, u, outputs) &&
               lowrank_inputs(win, x->w, x->rows, b, inputs)) || no_numbers(x);
    if (ok && o->energy > 0) {
        size_t step = (size_t)o->multiple / 2;
        *out = least(n_out, lowrank_round(lowrank_rank_of(outputs, n_out, o->energy), step, true));
        *in = least(n_in, lowrank_round(lowrank_rank_of(inputs, n_in, o->energy), step, true));
    } else if (ok) {
        choose_pair(x, outputs, n_out, inputs, n_in, out, in);
    }
    free(u);
    free(outputs);
    free(b);
    free(inputs);
    return ok;
}

static bool make_tucker(const layer *x, lowrank_factors *f, const char **why)
{
    lowrank_window win = window_of(x, LOWRANK_TUCKER);
    size_t out, in, cols = x->cols;
    if (!tucker_ranks(x, &win, &out, &in)) return false;
    out = least(out, in * win.taps);
    if (!take(x, lowrank_shape_of(x->site, LOWRANK_TUCKER, 0, out, in), 0, f, why)) return true;
    make_room(x, f, x->rows * out, out * in * win.taps, in * win.inputs);
    double error, *mid = adze_malloc(out * cols * sizeof *mid);
    bool ok = lowrank_tucker(&win, out, in, ROUNDS, f->u, f->core, f->v, &error) || no_numbers(x);
    if (ok && x->known) {
        size_t n = in * win.taps;
        double *full = adze_malloc(x->rows * n * sizeof *full);
        win.h = x->known;
        ok = lowrank_refit(&win, f->v, in, full, NULL) || no_numbers(x);
        if (ok) lowrank_project(full, f->u, x->rows, n, out, out, f->core);
        free(full);
    }
    if (ok) {
        lowrank_expand(&win, f->v, in, f->core, out, mid);
        linalg_gemm(f->is, cols, f->u, out, mid, cols, x->rows, cols, out, 1);
    }
    free(mid);
    return ok;
}

/* ---- All ---- */

static bool make(const layer *x, lowrank_form form, lowrank_factors *f, const char **why)
{
    static bool (*const makers[LOWRANK_FORMS])(const layer *x, lowrank_factors *f, const char **why) = {
        make_matrix, make_tucker, make_spatial};
    *f = (lowrank_factors){0};
    if (!lowrank_has_form(x->site, form, why)) return true;
    if (!makers[form](x, f, why)) return false;
    if (!f->u) return true;
    double *e = adze_malloc(x->rows * x->cols * sizeof *e);
    for (size_t i = 0; i < x->rows * x->cols; i++) e[i] = f->is[i] - x->w[i];
    f->error = x->total > 0 ? linalg_error(e, x->h, x->rows, x->cols) / x->total : 0;
    free(e);
    return isfinite(f->error) || no_numbers(x);
}

/* The bias makes up for what the means lose. */
static void find_shift(const layer *x, lowrank_factors *f)
{
    if (!x->mean || !f->u) return;
    double most = 0, size = 0;
    f->shift = adze_malloc(x->rows * sizeof *f->shift);
    for (size_t i = 0; i < x->rows; i++) {
        double sum = 0, was = 0;
        for (size_t j = 0; j < x->cols; j++) {
            sum += (x->original[i * x->cols + j] - f->is[i * x->cols + j]) * x->mean[j];
            was += fabs(x->original[i * x->cols + j] * x->mean[j]);
        }
        f->shift[i] = sum;
        most = fmax(most, fabs(sum));
        size = fmax(size, was);
    }
    if (most > 1e-6 * size) return;
    free(f->shift);
    f->shift = NULL;
}

/* Better is less error where ranks come of a ratio or are given, less work where they come of energy. */
static bool is_better(const lowrank_options *o, const lowrank_factors *a, const lowrank_factors *b)
{
    if (!b->u) return true;
    if (!o->rank && o->energy > 0) return a->shape.work < b->shape.work;
    return a->error < b->error;
}

static void wanted_forms(const lowrank_work *work, const lowrank_site *site, bool wanted[LOWRANK_FORMS])
{
    const char *conv = work->options->conv;
    adze_structure s = site->format.structure;
    for (int form = 0; form < LOWRANK_FORMS; form++) {
        bool named = !strcmp(conv, lowrank_form_name((lowrank_form)form)) || !strcmp(conv, "auto");
        wanted[form] = site->window && site->members[0].taps > 1 ? named : form == LOWRANK_MATRIX;
        if (s == ADZE_LOW_RANK) wanted[form] = form == LOWRANK_MATRIX;
        if (s == ADZE_TUCKER) wanted[form] = form == LOWRANK_TUCKER;
        if (s == ADZE_SPATIAL) wanted[form] = form == LOWRANK_SPATIAL;
    }
}

bool lowrank_factorise(const lowrank_work *work, const lowrank_site *site, lowrank_factors *out, const char **why)
{
    layer x = {.work = work, .site = site, .rows = site->rows, .cols = site->cols};
    bool wanted[LOWRANK_FORMS], ok;
    *out = (lowrank_factors){0};
    *why = "ratio allows it more weights than min-gain does";
    if (by_ratio(work, site) && work->options->ratio * work->options->min_gain > 1) return true;
    ok = read_weights(&x) && read_stats(&x);
    wanted_forms(work, site, wanted);
    for (int form = 0; ok && form < LOWRANK_FORMS; form++) {
        lowrank_factors one;
        if (!wanted[form]) continue;
        ok = make(&x, (lowrank_form)form, &one, why);
        if (ok && one.u && is_better(work->options, &one, out)) {
            lowrank_factors_free(out);
            *out = one;
        } else {
            lowrank_factors_free(&one);
        }
    }
    if (ok) find_shift(&x, out);
    if (!ok) lowrank_factors_free(out);
    end(&x);
    return ok;
}
