/* `adze_example_<pass>`: the part of test/passes/<pass>.adz between `// EXAMPLE` and `// END EXAMPLE`, for the field
 * of that name of the built-in passes (example.cmake). Empty where the test has no such lines;
 * only passes that have a test may name it. */
#ifndef ADZE_EXAMPLES_EMBEDDED_H
#define ADZE_EXAMPLES_EMBEDDED_H

#define PASS(name) extern const char adze_example_##name[];
#include "passes/builtin.def"

#endif
