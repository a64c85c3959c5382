/* Flags of a command: --name=value, --name value, -O2; everything after -- is a file. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 28 }; /* columns of --help before the texts */

int adze_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "adze: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return 2;
}

static void print_name(const adze_flag *flag, char *room, size_t size)
{
    bool dash = flag->name[1] != '-'; /* -o FILE, -O2 */
    const char *joint = !flag->value || flag->kind == ADZE_FLAG_LEVEL ? "" : dash ? " " : "=";
    bool maybe = flag->kind == ADZE_FLAG_MAYBE;
    snprintf(room, size, "%s%s%s%s%s", flag->name, maybe ? "[" : "", joint, flag->value ? flag->value : "",
             maybe ? "]" : "");
}

/* Characters of UTF-8: each takes a column. */
static int width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void adze_flags_help(const adze_flag *flags, const char *usage)
{
    printf("%s\nFlags:\n", usage);
    while (flags->name) {
        char left[192];
        const char *help = flags->help;
        print_name(flags, left, sizeof left);
        for (flags++; flags->name && !flags->help; flags++) {
            size_t used = strlen(left);
            used += (size_t)snprintf(left + used, sizeof left - used, ", ");
            print_name(flags, left + used, sizeof left - used);
        }
        int n = width(left);
        printf("  %s%*s%s%s\n", left, n < NAMES ? NAMES - n : 0, "", n > NAMES ? "  " : " ", help);
    }
    printf("  %-*s %s\n", NAMES, "--help", "print this");
}

void adze_flags_free(const adze_flag *flags, void *out)
{
    for (; flags->name; flags++) {
        if (flags->kind != ADZE_FLAG_LIST && flags->kind != ADZE_FLAG_DIMS) continue;
        adze_flag_list *list = (adze_flag_list *)(void *)((char *)out + flags->offset);
        free(list->items);
        *list = (adze_flag_list){0};
    }
}

bool adze_has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && !strcmp(text + n - m, suffix);
}

static int add_item(adze_flag_list *list, const char *value)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items) return adze_usage_error("out of memory");
    list->items = items;
    list->items[list->count++] = value;
    return 0;
}

static bool is_dim(const char *text)
{
    const char *equals = strchr(text, '=');
    char *end;
    errno = 0;
    return equals && equals > text && strtoll(equals + 1, &end, 10) >= 0 && end > equals + 1 && !*end && !errno;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *at = choices; n && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (!strncmp(at, value, n) && (!at[n] || at[n] == '|')) return true;
    }
    return false;
}

bool adze_read_bytes(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno) return false;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1])) return false;
    int shift = unit ? 10 * (1 + (int)(unit - units)) : 0;
    if (*out > UINT64_MAX >> shift) return false;
    *out <<= shift;
    return true;
}

/* 0, or the exit status. */
static int store(const adze_flag *flag, void *out, const char *value)
{
    void *field = (char *)out + flag->offset;
    char *end = NULL;
    errno = 0;
    switch (flag->kind) {
    case ADZE_FLAG_BOOL: *(bool *)field = true; return 0;
    case ADZE_FLAG_MAYBE: *(const char **)field = value ? value : ""; return 0;
    case ADZE_FLAG_TEXT:
        *(const char **)field = value;
        if (*value || strncmp(flag->value, "FILE", 4) != 0) return 0;
        return adze_usage_error("%s takes the name of a file, got none", flag->name);
    case ADZE_FLAG_LIST: return add_item(field, value);
    case ADZE_FLAG_DIMS:
        if (is_dim(value)) return add_item(field, value);
        return adze_usage_error("%s takes NAME=VALUE with a whole number of 0 or more, got '%s'", flag->name, value);
    case ADZE_FLAG_CHOICE:
        *(const char **)field = value;
        if (is_choice(flag->value, value)) return 0;
        return adze_usage_error("%s takes %s, got '%s'", flag->name, flag->value, value);
    case ADZE_FLAG_NUMBER:
        *(double *)field = strtod(value, &end);
        if (end > value && !*end && *(double *)field >= 0) return 0;
        return adze_usage_error("%s takes a number of at least 0, got '%s'", flag->name, value);
    case ADZE_FLAG_BYTES:
        if (adze_read_bytes(value, field)) return 0;
        return adze_usage_error("%s takes a number of bytes like 512M or 2G, got '%s'", flag->name, value);
    case ADZE_FLAG_LEVEL:
        if (strlen(value) != 1 || *value < '0' || *value > '3')
            return adze_usage_error("%s takes 0, 1, 2 or 3, got '%s'", flag->name, value);
        *(int *)field = *value - '0';
        return 0;
    case ADZE_FLAG_INT:
        *(int64_t *)field = strtoll(value, &end, 10);
        return *value && !*end && !errno
                   ? 0
                   : adze_usage_error("%s takes a whole number, got '%s'", flag->name, value);
    }
    return 0;
}

/* The flag that `arg` is, and its value where it stands in the same argument. */
static const adze_flag *find(const adze_flag *flags, const char *arg, const char **out_value)
{
    *out_value = NULL;
    for (; flags->name; flags++) {
        size_t n = strlen(flags->name);
        if (strncmp(arg, flags->name, n) != 0) continue;
        if (flags->kind == ADZE_FLAG_LEVEL && arg[n]) *out_value = arg + n;
        if (arg[n] == '=') *out_value = arg + n + 1;
        if (!arg[n] || *out_value) return flags;
    }
    return NULL;
}

/* The exit status. */
static int no_flag(const adze_flag *flags, const char *arg)
{
    char name[64], ask[96];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
    adze_nearest nearest = {.wanted = name};
    for (; flags->name; flags++)
        if (strlen(flags->name) > 2) adze_nearest_offer(&nearest, flags->name);
    adze_nearest_offer(&nearest, "--help");
    return adze_usage_error("there is no flag %s%s", arg,
                            nearest.name ? adze_nearest_ask(&nearest, ask, sizeof ask) : "; try --help");
}

int adze_flags_parse(int argc, char **argv, const adze_flag *flags, void *out, const char *usage, int *out_status)
{
    int files = 0;
    bool only_files = false;
    *out_status = 0;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value;
        if (only_files || arg[0] != '-' || !arg[1]) {
            argv[files++] = argv[i];
            continue;
        }
        if (!strcmp(arg, "--")) {
            only_files = true;
            continue;
        }
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            adze_flags_help(flags, usage);
            return -1;
        }
        const adze_flag *flag = find(flags, arg, &value);
        if (!flag)
            *out_status = no_flag(flags, arg);
        else if (flag->kind == ADZE_FLAG_BOOL && value)
            *out_status = adze_usage_error("%s takes no value", flag->name);
        else if (flag->kind == ADZE_FLAG_MAYBE)
            *out_status = store(flag, out, value);
        else if (flag->kind != ADZE_FLAG_BOOL && !value && ++i == argc)
            *out_status = adze_usage_error("%s needs a value", flag->name);
        else
            *out_status = store(flag, out, value ? value : argv[i]);
        if (*out_status) return -1;
    }
    return files;
}
