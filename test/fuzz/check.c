/* What harnesses check with. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void fuzz_fail(const char *what, const uint8_t *bytes, size_t size)
{
    printf("%s; the input of %zu bytes:\n", what, size);
    fwrite(bytes, 1, size < 4096 ? size : 4096, stdout);
    putchar('\n');
    fflush(stdout);
    abort();
}

/* Printing for people quotes the source, so it is part of what must not fail. */
static void print_nowhere(void *self, const adze_diagnostic *diagnostic)
{
    (void)self;
    adze_text text = {0};
    adze_diagnostic_print(diagnostic, &text);
    adze_text_free(&text);
}

adze_context *fuzz_context(void)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, print_nowhere, NULL);
    adze_context_set_max_memory(context, UINT64_C(64) << 20);
    return context;
}
