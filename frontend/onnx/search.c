/* What searches share: operands and attributes, and how good each word is as the next one. */
#include "search.h"

const adze_dim *search_dim(const search *s, int64_t n) { return adze_dim_const(s->node->import->context, n); }

term *search_i64(const search *s, int64_t n) { return compose_number(s->node, ADZE_DTYPE_i64, (double)n); }

term *search_i32(const search *s, int64_t n) { return compose_number(s->node, ADZE_DTYPE_i32, (double)n); }

term *search_f32(const search *s, double x) { return compose_number(s->node, ADZE_DTYPE_f32, x); }

/* ---- Words ---- */

/* Words that would end n of them that are there already: those that follow the last n - 1 where these stood before. */
static term *without_repeats(const search *s, const search_step *step, term *x, term *lowest)
{
    adze_onnx_node *node = s->node;
    int64_t n = s->ngram, starts = s->longest - n + 1;
    if (starts < 1) return x;
    term *texts = step->first ? compose_slice(node, step->sequences, 1, 0, 1, 1) : step->sequences;
    term *end = compose2(node, "add", compose_iota(node, search_dim(s, starts), 3, 2), search_i64(s, n - 1));
    term *same = compose2(node, "less", end, step->length), *none, *next;
    for (int64_t i = 0; i + 1 < n; i++) {
        term *back = compose2(node, "sub", step->length, search_i64(s, n - 1 - i));
        adze_attr axis = adze_attr_int("axis", 2);
        back = compose_reshape(node, compose2(node, "max", back, search_i64(s, 0)),
                               (const adze_dim *[]){search_dim(s, 1)}, 1);
        term *last = compose_all(node, "gather", (term *[]){texts, back}, 2, 2, &axis, 1);
        same =
            compose2(node, "and", same, compose2(node, "equal", compose_slice(node, texts, 2, i, i + starts, 1), last));
    }
    next = compose3(node, "where", same, compose_slice(node, texts, 2, n - 1, INT64_MAX, 1), search_i32(s, 0));
    none = compose2(node, "mul", compose_cast(node, compose2(node, "equal", x, x), ADZE_DTYPE_i32), search_i32(s, 0));
    same = compose2(node, "mul", compose_cast(node, same, ADZE_DTYPE_i32),
                    compose_cast(node, compose2(node, "equal", next, next), ADZE_DTYPE_i32));
    adze_attr attrs[] = {adze_attr_int("axis", 2), adze_attr_str("reduction", "max")};
    term *in[] = {none, compose_cast(node, next, ADZE_DTYPE_i64), same};
    term *hit = compose_cast(node, compose_all(node, "scatter_elements", in, 3, 3, attrs, 2), ADZE_DTYPE_bool);
    return compose3(node, "where", hit, lowest, x);
}

/* Words that are there already are less good. */
static term *with_penalty(const search *s, term *seen, term *x)
{
    adze_onnx_node *node = s->node;
    term *less = compose2(node, "less", x, search_f32(s, 0));
    term *worse =
        compose3(node, "where", less, compose2(node, "mul", x, s->repetition), compose2(node, "div", x, s->repetition));
    return compose3(node, "where", seen, worse, x);
}

term *search_chances(search *s, const search_step *step, term *logits)
{
    adze_onnx_node *node = s->node;
    int64_t size;
    if (compose_rank(logits) != 3 || !adze_dim_is_const(compose_dim(logits, 2), &size) || size < 2 || size > INT32_MAX)
        return adze_onnx_unsupported(node, "logits that are not [batch, times, words]"), NULL;
    if (s->vocabulary && s->vocabulary != size)
        return adze_onnx_invalid(node, "%lld words, and logits of %lld", (long long)s->vocabulary, (long long)size),
               NULL;
    s->vocabulary = size;
    const adze_dim *dims[] = {s->batch, search_dim(s, step->first ? 1 : s->beams), search_dim(s, size)};
    term *last = compose_slice(node, logits, 1, -1, INT64_MAX, 1), *lowest = search_f32(s, -(double)3.402823466e38f);
    term *x = compose_reshape(node, compose_cast(node, last, ADZE_DTYPE_f32), dims, 3);
    if (s->logs) x = compose_with(node, "log_softmax", x, adze_attr_int("axis", -1));
    if (s->repetition) x = with_penalty(s, step->seen, x);
    if (s->ngram) x = without_repeats(s, step, x, lowest);
    if (s->allowed) x = compose3(node, "where", s->allowed, x, lowest);
    if (step->first && s->allowed_first) x = compose3(node, "where", s->allowed_first, x, lowest);
    if (s->least > 0) {
        term *word = compose_iota(node, search_dim(s, size), 1, 0);
        term *early = compose2(node, "and", compose2(node, "equal", word, search_i64(s, s->eos)),
                               compose2(node, "less", step->length, search_i64(s, s->least)));
        x = compose3(node, "where", early, lowest, x);
    }
    if (s->temperature) x = compose2(node, "div", x, s->temperature);
    return x;
}

term *search_seen(const search *s, term *prompt, int64_t words)
{
    adze_onnx_node *node = s->node;
    term *all = compose_iota(node, search_dim(s, s->repetition ? words : 1), 3, 2);
    term *here =
        compose2(node, "equal", compose_cast(node, all, ADZE_DTYPE_i32), compose_unsqueeze(node, prompt, 2, 3));
    here = compose_reduce(node, "reduce_max", compose_cast(node, here, ADZE_DTYPE_i32), (int64_t[]){1}, 1, true);
    return compose_cast(node, here, ADZE_DTYPE_bool);
}

/* ---- What the node says ---- */

bool search_count(adze_onnx_node *node, uint32_t index, const char *name, int64_t least, int64_t most, int64_t *out)
{
    term *value = adze_onnx_operand(node, index);
    if (!value) return least == 0 || adze_onnx_invalid(node, "has no %s", name);
    if (adze_value_as_ints(value, out, 1) != 1)
        return adze_onnx_unsupported(node, "a %s that is no constant of one number", name);
    return (*out >= least && *out <= most) || adze_onnx_invalid(node, "%s is %lld, not from %lld to %lld", name,
                                                                (long long)*out, (long long)least, (long long)most);
}

bool search_read(search *s, const search_places *at)
{
    adze_onnx_node *node = s->node;
    uint32_t rank;
    double one;
    if (!compose_operand(node, 0, 2, &s->ids, &rank) ||
        !search_count(node, 1, "max_length", 2, SEARCH_LONGEST, &s->longest) ||
        !search_count(node, 2, "min_length", 0, SEARCH_LONGEST, &s->least))
        return false;
    bool sounds = s->model == SEARCH_WHISPER && rank == 3 && compose_dtype(s->ids) == ADZE_DTYPE_f32;
    if (!sounds && (s->model == SEARCH_WHISPER || rank != 2 || compose_dtype(s->ids) != ADZE_DTYPE_i32))
        return adze_onnx_unsupported(node, "input_ids that are not %s",
                                     s->model == SEARCH_WHISPER ? "f32[batch, features, times]" : "i32[batch, length]");
    s->batch = compose_dim(s->ids, 0);
    if (adze_dim_is_unknown(s->batch)) return adze_onnx_undetermined(node, "a batch of unknown size");
    s->rows = adze_dim_mul(node->import->context, s->batch, search_dim(s, s->beams));
    s->repetition = adze_onnx_operand(node, at->repetition);
    if (s->repetition && adze_value_as_splat(s->repetition, &one) && one == 1) s->repetition = NULL;
    if (s->repetition && !(s->repetition = compose_scalar(node, s->repetition))) return false;
    term *allowed = adze_onnx_operand(node, at->allowed), *first = adze_onnx_operand(node, at->first);
    if (allowed && !(s->allowed = compose_cast(node, allowed, ADZE_DTYPE_bool))) return false;
    if (first) first = s->allowed_first = compose_unsqueeze(node, compose_cast(node, first, ADZE_DTYPE_bool), 1, 2);
    return first || !adze_onnx_operand(node, at->first);
}

bool search_read_attributes(search *s, int64_t most)
{
    adze_onnx_node *node = s->node;
    s->eos = s->pad = s->start = -1;
    if (!adze_onnx_attr_int(node, "model_type", &s->model) ||
        !adze_onnx_attr_int(node, "no_repeat_ngram_size", &s->ngram) ||
        !adze_onnx_attr_int(node, "eos_token_id", &s->eos) || !adze_onnx_attr_int(node, "pad_token_id", &s->pad) ||
        !adze_onnx_attr_int(node, "decoder_start_token_id", &s->start) ||
        !adze_onnx_attr_int(node, "vocab_size", &s->vocabulary))
        return false;
    if (s->model < 0 || s->model > most)
        return adze_onnx_unsupported(node, "model_type %lld, which is none up to %lld", (long long)s->model,
                                     (long long)most);
    if (s->ngram < 0 || s->ngram > SEARCH_NGRAM)
        return adze_onnx_unsupported(node, "no_repeat_ngram_size %lld", (long long)s->ngram);
    if (s->vocabulary < 0) s->vocabulary = 0; /* as if absent */
    const int64_t ids[] = {s->eos, s->pad, s->start < 0 ? 0 : s->start};
    for (int i = 0; i < 3; i++)
        if (ids[i] < 0 || ids[i] > INT32_MAX)
            return adze_onnx_invalid(node, "a token of its attributes is %lld", (long long)ids[i]);
    return true;
}

term *search_goes_on(const search *s, term *done)
{
    adze_onnx_node *node = s->node;
    term *least = compose_reduce(node, "reduce_min", compose_cast(node, done, ADZE_DTYPE_i64), NULL, 0, false);
    return compose2(node, "equal", least, search_i64(s, 0));
}
