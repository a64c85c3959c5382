/* Expected messages of a test file, for --verify-diagnostics.
 *
 *     %3 = relu(%1, %2) : f32[4]   // expected-error: relu takes 1 operand
 *     // expected-error@+1: text that the message of an error on the next line contains
 *     // expected-error@*: text that an error without a line contains
 */
#ifndef ADZE_EXPECT_H
#define ADZE_EXPECT_H

#include <adze/ir.h>

typedef struct adze_expectations adze_expectations;

adze_expectations *adze_expect_read(const char *path, const char *text);
/* An adze_sink: ticks off what was expected, prints what was not. Notes are let through in silence. */
void adze_expect_sink(void *self, const adze_diagnostic *diagnostic);
/* Prints what was expected and did not come; true if all came and nothing else did. Frees. */
bool adze_expect_finish(adze_expectations *expectations);

#endif
