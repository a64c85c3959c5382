/* How long each pass took. */
#include "opt.h"

#include <stdio.h>
#include <string.h>

void adze_timing_add(adze_timing *timing, const char *pass, double seconds)
{
    adze_timing *t = timing;
    uint32_t i = 0;
    while (i < t->count && strcmp(t->names[i], pass) != 0) i++;
    if (i == sizeof t->names / sizeof *t->names) return;
    if (i == t->count) t->names[t->count++] = pass;
    t->seconds[i] += seconds;
    t->runs[i]++;
}

void adze_timing_print(const adze_timing *timing)
{
    const adze_timing *t = timing;
    double total = 0;
    for (uint32_t i = 0; i < t->count; i++) total += t->seconds[i];
    fprintf(stderr, "%10s %6s %5s  pass\n", "ms", "share", "runs");
    for (uint32_t i = 0; i < t->count; i++)
        fprintf(stderr, "%10.3f %5.1f%% %5u  %s\n", t->seconds[i] * 1e3,
                total > 0 ? 100 * t->seconds[i] / total : 0, t->runs[i], t->names[i]);
    fprintf(stderr, "%10.3f               total\n", total * 1e3);
}
