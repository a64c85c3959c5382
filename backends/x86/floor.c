/* Functions that run evaluations, one a step: what the operands are, then one call.
 *
 *     adze_status adze_floor_…(const adze_frame *frame, void *operand…)
 *
 * They get an operand's data, or the late adze_value of an open one; what an evaluation gives for an open output is
 * copied to the adze_value that stands for it. So they say nothing of where operands lie, and are the same wherever the
 * op stands.
 */
#include "backends/x86/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array of texts with a zero byte behind, and NULL behind the last one. */
static LLVMValueRef text_list(x86_builder *s, const char *const *texts)
{
    uint64_t n = 0;
    while (texts[n]) n++;
    LLVMValueRef *items = adze_malloc((n + 1) * sizeof *items);
    for (uint64_t i = 0; i < n; i++)
        items[i] = x86_data(s, LLVMConstStringInContext2(s->c, texts[i], strlen(texts[i]), false), 1);
    items[n] = LLVMConstNull(s->ptr);
    LLVMValueRef list = x86_data(s, LLVMConstArray2(s->ptr, items, n + 1), 8);
    free(items);
    return list;
}

/* A slot as two words; what it points to becomes data of the module. */
static LLVMValueRef slot_constant(x86_builder *s, adze_attr_kind kind, const adze_slot *slot)
{
    LLVMValueRef words[2] = {LLVMConstInt(s->i64, slot->words[0], false), x86_i64(s, 0)};
    uint64_t count = 0;
    const void *bytes = NULL;
    if (kind == ADZE_ATTR_STR || kind == ADZE_ATTR_SYM) bytes = slot->s.data, count = slot->s.size;
    if (kind == ADZE_ATTR_INTS || kind == ADZE_ATTR_FLOATS)
        bytes = slot->ints.data, count = slot->ints.count;
    const char *const *texts = kind == ADZE_ATTR_STRS ? slot->object : NULL;
    bool inline_word = kind == ADZE_ATTR_INT || kind == ADZE_ATTR_BOOL || kind == ADZE_ATTR_TYPE ||
                       kind == ADZE_ATTR_FLOAT;
    if (!inline_word) words[0] = texts ? text_list(s, texts) : LLVMConstNull(s->ptr);
    if (bytes) {
        words[1] = x86_i64(s, (int64_t)count);
        if (kind == ADZE_ATTR_STR || kind == ADZE_ATTR_SYM) {
            words[0] = x86_data(s, LLVMConstStringInContext2(s->c, bytes, count, false), 1);
        } else {
            LLVMValueRef *items = adze_malloc(count * sizeof *items);
            const uint64_t *raw = bytes;
            for (uint64_t i = 0; i < count; i++) items[i] = LLVMConstInt(s->i64, raw[i], false);
            words[0] = x86_data(s, LLVMConstArray2(s->i64, items, count), 8);
            free(items);
        }
    }
    return LLVMConstStructInContext(s->c, words, 2, false);
}

static LLVMValueRef attr_block(x86_builder *s, const x86_step *step, adze_arena *arena)
{
    uint32_t n = step->row->n_attrs;
    LLVMValueRef *slots = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1);
    LLVMValueRef set[2] = {LLVMConstInt(s->i64, step->attrs[0].set, false), x86_i64(s, 0)};
    slots[0] = LLVMConstStructInContext(s->c, set, 2, false);
    for (uint32_t i = 0; i < n; i++)
        slots[i + 1] = slot_constant(s, step->row->attrs[i].kind, &step->attrs[i + 1]);
    return x86_data(s, LLVMConstStructInContext(s->c, slots, n + 1, false), 16);
}

static LLVMValueRef evaluation(x86_builder *s, const x86_step *step, LLVMTypeRef type)
{
    char name[128] = "eval_";
    strncat(name, step->row->name, sizeof name - sizeof "eval_");
    LLVMValueRef f = LLVMGetNamedFunction(s->module, name);
    return f ? f : LLVMAddFunction(s->module, name, type);
}

/* Open outputs to where the caller wants them. */
static void give_open(x86_builder *s, const x86_step *step, LLVMValueRef values, const LLVMValueRef *to)
{
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        if (!step->operands[step->n_inputs + i].is_open) continue;
        LLVMValueRef from = x86_offset(s, values, x86_i64(s, (int64_t)(i * sizeof(adze_value))));
        LLVMBuildMemCpy(s->b, to[i], 8, from, 8, x86_i64(s, sizeof(adze_value)));
    }
}

static void build_function(x86_builder *s, const x86_step *step, const char *name, adze_arena *arena)
{
    uint32_t n = step->n_inputs + step->n_outputs;
    LLVMTypeRef *params = ADZE_NEW_ARRAY(arena, LLVMTypeRef, n + 1);
    LLVMValueRef *pointers = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1);
    for (uint32_t i = 0; i <= n; i++) params[i] = s->ptr;
    LLVMValueRef f = LLVMAddFunction(s->module, name, LLVMFunctionType(s->i32, params, n + 1, false));
    LLVMPositionBuilderAtEnd(s->b, LLVMAppendBasicBlockInContext(s->c, f, ""));
    s->frame = LLVMGetParam(f, 0);
    s->dims = NULL;
    for (uint32_t i = 0; i < n; i++) pointers[i] = LLVMGetParam(f, i + 1);
    LLVMTypeRef types[] = {s->ptr, s->ptr, s->i32, s->ptr, s->i32, s->ptr};
    LLVMTypeRef type = LLVMFunctionType(s->i32, types, 6, false);
    LLVMValueRef args[6];
    args[0] = x86_field(s, s->ptr, offsetof(adze_frame, env));
    args[1] = x86_value_array(s, step->operands, pointers, step->n_inputs, false);
    args[2] = x86_i32(s, step->n_inputs);
    args[3] = x86_value_array(s, step->operands + step->n_inputs, pointers + step->n_inputs, step->n_outputs, true);
    args[4] = x86_i32(s, step->n_outputs);
    args[5] = attr_block(s, step, arena);
    LLVMValueRef status = LLVMBuildCall2(s->b, type, evaluation(s, step, type), args, 6, "");
    give_open(s, step, args[3], pointers + step->n_inputs);
    LLVMBuildRet(s->b, status);
}

void x86_build_floors(x86_job *job)
{
    x86_builder s = x86_builder_make(job);
    adze_arena arena = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->program->n_steps; i++) {
        const x86_step *step = &job->program->steps[i];
        bool all = job->content == X86_CONTENT_ALL;
        if (step->kind != X86_STEP_FLOOR || (!all && step->row != job->row)) continue;
        char name[64];
        snprintf(name, sizeof name, X86_FLOOR_PART "%u", all ? i : count++);
        build_function(&s, step, name, &arena);
    }
    adze_arena_free(&arena);
    LLVMDisposeBuilder(s.b);
}
