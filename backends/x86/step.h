/* What the files that build step functions share. */
#ifndef ADZE_X86_STEP_H
#define ADZE_X86_STEP_H

#include "backends/x86/codegen.h"

/* One step function in the making. */
typedef struct x86_builder {
    x86_job *job;
    LLVMContextRef c;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef i8, i32, i64, ptr;
    LLVMValueRef frame, dims;
} x86_builder;

/* ---- step.c ---- */

LLVMValueRef x86_i64(x86_builder *s, int64_t v);
LLVMValueRef x86_i32(x86_builder *s, uint32_t v);
LLVMValueRef x86_offset(x86_builder *s, LLVMValueRef base, LLVMValueRef bytes);
/* The frame's field at that offset. */
LLVMValueRef x86_field(x86_builder *s, LLVMTypeRef type, size_t at);
LLVMValueRef x86_size_value(x86_builder *s, x86_size size);
/* Where the field at that offset of the adze_value of an open operand lies. */
LLVMValueRef x86_open(x86_builder *s, const x86_operand *operand, size_t at);
LLVMValueRef x86_pointer(x86_builder *s, const x86_place *place);
/* Read-only data without a name. */
LLVMValueRef x86_data(x86_builder *s, LLVMValueRef init, unsigned align);
/* An array of adze_value: what the operands are; outputs that only their evaluation knows are absent. `pointers`: data
 * of the operands, or the late adze_value of open ones; NULL: they are taken from their places. */
LLVMValueRef x86_value_array(x86_builder *s, const x86_operand *operands, const LLVMValueRef *pointers, uint32_t n,
                             bool outputs);
/* A builder for the job's module; its `b` is for the caller to dispose of. */
x86_builder x86_builder_make(x86_job *job);

/* ---- step_control.c ---- */

/* Leaves the step with the status where that is an error; building goes on where it is none. */
void x86_return_error(x86_builder *s, LLVMValueRef status);
/* Leaves the step with an error where one of its dims is negative. */
void x86_check_natural(x86_builder *s, const x86_step *step);
/* Memory for outputs that are late values of known dims. */
void x86_reserve(x86_builder *s, const x86_operand *operands, uint32_t n);
/* What an evaluation gave becomes the late values that it is for. */
void x86_take_outputs(x86_builder *s, const x86_operand *operands, uint32_t n, LLVMValueRef values);
/* Steps of control flow, copies, names, outputs. */
void x86_build_control(x86_builder *s, const x86_step *step);

#endif
