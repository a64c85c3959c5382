/* adze reduce: a module that makes a test succeed becomes the smallest one found that still does.
 *
 * Every way of shrinking is a row: it numbers what it could shrink in a module, and shrinks a range of that. The loop
 * tries all at once, then halves, down to one by one (delta debugging, as llvm-reduce does it); what is tried must
 * verify and read back before the test sees it. Same input, same test results: same output.
 */
#ifndef ADZE_REDUCE_H
#define ADZE_REDUCE_H

#include "command.h"

typedef struct adze_reducer {
    const char *what; /* in messages: "outputs" */
    uint32_t (*count)(const adze_module *module);
    /* Shrinks targets first … first + n - 1, n > 0, of a copy that may be thrown away. False: nothing changed, or the
     * copy is of no use. */
    bool (*apply)(adze_module *module, uint32_t first, uint32_t n);
} adze_reducer;

/* Each ends with a NULL name. reduce_ops.c, reduce_values.c, reduce_shapes.c. */
extern const adze_reducer adze_reduce_structure[], adze_reduce_values[], adze_reduce_shapes[];

/* Ops in the order of the text, with those inside of regions or without; terminators are left out. */
typedef struct adze_op_list {
    adze_op **items;
    uint32_t count, capacity;
} adze_op_list;

typedef enum adze_op_depth { ADZE_OPS_OF_FUNCTIONS, ADZE_OPS_OF_REGIONS, ADZE_OPS_ALL } adze_op_depth;
adze_op_list adze_ops_collect(const adze_module *module, adze_op_depth depth);
void adze_ops_free(adze_op_list *list);
/* A constant of that type whose elements are all `value`, of no size in the text; NULL if there is none. */
adze_ir_value *adze_make_splat(adze_module *module, const char *name, const adze_type *type, double value);
/* What a constant is called that takes the place of `c`: its name without the number that made it unique. */
const char *adze_successor_name(const adze_const *c);
/* All uses go to `with`; the constant is gone then, unless a derived one needs it. */
void adze_const_replace(adze_const *c, adze_ir_value *with);

/* ---- The test (reduce_test.c) ---- */

typedef struct adze_reduce_test {
    adze_work *work;
    const adze_common *common;
    const char *command;  /* of --test or --test-crash, with %s for the file */
    bool crash;           /* it must die by a signal, instead of giving status 0 */
    int64_t seconds;      /* bound on one run */
    char folder[256], path[300]; /* of candidates */
    char *text;           /* the command with the path in it */
    uint64_t *seen;       /* hashes of what was tried */
    uint32_t n_seen, seen_capacity;
    uint32_t n_runs;
    int status;           /* of the last run, as a shell tells it; -1 = out of time */
} adze_reduce_test;

bool adze_reduce_test_begin(adze_reduce_test *test);
void adze_reduce_test_end(adze_reduce_test *test);
/* Does the module verify and read back, and does the test succeed? What was tried before does not count again. */
bool adze_reduce_test_run(adze_reduce_test *test, const adze_module *module);

#endif
