/* adze info --targets: the backends that are there, and the levels that this machine runs. */
#include "command.h"

#include <adze/artifact.h>

#include <stdio.h>
#include <string.h>

/* Names of levels are ordered, but for that with tiles, which "x86:host" never is. */
static bool runs_here(const char *level)
{
    const char *host = adze_host_level();
    if (!strcmp(level, "x86-64-v4-amx"))
        return host && !strcmp(host, "x86-64-v4-vnni") && (adze_cpu_features() & ADZE_CPU_AMX_INT8);
    return host && strcmp(level, host) <= 0;
}

bool adze_print_targets(adze_work *work)
{
    for (const char *const *t = adze_registry_targets(work->registry); *t; t++) {
        const char *level = strchr(*t, ':');
        if (level) {
            printf("level    %s (%s)\n", *t, runs_here(level + 1) ? "runs here" : "not on this CPU");
        } else if (adze_registry_has_backend(work->registry, *t)) {
            const adze_backend *backend = adze_registry_backend(work->registry, *t);
            if (!backend) return false;
            printf("backend  %s: %s\n", *t, backend->help);
        }
    }
    return true;
}
