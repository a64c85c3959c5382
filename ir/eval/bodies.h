/* Scalar bodies: what an elementwise operation means, as adze_body_<name>_<dtype>(operands, parameters).
 *
 * bodies.def lists them; bodies_table.h finds them by name. f16 and bf16 are computed through f32.
 */
#ifndef ADZE_BODIES_H
#define ADZE_BODIES_H

#include "casts.h"
#include "math.h"

#include "lanes_scalar.h"

#define LANE f32
#include "bodies_compare.inc"
#include "bodies_float.inc"
#undef LANE
#define LANE f64
#include "bodies_compare.inc"
#include "bodies_float.inc"
#undef LANE
#define LANE bool
#include "bodies_bool.inc"
#undef LANE
#define SIGNED 1
#define LANE i8
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i32
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i64
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#undef SIGNED
#define SIGNED 0
#define LANE u8
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u32
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u64
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#undef SIGNED

#include "lanes_end.h"

#endif
