/* What searches share over a decoder like GPT-2: it reads the prompt once, then each word that was found by itself.
 *
 * Inputs by their place: words, their places, which of all words count, then keys and values of all words ahead, of a
 * layer each [2, batch, heads, times, size]; results: logits, then keys and values again. Source: the schema of ONNX
 * Runtime, and what its kernel for CPUs gives such a graph.
 */
#include "search.h"

/* ---- Running it ---- */

bool search_prompt_bind(const search *s, adze_onnx_body *body, term *const *values, term *const *caches)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < N_PROMPT; i++) ok = values[i] && adze_onnx_body_bind(body, i, values[i]);
    for (uint32_t i = 0; ok && i < s->n_caches; i++)
        ok = caches[i] && adze_onnx_body_bind(body, N_PROMPT + i, caches[i]);
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

/* What the prompt is read with. Padding has place 0, wherever it stands and whatever a mask says; other words are
 * counted. */
static bool begin(const search *s, term *mask, term **values, term **out_count)
{
    adze_onnx_node *node = s->node;
    term *counts = compose1(node, "not", compose2(node, "equal", s->ids, search_i32(s, s->pad)));
    term *ones = compose_cast(node, counts, ADZE_DTYPE_i32), *sum = compose2(node, "cum_sum", ones, search_i64(s, 1));
    term *place = compose2(node, "sub", sum, search_i32(s, 1));
    *out_count = compose_reduce(node, "reduce_sum", ones, (int64_t[]){1}, 1, true);
    values[PROMPT_WORDS] = s->ids;
    values[PROMPT_PLACES] = compose3(node, "where", counts, place, search_i32(s, 0));
    values[PROMPT_MASK] = mask ? mask : ones;
    return *out_count && values[PROMPT_PLACES] && values[PROMPT_MASK];
}

/* One more word counts. */
static term *longer(const search *s, term *mask, const adze_dim *rows)
{
    const adze_dim *one[] = {rows, search_dim(s, 1)};
    return compose_concat(s->node, (term *[]){mask, compose_expand(s->node, search_i32(s, 1), one, 2)}, 2, 1);
}

bool search_prompt_next(const search *s, term **values, const adze_dim *rows)
{
    values[PROMPT_PLACES] = compose2(s->node, "add", values[PROMPT_PLACES], search_i32(s, 1));
    values[PROMPT_MASK] = longer(s, values[PROMPT_MASK], rows);
    return values[PROMPT_PLACES] && values[PROMPT_MASK];
}

term *search_prompt_read(search *s, term *mask, term **values, term **caches)
{
    adze_onnx_node *node = s->node;
    adze_onnx_body body;
    term *count;
    int64_t length;
    if (mask && (compose_rank(mask) != 2 || compose_dtype(mask) != ADZE_DTYPE_i32))
        return adze_onnx_unsupported(node, "an attention_mask that is not i32[batch, length]"), NULL;
    if (mask && adze_dim_is_const(compose_dim(mask, 1), &length) && length != s->prompt)
        return adze_onnx_invalid(node, "an attention_mask of %lld, and a prompt has %lld", (long long)length,
                                 (long long)s->prompt),
               NULL;
    bool ok = adze_onnx_body_begin(&body, node, node->scope, s->reader) && begin(s, mask, values, &count);
    for (uint32_t i = 0; ok && i < s->n_caches; i++)
        ok = (caches[i] = nothing(s, s->reader->input[N_PROMPT + i])) != NULL;
    ok = ok && search_prompt_bind(s, &body, values, caches) && adze_onnx_body_run(&body);
    term *logits = ok ? body.out[0] : NULL;
    for (uint32_t i = 0; ok && i < s->n_caches; i++) caches[i] = body.out[1 + i];
    adze_onnx_body_end(&body);
    if (!logits) return NULL;
    values[PROMPT_PLACES] = count;
    values[PROMPT_MASK] = longer(s, values[PROMPT_MASK], s->batch);
    return values[PROMPT_MASK] ? logits : NULL;
}

/* ---- What the node says ---- */

static bool check_graph(const search *s, const Pb__Graph *graph)
{
    uint32_t n = s->n_caches;
    return (n && n <= SEARCH_CACHES && graph->n_input == N_PROMPT + n && graph->n_output == 1 + n) ||
           adze_onnx_unsupported(s->node, "a decoder of %zu inputs and %zu outputs", graph->n_input, graph->n_output);
}

bool search_prompt_graphs(search *s)
{
    adze_onnx_node *node = s->node;
    if (!adze_dim_is_const(compose_dim(s->ids, 1), &s->prompt))
        return adze_onnx_undetermined(node, "a prompt of unknown length");
    if (s->prompt < 1 || s->prompt >= s->longest)
        return adze_onnx_invalid(node, "max_length is %lld, and a prompt has %lld", (long long)s->longest,
                                 (long long)s->prompt);
    s->decoder = adze_onnx_attr_graph(node, "decoder");
    if (!s->decoder) return false;
    s->reader = adze_onnx_attr(node, "init_decoder") ? adze_onnx_attr_graph(node, "init_decoder") : s->decoder;
    s->n_caches = s->decoder->n_output ? (uint32_t)s->decoder->n_output - 1 : 0;
    return s->reader && check_graph(s, s->decoder) && check_graph(s, s->reader);
}
