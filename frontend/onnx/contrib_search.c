/* com.microsoft: BeamSearch and WhisperBeamSearch over an encoder and a decoder, or a decoder like GPT-2, as a loop
 * around the decoder.
 *
 * Of each sequence of a batch `beams` continuations are followed. A step takes the best 2 * beams of all continuations
 * by one token; of these the best that end are kept, and the best that do not end go on. A sequence is done once as
 * many are kept as there are beams and none that goes on can be better. Source: the schema of ONNX Runtime, and what
 * its kernel for CPUs computes; the search is that of Hugging Face's transformers.
 */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a loop carries, from axis 0 on [batch, …]; behind these come the keys and values of the decoder, then for one
 * like GPT-2 the places and the mask. `kept` are the sequences that ended, the best first. */
enum { TOKENS, SEQUENCES, SCORES, KEPT, KEPT_SCORES, N_KEPT, DONE, SEEN, N_STATE };

enum { TOP = 2 }; /* candidates a beam */

/* ---- Rows and columns ---- */

/* [batch, n] as [batch, n, 1]. */
static term *column(const search *s, term *x) { return compose_unsqueeze(s->node, x, 2, 3); }

/* Entries `at` [batch, n] of axis 1 of x, [batch, m] or [batch, m, size]. */
static term *take(const search *s, term *x, term *at)
{
    adze_attr axis = adze_attr_int("axis", 1);
    if (!x || !at) return NULL;
    if (compose_rank(x) == 3) {
        const adze_dim *dims[] = {s->batch, compose_dim(at, 1), compose_dim(x, 2)};
        at = compose_expand(s->node, column(s, at), dims, 3);
    }
    return compose_all(s->node, "gather_elements", (term *[]){x, at}, 2, 2, &axis, 1);
}

/* Rows `at` of x. */
static term *rows_at(const search *s, term *x, term *at)
{
    adze_attr axis = adze_attr_int("axis", 0);
    return compose_all(s->node, "gather", (term *[]){x, at}, 2, 2, &axis, 1);
}

/* Entries `batch` of an axis where each stands for all beams, to `rows`. */
static term *for_beams(const search *s, term *x, int64_t axis)
{
    adze_attr along = adze_attr_int("axis", axis);
    term *row = compose_iota(s->node, s->rows, 1, 0);
    term *in[] = {x, compose2(s->node, "div", row, search_i64(s, s->beams))};
    return compose_all(s->node, "gather", in, 2, 2, &along, 1);
}

static term *flat(const search *s, term *x, const adze_dim *columns)
{
    const adze_dim *dims[] = {s->rows, columns};
    return compose_reshape(s->node, x, dims, columns ? 2 : 1);
}

/* x of these dims with one element in all places. */
static term *filled(const search *s, term *x, const adze_dim *second, const adze_dim *third)
{
    const adze_dim *dims[] = {s->batch, second, third};
    return compose_expand(s->node, x, dims, third ? 3 : second ? 2 : 1);
}

/* Inputs of the decoder ahead of what is encoded: words, and of a text its mask. The encoder has one more, its own. */
static uint32_t inputs_ahead(const search *s) { return s->model == SEARCH_T5 ? 2 : 1; }

/* ---- One step ---- */

/* A sum of logs by the length of what it is of. */
static term *weighed(const search *s, term *sum, term *length)
{
    term *power = compose2(s->node, "pow", compose_cast(s->node, length, ADZE_DTYPE_f32), s->penalty);
    return compose2(s->node, "div", sum, power);
}

/* The best of what is kept and of these sequences [batch, beams, longest] with their scores; -inf: none. */
static bool keep(const search *s, term **state, term *scores, term *sequences)
{
    term *at;
    term *all = compose_concat(s->node, (term *[]){state[KEPT_SCORES], scores}, 2, 1);
    term *texts = compose_concat(s->node, (term *[]){state[KEPT], sequences}, 2, 1);
    state[KEPT_SCORES] = compose_top(s->node, all, s->beams, true, &at);
    state[KEPT] = take(s, texts, at);
    return state[KEPT] != NULL;
}

/* The 2 * beams best continuations of each sequence, the best first. */
typedef struct candidates {
    term *scores, *beams, *words, *ends; /* [batch, 2 * beams] */
    term *all;                           /* scores of all, [batch, beams, vocabulary] */
} candidates;

static bool find_candidates(search *s, term *const *state, term *logits, term *length, bool first, candidates *out)
{
    adze_onnx_node *node = s->node;
    search_step step = {state[SEEN], state[SEQUENCES], length, first};
    term *x = search_chances(s, &step, logits), *at;
    if (!x) return false;
    const adze_dim *dims[] = {s->batch, search_dim(s, s->beams * s->vocabulary)};
    out->all = compose2(node, "add", x, column(s, state[SCORES]));
    x = compose_reshape(node, out->all, dims, 2);
    out->scores = compose_top(s->node, x, TOP * s->beams, true, &at);
    out->beams = compose2(node, "div", at, search_i64(s, s->vocabulary));
    out->words = compose2(node, "sub", at, compose2(node, "mul", out->beams, search_i64(s, s->vocabulary)));
    out->ends = compose2(node, "equal", out->words, search_i64(s, s->eos));
    return out->ends != NULL;
}

/* What a sequence's kept ones are held to, [batch, 1]. ONNX Runtime (1.32) takes the best of 2 * beams scores from
 * number batch * beams of all on, where its own begin at twice that; so does this, as that says when a search ends. */
static term *best_of_others(const search *s, term *scores)
{
    adze_onnx_node *node = s->node;
    adze_attr axis = adze_attr_int("axis", 0);
    const adze_dim *two = search_dim(s, TOP * s->beams);
    const adze_dim *dims[] = {adze_dim_mul(node->import->context, s->batch, two)};
    term *first = compose2(node, "mul", compose_iota(node, s->batch, 2, 0), search_i64(s, s->beams));
    term *in[] = {compose_reshape(node, scores, dims, 1), compose2(node, "add", first, compose_iota(node, two, 2, 1))};
    term *part = compose_all(node, "gather", in, 2, 2, &axis, 1);
    return compose_reduce(node, "reduce_max", part, (int64_t[]){1}, 1, true);
}

/* Keeps those that end and are among the best; says which sequences are done by that. */
static bool keep_ends(const search *s, term **state, const candidates *c, term *length)
{
    adze_onnx_node *node = s->node;
    term *beams = search_i64(s, s->beams), *open = compose1(node, "not", compose_unsqueeze(node, state[DONE], 1, 2));
    term *end = compose2(node, "and", compose_slice(node, c->ends, 1, 0, s->beams, 1), open);
    term *score = compose3(node, "where", end, weighed(s, compose_slice(node, c->scores, 1, 0, s->beams, 1), length),
                           search_f32(s, -(double)INFINITY));
    term *text = take(s, state[SEQUENCES], compose_slice(node, c->beams, 1, 0, s->beams, 1));
    if (!keep(s, state, score, text)) return false;
    term *more = compose_reduce(node, "reduce_sum", compose_cast(node, end, ADZE_DTYPE_i64), (int64_t[]){1}, 1, false);
    state[N_KEPT] = compose2(node, "add", state[N_KEPT], more);
    term *full = compose2(node, "greater_equal", state[N_KEPT], beams);
    if (!s->early) {
        term *top = weighed(s, best_of_others(s, c->scores), length);
        term *worst = compose_slice(node, state[KEPT_SCORES], 1, s->beams - 1, s->beams, 1);
        term *better = compose_squeeze(node, compose2(node, "less", worst, top), 1);
        full = compose2(node, "and", full, compose1(node, "not", better));
    }
    state[DONE] = compose2(node, "or", state[DONE], full);
    return state[DONE] != NULL;
}

/* Rows `origin` of what each beam has, x [batch, beams, n]. */
static term *from_rows(const search *s, term *x, term *origin)
{
    const adze_dim *dims[] = {s->batch, search_dim(s, s->beams), x ? compose_dim(x, 2) : NULL};
    return x ? compose_reshape(s->node, rows_at(s, flat(s, x, dims[2]), origin), dims, 3) : NULL;
}

/* The step that follows from the logits. *origin: the row that each row goes on from. Sequences that were done go on
 * from row 0 with padding, as in ONNX Runtime; the scores of all steps show that. */
static bool advance(search *s, term **state, term *logits, term *length, bool first, term **origin)
{
    adze_onnx_node *node = s->node;
    candidates c;
    if (!find_candidates(s, state, logits, length, first, &c)) return false;
    term *done = compose_unsqueeze(node, state[DONE], 1, 2), *at;
    if (!keep_ends(s, state, &c, length)) return false;
    term *order = compose_iota(node, search_dim(s, TOP * s->beams), 2, 1), *zero = search_i64(s, 0);
    order = compose2(node, "add", order, compose3(node, "where", c.ends, search_i64(s, TOP * s->beams), zero));
    if (!compose_top(s->node, order, s->beams, false, &at)) return false;
    term *beam = take(s, c.beams, at), *found = take(s, c.words, at);
    term *word = compose3(node, "where", done, search_i64(s, s->pad), found);
    state[SCORES] = compose3(node, "where", done, search_f32(s, 0), take(s, c.scores, at));
    term *row = compose2(node, "mul", compose_iota(node, s->batch, 2, 0), search_i64(s, s->beams));
    *origin = flat(s, compose3(node, "where", done, zero, compose2(node, "add", row, beam)), NULL);
    term *token = compose_cast(node, word, ADZE_DTYPE_i32);
    term *here = compose2(node, "equal", compose_iota(node, search_dim(s, s->longest), 1, 0), length);
    state[SEQUENCES] = compose3(node, "where", here, column(s, token), from_rows(s, state[SEQUENCES], *origin));
    state[TOKENS] = flat(s, token, search_dim(s, 1));
    if (s->repetition) {
        term *words = compose_iota(node, search_dim(s, s->vocabulary), 1, 0);
        term *before = from_rows(s, state[SEEN], *origin);
        state[SEEN] = compose2(node, "or", before, compose2(node, "equal", words, column(s, word)));
    }
    s->all_scores = c.all;
    return *origin && state[SEQUENCES] && state[TOKENS] && state[SCORES] && state[SEEN];
}

/* The keys and values of the rows that the decoder goes on from. */
static bool turn(const search *s, term **state, term *origin)
{
    adze_attr axis = adze_attr_int("axis", s->model == SEARCH_GPT ? 1 : 0);
    bool ok = true;
    for (uint32_t i = N_STATE; ok && i < N_STATE + s->n_caches; i++)
        ok = (state[i] = compose_all(s->node, "gather", (term *[]){state[i], origin}, 2, 2, &axis, 1)) != NULL;
    return ok;
}

/* Places and mask of a decoder like GPT-2, which are the same for all beams. */
static bool longer(const search *s, term **state)
{
    return s->model != SEARCH_GPT || search_prompt_next(s, state + N_STATE + s->n_caches - PROMPT_PLACES, s->rows);
}

/* ---- The loop ---- */

static bool enter_gpt(const search *s, adze_onnx_body *body, const adze_region *region)
{
    uint32_t more = 1 + N_STATE + s->n_caches;
    term **caches = calloc(s->n_caches + 1, sizeof *caches);
    if (!caches) abort();
    for (uint32_t i = 0; i < s->n_caches; i++) caches[i] = adze_region_arg(region, 1 + N_STATE + i);
    term *values[N_PROMPT] = {adze_region_arg(region, 1 + TOKENS)};
    for (uint32_t i = 1; i < N_PROMPT; i++) values[i] = adze_region_arg(region, more + i - 1);
    bool ok = search_prompt_bind(s, body, values, caches);
    free(caches);
    return ok;
}

static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    const search *s = self->own;
    uint32_t at = inputs_ahead(s);
    term *row = adze_region_arg(region, 1 + TOKENS);
    if (s->model == SEARCH_GPT) return enter_gpt(s, body, region);
    if (!adze_onnx_body_bind(body, 0, row) || (s->mask && !adze_onnx_body_bind(body, 1, s->mask))) return false;
    if (s->reads_hidden && !adze_onnx_body_bind(body, at++, s->hidden)) return false;
    for (uint32_t i = 0; i < s->n_caches; i++)
        if (!adze_onnx_body_bind(body, at++, adze_region_arg(region, 1 + N_STATE + i))) return false;
    for (uint32_t i = 0; i < s->n_cross; i++)
        if (!adze_onnx_body_bind(body, at++, s->cross[i])) return false;
    return true;
}

static bool leave(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    search *s = self->own;
    term *origin, **out = calloc(1 + self->n_carried + self->n_stacks, sizeof *out), **state = out + 1;
    if (!out) abort();
    for (uint32_t i = 0; i < self->n_carried; i++) state[i] = adze_region_arg(region, 1 + i);
    for (uint32_t i = 0; i < s->n_caches; i++) state[N_STATE + i] = body->out[1 + i];
    term *length = compose2(s->node, "add", adze_region_arg(region, 0), search_i64(s, s->prompt + 1));
    bool ok = advance(s, state, body->out[0], length, false, &origin) && turn(s, state, origin) && longer(s, state);
    if (self->n_stacks) state[self->n_carried] = s->all_scores;
    out[0] = ok ? search_goes_on(s, state[DONE]) : NULL;
    ok = out[0] != NULL;
    free(body->out);
    body->out = out;
    return ok;
}

/* What is there ahead of the first step: the prompt [batch, n] that decoding starts with, and one beam that counts. */
static bool begin(search *s, term *prompt, int64_t words, term **state)
{
    adze_onnx_node *node = s->node;
    const adze_dim *beams = search_dim(s, s->beams), *longest = search_dim(s, s->longest);
    const adze_dim *rest[] = {s->batch, search_dim(s, s->longest - s->prompt)};
    term *pad = search_i32(s, s->pad);
    term *text = compose_concat(node, (term *[]){prompt, compose_expand(node, pad, rest, 2)}, 2, 1);
    term *first = compose2(node, "equal", compose_iota(node, beams, 2, 1), search_i64(s, 0));
    state[SEQUENCES] = filled(s, compose_unsqueeze(node, text, 1, 2), beams, longest);
    state[SCORES] = filled(s, compose3(node, "where", first, search_f32(s, 0), search_f32(s, -1e9)), beams, NULL);
    state[KEPT] = filled(s, pad, beams, longest);
    state[KEPT_SCORES] = filled(s, search_f32(s, -(double)INFINITY), beams, NULL);
    state[N_KEPT] = filled(s, search_i64(s, 0), NULL, NULL);
    state[DONE] = filled(s, compose_number(node, ADZE_DTYPE_bool, 0), NULL, NULL);
    state[SEEN] = filled(s, search_seen(s, prompt, words), beams, search_dim(s, s->repetition ? words : 1));
    for (uint32_t i = SEQUENCES; i < N_STATE; i++)
        if (!state[i]) return false;
    return true;
}

/* The scores of the first step and of those behind it (NULL: none), [steps, batch, beams, vocabulary]: zeros where the
 * search ended before, which ONNX Runtime leaves to chance. */
static term *all_steps(const search *s, term *first, term *others)
{
    adze_onnx_node *node = s->node;
    term *all = compose_unsqueeze(node, first, 0, 1);
    if (!others) return all;
    all = compose_concat(node, (term *[]){all, others}, 2, 0);
    const adze_dim *steps = search_dim(s, s->longest - s->prompt);
    term *last = compose2(node, "sub", compose_size(node, all, 0), search_i64(s, 1));
    adze_attr axis = adze_attr_int("axis", 0);
    term *at = compose2(node, "min", compose_iota(node, steps, 1, 0), last);
    term *ran = compose2(node, "less_equal", compose_iota(node, steps, 4, 0), last);
    all = compose_all(node, "gather", (term *[]){all, at}, 2, 2, &axis, 1);
    return compose3(node, "where", ran, all, search_f32(s, 0));
}

/* The state behind the first step to that behind the last. */
static bool repeat(search *s, term **state)
{
    adze_onnx_repeat loop = {.node = s->node,
                             .scope = s->node->scope,
                             .graph = s->decoder,
                             .carried = state,
                             .n_carried = N_STATE + s->n_caches + s->n_more,
                             .n_stacks = s->node->n_out > 2,
                             .decides = true,
                             .enter = enter,
                             .leave = leave,
                             .own = s};
    term *first = s->all_scores;
    if (s->longest > s->prompt + 1) {
        loop.bound = search_i64(s, s->longest - s->prompt - 1);
        loop.condition = search_goes_on(s, state[DONE]);
        adze_op *op = loop.bound && loop.condition ? adze_onnx_repeat_import(&loop) : NULL;
        if (!op) return false;
        for (uint32_t i = 0; i < N_STATE; i++) state[i] = adze_onnx_repeat_result(&loop, op, i);
        s->all_scores = loop.n_stacks ? adze_onnx_repeat_result(&loop, op, loop.n_carried) : NULL;
    } else {
        s->all_scores = NULL;
    }
    return !loop.n_stacks || (s->node->out[2] = all_steps(s, first, s->all_scores)) != NULL;
}

/* What goes on where the loop ends is kept, too. */
static bool finish(const search *s, term **state)
{
    adze_onnx_node *node = s->node;
    term *done = compose_unsqueeze(node, state[DONE], 1, 2);
    term *scores = weighed(s, state[SCORES], search_i64(s, s->longest));
    scores = compose3(node, "where", done, search_f32(s, -(double)INFINITY), scores);
    if (!keep(s, state, scores, state[SEQUENCES])) return false;
    node->out[0] = compose_slice(node, state[KEPT], 1, 0, s->returned, 1);
    if (node->n_out > 1) node->out[1] = compose_slice(node, state[KEPT_SCORES], 1, 0, s->returned, 1);
    return node->out[0] && (node->n_out < 2 || node->out[1]);
}

/* ---- The encoder ---- */

/* The encoder's results: logits of the first token, keys and values of it, and of what is encoded, for all beams. */
static bool encode(search *s, term *start, term **state, term **out_logits)
{
    enum { CACHES = 2 };
    adze_onnx_node *node = s->node;
    adze_onnx_body body;
    term *given[] = {s->ids, s->mask ? s->mask : start, start};
    bool ok = adze_onnx_body_begin(&body, node, node->scope, s->encoder);
    for (uint32_t i = 0; ok && i < 1 + inputs_ahead(s); i++) ok = given[i] && adze_onnx_body_bind(&body, i, given[i]);
    ok = ok && adze_onnx_body_run(&body);
    *out_logits = ok ? body.out[0] : NULL;
    if (ok && s->reads_hidden) ok = (s->hidden = for_beams(s, body.out[1], 0)) != NULL;
    for (uint32_t i = 0; ok && i < s->n_caches; i++)
        ok = (state[N_STATE + i] = for_beams(s, body.out[CACHES + i], 0)) != NULL;
    for (uint32_t i = 0; ok && i < s->n_cross; i++)
        ok = (s->cross[i] = for_beams(s, body.out[CACHES + s->n_caches + i], 0)) != NULL;
    adze_onnx_body_end(&body);
    return ok;
}

/* Ones behind padding on the left, as ONNX Runtime has it: an end that is written as padding counts. */
static term *find_mask(const search *s)
{
    adze_onnx_node *node = s->node;
    term *pad = search_i32(s, s->pad);
    term *text = compose_cast(node, compose1(node, "not", compose2(node, "equal", s->ids, pad)), ADZE_DTYPE_i32);
    term *sum = compose2(node, "cum_sum", text, search_i64(s, 1));
    return compose_cast(node, compose2(node, "greater", sum, search_i32(s, 0)), ADZE_DTYPE_i32);
}

/* The logits behind the prompt, and what the decoder reads next, for all beams. *prompt: its words [batch, n]. */
static term *start(search *s, term **state, term **out_prompt)
{
    adze_onnx_node *node = s->node;
    const adze_dim *dims[] = {s->batch, search_dim(s, 1)};
    term *logits = NULL, *values[N_PROMPT];
    if (s->model == SEARCH_GPT) {
        *out_prompt = s->ids;
        logits = search_prompt_read(s, s->mask, values, state + N_STATE);
        for (uint32_t i = 0; logits && i < s->n_caches; i++)
            if (!(state[N_STATE + i] = for_beams(s, state[N_STATE + i], 1))) return NULL;
        for (uint32_t i = 0; logits && i < s->n_more; i++)
            if (!(state[N_STATE + s->n_caches + i] = for_beams(s, values[PROMPT_PLACES + i], 0))) return NULL;
    } else {
        *out_prompt = s->words ? s->words : compose_expand(node, search_i32(s, s->start), dims, 2);
        if (!s->mask && s->model == SEARCH_T5 && !(s->mask = find_mask(s))) return NULL;
        if (!*out_prompt || !encode(s, *out_prompt, state, &logits)) return NULL;
        if (s->mask && !(s->mask = for_beams(s, s->mask, 0))) return NULL;
    }
    return logits;
}

static bool run(search *s)
{
    term **state = calloc(N_STATE + s->n_caches + s->n_more, sizeof *state), *origin, *prompt;
    s->cross = calloc(s->n_cross + 1, sizeof(term *));
    if (!state || !s->cross) abort();
    int64_t words = 0;
    term *logits = start(s, state, &prompt);
    if (compose_rank(logits) == 3) adze_dim_is_const(compose_dim(logits, 2), &words);
    bool ok = logits && begin(s, prompt, words, state) &&
              advance(s, state, logits, search_i64(s, s->prompt), true, &origin) && turn(s, state, origin) &&
              repeat(s, state) && finish(s, state);
    free(state);
    free(s->cross);
    return ok;
}

/* ---- What the node says ---- */

static bool read_operands(search *s)
{
    enum { LENGTH_PENALTY = 5, MASK = 9, PROMPT, PROCESSOR, LAYERS, EXTRA, TEMPERATURE };
    static const search_places at = {.repetition = 6, .allowed = 7, .first = 8};
    adze_onnx_node *node = s->node;
    int64_t processor = 0;
    if (!search_count(node, 3, "num_beams", 1, SEARCH_BEAMS, &s->beams) || !search_read(s, &at) ||
        !search_count(node, 4, "num_return_sequences", 1, s->beams, &s->returned) ||
        !search_count(node, PROCESSOR, "logits_processor", 0, 0, &processor))
        return false;
    s->words = adze_onnx_operand(node, PROMPT);
    if (s->words && s->model != SEARCH_WHISPER) return adze_onnx_unsupported(node, "decoder_input_ids");
    if (adze_onnx_operand(node, LAYERS) || adze_onnx_operand(node, EXTRA))
        return adze_onnx_unsupported(node, "weights of attention as results");
    s->temperature = adze_onnx_operand(node, TEMPERATURE);
    if (s->temperature && !(s->temperature = compose_scalar(node, s->temperature))) return false;
    term *penalty = adze_onnx_operand(node, LENGTH_PENALTY);
    s->penalty = penalty ? compose_scalar(node, penalty) : search_f32(s, 1);
    s->mask = adze_onnx_operand(node, MASK);
    if (s->mask && s->model == SEARCH_WHISPER) return adze_onnx_unsupported(node, "an attention_mask of sounds");
    return s->penalty != NULL;
}

/* How long the words are that decoding starts with. */
static bool read_prompt(search *s)
{
    adze_onnx_node *node = s->node;
    s->prompt = 1;
    if (!s->words)
        return s->start >= 0 || adze_onnx_invalid(node, "a token of its attributes is %lld", (long long)s->start);
    if (compose_rank(s->words) != 2 || compose_dtype(s->words) != ADZE_DTYPE_i32)
        return adze_onnx_unsupported(node, "decoder_input_ids that are not i32[batch, length]");
    if (!adze_dim_is_const(compose_dim(s->words, 1), &s->prompt))
        return adze_onnx_undetermined(node, "a prompt of unknown length");
    return (s->prompt > 0 && s->prompt < s->longest) ||
           adze_onnx_invalid(node, "max_length is %lld, and a prompt has %lld", (long long)s->longest,
                             (long long)s->prompt);
}

/* The graphs' inputs and outputs by their number: tokens, a mask of words, at will what is encoded, then keys and
 * values.
 */
static bool read_graphs(search *s)
{
    enum { ENCODER_CACHES = 2 };
    adze_onnx_node *node = s->node;
    if (!read_prompt(s)) return false;
    s->encoder = adze_onnx_attr_graph(node, "encoder");
    s->decoder = s->encoder ? adze_onnx_attr_graph(node, "decoder") : NULL;
    if (!s->decoder) return false;
    size_t inputs = s->decoder->n_input, outputs = s->decoder->n_output, before = inputs_ahead(s);
    if (s->encoder->n_input != 1 + before)
        return adze_onnx_unsupported(node, "an encoder of %zu inputs", s->encoder->n_input);
    if (inputs > before) {
        const char *name = s->decoder->input[before]->name;
        if (name && !strcmp(name, "encoder_hidden_states")) s->reads_hidden = true, before++;
        if (s->reads_hidden && s->model == SEARCH_WHISPER) /* which ONNX Runtime gives something else */
            return adze_onnx_unsupported(node, "encoder_hidden_states of sounds");
    }
    size_t caches = outputs ? outputs - 1 : 0;
    if (!caches || caches > SEARCH_CACHES || inputs < before + caches || inputs > before + SEARCH_CACHES ||
        s->encoder->n_output != ENCODER_CACHES + inputs - before)
        return adze_onnx_unsupported(node, "an encoder of %zu outputs with a decoder of %zu inputs and %zu outputs",
                                     s->encoder->n_output, inputs, outputs);
    s->n_caches = (uint32_t)caches;
    s->n_cross = (uint32_t)(inputs - before - caches);
    return true;
}

static bool beam_search(search *s, int64_t most)
{
    adze_onnx_node *node = s->node;
    if (!search_read_attributes(s, most) || !adze_onnx_attr_flag(node, "early_stopping", &s->early) ||
        !read_operands(s))
        return false;
    if (s->model == SEARCH_GPT) s->n_more = N_PROMPT - PROMPT_PLACES;
    return (s->model == SEARCH_GPT ? search_prompt_graphs(s) : read_graphs(s)) && run(s);
}

bool adze_onnx_contrib_beam_search(adze_onnx_node *node)
{
    search s = {.node = node, .logs = true};
    return beam_search(&s, SEARCH_WHISPER);
}

/* The same, with a temperature; attention's weights and the chance of silence are no results here. */
bool adze_onnx_contrib_whisper_search(adze_onnx_node *node)
{
    enum { RESULTS = 3 };
    search s = {.node = node, .logs = true, .model = SEARCH_WHISPER};
    int64_t weights = 0, model = SEARCH_WHISPER;
    if (!adze_onnx_attr_int(node, "decoder_output_cross_qk", &weights) ||
        !adze_onnx_attr_int(node, "model_type", &model))
        return false;
    if (model != SEARCH_WHISPER) return adze_onnx_unsupported(node, "model_type %lld", (long long)model);
    if (weights || node->n_out > RESULTS) return adze_onnx_unsupported(node, "weights of attention as results");
    return beam_search(&s, SEARCH_WHISPER);
}
