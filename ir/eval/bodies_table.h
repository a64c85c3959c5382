/* Finds scalar bodies by name and element type. */
#ifndef ADZE_BODIES_TABLE_H
#define ADZE_BODIES_TABLE_H

#include <adze/body.h>

/* The body of op `name` over `dtype`; NULL if there is none. quantize and dequantize go by the
 * quantized type, cast by the type it converts from with adze_cast_find. */
ADZE_API const adze_body *adze_body_find(const char *name, adze_dtype dtype);

/* The body that converts; NULL if one of the types has no body (small floats and sub-byte integers go by convert.h). */
ADZE_API const adze_body *adze_cast_find(adze_dtype from, adze_dtype to);

/* All bodies in the order of bodies.def, casts last; for tests and listings. */
ADZE_API const adze_body *adze_body_all(size_t *out_count);

#endif
