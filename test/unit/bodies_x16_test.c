/* Vector bodies give the bits of scalar bodies, at every level that this CPU has. */
#include "unit.h"

#include "bodies_x16.h"

enum { COUNT = 1 << 14 };

static uint64_t state;

static uint64_t next_bits(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 16 ^ state << 24;
}

static const double special[] = {0.0,      -0.0,      1,        -1,       2,        -2,      0.5,    -0.5,
                                 INFINITY, -INFINITY, 1e-40,    -1e-40,   1e-310,   88.8,    -88.8,  -104,
                                 127,      128,       -128.5,   255.5,    65504,    65520,   2.5,    3.5,
                                 1e9,      2147483648.0, -2147483649.0, 9.3e18, -9.3e18, 1e30, 709.8, NAN};
enum { SPECIAL = sizeof special / sizeof *special };

/* A third special values, a third of moderate size, a third any bits. */
static void fill(void *data, uint32_t dtype)
{
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t bits = next_bits(), kind = next_bits() % 3;
        double x = kind == 0 ? special[bits % SPECIAL] : ((double)(bits >> 12) * 0x1p-52 - 0.5) * 20;
        int64_t small = (int64_t)(bits % 17) - 8;
        switch (dtype) {
        case ADZE_DTYPE_f32: {
            float f = (float)x;
            memcpy((float *)data + i, kind < 2 ? (void *)&f : (void *)&bits, 4);
            break;
        }
        case ADZE_DTYPE_f64: memcpy((double *)data + i, kind < 2 ? (void *)&x : (void *)&bits, 8); break;
        case ADZE_DTYPE_bool: ((uint8_t *)data)[i] = bits & 1; break;
        case ADZE_DTYPE_i8:
        case ADZE_DTYPE_u8: ((uint8_t *)data)[i] = (uint8_t)bits; break;
        case ADZE_DTYPE_f16:
        case ADZE_DTYPE_bf16:
        case ADZE_DTYPE_i16:
        case ADZE_DTYPE_u16: ((uint16_t *)data)[i] = (uint16_t)bits; break;
        case ADZE_DTYPE_u32:
        case ADZE_DTYPE_i32:
            ((int32_t *)data)[i] = kind == 0 ? INT32_MIN : kind == 1 ? (int32_t)small : (int32_t)bits;
            break;
        default:
            ((int64_t *)data)[i] = kind == 0 ? INT64_MIN : kind == 1 ? small : (int64_t)bits;
        }
    }
}

static bool same(const void *a, const void *b, size_t i, uint32_t dtype)
{
    if (dtype == ADZE_DTYPE_f32) {
        float x = ((const float *)a)[i], y = ((const float *)b)[i];
        return (x != x && y != y) || memcmp(&x, &y, 4) == 0;
    }
    if (dtype == ADZE_DTYPE_f64) {
        double x = ((const double *)a)[i], y = ((const double *)b)[i];
        return (x != x && y != y) || memcmp(&x, &y, 8) == 0;
    }
    size_t size = adze_dtype_bits((adze_dtype)dtype) / 8;
    return memcmp((const char *)a + i * size, (const char *)b + i * size, size) == 0;
}

static void compare(const adze_body *b, adze_row_fn *row)
{
    static _Alignas(64) double in[ADZE_BODY_MAX_ARGS][COUNT], want[COUNT], got[COUNT];
    const void *args[] = {in[0], in[1], in[2]};
    int64_t steps[] = {1, 1, 1};
    for (int k = 0; k < b->arguments; k++) fill(in[k], b->args[k]);
    b->row(want, args, steps, COUNT);
    row(got, args, steps, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        if (!same(want, got, i, b->result)) {
            unit_check(false, __FILE__, __LINE__, b->symbol_x16);
            printf("  differs at element %zu\n", i);
            return;
        }
    CHECK(true);
}

/* Every body that claims a vector form has one, and they agree. */
static void check_level(const x16_rows *level)
{
    size_t count, found = 0;
    const adze_body *all = adze_body_all(&count);
    state = 1;
    for (size_t i = 0; i < count; i++) {
        const adze_body *b = &all[i];
        bool alias = b->dtype != b->compute && strcmp(b->name, "cast") != 0; /* f16 by way of f32 */
        if (!b->symbol_x16 || alias) continue;
        adze_row_fn *row = NULL;
        for (size_t k = 0; k < level->count; k++)
            if (!strcmp(level->rows[k].symbol, b->symbol_x16)) row = level->rows[k].row;
        if (!unit_check(row != NULL, __FILE__, __LINE__, b->symbol_x16)) continue;
        compare(b, row);
        found++;
    }
    CHECK_INT((int64_t)found, (int64_t)level->count);
}

TEST(v3_agrees_with_scalar)
{
    if (!__builtin_cpu_supports("avx2")) SKIP("no AVX2");
    check_level(&x16_v3);
}

TEST(v4_agrees_with_scalar)
{
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) SKIP("no AVX-512");
    check_level(&x16_v4);
}

int main(void)
{
    RUN(v3_agrees_with_scalar);
    RUN(v4_agrees_with_scalar);
    return unit_end();
}
