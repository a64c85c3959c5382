/* adze info --targets: the backends that are there, and the levels that this machine runs. */
#include "command.h"

#include <stdio.h>
#include <string.h>

bool adze_print_targets(adze_work *work)
{
    const char *host = adze_host_level();
    for (const char *const *t = adze_registry_targets(work->registry); *t; t++) {
        const char *level = strchr(*t, ':');
        if (level) {
            printf("level    %s%s\n", *t, host && strcmp(level + 1, host) <= 0 ? " (runs here)" : " (not on this CPU)");
        } else if (adze_registry_has_backend(work->registry, *t)) {
            const adze_backend *backend = adze_registry_backend(work->registry, *t);
            if (!backend) return false;
            printf("backend  %s: %s\n", *t, backend->help);
        }
    }
    return true;
}
