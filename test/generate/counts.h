/* How often each op row and each rule came up. */
#ifndef ADZE_GENERATE_COUNTS_H
#define ADZE_GENERATE_COUNTS_H

#include "generate.h"

enum { COUNTS_MAX = 512 };

typedef struct counts {
    uint32_t n_rows, n_rules;
    const char *rows[COUNTS_MAX], *rules[COUNTS_MAX];
    uint64_t row[COUNTS_MAX];  /* modules that have the op, before, between or after the passes */
    uint64_t rule[COUNTS_MAX]; /* rewrites */
    bool seen[COUNTS_MAX];     /* in this module */
    uint64_t modules, passes, changed, inexact, refused;
} counts;

void counts_start(counts *c, const adze_registry *registry);
void counts_module(counts *c, const adze_module *module); /* its ops, once a module however often it is called */
void counts_next(counts *c);                              /* another module begins */
void counts_rule(counts *c, const char *name);
/* Prints the tables; false if a row or rule came less than `least` times. */
bool counts_print(const counts *c, uint64_t least);

#endif
