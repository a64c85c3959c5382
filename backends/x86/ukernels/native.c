/* The table of micro-kernels, compiled natively: what the interpreter and the unit tests call. */
#include "native.h"
#include "reach.h"
#include "ukernels.h"

#include <math.h>
#include <string.h>

#define UK_GEMM(mr, nr)                                                                            \
    static void invoke_gemm_##mr##x##nr(const adze_ukernel_arg *x)                                      \
    {                                                                                              \
        adze_uk_gemm_f32_##mr##x##nr(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].cp, x[6].i,     \
                                     x[7].i, x[8].i, x[9].i, x[10].i, x[11].i);                             \
    }
#define UK_GEMM_F64(mr)                                                                            \
    static void invoke_gemm_f64_##mr(const adze_ukernel_arg *x)                                    \
    {                                                                                              \
        adze_uk_gemm_f64_##mr##x16(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].cp, x[6].i,       \
                                   x[7].i, x[8].i, x[9].i, x[10].i, x[11].i);                      \
    }                                                                                              \
    static bool reach_gemm_f64_##mr(const adze_ukernel_arg *x, adze_reach *out)                    \
    {                                                                                              \
        return adze_uk_reach_gemm_f64(mr, x, out);                                                 \
    }
#define UK_DEPTHWISE(mw)                                                                           \
    static void invoke_dw_##mw(const adze_ukernel_arg *x)                                               \
    {                                                                                              \
        adze_uk_dw_f32_##mw(x[0].p, x[1].cp, x[2].i, x[3].cp, x[4].i, x[5].i, x[6].i, x[7].i,      \
                            x[8].i);                                                               \
    }
#define GEMM_INT(name, mr, nr)                                                                                  \
    static void invoke_gemm_##name##_##mr##x##nr(const adze_ukernel_arg *x)                                     \
    {                                                                                                           \
        adze_uk_gemm_##name##_##mr##x##nr(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].cp, x[6].i, x[7].i,     \
                                          x[8].i, x[9].i, x[10].i, x[11].i);                                    \
    }
#define UK_GEMM_INT(mr, nr) GEMM_INT(u8s8, mr, nr) GEMM_INT(u8s8_narrow, mr, nr) GEMM_INT(u8s16, mr, nr)
#define DEPTHWISE_INT(name, mw)                                                                                 \
    static void invoke_dw_##name##_##mw(const adze_ukernel_arg *x)                                              \
    {                                                                                                           \
        adze_uk_dw_##name##_##mw(x[0].p, x[1].cp, x[2].i, x[3].cp, x[4].i, x[5].i, x[6].i, x[7].i, x[8].i);     \
    }
#define UK_DEPTHWISE_INT(mw) DEPTHWISE_INT(u8s8, mw) DEPTHWISE_INT(u8s16, mw)
#define CODES(bits, suffix, mr, nr)                                                                             \
    static void invoke_q##bits##suffix##_##mr##x##nr(const adze_ukernel_arg *x)                                 \
    {                                                                                                           \
        adze_uk_gemm_f32q##bits##suffix##_##mr##x##nr(x[0].p, x[1].cp, x[2].i, x[3].cp, x[4].cp, x[5].i,        \
                                                      x[6].i, x[7].i);                                          \
    }                                                                                                           \
    static void invoke_q##bits##suffix##z_##mr##x##nr(const adze_ukernel_arg *x)                                \
    {                                                                                                           \
        adze_uk_gemm_f32q##bits##suffix##z_##mr##x##nr(x[0].p, x[1].cp, x[2].i, x[3].cp, x[4].cp, x[5].i,       \
                                                       x[6].i, x[7].i, x[8].cp);                                \
    }
#define CODES_OF(bits, mr, nr) CODES(bits, , mr, nr) CODES(bits, h, mr, nr)
#define UK_GEMM_CODES(mr, nr)  CODES_OF(4, mr, nr) CODES_OF(8, mr, nr)
#define WIDEN(bits, suffix)                                                                                     \
    static void invoke_widen_##bits##suffix(const adze_ukernel_arg *x)                                          \
    {                                                                                                           \
        adze_uk_widen_f32q##bits##suffix(x[0].p, x[1].cp, x[2].cp, x[3].i, x[4].i, x[5].i, x[6].i, x[7].i);     \
    }                                                                                                           \
    static void invoke_widen_##bits##suffix##z(const adze_ukernel_arg *x)                                       \
    {                                                                                                           \
        adze_uk_widen_f32q##bits##suffix##z(x[0].p, x[1].cp, x[2].cp, x[3].i, x[4].i, x[5].i, x[6].i, x[7].i,   \
                                            x[8].cp);                                                           \
    }
#define UK_WIDEN(bits) WIDEN(bits, ) WIDEN(bits, h)
#define UK_WIDEN_INT(name)                                                                                      \
    static void invoke_##name(const adze_ukernel_arg *x) { adze_uk_##name(x[0].p, x[1].cp, x[2].i, x[3].i); }
#define UK_GEMM_TILES(nr)                                                                                       \
    static void invoke_tiles_x##nr(const adze_ukernel_arg *x)                                                   \
    {                                                                                                           \
        adze_uk_gemm_u8s8_tiles_x##nr(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].i, x[6].cp, x[7].i, x[8].i, \
                                      x[9].i, x[10].i, x[11].i, x[12].i);                                       \
    }
#define UK_GEMM_KEPT(mr)                                                                                        \
    static void invoke_kept_##mr(const adze_ukernel_arg *x)                                                     \
    {                                                                                                           \
        if (adze_uk_kept_holds(x[5].cp, x[6].i, x[7].i, x[8].i, x[9].i))                                        \
            adze_uk_gemm_f32s_##mr##x16(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].cp, x[6].i, x[7].i,       \
                                        x[8].i, x[9].i);                                                        \
        else                                                                                                    \
            for (int i = 0; i < 16 * (mr); i++) ((float *)x[0].p)[i] = NAN;                                     \
    }
#define UK_GEMM_EACH(name)                                                                                      \
    static void invoke_##name(const adze_ukernel_arg *x)                                                        \
    {                                                                                                           \
        bool holds = true;                                                                                      \
        for (int64_t n = 0; n < x[6].i; n++)                                                                    \
            holds &= adze_uk_kept_holds(x[2].cp, x[3].i, x[4].i, x[5].i + n, x[7].i);                           \
        if (holds)                                                                                              \
            adze_uk_##name(x[0].p, x[1].cp, x[2].cp, x[3].i, x[4].i, x[5].i, x[6].i, x[7].i);                   \
        else                                                                                                    \
            for (int i = 0; i < 32 * 16; i++) ((float *)x[0].p)[i] = NAN;                                       \
    }
#define UK_PIXELS(name)                                                                                         \
    static void invoke_##name(const adze_ukernel_arg *x)                                                        \
    {                                                                                                           \
        adze_uk_##name(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].i, x[6].i, x[7].i, x[8].i, x[9].i,         \
                       x[10].i);                                                                                \
    }
#define UK_WIDEN_MASKED(name, element)                                                                          \
    static void invoke_widen_##name(const adze_ukernel_arg *x)                                                  \
    {                                                                                                           \
        if (adze_uk_masked_holds(x[1].cp, x[2].i, x[3].i, x[4].i, x[5].i))                                      \
            adze_uk_widen_##name(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].i);                              \
        else                                                                                                    \
            memset(x[0].p, 0xff, (size_t)x[3].i * sizeof(element));                                             \
    }
#define UK_TRANSPOSE(bits, element)                                                                \
    static void invoke_transpose_b##bits(const adze_ukernel_arg *x)                                \
    {                                                                                              \
        adze_uk_transpose_b##bits##_16x16(x[0].p, x[1].i, x[2].cp, x[3].i);                        \
    }                                                                                              \
    static bool reach_transpose_b##bits(const adze_ukernel_arg *x, adze_reach *out)                \
    {                                                                                              \
        return adze_uk_reach_transpose(bits / 8, x, out);                                          \
    }
#define PACK_BITS(name)                                                                                         \
    static void invoke_##name(const adze_ukernel_arg *x) { adze_uk_##name(x[0].p, x[1].cp, x[2].i, x[3].i); }
#define UK_PACK_BITS(bits)                                                                         \
    PACK_BITS(unpack_i##bits) PACK_BITS(unpack_u##bits) PACK_BITS(pack_b##bits)                    \
    static bool reach_unpack_##bits(const adze_ukernel_arg *x, adze_reach *out)                    \
    {                                                                                              \
        return adze_uk_reach_bits(bits, x, &out[1], &out[0]);                                      \
    }                                                                                              \
    static bool reach_pack_##bits(const adze_ukernel_arg *x, adze_reach *out)                      \
    {                                                                                              \
        return adze_uk_reach_bits(bits, x, &out[0], &out[1]);                                      \
    }
#define UK_PACK(type, element)                                                                     \
    static void invoke_pack_##type(const adze_ukernel_arg *x)                                      \
    {                                                                                              \
        adze_uk_pack_##type(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i, x[5].i, x[6].i);              \
    }                                                                                              \
    static bool reach_pack_##type(const adze_ukernel_arg *x, adze_reach *out)                      \
    {                                                                                              \
        return adze_uk_reach_pack(sizeof(element), x, out);                                        \
    }
#define UK_SUM(name)                                                                               \
    static void invoke_##name(const adze_ukernel_arg *x)                                           \
    {                                                                                              \
        adze_uk_##name(x[0].p, x[1].cp, x[2].i, x[3].i, x[4].i);                                   \
    }
#include "ukernels.def"

#define UK_GEMM(mr, nr)                                                                            \
    static bool reach_gemm_##mr##x##nr(const adze_ukernel_arg *x, adze_reach *out)                 \
    {                                                                                              \
        return adze_uk_reach_gemm(mr, nr, x, out);                                                 \
    }
#define UK_DEPTHWISE(mw)                                                                           \
    static bool reach_dw_##mw(const adze_ukernel_arg *x, adze_reach *out)                          \
    {                                                                                              \
        return adze_uk_reach_dw(mw, x, out);                                                       \
    }
#define UK_GEMM_INT(mr, nr)                                                                        \
    static bool reach_gemm_s8_##mr##x##nr(const adze_ukernel_arg *x, adze_reach *out)              \
    {                                                                                              \
        return adze_uk_reach_gemm_int(mr, nr, 1, x, out);                                          \
    }                                                                                              \
    static bool reach_gemm_s16_##mr##x##nr(const adze_ukernel_arg *x, adze_reach *out)             \
    {                                                                                              \
        return adze_uk_reach_gemm_int(mr, nr, 2, x, out);                                          \
    }
#define UK_DEPTHWISE_INT(mw)                                                                       \
    static bool reach_dw_s8_##mw(const adze_ukernel_arg *x, adze_reach *out)                       \
    {                                                                                              \
        return adze_uk_reach_dw_int(mw, 1, x, out);                                                \
    }                                                                                              \
    static bool reach_dw_s16_##mw(const adze_ukernel_arg *x, adze_reach *out)                      \
    {                                                                                              \
        return adze_uk_reach_dw_int(mw, 2, x, out);                                                \
    }
#define CODES_REACH(bits, suffix, size, mr, nr)                                                    \
    static bool reach_q##bits##suffix##_##mr##x##nr(const adze_ukernel_arg *x, adze_reach *out)    \
    {                                                                                              \
        return adze_uk_reach_gemm_codes(bits, size, mr, nr, x, out);                               \
    }                                                                                              \
    static bool reach_q##bits##suffix##z_##mr##x##nr(const adze_ukernel_arg *x, adze_reach *out)   \
    {                                                                                              \
        return adze_uk_reach_gemm_codes(bits, size, mr, nr, x, out) &&                             \
               adze_uk_reach_zeros(out, size, 3);                                                  \
    }
#define CODES_REACH_OF(bits, mr, nr) CODES_REACH(bits, , 4, mr, nr) CODES_REACH(bits, h, 2, mr, nr)
#define UK_GEMM_CODES(mr, nr)        CODES_REACH_OF(4, mr, nr) CODES_REACH_OF(8, mr, nr)
#define WIDEN_REACH(bits, suffix, size)                                                            \
    static bool reach_widen_##bits##suffix(const adze_ukernel_arg *x, adze_reach *out)             \
    {                                                                                              \
        return adze_uk_reach_widen(bits, size, x, out);                                            \
    }                                                                                              \
    static bool reach_widen_##bits##suffix##z(const adze_ukernel_arg *x, adze_reach *out)          \
    {                                                                                              \
        return adze_uk_reach_widen(bits, size, x, out) && adze_uk_reach_zeros(out, size, 2);       \
    }
#define UK_WIDEN(bits) WIDEN_REACH(bits, , 4) WIDEN_REACH(bits, h, 2)
#define UK_GEMM_TILES(nr)                                                                          \
    static bool reach_tiles_x##nr(const adze_ukernel_arg *x, adze_reach *out)                      \
    {                                                                                              \
        return adze_uk_reach_gemm_tiles(nr, x, out);                                               \
    }
#define UK_GEMM_KEPT(mr)                                                                           \
    static bool reach_kept_##mr(const adze_ukernel_arg *x, adze_reach *out)                        \
    {                                                                                              \
        return adze_uk_reach_gemm_kept(mr, x, out);                                                \
    }
#define UK_WIDEN_MASKED(name, element)                                                             \
    static bool reach_widen_##name(const adze_ukernel_arg *x, adze_reach *out)                     \
    {                                                                                              \
        return adze_uk_reach_widen_masked(sizeof(element), x, out);                                \
    }
#include "ukernels.def"

#define ROW(name, signature, invoke, reach) {#name, signature, invoke, reach},
#define UK_GEMM(mr, nr)                                                                            \
    ROW(gemm_f32_##mr##x##nr, "ppiiipiiiiii", invoke_gemm_##mr##x##nr, reach_gemm_##mr##x##nr)
#define UK_DEPTHWISE(mw)   ROW(dw_f32_##mw, "ppipiiiii", invoke_dw_##mw, reach_dw_##mw)
#define UK_GEMM_INT(mr, nr)                                                                                       \
    ROW(gemm_u8s8_##mr##x##nr, "pbiiibiiiiii", invoke_gemm_u8s8_##mr##x##nr, reach_gemm_s8_##mr##x##nr)           \
    ROW(gemm_u8s8_narrow_##mr##x##nr, "pbiiibiiiiii", invoke_gemm_u8s8_narrow_##mr##x##nr,                        \
        reach_gemm_s8_##mr##x##nr)                                                                                \
    ROW(gemm_u8s16_##mr##x##nr, "pbiiibiiiiii", invoke_gemm_u8s16_##mr##x##nr, reach_gemm_s16_##mr##x##nr)
#define UK_DEPTHWISE_INT(mw)                                              \
    ROW(dw_u8s8_##mw, "pbibiiiii", invoke_dw_u8s8_##mw, reach_dw_s8_##mw) \
    ROW(dw_u8s16_##mw, "pbibiiiii", invoke_dw_u8s16_##mw, reach_dw_s16_##mw)
#define CODES_ROW(bits, suffix, type, mr, nr)                                                                     \
    ROW(gemm_f32q##bits##suffix##_##mr##x##nr, "ppib" type "iii", invoke_q##bits##suffix##_##mr##x##nr,           \
        reach_q##bits##suffix##_##mr##x##nr)                                                                      \
    ROW(gemm_f32q##bits##suffix##z_##mr##x##nr, "ppib" type "iiib", invoke_q##bits##suffix##z_##mr##x##nr,        \
        reach_q##bits##suffix##z_##mr##x##nr)
#define CODES_ROWS(bits, mr, nr) CODES_ROW(bits, , "p", mr, nr) CODES_ROW(bits, h, "b", mr, nr)
#define UK_GEMM_CODES(mr, nr)    CODES_ROWS(4, mr, nr) CODES_ROWS(8, mr, nr)
#define UK_GEMM_TILES(nr)                                                                                         \
    ROW(gemm_u8s8_tiles_x##nr, "pbiiiibiiiiii", invoke_tiles_x##nr, reach_tiles_x##nr)
#define WIDEN_ROW(bits, suffix, type)                                                                             \
    ROW(widen_f32q##bits##suffix, "pb" type "iiiii", invoke_widen_##bits##suffix, reach_widen_##bits##suffix)     \
    ROW(widen_f32q##bits##suffix##z, "pb" type "iiiiib", invoke_widen_##bits##suffix##z,                          \
        reach_widen_##bits##suffix##z)
#define UK_WIDEN(bits) WIDEN_ROW(bits, , "p") WIDEN_ROW(bits, h, "b")
#define UK_WIDEN_INT(name) ROW(name, "bbii", invoke_##name, adze_uk_reach_widen_int)
#define UK_GEMM_KEPT(mr)   ROW(gemm_f32s_##mr##x16, "ppiiipiiii", invoke_kept_##mr, reach_kept_##mr)
#define UK_GEMM_EACH(name) ROW(name, "pppiiiii", invoke_##name, adze_uk_reach_gemm_each)
#define UK_PIXELS(name)    ROW(name, "ppiiiiiiiii", invoke_##name, adze_uk_reach_pixels)
#define UK_WIDEN_MASKED(name, element) ROW(widen_##name, "ppiiii", invoke_widen_##name, reach_widen_##name)
#define UK_TRANSPOSE(bits, element) \
    ROW(transpose_b##bits##_16x16, "pipi", invoke_transpose_b##bits, reach_transpose_b##bits)
#define UK_PACK(type, element) ROW(pack_##type, "ppiiiii", invoke_pack_##type, reach_pack_##type)
#define UK_GEMM_F64(mr)        ROW(gemm_f64_##mr##x16, "ppiiipiiiiii", invoke_gemm_f64_##mr, reach_gemm_f64_##mr)
#define UK_PACK_BITS(bits)                                                   \
    ROW(unpack_i##bits, "bbii", invoke_unpack_i##bits, reach_unpack_##bits)  \
    ROW(unpack_u##bits, "bbii", invoke_unpack_u##bits, reach_unpack_##bits)  \
    ROW(pack_b##bits, "bbii", invoke_pack_b##bits, reach_pack_##bits)
#define UK_SUM(name)       ROW(name, "ppiii", invoke_##name, adze_uk_reach_sum)
const adze_ukernel adze_uk_table[] = {
#include "ukernels.def"
};
const uint32_t adze_uk_count = sizeof adze_uk_table / sizeof *adze_uk_table;

bool adze_uk_has_dots(const char *name)
{
    static const char *const names[] = {
#define UK_GEMM_INT(mr, nr) \
    "gemm_u8s8_" #mr "x" #nr, "gemm_u8s8_narrow_" #mr "x" #nr, "gemm_u8s16_" #mr "x" #nr,
#define UK_GEMM_TILES(nr) "gemm_u8s8_tiles_x" #nr,
#include "ukernels.def"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

bool adze_uk_has_tiles(const char *name)
{
    static const char prefix[] = "gemm_u8s8_tiles_";
    return !strncmp(name, prefix, sizeof prefix - 1);
}

const adze_ukernel *adze_uk_find(const char *name)
{
    for (uint32_t i = 0; i < adze_uk_count; i++)
        if (strcmp(adze_uk_table[i].name, name) == 0) return &adze_uk_table[i];
    return NULL;
}
