/* What mish2 does with one element: x * tanh(log(1 + exp(beta * x))). Compiled twice: into the plug-in, for the
 * reference, and to code that is linked into artifacts. */
#include <math.h>

float adze_body_mish2_f32(float x, float beta);

float adze_body_mish2_f32(float x, float beta) { return x * tanhf(log1pf(expf(beta * x))); }
