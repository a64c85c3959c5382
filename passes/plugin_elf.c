/* Reads a plug-in's descriptor from its ELF file without loading it (System V gABI, ELF-64).
 *
 * Addresses go to file offsets through the program headers, as the loader does it. Pointers inside
 * the descriptor are relocated at load time, so their values stand in the relocation tables; a
 * pointer that cannot be followed here is checked after loading by adze_registry_add.
 */
#include "passes/plugin_elf.h"

#include <adze/arena.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, RELATIVE = R_X86_64_RELATIVE, ABSOLUTE = R_X86_64_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64, RELATIVE = R_AARCH64_RELATIVE, ABSOLUTE = R_AARCH64_ABS64 };
#else
enum { MACHINE = EM_NONE, RELATIVE = -1, ABSOLUTE = -1 };
#endif

/* Names and lists longer than this are not followed; linkers make a dozen segments. */
enum { MAX_NAME = 256, MAX_LIST = 4096, MAX_SEGMENTS = 256 };

/* What the loader writes at an address, less the load address. */
typedef struct pointer {
    uint64_t address, value;
    size_t order; /* in the file */
    bool known;
} pointer;

typedef struct image {
    const unsigned char *bytes;
    size_t size;
    Elf64_Ehdr head;
    pointer *pointers; /* sorted by address */
    size_t n_pointers;
} image;

static bool read_at(const image *im, uint64_t offset, void *out, size_t size)
{
    if (offset > im->size || size > im->size - offset) return false;
    memcpy(out, im->bytes + offset, size);
    return true;
}

static bool read_section(const image *im, uint32_t index, Elf64_Shdr *out)
{
    return index < im->head.e_shnum && im->head.e_shentsize == sizeof *out &&
           read_at(im, im->head.e_shoff + (uint64_t)index * sizeof *out, out, sizeof *out);
}

/* File offset of `size` bytes at a virtual address; false where no segment has them in the file. */
static bool offset_of(const image *im, uint64_t address, uint64_t size, uint64_t *out)
{
    for (uint32_t i = 0; i < im->head.e_phnum && im->head.e_phentsize == sizeof(Elf64_Phdr); i++) {
        Elf64_Phdr ph;
        if (!read_at(im, im->head.e_phoff + (uint64_t)i * sizeof ph, &ph, sizeof ph)) return false;
        if (ph.p_type != PT_LOAD || address < ph.p_vaddr) continue;
        uint64_t inside = address - ph.p_vaddr;
        if (inside > ph.p_filesz || size > ph.p_filesz - inside) continue;
        *out = ph.p_offset + inside;
        return *out >= inside;
    }
    return false;
}

static bool read_address(const image *im, uint64_t address, void *out, size_t size)
{
    uint64_t offset;
    return offset_of(im, address, size, &offset) && read_at(im, offset, out, size);
}

/* A zero-ended string of at most MAX_NAME - 1 bytes at a file offset. */
static bool read_text(const image *im, uint64_t offset, char out[MAX_NAME])
{
    if (offset >= im->size) return false;
    size_t left = im->size - (size_t)offset;
    size_t n = strnlen((const char *)im->bytes + offset, left < MAX_NAME ? left : MAX_NAME);
    if (n == left || n == MAX_NAME) return false;
    memcpy(out, im->bytes + offset, n + 1);
    return true;
}

static bool find_section(const image *im, uint32_t type, uint32_t from, uint32_t *out_index,
                         Elf64_Shdr *out)
{
    for (uint32_t i = from; i < im->head.e_shnum; i++)
        if (read_section(im, i, out) && out->sh_type == type && out->sh_entsize > 0) {
            *out_index = i;
            return true;
        }
    return false;
}

/* The dynamic symbol that the loader would find. */
static bool find_symbol(const image *im, const char *name, Elf64_Sym *out)
{
    uint32_t index;
    Elf64_Shdr symbols, strings;
    if (!find_section(im, SHT_DYNSYM, 0, &index, &symbols) || symbols.sh_entsize != sizeof *out ||
        !read_section(im, symbols.sh_link, &strings))
        return false;
    for (uint64_t i = 0; i < symbols.sh_size / sizeof *out; i++) {
        char text[MAX_NAME];
        if (!read_at(im, symbols.sh_offset + i * sizeof *out, out, sizeof *out)) return false;
        if (out->st_shndx == SHN_UNDEF || out->st_name >= strings.sh_size) continue;
        if (read_text(im, strings.sh_offset + out->st_name, text) && !strcmp(text, name)) return true;
    }
    return false;
}

static pointer relocated(const image *im, const Elf64_Shdr *section, const Elf64_Rela *rela)
{
    pointer p = {.address = rela->r_offset, .value = (uint64_t)rela->r_addend};
    uint32_t kind = (uint32_t)ELF64_R_TYPE(rela->r_info);
    Elf64_Shdr symbols;
    Elf64_Sym sym;
    if (kind == (uint32_t)RELATIVE) {
        p.known = true;
    } else if (kind == (uint32_t)ABSOLUTE && read_section(im, section->sh_link, &symbols) &&
               read_at(im, symbols.sh_offset + ELF64_R_SYM(rela->r_info) * sizeof sym, &sym, sizeof sym)) {
        p.value += sym.st_value;
        p.known = sym.st_shndx != SHN_UNDEF;
    }
    return p;
}

static int by_address(const void *a, const void *b)
{
    const pointer *x = a, *y = b;
    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Reads all relocation tables; false where they say more than a file of this size can hold. */
static bool read_pointers(image *im)
{
    uint32_t index;
    Elf64_Shdr section;
    size_t most = im->size / sizeof(Elf64_Rela);
    im->pointers = adze_malloc((most + 1) * sizeof *im->pointers);
    for (uint32_t from = 0; find_section(im, SHT_RELA, from, &index, &section); from = index + 1) {
        Elf64_Rela rela;
        if (section.sh_entsize != sizeof rela) continue;
        for (uint64_t i = 0; i < section.sh_size / sizeof rela; i++) {
            if (im->n_pointers == most || !read_at(im, section.sh_offset + i * sizeof rela, &rela, sizeof rela))
                return false;
            im->pointers[im->n_pointers] = relocated(im, &section, &rela);
            im->pointers[im->n_pointers].order = im->n_pointers;
            im->n_pointers++;
        }
    }
    qsort(im->pointers, im->n_pointers, sizeof *im->pointers, by_address);
    return true;
}

/* The value that a pointer at `address` has after loading, less the load address. */
static bool read_pointer(const image *im, uint64_t address, uint64_t *out)
{
    size_t low = 0, high = im->n_pointers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (im->pointers[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == im->n_pointers || im->pointers[low].address != address)
        return read_address(im, address, out, sizeof *out); /* packed relative relocations, or null */
    *out = im->pointers[low].value;
    return im->pointers[low].known;
}

/* The name that the pointer at `address` points to. */
static bool read_name(const image *im, uint64_t address, char out[MAX_NAME])
{
    uint64_t text, offset;
    return read_pointer(im, address, &text) && text && offset_of(im, text, 1, &offset) &&
           read_text(im, offset, out);
}

static bool refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return false;
}

static bool check_head(image *im, char *why, size_t why_size)
{
    Elf64_Ehdr *head = &im->head;
    if (!im->bytes || !read_at(im, 0, head, sizeof *head) || memcmp(head->e_ident, ELFMAG, SELFMAG))
        return refuse(why, why_size, "not an ELF file");
    if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB)
        return refuse(why, why_size, "not a 64-bit little-endian ELF file");
    if (head->e_machine != MACHINE) return refuse(why, why_size, "built for another machine");
    if (head->e_type != ET_DYN) return refuse(why, why_size, "not a shared object");
    if (head->e_phnum > MAX_SEGMENTS) return refuse(why, why_size, "it has too many program headers");
    return true;
}

/* Lets `check` see the names of one list of the descriptor. */
static bool check_list(const image *im, uint64_t descriptor, const adze_kind *kind, adze_peek_name *check, void *self,
                       char *why, size_t why_size)
{
    uint64_t list, item;
    char text[MAX_NAME];
    if (!read_pointer(im, descriptor + kind->list, &list) || !list) return true;
    for (uint64_t i = 0; i < MAX_LIST; i++) {
        if (!read_pointer(im, list + i * sizeof(void *), &item) || !item) break;
        if (read_name(im, item + kind->name, text) && !check(self, kind, text, why, why_size)) return false;
    }
    return true;
}

/* The symbol, its magic, ABI and size; `out_bytes` of the descriptor are there. */
static bool check_descriptor(const image *im, Elf64_Sym *out, uint64_t *out_bytes, char *why, size_t why_size)
{
    struct {
        uint64_t magic;
        uint32_t abi, struct_size;
    } start;
    if (!find_symbol(im, ADZE_PLUGIN_SYMBOL, out))
        return refuse(why, why_size, "it exports no " ADZE_PLUGIN_SYMBOL);
    if (!read_address(im, out->st_value, &start, sizeof start) || start.magic != ADZE_PLUGIN_MAGIC)
        return refuse(why, why_size, ADZE_PLUGIN_SYMBOL " has a bad magic number");
    if (start.abi != ADZE_ABI) {
        snprintf(why, why_size, "it speaks ABI %u, this Adze speaks %d", start.abi, ADZE_ABI);
        return false;
    }
    *out_bytes = out->st_size < start.struct_size ? out->st_size : start.struct_size;
    if (*out_bytes >= adze_plugin_least) return true;
    snprintf(why, why_size, "its descriptor has %llu bytes, expected at least %zu", (unsigned long long)*out_bytes,
             adze_plugin_least);
    return false;
}

static bool check_names(image *im, const Elf64_Sym *sym, uint64_t bytes, adze_peek_name *check, void *self, char *why,
                        size_t why_size)
{
    char text[MAX_NAME];
    if (!read_pointers(im)) return refuse(why, why_size, "its relocation tables do not fit the file");
    if (read_name(im, sym->st_value + offsetof(adze_plugin, name), text) && !check(self, NULL, text, why, why_size))
        return false;
    for (const adze_kind *kind = adze_kinds; kind->what; kind++)
        if (kind->list + sizeof(void *) <= bytes && !check_list(im, sym->st_value, kind, check, self, why, why_size))
            return false;
    return true;
}

bool adze_plugin_peek(const void *bytes, size_t size, adze_peek_name *check, void *self, char *why,
                      size_t why_size)
{
    image im = {.bytes = bytes, .size = size};
    Elf64_Sym sym;
    uint64_t there;
    bool ok = check_head(&im, why, why_size) && check_descriptor(&im, &sym, &there, why, why_size) &&
              check_names(&im, &sym, there, check, self, why, why_size);
    free(im.pointers);
    return ok;
}
