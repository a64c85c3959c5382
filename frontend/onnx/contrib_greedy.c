/* com.microsoft: GreedySearch over a decoder like GPT-2, as a loop around it.
 *
 * The decoder reads the prompt once, and then each word that it finds best itself, the first of equal ones. A sequence
 * ends with padding in place of the word that ends it; the search ends once all have. What ONNX Runtime leaves
 * unwritten behind that is padding here. Source: the schema of ONNX Runtime, and what its kernel for CPUs computes.
 */
#include "search.h"

#include <stdlib.h>

/* What a loop carries, from axis 0 on [batch, …]: what the decoder reads, all words, which there are, and which
 * sequences are done, and what the last words were drawn by. Behind these come the keys and values of the decoder. */
enum { VALUES, SEQUENCES = N_PROMPT, SEEN, DONE, FILTERED, N_STATE };

/* ---- One step ---- */

/* The words that follow from the logits. */
static bool advance(search *s, term **state, term *logits, term *length, bool first)
{
    adze_onnx_node *node = s->node;
    search_step step = {state[SEEN], NULL, length, first};
    if (s->ngram) step.sequences = compose_unsqueeze(node, state[SEQUENCES], 1, 2);
    term *x = compose_squeeze(node, search_chances(s, &step, logits), 1), *word, *token;
    if (s->sampling)
        word = search_sample(s, x, length, &state[FILTERED]);
    else if (!compose_top(s->node, x, 1, true, &word))
        return false;
    state[DONE] = compose2(node, "or", state[DONE], compose2(node, "equal", word, search_i64(s, s->eos)));
    word = compose3(node, "where", state[DONE], search_i64(s, s->pad), word);
    token = state[PROMPT_WORDS] = compose_cast(node, word, ADZE_DTYPE_i32);
    term *here = compose2(node, "equal", compose_iota(node, search_dim(s, s->longest), 1, 0), length);
    state[SEQUENCES] = compose3(node, "where", here, token, state[SEQUENCES]);
    if (s->repetition) {
        term *words = compose_iota(node, search_dim(s, s->vocabulary), 1, 0);
        state[SEEN] =
            compose2(node, "or", state[SEEN], compose2(node, "equal", words, compose_unsqueeze(node, word, 2, 3)));
    }
    return token && state[SEQUENCES] && state[SEEN];
}

/* The first run of the decoder, and the word behind the prompt. */
static bool begin(search *s, term *mask, term **state)
{
    adze_onnx_node *node = s->node;
    int64_t words = 0;
    const adze_dim *rest[] = {s->batch, search_dim(s, s->longest - s->prompt)};
    const adze_dim *one[] = {s->batch, search_dim(s, 1)};
    term *blank = compose_expand(node, search_i32(s, s->pad), rest, 2);
    term *logits = search_prompt_read(s, mask, state + VALUES, state + N_STATE);
    if (compose_rank(logits) == 3) adze_dim_is_const(compose_dim(logits, 2), &words);
    state[SEQUENCES] = compose_concat(node, (term *[]){s->ids, blank}, 2, 1);
    state[DONE] = compose_expand(node, compose_number(node, ADZE_DTYPE_bool, 0), one, 2);
    state[SEEN] = logits ? search_seen(s, s->ids, words) : NULL;
    state[FILTERED] = search_f32(s, 0);
    return state[SEQUENCES] && state[DONE] && state[SEEN] && advance(s, state, logits, search_i64(s, s->prompt), true);
}

/* ---- The loop ---- */

static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    const search *s = self->own;
    term **values = calloc(N_STATE + s->n_caches, sizeof *values);
    if (!values) abort();
    for (uint32_t i = 0; i < N_STATE + s->n_caches; i++) values[i] = adze_region_arg(region, 1 + i);
    bool ok = search_prompt_bind(s, body, values + VALUES, values + N_STATE);
    free(values);
    return ok;
}

static bool leave(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    search *s = self->own;
    term **out = calloc(1 + self->n_carried, sizeof *out), **state = out + 1;
    if (!out) abort();
    for (uint32_t i = 0; i < N_STATE; i++) state[i] = adze_region_arg(region, 1 + i);
    for (uint32_t i = 0; i < s->n_caches; i++) state[N_STATE + i] = body->out[1 + i];
    term *length = compose2(s->node, "add", adze_region_arg(region, 0), search_i64(s, s->prompt + 1));
    bool ok = search_prompt_next(s, state + VALUES, s->batch) && advance(s, state, body->out[0], length, false);
    out[0] = ok ? search_goes_on(s, state[DONE]) : NULL;
    ok = out[0] != NULL;
    free(body->out);
    body->out = out;
    return ok;
}

/* The state behind the first step to that behind the last. */
static bool repeat(search *s, term **state)
{
    adze_onnx_repeat loop = {.node = s->node,
                             .scope = s->node->scope,
                             .graph = s->decoder,
                             .carried = state,
                             .n_carried = N_STATE + s->n_caches,
                             .decides = true,
                             .enter = enter,
                             .leave = leave,
                             .own = s};
    if (s->prompt + 1 == s->longest) return true;
    loop.bound = search_i64(s, s->longest - s->prompt - 1);
    loop.condition = search_goes_on(s, state[DONE]);
    adze_op *op = loop.bound && loop.condition ? adze_onnx_repeat_import(&loop) : NULL;
    for (uint32_t i = SEQUENCES; op && i < N_STATE; i++) state[i] = adze_onnx_repeat_result(&loop, op, i);
    return op != NULL;
}

bool search_greedy_read(search *s)
{
    static const search_places at = {.repetition = 3, .allowed = 4, .first = 5};
    s->beams = 1;
    return search_read_attributes(s, SEARCH_GPT) && search_read(s, &at) && search_prompt_graphs(s);
}

bool search_greedy_run(search *s)
{
    enum { MASK = 6 };
    adze_onnx_node *node = s->node;
    term **state = calloc(N_STATE + s->n_caches, sizeof *state);
    if (!state) abort();
    bool ok = begin(s, adze_onnx_operand(node, MASK), state) && repeat(s, state);
    if (ok) node->out[0] = state[SEQUENCES];
    if (ok && s->sampling && node->n_out > 1) node->out[1] = state[FILTERED];
    free(state);
    return ok;
}

bool adze_onnx_contrib_greedy_search(adze_onnx_node *node)
{
    search s = {.node = node};
    return search_greedy_read(&s) && search_greedy_run(&s);
}
