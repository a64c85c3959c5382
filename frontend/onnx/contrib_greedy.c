/* com.microsoft: GreedySearch over a decoder like GPT-2, as a loop around it.
 *
 * The decoder reads the prompt once, and then each word that it finds best itself, the first of equal ones. A sequence
 * ends with padding in place of the word that ends it; the search ends once all have. What ONNX Runtime leaves
 * unwritten behind that is padding here. Source: the schema of ONNX Runtime, and what its kernel for CPUs computes.
 */
#include "search.h"

#include <stdlib.h>

/* What a loop carries, from axis 0 on [batch, …]: the last word, its place, which places count; all words, and which
 * there are. Behind these come the keys and values of the decoder. */
enum { TOKENS, PLACES, MASK, SEQUENCES, SEEN, DONE, N_STATE };

enum { FIRST_CACHE = 3 }; /* inputs of the decoder ahead of its keys and values: TOKENS, PLACES, MASK */

typedef struct greedy {
    search s;
    const Pb__Graph *start; /* what reads the prompt */
    int64_t prompt;         /* its length */
} greedy;

static term *i32_of(const search *s, term *x) { return compose_cast(s->node, x, ADZE_DTYPE_i32); }

/* ---- One step ---- */

/* The words that follow from the logits. */
static bool advance(search *s, term **state, term *logits, term *length, bool first)
{
    adze_onnx_node *node = s->node;
    const adze_dim *one[] = {s->batch, search_dim(s, 1)};
    term *x = search_chances(s, state[SEEN], logits, length, first), *word, *token;
    if (!x || !compose_top(s->node, compose_squeeze(node, x, 1), 1, true, &word)) return false;
    state[DONE] = compose2(node, "or", state[DONE], compose2(node, "equal", word, search_i64(s, s->eos)));
    word = compose3(node, "where", state[DONE], search_i64(s, s->pad), word);
    token = state[TOKENS] = i32_of(s, word);
    term *here = compose2(node, "equal", compose_iota(node, search_dim(s, s->longest), 1, 0), length);
    state[SEQUENCES] = compose3(node, "where", here, token, state[SEQUENCES]);
    state[MASK] = compose_concat(node, (term *[]){state[MASK], compose_expand(node, search_i32(s, 1), one, 2)}, 2, 1);
    if (s->repetition) {
        term *words = compose_iota(node, search_dim(s, s->vocabulary), 1, 0);
        state[SEEN] =
            compose2(node, "or", state[SEEN], compose2(node, "equal", words, compose_unsqueeze(node, word, 2, 3)));
    }
    return state[SEQUENCES] && state[MASK] && state[SEEN];
}

/* Is a sequence not done? */
static term *goes_on(const search *s, term *const *state)
{
    term *done = compose_cast(s->node, state[DONE], ADZE_DTYPE_i64);
    return compose2(s->node, "equal", compose_reduce(s->node, "reduce_min", done, NULL, 0, false), search_i64(s, 0));
}

/* ---- The prompt ---- */

/* The graph's inputs by their place: words, places, mask, then these keys and values. */
static bool bind(const search *s, adze_onnx_body *body, term *const *state, term *const *caches)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < FIRST_CACHE; i++) ok = state[i] && adze_onnx_body_bind(body, i, state[i]);
    for (uint32_t i = 0; ok && i < s->n_caches; i++)
        ok = caches[i] && adze_onnx_body_bind(body, FIRST_CACHE + i, caches[i]);
    return ok;
}

/* Keys and values of nothing: [2, batch, heads, 0, size], as the graph declares them. */
static term *nothing(const search *s, const Pb__ValueInfo *info)
{
    enum { RANK = 5, BATCH = 1, TIMES = 3 };
    adze_onnx_node *node = s->node;
    const adze_dim *dims[RANK];
    int64_t n;
    const char *name = info->name ? info->name : "";
    const adze_type *type = info->type && info->type->tensor_type
                                ? adze_onnx_type(node->import, info->type, name, ADZE_ONNX_KNOWN_SYMBOLS)
                                : NULL;
    bool known = type && adze_type_is_ranked(type) && adze_type_rank(type) == RANK &&
                 adze_dtype_get_kind(adze_type_dtype(type)) == ADZE_KIND_FLOAT;
    for (uint32_t i = 0; known && i < RANK; i++) {
        dims[i] = adze_type_dim(type, i);
        known = i == BATCH || i == TIMES || adze_dim_is_const(dims[i], &n);
    }
    if (!known) return adze_onnx_unsupported(node, "a past that is not [2, batch, heads, times, size]"), NULL;
    dims[BATCH] = s->batch;
    dims[TIMES] = search_dim(s, 0);
    return compose_expand(node, compose_number(node, adze_type_dtype(type), 0), dims, RANK);
}

/* The state that the prompt is read with. Padding does not count, wherever it stands. */
static bool begin(const greedy *g, term **state)
{
    const search *s = &g->s;
    adze_onnx_node *node = s->node;
    term *counts = compose1(node, "not", compose2(node, "equal", s->ids, search_i32(s, s->pad)));
    term *mask = i32_of(s, counts), *sum = compose2(node, "cum_sum", mask, search_i64(s, 1));
    term *place = compose2(node, "sub", sum, search_i32(s, 1));
    const adze_dim *rest[] = {s->batch, search_dim(s, s->longest - g->prompt)};
    term *blank = compose_expand(node, search_i32(s, s->pad), rest, 2);
    const adze_dim *one[] = {s->batch, search_dim(s, 1)};
    state[TOKENS] = s->ids;
    state[PLACES] = compose3(node, "where", counts, place, search_i32(s, 0));
    state[MASK] = mask;
    state[SEQUENCES] = compose_concat(node, (term *[]){s->ids, blank}, 2, 1);
    state[DONE] = compose_expand(node, compose_number(node, ADZE_DTYPE_bool, 0), one, 2);
    for (uint32_t i = 0; i < N_STATE; i++)
        if (i != SEEN && !state[i]) return false;
    return true;
}

/* Which words the prompt has, [batch, 1, words]; without a penalty for that, nothing of the kind. */
static term *words_of(const search *s, int64_t words)
{
    adze_onnx_node *node = s->node;
    term *all = compose_iota(node, search_dim(s, s->repetition ? words : 1), 3, 2);
    term *here = compose2(node, "equal", i32_of(s, all), compose_unsqueeze(node, s->ids, 2, 3));
    return compose_cast(node, compose_reduce(node, "reduce_max", i32_of(s, here), (int64_t[]){1}, 1, true),
                        ADZE_DTYPE_bool);
}

/* The first run of the decoder, and the word behind the prompt. */
static bool read_prompt(greedy *g, term **state)
{
    search *s = &g->s;
    adze_onnx_node *node = s->node;
    adze_onnx_body body;
    int64_t words = 0;
    term *count = compose_reduce(node, "reduce_sum", state[MASK], (int64_t[]){1}, 1, true);
    bool ok = adze_onnx_body_begin(&body, node, node->scope, g->start);
    for (uint32_t i = 0; ok && i < s->n_caches; i++)
        ok = (state[N_STATE + i] = nothing(s, g->start->input[FIRST_CACHE + i])) != NULL;
    ok = ok && bind(s, &body, state, state + N_STATE) && adze_onnx_body_run(&body);
    term *logits = ok ? body.out[0] : NULL;
    for (uint32_t i = 0; ok && i < s->n_caches; i++) state[N_STATE + i] = body.out[1 + i];
    adze_onnx_body_end(&body);
    if (compose_rank(logits) == 3) adze_dim_is_const(compose_dim(logits, 2), &words);
    state[SEEN] = ok ? words_of(s, words) : NULL;
    state[PLACES] = count;
    return count && state[SEEN] && advance(s, state, logits, search_i64(s, g->prompt), true);
}

/* ---- The loop ---- */

static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    const greedy *g = self->own;
    term **values = calloc(N_STATE + g->s.n_caches, sizeof *values);
    if (!values) abort();
    for (uint32_t i = 0; i < N_STATE + g->s.n_caches; i++) values[i] = adze_region_arg(region, 1 + i);
    bool ok = bind(&g->s, body, values, values + N_STATE);
    free(values);
    return ok;
}

static bool leave(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    greedy *g = self->own;
    search *s = &g->s;
    term **out = calloc(1 + self->n_carried, sizeof *out), **state = out + 1;
    if (!out) abort();
    for (uint32_t i = 0; i < N_STATE; i++) state[i] = adze_region_arg(region, 1 + i);
    for (uint32_t i = 0; i < s->n_caches; i++) state[N_STATE + i] = body->out[1 + i];
    state[PLACES] = compose2(s->node, "add", state[PLACES], search_i32(s, 1));
    term *length = compose2(s->node, "add", adze_region_arg(region, 0), search_i64(s, g->prompt + 1));
    bool ok = state[PLACES] && advance(s, state, body->out[0], length, false);
    out[0] = ok ? goes_on(s, state) : NULL;
    ok = out[0] != NULL;
    free(body->out);
    body->out = out;
    return ok;
}

static term *repeat(greedy *g, term **state)
{
    search *s = &g->s;
    adze_onnx_repeat loop = {.node = s->node, .scope = s->node->scope, .graph = s->decoder, .carried = state,
                             .n_carried = N_STATE + s->n_caches, .decides = true, .enter = enter, .leave = leave,
                             .own = g};
    if (g->prompt + 1 == s->longest) return state[SEQUENCES];
    loop.bound = search_i64(s, s->longest - g->prompt - 1);
    loop.condition = goes_on(s, state);
    adze_op *op = loop.bound && loop.condition ? adze_onnx_repeat_import(&loop) : NULL;
    return op ? adze_onnx_repeat_result(&loop, op, SEQUENCES) : NULL;
}

/* ---- What the node says ---- */

static bool check_graph(adze_onnx_node *node, const Pb__Graph *graph, uint32_t n_caches)
{
    return (n_caches && n_caches <= SEARCH_CACHES && graph->n_input == FIRST_CACHE + n_caches &&
            graph->n_output == 1 + n_caches) ||
           adze_onnx_unsupported(node, "a decoder of %zu inputs and %zu outputs", graph->n_input, graph->n_output);
}

bool adze_onnx_contrib_greedy_search(adze_onnx_node *node)
{
    enum { CUSTOM_MASK = 6 };
    static const search_places at = {.repetition = 3, .allowed = 4, .first = 5};
    greedy g = {.s = {.node = node, .beams = 1}};
    search *s = &g.s;
    if (!search_read_attributes(s, 0) || !search_read(s, &at)) return false;
    if (adze_onnx_operand(node, CUSTOM_MASK)) return adze_onnx_unsupported(node, "an attention_mask");
    if (!adze_dim_is_const(compose_dim(s->ids, 1), &g.prompt))
        return adze_onnx_undetermined(node, "a prompt of unknown length");
    if (g.prompt < 1 || g.prompt >= s->longest)
        return adze_onnx_invalid(node, "max_length is %lld, and a prompt has %lld", (long long)s->longest,
                                 (long long)g.prompt);
    s->decoder = adze_onnx_attr_graph(node, "decoder");
    if (!s->decoder) return false;
    g.start = adze_onnx_attr(node, "init_decoder") ? adze_onnx_attr_graph(node, "init_decoder") : s->decoder;
    s->n_caches = s->decoder->n_output ? (uint32_t)s->decoder->n_output - 1 : 0;
    if (!g.start || !check_graph(node, s->decoder, s->n_caches) || !check_graph(node, g.start, s->n_caches))
        return false;
    term **state = calloc(N_STATE + s->n_caches, sizeof *state);
    if (!state) abort();
    node->out[0] = begin(&g, state) && read_prompt(&g, state) ? repeat(&g, state) : NULL;
    free(state);
    return node->out[0] != NULL;
}
