/* linear_attention: instead of a softmax over all keys, a state of keys by values a head that each query reads.
 *
 * A step: state *= e^decay; v becomes beta (v - state^T k) where the rule corrects; state += k v^T;
 * y = scale state^T q. In f32, as the function that ONNX defines it by. */
#include "convert.h"
#include "math.h"

typedef struct sizes {
    int64_t batch, time, q_heads, kv_heads, keys, values;
} sizes;

static adze_status find_sizes(const adze_env *env, const struct adze_linear_attention_attrs *a, const adze_value *in,
                              uint32_t n_in, sizes *s)
{
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i].kind == ADZE_VALUE_ABSENT) continue;
        if (!ev_is_float(in[i].dtype)) return ev_bad_dtype(env);
        if (in[i].rank != (i == 3 ? 4 : 3)) return ev_fail(env, ADZE_ERR_RANK, "linear_attention: ranks do not fit");
        if (in[i].dims[0] != in->dims[0] || (i != 3 && in[i].dims[1] != in->dims[1]))
            return ev_fail(env, ADZE_ERR_DIM, "linear_attention: batches or times differ");
    }
    if (a->q_num_heads < 1 || a->q_num_heads > INT32_MAX || a->kv_num_heads < 1 || a->q_num_heads % a->kv_num_heads)
        return ev_fail(env, ADZE_ERR_VALUE, "linear_attention: heads do not fit");
    *s = (sizes){in->dims[0], in->dims[1], a->q_num_heads, a->kv_num_heads, 0, 0};
    s->keys = in->dims[2] / s->q_heads;
    s->values = in[2].dims[2] / s->kv_heads;
    bool ok = in->dims[2] % s->q_heads == 0 && in[2].dims[2] % s->kv_heads == 0 &&
              in[1].dims[2] % s->kv_heads == 0 && in[1].dims[2] / s->kv_heads == s->keys;
    if (ok && ev_has(in, n_in, 3))
        ok = in[3].dims[1] == s->kv_heads && in[3].dims[2] == s->keys && in[3].dims[3] == s->values;
    if (ok && ev_has(in, n_in, 4)) ok = in[4].dims[2] == s->kv_heads || in[4].dims[2] == in[1].dims[2];
    if (ok && ev_has(in, n_in, 5)) ok = in[5].dims[2] == s->kv_heads || in[5].dims[2] == 1;
    return ok ? ADZE_OK : ev_fail(env, ADZE_ERR_DIM, "linear_attention: operands do not fit together");
}

static float element(const adze_value *v, int64_t index)
{
    return (float)ev_get_f64(v, index);
}

/* Step `t` of head `h` of batch `b` on its state. `k` and `v` hold this step's; `v` may be changed. */
static void update(const sizes *s, const adze_value *in, uint32_t n_in, int64_t b, int64_t t, int64_t h, const float *k,
                   float *v, float *state)
{
    int64_t row = b * s->time + t;
    if (ev_has(in, n_in, 4)) {
        bool each = in[4].dims[2] != s->kv_heads;
        for (int64_t i = 0; i < s->keys; i++) {
            int64_t at = row * in[4].dims[2] + (each ? h * s->keys + i : h);
            float decay = (float)adze_body_exp_f64((double)element(&in[4], at));
            for (int64_t j = 0; j < s->values; j++) state[i * s->values + j] *= decay;
        }
    }
    if (ev_has(in, n_in, 5)) {
        float beta = element(&in[5], row * in[5].dims[2] + (in[5].dims[2] == 1 ? 0 : h));
        for (int64_t j = 0; j < s->values; j++) {
            float known = 0;
            for (int64_t i = 0; i < s->keys; i++) known += state[i * s->values + j] * k[i];
            v[j] = beta * (v[j] - known);
        }
    }
    for (int64_t i = 0; i < s->keys; i++)
        for (int64_t j = 0; j < s->values; j++) state[i * s->values + j] += k[i] * v[j];
}

static void load(const adze_value *v, int64_t first, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = element(v, first + i);
}

static void run_head(const sizes *s, const adze_value *in, uint32_t n_in, adze_value *out, float scale, int64_t b,
                     int64_t h, float *k, float *v, float *q, float *state)
{
    int64_t group = s->q_heads / s->kv_heads;
    for (int64_t t = 0; t < s->time; t++) {
        int64_t row = b * s->time + t;
        load(&in[1], (row * s->kv_heads + h) * s->keys, s->keys, k);
        load(&in[2], (row * s->kv_heads + h) * s->values, s->values, v);
        update(s, in, n_in, b, t, h, k, v, state);
        for (int64_t g = 0; g < group; g++) {
            int64_t head = row * s->q_heads + h * group + g;
            load(&in[0], head * s->keys, s->keys, q);
            for (int64_t j = 0; j < s->values; j++) {
                float sum = 0;
                for (int64_t i = 0; i < s->keys; i++) sum += q[i] * state[i * s->values + j];
                double y = (double)(scale * sum);
                ev_store_f64(out->dtype, out->data, head * s->values + j, 1, 1, &y);
            }
        }
    }
}

adze_status eval_linear_attention(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                  uint32_t n_out, const void *attrs)
{
    const struct adze_linear_attention_attrs *a = attrs;
    sizes s = {0};
    adze_status status = find_sizes(env, a, in, n_in, &s);
    if (status != ADZE_OK) return status;
    bool stated = ev_has(in, n_in, 3);
    int64_t dims[3] = {s.batch, s.time, s.q_heads * s.values}, kept[4] = {s.batch, s.kv_heads, s.keys, s.values};
    status = ev_result(env, &out[0], in->dtype, 3, dims);
    if (status == ADZE_OK && n_out > 1) status = ev_result(env, &out[1], stated ? in[3].dtype : in->dtype, 4, kept);
    if (status != ADZE_OK || s.batch == 0) return status;
    uint64_t size = (uint64_t)(s.keys * s.values);
    float *state = ev_scratch(env, size, sizeof *state), *k = ev_scratch(env, (uint64_t)s.keys, sizeof *k);
    float *v = ev_scratch(env, (uint64_t)s.values, sizeof *v), *q = ev_scratch(env, (uint64_t)s.keys, sizeof *q);
    if (!state || !k || !v || !q) return ev_no_memory(env);
    double root = s.keys ? adze_body_sqrt_f64((double)s.keys) : 1, scale = a->scale != 0 ? a->scale : 1 / root;
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t h = 0; h < s.kv_heads; h++) {
            int64_t at = (b * s.kv_heads + h) * (int64_t)size;
            memset(state, 0, size * sizeof *state);
            if (stated) load(&in[3], at, (int64_t)size, state);
            run_head(&s, in, n_in, &out[0], (float)scale, b, h, k, v, q, state);
            for (int64_t i = 0; i < (int64_t)size && n_out > 1; i++) {
                double x = (double)state[i];
                ev_store_f64(out[1].dtype, out[1].data, at + i, 1, 1, &x);
            }
        }
    return ADZE_OK;
}
