/* Loading a plug-in: what its file says is read before the loader may run any of its code.
 *
 * adze_plugin_peek (plugin_elf.c) finds the descriptor through the file's symbol table. Only a file
 * whose magic, ABI number, size and names are right is handed to dlopen. A name that ends in .rules is a text of rules.
 */
#include "passes/plugin_elf.h"
#include "passes/registry_private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RULES = 1 << 20 };

static const char rules_suffix[] = ".rules";

const char *adze_library_folder(adze_context *context)
{
    Dl_info info;
    char path[PATH_MAX];
    /* A data symbol: taking a function's address as an object is not ISO C. */
    if (!dladdr(&adze_builtin_plugin, &info) || !info.dli_fname || !realpath(info.dli_fname, path))
        return ".";
    char *slash = strrchr(path, '/');
    return slash && slash > path ? adze_intern(context, path, (size_t)(slash - path)) : "/";
}

static bool check_name(void *self, const adze_kind *kind, const char *name, char *why, size_t why_size)
{
    bool is_taken = !kind ? adze_plugin_name_is_taken(self, name) : kind->is_taken && kind->is_taken(self, name);
    if (is_taken) snprintf(why, why_size, "the %s name '%s' is taken", kind ? kind->what : "plug-in", name);
    return !is_taken;
}

/* Maps the file and checks it; reports one line. */
static bool check_file(adze_registry *registry, const char *path)
{
    adze_loc loc = adze_file_loc(registry->context, path, 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer would wait */
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        const char *why = strerror(errno);
        if (fd >= 0) close(fd);
        return adze_error(loc, "cannot read the plug-in: %s", why);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return adze_error(loc, "cannot read the plug-in: it is no regular file");
    }
    size_t size = (size_t)st.st_size;
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (bytes == MAP_FAILED) return adze_error(loc, "cannot read the plug-in: %s", strerror(errno));
    char why[256] = "";
    bool ok = adze_plugin_peek(bytes, size, check_name, registry, why, sizeof why);
    if (size) munmap(bytes, size);
    return ok || adze_error(loc, "not loaded: %s", why);
}

/* ---- Rule files ---- */

/* Text of the file with a zero byte, in the registry's arena; NULL after an error. */
static const char *read_rules(adze_registry *registry, const char *path, adze_loc loc)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;
    struct stat st;
    if (stream && !fstat(fd, &st) && !S_ISREG(st.st_mode)) {
        fclose(stream);
        return adze_error(loc, "cannot read the rules: it is no regular file"), NULL;
    }
    if (!stream) return adze_error(loc, "cannot read the rules: %s", strerror(errno)), NULL;
    char *text = adze_malloc(MAX_RULES + 1);
    size_t size = fread(text, 1, MAX_RULES + 1, stream);
    const char *why = ferror(stream)           ? strerror(errno)
                      : size > MAX_RULES       ? "the file is too large"
                      : memchr(text, 0, size) ? "it holds zero bytes"
                                               : NULL;
    fclose(stream);
    const char *kept = why ? NULL : adze_arena_text(&registry->arena, text, size);
    if (why) adze_error(loc, "cannot read the rules: %s", why);
    free(text);
    return kept;
}

/* A file of rules is a plug-in of one rule set, both named as the file. */
static bool load_rules(adze_registry *registry, const char *path)
{
    const char *slash = strrchr(path, '/'), *leaf = slash ? slash + 1 : path;
    adze_rule_set *set = ADZE_NEW(&registry->arena, adze_rule_set);
    const adze_rule_set **sets = ADZE_NEW_ARRAY(&registry->arena, const adze_rule_set *, 2);
    adze_plugin *plugin = ADZE_NEW(&registry->arena, adze_plugin);
    *set = (adze_rule_set){.struct_size = sizeof *set};
    set->name = adze_intern(registry->context, leaf, strlen(leaf) - strlen(rules_suffix));
    set->text = read_rules(registry, path, adze_file_loc(registry->context, path, 0));
    sets[0] = set;
    *plugin = (adze_plugin){.magic = ADZE_PLUGIN_MAGIC,
                            .abi = ADZE_ABI,
                            .struct_size = sizeof *plugin,
                            .name = set->name,
                            .version = "",
                            .rules = sets};
    return set->text && adze_registry_add(registry, plugin);
}

static bool is_rules(const char *path)
{
    size_t n = strlen(path), m = strlen(rules_suffix);
    return n > m && !strcmp(path + n - m, rules_suffix);
}

bool adze_registry_load(adze_registry *registry, const char *path)
{
    if (is_rules(path)) return load_rules(registry, path);
    if (!check_file(registry, path)) return false;
    adze_loc loc = adze_file_loc(registry->context, path, 0);
    char whole[PATH_MAX]; /* dlopen searches the library path for a name without a slash */
    if (!realpath(path, whole)) return adze_error(loc, "cannot read the plug-in: %s", strerror(errno));
    void *handle = dlopen(whole, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) return adze_error(loc, "not loaded: %s", dlerror());
    const adze_plugin *plugin = dlsym(handle, ADZE_PLUGIN_SYMBOL);
    bool ok = plugin ? adze_registry_add(registry, plugin) : adze_error(loc, "not loaded: %s", dlerror());
    if (!ok) return dlclose(handle), false;
    registry->handles = adze_arena_grow(&registry->arena, registry->handles, registry->n_handles,
                                        &registry->handles_capacity, sizeof *registry->handles);
    registry->handles[registry->n_handles++] = handle;
    return true;
}
