/* The artifact's descriptor (adze/artifact.h) as an LLVM module of constants.
 *
 * Field order and sizes follow the C structs; LLVM lays out the unpacked structs by the same rules.
 * The weights are a section without content, filled in once the linker is done (elf.c).
 */
#include "backends/x86/codegen.h"

#include <adze/pass.h>
#include <adze/version.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct tables {
    LLVMContextRef c;
    LLVMModuleRef module;
    LLVMTypeRef i32, i64, ptr;
    const x86_program *p;
    adze_arena arena;
} tables;

static LLVMValueRef word(tables *t, uint64_t v) { return LLVMConstInt(t->i64, v, false); }

static LLVMValueRef half(tables *t, uint32_t v) { return LLVMConstInt(t->i32, v, false); }

static LLVMValueRef global(tables *t, LLVMValueRef init)
{
    LLVMValueRef g = LLVMAddGlobal(t->module, LLVMTypeOf(init), "");
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

static LLVMValueRef string(tables *t, const char *text)
{
    LLVMValueRef g = global(t, LLVMConstStringInContext2(t->c, text, strlen(text), false));
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(g, 1);
    return g;
}

static LLVMValueRef record(tables *t, LLVMValueRef *fields, unsigned n)
{
    return LLVMConstStructInContext(t->c, fields, n, false);
}

/* An array of `n` equal items, or NULL for none. */
static LLVMValueRef array(tables *t, LLVMValueRef *items, uint64_t n)
{
    return n ? global(t, LLVMConstArray2(LLVMTypeOf(items[0]), items, n)) : LLVMConstNull(t->ptr);
}

/* ---- Dims ---- */

typedef struct code {
    int64_t *words;
    uint32_t count, capacity;
} code;

static void push(tables *t, code *out, int64_t v)
{
    out->words =
        adze_arena_grow(&t->arena, out->words, out->count, &out->capacity, sizeof *out->words);
    out->words[out->count++] = v;
}

static int64_t symbol_index(const x86_program *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_symbols; i++)
        if (!strcmp(p->symbols[i].name, name)) return i;
    assert(false);
    return 0;
}

static void postfix(tables *t, const adze_dim *dim, code *out)
{
    static const int64_t codes[] = {
        [ADZE_DIM_ADD] = ADZE_DIM_CODE_ADD,           [ADZE_DIM_MUL] = ADZE_DIM_CODE_MUL,
        [ADZE_DIM_FLOORDIV] = ADZE_DIM_CODE_FLOORDIV, [ADZE_DIM_CEILDIV] = ADZE_DIM_CODE_CEILDIV,
        [ADZE_DIM_MOD] = ADZE_DIM_CODE_MOD,           [ADZE_DIM_MIN] = ADZE_DIM_CODE_MIN,
        [ADZE_DIM_MAX] = ADZE_DIM_CODE_MAX,
    };
    int64_t value;
    adze_dim_kind kind = adze_dim_get_kind(dim);
    if (adze_dim_is_const(dim, &value)) {
        push(t, out, ADZE_DIM_CODE_CONST);
        push(t, out, value);
    } else if (kind == ADZE_DIM_SYMBOL) {
        push(t, out, ADZE_DIM_CODE_SYMBOL);
        push(t, out, symbol_index(t->p, adze_dim_symbol_name(dim)));
    } else {
        postfix(t, adze_dim_operand(dim, 0), out);
        postfix(t, adze_dim_operand(dim, 1), out);
        push(t, out, codes[kind]);
    }
}

static LLVMValueRef dims_table(tables *t)
{
    const x86_program *p = t->p;
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, p->dims.count);
    for (uint32_t i = 0; i < p->dims.count; i++) {
        code out = {0};
        postfix(t, p->dims.items[i], &out);
        LLVMValueRef *words = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, out.count);
        for (uint32_t k = 0; k < out.count; k++) words[k] = word(t, (uint64_t)out.words[k]);
        LLVMValueRef fields[] = {array(t, words, out.count), word(t, out.count)};
        items[i] = record(t, fields, 2);
    }
    return array(t, items, p->dims.count);
}

/* ---- Inputs, outputs, symbols, steps, levels ---- */

static LLVMValueRef io_table(tables *t, const x86_io *io, uint32_t n)
{
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = io[i].rank;
        uint32_t dtype = io[i].words ? io[i].words[io[i].n_words - 2] : (uint32_t)adze_type_dtype(io[i].type);
        LLVMValueRef dims[ADZE_MAX_RANK];
        for (uint32_t k = 0; k < rank; k++) dims[k] = half(t, io[i].dims[k]);
        LLVMValueRef fields[] = {string(t, io[i].name), half(t, dtype), half(t, rank),
                                 array(t, dims, rank)};
        items[i] = record(t, fields, 4);
    }
    return array(t, items, n);
}

/* Types of the inputs and outputs that are no tensors of numbers; NULL where there are none. */
static LLVMValueRef type_table(tables *t)
{
    const x86_program *p = t->p;
    uint32_t n = p->n_inputs + p->n_outputs;
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, n);
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        const x86_io *io = i < p->n_inputs ? &p->inputs[i] : &p->outputs[i - p->n_inputs];
        LLVMValueRef words[ADZE_ARTIFACT_MAX_WORDS];
        for (uint32_t k = 0; k < io->n_words; k++) words[k] = half(t, io->words[k]);
        items[i] = array(t, words, io->n_words);
        any |= io->n_words != 0;
    }
    return any ? array(t, items, n) : LLVMConstNull(t->ptr);
}

static LLVMValueRef symbol_table(tables *t)
{
    const x86_program *p = t->p;
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, p->n_symbols);
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        const x86_symbol *s = &p->symbols[i];
        LLVMValueRef fields[] = {string(t, s->name), half(t, s->input), half(t, s->dim)};
        items[i] = record(t, fields, 3);
    }
    return array(t, items, p->n_symbols);
}

static LLVMValueRef step_table(tables *t)
{
    const x86_program *p = t->p;
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, p->n_steps);
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const x86_step *s = &p->steps[i];
        LLVMValueRef fields[] = {string(t, s->name), string(t, s->nodes), half(t, s->macs),
                                 half(t, s->bytes),  half(t, s->flags),   half(t, 0)};
        items[i] = record(t, fields, 6);
    }
    return array(t, items, p->n_steps);
}

static LLVMValueRef level_table(tables *t, const x86_level *const *levels, uint32_t n)
{
    const x86_program *p = t->p;
    LLVMTypeRef type = LLVMFunctionType(t->i32, &t->ptr, 1, false);
    LLVMValueRef *items = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, n);
    LLVMValueRef *steps = ADZE_NEW_ARRAY(&t->arena, LLVMValueRef, p->n_steps);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < p->n_steps; k++) {
            char name[64];
            x86_step_symbol(name, sizeof name, i, k);
            steps[k] = LLVMAddFunction(t->module, name, type);
            LLVMSetVisibility(steps[k], LLVMHiddenVisibility);
        }
        LLVMValueRef fields[] = {string(t, levels[i]->name), word(t, levels[i]->bits),
                                 array(t, steps, p->n_steps)};
        items[i] = record(t, fields, 3);
    }
    return array(t, items, n);
}

/* A section that takes address space but no bytes of the object. */
static LLVMValueRef weights_section(tables *t)
{
    uint64_t size = t->p->weights_size;
    if (!size) return LLVMConstNull(t->ptr);
    char text[256];
    int n = snprintf(
        text, sizeof text,
        ".section .adze.weights,\"a\",@nobits\n.balign 64\n.globl adze_weights\n.hidden "
        "adze_weights\n"
        ".type adze_weights,@object\n.size adze_weights,%llu\nadze_weights:\n.zero %llu\n.text\n",
        (unsigned long long)size, (unsigned long long)size);
    LLVMAppendModuleInlineAsm(t->module, text, (size_t)n);
    LLVMValueRef g = LLVMAddGlobal(t->module, LLVMInt8TypeInContext(t->c), "adze_weights");
    LLVMSetVisibility(g, LLVMHiddenVisibility);
    return g;
}

bool x86_build_descriptor(x86_job *job, const char *symbol, const char *model,
                          const x86_level *const *levels, uint32_t n_levels, int precision)
{
    const x86_program *p = job->program;
    job->context = LLVMContextCreate();
    job->llvm = LLVMModuleCreateWithNameInContext("adze_descriptor", job->context);
    tables t = {.c = job->context, .module = job->llvm, .p = p};
    t.i32 = LLVMInt32TypeInContext(t.c);
    t.i64 = LLVMInt64TypeInContext(t.c);
    t.ptr = LLVMPointerTypeInContext(t.c, 0);
    LLVMValueRef fields[] = {
        word(&t, ADZE_ARTIFACT_MAGIC),
        half(&t, ADZE_ABI),
        half(&t, sizeof(adze_artifact)),
        string(&t, model),
        string(&t, ADZE_VERSION),
        half(&t, p->n_inputs),
        half(&t, p->n_outputs),
        half(&t, p->n_symbols),
        half(&t, p->dims.count),
        half(&t, p->n_steps),
        half(&t, n_levels),
        io_table(&t, p->inputs, p->n_inputs),
        io_table(&t, p->outputs, p->n_outputs),
        symbol_table(&t),
        dims_table(&t),
        step_table(&t),
        level_table(&t, levels, n_levels),
        half(&t, p->arena_bytes),
        half(&t, p->scratch_dim),
        weights_section(&t),
        word(&t, p->weights_size),
        LLVMConstNull(t.ptr), /* weights_file */
        half(&t, precision == ADZE_PRECISION_STRICT ? ADZE_ARTIFACT_STRICT : 0),
        half(&t, p->n_late),
        type_table(&t),
    };
    LLVMValueRef init = record(&t, fields, sizeof fields / sizeof fields[0]);
    LLVMValueRef g = LLVMAddGlobal(t.module, LLVMTypeOf(init), symbol);
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetAlignment(g, 16);
    adze_arena_free(&t.arena);
    return x86_job_generate(job);
}
