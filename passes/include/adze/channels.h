/* Groups of channels: what can be removed from a model so that its tensors really shrink.
 *
 * A *unit* is what goes as a whole: a channel of a convolution with its filter and all that reads it, a neuron, an
 * attention head with its rows of q, k and v and its columns of o. Units of a *group* are alike: they stand at the
 * same axes of the same values. Axes that are tied by additions, concatenations, slices, reshapes or groups of
 * convolutions share their units. What inputs, outputs, windows, normalisations and ops that are not understood need
 * whole is frozen, and the reason is kept.
 *
 * Groups are of main as it was when they were found; they are gone when it changes. Functions that fail report to the
 * context.
 */
#ifndef ADZE_CHANNELS_H
#define ADZE_CHANNELS_H

#include <adze/compress.h>
#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_channels adze_channels;

typedef enum adze_channel_role {
    ADZE_CHANNEL_OTHER,    /* a bias, a scale, … */
    ADZE_CHANNEL_PRODUCER, /* weights of a contraction that gives the unit: rows */
    ADZE_CHANNEL_CONSUMER  /* weights of a contraction that sums over the unit: columns */
} adze_channel_role;

/* Where units stand in a constant. */
typedef struct adze_channel_member {
    adze_const *constant;
    adze_op *op; /* the first that reads it */
    adze_channel_role role;
    uint32_t axis;
    uint32_t per_unit;       /* elements of the axis */
    const uint32_t *indices; /* [units][per_unit] */
} adze_channel_member;

typedef struct adze_channel_group {
    const char *name;    /* of the first layer that gives the units; unique; what plans call the group */
    uint32_t units;
    uint32_t unit_size;  /* channels of a unit in that layer: 1, of a head its dims */
    uint32_t n_members;
    const adze_channel_member *members;
    uint64_t macs, bytes; /* that go with one unit where all others stay; symbolic dims count as 1 */
} adze_channel_group;

/* An axis of weights that has elements which cannot go. */
typedef struct adze_channel_frozen {
    const char *name;   /* of the layer */
    uint32_t axis;      /* of its weights */
    uint32_t count;     /* elements that cannot go */
    uint32_t extent;    /* elements of the axis */
    const char *reason;
} adze_channel_frozen;

/* NULL after an error. The module must outlive the groups. */
ADZE_API adze_channels *adze_channels_find(const adze_module *module);
ADZE_API void adze_channels_free(adze_channels *channels); /* NULL is allowed */
ADZE_API uint32_t adze_channels_count(const adze_channels *channels);
ADZE_API const adze_channel_group *adze_channels_group(const adze_channels *channels, uint32_t index);
/* The index of the group of that name; -1 = none. */
ADZE_API int64_t adze_channels_index(const adze_channels *channels, const char *name);
/* What a plan that lies at `path` keeps: units of each group, where it says so; others, and all with out_keep NULL, are
 * left. False after an error: there is no such group, or it cannot keep so many channels. */
ADZE_API bool adze_channels_read_plan(const adze_channels *channels, const adze_layer_plan *plan, const char *path,
                                      uint32_t *out_keep);
ADZE_API uint32_t adze_channels_num_frozen(const adze_channels *channels);
ADZE_API const adze_channel_frozen *adze_channels_frozen(const adze_channels *channels, uint32_t index);
/* A table of the groups, and of what is frozen and why. */
ADZE_API void adze_channels_print(const adze_channels *channels, adze_text *out);

/* What goes: one array a group, one bool a unit; NULL arrays = nothing of that group. */
typedef const bool *const *adze_channel_cut;
/* Multiply-accumulates of all contractions behind a cut (NULL = none); symbolic dims count as 1. */
ADZE_API uint64_t adze_channels_macs(const adze_channels *channels, adze_channel_cut cut);
/* Takes the units out of the module that the groups were found in: constants, types, parameters of ops. At least one
 * unit of each group stays. False after an error. The groups may only be freed behind it. */
ADZE_API bool adze_channels_remove(adze_channels *channels, adze_channel_cut cut);

#ifdef __cplusplus
}
#endif
#endif
