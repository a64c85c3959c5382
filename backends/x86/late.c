/* Values whose size only a run knows: names for their dims, copies from and to them, outputs. */
#include "backends/x86/reader.h"

#include <adze/artifact.h>

typedef struct search {
    x86_reader *r;
    bool given, named; /* all of them; `named` ones count */
} search;

static const adze_dim *see_symbol(void *self, const char *name)
{
    search *s = self;
    s->given = s->given && (adze_table_get(&s->r->given, name) || (s->named && adze_table_get(&s->r->live, name)));
    return NULL;
}

bool x86_is_given(x86_reader *r, const adze_dim *dim)
{
    search s = {r, !adze_dim_is_unknown(dim), false};
    if (s.given) adze_dim_substitute(r->p->context, dim, NULL, 0, see_symbol, &s);
    return s.given;
}

bool x86_is_known(x86_reader *r, const adze_dim *dim)
{
    search s = {r, !adze_dim_is_unknown(dim), true};
    if (s.given) adze_dim_substitute(r->p->context, dim, NULL, 0, see_symbol, &s);
    return s.given;
}

void x86_close_scope(x86_reader *r, uint32_t mark)
{
    while (r->n_scope > mark) adze_table_put(&r->live, r->scope[--r->n_scope], NULL);
}

/* ---- Names ---- */

/* The symbol that the dim is, if no input gives it and no `named` so far; NULL for all others. */
static const char *new_symbol(x86_reader *r, const adze_dim *dim)
{
    if (adze_dim_get_kind(dim) != ADZE_DIM_SYMBOL) return NULL;
    const char *name = adze_dim_symbol_name(dim);
    return adze_table_get(&r->given, name) || adze_table_get(&r->live, name) ? NULL : name;
}

static uint32_t add_symbol(x86_reader *r, const char *name)
{
    x86_program *p = r->p;
    r->scope = adze_arena_grow(&p->arena, r->scope, r->n_scope, &r->scope_capacity, sizeof *r->scope);
    r->scope[r->n_scope++] = name;
    adze_table_put(&r->live, name, r);
    uintptr_t known = (uintptr_t)adze_table_get(&r->defined, name); /* in a region that has ended */
    if (known) return (uint32_t)(known - 1);
    p->symbols = adze_arena_grow(&p->arena, p->symbols, p->n_symbols, &p->symbols_capacity, sizeof *p->symbols);
    p->symbols[p->n_symbols++] = (x86_symbol){name, ADZE_ARTIFACT_LATE, 0};
    adze_table_put(&r->defined, name, (void *)(uintptr_t)p->n_symbols);
    return p->n_symbols - 1;
}

/* What is wrong with a value whose dim `i` is not that of its type. */
static const char *describe(const x86_reader *r, const adze_ir_value *value, uint32_t i, const adze_dim *dim)
{
    const char *name = value ? adze_value_name(value) : NULL;
    char text[64];
    adze_dim_print(dim, text, sizeof text);
    const char *quote = name ? "'" : "";
    return adze_internf(r->p->context, "dim %u of %s%.60s%s is not %s, as its type says", i, quote,
                        name ? name : "a value", quote, text);
}

/* A step that holds the dims of an operand against a type, and gives values to symbols that are new there. `value`:
 * whose type it is, or NULL; `broken` says what it is where they are not the same, NULL: that a dim is another one. */
static bool add_rules(x86_reader *r, adze_op *op, const x86_operand *operand, const adze_type *type,
                      const adze_ir_value *value, const char *broken)
{
    uint32_t rank = adze_type_rank(type);
    x86_rule *rules = ADZE_NEW_ARRAY(&r->p->arena, x86_rule, rank);
    for (uint32_t i = 0; i < rank; i++) {
        const adze_dim *dim = adze_type_dim(type, i);
        const char *name = new_symbol(r, dim);
        rules[i].defines = name != NULL;
        if (name)
            rules[i].symbol = add_symbol(r, name);
        else
            rules[i].size = x86_dims_size(&r->p->dims, dim);
        rules[i].broken = broken ? broken : describe(r, value, i, dim);
    }
    x86_step *step = x86_new_step(r, op, X86_STEP_NAME, 1);
    step->operands[0] = *operand;
    step->n_inputs = 1;
    step->rules = rules;
    step->n_dims = rank;
    return true;
}

bool x86_read_named(x86_reader *r, adze_op *op)
{
    x86_place place;
    x86_operand operand = {0};
    const adze_ir_value *value = adze_op_operand(op, 0);
    if (!x86_find_place(r, value, &place) || !x86_fill_operand(r, op, value, &place, &operand)) return false;
    x86_put_place(r, adze_op_result(op, 0), place);
    const adze_ir_value *result = adze_op_result(op, 0);
    return add_rules(r, op, &operand, adze_value_type(result), adze_value_name(result) ? result : value, NULL);
}

bool x86_add_count(x86_reader *r, adze_op *op)
{
    x86_program *p = r->p;
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    const adze_dim *have = adze_type_count(adze_value_type(adze_op_operand(op, 0))), *want = adze_type_count(type);
    if (adze_dim_equal(have, want)) return true;
    x86_size *dims = ADZE_NEW_ARRAY(&p->arena, x86_size, 1);
    dims[0] = x86_dims_size(&p->dims, have);
    x86_operand operand = {.dtype = adze_type_dtype(type), .rank = 1, .dims = dims};
    return add_rules(r, op, &operand, adze_type_tensor(p->context, operand.dtype, 1, &want, NULL), NULL,
                     "the operand has not as many elements as the result");
}

/* Can the dim be below 0 for some values of its symbols? */
static bool may_be_negative(x86_reader *r, const adze_dim *dim)
{
    int64_t least, most;
    const adze_dim *zero = adze_dim_const(r->p->context, 0);
    bool simple = adze_dim_is_const(dim, NULL) || adze_dim_get_kind(dim) == ADZE_DIM_SYMBOL;
    if (simple || !x86_is_given(r, dim)) return false;
    dim = adze_dim_binary(r->p->context, ADZE_DIM_MIN, dim, zero);
    return !adze_dim_range(dim, NULL, 0, &least, &most) || least < 0;
}

void x86_add_extents(x86_reader *r, const adze_region *body)
{
    x86_program *p = r->p;
    adze_map *seen = adze_map_create();
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op))
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            const adze_type *type = adze_value_type(adze_op_result(op, i));
            for (uint32_t k = 0; !adze_type_is_open(type) && k < adze_type_rank(type); k++) {
                const adze_dim *dim = adze_type_dim(type, k), *want;
                if (adze_map_get(seen, dim) || !may_be_negative(r, dim)) continue;
                adze_map_set(seen, dim, op);
                want = adze_dim_binary(p->context, ADZE_DIM_MAX, dim, adze_dim_const(p->context, 0));
                x86_size *dims = ADZE_NEW_ARRAY(&p->arena, x86_size, 1);
                dims[0] = x86_dims_size(&p->dims, dim);
                x86_operand operand = {.dtype = adze_type_dtype(type), .rank = 1, .dims = dims};
                add_rules(r, op, &operand, adze_type_tensor(p->context, operand.dtype, 1, &want, NULL), NULL,
                          "a dim of a value is negative");
            }
        }
    adze_map_destroy(seen);
}

void x86_add_natural(x86_reader *r, const adze_op *launch, x86_step *step)
{
    if (!adze_op_attr_is_set(launch, "natural")) return;
    const adze_attr_dims *dims = adze_op_attr_dims(launch, "natural");
    x86_size *sizes = ADZE_NEW_ARRAY(&r->p->arena, x86_size, dims->count);
    for (uint32_t i = 0; i < dims->count; i++) sizes[i] = x86_dims_size(&r->p->dims, dims->dims[i]);
    step->dims = sizes;
    step->n_dims = dims->count;
}

/* ---- Copies ---- */

static bool same_dims(const adze_type *a, const adze_type *b)
{
    bool same = adze_type_rank(a) == adze_type_rank(b);
    for (uint32_t i = 0; same && i < adze_type_rank(a); i++)
        same = adze_dim_equal(adze_type_dim(a, i), adze_type_dim(b, i));
    return same;
}

bool x86_add_copy(x86_reader *r, adze_op *op, const adze_ir_value *from, const adze_type *wanted, const x86_place *to)
{
    x86_program *p = r->p;
    x86_place place;
    x86_operand source = {0}, target = {0};
    if (!x86_find_place(r, from, &place)) return false;
    if (!x86_fill_operand(r, op, from, &place, &source) || !x86_fill_typed(r, op, wanted, to, &target)) return false;
    const adze_type *type = adze_value_type(from);
    bool dense = (source.is_open || !adze_type_has_layout(type)) && (target.is_open || !adze_type_has_layout(wanted));
    if (!dense || (!source.is_open && !target.is_open && source.rank != target.rank))
        return adze_error(adze_op_loc(op), "'%s': a copy needs dense tensors of one rank", adze_op_name(op));
    bool fits = target.is_open || (!source.is_open && same_dims(type, wanted));
    if (!fits && !add_rules(r, op, &source, wanted, from, NULL)) return false;
    if (x86_same_place(&place, to) && source.is_open == target.is_open) return true;
    x86_step *step = x86_new_step(r, op, target.is_open ? X86_STEP_ASSIGN : X86_STEP_COPY, 2);
    step->name = "copy";
    step->operands[0] = source;
    step->operands[1] = target;
    step->n_inputs = step->n_outputs = 1;
    if (target.is_open) return true;
    const adze_dim *bytes = adze_layout_bytes(wanted);
    step->copy_bytes = x86_dims_size(&p->dims, bytes);
    step->bytes = x86_dims_add(&p->dims, adze_dim_mul_const(p->context, bytes, 2));
    return true;
}

/* ---- Loops ---- */

bool x86_add_single(x86_reader *r, adze_op *op, const adze_ir_value *value)
{
    x86_place place;
    x86_operand operand = {0};
    if (!value) return true;
    const adze_type *type = adze_value_type(value);
    const adze_dim *ones[ADZE_MAX_RANK];
    bool known = true;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type))
        return adze_error(adze_op_loc(op), "'%s': the rank of a condition or bound is not known", adze_op_name(op));
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        ones[i] = adze_dim_const(r->p->context, 1);
        known = known && adze_dim_equal(adze_type_dim(type, i), ones[i]);
    }
    if (known) return true;
    if (!x86_find_place(r, value, &place) || !x86_fill_operand(r, op, value, &place, &operand)) return false;
    return add_rules(r, op, &operand, adze_type_with_dims(type, adze_type_rank(type), ones), NULL,
                     "a condition or a bound must be one element");
}

bool x86_add_promise(x86_reader *r, adze_op *op, const adze_ir_value *as, const adze_ir_value *result)
{
    x86_place place;
    x86_operand operand = {0};
    const adze_type *type = adze_value_type(result);
    if (adze_type_is_open(type)) return true;
    if (!x86_find_place(r, result, &place)) return false;
    if (place.kind != X86_LATE && !as) return true;
    if (as && !adze_type_is_open(adze_value_type(as)) && same_dims(adze_value_type(as), type)) return true;
    if (as && !x86_fill_operand(r, op, as, &place, &operand)) return false;
    if (!as) operand = (x86_operand){.place = place, .dtype = adze_type_dtype(type), .is_open = true};
    return add_rules(r, op, &operand, type, result, NULL);
}

void x86_stack_entry(x86_reader *r, const adze_ir_value *stack, x86_operand *out)
{
    const adze_type *type = adze_value_type(stack);
    bool ranked = adze_type_is_tensor(type) && adze_type_is_ranked(type) && adze_type_rank(type);
    *out = (x86_operand){.dtype = adze_type_dtype(type), .rank = ranked ? adze_type_rank(type) - 1 : 0};
    out->place.kind = X86_WEIGHTS; /* somewhere: nothing is read */
    out->place.at.is_const = true;
    x86_size *dims = ADZE_NEW_ARRAY(&r->p->arena, x86_size, out->rank);
    for (uint32_t i = 0; i < out->rank; i++) {
        const adze_dim *dim = adze_type_dim(type, i + 1);
        dims[i] = adze_dim_is_unknown(dim) ? (x86_size){.is_const = true} : x86_dims_size(&r->p->dims, dim);
    }
    out->dims = dims;
}

/* ---- Outputs ---- */

bool x86_add_output(x86_reader *r, adze_op *op, const adze_ir_value *value, uint32_t index)
{
    x86_place place;
    x86_operand operand = {0};
    if (!x86_find_place(r, value, &place) || !x86_fill_operand(r, op, value, &place, &operand)) return false;
    x86_step *step = x86_new_step(r, op, X86_STEP_OUTPUT, 1);
    step->name = "output";
    step->operands[0] = operand;
    step->n_inputs = 1;
    step->target = index;
    return true;
}
