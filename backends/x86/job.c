/* One job: a part of the program for one level, from MLIR to an object or text. */
#include "backends/x86/codegen.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool x86_job_fail(x86_job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->error, sizeof job->error, format, args);
    va_end(args);
    return false;
}

void x86_step_symbol(char *buffer, size_t size, uint32_t level, uint32_t step)
{
    snprintf(buffer, size, "adze_step_%u_%u", level, step);
}

static bool take_text(x86_job *job, const char *text, size_t size)
{
    job->bytes = adze_malloc(size);
    memcpy(job->bytes, text, size);
    job->size = size;
    return true;
}

/* ---- MLIR text ---- */

static void append_text(MlirStringRef text, void *self)
{
    x86_job *job = self;
    job->bytes = adze_realloc(job->bytes, job->size + text.length);
    memcpy(job->bytes + job->size, text.data, text.length);
    job->size += text.length;
}

/* ---- LLVM ---- */

void x86_keep_diagnostic(LLVMDiagnosticInfoRef info, void *self)
{
    x86_job *job = self;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(info);
    if (!job->error[0]) x86_job_fail(job, "LLVM: %s", text);
    LLVMDisposeMessage(text);
}

static const char *triple(void) { return "x86_64-pc-linux-gnu"; }

static LLVMTargetMachineRef make_machine(x86_job *job)
{
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(triple(), &target, &message)) {
        x86_job_fail(job, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(target, triple(), job->level->cpu, job->level->features,
                                job->opt ? LLVMCodeGenLevelAggressive : LLVMCodeGenLevelNone,
                                LLVMRelocPIC, LLVMCodeModelSmall);
    if (!machine) x86_job_fail(job, "LLVM cannot generate code for %s", job->level->cpu);
    return machine;
}

static void set_layout(LLVMModuleRef module, LLVMTargetMachineRef machine)
{
    LLVMTargetDataRef data = LLVMCreateTargetDataLayout(machine);
    char *layout = LLVMCopyStringRepOfTargetData(data);
    LLVMSetTarget(module, triple());
    LLVMSetDataLayout(module, layout);
    LLVMDisposeMessage(layout);
    LLVMDisposeTargetData(data);
}

static bool optimize(x86_job *job, LLVMTargetMachineRef machine)
{
    char passes[32];
    snprintf(passes, sizeof passes, "default<O%d>", job->opt > 3 ? 3 : job->opt);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(job->llvm, passes, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error) return true;
    char *message = LLVMGetErrorMessage(error);
    x86_job_fail(job, "LLVM: %s", message);
    LLVMDisposeErrorMessage(message);
    return false;
}

/* Is it a masked store of one lane that is known? */
static bool stores_one_lane(LLVMValueRef call, unsigned *out_lane)
{
    LLVMValueRef callee = LLVMIsACallInst(call) ? LLVMGetCalledValue(call) : NULL;
    size_t size;
    if (!callee || strncmp(LLVMGetValueName2(callee, &size), "llvm.masked.store.", 18) != 0) return false;
    LLVMValueRef mask = LLVMGetOperand(call, 2);
    if (!LLVMIsConstant(mask)) return false;
    unsigned n = 0;
    for (unsigned i = 0; i < LLVMGetVectorSize(LLVMTypeOf(mask)); i++) {
        LLVMValueRef lane = LLVMGetAggregateElement(mask, i);
        if (!lane || !LLVMIsAConstantInt(lane)) return false;
        if (LLVMConstIntGetZExtValue(lane)) n++, *out_lane = i;
    }
    return n == 1;
}

/* Such a store of what was truncated, as f32 rounded to bf16, is written with the width that it had before by LLVM 22
 * for AVX-512: it overwrites what lies behind. And where hundreds of them take turns with others in one block, as where
 * the edges of an image of 33 columns are cleared, its combiner of stores does not end. So it becomes the store of an
 * element. */
static void store_single_lanes(x86_job *job)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(job->context);
    for (LLVMValueRef f = LLVMGetFirstFunction(job->llvm); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(f); block; block = LLVMGetNextBasicBlock(block))
            for (LLVMValueRef call = LLVMGetFirstInstruction(block), next; call; call = next) {
                unsigned lane;
                next = LLVMGetNextInstruction(call);
                if (!stores_one_lane(call, &lane)) continue;
                LLVMPositionBuilderBefore(b, call);
                LLVMValueRef at = LLVMConstInt(LLVMInt32TypeInContext(job->context), lane, false);
                LLVMValueRef one = LLVMBuildExtractElement(b, LLVMGetOperand(call, 0), at, "");
                LLVMValueRef to = LLVMBuildGEP2(b, LLVMTypeOf(one), LLVMGetOperand(call, 1), &at, 1, "");
                LLVMSetAlignment(LLVMBuildStore(b, one, to), 1);
                LLVMInstructionEraseFromParent(call);
            }
    LLVMDisposeBuilder(b);
}

static bool verify(x86_job *job)
{
    char *message = NULL;
    bool bad = LLVMVerifyModule(job->llvm, LLVMReturnStatusAction, &message);
    if (bad) x86_job_fail(job, "generated LLVM IR is not valid: %s", message);
    LLVMDisposeMessage(message);
    return !bad;
}

static bool emit_code(x86_job *job, LLVMTargetMachineRef machine)
{
    if (job->output == X86_LLVM) {
        char *text = LLVMPrintModuleToString(job->llvm);
        take_text(job, text, strlen(text));
        LLVMDisposeMessage(text);
        return true;
    }
    LLVMMemoryBufferRef buffer;
    char *message = NULL;
    LLVMCodeGenFileType type = job->output == X86_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, job->llvm, type, &message, &buffer)) {
        if (!job->error[0]) x86_job_fail(job, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return false;
    }
    if (!job->error[0]) take_text(job, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return !job->error[0];
}

static bool generate(x86_job *job, LLVMTargetMachineRef machine)
{
    if (!verify(job) || !optimize(job, machine)) return false;
    store_single_lanes(job);
    return emit_code(job, machine) && !job->error[0];
}

bool x86_job_generate(x86_job *job)
{
    LLVMTargetMachineRef machine = make_machine(job);
    if (!machine) return false;
    set_layout(job->llvm, machine);
    bool ok = generate(job, machine);
    LLVMDisposeTargetMachine(machine);
    return ok;
}

void x86_job_begin(x86_job *job)
{
    job->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(job->context, x86_keep_diagnostic, job);
    job->llvm = LLVMModuleCreateWithNameInContext("adze", job->context);
}

/* Kernels come as MLIR, all else is built as LLVM IR when the job is made. */
static bool lower(x86_job *job)
{
    if (mlirModuleIsNull(job->module)) return true;
    job->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(job->context, x86_keep_diagnostic, job);
    bool ok = x86_lower(job);
    x86_drop_mlir(job);
    if (ok && job->content == X86_CONTENT_ALL) {
        x86_build_floors(job);
        x86_build_steps(job);
    }
    return ok;
}

static bool run(x86_job *job)
{
    if (job->output == X86_MLIR) {
        MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
        mlirOperationPrintWithFlags(mlirModuleGetOperation(job->module), flags, append_text, job);
        mlirOpPrintingFlagsDestroy(flags);
        return true;
    }
    if (!lower(job)) return false;
    /* names that show in objects and listings do not depend on folders */
    LLVMSetModuleIdentifier(job->llvm, "adze", strlen("adze"));
    LLVMSetSourceFileName(job->llvm, "adze", strlen("adze"));
    LLVMTargetMachineRef machine = make_machine(job);
    if (!machine) return false;
    set_layout(job->llvm, machine);
    bool ok = x86_link_bitcode(job) && generate(job, machine);
    LLVMDisposeTargetMachine(machine);
    return ok;
}

/* Code of plug-ins is not in the key, so what holds some is made each time. */
static bool may_keep(const x86_job *job)
{
    return job->ok && job->cache && job->content != X86_CONTENT_ALL && !job->uses_libm && !job->n_objects;
}

static void drop_llvm(x86_job *job)
{
    if (job->llvm) LLVMDisposeModule(job->llvm);
    if (job->context) LLVMContextDispose(job->context);
    job->llvm = NULL;
    job->context = NULL;
}

void x86_job_run(x86_job *job)
{
    job->ok = run(job);
    drop_llvm(job);
    if (may_keep(job)) x86_cache_store(job->cache, job->key, job->bytes, job->size);
}

void x86_job_free(x86_job *job)
{
    x86_drop_mlir(job);
    drop_llvm(job);
    free(job->bytes);
}
