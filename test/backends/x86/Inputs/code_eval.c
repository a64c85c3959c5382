/* Evaluation of demo_swish, x / (1 + exp(-x)); body of demo_tilt; micro-kernel demo_halve. SECRET calls what no
 * artifact has. */
#include <adze/abi.h>

#include <math.h>

adze_status eval_demo_swish(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                            const void *attrs);
void adze_uk_demo_halve(float *y, const float *x, int64_t n);
float adze_body_demo_tilt_f32(float x, float by);
#ifdef SECRET
int getpid(void);
#endif

adze_status eval_demo_swish(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                            const void *attrs)
{
    (void)env, (void)n_in, (void)n_out, (void)attrs;
    const float *x = in[0].data;
    float *y = out[0].data;
    for (uint64_t i = 0; i < adze_value_count(&in[0]); i++) y[i] = x[i] / (1 + expf(-x[i]));
#ifdef SECRET
    y[0] += (float)getpid();
#endif
    return ADZE_OK;
}

void adze_uk_demo_halve(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / 2;
}

float adze_body_demo_tilt_f32(float x, float by) { return x < 0 ? x * by : x; }
