/* Where the installed parts lie, as seen from this program: an installed tree may be moved. */
#include "command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Another data folder, as the library takes it. */
static bool given_data(const char *relative, char *out, size_t size)
{
    const char *folder = getenv("ADZE_DATA_DIR");
    size_t n = strlen(ADZE_DATA_FROM_BIN);
    if (!folder || !*folder || strncmp(relative, ADZE_DATA_FROM_BIN, n) != 0) return false;
    return (size_t)snprintf(out, size, "%s%s", folder, relative + n) < size;
}

/* False where there is no such folder; `out` has PATH_MAX bytes. */
static bool find(const char *relative, char *out)
{
    char path[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
    snprintf(joined, sizeof joined, "%s/%s", path, relative);
    given_data(relative, joined, sizeof joined);
    return realpath(joined, out) != NULL;
}

static const struct place {
    const char *flag, *relative;
} places[] = {
    {"--include-path", ADZE_INCLUDE_FROM_BIN},
    {"--lit-path", ADZE_DATA_FROM_BIN "/lit"},
};

int adze_path_print(const char *flag)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(places[i].flag, flag) != 0) continue;
        bool found = find(places[i].relative, path);
        if (found) puts(path);
        else fprintf(stderr, "adze: there is no folder %s beside this program's\n", places[i].relative);
        return found ? 0 : 1;
    }
    return -1;
}

char *adze_path_of_templates(void)
{
    char path[PATH_MAX];
    return find(ADZE_DATA_FROM_BIN "/templates", path) ? strdup(path) : NULL;
}
