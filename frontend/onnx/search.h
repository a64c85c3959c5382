/* What searches of com.microsoft share: a model that runs in a loop and says what word may come next. Private. */
#ifndef ADZE_ONNX_SEARCH_H
#define ADZE_ONNX_SEARCH_H

#include "contrib.h"
#include "repeat.h"

/* The bounds of ONNX Runtime's kernel, and of what a decoder may remember. */
enum { SEARCH_BEAMS = 128, SEARCH_LONGEST = 4096, SEARCH_CACHES = 1024, SEARCH_NGRAM = 64 };

/* model_type: decoders that read their prompt themselves, and those of an encoder. */
enum { SEARCH_GPT, SEARCH_T5, SEARCH_WHISPER };

typedef struct search_sampling search_sampling;

typedef struct search {
    adze_onnx_node *node;
    const Pb__Graph *encoder, *decoder; /* the encoder, or NULL, runs once ahead of the decoder */
    const Pb__Graph *reader;            /* what reads the prompt where there is no encoder */
    int64_t model;                      /* of SEARCH_GPT, … */
    int64_t beams, returned, longest, least, eos, pad, start, early, ngram;
    int64_t prompt;                  /* words ahead of the first one that is found */
    int64_t vocabulary;              /* 0 until logits are there */
    bool logs;                       /* are chances logs of shares? else they are the logits themselves */
    const search_sampling *sampling; /* how words are drawn; NULL: the best ones are taken */
    term *words, *temperature;       /* that decoding starts with; by which chances are divided; may be NULL */
    term *ids, *mask, *penalty, *repetition, *allowed, *allowed_first;
    const adze_dim *batch, *rows; /* rows = batch * beams */
    uint32_t n_caches, n_cross;   /* the decoder's own keys and values, and those of what is encoded */
    uint32_t n_more;              /* what a decoder like GPT-2 is given besides */
    term *all_scores;             /* of the last step, [batch, beams, vocabulary] */
    bool reads_hidden;            /* does the decoder read what is encoded itself? */
    term **cross, *hidden;
} search;

/* A dim, and constants of rank 0. */
const adze_dim *search_dim(const search *s, int64_t n);
term *search_i64(const search *s, int64_t n);
term *search_i32(const search *s, int64_t n);
term *search_f32(const search *s, double x);
/* Where a search stands: which words are there already, read where there is a penalty for that; the words themselves,
 * [batch, beams, longest], read where n of them may not come again; how many there are. */
typedef struct search_step {
    term *seen, *sequences, *length;
    bool first;
} search_step;
/* How good each word is as the next one, [batch, beams or in the first step 1, vocabulary], by the logits [rows, times,
 * vocabulary] of the last time; words that may not come have the lowest number. NULL after an error. */
term *search_chances(search *s, const search_step *step, term *logits);
/* Which words the prompt [batch, n] has, [batch, 1, words]; without a penalty for that, nothing of the kind. */
term *search_seen(const search *s, term *prompt, int64_t words);

/* The operands that all searches have in these places: *out the penalty for words that are there already. */
typedef struct search_places {
    uint32_t repetition, allowed, first;
} search_places;
bool search_read(search *s, const search_places *at);
/* The tokens, model_type, which must be one up to `most`, and n-grams. */
bool search_read_attributes(search *s, int64_t most);
/* Is a sequence of the batch not done? A bool, of bools of all. */
term *search_goes_on(const search *s, term *done);
/* An operand of one integer that must be known; one that may be 0 may be absent. */
bool search_count(adze_onnx_node *node, uint32_t index, const char *name, int64_t least, int64_t most, int64_t *out);

/* ---- search_prompt.c: a decoder like GPT-2 ---- */

/* What it reads ahead of its keys and values, all i32[rows, times], of `mask` as many as there are keys. */
enum { PROMPT_WORDS, PROMPT_PLACES, PROMPT_MASK, N_PROMPT };
/* The graphs, how long the prompt is, how many keys and values there are. */
bool search_prompt_graphs(search *s);
/* Runs what reads the prompt. *values: what the next run reads but its words, for each of the batch; caches: its keys
 * and values. Returns the logits [batch, times, words], NULL after an error. `mask` NULL: padding does not count. */
term *search_prompt_read(search *s, term *mask, term **values, term **caches);
/* Gives an inner graph its inputs by their place. */
bool search_prompt_bind(const search *s, adze_onnx_body *body, term *const *values, term *const *caches);
/* Places and mask of the run after; `rows` of them. */
bool search_prompt_next(const search *s, term **values, const adze_dim *rows);

/* ---- contrib_greedy.c: one word of each sequence at a time ---- */

bool search_greedy_read(search *s);
/* The node's results: sequences, and what the last words were drawn by. */
bool search_greedy_run(search *s);

/* contrib_sampling.c: the words [batch, 1] that are drawn by chances x [batch, words], and what of these is left. */
term *search_sample(const search *s, term *x, term *length, term **out_filtered);

#endif
