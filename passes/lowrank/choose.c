/* Forms of factors and what they cost. */
#include "passes/lowrank/lowrank.h"

const char *lowrank_form_name(lowrank_form form)
{
    static const char *const names[LOWRANK_FORMS] = {"matrix", "tucker", "spatial"};
    return names[form];
}

lowrank_shape lowrank_dense(const lowrank_site *site)
{
    double n = (double)site->rows * (double)site->cols;
    return (lowrank_shape){.numbers = n, .work = n};
}

bool lowrank_has_form(const lowrank_site *site, lowrank_form form, const char **why)
{
    if (form == LOWRANK_MATRIX) return true;
    *why = form == LOWRANK_TUCKER ? "tucker is for windows of more than one element"
                                  : "spatial is for windows that are wide and high";
    if (!site->window || site->n > 1) return false;
    if (form == LOWRANK_SPATIAL) return site->spatial == 2 && site->kernel[0] > 1 && site->kernel[1] > 1;
    return site->members[0].taps > 1;
}

lowrank_shape lowrank_shape_of(const lowrank_site *site, lowrank_form form, size_t rank, size_t out, size_t in)
{
    lowrank_shape s = {.form = form, .rank = rank, .out = out, .in = in};
    double rows = (double)site->rows, cols = (double)site->cols, channels = (double)site->members[0].channels;
    double taps = (double)site->members[0].taps, r = (double)rank, o = (double)out, i = (double)in, positions = 1;
    for (uint32_t k = 0; k < site->spatial; k++) positions *= (double)site->stride[k]; /* of the input, for a result */
    if (form == LOWRANK_MATRIX) s.numbers = s.work = r * (rows + cols);
    if (form == LOWRANK_TUCKER) {
        s.numbers = i * channels + i * o * taps + o * rows;
        s.work = i * channels * positions + i * o * taps + o * rows;
    }
    if (form == LOWRANK_SPATIAL) {
        double high = (double)site->kernel[0], wide = (double)site->kernel[1];
        s.numbers = r * (channels * high + rows * wide);
        s.work = r * (channels * high * (double)site->stride[1] + rows * wide);
    }
    return s;
}

size_t lowrank_round(size_t rank, size_t multiple, bool up)
{
    size_t half = multiple / 2;
    if (multiple < 2) return rank;
    if (up && half && rank <= half) return half;
    if (up) return (rank + multiple - 1) / multiple * multiple;
    if (rank >= multiple) return rank - rank % multiple;
    return half && rank >= half ? half : 0;
}
