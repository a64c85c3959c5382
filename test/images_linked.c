/* A program with a model linked in that decodes an image: `program none|usual|own` says where its decoder is from. */
#include <adze/images.h>
#include <adze_runtime.h>
#include <stdio.h>
#include <string.h>

#include "Grayscale.h"

static adze_status measure(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                           int64_t out_dims[3])
{
    (void)env, (void)bytes, (void)size, (void)format;
    out_dims[0] = out_dims[1] = out_dims[2] = 1;
    return ADZE_OK;
}

static adze_status decode(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                          const int64_t dims[3], uint8_t *out_pixels)
{
    (void)env, (void)bytes, (void)size, (void)format, (void)dims;
    *out_pixels = 42;
    return ADZE_OK;
}

static const void *own_extension(void *self, const char *name, char *why, size_t why_size)
{
    if (!strcmp(name, "images")) return self;
    snprintf(why, why_size, "there is no extension '%s' here", name);
    return NULL;
}

int main(int argc, char **argv)
{
    adze_images own = {sizeof own, ADZE_ABI, " all ", measure, decode};
    adze_session_options options = {.struct_size = sizeof options};
    adze_model *model;
    adze_session *session = NULL;
    int64_t size = 13;
    adze_value y, x = adze_value_tensor(ADZE_DTYPE_u8, 1, &size, "P5 2 1 255\n\7\11");
    if (argc == 2 && !strcmp(argv[1], "usual")) options.extension = adze_extension_find;
    if (argc == 2 && !strcmp(argv[1], "own")) {
        options.extension = own_extension;
        options.extension_self = &own;
    }
    if (adze_model_open_linked(&adze_compiled_Grayscale, NULL, &model)) {
        puts(adze_model_error(model));
    } else if (adze_session_create(model, &options, &session) || adze_session_set_input(session, 0, &x) ||
               adze_session_run(session) || adze_session_output(session, 0, &y)) {
        puts(adze_session_error(session));
    } else {
        printf("%d x %d x %d:", (int)y.dims[0], (int)y.dims[1], (int)y.dims[2]);
        for (uint64_t i = 0; i < adze_value_count(&y); i++) printf(" %d", ((const uint8_t *)y.data)[i]);
        puts("");
    }
    adze_session_destroy(session);
    adze_model_close(model);
    return 0;
}
