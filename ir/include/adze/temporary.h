/* Temporary files (temporary.c): what is there only while something is made, and what a signal must not leave behind.
 *
 * A context lists its own. What makes a temporary file lists it, and takes it off when it has its final name or is
 * removed. A program that a signal ends calls adze_temporaries_remove in its handler; others may ignore the list. All
 * functions may be called by several threads at once.
 */
#ifndef ADZE_IR_TEMPORARY_H
#define ADZE_IR_TEMPORARY_H

#include <adze/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lists a file of a name that is our own, before it is made. Listed twice, it is there once. */
ADZE_API void adze_temporary_add(adze_context *context, const char *path);
/* Takes it off the list after it was renamed or removed. What is not on it is no error. */
ADZE_API void adze_temporary_forget(adze_context *context, const char *path);
/* As mkstemps and mkdtemp, whose errors they give: they replace the XXXXXX in `path`, make the file or the folder, and
 * list it. */
ADZE_API int adze_temporary_file(adze_context *context, char *path, int suffix_bytes);
ADZE_API bool adze_temporary_folder(adze_context *context, char *path);
/* Removes all on the list, folders with the files in them, for a handler of a signal that ends the program: it
 * allocates nothing, and nothing can be listed any more. The handler must not be interrupted by another that calls
 * this, so its mask holds their signals. */
ADZE_API void adze_temporaries_remove(adze_context *context);

#ifdef __cplusplus
}
#endif
#endif
