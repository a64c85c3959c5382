/* Data sets of `adze eval`: arrays named as a model's inputs, first axis = samples, and `labels`. */
#ifndef ADZE_DATASET_H
#define ADZE_DATASET_H

#include "feed.h"

typedef struct adze_dataset {
    const char *path;
    int64_t count; /* samples */
    uint32_t n_inputs;
    adze_array *inputs;    /* in the device's order */
    const adze_port *ports; /* the device's, borrowed */
    adze_array labels;      /* data NULL: none */
    adze_label_kind label_kind;
} adze_dataset;

/* Reads the arrays that the device's inputs name, at most `limit` samples of them (0 = all). Free either way. */
bool adze_dataset_open(adze_dataset *set, const adze_device *device, const char *path, int64_t limit);
/* The same without labels; `path` may be a folder of NAME.npy files. */
bool adze_dataset_open_inputs(adze_dataset *set, const adze_device *device, const char *path, int64_t limit);
/* `labels` of an .npz of `count` samples; a folder has none. Free the array either way. */
bool adze_dataset_read_labels(const adze_device *device, const char *path, int64_t count, adze_array *out,
                              adze_label_kind *out_kind);
void adze_dataset_free(adze_dataset *set);
/* Samples that one run takes: the inputs' fixed first dim; `wanted` where that is symbolic (0 = 1). 0 after an
 * error: the inputs disagree, or the arrays do not fit them. */
int64_t adze_dataset_batch(const adze_dataset *set, adze_work *work, int64_t wanted);
/* Input values of samples first … first + batch - 1, borrowed; what is past the end repeats the last sample.
 * `values` has n_inputs entries, `dims` ADZE_MAX_RANK for each, `room` NULL or buffers that calls share. */
bool adze_dataset_batch_values(const adze_dataset *set, int64_t first, int64_t batch, adze_value *values,
                               int64_t (*dims)[ADZE_MAX_RANK], void **room);
/* Sample `index` along the leading axis, which goes; borrowed. */
adze_value adze_slice(const adze_value *all, int64_t index);

#endif
