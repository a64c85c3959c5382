/* Fourier transforms and mel bands, in f64. Lengths that are powers of two run by Cooley and Tukey (1965), others by
 * Bluestein (1970): as a convolution of such a length. */
#include "convert.h"
#include "math.h"

static const double PI = 3.14159265358979323846;

typedef struct complex {
    double re, im;
} complex;

static complex multiply(complex a, complex b)
{
    return (complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* e^(i angle) with angle = pi k / n, 0 <= k < 2n. */
static complex turn(int64_t k, int64_t n)
{
    double angle = PI * (double)k / (double)n;
    return (complex){adze_body_cos_f64(angle), adze_body_sin_f64(angle)};
}

typedef struct transform {
    int64_t n, m;    /* length; that of the power of two that it runs with */
    bool inverse;
    complex *turns;  /* m / 2: e^(-2 pi i k / m) */
    complex *chirp;  /* Bluestein: n: e^(-+ pi i k^2 / n); NULL: n is m */
    complex *filter; /* m: the transform of the chirp that is convolved with */
    complex *work;   /* m */
} transform;

/* In place; m a power of two. `inverse` turns the other way; nothing is scaled. */
static void run_power(const transform *t, complex *x, bool inverse)
{
    int64_t m = t->m;
    for (int64_t i = 1, j = 0; i < m; i++) {
        int64_t bit = m >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            complex swap = x[i];
            x[i] = x[j];
            x[j] = swap;
        }
    }
    for (int64_t half = 1; half < m; half *= 2) {
        int64_t step = m / (2 * half);
        for (int64_t low = 0; low < m; low += 2 * half)
            for (int64_t k = 0; k < half; k++) {
                complex w = t->turns[k * step];
                if (inverse) w.im = -w.im;
                complex a = x[low + k], b = multiply(w, x[low + half + k]);
                x[low + k] = (complex){a.re + b.re, a.im + b.im};
                x[low + half + k] = (complex){a.re - b.re, a.im - b.im};
            }
    }
}

static adze_status new_transform(const adze_env *env, int64_t n, bool inverse, transform *t)
{
    enum { LONGEST = 1 << 28 };
    *t = (transform){.n = n, .m = 1, .inverse = inverse};
    if (n < 1 || n > LONGEST) return ev_fail(env, ADZE_ERR_VALUE, "a Fourier transform of an absurd length");
    while (t->m < n) t->m *= 2;
    bool power = t->m == n;
    if (!power)
        while (t->m < 2 * n - 1) t->m *= 2;
    t->turns = ev_scratch(env, (uint64_t)(t->m / 2 + 1), sizeof *t->turns);
    t->work = ev_scratch(env, (uint64_t)t->m, sizeof *t->work);
    if (!t->turns || !t->work) return ev_no_memory(env);
    for (int64_t k = 0; k < t->m / 2; k++) {
        t->turns[k] = turn(2 * k, t->m);
        t->turns[k].im = -t->turns[k].im;
    }
    if (power) return ADZE_OK;
    t->chirp = ev_scratch(env, (uint64_t)n, sizeof *t->chirp);
    t->filter = ev_scratch(env, (uint64_t)t->m, sizeof *t->filter);
    if (!t->chirp || !t->filter) return ev_no_memory(env);
    memset(t->filter, 0, (size_t)t->m * sizeof *t->filter);
    for (int64_t k = 0; k < n; k++) {
        complex c = turn(k * k % (2 * n), n);
        t->chirp[k] = (complex){c.re, inverse ? c.im : -c.im};
        t->filter[k] = (complex){c.re, -t->chirp[k].im};
        if (k) t->filter[t->m - k] = t->filter[k];
    }
    run_power(t, t->filter, false);
    return ADZE_OK;
}

/* t->work[0 .. n-1], zeros behind, becomes its transform; the inverse is scaled by 1 / n. */
static void run(const transform *t)
{
    complex *x = t->work;
    if (!t->chirp) {
        run_power(t, x, t->inverse);
    } else {
        for (int64_t k = 0; k < t->n; k++) x[k] = multiply(x[k], t->chirp[k]);
        run_power(t, x, false);
        for (int64_t k = 0; k < t->m; k++) x[k] = multiply(x[k], t->filter[k]);
        run_power(t, x, true);
        for (int64_t k = 0; k < t->n; k++) {
            x[k] = multiply(x[k], t->chirp[k]);
            x[k] = (complex){x[k].re / (double)t->m, x[k].im / (double)t->m};
        }
    }
    for (int64_t k = 0; k < t->n && t->inverse; k++)
        x[k] = (complex){x[k].re / (double)t->n, x[k].im / (double)t->n};
}

/* The first `count` elements from `first` on, `step` elements apart, of one or two parts, into t->work. */
static void load(const transform *t, const adze_value *x, int64_t parts, int64_t first, int64_t step, int64_t count)
{
    memset(t->work, 0, (size_t)t->m * sizeof *t->work);
    for (int64_t i = 0; i < ev_min(count, t->n); i++) {
        t->work[i].re = ev_get_f64(x, first + i * step);
        if (parts == 2) t->work[i].im = ev_get_f64(x, first + i * step + 1);
    }
}

/* Operand `index` as one integer; `usual` where it is absent. */
static adze_status integer(const adze_env *env, const adze_value *in, uint32_t n_in, uint32_t index, int64_t usual,
                           int64_t *out)
{
    *out = usual;
    if (!ev_has(in, n_in, index)) return ADZE_OK;
    if (!ev_is_int(in[index].dtype) || adze_value_count(&in[index]) != 1)
        return ev_fail(env, ADZE_ERR_VALUE, "an operand is not one integer");
    *out = ev_get_i64(&in[index], 0);
    return ADZE_OK;
}

adze_status eval_dft(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                     const void *attrs)
{
    (void)n_out;
    const struct adze_dft_attrs *a = attrs;
    bool inverse = a->inverse != 0, onesided = a->onesided != 0, real = inverse && onesided;
    int64_t n, wanted, dims[ADZE_MAX_RANK], parts = in->rank ? in->dims[in->rank - 1] : 0;
    uint32_t axis, rank = in->rank;
    transform t;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    adze_status status = integer(env, in, n_in, 2, -2, &wanted);
    if (status != ADZE_OK) return status;
    if (rank < 2 || (parts != 1 && parts != 2) || !ev_axis(wanted, rank, &axis) || axis == rank - 1)
        return ev_fail(env, ADZE_ERR_VALUE, "dft: axis out of range, or not one or two parts");
    int64_t extent = in->dims[axis];
    status = integer(env, in, n_in, 1, real ? 2 * (extent - 1) : extent, &n);
    if (status == ADZE_OK) status = new_transform(env, n, inverse, &t);
    if (status != ADZE_OK) return status;
    int64_t count = onesided && !inverse ? n / 2 + 1 : n, out_parts = real ? 1 : 2;
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == axis ? count : i == rank - 1 ? out_parts : in->dims[i];
    status = ev_result(env, out, in->dtype, rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t inner = ev_product(in->dims, axis + 1, rank - 1), lines = ev_product(in->dims, 0, axis) * inner;
    for (int64_t line = 0; line < lines; line++) {
        int64_t outer = line / inner, at = line % inner;
        load(&t, in, parts, (outer * extent * inner + at) * parts, inner * parts, extent);
        for (int64_t k = n / 2 + 1; k < n && real; k++) /* the half that is not given mirrors the other one */
            t.work[k] = (complex){t.work[n - k].re, -t.work[n - k].im};
        if (real) t.work[0].im = 0;
        if (real && n % 2 == 0) t.work[n / 2].im = 0;
        run(&t);
        for (int64_t k = 0; k < count; k++) {
            int64_t to = ((outer * count + k) * inner + at) * out_parts;
            ev_store_f64(out->dtype, out->data, to, 1, out_parts, &t.work[k].re);
        }
    }
    return ADZE_OK;
}

adze_status eval_stft(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                      const void *attrs)
{
    (void)n_out;
    const struct adze_stft_attrs *a = attrs;
    bool windowed = ev_has(in, n_in, 2);
    int64_t step, n, parts = in->rank == 3 ? in->dims[2] : 1;
    transform t;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if ((in->rank != 2 && in->rank != 3) || (parts != 1 && parts != 2))
        return ev_fail(env, ADZE_ERR_RANK, "stft: the signal is not [batch, length, 1 or 2]");
    if (windowed && (in[2].rank != 1 || !ev_is_float(in[2].dtype)))
        return ev_fail(env, ADZE_ERR_RANK, "stft: the window is no list of floats");
    int64_t length = in->dims[1], usual = windowed ? in[2].dims[0] : length;
    adze_status status = integer(env, in, n_in, 1, 0, &step);
    if (status == ADZE_OK) status = integer(env, in, n_in, 3, usual, &n);
    if (status != ADZE_OK) return status;
    if (step < 1 || n > length || (windowed && in[2].dims[0] > n))
        return ev_fail(env, ADZE_ERR_VALUE, "stft: step, window and length do not fit the signal");
    status = new_transform(env, n, false, &t);
    if (status != ADZE_OK) return status;
    int64_t dims[4] = {in->dims[0], (length - n) / step + 1, a->onesided ? n / 2 + 1 : n, 2}, to = 0;
    status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK) return status;
    for (int64_t b = 0; b < dims[0]; b++)
        for (int64_t f = 0; f < dims[1]; f++) {
            load(&t, in, parts, (b * length + f * step) * parts, parts, n);
            for (int64_t i = 0; i < n && windowed; i++) {
                double w = i < in[2].dims[0] ? ev_get_f64(&in[2], i) : 0;
                t.work[i] = (complex){t.work[i].re * w, t.work[i].im * w};
            }
            run(&t);
            for (int64_t k = 0; k < dims[2]; k++, to += 2)
                ev_store_f64(out->dtype, out->data, to, 1, 2, &t.work[k].re);
        }
    return ADZE_OK;
}

/* Frequency in mel and back: 2595 log10(1 + f / 700). */
static double to_mel(double hertz)
{
    return 2595 * adze_body_log1p_f64(hertz / 700) / adze_body_log_f64(10);
}

static double from_mel(double mel)
{
    return 700 * adze_body_expm1_f64(mel / 2595 * adze_body_log_f64(10));
}

/* A triangle a band: up from its low edge to its centre, down to its high edge. */
adze_status eval_mel_weight_matrix(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                   uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_mel_weight_matrix_attrs *a = attrs;
    int64_t bands, length, rate;
    adze_status status = integer(env, in, n_in, 0, 0, &bands);
    if (status == ADZE_OK) status = integer(env, in, n_in, 1, 0, &length);
    if (status == ADZE_OK) status = integer(env, in, n_in, 2, 0, &rate);
    if (status != ADZE_OK) return status;
    if (bands < 0 || length < 0 || length > INT32_MAX || rate < 1 || !ev_is_number((uint32_t)a->output_datatype) ||
        adze_value_count(&in[3]) != 1 || adze_value_count(&in[4]) != 1)
        return ev_fail(env, ADZE_ERR_VALUE, "mel_weight_matrix: absurd operands");
    int64_t dims[2] = {length / 2 + 1, bands};
    status = ev_result(env, out, (uint32_t)a->output_datatype, 2, dims);
    if (status != ADZE_OK) return status;
    double low = to_mel(ev_get_f64(&in[3], 0)), step = (to_mel(ev_get_f64(&in[4], 0)) - low) / (double)(bands + 2);
    for (int64_t b = 0; b < bands; b++) {
        double edge[3]; /* in frequency bins */
        for (uint32_t i = 0; i < 3; i++)
            edge[i] = adze_body_floor_f64((double)(length + 1) * from_mel((double)(b + i) * step + low) / (double)rate);
        for (int64_t f = 0; f < dims[0]; f++) {
            double x = (double)f, v = 0;
            if (edge[1] == edge[0]) v = x == edge[1];
            else if (x >= edge[0] && x <= edge[1]) v = (x - edge[0]) / (edge[1] - edge[0]);
            if (edge[2] > edge[1] && x >= edge[1] && x < edge[2]) v = (edge[2] - x) / (edge[2] - edge[1]);
            ev_store_f64(out->dtype, out->data, f * bands + b, 1, 1, &v);
        }
    }
    return ADZE_OK;
}
