/* Groups of channels from the classes of the dimension graph: classes that stand at the same axes are units of one
 * group. */
#include "passes/prune/channels/groups.h"
#include "passes/weights/matrix.h"

#include <adze/compress.h>

#include <stdlib.h>
#include <string.h>

typedef struct finder {
    adze_channels *c;
    uint32_t *group, *unit; /* of roots; DIMS_NONE = none */
    uint32_t *units, n, capacity; /* of groups */
    adze_table layers; /* names by constant */
} finder;

/* ---- Classes into groups ---- */

/* Of each free class, a hash of the axes that it stands at, and how often. */
static uint64_t *signatures(const dims_graph *g)
{
    uint64_t *sum = adze_malloc(g->n * sizeof *sum);
    memset(sum, 0, g->n * sizeof *sum);
    for (uint32_t i = 0; i < g->n_values; i++)
        for (uint32_t k = 0; k < g->values[i]->rank; k++)
            for (uint32_t e = 0; e < g->values[i]->extent[k]; e++) {
                uint32_t root = dims_root(g, g->values[i]->base[k] + e);
                if (g->state[root] == DIMS_FREE)
                    sum[root] = adze_hash_mix(sum[root] + 1, (uint64_t)i * ADZE_MAX_RANK + k + 1) | 1;
            }
    return sum;
}

static void place_root(finder *f, adze_table *by_signature, const uint64_t *sum, uint32_t root)
{
    if (!sum[root] || f->group[root] != DIMS_NONE) return;
    const void *key = (const void *)(uintptr_t)sum[root]; /* odd: no pointer of ours */
    uintptr_t found = (uintptr_t)adze_table_get(by_signature, key);
    if (!found) {
        f->units = adze_arena_grow(&f->c->graph.arena, f->units, f->n, &f->capacity, sizeof *f->units);
        f->units[f->n++] = 0;
        found = f->n;
        adze_table_put(by_signature, key, (void *)found);
    }
    f->group[root] = (uint32_t)found - 1;
    f->unit[root] = f->units[found - 1]++;
}

static void place(finder *f)
{
    const dims_graph *g = &f->c->graph;
    adze_table by_signature = {0};
    uint64_t *sum = signatures(g);
    for (uint32_t i = 0; i < g->n; i++) f->group[i] = DIMS_NONE;
    for (uint32_t i = 0; i < g->n_values; i++)
        for (uint32_t k = 0; k < g->values[i]->rank; k++)
            for (uint32_t e = 0; e < g->values[i]->extent[k]; e++)
                place_root(f, &by_signature, sum, dims_root(g, g->values[i]->base[k] + e));
    free(sum);
    adze_table_free(&by_signature);
}

/* ---- Members ---- */

/* The op that reads a constant first, and what the axis is in weights. */
static adze_channel_role role_of(const dims_graph *g, const adze_ir_value *value, uint32_t axis, adze_op **out_op)
{
    adze_channel_role role = ADZE_CHANNEL_OTHER;
    *out_op = NULL;
    for (adze_op *op = adze_region_first(adze_func_body(g->func)); op; op = adze_op_next(op)) {
        weight_matrix m;
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            if (adze_op_operand(op, i) != value) continue;
            if (!*out_op) *out_op = op;
            if (i != 1 || !weight_describe(op, &m)) continue;
            *out_op = op;
            return axis == m.row_axis ? ADZE_CHANNEL_PRODUCER : axis == m.k_axis ? ADZE_CHANNEL_CONSUMER : role;
        }
    }
    return role;
}

static void add_member(finder *f, uint32_t group, const dims_value *v, uint32_t axis, uint32_t count)
{
    dims_graph *g = &f->c->graph;
    adze_channel_group *to = &f->c->groups[group];
    adze_channel_member m = {.constant = adze_value_const(v->value), .axis = axis, .per_unit = count / to->units};
    uint32_t *indices = ADZE_NEW_ARRAY(&g->arena, uint32_t, count);
    uint32_t *at = ADZE_NEW_ARRAY(&g->arena, uint32_t, to->units), capacity = to->n_members;
    for (uint32_t e = 0; e < v->extent[axis]; e++) {
        uint32_t root = dims_root(g, v->base[axis] + e);
        if (f->group[root] != group) continue;
        indices[f->unit[root] * m.per_unit + at[f->unit[root]]++] = e;
    }
    m.indices = indices;
    m.role = role_of(g, v->value, axis, &m.op);
    adze_channel_member *members = adze_arena_grow(&g->arena, (void *)to->members, to->n_members, &capacity, sizeof m);
    members[to->n_members++] = m;
    to->members = members;
}

static void add_members(finder *f)
{
    const dims_graph *g = &f->c->graph;
    uint32_t *count = adze_malloc((f->n + 1) * sizeof *count);
    memset(count, 0, (f->n + 1) * sizeof *count);
    for (uint32_t i = 0; i < g->n_values; i++) {
        const dims_value *v = g->values[i];
        for (uint32_t k = 0; adze_value_const(v->value) && k < v->rank; k++) {
            for (uint32_t e = 0; e < v->extent[k]; e++) {
                uint32_t group = f->group[dims_root(g, v->base[k] + e)];
                if (group != DIMS_NONE) count[group]++;
            }
            for (uint32_t e = 0; e < v->extent[k]; e++) {
                uint32_t group = f->group[dims_root(g, v->base[k] + e)];
                if (group == DIMS_NONE || !count[group]) continue;
                add_member(f, group, v, k, count[group]);
                count[group] = 0;
            }
        }
    }
    free(count);
}

/* ---- Names ---- */

static void name_layers(finder *f)
{
    adze_layer *layers;
    uint32_t n = adze_layers_find(f->c->module, NULL, &layers);
    for (uint32_t i = 0; i < n; i++) {
        adze_const *constant = adze_module_find_const(f->c->module, layers[i].weights);
        adze_table_put(&f->layers, constant, (void *)adze_intern_z(f->c->graph.context, layers[i].name));
    }
    adze_layers_free(layers);
}

static const char *layer_of(const finder *f, const adze_const *constant)
{
    const char *name = adze_table_get(&f->layers, constant);
    return name ? name : adze_const_name(constant);
}

static void name_group(finder *f, adze_channel_group *group, uint32_t before)
{
    const adze_channel_member *named = NULL;
    for (uint32_t i = 0; i < group->n_members && !named; i++)
        if (group->members[i].role == ADZE_CHANNEL_PRODUCER) named = &group->members[i];
    for (uint32_t i = 0; i < group->n_members && !named; i++)
        if (group->members[i].role == ADZE_CHANNEL_CONSUMER) named = &group->members[i];
    group->unit_size = named->per_unit;
    group->name = layer_of(f, named->constant);
    const char *plain = group->name;
    for (uint32_t k = 2, i = 0; i < before; i++)
        if (!strcmp(f->c->groups[i].name, group->name)) {
            group->name = adze_internf(f->c->graph.context, "%s#%u", plain, k++);
            i = UINT32_MAX; /* from the first one on again */
        }
}

static bool has_weights(const adze_channel_group *group)
{
    for (uint32_t i = 0; i < group->n_members; i++)
        if (group->members[i].role != ADZE_CHANNEL_OTHER) return true;
    return false;
}

/* Keeps the groups of which something can go; renumbers. */
static void keep_groups(finder *f)
{
    adze_channels *c = f->c;
    uint32_t *to = adze_malloc((f->n + 1) * sizeof *to);
    for (uint32_t i = 0; i < f->n; i++) {
        to[i] = DIMS_NONE;
        if (c->groups[i].units < 2 || !has_weights(&c->groups[i])) continue;
        to[i] = c->n_groups;
        c->groups[c->n_groups] = c->groups[i];
        c->roots[c->n_groups] = ADZE_NEW_ARRAY(&c->graph.arena, uint32_t, c->groups[i].units);
        name_group(f, &c->groups[c->n_groups], c->n_groups);
        c->n_groups++;
    }
    for (uint32_t s = 0; s < c->graph.n; s++) {
        if (f->group[s] == DIMS_NONE || to[f->group[s]] == DIMS_NONE) continue;
        c->roots[to[f->group[s]]][f->unit[s]] = s;
    }
    free(to);
}

/* ---- What is frozen ---- */

static void add_frozen(finder *f, const dims_value *v, uint32_t axis)
{
    adze_channels *c = f->c;
    const dims_graph *g = &c->graph;
    adze_channel_frozen one = {.axis = axis, .extent = v->extent[axis]};
    for (uint32_t e = 0; e < v->extent[axis]; e++) {
        uint32_t root = dims_root(g, v->base[axis] + e), group = f->group[root];
        bool alone = group != DIMS_NONE && f->units[group] == 1;
        if (g->state[root] == DIMS_FREE && !alone) continue;
        if (!one.reason) one.reason = alone ? "no more than this one" : g->reason[root];
        one.count++;
    }
    if (!one.count) return;
    one.name = layer_of(f, adze_value_const(v->value));
    c->frozen = adze_arena_grow(&c->graph.arena, c->frozen, c->n_frozen, &c->frozen_capacity, sizeof one);
    c->frozen[c->n_frozen++] = one;
}

static void find_frozen(finder *f)
{
    const dims_graph *g = &f->c->graph;
    for (uint32_t i = 0; i < g->n_values; i++) {
        const adze_ir_value *value = g->values[i]->value;
        adze_op *op;
        for (uint32_t k = 0; adze_value_const(value) && k < g->values[i]->rank; k++)
            if (role_of(g, value, k, &op) == ADZE_CHANNEL_PRODUCER) add_frozen(f, g->values[i], k);
    }
}

/* ---- Work ---- */

static void add_axis(channels_work *w, const dims_value *v, uint32_t axis)
{
    if (!v || !v->extent[axis] || w->n == ADZE_MAX_AXES) return;
    w->value[w->n] = v;
    w->axis[w->n++] = axis;
}

/* The dims of the result, and of each axis that is summed over the dim of an operand that is this axis alone. */
static void add_work(adze_channels *c, const adze_op *op)
{
    adze_access a;
    memset(&a, 0, sizeof a);
    if (!adze_op_has_trait(op, ADZE_CONTRACTION) || !adze_op_access(op, &a)) return;
    c->work = adze_arena_grow(&c->graph.arena, c->work, c->n_work, &c->work_capacity, sizeof *c->work);
    channels_work *w = &c->work[c->n_work++];
    *w = (channels_work){.rest = 1};
    const dims_value *y = dims_find(&c->graph, adze_op_result(op, 0));
    for (uint32_t i = 0; y && i < y->rank; i++) add_axis(w, y, i);
    for (uint32_t k = 0; k < a.n_axes; k++) {
        bool found = a.kind[k] == ADZE_AXIS_PARALLEL;
        int64_t extent;
        for (uint32_t o = 0; o < a.n_operands && !found; o++)
            for (uint32_t i = 0; i < a.operand[o].rank && !found; i++) {
                const adze_dim *dim = a.operand[o].dims[i];
                found = adze_dim_get_kind(dim) == ADZE_DIM_AXIS && adze_dim_axis_index(dim) == k;
                if (found) add_axis(w, dims_find(&c->graph, adze_op_operand(op, o)), i);
            }
        if (!found && adze_dim_is_const(a.extent[k], &extent)) w->rest *= (uint64_t)extent;
    }
}

uint8_t *channels_gone(const adze_channels *c, adze_channel_cut cut)
{
    uint8_t *gone = adze_malloc(c->graph.n + 1);
    memset(gone, 0, c->graph.n + 1);
    for (uint32_t i = 0; cut && i < c->n_groups; i++)
        for (uint32_t u = 0; cut[i] && u < c->groups[i].units; u++) gone[c->roots[i][u]] = cut[i][u];
    return gone;
}

uint32_t channels_left(const adze_channels *c, const uint8_t *gone, const dims_value *v, uint32_t axis)
{
    uint32_t left = 0;
    for (uint32_t e = 0; e < v->extent[axis]; e++) left += !gone[dims_root(&c->graph, v->base[axis] + e)];
    return left;
}

uint64_t adze_channels_macs(const adze_channels *c, adze_channel_cut cut)
{
    uint8_t *gone = channels_gone(c, cut);
    uint64_t total = 0;
    for (uint32_t i = 0; i < c->n_work; i++) {
        const channels_work *w = &c->work[i];
        uint64_t one = w->rest;
        for (uint32_t k = 0; k < w->n; k++) one *= channels_left(c, gone, w->value[k], w->axis[k]);
        total += one;
    }
    free(gone);
    return total;
}

/* What one unit is worth. */
static void weigh(adze_channels *c)
{
    uint64_t all = adze_channels_macs(c, NULL);
    const bool **cut = adze_malloc((c->n_groups + 1) * sizeof *cut);
    memset(cut, 0, (c->n_groups + 1) * sizeof *cut);
    for (uint32_t i = 0; i < c->n_groups; i++) {
        adze_channel_group *g = &c->groups[i];
        bool *one = adze_malloc(g->units);
        memset(one, 0, g->units);
        one[0] = true;
        cut[i] = one;
        g->macs = all - adze_channels_macs(c, cut);
        cut[i] = NULL;
        free(one);
        for (uint32_t k = 0; k < g->n_members; k++) {
            int64_t count = 0, extent = 1;
            const adze_type *type = adze_const_type(g->members[k].constant);
            (void)adze_dim_is_const(adze_type_count(type), &count);
            (void)adze_dim_is_const(adze_type_dim(type, g->members[k].axis), &extent);
            uint64_t elements = (uint64_t)(count / extent) * g->members[k].per_unit;
            g->bytes += adze_dtype_bytes(adze_type_dtype(type), elements);
        }
    }
    free(cut);
}

/* ---- Public ---- */

static void make_groups(adze_channels *c)
{
    dims_graph *g = &c->graph;
    finder f = {.c = c, .group = adze_malloc((g->n + 1) * 2 * sizeof(uint32_t))};
    f.unit = f.group + g->n + 1;
    place(&f);
    c->groups = ADZE_NEW_ARRAY(&g->arena, adze_channel_group, f.n);
    c->roots = ADZE_NEW_ARRAY(&g->arena, uint32_t *, f.n);
    for (uint32_t i = 0; i < f.n; i++) c->groups[i].units = f.units[i];
    name_layers(&f);
    add_members(&f);
    find_frozen(&f);
    keep_groups(&f);
    for (adze_op *op = adze_region_first(adze_func_body(g->func)); op; op = adze_op_next(op)) add_work(c, op);
    weigh(c);
    adze_table_free(&f.layers);
    free(f.group);
}

adze_channels *adze_channels_find(const adze_module *module)
{
    adze_channels *c = adze_malloc(sizeof *c);
    *c = (adze_channels){.module = module};
    adze_func *func = adze_module_main(module);
    bool ok = func && dims_build(&c->graph, func);
    if (!func) adze_error(adze_loc_unknown(adze_module_context(module)), "a module without functions has no channels");
    if (ok) make_groups(c);
    if (ok) return c;
    adze_channels_free(c);
    return NULL;
}

void adze_channels_free(adze_channels *c)
{
    if (!c) return;
    dims_free(&c->graph);
    free(c);
}

uint32_t adze_channels_count(const adze_channels *c) { return c->n_groups; }
const adze_channel_group *adze_channels_group(const adze_channels *c, uint32_t index) { return &c->groups[index]; }
uint32_t adze_channels_num_frozen(const adze_channels *c) { return c->n_frozen; }
const adze_channel_frozen *adze_channels_frozen(const adze_channels *c, uint32_t index) { return &c->frozen[index]; }

int64_t adze_channels_index(const adze_channels *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_groups; i++)
        if (!strcmp(c->groups[i].name, name)) return i;
    return -1;
}

bool adze_channels_read_plan(const adze_channels *c, const adze_layer_plan *plan, const char *path,
                             uint32_t *out_keep)
{
    adze_loc loc = adze_loc_unknown(c->graph.context);
    for (uint32_t i = 0; i < adze_layer_plan_num_cuts(plan); i++) {
        const char *name = adze_layer_plan_cut_name(plan, i);
        uint64_t keep = adze_layer_plan_cut_keep(plan, i);
        int64_t index = adze_channels_index(c, name);
        if (!keep) continue; /* `drop` */
        if (index < 0)
            return adze_error(loc, "%s: the model has no group of channels '%s'; adze info --channels lists them", path,
                              name);
        const adze_channel_group *g = &c->groups[index];
        if (keep % g->unit_size || keep / g->unit_size > g->units)
            return adze_error(loc, "%s: '%s' has %u units of %u channels: it cannot keep %llu channels", path, name,
                              g->units, g->unit_size, (unsigned long long)keep);
        if (out_keep) out_keep[index] = (uint32_t)(keep / g->unit_size);
    }
    return true;
}

static int width_of(const adze_channels *c)
{
    size_t width = 5;
    for (uint32_t i = 0; i < c->n_groups; i++)
        if (strlen(c->groups[i].name) > width) width = strlen(c->groups[i].name);
    for (uint32_t i = 0; i < c->n_frozen; i++)
        if (strlen(c->frozen[i].name) > width) width = strlen(c->frozen[i].name);
    return width < 48 ? (int)width : 48;
}

void adze_channels_print(const adze_channels *c, adze_text *out)
{
    int width = width_of(c);
    double all = (double)adze_channels_macs(c, NULL);
    adze_text_append(out, "%-*s  units  size  channels  layers: give, read    macs a unit    bytes a unit\n", width,
                     "group");
    for (uint32_t i = 0; i < c->n_groups; i++) {
        const adze_channel_group *g = &c->groups[i];
        uint32_t n[3] = {0};
        for (uint32_t k = 0; k < g->n_members; k++) n[g->members[k].role]++;
        adze_text_append(out, "%-*s  %5u  %4u  %8u  %12u, %4u  %8llu %5.2f%%  %14llu\n", width, g->name, g->units,
                         g->unit_size, g->units * g->unit_size, n[ADZE_CHANNEL_PRODUCER], n[ADZE_CHANNEL_CONSUMER],
                         (unsigned long long)g->macs, all > 0 ? 100 * (double)g->macs / all : 0,
                         (unsigned long long)g->bytes);
    }
    if (c->n_frozen) adze_text_append(out, "%-*s  channels that stay, and why\n", width, "layer");
    for (uint32_t i = 0; i < c->n_frozen; i++) {
        const adze_channel_frozen *f = &c->frozen[i];
        adze_text_append(out, "%-*s  %u of %u: %s\n", width, f->name, f->count, f->extent, f->reason);
    }
}
