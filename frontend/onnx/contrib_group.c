/* com.microsoft: attention of groups of queries over a cache, and turned positions. */
#include "attention.h"
#include "contrib.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Positions ---- */

/* cos or sin of the positions [batch, time], with an axis for the heads at `heads_axis`. */
static term *angles(adze_onnx_node *node, term *table, term *positions, uint32_t heads_axis)
{
    adze_attr axis = adze_attr_int("axis", 0);
    term *values = compose_all(node, "gather", (term *[]){table, positions}, 2, 2, &axis, 1);
    return compose_unsqueeze(node, values, heads_axis, heads_axis + 1);
}

/* Positions are a list for each of the batch, or the first one of all. */
static term *positions_of(adze_onnx_node *node, term *x, uint32_t time_axis)
{
    term *ids = adze_onnx_operand(node, 1);
    if (!ids) return adze_onnx_invalid(node, "has no positions"), NULL;
    if (compose_rank(ids) < 0) return adze_onnx_undetermined(node, "positions of unknown rank"), NULL;
    if (compose_rank(ids) == 2) return ids;
    bool one = compose_rank(ids) == 0 || adze_dim_is_value(compose_dim(ids, 0), 1);
    if (compose_rank(ids) > 1 || !one)
        return adze_onnx_invalid(node, "positions are neither one number nor [batch, time]"), NULL;
    term *first = compose_cast(node, compose_one(node, ids), ADZE_DTYPE_i64);
    return compose2(node, "add", compose_positions(node, x, time_axis, 2, 1), first);
}

/* Which of three positions each of the `half` angles is of, as a list: sections one after another, or the first one's
 * angles with every third given to the others as far as their sections reach. */
static term *sections_of(adze_onnx_node *node, int64_t half)
{
    const int64_t *sections;
    size_t n;
    int64_t layout = 0, sum = 0;
    if (!adze_onnx_attr_ints(node, "mrope_section", &sections, &n) ||
        !adze_onnx_attr_int(node, "mrope_layout", &layout))
        return NULL;
    for (size_t i = 0; i < n && n == 3; i++) sum += sections[i] >= 0 && sections[i] <= half ? sections[i] : half + 1;
    if (n != 3 || sum != half || half > INT16_MAX)
        return adze_onnx_invalid(node, "mrope_section are not three numbers whose sum is %lld", (long long)half), NULL;
    if (layout != 0 && layout != 1)
        return adze_onnx_invalid(node, "attribute 'mrope_layout' is %lld", (long long)layout), NULL;
    int64_t *which = calloc((size_t)half + 1, sizeof *which);
    if (!which) return adze_error(node->loc, "out of memory"), NULL;
    for (int64_t i = 0; i < half; i++) {
        if (!layout) which[i] = (i >= sections[0]) + (i >= sections[0] + sections[1]);
        else which[i] = i % 3 && i < 3 * sections[i % 3] ? i % 3 : 0;
    }
    term *list = compose_ints(node, which, (size_t)half);
    free(which);
    return list;
}

/* cos or sin of the positions [3, batch, time], one of which counts for each angle. */
static term *mixed_angles(adze_onnx_node *node, term *table, term *which, uint32_t heads_axis)
{
    adze_attr axis = adze_attr_int("axis", 0);
    term *ids = adze_onnx_operand(node, 1), *mixed = NULL;
    if (compose_rank(ids) != 3 || !adze_dim_is_value(compose_dim(ids, 0), 3))
        return adze_onnx_invalid(node, "positions are not [3, batch, time]"), NULL;
    term *all = compose_all(node, "gather", (term *[]){table, ids}, 2, 2, &axis, 1);
    for (int64_t i = 0; i < 3; i++) {
        term *one = compose_squeeze(node, compose_slice(node, all, 0, i, i + 1, 1), 0);
        term *own = compose2(node, "equal", which, compose_number(node, ADZE_DTYPE_i64, (double)i));
        mixed = i ? compose3(node, "where", own, one, mixed) : one;
    }
    return compose_unsqueeze(node, mixed, heads_axis, heads_axis + 1);
}

/* RotaryEmbedding, and MRotaryEmbedding with three positions, of [batch, time, heads * size] or
 * [batch, heads, time, size]. The attribute `scale` is not what any kernel reads. */
bool adze_onnx_contrib_rotary(adze_onnx_node *node)
{
    bool three = node->op_type[0] == 'M';
    rotary r = {0};
    term *x, *cos, *sin;
    uint32_t rank, other;
    int64_t heads = 0, packed = 0, half;
    double scale = 1;
    adze_context *context = node->import->context;
    if (!adze_onnx_attr_flag(node, "interleaved", &r.interleaved) || !adze_onnx_attr_int(node, "num_heads", &heads) ||
        !adze_onnx_attr_int(node, "rotary_embedding_dim", &r.turned) || !adze_onnx_attr_float(node, "scale", &scale) ||
        !adze_onnx_attr_flag(node, "is_packed_batching", &packed) || !compose_operand(node, 0, 3, &x, &rank) ||
        !compose_operand(node, 2, 2, &cos, &other) || !compose_operand(node, 3, 2, &sin, &other))
        return false;
    if (rank > 4) return adze_onnx_invalid(node, "an input of rank %u", rank);
    if (scale != 1) return adze_onnx_unsupported(node, "scale = %g", scale);
    if (packed) return adze_onnx_unsupported(node, "is_packed_batching");
    if (!adze_dim_is_const(compose_dim(cos, 1), &half) || !adze_dim_is_const(compose_dim(x, rank - 1), &r.size))
        return adze_onnx_undetermined(node, "heads of unknown size");
    if (!r.turned) r.turned = 2 * half;
    int64_t width = r.size;
    if (rank == 3) r.size = heads ? width / heads : 2 * half;
    if (r.size < 1 || r.size < r.turned || r.turned != 2 * half || width % r.size)
        return adze_onnx_invalid(node, "%lld of %lld elements are turned", (long long)r.turned, (long long)r.size);
    const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 1), adze_dim_const(context, width / r.size),
                              adze_dim_const(context, r.size)};
    r.x = rank == 3 ? compose_reshape(node, x, dims, 4) : x;
    term *list = three ? sections_of(node, half) : positions_of(node, x, rank == 3 ? 1 : 2);
    uint32_t at = rank == 3 ? 2 : 1;
    r.cos = !list ? NULL : three ? mixed_angles(node, cos, list, at) : angles(node, cos, list, at);
    r.sin = !r.cos ? NULL : three ? mixed_angles(node, sin, list, at) : angles(node, sin, list, at);
    if (!r.x || !r.cos || !r.sin) return false;
    term *y = adze_onnx_turn(node, &r);
    return compose_end(node, rank == 3 ? compose_reshape(node, y, adze_type_dims(adze_value_type(x)), 3) : y);
}

/* ---- GroupQueryAttention ---- */

/* For the new keys in the cache: by numbers, by names of dims alone, none (it grows), or the model says nothing. */
typedef enum cache_room { HAS_ROOM, SAID_TO_HAVE_ROOM, NO_ROOM, ROOM_NOT_SAID } cache_room;

typedef struct group {
    attention a;
    cache_room room;
    term *most;   /* i64 of rank 0: of all of the batch the most keys, with the new ones */
    term *total;  /* [batch, 1], i64: keys that each of the batch has, with the new ones */
    term *before; /* [batch, 1], i64: without them; NULL: none */
    int64_t rotary, interleaved, smooth;
    double softcap;
    /* where operands lie: the end of each of the batch, the most of all keys, cos and sin behind it; positions */
    uint32_t ends, length, cos, positions;
    int64_t behind; /* a number of keys is what `ends` says and this */
    bool keeps;     /* what the cache has behind its last key; else zeros */
} group;

static bool check_heads(adze_onnx_node *node, const attention *a)
{
    if (a->q_heads >= 1 && a->kv_heads >= 1 && a->q_heads % a->kv_heads == 0) return true;
    return adze_onnx_invalid(node, "%lld heads of queries to %lld of keys", (long long)a->q_heads,
                             (long long)a->kv_heads);
}

static bool read_group(adze_onnx_node *node, group *g)
{
    attention *a = &g->a;
    int64_t shows = 0, window_cache = 0;
    const char *kinds[] = {"NONE", "NONE"};
    *g = (group){.a = {.left = -1, .right = -1, .causal = 1}, .ends = 5, .length = 6, .cos = 7, .positions = 9};
    g->behind = 1;
    if (!adze_onnx_attr_int(node, "num_heads", &a->q_heads) ||
        !adze_onnx_attr_int(node, "kv_num_heads", &a->kv_heads) || !adze_onnx_attr_float(node, "scale", &a->scale) ||
        !adze_onnx_attr_float(node, "softcap", &a->softcap) ||
        !adze_onnx_attr_flag(node, "causal", &a->causal) || !adze_onnx_attr_int(node, "local_window_size", &a->left) ||
        !adze_onnx_attr_flag(node, "do_rotary", &g->rotary) ||
        !adze_onnx_attr_int(node, "smooth_softmax", &g->smooth) ||
        !adze_onnx_attr_flag(node, "rotary_interleaved", &g->interleaved) ||
        !adze_onnx_attr_int(node, "qk_output", &shows) || !adze_onnx_attr_str(node, "k_quant_type", &kinds[0]) ||
        !adze_onnx_attr_flag(node, "sliding_window_cache", &window_cache) ||
        !adze_onnx_attr_str(node, "v_quant_type", &kinds[1]))
        return false;
    if (!check_heads(node, a)) return false;
    if (!a->causal && a->left != -1)
        return adze_onnx_unsupported(node, "local_window_size = %lld without causal", (long long)a->left);
    if (g->smooth < -1 || g->smooth > 1) /* -1: not said */
        return adze_onnx_invalid(node, "attribute 'smooth_softmax' is %lld; -1, 0 and 1 are known",
                                 (long long)g->smooth);
    if (strcmp(kinds[0], "NONE") || strcmp(kinds[1], "NONE")) return adze_onnx_unsupported(node, "a quantized cache");
    if (window_cache) return adze_onnx_unsupported(node, "sliding_window_cache");
    if (shows || node->n_out > 3) return adze_onnx_unsupported(node, "qk_output");
    for (uint32_t i = 12; i < node->n_in; i++)
        if (node->in[i]) return adze_onnx_unsupported(node, "input %u", i);
    return true;
}

/* Queries, keys and values in three operands, or behind each other in the first. */
static bool read_projections(adze_onnx_node *node, attention *a)
{
    term *q, *k = adze_onnx_operand(node, 1), *v = adze_onnx_operand(node, 2);
    uint32_t rank;
    int64_t width;
    if (!compose_operand(node, 0, 3, &q, &rank)) return false;
    if (rank != 3 || !adze_dim_is_const(compose_dim(q, 2), &width))
        return adze_onnx_undetermined(node, "queries of unknown size");
    if (!k) {
        int64_t size = width / (a->q_heads + 2 * a->kv_heads), at = size * a->q_heads, next = at + size * a->kv_heads;
        if (size * (a->q_heads + 2 * a->kv_heads) != width)
            return adze_onnx_invalid(node, "%lld columns for %lld and twice %lld heads", (long long)width,
                                     (long long)a->q_heads, (long long)a->kv_heads);
        term *all = q;
        q = compose_slice(node, all, 2, 0, at, 1);
        k = compose_slice(node, all, 2, at, next, 1);
        v = compose_slice(node, all, 2, next, width, 1);
    }
    if (compose_rank(k) != 3 || compose_rank(v) != 3) return adze_onnx_unsupported(node, "keys of another rank than 3");
    a->q = adze_onnx_split_heads(node, q, a->q_heads);
    a->k = adze_onnx_split_heads(node, k, a->kv_heads);
    a->v = adze_onnx_split_heads(node, v, a->kv_heads);
    a->past_k = adze_onnx_operand(node, 3);
    a->past_v = adze_onnx_operand(node, 4);
    if (!a->past_k != !a->past_v) return adze_onnx_invalid(node, "has one of past_key and past_value");
    if (a->past_k && (compose_rank(a->past_k) != 4 || compose_rank(a->past_v) != 4))
        return adze_onnx_unsupported(node, "a cache of another rank than 4");
    if (a->past_k && adze_dim_is_value(compose_dim(a->past_k, 2), 0)) a->past_k = a->past_v = NULL;
    return a->q && a->k && a->v;
}

/* How many keys each of the batch has, and the most of all, which is one number. */
static bool read_counts(adze_onnx_node *node, group *g)
{
    term *ends = adze_onnx_operand(node, g->ends), *most = adze_onnx_operand(node, g->length);
    if (!ends || !most) return adze_onnx_invalid(node, "has no input %u", ends ? g->length : g->ends);
    for (int i = 0; i < compose_rank(most); i++)
        if (!adze_dim_compatible(compose_dim(most, (uint32_t)i), adze_dim_const(node->import->context, 1)))
            return adze_onnx_invalid(node, "input %u is not one number", g->length);
    const adze_dim *dims[] = {compose_dim(g->a.q, 0), adze_dim_const(node->import->context, 1)};
    term *total = compose_cast(node, ends, ADZE_DTYPE_i64);
    if (g->behind) total = compose2(node, "add", total, compose_number(node, ADZE_DTYPE_i64, (double)g->behind));
    g->total = compose_reshape(node, total, dims, 2);
    g->most = g->total ? compose_cast(node, compose_scalar(node, most), ADZE_DTYPE_i64) : NULL;
    return g->most != NULL;
}

/* Is the cache that comes out as long as the one that goes in? It is where it has room: by what the model declares. */
static cache_room find_room(const adze_onnx_node *node, const attention *a)
{
    int64_t most, past;
    if (!a->past_k) return NO_ROOM;
    if (adze_value_as_ints(adze_onnx_operand(node, 6), &most, 1) == 1 &&
        adze_dim_is_const(compose_dim(a->past_k, 2), &past))
        return most <= past ? HAS_ROOM : NO_ROOM;
    for (size_t i = 1; i < 3 && i < node->proto->n_output; i++) {
        const char *name = adze_intern_z(node->import->context, node->proto->output[i]);
        const adze_type *type = *name ? adze_map_get(node->import->declared, name) : NULL;
        if (!type || !adze_type_is_tensor(type) || !adze_type_is_ranked(type) || adze_type_rank(type) != 4) continue;
        if (adze_dim_is_unknown(adze_type_dim(type, 2))) continue;
        return adze_dim_equal(adze_type_dim(type, 2), compose_dim(a->past_k, 2)) ? SAID_TO_HAVE_ROOM : NO_ROOM;
    }
    return ROOM_NOT_SAID;
}

/* 0, or more where a run says another length than the model: the cache is full where it grows, else the keys are within
 * it, and as many as the new ones at least. `full`: how many the past and the new ones are. */
static term *length_error(adze_onnx_node *node, const group *g, term *full, term *time)
{
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    if (g->room == NO_ROOM) return compose1(node, "abs", compose2(node, "sub", g->most, full));
    term *over = compose2(node, "sub", g->most, compose_scalar(node, compose_size(node, g->a.past_k, 2)));
    over = compose2(node, "max", compose2(node, "max", over, compose2(node, "sub", time, g->most)), zero);
    return g->room == ROOM_NOT_SAID ? compose3(node, "where", compose2(node, "equal", g->most, full), zero, over)
                                    : over;
}

/* The same of the number of keys that each of the batch has: they are within the cache, and where some are old, as many
 * as the new ones at least. */
static term *end_error(adze_onnx_node *node, const group *g, term *full, term *time)
{
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *least = compose3(node, "where", compose2(node, "equal", g->most, time), one, time), *places = full;
    if (g->room != NO_ROOM) places = compose_scalar(node, compose_size(node, g->a.past_k, 2));
    if (g->room == ROOM_NOT_SAID) places = compose2(node, "max", places, g->most);
    term *over = compose2(node, "max", compose2(node, "sub", g->total, places), compose2(node, "sub", least, g->total));
    return compose2(node, "max", over, zero);
}

/* How many keys each of the batch has had before: none where all are new, which is where the most is as many as there
 * are queries. A run whose numbers cannot be looks up a place that is not there, which is its error; without a cache
 * queries alone are sure to be read, so that is added to them. */
static bool count_keys(adze_onnx_node *node, group *g)
{
    static const int64_t both[] = {0, 1};
    term *time = compose_scalar(node, compose_size(node, g->a.q, 2)), *full = time;
    if (g->a.past_k) full = compose2(node, "add", time, compose_scalar(node, compose_size(node, g->a.past_k, 2)));
    term *wrong = compose2(node, "add", length_error(node, g, full, time), end_error(node, g, full, time));
    if (!g->a.past_k) wrong = compose_unsqueeze(node, compose_reduce(node, "reduce_sum", wrong, both, 2, true), 2, 4);
    term *none = compose_zeros_or_error(node, wrong);
    if (!g->a.past_k) {
        g->a.q = compose2(node, "add", g->a.q, compose_cast(node, none, compose_dtype(g->a.q)));
        return g->a.q != NULL;
    }
    g->total = compose2(node, "add", g->total, none);
    g->before = compose3(node, "where", compose2(node, "equal", time, g->most), none,
                         compose2(node, "sub", g->total, time));
    return g->before != NULL;
}

static bool turn_both(adze_onnx_node *node, group *g)
{
    rotary r = {.interleaved = g->interleaved};
    term *positions = adze_onnx_operand(node, g->positions), *cos = adze_onnx_operand(node, g->cos);
    term *sin = adze_onnx_operand(node, g->cos + 1);
    if (!g->rotary) return true;
    if (!cos || !sin) return adze_onnx_invalid(node, "has no input %u", cos ? g->cos + 1 : g->cos);
    if (!adze_dim_is_const(compose_dim(g->a.q, 3), &r.size) || compose_rank(cos) != 2 ||
        !adze_dim_is_const(compose_dim(cos, 1), &r.turned))
        return adze_onnx_undetermined(node, "heads of unknown size");
    r.turned *= 2;
    if (r.turned > r.size) return adze_onnx_invalid(node, "angles for heads of %lld", (long long)r.turned);
    if (!positions) {
        positions = compose_positions(node, g->a.q, 2, 2, 1);
        if (g->before) positions = compose2(node, "add", positions, g->before);
    }
    r.cos = angles(node, cos, positions, 1);
    r.sin = angles(node, sin, positions, 1);
    term **sides[] = {&g->a.q, &g->a.k};
    for (int i = 0; i < 2; i++) {
        r.x = *sides[i];
        if (!r.cos || !r.sin || !(*sides[i] = adze_onnx_turn(node, &r))) return false;
    }
    return true;
}

/* The past with zeros up to the most keys: as long as what comes out, which has room then. */
static term *lengthened(adze_onnx_node *node, const group *g, term *past)
{
    static const int64_t zeros[6];
    term *missing = compose2(node, "sub", g->most, compose_size(node, past, 2));
    term *parts[] = {compose_ints(node, zeros, 6), compose2(node, "max", missing, compose_int(node, 0)),
                     compose_int(node, 0)};
    return compose2(node, "pad", past, compose_concat(node, parts, 3, 0));
}

/* Is the cache of the one that there is in the batch full up to the new keys? It is where it is empty, and where the
 * model says how many keys there are. */
static bool is_filled(adze_onnx_node *node, const group *g, const term *past, const term *x)
{
    int64_t before, time, end;
    if (!adze_dim_is_value(compose_dim(x, 0), 1) || !adze_dim_is_const(compose_dim(past, 2), &before)) return false;
    if (before == 0) return true;
    return adze_dim_is_const(compose_dim(x, 2), &time) &&
           adze_value_as_ints(adze_onnx_operand(node, g->ends), &end, 1) == 1 && end + g->behind == before + time;
}

/* The new keys, or values, of each of the batch behind what it has, and zeros behind them, or what was there. */
static term *cached(adze_onnx_node *node, const group *g, term *past, term *x)
{
    bool grows = g->room == NO_ROOM;
    term *all = !grows ? past : compose_concat(node, (term *[]){past, x}, 2, 2);
    if (!all) return NULL;
    if (grows && is_filled(node, g, past, x)) return all;
    term *place = compose_positions(node, all, 2, 4, 2), *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    term *time = compose_scalar(node, compose_size(node, x, 2));
    term *last = compose2(node, "sub", time, compose_number(node, ADZE_DTYPE_i64, 1));
    term *behind = compose2(node, "sub", place, compose_unsqueeze(node, g->before, 2, 4));
    term *fits = compose2(node, "and", compose2(node, "greater_equal", behind, zero),
                          compose2(node, "less_equal", behind, last));
    term *index = compose3(node, "clip", behind, zero, last);
    index = compose2(node, "expand", index, compose1(node, "shape", all));
    adze_attr axis = adze_attr_int("axis", 2);
    term *new = compose_all(node, "gather_elements", (term *[]){x, index}, 2, 2, &axis, 1);
    if (g->keeps) return compose3(node, "where", fits, new, all);
    term *old = compose3(node, "where", compose2(node, "less", behind, zero), all, compose_like(node, all, 0));
    return compose3(node, "where", fits, new, old);
}

/* A key is seen from its own place on, as far as there are keys, and within the window; and by what is `allowed`, NULL
 * for all. */
static term *hidden_keys(adze_onnx_node *node, const group *g, term *allowed)
{
    const attention *a = &g->a;
    term *key = compose_positions(node, a->k, 2, 4, 3), *query = compose_positions(node, a->q, 2, 4, 2);
    if (g->before) query = compose2(node, "add", query, compose_unsqueeze(node, g->before, 2, 4));
    term *seen = a->causal ? compose2(node, "less_equal", key, query)
                           : compose2(node, "less", key, compose_unsqueeze(node, g->total, 2, 4));
    if (a->left >= 0) {
        term *first = compose2(node, "sub", query, compose_number(node, ADZE_DTYPE_i64, (double)a->left));
        seen = compose2(node, "and", seen, compose2(node, "greater", key, first));
    }
    if (allowed) seen = compose2(node, "and", seen, allowed);
    adze_dtype dtype = compose_dtype(a->q);
    return compose3(node, "where", seen, compose_number(node, dtype, 0),
                    compose_number(node, dtype, -(double)INFINITY));
}

/* What is added to the scores [batch, heads, time, keys]: of all keys that a run has, and zeros for places of the cache
 * behind them, which are hidden. */
static term *added(adze_onnx_node *node, const group *g, term *more)
{
    static const int64_t zeros[7];
    const attention *a = &g->a;
    int64_t most, heads;
    if (compose_rank(more) < 0) return adze_onnx_undetermined(node, "an attention_bias of unknown rank"), NULL;
    if (compose_rank(more) != 4)
        return adze_onnx_invalid(node, "an attention_bias of rank %d", compose_rank(more)), NULL;
    if (adze_dim_is_const(compose_dim(more, 1), &heads) && heads != 1 && heads != a->q_heads)
        return adze_onnx_invalid(node, "an attention_bias of %lld heads", (long long)heads), NULL;
    bool fits = adze_dim_compatible(compose_dim(more, 2), compose_dim(a->q, 2)) &&
                (adze_dim_is_value(compose_dim(more, 0), 1) ||
                 adze_dim_compatible(compose_dim(more, 0), compose_dim(a->q, 0)));
    if (adze_value_as_ints(adze_onnx_operand(node, g->length), &most, 1) == 1)
        fits = fits && adze_dim_compatible(compose_dim(more, 3), adze_dim_const(node->import->context, most));
    else if (g->room == NO_ROOM)
        fits = fits && adze_dim_compatible(compose_dim(more, 3), compose_dim(a->k, 2));
    if (!fits) return adze_onnx_invalid(node, "an attention_bias of other dims than the scores"), NULL;
    if (g->room == NO_ROOM) return more;
    term *parts[] = {compose_ints(node, zeros, 7), compose2(node, "sub", compose_size(node, a->k, 2), g->most)};
    more = compose2(node, "pad", more, compose_concat(node, parts, 2, 0));
    if (!more) return NULL;
    const adze_dim *dims[] = {compose_dim(more, 0), compose_dim(more, 1), compose_dim(more, 2), compose_dim(a->k, 2)};
    for (int i = 0; i < 4; i++)
        if (adze_dim_is_unknown(dims[i])) return more;
    return compose_reshape(node, more, dims, 4);
}

bool adze_onnx_contrib_group_query(adze_onnx_node *node)
{
    group g;
    attention *a = &g.a;
    term *sink = adze_onnx_operand(node, 11), *more = adze_onnx_operand(node, 10), *scores[N_SCORES];
    if (!read_group(node, &g) || !read_projections(node, a) || !read_counts(node, &g)) return false;
    g.room = find_room(node, a);
    if (!count_keys(node, &g) || !turn_both(node, &g)) return false;
    if (a->past_k) {
        if (g.room == ROOM_NOT_SAID) {
            a->past_k = lengthened(node, &g, a->past_k);
            a->past_v = lengthened(node, &g, a->past_v);
        }
        a->k = cached(node, &g, a->past_k, a->k);
        a->v = cached(node, &g, a->past_v, a->v);
        if (!a->k || !a->v) return false;
    }
    if (node->n_out > 1) node->out[1] = a->k;
    if (node->n_out > 2) node->out[2] = a->v;
    if (sink || g.smooth > 0) {
        adze_context *context = node->import->context;
        const adze_dim *one = adze_dim_const(context, 1), *dims[] = {one, compose_dim(a->q, 1), one, one};
        a->sink = sink ? compose_reshape(node, sink, dims, 4)
                       : compose_expand(node, compose_like(node, a->q, 0), dims, 4);
        if (!a->sink) return false;
    }
    term *bias = hidden_keys(node, &g, NULL);
    if (more) bias = compose2(node, "add", bias, added(node, &g, more));
    /* a window of nothing, not even of the query's own place, gives zeros */
    return bias && compose_end(node, adze_onnx_join_heads(node, adze_onnx_attend(node, a, bias, !a->left, scores)));
}

/* ---- SparseAttention ---- */

/* Which blocks of keys [layouts, blocks, blocks] a block of queries sees, as numbers above 0: of each layout come the
 * columns of its rows one after another, and where each row begins. What lies behind the last row, or beyond the
 * blocks, is put behind them and cut off. */
static term *seen_blocks(adze_onnx_node *node, term *begins, term *columns, int64_t layouts, int64_t blocks)
{
    static const int64_t last = -1;
    adze_context *context = node->import->context;
    const adze_dim *all[] = {adze_dim_const(context, layouts), adze_dim_const(context, blocks * blocks + 1)};
    const adze_dim *square[] = {all[0], adze_dim_const(context, blocks), adze_dim_const(context, blocks)};
    term *entry = compose_positions(node, columns, 1, 3, 1);
    term *count = compose_number(node, ADZE_DTYPE_i64, (double)blocks);
    term *ends = compose_slice(node, compose_cast(node, begins, ADZE_DTYPE_i64), 1, 1, INT64_MAX, 1);
    term *over = compose2(node, "greater_equal", entry, compose_unsqueeze(node, ends, 1, 2));
    term *row = compose_reduce(node, "reduce_sum", compose_cast(node, over, ADZE_DTYPE_i64), &last, 1, false);
    columns = compose_cast(node, columns, ADZE_DTYPE_i64);
    term *inside = compose2(node, "and", compose2(node, "less", row, count), compose2(node, "less", columns, count));
    inside = compose2(node, "and", inside,
                      compose2(node, "greater_equal", columns, compose_number(node, ADZE_DTYPE_i64, 0)));
    term *place = compose2(node, "add", compose2(node, "mul", row, count), columns);
    place = compose3(node, "where", inside, place, compose_number(node, ADZE_DTYPE_i64, (double)(blocks * blocks)));
    term *one = compose_number(node, ADZE_DTYPE_f32, 1), *none = compose_number(node, ADZE_DTYPE_f32, 0);
    adze_attr axis = adze_attr_int("axis", 1);
    term *parts[] = {compose_expand(node, none, all, 2), place, compose3(node, "where", inside, one, none)};
    term *seen = compose_all(node, "scatter_elements", parts, 3, 3, &axis, 1);
    return compose_reshape(node, compose_slice(node, seen, 1, 0, blocks * blocks, 1), square, 3);
}

/* The same of each query and key [batch, heads, time, keys], as bools; heads take turns with the layouts. */
static term *seen_keys(adze_onnx_node *node, const group *g, term *blocks, int64_t layouts, int64_t size)
{
    static const int64_t turn[] = {1, 0, 2, 3};
    int64_t *turns = calloc((size_t)g->a.q_heads, sizeof *turns);
    if (!turns) return adze_error(node->loc, "out of memory"), NULL;
    for (int64_t i = 0; i < g->a.q_heads; i++) turns[i] = i % layouts;
    term *width = compose_number(node, ADZE_DTYPE_i64, (double)size);
    term *query = compose2(node, "add", compose_positions(node, g->a.q, 2, 2, 1), g->before);
    term *key = compose_positions(node, g->a.k, 2, 1, 0);
    adze_attr by_row = adze_attr_int("axis", 1), by_column = adze_attr_int("axis", 3);
    term *in[] = {blocks, compose2(node, "div", query, width)};
    term *rows = compose_all(node, "gather", in, 2, 2, &by_row, 1);
    in[0] = compose_transpose(node, rows, turn, 4);
    in[1] = compose2(node, "div", key, width);
    in[0] = compose_all(node, "gather", in, 2, 2, &by_column, 1);
    in[1] = compose_ints(node, turns, (size_t)g->a.q_heads);
    free(turns);
    term *seen = layouts == 1 ? in[0] : compose_all(node, "gather", in, 2, 2, &by_row, 1);
    return compose2(node, "greater", seen, compose_number(node, ADZE_DTYPE_f32, 0));
}

/* The dims of the layouts, and how they fit the heads and the cache. */
static bool check_layouts(adze_onnx_node *node, const group *g, int64_t size, int64_t *layouts, int64_t *blocks)
{
    enum { BEGINS = 5, COLUMNS };
    term *begins = adze_onnx_operand(node, BEGINS), *columns = adze_onnx_operand(node, COLUMNS);
    int64_t places, rows, other;
    if (!begins || !columns) return adze_onnx_invalid(node, "has no input %d", begins ? COLUMNS : BEGINS);
    if (compose_rank(begins) != 2 || compose_rank(columns) != 2)
        return adze_onnx_invalid(node, "a block mask of rank %d and %d", compose_rank(begins), compose_rank(columns));
    if (!adze_dim_is_const(compose_dim(begins, 0), layouts) || !adze_dim_is_const(compose_dim(begins, 1), &rows) ||
        !adze_dim_is_const(compose_dim(columns, 0), &other))
        return adze_onnx_undetermined(node, "a block mask of unknown dims");
    *blocks = rows - 1;
    if (*layouts < 1 || *layouts > INT16_MAX || other != *layouts || g->a.q_heads % *layouts || *blocks < 1 ||
        *blocks > INT16_MAX || g->a.q_heads > INT16_MAX)
        return adze_onnx_invalid(node, "%lld and %lld layouts of %lld blocks for %lld heads", (long long)*layouts,
                                 (long long)other, (long long)*blocks, (long long)g->a.q_heads);
    if (adze_dim_is_const(compose_dim(g->a.past_k, 2), &places) && (places + size - 1) / size > *blocks)
        return adze_onnx_invalid(node, "a cache of %lld keys and %lld blocks of %lld", (long long)places,
                                 (long long)*blocks, (long long)size);
    return true;
}

/* Attention over a cache that has room, where a mask of blocks says which of them are seen. */
bool adze_onnx_contrib_sparse_attention(adze_onnx_node *node)
{
    enum { BEGINS = 5, COLUMNS, MOST, ENDS, COS, NONE = 1 << 20 };
    group g = {.a = {.left = -1, .right = -1, .causal = 1}, .ends = ENDS, .length = MOST, .cos = COS,
               .positions = NONE, .keeps = true, .room = SAID_TO_HAVE_ROOM};
    attention *a = &g.a;
    int64_t size = 0, layouts = 1, blocks = 1;
    term *scores[N_SCORES];
    if (!adze_onnx_attr_int(node, "num_heads", &a->q_heads) ||
        !adze_onnx_attr_int(node, "kv_num_heads", &a->kv_heads) ||
        !adze_onnx_attr_float(node, "scale", &a->scale) || !adze_onnx_attr_flag(node, "do_rotary", &g.rotary) ||
        !adze_onnx_attr_flag(node, "rotary_interleaved", &g.interleaved) ||
        !adze_onnx_attr_int(node, "sparse_block_size", &size) || !check_heads(node, a) ||
        !read_projections(node, a))
        return false;
    if (size != 16 && size != 32 && size != 64 && size != 128)
        return adze_onnx_invalid(node, "attribute 'sparse_block_size' is %lld", (long long)size);
    if (!a->past_k) return adze_onnx_invalid(node, "has no cache");
    if (!check_layouts(node, &g, size, &layouts, &blocks) || !read_counts(node, &g) || !count_keys(node, &g) ||
        !turn_both(node, &g))
        return false;
    a->k = cached(node, &g, a->past_k, a->k);
    a->v = cached(node, &g, a->past_v, a->v);
    term *begins = adze_onnx_operand(node, BEGINS), *columns = adze_onnx_operand(node, COLUMNS);
    term *seen = seen_keys(node, &g, seen_blocks(node, begins, columns, layouts, blocks), layouts, size);
    term *bias = seen ? hidden_keys(node, &g, seen) : NULL;
    if (node->n_out > 1) node->out[1] = a->k;
    if (node->n_out > 2) node->out[2] = a->v;
    return bias && compose_end(node, adze_onnx_join_heads(node, adze_onnx_attend(node, a, bias, false, scores)));
}
