/* Our own mathematics: adze_body_<function>_f32 and _f64, the same bits on every machine.
 *
 * Largest error of f32, in units of the last place over all arguments:
 *     exp 1.0   expm1 1.6   log 0.85   log1p 1.5   tanh 6.2   erf 7.5   sigmoid 2.4   sqrt, round, … exact
 *     sin cos tan asin acos atan sinh cosh asinh acosh atanh pow 0.501 (computed in double)
 * Largest relative error of f64: 6e-16, pow 5e-15. test/unit/math_test.c holds them to it.
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
