/* Fuzzing of images. Bytes are an image or one error, never both, never neither; what the head says holds for the
 * pixels. */
#include "fuzz.h"

#include <adze/images.h>
#include <stdlib.h>
#include <string.h>

extern const adze_images adze_images_table;

enum { MOST_SCRATCH = 4 << 20, MOST_PIXELS = 1 << 20 };

typedef struct caller {
    void *blocks[16];
    uint32_t n_blocks, errors;
} caller;

static void *scratch(const adze_env *env, uint64_t bytes)
{
    caller *c = env->self;
    if (bytes > MOST_SCRATCH || c->n_blocks == sizeof c->blocks / sizeof *c->blocks) return NULL;
    return c->blocks[c->n_blocks++] = malloc(bytes ? bytes : 1);
}

static adze_status error(const adze_env *env, adze_status status, const char *message)
{
    ((caller *)env->self)->errors += strlen(message) > 0 && !strchr(message, '\n');
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    caller c = {0};
    const adze_env env = {.struct_size = sizeof env, .self = &c, .scratch = scratch, .error = error};
    adze_pixel_format format = (adze_pixel_format)(size % 3);
    int64_t dims[3];
    uint8_t *pixels = NULL;
    adze_status status = adze_images_table.measure(&env, bytes, size, format, dims);
    if (status == ADZE_OK && dims[0] * dims[1] * dims[2] <= MOST_PIXELS) {
        pixels = malloc((size_t)(dims[0] * dims[1] * dims[2]));
        if (!pixels) abort();
        status = adze_images_table.decode(&env, bytes, size, format, dims, pixels);
    }
    if (c.errors != (status != ADZE_OK)) fuzz_fail("neither pixels nor one error", bytes, size);
    for (uint32_t i = 0; i < c.n_blocks; i++) free(c.blocks[i]);
    free(pixels);
    return 0;
}
