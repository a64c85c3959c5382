/* Makes the global symbols of a relocatable object local, so that several models link into one
 * program.
 *
 * ELF wants local symbols first, so the table is reordered, and the numbers in relocations follow.
 */
#include "backends/x86/output.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct object {
    char *bytes;
    size_t size;
    Elf64_Ehdr *head;
    Elf64_Shdr *sections;
} object;

static bool becomes_local(const Elf64_Sym *s, const char *names, const char *const *keep)
{
    if (ELF64_ST_BIND(s->st_info) == STB_LOCAL || s->st_shndx == SHN_UNDEF) return false;
    for (; *keep; keep++)
        if (!strcmp(names + s->st_name, *keep)) return false;
    return true;
}

/* Reorders one symbol table; `where` gets the new number of each symbol. */
static void reorder(object *o, Elf64_Shdr *table, const char *const *keep, uint32_t *where)
{
    uint32_t n = (uint32_t)(table->sh_size / sizeof(Elf64_Sym)), next = 0;
    Elf64_Sym *symbols = (Elf64_Sym *)(void *)(o->bytes + table->sh_offset);
    const char *names = o->bytes + o->sections[table->sh_link].sh_offset;
    Elf64_Sym *sorted = adze_malloc(n * sizeof *sorted);
    for (int global = 0; global < 2; global++) {
        for (uint32_t i = 0; i < n; i++) {
            bool local = ELF64_ST_BIND(symbols[i].st_info) == STB_LOCAL ||
                         becomes_local(&symbols[i], names, keep);
            if (local != !global) continue;
            where[i] = next;
            sorted[next] = symbols[i];
            if (local)
                sorted[next].st_info =
                    (unsigned char)ELF64_ST_INFO(STB_LOCAL, ELF64_ST_TYPE(symbols[i].st_info));
            next++;
        }
        if (!global) table->sh_info = next;
    }
    memcpy(symbols, sorted, n * sizeof *sorted);
    free(sorted);
}

static void renumber(object *o, uint32_t table, const uint32_t *where)
{
    for (uint32_t i = 0; i < o->head->e_shnum; i++) {
        Elf64_Shdr *s = &o->sections[i];
        if (s->sh_link != table) continue;
        if (s->sh_type == SHT_GROUP) s->sh_info = where[s->sh_info];
        if (s->sh_type != SHT_RELA) continue;
        Elf64_Rela *r = (Elf64_Rela *)(void *)(o->bytes + s->sh_offset);
        for (uint64_t k = 0; k < s->sh_size / sizeof *r; k++)
            r[k].r_info =
                ELF64_R_INFO((uint64_t)where[ELF64_R_SYM(r[k].r_info)], ELF64_R_TYPE(r[k].r_info));
    }
}

static void localize(object *o, const char *const *keep)
{
    for (uint32_t i = 0; i < o->head->e_shnum; i++) {
        Elf64_Shdr *table = &o->sections[i];
        if (table->sh_type != SHT_SYMTAB) continue;
        uint32_t *where = adze_malloc(table->sh_size / sizeof(Elf64_Sym) * sizeof *where);
        reorder(o, table, keep, where);
        renumber(o, i, where);
        free(where);
    }
}

bool x86_elf_localize(adze_context *context, const char *path, const char *const *keep)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = MAP_FAILED;
    if (fd >= 0 && !fstat(fd, &info) && info.st_size > (off_t)sizeof(Elf64_Ehdr))
        map = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        adze_error(adze_loc_unknown(context), "%s: cannot read what the linker wrote: %s", path,
                   strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    object o = {map, (size_t)info.st_size, map, NULL};
    o.sections = (Elf64_Shdr *)(void *)(o.bytes + o.head->e_shoff);
    localize(&o, keep);
    munmap(map, o.size);
    return close(fd) == 0;
}
