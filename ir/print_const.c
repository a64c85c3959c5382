/* Constants as text, the inverse of parse_const.c.
 *
 * Small ones are printed in full. Others stay what they are: a derived one prints its op, a file
 * range prints `blob`, and bytes in memory go to the blob file or, without one, inline as hex.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/eval/convert.h"
#include "ir/print.h"

#include <adze/temporary.h>

enum { CHUNK = 1 << 16, BLOB_ALIGN = 64, SHOWN_ELEMENTS = 16 };

bool adze_blob_writer_open(adze_blob_writer *blobs, adze_context *context,
                           const adze_print_options *options)
{
    *blobs = (adze_blob_writer){.options = options, .file = -1};
    const char *folder = options->folder;
    char *made = NULL;
    if (!folder && options->blob_file) {
        const char *slash = strrchr(options->blob_file, '/');
        made = slash
                   ? strndup(options->blob_file,
                             slash > options->blob_file ? (size_t)(slash - options->blob_file) : 1)
                   : strdup(".");
        folder = made;
    }
    if (folder && !(blobs->folder = realpath(folder, NULL)))
        adze_error(adze_loc_unknown(context), "%s: %s", folder, strerror(errno));
    free(made);
    return !folder || blobs->folder;
}

bool adze_blob_writer_close(adze_blob_writer *blobs, adze_context *context, bool keep)
{
    bool ok = true;
    if (blobs->file >= 0) {
        bool rename_it = keep && !blobs->options->blob_temporary;
        ok = close(blobs->file) == 0;
        if (ok && rename_it) ok = rename(blobs->temporary, blobs->options->blob_file) == 0;
        if (!ok)
            adze_error(adze_loc_unknown(context), "%s: %s", blobs->options->blob_file,
                       strerror(errno));
        if (!keep || !ok) unlink(blobs->temporary);
        if (!keep || !ok || rename_it) adze_temporary_forget(context, blobs->temporary);
    }
    free(blobs->temporary);
    free(blobs->folder);
    *blobs = (adze_blob_writer){.file = -1};
    return ok;
}

static bool write_all(adze_blob_writer *blobs, adze_context *context, const uint8_t *bytes,
                      size_t size)
{
    while (size) {
        ssize_t n = write(blobs->file, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return adze_error(adze_loc_unknown(context), "%s: %s", blobs->options->blob_file,
                              strerror(errno));
        bytes += n;
        size -= (size_t)n;
        blobs->offset += (uint64_t)n;
    }
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Copies the constant to the end of the blob file. */
static bool print_blob(adze_text *text, const adze_const *constant, adze_blob_writer *blobs)
{
    static const uint8_t zero[BLOB_ALIGN];
    adze_context *context = constant->module->context;
    const char *path = blobs->options->blob_file;
    if (blobs->file < 0) {
        size_t room = strlen(path) + 32;
        const char *given = blobs->options->blob_temporary;
        if (given) room = strlen(given) + 1;
        blobs->temporary = adze_malloc(room);
        if (given)
            memcpy(blobs->temporary, given, room);
        else
            snprintf(blobs->temporary, room, "%s.%ld.tmp", path, (long)getpid());
        adze_temporary_add(context, blobs->temporary);
        blobs->file = open(blobs->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (blobs->file < 0) adze_temporary_forget(context, blobs->temporary);
        if (blobs->file < 0)
            return adze_error(adze_loc_unknown(context), "%s: %s", path, strerror(errno));
    }
    size_t pad = (size_t)(-blobs->offset % BLOB_ALIGN);
    if (!write_all(blobs, context, zero, pad)) return false;
    uint64_t start = blobs->offset, size = adze_data_size(constant->data);
    uint8_t *chunk = adze_malloc(CHUNK);
    bool ok = true;
    for (uint64_t at = 0; ok && at < size; at += CHUNK) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        ok = adze_data_read(constant->data, at, chunk, n) && write_all(blobs, context, chunk, n);
    }
    free(chunk);
    if (!ok) return false;
    adze_text_put(text, "blob(");
    adze_text_quoted(text, base_name(path), strlen(base_name(path)));
    adze_text_append(text, ", %" PRIu64 ", %" PRIu64 ")", start, size);
    return true;
}

/* For text that goes nowhere in particular: from the current folder, as text on stdin is read, where
 * the file lies in it. */
static char *path_from_here(const char *path)
{
    char *real = realpath(path, NULL), *here = realpath(".", NULL);
    size_t n = here ? strlen(here) : 0;
    bool inside = real && n > 1 && strncmp(real, here, n) == 0 && real[n] == '/';
    char *out = strdup(inside ? real + n + 1 : path);
    free(real);
    free(here);
    return out;
}

/* The path of a file range as text that stands in blobs->folder would write it; NULL where it lies
 * elsewhere, or in the blob file itself, which is about to be replaced. */
static char *relative_path(const char *path, const adze_blob_writer *blobs)
{
    if (!blobs->folder) return path_from_here(path);
    char *real = realpath(path, NULL);
    size_t n = strlen(blobs->folder);
    if (n == 1) n = 0; /* the root */
    char *out = NULL;
    char *blob = blobs->options->blob_file ? realpath(blobs->options->blob_file, NULL) : NULL;
    bool replaced = real && blob && strcmp(real, blob) == 0;
    if (real && !replaced && strncmp(real, blobs->folder, n) == 0 && real[n] == '/')
        out = strdup(real + n + 1);
    free(blob);
    free(real);
    return out;
}

static bool print_hex(adze_text *text, const adze_const *constant)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t size = adze_data_size(constant->data);
    uint8_t *chunk = adze_malloc(CHUNK);
    char *hex = adze_malloc(2 * CHUNK);
    bool ok = true;
    adze_text_put(text, "hex\"");
    for (uint64_t at = 0; ok && at < size; at += CHUNK) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        ok = adze_data_read(constant->data, at, chunk, n);
        for (size_t i = 0; ok && i < n; i++) {
            hex[2 * i] = digits[chunk[i] >> 4];
            hex[2 * i + 1] = digits[chunk[i] & 15];
        }
        if (ok) adze_text_write(text, hex, 2 * n);
    }
    adze_text_put(text, "\"");
    free(chunk);
    free(hex);
    return ok;
}

static int64_t integer_at(adze_dtype dtype, const uint8_t *bytes, uint64_t index)
{
    uint32_t bits = adze_dtype_bits(dtype);
    uint64_t value = 0;
    if (bits < 8)
        value = (uint64_t)(bytes[index * bits / 8] >> (index * bits % 8)) & ((1u << bits) - 1);
    else
        memcpy(&value, bytes + index * (bits / 8), bits / 8);
    if (adze_dtype_get_kind(dtype) != ADZE_KIND_INT || bits == 64) return (int64_t)value;
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return (int64_t)((value ^ sign) - sign);
}

/* NaNs other than the usual one have bits that decimal text would lose. */
static bool plain_floats(adze_dtype dtype, const uint8_t *bytes, uint64_t count)
{
    const ev_format *small = ev_small_float(dtype);
    for (uint64_t i = 0; i < count; i++) {
        if (small) {
            uint32_t code = (uint32_t)integer_at(dtype, bytes, i);
            if (ev_encode(small, ev_decode(small, code), false) != code) return false;
        } else if (dtype == ADZE_DTYPE_f32) {
            uint32_t word;
            memcpy(&word, bytes + 4 * i, 4);
            if ((word & 0x7fffffff) > 0x7f800000 && (word & 0x7fffffff) != 0x7fc00000) return false;
        } else {
            uint64_t word;
            memcpy(&word, bytes + 8 * i, 8);
            word &= INT64_MAX;
            if (word > UINT64_C(0x7ff0000000000000) && word != UINT64_C(0x7ff8000000000000))
                return false;
        }
    }
    return true;
}

static bool prints_dense(adze_dtype dtype, const uint8_t *bytes, uint64_t count)
{
    switch (adze_dtype_get_kind(dtype)) {
    case ADZE_KIND_INT:
    case ADZE_KIND_UINT:
    case ADZE_KIND_STRING:
        return true;
    case ADZE_KIND_BOOL:
        for (uint64_t i = 0; i < count; i++)
            if (bytes[i] > 1) return false;
        return true;
    case ADZE_KIND_FLOAT:
        return dtype != ADZE_DTYPE_f8e8m0 && plain_floats(dtype, bytes, count);
    default:
        return false;
    }
}

static void print_element(adze_text *text, adze_dtype dtype, const uint8_t *bytes, uint64_t index)
{
    adze_string string;
    float single;
    double value;
    switch (adze_dtype_get_kind(dtype)) {
    case ADZE_KIND_BOOL:
        adze_text_append(text, bytes[index] ? "true" : "false");
        return;
    case ADZE_KIND_INT:
        adze_text_append(text, "%" PRId64, integer_at(dtype, bytes, index));
        return;
    case ADZE_KIND_UINT:
        adze_text_append(text, "%" PRIu64, (uint64_t)integer_at(dtype, bytes, index));
        return;
    case ADZE_KIND_STRING:
        memcpy(&string, bytes + index * sizeof string, sizeof string);
        adze_text_quoted(text, string.data, string.size);
        return;
    default:
        break;
    }
    const ev_format *small = ev_small_float(dtype);
    if (small) {
        uint32_t code = (uint32_t)integer_at(dtype, bytes, index);
        adze_text_float(text, (float)ev_decode(small, code));
    } else if (dtype == ADZE_DTYPE_f32) {
        memcpy(&single, bytes + 4 * index, 4);
        adze_text_float(text, single);
    } else {
        memcpy(&value, bytes + 8 * index, 8);
        adze_text_double(text, value);
    }
}

static void print_derived(adze_text *text, const adze_const *constant)
{
    const adze_op_row *row;
    const adze_slot *attrs;
    adze_const *const *inputs;
    uint32_t n;
    adze_data_is_derived(constant->data, &row, &attrs, &inputs, &n);
    adze_text_put(text, "derived ");
    adze_text_id(text, row->name);
    adze_text_put(text, "(");
    for (uint32_t i = 0; i < n; i++) {
        if (i) adze_text_put(text, ", ");
        if (inputs[i])
            adze_text_symbol(text, '@', inputs[i]->name);
        else
            adze_text_put(text, "_");
    }
    adze_text_put(text, ")");
    adze_print_slots(text, constant->module->context, row, attrs);
}

/* Contents in full where they are few and plain; false where they are not. */
static bool print_dense(adze_text *text, const adze_const *constant, uint64_t count, bool *out_ok)
{
    adze_dtype dtype = adze_type_dtype(constant->type);
    uint64_t size = adze_dtype_bytes(dtype, count);
    uint8_t *bytes = adze_malloc(size + 1);
    *out_ok = adze_data_read(constant->data, 0, bytes, size);
    bool dense = *out_ok && prints_dense(dtype, bytes, count);
    if (dense) {
        adze_text_put(text, "dense[");
        for (uint64_t i = 0; i < count; i++) {
            if (i) adze_text_put(text, ", ");
            print_element(text, dtype, bytes, i);
        }
        adze_text_put(text, "]");
    }
    free(bytes);
    return dense;
}

/* `const @name: type = ` and the contents, where they are derived, or few and plain: else false, and *out_small tells
 * whether they are few. *out_ok is false after an error. */
static bool print_head(adze_text *text, const adze_const *constant, uint32_t max_elements, bool *out_small,
                       bool *out_ok)
{
    int64_t count = 0;
    *out_small = false;
    *out_ok = true;
    adze_text_put(text, "const ");
    adze_text_symbol(text, '@', constant->name);
    adze_text_put(text, ": ");
    adze_text_type(text, constant->type);
    adze_text_put(text, " = ");
    if (adze_data_is_derived(constant->data, NULL, NULL, NULL, NULL)) {
        print_derived(text, constant);
        return true;
    }
    *out_small = adze_dim_is_const(adze_type_count(constant->type), &count) &&
                 (count <= max_elements || constant->type->dtype == ADZE_DTYPE_str);
    return *out_small && print_dense(text, constant, (uint64_t)count, out_ok);
}

bool adze_print_const(adze_text *text, const adze_const *constant, adze_blob_writer *blobs)
{
    const char *path;
    uint64_t offset;
    bool ok, small;
    if (print_head(text, constant, blobs->options->max_elements, &small, &ok)) return true;
    if (!ok) return false;
    if (adze_data_is_file(constant->data, &path, &offset) && !small) {
        char *shown = relative_path(path, blobs);
        if (shown) {
            adze_text_put(text, "blob(");
            adze_text_quoted(text, shown, strlen(shown));
            adze_text_append(text, ", %" PRIu64 ", %" PRIu64 ")", offset,
                             adze_data_size(constant->data));
            free(shown);
            return true;
        }
    }
    if (blobs->options->blob_file && !small) return print_blob(text, constant, blobs);
    return print_hex(text, constant);
}

void adze_const_print(const adze_const *constant, adze_text *out)
{
    bool ok, small;
    if (!print_head(out, constant, SHOWN_ELEMENTS, &small, &ok)) adze_text_put(out, "…");
    adze_text_put(out, "\n");
}
