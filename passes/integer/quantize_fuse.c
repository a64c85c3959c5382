/* quantize-fuse: quantized models become ops over integers.
 *
 * A model that somebody quantized says what its numbers are rounded to, in pairs of quantize and dequantize, and
 * computes in f32 between them. Here sums of products of codes become sums of integers, and codes stay codes wherever
 * elements only move. Additions and functions between dequantize and quantize stay as they are written: in a kernel
 * they take no memory.
 */
#include "passes/integer/integer.h"

#include "passes/examples_embedded.h"

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    if (self->precision == ADZE_PRECISION_STRICT) return ADZE_UNCHANGED;
    integer_run r = {.run = self, .moved = adze_map_create()};
    void (*const steps[])(integer_run *, adze_func *) = {integer_unsigned, integer_moves, integer_contract,
                                                         integer_epilogue};
    for (uint32_t i = 0; i < sizeof steps / sizeof *steps && !r.failed; i++) steps[i](&r, func);
    adze_map_destroy(r.moved);
    return r.failed ? ADZE_FAILED : r.changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

const adze_pass adze_pass_quantize_fuse = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-fuse",
    .help = "sums of quantized operands in integers, moves on codes",
    .numerics = ADZE_LOSSY,
    .run = run,
    .purpose = "lower",
    .contract = "Needs dequantize ops in front of contractions: run it before `fold{dequantize=true}`, and dce "
                "behind it. Weights, scales and zero points must be constants; rows may find their scale at run "
                "time. Sums are exact where the file rounds each product, and three scales become one factor, so a "
                "code may differ by a step from the model as written; --certify measures it. Moves, max pools and "
                "what lies between dequantize and quantize keep every bit. Does nothing where the precision is "
                "strict.",
    .example = adze_example_quantize_fuse,
};
