/* Opens extensions. One source for libadze_runtime.a and libadze.so, which each look beside themselves.
 *
 * An extension stays mapped until the process ends, so its table may be kept, and nothing counts who uses it.
 */
#include <adze/extension.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAME = 40 };

/* The folder of libraries as seen from that of programs; the build says where else it lies. */
#ifndef ADZE_LIB_FROM_BIN
#define ADZE_LIB_FROM_BIN "../lib"
#endif

/* The folder of the shared object or program that this function is part of; "." if that cannot be told. */
static void own_folder(char out[PATH_MAX])
{
    static const char marker;
    Dl_info info;
    char *slash = NULL;
    /* A program that was found on PATH goes by its bare name. */
    if (dladdr(&marker, &info) && info.dli_fname && strchr(info.dli_fname, '/') && realpath(info.dli_fname, out))
        slash = strrchr(out, '/');
    else if (realpath("/proc/self/exe", out))
        slash = strrchr(out, '/');
    if (slash)
        *slash = 0;
    else
        strcpy(out, ".");
}

/* Beside this code, in the libraries' folder as seen from programs, then by the loader. NULL: `why` says so. */
static void *open_library(const char *file, char *why, size_t why_size)
{
    char folder[PATH_MAX], path[2][PATH_MAX + 2 * MAX_NAME];
    own_folder(folder);
    snprintf(path[0], sizeof path[0], "%s/%s", folder, file);
    snprintf(path[1], sizeof path[1], "%s/" ADZE_LIB_FROM_BIN "/%s", folder, file);
    const char *found = NULL;
    for (int i = 0; i < 2 && !found; i++)
        if (access(path[i], F_OK) == 0) found = path[i];
    void *library = dlopen(found ? found : file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library) return library;
    const char *error = dlerror();
    if (found || (error && strncmp(error, file, strlen(file)) != 0))
        snprintf(why, why_size, "cannot load %s: %s", file, error ? error : "no reason given");
    else
        snprintf(why, why_size, "%s is neither in %s nor in %s/" ADZE_LIB_FROM_BIN " nor where the loader looks", file,
                 folder, folder);
    return NULL;
}

const void *adze_extension_find(void *self, const char *name, char *why, size_t why_size)
{
    (void)self;
    char file[MAX_NAME + 32], symbol[MAX_NAME + 32];
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    if (name[n] || n == 0 || n > MAX_NAME) {
        snprintf(why, why_size, "there can be no extension of that name");
        return NULL;
    }
    snprintf(file, sizeof file, "libadze_%s.so", name);
    snprintf(symbol, sizeof symbol, "adze_%s_table", name);
    void *library = open_library(file, why, why_size);
    if (!library) return NULL;
    const adze_extension *table = dlsym(library, symbol);
    dlclose(library); /* counts only: it stays */
    if (!table)
        snprintf(why, why_size, "%s has no table %s", file, symbol);
    else if (table->abi != ADZE_ABI)
        snprintf(why, why_size, "%s is for ABI %u, not %u", file, table->abi, (unsigned)ADZE_ABI);
    return table && table->abi == ADZE_ABI ? table : NULL;
}
