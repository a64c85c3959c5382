/* CPU levels: what LLVM is told about them and what the runtime asks CPUID for. */
#include "backends/x86/codegen.h"

#include <string.h>

enum {
    V3_BITS = ADZE_CPU_X86_64_V2 | ADZE_CPU_X86_64_V3,
    V4_BITS = V3_BITS | ADZE_CPU_X86_64_V4,
    VNNI_BITS = V4_BITS | ADZE_CPU_AVX512_VNNI
};

static const x86_level levels[] = {
    {"x86-64-v3", "x86-64-v3", "generic", "", V3_BITS, X86_UKERNELS_V3, false, false},
    {"x86-64-v4", "x86-64-v4", "sapphirerapids", "", V4_BITS, X86_UKERNELS_V4, true, false},
    {"x86-64-v4-vnni", "x86-64-v4", "sapphirerapids", "+avx512vnni", VNNI_BITS, X86_UKERNELS_V4_VNNI, true, true},
};

void x86_level_names(const x86_level *top, const char **out)
{
    for (ptrdiff_t i = top - levels; i >= 0; i--) *out++ = levels[i].name;
    *out = NULL;
}

const x86_level *x86_level_best(void) { return &levels[sizeof levels / sizeof levels[0] - 1]; }

const x86_level *x86_level_without_dots(const x86_level *level) { return level->for_dots ? level - 1 : level; }

const x86_level *x86_level_find(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (!strcmp(levels[i].name, name)) return &levels[i];
    return NULL;
}
