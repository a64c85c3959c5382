/* Runs `loop` on the reference: its region again and again, carried values from one run to the next.
 *
 *     for (i = 0; i < bound && go_on; i++) (go_on, carried, stacked[i]) = region(i, carried)
 */
#include "ir/eval/convert.h"
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

typedef struct repeat {
    adze_interp *interp;
    const adze_op *op;
    uint32_t n_carried, n_stacks;
    adze_value *carried; /* owned, and what the region is called with behind the number of the run */
    adze_value *yields;
    adze_value **stacks; /* each with an entry a run */
    uint64_t runs, capacity;
} repeat;

static bool fail(const repeat *r, const char *what)
{
    return adze_error(adze_op_loc(r->op), "loop: %s", what);
}

static bool one_element(const repeat *r, const adze_value *value, const char *what)
{
    return (value->kind == ADZE_VALUE_TENSOR && adze_value_count(value) == 1) || fail(r, what);
}

/* Room for one more entry of each stack. */
static bool grow(repeat *r)
{
    if (r->runs < r->capacity || !r->n_stacks) return true;
    uint64_t capacity = r->capacity ? 2 * r->capacity : 16;
    uint64_t entry = r->n_stacks * sizeof **r->stacks;
    if (adze_interp_is_over(r->interp, capacity * entry)) /* both may be there while one becomes the other */
        return fail(r, "what it stacks goes over the memory bound");
    r->interp->held += (capacity - r->capacity) * entry;
    for (uint32_t i = 0; i < r->n_stacks; i++) {
        adze_value *stack = realloc(r->stacks[i], capacity * sizeof *stack);
        if (!stack) return fail(r, "out of memory");
        r->stacks[i] = stack;
    }
    r->capacity = capacity;
    return true;
}

/* One run of the region; `arguments` has room for the number of the run and what is carried. */
static bool run_once(repeat *r, adze_value *arguments, bool *go_on)
{
    int64_t number = (int64_t)r->runs;
    uint32_t n_yields = 1 + r->n_carried + r->n_stacks;
    arguments[0] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_i64, .data = &number};
    for (uint32_t i = 0; i < r->n_carried; i++) arguments[i + 1] = r->carried[i];
    memset(r->yields, 0, n_yields * sizeof *r->yields);
    if (!grow(r)) return false;
    bool ran = adze_interp_region(r->interp, &r->op->regions[0], arguments, 1, r->n_carried + 1, r->yields, n_yields);
    memset(r->carried, 0, r->n_carried * sizeof *r->carried); /* the region has taken them */
    if (!ran) {
        adze_note(adze_op_loc(r->op), "in iteration %llu of the loop, counted from 0", (unsigned long long)r->runs);
        return false;
    }
    for (uint32_t i = 0; i < r->n_carried; i++) r->carried[i] = r->yields[i + 1];
    for (uint32_t i = 0; i < r->n_stacks; i++) r->stacks[i][r->runs] = r->yields[1 + r->n_carried + i];
    r->runs++;
    bool ok = true;
    if (r->yields[0].kind != ADZE_VALUE_ABSENT) {
        ok = one_element(r, &r->yields[0], "whether to go on must be one bool");
        *go_on = ok && *(const uint8_t *)r->yields[0].data;
        adze_interp_free(r->interp, &r->yields[0]);
    }
    return ok;
}

/* Dims of a stack of no runs, as far as its type knows them; 0 for others. */
static uint32_t empty_dims(const repeat *r, const adze_type *type, int64_t *dims)
{
    uint32_t rank = type->ranked ? type->rank : 1;
    for (uint32_t i = 0; i < rank; i++)
        if (i == 0 || !type->ranked || !adze_interp_dim(r->interp, type->dims[i], &dims[i])) dims[i] = 0;
    return rank;
}

static bool stack(repeat *r, uint32_t index, adze_value *out)
{
    const adze_type *type = r->op->results[r->n_carried + index].type;
    const adze_value *parts = r->stacks[index];
    adze_dtype dtype = type->dtype;
    int64_t dims[ADZE_MAX_RANK];
    uint32_t rank = r->runs ? parts[0].rank + 1 : empty_dims(r, type, dims);
    if (rank > ADZE_MAX_RANK) return fail(r, "a stack of too many dims");
    for (uint64_t k = 0; k < r->runs; k++) {
        if (parts[k].rank + 1 != rank || memcmp(parts[k].dims, parts[0].dims, (rank - 1) * sizeof *dims) != 0)
            return fail(r, "what is stacked must have the same dims in every run");
    }
    if (r->runs && rank > 1) memcpy(dims + 1, parts[0].dims, (rank - 1) * sizeof *dims);
    dims[0] = (int64_t)r->runs;
    if (!adze_interp_new(r->interp, adze_op_loc(r->op), dtype, rank, dims, out)) return false;
    uint64_t count = r->runs ? adze_value_count(&parts[0]) : 0, bits = count * adze_dtype_bits(dtype);
    for (uint64_t k = 0; k < r->runs && bits % 8 == 0; k++)
        if (bits) memcpy((char *)out->data + k * (bits / 8), parts[k].data, bits / 8);
    for (uint64_t k = 0; k < r->runs * count && bits % 8; k++) {
        uint32_t code = ev_get_code(parts[k / count].data, (int64_t)(k % count), adze_dtype_bits(dtype));
        ev_put_code(out->data, (int64_t)k, adze_dtype_bits(dtype), code);
    }
    return adze_interp_own(r->interp, adze_op_loc(r->op), out);
}

static bool run(repeat *r, const adze_value *in, adze_value *out)
{
    const adze_op *op = r->op;
    int64_t bound = INT64_MAX;
    bool go_on = true, ok = true;
    if (in[0].kind != ADZE_VALUE_ABSENT) {
        if (!one_element(r, &in[0], "the bound must be one number")) return false;
        bound = *(const int64_t *)in[0].data;
    }
    if (in[1].kind != ADZE_VALUE_ABSENT) {
        if (!one_element(r, &in[1], "the condition must be one bool")) return false;
        go_on = *(const uint8_t *)in[1].data;
    }
    for (uint32_t i = 0; ok && i < r->n_carried; i++)
        ok = adze_interp_copy(r->interp, adze_op_loc(op), &in[i + 2], &r->carried[i]);
    adze_value *arguments = calloc(r->n_carried + 1u, sizeof *arguments);
    if (!arguments) return fail(r, "out of memory");
    while (ok && go_on && (int64_t)r->runs < bound) ok = run_once(r, arguments, &go_on);
    free(arguments);
    for (uint32_t i = 0; ok && i < r->n_stacks; i++) ok = stack(r, i, &out[r->n_carried + i]);
    for (uint32_t i = 0; ok && i < r->n_carried; i++) {
        out[i] = r->carried[i];
        r->carried[i] = (adze_value){0};
    }
    return ok;
}

bool adze_interp_repeat(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    repeat r = {.interp = interp, .op = op, .n_carried = op->n_operands - 2};
    r.n_stacks = op->n_results - r.n_carried;
    r.carried = calloc(r.n_carried + 1u, sizeof *r.carried);
    r.yields = calloc(op->n_results + 1u, sizeof *r.yields);
    r.stacks = calloc(r.n_stacks + 1u, sizeof *r.stacks);
    bool ok = (r.carried && r.yields && r.stacks) || fail(&r, "out of memory");
    ok = ok && run(&r, in, out);
    for (uint32_t i = 0; r.carried && i < r.n_carried; i++)
        if (r.carried[i].kind != ADZE_VALUE_ABSENT) adze_interp_free(interp, &r.carried[i]);
    adze_interp_release(interp, r.capacity * r.n_stacks * sizeof **r.stacks);
    for (uint32_t i = 0; r.stacks && i < r.n_stacks; i++) {
        for (uint64_t k = 0; k < r.runs; k++) adze_interp_free(interp, &r.stacks[i][k]);
        free(r.stacks[i]);
    }
    free(r.carried);
    free(r.yields);
    free(r.stacks);
    return ok;
}
