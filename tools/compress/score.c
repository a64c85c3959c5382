/* What adze compress measures models by: one metric, over all samples and for each. */
#include "compress.h"
#include "score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which metric ---- */

static const struct {
    const char *name;
    compress_loss_kind kind;
} kinds[] = {{"agreement", COMPRESS_SHARE}, {"top1", COMPRESS_POINTS},         {"top5", COMPRESS_POINTS},
             {"ap50", COMPRESS_POINTS},     {"cosine", COMPRESS_REST},         {"snr", COMPRESS_NOISE},
             {"perplexity", COMPRESS_RELATIVE}, {"entropy", COMPRESS_DIFFERENCE}};

/* Without --metric: what the labels say, else agreement. */
static const char *usual(const compress_job *job)
{
    const adze_array *labels = &job->samples.labels;
    if (job->samples.label_kind == ADZE_LABEL_BOXES) return "ap50";
    if (job->samples.label_kind != ADZE_LABEL_CLASSES) return "agreement";
    return labels->rank > 1 ? "perplexity" : "top1";
}

int compress_metric_choose(compress_job *job)
{
    const char *name = job->options->metric ? job->options->metric : usual(job);
    size_t i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && strcmp(kinds[i].name, name) != 0) i++;
    if (i == n)
        return adze_usage_error(
            "--metric=%s: losses are measured by agreement, top1, top5, ap50, cosine, snr, perplexity "
            "or entropy",
            name);
    const adze_metric *metric = adze_registry_find_metric(job->work->registry, name, strlen(name));
    job->metric = (compress_metric){metric, kinds[i].kind};
    if (metric && (!metric->labels || (metric->labels & 1U << job->samples.label_kind))) return 0;
    adze_error(adze_loc_unknown(job->work->context), "%s: the data set has no labels of the kind that %s takes",
               job->options->data ? job->options->data : job->options->common.calib, name);
    return 1;
}

double compress_loss_of(compress_loss_kind kind, double value, double original)
{
    switch (kind) {
    case COMPRESS_SHARE: return 1 - value / 100;
    case COMPRESS_POINTS: return (original - value) / 100;
    case COMPRESS_REST: return 1 - value;
    case COMPRESS_NOISE: return pow(10, -value / 10);
    case COMPRESS_RELATIVE: return value / original - 1;
    case COMPRESS_DIFFERENCE: return value - original;
    }
    return NAN;
}

const char *compress_loss_text(const compress_job *job, double loss)
{
    bool own = job->metric.kind == COMPRESS_DIFFERENCE;
    const char *unit = job->metric.metric->unit;
    return own ? adze_internf(job->work->context, "%.4g%s%s", loss, *unit ? " " : "", unit)
               : adze_internf(job->work->context, "%.4g%%", 100 * loss);
}

/* ---- Scoring ---- */

void compress_score_free(compress_score *score)
{
    free(score->each);
    *score = (compress_score){0};
}

void compress_score_add(compress_score *score, double value)
{
    if (score->n == score->capacity) {
        score->capacity = score->capacity ? 2 * score->capacity : 64;
        score->each = adze_realloc(score->each, score->capacity * sizeof *score->each);
    }
    score->each[score->n++] = value;
}

bool compress_scorer_begin(compress_scorer *scorer, compress_job *job, const adze_metric *metric, compress_score *out)
{
    *out = (compress_score){0};
    *scorer = (compress_scorer){.job = job, .metric = metric, .out = out};
    scorer->all = calloc(1, metric->state_size + 1u);
    scorer->one = calloc(1, metric->state_size + 1u);
    return (scorer->all && scorer->one) || adze_error(adze_loc_unknown(job->work->context), "out of memory");
}

void compress_scorer_end(compress_scorer *scorer)
{
    if (scorer->all) scorer->out->value = scorer->metric->value(scorer->all);
    if (scorer->all && scorer->metric->clear) scorer->metric->clear(scorer->all);
    free(scorer->all);
    free(scorer->one);
}

static bool add_sample(compress_scorer *scorer, const adze_sample *sample, int64_t number)
{
    const adze_metric *m = scorer->metric;
    const char *why = "";
    memset(scorer->one, 0, m->state_size);
    bool ok = m->add(scorer->all, sample, &why) && m->add(scorer->one, sample, &why);
    if (ok) compress_score_add(scorer->out, m->value(scorer->one));
    if (m->clear) m->clear(scorer->one);
    return ok || adze_error(adze_loc_unknown(scorer->job->work->context), "%s: sample %lld: %s: %s", m->name,
                            (long long)number, why, "choose another --metric");
}

/* Sample `index` of a batch, of tensors with an axis of samples. */
static bool cut(const compress_job *job, const adze_value *all, uint32_t n, int64_t index, int64_t batch,
                adze_value *out)
{
    for (uint32_t k = 0; k < n; k++) {
        bool tensor = all[k].kind == ADZE_VALUE_TENSOR && adze_dtype_is_number((adze_dtype)all[k].dtype);
        bool leading = tensor && all[k].rank && all[k].dims[0] == batch;
        if (!tensor || (batch > 1 && !leading))
            return adze_error(adze_loc_unknown(job->work->context),
                              "%s: output '%s' is no tensor of numbers with an axis of samples", job->input,
                              job->original.outputs[k].name);
        out[k] = leading ? adze_slice(&all[k], index) : all[k];
    }
    return true;
}

bool compress_scorer_add(compress_scorer *scorer, uint64_t run, const adze_value *results, const adze_value *others)
{
    compress_job *job = scorer->job;
    const adze_calibration_files *files = job->samples.held_files;
    uint32_t n = job->original.n_outputs;
    int64_t batch = files->batch ? files->batch : 1, first = (int64_t)job->samples.held.runs[run] * batch;
    adze_value *room = adze_malloc((2 * n + 1u) * sizeof *room), label;
    bool ok = true;
    for (int64_t i = 0; ok && i < batch && (files->files || first + i < files->set.count); i++) {
        adze_sample sample = {.n_outputs = n, .outputs = room};
        ok = cut(job, results, n, i, batch, room) && (!others || cut(job, others, n, i, batch, room + n));
        if (others) sample.others = room + n;
        if (job->samples.label_kind && scorer->metric->labels) {
            adze_value all = adze_array_value(&job->samples.labels);
            label = adze_slice(&all, first + i);
            sample.label = &label;
            sample.label_kind = job->samples.label_kind;
        }
        ok = ok && add_sample(scorer, &sample, first + i);
    }
    free(room);
    return ok;
}

/* ---- Intervals ---- */

static bool is_share(const compress_score *score)
{
    for (uint32_t i = 0; i < score->n; i++)
        if (score->each[i] != 0 && score->each[i] != 100) return false;
    return true;
}

/* Wilson, "Probable inference", 1927. */
static void wilson(const compress_score *score, double *out_low, double *out_high)
{
    static const double z = 1.959964;
    double n = score->n, p = score->value / 100, square = z * z;
    double middle = (p + square / (2 * n)) / (1 + square / n);
    double half = z / (1 + square / n) * sqrt(p * (1 - p) / n + square / (4 * n * n));
    *out_low = 100 * fmax(0, middle - half);
    *out_high = 100 * fmin(1, middle + half);
}

/* Answers that became wrong and right; n + 2 pairs with half a one more of each. */
static void paired_shares(const compress_score *is, const compress_score *was, double *out_low, double *out_high)
{
    static const double z = 1.959964;
    double n = is->n + 2.0, gained = 0.5, lost = 0.5;
    for (uint32_t i = 0; i < is->n; i++) {
        gained += is->each[i] > was->each[i];
        lost += is->each[i] < was->each[i];
    }
    double middle = (gained - lost) / n, half = z * sqrt(gained + lost - (gained - lost) * (gained - lost) / n) / n;
    *out_low = 100 * (middle - half);
    *out_high = 100 * (middle + half);
}

void compress_interval(const compress_job *job, const compress_score *is, const compress_score *was, double *out_low,
                       double *out_high)
{
    static const double z = 1.959964;
    double mean = 0, square = 0, n = is->n;
    *out_low = *out_high = NAN;
    bool is_mean = strcmp(job->metric.metric->name, "ap50") && strcmp(job->metric.metric->name, "perplexity");
    if (!is->n || !is_mean || (was && was->n != is->n)) return;
    if (is_share(is) && (!was || is_share(was))) {
        if (was)
            paired_shares(is, was, out_low, out_high);
        else
            wilson(is, out_low, out_high);
        return;
    }
    for (uint32_t i = 0; i < is->n; i++) mean += (is->each[i] - (was ? was->each[i] : 0)) / n;
    for (uint32_t i = 0; i < is->n; i++) {
        double off = is->each[i] - (was ? was->each[i] : 0) - mean;
        square += off * off;
    }
    double half = is->n > 1 ? z * sqrt(square / (n - 1) / n) : INFINITY;
    *out_low = mean - half;
    *out_high = mean + half;
}
