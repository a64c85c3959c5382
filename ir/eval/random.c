/* random_normal: normally distributed values that depend on the seed and their place alone.
 *
 * Element i hashes (seed, i) twice (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", 2014, the mixer of SplitMix64) and transforms the two uniform numbers as Box and Muller
 * (1958) do, so that any order of evaluation gives the same values.
 */
#include "convert.h"
#include "math.h"

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* In (0, 1]. */
static double uniform(uint64_t bits)
{
    return (double)((bits >> 11) + 1) * 0x1p-53;
}

adze_status eval_random_normal(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                               uint32_t n_out, const void *attrs)
{
    (void)in, (void)n_in, (void)n_out;
    const struct adze_random_normal_attrs *a = attrs;
    if (a->shape.count > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "random_normal: too many dims");
    if (!ev_is_float((uint32_t)a->dtype)) return ev_bad_dtype(env);
    adze_status status = ev_result(env, out, (uint32_t)a->dtype, (uint32_t)a->shape.count, a->shape.data);
    if (status != ADZE_OK) return status;
    uint64_t seed = env->seed;
    if (a->set >> 4 & 1) seed ^= mix(adze_bits_f64(a->seed)); /* the fifth attribute */
    int64_t n = (int64_t)adze_value_count(out);
    for (int64_t i = 0; i < n; i++) {
        uint64_t first = mix(mix(seed) ^ (uint64_t)i);
        double radius = adze_body_sqrt_f64(-2 * adze_body_log_f64(uniform(first)));
        double x = a->mean + a->scale * radius * adze_body_cos_f64(6.283185307179586 * uniform(mix(first)));
        ev_store_f64(out->dtype, out->data, i, 1, 1, &x);
    }
    return ADZE_OK;
}
