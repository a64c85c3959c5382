/* Expected messages of a test, for `adze opt --verify-diagnostics`. They stand in comments, one a line:
 *
 *     %3 = relu(%1, %2) : f32[4]   // expected-error {{relu takes 1 operand}}
 *     // expected-error@+1 {{text that the message of an error on the next line contains}}
 *
 * Behind expected-error, expected-warning or expected-note, `@+N` and `@-N` count lines from the comment; `@above` and
 * `@below` mean the nearest line that is more than such a comment; `@unknown` means no line of the file. The
 * text must be part of the message. With expected-error-re, {{…}} inside of it is a POSIX extended regular
 * expression. Every message must be expected, and every expected one must come, at least once. The form is MLIR's.
 */
#ifndef ADZE_EXPECT_H
#define ADZE_EXPECT_H

#include "command.h"

typedef struct adze_expectations adze_expectations;

/* From a text that is read under the name `file`, both borrowed till the end. From here on the context's messages are
 * compared. NULL where there is no memory. */
adze_expectations *adze_expect_begin(adze_work *work, const char *file, const char *text);
/* Messages go to stderr again. Reports what did not come or could not be read, and frees; true if all was as
 * expected. */
bool adze_expect_end(adze_expectations *expected);

#endif
