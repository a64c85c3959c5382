/* Prints the speed of the micro-kernels at shapes of real models, and their share of this CPU's f32 peak.
 *
 *     bench_ukernels_v4 [TEXT]     only cases whose name holds TEXT; likewise _v3, _v4_vnni, _v4_amx
 *
 * The peak is measured between the cases, because neighbours on a shared machine change it. Each
 * figure is the best of its runs.
 */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FLOATS = 16 << 20, ROUNDS = 12 };

/* NEEDS is the CPU feature that the level of this program is compiled with. */
#define CPU_HAS_LEVEL (__builtin_cpu_supports(NEEDS) && (strncmp(NEEDS, "amx", 3) || may_use_tiles()))

float *bench_in, *bench_weights, *bench_out;

/* Tiles have to be asked for. */
static bool may_use_tiles(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best rate, of `unit` a run, over runs of at least 2 ms. */
static double best_rate(void (*run)(void), double unit)
{
    double best = 0;
    run();
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), spent;
        int runs = 0;
        do {
            run();
            runs++;
            spent = now() - start;
        } while (spent < 2e-3);
        double rate = unit * runs / spent;
        if (rate > best) best = rate;
    }
    return best;
}

static double best_peak(const bench_level *level)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), flops = level->peak(), rate = flops / (now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static void bench(const bench_level *level, const bench_cases *cases, const char *filter)
{
    for (size_t i = 0; i < cases->count; i++) {
        const bench_case *c = &cases->cases[i];
        if (filter && !strstr(c->name, filter)) continue;
        if (c->flops > 0) {
            double before = best_peak(level), rate = best_rate(c->run, c->flops);
            double after = best_peak(level), peak = before > after ? before : after;
            printf("  %-28s %7.1f GF  %5.1f %% of %.0f\n", c->name, rate * 1e-9, 100 * rate / peak,
                   peak * 1e-9);
        } else {
            printf("  %-28s %7.1f GB/s\n", c->name, best_rate(c->run, c->bytes) * 1e-9);
        }
        fflush(stdout);
    }
}

static float *filled(void)
{
    float *p = aligned_alloc(64, FLOATS * sizeof *p);
    if (!p) {
        fprintf(stderr, "bench_ukernels: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < FLOATS; i++) p[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
    return p;
}

int main(int argc, char **argv)
{
    const bench_level *level = &bench_this;
    if (!CPU_HAS_LEVEL) {
        fprintf(stderr, "bench_ukernels: this CPU is below %s\n", level->name);
        return 1;
    }
    bench_in = filled();
    bench_weights = filled();
    bench_out = filled();
    printf("%s\n", level->name);
    bench(level, &level->f32, argc > 1 ? argv[1] : NULL);
    bench(level, &bench_int, argc > 1 ? argv[1] : NULL);
    return 0;
}
