/* Regular expressions of RE2's syntax, matched in time linear in the text. Private. */
#ifndef ADZE_REGEX_H
#define ADZE_REGEX_H

#include <adze/abi.h>

typedef struct adze_regex adze_regex;

/* NULL, and *out_why says what is wrong or not known, in words. */
adze_regex *adze_regex_create(adze_string pattern, const char **out_why);
void adze_regex_destroy(adze_regex *regex); /* NULL is allowed */
/* Does all of the text match? False, and *out_failed, if memory is out. */
bool adze_regex_matches(const adze_regex *regex, adze_string text, bool *out_failed);

#endif
