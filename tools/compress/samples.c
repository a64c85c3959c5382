/* Samples of adze compress: those to calibrate on, and those held back to measure on. */
#include "compress.h"

#include <adze/table.h>

#include <stdlib.h>
#include <string.h>

static bool fail(const adze_work *work, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(work->context), "%s: %s", path, what);
}

static bool part_sample(void *self, uint64_t index, adze_value *out_inputs)
{
    const compress_part *part = self;
    return part->all->sample(part->all->self, part->runs[index], out_inputs);
}

static int rising(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Takes over `runs`. */
static void make_part(compress_part *part, const adze_calibration *all, uint64_t *runs, uint64_t count)
{
    qsort(runs, count, sizeof *runs, rising);
    part->all = all;
    part->runs = runs;
    part->view = *all;
    part->view.count = count;
    part->view.self = part;
    part->view.sample = part_sample;
    part->view.fingerprint =
        adze_hash_mix(all->fingerprint, adze_hash_bytes(runs, count * sizeof *runs));
}

/* Numbers from 0 to n - 1 in an order that the seed gives (Fisher and Yates). */
static uint64_t *shuffled(uint64_t n, uint64_t seed)
{
    uint64_t *order = adze_malloc((n + 1) * sizeof *order), state = seed * 2 + 1;
    for (uint64_t i = 0; i < n; i++) order[i] = i;
    for (uint64_t i = n; i > 1; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t k = (state >> 33) % i, last = order[i - 1];
        order[i - 1] = order[k];
        order[k] = last;
    }
    return order;
}

static uint64_t *copy_of(const uint64_t *numbers, uint64_t n)
{
    uint64_t *copy = adze_malloc((n + 1) * sizeof *copy);
    memcpy(copy, numbers, n * sizeof *copy);
    return copy;
}

/* Cuts one data set in two. */
static bool split(compress_samples *s, adze_work *work, const compress_options *o)
{
    enum { DEFAULT_SAMPLES = 100 };
    const adze_calibration *all = &s->files.view;
    uint64_t n = all->count, wanted = o->samples                ? (uint64_t)o->samples
                                      : n / 2 < DEFAULT_SAMPLES ? n / 2
                                                                : DEFAULT_SAMPLES;
    if (o->samples && wanted >= n && n > 1)
        return adze_error(adze_loc_unknown(work->context),
                          "%s: --samples=%lld leaves none of the %llu runs to measure on", o->common.calib,
                          (long long)o->samples, (unsigned long long)n);
    if (n == 1) {
        adze_warning(adze_loc_unknown(work->context),
                     "%s: there is one run; it serves to calibrate and to measure, so losses say little",
                     o->common.calib);
        wanted = 1;
    }
    uint64_t *order = shuffled(n, (uint64_t)o->seed), held = n == 1 ? 1 : n - wanted;
    if (o->limit && held > (uint64_t)o->limit) held = (uint64_t)o->limit;
    make_part(&s->calibration, all, copy_of(order, wanted), wanted);
    make_part(&s->held, all, copy_of(n == 1 ? order : order + wanted, held), held);
    free(order);
    return true;
}

/* All of --data is held back. */
static bool take_both(compress_samples *s, const compress_options *o)
{
    const adze_calibration *all = &s->files.view, *other = &s->other.view;
    uint64_t n = o->samples && (uint64_t)o->samples < all->count ? (uint64_t)o->samples : all->count;
    uint64_t held = o->limit && (uint64_t)o->limit < other->count ? (uint64_t)o->limit : other->count;
    uint64_t *order = shuffled(all->count, (uint64_t)o->seed), *others = shuffled(other->count, (uint64_t)o->seed);
    make_part(&s->calibration, all, order, n);
    make_part(&s->held, other, others, held);
    return true;
}

bool compress_samples_open(compress_samples *samples, adze_work *work, const compress_options *options,
                           const adze_module *module, const char *model)
{
    *samples = (compress_samples){0};
    const char *path = options->data ? options->data : options->common.calib;
    if (!adze_calibration_open(&samples->files, work, module, model, options->common.calib, 0, 0)) return false;
    if (options->data && !adze_calibration_open(&samples->other, work, module, model, options->data, 0, 0))
        return false;
    samples->held_files = options->data ? &samples->other : &samples->files;
    bool ok = adze_dataset_read_labels(&samples->held_files->device, path, samples->held_files->set.count,
                                       &samples->labels, &samples->label_kind);
    if (ok) ok = options->data ? take_both(samples, options) : split(samples, work, options);
    return ok && (samples->held.view.count || fail(work, path, "there are no samples to measure on"));
}

void compress_samples_free(compress_samples *samples)
{
    free(samples->calibration.runs);
    free(samples->held.runs);
    adze_array_free(&samples->labels);
    adze_calibration_close(&samples->files);
    adze_calibration_close(&samples->other);
    *samples = (compress_samples){0};
}
