/* image_decode: the pixels of an encoded image. Codecs are an extension (adze/images.h), opened when this first
 * runs. */
#include "eval.h"

#include <adze/images.h>

static const adze_images *find_images(const adze_env *env)
{
    char why[400] = "the program gives its sessions no extension (adze_session_options.extension)";
    bool asks = env->struct_size >= offsetof(adze_env, extension_self) + sizeof env->extension_self && env->extension;
    const adze_images *images = asks ? env->extension(env->extension_self, "images", why, sizeof why) : NULL;
    if (images && images->struct_size >= sizeof *images) return images;
    ev_fail(env, ADZE_ERR_UNSUPPORTED, images ? "the extension \"images\" is an old one" : why);
    return NULL;
}

adze_status eval_image_decode(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                              const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_image_decode_attrs *a = attrs;
    adze_pixel_format format = ADZE_PIXELS_RGB;
    int64_t dims[3];
    if (in[0].rank != 1 || in[0].dtype != ADZE_DTYPE_u8) return ev_bad_dtype(env);
    if (ev_text_is(a->pixel_format, "BGR"))
        format = ADZE_PIXELS_BGR;
    else if (ev_text_is(a->pixel_format, "Grayscale"))
        format = ADZE_PIXELS_GRAY;
    else if (!ev_text_is(a->pixel_format, "RGB"))
        return ev_fail(env, ADZE_ERR_VALUE, "image_decode: the pixel format is not known");
    const adze_images *images = find_images(env);
    if (!images) return ADZE_ERR_UNSUPPORTED;
    uint64_t size = adze_value_count(&in[0]);
    adze_status status = images->measure(env, in[0].data, size, format, dims);
    if (status == ADZE_OK) status = ev_result(env, out, ADZE_DTYPE_u8, 3, dims);
    if (status == ADZE_OK) status = images->decode(env, in[0].data, size, format, dims, out->data);
    return status;
}
