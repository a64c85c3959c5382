/* A text that holds several modules, between lines that are a mark (split.c). */
#ifndef ADZE_SPLIT_H
#define ADZE_SPLIT_H

#include "command.h"

#define ADZE_SPLIT_MARK "// -----"

typedef struct adze_split {
    const char *mark; /* NULL: the text is one part */
    const char *next; /* NULL behind the last part */
    const char *text;
    char *part; /* with the lines before it blank, so that places stay right; ends in a zero byte */
    size_t size;
} adze_split;

/* Borrows both texts. False when out of memory. Notes lines that look like the mark but are not. */
bool adze_split_begin(adze_split *split, adze_work *work, const char *file, const char *text, const char *mark);
/* The next part; false behind the last one. */
bool adze_split_next(adze_split *split);
void adze_split_end(adze_split *split);

#endif
