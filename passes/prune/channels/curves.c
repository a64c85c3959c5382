/* Of each group: in which order its units go, and what that costs. */
#include "passes/prune/channels/prune.h"
#include "passes/weights/copy.h"
#include "passes/weights/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Layers that read units ---- */

static channel_layer *layer_of(const pruner *p, const adze_const *constant)
{
    for (uint32_t i = 0; i < p->n_layers; i++)
        if (p->layers[i].m.constant == constant) return &p->layers[i];
    return NULL;
}

static int by_ordinal(const void *a, const void *b)
{
    const channel_layer *x = a, *y = b;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static bool add_layer(pruner *p, const weight_matrix *m)
{
    channel_layer l = {.m = *m, .ordinal = copy_ordinal(m->op)};
    l.w = weight_read(m);
    l.bias = ADZE_NEW_ARRAY(&p->arena, double, m->rows);
    /* Ops that share weights have each their own. */
    bool one = adze_value_num_uses(adze_const_value(m->constant)) == 1;
    if (one && weight_find_bias(m, &l.at)) l.bias_ordinal = copy_ordinal(l.at.op);
    p->layers = adze_arena_grow(&p->arena, p->layers, p->n_layers, &p->layers_capacity, sizeof l);
    p->layers[p->n_layers++] = l;
    return l.w && weight_bias_read(&l.at, m->rows, l.bias);
}

bool prune_find_layers(pruner *p)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->n; i++) {
        const adze_channel_group *g = adze_channels_group(p->channels, i);
        for (uint32_t k = 0; k < g->n_members && ok; k++) {
            weight_matrix m;
            if (g->members[k].role != ADZE_CHANNEL_CONSUMER || layer_of(p, g->members[k].constant)) continue;
            if (weight_describe(g->members[k].op, &m)) ok = add_layer(p, &m);
        }
    }
    if (p->n_layers) qsort(p->layers, p->n_layers, sizeof *p->layers, by_ordinal);
    return ok;
}

bool prune_find_others(pruner *p)
{
    bool ok = true;
    adze_region *body = adze_func_body(adze_module_main(p->module));
    for (adze_op *op = adze_region_first(body); op && ok; op = adze_op_next(op)) {
        weight_matrix m;
        if (!weight_describe(op, &m) || layer_of(p, m.constant) || !prefix_has_targets(&m)) continue;
        ok = add_layer(p, &m);
    }
    if (p->n_layers) qsort(p->layers, p->n_layers, sizeof *p->layers, by_ordinal);
    return ok;
}

void prune_free_layers(pruner *p)
{
    for (uint32_t i = 0; i < p->n_layers; i++) free(p->layers[i].w);
    p->n_layers = 0;
}

bool prune_columns(const pruner *p, const channel_layer *layer, adze_channel_cut cut, bool *gone)
{
    bool any = false;
    memset(gone, 0, layer->m.cols);
    for (uint32_t i = 0; i < p->n; i++) {
        const adze_channel_group *g = adze_channels_group(p->channels, i);
        for (uint32_t k = 0; cut[i] && k < g->n_members; k++) {
            const adze_channel_member *m = &g->members[k];
            if (m->constant != layer->m.constant || m->axis != layer->m.k_axis) continue;
            for (uint32_t u = 0; u < g->units * m->per_unit; u++) {
                if (!cut[i][u / m->per_unit]) continue;
                any = true;
                memset(gone + m->indices[u] * layer->m.taps, 1, layer->m.taps);
            }
        }
    }
    return any;
}

/* ---- Scores of filters ---- */

/* Elements of one unit behind those of another; NULL after an error. */
static double *unit_values(const adze_channel_member *m, uint32_t units, size_t *out_n)
{
    const adze_type *type = adze_const_type(m->constant);
    size_t inner = 1, outer = 1, extent = 1;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        int64_t dim = 0;
        (void)adze_dim_is_const(adze_type_dim(type, i), &dim);
        if (i < m->axis) outer *= (size_t)dim;
        else if (i > m->axis) inner *= (size_t)dim;
        else extent = (size_t)dim;
    }
    adze_data *data = adze_const_data(m->constant);
    const float *x = adze_data_load(data);
    if (!x) return NULL;
    size_t n = outer * inner * m->per_unit, at = 0;
    double *values = adze_malloc((units * n + 1) * sizeof *values);
    for (size_t u = 0; u < units * m->per_unit; u++)
        for (size_t o = 0; o < outer; o++)
            for (size_t i = 0; i < inner; i++)
                values[at++] = (double)x[(o * extent + m->indices[u]) * inner + i];
    adze_data_unload(data);
    *out_n = n;
    return values;
}

/* Sum over the layers that give the units (those that read them where none gives them), each with a mean of 1. */
static bool score_filters(const pruner *p, const adze_channel_group *g, double *out)
{
    adze_channel_role role = ADZE_CHANNEL_CONSUMER;
    for (uint32_t i = 0; i < g->n_members; i++)
        if (g->members[i].role == ADZE_CHANNEL_PRODUCER) role = ADZE_CHANNEL_PRODUCER;
    double *one = adze_malloc(g->units * sizeof *one);
    bool ok = true;
    for (uint32_t i = 0; i < g->n_members && ok; i++) {
        size_t n = 0;
        if (g->members[i].role != role) continue;
        double *values = unit_values(&g->members[i], g->units, &n), mean = 0;
        ok = values;
        if (!ok) break;
        if (p->score == SCORE_L1) score_l1(values, g->units, n, one);
        if (p->score == SCORE_L2) score_l2(values, g->units, n, one);
        if (p->score == SCORE_GEOMEAN) score_geomean(values, g->units, n, one);
        if (p->score == SCORE_GEOMEDIAN) score_geomedian(values, g->units, n, one);
        for (uint32_t u = 0; u < g->units; u++) mean += one[u] / g->units;
        for (uint32_t u = 0; u < g->units; u++) out[u] += mean > 0 ? one[u] / mean : 0;
        free(values);
    }
    free(one);
    return ok;
}

/* ---- Scores of what is read ---- */

typedef struct reader {
    score_consumer *items;
    double *scale;
    uint32_t n;
} reader;

static void free_reader(reader *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        free(r->items[i].w);
        free(r->items[i].h);
        free((void *)(uintptr_t)r->items[i].columns);
    }
    free(r->items);
    free(r->scale);
}

/* One group of a layer's weights as a consumer; its loss is a share of what the layer gives. */
static bool add_reader(const pruner *p, const channel_layer *l, const adze_channel_member *m, uint32_t units,
                       uint32_t group, reader *r)
{
    size_t rows = l->m.rows / l->m.groups, cols = l->m.cols, taps = l->m.taps;
    score_consumer *c = &r->items[r->n];
    *c = (score_consumer){.rows = rows, .cols = cols, .units = units, .per_unit = m->per_unit * taps};
    c->w = adze_malloc(rows * cols * sizeof *c->w);
    c->h = adze_malloc(cols * cols * sizeof *c->h);
    uint32_t *columns = adze_malloc(units * c->per_unit * sizeof *columns);
    c->columns = columns;
    r->n++;
    memcpy(c->w, l->w + group * rows * cols, rows * cols * sizeof *c->w);
    for (size_t u = 0; u < (size_t)units * m->per_unit; u++)
        for (size_t t = 0; t < taps; t++) columns[u * taps + t] = (uint32_t)(m->indices[u] * taps + t);
    if (!weight_gram(&l->m, p->stats, group, l->at.op, c->h, NULL)) return false;
    double energy = linalg_error(c->w, c->h, rows, cols);
    r->scale[r->n - 1] = energy > 0 ? 1 / energy / (double)l->m.groups : 0;
    return true;
}

static bool make_reader(const pruner *p, const adze_channel_group *g, reader *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_members; i++) {
        const channel_layer *l = layer_of(p, g->members[i].constant);
        if (l && g->members[i].role == ADZE_CHANNEL_CONSUMER) n += (uint32_t)l->m.groups;
    }
    *r = (reader){adze_malloc((n + 1) * sizeof *r->items), adze_malloc((n + 1) * sizeof *r->scale), 0};
    for (uint32_t i = 0; i < g->n_members; i++) {
        const channel_layer *l = layer_of(p, g->members[i].constant);
        if (!l || g->members[i].role != ADZE_CHANNEL_CONSUMER) continue;
        for (uint32_t k = 0; k < l->m.groups; k++)
            if (!add_reader(p, l, &g->members[i], g->units, k, r)) return false;
    }
    return true;
}

/* ---- Curves ---- */

/* Least first; loss: the share of all scores that goes. */
static void by_score(const double *score, uint32_t units, prune_curve *curve)
{
    double total = 0, sum = 0;
    for (uint32_t u = 0; u < units; u++) {
        uint32_t at = u;
        for (; at > 0 && score[curve->order[at - 1]] > score[u]; at--) curve->order[at] = curve->order[at - 1];
        curve->order[at] = u;
        total += score[u];
    }
    for (uint32_t k = 0; k < units; k++) {
        sum += score[curve->order[k]];
        curve->loss[k] = total > 0 ? sum / total : 0;
    }
}

static bool from_readers(const pruner *p, const adze_channel_group *g, prune_curve *curve)
{
    reader r;
    bool ok = make_reader(p, g, &r);
    double *score = adze_malloc(g->units * sizeof *score), *c = NULL;
    memset(score, 0, g->units * sizeof *score);
    for (uint32_t i = 0; i < r.n && ok && p->score == SCORE_ACTIVATION; i++)
        score_activation(&r.items[i], r.scale[i], score);
    if (ok && p->score == SCORE_ACTIVATION) by_score(score, g->units, curve);
    if (ok && p->score == SCORE_THINET) {
        size_t count = (size_t)g->units * g->units;
        c = adze_malloc(count * sizeof *c);
        memset(c, 0, count * sizeof *c);
        for (uint32_t i = 0; i < r.n; i++) score_products(&r.items[i], r.scale[i], c);
        score_thinet(c, g->units, curve->order, curve->loss);
    }
    for (uint32_t i = 0; i < r.n && ok && p->score == SCORE_OBS; i++) {
        ok = score_invert(r.items[i].h, r.items[i].cols, 1e-3);
        if (!ok) adze_error(adze_loc_unknown(p->run->context), "the Gram matrices of what reads '%s' hold no numbers",
                            g->name);
    }
    if (ok && p->score == SCORE_OBS)
        score_obs(r.items, r.n, r.scale, g->units - curve->fewest, curve->order, curve->loss);
    free(score);
    free(c);
    free_reader(&r);
    return ok;
}

static void make_room(pruner *p)
{
    p->curves = ADZE_NEW_ARRAY(&p->arena, prune_curve, p->n);
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t units = adze_channels_group(p->channels, i)->units;
        double fewest = ceil((1 - p->cap) * units - 1e-9);
        p->curves[i].order = ADZE_NEW_ARRAY(&p->arena, uint32_t, units);
        p->curves[i].loss = ADZE_NEW_ARRAY(&p->arena, double, units);
        p->curves[i].fewest = fewest < 1 ? 1 : (uint32_t)fewest;
        p->curves[i].scale = 1;
    }
}

bool prune_make_curves(pruner *p)
{
    bool ok = true;
    make_room(p);
    for (uint32_t i = 0; i < p->n && ok; i++) {
        const adze_channel_group *g = adze_channels_group(p->channels, i);
        prune_curve *curve = &p->curves[i];
        bool reads = false;
        for (uint32_t k = 0; k < g->n_members; k++) reads |= g->members[k].role == ADZE_CHANNEL_CONSUMER;
        if (p->score == SCORE_L1 || p->score == SCORE_L2 || p->score == SCORE_GEOMEAN ||
            p->score == SCORE_GEOMEDIAN || !reads) {
            double *score = adze_malloc(g->units * sizeof *score);
            memset(score, 0, g->units * sizeof *score);
            ok = score_filters(p, g, score);
            if (ok) by_score(score, g->units, curve);
            free(score);
        } else {
            ok = from_readers(p, g, curve);
        }
    }
    return ok;
}

/* Is there a reader, and are all weights of the unit in readers 0? */
static bool is_unread(const pruner *p, const adze_channel_group *g, uint32_t unit)
{
    bool any = false;
    for (uint32_t i = 0; i < g->n_members; i++) {
        const adze_channel_member *m = &g->members[i];
        const channel_layer *l = layer_of(p, m->constant);
        if (m->role != ADZE_CHANNEL_CONSUMER) continue;
        if (!l) return false;
        any = true;
        for (size_t k = 0; k < m->per_unit * l->m.taps; k++) {
            size_t col = m->indices[unit * m->per_unit + k / l->m.taps] * l->m.taps + k % l->m.taps;
            for (size_t r = 0; r < l->m.rows; r++)
                if (l->w[r * l->m.cols + col] != 0) return false;
        }
    }
    return any;
}

bool prune_unread(pruner *p)
{
    make_room(p);
    for (uint32_t i = 0; i < p->n; i++) {
        const adze_channel_group *g = adze_channels_group(p->channels, i);
        uint32_t n = 0, at = 0, keep = g->units, next;
        for (uint32_t u = 0; u < g->units; u++)
            if (is_unread(p, g, u)) p->curves[i].order[n++] = u;
        at = n;
        for (uint32_t u = 0; u < g->units; u++)
            if (!is_unread(p, g, u)) p->curves[i].order[at++] = u;
        while ((next = prune_lower(p, i, keep)) && next >= g->units - n) keep = next;
        p->keep[i] = keep;
    }
    return true;
}
