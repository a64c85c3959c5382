/* RAPL counters through powercap: FOLDER/intel-rapl:N is package N, with energy_uj and max_energy_range_uj. Zones
 * inside a package (intel-rapl:N:M) are parts of it, and the platform's (psys) holds the packages: neither is added.
 * AMD processors show theirs under the same names. */
#include "energy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(adze_energy *meter, const char *path, const char *why)
{
    snprintf(meter->why, sizeof meter->why, "%s: %s", path, why);
    return false;
}

/* The first line of FOLDER/FILE, without its line end. */
static bool read_line(adze_energy *meter, const char *path, char *line, int size)
{
    FILE *stream = fopen(path, "re");
    if (!stream) return fail(meter, path, strerror(errno));
    bool ok = fgets(line, size, stream) != NULL;
    const char *why = ferror(stream) ? strerror(errno) : "is empty";
    fclose(stream);
    if (!ok) return fail(meter, path, why);
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static bool read_number(adze_energy *meter, const char *path, uint64_t *out)
{
    char line[64], *end;
    if (!read_line(meter, path, line, sizeof line)) return false;
    errno = 0;
    *out = strtoull(line, &end, 10);
    return (line[0] >= '0' && line[0] <= '9' && !*end && !errno) || fail(meter, path, "holds no number");
}

/* intel-rapl:N, with digits only behind the colon. */
static bool is_package(const char *name)
{
    static const char prefix[] = "intel-rapl:";
    size_t n = sizeof prefix - 1;
    return !strncmp(name, prefix, n) && name[n] && strspn(name + n, "0123456789") == strlen(name + n);
}

static bool add(adze_energy *meter, const char *folder, const char *zone)
{
    char name[64], *path;
    uint64_t now;
    if (asprintf(&path, "%s/%s/name", folder, zone) < 0) return fail(meter, folder, "out of memory");
    bool ok = read_line(meter, path, name, sizeof name);
    free(path);
    if (!ok || !strcmp(name, "psys")) return ok;
    if (meter->n == ADZE_ENERGY_PACKAGES) return fail(meter, folder, "has too many packages");
    if (asprintf(&path, "%s/%s/max_energy_range_uj", folder, zone) < 0) return fail(meter, folder, "out of memory");
    ok = read_number(meter, path, &meter->range[meter->n]);
    free(path);
    if (!ok) return false;
    if (asprintf(&path, "%s/%s/energy_uj", folder, zone) < 0) return fail(meter, folder, "out of memory");
    meter->counters[meter->n++] = path;
    return read_number(meter, path, &now); /* often only root may */
}

bool adze_energy_open(adze_energy *meter, const char *folder)
{
    *meter = (adze_energy){0};
    if (!folder) folder = getenv("ADZE_POWERCAP");
    if (!folder) folder = "/sys/class/powercap";
    DIR *zones = opendir(folder);
    if (!zones) return fail(meter, folder, strerror(errno));
    bool ok = true;
    for (struct dirent *zone; ok && (zone = readdir(zones));)
        if (is_package(zone->d_name)) ok = add(meter, folder, zone->d_name);
    closedir(zones);
    return ok && (meter->n || fail(meter, folder, "shows no counter of a processor package (intel-rapl:N)"));
}

bool adze_energy_begin(adze_energy *meter)
{
    if (*meter->why) return false;
    for (uint32_t i = 0; i < meter->n; i++)
        if (!read_number(meter, meter->counters[i], &meter->start[i])) return false;
    return true;
}

bool adze_energy_end(adze_energy *meter, double *out_mj)
{
    uint64_t now;
    double uj = 0;
    if (*meter->why) return false;
    for (uint32_t i = 0; i < meter->n; i++) {
        if (!read_number(meter, meter->counters[i], &now)) return false;
        if (now < meter->start[i] && meter->start[i] > meter->range[i])
            return fail(meter, meter->counters[i], "went back, and not from the end of its range");
        uj += now >= meter->start[i] ? (double)(now - meter->start[i])
                                     : (double)(meter->range[i] - meter->start[i] + now);
    }
    *out_mj = uj / 1000;
    return true;
}

void adze_energy_close(adze_energy *meter)
{
    for (uint32_t i = 0; i < meter->n; i++) free(meter->counters[i]);
    meter->n = 0;
}
