/* ADZE_API marks what libadze.so exports; everything else in it is hidden.
 *
 * Put it before the declaration in a public header: `ADZE_API adze_op *adze_op_create(...);`.
 * Functions of the runtime carry no mark: the runtime is a static library, and an artifact that
 * links it must keep its symbols local.
 */
#ifndef ADZE_EXPORT_H
#define ADZE_EXPORT_H

#if defined(__GNUC__)
#define ADZE_API __attribute__((visibility("default")))
#define ADZE_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define ADZE_API
#define ADZE_PRINTF(text, first)
#endif

#endif
