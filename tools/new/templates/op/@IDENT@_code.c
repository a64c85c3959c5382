/* What @IDENT@ does with one element: x / (1 + |x|) times `scale`. Compiled twice: into the plug-in, for the reference,
 * and to code that is linked into artifacts. */
#include <math.h>

float adze_body_@IDENT@_f32(float x, float scale);

float adze_body_@IDENT@_f32(float x, float scale) { return scale * x / (1 + fabsf(x)); }
