/* Models that come out as ONNX. See onnx_out.h. */
#include "onnx_out.h"

#include <adze/onnx.h>

static const int64_t NOT_GIVEN = INT64_MIN;

bool adze_is_onnx(const char *path) { return path && adze_has_suffix(path, ".onnx"); }

int adze_onnx_flags_check(const adze_onnx_flags *flags, const char *output)
{
    bool has_opset = flags->opset != NOT_GIVEN;
    if (has_opset && (flags->opset < ADZE_ONNX_OPSET_MIN || flags->opset > ADZE_ONNX_OPSET_MAX))
        return adze_usage_error("--opset takes a number from %d to %d, got %lld", ADZE_ONNX_OPSET_MIN,
                                ADZE_ONNX_OPSET_MAX, (long long)flags->opset);
    uint64_t least;
    if (flags->external_data && *flags->external_data && !adze_read_bytes(flags->external_data, &least))
        return adze_usage_error("--external-data takes a number of bytes like 512 or 64K, got '%s'",
                                flags->external_data);
    if ((has_opset || flags->external_data) && !adze_is_onnx(output))
        return adze_usage_error("%s is for .onnx files: -o FILE.onnx", has_opset ? "--opset" : "--external-data");
    return 0;
}

bool adze_write_onnx(const adze_onnx_flags *flags, const adze_module *module, const char *path)
{
    adze_onnx_write_options options = {.struct_size = sizeof options};
    if (flags) {
        options.opset = flags->opset == NOT_GIVEN ? 0 : (uint32_t)flags->opset;
        options.external_data = flags->external_data != NULL;
        const char *least = flags->external_data ? flags->external_data : "";
        if (*least && adze_read_bytes(least, &options.least_bytes))
            options.least_bytes += options.least_bytes == 0; /* there 0 = the usual */
    }
    return adze_onnx_write(module, path, &options);
}

bool adze_write_simplified(adze_work *work, const adze_common *common, const adze_onnx_flags *flags,
                           adze_module *module, const char *path)
{
    adze_common wanted = *common;
    if (!wanted.passes && wanted.level > 0) wanted.passes = "simplify";
    if (wanted.passes && !adze_work_lower(work, &wanted, module, false)) return false;
    return adze_write_onnx(flags, module, path);
}
