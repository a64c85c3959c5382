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

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- Contexts ---- */

struct x86_contexts {
    pthread_mutex_t lock;
    MlirContext *waiting;
    size_t count, capacity;
};

x86_contexts *x86_contexts_create(void)
{
    x86_contexts *c = calloc(1, sizeof *c);
    if (c) pthread_mutex_init(&c->lock, NULL);
    return c;
}

void x86_contexts_destroy(x86_contexts *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->count; i++) mlirContextDestroy(c->waiting[i]);
    pthread_mutex_destroy(&c->lock);
    free(c->waiting);
    free(c);
}

static MlirContext make_context(void)
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

void x86_take_mlir(x86_job *job)
{
    x86_contexts *c = job->contexts;
    pthread_mutex_lock(&c->lock);
    job->mlir = c->count ? c->waiting[--c->count] : (MlirContext){NULL};
    pthread_mutex_unlock(&c->lock);
    if (mlirContextIsNull(job->mlir)) job->mlir = make_context();
    job->module = mlirModuleCreateEmpty(mlirLocationUnknownGet(job->mlir));
}

void x86_drop_mlir(x86_job *job)
{
    if (!mlirModuleIsNull(job->module)) mlirModuleDestroy(job->module);
    job->module = (MlirModule){NULL};
    if (mlirContextIsNull(job->mlir)) return;
    x86_contexts *c = job->contexts;
    pthread_mutex_lock(&c->lock);
    if (c->count == c->capacity) {
        c->capacity = 2 * c->capacity + 4;
        c->waiting = adze_realloc(c->waiting, c->capacity * sizeof *c->waiting);
    }
    c->waiting[c->count++] = job->mlir;
    pthread_mutex_unlock(&c->lock);
    job->mlir = (MlirContext){NULL};
}

/* ---- Lowering ---- */

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
