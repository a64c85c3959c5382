/* Measures the peak of f32 multiply-adds (peak.h): twelve chains that do not wait for each other. */
#include "peak.h"

#include "command.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 12, ROUNDS = 20000, REPEATS = 12 };

#define EACH(STEP) STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10) STEP(11)

__attribute__((target("avx512f"), noinline)) static float chains_512(int rounds)
{
    __m512 scale = _mm512_set1_ps(0.999F), move = _mm512_set1_ps(0.001F);
#define START(k) __m512 c##k = _mm512_set1_ps(1 + (k));
#define STEP(k) c##k = _mm512_fmadd_ps(c##k, scale, move);
#define ADD(k) sum = _mm512_add_ps(sum, c##k);
    EACH(START)
    for (int i = 0; i < rounds; i++) {
        EACH(STEP)
    }
    __m512 sum = _mm512_setzero_ps();
    EACH(ADD)
#undef START
#undef STEP
#undef ADD
    return _mm512_cvtss_f32(sum);
}

__attribute__((target("avx2,fma"), noinline)) static float chains_256(int rounds)
{
    __m256 scale = _mm256_set1_ps(0.999F), move = _mm256_set1_ps(0.001F);
#define START(k) __m256 c##k = _mm256_set1_ps(1 + (k));
#define STEP(k) c##k = _mm256_fmadd_ps(c##k, scale, move);
#define ADD(k) sum = _mm256_add_ps(sum, c##k);
    EACH(START)
    for (int i = 0; i < rounds; i++) {
        EACH(STEP)
    }
    __m256 sum = _mm256_setzero_ps();
    EACH(ADD)
#undef START
#undef STEP
#undef ADD
    return _mm256_cvtss_f32(sum);
}

double adze_peak_gflops(const char *level)
{
    __builtin_cpu_init();
    bool wide = !strncmp(level, "x86-64-v4", strlen("x86-64-v4"));
    if (wide ? !__builtin_cpu_supports("avx512f") : strcmp(level, "x86-64-v3") || !__builtin_cpu_supports("fma"))
        return 0;
    double best = 0;
    volatile float sink = 0;
    for (int i = 0; i < REPEATS; i++) {
        double start = adze_now();
        sink = sink + (wide ? chains_512(ROUNDS) : chains_256(ROUNDS));
        double seconds = adze_now() - start, flops = (double)(2 * CHAINS * ROUNDS * (wide ? 16 : 8));
        if (seconds > 0 && flops / seconds > best) best = flops / seconds;
    }
    return 1e-9 * best;
}
#else
double adze_peak_gflops(const char *level)
{
    (void)level;
    return 0;
}
#endif
