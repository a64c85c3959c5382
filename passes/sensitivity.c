/* Built-in sensitivities. */
#include "passes/builtin.h"

#include <math.h>

/* |w|: what small weights add to a sum is small (LeCun et al., Optimal Brain Damage, 1990, their baseline). */
static bool magnitude(const adze_sensitivity_query *query, double *out_scores, const char **out_why)
{
    (void)out_why;
    uint64_t n = adze_value_count(query->weight);
    for (uint64_t i = 0; i < n; i++) out_scores[i] = fabs(adze_value_real(query->weight, i));
    return true;
}

static const adze_sensitivity by_magnitude = {
    .struct_size = sizeof(adze_sensitivity),
    .name = "magnitude",
    .help = "absolute value of the weight",
    .score = magnitude,
};

const adze_sensitivity *const adze_builtin_sensitivities[] = {&by_magnitude, NULL};
