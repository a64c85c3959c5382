/* couple_probabilities: p of n classes from r[i][j], the probability of i if it is i or j. p is the least of
 * sum (r[j][i] p[i] - r[i][j] p[j])^2 over all pairs, with sum p = 1: p Q p, where Q[i][i] = sum r[j][i]^2 and
 * Q[i][j] = -r[j][i] r[i][j]. One p[i] after the other is set to its best, and all are scaled to a sum of 1, until
 * Q p is the same everywhere up to 0.005 / n (Wu, Lin, Weng: Probability Estimates for Multi-class Classification by
 * Pairwise Coupling, JMLR 5, 2004, second approach and algorithm 2). */
#include "convert.h"

enum { ROUNDS = 100 };

typedef struct coupling {
    int64_t n;
    double *q, *p, *qp; /* Q, p, Q p */
} coupling;

static void begin(coupling *c, const adze_value *r, int64_t first)
{
    for (int64_t i = 0; i < c->n; i++) {
        double *row = c->q + i * c->n;
        row[i] = 0;
        c->p[i] = 1.0 / (double)c->n;
        for (int64_t j = 0; j < c->n; j++) {
            if (j == i) continue;
            double other = ev_get_f64(r, first + j * c->n + i);
            row[i] += other * other;
            row[j] = -other * ev_get_f64(r, first + i * c->n + j);
        }
    }
}

/* Q p, and p Q p; gives how far an entry of Q p is from that. */
static double measure(coupling *c, double *out_all)
{
    double all = 0, worst = 0;
    for (int64_t i = 0; i < c->n; i++) {
        c->qp[i] = 0;
        for (int64_t j = 0; j < c->n; j++) c->qp[i] += c->q[i * c->n + j] * c->p[j];
        all += c->p[i] * c->qp[i];
    }
    for (int64_t i = 0; i < c->n; i++) {
        double off = c->qp[i] - all;
        off = off < 0 ? -off : off;
        worst = off > worst ? off : worst;
    }
    *out_all = all;
    return worst;
}

static void improve(coupling *c, double all)
{
    for (int64_t i = 0; i < c->n; i++) {
        const double *row = c->q + i * c->n;
        if (!(row[i] > 0)) continue;
        double step = (all - c->qp[i]) / row[i], scale = 1 / (1 + step);
        all = (all + step * (step * row[i] + 2 * c->qp[i])) * scale * scale;
        c->p[i] += step;
        for (int64_t j = 0; j < c->n; j++) {
            c->qp[j] = (c->qp[j] + step * row[j]) * scale;
            c->p[j] *= scale;
        }
    }
}

adze_status eval_couple_probabilities(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                      uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    if (in->rank != 3 || in->dims[1] != in->dims[2])
        return ev_fail(env, ADZE_ERR_DIM, "couple_probabilities: the operand is not [rows, n, n]");
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    coupling c = {.n = in->dims[1]};
    adze_status status = ev_result(env, out, in->dtype, 2, in->dims);
    if (status != ADZE_OK) return status;
    c.q = ev_scratch(env, (uint64_t)(c.n * c.n), sizeof *c.q);
    c.p = ev_scratch(env, (uint64_t)c.n, sizeof *c.p);
    c.qp = ev_scratch(env, (uint64_t)c.n, sizeof *c.qp);
    if (!c.q || !c.p || !c.qp) return ev_no_memory(env);
    for (int64_t row = 0; row < in->dims[0]; row++) {
        double all;
        begin(&c, in, row * c.n * c.n);
        for (int round = 0; round < ROUNDS && measure(&c, &all) >= 0.005 / (double)c.n; round++) improve(&c, all);
        ev_store_f64(out->dtype, out->data, row * c.n, 1, c.n, c.p);
    }
    return ADZE_OK;
}
