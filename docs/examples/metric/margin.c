/* margin: a metric, by how much the right class's score is above the best other one; and a sensitivity, how large a
 * weight is among those of its output. */
#include <adze/plugin.h>

#include <math.h>

/* ---- The metric ---- */

typedef struct sums { /* zero before the first sample */
    double margins;
    uint64_t samples;
} sums;

static bool add(void *state, const adze_sample *sample, const char **out_why)
{
    sums *all = state;
    const adze_value *scores = &sample->outputs[0];
    uint64_t n = adze_value_count(scores), right = (uint64_t)adze_value_int(sample->label, 0);
    *out_why = "the label is no single class of the first output";
    if (adze_value_count(sample->label) != 1 || right >= n || n < 2) return false;
    double best = -INFINITY;
    for (uint64_t i = 0; i < n; i++)
        if (i != right) best = fmax(best, adze_value_real(scores, i));
    all->margins += adze_value_real(scores, right) - best;
    all->samples++;
    return true;
}

static double value(const void *state)
{
    const sums *all = state;
    return all->samples ? all->margins / (double)all->samples : NAN;
}

static const adze_metric margin = {
    .struct_size = sizeof(adze_metric),
    .labels = 1 << ADZE_LABEL_CLASSES,
    .name = "margin",
    .unit = "",
    .help = "mean distance of the right class's score to the best other one",
    .digits = 3,
    .state_size = sizeof(sums),
    .add = add,
    .value = value,
};

/* ---- The sensitivity ---- */

/* |w| by the root mean square of the weights with the same first index: outputs of a convolution may differ in scale,
 * and what follows often undoes that. */
static bool score(const adze_sensitivity_query *query, double *out, const char **out_why)
{
    const adze_value *w = query->weight;
    uint64_t outputs = w->rank > 1 ? (uint64_t)w->dims[0] : 1, n = adze_value_count(w) / outputs;
    *out_why = "a weight is not finite";
    for (uint64_t o = 0; o < outputs; o++) {
        double squares = 0;
        for (uint64_t i = o * n; i < (o + 1) * n; i++) squares += pow(adze_value_real(w, i), 2);
        if (!isfinite(squares)) return false;
        double scale = squares > 0 ? sqrt(squares / (double)n) : 1;
        for (uint64_t i = o * n; i < (o + 1) * n; i++) out[i] = fabs(adze_value_real(w, i)) / scale;
    }
    return true;
}

static const adze_sensitivity relative = {
    .struct_size = sizeof(adze_sensitivity),
    .name = "relative",
    .help = "size of the weight among those of its output",
    .score = score,
};

static const adze_metric *const metrics[] = {&margin, NULL};
static const adze_sensitivity *const sensitivities[] = {&relative, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "margin",
    .version = "1",
    .metrics = metrics,
    .sensitivities = sensitivities,
};
