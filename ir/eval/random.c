/* Random values that depend on the seed and their place alone.
 *
 * Element i hashes (seed, i) twice (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", 2014, the mixer of SplitMix64); normal ones transform the two uniform numbers as Box and Muller
 * (1958) do. So any order of evaluation gives the same values.
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

/* The environment's seed, and the op's own where it has one. */
static uint64_t seed_of(const adze_env *env, bool own, double seed)
{
    return own ? env->seed ^ mix(adze_bits_f64(seed)) : env->seed;
}

static double uniform_at(uint64_t seed, int64_t i)
{
    return uniform(mix(mix(seed) ^ (uint64_t)i));
}

static double normal_at(uint64_t seed, int64_t i)
{
    uint64_t first = mix(mix(seed) ^ (uint64_t)i);
    double radius = adze_body_sqrt_f64(-2 * adze_body_log_f64(uniform(first)));
    return radius * adze_body_cos_f64(6.283185307179586 * uniform(mix(first)));
}

static adze_status make(const adze_env *env, adze_value *out, uint32_t dtype, uint64_t rank, const int64_t *dims)
{
    if (rank > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "random values: too many dims");
    return ev_is_float(dtype) ? ev_result(env, out, dtype, (uint32_t)rank, dims) : ev_bad_dtype(env);
}

static void fill_normal(adze_value *out, uint64_t seed, double mean, double scale)
{
    int64_t n = (int64_t)adze_value_count(out);
    for (int64_t i = 0; i < n; i++) {
        double x = mean + scale * normal_at(seed, i);
        ev_store_f64(out->dtype, out->data, i, 1, 1, &x);
    }
}

/* In [low, high). */
static void fill_uniform(adze_value *out, uint64_t seed, double low, double high)
{
    int64_t n = (int64_t)adze_value_count(out);
    for (int64_t i = 0; i < n; i++) {
        double x = low + (high - low) * (1 - uniform_at(seed, i));
        ev_store_f64(out->dtype, out->data, i, 1, 1, &x);
        while (x < high && ev_get_f64(out, i) >= high) { /* rounded up to the bound: the next one below */
            x = low + (x - low) * (1 - 0x1p-8);
            ev_store_f64(out->dtype, out->data, i, 1, 1, &x);
        }
    }
}

#define EVAL(name)                                                                                                   \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out, \
                            const void *attrs)

EVAL(random_normal)
{
    (void)in, (void)n_in, (void)n_out;
    const struct adze_random_normal_attrs *a = attrs;
    adze_status status = make(env, out, (uint32_t)a->dtype, a->shape.count, a->shape.data);
    if (status == ADZE_OK) fill_normal(out, seed_of(env, a->set >> 4 & 1, a->seed), a->mean, a->scale);
    return status;
}

EVAL(random_uniform)
{
    (void)in, (void)n_in, (void)n_out;
    const struct adze_random_uniform_attrs *a = attrs;
    adze_status status = make(env, out, (uint32_t)a->dtype, a->shape.count, a->shape.data);
    if (status == ADZE_OK) fill_uniform(out, seed_of(env, a->set >> 4 & 1, a->seed), a->low, a->high);
    return status;
}

EVAL(random_normal_like)
{
    (void)n_in, (void)n_out;
    const struct adze_random_normal_like_attrs *a = attrs;
    adze_status status = make(env, out, a->set & 1 ? (uint32_t)a->dtype : in->dtype, in->rank, in->dims);
    if (status == ADZE_OK) fill_normal(out, seed_of(env, a->set >> 3 & 1, a->seed), a->mean, a->scale);
    return status;
}

EVAL(random_uniform_like)
{
    (void)n_in, (void)n_out;
    const struct adze_random_uniform_like_attrs *a = attrs;
    adze_status status = make(env, out, a->set & 1 ? (uint32_t)a->dtype : in->dtype, in->rank, in->dims);
    if (status == ADZE_OK) fill_uniform(out, seed_of(env, a->set >> 3 & 1, a->seed), a->low, a->high);
    return status;
}

/* The class whose share of the running sum of e^x the random number falls into; the last one that has any. */
static int64_t draw(const double *share, int64_t classes, double sum, double at)
{
    double rest = at * sum;
    int64_t last = 0;
    for (int64_t c = 0; c < classes; c++) {
        if (!(share[c] > 0)) continue;
        last = c;
        if (rest <= share[c]) break;
        rest -= share[c];
    }
    return last;
}

EVAL(multinomial)
{
    (void)n_in, (void)n_out;
    const struct adze_multinomial_attrs *a = attrs;
    if (in->rank != 2 || !ev_is_float(in->dtype)) return ev_fail(env, ADZE_ERR_RANK, "multinomial: not rows of floats");
    int64_t classes = in->dims[1], dims[2] = {in->dims[0], a->sample_size};
    adze_status status = ev_result(env, out, (uint32_t)a->dtype, 2, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    if (classes == 0) return ev_fail(env, ADZE_ERR_DIM, "multinomial: there are no classes");
    double *share = ev_scratch(env, (uint64_t)classes, sizeof *share);
    if (!share) return ev_no_memory(env);
    uint64_t seed = seed_of(env, a->set >> 2 & 1, a->seed);
    for (int64_t row = 0; row < dims[0]; row++) {
        double max = -ev_inf(), sum = 0;
        ev_load_f64(in->dtype, in->data, row * classes, 1, classes, share);
        for (int64_t c = 0; c < classes; c++) max = share[c] > max ? share[c] : max;
        for (int64_t c = 0; c < classes; c++) sum += share[c] = adze_body_exp_f64(share[c] - max);
        for (int64_t i = 0; i < dims[1]; i++) {
            int64_t drawn = draw(share, classes, sum, uniform_at(seed, row * dims[1] + i));
            ev_store_i64(out->dtype, out->data, row * dims[1] + i, 1, 1, &drawn);
        }
    }
    return ADZE_OK;
}
