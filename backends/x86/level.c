/* CPU levels: what LLVM is told about them and what the runtime asks CPUID for. */
#include "backends/x86/codegen.h"

#include <string.h>

enum {
    V3_BITS = ADZE_CPU_X86_64_V2 | ADZE_CPU_X86_64_V3,
    V4_BITS = V3_BITS | ADZE_CPU_X86_64_V4,
    VNNI_BITS = V4_BITS | ADZE_CPU_AVX512_VNNI,
    AMX_BITS = VNNI_BITS | ADZE_CPU_AMX_INT8
};

static const x86_level levels[] = {
    {"x86-64-v3", "x86-64-v3", "generic", "", V3_BITS, X86_UKERNELS_V3, false, X86_GAIN_ALL},
    {"x86-64-v4", "x86-64-v4", "sapphirerapids", "", V4_BITS, X86_UKERNELS_V4, true, X86_GAIN_ALL},
    {"x86-64-v4-vnni", "x86-64-v4", "sapphirerapids", "+avx512vnni", VNNI_BITS, X86_UKERNELS_V4_VNNI, true,
     X86_GAIN_DOTS},
    {"x86-64-v4-amx", "x86-64-v4", "sapphirerapids", "+avx512vnni,+amx-tile,+amx-int8", AMX_BITS,
     X86_UKERNELS_V4_AMX, true, X86_GAIN_TILES},
};

void x86_level_names(const x86_level *top, const char **out)
{
    for (ptrdiff_t i = top - levels; i >= 0; i--) *out++ = levels[i].name;
    *out = NULL;
}

const x86_level *x86_level_best(void) { return &levels[sizeof levels / sizeof levels[0] - 1]; }

const x86_level *x86_level_for(const x86_level *level, bool dots, bool tiles)
{
    while ((level->gain == X86_GAIN_TILES && !tiles) || (level->gain == X86_GAIN_DOTS && !dots)) level--;
    return level;
}

const x86_level *x86_level_find(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (!strcmp(levels[i].name, name)) return &levels[i];
    return NULL;
}
