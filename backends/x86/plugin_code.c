/* Code that plug-ins bring for their ops and micro-kernels: which piece serves a function, and objects made ready
 * for the linker.
 *
 * Bitcode is linked into the job that calls it, as our own is, and may differ from level to level. An object holds
 * one function of a name, so an artifact of several levels takes the one that its lowest level may run. Of an
 * object only the functions that it is for stay visible to the link, and none outside of the artifact.
 */
#include "backends/x86/compile.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool x86_is_bitcode(const adze_code *code) { return memcmp(code->bytes, "\x7F" "ELF", 4) != 0; }

const adze_code *x86_code_find(const adze_context *context, const x86_level *level, const x86_level *lowest,
                               const char *symbol)
{
    const char *names[X86_MAX_LEVELS + 1];
    x86_level_names(level, names);
    const adze_code *code = adze_context_find_code(context, "x86", names, symbol);
    if (!code || x86_is_bitcode(code) || level == lowest) return code;
    x86_level_names(lowest, names);
    return adze_context_find_code(context, "x86", names, symbol);
}

/* C17 7.12: what may be called of libm, in double and float. */
bool x86_is_libm(const char *name)
{
    static const char *const functions[] = {
        "acos",  "acosh", "asin",   "asinh",     "atan",  "atan2", "atanh",  "cbrt",   "ceil", "copysign", "cos",
        "cosh",  "erf",   "erfc",   "exp",       "exp2",  "expm1", "fabs",   "floor",  "fma",  "fmax",     "fmin",
        "fmod",  "frexp", "hypot",  "ldexp",     "lgamma", "log",  "log10",  "log1p",  "log2", "modf",     "nearbyint",
        "pow",   "remainder", "rint", "round",   "scalbn", "sin",  "sinh",   "sqrt",   "tan",  "tanh",     "tgamma",
        "trunc"};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        size_t n = strlen(functions[i]);
        if (!strncmp(name, functions[i], n) && (!name[n] || !strcmp(name + n, "f"))) return true;
    }
    return false;
}

static bool is_memory(const char *name)
{
    return !strcmp(name, "memcpy") || !strcmp(name, "memmove") || !strcmp(name, "memset") || !strcmp(name, "memcmp");
}

/* ---- Objects ---- */

typedef struct object {
    char *bytes; /* a copy that is changed */
    uint64_t size;
    Elf64_Ehdr head;
    Elf64_Sym *symbols;
    uint64_t n_symbols;
    const char *names;
    uint64_t names_size;
} object;

static bool has_range(const object *o, uint64_t offset, uint64_t size)
{
    return offset <= o->size && size <= o->size - offset;
}

static bool read_section(const object *o, uint64_t index, Elf64_Shdr *out)
{
    uint64_t at = o->head.e_shoff + index * sizeof *out;
    if (index >= o->head.e_shnum || at < o->head.e_shoff || !has_range(o, at, sizeof *out)) return false;
    memcpy(out, o->bytes + at, sizeof *out);
    return out->sh_type == SHT_NOBITS || has_range(o, out->sh_offset, out->sh_size);
}

/* Finds the symbol table; the reason why that fails, or NULL. */
static const char *open_object(object *o)
{
    if (o->size < sizeof o->head) return "is cut short";
    memcpy(&o->head, o->bytes, sizeof o->head);
    if (o->head.e_ident[EI_CLASS] != ELFCLASS64 || o->head.e_machine != EM_X86_64) return "is not for x86-64";
    if (o->head.e_type != ET_REL) return "is no relocatable object (cc -c makes one)";
    if (o->head.e_shentsize != sizeof(Elf64_Shdr) || o->head.e_shoff % _Alignof(Elf64_Shdr))
        return "has sections of an unknown form";
    for (uint64_t i = 0; i < o->head.e_shnum; i++) {
        Elf64_Shdr table, names;
        if (!read_section(o, i, &table)) return "is cut short";
        if (table.sh_type == SHT_INIT_ARRAY || table.sh_type == SHT_FINI_ARRAY || table.sh_type == SHT_PREINIT_ARRAY)
            return "wants code to run when it is loaded or unloaded";
        if (table.sh_flags & SHF_TLS) return "has variables of threads";
        if (table.sh_type == SHT_SYMTAB_SHNDX) return "has too many sections";
        if (table.sh_type != SHT_SYMTAB) continue;
        if (o->symbols) return "has two symbol tables";
        if (!read_section(o, table.sh_link, &names) || names.sh_type != SHT_STRTAB ||
            table.sh_offset % _Alignof(Elf64_Sym) || !names.sh_size || o->bytes[names.sh_offset + names.sh_size - 1])
            return "has a broken symbol table";
        o->symbols = (Elf64_Sym *)(void *)(o->bytes + table.sh_offset);
        o->n_symbols = table.sh_size / sizeof(Elf64_Sym);
        o->names = o->bytes + names.sh_offset;
        o->names_size = names.sh_size;
    }
    return o->symbols ? NULL : "has no symbol table";
}

/* An address that a shared object cannot hold where it stands. */
static bool is_absolute(uint64_t type, const Elf64_Shdr *where)
{
    if (!(where->sh_flags & SHF_ALLOC)) return false; /* debug information */
    return type == R_X86_64_32 || type == R_X86_64_32S || type == R_X86_64_16 || type == R_X86_64_8 ||
           (type == R_X86_64_64 && !(where->sh_flags & SHF_WRITE));
}

/* The numbers of symbols in relocations and groups, which x86_elf_localize follows, and kinds of addresses. The reason
 * against them, or NULL. */
static const char *check_relocations(const object *o)
{
    for (uint64_t i = 0; i < o->head.e_shnum; i++) {
        Elf64_Shdr s, where;
        if (!read_section(o, i, &s)) return "is cut short";
        if (s.sh_type == SHT_GROUP && s.sh_info >= o->n_symbols) return "has a broken group";
        if (s.sh_type == SHT_REL) return "has relocations of an unknown form";
        if (s.sh_type != SHT_RELA) continue;
        if (s.sh_offset % _Alignof(Elf64_Rela) || !read_section(o, s.sh_info, &where)) return "has broken relocations";
        const Elf64_Rela *r = (const Elf64_Rela *)(const void *)(o->bytes + s.sh_offset);
        for (uint64_t k = 0; k < s.sh_size / sizeof *r; k++) {
            if (ELF64_R_SYM(r[k].r_info) >= o->n_symbols) return "has broken relocations";
            if (is_absolute(ELF64_R_TYPE(r[k].r_info), &where))
                return "is not position-independent (cc -fPIC makes it so)";
        }
    }
    return NULL;
}

static bool is_wanted(const adze_code *code, const char *name)
{
    for (const char *const *s = code->symbols; *s; s++)
        if (!strcmp(*s, name)) return true;
    return false;
}

/* Hides what the object defines, and checks what it needs. The reason against it, or NULL; `name` says of what. */
static const char *prepare_symbols(object *o, const adze_code *code, const char **name, bool *out_libm)
{
    uint64_t n_found = 0, n_wanted = 0;
    for (const char *const *s = code->symbols; *s; s++) n_wanted++;
    for (uint64_t i = 1; i < o->n_symbols; i++) {
        Elf64_Sym *symbol = &o->symbols[i];
        if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL) continue;
        if (symbol->st_name >= o->names_size) return "has a broken symbol table";
        *name = o->names + symbol->st_name;
        if (symbol->st_shndx == SHN_COMMON) return "has a common variable (cc -fno-common makes none)";
        if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) return "has a function that is chosen when it is loaded";
        if (symbol->st_shndx != SHN_UNDEF) {
            symbol->st_other = STV_HIDDEN;
            n_found += is_wanted(code, *name);
        } else if (x86_is_libm(*name)) {
            *out_libm = true;
        } else if (!is_memory(*name) && strcmp(*name, "_GLOBAL_OFFSET_TABLE_") != 0) {
            return "calls a function that no artifact has";
        }
    }
    *name = NULL;
    return n_found == n_wanted ? NULL : "lacks a function that it is for";
}

static bool add_object(x86_compile *c, x86_work *work, const adze_code *code, uint32_t index)
{
    char file[32];
    snprintf(file, sizeof file, "plugin%u.o", index);
    object o = {.size = (uint64_t)((const char *)code->end - (const char *)code->bytes)};
    o.bytes = adze_malloc(o.size + 1);
    memcpy(o.bytes, code->bytes, o.size);
    const char *name = NULL, *why = open_object(&o);
    if (!why) why = check_relocations(&o);
    if (!why) why = prepare_symbols(&o, code, &name, &c->uses_libm);
    bool ok = !why;
    if (why)
        adze_error(adze_loc_unknown(c->context), "x86: the object '%s' of a plug-in %s%s%s", code->name, why,
                   name ? ": " : "", name ? name : "");
    ok = ok && x86_work_add_object(work, file, o.bytes, o.size);
    const char *path = x86_work_path(work, file);
    ok = ok && x86_elf_localize(c->context, path, code->symbols);
    free(o.bytes);
    return ok;
}

bool x86_code_add_objects(x86_compile *c, x86_work *work)
{
    const adze_code *done[X86_MAX_OBJECTS];
    uint32_t n_done = 0;
    for (uint32_t i = 0; i < c->n_jobs; i++) {
        c->uses_libm |= c->jobs[i].uses_libm;
        for (uint32_t k = 0; k < c->jobs[i].n_objects; k++) {
            const adze_code *code = c->jobs[i].objects[k];
            uint32_t at = 0;
            while (at < n_done && done[at] != code) at++;
            if (at < n_done) continue;
            if (n_done == X86_MAX_OBJECTS)
                return adze_error(adze_loc_unknown(c->context), "x86: too many objects of plug-ins");
            done[n_done++] = code;
            if (!add_object(c, work, code, n_done)) return false;
        }
    }
    return true;
}
