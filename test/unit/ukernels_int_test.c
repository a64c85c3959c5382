/* Integer micro-kernels against their definition, with random and with the largest inputs. Inputs end where memory
 * does, so that a read behind them ends the program.
 *
 * Built with the native twins, and for each CPU level with its code; NEEDS is then the CPU's feature. */
#include "unit.h"

#include "backends/x86/ukernels/native.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GUARD = 16, MAX_TILE = 80 * 32 };
static const int32_t guard = 0x5a5a5a5a;

/* Memory of `size` bytes that ends with the page before one that may not be read. */
typedef struct edge {
    uint8_t *map, *begin;
    size_t mapped;
} edge;

static edge edge_of(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    edge e = {.mapped = whole + page};
    e.map = mmap(NULL, e.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e.map == MAP_FAILED || mprotect(e.map + whole, page, PROT_NONE)) abort();
    e.begin = e.map + whole - size;
    return e;
}

static void edge_free(edge e) { munmap(e.map, e.mapped); }

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What inputs are like: 0 random, 1 all as large and positive as may be, 2 weights all negative, 3 mixed extremes. */
enum { PATTERNS = 4 };

static uint8_t code(int pattern, uint32_t *state) { return pattern ? 255 : (uint8_t)next(state); }

static int weight(int pattern, int least, int most, uint32_t *state)
{
    if (pattern == 1) return most;
    if (pattern == 2) return least;
    if (pattern == 3) return next(state) % 2 ? least : most;
    return least + (int)(next(state) % (uint32_t)(most - least + 1));
}

typedef struct shape {
    int64_t m_cols, a_col, a_row, t0, s0, t1, s1, k;
} shape;

typedef struct family {
    const char *format; /* of the names */
    int bytes, least, most;
} family;

static const family gemms[] = {
    {"gemm_u8s8_%dx%d", 1, -128, 127}, {"gemm_u8s8_narrow_%dx%d", 1, -64, 64}, {"gemm_u8s16_%dx%d", 2, -32767, 32767}};
static const family depthwises[] = {{"dw_u8s8_%d", 1, -128, 127}, {"dw_u8s16_%d", 2, -255, 255}};

static int weight_of(const uint8_t *b, int bytes, int64_t at)
{
    int16_t wide;
    if (bytes == 1) return ((const int8_t *)b)[at];
    memcpy(&wide, b + 2 * at, sizeof wide);
    return wide;
}

static void set_weight(uint8_t *b, int bytes, int64_t at, int value)
{
    int16_t wide = (int16_t)value;
    if (bytes == 1)
        b[at] = (uint8_t)value;
    else
        memcpy(b + 2 * at, &wide, sizeof wide);
}

static int32_t element(const shape *g, int bytes, const uint8_t *a, const uint8_t *b, int64_t m, int64_t n)
{
    const uint8_t *row = a + m / g->m_cols * g->a_row + m % g->m_cols * g->a_col;
    int64_t groups = (g->k + 3) / 4;
    uint32_t sum = 0;
    for (int64_t i0 = 0; i0 < g->t0; i0++)
        for (int64_t i1 = 0; i1 < g->t1; i1++)
            for (int64_t kk = 0; kk < g->k; kk++) {
                int64_t panel = ((n / 16 * g->t0 + i0) * g->t1 + i1) * groups;
                int w = weight_of(b, bytes, (panel + kk / 4) * 64 + n % 16 * 4 + kk % 4);
                sum += (uint32_t)(row[i0 * g->s0 + i1 * g->s1 + kk] * w);
            }
    return (int32_t)sum;
}

static bool guards_hold(const int32_t *acc, int count)
{
    bool hold = true;
    for (int i = 0; i < GUARD; i++) hold &= acc[i] == guard && acc[GUARD + count + i] == guard;
    return hold;
}

static void check_gemm(const adze_ukernel *uk, const family *f, int mr, int nr, const shape *g, int pattern)
{
    adze_reach reach[3];
    int64_t groups = (g->k + 3) / 4;
    /* that for any number of rows takes it behind a */
    adze_ukernel_arg all[13] = {{.i = 0},        {.i = 0},       {.i = mr},    {.i = g->m_cols}, {.i = g->a_col},
                                {.i = g->a_row}, {.i = 0},       {.i = g->t0}, {.i = g->s0},     {.i = g->t1},
                                {.i = g->s1},    {.i = g->k},    {.i = 640}};
    adze_ukernel_arg *args = strlen(uk->signature) == 13 ? all : all + 1;
    REQUIRE(uk->reach(args, reach));
    CHECK_INT(reach[2].end, g->t0 * g->t1 * groups * 4 * nr * f->bytes);
    uint32_t state = 7u + (uint32_t)pattern;
    edge a = edge_of((size_t)reach[1].end), b = edge_of((size_t)reach[2].end);
    for (int64_t i = 0; i < reach[1].end; i++) a.begin[i] = code(pattern, &state);
    for (int64_t i = 0; i < reach[2].end / f->bytes; i++)
        set_weight(b.begin, f->bytes, i,
                   i / 64 % groups * 4 + i % 4 < g->k ? weight(pattern, f->least, f->most, &state) : 0);
    int32_t acc[MAX_TILE + 2 * GUARD];
    for (int i = 0; i < mr * nr + 2 * GUARD; i++) acc[i] = guard;
    all[6].cp = b.begin;
    args[0].p = acc + GUARD;
    args[1].cp = a.begin;
    uk->invoke(args);
    int wrong = 0;
    for (int m = 0; m < mr; m++)
        for (int n = 0; n < nr; n++)
            wrong += acc[GUARD + m * nr + n] != element(g, f->bytes, a.begin, b.begin, m, n);
    if (!unit_check(!wrong && guards_hold(acc, mr * nr), __FILE__, __LINE__, uk->name))
        printf("  %d rows, k %d, pattern %d: %d wrong sums\n", mr, (int)g->k, pattern, wrong);
    edge_free(a);
    edge_free(b);
}

TEST(gemm)
{
    static const shape shapes[] = {
        {14, 37, 0, 1, 0, 1, 0, 37},     /* plain product, odd rows */
        {7, 8, 72, 3, 72, 3, 8, 8},      /* 3 x 3 convolution, two rows of 7 */
        {14, 6, 0, 3, 256, 1, 0, 9},     /* taps joined to one run a row, three channels, stride 2 */
        {14, 1, 0, 1, 0, 1, 0, 1},       /* less than one group */
        {14, 2, 0, 2, 5, 2, 3, 2},       {14, 3, 0, 1, 0, 3, 3, 3},
        {14, 600, 0, 1, 0, 1, 0, 600},   /* longer than what is kept on the stack at once */
        {14, 1, 0, 1, 0, 1, 0, 0},       /* nothing to add up */
        {5, 64, 640, 2, 640, 1, 0, 130},
    };
    int tiles = 0;
    for (size_t f = 0; f < sizeof gemms / sizeof *gemms; f++)
        for (int nr = 16; nr <= 32; nr += 16)
            for (int mr = 1; mr <= 14; mr++) {
                char name[40];
                snprintf(name, sizeof name, gemms[f].format, mr, nr);
                const adze_ukernel *uk = adze_uk_find(name);
                if (!unit_check(uk != NULL, __FILE__, __LINE__, name)) continue;
                tiles++;
                for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                    for (int p = 0; p < PATTERNS; p++) check_gemm(uk, &gemms[f], mr, nr, &shapes[s], p);
            }
    CHECK_INT(tiles, 3 * 28);
}

/* All tails of rows and of steps: tiles take 16 rows, and at most 64 steps. */
TEST(gemm_tiles)
{
    static const shape shapes[] = {
        {80, 64, 0, 1, 0, 1, 0, 64},      /* tiles as they lie in memory */
        {80, 0, 0, 1, 0, 1, 0, 192},      /* the same row again and again */
        {7, 72, 700, 3, 700, 1, 0, 216},  /* 3 x 3 convolution, rows of 7, taps joined */
        {16, 40, 640, 2, 640, 3, 40, 36}, /* rows of 16: some tiles are even */
        {20, 32, 640, 1, 0, 1, 0, 32},    /* rows that follow each other */
        {9, 48, 1000, 3, 1000, 3, 48, 33},
        {80, 300, 0, 1, 0, 1, 0, 300},    /* five steps of 60 */
        {80, 70, 0, 0, 5, 1, 0, 64},      /* no taps, no steps */
        {80, 70, 0, 1, 0, 1, 0, 0},
    };
    for (int nr = 16; nr <= 32; nr += 16) {
        char name[40];
        snprintf(name, sizeof name, "gemm_u8s8_tiles_x%d", nr);
        const adze_ukernel *uk = adze_uk_find(name);
        REQUIRE(uk != NULL);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int rows = 1; rows <= 80; rows += rows < 50 ? 1 : 7)
                check_gemm(uk, &gemms[0], rows, nr, &shapes[s], rows % PATTERNS);
        for (int64_t k = 1; k <= 264; k++) /* a beyond the last row is not there */
            for (int p = 0; p < 2; p++) {
                check_gemm(uk, &gemms[0], 16 + (int)(k % 19), nr, &(shape){80, k, 0, 1, 0, 1, 0, k}, p);
                check_gemm(uk, &gemms[0], 17, nr, &(shape){5, k + 1, 6 * (k + 1), 1, 0, 2, k, k}, 2 + p);
            }
    }
}

/* Pairs that may just be added in 16 bits: what the narrow form promises. */
TEST(narrow_bound)
{
    enum { K = 8 };
    static const int pairs[][2] = {{127, 1}, {1, 127}, {-128, 0}, {-1, -127}, {-128, 127}, {127, -128}, {-64, -64}};
    uint8_t a[K], b[K * 16];
    int32_t acc[16];
    memset(a, 255, sizeof a);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (int at = 0; at < K * 16; at++) b[at] = (uint8_t)pairs[i][at % 2];
        adze_uk_find("gemm_u8s8_narrow_1x16")->invoke((adze_ukernel_arg[]){
            {.p = acc}, {.cp = a}, {.i = 1}, {.i = 0}, {.i = 0}, {.cp = b}, {.i = 1}, {.i = 0}, {.i = 1}, {.i = 0},
            {.i = K}, {.i = 0}});
        int wrong = 0;
        for (int n = 0; n < 16; n++) wrong += acc[n] != K / 2 * 255 * (pairs[i][0] + pairs[i][1]);
        CHECK_INT(wrong, 0);
    }
}

static void check_depthwise(const adze_ukernel *uk, const family *f, int mw, int64_t kh, int64_t kw, int64_t stride,
                            int pattern)
{
    enum { CHANNELS = 21, COLUMNS = 24 };
    adze_reach reach[3];
    adze_ukernel_arg args[9] = {{.i = 0},  {.i = 0},  {.i = stride * CHANNELS}, {.i = 0}, {.i = 16},
                                {.i = kh}, {.i = CHANNELS * COLUMNS}, {.i = kw}, {.i = CHANNELS}};
    REQUIRE(uk->reach(args, reach));
    CHECK_INT(reach[2].end, kh * kw * 16 * f->bytes);
    uint32_t state = 11u + (uint32_t)pattern;
    edge x = edge_of((size_t)reach[1].end), w = edge_of((size_t)reach[2].end);
    for (int64_t i = 0; i < reach[1].end; i++) x.begin[i] = code(pattern, &state);
    for (int64_t i = 0; i < kh * kw * 16; i++)
        set_weight(w.begin, f->bytes, i, weight(pattern, f->least, f->most, &state));
    int32_t acc[8 * 16 + 2 * GUARD];
    for (int i = 0; i < mw * 16 + 2 * GUARD; i++) acc[i] = guard;
    args[0].p = acc + GUARD;
    args[1].cp = x.begin;
    args[3].cp = w.begin;
    uk->invoke(args);
    int wrong = 0;
    for (int p = 0; p < mw; p++)
        for (int c = 0; c < 16; c++) {
            int32_t sum = 0;
            for (int64_t i = 0; i < kh; i++)
                for (int64_t j = 0; j < kw; j++)
                    sum += x.begin[(p * stride + j + i * COLUMNS) * CHANNELS + c] *
                           weight_of(w.begin, f->bytes, (i * kw + j) * 16 + c);
            wrong += acc[GUARD + 16 * p + c] != sum;
        }
    if (!unit_check(!wrong && guards_hold(acc, 16 * mw), __FILE__, __LINE__, uk->name))
        printf("  %d x %d, stride %d, pattern %d: %d wrong sums\n", (int)kh, (int)kw, (int)stride, pattern, wrong);
    edge_free(x);
    edge_free(w);
}

TEST(depthwise)
{
    static const int64_t windows[][2] = {{1, 1}, {3, 3}, {5, 5}, {7, 7}, {1, 3},
                                         {3, 1}, {2, 2}, {5, 3}, {40, 7}, {0, 3}};
    for (size_t f = 0; f < sizeof depthwises / sizeof *depthwises; f++)
        for (int mw = 1; mw <= 8; mw++) {
            char name[16];
            snprintf(name, sizeof name, depthwises[f].format, mw);
            const adze_ukernel *uk = adze_uk_find(name);
            if (!unit_check(uk != NULL, __FILE__, __LINE__, name)) continue;
            for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
                for (int64_t stride = 1; stride <= 2; stride++)
                    for (int p = 0; p < PATTERNS; p++)
                        check_depthwise(uk, &depthwises[f], mw, windows[i][0], windows[i][1], stride, p);
        }
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Bytes of a panel of codes of k steps, and the code of a step and a column of one. */
static int64_t code_bytes(int bits, int64_t k) { return bits == 4 ? (k + 7) / 8 * 64 : k * 16; }

static int code_of(int bits, const uint8_t *panel, int64_t kk, int column)
{
    if (bits == 8) return (int8_t)panel[kk * 16 + column];
    int nibble = panel[kk / 8 * 64 + column * 4 + kk % 8 / 2] >> kk % 2 * 4 & 15;
    return nibble > 7 ? nibble - 16 : nibble;
}

typedef struct codes_case {
    int bits, mr, nr;
    bool zeros; /* zero points, too */
    bool half;  /* scales of f16 */
    bool exact; /* the largest codes and zero points, and numbers whose sums are exact */
    int64_t k, group, a_row;
} codes_case;

/* The worst error of a tile; zeros may be NULL. */
static double codes_error(const codes_case *c, const float *acc, const float *a, const uint8_t *b, const float *scales,
                          const int8_t *zeros)
{
    double worst = 0;
    int64_t groups = (c->k + c->group - 1) / c->group;
    for (int i = 0; i < c->mr * c->nr; i++) {
        int n = i % c->nr;
        double sum = 0;
        for (int64_t kk = 0; kk < c->k; kk++) {
            int64_t at = (n / 16 * groups + kk / c->group) * 16 + n % 16;
            int code = code_of(c->bits, b + n / 16 * code_bytes(c->bits, c->k), kk, n % 16) - (zeros ? zeros[at] : 0);
            sum += (double)a[i / c->nr * c->a_row + kk] * code * (double)scales[at];
        }
        double error = fabs(sum - (double)acc[i]);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static edge random_floats(int64_t bytes, uint32_t *state, float by)
{
    edge e = edge_of((size_t)bytes);
    for (int64_t i = 0; i < bytes / 4; i++) ((float *)(void *)e.begin)[i] = ((float)next(state) * 0x1p-23f - 1) * by;
    return e;
}

/* Scales of f16: any finite bits, or with `exact` quarters. *out_wide, malloc'ed, gets the numbers. */
static edge random_halves(int64_t bytes, uint32_t *state, bool exact, float **out_wide)
{
    static const uint16_t quarters[] = {0, 0x3400, 0x3800, 0x3a00, 0xb400, 0xb800, 0xba00};
    edge e = edge_of((size_t)bytes);
    *out_wide = malloc((size_t)bytes * 2 + 1);
    for (int64_t i = 0; i < bytes / 2; i++) {
        uint16_t bits = exact ? quarters[next(state) % 7] : (uint16_t)next(state);
        if (!exact) bits &= 0xbbff; /* below 2 in magnitude; some below the least normal number */
        int exponent = bits >> 10 & 31, fraction = bits & 1023;
        double x = ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
        (*out_wide)[i] = (float)(bits & 0x8000 ? -x : x);
        memcpy(e.begin + 2 * i, &bits, sizeof bits);
    }
    return e;
}

static edge random_codes(int64_t bytes, uint32_t *state)
{
    edge e = edge_of((size_t)bytes);
    for (int64_t i = 0; i < bytes; i++) e.begin[i] = (uint8_t)next(state);
    return e;
}

static void make_exact(float *x, int64_t bytes, uint32_t *state, float by)
{
    for (int64_t i = 0; i < bytes / 4; i++) x[i] = (float)((int)(next(state) % 7) - 3) * by;
}

/* Codes and zero points that are the least or the largest. */
static void make_extreme(int bits, uint8_t *codes, int64_t bytes, int8_t *zeros, int64_t n, uint32_t *state)
{
    static const uint8_t fours[] = {0x77, 0x78, 0x87, 0x88}, eights[] = {0x7f, 0x80};
    static const int8_t ends[] = {-128, 127, -8, 7};
    for (int64_t i = 0; i < bytes; i++) codes[i] = bits == 4 ? fours[next(state) % 4] : eights[next(state) % 2];
    for (int64_t i = 0; i < n; i++) zeros[i] = ends[next(state) % 4];
}

static edge zeros_for(int64_t bytes, uint32_t *state)
{
    edge e = edge_of((size_t)bytes);
    for (int64_t i = 0; i < bytes; i++) e.begin[i] = (uint8_t)((int)(next(state) % 16) - 8);
    return e;
}

static void check_codes(const adze_ukernel *uk, const codes_case *c)
{
    adze_reach reach[5] = {{0, 0}};
    adze_ukernel_arg args[9] = {[2] = {.i = c->a_row}, [5] = {.i = c->k}, [6] = {.i = c->group}, [7] = {.i = 640}};
    REQUIRE(uk->reach(args, reach));
    CHECK_INT(reach[2].end, code_bytes(c->bits, c->k) * c->nr / 16);
    int64_t size = c->half ? 2 : 4;
    CHECK_INT(reach[3].end, (c->k + c->group - 1) / c->group * size * c->nr);
    CHECK_INT(reach[4].end, c->zeros ? reach[3].end / size : 0);
    uint32_t state = 3;
    edge a = random_floats(reach[1].end, &state, 1), b = random_codes(reach[2].end, &state);
    float *wide = NULL;
    edge scales = c->half ? random_halves(reach[3].end, &state, c->exact, &wide)
                          : random_floats(reach[3].end, &state, c->bits == 4 ? 1 : 0.0625F);
    edge zeros = zeros_for(reach[4].end, &state);
    if (c->exact) {
        make_exact((float *)(void *)a.begin, reach[1].end, &state, 1);
        if (!c->half) make_exact((float *)(void *)scales.begin, reach[3].end, &state, 0.25F);
        make_extreme(c->bits, b.begin, reach[2].end, (int8_t *)zeros.begin, reach[4].end, &state);
    }
    float acc[MAX_TILE + 2 * GUARD], mark;
    memcpy(&mark, &guard, sizeof mark);
    for (int i = 0; i < c->mr * c->nr + 2 * GUARD; i++) acc[i] = mark;
    args[0].p = acc + GUARD;
    args[1].cp = a.begin;
    args[3].cp = b.begin;
    args[4].cp = scales.begin;
    args[8].cp = c->zeros ? zeros.begin : NULL;
    uk->invoke(args);
    double worst = codes_error(c, acc + GUARD, args[1].cp, b.begin, wide ? wide : args[4].cp, args[8].cp);
    bool hold = true;
    for (int i = 0; i < GUARD; i++)
        hold &= bits_of(acc[i]) == (uint32_t)guard && bits_of(acc[GUARD + c->mr * c->nr + i]) == (uint32_t)guard;
    free(wide);
    if (!unit_check(worst <= (c->exact ? 0 : c->half ? 4e-2 : 1e-3) && hold, __FILE__, __LINE__, uk->name))
        printf("  k %d, group %d: error %g\n", (int)c->k, (int)c->group, worst);
    edge_free(a);
    edge_free(b);
    edge_free(scales);
    edge_free(zeros);
}

/* Steps and the size of a group; of 4-bit codes groups are whole rows of eight steps, or all steps. */
static const int64_t grouped[][2] = {{0, 32},  {1, 32},  {8, 8},    {31, 32}, {32, 32},
                                     {77, 32}, {77, 77}, {256, 64}, {77, 12}};

static bool is_group(int bits, const int64_t *of) { return bits == 8 || of[1] % 8 == 0 || of[1] >= of[0]; }

TEST(gemm_codes)
{
    int tiles = 0;
    for (size_t i = 0; i < adze_uk_count; i++) {
        codes_case c;
        static const char *const forms[] = {"gemm_f32q%d_%dx%d", "gemm_f32q%dz_%dx%d", "gemm_f32q%dh_%dx%d",
                                            "gemm_f32q%dhz_%dx%d"};
        int form = 0;
        while (form < 4 && sscanf(adze_uk_table[i].name, forms[form], &c.bits, &c.mr, &c.nr) != 3) form++;
        if (form == 4) continue;
        c.zeros = form % 2;
        c.half = form / 2;
        tiles++;
        for (size_t d = 0; d < sizeof grouped / sizeof *grouped; d++) {
            c.k = grouped[d][0];
            c.group = grouped[d][1];
            c.a_row = c.k + 3;
            for (int exact = 0; exact < 2 && is_group(c.bits, grouped[d]); exact++) {
                c.exact = exact;
                check_codes(&adze_uk_table[i], &c);
            }
        }
    }
    CHECK_INT(tiles, 96);
    adze_reach reach[4];
    adze_ukernel_arg odd[8] = {[2] = {.i = 77}, [5] = {.i = 77}, [6] = {.i = 12}};
    CHECK(!adze_uk_find("gemm_f32q4_1x16")->reach(odd, reach) && adze_uk_find("gemm_f32q8_1x16")->reach(odd, reach));
}

/* Every product rounded once, no element left out. */
static void check_widen(int bits, bool half, bool with_zeros, int64_t taps, const int64_t *of, bool of_tap)
{
    char name[20];
    snprintf(name, sizeof name, "widen_f32q%d%s%s", bits, half ? "h" : "", with_zeros ? "z" : "");
    const adze_ukernel *uk = adze_uk_find(name);
    int64_t k = of[0], groups = (k + of[1] - 1) / of[1];
    adze_reach reach[4] = {{0, 0}};
    adze_ukernel_arg args[9] = {[3] = {.i = taps}, [4] = {.i = of_tap ? groups * 16 : 0}, [5] = {.i = k},
                                [6] = {.i = of[1]}, [7] = {.i = 640}};
    REQUIRE(uk && uk->reach(args, reach));
    CHECK_INT(reach[0].end, taps * k * 64);
    CHECK_INT(reach[3].end, with_zeros ? reach[2].end / (half ? 2 : 4) : 0);
    uint32_t state = 5;
    edge y = edge_of((size_t)reach[0].end), codes = random_codes(reach[1].end, &state);
    float *wide = NULL;
    edge scales = half ? random_halves(reach[2].end, &state, false, &wide) : random_floats(reach[2].end, &state, 1);
    edge zeros = random_codes(reach[3].end, &state);
    args[0].p = y.begin;
    args[1].cp = codes.begin;
    args[2].cp = scales.begin;
    args[8].cp = zeros.begin;
    uk->invoke(args);
    const float *got = args[0].p, *scale = wide ? wide : args[2].cp;
    bool same = true;
    for (int64_t i = 0; i < taps * k * 16; i++) {
        int64_t t = i / 16 / k, kk = i / 16 % k, n = i % 16;
        int64_t at = ((of_tap ? t * groups : 0) + kk / of[1]) * 16 + n;
        int code = code_of(bits, codes.begin + t * code_bytes(bits, k), kk, (int)n);
        float want = (float)(code - (with_zeros ? (int8_t)zeros.begin[at] : 0)) * scale[at];
        same &= bits_of(got[i]) == bits_of(want);
    }
    free(wide);
    if (!unit_check(same, __FILE__, __LINE__, uk->name))
        printf("  %d taps, k %d, group %d\n", (int)taps, (int)k, (int)of[1]);
    edge_free(y);
    edge_free(codes);
    edge_free(scales);
    edge_free(zeros);
}

TEST(widen)
{
    for (int bits = 4; bits <= 8; bits += 4)
        for (size_t d = 0; d < sizeof grouped / sizeof *grouped; d++)
            for (int64_t taps = 1; taps <= 9; taps += 8)
                for (int form = 0; form < 8; form++)
                    if (is_group(bits, grouped[d]))
                        check_widen(bits, form / 4, form / 2 % 2, taps, grouped[d], form % 2);
}

TEST(widen_bytes)
{
    const adze_ukernel *uk = adze_uk_find("widen_s8q4");
    for (int64_t rows = 0; rows < 4; rows++) {
        adze_reach reach[2];
        adze_ukernel_arg args[4] = {[2] = {.i = rows}, [3] = {.i = 640}};
        REQUIRE(uk && uk->reach(args, reach));
        CHECK_INT(reach[0].end, 64 * rows);
        CHECK_INT(reach[1].end, 32 * rows);
        uint32_t state = 7;
        edge y = edge_of((size_t)reach[0].end), codes = random_codes(reach[1].end, &state);
        args[0].p = y.begin;
        args[1].cp = codes.begin;
        uk->invoke(args);
        bool same = true;
        for (int64_t i = 0; i < 64 * rows; i++) {
            int nibble = codes.begin[i / 2] >> i % 2 * 4 & 15;
            same &= (int8_t)y.begin[i] == (nibble > 7 ? nibble - 16 : nibble);
        }
        CHECK(same);
        edge_free(y);
        edge_free(codes);
    }
}

/* Numbers that make no memory are refused. */
TEST(reach)
{
    adze_reach got[3];
    const adze_ukernel *gemm = adze_uk_find("gemm_u8s16_3x32"), *dw = adze_uk_find("dw_u8s16_3");
    adze_ukernel_arg args[12] = {[2] = {.i = 2}, [3] = {.i = 5}, [4] = {.i = -100}, [6] = {.i = 2}, [7] = {.i = 7},
                                 [8] = {.i = 1}, [9] = {.i = 0}, [10] = {.i = 5}};
    CHECK(gemm->reach(args, got));
    CHECK(got[0].first == 0 && got[0].end == 4 * 3 * 32);
    CHECK(got[1].first == -100 && got[1].end == 5 + 7 + 5);
    CHECK(got[2].first == 0 && got[2].end == 2 * 2 * 2 * 4 * 32);
    args[10].i = INT64_MAX;
    CHECK(!gemm->reach(args, got));
    args[10].i = 5;
    args[2].i = 0;
    CHECK(!gemm->reach(args, got));
    const adze_ukernel *tiles = adze_uk_find("gemm_u8s8_tiles_x32");
    adze_ukernel_arg of_tiles[13] = {[2] = {.i = 33}, [3] = {.i = 40}, [4] = {.i = 5}, [7] = {.i = 1}, [8] = {.i = 0},
                                     [9] = {.i = 1}, [11] = {.i = 5}};
    CHECK(tiles->reach(of_tiles, got));
    CHECK(got[0].end == 4 * 33 * 32 && got[1].first == 0 && got[1].end == 33 * 5 && got[2].end == 2 * 2 * 64);
    for (int i = 0; i < 3; i++) {
        of_tiles[2].i = (const int64_t[]){0, -1, INT64_MAX}[i];
        CHECK(!tiles->reach(of_tiles, got));
    }
    CHECK(dw->reach((adze_ukernel_arg[]){{.i = 0}, {.i = 0}, {.i = 20}, {.i = 0}, {.i = 16}, {.i = 2}, {.i = -100},
                                         {.i = 3}, {.i = 16}}, got));
    CHECK(got[0].end == 4 * 48 && got[1].first == -100 && got[1].end == 2 * 20 + 2 * 16 + 16);
    CHECK(got[2].first == 0 && got[2].end == 2 * 6 * 16);
}

#ifdef NEEDS
/* Tiles have to be asked for, as the runtime does when it opens an artifact. */
static bool may_use_tiles(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
}

static bool runs_here(void) { return __builtin_cpu_supports(NEEDS) && (strncmp(NEEDS, "amx", 3) || may_use_tiles()); }
#else
static bool runs_here(void) { return true; }
#define NEEDS ""
#endif

TEST(level)
{
    if (!runs_here()) SKIP("this CPU, or its system, has no " NEEDS);
    CHECK(adze_uk_find("gemm_u8s8_1x16") != NULL);
}

int main(void)
{
    RUN(level);
    if (!runs_here()) return unit_end();
    RUN(gemm);
    RUN(gemm_tiles);
    RUN(narrow_bound);
    RUN(depthwise);
    RUN(gemm_codes);
    RUN(widen);
    RUN(widen_bytes);
    RUN(reach);
    return unit_end();
}
