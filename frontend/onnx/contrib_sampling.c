/* com.microsoft: Sampling over a decoder like GPT-2: GreedySearch whose words are drawn by their chances.
 *
 * Of the chances, by the temperature, only the best words stay, whose shares together come to top_p (Holtzman et al.,
 * "The Curious Case of Neural Text Degeneration", 2020, section 3.1). ONNX Runtime finds them from the worst on, or
 * where `custom` says so from the best on. All random numbers are drawn ahead of the loop, one for each word. Source:
 * the schema of ONNX Runtime, and what its kernel for CPUs computes; its generator of random numbers is another.
 */
#include "search.h"

struct search_sampling {
    double temperature, top_p, filter;
    int64_t custom, keep;
    term *draws; /* in [0, 1), f64[steps, batch] */
};

/* ---- One word ---- */

/* Which words of x [batch, words] are too bad. */
static term *too_bad(const search *s, term *x)
{
    adze_onnx_node *node = s->node;
    const search_sampling *how = s->sampling;
    term *at, *bad, *sorted = compose_top(node, x, s->vocabulary, how->custom != 0, &at);
    term *sum =
        compose2(node, "cum_sum", compose_with(node, "softmax", sorted, adze_attr_int("axis", -1)), search_i64(s, 1));
    term *place = compose_iota(node, search_dim(s, s->vocabulary), 2, 1);
    if (how->custom) {
        const adze_dim *one[] = {s->batch, search_dim(s, 1)};
        term *over =
            compose2(node, "greater", compose_slice(node, sum, 1, 0, s->vocabulary - 1, 1), search_f32(s, how->top_p));
        term *best = compose_expand(node, compose_number(node, ADZE_DTYPE_bool, 0), one, 2);
        bad = compose_concat(node, (term *[]){best, over}, 2, 1);
    } else {
        int64_t last = s->vocabulary - how->keep;
        term *may = compose2(node, "less", place, search_i64(s, last > 1 ? last : 1));
        double rest = (float)1 - (float)how->top_p;
        bad = compose2(node, "and", compose2(node, "less_equal", sum, search_f32(s, rest)), may);
    }
    term *none = compose2(node, "mul", compose_cast(node, at, ADZE_DTYPE_i32), search_i32(s, 0));
    adze_attr axis = adze_attr_int("axis", 1);
    term *in[] = {none, at, compose_cast(node, bad, ADZE_DTYPE_i32)};
    return compose_cast(node, compose_all(node, "scatter_elements", in, 3, 3, &axis, 1), ADZE_DTYPE_bool);
}

/* The first word whose share, with those of all words before it, is more than a random number. */
term *search_sample(const search *s, term *x, term *length, term **out_filtered)
{
    adze_onnx_node *node = s->node;
    const search_sampling *how = s->sampling;
    x = compose2(node, "div", x, search_f32(s, how->temperature));
    *out_filtered = x = compose3(node, "where", too_bad(s, x), search_f32(s, how->filter), x);
    term *share = compose_with(node, "softmax", compose_cast(node, x, ADZE_DTYPE_f64), adze_attr_int("axis", -1));
    term *sum = compose2(node, "cum_sum", share, search_i64(s, 1));
    term *all = compose_reduce(node, "reduce_max", sum, (int64_t[]){1}, 1, true);
    adze_attr axis = adze_attr_int("axis", 0);
    term *step = compose2(node, "sub", length, search_i64(s, s->prompt));
    term *draw = compose_all(node, "gather", (term *[]){how->draws, step}, 2, 2, &axis, 1);
    term *upto = compose2(node, "mul", compose_unsqueeze(node, draw, 1, 2), all);
    term *before = compose2(node, "and", compose2(node, "less_equal", sum, upto), compose2(node, "less", sum, all));
    return compose_reduce(node, "reduce_sum", compose_cast(node, before, ADZE_DTYPE_i64), (int64_t[]){1}, 1, true);
}

/* ---- What the node says ---- */

/* Numbers for all words that may be drawn. */
static bool draw(search *s, search_sampling *how)
{
    enum { SEED = 8 };
    adze_onnx_node *node = s->node;
    int64_t seed = 0;
    const adze_dim *dims[] = {search_dim(s, s->longest - s->prompt), s->batch};
    adze_attr seeded = adze_attr_float("seed", 0);
    bool given = adze_onnx_operand(node, SEED) != NULL;
    if (!search_count(node, SEED, "seed", 0, INT32_MAX, &seed)) return false;
    seeded = adze_attr_float("seed", (double)seed);
    term *like = compose_expand(node, compose_number(node, ADZE_DTYPE_f64, 0), dims, 2);
    how->draws = compose_all(node, "random_uniform_like", &like, 1, 1, &seeded, given);
    return how->draws != NULL;
}

static bool read_sampling(search *s, search_sampling *how)
{
    enum { PRESENCE = 7 };
    adze_onnx_node *node = s->node;
    double presence = 0;
    if (!adze_onnx_attr_float(node, "temperature", &how->temperature) ||
        !adze_onnx_attr_float(node, "top_p", &how->top_p) ||
        !adze_onnx_attr_float(node, "filter_value", &how->filter) ||
        !adze_onnx_attr_float(node, "presence_penalty", &presence) ||
        !adze_onnx_attr_flag(node, "custom", &how->custom) ||
        !adze_onnx_attr_int(node, "min_tokens_to_keep", &how->keep))
        return false;
    if (!(how->temperature > 0)) return adze_onnx_invalid(node, "attribute 'temperature' is %g", how->temperature);
    if (!(how->top_p >= 0 && how->top_p <= 1)) return adze_onnx_invalid(node, "attribute 'top_p' is %g", how->top_p);
    if (how->keep < 0) return adze_onnx_invalid(node, "attribute 'min_tokens_to_keep' is %lld", (long long)how->keep);
    if (presence != 0 && adze_onnx_operand(node, PRESENCE)) return adze_onnx_unsupported(node, "a presence_penalty");
    return true;
}

bool adze_onnx_contrib_sampling(adze_onnx_node *node)
{
    search_sampling how = {.temperature = 1, .filter = -1e20};
    search s = {.node = node, .sampling = &how};
    return read_sampling(&s, &how) && search_greedy_read(&s) && draw(&s, &how) && search_greedy_run(&s);
}
