/* What the files of `adze opt --update-checks` share. */
#ifndef ADZE_UPDATE_CHECKS_H
#define ADZE_UPDATE_CHECKS_H

#include "command.h"

/* Gives the array room for one more item than `count`; ends the process where there is no memory. */
void *adze_grow(void *items, uint32_t count, size_t item_size);

/* ---- RUN lines (run_lines.c) ---- */

/* One `adze opt … | FileCheck %s …`. */
typedef struct adze_run_line {
    uint32_t line;
    const char **args;     /* of the process, NULL-ended, from "adze" on */
    const char *input;     /* what stdin reads; NULL = nothing */
    const char **prefixes; /* of FileCheck, NULL-ended */
    adze_text output;      /* of adze, once it ran */
} adze_run_line;

typedef struct adze_run_lines {
    adze_run_line *items;
    uint32_t count;
} adze_run_lines;

/* Reads the RUN lines of a test and notes those that are something else. `plugin` stands for %plugin, or is NULL.
 * False after an error: there is no such line. */
bool adze_run_lines_read(adze_work *work, const char *path, const char *text, const char *plugin, adze_run_lines *out);
/* All prefixes that a test names, NULL-ended and interned, to be freed. */
const char **adze_prefixes_read(adze_work *work, const char *text);
/* Runs this program with the line's arguments. False after an error: it failed. */
bool adze_run_line_run(adze_work *work, const char *path, adze_run_line *run);
void adze_run_lines_free(adze_run_lines *runs);

/* ---- Lines of checks (check_lines.c) ---- */

#define ADZE_CHECK_MARK "//~" /* begins every line that is ours */

typedef enum adze_directive {
    ADZE_CHECK_NONE,
    ADZE_CHECK_LABEL,
    ADZE_CHECK_NOT,
    ADZE_CHECK_OTHER /* what asks for text */
} adze_directive;

/* What the line tells FileCheck under that prefix; out_pattern: the text behind the colon, to the end of the line. */
adze_directive adze_check_find(const char *line, size_t size, const char *prefix, const char **out_pattern);

/* Name of the function whose header the line is, with @ and quotes; NULL if it is none. */
const char *adze_check_func_name(const char *line, size_t size, size_t *out_size);

/* Lines of one printed function, or of constants, that follow each other: borrowed, without indentation and with
 * their line breaks. */
typedef struct adze_printed {
    const char *text;
    size_t size;
} adze_printed;

typedef struct adze_check_style {
    adze_context *context;
    const char *prefix, *indent;
    const char *const *prefixes; /* all of the test: FileCheck would read a variable V3 as the directive V3: */
    bool has_label; /* by hand: the header is left to that, and arguments are called as they are */
} adze_check_style;

/* Checks of a function: LABEL and SAME of its header go to `head`, all further lines to `body`. */
void adze_check_write_func(const adze_check_style *style, adze_printed func, adze_text *head, adze_text *body);
/* Checks of constants whose contents are in the text. */
void adze_check_write_consts(const char *prefix, adze_printed consts, adze_text *out);
/* The line of the printed text that a NOT pattern finds; NULL if none. Patterns with variables find nothing. */
const char *adze_check_violation(adze_context *context, const char *pattern, size_t size, adze_printed printed,
                                 size_t *out_size);

/* ---- update_checks.c ---- */

/* Writes the checks of a lit test anew, from what its RUN lines print now. The exit status. */
int adze_update_checks(adze_work *work, const char *path, const char *plugin);

#endif
