/* Files of machine code (see cache.h).
 *
 * A file is named by hash of key and build, and holds a head with a checksum, then the bytes. It is written under
 * another name and renamed, so a reader sees a whole file or none. Reading one sets its time, and the ones of the
 * oldest times go when all together exceed MAX_BYTES.
 */
#include "backends/x86/cache.h"

#include <adze/table.h>

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BYTES = 256 << 20, MAX_ENTRY = 64 << 20, STALE_SECONDS = 3600 };

/* ---- Hashes ---- */

x86_hash x86_hash_bytes(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    x86_hash h = {{size, ~(uint64_t)size}};
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, p + at, size - at < 8 ? size - at : 8);
        h.words[0] = adze_hash_mix(h.words[0], word);
        h.words[1] = adze_hash_mix(h.words[1], word ^ h.words[0]);
    }
    return h;
}

static x86_hash mix(x86_hash a, x86_hash b)
{
    x86_hash both[] = {a, b};
    return x86_hash_bytes(both, sizeof both);
}

x86_hash x86_hash_text(x86_hash hash, const char *text) { return mix(hash, x86_hash_bytes(text, strlen(text))); }

/* ---- The build ---- */

/* Of this backend and the LLVM and MLIR that are loaded. */
typedef struct build {
    x86_hash id;
    bool found, lacking;
} build;

static bool add_note(build *b, const char *at, const char *end)
{
    while (end - at > (ptrdiff_t)sizeof(ElfW(Nhdr))) { /* sizes in the last note may lead beyond the end */
        const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)(const void *)at;
        const char *name = at + sizeof *head, *content = name + ((head->n_namesz + 3u) & ~3u);
        if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
            b->id = mix(b->id, x86_hash_bytes(content, head->n_descsz));
            return true;
        }
        at = content + ((head->n_descsz + 3u) & ~3u);
    }
    return false;
}

static bool holds(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address - info->dlpi_addr - p->p_vaddr < p->p_memsz) return true;
    }
    return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *self)
{
    (void)size;
    build *b = self;
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL, *name = slash ? slash + 1 : "";
    bool own = holds(info, (uintptr_t)&x86_cache_open), found = false;
    if (!own && strncmp(name, "libLLVM", 7) && strncmp(name, "libMLIR", 7)) return 0;
    for (int i = 0; i < info->dlpi_phnum && !found; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const char *at = (const char *)(info->dlpi_addr + p->p_vaddr);
        found = p->p_type == PT_NOTE && add_note(b, at, at + p->p_memsz);
    }
    b->found |= own;
    b->lacking |= !found;
    return 0;
}

/* False where one of the files does not say which build it is. */
static bool find_build(x86_hash *out)
{
    build b = {.id = x86_hash_bytes("code", 4)};
    dl_iterate_phdr(look, &b);
    *out = b.id;
    return b.found && !b.lacking;
}

/* ---- The folder ---- */

static const char *join(adze_arena *arena, const char *a, const char *b)
{
    char *path = adze_arena_alloc(arena, strlen(a) + strlen(b) + 1);
    sprintf(path, "%s%s", a, b);
    return path;
}

static const char *find_folder(adze_arena *arena)
{
    const char *given = getenv("ADZE_CODE_CACHE"), *root = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (given && *given) {
        if (!strcmp(given, "none")) return NULL;
        mkdir(given, 0700);
        return join(arena, given, "");
    }
    if (!root || *root != '/') root = home && *home ? join(arena, home, "/.cache") : NULL;
    if (!root) return NULL;
    const char *folder = join(arena, root, "/adze"), *code = join(arena, folder, "/code");
    mkdir(root, 0777);
    mkdir(folder, 0777);
    mkdir(code, 0700);
    return code;
}

typedef struct file {
    char name[40];
    struct timespec used;
    uint64_t size;
} file;

static int by_age(const void *a, const void *b)
{
    const file *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Only files with names of ours are touched. */
static bool is_ours(const char *name)
{
    size_t n = strspn(name, "0123456789abcdef");
    return n == 32 && (!name[n] || name[n] == '.') && strlen(name) < sizeof((file *)0)->name;
}

/* Removes the oldest files until three quarters of the bound are left, and what writers left that came to an end. */
static void remove_oldest(int folder, file *files, size_t n, uint64_t total)
{
    qsort(files, n, sizeof *files, by_age);
    for (size_t i = 0; i < n && total > MAX_BYTES / 4 * 3; i++) {
        unlinkat(folder, files[i].name, 0);
        total -= files[i].size;
    }
}

static void bound(const char *path)
{
    DIR *dir = opendir(path);
    adze_arena arena = {0};
    file *files = NULL;
    uint32_t n = 0, capacity = 0;
    uint64_t total = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat info;
        if (!is_ours(e->d_name) || fstatat(dirfd(dir), e->d_name, &info, AT_SYMLINK_NOFOLLOW)) continue;
        if (strchr(e->d_name, '.')) {
            if (info.st_mtim.tv_sec + STALE_SECONDS < time(NULL)) unlinkat(dirfd(dir), e->d_name, 0);
            continue;
        }
        files = adze_arena_grow(&arena, files, n, &capacity, sizeof *files);
        file *f = &files[n++];
        memcpy(f->name, e->d_name, strlen(e->d_name) + 1); /* is_ours bounds it */
        f->used = info.st_mtim;
        f->size = (uint64_t)info.st_size;
        total += f->size;
    }
    if (dir && total > MAX_BYTES) remove_oldest(dirfd(dir), files, n, total);
    if (dir) closedir(dir);
    adze_arena_free(&arena);
}

/* Looking at all files takes long, so the folder is looked at once a minute: its mark is a file that is touched. */
static void bound_at_times(const char *folder, adze_arena *arena)
{
    const char *mark = join(arena, folder, "/checked");
    struct stat info;
    enum { EVERY_SECONDS = 60 };
    if (!lstat(mark, &info) && info.st_mtim.tv_sec + EVERY_SECONDS > time(NULL) && info.st_mtim.tv_sec <= time(NULL))
        return;
    int handle = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (handle < 0) return;
    futimens(handle, NULL);
    close(handle);
    bound(folder);
}

/* What lies in it is code that runs: nobody else may put any there. */
static bool is_private(const char *folder)
{
    struct stat info;
    return !lstat(folder, &info) && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           !(info.st_mode & (S_IWGRP | S_IWOTH));
}

void x86_cache_open(x86_cache *cache, adze_arena *arena)
{
    memset(cache, 0, sizeof *cache);
    const char *folder = find_folder(arena);
    if (!folder || !is_private(folder) || access(folder, R_OK | W_OK | X_OK) || !find_build(&cache->build)) return;
    cache->folder = folder;
    bound_at_times(folder, arena);
}

/* ---- Files ---- */

typedef struct head {
    char magic[8];
    x86_hash key;
    uint64_t size;
    x86_hash sum; /* of the bytes */
} head;

static const char magic[8] = {'a', 'd', 'z', 'e', 'c', 'o', 'd', 'e'};

/* Name of the key's file, `suffix` behind it; NULL where the path is too long. */
static char *file_path(const x86_cache *cache, x86_hash key, const char *suffix)
{
    size_t size = strlen(cache->folder) + strlen(suffix) + 34;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%016llx%016llx%s", cache->folder, (unsigned long long)key.words[0],
                 (unsigned long long)key.words[1], suffix);
    return path;
}

static bool read_all(int handle, void *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(handle, (char *)to + at, size - at);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

static char *read_entry(int handle, x86_hash key, size_t *out_size)
{
    struct stat info;
    head h;
    if (fstat(handle, &info) || !S_ISREG(info.st_mode) || !read_all(handle, &h, sizeof h)) return NULL;
    if (memcmp(h.magic, magic, sizeof magic) || memcmp(&h.key, &key, sizeof key) || !h.size || h.size > MAX_ENTRY ||
        h.size + sizeof h != (uint64_t)info.st_size)
        return NULL;
    char *bytes = malloc(h.size);
    x86_hash sum = {{0}};
    if (bytes && read_all(handle, bytes, h.size)) sum = x86_hash_bytes(bytes, h.size);
    *out_size = h.size;
    if (bytes && !memcmp(&sum, &h.sum, sizeof sum)) return bytes;
    free(bytes);
    return NULL;
}

char *x86_cache_find(const x86_cache *cache, x86_hash key, size_t *out_size)
{
    if (!cache->folder) return NULL;
    x86_hash full = mix(key, cache->build);
    char *path = file_path(cache, full, "");
    int handle = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    char *bytes = handle < 0 ? NULL : read_entry(handle, full, out_size);
    if (bytes) futimens(handle, NULL);
    if (handle >= 0) close(handle);
    free(path);
    return bytes;
}

static bool write_all(int handle, const void *from, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(handle, (const char *)from + at, size - at);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

void x86_cache_store(const x86_cache *cache, x86_hash key, const void *bytes, size_t size)
{
    if (!cache->folder || !size || size > MAX_ENTRY) return;
    x86_hash full = mix(key, cache->build);
    head h = {.key = full, .size = size, .sum = x86_hash_bytes(bytes, size)};
    memcpy(h.magic, magic, sizeof magic);
    char *path = file_path(cache, full, ""), *made = file_path(cache, full, ".XXXXXX");
    int handle = path && made ? mkostemp(made, O_CLOEXEC) : -1;
    bool ok = handle >= 0 && write_all(handle, &h, sizeof h) && write_all(handle, bytes, size);
    if (handle >= 0 && close(handle)) ok = false;
    if (handle >= 0 && (!ok || rename(made, path))) unlink(made);
    free(path);
    free(made);
}
