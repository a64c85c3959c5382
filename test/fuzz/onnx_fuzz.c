/* Fuzzing of the ONNX reader: bytes as a model from memory. What is read prints, and is written as ONNX. There is a
 * module, or there are errors; never both, never neither. */
#include "fuzz.h"

#include <adze/onnx.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_context_set_max_memory(context, UINT64_C(1) << 30);
    adze_module *module = adze_onnx_read_memory(context, "fuzz.onnx", bytes, size, NULL);
    if ((module != NULL) != (adze_context_errors(context) == 0)) fuzz_fail("neither clear nor refused", bytes, size);
    if (module) {
        adze_text text = {0};
        adze_print_options options = {.struct_size = sizeof options, .max_elements = 16};
        adze_module_print(module, &options, &text);
        adze_text_free(&text);
        uint64_t errors = adze_context_errors(context);
        bool written = adze_onnx_write(module, "/dev/null", NULL);
        if (adze_context_errors(context) != errors + !written) fuzz_fail("written and refused", bytes, size);
        adze_module_destroy(module);
    }
    adze_context_destroy(context);
    return 0;
}
