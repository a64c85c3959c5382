/* Step functions: where operands lie, then one call. Built directly as LLVM IR, after lowering.
 *
 *     adze_status adze_step_<level>_<index>(const adze_frame *frame)
 */
#include "backends/x86/step.h"

#include <stdlib.h>
#include <string.h>

LLVMValueRef x86_i64(x86_builder *s, int64_t v) { return LLVMConstInt(s->i64, (uint64_t)v, true); }

LLVMValueRef x86_i32(x86_builder *s, uint32_t v) { return LLVMConstInt(s->i32, v, false); }

LLVMValueRef x86_offset(x86_builder *s, LLVMValueRef base, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(s->b, s->i8, base, &bytes, 1, "");
}

LLVMValueRef x86_field(x86_builder *s, LLVMTypeRef type, size_t at)
{
    return LLVMBuildLoad2(s->b, type, x86_offset(s, s->frame, x86_i64(s, (int64_t)at)), "");
}

LLVMValueRef x86_size_value(x86_builder *s, x86_size size)
{
    if (size.is_const) return x86_i64(s, size.value);
    if (!s->dims) s->dims = x86_field(s, s->ptr, offsetof(adze_frame, dims));
    return LLVMBuildLoad2(s->b, s->i64, x86_offset(s, s->dims, x86_i64(s, (int64_t)size.dim * 8)), "");
}

/* The field at that offset of a late value's adze_value. */
static LLVMValueRef late_field(x86_builder *s, const x86_place *place, size_t at)
{
    LLVMValueRef late = x86_field(s, s->ptr, offsetof(adze_frame, late));
    return x86_offset(s, late, x86_i64(s, (int64_t)(place->io * sizeof(adze_value) + at)));
}

static LLVMValueRef io_pointer(x86_builder *s, const x86_place *place)
{
    LLVMValueRef io = x86_field(s, s->ptr, offsetof(adze_frame, io));
    return LLVMBuildLoad2(s->b, s->ptr, x86_offset(s, io, x86_i64(s, (int64_t)place->io * 8)), "");
}

LLVMValueRef x86_pointer(x86_builder *s, const x86_place *place)
{
    LLVMValueRef base;
    switch (place->kind) {
    case X86_ARENA:
        base = x86_field(s, s->ptr, offsetof(adze_frame, arena));
        break;
    case X86_WEIGHTS:
        base = x86_field(s, s->ptr, offsetof(adze_frame, weights));
        break;
    case X86_IO:
        base = io_pointer(s, place);
        break;
    case X86_LATE:
        base = LLVMBuildLoad2(s->b, s->ptr, late_field(s, place, offsetof(adze_value, data)), "");
        break;
    default:
        return LLVMConstNull(s->ptr);
    }
    return x86_offset(s, base, x86_size_value(s, place->at));
}

LLVMValueRef x86_data(x86_builder *s, LLVMValueRef init, unsigned align)
{
    LLVMValueRef g = LLVMAddGlobal(s->module, LLVMTypeOf(init), "");
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(g, align);
    return g;
}

/* A constant of strings as an adze_value. */
static LLVMValueRef string_value(x86_builder *s, const x86_operand *operand)
{
    uint64_t count = 1;
    LLVMValueRef dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < operand->rank; i++) {
        count *= (uint64_t)operand->dims[i].value;
        dims[i] = x86_i64(s, operand->dims[i].value);
    }
    LLVMValueRef *items = adze_malloc((count + 1) * sizeof *items);
    for (uint64_t i = 0; i < count; i++) {
        adze_string text = operand->place.strings[i];
        LLVMValueRef bytes = x86_data(s, LLVMConstStringInContext2(s->c, text.data, text.size, false), 1);
        LLVMValueRef words[] = {bytes, x86_i64(s, (int64_t)text.size)};
        items[i] = LLVMConstStructInContext(s->c, words, 2, false);
    }
    LLVMTypeRef word[] = {s->ptr, s->i64};
    LLVMTypeRef item = LLVMStructTypeInContext(s->c, word, 2, false);
    LLVMValueRef null = LLVMConstNull(s->ptr);
    LLVMValueRef fields[] = {x86_i32(s, ADZE_VALUE_TENSOR),
                             x86_i32(s, ADZE_DTYPE_str),
                             x86_i32(s, operand->rank),
                             x86_i32(s, 0),
                             x86_data(s, LLVMConstArray2(s->i64, dims, operand->rank), 8),
                             x86_data(s, LLVMConstArray2(item, items, count), 8),
                             null,
                             x86_i64(s, 0)};
    free(items);
    return x86_data(s, LLVMConstStructInContext(s->c, fields, 8, false), 8);
}

LLVMValueRef x86_open(x86_builder *s, const x86_operand *operand, size_t at)
{
    const x86_place *place = &operand->place;
    if (place->kind == X86_LATE) return late_field(s, place, at);
    LLVMValueRef value = place->kind == X86_IO ? io_pointer(s, place) : string_value(s, operand);
    return x86_offset(s, value, x86_i64(s, (int64_t)at));
}

/* ---- Values ---- */

static LLVMValueRef dims_array(x86_builder *s, const x86_operand *operand)
{
    bool known = true;
    for (uint32_t i = 0; i < operand->rank; i++) known = known && operand->dims[i].is_const;
    LLVMTypeRef type = LLVMArrayType2(s->i64, operand->rank);
    if (known) {
        LLVMValueRef values[ADZE_MAX_RANK];
        for (uint32_t i = 0; i < operand->rank; i++) values[i] = x86_i64(s, operand->dims[i].value);
        return x86_data(s, LLVMConstArray2(s->i64, values, operand->rank), 8);
    }
    LLVMValueRef array = LLVMBuildAlloca(s->b, type, "");
    for (uint32_t i = 0; i < operand->rank; i++)
        LLVMBuildStore(s->b, x86_size_value(s, operand->dims[i]),
                       x86_offset(s, array, x86_i64(s, (int64_t)i * 8)));
    return array;
}

static void store_at(x86_builder *s, LLVMValueRef base, size_t at, LLVMValueRef v)
{
    LLVMBuildStore(s->b, v, x86_offset(s, base, x86_i64(s, (int64_t)at)));
}

LLVMValueRef x86_value_array(x86_builder *s, const x86_operand *operands, const LLVMValueRef *pointers, uint32_t n,
                             bool outputs)
{
    LLVMValueRef bytes =
        LLVMBuildArrayAlloca(s->b, s->i8, x86_i64(s, (int64_t)(n * sizeof(adze_value))), "");
    LLVMSetAlignment(bytes, 16);
    for (uint32_t i = 0; i < n; i++) {
        const x86_operand *operand = &operands[i];
        size_t at = i * sizeof(adze_value);
        if (operand->is_open && !outputs) {
            LLVMValueRef late = pointers ? pointers[i] : x86_open(s, operand, 0);
            LLVMBuildMemCpy(s->b, x86_offset(s, bytes, x86_i64(s, (int64_t)at)), 8, late, 8,
                            x86_i64(s, sizeof(adze_value)));
            continue;
        }
        bool absent = operand->place.kind == X86_ABSENT || operand->is_open;
        LLVMValueRef null = LLVMConstNull(s->ptr);
        store_at(s, bytes, at + offsetof(adze_value, kind),
                 x86_i32(s, absent ? ADZE_VALUE_ABSENT : ADZE_VALUE_TENSOR));
        store_at(s, bytes, at + offsetof(adze_value, dtype), x86_i32(s, (uint32_t)operand->dtype));
        store_at(s, bytes, at + offsetof(adze_value, rank), x86_i32(s, operand->rank));
        store_at(s, bytes, at + offsetof(adze_value, reserved), x86_i32(s, 0));
        store_at(s, bytes, at + offsetof(adze_value, dims), absent ? null : dims_array(s, operand));
        LLVMValueRef data = absent ? null : pointers ? pointers[i] : x86_pointer(s, &operand->place);
        store_at(s, bytes, at + offsetof(adze_value, data), data);
        store_at(s, bytes, at + offsetof(adze_value, items), null);
        store_at(s, bytes, at + offsetof(adze_value, n_items), x86_i64(s, 0));
    }
    return bytes;
}

/* ---- Kernels ---- */

/* A function of another part. */
static LLVMValueRef callee(x86_builder *s, const char *name, LLVMTypeRef type)
{
    LLVMValueRef f = LLVMGetNamedFunction(s->module, name);
    if (f) return f;
    f = LLVMAddFunction(s->module, name, type);
    LLVMSetVisibility(f, LLVMHiddenVisibility);
    return f;
}

static void build_kernel(x86_builder *s, const x86_step *step, const char *name, adze_arena *arena)
{
    uint32_t n = step->n_inputs + step->n_outputs;
    LLVMValueRef *args = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1);
    LLVMTypeRef *types = ADZE_NEW_ARRAY(arena, LLVMTypeRef, n + 1);
    for (uint32_t i = 0; i <= n; i++) {
        args[i] = i ? x86_pointer(s, &step->operands[i - 1].place) : s->frame;
        types[i] = s->ptr;
    }
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(s->c), types, n + 1, false);
    LLVMBuildCall2(s->b, type, callee(s, name, type), args, n + 1, "");
}

/* ---- Evaluations ---- */

/* An array of adze_value that the evaluation fills where an output is open, else none. */
static LLVMValueRef open_values(x86_builder *s, const x86_step *step)
{
    bool any = false;
    for (uint32_t i = 0; i < step->n_outputs; i++) any = any || step->operands[step->n_inputs + i].is_open;
    if (!any) return LLVMConstNull(s->ptr);
    LLVMValueRef size = x86_i64(s, (int64_t)(step->n_outputs * sizeof(adze_value)));
    LLVMValueRef values = LLVMBuildArrayAlloca(s->b, s->i8, size, "");
    LLVMSetAlignment(values, 16);
    return values;
}

/* Calls the function that runs the evaluation with what it gets for each operand (floor.c). */
static void build_floor(x86_builder *s, const x86_step *step, const char *name, adze_arena *arena)
{
    uint32_t n = step->n_inputs + step->n_outputs;
    LLVMValueRef *args = ADZE_NEW_ARRAY(arena, LLVMValueRef, n + 1), values = open_values(s, step);
    LLVMTypeRef *types = ADZE_NEW_ARRAY(arena, LLVMTypeRef, n + 1);
    for (uint32_t i = 0; i <= n; i++) types[i] = s->ptr;
    args[0] = s->frame;
    for (uint32_t i = 0; i < n; i++) {
        const x86_operand *operand = &step->operands[i];
        if (!operand->is_open)
            args[i + 1] = x86_pointer(s, &operand->place);
        else if (i < step->n_inputs)
            args[i + 1] = x86_open(s, operand, 0);
        else
            args[i + 1] = x86_offset(s, values, x86_i64(s, (int64_t)((i - step->n_inputs) * sizeof(adze_value))));
    }
    LLVMTypeRef type = LLVMFunctionType(s->i32, types, n + 1, false);
    x86_return_error(s, LLVMBuildCall2(s->b, type, callee(s, name, type), args, n + 1, ""));
    x86_take_outputs(s, step->operands + step->n_inputs, step->n_outputs, values);
}

/* ---- Steps ---- */

static void build_step(x86_builder *s, const x86_step *step, uint32_t index, adze_arena *arena)
{
    char name[64];
    x86_step_symbol(name, sizeof name, s->job->level_index, index);
    LLVMTypeRef type = LLVMFunctionType(s->i32, &s->ptr, 1, false);
    LLVMValueRef f = LLVMAddFunction(s->module, name, type);
    LLVMPositionBuilderAtEnd(s->b, LLVMAppendBasicBlockInContext(s->c, f, ""));
    s->frame = LLVMGetParam(f, 0);
    s->dims = NULL;
    if (step->kind == X86_STEP_KERNEL) x86_check_natural(s, step);
    x86_reserve(s, step->operands + step->n_inputs, step->n_outputs);
    if (step->kind == X86_STEP_KERNEL) {
        build_kernel(s, step, s->job->callees[index], arena);
    } else if (step->kind == X86_STEP_FLOOR) {
        build_floor(s, step, s->job->callees[index], arena);
    } else if (step->kind == X86_STEP_DIMS) {
        LLVMValueRef to = x86_pointer(s, &step->operands[0].place);
        for (uint32_t i = 0; i < step->n_dims; i++)
            LLVMBuildStore(s->b, x86_size_value(s, step->dims[i]), x86_offset(s, to, x86_i64(s, (int64_t)i * 8)));
    } else {
        x86_build_control(s, step);
    }
    LLVMBuildRet(s->b, x86_i32(s, ADZE_OK));
}

x86_builder x86_builder_make(x86_job *job)
{
    x86_builder s = {.job = job, .c = job->context, .module = job->llvm};
    s.b = LLVMCreateBuilderInContext(s.c);
    s.i8 = LLVMInt8TypeInContext(s.c);
    s.i32 = LLVMInt32TypeInContext(s.c);
    s.i64 = LLVMInt64TypeInContext(s.c);
    s.ptr = LLVMPointerTypeInContext(s.c, 0);
    return s;
}

void x86_build_steps(x86_job *job)
{
    x86_builder s = x86_builder_make(job);
    adze_arena arena = {0};
    for (uint32_t i = 0; i < job->program->n_steps; i++) build_step(&s, &job->program->steps[i], i, &arena);
    adze_arena_free(&arena);
    LLVMDisposeBuilder(s.b);
}
