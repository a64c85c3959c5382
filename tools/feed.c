/* Values for the inputs of a model: from .npz and .npy files, or seeded random ones (feed.h). */
#include "feed.h"

#include <adze/certify.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

adze_value adze_array_value(const adze_array *array)
{
    return adze_value_tensor(array->dtype, array->rank, array->dims, array->data);
}

adze_array adze_value_array(const char *name, const adze_value *value)
{
    adze_array a = {.name = (char *)(uintptr_t)name,
                    .dtype = (adze_dtype)value->dtype,
                    .rank = value->rank,
                    .data = value->data,
                    .bytes = adze_dtype_bytes((adze_dtype)value->dtype, adze_value_count(value))};
    if (value->rank) memcpy(a.dims, value->dims, value->rank * sizeof *value->dims);
    return a;
}

void adze_feed_free(adze_feed *feed)
{
    for (uint32_t i = 0; feed->arrays && i < feed->count; i++) adze_array_free(&feed->arrays[i]);
    free(feed->arrays);
    free(feed->values);
    adze_text_free(&feed->ones);
    *feed = (adze_feed){0};
}

bool adze_array_fit(adze_work *work, adze_array *array, const adze_port *port, const char *from)
{
    adze_context *context = work->context;
    adze_io_error error = {""};
    char want[256], have[256];
    adze_type_print(port->type, want, sizeof want);
    adze_type_print(adze_type_tensor_const(context, array->dtype, array->rank, array->dims), have, sizeof have);
    bool ok = adze_type_is_tensor(port->type);
    if (ok && array->dtype != adze_type_dtype(port->type)) {
        adze_status status = adze_array_retype(array, adze_type_dtype(port->type), &error);
        if (status == ADZE_ERR_VALUE) return adze_error(adze_loc_unknown(context), "%s", error.text);
        ok = !status;
    }
    if (ok && adze_type_is_ranked(port->type)) {
        int64_t n;
        ok = array->rank == adze_type_rank(port->type);
        for (uint32_t k = 0; ok && k < array->rank; k++)
            ok = !adze_dim_is_const(adze_type_dim(port->type, k), &n) || n == array->dims[k];
    }
    return ok || adze_error(adze_loc_unknown(context), "%s: input '%s' is %s, the file has %s", from, port->name,
                            want, have);
}

/* ---- Files ---- */

/* A deflated entry may be a thousand times as large as its file. */
bool adze_feed_read(adze_work *work, const adze_npz *npz, const char *path, uint32_t index, adze_array *out)
{
    adze_io_error error = {""};
    adze_array head = {0};
    adze_status status = adze_npz_describe(npz, index, &head, &error);
    uint64_t bytes = head.bytes;
    adze_array_free(&head);
    if (!status && work->max_memory && bytes > work->max_memory)
        return adze_error(adze_loc_unknown(work->context), "%s: array '%s' goes over the memory bound", path,
                          adze_npz_name(npz, index));
    if (!status) status = adze_npz_read(npz, index, out, &error);
    return !status || adze_error(adze_loc_unknown(work->context), "%s", error.text);
}

static bool read_npz(adze_feed *feed, const adze_device *d, const char *path)
{
    adze_io_error error = {""};
    adze_npz *npz = NULL;
    adze_status status = adze_npz_open(path, &npz, &error);
    bool ok = !status;
    for (uint32_t i = 0; i < d->n_inputs && ok; i++) {
        int64_t index = adze_npz_find(npz, d->inputs[i].name);
        if (index < 0) continue;
        ok = adze_feed_read(d->work, npz, path, (uint32_t)index, &feed->arrays[i]) &&
             adze_array_fit(d->work, &feed->arrays[i], &d->inputs[i], path);
    }
    if (status) adze_error(adze_loc_unknown(d->work->context), "%s", error.text);
    if (npz) adze_npz_close(npz);
    return ok;
}

/* An input's name may hold '=', so the text is compared with the names. `given`: by --input, of each input. */
static bool read_single(adze_feed *feed, const adze_device *d, const char *single, bool *given)
{
    adze_io_error error = {""};
    for (uint32_t i = 0; i < d->n_inputs; i++) {
        size_t n = strlen(d->inputs[i].name);
        if (strncmp(single, d->inputs[i].name, n) != 0 || single[n] != '=') continue;
        const char *path = single + n + 1;
        if (given[i])
            return adze_error(adze_loc_unknown(d->work->context), "--input names '%s' twice", d->inputs[i].name);
        given[i] = true;
        adze_array_free(&feed->arrays[i]);
        feed->arrays[i] = (adze_array){0};
        if (adze_npy_read(path, &feed->arrays[i], &error))
            return adze_error(adze_loc_unknown(d->work->context), "%s", error.text);
        return adze_array_fit(d->work, &feed->arrays[i], &d->inputs[i], path);
    }
    return adze_error(adze_loc_unknown(d->work->context),
                      "--input %s: the model has no such input; it takes NAME=FILE.npy", single);
}

static bool read_files(adze_feed *feed, const adze_device *d, const adze_feed_flags *flags)
{
    bool *given = calloc(d->n_inputs + 1u, sizeof *given);
    if (!given) return adze_error(adze_loc_unknown(d->work->context), "out of memory");
    bool ok = !flags->inputs || read_npz(feed, d, flags->inputs);
    for (uint32_t i = 0; i < flags->singles.count && ok; i++)
        ok = read_single(feed, d, flags->singles.items[i], given);
    free(given);
    if (!ok) return false;
    for (uint32_t i = 0; i < d->n_inputs; i++) {
        char type[256];
        if (feed->arrays[i].data) continue;
        adze_type_print(d->inputs[i].type, type, sizeof type);
        ok = adze_error(adze_loc_unknown(d->work->context), "%s: there is no value for input '%s', %s",
                        flags->inputs ? flags->inputs : d->path, d->inputs[i].name, type);
    }
    return ok;
}

/* ---- Random values ---- */

enum { MAX_ONES = 8 }; /* that are told by name */

/* What symbols are where inputs are made up. */
typedef struct sizes {
    const adze_flag_list *dims; /* --dim */
    adze_text *told;            /* adze_feed.ones */
    const char *ones[MAX_ONES];
    uint32_t n_ones;
} sizes;

static void note_one(sizes *s, const char *name)
{
    if (s->n_ones == MAX_ONES) return;
    for (uint32_t i = 0; i < s->n_ones; i++)
        if (!strcmp(s->ones[i], name)) return;
    s->ones[s->n_ones++] = name;
    if (s->n_ones == MAX_ONES) name = "…";
    adze_text_append(s->told, "%s%s", s->n_ones > 1 ? " = " : "", name);
}

/* --dim NAME=VALUE of a symbol, else 1. */
static bool value_of(void *self, const char *name, int64_t *out)
{
    sizes *s = self;
    bool given = false;
    *out = 1;
    for (uint32_t i = 0; i < s->dims->count; i++) {
        const char *item = s->dims->items[i], *equals = strchr(item, '=');
        if (!equals || (size_t)(equals - item) != strlen(name) || strncmp(item, name, strlen(name)) != 0) continue;
        *out = strtoll(equals + 1, NULL, 10);
        given = true;
    }
    if (!given) note_one(s, name);
    return true;
}

static bool make_random(adze_array *a, const adze_device *d, const adze_port *port, sizes *s, uint64_t *state,
                        uint64_t *room)
{
    adze_loc loc = adze_loc_unknown(d->work->context);
    char type[256];
    uint64_t count = 1;
    adze_type_print(port->type, type, sizeof type);
    if (!adze_type_is_ranked(port->type) || adze_type_dtype(port->type) == ADZE_DTYPE_str)
        return adze_error(loc, "%s: input '%s', %s, needs a value; give --inputs", d->path, port->name, type);
    *a = (adze_array){.dtype = adze_type_dtype(port->type), .rank = adze_type_rank(port->type)};
    for (uint32_t k = 0; k < a->rank; k++) {
        const adze_dim *dim = adze_type_dim(port->type, k);
        if (!adze_dim_evaluate(dim, NULL, 0, value_of, s, &a->dims[k]) || a->dims[k] < 0 ||
            __builtin_mul_overflow(count, (uint64_t)a->dims[k], &count) || count > UINT64_C(1) << 40)
            return adze_error(loc, "%s: input '%s', %s, has no size; give --dim or --inputs", d->path, port->name,
                              type);
    }
    a->bytes = adze_dtype_bytes(a->dtype, count);
    if (a->bytes > *room)
        return adze_error(loc, "%s: input '%s', %s, goes over the memory bound", d->path, port->name, type);
    *room -= a->bytes;
    a->data = aligned_alloc(64, (a->bytes + 127) & ~UINT64_C(63));
    if (!a->data) return adze_error(loc, "%s: out of memory for input '%s'", d->path, port->name);
    memset(a->data, 0, (a->bytes + 127) & ~UINT64_C(63));
    adze_value value = adze_array_value(a);
    adze_value_fill(&value, state);
    return true;
}

/* Sequences, optionals and maps come as the files of an ONNX test only. */
static bool check_ports(const adze_device *device)
{
    for (uint32_t i = 0; i < device->n_inputs; i++) {
        char type[256];
        adze_type_print(device->inputs[i].type, type, sizeof type);
        if (!adze_type_is_tensor(device->inputs[i].type))
            return adze_error(adze_loc_unknown(device->work->context),
                              "%s: input '%s' is %s, which .npz and .npy cannot hold; adze check --data-set reads it",
                              device->path, device->inputs[i].name, type);
    }
    return true;
}

bool adze_feed_load(adze_feed *feed, const adze_device *device, const adze_common *common,
                    const adze_feed_flags *flags)
{
    uint32_t n = device->n_inputs;
    uint64_t state = (uint64_t)flags->seed, room = device->work->max_memory ? device->work->max_memory : UINT64_MAX;
    sizes s = {.dims = &common->dims, .told = &feed->ones};
    *feed = (adze_feed){
        .count = n, .arrays = calloc(n + 1u, sizeof(adze_array)), .values = calloc(n + 1u, sizeof(adze_value))};
    if (!feed->arrays || !feed->values)
        return adze_error(adze_loc_unknown(device->work->context), "out of memory");
    bool ok = check_ports(device);
    bool given = flags->inputs || flags->singles.count;
    if (!ok) return false;
    if (given && common->dims.count && adze_is_artifact(device->path))
        ok = adze_error(adze_loc_unknown(device->work->context),
                        "%s: --dim cannot fix a dim of an artifact, whose inputs say what it is", device->path);
    else if (given)
        ok = read_files(feed, device, flags);
    else
        for (uint32_t i = 0; i < n && ok; i++)
            ok = make_random(&feed->arrays[i], device, &device->inputs[i], &s, &state, &room);
    for (uint32_t i = 0; i < n && ok; i++) feed->values[i] = adze_array_value(&feed->arrays[i]);
    return ok;
}

void adze_feed_tell(const adze_feed *feed, const adze_device *device, bool ok)
{
    if (!feed->ones.size) return;
    adze_note(adze_loc_unknown(device->work->context),
              ok ? "inputs were made up, with %.*s = 1; --dim changes it"
                 : "the inputs were made up, with %.*s = 1; give --dim or --inputs",
              (int)feed->ones.size, feed->ones.data);
}
