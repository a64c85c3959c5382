/* The fake artifact as a shared object or, linked with libadze_main.a, as an executable. */
#include "fake_artifact.h"

#ifdef FAKE_CONSTRUCTOR
#include <stdlib.h>
/* A file that open refuses must not get this far. */
__attribute__((constructor)) static void loaded(void) { setenv("ADZE_TEST_LOADED", "1", 1); }
#endif

extern const adze_artifact fake_linked __asm__(FAKE_SYMBOL);
__attribute__((visibility("default"))) const adze_artifact fake_linked = FAKE_DESCRIPTOR;
