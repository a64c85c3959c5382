/* Looks into a shared object before the loader does: only a file that is whole, for this machine,
 * and exports a descriptor of our magic number may be loaded, because loading runs its
 * constructors.
 *
 * Reads by pread, so that a file that shrinks meanwhile is a read error. Source: System V gABI,
 * chapters 4 and 5 (ELF-64). */
#include "internal.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#else
enum { HOST_MACHINE = EM_NONE };
#endif

typedef struct file {
    int fd;
    uint64_t size;
    const char *path;
    char *error;
    Elf64_Ehdr head;
} file;

static bool in_file(const file *f, uint64_t offset, uint64_t bytes)
{
    return offset <= f->size && bytes <= f->size - offset;
}

static bool read_at(const file *f, uint64_t offset, void *out, size_t bytes)
{
    char *to = out;
    if (!in_file(f, offset, bytes)) return false;
    while (bytes) {
        ssize_t n = pread(f->fd, to, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n, offset += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

static adze_status truncated(const file *f)
{
    return adze_rt_fail(f->error, ADZE_ERR_FORMAT, "%s: the file is cut short", f->path);
}

static adze_status check_head(file *f)
{
    Elf64_Ehdr *h = &f->head;
    if (!read_at(f, 0, h, sizeof *h) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return adze_rt_fail(f->error, ADZE_ERR_FORMAT, "%s: not a shared object", f->path);
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_type != ET_DYN || h->e_phentsize != sizeof(Elf64_Phdr) ||
        h->e_shentsize != sizeof(Elf64_Shdr))
        return adze_rt_fail(f->error, ADZE_ERR_FORMAT, "%s: not a 64-bit shared object", f->path);
    if (h->e_machine != HOST_MACHINE)
        return adze_rt_fail(f->error, ADZE_ERR_FORMAT,
                            "%s: made for another machine (ELF machine %u)", f->path, h->e_machine);
    if (!in_file(f, h->e_phoff, (uint64_t)h->e_phnum * h->e_phentsize) ||
        !in_file(f, h->e_shoff, (uint64_t)h->e_shnum * h->e_shentsize))
        return truncated(f);
    return ADZE_OK;
}

/* All segments must lie in the file: the loader maps them without looking, and touching a page past
 * the end kills the process. With `address` given, finds where in the file it is stored. */
static adze_status check_segments(const file *f, uint64_t address, uint64_t bytes,
                                  uint64_t *out_offset)
{
    if (out_offset) *out_offset = UINT64_MAX;
    for (uint32_t i = 0; i < f->head.e_phnum; i++) {
        Elf64_Phdr p;
        if (!read_at(f, f->head.e_phoff + i * sizeof p, &p, sizeof p)) return truncated(f);
        if (!in_file(f, p.p_offset, p.p_filesz)) return truncated(f);
        if (out_offset && p.p_type == PT_LOAD && address >= p.p_vaddr && p.p_filesz >= bytes &&
            address - p.p_vaddr <= p.p_filesz - bytes)
            *out_offset = p.p_offset + (address - p.p_vaddr);
    }
    return ADZE_OK;
}

static bool is_descriptor(const file *f, const Elf64_Sym *s, const Elf64_Shdr *strings)
{
    static const char name[] = "adze_artifact";
    char found[sizeof name];
    return s->st_shndx != SHN_UNDEF && ELF64_ST_BIND(s->st_info) == STB_GLOBAL &&
           s->st_name < strings->sh_size && strings->sh_size - s->st_name >= sizeof name &&
           read_at(f, strings->sh_offset + s->st_name, found, sizeof found) &&
           memcmp(found, name, sizeof name) == 0;
}

static adze_status find_descriptor(const file *f, Elf64_Sym *out_symbol)
{
    for (uint32_t i = 0; i < f->head.e_shnum; i++) {
        Elf64_Shdr table, strings;
        if (!read_at(f, f->head.e_shoff + i * sizeof table, &table, sizeof table))
            return truncated(f);
        if (table.sh_type != SHT_DYNSYM || table.sh_entsize != sizeof(Elf64_Sym)) continue;
        if (table.sh_link >= f->head.e_shnum ||
            !read_at(f, f->head.e_shoff + table.sh_link * sizeof strings, &strings,
                     sizeof strings) ||
            !in_file(f, table.sh_offset, table.sh_size) ||
            !in_file(f, strings.sh_offset, strings.sh_size))
            return truncated(f);
        for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Sym); k++) {
            if (!read_at(f, table.sh_offset + k * sizeof *out_symbol, out_symbol,
                         sizeof *out_symbol))
                return truncated(f);
            if (is_descriptor(f, out_symbol, &strings)) return ADZE_OK;
        }
    }
    return adze_rt_fail(f->error, ADZE_ERR_FORMAT,
                        "%s: not an Adze artifact (it exports no adze_artifact)", f->path);
}

static adze_status check_descriptor(const file *f)
{
    struct {
        uint64_t magic;
        uint32_t abi, struct_size;
    } start;
    Elf64_Sym symbol;
    uint64_t offset;
    adze_status status = find_descriptor(f, &symbol);
    if (!status) status = check_segments(f, symbol.st_value, sizeof start, &offset);
    if (status) return status;
    if (offset == UINT64_MAX || !read_at(f, offset, &start, sizeof start) ||
        start.magic != ADZE_ARTIFACT_MAGIC)
        return adze_rt_fail(f->error, ADZE_ERR_FORMAT,
                            "%s: not an Adze artifact (bad magic number)", f->path);
    if (start.abi != ADZE_ABI)
        return adze_rt_fail(f->error, ADZE_ERR_ABI,
                            "%s: artifact has binary interface %u, this runtime has %u", f->path,
                            start.abi, (unsigned)ADZE_ABI);
    if (start.struct_size < sizeof(adze_artifact) || symbol.st_size < sizeof(adze_artifact))
        return adze_rt_fail(f->error, ADZE_ERR_FORMAT, "%s: the artifact's descriptor is too small",
                            f->path);
    return ADZE_OK;
}

adze_status adze_rt_elf_check(const char *path, char error[ERROR_SIZE])
{
    struct stat info;
    file f = {.path = path, .error = error};
    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f.fd < 0) return adze_rt_fail(error, ADZE_ERR_FILE, "%s: %s", path, strerror(errno));
    adze_status status;
    if (fstat(f.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = adze_rt_fail(error, ADZE_ERR_FILE, "%s: not a regular file", path);
    } else {
        f.size = (uint64_t)info.st_size;
        status = check_head(&f);
        if (!status) status = check_segments(&f, 0, 0, NULL);
        if (!status) status = check_descriptor(&f);
    }
    close(f.fd);
    return status;
}
