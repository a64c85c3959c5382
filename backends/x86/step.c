/* Step functions: where operands lie, then one call. Built directly as LLVM IR, after lowering.
 *
 *     adze_status adze_step_<level>_<index>(const adze_frame *frame)
 */
#include "backends/x86/codegen.h"

#include <stdlib.h>
#include <string.h>

typedef struct builder {
    x86_job *job;
    LLVMContextRef c;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef i8, i32, i64, ptr;
    LLVMValueRef frame, dims;
} builder;

static LLVMValueRef i64(builder *s, int64_t v) { return LLVMConstInt(s->i64, (uint64_t)v, true); }

static LLVMValueRef i32(builder *s, uint32_t v) { return LLVMConstInt(s->i32, v, false); }

static LLVMValueRef offset(builder *s, LLVMValueRef base, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(s->b, s->i8, base, &bytes, 1, "");
}

static LLVMValueRef field(builder *s, LLVMTypeRef type, size_t at)
{
    return LLVMBuildLoad2(s->b, type, offset(s, s->frame, i64(s, (int64_t)at)), "");
}

static LLVMValueRef size_value(builder *s, x86_size size)
{
    if (size.is_const) return i64(s, size.value);
    if (!s->dims) s->dims = field(s, s->ptr, offsetof(adze_frame, dims));
    return LLVMBuildLoad2(s->b, s->i64, offset(s, s->dims, i64(s, (int64_t)size.dim * 8)), "");
}

static LLVMValueRef pointer(builder *s, const x86_place *place)
{
    LLVMValueRef base;
    switch (place->kind) {
    case X86_ARENA:
        base = field(s, s->ptr, offsetof(adze_frame, arena));
        break;
    case X86_WEIGHTS:
        base = field(s, s->ptr, offsetof(adze_frame, weights));
        break;
    case X86_IO:
        base = field(s, s->ptr, offsetof(adze_frame, io));
        base = LLVMBuildLoad2(s->b, s->ptr, offset(s, base, i64(s, (int64_t)place->io * 8)), "");
        break;
    default:
        return LLVMConstNull(s->ptr);
    }
    return offset(s, base, size_value(s, place->at));
}

static LLVMValueRef function(builder *s, const char *name, LLVMTypeRef type)
{
    LLVMValueRef f = LLVMGetNamedFunction(s->module, name);
    return f ? f : LLVMAddFunction(s->module, name, type);
}

/* Read-only data without a name. */
static LLVMValueRef data(builder *s, LLVMValueRef init, unsigned align)
{
    LLVMValueRef g = LLVMAddGlobal(s->module, LLVMTypeOf(init), "");
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(g, align);
    return g;
}

/* ---- Kernels ---- */

static void build_kernel(builder *s, const x86_step *step, adze_arena *arena)
{
    uint32_t n = step->n_inputs + step->n_outputs;
    LLVMValueRef *args = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1);
    LLVMTypeRef *types = ADZE_NEW_ARRAY(arena, LLVMTypeRef, n + 1);
    for (uint32_t i = 0; i <= n; i++) {
        args[i] = i ? pointer(s, &step->operands[i - 1].place) : s->frame;
        types[i] = s->ptr;
    }
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(s->c), types, n + 1, false);
    const char *name = x86_kernel_symbol(arena, s->job->program->kernels[step->kernel].name);
    LLVMBuildCall2(s->b, type, function(s, name, type), args, n + 1, "");
}

/* ---- Evaluations ---- */

static LLVMValueRef dims_array(builder *s, const x86_operand *operand)
{
    bool known = true;
    for (uint32_t i = 0; i < operand->rank; i++) known = known && operand->dims[i].is_const;
    LLVMTypeRef type = LLVMArrayType2(s->i64, operand->rank);
    if (known) {
        LLVMValueRef values[ADZE_MAX_RANK];
        for (uint32_t i = 0; i < operand->rank; i++) values[i] = i64(s, operand->dims[i].value);
        return data(s, LLVMConstArray2(s->i64, values, operand->rank), 8);
    }
    LLVMValueRef array = LLVMBuildAlloca(s->b, type, "");
    for (uint32_t i = 0; i < operand->rank; i++)
        LLVMBuildStore(s->b, size_value(s, operand->dims[i]),
                       offset(s, array, i64(s, (int64_t)i * 8)));
    return array;
}

static void store_at(builder *s, LLVMValueRef base, size_t at, LLVMValueRef v)
{
    LLVMBuildStore(s->b, v, offset(s, base, i64(s, (int64_t)at)));
}

static LLVMValueRef value_array(builder *s, const x86_operand *operands, uint32_t n)
{
    LLVMValueRef bytes =
        LLVMBuildArrayAlloca(s->b, s->i8, i64(s, (int64_t)(n * sizeof(adze_value))), "");
    LLVMSetAlignment(bytes, 16);
    for (uint32_t i = 0; i < n; i++) {
        const x86_operand *operand = &operands[i];
        size_t at = i * sizeof(adze_value);
        bool absent = operand->place.kind == X86_ABSENT;
        LLVMValueRef null = LLVMConstNull(s->ptr);
        store_at(s, bytes, at + offsetof(adze_value, kind),
                 i32(s, absent ? ADZE_VALUE_ABSENT : ADZE_VALUE_TENSOR));
        store_at(s, bytes, at + offsetof(adze_value, dtype), i32(s, (uint32_t)operand->dtype));
        store_at(s, bytes, at + offsetof(adze_value, rank), i32(s, operand->rank));
        store_at(s, bytes, at + offsetof(adze_value, reserved), i32(s, 0));
        store_at(s, bytes, at + offsetof(adze_value, dims), absent ? null : dims_array(s, operand));
        store_at(s, bytes, at + offsetof(adze_value, data), pointer(s, &operand->place));
        store_at(s, bytes, at + offsetof(adze_value, items), null);
        store_at(s, bytes, at + offsetof(adze_value, n_items), i64(s, 0));
    }
    return bytes;
}

/* A slot as two words; what it points to becomes data of the module. */
static LLVMValueRef slot_constant(builder *s, adze_attr_kind kind, const adze_slot *slot)
{
    LLVMValueRef words[2] = {LLVMConstInt(s->i64, slot->words[0], false), i64(s, 0)};
    uint64_t count = 0;
    const void *bytes = NULL;
    if (kind == ADZE_ATTR_STR || kind == ADZE_ATTR_SYM) bytes = slot->s.data, count = slot->s.size;
    if (kind == ADZE_ATTR_INTS || kind == ADZE_ATTR_FLOATS)
        bytes = slot->ints.data, count = slot->ints.count;
    bool inline_word = kind == ADZE_ATTR_INT || kind == ADZE_ATTR_BOOL || kind == ADZE_ATTR_TYPE ||
                       kind == ADZE_ATTR_FLOAT;
    if (!inline_word) words[0] = LLVMConstNull(s->ptr);
    if (bytes) {
        words[1] = i64(s, (int64_t)count);
        if (kind == ADZE_ATTR_STR || kind == ADZE_ATTR_SYM) {
            words[0] = data(s, LLVMConstStringInContext2(s->c, bytes, count, false), 1);
        } else {
            LLVMValueRef *items = adze_malloc(count * sizeof *items);
            const uint64_t *raw = bytes;
            for (uint64_t i = 0; i < count; i++) items[i] = LLVMConstInt(s->i64, raw[i], false);
            words[0] = data(s, LLVMConstArray2(s->i64, items, count), 8);
            free(items);
        }
    }
    return LLVMConstStructInContext(s->c, words, 2, false);
}

static LLVMValueRef attr_block(builder *s, const x86_step *step, adze_arena *arena)
{
    uint32_t n = step->row->n_attrs;
    LLVMValueRef *slots = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1);
    LLVMValueRef set[2] = {LLVMConstInt(s->i64, step->attrs[0].set, false), i64(s, 0)};
    slots[0] = LLVMConstStructInContext(s->c, set, 2, false);
    for (uint32_t i = 0; i < n; i++)
        slots[i + 1] = slot_constant(s, step->row->attrs[i].kind, &step->attrs[i + 1]);
    return data(s, LLVMConstStructInContext(s->c, slots, n + 1, false), 16);
}

static LLVMValueRef build_floor(builder *s, const x86_step *step, adze_arena *arena)
{
    LLVMTypeRef types[] = {s->ptr, s->ptr, s->i32, s->ptr, s->i32, s->ptr};
    LLVMTypeRef type = LLVMFunctionType(s->i32, types, 6, false);
    char name[128] = "eval_";
    strncat(name, step->row->name, sizeof name - sizeof "eval_");
    LLVMValueRef args[6];
    args[0] = field(s, s->ptr, offsetof(adze_frame, env));
    args[1] = value_array(s, step->operands, step->n_inputs);
    args[2] = i32(s, step->n_inputs);
    args[3] = value_array(s, step->operands + step->n_inputs, step->n_outputs);
    args[4] = i32(s, step->n_outputs);
    args[5] = attr_block(s, step, arena);
    return LLVMBuildCall2(s->b, type, function(s, name, type), args, 6, "");
}

/* ---- Control flow ---- */

/* Blocks of a step that may go on elsewhere. */
typedef struct fork {
    LLVMBasicBlockRef jump, stay;
} fork;

static LLVMBasicBlockRef add_block(builder *s)
{
    LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(s->b));
    return LLVMAppendBasicBlockInContext(s->c, f, "");
}

static void go_to(builder *s, uint32_t step)
{
    LLVMBuildStore(s->b, i32(s, step), field(s, s->ptr, offsetof(adze_frame, next)));
}

/* Goes on at the step's target where the condition is `when`. */
static void jump_if(builder *s, const x86_step *step, LLVMValueRef condition, bool when)
{
    fork f = {add_block(s), add_block(s)};
    LLVMBuildCondBr(s->b, condition, when ? f.jump : f.stay, when ? f.stay : f.jump);
    LLVMPositionBuilderAtEnd(s->b, f.jump);
    go_to(s, step->target);
    LLVMBuildBr(s->b, f.stay);
    LLVMPositionBuilderAtEnd(s->b, f.stay);
}

static LLVMValueRef is_true(builder *s, const x86_place *place)
{
    LLVMValueRef byte = LLVMBuildLoad2(s->b, s->i8, pointer(s, place), "");
    return LLVMBuildICmp(s->b, LLVMIntNE, byte, LLVMConstInt(s->i8, 0, false), "");
}

/* The next run's number is below the bound, and its condition holds, where these are there. */
static LLVMValueRef runs_again(builder *s, const x86_step *step, LLVMValueRef number)
{
    LLVMValueRef again = LLVMConstInt(LLVMInt1TypeInContext(s->c), 1, false);
    if (step->operands[1].place.kind != X86_ABSENT) {
        LLVMValueRef bound = LLVMBuildLoad2(s->b, s->i64, pointer(s, &step->operands[1].place), "");
        again = LLVMBuildICmp(s->b, LLVMIntSLT, number, bound, "");
    }
    if (step->operands[2].place.kind != X86_ABSENT)
        again = LLVMBuildAnd(s->b, again, is_true(s, &step->operands[2].place), "");
    return again;
}

static void build_control(builder *s, const x86_step *step)
{
    if (step->kind == X86_STEP_JUMP) {
        go_to(s, step->target);
    } else if (step->kind == X86_STEP_BRANCH) {
        jump_if(s, step, is_true(s, &step->operands[0].place), false);
    } else {
        LLVMValueRef at = pointer(s, &step->operands[0].place), number = i64(s, 0);
        if (step->kind == X86_STEP_NEXT)
            number = LLVMBuildAdd(s->b, LLVMBuildLoad2(s->b, s->i64, at, ""), i64(s, 1), "");
        LLVMBuildStore(s->b, number, at);
        jump_if(s, step, runs_again(s, step, number), step->kind == X86_STEP_NEXT);
    }
}

static void build_copy(builder *s, const x86_step *step)
{
    LLVMValueRef from = pointer(s, &step->operands[0].place), to = pointer(s, &step->operands[1].place);
    LLVMValueRef bytes = size_value(s, step->copy_bytes);
    if (step->kind == X86_STEP_PUSH) {
        LLVMValueRef number = LLVMBuildLoad2(s->b, s->i64, pointer(s, &step->operands[2].place), "");
        to = offset(s, to, LLVMBuildMul(s->b, number, bytes, ""));
    }
    LLVMBuildMemCpy(s->b, to, 1, from, 1, bytes);
}

/* ---- Steps ---- */

static void build_step(builder *s, const x86_step *step, uint32_t index, adze_arena *arena)
{
    char name[64];
    x86_step_symbol(name, sizeof name, s->job->level_index, index);
    LLVMTypeRef type = LLVMFunctionType(s->i32, &s->ptr, 1, false);
    LLVMValueRef f = LLVMAddFunction(s->module, name, type);
    LLVMPositionBuilderAtEnd(s->b, LLVMAppendBasicBlockInContext(s->c, f, ""));
    s->frame = LLVMGetParam(f, 0);
    s->dims = NULL;
    LLVMValueRef status = i32(s, ADZE_OK);
    if (step->kind == X86_STEP_KERNEL) {
        build_kernel(s, step, arena);
    } else if (step->kind == X86_STEP_FLOOR) {
        status = build_floor(s, step, arena);
    } else if (step->kind == X86_STEP_COPY || step->kind == X86_STEP_PUSH) {
        build_copy(s, step);
    } else if (step->kind != X86_STEP_DIMS) {
        build_control(s, step);
    } else {
        LLVMValueRef to = pointer(s, &step->operands[0].place);
        for (uint32_t i = 0; i < step->n_dims; i++)
            LLVMBuildStore(s->b, size_value(s, step->dims[i]),
                           offset(s, to, i64(s, (int64_t)i * 8)));
    }
    LLVMBuildRet(s->b, status);
}

void x86_build_steps(x86_job *job)
{
    builder s = {.job = job, .c = job->context, .module = job->llvm};
    s.b = LLVMCreateBuilderInContext(s.c);
    s.i8 = LLVMInt8TypeInContext(s.c);
    s.i32 = LLVMInt32TypeInContext(s.c);
    s.i64 = LLVMInt64TypeInContext(s.c);
    s.ptr = LLVMPointerTypeInContext(s.c, 0);
    adze_arena arena = {0};
    for (uint32_t i = 0; i < job->program->n_steps; i++)
        if (job->part_of_step[i] == job->part) build_step(&s, &job->program->steps[i], i, &arena);
    adze_arena_free(&arena);
    LLVMDisposeBuilder(s.b);
}
