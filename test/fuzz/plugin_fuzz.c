/* Fuzzing of the check that a plug-in's file passes before it is loaded: ELF headers, symbols, relocations and the
 * descriptor. The mutator changes fields of these tables, where blind changes would mostly hit code. */
#include "fuzz.h"

#include <elf.h>
#include <string.h>

#include "passes/plugin_elf.h"

/* Takes any name; every seventh answer is no. */
static bool look(void *self, const adze_kind *kind, const char *name, char *why, size_t why_size)
{
    unsigned *count = self;
    (void)kind;
    if (strlen(name) + ++*count != 7 || !why_size) return true;
    why[0] = 'x';
    why[why_size > 1] = '\0';
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char why[256] = "";
    unsigned names = 0;
    bool ok = adze_plugin_peek(size ? bytes : NULL, size, look, &names, why, sizeof why);
    if (ok == (why[0] != '\0')) fuzz_fail("neither clear nor refused", bytes, size);
    return 0;
}

static uint64_t read_field(const uint8_t *bytes, size_t size, size_t at, size_t width)
{
    uint64_t value = 0;
    if (at < size && width <= size - at) memcpy(&value, bytes + at, width);
    return value;
}

/* A value that is near some limit, or one that stands elsewhere in the file. */
static uint64_t pick_value(uint64_t *random, const uint8_t *bytes, size_t size, uint64_t old)
{
    static const uint64_t special[] = {0, 1, 2, 7, 8, 24, 64, 0xff, 0xffff, 0xffffffff, INT64_MAX, UINT64_MAX};
    switch (fuzz_below(random, 6)) {
    case 0: return special[fuzz_below(random, sizeof special / sizeof *special)];
    case 1: return size - 4 + fuzz_below(random, 8);
    case 2: return old - 8 + fuzz_below(random, 16);
    case 3: return read_field(bytes, size, fuzz_below(random, size) & ~(size_t)7, 8);
    case 4: return old ^ (UINT64_C(1) << fuzz_below(random, 64));
    default: return fuzz_below(random, size);
    }
}

/* Where a field of a random table stands: the head, a segment, a section, or an entry of one. */
static size_t pick_field(uint64_t *random, const uint8_t *bytes, size_t size)
{
    uint64_t segments = read_field(bytes, size, offsetof(Elf64_Ehdr, e_phoff), 8);
    uint64_t sections = read_field(bytes, size, offsetof(Elf64_Ehdr, e_shoff), 8);
    uint64_t n_segments = read_field(bytes, size, offsetof(Elf64_Ehdr, e_phnum), 2);
    uint64_t n_sections = read_field(bytes, size, offsetof(Elf64_Ehdr, e_shnum), 2);
    uint64_t segment = segments + sizeof(Elf64_Phdr) * fuzz_below(random, n_segments ? n_segments : 1);
    uint64_t section = sections + sizeof(Elf64_Shdr) * fuzz_below(random, n_sections ? n_sections : 1);
    uint64_t inside = read_field(bytes, size, section + offsetof(Elf64_Shdr, sh_offset), 8);
    uint64_t bytes_inside = read_field(bytes, size, section + offsetof(Elf64_Shdr, sh_size), 8);
    switch (fuzz_below(random, 4)) {
    case 0: return fuzz_below(random, sizeof(Elf64_Ehdr));
    case 1: return segment + fuzz_below(random, sizeof(Elf64_Phdr));
    case 2: return section + fuzz_below(random, sizeof(Elf64_Shdr));
    default: return inside + fuzz_below(random, bytes_inside ? bytes_inside : 1);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (size < sizeof(Elf64_Ehdr) || fuzz_below(&random, 4) == 0) return LLVMFuzzerMutate(bytes, size, capacity);
    for (size_t rounds = 1 + fuzz_below(&random, 3); rounds > 0; rounds--) {
        size_t width = (size_t)1 << fuzz_below(&random, 4), at = pick_field(&random, bytes, size) & ~(width - 1);
        uint64_t value = pick_value(&random, bytes, size, read_field(bytes, size, at, width));
        if (at < size && width <= size - at) memcpy(bytes + at, &value, width);
    }
    return size;
}
