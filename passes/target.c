/* Targets: text files of `key = value` lines, `#` starts a comment.
 *
 * `name` and `level` are text, `include = FILE` reads another description first, all other keys are
 * whole numbers (K and M multiply by 1024 and 1024^2). "x86:LEVEL" is LEVEL.target in the folder of
 * targets, or the file itself where LEVEL holds a slash. "x86:host" is the best level that the CPU's
 * CPUID allows, with the cache sizes and cores that the system states. A plug-in's backend needs no file: its
 * name alone is a target without numbers.
 */
#include "passes/registry_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_INCLUDES = 8, MAX_FILE = 1 << 16 };

const char *adze_target_name(const adze_target *target) { return target->name; }
const char *adze_target_level(const adze_target *target) { return target->level; }

int64_t adze_target_number(const adze_target *target, const char *key, int64_t fallback)
{
    for (uint32_t i = 0; i < target->n_entries; i++)
        if (!strcmp(target->entries[i].key, key)) return target->entries[i].value;
    return fallback;
}

static void set_number(adze_registry *registry, adze_target *target, const char *key, int64_t value)
{
    for (uint32_t i = 0; i < target->n_entries; i++)
        if (!strcmp(target->entries[i].key, key)) {
            target->entries[i].value = value;
            return;
        }
    target->entries = adze_arena_grow(&registry->arena, target->entries, target->n_entries,
                                      &target->entries_capacity, sizeof *target->entries);
    target->entries[target->n_entries++] =
        (adze_target_entry){adze_intern_z(registry->context, key), value};
}

/* A number with an optional K or M. */
static bool read_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end == text || errno) return false;
    int64_t unit = *end == 'K' ? 1024 : *end == 'M' ? 1024 * 1024 : 1;
    if (unit > 1) end++;
    return !*end && !__builtin_mul_overflow(*out, unit, out);
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t') text++;
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) text[--n] = '\0';
    return text;
}

static const char *data_folder(adze_registry *registry)
{
    const char *given = getenv("ADZE_DATA_DIR");
    if (given && *given) return given;
    return adze_internf(registry->context, "%s/%s", adze_library_folder(registry->context),
                        ADZE_DATA_FROM_LIB);
}

static bool read_file(adze_registry *registry, adze_target *target, const char *file, int depth);

typedef struct name_list {
    const char **items;
    uint32_t count, capacity;
} name_list;

static void add_name(adze_registry *registry, name_list *list, const char *name)
{
    list->items = adze_arena_grow(&registry->arena, (void *)list->items, list->count, &list->capacity,
                                  sizeof *list->items);
    list->items[list->count++] = name;
}

/* Backends of plug-ins need no description; the others' names are those of files. */
static void add_backends(adze_registry *registry, name_list *list)
{
    for (uint32_t i = 0; i < registry->n_backends; i++) {
        bool listed = false;
        for (uint32_t k = 0; k < list->count; k++) listed |= !strcmp(list->items[k], registry->backends[i]->name);
        if (!listed) add_name(registry, list, registry->backends[i]->name);
    }
}

const char *const *adze_registry_targets(adze_registry *registry)
{
    struct dirent **entries;
    adze_context *context = registry->context;
    const char *folder = adze_internf(context, "%s/targets", data_folder(registry));
    name_list list = {0};
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *file = entries[i]->d_name, *dot = strrchr(file, '.');
        adze_target target = {0};
        if (dot && !strcmp(dot, ".target") &&
            read_file(registry, &target, adze_internf(context, "%s/%s", folder, file), 0) && target.name) {
            const char *level = adze_intern(context, file, (size_t)(dot - file));
            bool plain = !strcmp(level, target.name);
            add_name(registry, &list, plain ? level : adze_internf(context, "%s:%s", target.name, level));
        }
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    add_backends(registry, &list);
    add_name(registry, &list, NULL);
    return list.items;
}

/* "x86:x86-64-v3, x86, x86:host" for a message. */
static const char *list_targets(adze_registry *registry)
{
    const char *text = "";
    for (const char *const *t = adze_registry_targets(registry); *t; t++)
        text = adze_internf(registry->context, "%s%s, ", text, *t);
    return adze_internf(registry->context, "%sx86:host", text);
}

static bool read_line(adze_registry *registry, adze_target *target, adze_loc loc, char *line, int depth)
{
    line[strcspn(line, "#")] = '\0';
    line = trim(line);
    if (!*line) return true;
    char *equals = strchr(line, '=');
    if (!equals) return adze_error(loc, "expected 'key = value', got '%s'", line);
    *equals = '\0';
    const char *key = trim(line), *value = trim(equals + 1);
    if (!adze_name_is_valid(key)) return adze_error(loc, "'%s' is no key", key);
    if (!strcmp(key, "name") || !strcmp(key, "level")) {
        if (!adze_name_is_valid(value)) return adze_error(loc, "'%s' is no name", value);
        *(*key == 'n' ? &target->name : &target->level) = adze_intern_z(registry->context, value);
        return true;
    }
    if (!strcmp(key, "include")) {
        if (depth == MAX_INCLUDES) return adze_error(loc, "includes are nested too deeply");
        if (!strchr(value, '/'))
            value = adze_internf(registry->context, "%s/targets/%s.target", data_folder(registry),
                                 value);
        return read_file(registry, target, value, depth + 1);
    }
    int64_t number;
    if (!read_number(value, &number) || number < 0)
        return adze_error(loc, "'%s' takes a whole number, got '%s'", key, value);
    set_number(registry, target, key, number);
    return true;
}

static bool read_file(adze_registry *registry, adze_target *target, const char *file, int depth)
{
    adze_loc loc = adze_file_loc(registry->context, file, 0);
    FILE *stream = fopen(file, "re");
    if (!stream) return adze_error(loc, "cannot read the target description: %s", strerror(errno));
    char *text = adze_malloc(MAX_FILE + 1);
    size_t size = fread(text, 1, MAX_FILE + 1, stream);
    bool ok = !ferror(stream) && size <= MAX_FILE && !memchr(text, 0, size);
    fclose(stream);
    if (!ok) {
        adze_error(loc, "is no target description");
    } else {
        text[size] = '\0';
        uint32_t number = 1;
        for (char *line = text, *next; ok && line; line = next, number++) {
            next = strchr(line, '\n');
            if (next) *next++ = '\0';
            loc.line = number;
            ok = read_line(registry, target, loc, line, depth);
        }
    }
    free(text);
    return ok;
}

/* ---- The machine at hand ---- */

/* First line of a sysfs file without its end; false if there is none. */
static bool read_sysfs(int index, const char *leaf, char *out, int size)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, leaf);
    FILE *stream = fopen(path, "re");
    if (!stream) return false;
    bool ok = fgets(out, size, stream);
    fclose(stream);
    if (ok) out[strcspn(out, "\n")] = '\0';
    return ok;
}

static void add_host_facts(adze_registry *registry, adze_target *target)
{
    char type[32], level[32], size[32], key[32];
    for (int i = 0; i < 16 && read_sysfs(i, "type", type, sizeof type); i++) {
        int64_t bytes;
        if (!strcmp(type, "Instruction") || !read_sysfs(i, "level", level, sizeof level) ||
            !read_sysfs(i, "size", size, sizeof size) || !read_number(size, &bytes))
            continue;
        snprintf(key, sizeof key, "l%.8s", level);
        set_number(registry, target, key, bytes);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores > 0) set_number(registry, target, "cores", cores);
}

const char *adze_host_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni")) return "x86-64-v4-vnni";
    if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
    if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
#endif
    return NULL;
}

/* ---- By name ---- */

static const char *file_of(adze_registry *registry, const char *spec, adze_loc loc, bool *out_host)
{
    const char *colon = strchr(spec, ':');
    const char *name = colon ? colon + 1 : spec;
    *out_host = false;
    if (colon && !strcmp(name, "host")) {
        *out_host = true;
        name = adze_host_level();
        if (!name || strncmp(spec, "x86:", 4) != 0) {
            adze_error(loc, "target '%s': this machine's CPU has none of its levels", spec);
            return NULL;
        }
    }
    if (strchr(name, '/')) return name;
    if (!adze_name_is_valid(name)) {
        adze_error(loc, "'%s' is no target; write NAME or NAME:LEVEL, e.g. x86:x86-64-v4", spec);
        return NULL;
    }
    return adze_internf(registry->context, "%s/targets/%s.target", data_folder(registry), name);
}

static const adze_target *keep_target(adze_registry *registry, adze_target *target, const char *spec)
{
    target->spec = adze_intern_z(registry->context, spec);
    target->next = registry->targets;
    registry->targets = target;
    return target;
}

/* The target of a backend that has no levels and needs no numbers. */
static adze_target *undescribed(adze_registry *registry, const char *name)
{
    adze_target *target = ADZE_NEW(&registry->arena, adze_target);
    target->name = target->level = adze_intern_z(registry->context, name);
    return target;
}

const adze_target *adze_registry_target(adze_registry *registry, const char *text)
{
    adze_loc loc = adze_loc_unknown(registry->context);
    for (adze_target *t = registry->targets; t; t = t->next)
        if (!strcmp(t->spec, text)) return t;
    bool host;
    const char *file = file_of(registry, text, loc, &host);
    if (!file) return NULL;
    if (access(file, R_OK)) {
        if (adze_registry_find_backend(registry, text)) return keep_target(registry, undescribed(registry, text), text);
        if (host || strchr(text, '/'))
            adze_error(loc, "no target '%s': there is no file %s", text, file);
        else
            adze_error(loc, "no target '%s'; there are %s", text, list_targets(registry));
        return NULL;
    }
    adze_target *target = ADZE_NEW(&registry->arena, adze_target);
    if (!read_file(registry, target, file, 0)) return NULL;
    size_t n = strcspn(text, ":");
    if (!target->name || !target->level) {
        adze_error(adze_file_loc(registry->context, file, 0), "the target has no name or no level");
        return NULL;
    }
    if (strncmp(target->name, text, n) != 0 || target->name[n]) {
        adze_error(adze_file_loc(registry->context, file, 0), "describes a level of '%s', not of '%.*s'",
                   target->name, (int)n, text);
        return NULL;
    }
    if (host) add_host_facts(registry, target);
    return keep_target(registry, target, text);
}
