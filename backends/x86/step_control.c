/* Step functions of control flow, copies, names of dims and outputs, and what all steps do for late values. */
#include "backends/x86/step.h"

#include <string.h>

/* Calls a function of the frame; the first argument is the frame. */
static void call(x86_builder *s, size_t at, LLVMTypeRef *types, LLVMValueRef *args, uint32_t n)
{
    LLVMTypeRef type = LLVMFunctionType(s->i32, types, n, false);
    x86_return_error(s, LLVMBuildCall2(s->b, type, x86_field(s, s->ptr, at), args, n, ""));
}

/* ---- Control flow ---- */

static LLVMBasicBlockRef add_block(x86_builder *s)
{
    LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(s->b));
    return LLVMAppendBasicBlockInContext(s->c, f, "");
}

static void go_to(x86_builder *s, uint32_t step)
{
    LLVMBuildStore(s->b, x86_i32(s, step), x86_field(s, s->ptr, offsetof(adze_frame, next)));
}

/* Goes on at the step's target where the condition is `when`. */
static void jump_if(x86_builder *s, const x86_step *step, LLVMValueRef condition, bool when)
{
    LLVMBasicBlockRef jump = add_block(s), stay = add_block(s);
    LLVMBuildCondBr(s->b, condition, when ? jump : stay, when ? stay : jump);
    LLVMPositionBuilderAtEnd(s->b, jump);
    go_to(s, step->target);
    LLVMBuildBr(s->b, stay);
    LLVMPositionBuilderAtEnd(s->b, stay);
}

static LLVMValueRef is_true(x86_builder *s, const x86_place *place)
{
    LLVMValueRef byte = LLVMBuildLoad2(s->b, s->i8, x86_pointer(s, place), "");
    return LLVMBuildICmp(s->b, LLVMIntNE, byte, LLVMConstInt(s->i8, 0, false), "");
}

/* The next run's number is below the bound, and its condition holds, where these are there. */
static LLVMValueRef runs_again(x86_builder *s, const x86_step *step, LLVMValueRef number)
{
    LLVMValueRef again = LLVMConstInt(LLVMInt1TypeInContext(s->c), 1, false);
    if (step->operands[1].place.kind != X86_ABSENT) {
        LLVMValueRef bound = LLVMBuildLoad2(s->b, s->i64, x86_pointer(s, &step->operands[1].place), "");
        again = LLVMBuildICmp(s->b, LLVMIntSLT, number, bound, "");
    }
    if (step->operands[2].place.kind != X86_ABSENT)
        again = LLVMBuildAnd(s->b, again, is_true(s, &step->operands[2].place), "");
    return again;
}

static void build_test(x86_builder *s, const x86_step *step)
{
    LLVMValueRef at = x86_pointer(s, &step->operands[0].place), number = x86_i64(s, 0);
    if (step->kind == X86_STEP_NEXT)
        number = LLVMBuildAdd(s->b, LLVMBuildLoad2(s->b, s->i64, at, ""), x86_i64(s, 1), "");
    LLVMBuildStore(s->b, number, at);
    jump_if(s, step, runs_again(s, step, number), step->kind == X86_STEP_NEXT);
}

/* ---- Late values ---- */

void x86_return_error(x86_builder *s, LLVMValueRef status)
{
    LLVMBasicBlockRef bad = add_block(s), good = add_block(s);
    LLVMBuildCondBr(s->b, LLVMBuildICmp(s->b, LLVMIntNE, status, x86_i32(s, ADZE_OK), ""), bad, good);
    LLVMPositionBuilderAtEnd(s->b, bad);
    LLVMBuildRet(s->b, status);
    LLVMPositionBuilderAtEnd(s->b, good);
}

/* Ends the step with an error if `bad`. */
static void fail_if(x86_builder *s, LLVMValueRef bad, adze_status status, const char *message)
{
    LLVMBasicBlockRef fail = add_block(s), good = add_block(s);
    LLVMBuildCondBr(s->b, bad, fail, good);
    LLVMPositionBuilderAtEnd(s->b, fail);
    LLVMValueRef env = x86_field(s, s->ptr, offsetof(adze_frame, env));
    LLVMValueRef at = x86_offset(s, env, x86_i64(s, (int64_t)offsetof(adze_env, error)));
    LLVMTypeRef types[] = {s->ptr, s->i32, s->ptr};
    LLVMValueRef text = LLVMConstStringInContext(s->c, message, (unsigned)strlen(message), false);
    LLVMValueRef args[] = {env, x86_i32(s, status), x86_data(s, text, 1)};
    LLVMTypeRef type = LLVMFunctionType(s->i32, types, 3, false);
    LLVMBuildRet(s->b, LLVMBuildCall2(s->b, type, LLVMBuildLoad2(s->b, s->ptr, at, ""), args, 3, ""));
    LLVMPositionBuilderAtEnd(s->b, good);
}

void x86_check_natural(x86_builder *s, const x86_step *step)
{
    LLVMValueRef bad = LLVMConstInt(LLVMInt1TypeInContext(s->c), 0, false);
    for (uint32_t i = 0; i < step->n_dims; i++) {
        LLVMValueRef negative = LLVMBuildICmp(s->b, LLVMIntSLT, x86_size_value(s, step->dims[i]), x86_i64(s, 0), "");
        bad = LLVMBuildOr(s->b, bad, negative, "");
    }
    if (step->n_dims) fail_if(s, bad, ADZE_ERR_DIM, "a dim of a value is negative");
}

void x86_reserve(x86_builder *s, const x86_operand *operands, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (operands[i].place.kind != X86_LATE || operands[i].is_open) continue;
        LLVMTypeRef types[] = {s->ptr, s->i32, s->i64, s->i64};
        LLVMValueRef args[] = {s->frame, x86_i32(s, operands[i].place.io), x86_size_value(s, operands[i].bytes),
                               x86_i64(s, 0)};
        call(s, offsetof(adze_frame, reserve), types, args, 4);
    }
}

static void assign(x86_builder *s, uint32_t index, LLVMValueRef value)
{
    LLVMTypeRef types[] = {s->ptr, s->i32, s->ptr};
    LLVMValueRef args[] = {s->frame, x86_i32(s, index), value};
    call(s, offsetof(adze_frame, assign), types, args, 3);
}

void x86_take_outputs(x86_builder *s, const x86_operand *operands, uint32_t n, LLVMValueRef values)
{
    for (uint32_t i = 0; i < n; i++)
        if (operands[i].is_open)
            assign(s, operands[i].place.io, x86_offset(s, values, x86_i64(s, (int64_t)(i * sizeof(adze_value)))));
}

/* ---- Copies ---- */

static void build_copy(x86_builder *s, const x86_step *step)
{
    LLVMValueRef from = x86_pointer(s, &step->operands[0].place), to = x86_pointer(s, &step->operands[1].place);
    LLVMValueRef bytes = x86_size_value(s, step->copy_bytes);
    if (step->kind == X86_STEP_PUSH) {
        LLVMValueRef number = LLVMBuildLoad2(s->b, s->i64, x86_pointer(s, &step->operands[2].place), "");
        to = x86_offset(s, to, LLVMBuildMul(s->b, number, bytes, ""));
    }
    LLVMBuildMemCpy(s->b, to, 1, from, 1, bytes);
}

static void build_push(x86_builder *s, const x86_step *step)
{
    if (step->operands[1].place.kind != X86_LATE) {
        build_copy(s, step);
        return;
    }
    bool empty = step->operands[2].place.kind == X86_ABSENT;
    LLVMValueRef value = x86_value_array(s, step->operands, NULL, 1, false), number = x86_i64(s, -1);
    if (!empty) number = LLVMBuildLoad2(s->b, s->i64, x86_pointer(s, &step->operands[2].place), "");
    LLVMTypeRef types[] = {s->ptr, s->i32, s->ptr, s->i64};
    LLVMValueRef args[] = {s->frame, x86_i32(s, step->operands[1].place.io), value, number};
    call(s, offsetof(adze_frame, push), types, args, 4);
}

/* ---- Names ---- */

static LLVMValueRef dim_of(x86_builder *s, const x86_operand *operand, uint32_t i)
{
    if (!operand->is_open) return x86_size_value(s, operand->dims[i]);
    LLVMValueRef dims = LLVMBuildLoad2(s->b, s->ptr, x86_open(s, operand, offsetof(adze_value, dims)), "");
    return LLVMBuildLoad2(s->b, s->i64, x86_offset(s, dims, x86_i64(s, (int64_t)i * 8)), "");
}

static void build_names(x86_builder *s, const x86_step *step)
{
    const x86_operand *operand = &step->operands[0];
    LLVMValueRef symbols[ADZE_MAX_RANK], values[ADZE_MAX_RANK];
    uint32_t n = 0;
    if (operand->is_open) {
        LLVMValueRef at = x86_open(s, operand, offsetof(adze_value, rank));
        LLVMValueRef rank = LLVMBuildLoad2(s->b, s->i32, at, "");
        LLVMValueRef other = LLVMBuildICmp(s->b, LLVMIntNE, rank, x86_i32(s, step->n_dims), "");
        fail_if(s, other, ADZE_ERR_RANK, "a value has not the rank that its type says");
    }
    for (uint32_t i = 0; i < step->n_dims; i++) {
        if (!step->rules[i].defines) continue;
        symbols[n] = x86_i32(s, step->rules[i].symbol);
        values[n++] = dim_of(s, operand, i);
    }
    if (n) {
        LLVMValueRef list = LLVMBuildAlloca(s->b, LLVMArrayType2(s->i64, n), "");
        LLVMValueRef names = LLVMBuildAlloca(s->b, LLVMArrayType2(s->i32, n), "");
        for (uint32_t i = 0; i < n; i++) {
            LLVMBuildStore(s->b, values[i], x86_offset(s, list, x86_i64(s, (int64_t)i * 8)));
            LLVMBuildStore(s->b, symbols[i], x86_offset(s, names, x86_i64(s, (int64_t)i * 4)));
        }
        LLVMTypeRef types[] = {s->ptr, s->i32, s->ptr, s->ptr};
        LLVMValueRef args[] = {s->frame, x86_i32(s, n), names, list};
        call(s, offsetof(adze_frame, define), types, args, 4);
    }
    for (uint32_t i = 0; i < step->n_dims; i++) {
        const x86_rule *rule = &step->rules[i];
        if (rule->defines) continue;
        LLVMValueRef size = x86_size_value(s, rule->size);
        fail_if(s, LLVMBuildICmp(s->b, LLVMIntNE, dim_of(s, operand, i), size, ""), ADZE_ERR_DIM, rule->broken);
    }
}

static void build_output(x86_builder *s, const x86_step *step)
{
    LLVMTypeRef types[] = {s->ptr, s->i32, s->ptr};
    LLVMValueRef args[] = {s->frame, x86_i32(s, step->target), x86_value_array(s, step->operands, NULL, 1, false)};
    call(s, offsetof(adze_frame, set_output), types, args, 3);
}

void x86_build_control(x86_builder *s, const x86_step *step)
{
    switch (step->kind) {
    case X86_STEP_JUMP:
        go_to(s, step->target);
        break;
    case X86_STEP_BRANCH:
        jump_if(s, step, is_true(s, &step->operands[0].place), false);
        break;
    case X86_STEP_ENTER:
    case X86_STEP_NEXT:
        build_test(s, step);
        break;
    case X86_STEP_COPY:
        build_copy(s, step);
        break;
    case X86_STEP_PUSH:
        build_push(s, step);
        break;
    case X86_STEP_NAME:
        build_names(s, step);
        break;
    case X86_STEP_ASSIGN:
        assign(s, step->operands[1].place.io, x86_value_array(s, step->operands, NULL, 1, false));
        break;
    default:
        build_output(s, step);
    }
}
