/* Recipes: how the operands of an op are made. An elementwise op needs none of its own. */
#include "generate.h"

#include <stdio.h>
#include <string.h>

adze_op *gen_build(gen *g, const adze_op_row *row, adze_ir_value *const *operands, uint32_t n, const adze_attr *attrs,
                   uint32_t n_attrs)
{
    return adze_build(&g->builder, row->name, operands, n, attrs, n_attrs, NULL, 0);
}

/* ---- Elementwise ---- */

/* Where an op has a value, and is not so steep that roundings grow: of operand 0 or 1. */
typedef struct domain {
    const char *name;
    uint32_t operand;
    double low, high;
} domain;
static const domain domains[] = {
    {"exp", 0, -6, 4},       {"log", 0, 0.25, 64},      {"sqrt", 0, 0.25, 1e4},  {"rsqrt", 0, 0.25, 1e3},
    {"reciprocal", 0, 0.25, 64}, {"tan", 0, -1, 1},     {"asin", 0, -0.875, 0.875}, {"acos", 0, -0.875, 0.75},
    {"sinh", 0, -4, 4},      {"cosh", 0, -4, 4},        {"acosh", 0, 1.25, 64},  {"atanh", 0, -0.875, 0.875},
    {"div", 1, 0.25, 64},    {"pow", 0, 0.25, 4},       {"pow", 1, -2, 3},       {"sin", 0, -20, 20},
    {"cos", 0, -20, 20},     {"mod", 1, 0.25, 64},
};

static adze_ir_value *into_domain(gen *g, const adze_op_row *row, uint32_t operand, adze_ir_value *value)
{
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        if (domains[i].operand == operand && !strcmp(domains[i].name, row->name))
            return gen_into(g, value, domains[i].low, domains[i].high);
    return value;
}

/* Element types that have a body. */
static uint64_t dtypes_of(const adze_op_row *row)
{
    uint64_t set = 0;
    for (int d = 1; d < ADZE_DTYPE_COUNT; d++)
        if (adze_row_body(row, (adze_dtype)d)) set |= GEN_BIT(d);
    return set ? set : gen_dtypes(GEN_NUMBERS);
}

/* Is it not continuous, so that its operands must be exact? */
static bool is_step(const adze_op_row *row)
{
    static const char *const names[] = {"ceil",  "floor", "round",      "sign",    "mod",           "isnan", "isinf",
                                        "equal", "less",  "less_equal", "greater", "greater_equal", "thresholded_relu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(row->name, names[i])) return true;
    return false;
}

/* Float attributes get another value at times, whole numbers that are flags 0 or 1. */
static uint32_t random_attrs(gen *g, const adze_op_row *row, adze_dtype dtype, adze_attr *out)
{
    uint32_t n = 0;
    bool is_float = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        const adze_attr_row *attr = &row->attrs[i];
        if (attr->kind == ADZE_ATTR_FLOAT && gen_chance(g, 50))
            out[n++] = adze_attr_float(attr->name, 0.25 + gen_below(g, 16) / 8.0);
        else if (attr->kind == ADZE_ATTR_INT && (!strcmp(attr->name, "fmod") ? is_float || gen_chance(g, 50)
                                                                            : gen_chance(g, 30)))
            out[n++] = adze_attr_int(attr->name, !strcmp(attr->name, "fmod") ? 1 : (int64_t)gen_below(g, 2));
    }
    return n;
}

static adze_op *elementwise(gen *g, const adze_op_row *row)
{
    adze_attr attrs[4];
    adze_ir_value *in[4] = {0};
    bool variadic = row->in_max == ADZE_VARIADIC;
    uint32_t n = variadic ? 1 + gen_below(g, 4) : row->in_min;
    gen_want want = {.dtypes = dtypes_of(row), .exact = is_step(row)};
    in[0] = gen_take(g, want);
    for (uint32_t i = 1; in[0] && i < n; i++) {
        in[i] = gen_broadcast(g, in[0], gen_dtype(in[0]));
        if (want.exact && gen_find(g, in[i]) && !gen_find(g, in[i])->exact)
            in[i] = gen_new(g, adze_value_type(in[i]), gen_chance(g, 50));
    }
    for (uint32_t i = 0; i < n; i++) {
        in[i] = in[i] ? into_domain(g, row, i, in[i]) : NULL;
        if (!in[i]) return NULL;
    }
    if (n == 2 && gen_chance(g, 30)) {
        adze_ir_value *first = in[0];
        if (!strcmp(row->name, "pow") || !strcmp(row->name, "div") || !strcmp(row->name, "mod")) return NULL;
        in[0] = in[1];
        in[1] = first;
    }
    return gen_build(g, row, in, n, attrs, random_attrs(g, row, gen_dtype(in[0]), attrs));
}

/* Integers divide by what is not 0. */
static adze_op *divide(gen *g, const adze_op_row *row)
{
    if (gen_chance(g, 60)) return elementwise(g, row);
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_INTS), .exact = true});
    adze_ir_value *by = x ? gen_constant(g, gen_dtype(x), 0, NULL, 1, 5) : NULL;
    adze_ir_value *in[] = {x, by};
    adze_attr attrs[2];
    return by ? gen_build(g, row, in, 2, attrs, random_attrs(g, row, gen_dtype(x), attrs)) : NULL;
}

static adze_op *where(gen *g, const adze_op_row *row)
{
    adze_ir_value *a = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_ANY)});
    adze_ir_value *b = a ? gen_broadcast(g, a, gen_dtype(a)) : NULL;
    adze_ir_value *in[] = {a ? gen_broadcast(g, a, ADZE_DTYPE_bool) : NULL, a, b};
    return in[0] && b ? gen_build(g, row, in, 3, NULL, 0) : NULL;
}

static adze_op *cast(gen *g, const adze_op_row *row)
{
    static const adze_dtype to[] = {ADZE_DTYPE_f32,  ADZE_DTYPE_f32,  ADZE_DTYPE_f64,  ADZE_DTYPE_f16, ADZE_DTYPE_bf16,
                                    ADZE_DTYPE_i8,   ADZE_DTYPE_i32,  ADZE_DTYPE_i64,  ADZE_DTYPE_u8,  ADZE_DTYPE_bool,
                                    ADZE_DTYPE_i16,  ADZE_DTYPE_u16,  ADZE_DTYPE_u32,  ADZE_DTYPE_u64,
                                    ADZE_DTYPE_f8e4m3fn, ADZE_DTYPE_f8e5m2};
    adze_dtype dtype = to[gen_below(g, sizeof to / sizeof *to)];
    bool wide = GEN_BIT(dtype) & gen_dtypes(GEN_FLOATS);
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_ANY), .exact = !wide || gen_chance(g, 50)});
    adze_attr attr = adze_attr_type("to", dtype);
    return x ? gen_build(g, row, &x, 1, &attr, 1) : NULL;
}

static adze_op *clip(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_SIGNED)});
    if (!x) return NULL;
    adze_ir_value *in[] = {x, gen_chance(g, 70) ? gen_constant(g, gen_dtype(x), 0, NULL, -2, 0) : NULL,
                           gen_chance(g, 70) ? gen_constant(g, gen_dtype(x), 0, NULL, 1, 6) : NULL};
    return gen_build(g, row, in, in[2] || gen_chance(g, 50) ? 3 : in[1] ? 2 : 1, NULL, 0);
}

static adze_op *dropout(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_FLOATS)});
    if (!x) return NULL;
    return adze_build(&g->builder, row->name, &x, 1, NULL, 0, NULL, 1 + gen_below(g, 2));
}

/* ---- Two branches over the values around them: read from text, which alone can say two regions, and copied ---- */

static adze_op *make_if(gen *g, const adze_op_row *row)
{
    static const char *const bodies[] = {"neg", "abs", "relu", "identity"};
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_WIDE), .max_rank = 3});
    adze_ir_value *condition = gen_new(g, adze_type_tensor(g->context, ADZE_DTYPE_bool, 0, NULL, NULL), false);
    if (!x || !condition) return NULL;
    char type[128], text[768];
    adze_type_print(adze_value_type(x), type, sizeof type);
    int size = snprintf(text, sizeof text,
                        "func @f(%%c: bool[], %%x: %s) -> (%s) {\n"
                        "  %%r = %s(%%c) do {\n    %%a = %s(%%x)\n    yield(%%a)\n"
                        "  } do {\n    %%b = %s(%%x)\n    yield(%%b)\n  } : %s\n  return(%%r)\n}\n",
                        type, type, row->name, bodies[gen_below(g, 4)], bodies[gen_below(g, 4)], type);
    adze_module *from = size < (int)sizeof text ? adze_module_parse(g->context, "if", text, (size_t)size) : NULL;
    if (!from) return NULL;
    adze_region *body = adze_func_body(adze_module_main(from));
    adze_map *map = adze_map_create();
    adze_map_set(map, adze_region_arg(body, 0), condition);
    adze_map_set(map, adze_region_arg(body, 1), x);
    adze_op *op = adze_clone(&g->builder, adze_region_first(body), map);
    adze_map_destroy(map);
    adze_module_destroy(from);
    return op;
}

static const gen_recipe recipes[] = {
    {"div", divide}, {"mod", divide}, {"where", where}, {"cast", cast}, {"clip", clip}, {"dropout", dropout},
    {"if", make_if}, {NULL, NULL},
};

/* ---- All ---- */

static gen_make *find(const adze_op_row *row)
{
    const gen_recipe *const tables[] = {recipes, gen_recipes_compute, gen_recipes_move,
                                        gen_recipes_quant, gen_recipes_sample};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const gen_recipe *r = tables[t]; r->name; r++)
            if (!strcmp(r->name, row->name)) return r->make;
    return row->traits & ADZE_ELEMWISE && !(row->traits & ADZE_QUANT) ? elementwise : NULL;
}

adze_op *gen_make_op(gen *g, const adze_op_row *row)
{
    gen_make *make = find(row);
    return make ? make(g, row) : NULL;
}
