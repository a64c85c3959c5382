/* Reads calibration data (calibration.h). */
#include "calibration.h"

#include <adze/table.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool fail(const adze_device *device, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(device->work->context), "%s: %s", path, what);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* ---- Batches of arrays ---- */

static bool batch_sample(void *self, uint64_t index, adze_value *out_inputs)
{
    adze_calibration_files *f = self;
    int64_t first = (int64_t)index * f->batch, left = f->set.count - first;
    int64_t batch = f->any_batch && left < f->batch ? left : f->batch;
    if (!adze_dataset_batch_values(&f->set, first, batch, f->values, f->dims, f->buffers))
        return fail(&f->device, f->set.path, "out of memory");
    memcpy(out_inputs, f->values, f->set.n_inputs * sizeof *out_inputs);
    return true;
}

/* Of the first `count` samples. */
static uint64_t hash_array(uint64_t hash, const adze_array *a, int64_t count)
{
    hash = adze_hash_mix(hash, adze_hash_bytes(a->dims + 1, (a->rank - 1) * sizeof *a->dims));
    return adze_hash_mix(hash, adze_hash_bytes(a->data, a->bytes / (uint64_t)a->dims[0] * (uint64_t)count));
}

/* May a run take fewer samples than others? */
static bool takes_any_batch(const adze_dataset *set)
{
    bool any = set->n_inputs > 0;
    for (uint32_t i = 0; any && i < set->n_inputs; i++) {
        const adze_type *type = set->ports[i].type;
        int64_t n;
        any = !adze_type_is_ranked(type) || (adze_type_rank(type) && !adze_dim_is_const(adze_type_dim(type, 0), &n));
    }
    return any;
}

/* The last run has what is left over. Where the model fixes how many a run takes, that stays out, or, where it is
 * all there is, its last sample is repeated. */
static bool open_batches(adze_calibration_files *f, int64_t batch)
{
    f->any_batch = takes_any_batch(&f->set);
    f->batch = adze_dataset_batch(&f->set, f->device.work, batch < f->set.count ? batch : f->set.count);
    if (!f->batch) return false;
    int64_t runs = f->set.count / f->batch, left = f->set.count % f->batch;
    if (left && (f->any_batch || !runs))
        runs++;
    else if (left)
        adze_warning(adze_loc_unknown(f->device.work->context),
                     "%s: the last %lld samples stay out, as the model takes %lld a run", f->set.path, (long long)left,
                     (long long)f->batch);
    f->view.count = (uint64_t)runs;
    f->view.sample = batch_sample;
    f->view.fingerprint = adze_hash_mix((uint64_t)f->set.count, (uint64_t)f->batch);
    for (uint32_t i = 0; i < f->set.n_inputs; i++)
        f->view.fingerprint = hash_array(f->view.fingerprint, &f->set.inputs[i], f->set.count);
    return true;
}

/* ---- A file a sample ---- */

static bool file_sample(void *self, uint64_t index, adze_value *out_inputs)
{
    adze_calibration_files *f = self;
    const adze_port *port = &f->device.inputs[0];
    adze_array *a = &f->set.inputs[0];
    adze_io_error error = {""};
    adze_array_free(a);
    *a = (adze_array){0};
    if (adze_npy_read(f->files[index], a, &error))
        return adze_error(adze_loc_unknown(f->device.work->context), "%s", error.text);
    /* A sample may lack the axis that a model of single samples begins with. */
    if (adze_type_is_ranked(port->type) && a->rank + 1 == adze_type_rank(port->type)) {
        memmove(a->dims + 1, a->dims, a->rank * sizeof *a->dims);
        a->dims[0] = 1;
        a->rank++;
    }
    if (!adze_array_fit(f->device.work, a, port, f->files[index])) return false;
    out_inputs[0] = adze_array_value(a);
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* All .npy files of the folder, sorted. */
static bool list_files(adze_calibration_files *f, const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) return fail(&f->device, path, strerror(errno));
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(folder));) {
        if (!adze_has_suffix(e->d_name, ".npy")) continue;
        char *name = NULL, **more = realloc(f->files, (f->n_files + 1u) * sizeof *more);
        if (more) f->files = more;
        ok = more && asprintf(&name, "%s/%s", path, e->d_name) > 0;
        if (ok) f->files[f->n_files++] = name;
    }
    closedir(folder);
    if (!ok) return fail(&f->device, path, "out of memory");
    if (f->n_files) qsort(f->files, f->n_files, sizeof *f->files, by_name);
    return f->n_files || fail(&f->device, path, "there are no .npy files in this folder");
}

/* Files are told apart by their names, sizes and times: reading all of them would take as long as the run. */
static uint64_t hash_file(uint64_t hash, const char *path)
{
    struct stat info = {0};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (stat(path, &info)) return hash;
    hash = adze_hash_mix(hash, adze_hash_bytes(name, strlen(name)));
    hash = adze_hash_mix(hash, (uint64_t)info.st_size);
    return adze_hash_mix(hash, (uint64_t)info.st_mtim.tv_sec ^ (uint64_t)info.st_mtim.tv_nsec << 32);
}

static bool open_files(adze_calibration_files *f, const char *path, int64_t limit)
{
    f->set = (adze_dataset){.path = path, .n_inputs = 1, .ports = f->device.inputs};
    f->set.inputs = calloc(1, sizeof *f->set.inputs);
    if (!f->set.inputs) return fail(&f->device, path, "out of memory");
    f->view.count = limit > 0 && limit < f->n_files ? (uint64_t)limit : f->n_files;
    f->view.sample = file_sample;
    f->view.fingerprint = f->view.count;
    for (uint64_t i = 0; i < f->view.count; i++) f->view.fingerprint = hash_file(f->view.fingerprint, f->files[i]);
    return true;
}

/* ---- Both ---- */

/* Does the folder have NAME.npy for every input? */
static bool has_arrays(const adze_device *device, const char *path)
{
    adze_text name = {0};
    struct stat info;
    bool all = device->n_inputs > 0;
    for (uint32_t i = 0; all && i < device->n_inputs; i++) {
        name.size = 0;
        adze_text_append(&name, "%s/%s.npy", path, device->inputs[i].name);
        all = !stat(name.data, &info) && S_ISREG(info.st_mode);
    }
    adze_text_free(&name);
    return all;
}

/* Names and types of main's arguments. */
static bool describe(adze_calibration_files *f, adze_work *work, const adze_module *module, const char *model)
{
    const adze_func *func = adze_module_main(module);
    f->device = (adze_device){.work = work, .path = model};
    if (!func) return fail(&f->device, model, "the module has no function");
    const adze_region *body = adze_func_body(func);
    uint32_t n = adze_region_num_args(body);
    f->device.inputs = calloc(n + 1u, sizeof *f->device.inputs);
    f->values = calloc(n + 1u, sizeof *f->values);
    f->dims = calloc(n + 1u, sizeof *f->dims);
    f->buffers = calloc(n + 1u, sizeof *f->buffers);
    if (!f->device.inputs || !f->values || !f->dims || !f->buffers) return fail(&f->device, model, "out of memory");
    f->device.n_inputs = f->view.n_inputs = n;
    for (uint32_t i = 0; i < n; i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        const char *name = adze_value_name(arg);
        f->device.inputs[i] =
            (adze_port){name ? name : adze_internf(work->context, "input_%u", i), adze_value_type(arg)};
    }
    return true;
}

bool adze_calibration_open(adze_calibration_files *files, adze_work *work, const adze_module *module, const char *model,
                           const char *path, int64_t limit, int64_t batch)
{
    *files = (adze_calibration_files){.view = {.struct_size = sizeof files->view, .name = path, .self = files}};
    const adze_device *device = &files->device;
    if (!describe(files, work, module, model)) return false;
    if (!device->n_inputs) return fail(device, path, "the model has no inputs, so there is nothing to calibrate on");
    if (!is_folder(path) || has_arrays(device, path))
        return adze_dataset_open_inputs(&files->set, device, path, limit) && open_batches(files, batch);
    if (!list_files(files, path)) return false;
    if (device->n_inputs > 1)
        return adze_error(adze_loc_unknown(work->context),
                          "%s: the folder lacks '%s.npy' or another of the model's %u inputs", path,
                          device->inputs[0].name, device->n_inputs);
    return open_files(files, path, limit);
}

bool adze_calibration_open_for(adze_calibration_files *files, adze_work *work, const adze_common *common,
                               const adze_module *module)
{
    *files = (adze_calibration_files){0};
    if (!common->calib) return true;
    const char *model = work->input ? adze_input_name(work->input) : adze_module_name(module);
    return adze_calibration_open(files, work, module, model, common->calib, 0, 0);
}

const adze_calibration *adze_calibration_get(const adze_calibration_files *files)
{
    return files->view.sample ? &files->view : NULL;
}

void adze_calibration_close(adze_calibration_files *files)
{
    for (uint32_t i = 0; files->buffers && i < files->view.n_inputs; i++) free(files->buffers[i]);
    for (uint32_t i = 0; i < files->n_files; i++) free(files->files[i]);
    free(files->files);
    free(files->buffers);
    free(files->values);
    free(files->dims);
    free(files->device.inputs);
    adze_dataset_free(&files->set);
    *files = (adze_calibration_files){0};
}
