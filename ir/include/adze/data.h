/* Data of constants: lazy, reference counted, outside the arenas (data.c).
 *
 * Each of the four makers gives one reference, which adze_const_make and adze_module_add_const take over; NULL after
 * an error (out of memory, over --max-memory). The last release frees; it comes before the context ends. */
#ifndef ADZE_IR_DATA_H
#define ADZE_IR_DATA_H

#include <adze/type.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Copies `size` bytes. */
ADZE_API adze_data *adze_data_copy(adze_context *context, const void *bytes, uint64_t size);
/* Takes a malloc'ed buffer, also where it fails. */
ADZE_API adze_data *adze_data_take(adze_context *context, void *bytes, uint64_t size);
/* A range of a file, read when needed; short reads are an error then. `path` is copied. */
ADZE_API adze_data *adze_data_file(adze_context *context, const char *path, uint64_t offset, uint64_t size);
/* The result of one op of `row` over constants, computed when first read. `attrs` as adze_op_attrs. NULL inputs are
 * absent operands; the constants must outlive the data. `type` has constant dims. */
ADZE_API adze_data *adze_data_derived(adze_context *context, const adze_op_row *row, const adze_slot *attrs,
                                      adze_const *const *inputs, uint32_t n_inputs, const adze_type *type);
ADZE_API adze_data *adze_data_retain(adze_data *data);
ADZE_API void adze_data_release(adze_data *data); /* NULL is allowed */
ADZE_API uint64_t adze_data_size(const adze_data *data);
/* The bytes, 64-byte aligned, row-major in the constant's layout; loaded or computed on first call and valid until
 * adze_data_unload or the last release. NULL after an error: the file is gone or shorter, memory is out. */
ADZE_API const void *adze_data_load(adze_data *data);
ADZE_API void adze_data_unload(adze_data *data); /* data that lies in memory alone stays */
/* Reads `size` bytes at `offset`, without keeping the whole where the source allows. */
ADZE_API bool adze_data_read(adze_data *data, uint64_t offset, void *out, uint64_t size);
/* Where the bytes come from; file sources give path and offset, derived ones row, attributes and inputs, all borrowed.
 * Any out pointer may be NULL. */
ADZE_API bool adze_data_is_file(const adze_data *data, const char **out_path, uint64_t *out_offset);
ADZE_API bool adze_data_is_derived(const adze_data *data, const adze_op_row **out_row, const adze_slot **out_attrs,
                                   adze_const *const **out_inputs, uint32_t *out_n_inputs);

#ifdef __cplusplus
}
#endif
#endif
