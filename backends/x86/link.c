/* Runs a linker: libLLVM has none. ld.lld-22, ld.lld, ld or cc, whichever is found first on PATH;
 * the variable ADZE_LINKER names another. Executables are linked by cc, which knows the system's
 * start files.
 *
 * A script of ours gives the weights a segment of their own, the last one, so that their bytes can
 * be appended to the finished file.
 */
#include "backends/x86/output.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char head_shared[] = "PHDRS {\n"
                                  "  head PT_LOAD FILEHDR PHDRS FLAGS(4);\n";
static const char head_executable[] = "ENTRY(_start)\n"
                                      "PHDRS {\n"
                                      "  phdr PT_PHDR PHDRS FLAGS(4);\n"
                                      "  interp PT_INTERP FLAGS(4);\n"
                                      "  head PT_LOAD FILEHDR PHDRS FLAGS(4);\n"
                                      "  tls PT_TLS FLAGS(4);\n"
                                      "  frames PT_GNU_EH_FRAME FLAGS(4);\n";
static const char phdrs[] = "  text PT_LOAD FLAGS(5);\n"
                            "  data PT_LOAD FLAGS(6);\n"
                            "  weights PT_LOAD FLAGS(4);\n"
                            "  dynamic PT_DYNAMIC FLAGS(6);\n"
                            "  relro PT_GNU_RELRO FLAGS(4);\n"
                            "  stack PT_GNU_STACK FLAGS(6);\n"
                            "}\n";
static const char sections[] =
    "SECTIONS {\n"
    "  . = SIZEOF_HEADERS;\n"
    "%s"
    "  .gnu.hash : { *(.gnu.hash) } :head\n"
    "  .hash : { *(.hash) } :head\n"
    "  .dynsym : { *(.dynsym) } :head\n"
    "  .dynstr : { *(.dynstr) } :head\n"
    "  .gnu.version : { *(.gnu.version) } :head\n"
    "  .gnu.version_d : { *(.gnu.version_d) } :head\n"
    "  .gnu.version_r : { *(.gnu.version_r) } :head\n"
    "  .rela.dyn : { *(.rela.*) } :head\n"
    "  .rela.plt : { *(.rela.plt .rela.iplt) } :head\n"
    "  .rodata : { *(.rodata .rodata.*) *(.lrodata .lrodata.*) } :head\n"
    "  .eh_frame_hdr : { *(.eh_frame_hdr) } :head%s\n"
    "  .eh_frame : { KEEP(*(.eh_frame)) } :head\n"
    "  .gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) } :head\n"
    "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
    "  .init : { KEEP(*(.init)) } :text\n"
    "  .plt : { *(.plt) *(.iplt) } :text\n"
    "  .plt.got : { *(.plt.got) } :text\n"
    "  .plt.sec : { *(.plt.sec) } :text\n"
    "  .text : { *(.text .text.*) } :text\n"
    "  .fini : { KEEP(*(.fini)) } :text\n"
    "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
    "  .tdata : { *(.tdata .tdata.*) } :data%s\n"
    "  .tbss : { *(.tbss .tbss.*) } :data%s\n"
    "  .preinit_array : { KEEP(*(.preinit_array)) } :data :relro\n"
    "  .init_array : { KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*))) KEEP(*(.init_array .ctors)) } "
    ":data :relro\n"
    "  .fini_array : { KEEP(*(SORT_BY_INIT_PRIORITY(.fini_array.*))) KEEP(*(.fini_array .dtors)) } "
    ":data :relro\n"
    "  .data.rel.ro : { *(.data.rel.ro .data.rel.ro.*) } :data :relro\n"
    "  .dynamic : { *(.dynamic) } :data :relro :dynamic\n"
    "  .got : { *(.got) *(.got.plt) } :data :relro\n"
    "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
    "  .data : { *(.data .data.*) } :data\n"
    "  .bss : { *(.bss .bss.* COMMON) } :data\n"
    "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
    "  .adze.weights : { *(.adze.weights) } :weights\n"
    "  /DISCARD/ : { *(.note.*) *(.comment) }\n"
    "}\n";

typedef struct command {
    adze_arena *arena;
    const char **words;
    uint32_t count, capacity;
    bool driver; /* cc: linker options go behind -Wl, */
} command;

static void add(command *c, const char *word)
{
    c->words = adze_arena_grow(c->arena, c->words, c->count, &c->capacity, sizeof *c->words);
    c->words[c->count++] = word;
}

/* An option of the linker itself, without commas. */
static void add_linker(x86_work *work, command *c, const char *option)
{
    if (c->driver) option = adze_internf(work->context, "-Wl,%s", option);
    add(c, option);
}

static bool on_path(const char *name)
{
    const char *path = getenv("PATH");
    char file[4096];
    if (strchr(name, '/')) return !access(name, X_OK);
    for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
        size_t n = strcspn(at, ":");
        if (n && snprintf(file, sizeof file, "%.*s/%s", (int)n, at, name) < (int)sizeof file &&
            !access(file, X_OK))
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static bool is_driver(const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    return strstr(name, "cc") || strstr(name, "clang");
}

static const char *find_linker(bool executable)
{
    static const char *const linkers[] = {"ld.lld-22", "ld.lld", "ld", "cc", "gcc", "clang", NULL};
    static const char *const drivers[] = {"cc", "gcc", "clang", "clang-22", NULL};
    const char *given = getenv("ADZE_LINKER");
    if (given && *given && (!executable || is_driver(given))) return given;
    for (const char *const *l = executable ? drivers : linkers; *l; l++)
        if (on_path(*l)) return *l;
    return NULL;
}

/* Runs the command; what it prints goes to `log`. */
static bool run(x86_work *work, command *c, const char *log)
{
    adze_loc loc = adze_loc_unknown(work->context);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    add(c, NULL);
    pid_t pid;
    int error = posix_spawnp(&pid, c->words[0], &actions, NULL, (char *const *)(uintptr_t)c->words,
                             environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return adze_error(loc, "cannot run the linker %s: %s", c->words[0], strerror(error));
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return adze_error(loc, "lost the linker %s: %s", c->words[0], strerror(errno));
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return true;
    char text[1024] = "";
    FILE *file = fopen(log, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    while (n && text[n - 1] == '\n') n--;
    text[n] = 0;
    return adze_error(loc, "the linker %s failed: %s", c->words[0], text);
}

static const char *write_script(x86_work *work, bool executable)
{
    const char *path = x86_work_path(work, "script");
    static const char interp[] = "  .interp : { *(.interp) } :head :interp\n";
    adze_text out = {0};
    adze_text_append(&out, "%s%s", executable ? head_executable : head_shared, phdrs);
    const char *tls = executable ? " :tls :relro" : "";
    adze_text_append(&out, sections, executable ? interp : "", executable ? " :frames" : "", tls,
                     tls);
    bool ok = x86_work_write(work, path, out.data, out.size);
    adze_text_free(&out);
    return ok ? path : NULL;
}

/* libadze_runtime.a and libadze_main.a lie one folder above this backend, in build and install
 * trees. */
static bool add_archives(x86_work *work, command *c)
{
    Dl_info info;
    if (!dladdr((const void *)(uintptr_t)&x86_link, &info) || !info.dli_fname)
        return adze_error(adze_loc_unknown(work->context),
                          "cannot tell where the x86 backend lies");
    const char *slash = strrchr(info.dli_fname, '/');
    static const char *const names[] = {"libadze_main.a", "libadze_runtime.a"};
    for (int i = 0; i < 2; i++) {
        const char *path =
            adze_internf(work->context, "%.*s/../%s", slash ? (int)(slash - info.dli_fname) : 1,
                         slash ? info.dli_fname : ".", names[i]);
        if (access(path, R_OK))
            return adze_error(adze_loc_unknown(work->context), "%s is missing; executables need it",
                              path);
        add(c, path);
    }
    return true;
}

/* A linker without a driver knows no folders, so libm is named by its path. */
static bool add_libm(x86_work *work, command *c)
{
    Dl_info info;
    const void *symbol = dlsym(RTLD_DEFAULT, "tgamma");
    if (!symbol || !dladdr(symbol, &info) || !info.dli_fname)
        return adze_error(adze_loc_unknown(work->context), "cannot tell where libm lies, which a plug-in's code calls");
    add(c, adze_internf(work->context, "%s", info.dli_fname));
    return true;
}

bool x86_link(x86_work *work, x86_link_kind kind, const char *path)
{
    bool executable = kind == X86_LINK_EXECUTABLE;
    const char *linker = find_linker(executable);
    if (!linker && executable)
        return adze_error(adze_loc_unknown(work->context),
                          "no C compiler driver found to link an executable (cc, gcc or clang)");
    if (!linker)
        return adze_error(adze_loc_unknown(work->context),
                          "no linker found: install ld.lld, ld or cc, or set ADZE_LINKER");
    command c = {.arena = &work->arena, .driver = is_driver(linker)};
    add(&c, linker);
    if (c.driver && !executable) add(&c, "-nostdlib");
    if (kind == X86_LINK_RELOCATABLE) add(&c, "-r");
    if (kind == X86_LINK_SHARED) add(&c, "-shared");
    if (executable) add(&c, "-pie");
    add(&c, "-o");
    add(&c, path);
    if (kind != X86_LINK_RELOCATABLE) {
        static const char *const options[] = {"-znow",
                                              "-znoexecstack",
                                              "-zmax-page-size=4096",
                                              "--build-id=none",
                                              "--hash-style=gnu",
                                              "--gc-sections",
                                              "--no-warn-rwx-segments"};
        const char *script = write_script(work, executable);
        if (!script) return false;
        bool lld = strstr(linker, "lld") != NULL;
        for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
            if (!(lld && strstr(options[i], "rwx"))) add_linker(work, &c, options[i]);
        if (kind == X86_LINK_SHARED) add_linker(work, &c, "-Bsymbolic");
        add(&c, c.driver ? adze_internf(work->context, "-Wl,-T,%s", script) : "-T");
        if (!c.driver) add(&c, script);
    }
    for (uint32_t i = 0; i < work->n_objects; i++) add(&c, work->objects[i]);
    if (kind == X86_LINK_SHARED && work->needs_libm && !add_libm(work, &c)) return false;
    if (executable && !add_archives(work, &c)) return false;
    if (executable && work->asks_extension) add(&c, "-Wl,-u,adze_extension_find");
    if (executable) add(&c, "-lm"), add(&c, "-lpthread"), add(&c, "-ldl");
    return run(work, &c, x86_work_path(work, "log"));
}
