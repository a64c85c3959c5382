/* Writing .npz: stored entries with a fixed date, so that the same arrays give the same bytes. */
#include "io_private.h"
#include <stdlib.h>
#include <string.h>

enum { DATE_1980 = 0x21, UTF8_NAME = 0x800, VERSION = 20, VERSION64 = 45, MAX_NAME = 65000 };

typedef struct record {
    uint64_t offset, size;
    uint32_t crc;
} record;

typedef struct writer {
    adze_outfile *file;
    uint64_t at, limit;
} writer;

/* Little-endian fields, collected before they are written. */
typedef struct fields {
    uint8_t bytes[128];
    size_t n;
} fields;

static void put(fields *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) f->bytes[f->n++] = (uint8_t)(value >> 8 * i);
}

static void emit(writer *w, const void *data, uint64_t bytes)
{
    adze_outfile_write(w->file, data, bytes);
    w->at += bytes;
}

static uint64_t clipped(const writer *w, uint64_t value)
{
    return value < w->limit ? value : 0xffffffffu;
}

static unsigned name_flags(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name >= 0x80) return UTF8_NAME;
    return 0;
}

/* What local and central headers have in common. */
static void put_common(fields *f, const writer *w, const record *r, const char *name,
                       unsigned extra)
{
    bool is_big = extra != 0;
    put(f, is_big ? VERSION64 : VERSION, 2);
    put(f, name_flags(name), 2);
    put(f, 0, 2); /* stored */
    put(f, 0, 2);
    put(f, DATE_1980, 2);
    put(f, r->crc, 4);
    put(f, clipped(w, r->size), 4);
    put(f, clipped(w, r->size), 4);
    put(f, strlen(name) + 4, 2);
    put(f, extra, 2);
}

static void write_local(writer *w, const record *r, const char *name)
{
    fields f = {.n = 0};
    bool is_big = r->size >= w->limit;
    put(&f, 0x04034b50, 4);
    put_common(&f, w, r, name, is_big ? 20 : 0);
    emit(w, f.bytes, f.n);
    emit(w, name, strlen(name));
    emit(w, ".npy", 4);
    if (!is_big) return;
    fields extra = {.n = 0};
    put(&extra, 1, 2);
    put(&extra, 16, 2);
    put(&extra, r->size, 8);
    put(&extra, r->size, 8);
    emit(w, extra.bytes, extra.n);
}

static void write_central(writer *w, const record *r, const char *name)
{
    fields f = {.n = 0}, extra = {.n = 0};
    unsigned n_big = (r->size >= w->limit ? 16u : 0u) + (r->offset >= w->limit ? 8u : 0u);
    if (n_big) {
        put(&extra, 1, 2);
        put(&extra, n_big, 2);
        if (r->size >= w->limit) put(&extra, r->size, 8), put(&extra, r->size, 8);
        if (r->offset >= w->limit) put(&extra, r->offset, 8);
    }
    put(&f, 0x02014b50, 4);
    put(&f, n_big ? VERSION64 : VERSION, 2);
    put_common(&f, w, r, name, (unsigned)extra.n);
    put(&f, 0, 2); /* comment */
    put(&f, 0, 2); /* disk */
    put(&f, 0, 2); /* internal attributes */
    put(&f, UINT64_C(0644) << 16, 4);
    put(&f, clipped(w, r->offset), 4);
    emit(w, f.bytes, f.n);
    emit(w, name, strlen(name));
    emit(w, ".npy", 4);
    emit(w, extra.bytes, extra.n);
}

static void write_end(writer *w, uint64_t start, uint64_t n)
{
    fields f = {.n = 0};
    uint64_t bytes = w->at - start, end64 = w->at;
    if (n >= 0xffff || bytes >= w->limit || start >= w->limit) {
        put(&f, 0x06064b50, 4);
        put(&f, 44, 8);
        put(&f, VERSION64, 2);
        put(&f, VERSION64, 2);
        put(&f, 0, 8); /* disks */
        put(&f, n, 8);
        put(&f, n, 8);
        put(&f, bytes, 8);
        put(&f, start, 8);
        put(&f, 0x07064b50, 4);
        put(&f, 0, 4);
        put(&f, end64, 8);
        put(&f, 1, 4);
    }
    put(&f, 0x06054b50, 4);
    put(&f, 0, 4); /* disks */
    put(&f, n < 0xffff ? n : 0xffff, 2);
    put(&f, n < 0xffff ? n : 0xffff, 2);
    put(&f, clipped(w, bytes), 4);
    put(&f, clipped(w, start), 4);
    put(&f, 0, 2);
    emit(w, f.bytes, f.n);
}

static adze_status write_entry(writer *w, const adze_array *array, record *r, adze_io_error *error)
{
    npy_stored stored;
    io_crc crc;
    adze_status status = adze_io_npy_encode(array, &stored, error);
    if (status) return status;
    adze_io_crc_init(&crc);
    adze_io_crc_add(&crc, stored.head, stored.head_bytes);
    adze_io_crc_add(&crc, stored.data, stored.data_bytes);
    *r = (record){w->at, stored.head_bytes + stored.data_bytes, adze_io_crc_value(&crc)};
    write_local(w, r, array->name);
    emit(w, stored.head, stored.head_bytes);
    emit(w, stored.data, stored.data_bytes);
    free(stored.owned);
    return ADZE_OK;
}

adze_status adze_io_npz_write(const char *path, const adze_array *arrays, uint32_t n,
                              uint32_t limit, adze_io_error *error)
{
    writer w = {.limit = limit};
    for (uint32_t i = 0; i < n; i++)
        if (!arrays[i].name || strlen(arrays[i].name) > MAX_NAME)
            return adze_io_fail(error, ADZE_ERR_ARGUMENT,
                                "%s: array %u has no name or too long a one", path, i);
    record *records = calloc(n + 1u, sizeof *records);
    if (!records) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", path);
    adze_status status = adze_outfile_create(path, 0666, &w.file, error);
    for (uint32_t i = 0; i < n && !status; i++)
        status = write_entry(&w, &arrays[i], &records[i], error);
    if (!status) {
        uint64_t start = w.at;
        for (uint32_t i = 0; i < n; i++) write_central(&w, &records[i], arrays[i].name);
        write_end(&w, start, n);
        status = adze_outfile_commit(w.file, error);
    } else {
        adze_outfile_discard(w.file);
    }
    free(records);
    return status;
}

adze_status adze_npz_write(const char *path, const adze_array *arrays, uint32_t n,
                           adze_io_error *error)
{
    return adze_io_npz_write(path, arrays, n, UINT32_MAX, error);
}
