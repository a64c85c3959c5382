/* What the CPU and its operating system can run, and the floating-point state of a run.
 *
 * CPUID says what the chip has; XGETBV says which register sets the system saves. Both must agree
 * before an instruction may run. AMX tiles must moreover be asked for (Linux arch_prctl). Source:
 * Intel SDM vol. 1, ch. 13-14 and 17-18; x86-64 psABI, table of micro-architecture levels. */
#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000 };

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

typedef struct leaf {
    uint32_t eax, ebx, ecx, edx;
} leaf;

static leaf cpuid(uint32_t number, uint32_t sub)
{
    leaf r = {0, 0, 0, 0};
    if (!__get_cpuid_count(number, sub, &r.eax, &r.ebx, &r.ecx, &r.edx)) return (leaf){0, 0, 0, 0};
    return r;
}

static bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

uint64_t adze_cpu_features(void)
{
    leaf one = cpuid(1, 0), seven = cpuid(7, 0), seven1 = cpuid(7, 1), ext = cpuid(0x80000001u, 0);
    uint64_t found = 0, xcr0 = 0;
    if (one.ecx & bit_OSXSAVE) xcr0 = read_xcr0();

    enum { LAHF = 1, LZCNT = 1 << 5 }; /* of leaf 0x80000001, ecx */
    if (!has(one.ecx,
             bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B) ||
        !has(ext.ecx, LAHF))
        return 0;
    found |= ADZE_CPU_X86_64_V2;
    if ((xcr0 & XCR0_AVX) != XCR0_AVX || !has(one.ecx, bit_AVX | bit_F16C | bit_FMA | bit_MOVBE) ||
        !has(seven.ebx, bit_AVX2 | bit_BMI | bit_BMI2) || !has(ext.ecx, LZCNT))
        return found;
    found |= ADZE_CPU_X86_64_V3;
    if (seven1.eax & (1u << 4)) found |= ADZE_CPU_AVX_VNNI;
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512 ||
        !has(seven.ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL))
        return found;
    found |= ADZE_CPU_X86_64_V4;
    if (seven.ecx & (1u << 11)) found |= ADZE_CPU_AVX512_VNNI;
    if (seven1.eax & (1u << 5)) found |= ADZE_CPU_AVX512_BF16;
    if (seven.edx & (1u << 23)) found |= ADZE_CPU_AVX512_FP16;
    if ((xcr0 & XCR0_AMX) == XCR0_AMX && (seven.edx & (1u << 24))) {
        if (seven.edx & (1u << 22)) found |= ADZE_CPU_AMX_BF16;
        if (seven.edx & (1u << 25)) found |= ADZE_CPU_AMX_INT8;
    }
    return found;
}

adze_status adze_rt_cpu_enable(uint64_t features)
{
    if (!(features & (ADZE_CPU_AMX_BF16 | ADZE_CPU_AMX_INT8))) return ADZE_OK;
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) return ADZE_OK;
#endif
    return ADZE_ERR_CPU;
}

/* MXCSR: all exceptions masked, round to nearest; FTZ is bit 15, DAZ bit 6. */
enum { MXCSR_DEFAULT = 0x1f80, MXCSR_FLUSH = 0x8040, MXCSR_STICKY = 0x3f };

uint32_t adze_rt_fp_control(bool keep_denormals)
{
    return keep_denormals ? MXCSR_DEFAULT : MXCSR_DEFAULT | MXCSR_FLUSH;
}

uint32_t adze_rt_fp_enter(uint32_t control)
{
    uint32_t saved = _mm_getcsr();
    if ((saved & ~(uint32_t)MXCSR_STICKY) != control) _mm_setcsr(control);
    return saved;
}

void adze_rt_fp_leave(uint32_t saved)
{
    if (_mm_getcsr() != saved) _mm_setcsr(saved);
}

#else /* other machines: no levels, and their floating-point state is left alone */

uint64_t adze_cpu_features(void) { return 0; }
adze_status adze_rt_cpu_enable(uint64_t features) { return features ? ADZE_ERR_CPU : ADZE_OK; }
uint32_t adze_rt_fp_control(bool keep_denormals)
{
    (void)keep_denormals;
    return 0;
}
uint32_t adze_rt_fp_enter(uint32_t control) { return control; }
void adze_rt_fp_leave(uint32_t saved) { (void)saved; }

#endif
