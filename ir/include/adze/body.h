/* Scalar bodies: what an elementwise op does with one element of each operand, stated once. Its evaluation, and the
 * loops that it stands in, come from them. */
#ifndef ADZE_BODY_H
#define ADZE_BODY_H

#include <adze/abi.h>
#include <adze/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Applies a body to n elements: out[i] = body(args[0][i * steps[0]], ...). Steps count elements: 1 along
 * an operand, 0 where it is repeated. Operands come first, then parameters. Memory holds the element
 * types that the body names. `out` may be an operand with step 1. */
typedef void adze_row_fn(void *out, const void *const *args, const int64_t *steps, int64_t n);

enum { ADZE_BODY_MAX_ARGS = 3 };

/* The body of an op for one element type. The functions that `symbol` and `symbol_x16` name are looked for where
 * compiled code is made: those of a plug-in's op in the code that it brings (code.h). One that takes and gives 16
 * lanes has vectors of 16 elements (64 bytes of float) as parameters and result. */
typedef struct adze_body {
    const char *name;       /* op, as in its row of the op table */
    const char *symbol;     /* scalar function, over `compute` in the place of `dtype`: "adze_body_mish2_f32" */
    const char *symbol_x16; /* its form for 16 lanes; NULL: the scalar one is called for each */
    const char *params;     /* attributes, separated by blanks, that follow the operands as arguments; or "" */
    uint8_t operands;
    uint8_t arguments;      /* operands and parameters */
    uint16_t dtype;         /* element type of the row: that of the operands, or of the integer side */
    uint16_t compute;       /* f32 for f16 and bf16, which convert on the way in and out; else dtype */
    uint16_t result;        /* element types */
    uint16_t args[ADZE_BODY_MAX_ARGS];
    adze_row_fn *row;
} adze_body;

/* Built-in bodies: of op `name` over `dtype`, NULL if there is none. quantize and dequantize go by the quantized type,
 * cast by the type that it converts from, with adze_cast_find. */
ADZE_API const adze_body *adze_body_find(const char *name, adze_dtype dtype);
/* The body that converts; NULL if one of the types has none (small floats and sub-byte integers). */
ADZE_API const adze_body *adze_cast_find(adze_dtype from, adze_dtype to);

#ifdef __cplusplus
}
#endif
#endif
