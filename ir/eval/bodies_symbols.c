/* The bodies as symbols for generated code, compiled by clang to bitcode only.
 *
 * Scalars are adze_body_<name>_<dtype>; vectors of 16 lanes add x16 and take and return their
 * operands by value. All are always_inline: after linking nothing of this file remains but what its
 * callers became. Compile for a target whose registers hold 16 floats, so that the calling
 * convention keeps vectors whole.
 */
#pragma clang diagnostic ignored "-Wmissing-prototypes"

#ifndef ADZE_BODY
#define ADZE_BODY __attribute__((always_inline))
#endif
#include "bodies.h"

#include "lanes_x16.h"

#define LANE f64x16
#include "bodies_compare.inc"
#include "math_round.inc"
#include "math_f64.inc"
#include "bodies_float.inc"
#undef LANE
#define LANE f32x16
#include "bodies_compare.inc"
#include "math_round.inc"
#include "math_f32.inc"
#include "bodies_float.inc"
#undef LANE
#define LANE boolx16
#include "bodies_bool.inc"
#undef LANE
#define SIGNED 1
#define LANE i8x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i16x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i32x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE i64x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#undef SIGNED
#define SIGNED 0
#define LANE u8x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u16x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u32x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#define LANE u64x16
#include "bodies_compare.inc"
#include "bodies_int.inc"
#undef LANE
#undef SIGNED

#include "lanes_end.h"

#include "casts_x16.h"
