/* MLIR to LLVM IR: structured control flow, vectors and arithmetic down to the llvm dialect. */
#include "backends/x86/codegen.h"

#include <mlir-c/Conversion.h>
#include <mlir-c/Diagnostics.h>
#include <mlir-c/Dialect/Arith.h>
#include <mlir-c/Dialect/ControlFlow.h>
#include <mlir-c/Dialect/LLVM.h>
#include <mlir-c/Dialect/SCF.h>
#include <mlir-c/Dialect/Vector.h>
#include <mlir-c/Pass.h>
#include <mlir-c/RegisterEverything.h>
#include <mlir-c/Target/LLVMIR.h>

#include <string.h>

MlirContext x86_mlir_context(void)
{
    MlirContext context = mlirContextCreateWithThreading(false);
    MlirDialectHandle handles[] = {
        mlirGetDialectHandle__arith__(),  mlirGetDialectHandle__cf__(),
        mlirGetDialectHandle__llvm__(),   mlirGetDialectHandle__scf__(),
        mlirGetDialectHandle__vector__(),
    };
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        mlirDialectHandleRegisterDialect(handles[i], context);
        mlirDialectHandleLoadDialect(handles[i], context);
    }
    mlirRegisterAllLLVMTranslations(context);
    return context;
}

static void keep_text(MlirStringRef text, void *self)
{
    x86_job *job = self;
    size_t at = strlen(job->error), room = sizeof job->error - 1 - at;
    size_t n = text.length < room ? text.length : room;
    memcpy(job->error + at, text.data, n);
    job->error[at + n] = 0;
}

static MlirLogicalResult keep_diagnostic(MlirDiagnostic diagnostic, void *self)
{
    x86_job *job = self;
    if (mlirDiagnosticGetSeverity(diagnostic) == MlirDiagnosticError && !job->error[0])
        mlirDiagnosticPrint(diagnostic, keep_text, job);
    return mlirLogicalResultSuccess();
}

bool x86_lower(x86_job *job)
{
    MlirDiagnosticHandlerID id =
        mlirContextAttachDiagnosticHandler(job->mlir, keep_diagnostic, job, NULL);
    MlirPassManager pm = mlirPassManagerCreate(job->mlir);
    mlirPassManagerAddOwnedPass(pm, mlirCreateConversionSCFToControlFlowPass());
    mlirPassManagerAddOwnedPass(pm, mlirCreateConversionConvertVectorToLLVMPass());
    mlirPassManagerAddOwnedPass(pm, mlirCreateConversionArithToLLVMConversionPass());
    mlirPassManagerAddOwnedPass(pm, mlirCreateConversionConvertControlFlowToLLVMPass());
    mlirPassManagerAddOwnedPass(pm, mlirCreateConversionReconcileUnrealizedCastsPass());
    MlirOperation module = mlirModuleGetOperation(job->module);
    bool ok = mlirLogicalResultIsSuccess(mlirPassManagerRunOnOp(pm, module));
    mlirPassManagerDestroy(pm);
    if (ok) {
        job->llvm = mlirTranslateModuleToLLVMIR(module, job->context);
        ok = job->llvm != NULL;
    }
    mlirContextDetachDiagnosticHandler(job->mlir, id);
    return ok ||
           (job->error[0] ? false : x86_job_fail(job, "MLIR could not be lowered to LLVM IR"));
}
