/* Flags of a command: --name=value, --name value, -O2; everything after -- is a file. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void print_help(const adze_flag *flags, const char *usage)
{
    printf("%s\nFlags:\n", usage);
    for (; flags->name; flags++) {
        char left[64];
        const char *joint = !flags->value ? "" : flags->kind == ADZE_FLAG_LEVEL ? "" : "=";
        snprintf(left, sizeof left, "%s%s%s", flags->name, joint, flags->value ? flags->value : "");
        printf("  %-24s %s\n", left, flags->help);
    }
    printf("  %-24s %s\n", "--help", "print this");
}

void adze_flag_list_free(adze_flag_list *list)
{
    free(list->items);
    *list = (adze_flag_list){0};
}

static int add_item(adze_flag_list *list, const char *value)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items) return adze_usage_error("out of memory");
    list->items = items;
    list->items[list->count++] = value;
    return 0;
}

/* 0, or the exit status. */
static int store(const adze_flag *flag, void *out, const char *value)
{
    void *field = (char *)out + flag->offset;
    char *end = NULL;
    errno = 0;
    switch (flag->kind) {
    case ADZE_FLAG_BOOL: *(bool *)field = true; return 0;
    case ADZE_FLAG_TEXT: *(const char **)field = value; return 0;
    case ADZE_FLAG_LIST: return add_item(field, value);
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
            print_help(flags, usage);
            return -1;
        }
        const adze_flag *flag = find(flags, arg, &value);
        if (!flag)
            *out_status = adze_usage_error("there is no flag %s; try --help", arg);
        else if (flag->kind == ADZE_FLAG_BOOL && value)
            *out_status = adze_usage_error("%s takes no value", flag->name);
        else if (flag->kind != ADZE_FLAG_BOOL && !value && ++i == argc)
            *out_status = adze_usage_error("%s needs a value", flag->name);
        else
            *out_status = store(flag, out, value ? value : argv[i]);
        if (*out_status) return -1;
    }
    return files;
}
