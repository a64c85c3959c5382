/* Adds the weights to a finished ELF file (System V gABI, ELF-64).
 *
 * Linkers copy and relocate what they are given, which for gigabytes costs memory several times
 * over. So they see only a section without content (NOBITS) in a segment of its own; here the bytes
 * are appended at a page boundary and the section and segment headers turned to point at them.
 * Memory in use: one constant that is computed, or one block of one that lies in a file.
 */
#include "backends/x86/output.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, BLOCK = 1 << 20 };

typedef struct file {
    adze_context *context;
    const char *path;
    int fd;
    Elf64_Ehdr head;
    Elf64_Shdr section;
    uint64_t section_at; /* file offset of its header */
} file;

static bool fail(const file *f, const char *what)
{
    return adze_error(adze_loc_unknown(f->context), "%s: %s%s%s", f->path, what, errno ? ": " : "",
                      errno ? strerror(errno) : "");
}

static bool read_at(const file *f, void *out, size_t size, uint64_t at)
{
    errno = 0;
    return pread(f->fd, out, size, (off_t)at) == (ssize_t)size ||
           fail(f, "cannot read what the linker wrote");
}

static bool write_at(const file *f, const void *bytes, size_t size, uint64_t at)
{
    const char *from = bytes;
    while (size) {
        ssize_t n = pwrite(f->fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(f, "cannot write");
        from += n, at += (uint64_t)n, size -= (size_t)n;
    }
    return true;
}

static bool find_section(file *f)
{
    Elf64_Shdr names;
    if (!read_at(f, &f->head, sizeof f->head, 0)) return false;
    if (!read_at(f, &names, sizeof names, f->head.e_shoff + f->head.e_shstrndx * sizeof names))
        return false;
    for (uint32_t i = 1; i < f->head.e_shnum; i++) {
        char name[16] = "";
        f->section_at = f->head.e_shoff + i * sizeof f->section;
        if (!read_at(f, &f->section, sizeof f->section, f->section_at)) return false;
        if (f->section.sh_name + sizeof ".adze.weights" > names.sh_size) continue;
        if (!read_at(f, name, sizeof ".adze.weights", names.sh_offset + f->section.sh_name))
            return false;
        if (!strcmp(name, ".adze.weights")) return true;
    }
    errno = 0;
    return fail(f, "the linker dropped the section of weights");
}

/* The file offset at which the bytes go: congruent to the address, as the loader maps whole pages.
 */
static uint64_t place(const file *f, uint64_t file_size)
{
    return (file_size + PAGE - 1) / PAGE * PAGE + f->section.sh_addr % PAGE;
}

static bool turn_segment(const file *f, uint64_t offset)
{
    for (uint32_t i = 0; i < f->head.e_phnum; i++) {
        Elf64_Phdr p;
        uint64_t at = f->head.e_phoff + i * sizeof p;
        if (!read_at(f, &p, sizeof p, at)) return false;
        if (p.p_type != PT_LOAD || p.p_vaddr != f->section.sh_addr) continue;
        p.p_offset = offset;
        p.p_filesz = p.p_memsz = f->section.sh_size;
        p.p_align = PAGE;
        return write_at(f, &p, sizeof p, at);
    }
    errno = 0;
    return fail(f, "the linker gave the weights no segment");
}

static bool write_constant(const file *f, const x86_weight *w, uint64_t base, char *block)
{
    adze_data *data = adze_const_data(w->constant);
    const char *path;
    uint64_t offset;
    if (!adze_data_is_file(data, &path, &offset)) {
        const void *bytes = adze_data_load(data);
        bool ok = bytes && write_at(f, bytes, w->size, base + w->offset);
        adze_data_unload(data);
        return ok;
    }
    for (uint64_t at = 0; at < w->size; at += BLOCK) {
        size_t n = w->size - at < BLOCK ? (size_t)(w->size - at) : BLOCK;
        if (!adze_data_read(data, at, block, n) || !write_at(f, block, n, base + w->offset + at))
            return false;
    }
    return true;
}

static bool fill(file *f, const x86_program *program)
{
    struct stat info;
    if (!find_section(f)) return false;
    if (fstat(f->fd, &info)) return fail(f, "cannot read");
    if (f->section.sh_size != program->weights_size || f->section.sh_type != SHT_NOBITS) {
        errno = 0;
        return fail(f, "the linker changed the section of weights");
    }
    uint64_t offset = place(f, (uint64_t)info.st_size);
    f->section.sh_type = SHT_PROGBITS;
    f->section.sh_offset = offset;
    if (!write_at(f, &f->section, sizeof f->section, f->section_at)) return false;
    if (f->head.e_type != ET_REL && !turn_segment(f, offset)) return false;
    if (ftruncate(f->fd, (off_t)(offset + program->weights_size))) return fail(f, "cannot write");
    char *block = adze_malloc(BLOCK);
    bool ok = true;
    for (uint32_t i = 0; ok && i < program->n_weights; i++)
        ok = write_constant(f, &program->weights[i], offset, block);
    free(block);
    return ok;
}

bool x86_elf_add_weights(const x86_program *program, const char *path)
{
    if (!program->weights_size) return true;
    file f = {.context = program->context, .path = path};
    f.fd = open(path, O_RDWR | O_CLOEXEC);
    if (f.fd < 0) return fail(&f, "cannot open");
    bool ok = fill(&f, program);
    if (close(f.fd) && ok) ok = fail(&f, "cannot write");
    return ok;
}
