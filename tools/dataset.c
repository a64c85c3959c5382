/* Reads data sets and cuts them into batches (dataset.h). */
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void adze_dataset_free(adze_dataset *set)
{
    for (uint32_t i = 0; set->inputs && i < set->n_inputs; i++) adze_array_free(&set->inputs[i]);
    free(set->inputs);
    adze_array_free(&set->labels);
    *set = (adze_dataset){0};
}

static bool fail(const adze_device *device, const char *path, const char *what, const char *name)
{
    return adze_error(adze_loc_unknown(device->work->context), "%s: %s '%s'", path, what, name);
}

static bool read_npy(const adze_device *device, const char *path, const char *key, adze_array *out)
{
    adze_io_error error = {""};
    const char *file = adze_internf(device->work->context, "%s/%s.npy", path, key);
    return !adze_npy_read(file, out, &error) ||
           adze_error(adze_loc_unknown(device->work->context), "%s", error.text);
}

/* Reads one key, of a folder where `npz` is NULL; false with a message if it is missing or has no axis of samples. */
static bool read_key(const adze_device *device, const adze_npz *npz, const char *path, const char *key, adze_array *out)
{
    int64_t index = npz ? adze_npz_find(npz, key) : 0;
    if (index < 0) return fail(device, path, "there is no array", key);
    if (!(npz ? adze_feed_read(device->work, npz, path, (uint32_t)index, out) : read_npy(device, path, key, out)))
        return false;
    return out->rank > 0 || fail(device, path, "there is no axis of samples in array", key);
}

static adze_label_kind kind_of(const adze_array *labels)
{
    adze_dtype_kind kind = adze_dtype_get_kind(labels->dtype);
    if (kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) return ADZE_LABEL_CLASSES;
    if (kind != ADZE_KIND_FLOAT) return ADZE_LABEL_NONE;
    return labels->rank == 3 && labels->dims[2] == 5 ? ADZE_LABEL_BOXES : ADZE_LABEL_IMAGE;
}

static bool read_inputs(adze_dataset *set, const adze_device *device, const adze_npz *npz)
{
    adze_io_error error = {""};
    for (uint32_t i = 0; i < set->n_inputs; i++) {
        adze_array *a = &set->inputs[i];
        const adze_port *port = &set->ports[i];
        if (!read_key(device, npz, set->path, port->name, a)) return false;
        if (i && a->dims[0] != set->count)
            return fail(device, set->path, "there are more or fewer samples of", port->name);
        set->count = a->dims[0];
        if (a->dtype != adze_type_dtype(port->type) && adze_array_retype(a, adze_type_dtype(port->type), &error)) {
            char want[256], have[256];
            adze_context *context = device->work->context;
            adze_type_print(port->type, want, sizeof want);
            adze_type_print(adze_type_tensor_const(context, a->dtype, a->rank, a->dims), have, sizeof have);
            return adze_error(adze_loc_unknown(context), "%s: array '%s' is %s, the input is %s", set->path, port->name,
                              have, want);
        }
    }
    return true;
}

static bool begin(adze_dataset *set, const adze_device *device, const char *path)
{
    *set = (adze_dataset){.path = path, .n_inputs = device->n_inputs, .ports = device->inputs};
    set->inputs = calloc(set->n_inputs + 1u, sizeof *set->inputs);
    return set->inputs || fail(device, path, "out of memory for", "inputs");
}

static bool cut(adze_dataset *set, const adze_device *device, int64_t limit)
{
    if (limit > 0 && limit < set->count) set->count = limit;
    return set->count > 0 || fail(device, set->path, "there are no samples of", device->path);
}

static bool open_npz(const adze_device *device, const char *path, adze_npz **out)
{
    adze_io_error error = {""};
    return !adze_npz_open(path, out, &error) ||
           adze_error(adze_loc_unknown(device->work->context), "%s", error.text);
}

static bool read_labels(const adze_device *device, const adze_npz *npz, const char *path, int64_t count,
                        adze_array *out, adze_label_kind *out_kind)
{
    if (adze_npz_find(npz, "labels") < 0) return true;
    if (!read_key(device, npz, path, "labels", out)) return false;
    *out_kind = kind_of(out);
    return !device->n_inputs || out->dims[0] == count ||
           fail(device, path, "there are more or fewer samples of", "labels");
}

bool adze_dataset_open(adze_dataset *set, const adze_device *device, const char *path, int64_t limit)
{
    adze_npz *npz = NULL;
    if (!begin(set, device, path) || !open_npz(device, path, &npz)) return false;
    bool ok = read_inputs(set, device, npz) &&
              read_labels(device, npz, path, set->count, &set->labels, &set->label_kind);
    adze_npz_close(npz);
    return ok && cut(set, device, limit);
}

bool adze_dataset_read_labels(const adze_device *device, const char *path, int64_t count, adze_array *out,
                              adze_label_kind *out_kind)
{
    struct stat info;
    adze_npz *npz = NULL;
    *out_kind = ADZE_LABEL_NONE;
    if (!stat(path, &info) && S_ISDIR(info.st_mode)) return true;
    bool ok = open_npz(device, path, &npz) && read_labels(device, npz, path, count, out, out_kind);
    if (npz) adze_npz_close(npz);
    return ok;
}

bool adze_dataset_open_inputs(adze_dataset *set, const adze_device *device, const char *path, int64_t limit)
{
    struct stat info;
    adze_npz *npz = NULL;
    bool folder = !stat(path, &info) && S_ISDIR(info.st_mode);
    if (!begin(set, device, path) || (!folder && !open_npz(device, path, &npz))) return false;
    bool ok = read_inputs(set, device, npz);
    if (npz) adze_npz_close(npz);
    return ok && cut(set, device, limit);
}

int64_t adze_dataset_batch(const adze_dataset *set, adze_work *work, int64_t wanted)
{
    int64_t batch = 0;
    for (uint32_t i = 0; i < set->n_inputs; i++) {
        const adze_type *type = set->ports[i].type;
        const adze_array *a = &set->inputs[i];
        char text[256];
        int64_t mine = 1, n = 0;
        uint32_t rank = adze_type_rank(type), skip = a->rank == rank + 1 ? 1 : 0;
        bool fits = adze_type_is_tensor(type) && (!adze_type_is_ranked(type) || a->rank == rank + skip);
        if (fits && !skip && rank && !adze_dim_is_const(adze_type_dim(type, 0), &mine)) mine = wanted ? wanted : 1;
        for (uint32_t k = 1; fits && k < a->rank && k - skip < rank; k++)
            fits = !adze_dim_is_const(adze_type_dim(type, k - skip), &n) || n == a->dims[k];
        adze_type_print(type, text, sizeof text);
        adze_type_print(adze_type_tensor_const(work->context, a->dtype, a->rank, a->dims), text + 128, 128);
        if (!fits || mine < 1)
            return adze_error(adze_loc_unknown(work->context),
                              "%s: array '%s' is %s; samples of it do not fit the input %.128s", set->path,
                              set->ports[i].name, text + 128, text),
                   0;
        if (batch && mine != batch)
            return adze_error(adze_loc_unknown(work->context), "%s: the inputs take different numbers of samples a run",
                              set->path), 0;
        batch = mine;
    }
    return batch ? batch : 1;
}

bool adze_dataset_batch_values(const adze_dataset *set, int64_t first, int64_t batch, adze_value *values,
                               int64_t (*dims)[ADZE_MAX_RANK], void **room)
{
    for (uint32_t i = 0; i < set->n_inputs; i++) {
        const adze_array *a = &set->inputs[i];
        uint32_t skip = a->rank == adze_type_rank(set->ports[i].type) + 1 ? 1 : 0;
        uint64_t each = a->bytes / (uint64_t)a->dims[0];
        char *data = (char *)a->data + each * (uint64_t)first;
        for (uint32_t k = skip; k < a->rank; k++) dims[i][k - skip] = a->dims[k];
        if (!skip) dims[i][0] = batch;
        if (first + batch > set->count) {
            uint64_t bytes;
            if (__builtin_mul_overflow(each, (uint64_t)batch, &bytes) || bytes > SIZE_MAX - 127) return false;
            if (!room[i] && !(room[i] = aligned_alloc(64, (bytes + 127) & ~UINT64_C(63)))) return false;
            for (int64_t k = 0; k < batch; k++) {
                int64_t from = first + k < set->count ? k : set->count - 1 - first;
                memcpy((char *)room[i] + each * (uint64_t)k, data + each * (uint64_t)from, each);
            }
            data = room[i];
        }
        values[i] = adze_value_tensor(a->dtype, a->rank - skip, dims[i], data);
    }
    return true;
}

adze_value adze_slice(const adze_value *all, int64_t index)
{
    adze_value v = *all;
    uint64_t each = 1;
    v.rank--;
    v.dims++;
    for (uint32_t k = 0; k < v.rank; k++) each *= (uint64_t)v.dims[k];
    v.data = (char *)v.data + adze_dtype_bytes((adze_dtype)v.dtype, each) * (uint64_t)index;
    return v;
}
