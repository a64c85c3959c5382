/* How many units of each group stay: steps of least loss for the multiply-accumulates that they save, until enough is
 * saved. */
#include "passes/prune/channels/prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AHEAD = 3, SMALL = 8 };

bool prune_may_keep(const pruner *p, uint32_t group, uint32_t keep)
{
    const adze_channel_group *g = adze_channels_group(p->channels, group);
    uint64_t channels = (uint64_t)keep * g->unit_size;
    if (keep == g->units) return true;
    if (!keep || keep > g->units || keep < p->curves[group].fewest) return false;
    return channels % p->multiple == 0 || (p->multiple > SMALL && channels == SMALL);
}

uint32_t prune_lower(const pruner *p, uint32_t group, uint32_t keep)
{
    while (keep > 1)
        if (prune_may_keep(p, group, --keep)) return keep;
    return 0;
}

double prune_loss(const pruner *p, uint32_t group, uint32_t keep)
{
    uint32_t gone = adze_channels_group(p->channels, group)->units - keep;
    return gone ? p->curves[group].scale * p->curves[group].loss[gone - 1] : 0;
}

static void set_cut(pruner *p, uint32_t group)
{
    const adze_channel_group *g = adze_channels_group(p->channels, group);
    memset(p->cut[group], 0, g->units);
    for (uint32_t k = 0; k < g->units - p->keep[group]; k++) p->cut[group][p->curves[group].order[k]] = true;
}

void prune_apply_keep(pruner *p)
{
    for (uint32_t i = 0; i < p->n; i++) set_cut(p, i);
}

static uint64_t macs_now(const pruner *p)
{
    return adze_channels_macs(p->channels, (adze_channel_cut)p->cut);
}

static uint64_t macs_with(pruner *p, uint32_t group, uint32_t keep)
{
    uint32_t was = p->keep[group];
    p->keep[group] = keep;
    set_cut(p, group);
    uint64_t macs = macs_now(p);
    p->keep[group] = was;
    set_cut(p, group);
    return macs;
}

/* The step that costs least for what it saves; false: there is none. */
static bool best_step(pruner *p, uint64_t now, const bool *fixed, uint32_t *out_group, uint32_t *out_keep)
{
    double least = INFINITY;
    bool found = false;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t keep = p->keep[i];
        for (int ahead = 0; ahead < LOOK_AHEAD && !(fixed && fixed[i]); ahead++) {
            keep = prune_lower(p, i, keep);
            if (!keep) break;
            uint64_t then = macs_with(p, i, keep);
            if (then >= now) continue;
            double ratio = (prune_loss(p, i, keep) - prune_loss(p, i, p->keep[i])) / (double)(now - then);
            if (!(ratio < least)) continue;
            least = ratio;
            found = true;
            *out_group = i, *out_keep = keep;
        }
    }
    return found;
}

/* Takes back what is not needed for the bound: the dearest that fits first. */
static void take_back(pruner *p, uint64_t most, const bool *fixed)
{
    for (;;) {
        double best = 0;
        uint32_t group = p->n, to = 0;
        for (uint32_t i = 0; i < p->n; i++) {
            uint32_t up = p->keep[i] + 1, units = adze_channels_group(p->channels, i)->units;
            while (up < units && !prune_may_keep(p, i, up)) up++;
            if ((fixed && fixed[i]) || p->keep[i] == units) continue;
            double gain = prune_loss(p, i, p->keep[i]) - prune_loss(p, i, up);
            if (gain > best && macs_with(p, i, up) <= most) best = gain, group = i, to = up;
        }
        if (group == p->n) return;
        p->keep[group] = to;
        set_cut(p, group);
    }
}

bool prune_allocate(pruner *p, double rate, const bool *fixed)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!fixed || !fixed[i]) p->keep[i] = adze_channels_group(p->channels, i)->units;
    prune_apply_keep(p);
    uint64_t all = adze_channels_macs(p->channels, NULL), now = macs_now(p);
    uint64_t most = (uint64_t)floor((double)all * (1 - rate) + 1e-6);
    while (now > most) {
        uint32_t group, keep;
        bool any = best_step(p, now, fixed, &group, &keep);
        if (!any && p->at_most) return true;
        if (!any)
            return adze_error(adze_loc_unknown(p->run->context),
                              "prune-channels: a rate of %g is out of reach: with max-rate=%g and multiple=%u at most "
                              "%.3f of the multiply-accumulates can go",
                              rate, p->cap, p->multiple, 1 - (double)now / (double)all);
        p->keep[group] = keep;
        set_cut(p, group);
        now = macs_now(p);
    }
    take_back(p, most, fixed);
    return true;
}
