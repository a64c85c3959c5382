/* Options of a pass: from text to the fields of its struct, and back. */
#include "passes/registry_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fields are read and written by memcpy: a descriptor's offsets need not be aligned. */
static bool set_number(const adze_option *option, void *field, const char *text)
{
    char *end;
    errno = 0;
    if (option->kind == ADZE_OPTION_INT) {
        int64_t value = strtoll(text, &end, 0);
        memcpy(field, &value, sizeof value);
    } else {
        double value = adze_text_to_double(text, &end);
        memcpy(field, &value, sizeof value);
    }
    return *text && !*end && !errno;
}

static bool set_bool(void *field, const char *text)
{
    bool yes = !strcmp(text, "true") || !strcmp(text, "1") || !strcmp(text, "on");
    bool no = !strcmp(text, "false") || !strcmp(text, "0") || !strcmp(text, "off");
    memcpy(field, &yes, sizeof yes);
    return yes || no;
}

bool adze_option_set(adze_context *context, const adze_option *option, void *options, const char *text,
                     char *why, size_t why_size)
{
    static const char *const wanted[] = {"a whole number", "true or false", "a number", "text"};
    char *field = (char *)options + option->offset;
    bool ok = true;
    switch (option->kind) {
    case ADZE_OPTION_BOOL: ok = set_bool(field, text); break;
    case ADZE_OPTION_INT:
    case ADZE_OPTION_FLOAT: ok = set_number(option, field, text); break;
    case ADZE_OPTION_STR: {
        const char *copy = adze_intern_z(context, text);
        memcpy(field, &copy, sizeof copy);
        break;
    }
    }
    if (!ok)
        snprintf(why, why_size, "option '%s' takes %s, got '%s'", option->name, wanted[option->kind],
                 text);
    return ok;
}

bool adze_options_init(adze_context *context, const adze_pass *pass, void *options, char *why,
                       size_t why_size)
{
    memset(options, 0, pass->options_size);
    for (uint32_t i = 0; i < pass->n_options; i++) {
        const adze_option *option = &pass->options[i];
        if (option->fallback &&
            !adze_option_set(context, option, options, option->fallback, why, why_size))
            return false;
    }
    return true;
}

bool adze_option_is_default(adze_context *context, const adze_option *option, const void *options)
{
    static const size_t sizes[] = {sizeof(int64_t), sizeof(bool), sizeof(double), sizeof(char *)};
    char why[8];
    char fallback[sizeof(int64_t)] = {0};
    adze_option at_zero = *option;
    at_zero.offset = 0;
    if (option->fallback)
        adze_option_set(context, &at_zero, fallback, option->fallback, why, sizeof why);
    /* Interned strings are equal as pointers. */
    return !memcmp(fallback, (const char *)options + option->offset, sizes[option->kind]);
}

static bool needs_quotes(const char *text)
{
    if (!*text) return true;
    return text[strcspn(text, ",{}()\"\\ \t\r\n")] != '\0';
}

static void print_text(const char *text, adze_text *out)
{
    if (!needs_quotes(text)) {
        adze_text_append(out, "%s", text);
        return;
    }
    adze_text_append(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') adze_text_append(out, "\\");
        adze_text_write(out, text, 1);
    }
    adze_text_append(out, "\"");
}

void adze_option_print(const adze_option *option, const void *options, adze_text *out)
{
    const char *field = (const char *)options + option->offset;
    switch (option->kind) {
    case ADZE_OPTION_BOOL: {
        bool value;
        memcpy(&value, field, sizeof value);
        adze_text_append(out, "%s", value ? "true" : "false");
        break;
    }
    case ADZE_OPTION_INT: {
        int64_t value;
        memcpy(&value, field, sizeof value);
        adze_text_append(out, "%lld", (long long)value);
        break;
    }
    case ADZE_OPTION_FLOAT: {
        double value;
        memcpy(&value, field, sizeof value);
        adze_text_double(out, value);
        break;
    }
    case ADZE_OPTION_STR: {
        const char *value;
        memcpy(&value, field, sizeof value);
        print_text(value ? value : "", out);
        break;
    }
    }
}
