/* A text in parts: each is read as if it stood alone, at the lines where it stands in the whole. */
#include "split.h"

#include <stdlib.h>
#include <string.h>

/* The line is the mark, blanks behind it aside. */
static bool is_mark(const char *line, const char *mark)
{
    size_t n = strlen(mark);
    if (strncmp(line, mark, n) != 0) return false;
    line += n + strspn(line + n, " \t\r");
    return !*line || *line == '\n';
}

/* The line begins as the mark does, but goes on; or it is a comment of some dashes. */
static bool is_near(const char *line, const char *mark)
{
    if (is_mark(line, mark)) return false;
    if (!strncmp(line, mark, strlen(mark))) return true;
    size_t n = strspn(line, "/ "), dashes = strspn(line + n, "-");
    return !strncmp(line, "//", 2) && !strcmp(mark, ADZE_SPLIT_MARK) && dashes > 2 &&
           strspn(line + n + dashes, " \t\r") == strcspn(line + n + dashes, "\n");
}

static const char *line_after(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

bool adze_split_begin(adze_split *split, adze_work *work, const char *file, const char *text, const char *mark)
{
    *split = (adze_split){.mark = mark, .next = text, .text = text, .part = malloc(strlen(text) + 1)};
    if (!split->part) return adze_error(adze_loc_unknown(work->context), "out of memory");
    adze_loc loc = adze_loc_unknown(work->context);
    loc.file = adze_intern_z(work->context, file);
    loc.line = 1;
    for (const char *line = text; mark && *line; line = line_after(line), loc.line++)
        if (is_near(line, mark)) adze_note(loc, "the text is not split here: a line that splits is '%s'", mark);
    return true;
}

bool adze_split_next(adze_split *split)
{
    if (!split->next) return false;
    const char *from = split->next, *to = from;
    while (*to && !(split->mark && is_mark(to, split->mark))) to = line_after(to);
    split->next = *to ? line_after(to) : NULL;
    split->size = 0;
    for (const char *c = split->text; c < from; c++)
        if (*c == '\n') split->part[split->size++] = '\n';
    memcpy(split->part + split->size, from, (size_t)(to - from));
    split->size += (size_t)(to - from);
    split->part[split->size] = '\0';
    return true;
}

void adze_split_end(adze_split *split) { free(split->part); }
