/* Times of single steps, with what they are and what they do. */
#include "internal.h"
#include <string.h>

adze_status adze_session_set_profile(adze_session *s, bool on)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    if (on) memset(s->times, 0, s->model->artifact->n_steps * sizeof *s->times);
    s->is_profiled = on;
    return ADZE_OK;
}

adze_status adze_session_profile(adze_session *s, uint32_t index, adze_step_profile *out_profile)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    const adze_artifact *a = s->model->artifact;
    if (index >= a->n_steps || !out_profile || !s->is_bound)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "profile: no step %u, or nothing is bound",
                            index);
    const adze_artifact_step *step = &a->steps[index];
    const step_times *t = &s->times[index];
    *out_profile = (adze_step_profile){
        .name = step->name,
        .nodes = step->nodes ? step->nodes : "",
        .flags = step->flags,
        .macs = step->macs == UINT32_MAX ? -1 : s->dims[step->macs],
        .bytes = step->bytes == UINT32_MAX ? -1 : s->dims[step->bytes],
        .runs = t->runs,
        .last_ns = t->last_ns,
        .min_ns = t->min_ns,
        .total_ns = t->total_ns,
    };
    return ADZE_OK;
}
