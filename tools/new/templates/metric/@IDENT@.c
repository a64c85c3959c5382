/* @NAME@: a metric, the mean absolute difference of the first output to labels of the same shape. */
#include <adze/plugin.h>

#include <math.h>

typedef struct sums { /* zero before the first sample */
    double sum;
    uint64_t count;
} sums;

static bool add(void *state, const adze_sample *sample, const char **out_why)
{
    sums *all = state;
    uint64_t n = adze_value_count(&sample->outputs[0]);
    *out_why = "the label has another size than the first output";
    if (adze_value_count(sample->label) != n) return false;
    for (uint64_t i = 0; i < n; i++)
        all->sum += fabs(adze_value_real(&sample->outputs[0], i) - adze_value_real(sample->label, i));
    all->count += n;
    return true;
}

static double value(const void *state)
{
    const sums *all = state;
    return all->count ? all->sum / (double)all->count : NAN;
}

static const adze_metric metric = {
    .struct_size = sizeof(adze_metric),
    .labels = 1 << ADZE_LABEL_IMAGE, /* floats */
    .name = "@NAME@",
    .unit = "",
    .help = "mean absolute difference to the labels",
    .lower_is_better = true,
    .digits = 4,
    .state_size = sizeof(sums),
    .add = add,
    .value = value,
};

static const adze_metric *const metrics[] = {&metric, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "@NAME@",
    .version = "1",
    .metrics = metrics,
};
