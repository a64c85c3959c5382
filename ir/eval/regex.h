/* Regular expressions of RE2's syntax, matched in time linear in the text. Private. All memory is scratch of the
 * environment that they are made with, so nothing is freed. */
#ifndef ADZE_REGEX_H
#define ADZE_REGEX_H

#include <adze/abi.h>

typedef struct adze_regex adze_regex;

/* NULL, and *out_why says what is wrong or not known and where, in words: scratch too. */
adze_regex *adze_regex_create(const adze_env *env, adze_string pattern, const char **out_why);
/* Does all of the text match? */
bool adze_regex_matches(adze_regex *regex, adze_string text);

#endif
