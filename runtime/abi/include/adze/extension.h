/* Extensions: libraries that neither the runtime nor an artifact links, because few models need them.
 *
 * The extension NAME is a shared object libadze_NAME.so that exports one table, adze_NAME_table. It is opened when an
 * op first asks for it and stays until the process ends. images.h describes the table of "images".
 */
#ifndef ADZE_EXTENSION_H
#define ADZE_EXTENSION_H

#include <adze/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What every table begins with; it grows at its end. */
typedef struct adze_extension {
    uint32_t struct_size; /* of the whole table */
    uint32_t abi;         /* ADZE_ABI */
} adze_extension;

/* The table of an extension, which lives as long as who asked. NULL: there is none, and one line about it is in `why`,
 * which has room for `why_size` bytes. */
typedef const void *adze_extension_fn(void *self, const char *name, char *why, size_t why_size);

/* Part of libadze_runtime.a: opens libadze_NAME.so. It is looked for beside the file that holds this function, in the
 * folder of libraries that belongs to it, and where the loader looks. `self` is not used. */
const void *adze_extension_find(void *self, const char *name, char *why, size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
