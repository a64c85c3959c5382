/* Verifying modules, and running them on the reference. */
#ifndef ADZE_IR_INTERP_H
#define ADZE_IR_INTERP_H

#include <adze/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Verifier (verify.c) ---- */
/* Reports every violation; true if there is none. */
ADZE_API bool adze_module_verify(const adze_module *module);

/* ---- Reference evaluation (interp.c) ---- */

/* An argument of a micro-kernel. */
typedef union adze_ukernel_arg {
    void *p;
    const void *cp;
    int64_t i;
    float f;
} adze_ukernel_arg;

/* Bytes from a pointer that a call may touch: [first, end); none where they are equal. */
typedef struct adze_reach {
    int64_t first, end;
} adze_reach;

/* A descriptor. Native twin of a micro-kernel, for `ukernel` on the reference. `signature` has a letter an argument:
 * p pointer to a buffer's base element, at a multiple of 4 bytes, b likewise at any address, i int64_t, f float.
 * `reach` gives for each pointer, in order, what a call with these arguments touches, or false where they make no
 * sense; NULL: that is not known. */
typedef struct adze_ukernel {
    const char *name;
    const char *signature;
    void (*invoke)(const adze_ukernel_arg *args);
    bool (*reach)(const adze_ukernel_arg *args, adze_reach *out);
} adze_ukernel;
/* Adds micro-kernels; the array must outlive the context. Of equal names the last one added counts. */
ADZE_API void adze_context_add_ukernels(adze_context *context, const adze_ukernel *kernels, uint32_t count);

/* Runs `func` of the module on the reference. Inputs as the function's arguments; outputs are allocated
 * (malloc) and freed by adze_outputs_free. `observe`, if given, sees every op's results, dense in their
 * logical dims whatever their layout. Symbols are bound from the inputs' dims. The module must have
 * passed the verifier. Loop IR runs on real memory, and an access outside a buffer's allocation is an
 * error, in micro-kernels too where they tell their reach. False after an error; adze_outputs_free may be called in
 * any case. What `observe` sees is valid during the call. */
typedef void adze_observer(void *self, const adze_op *op, const adze_value *results, uint32_t n);
ADZE_API bool adze_interpret(const adze_func *func, const adze_value *inputs, uint32_t n_inputs,
                             adze_value *outputs, uint32_t n_outputs, adze_observer *observe, void *self);
ADZE_API void adze_outputs_free(adze_value *outputs, uint32_t n);

/* ---- Elements (element.c) ---- */

/* Integers, booleans and real floats of any width; not strings, not complex numbers. The functions below take values of
 * these, need no context, and may be called from any thread. */
ADZE_API bool adze_dtype_is_number(adze_dtype dtype);
/* Element `index` of a dense tensor of numbers; _int rounds towards zero. */
ADZE_API double adze_value_real(const adze_value *value, uint64_t index);
ADZE_API int64_t adze_value_int(const adze_value *value, uint64_t index);
/* Floats round to nearest, ties to even; integers towards zero, and what is out of range becomes the nearest one. */
ADZE_API void adze_value_set_real(const adze_value *value, uint64_t index, double real);

#ifdef __cplusplus
}
#endif
#endif
