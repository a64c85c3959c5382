/* Fuzzing of IR text: parser, verifier and printer.
 *
 * A text gives a module or errors, never both, never neither. What was read prints, and the printout reads back to
 * a module that prints the same. The folder of this file holds what blobs of seeds name.
 */
#include "fuzz.h"

#include <string.h>

static void print(const adze_module *module, adze_text *out)
{
    adze_print_options options = {
        .struct_size = sizeof options, .locations = true, .max_elements = 64, .folder = ADZE_FUZZ_FOLDER};
    adze_module_print(module, &options, out);
}

static void check_printout(adze_context *context, const adze_module *module, const uint8_t *bytes, size_t size)
{
    adze_text first = {0}, second = {0};
    print(module, &first);
    adze_module *again = adze_module_parse(context, ADZE_FUZZ_FOLDER "/again.adz", first.data, first.size);
    if (!again) fuzz_fail("its printout does not read back", (const uint8_t *)first.data, first.size);
    print(again, &second);
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
        fuzz_fail("its printout reads back as something else", bytes, size);
    adze_module_destroy(again);
    adze_text_free(&first);
    adze_text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_module *module =
        adze_module_parse(context, ADZE_FUZZ_FOLDER "/fuzz.adz", size ? (const char *)bytes : "", size);
    if ((module != NULL) != (adze_context_errors(context) == 0)) fuzz_fail("neither clear nor refused", bytes, size);
    if (module) {
        adze_module_verify(module);
        check_printout(context, module, bytes, size);
        adze_module_destroy(module);
    }
    adze_context_destroy(context);
    return 0;
}

void fuzz_words(void)
{
    static const char *const words[] = {
        "module",   "func",     "const",  "do",      "loc",   "dense", "hex",    "blob",  "derived",  "sequence",
        "optional", "map",      "buffer", "none",    "f32x16", "perm",  "halo",   "pad",   "block",    "strides",
        "align",    "alias",    "min",    "max",     "mod",   "floordiv", "ceildiv", "true", "false",  "inf",
        "nan",      "dim",      "dims",   "type",    "_",     "?",     "*",      "->",    "%0",       "%x",
        "@w",       "$0",       "N",      "\"a b\"", "\"\\x00\"", "\"\\\\\"", "\"ir.bin\"", "//", "\xc3\xa9",
        "%\"q q\"",
        "@\"q/q\"", "f32[2,N]", "i64[3]", "f32[]",   "f32[*]", "f32[?]", "[1, 2]", "{a = 1}", "do { yield() }", "{",
        "}",        "(",        ")",      "<",       ">",     "[",     "]",      ",",     ":",        "="};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fuzz_word(words[i]);
    fuzz_words_of_table();
}
