/* What a format adds to the file beside weights: nodes of a model, code of an artifact.
 *
 * Sizes of files have bounds, the dynamic program adds up weights; in small models the rest is no small part. So the
 * model is written once with all layers in each format, and what its file is larger by than its weights say is shared
 * evenly by the layers. A structure together with a way to store it adds what both do.
 */
#include "compress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the file with all layers in a format that take it, and how many do; 0 bytes where passes refuse that. */
static bool measure(compress_job *job, uint32_t format, uint64_t *out_weights, uint64_t *out_bytes, uint32_t *out_n)
{
    uint32_t *chosen = adze_malloc((job->n_layers + 1u) * sizeof *chosen);
    memset(chosen, 0, (job->n_layers + 1u) * sizeof *chosen);
    *out_bytes = *out_n = 0;
    for (uint32_t i = 0; i < job->n_layers; i++) {
        if (job->reasons[(size_t)i * job->n_formats + format]) continue;
        chosen[i] = format;
        ++*out_n;
    }
    const char *why = NULL;
    adze_layer_plan *plan = compress_plan_of(job, chosen);
    bool ok = !*out_n || compress_written_bytes(job, plan, out_bytes, &why);
    *out_weights = compress_weight_bytes(job, chosen);
    adze_layer_plan_destroy(plan);
    free(chosen);
    return ok || why;
}

/* Against the file of all layers in floats: what changes beside layers, as tables do, is in both. */
static bool measure_overhead(compress_job *job, uint32_t format, double *out)
{
    uint64_t weights, bytes;
    uint32_t n;
    if (!measure(job, format, &weights, &bytes, &n)) return false;
    double grown = (double)bytes - (double)job->float_bytes;
    if (bytes) *out = (grown - ((double)weights - (double)job->original_weight_bytes)) / n;
    return true;
}

static bool is_together(adze_format f) { return f.structure != ADZE_DENSE && f.kind != ADZE_FORMAT_FLOAT; }

/* Is `part` the structure or the storage of a format that is of both? */
static bool is_part(adze_format part, adze_format whole)
{
    adze_format structure = whole, storage = whole;
    structure.kind = part.kind, structure.bits = part.bits, structure.group = part.group, structure.brain = part.brain;
    storage.structure = part.structure, storage.percent = part.percent;
    storage.first = part.first, storage.second = part.second;
    bool first = part.structure != ADZE_DENSE && part.kind == ADZE_FORMAT_FLOAT;
    bool second = part.structure == ADZE_DENSE && part.kind != ADZE_FORMAT_FLOAT;
    return (first && adze_format_equal(part, structure)) || (second && adze_format_equal(part, storage));
}

bool compress_measure_overheads(compress_job *job)
{
    uint64_t weights;
    uint32_t n;
    if (!compress_goals_find(&job->goals, COMPRESS_SIZE)) return true;
    adze_progress *bar = adze_progress_begin(job->work, "sizes of files");
    job->overheads = adze_malloc((job->n_formats + 1u) * sizeof *job->overheads);
    memset(job->overheads, 0, (job->n_formats + 1u) * sizeof *job->overheads);
    bool ok = measure(job, 0, &weights, &job->float_bytes, &n);
    bool alone = !compress_goals_find(&job->goals, COMPRESS_WEIGHTS); /* a bound on weights is in bytes of weights */
    for (uint32_t f = 1; ok && alone && f < job->n_formats; f++) {
        adze_progress_update(bar, (double)f / job->n_formats, NULL);
        if (!is_together(job->formats[f])) ok = !compress_stopped() && measure_overhead(job, f, &job->overheads[f]);
    }
    for (uint32_t f = 1; f < job->n_formats; f++)
        for (uint32_t part = 1; is_together(job->formats[f]) && part < job->n_formats; part++)
            if (is_part(job->formats[part], job->formats[f])) job->overheads[f] += job->overheads[part];
    adze_progress_end(bar);
    return ok;
}

double compress_file_bytes(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    double more = job->overheads ? job->overheads[format] : 0;
    return fmax((double)compress_bytes(job, level, layer, format) + more, 0);
}
