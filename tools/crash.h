/* What a crash inside a pass leaves: the IR in front of it and the command that runs into it again.
 *
 * The handler of the signal must not touch the heap, which may be what broke. So nothing is kept ready but a few
 * strings, made before each pass: the handler writes them, and starts this program again, which runs the same
 * passes up to the one that crashed and prints the IR in front of it (opt --stop-before). Passes give the same result
 * for the same input, so it need not be written or copied before every pass; and what is printed is read by a process
 * whose memory is sound. Then the command is tried, since a crash may need more than its text says.
 */
#ifndef ADZE_CRASH_H
#define ADZE_CRASH_H

#include "command.h"

/* Keeps the command line, as it was typed, for messages. To be called first of all. */
bool adze_crash_set_command(int argc, char **argv);

typedef struct adze_crash_options {
    const adze_work *work; /* whose input the module is */
    const adze_common *common;
    const char *target;    /* as --target takes it; NULL = none */
    const char *passes;    /* the whole pipeline */
    const char *flag;      /* one more flag that matters, or NULL */
} adze_crash_options;

/* From here to adze_crash_end a signal that ends the process leaves a report. Options are borrowed till then. */
void adze_crash_begin(const adze_crash_options *options);
/* The pass that runs next. `limit` is --rewrite-limit (below 0 = none), `n_rewrites` how many there were. */
void adze_crash_enter(const adze_step_info *step, int64_t limit, uint64_t n_rewrites);
void adze_crash_end(void);

#endif
