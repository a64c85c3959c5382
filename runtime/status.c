/* Texts: statuses, element types, and the one line of detail that a failure leaves behind. */
#include "internal.h"
#include <stdio.h>

const char *adze_status_text(adze_status status)
{
    static const char *const texts[ADZE_ERR_COUNT] = {
        [ADZE_OK] = "ok",
        [ADZE_ERR_NO_MEMORY] = "out of memory",
        [ADZE_ERR_ARGUMENT] = "bad argument",
        [ADZE_ERR_DTYPE] = "wrong element type",
        [ADZE_ERR_RANK] = "wrong rank",
        [ADZE_ERR_DIM] = "wrong dimension",
        [ADZE_ERR_SYMBOL] = "one symbol with two values",
        [ADZE_ERR_MISSING] = "missing input",
        [ADZE_ERR_ALIGNMENT] = "misaligned pointer",
        [ADZE_ERR_CPU] = "CPU too old",
        [ADZE_ERR_ABI] = "another binary interface",
        [ADZE_ERR_FILE] = "file error",
        [ADZE_ERR_FORMAT] = "malformed file",
        [ADZE_ERR_UNSUPPORTED] = "not supported",
        [ADZE_ERR_VALUE] = "value out of range",
    };
    return (unsigned)status < ADZE_ERR_COUNT ? texts[status] : "unknown status";
}

const char *adze_dtype_name(adze_dtype dtype)
{
    static const char *const names[ADZE_DTYPE_COUNT] = {
        "none",
#define DTYPE(name, bits, kind, onnx) #name,
#include <adze/dtype.def>
#undef DTYPE
    };
    return (unsigned)dtype < ADZE_DTYPE_COUNT && dtype ? names[dtype] : "?";
}

adze_status adze_rt_fail(char error[ERROR_SIZE], adze_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, ERROR_SIZE, format, args);
    va_end(args);
    return status;
}
