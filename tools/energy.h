/* Energy that processor packages take, by the counters that Linux shows (powercap, RAPL). */
#ifndef ADZE_ENERGY_H
#define ADZE_ENERGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADZE_ENERGY_PACKAGES = 64 };

/* A meter over all packages of the machine, and why there is none. */
typedef struct adze_energy {
    uint32_t n;
    char *counters[ADZE_ENERGY_PACKAGES]; /* paths of energy_uj */
    uint64_t range[ADZE_ENERGY_PACKAGES]; /* in µJ: a counter starts again at 0 behind it */
    uint64_t start[ADZE_ENERGY_PACKAGES];
    char why[192]; /* "" while all is well */
} adze_energy;

/* Finds the counters below `folder`; NULL: $ADZE_POWERCAP, else /sys/class/powercap. False where they cannot be read,
 * with the reason in `why`, in words that a report can print. Close it either way. */
bool adze_energy_open(adze_energy *meter, const char *folder);
/* Reads the counters before and behind a piece of work. A counter may start again once in between, so the work has to
 * take less than about a minute. Energy is that of the whole machine, whatever else runs on it. */
bool adze_energy_begin(adze_energy *meter);
bool adze_energy_end(adze_energy *meter, double *out_mj);
void adze_energy_close(adze_energy *meter);

#endif
