/* What the files of tools/io share. */
#ifndef ADZE_IO_PRIVATE_H
#define ADZE_IO_PRIVATE_H

#include "adze_io.h"

/* Writes the text and gives the status back. */
__attribute__((format(printf, 3, 4))) adze_status
adze_io_fail(adze_io_error *error, adze_status status, const char *format, ...);

/* A regular file open for reading; its size is taken once. */
typedef struct io_file {
    int fd;
    uint64_t size;
    const char *path;
} io_file;

adze_status adze_io_open(const char *path, io_file *out_file, adze_io_error *error);
void adze_io_close(io_file *file);
/* False if the bytes are not all there. */
bool adze_io_pread(const io_file *file, uint64_t offset, void *out, uint64_t bytes);
void *adze_io_alloc(uint64_t bytes); /* 64-byte aligned, at least one byte; free() it */

/* CRC-32 of zip (ITU-T V.42). */
typedef struct io_crc {
    uint32_t table[4][256];
    uint32_t value;
} io_crc;
void adze_io_crc_init(io_crc *crc);
void adze_io_crc_add(io_crc *crc, const void *data, uint64_t bytes);
static inline uint32_t adze_io_crc_value(const io_crc *crc) { return ~crc->value; }

typedef enum io_inflate {
    INFLATE_DONE,  /* the stream ended */
    INFLATE_FULL,  /* `out` is full and more would come */
    INFLATE_SHORT, /* the input ended too early */
    INFLATE_BAD
} io_inflate;
/* Raw deflate (RFC 1951). *out_used and *out_read are bytes written and consumed. */
io_inflate adze_io_inflate(const uint8_t *in, uint64_t n_in, uint8_t *out, uint64_t n_out,
                           uint64_t *out_used, uint64_t *out_read);

/* What the header of a .npy says. `item` is the size of a stored element; UNICODE and BYTES become
 * str. */
typedef enum npy_kind { NPY_PLAIN, NPY_UNICODE, NPY_BYTES } npy_kind;
typedef struct npy_head {
    adze_dtype dtype;
    npy_kind kind;
    uint32_t rank;
    int64_t dims[ADZE_MAX_RANK];
    bool is_fortran;
    uint64_t item, count;
    uint64_t head_bytes; /* where the elements start */
    uint64_t data_bytes; /* stored */
} npy_head;

enum { NPY_MAX_HEAD = 64 << 10 };

/* Parses the start of a .npy; `bytes` of it are at hand. `where` begins the error. */
adze_status adze_io_npy_parse(const uint8_t *start, uint64_t bytes, npy_head *out_head,
                              const char *where, adze_io_error *error);
/* From stored elements (malloc'd, taken over on success and failure) to an array. */
adze_status adze_io_npy_decode(const npy_head *head, void *stored, const char *where,
                               adze_array *out_array, adze_io_error *error);

/* An array in stored form. `data` is the array's own memory or `owned`. */
typedef struct npy_stored {
    char head[1024];
    uint64_t head_bytes;
    const void *data;
    uint64_t data_bytes;
    void *owned;
} npy_stored;
adze_status adze_io_npy_encode(const adze_array *array, npy_stored *out, adze_io_error *error);

/* strings.c: between numpy's fixed-width strings and adze_string elements. */
adze_status adze_io_strings_decode(const npy_head *head, const void *stored, const char *where,
                                   adze_array *out_array, adze_io_error *error);
/* Gives the element size in bytes (a multiple of 4, at least 4); *out_data is malloc'd. */
adze_status adze_io_strings_encode(const adze_string *strings, uint64_t count, void **out_data,
                                   uint64_t *out_item, adze_io_error *error);

/* Sizes and offsets from `limit` on go to zip64 records; 0xffffffff but in tests. */
adze_status adze_io_npz_write(const char *path, const adze_array *arrays, uint32_t n,
                              uint32_t limit, adze_io_error *error);

#endif
