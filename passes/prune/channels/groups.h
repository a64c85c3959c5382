/* What adze_channels holds. */
#ifndef ADZE_PRUNE_GROUPS_H
#define ADZE_PRUNE_GROUPS_H

#include "passes/prune/channels/dims.h"

#include <adze/channels.h>

/* A contraction's multiply-accumulates: the product of these axes' extents, and of those that are not constant. */
typedef struct channels_work {
    uint32_t n;
    const dims_value *value[ADZE_MAX_AXES];
    uint32_t axis[ADZE_MAX_AXES];
    uint64_t rest;
} channels_work;

struct adze_channels {
    dims_graph graph;
    const adze_module *module;
    adze_channel_group *groups;
    uint32_t n_groups, groups_capacity;
    uint32_t **roots; /* of each group: the classes of its units */
    uint32_t roots_capacity;
    adze_channel_frozen *frozen;
    uint32_t n_frozen, frozen_capacity;
    channels_work *work;
    uint32_t n_work, work_capacity;
};

/* One byte a slot of the graph, set at the roots of what goes; free it. */
uint8_t *channels_gone(const adze_channels *channels, adze_channel_cut cut);
/* Elements of an axis that stay. */
uint32_t channels_left(const adze_channels *channels, const uint8_t *gone, const dims_value *v, uint32_t axis);

#endif
