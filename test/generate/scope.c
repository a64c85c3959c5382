/* Values in scope, and new ones: inputs with the numbers that a certificate would make for them, and constants. */
#include "generate.h"

#include "passes/certifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Random numbers: splitmix64 (Steele, Lea, Flood 2014) ---- */

static uint64_t next(gen *g)
{
    uint64_t z = g->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t gen_below(gen *g, uint32_t n) { return (uint32_t)(next(g) >> 33) % n; }
bool gen_chance(gen *g, uint32_t percent) { return gen_below(g, 100) < percent; }

/* ---- Facts ---- */

gen_value *gen_find(const gen *g, const adze_ir_value *value)
{
    return value ? adze_map_get(g->index, value) : NULL;
}

double gen_largest(const gen *g, const adze_ir_value *value)
{
    const gen_value *v = gen_find(g, value);
    return v ? fmax(fabs(v->low), fabs(v->high)) : 0;
}

uint32_t gen_rank(const adze_ir_value *value) { return adze_type_rank(adze_value_type(value)); }
adze_dtype gen_dtype(const adze_ir_value *value) { return adze_type_dtype(adze_value_type(value)); }
bool gen_is_float(const adze_ir_value *value) { return adze_dtype_get_kind(gen_dtype(value)) == ADZE_KIND_FLOAT; }
bool gen_is_static(const adze_ir_value *value) { return adze_type_is_static(adze_value_type(value)); }

int64_t gen_extent(const gen *g, const adze_ir_value *value, uint32_t axis)
{
    const gen_value *v = gen_find(g, value);
    return v && axis < v->data.rank ? v->data.dims[axis] : 1;
}

uint64_t gen_dtypes(enum gen_types set)
{
    uint64_t wide = GEN_BIT(ADZE_DTYPE_f32) | GEN_BIT(ADZE_DTYPE_f64);
    uint64_t floats = wide | GEN_BIT(ADZE_DTYPE_f16) | GEN_BIT(ADZE_DTYPE_bf16);
    uint64_t ints = GEN_BIT(ADZE_DTYPE_i8) | GEN_BIT(ADZE_DTYPE_i16) | GEN_BIT(ADZE_DTYPE_i32) |
                    GEN_BIT(ADZE_DTYPE_i64);
    uint64_t unsigned_ints = GEN_BIT(ADZE_DTYPE_u8) | GEN_BIT(ADZE_DTYPE_u16) | GEN_BIT(ADZE_DTYPE_u32) |
                             GEN_BIT(ADZE_DTYPE_u64);
    switch (set) {
    case GEN_FLOATS: return floats;
    case GEN_WIDE: return wide;
    case GEN_INTS: return ints | unsigned_ints;
    case GEN_NUMBERS: return floats | ints | unsigned_ints;
    case GEN_SIGNED: return floats | ints;
    case GEN_BOOL: return GEN_BIT(ADZE_DTYPE_bool);
    default: return floats | ints | unsigned_ints | GEN_BIT(ADZE_DTYPE_bool);
    }
}

/* ---- Values in scope ---- */

static void measure(gen_value *v)
{
    uint64_t count = adze_value_count(&v->data);
    v->low = v->high = 0;
    for (uint64_t i = 0; i < count && adze_dtype_is_number((adze_dtype)v->data.dtype); i++) {
        double x = adze_value_real(&v->data, i);
        if (i == 0 || x < v->low) v->low = x;
        if (i == 0 || x > v->high) v->high = x;
    }
}

bool gen_add_value(gen *g, adze_ir_value *value, const adze_value *data)
{
    if (g->n_values == GEN_MAX_VALUES || data->kind != ADZE_VALUE_TENSOR) return false;
    uint64_t bytes = adze_dtype_bytes((adze_dtype)data->dtype, adze_value_count(data));
    gen_value *v = &g->values[g->n_values++];
    *v = (gen_value){.value = value, .data = *data, .exact = true, .usable = true};
    int64_t *dims = calloc(data->rank + 1u, sizeof *dims);
    v->data.data = malloc(bytes + 16);
    if (!dims || !v->data.data) abort();
    if (data->rank) memcpy(dims, data->dims, data->rank * sizeof *dims);
    if (bytes) memcpy(v->data.data, data->data, bytes);
    v->data.dims = dims;
    measure(v);
    adze_map_set(g->index, value, v);
    return true;
}

/* ---- New values ---- */

/* The inputs again, with one more; those before it stay as they were. */
static adze_ir_value *new_input(gen *g, const adze_type *type)
{
    char why[256];
    if (g->n_inputs == GEN_MAX_INPUTS || g->n_values == GEN_MAX_VALUES) return NULL;
    adze_ir_value *value = adze_region_add_arg(adze_func_body(g->func), type, NULL);
    adze_outputs_free(g->inputs, g->n_inputs);
    if (!adze_inputs_make(g->func, &g->certify, 0, g->inputs, why, sizeof why)) abort();
    gen_add_value(g, value, &g->inputs[g->n_inputs++]);
    return value;
}

static void fill(gen *g, adze_value *data, double low, double high)
{
    uint64_t count = adze_value_count(data);
    bool is_float = adze_dtype_get_kind((adze_dtype)data->dtype) == ADZE_KIND_FLOAT;
    for (uint64_t i = 0; i < count; i++) {
        double x = low + (high - low) * gen_below(g, 129) / 128;
        if (is_float) x = round(x * 64) / 64;
        adze_value_set_real(data, i, is_float ? x : round(x));
    }
}

adze_ir_value *gen_constant(gen *g, adze_dtype dtype, uint32_t rank, const int64_t *dims, double low, double high)
{
    int64_t copy[ADZE_MAX_RANK] = {0};
    if (rank) memcpy(copy, dims, rank * sizeof *copy);
    adze_value data = {.kind = ADZE_VALUE_TENSOR, .dtype = dtype, .rank = rank, .dims = copy};
    data.data = calloc(1, adze_dtype_bytes(dtype, adze_value_count(&data)) + 16);
    if (!data.data) abort();
    fill(g, &data, low, high);
    adze_ir_value *value =
        adze_const_make(g->module, "c", adze_type_tensor_const(g->context, dtype, rank, copy), data.data);
    bool ok = value && gen_add_value(g, value, &data);
    free(data.data);
    return ok ? value : NULL;
}

adze_ir_value *gen_number(gen *g, adze_dtype dtype, double value)
{
    return gen_constant(g, dtype, 0, NULL, value, value);
}

adze_ir_value *gen_ints(gen *g, const int64_t *values, uint32_t count)
{
    int64_t dims = count;
    adze_value data = {.kind = ADZE_VALUE_TENSOR,
                       .dtype = ADZE_DTYPE_i64,
                       .rank = 1,
                       .dims = &dims,
                       .data = (void *)(uintptr_t)values};
    adze_ir_value *value = adze_const_ints(g->module, "i", values, (int)count);
    return value && gen_add_value(g, value, &data) ? value : NULL;
}

/* Ranges that constants of an element type are drawn from. */
static void range_of(adze_dtype dtype, double *low, double *high)
{
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    *low = kind == ADZE_KIND_FLOAT ? -2 : kind == ADZE_KIND_INT ? -5 : 0;
    *high = kind == ADZE_KIND_BOOL ? 1 : kind == ADZE_KIND_FLOAT ? 2 : 9;
}

adze_ir_value *gen_new(gen *g, const adze_type *type, bool constant)
{
    int64_t dims[ADZE_MAX_RANK];
    double low, high;
    if (!constant || !adze_type_is_static(type)) return new_input(g, type);
    for (uint32_t k = 0; k < adze_type_rank(type); k++) adze_dim_is_const(adze_type_dim(type, k), &dims[k]);
    range_of(adze_type_dtype(type), &low, &high);
    return gen_constant(g, adze_type_dtype(type), adze_type_rank(type), dims, low, high);
}

adze_ir_value *gen_tensor(gen *g, adze_dtype dtype, uint32_t rank, const int64_t *dims)
{
    return gen_new(g, adze_type_tensor_const(g->context, dtype, rank, dims), gen_chance(g, 40));
}

static adze_dtype random_dtype(gen *g, uint64_t set)
{
    adze_dtype found = ADZE_DTYPE_NONE;
    /* Models compute in f32 and count in i64. */
    if (set & GEN_BIT(ADZE_DTYPE_f32) && gen_chance(g, 60)) return ADZE_DTYPE_f32;
    if (set & GEN_BIT(ADZE_DTYPE_i64) && gen_chance(g, 20)) return ADZE_DTYPE_i64;
    uint32_t seen = 0;
    for (int d = 1; d < ADZE_DTYPE_COUNT; d++)
        if (set & GEN_BIT(d) && gen_below(g, ++seen) == 0) found = (adze_dtype)d;
    return found;
}

static const adze_type *random_type(gen *g, const gen_want *want)
{
    static const int64_t sizes[] = {1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 16, 17, 20};
    static const char *const symbols[] = {"N", "S"};
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t max = want->max_rank ? want->max_rank : 4, rank = want->min_rank + gen_below(g, max - want->min_rank + 1);
    int64_t count = 1;
    for (uint32_t k = 0; k < rank; k++) {
        int64_t size = sizes[gen_below(g, sizeof sizes / sizeof *sizes)];
        if (!want->fixed && gen_chance(g, 12)) {
            dims[k] = adze_dim_symbol(g->context, symbols[gen_below(g, 2)]);
            size = 3;
        } else {
            if (count * size > GEN_MAX_COUNT / 2) size = 2;
            dims[k] = adze_dim_const(g->context, size);
        }
        count *= size;
    }
    return adze_type_tensor(g->context, random_dtype(g, want->dtypes), rank, dims, NULL);
}

static bool fits(const gen_value *v, const gen_want *want)
{
    const adze_type *type = adze_value_type(v->value);
    uint32_t rank = adze_type_rank(type), max = want->max_rank ? want->max_rank : 4;
    return v->usable && adze_type_is_ranked(type) && want->dtypes & GEN_BIT(adze_type_dtype(type)) &&
           rank >= want->min_rank && rank <= max && (!want->exact || v->exact) &&
           (!want->fixed || adze_type_is_static(type)) && adze_value_count(&v->data) <= GEN_MAX_COUNT;
}

/* One that holds, drawn at random; late ones are preferred, so that chains grow. */
static adze_ir_value *pick(gen *g, const gen_want *want, const adze_type *type)
{
    adze_ir_value *found = NULL;
    for (uint32_t tries = 0; tries < 8 && !found; tries++) {
        if (!g->n_values) return NULL;
        uint32_t at = gen_below(g, g->n_values);
        if (gen_chance(g, 60)) at = g->n_values - 1 - gen_below(g, g->n_values < 6 ? g->n_values : 6);
        const gen_value *v = &g->values[at];
        if (adze_value_const(v->value) && gen_chance(g, 70)) continue;
        if (type ? v->usable && adze_value_type(v->value) == type : fits(v, want)) found = v->value;
    }
    return found;
}

adze_ir_value *gen_take(gen *g, gen_want want)
{
    adze_ir_value *found = gen_chance(g, 75) ? pick(g, &want, NULL) : NULL;
    return found ? found : gen_new(g, random_type(g, &want), gen_chance(g, 15));
}

adze_ir_value *gen_take_type(gen *g, const adze_type *type)
{
    adze_ir_value *found = gen_chance(g, 60) ? pick(g, NULL, type) : NULL;
    return found ? found : gen_new(g, type, gen_chance(g, 25));
}

adze_ir_value *gen_broadcast(gen *g, const adze_ir_value *like, adze_dtype dtype)
{
    const adze_type *type = adze_value_type(like);
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(type), skip = rank && gen_chance(g, 40) ? gen_below(g, rank + 1) : 0;
    bool whole = gen_chance(g, 50);
    for (uint32_t k = skip; k < rank; k++)
        dims[k - skip] = whole || gen_chance(g, 60) ? adze_type_dim(type, k) : adze_dim_const(g->context, 1);
    if (skip == 0 && whole) return gen_take_type(g, adze_type_with_dtype(type, dtype));
    return gen_take_type(g, adze_type_tensor(g->context, dtype, rank - skip, dims, NULL));
}

adze_ir_value *gen_into(gen *g, adze_ir_value *value, double low, double high)
{
    const gen_value *v = gen_find(g, value);
    if (!value || !gen_is_float(value) || (v && v->low >= low && v->high <= high)) return value;
    /* low + (high - low) / 2 (1 + sin x) */
    double half = isinf(high) ? 1 : (high - low) / 2;
    adze_ir_value *a = gen_number(g, gen_dtype(value), half), *b = gen_number(g, gen_dtype(value), low + half);
    adze_ir_value *wave = a && b ? adze_build_unary(&g->builder, "sin", value) : NULL;
    adze_ir_value *wide = wave ? adze_build_binary(&g->builder, "mul", wave, a) : NULL;
    return wide ? adze_build_binary(&g->builder, "add", wide, b) : NULL;
}
