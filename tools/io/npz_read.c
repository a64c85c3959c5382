/* Reading .npz: a zip archive whose entries are .npy files, stored or deflated.
 *
 * The central directory at the end is what counts; a local header only tells where its entry's
 * bytes start. Source: PKWARE APPNOTE 6.3, sections 4.3-4.5 (zip64 included). */
#include "io_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    MAX_COMMENT = 65535,
    DESCRIBE_INPUT = 128 << 10
};

/* Deflate cannot shrink anything more than this. */
enum { MAX_RATIO = 1032 };

typedef struct entry {
    char *name;                    /* without ".npy" */
    uint64_t offset, stored, size; /* of the local header; compressed; plain */
    uint32_t crc;
    bool is_deflated;
} entry;

struct adze_npz {
    io_file file;
    char *path;
    uint64_t directory; /* where the central directory starts: entries end before it */
    uint32_t n;
    entry *entries;
};

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static adze_status bad(const adze_npz *z, adze_io_error *error, const char *what)
{
    return adze_io_fail(error, ADZE_ERR_FORMAT, "%s: not a readable .npz: %s", z->path, what);
}

typedef struct directory {
    uint64_t offset, bytes, count;
} directory;

static adze_status read_end64(adze_npz *z, uint64_t end, directory *d, adze_io_error *error)
{
    uint8_t locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES ||
        !adze_io_pread(&z->file, end - LOCATOR_BYTES, locator, sizeof locator) ||
        get(locator, 4) != 0x07064b50)
        return bad(z, error, "its zip64 record is missing");
    uint64_t at = get(locator + 8, 8);
    if (!adze_io_pread(&z->file, at, record, sizeof record) || get(record, 4) != 0x06064b50)
        return bad(z, error, "its zip64 record is damaged");
    *d = (directory){get(record + 48, 8), get(record + 40, 8), get(record + 32, 8)};
    return ADZE_OK;
}

/* The end record stands last, before a comment of its own length. */
static adze_status find_directory(adze_npz *z, directory *d, adze_io_error *error)
{
    uint64_t tail = z->file.size < END_BYTES + MAX_COMMENT ? z->file.size : END_BYTES + MAX_COMMENT;
    uint8_t *bytes = adze_io_alloc(tail);
    if (!bytes) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", z->path);
    adze_status status = bad(z, error, "its end is missing");
    if (tail >= END_BYTES && adze_io_pread(&z->file, z->file.size - tail, bytes, tail)) {
        for (uint64_t i = tail - END_BYTES + 1; i-- > 0;) {
            const uint8_t *p = bytes + i;
            if (get(p, 4) != 0x06054b50 || get(p + 20, 2) != tail - i - END_BYTES) continue;
            *d = (directory){get(p + 16, 4), get(p + 12, 4), get(p + 10, 2)};
            bool is_big = d->offset == 0xffffffff || d->bytes == 0xffffffff || d->count == 0xffff;
            uint64_t end = z->file.size - tail + i;
            status = is_big ? read_end64(z, end, d, error) : ADZE_OK;
            if (!status && (d->offset > end || d->bytes > end - d->offset ||
                            d->count > d->bytes / CENTRAL_BYTES))
                status = bad(z, error, "its directory lies outside the file");
            break;
        }
    }
    free(bytes);
    return status;
}

/* The zip64 extra field holds, in this order, those fields that did not fit. */
static bool read_extra(const uint8_t *extra, uint64_t bytes, entry *e)
{
    uint64_t *fields[] = {&e->size, &e->stored, &e->offset};
    while (bytes >= 4) {
        uint64_t id = get(extra, 2), size = get(extra + 2, 2);
        extra += 4, bytes -= 4;
        if (size > bytes) return false;
        if (id == 1) {
            const uint8_t *p = extra, *end = extra + size;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xffffffff) continue;
                if (end - p < 8) return false;
                *fields[i] = get(p, 8);
                p += 8;
            }
            return true;
        }
        extra += size, bytes -= size;
    }
    return true;
}

static bool ends_with_npy(const char *name, uint64_t bytes)
{
    return bytes > 4 && memcmp(name + bytes - 4, ".npy", 4) == 0;
}

static adze_status add_entry(adze_npz *z, const uint8_t *p, uint64_t name_bytes,
                             uint64_t extra_bytes, adze_io_error *error)
{
    const char *name = (const char *)p + CENTRAL_BYTES;
    uint64_t flags = get(p + 8, 2), method = get(p + 10, 2);
    if (!ends_with_npy(name, name_bytes)) return ADZE_OK;
    entry e = {.offset = get(p + 42, 4), .stored = get(p + 20, 4), .size = get(p + 24, 4)};
    if (memchr(name, 0, name_bytes)) return bad(z, error, "an entry's name has a zero byte");
    if (!read_extra(p + CENTRAL_BYTES + name_bytes, extra_bytes, &e))
        return bad(z, error, "an entry's extra field is damaged");
    if (flags & 1) return adze_io_fail(error, ADZE_ERR_UNSUPPORTED, "%s: is encrypted", z->path);
    if (method != 0 && method != 8)
        return adze_io_fail(error, ADZE_ERR_UNSUPPORTED, "%s: '%.*s' has compression method %u",
                            z->path, (int)(name_bytes < 200 ? name_bytes : 200), name,
                            (unsigned)method);
    e.is_deflated = method == 8;
    e.crc = (uint32_t)get(p + 16, 4);
    if (e.offset > z->directory || e.stored > z->directory - e.offset ||
        (e.is_deflated ? e.size / MAX_RATIO > e.stored : e.size != e.stored))
        return bad(z, error, "an entry's size cannot be");
    e.name = strndup(name, name_bytes - 4);
    if (!e.name) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", z->path);
    z->entries[z->n++] = e;
    return ADZE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static adze_status check_unique(const adze_npz *z, adze_io_error *error)
{
    adze_status status = ADZE_OK;
    const char **names = malloc((z->n + 1) * sizeof *names);
    if (!names) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", z->path);
    for (uint32_t i = 0; i < z->n; i++) names[i] = z->entries[i].name;
    qsort(names, z->n, sizeof *names, by_name);
    for (uint32_t i = 1; i < z->n && !status; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = bad(z, error, "a name stands in it twice");
    free(names);
    return status;
}

static adze_status read_directory(adze_npz *z, adze_io_error *error)
{
    directory d = {0, 0, 0};
    adze_status status = find_directory(z, &d, error);
    if (status) return status;
    z->directory = d.offset;
    uint8_t *bytes = adze_io_alloc(d.bytes);
    z->entries = calloc(d.count + 1, sizeof *z->entries);
    if (!bytes || !z->entries)
        status = adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", z->path);
    else if (!adze_io_pread(&z->file, d.offset, bytes, d.bytes))
        status = adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be read", z->path);
    uint64_t at = 0;
    for (uint64_t i = 0; i < d.count && !status; i++) {
        const uint8_t *p = bytes + at;
        if (d.bytes - at < CENTRAL_BYTES || get(p, 4) != 0x02014b50) {
            status = bad(z, error, "its directory is damaged");
            break;
        }
        uint64_t name = get(p + 28, 2), extra = get(p + 30, 2), comment = get(p + 32, 2);
        if (d.bytes - at - CENTRAL_BYTES < name + extra + comment) {
            status = bad(z, error, "its directory is damaged");
            break;
        }
        status = add_entry(z, p, name, extra, error);
        at += CENTRAL_BYTES + name + extra + comment;
    }
    free(bytes);
    return status ? status : check_unique(z, error);
}

adze_status adze_npz_open(const char *path, adze_npz **out_npz, adze_io_error *error)
{
    *out_npz = NULL;
    adze_npz *z = calloc(1, sizeof *z);
    if (!z) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", path);
    z->file.fd = -1;
    z->path = strdup(path);
    adze_status status = z->path
                             ? adze_io_open(z->path, &z->file, error)
                             : adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", path);
    if (!status) status = read_directory(z, error);
    if (status) {
        adze_npz_close(z);
        return status;
    }
    *out_npz = z;
    return ADZE_OK;
}

void adze_npz_close(adze_npz *z)
{
    if (!z) return;
    for (uint32_t i = 0; i < z->n; i++) free(z->entries[i].name);
    free(z->entries);
    free(z->path);
    adze_io_close(&z->file);
    free(z);
}

uint32_t adze_npz_count(const adze_npz *z) { return z->n; }

const char *adze_npz_name(const adze_npz *z, uint32_t index)
{
    return index < z->n ? z->entries[index].name : NULL;
}

int64_t adze_npz_find(const adze_npz *z, const char *name)
{
    for (uint32_t i = 0; i < z->n; i++)
        if (strcmp(z->entries[i].name, name) == 0) return i;
    return -1;
}

/* Where the entry's bytes start in the file. */
static adze_status locate(const adze_npz *z, const entry *e, uint64_t *out_offset,
                          adze_io_error *error)
{
    uint8_t p[LOCAL_BYTES];
    if (!adze_io_pread(&z->file, e->offset, p, sizeof p) || get(p, 4) != 0x04034b50)
        return bad(z, error, "an entry is not where the directory says");
    uint64_t at = e->offset + LOCAL_BYTES + get(p + 26, 2) + get(p + 28, 2);
    if (at > z->directory || e->stored > z->directory - at)
        return bad(z, error, "an entry runs into the directory");
    *out_offset = at;
    return ADZE_OK;
}

/* The first `wanted` plain bytes of an entry, or fewer; *out_got says how many. */
static adze_status unpack(const adze_npz *z, const entry *e, uint8_t *out, uint64_t wanted,
                          uint64_t *out_got, const char *where, adze_io_error *error)
{
    uint64_t offset = 0, n_read, n_in = e->stored;
    adze_status status = locate(z, e, &offset, error);
    if (status) return status;
    if (!e->is_deflated) {
        *out_got = wanted;
        if (adze_io_pread(&z->file, offset, out, wanted)) return ADZE_OK;
        return adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be read", where);
    }
    bool is_whole = wanted == e->size;
    if (!is_whole && n_in > DESCRIBE_INPUT) n_in = DESCRIBE_INPUT;
    uint8_t *in = adze_io_alloc(n_in);
    if (!in) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
    if (!adze_io_pread(&z->file, offset, in, n_in)) {
        status = adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be read", where);
    } else {
        io_inflate result = adze_io_inflate(in, n_in, out, wanted, out_got, &n_read);
        if (result == INFLATE_BAD || (is_whole && (result != INFLATE_DONE || *out_got != wanted)))
            status =
                adze_io_fail(error, ADZE_ERR_FORMAT, "%s: its compressed data is damaged", where);
    }
    free(in);
    return status;
}

static void name_place(const adze_npz *z, const entry *e, char where[300])
{
    snprintf(where, 300, "%s: '%s'", z->path, e->name);
}

adze_status adze_npz_describe(const adze_npz *z, uint32_t index, adze_array *out_array,
                              adze_io_error *error)
{
    char where[300];
    npy_head head;
    uint64_t got = 0;
    *out_array = (adze_array){0};
    if (index >= z->n)
        return adze_io_fail(error, ADZE_ERR_ARGUMENT, "%s: no entry %u", z->path, index);
    const entry *e = &z->entries[index];
    name_place(z, e, where);
    uint64_t some = e->size < NPY_MAX_HEAD ? e->size : NPY_MAX_HEAD;
    uint8_t *start = adze_io_alloc(some);
    if (!start) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
    adze_status status = unpack(z, e, start, some, &got, where, error);
    if (!status) status = adze_io_npy_parse(start, got, &head, where, error);
    free(start);
    if (status) return status;
    out_array->dtype = head.dtype;
    out_array->rank = head.rank;
    memcpy(out_array->dims, head.dims, sizeof head.dims);
    out_array->bytes = head.kind == NPY_PLAIN ? head.data_bytes : 0;
    out_array->name = strdup(e->name);
    return out_array->name ? ADZE_OK
                           : adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
}

/* Takes `whole`, an entry's plain bytes. */
static adze_status decode(const entry *e, uint8_t *whole, const char *where, adze_array *out_array,
                          adze_io_error *error)
{
    npy_head head;
    io_crc crc;
    adze_status status = ADZE_OK;
    adze_io_crc_init(&crc);
    adze_io_crc_add(&crc, whole, e->size);
    if (adze_io_crc_value(&crc) != e->crc)
        status = adze_io_fail(error, ADZE_ERR_FORMAT, "%s: its CRC is wrong", where);
    if (!status) status = adze_io_npy_parse(whole, e->size, &head, where, error);
    if (!status && head.data_bytes != e->size - head.head_bytes)
        status = adze_io_fail(
            error, ADZE_ERR_FORMAT, "%s: has %llu bytes of elements, its header says %llu", where,
            (unsigned long long)(e->size - head.head_bytes), (unsigned long long)head.data_bytes);
    if (status) {
        free(whole);
        return status;
    }
    memmove(whole, whole + head.head_bytes, head.data_bytes);
    return adze_io_npy_decode(&head, whole, where, out_array, error);
}

adze_status adze_npz_read(const adze_npz *z, uint32_t index, adze_array *out_array,
                          adze_io_error *error)
{
    char where[300];
    uint64_t got;
    *out_array = (adze_array){0};
    if (index >= z->n)
        return adze_io_fail(error, ADZE_ERR_ARGUMENT, "%s: no entry %u", z->path, index);
    const entry *e = &z->entries[index];
    name_place(z, e, where);
    uint8_t *whole = adze_io_alloc(e->size);
    if (!whole) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
    adze_status status = unpack(z, e, whole, e->size, &got, where, error);
    if (status) {
        free(whole);
        return status;
    }
    status = decode(e, whole, where, out_array, error);
    if (status) return status;
    out_array->name = strdup(e->name);
    if (out_array->name) return ADZE_OK;
    adze_array_free(out_array);
    return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
}
