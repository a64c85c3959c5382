/* What searches of com.microsoft share: a model that runs in a loop and says what word may come next. Private. */
#ifndef ADZE_ONNX_SEARCH_H
#define ADZE_ONNX_SEARCH_H

#include "contrib.h"
#include "repeat.h"

/* The bounds of ONNX Runtime's kernel, and of what a decoder may remember. */
enum { SEARCH_BEAMS = 128, SEARCH_LONGEST = 4096, SEARCH_CACHES = 1024 };

typedef struct search {
    adze_onnx_node *node;
    const Pb__Graph *encoder, *decoder; /* the encoder, or NULL, runs once ahead of the decoder */
    int64_t beams, returned, longest, least, eos, pad, start, early;
    int64_t vocabulary; /* 0 until logits are there */
    bool logs;          /* are chances logs of shares? else they are the logits themselves */
    term *ids, *mask, *penalty, *repetition, *allowed, *allowed_first;
    const adze_dim *batch, *rows; /* rows = batch * beams */
    uint32_t n_caches, n_cross;   /* the decoder's own keys and values, and those of what is encoded */
    bool reads_hidden;            /* does the decoder read what is encoded itself? */
    term **cross, *hidden;
} search;

/* A dim, and constants of rank 0. */
const adze_dim *search_dim(const search *s, int64_t n);
term *search_i64(const search *s, int64_t n);
term *search_i32(const search *s, int64_t n);
term *search_f32(const search *s, double x);
/* How good each word is as the next one, [batch, beams or in the first step 1, vocabulary], by the logits
 * [rows, times, vocabulary] of the last time; words that may not come have the lowest number. `seen`: which words are
 * there already, read where there is a penalty for that. NULL after an error. */
term *search_chances(search *s, term *seen, term *logits, term *length, bool first);

/* The operands that all searches have in these places: *out the penalty for words that are there already. */
typedef struct search_places {
    uint32_t repetition, allowed, first;
} search_places;
bool search_read(search *s, const search_places *at);
/* The tokens, model_type, which must be `model`, and n-grams. */
bool search_read_attributes(search *s, int64_t model);
/* An operand of one integer that must be known; one that may be 0 may be absent. */
bool search_count(adze_onnx_node *node, uint32_t index, const char *name, int64_t least, int64_t most, int64_t *out);

#endif
