/* Formats that layers may have: what the flag names, and structures together with ways to store them.
 *
 * Structures and ways to store are measured each on its own. Together, errors and losses add up (the noise of one does
 * not know that of the other), and times are the structure's, times what storing saved of the dense layer's.
 */
#include "compress.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- The list ---- */

/* What artifacts hold as it is; the rest would be floats in them. */
static bool can_be_written(const char *output, adze_format format)
{
    enum { CODES = 8 }; /* a group of 4-bit codes is a multiple of so many */
    if (!adze_has_suffix(output, ".so")) return true;
    if (format.kind == ADZE_FORMAT_CAST) adze_usage_error("%s: f16 and bf16 are for .onnx and .adz", output);
    bool odd = format.kind != ADZE_FORMAT_CAST && format.bits <= 4 && format.group % CODES;
    if (odd) adze_usage_error("%s: groups of 4-bit weights are multiples of %d in a .so", output, CODES);
    return format.kind != ADZE_FORMAT_CAST && !odd;
}

bool compress_add_format(compress_job *job, adze_format format, uint32_t *out_index)
{
    for (uint32_t i = 0; i < job->n_formats; i++)
        if (adze_format_equal(job->formats[i], format)) return *out_index = i, true;
    if (!can_be_written(job->options->output, format)) return false;
    if (job->n_formats == job->formats_capacity) {
        job->formats_capacity = 2 * job->formats_capacity + 16;
        job->formats = adze_realloc(job->formats, job->formats_capacity * sizeof *job->formats);
    }
    *out_index = job->n_formats;
    job->formats[job->n_formats++] = format;
    return true;
}

int compress_parse_formats(compress_job *job)
{
    const char *at = job->options->formats ? job->options->formats : COMPRESS_FORMATS;
    uint32_t index;
    compress_add_format(job, (adze_format){.kind = ADZE_FORMAT_FLOAT, .bits = 32}, &index);
    for (;; at++) {
        size_t size = strcspn(at, ",");
        adze_format format;
        if (!adze_format_find(at, size, &format))
            return adze_usage_error(
                "--formats: there is no format '%.*s'; there are f32, f16, bf16, and w2 to w8 with or "
                "without a8, a8-rows and gNUMBER; s50, s80b16x1, s2:4, r50%%, t50%% and v50%%",
                (int)size, at);
        if (format.structure != ADZE_DENSE && format.kind != ADZE_FORMAT_FLOAT)
            return adze_usage_error("--formats: %.*s is two formats, which the search puts together itself: name both",
                                    (int)size, at);
        if (!compress_add_format(job, format, &index)) return 2;
        if (job->n_formats > COMPRESS_MAX_FORMATS) return adze_usage_error("--formats names too many");
        at += size;
        if (!*at) return 0;
    }
}

const adze_layer *compress_layer_at(const compress_job *job, uint32_t level, uint32_t layer)
{
    return level ? &job->levels[level].layers[layer] : &job->layers[layer];
}

adze_format compress_format(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    adze_format concrete = job->formats[format];
    if (!adze_layer_concrete(compress_layer_at(job, level, layer), job->formats[format], &concrete))
        concrete.structure = ADZE_DENSE; /* too small now */
    return concrete;
}

bool compress_takes_at(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    const adze_layer *as = compress_layer_at(job, level, layer);
    adze_format stored = job->formats[format];
    if (!as->rows) return !format; /* dropped */
    if (level) stored = compress_format(job, level, layer, format);
    return adze_layer_takes(as, stored, adze_layer_settings_need_gram(&job->settings));
}

bool compress_takes(const compress_job *job, uint32_t layer, uint32_t format)
{
    return compress_takes_at(job, 0, layer, format);
}

/* ---- Together ---- */

typedef struct combination {
    uint32_t structure, storage;
} combination;

/* All structures with all ways to store; the caller frees them. */
static combination *list_combinations(const compress_job *job, uint32_t *out_count)
{
    combination *list = adze_malloc((size_t)job->n_formats * job->n_formats * sizeof *list);
    uint32_t n = 0;
    for (uint32_t s = 1; s < job->n_formats; s++)
        for (uint32_t q = 1; job->formats[s].structure != ADZE_DENSE && q < job->n_formats; q++)
            if (job->formats[q].structure == ADZE_DENSE) list[n++] = (combination){s, q};
    *out_count = n;
    return list;
}

static adze_format join(adze_format structure, adze_format storage)
{
    structure.kind = storage.kind;
    structure.bits = storage.bits;
    structure.group = storage.group;
    structure.brain = storage.brain;
    return structure;
}

/* A table [layers][was] as [layers][is], the new columns zero. */
static void *widen(void *table, size_t item, uint32_t layers, uint32_t was, uint32_t is)
{
    char *wide = adze_malloc((size_t)layers * is * item + 1);
    memset(wide, 0, (size_t)layers * is * item);
    for (uint32_t i = 0; i < layers; i++)
        memcpy(wide + (size_t)i * is * item, (char *)table + (size_t)i * was * item, was * item);
    free(table);
    return wide;
}

static void predict(compress_job *job, uint32_t layer, uint32_t format, combination of)
{
    size_t first = (size_t)layer * job->n_formats, at = first + format, s = first + of.structure,
           q = first + of.storage;
    if (!compress_takes(job, layer, format))
        job->reasons[at] = "the layer does not take it";
    else
        job->reasons[at] = job->reasons[s] ? job->reasons[s] : job->reasons[q];
    job->probes[at].measured = job->probes[s].measured && job->probes[q].measured;
    job->probes[at].error = job->probes[s].error + job->probes[q].error;
    job->losses[at] = job->losses[s] + job->losses[q];
    double dense = job->seconds[first];
    job->seconds[at] = dense > 0 ? job->seconds[s] * job->seconds[q] / dense : job->seconds[s];
}

void compress_combine(compress_job *job)
{
    uint32_t n, was = job->n_formats, index;
    combination *list = list_combinations(job, &n);
    for (uint32_t k = 0; k < n; k++)
        compress_add_format(job, join(job->formats[list[k].structure], job->formats[list[k].storage]), &index);
    uint32_t is = job->n_formats, layers = job->n_layers;
    job->probes = widen(job->probes, sizeof *job->probes, layers, was, is);
    job->losses = widen(job->losses, sizeof *job->losses, layers, was, is);
    job->seconds = widen(job->seconds, sizeof *job->seconds, layers, was, is);
    job->reasons = widen(job->reasons, sizeof *job->reasons, layers, was, is);
    for (uint32_t i = 0; i < layers; i++)
        for (uint32_t k = 0; k < n; k++) predict(job, i, was + k, list[k]);
    free(list);
}
