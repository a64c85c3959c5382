/* Calibration data from files: an .npz with an array for each input, or a folder of .npy files. */
#ifndef ADZE_CALIBRATION_FILES_H
#define ADZE_CALIBRATION_FILES_H

#include "dataset.h"

#include <adze/engine.h>

typedef struct adze_calibration_files {
    adze_calibration view; /* to hand out */
    adze_device device;    /* describes the model's inputs; runs nothing */
    adze_dataset set;
    int64_t batch;
    bool any_batch; /* the last run may take fewer */
    adze_value *values;
    int64_t (*dims)[ADZE_MAX_RANK];
    void **buffers;
    char **files; /* one a sample, of a model with one input; else NULL */
    uint32_t n_files;
} adze_calibration_files;

/* Opens `path` for main of `module`, which came from `model`; both are borrowed. `limit` = samples at most, 0 = all;
 * `batch` as in adze_dataset_batch, at most all samples; the last run takes those that are left over, but where the
 * model fixes how many a run takes they stay out with a warning, unless they are all there are. A folder holds NAME.npy
 * for each input, samples along the first axis; or, for a model with one input, a file for each sample, in the order of
 * their names, which are read one by one. Close either way. */
bool adze_calibration_open(adze_calibration_files *files, adze_work *work, const adze_module *module, const char *model,
                           const char *path, int64_t limit, int64_t batch);
/* The same for passes: what --calib names, all of it, or nothing. */
bool adze_calibration_open_for(adze_calibration_files *files, adze_work *work, const adze_common *common,
                               const adze_module *module);
/* What passes are handed; NULL where nothing is open. */
const adze_calibration *adze_calibration_get(const adze_calibration_files *files);
void adze_calibration_close(adze_calibration_files *files);

#endif
