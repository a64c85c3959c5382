/* Our own mathematics: adze_body_<function>_f32 and _f64, the same bits on every machine.
 *
 * Nothing here calls libm, reads the rounding mode or sets errno. Compile with -ffp-contract=off and
 * -fno-math-errno.
 */
#ifndef ADZE_MATH_H
#define ADZE_MATH_H

#include "math_trig.h"

#include "lanes_scalar.h"

#define LANE f64
#include "math_round.inc"
#include "math_f64.inc"
#undef LANE
#define LANE f32
#include "math_round.inc"
#include "math_f32.inc"
#undef LANE

#include "lanes_end.h"

#endif
