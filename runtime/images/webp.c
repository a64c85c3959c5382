/* WebP, by libwebp: lossy and lossless pictures without animation; transparency is left out. */
#include "image.h"

#include <webp/decode.h>

static const char *status_text(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that libwebp does not have";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends inside of the image";
    default: return "the bytes are damaged";
    }
}

static adze_status fail(const image *m, VP8StatusCode code)
{
    bool memory = code == VP8_STATUS_OUT_OF_MEMORY;
    return image_fail(m, memory ? ADZE_ERR_NO_MEMORY : ADZE_ERR_FORMAT, "%s", status_text(code));
}

adze_status image_read_webp(image *m)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return image_fail(m, ADZE_ERR_UNSUPPORTED, "another version of libwebp");
    VP8StatusCode code = WebPGetFeatures(m->bytes, m->size, &config.input);
    if (code != VP8_STATUS_OK) return fail(m, code);
    if (config.input.has_animation) return image_fail(m, ADZE_ERR_UNSUPPORTED, "an animation");
    adze_status status = image_size(m, (uint64_t)config.input.width, (uint64_t)config.input.height);
    if (status || !m->pixels) return status;
    uint8_t *all = image_all(m);
    /* A lossless picture is first made whole, as 32 bits a pixel. */
    if (!all || !image_has_room(m, (uint64_t)m->dims[0] * (uint64_t)m->dims[1] * 4)) return ADZE_ERR_NO_MEMORY;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = all;
    config.output.u.RGBA.stride = (int)(m->dims[1] * 3);
    config.output.u.RGBA.size = (size_t)(m->dims[0] * m->dims[1] * 3);
    code = WebPDecode(m->bytes, m->size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK) return fail(m, code);
    image_put_all(m, all);
    return ADZE_OK;
}
