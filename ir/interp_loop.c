/* Loop IR on the reference: a function is translated once per run into instructions over numbered
 * registers, since it may be launched often and its innermost loops run millions of times. */
#include "ir/interp_loop.h"

#include <stdlib.h>
#include <string.h>

static bool compile_block(adze_loop_machine *m, const adze_region *region, adze_loop_block *block);

static void *reserve(adze_loop_machine *m, size_t count, size_t size)
{
    return adze_arena_alloc(&m->arena, (count + 1) * size);
}

static uint32_t number(adze_loop_machine *m, const adze_ir_value *value)
{
    uintptr_t known = (uintptr_t)adze_table_get(&m->numbers, value);
    if (known) return (uint32_t)(known - 1);
    adze_table_put(&m->numbers, value, (void *)(uintptr_t)++m->n_registers);
    return m->n_registers - 1;
}

static bool number_operands(adze_loop_machine *m, const adze_op *op, uint32_t *in)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_ir_value *value = op->operands[i].value;
        if (value && value->def == ADZE_DEF_CONST)
            return adze_error(adze_op_loc(op), "%s: constants reach loops as buffers only",
                              op->row->name);
        in[i] = value ? number(m, value) : ADZE_NO_REGISTER;
    }
    return true;
}

/* Strides as numbers; NULL after an error. */
static int64_t *numeric_strides(adze_loop_machine *m, adze_loc loc, const adze_type *type)
{
    int64_t *strides = reserve(m, type->rank, sizeof *strides);
    for (uint32_t i = 0; i < type->rank; i++)
        if (!adze_interp_dim(m->interp, type->strides[i], &strides[i])) {
            adze_error(loc, "a buffer's strides have no value");
            return NULL;
        }
    return strides;
}

static bool compile_scratch(adze_loop_machine *m, const adze_op *op, adze_loop_op *to)
{
    const adze_type *type = op->results[0].type;
    int64_t last = 0, bytes;
    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t dim, part;
        if (!adze_interp_dim(m->interp, type->dims[i], &dim) || dim < 0)
            return adze_error(adze_op_loc(op), "scratch: a dim has no value");
        if (dim == 0) return true;
        if (to->strides[i] < 0 || __builtin_mul_overflow(dim - 1, to->strides[i], &part) ||
            __builtin_add_overflow(last, part, &last))
            return adze_error(adze_op_loc(op), "scratch: impossible size");
    }
    if (__builtin_mul_overflow(last + 1, (int64_t)to->size, &bytes) || bytes > INT64_C(1) << 40)
        return adze_error(adze_op_loc(op), "scratch: impossible size");
    to->bytes = (uint64_t)bytes;
    return true;
}

/* Memory accesses: the axis of the lanes and the size of an element. */
static bool compile_access(const adze_op *op, adze_loop_op *to)
{
    bool store = op->n_results == 0;
    const adze_ir_value *buffer = adze_op_operand(op, store),
                        *value = store ? adze_op_operand(op, 0) : &op->results[0];
    if (!buffer || buffer->type->kind != ADZE_TYPE_BUFFER ||
        op->n_operands != buffer->type->rank + 2u + store)
        return adze_error(adze_op_loc(op), "%s: not a buffer with its indices", op->row->name);
    int64_t axis = adze_op_attr_int(op, "axis");
    to->axis = (uint32_t)(axis < 0 ? axis + buffer->type->rank : axis);
    to->vector = value->type->kind == ADZE_TYPE_VECTOR;
    to->size = adze_dtype_bits(buffer->type->dtype) / 8;
    if (adze_dtype_bits(buffer->type->dtype) % 8 ||
        (to->vector && (to->size > 8 || to->axis >= buffer->type->rank)))
        return adze_error(adze_op_loc(op), "%s: this element type or axis is not supported",
                          op->row->name);
    return true;
}

static bool compile_ukernel(adze_loop_machine *m, const adze_op *op, adze_loop_op *to)
{
    const char *name = adze_op_attr_str(op, "name");
    for (const adze_ukernel_set *set = m->interp->context->ukernels; set && name && !to->kernel;
         set = set->next)
        for (uint32_t i = 0; i < set->count; i++)
            if (strcmp(set->kernels[i].name, name) == 0) to->kernel = &set->kernels[i];
    if (!to->kernel)
        return adze_error(adze_op_loc(op),
                          "ukernel: there is no micro-kernel '%s' on the reference",
                          name ? name : "");
    const char *letters = to->kernel->signature;
    bool fits = strlen(letters) == op->n_operands;
    for (uint32_t i = 0; fits && i < op->n_operands; i++) {
        const adze_type *type = op->operands[i].value ? op->operands[i].value->type : NULL;
        fits = type && (letters[i] == 'p' || letters[i] == 'b' ? type->kind == ADZE_TYPE_BUFFER
                        : letters[i] == 'i'
                            ? type->kind == ADZE_TYPE_SCALAR && type->dtype == ADZE_DTYPE_i64
                            : type->kind == ADZE_TYPE_SCALAR && type->dtype == ADZE_DTYPE_f32);
    }
    return fits || adze_error(adze_op_loc(op), "ukernel: '%s' takes (%s)", name, letters);
}

/* A row function where the op's body has one without parameters, else tensors of 1 or 16 elements
 * for eval. */
static bool compile_elementwise(adze_loop_machine *m, const adze_op *op, adze_loop_op *to)
{
    static const int64_t lanes[] = {ADZE_LANES};
    const adze_type *first =
        op->n_operands && op->operands[0].value ? op->operands[0].value->type : NULL;
    if (!first || op->n_results != 1)
        return adze_error(adze_op_loc(op), "%s cannot run in a loop", op->row->name);
    to->vector = op->results[0].type->kind == ADZE_TYPE_VECTOR;
    const adze_body *body =
        op->row->n_attrs == 0 ? adze_row_body(op->row, first->dtype) : NULL;
    bool plain =
        body && body->arguments == op->n_operands && body->result == op->results[0].type->dtype;
    for (uint32_t i = 0; plain && i < op->n_operands; i++)
        plain = op->operands[i].value && body->args[i] == op->operands[i].value->type->dtype;
    if (plain) {
        to->body = body->row;
        return true;
    }
    if (!adze_row_has_meaning(op->row))
        return adze_error(adze_op_loc(op), "%s cannot run in a loop", op->row->name);
    /* Bounds of clip are one element each, in a vector too; both of them together are a body. */
    for (uint32_t i = 0; i < op->n_operands; i++) to->by_lane |= to->vector && !op->operands[i].value;
    to->values = reserve(m, op->n_operands + 1u, sizeof *to->values);
    for (uint32_t i = 0; i <= op->n_operands; i++) {
        const adze_ir_value *value = i < op->n_operands ? op->operands[i].value : &op->results[0];
        if (!value) continue;
        if (value->type->kind != ADZE_TYPE_SCALAR && value->type->kind != ADZE_TYPE_VECTOR)
            return adze_error(adze_op_loc(op), "%s cannot run in a loop", op->row->name);
        to->values[i] = (adze_value){.kind = ADZE_VALUE_TENSOR,
                                     .dtype = value->type->dtype,
                                     .rank = !to->by_lane && value->type->kind == ADZE_TYPE_VECTOR,
                                     .dims = lanes};
    }
    return true;
}

static bool compile_op(adze_loop_machine *m, const adze_op *op, adze_loop_op *to)
{
    const char *name = op->row->name;
    *to = (adze_loop_op){.op = op, .n_in = op->n_operands, .n_out = op->n_results};
    to->in = reserve(m, op->n_operands, sizeof *to->in);
    to->out = reserve(m, op->n_results, sizeof *to->out);
    if (!number_operands(m, op, to->in)) return false;
    for (uint32_t i = 0; i < op->n_results; i++) {
        const adze_type *type = op->results[i].type;
        to->out[i] = number(m, &op->results[i]);
        if (type->kind != ADZE_TYPE_BUFFER) continue;
        to->size = adze_dtype_bits(type->dtype) / 8;
        if (!(to->strides = numeric_strides(m, adze_op_loc(op), type))) return false;
    }
    to->run = adze_loop_find(name);
    if (!to->run && (op->row->traits & ADZE_ELEMWISE)) {
        to->run = adze_loop_elementwise;
        return compile_elementwise(m, op, to);
    }
    if (!to->run) return adze_error(adze_op_loc(op), "%s cannot run in a loop", name);
    if (strcmp(name, "load") == 0 || strcmp(name, "store") == 0) return compile_access(op, to);
    if (strcmp(name, "scratch") == 0 && !compile_scratch(m, op, to)) return false;
    if (strcmp(name, "ukernel") == 0 && !compile_ukernel(m, op, to)) return false;
    to->blocks = reserve(m, op->n_regions, sizeof *to->blocks);
    for (uint32_t i = 0; i < op->n_regions; i++)
        if (!compile_block(m, &op->regions[i], &to->blocks[i])) return false;
    return true;
}

static bool compile_block(adze_loop_machine *m, const adze_region *region, adze_loop_block *block)
{
    uint32_t count = 0;
    for (const adze_op *op = region->first; op; op = op->next) count++;
    block->args = reserve(m, region->n_args, sizeof *block->args);
    block->ops = reserve(m, count, sizeof *block->ops);
    for (uint32_t i = 0; i < region->n_args; i++) block->args[i] = number(m, region->args[i]);
    for (const adze_op *op = region->first; op; op = op->next) {
        if (op->row->traits & ADZE_TERMINATOR) {
            uint32_t *yields = reserve(m, op->n_operands, sizeof *yields);
            if (!number_operands(m, op, yields)) return false;
            block->yields = yields;
            block->n_yields = op->n_operands;
            return true;
        }
        if (!compile_op(m, op, &block->ops[block->n_ops++])) return false;
    }
    return true;
}

/* Registers do not move once they are made, so tensors for eval can point to them. */
static void link_registers(adze_loop_machine *m, adze_loop_block *block)
{
    for (uint32_t i = 0; i < block->n_ops; i++) {
        adze_loop_op *op = &block->ops[i];
        for (uint32_t k = 0; op->values && k <= op->n_in; k++) {
            uint32_t index = k < op->n_in ? op->in[k] : op->out[0];
            if (index != ADZE_NO_REGISTER) op->values[k].data = m->registers[index].bytes;
        }
        for (uint32_t k = 0; op->blocks && k < op->op->n_regions; k++)
            link_registers(m, &op->blocks[k]);
    }
}

static adze_loop_machine *machine_of(adze_interp *interp, const adze_func *func)
{
    adze_loop_machine *m = adze_table_get(&interp->loops, func);
    if (m) return m;
    m = ADZE_NEW(&interp->arena, adze_loop_machine);
    m->interp = interp;
    m->func = func;
    adze_table_put(&interp->loops, func, m);
    bool ok = compile_block(m, &func->body, &m->body);
    adze_table_free(&m->numbers);
    if (!ok) return m;
    m->registers = aligned_alloc(64, (m->n_registers + 1u) * sizeof *m->registers);
    if (m->registers) memset(m->registers, 0, (m->n_registers + 1u) * sizeof *m->registers);
    if (m->registers) link_registers(m, &m->body);
    return m;
}

bool adze_loop_run(adze_loop_machine *m, const adze_loop_block *block)
{
    uint32_t mark = m->n_scratch;
    bool ok = true;
    for (uint32_t i = 0; ok && i < block->n_ops; i++) ok = block->ops[i].run(m, &block->ops[i]);
    while (m->n_scratch > mark) free(m->scratch[--m->n_scratch]);
    return ok;
}

bool adze_interp_loop(adze_interp *interp, const adze_func *func, adze_loc loc, const adze_memory *buffers)
{
    adze_loop_machine *m = machine_of(interp, func);
    if (!m->registers) return false;
    for (uint32_t i = 0; i < func->body.n_args; i++) {
        const adze_type *type = func->body.args[i]->type;
        if (type->kind != ADZE_TYPE_BUFFER)
            return adze_error(func->loc, "@%s: argument %u is no buffer", func->name, i);
        const int64_t *strides = numeric_strides(m, func->loc, type);
        if (!strides) return false;
        m->registers[m->body.args[i]].buffer =
            (adze_loop_buffer){buffers[i], strides, type->rank, adze_dtype_bits(type->dtype) / 8};
    }
    m->loc = loc;
    adze_host_init(&m->host, loc);
    bool ok = adze_loop_run(m, &m->body);
    adze_host_free(&m->host);
    return ok;
}

void adze_interp_loops_free(adze_interp *interp)
{
    for (size_t i = 0; i < interp->loops.capacity; i++) {
        adze_loop_machine *m = interp->loops.entries[i].item;
        if (!m) continue;
        free(m->registers);
        free(m->scratch);
        adze_arena_free(&m->arena);
    }
    adze_table_free(&interp->loops);
}
