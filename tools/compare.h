/* Are two values the same within a tolerance (adze check)? */
#ifndef ADZE_COMPARE_H
#define ADZE_COMPARE_H

#include <adze/abi.h>

/* An element of a float tensor may differ by atol + rtol * (largest finite magnitude of the wanted tensor);
 * numbers of other kinds by atol. NaN is the same as NaN. Below 0: what the element type justifies,
 * `usual` for 32 and 64 bits, and a step of the last place for smaller floats. */
typedef struct adze_tolerance {
    double rtol, atol, usual;
} adze_tolerance;

typedef struct adze_difference {
    char why[512];      /* one line about the first difference that is none of elements, else "" */
    double largest;     /* |difference|; infinite where one is NaN or they are infinities */
    double scale;       /* largest finite |wanted| */
    double got, wanted; /* there */
    uint64_t where;     /* row-major index */
    uint64_t n_over, count;
    uint64_t item;           /* of a sequence or optional, from 1; 0: none */
    const adze_value *tensor; /* of the wanted value, borrowed: what the index is of */
} adze_difference;

/* True if they are the same. Sequences and optionals are compared item by item; the difference is that of the
 * first item that differs, else of the last. */
bool adze_values_compare(const adze_value *got, const adze_value *wanted, adze_tolerance tolerance,
                         adze_difference *out);
/* "[0,3,5]", behind "item 2, " in a sequence: where the values differ most; "" where `why` says it. */
void adze_difference_place(const adze_difference *difference, char *out, size_t size);
/* "[0,3,5]" for a row-major index. */
void adze_index_print(const adze_value *value, uint64_t index, char *out, size_t size);

enum { ADZE_STRING_ROOM = 256 };
/* A string of a tensor in quotes, with escapes as in IR text; of a long one the beginning, with an ellipsis behind. */
void adze_string_print(const adze_string *string, char out[ADZE_STRING_ROOM]);

#endif
