/* External data: tensors whose bytes lie in a file beside the model.
 *
 * A model must not be able to read whatever file it likes, so `location` has to be a relative path
 * without `..`, and the file it leads to, symbolic links followed, has to be a regular file inside
 * the model's folder.
 */
#include "import.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Decimal digits alone; false otherwise or on overflow. */
static bool parse_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

static bool has_parent_part(const char *path)
{
    for (const char *part = path; part;) {
        const char *end = strchr(part, '/');
        size_t size = end ? (size_t)(end - part) : strlen(part);
        if (size == 2 && part[0] == '.' && part[1] == '.') return true;
        part = end ? end + 1 : NULL;
    }
    return false;
}

/* Path of the file if the rules allow it; interned, NULL after an error. */
static const char *resolve(adze_context *context, const char *folder, const char *location,
                           adze_loc loc, uint64_t *out_size)
{
    char root[PATH_MAX], real[PATH_MAX];
    if (location[0] == '/' || has_parent_part(location)) {
        adze_error(loc, "external data '%s' is no path inside the model's folder", location);
        return NULL;
    }
    const char *path = adze_internf(context, "%s/%s", folder, location);
    if (!realpath(folder, root) || !realpath(path, real)) {
        adze_error(loc, "external data '%s': %s", path, strerror(errno));
        return NULL;
    }
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/') n--; /* the root folder itself */
    if (strncmp(real, root, n) != 0 || real[n] != '/') {
        adze_error(loc, "external data '%s' leads out of the model's folder", path);
        return NULL;
    }
    struct stat info;
    if (stat(real, &info) != 0 || !S_ISREG(info.st_mode)) {
        adze_error(loc, "external data '%s' is not a regular file", path);
        return NULL;
    }
    *out_size = (uint64_t)info.st_size;
    return path;
}

typedef struct place {
    const char *location;
    uint64_t offset, length;
} place;

/* False after an error. Other keys, as checksum, say nothing of the place. */
static bool read_place(const Pb__Tensor *tensor, adze_loc loc, place *out)
{
    static const char *const keys[] = {"location", "offset", "length"};
    enum { LOCATION, OFFSET, N_KEYS = 3 };
    bool given[N_KEYS] = {false};
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const char *key = tensor->external_data[i]->key, *value = tensor->external_data[i]->value;
        int k = 0;
        if (!key || !value) continue;
        while (k < N_KEYS && strcmp(key, keys[k])) k++;
        if (k == N_KEYS) continue;
        if (given[k])
            return adze_error(loc, "external data of '%s': %s is given twice", tensor->name ? tensor->name : "", key);
        given[k] = true;
        if (k == LOCATION)
            out->location = value;
        else if (!parse_number(value, k == OFFSET ? &out->offset : &out->length))
            return adze_error(loc, "external data: %s '%s' is no number", key, value);
    }
    if (!out->location || !*out->location) return adze_error(loc, "external data without a location");
    return true;
}

adze_data *adze_onnx_external_data(adze_context *context, const char *folder,
                                   const Pb__Tensor *tensor, uint64_t bytes, adze_loc loc)
{
    place at = {.length = bytes};
    uint64_t size;
    if (!read_place(tensor, loc, &at)) return NULL;
    if (!folder) {
        adze_error(loc, "external data '%s' of a model that is not read from a folder", at.location);
        return NULL;
    }
    const char *path = resolve(context, folder, at.location, loc, &size);
    if (!path) return NULL;
    if (at.length != bytes) {
        adze_error(loc, "external data '%s' has %llu bytes but the tensor takes %llu", path,
                   (unsigned long long)at.length, (unsigned long long)bytes);
        return NULL;
    }
    if (at.offset > size || bytes > size - at.offset) {
        adze_error(loc, "external data '%s': bytes %llu to %llu of a file of %llu", path,
                   (unsigned long long)at.offset, (unsigned long long)(at.offset + bytes),
                   (unsigned long long)size);
        return NULL;
    }
    return adze_data_file(context, path, at.offset, bytes);
}
