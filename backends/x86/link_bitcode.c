/* Links bodies, micro-kernels and evaluations, embedded as bitcode, into a job's module.
 *
 * Modules are read lazily and their definitions marked linkonce, so that linking takes only what is
 * called. A function that clang's calling convention passes vectors to in memory (128-byte vectors)
 * is called through an adapter, which inlining removes. Target attributes of the bitcode are
 * replaced by the level's: functions of different targets do not inline into each other.
 */
#include "backends/x86/codegen.h"

#include <llvm-c/BitReader.h>
#include <llvm-c/Comdat.h>
#include <llvm-c/Linker.h>

#include <stdio.h>
#include <string.h>

/* LLVMAttributeFunctionIndex as the unsigned number that the functions take. */
static const LLVMAttributeIndex ON_FUNCTION = UINT32_MAX;

static LLVMModuleRef read_lazily(LLVMContextRef context, const adze_bitcode *bitcode)
{
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange(
        (const char *)bitcode->start, (size_t)(bitcode->end - bitcode->start), bitcode->name,
        false);
    LLVMModuleRef module = NULL;
    return LLVMGetBitcodeModuleInContext2(context, buffer, &module) ? NULL : module;
}

/* ---- Which module defines what ---- */

static bool index_list(x86_symbols *s, adze_table *names, const adze_bitcode *list, size_t count)
{
    LLVMContextRef context = LLVMContextCreate();
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        LLVMModuleRef module = read_lazily(context, &list[i]);
        ok = module != NULL;
        for (LLVMValueRef f = ok ? LLVMGetFirstFunction(module) : NULL; f;
             f = LLVMGetNextFunction(f)) {
            LLVMLinkage linkage = LLVMGetLinkage(f);
            if (LLVMIsDeclaration(f) || linkage == LLVMInternalLinkage ||
                linkage == LLVMPrivateLinkage)
                continue;
            size_t size;
            const char *name = LLVMGetValueName2(f, &size);
            if (!adze_table_get_name(names, name))
                adze_table_put_name(names, adze_arena_text(&s->arena, name, size),
                                    (void *)(uintptr_t)&list[i]);
        }
        if (module) LLVMDisposeModule(module);
    }
    LLVMContextDispose(context);
    return ok;
}

static bool index_ukernels(x86_symbols *s, x86_ukernels which)
{
    adze_table *names = &s->names[which];
    if (which == X86_UKERNELS_V3)
        return index_list(s, names, adze_bitcode_ukernels_v3, adze_bitcode_ukernels_v3_count);
    if (which == X86_UKERNELS_V4)
        return index_list(s, names, adze_bitcode_ukernels_v4, adze_bitcode_ukernels_v4_count);
    if (which == X86_UKERNELS_V4_VNNI)
        return index_list(s, names, adze_bitcode_ukernels_v4_vnni, adze_bitcode_ukernels_v4_vnni_count);
    return index_list(s, names, adze_bitcode_ukernels_v4_amx, adze_bitcode_ukernels_v4_amx_count);
}

bool x86_symbols_make(x86_symbols *s, const x86_level *const *levels, uint32_t n)
{
    memset(s, 0, sizeof *s);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++) {
        adze_table *names = &s->names[levels[i]->ukernels];
        ok = index_ukernels(s, levels[i]->ukernels) &&
             index_list(s, names, adze_bitcode_bodies, adze_bitcode_bodies_count) &&
             index_list(s, names, adze_bitcode_eval, adze_bitcode_eval_count);
    }
    return ok;
}

void x86_symbols_free(x86_symbols *s)
{
    for (int i = 0; i < X86_N_UKERNELS; i++) adze_table_free(&s->names[i]);
    adze_arena_free(&s->arena);
}

/* ---- Linking ---- */

static bool starts_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static void remove_attribute(LLVMValueRef f, const char *name)
{
    LLVMRemoveStringAttributeAtIndex(f, ON_FUNCTION, name, (unsigned)strlen(name));
}

static void set_attribute(LLVMContextRef c, LLVMValueRef f, const char *name, const char *value)
{
    LLVMAttributeRef attr =
        LLVMCreateStringAttribute(c, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(f, ON_FUNCTION, attr);
}

static unsigned enum_kind(const char *name)
{
    return LLVMGetEnumAttributeKindForName(name, strlen(name));
}

static void add_flag(LLVMContextRef c, LLVMValueRef f, const char *name)
{
    LLVMAddAttributeAtIndex(f, ON_FUNCTION, LLVMCreateEnumAttribute(c, enum_kind(name), 0));
}

/* Definitions of a module that is about to be linked: taken only where called. */
static void make_optional(LLVMModuleRef module)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f) && LLVMGetLinkage(f) == LLVMExternalLinkage)
            LLVMSetLinkage(f, LLVMLinkOnceODRLinkage);
    for (LLVMValueRef g = LLVMGetFirstGlobal(module); g; g = LLVMGetNextGlobal(g))
        if (!LLVMIsDeclaration(g) && LLVMGetLinkage(g) == LLVMExternalLinkage)
            LLVMSetLinkage(g, LLVMLinkOnceODRLinkage);
}

/* Gives `caller_view`, a declaration of the type that the emission assumes, a body that calls the
 * function of the bitcode's type: vectors that it takes by reference go through the stack. False if
 * they do not match. */
static bool adapt(LLVMModuleRef module, LLVMValueRef caller_view, LLVMTypeRef type)
{
    LLVMContextRef c = LLVMGetModuleContext(module);
    LLVMTypeRef seen = LLVMGlobalGetValueType(caller_view);
    unsigned n = LLVMCountParamTypes(seen), m = LLVMCountParamTypes(type);
    LLVMTypeRef params[16], result = LLVMGetReturnType(seen);
    bool by_memory = LLVMGetReturnType(type) != result;
    if (m > 16 || m != n + by_memory ||
        (by_memory && (LLVMGetTypeKind(LLVMGetReturnType(type)) != LLVMVoidTypeKind ||
                       LLVMGetTypeKind(result) != LLVMVectorTypeKind)))
        return false;
    LLVMGetParamTypes(type, params);
    char name[128], inner[160];
    snprintf(name, sizeof name, "%s", LLVMGetValueName(caller_view));
    snprintf(inner, sizeof inner, "%s_adapter", name);
    LLVMSetValueName2(caller_view, inner, strlen(inner));
    LLVMValueRef callee = LLVMAddFunction(module, name, type), args[16];
    LLVMBuilderRef b = LLVMCreateBuilderInContext(c);
    LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(c, caller_view, ""));
    LLVMValueRef out = by_memory ? LLVMBuildAlloca(b, result, "") : NULL;
    bool ok = true;
    if (out) args[0] = out;
    for (unsigned i = 0; i < n; i++) {
        LLVMValueRef v = LLVMGetParam(caller_view, i);
        unsigned at = i + by_memory;
        if (LLVMTypeOf(v) != params[at]) {
            ok = ok && LLVMGetTypeKind(params[at]) == LLVMPointerTypeKind &&
                 LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;
            LLVMValueRef slot = LLVMBuildAlloca(b, LLVMTypeOf(v), "");
            LLVMBuildStore(b, v, slot);
            v = slot;
        }
        args[at] = v;
    }
    if (ok) {
        LLVMValueRef call = LLVMBuildCall2(b, type, callee, args, m, "");
        LLVMValueRef value = out ? LLVMBuildLoad2(b, result, out, "") : call;
        if (LLVMGetTypeKind(result) == LLVMVoidTypeKind)
            LLVMBuildRetVoid(b);
        else
            LLVMBuildRet(b, value);
        add_flag(c, caller_view, "alwaysinline");
        LLVMSetLinkage(caller_view, LLVMInternalLinkage);
    }
    LLVMDisposeBuilder(b);
    return ok;
}

/* A definition that other modules see. */
static bool is_visible(LLVMValueRef value)
{
    LLVMLinkage linkage = LLVMGetLinkage(value);
    return !LLVMIsDeclaration(value) && linkage != LLVMInternalLinkage && linkage != LLVMPrivateLinkage &&
           linkage != LLVMAvailableExternallyLinkage;
}

/* Declarations that `source` defines get its types: the linker replaces them all at once, and does not look. */
static bool match_types(x86_job *job, LLVMModuleRef source)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(job->llvm); f; f = LLVMGetNextFunction(f)) {
        size_t size;
        const char *name = LLVMGetValueName2(f, &size);
        if (!LLVMIsDeclaration(f)) continue;
        LLVMValueRef definition = LLVMGetNamedFunction(source, name), global = LLVMGetNamedGlobal(source, name);
        if ((global && is_visible(global)) || LLVMGetNamedGlobalAlias(source, name, size) ||
            LLVMGetNamedGlobalIFunc(source, name, size))
            return x86_job_fail(job, "%s is no plain function", name);
        if (!definition || !is_visible(definition)) continue;
        LLVMTypeRef type = LLVMGlobalGetValueType(definition);
        if (type != LLVMGlobalGetValueType(f) && !adapt(job->llvm, f, type))
            return x86_job_fail(job, "%s is called with other parameters than it has", LLVMGetValueName(definition));
    }
    return true;
}

static void hide(LLVMValueRef value, const char *const *keep)
{
    const char *name = LLVMGetValueName(value);
    if (!is_visible(value) || starts_with(name, "llvm.")) return;
    for (; *keep; keep++)
        if (!strcmp(name, *keep)) return;
    LLVMSetComdat(value, NULL);
    LLVMSetLinkage(value, LLVMInternalLinkage);
}

/* Links the module that defines declaration `f`. `keep`: what of it others may call, NULL-ended; NULL = all. */
static bool link_one(x86_job *job, LLVMValueRef f, const adze_bitcode *bitcode, const char *const *keep)
{
    char name[512];
    snprintf(name, sizeof name, "%s", LLVMGetValueName(f));
    LLVMModuleRef source = read_lazily(job->context, bitcode);
    if (!source) return x86_job_fail(job, "embedded bitcode '%s' cannot be read", bitcode->name);
    if (!match_types(job, source)) {
        LLVMDisposeModule(source);
        return false;
    }
    for (LLVMValueRef v = keep ? LLVMGetFirstFunction(source) : NULL; v; v = LLVMGetNextFunction(v)) hide(v, keep);
    for (LLVMValueRef v = keep ? LLVMGetFirstGlobal(source) : NULL; v; v = LLVMGetNextGlobal(v)) hide(v, keep);
    LLVMSetTarget(source, LLVMGetTarget(job->llvm));
    LLVMSetDataLayout(source, LLVMGetDataLayoutStr(job->llvm));
    make_optional(source);
    bool ok = !LLVMLinkModules2(job->llvm, source);
    LLVMValueRef made = ok ? LLVMGetNamedFunction(job->llvm, name) : NULL;
    if (made && !LLVMIsDeclaration(made)) return true;
    return job->error[0] ? false : x86_job_fail(job, "bitcode '%s' cannot be linked", bitcode->name);
}

/* Functions of libc that generated code may call, and what LLVM turns into calls of libm. */
static bool is_allowed(const char *name)
{
    static const char *const allowed[] = {"memcpy", "memmove", "memset", "memcmp", "fmod",
                                          "fmodf",  "fma",     "fmaf",   NULL};
    for (const char *const *a = allowed; *a; a++)
        if (!strcmp(*a, name)) return true;
    return starts_with(name, "llvm.") || starts_with(name, "adze_weights");
}

/* A hidden declaration is a function of an object that the linker gets. */
static LLVMValueRef first_missing(const x86_job *job)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(job->llvm); f; f = LLVMGetNextFunction(f)) {
        const char *name = LLVMGetValueName(f);
        bool known = is_allowed(name) || (job->uses_libm && x86_is_libm(name));
        if (LLVMIsDeclaration(f) && !known && LLVMGetVisibility(f) != LLVMHiddenVisibility) return f;
    }
    return NULL;
}

/* What is against a module of a plug-in that is to define `name`, or NULL. */
static const char *bad_module(LLVMModuleRef module, const char *name)
{
    if (!module) return "cannot be read by LLVM 22";
    if (LLVMGetNamedGlobal(module, "llvm.global_ctors") || LLVMGetNamedGlobal(module, "llvm.global_dtors"))
        return "wants code to run when it is loaded or unloaded";
    for (LLVMValueRef g = LLVMGetFirstGlobal(module); g; g = LLVMGetNextGlobal(g))
        if (LLVMIsThreadLocal(g)) return "has variables of threads";
    LLVMValueRef f = LLVMGetNamedFunction(module, name);
    return f && is_visible(f) ? NULL : "lacks a function that it is for";
}

static bool link_plugin_bitcode(x86_job *job, LLVMValueRef f, const adze_code *code)
{
    adze_bitcode bitcode = {code->name, code->bytes, code->end};
    LLVMContextRef context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(context, x86_keep_diagnostic, job);
    LLVMModuleRef module = read_lazily(context, &bitcode);
    const char *why = bad_module(module, LLVMGetValueName(f));
    if (module) LLVMDisposeModule(module);
    LLVMContextDispose(context);
    if (why) return x86_job_fail(job, "the bitcode '%s' of a plug-in %s", code->name, why);
    job->uses_libm = true;
    return link_one(job, f, &bitcode, code->symbols);
}

/* Takes the function from a plug-in. */
static bool link_plugin(x86_job *job, LLVMValueRef f)
{
    const char *name = LLVMGetValueName(f);
    const adze_code *code = x86_code_find(job->program->context, job->level, job->lowest, name);
    if (!code) return x86_job_fail(job, "there is no function %s for level %s", name, job->level->name);
    if (x86_is_bitcode(code)) return link_plugin_bitcode(job, f, code);
    uint32_t at = 0;
    while (at < job->n_objects && job->objects[at] != code) at++;
    if (at == X86_MAX_OBJECTS) return x86_job_fail(job, "too many objects of plug-ins");
    job->objects[at] = code;
    if (at == job->n_objects) job->n_objects++;
    LLVMSetVisibility(f, LLVMHiddenVisibility);
    return true;
}

static void set_target(x86_job *job, LLVMValueRef f)
{
    static const char *const stale[] = {"target-cpu",
                                        "target-features",
                                        "tune-cpu",
                                        "min-legal-vector-width",
                                        "prefer-vector-width",
                                        "stack-protector-buffer-size",
                                        "frame-pointer",
                                        "no-builtins"};
    const x86_level *level = job->level;
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) remove_attribute(f, stale[i]);
    set_attribute(job->context, f, "target-cpu", level->cpu);
    set_attribute(job->context, f, "tune-cpu", level->tune);
    if (level->features[0]) set_attribute(job->context, f, "target-features", level->features);
    set_attribute(job->context, f, "prefer-vector-width", level->wide ? "512" : "256");
    add_flag(job->context, f, "nounwind");
}

/* Is it called from outside of the job's module? Then it gets its name. */
static bool is_entry(x86_job *job, LLVMValueRef f)
{
    char name[128];
    const char *now = LLVMGetValueName(f);
    if (starts_with(now, "adze_step_")) return true;
    if (job->content == X86_CONTENT_KERNEL && !strcmp(now, X86_KERNEL_PART))
        snprintf(name, sizeof name, "%s", job->symbol);
    else if (job->content == X86_CONTENT_FLOOR && starts_with(now, X86_FLOOR_PART))
        snprintf(name, sizeof name, "%s_%s", job->symbol, now + strlen(X86_FLOOR_PART));
    else
        return false;
    LLVMSetValueName2(f, name, strlen(name));
    return true;
}

/* Some bodies let a product and a sum become one FMA; not so in kernels that keep their roundings. */
static void keep_roundings(LLVMValueRef f)
{
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(f); block; block = LLVMGetNextBasicBlock(block))
        for (LLVMValueRef i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i))
            if (LLVMCanValueUseFastMathFlags(i))
                LLVMSetFastMathFlags(i, LLVMGetFastMathFlags(i) & ~(unsigned)LLVMFastMathAllowContract);
}

static void finish_functions(x86_job *job)
{
    LLVMContextRef c = job->context;
    for (LLVMValueRef f = LLVMGetFirstFunction(job->llvm); f; f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f)) continue;
        set_target(job, f);
        if (job->exact && starts_with(LLVMGetValueName(f), "adze_body_")) keep_roundings(f);
        if (is_entry(job, f)) {
            LLVMSetVisibility(f, LLVMHiddenVisibility);
            continue;
        }
        const char *name = LLVMGetValueName(f);
        LLVMSetVisibility(f, LLVMDefaultVisibility);
        LLVMSetLinkage(f, LLVMInternalLinkage);
        if (starts_with(name, "adze_body_") || starts_with(name, "adze_uk_")) {
            LLVMRemoveEnumAttributeAtIndex(f, ON_FUNCTION, enum_kind("noinline"));
            add_flag(c, f, "alwaysinline");
        } else if (starts_with(name, "adze_kernel_") && !strstr(name, "_chunk")) {
            add_flag(c, f, "noinline");
        }
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(job->llvm); g; g = LLVMGetNextGlobal(g))
        if (!LLVMIsDeclaration(g) && !starts_with(LLVMGetValueName(g), "llvm.")) { /* lists of what is used */
            LLVMSetVisibility(g, LLVMDefaultVisibility);
            LLVMSetLinkage(g, LLVMInternalLinkage);
        }
}

bool x86_link_bitcode(x86_job *job)
{
    LLVMValueRef f;
    while ((f = first_missing(job))) {
        const adze_bitcode *bitcode =
            adze_table_get_name(&job->symbols->names[job->level->ukernels], LLVMGetValueName(f));
        if (!(bitcode ? link_one(job, f, bitcode, NULL) : link_plugin(job, f))) return false;
    }
    finish_functions(job);
    return true;
}
