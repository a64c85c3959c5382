/* All scalar bodies, for tests and listings. */
#ifndef ADZE_BODIES_TABLE_H
#define ADZE_BODIES_TABLE_H

#include <adze/body.h>

/* In the order of bodies.def, casts last. */
ADZE_API const adze_body *adze_body_all(size_t *out_count);

#endif
