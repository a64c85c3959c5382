/* What the harnesses share. A harness is one file with LLVMFuzzerTestOneInput; it runs under libFuzzer for long
 * runs by hand, and under driver.c for the short ones of every check. */
#ifndef ADZE_FUZZ_H
#define ADZE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adze/ir.h>

/* Does one input. What must not be ends in a crash or in abort(). Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
/* Optional: changes `bytes` in place, up to `capacity` of them; the new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed);
/* Changes bytes blindly, or mixes in a piece of another seed: libFuzzer's own, or that of driver.c. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity);

/* xorshift64*, Vigna 2016. The state must not be 0. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline size_t fuzz_below(uint64_t *state, size_t n) { return (size_t)(fuzz_random(state) >> 11) % n; }

/* text_mutate.c: the words that the mutator of texts writes. */
void fuzz_word(const char *word);
/* Given by a harness of texts: calls fuzz_word for each. Called once. */
void fuzz_words(void);
/* Names of ops, of their attributes, and element types. */
void fuzz_words_of_table(void);

/* check.c */
/* Prints what is wrong and the input, and aborts. */
_Noreturn void fuzz_fail(const char *what, const uint8_t *bytes, size_t size);
/* A context whose diagnostics are printed into nowhere, bounded in memory. */
adze_context *fuzz_context(void);

#endif
