/* Files of arrays: numpy's .npy and .npz, and writing files whole or not at all.
 *
 * Linked into the `adze` command and into standalone executables; depends on libc alone. Files are
 * hostile until proved otherwise: each function that fails gives a status and one line in `error`
 * that starts with the path, takes no more memory than the file justifies, and leaves nothing
 * behind.
 */
#ifndef ADZE_IO_H
#define ADZE_IO_H

#include <adze/abi.h>

/* One line about a failure; may be NULL where a function takes it. */
typedef struct adze_io_error {
    char text[512];
} adze_io_error;

/* A dense row-major array. Strings are adze_string elements; their bytes lie behind them in `data`.
 */
typedef struct adze_array {
    char *name; /* key in an .npz; NULL for a .npy */
    adze_dtype dtype;
    uint32_t rank;
    int64_t dims[ADZE_MAX_RANK];
    void *data;     /* 64-byte aligned; never NULL in an array that was read */
    uint64_t bytes; /* of the elements, adze_dtype_bytes(dtype, count) */
} adze_array;

/* Frees what a read function put into `array`, not the struct. */
void adze_array_free(adze_array *array);
/* Makes an array that was read fit an input of type `dtype`: numpy has no name for bf16 (stored as
 * u16 or void of 2 bytes), 8-bit floats (u8 or void of 1 byte) and sub-byte integers (one per byte,
 * i8 or u8). Nothing else is converted. DTYPE if the two do not go together, VALUE if a number does
 * not fit. */
adze_status adze_array_retype(adze_array *array, adze_dtype dtype, adze_io_error *error);

/* Versions 1.0, 2.0 and 3.0, little endian, either order of elements; bool, integers, f16, f32,
 * f64, complex, strings (U and S), void of 1 and 2 bytes (read as u8 and u16). Errors: FILE,
 * FORMAT, UNSUPPORTED, NO_MEMORY. */
adze_status adze_npy_read(const char *path, adze_array *out_array, adze_io_error *error);
/* Types that numpy lacks are written as adze_array_retype reads them back. */
adze_status adze_npy_write(const char *path, const adze_array *array, adze_io_error *error);

/* A zip archive of .npy entries, stored or deflated, open for reading. Other entries are left out.
 */
typedef struct adze_npz adze_npz;

adze_status adze_npz_open(const char *path, adze_npz **out_npz, adze_io_error *error);
void adze_npz_close(adze_npz *npz);
uint32_t adze_npz_count(const adze_npz *npz);
/* Key of entry `index`, borrowed; NULL if there is none. */
const char *adze_npz_name(const adze_npz *npz, uint32_t index);
/* Index of a key, or -1. */
int64_t adze_npz_find(const adze_npz *npz, const char *name);
/* Type and dims of entry `index` without its elements: data is NULL. Strings have bytes = 0. */
adze_status adze_npz_describe(const adze_npz *npz, uint32_t index, adze_array *out_array,
                              adze_io_error *error);
/* Reads entry `index` and checks its CRC. */
adze_status adze_npz_read(const adze_npz *npz, uint32_t index, adze_array *out_array,
                          adze_io_error *error);
/* Stored entries in the order given, zip64 where sizes ask for it; the same arrays give the same
 * bytes. */
adze_status adze_npz_write(const char *path, const adze_array *arrays, uint32_t n,
                           adze_io_error *error);

/* A file that appears under its name only when it is complete. "-" is stdout, and what is no
 * regular file (a pipe, /dev/null) is written in place. */
typedef struct adze_outfile adze_outfile;

/* `mode` as open(2) takes it: 0666, or 0777 for a program; the umask applies. */
adze_status adze_outfile_create(const char *path, unsigned mode, adze_outfile **out_file,
                                adze_io_error *error);
/* Errors are kept and told by commit, so callers need not check each write. */
void adze_outfile_write(adze_outfile *file, const void *data, uint64_t bytes);
/* No write has failed so far. */
bool adze_outfile_is_ok(const adze_outfile *file);
/* Puts the file in place and frees `file`, also on failure. */
adze_status adze_outfile_commit(adze_outfile *file, adze_io_error *error);
/* Removes what was written and frees `file`. NULL is allowed. */
void adze_outfile_discard(adze_outfile *file);
/* From now on, `watch` is told with `self` of temporary files: each before it is made, and when it is `gone`, renamed or
 * removed. For a program that removes them when a signal ends it; it sets this before it makes files. NULL: nobody. */
typedef void adze_outfile_watch(void *self, const char *path, bool gone);
void adze_outfile_set_watch(adze_outfile_watch *watch, void *self);

#endif
