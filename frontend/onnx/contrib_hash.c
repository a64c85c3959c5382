/* com.microsoft: numbers of words and n-grams for tables of embeddings, and words by their characters. */
#include "contrib.h"

#include <math.h>
#include <stdlib.h>

/* ---- MurmurHash3 ---- */

static term *u32(adze_onnx_node *node, uint32_t value) { return compose_number(node, ADZE_DTYPE_u32, value); }

static term *times(adze_onnx_node *node, term *x, uint32_t by) { return compose2(node, "mul", x, u32(node, by)); }

static term *turned(adze_onnx_node *node, term *x, uint32_t by)
{
    return compose2(node, "bitwise_or", compose2(node, "shift_left", x, u32(node, by)),
                    compose2(node, "shift_right", x, u32(node, 32 - by)));
}

static term *mixed(adze_onnx_node *node, term *x, uint32_t by)
{
    return compose2(node, "bitwise_xor", x, compose2(node, "shift_right", x, u32(node, by)));
}

/* One block of 4 bytes into the hash. */
static term *take_block(adze_onnx_node *node, term *hash, term *block)
{
    block = times(node, turned(node, times(node, block, 0xcc9e2d51), 15), 0x1b873593);
    hash = turned(node, compose2(node, "bitwise_xor", hash, block), 13);
    return compose2(node, "add", times(node, hash, 5), u32(node, 0xe6546b64));
}

/* MurmurHash3_x86_32 (Appleby) of each element's bytes, the lowest first. */
bool adze_onnx_contrib_murmur(adze_onnx_node *node)
{
    enum { HALF = 32 };
    int64_t seed = 0, positive = 1;
    term *x;
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "seed", &seed) || !adze_onnx_attr_flag(node, "positive", &positive) ||
        !compose_operand(node, 0, 0, &x, &rank))
        return false;
    adze_dtype dtype = compose_dtype(x);
    bool wide = dtype == ADZE_DTYPE_i64 || dtype == ADZE_DTYPE_u64 || dtype == ADZE_DTYPE_f64;
    if (!wide && dtype != ADZE_DTYPE_i32 && dtype != ADZE_DTYPE_u32 && dtype != ADZE_DTYPE_f32)
        return adze_onnx_unsupported(node, "elements that are not of 4 or 8 bytes");
    term *bits = compose_with(node, "bitcast", x, adze_attr_type("to", wide ? ADZE_DTYPE_u64 : ADZE_DTYPE_u32));
    term *hash = u32(node, (uint32_t)seed), *blocks[2] = {compose_cast(node, bits, ADZE_DTYPE_u32)};
    if (wide) {
        term *high = compose2(node, "shift_right", bits, compose_number(node, ADZE_DTYPE_u64, HALF));
        blocks[0] =
            compose_cast(node, compose2(node, "bitwise_and", bits, compose_number(node, ADZE_DTYPE_u64, UINT32_MAX)),
                         ADZE_DTYPE_u32);
        blocks[1] = compose_cast(node, high, ADZE_DTYPE_u32);
    }
    for (int i = 0; i < 1 + wide; i++) hash = take_block(node, hash, blocks[i]);
    hash = compose2(node, "bitwise_xor", hash, u32(node, wide ? 8 : 4));
    hash = mixed(node, times(node, mixed(node, hash, 16), 0x85ebca6b), 13);
    hash = mixed(node, times(node, hash, 0xc2b2ae35), 16);
    if (!positive) hash = compose_with(node, "bitcast", hash, adze_attr_type("to", ADZE_DTYPE_i32));
    return compose_end(node, hash);
}

/* ---- N-grams ---- */

typedef struct grams {
    adze_onnx_node *node;
    int64_t most, heads, pad, resets;
    term *multipliers, *sizes, *offsets, *eos, *segments;
    term *all, *fill, *starts; /* what was before, then the ids; what stands for nothing; where segments begin */
} grams;

/* Columns of x [batch, most - 1 + length] that lie `back` before the ids'. */
static term *before(const grams *g, term *x, int64_t back)
{
    int64_t first = g->most - 1 - back;
    return compose_slice(g->node, x, 1, first, back ? -back : INT64_MAX, 1);
}

/* The ids `back` places before each, where nothing ended in between. */
static term *ids_before(const grams *g, int64_t back)
{
    adze_onnx_node *node = g->node;
    term *ids = before(g, g->all, back), *ends = NULL;
    for (int64_t i = 1; g->resets && g->eos && i <= back; i++) {
        term *end = compose2(node, "equal", before(g, g->all, i), g->eos);
        ends = ends ? compose2(node, "or", ends, end) : end;
    }
    for (int64_t i = 0; g->starts && i < back; i++) {
        term *start = before(g, g->starts, i);
        ends = ends ? compose2(node, "or", ends, start) : start;
    }
    return ends ? compose3(node, "where", ends, g->fill, ids) : ids;
}

/* Ones where a segment is another than before, with zeros for what was before all. */
static term *segment_starts(const grams *g)
{
    adze_onnx_node *node = g->node;
    int64_t pads[] = {0, g->most, 0, 0};
    term *now = compose_slice(node, g->segments, 1, 1, INT64_MAX, 1);
    term *last = compose_slice(node, g->segments, 1, 0, -1, 1);
    term *other = compose_cast(node, compose1(node, "not", compose2(node, "equal", now, last)), ADZE_DTYPE_i32);
    return compose_cast(node, compose2(node, "pad", other, compose_ints(node, pads, 4)), ADZE_DTYPE_bool);
}

/* Sizes are above 0. Reports a constant one that is not; a run with another is an error. */
static bool check_sizes(grams *g, int64_t count)
{
    static const int64_t only[] = {0};
    adze_onnx_node *node = g->node;
    int64_t *sizes = calloc((size_t)count, sizeof *sizes);
    int known = sizes ? adze_value_as_ints(g->sizes, sizes, (int)count) : -1;
    bool ok = true;
    for (int i = 0; ok && i < known; i++)
        if (sizes[i] < 1)
            ok = adze_onnx_invalid(node, "vocab_sizes must be positive; entry %d is %lld", i, (long long)sizes[i]);
    free(sizes);
    if (!ok || known == count) return ok;
    term *wrong = compose_cast(node, compose2(node, "less", g->sizes, compose_like(node, g->sizes, 1)),
                               ADZE_DTYPE_i64);
    wrong = compose_zeros_or_error(node, compose_reduce(node, "reduce_sum", wrong, only, 1, true));
    g->sizes = compose2(node, "add", g->sizes, compose_cast(node, wrong, compose_dtype(g->sizes)));
    return g->sizes != NULL;
}

static bool read_grams(grams *g, term **out_ids)
{
    enum { IDS, MULTIPLIERS, SIZES, PAST, OFFSETS, EOS, SEGMENTS };
    adze_onnx_node *node = g->node;
    uint32_t rank, unused;
    int64_t count, factors;
    if (!adze_onnx_attr_int(node, "max_ngram_size", &g->most) ||
        !adze_onnx_attr_int(node, "n_head_per_ngram", &g->heads) || !adze_onnx_attr_int(node, "pad_id", &g->pad) ||
        !adze_onnx_attr_int(node, "reset_on_eos", &g->resets) || !compose_operand(node, IDS, 1, out_ids, &rank) ||
        !compose_operand(node, MULTIPLIERS, 1, &g->multipliers, &unused) ||
        !compose_operand(node, SIZES, 1, &g->sizes, &unused))
        return false;
    if (!adze_onnx_attr(node, "pad_id")) return adze_onnx_invalid(node, "attribute 'pad_id' is missing");
    if (rank != 2) return adze_onnx_invalid(node, "ids of rank %u, not 2", rank);
    if (g->most < 2 || g->most > 64 || g->heads < 1 || g->heads > 1024)
        return adze_onnx_invalid(node, "n-grams up to %lld of %lld heads", (long long)g->most, (long long)g->heads);
    if (!adze_dim_is_const(compose_dim(g->sizes, 0), &count) || count != (g->most - 1) * g->heads ||
        !adze_dim_is_const(compose_dim(g->multipliers, 0), &factors) || factors < g->most)
        return adze_onnx_invalid(node, "vocab_sizes that are not %lld, or fewer multipliers than %lld",
                                 (long long)((g->most - 1) * g->heads), (long long)g->most);
    if (!check_sizes(g, count)) return false;
    term *ids = *out_ids, *past = adze_onnx_operand(node, PAST);
    g->offsets = adze_onnx_operand(node, OFFSETS);
    g->eos = adze_onnx_operand(node, EOS);
    g->segments = adze_onnx_operand(node, SEGMENTS);
    if (g->eos && !(g->eos = compose_scalar(node, g->eos))) return false;
    g->fill = g->eos ? g->eos : compose_like(node, ids, (double)g->pad);
    if (!past) {
        const adze_dim *dims[] = {compose_dim(ids, 0), adze_dim_const(node->import->context, g->most - 1)};
        past = compose_expand(node, g->fill, dims, 2);
    } else if (compose_rank(past) != 2) {
        return adze_onnx_invalid(node, "past_ids of rank %d, not 2", compose_rank(past));
    }
    g->all = compose_concat(node, (term *[]){past, ids}, 2, 1);
    if (g->segments && compose_rank(g->segments) != 2)
        return adze_onnx_invalid(node, "segment_ids of rank %d, not 2", compose_rank(g->segments));
    g->starts = g->segments ? segment_starts(g) : NULL;
    return g->all && (!g->segments || g->starts);
}

/* Of the last n ids, for each n up to the most, times a factor each and mixed, what is left by each head's size. */
bool adze_onnx_contrib_ngram_hash(adze_onnx_node *node)
{
    grams g = {.node = node};
    term *ids, *parts[64], *mix = NULL;
    if (!read_grams(&g, &ids)) return false;
    for (int64_t n = 1; n <= g.most; n++) {
        term *one = compose2(node, "mul", ids_before(&g, n - 1), compose_slice(node, g.multipliers, 0, n - 1, n, 1));
        mix = mix ? compose2(node, "bitwise_xor", mix, one) : one;
        if (n < 2) continue;
        term *sizes = compose_slice(node, g.sizes, 0, (n - 2) * g.heads, (n - 1) * g.heads, 1);
        parts[n - 2] = compose2(node, "mod", compose_unsqueeze(node, mix, 2, 3), sizes);
    }
    term *all = compose_concat(node, parts, (uint32_t)(g.most - 1), 2);
    if (g.offsets) all = compose2(node, "add", all, g.offsets);
    node->out[0] = all;
    if (node->n_out > 1) node->out[1] = compose_slice(node, g.all, 1, -(g.most - 1), INT64_MAX, 1);
    return node->out[0] && (node->n_out < 2 || node->out[1]);
}

/* ---- Words by their characters ---- */

/* Words i32[n, length] of characters as vectors: a convolution over the characters' vectors, tanh, and the largest of
 * its windows, of which there are as many as the word's characters (those above 0) have room for, at least one. What
 * begins with no character is zeros. */
bool adze_onnx_contrib_word_conv(adze_onnx_node *node)
{
    enum { WORDS, WEIGHT, BIAS, VECTORS, COUNT };
    static const int ranks[] = {2, 4, 1, 2};
    static const char *names[] = {"conv_window_size", "embedding_size", "char_embedding_size"};
    static const int axes[] = {2, 0, 3};
    term *in[COUNT];
    uint32_t rank;
    int64_t length, window = 0, last = -1;
    for (uint32_t i = 0; i < COUNT; i++) {
        if (!compose_operand(node, i, 1, &in[i], &rank)) return false;
        if ((int)rank != ranks[i])
            return adze_onnx_unsupported(node, "an input %u of rank %u, not %d", i, rank, ranks[i]);
    }
    for (int i = 2; i >= 0; i--) {
        int64_t given = -1, size;
        if (!adze_onnx_attr_int(node, names[i], &given)) return false;
        if (!adze_dim_is_const(compose_dim(in[WEIGHT], (uint32_t)axes[i]), &size))
            return adze_onnx_undetermined(node, "a weight of unknown dims");
        if (given != -1 && given != size)
            return adze_onnx_invalid(node, "attribute '%s' is %lld, and the weight has %lld", names[i],
                                     (long long)given, (long long)size);
        if (i == 0) window = size;
    }
    if (!adze_dim_is_const(compose_dim(in[WORDS], 1), &length) || length < window)
        return adze_onnx_invalid(node, "words that are shorter than windows of %lld", (long long)window);
    adze_attr rows = adze_attr_int("axis", 0);
    term *x = compose_all(node, "gather", (term *[]){in[VECTORS], in[WORDS]}, 2, 2, &rows, 1);
    x = compose_all(node, "conv", (term *[]){compose_unsqueeze(node, x, 1, 2), in[WEIGHT], in[BIAS]}, 3, 3, NULL, 0);
    x = compose1(node, "tanh", compose_squeeze(node, x, 3));
    term *there = compose2(node, "greater", in[WORDS], compose_number(node, ADZE_DTYPE_i32, 0));
    term *count = compose_reduce(node, "reduce_sum", compose_cast(node, there, ADZE_DTYPE_i64), &last, 1, true);
    count = compose2(node, "sub", count, compose_number(node, ADZE_DTYPE_i64, (double)(window - 1)));
    count = compose2(node, "max", count, compose_number(node, ADZE_DTYPE_i64, 1));
    term *place = compose_iota(node, adze_dim_const(node->import->context, length - window + 1), 3, 2);
    term *counts = compose2(node, "less", place, compose_unsqueeze(node, count, 2, 3));
    x = compose3(node, "where", counts, x, compose_number(node, ADZE_DTYPE_f32, -(double)INFINITY));
    x = compose_reduce(node, "reduce_max", x, &last, 1, false);
    term *first = compose_slice(node, there, 1, 0, 1, 1);
    return compose_end(node, compose3(node, "where", first, x, compose_number(node, ADZE_DTYPE_f32, 0)));
}
