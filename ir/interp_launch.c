/* `launch` on the reference: operands are copied into memory in their layout, the callee's loop IR
 * runs on it, and results are copied back.
 *
 * Interior elements of results, and what padding lies beyond the interior, start as bytes of all
 * ones, a NaN in every float type, so that reading what nobody wrote shows. Halos start as zero and
 * must end so.
 */
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

/* A tensor in memory with its layout. */
typedef struct physical {
    adze_memory memory;
    uint32_t rank, size; /* bytes of an element */
    int64_t dims[ADZE_MAX_RANK], strides[ADZE_MAX_RANK], halo[ADZE_MAX_RANK];
} physical;

static bool describe(adze_interp *interp, const adze_op *op, const adze_type *type,
                     const adze_value *value, physical *out)
{
    const adze_dim *strides[ADZE_MAX_RANK];
    int64_t bytes, origin;
    uint32_t bits = adze_dtype_bits(type->dtype);
    if (bits % 8) return adze_error(adze_op_loc(op), "launch: no elements below a byte in memory");
    out->rank = type->rank;
    out->size = bits / 8;
    adze_layout_strides(type, strides);
    bool known = adze_interp_dim(interp, adze_layout_bytes(type), &bytes) &&
                 adze_interp_dim(interp, adze_layout_origin(type), &origin);
    for (uint32_t i = 0; known && i < type->rank; i++) {
        known = adze_interp_dim(interp, strides[i], &out->strides[i]) &&
                adze_interp_dim(interp, type->dims[i], &out->dims[i]);
        out->halo[i] = type->layout->halo[i];
        if (known && value && value->dims[i] != out->dims[i])
            return adze_error(adze_op_loc(op), "launch: dim %u is %lld, its type says %lld", i,
                              (long long)value->dims[i], (long long)out->dims[i]);
    }
    if (!known || bytes < 0 || bytes > INT64_MAX / 4)
        return adze_error(adze_op_loc(op), "launch: a tensor whose size is not known");
    out->memory.size = (uint64_t)bytes;
    if (interp->context->max_memory && out->memory.size > interp->context->max_memory)
        return adze_error(adze_op_loc(op), "launch: a tensor of %lld bytes goes over the memory bound",
                          (long long)bytes);
    out->memory.begin = aligned_alloc(64, ((uint64_t)bytes + 127) & ~(uint64_t)63);
    if (!out->memory.begin) return adze_error(adze_op_loc(op), "launch: out of memory");
    memset(out->memory.begin, 0xff, (size_t)bytes);
    out->memory.base = out->memory.begin + origin * out->size;
    return true;
}

typedef void visit_fn(uint8_t *at, const uint8_t *with, uint32_t size, bool *ok);

/* Calls `visit` for every element of the box [lo, hi) around the interior; `dense` steps along if
 * given. */
static bool visit_box(const physical *p, const int64_t *lo, const int64_t *hi, uint8_t *dense,
                      bool to_dense, visit_fn *visit)
{
    int64_t at[ADZE_MAX_RANK];
    bool ok = true;
    for (uint32_t i = 0; i < p->rank; i++) {
        if (lo[i] >= hi[i]) return true;
        at[i] = lo[i];
    }
    for (;;) {
        int64_t offset = 0;
        for (uint32_t i = 0; i < p->rank; i++) offset += at[i] * p->strides[i];
        uint8_t *element = p->memory.base + offset * p->size;
        visit(to_dense ? dense : element, to_dense ? element : dense, p->size, &ok);
        if (dense) dense += p->size;
        uint32_t i = p->rank;
        while (i && ++at[i - 1] == hi[i - 1]) {
            at[i - 1] = lo[i - 1];
            i--;
        }
        if (!i) return ok;
    }
}

static void copy_element(uint8_t *at, const uint8_t *with, uint32_t size, bool *ok)
{
    (void)ok;
    memcpy(at, with, size);
}

static void clear_element(uint8_t *at, const uint8_t *with, uint32_t size, bool *ok)
{
    (void)with;
    (void)ok;
    memset(at, 0, size);
}

static void check_clear(uint8_t *at, const uint8_t *with, uint32_t size, bool *ok)
{
    (void)with;
    for (uint32_t i = 0; i < size; i++) *ok &= at[i] == 0;
}

/* Visits the halo: for each axis the slabs before and after it; corners may be visited more than
 * once. */
static bool visit_halo(const physical *p, visit_fn *visit)
{
    int64_t lo[ADZE_MAX_RANK], hi[ADZE_MAX_RANK];
    bool ok = true;
    for (uint32_t axis = 0; axis < p->rank; axis++) {
        if (!p->halo[axis]) continue;
        for (int side = 0; side < 2; side++) {
            for (uint32_t i = 0; i < p->rank; i++) {
                lo[i] = -p->halo[i];
                hi[i] = p->dims[i] + p->halo[i];
            }
            lo[axis] = side ? p->dims[axis] : -p->halo[axis];
            hi[axis] = side ? p->dims[axis] + p->halo[axis] : 0;
            ok = visit_box(p, lo, hi, NULL, false, visit) && ok;
        }
    }
    return ok;
}

static void copy_interior(const physical *p, uint8_t *dense, bool to_dense)
{
    static const int64_t zero[ADZE_MAX_RANK];
    int64_t step = 1;
    bool same = true; /* dense row-major already */
    for (uint32_t i = p->rank; i--; step *= p->dims[i])
        same = same && (p->strides[i] == step || p->dims[i] == 1);
    for (uint32_t i = 0; i < p->rank; i++)
        if (p->dims[i] == 0) return;
    if (!same)
        visit_box(p, zero, p->dims, dense, to_dense, copy_element);
    else if (to_dense)
        memcpy(dense, p->memory.base, (size_t)step * p->size);
    else
        memcpy(p->memory.base, dense, (size_t)step * p->size);
}

static bool prepare(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out,
                    physical *all)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_ir_value *value = op->operands[i].value;
        if (!value) return adze_error(adze_op_loc(op), "launch: operand %u is absent", i);
        if (!describe(interp, op, value->type, &in[i], &all[i])) return false;
        visit_halo(&all[i], clear_element);
        copy_interior(&all[i], in[i].data, false);
    }
    for (uint32_t i = 0; i < op->n_results; i++) {
        physical *p = &all[op->n_operands + i];
        const adze_type *type = op->results[i].type;
        if (!describe(interp, op, type, NULL, p)) return false;
        visit_halo(p, clear_element);
        if (!adze_interp_new(interp, adze_op_loc(op), type->dtype, p->rank, p->dims, &out[i]))
            return false;
    }
    return true;
}

/* What the launch says must not be negative is not. */
static bool check_natural(adze_interp *interp, const adze_op *op)
{
    const adze_attr_dims *dims = adze_op_attr_is_set(op, "natural") ? adze_op_attr_dims(op, "natural") : NULL;
    for (uint32_t i = 0; dims && i < dims->count; i++) {
        int64_t value;
        if (adze_interp_dim(interp, dims->dims[i], &value) && value < 0)
            return adze_error(adze_op_loc(op), "launch: a dim of a value is %lld", (long long)value);
    }
    return true;
}

bool adze_interp_launch(adze_interp *interp, const adze_op *op, const adze_value *in,
                        adze_value *out)
{
    const char *name = adze_op_attr_str(op, "callee");
    const adze_func *callee = name ? adze_module_find_func(interp->module, name) : NULL;
    uint32_t n = op->n_operands + op->n_results;
    if (!callee || callee->body.n_args != n)
        return adze_error(adze_op_loc(op), "launch: there is no function @%s of %u buffers",
                          name ? name : "?", n);
    if (!check_natural(interp, op)) return false;
    physical *all = calloc(n + 1u, sizeof *all);
    adze_memory *buffers = calloc(n + 1u, sizeof *buffers);
    bool ok = all && buffers && prepare(interp, op, in, out, all);
    for (uint32_t i = 0; ok && i < n; i++) buffers[i] = all[i].memory;
    ok = ok && adze_interp_loop(interp, callee, adze_op_loc(op), buffers);
    for (uint32_t i = 0; ok && i < n; i++)
        if (!visit_halo(&all[i], check_clear))
            ok = adze_error(adze_op_loc(op), "launch: @%s wrote into the halo of its argument %u",
                            name, i);
    for (uint32_t i = 0; ok && i < op->n_results; i++)
        copy_interior(&all[op->n_operands + i], out[i].data, true);
    for (uint32_t i = 0; all && i < n; i++) free(all[i].memory.begin);
    free(all);
    free(buffers);
    return ok;
}
