/* Reading a plug-in's file never reads outside of it, whatever its bytes are. */
#include "unit.h"

#include "passes/plugin_elf.h"

#include <elf.h>
#include <stdlib.h>

static int names;

static bool accept(void *self, const adze_kind *kind, const char *name, char *why, size_t why_size)
{
    (void)self, (void)kind, (void)why, (void)why_size;
    names += name[0] != '\0';
    return true;
}

static unsigned char *read_plugin(size_t *out_size)
{
    char path[1024];
    const char *build = getenv("ADZE_BUILD_DIR");
    snprintf(path, sizeof path, "%s/test/unit/demo_plugin.so", build ? build : ".");
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    unsigned char *bytes = malloc(1 << 20);
    *out_size = bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    fclose(file);
    return bytes;
}

/* A copy of exactly `size` bytes, so that a sanitizer sees every read past its end. */
static bool peek(const unsigned char *bytes, size_t size)
{
    char why[256] = "";
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy) return false;
    memcpy(copy, bytes, size);
    bool ok = adze_plugin_peek(size ? copy : NULL, size, accept, NULL, why, sizeof why);
    CHECK(ok || why[0]);
    free(copy);
    return ok;
}

/* plug-in, pass, op, rule set */
TEST(whole_file_is_accepted)
{
    size_t size;
    unsigned char *bytes = read_plugin(&size);
    REQUIRE(bytes);
    names = 0;
    CHECK(peek(bytes, size));
    CHECK_INT(names, 4);
    free(bytes);
}

TEST(every_truncation)
{
    size_t size;
    unsigned char *bytes = read_plugin(&size);
    REQUIRE(bytes);
    CHECK(!peek(bytes, 0));
    for (size_t cut = 0; cut < 64; cut++) CHECK(!peek(bytes, cut));
    for (size_t cut = 64; cut < size; cut += 7) peek(bytes, cut);
    free(bytes);
}

TEST(changed_bytes)
{
    size_t size;
    unsigned char *bytes = read_plugin(&size);
    REQUIRE(bytes);
    uint64_t state = 1;
    for (int round = 0; round < 20000; round++) {
        unsigned char old[4];
        size_t at[4];
        for (int i = 0; i < 4; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            /* Every other one in a head or a table: the file's first 1 KB and last 4 KB. */
            size_t r = (size_t)(state >> 20);
            at[i] = round % 2 ? r % size : r % 2 ? r / 2 % 1024 : size - 1 - r / 2 % 4096;
            old[i] = bytes[at[i]];
            bytes[at[i]] = (unsigned char)(state >> 56);
        }
        peek(bytes, size);
        for (int i = 4; i-- > 0;) bytes[at[i]] = old[i];
    }
    CHECK(peek(bytes, size));
    free(bytes);
}

/* Every section header says that it is a relocation table of the whole file: following each pointer through all of
 * them would take hours. */
TEST(overlapping_relocation_tables)
{
    size_t size;
    unsigned char *bytes = read_plugin(&size);
    REQUIRE(bytes);
    enum { COPIES = 60000 };
    Elf64_Ehdr head;
    Elf64_Shdr table = {.sh_type = SHT_RELA, .sh_entsize = sizeof(Elf64_Rela)};
    memcpy(&head, bytes, sizeof head);
    size_t large = size + (head.e_shnum + COPIES) * sizeof table;
    unsigned char *more = calloc(1, large);
    REQUIRE(more);
    memcpy(more, bytes, size);
    memcpy(more + size, bytes + head.e_shoff, head.e_shnum * sizeof table);
    table.sh_size = large;
    for (size_t i = 0; i < COPIES; i++)
        memcpy(more + size + (head.e_shnum + i) * sizeof table, &table, sizeof table);
    head.e_shoff = size;
    head.e_shnum = (uint16_t)(head.e_shnum + COPIES);
    memcpy(more, &head, sizeof head);
    CHECK(!peek(more, large));
    free(more);
    free(bytes);
}

TEST(too_many_segments)
{
    size_t size;
    unsigned char *bytes = read_plugin(&size);
    REQUIRE(bytes);
    Elf64_Ehdr head;
    memcpy(&head, bytes, sizeof head);
    head.e_phnum = 60000;
    memcpy(bytes, &head, sizeof head);
    CHECK(!peek(bytes, size));
    free(bytes);
}

int main(void)
{
    RUN(whole_file_is_accepted);
    RUN(every_truncation);
    RUN(changed_bytes);
    RUN(overlapping_relocation_tables);
    RUN(too_many_segments);
    return unit_end();
}
