/* Compiles a planned module into the file that the output's suffix asks for. */
#include "backends/x86/compile.h"

#include <adze/pass.h>

#include <llvm-c/Target.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum form { SHARED, OBJECT, EXECUTABLE, MLIR_TEXT, LLVM_TEXT, ASSEMBLY } form;

const char *const x86_suffixes[] = {".so", ".o", "", ".mlir", ".ll", ".s", NULL};

static bool find_form(const x86_compile *c, form *out)
{
    const char *slash = strrchr(c->options->output, '/');
    const char *name = slash ? slash + 1 : c->options->output;
    const char *dot = strrchr(name, '.');
    if (!dot) dot = "";
    for (int i = 0; x86_suffixes[i]; i++)
        if (!strcmp(x86_suffixes[i], dot)) {
            *out = i == 0   ? SHARED
                   : i == 1 ? OBJECT
                   : i == 2 ? EXECUTABLE
                   : i == 3 ? MLIR_TEXT
                   : i == 4 ? LLVM_TEXT
                            : ASSEMBLY;
            return true;
        }
    adze_text list = {0};
    adze_backend_suffixes(x86_suffixes, &list);
    adze_error(adze_loc_unknown(c->context), "%s: the x86 backend does not write '%s' files; suffixes are %.*s",
               c->options->output, dot, (int)list.size, list.data ? list.data : "");
    adze_text_free(&list);
    return false;
}

static bool find_levels(x86_compile *c)
{
    for (uint32_t i = 0; i < c->options->n_levels && c->n_levels < X86_MAX_LEVELS; i++) {
        const char *name = adze_target_level(c->options->levels[i]);
        const x86_level *level = x86_level_find(name);
        if (!level)
            return adze_error(adze_loc_unknown(c->context), "the x86 backend has no level '%s'",
                              name);
        bool again = false;
        for (uint32_t k = 0; k < c->n_levels; k++) again = again || c->levels[k] == level;
        uint32_t at = again ? 0 : c->n_levels++;
        /* the runtime takes the first that the CPU can run, so the best goes first */
        for (; at && c->levels[at - 1] < level; at--) c->levels[at] = c->levels[at - 1];
        if (!again) c->levels[at] = level;
    }
    return c->n_levels || adze_error(adze_loc_unknown(c->context), "no CPU level to compile for");
}

/* Levels that are better for integer products only, or for those on tiles, give way to the ones below them where the
 * program has none: the same code once more would cost time and bytes, and a machine without such instructions would
 * not run it. */
static void settle_levels(x86_compile *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_levels; i++) {
        bool tiles = x86_program_has_tiles(&c->program, c->levels[i]->name);
        const x86_level *level = x86_level_for(c->levels[i], c->program.has_dots, tiles);
        if (i + 1 < c->n_levels && c->levels[i + 1] >= level) continue;
        c->variants[n] = c->levels[i]->name;
        c->levels[n++] = level;
    }
    c->n_levels = n;
}

/* ---- The descriptor ---- */

static bool run_descriptor(x86_compile *c, const char *symbol)
{
    x86_job *job = &c->jobs[c->n_jobs++];
    x86_job_init(c, job, 0, X86_CONTENT_ALL, X86_OBJECT);
    job->ok = x86_build_descriptor(job, symbol, c->options->name ? c->options->name : "model",
                                   c->levels, c->n_levels, c->options->precision);
    return job->ok || adze_error(adze_loc_unknown(c->context), "x86: %s", job->error);
}

/* ---- Files ---- */

/* adze_compiled_ and the stem of the output's file name as an identifier: what many exporters name
 * every graph, `main_graph`, would let no two models into one program. */
static const char *object_symbol(x86_compile *c)
{
    const char *slash = strrchr(c->options->output, '/');
    const char *name = slash ? slash + 1 : c->options->output;
    const char *dot = strrchr(name, '.');
    int n = (int)(dot ? (size_t)(dot - name) : strlen(name));
    char *symbol = adze_arena_alloc(&c->program.arena, strlen(name) + sizeof "adze_compiled_");
    sprintf(symbol, "adze_compiled_%.*s", n, name);
    for (char *at = symbol; *at; at++)
        if (!isalnum((unsigned char)*at)) *at = '_';
    return symbol;
}

static void describe(adze_text *out, const char *what, const x86_io *io, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char type[512];
        adze_type_print(io[i].type, type, sizeof type);
        adze_text_append(out, " *   %s %u: %s %s\n", what, i, io[i].name, type);
    }
}

/* The header that goes with a relocatable object. Names from the model cannot end its comment. */
static bool write_header(x86_compile *c, x86_work *work, const char *symbol)
{
    size_t n = strlen(c->options->output);
    adze_text out = {0};
    adze_text_append(&out,
                     "/* Compiled by adze. Open with adze_model_open_linked(&%s, NULL, &model).\n",
                     symbol);
    size_t comment = out.size;
    describe(&out, "input", c->program.inputs, c->program.n_inputs);
    describe(&out, "output", c->program.outputs, c->program.n_outputs);
    for (size_t i = comment; i + 1 < out.size; i++)
        if ((out.data[i] == '*' && out.data[i + 1] == '/') ||
            (out.data[i] == '/' && out.data[i + 1] == '*'))
            out.data[i] = '?';
    adze_text_append(
        &out,
        " */\n#ifndef %s_H\n#define %s_H\n\n#include <adze/artifact.h>\n\n#ifdef "
        "__cplusplus\nextern \"C\" {\n"
        "#endif\n\nextern const adze_artifact %s;\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n",
        symbol, symbol, symbol);
    const char *path = x86_work_path(work, "header");
    const char *target = adze_internf(c->context, "%.*sh", (int)(n - 1), c->options->output);
    bool ok =
        x86_work_write(work, path, out.data, out.size) && x86_work_commit(work, path, target, 0644);
    adze_text_free(&out);
    return ok;
}

static bool write_linked(x86_compile *c, x86_work *work, form to)
{
    const char *symbol = to == OBJECT ? object_symbol(c) : "adze_artifact";
    if (!run_descriptor(c, symbol)) return false;
    for (uint32_t i = 0; i < c->n_jobs; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.o", i);
        if (!x86_work_add_object(work, name, c->jobs[i].bytes, c->jobs[i].size)) return false;
    }
    if (!x86_code_add_objects(c, work)) return false;
    work->needs_libm = c->uses_libm;
    for (uint32_t i = 0; i < c->program.n_steps; i++)
        work->asks_extension |= c->program.steps[i].row && c->program.steps[i].row->traits & ADZE_EXTENSION;
    const char *path = x86_work_path(work, "result");
    x86_link_kind kind = to == SHARED   ? X86_LINK_SHARED
                         : to == OBJECT ? X86_LINK_RELOCATABLE
                                        : X86_LINK_EXECUTABLE;
    if (!x86_link(work, kind, path)) return false;
    const char *const keep[] = {symbol, NULL};
    if (to == OBJECT && !x86_elf_localize(c->context, path, keep)) return false;
    if (!x86_elf_add_weights(&c->program, path)) return false;
    if (to == OBJECT && !write_header(c, work, symbol)) return false;
    return x86_work_commit(work, path, work->output, to == OBJECT ? 0666 : 0777);
}

static bool write_text(x86_compile *c, x86_work *work)
{
    const char *path = x86_work_path(work, "result");
    return x86_work_write(work, path, c->jobs[0].bytes, c->jobs[0].size) &&
           x86_work_commit(work, path, work->output, 0666);
}

static bool compile_to(x86_compile *c, const adze_module *module, form to, x86_work *work)
{
    if (!find_levels(c) || !x86_program_make(&c->program, module)) return false;
    bool text = to == MLIR_TEXT || to == LLVM_TEXT || to == ASSEMBLY;
    settle_levels(c);
    if (text) c->n_levels = 1; /* the best */
    x86_output output = to == MLIR_TEXT   ? X86_MLIR
                        : to == LLVM_TEXT ? X86_LLVM
                        : to == ASSEMBLY  ? X86_ASSEMBLY
                                          : X86_OBJECT;
    if (!text) x86_cache_open(&c->cache, &c->program.arena);
    if (!x86_parts_run(c, output, text) || !x86_program_finish(&c->program)) return false;
    return text ? write_text(c, work) : write_linked(c, work, to);
}

/* Whether the output can be written is known before anything is computed. */
static bool compile(x86_compile *c, const adze_module *module)
{
    form to = SHARED;
    if (!find_form(c, &to)) return false;
    x86_work work;
    bool ok = x86_work_begin(&work, c->context, c->options->output) &&
              compile_to(c, module, to, &work);
    x86_work_end(&work);
    return ok;
}

bool x86_emit_artifact(const adze_module *module, adze_registry *registry,
                       const adze_emit_options *options)
{
    (void)registry;
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    x86_compile c = {.context = adze_module_context(module), .options = options};
    bool ok = compile(&c, module);
    for (uint32_t i = 0; i < c.n_jobs; i++) x86_job_free(&c.jobs[i]);
    free(c.jobs);
    x86_contexts_destroy(c.contexts);
    x86_symbols_free(&c.symbols);
    x86_program_free(&c.program);
    return ok;
}
