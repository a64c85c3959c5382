/* Fuzzing of pipeline text and of the options of passes. What parses prints, and the printout parses to a pipeline
 * that prints the same; what does not is an error. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <adze/registry.h>

/* A pass with an option of every kind, with and without a default. */
typedef struct options {
    int64_t i, i0;
    bool b, b0;
    double f, f0;
    const char *s, *s0;
} options;

static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    (void)func, (void)given, (void)self;
    return ADZE_UNCHANGED;
}

static const adze_option rows[] = {
    {"i", "whole", ADZE_OPTION_INT, offsetof(options, i), "7"},
    {"i0", "whole", ADZE_OPTION_INT, offsetof(options, i0), NULL},
    {"b", "yes or no", ADZE_OPTION_BOOL, offsetof(options, b), "true"},
    {"b0", "yes or no", ADZE_OPTION_BOOL, offsetof(options, b0), NULL},
    {"f", "real", ADZE_OPTION_FLOAT, offsetof(options, f), "0.1"},
    {"f0", "real", ADZE_OPTION_FLOAT, offsetof(options, f0), NULL},
    {"s", "text", ADZE_OPTION_STR, offsetof(options, s), "a b"},
    {"s0", "text", ADZE_OPTION_STR, offsetof(options, s0), NULL},
};
static const adze_pass all_kinds = {.struct_size = sizeof(adze_pass),
                                    .name = "all-kinds",
                                    .help = "has options of every kind",
                                    .options = rows,
                                    .n_options = sizeof rows / sizeof *rows,
                                    .options_size = sizeof(options),
                                    .run = run};
static const adze_pass *const passes[] = {&all_kinds, NULL};
static const adze_plugin plugin = {.magic = ADZE_PLUGIN_MAGIC,
                                   .abi = ADZE_ABI,
                                   .struct_size = sizeof(adze_plugin),
                                   .name = "fuzz",
                                   .version = "1",
                                   .passes = passes};

/* A registry parses all rules when it is made, so one serves many inputs; its context keeps every text. */
static adze_registry *registry_for_next(void)
{
    static adze_registry *registry;
    static unsigned uses;
    if (registry && ++uses % 1000 != 0) return registry;
    if (registry) {
        adze_context *old = adze_registry_context(registry);
        adze_registry_destroy(registry);
        adze_context_destroy(old);
    }
    registry = adze_registry_create(fuzz_context());
    if (!adze_registry_add(registry, &plugin)) abort();
    return registry;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_registry *registry = registry_for_next();
    uint64_t errors = adze_context_errors(adze_registry_context(registry));
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, bytes, size);
    text[size] = '\0';
    adze_pipeline *pipeline = adze_pipeline_parse(registry, text);
    bool refused = adze_context_errors(adze_registry_context(registry)) > errors;
    if ((pipeline != NULL) == refused) fuzz_fail("neither clear nor refused", bytes, size);
    if (pipeline) {
        adze_text first = {0}, second = {0};
        adze_pipeline_print(pipeline, &first);
        adze_pipeline *again = adze_pipeline_parse(registry, first.data ? first.data : "");
        if (!again) fuzz_fail("its printout does not parse", bytes, size);
        adze_pipeline_print(again, &second);
        if (first.size != second.size || (first.size && memcmp(first.data, second.data, first.size) != 0))
            fuzz_fail("its printout parses to something else", bytes, size);
        adze_pipeline_destroy(again);
        adze_text_free(&first);
        adze_text_free(&second);
    }
    adze_pipeline_destroy(pipeline);
    free(text);
    return 0;
}

void fuzz_words(void)
{
    static const char *const words[] = {",",    "{",    "}",  "(",    ")",        "=",    "\"",   "\\",  "repeat", "n",
                                        "true", "off",  "O1", "O2",   "simplify", "lower", "1e9", "0x1f", "inf",   "i",
                                        "i0",   "b",    "b0", "f",    "f0",       "s",    "s0",   "\"\"", "\"a b\"",
                                        "all-kinds{", "repeat{n=2}(", "repeat(", "\"\\\"\""};
    adze_registry *registry = registry_for_next();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fuzz_word(words[i]);
    for (uint32_t i = 0; i < adze_registry_num_passes(registry); i++) {
        const adze_pass *pass = adze_registry_pass(registry, i);
        fuzz_word(pass->name);
        for (uint32_t k = 0; k < pass->n_options; k++) fuzz_word(pass->options[k].name);
    }
}
