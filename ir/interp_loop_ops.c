/* What each op of loop IR does on the reference. */
#include <stdlib.h>
#include <string.h>

#include "ir/interp_loop.h"
#include "ir/text.h"

enum { MAX_UKERNEL_ARGS = 32 };

static int64_t index_in(const adze_loop_machine *m, const adze_loop_op *op, uint32_t i)
{
    return m->registers[op->in[i]].i;
}

/* Sums may wrap: every access checks the final address. */
static int64_t offset_of(const adze_loop_machine *m, const adze_loop_op *op,
                         const adze_loop_buffer *buffer, uint32_t first)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < buffer->rank; i++)
        offset += (uint64_t)index_in(m, op, first + i) * (uint64_t)buffer->strides[i];
    return (int64_t)(offset * buffer->size);
}

/* Is the element at `offset` bytes from the base inside the allocation? */
static bool inside(const adze_loop_buffer *buffer, int64_t offset)
{
    uint64_t at = (uint64_t)(buffer->memory.base - buffer->memory.begin) + (uint64_t)offset;
    return at <= buffer->memory.size && buffer->size <= buffer->memory.size - at;
}

static bool report_outside(const adze_loop_machine *m, const adze_loop_op *op, uint32_t first,
                           uint32_t lane)
{
    adze_text at = {0};
    for (uint32_t i = first; i < op->n_in; i++)
        adze_text_append(&at, "%s%lld", i > first ? ", " : "", (long long)index_in(m, op, i));
    adze_error(adze_op_loc(op->op), "%s: [%s]%s leaves the buffer's memory", op->op->row->name,
               at.data ? at.data : "", op->vector && lane ? " in a later lane" : "");
    adze_text_free(&at);
    return false;
}

/* Moves a scalar or 16 lanes between a register and memory. */
static bool access_memory(adze_loop_machine *m, const adze_loop_op *op, uint32_t buffer_at,
                          uint8_t *reg, bool store)
{
    const adze_loop_buffer *buffer = &m->registers[op->in[buffer_at]].buffer;
    uint32_t mask_at = op->in[buffer_at + 1], lanes = op->vector ? ADZE_LANES : 1;
    const uint8_t *mask = mask_at == ADZE_NO_REGISTER ? NULL : m->registers[mask_at].bytes;
    int64_t offset = offset_of(m, op, buffer, buffer_at + 2);
    int64_t step = op->vector ? buffer->strides[op->axis] * op->size : 0;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        uint8_t *at = reg + lane * op->size;
        if (mask && !mask[lane]) {
            if (!store) memset(at, 0, op->size);
            continue;
        }
        int64_t place = (int64_t)((uint64_t)offset + (uint64_t)step * lane);
        if (!inside(buffer, place)) return report_outside(m, op, buffer_at + 2, lane);
        if (store)
            memcpy(buffer->memory.base + place, at, op->size);
        else
            memcpy(at, buffer->memory.base + place, op->size);
    }
    return true;
}

static bool run_load(adze_loop_machine *m, const adze_loop_op *op)
{
    return access_memory(m, op, 0, m->registers[op->out[0]].bytes, false);
}

static bool run_store(adze_loop_machine *m, const adze_loop_op *op)
{
    return access_memory(m, op, 1, m->registers[op->in[0]].bytes, true);
}

static bool run_apply(adze_loop_machine *m, const adze_loop_op *op)
{
    int64_t few[16], *axes = op->n_in <= 16 ? few : adze_malloc(op->n_in * sizeof *axes);
    for (uint32_t i = 0; i < op->n_in; i++) axes[i] = index_in(m, op, i);
    const adze_dim *expr = ((const adze_slot *)op->op->attrs)[1].object;
    bool ok = expr && adze_dim_evaluate(expr, axes, op->n_in, adze_interp_symbol, m->interp,
                                        &m->registers[op->out[0]].i);
    if (axes != few) free(axes);
    return ok || adze_error(adze_op_loc(op->op), "apply: the expression has no value");
}

static bool run_lit(adze_loop_machine *m, const adze_loop_op *op)
{
    double value = adze_op_attr_float(op->op, "value");
    uint8_t *bytes = m->registers[op->out[0]].bytes;
    adze_dtype dtype = adze_type_dtype(op->op->results[0].type);
    float single = (float)value;
    int64_t integer;
    switch (dtype) {
    case ADZE_DTYPE_f32:
        memcpy(bytes, &single, sizeof single);
        return true;
    case ADZE_DTYPE_f64:
        memcpy(bytes, &value, sizeof value);
        return true;
    case ADZE_DTYPE_f16:
    case ADZE_DTYPE_bf16:
        adze_cast_find(ADZE_DTYPE_f32, dtype)->row(bytes, (const void *[]){&single}, (const int64_t[]){1}, 1);
        return true;
    case ADZE_DTYPE_bool:
        bytes[0] = value != 0;
        return true;
    default:
        break;
    }
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    if (kind == ADZE_KIND_FLOAT || kind == ADZE_KIND_COMPLEX || kind == ADZE_KIND_STRING)
        return adze_error(adze_op_loc(op->op), "lit: no literals of this element type");
    if (!(value >= -0x1p63 && value < 0x1p63))
        return adze_error(adze_op_loc(op->op), "lit: the value does not fit");
    integer = (int64_t)value;
    memcpy(bytes, &integer, sizeof integer); /* little endian: the low bytes come first */
    return true;
}

static void copy_registers(adze_loop_machine *m, const uint32_t *to, const uint32_t *from,
                           uint32_t n, adze_register *room)
{
    for (uint32_t i = 0; i < n; i++) room[i] = m->registers[from[i]];
    for (uint32_t i = 0; i < n; i++) m->registers[to[i]] = room[i];
}

static bool run_for(adze_loop_machine *m, const adze_loop_op *op)
{
    const adze_loop_block *block = &op->blocks[0];
    int64_t low = index_in(m, op, 0), high = index_in(m, op, 1), step = index_in(m, op, 2);
    uint32_t n = op->n_out;
    adze_register few[4];
    adze_register *room = n <= 4 ? few : aligned_alloc(64, n * sizeof *room);
    bool ok = room && block->n_yields == n && op->n_in == n + 3;
    if (step <= 0)
        ok =
            adze_error(adze_op_loc(op->op), "for: the step is %lld, not positive", (long long)step);
    if (ok) copy_registers(m, block->args + 1, op->in + 3, n, room);
    for (int64_t i = low; ok && i < high;) {
        m->registers[block->args[0]].i = i;
        ok = adze_loop_run(m, block);
        if (ok) copy_registers(m, block->args + 1, block->yields, n, room);
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    if (ok) copy_registers(m, op->out, block->args + 1, n, room);
    if (room != few) free(room);
    return ok;
}

static bool run_parallel(adze_loop_machine *m, const adze_loop_op *op)
{
    const adze_loop_block *block = &op->blocks[0];
    int64_t n = index_in(m, op, 0);
    bool ok = true;
    for (int64_t i = 0; ok && i < n; i++) {
        m->registers[block->args[0]].i = i;
        ok = adze_loop_run(m, block);
    }
    return ok;
}

static bool run_if(adze_loop_machine *m, const adze_loop_op *op)
{
    uint32_t which = m->registers[op->in[0]].bytes[0] ? 0 : 1;
    if (which >= op->op->n_regions) return true;
    const adze_loop_block *block = &op->blocks[which];
    if (!adze_loop_run(m, block)) return false;
    for (uint32_t i = 0; i < op->n_out && i < block->n_yields; i++)
        m->registers[op->out[i]] = m->registers[block->yields[i]];
    return true;
}

static bool run_mask(adze_loop_machine *m, const adze_loop_op *op)
{
    int64_t n = index_in(m, op, 0);
    for (int64_t lane = 0; lane < ADZE_LANES; lane++)
        m->registers[op->out[0]].bytes[lane] = lane < n;
    return true;
}

static bool run_check(adze_loop_machine *m, const adze_loop_op *op)
{
    return m->registers[op->in[0]].bytes[0] || adze_error(m->loc, "gather: index out of range");
}

static bool run_splat(adze_loop_machine *m, const adze_loop_op *op)
{
    const uint8_t *from = m->registers[op->in[0]].bytes;
    uint32_t size = adze_dtype_bits(op->op->results[0].type->dtype) / 8;
    uint8_t *to = m->registers[op->out[0]].bytes;
    for (uint32_t lane = 0; lane < ADZE_LANES; lane++) memmove(to + lane * size, from, size);
    return true;
}

static bool run_lanes(adze_loop_machine *m, const adze_loop_op *op)
{
    for (int64_t lane = 0; lane < ADZE_LANES; lane++)
        memcpy(m->registers[op->out[0]].bytes + lane * 8, &lane, sizeof lane);
    return true;
}

/* Halves the lanes four times: l with l + 8, then + 4, + 2, + 1. */
static bool run_reduce_lanes(adze_loop_machine *m, const adze_loop_op *op)
{
    const char *how = adze_op_attr_str(op->op, "op");
    adze_dtype dtype = adze_type_dtype(op->op->results[0].type);
    const adze_body *body = how ? adze_body_find(how, dtype) : NULL;
    uint32_t size = adze_dtype_bits(dtype) / 8;
    uint8_t lanes[ADZE_LANES * 8];
    if (!body || body->arguments != 2)
        return adze_error(adze_op_loc(op->op), "reduce_lanes: no '%s' for this element type",
                          how ? how : "");
    memcpy(lanes, m->registers[op->in[0]].bytes, sizeof lanes);
    static const int64_t steps[] = {1, 1};
    for (int64_t n = ADZE_LANES / 2; n; n /= 2) {
        const void *args[] = {lanes, lanes + (size_t)n * size};
        body->row(lanes, args, steps, n);
    }
    memcpy(m->registers[op->out[0]].bytes, lanes, size);
    return true;
}

static bool run_subview(adze_loop_machine *m, const adze_loop_op *op)
{
    const adze_loop_buffer *from = &m->registers[op->in[0]].buffer;
    adze_loop_buffer to = *from;
    to.memory.base = from->memory.base + offset_of(m, op, from, 1);
    to.strides = op->strides;
    to.rank = op->op->results[0].type->rank;
    m->registers[op->out[0]].buffer = to;
    return true;
}

static bool run_scratch(adze_loop_machine *m, const adze_loop_op *op)
{
    uint64_t room = (op->bytes + 127) & ~(uint64_t)63, bound = m->interp->context->max_memory;
    if (bound && op->bytes > bound)
        return adze_error(adze_op_loc(op->op), "scratch: goes over the memory bound");
    uint8_t *block = aligned_alloc(64, room);
    if (!block) return adze_error(adze_op_loc(op->op), "scratch: out of memory");
    memset(block, 0xff, room); /* NaN in every float type: reading before writing shows */
    if (m->n_scratch == m->scratch_capacity) {
        m->scratch_capacity = m->scratch_capacity ? 2 * m->scratch_capacity : 16;
        m->scratch = adze_realloc(m->scratch, m->scratch_capacity * sizeof *m->scratch);
    }
    m->scratch[m->n_scratch++] = block;
    m->registers[op->out[0]].buffer = (adze_loop_buffer){.memory = {block, op->bytes, block},
                                                         .strides = op->strides,
                                                         .rank = op->op->results[0].type->rank,
                                                         .size = op->size};
    return true;
}

static bool is_pointer(char letter) { return letter == 'p' || letter == 'b'; }

/* Does a call stay in its buffers' memory? The first pointer's is written. The others may be read a vector past
 * the end, as in an arena: all memory here has room for that. */
static bool reaches_inside(const adze_loop_machine *m, const adze_loop_op *op,
                           const adze_ukernel_arg *args)
{
    adze_reach reach[MAX_UKERNEL_ARGS] = {{0, 0}};
    if (!op->kernel->reach(args, reach))
        return adze_error(adze_op_loc(op->op), "ukernel: '%s' cannot be called with these numbers",
                          op->kernel->name);
    for (uint32_t i = 0, p = 0; i < op->n_in; i++) {
        const char letter = op->kernel->signature[i];
        if (!is_pointer(letter)) continue;
        const adze_reach r = reach[p];
        uint64_t slack = p++ ? 64 : 0;
        const adze_memory *memory = &m->registers[op->in[i]].buffer.memory;
        if (r.first == r.end) continue;
        int64_t at = (int64_t)((uintptr_t)memory->base - (uintptr_t)memory->begin), first, end;
        bool outside = __builtin_add_overflow(at, r.first, &first) ||
                       __builtin_add_overflow(at, r.end, &end) || first < 0 || end < 0 ||
                       (uint64_t)end > memory->size + slack ||
                       (letter == 'p' && (uintptr_t)memory->base % 4);
        if (outside)
            return adze_error(adze_op_loc(op->op), "ukernel: '%s' leaves the memory of argument %u",
                              op->kernel->name, i);
    }
    return true;
}

static bool run_ukernel(adze_loop_machine *m, const adze_loop_op *op)
{
    adze_ukernel_arg args[MAX_UKERNEL_ARGS];
    const char *letters = op->kernel->signature;
    if (op->n_in > MAX_UKERNEL_ARGS)
        return adze_error(adze_op_loc(op->op), "ukernel: too many arguments");
    for (uint32_t i = 0; i < op->n_in; i++) {
        const adze_register *reg = &m->registers[op->in[i]];
        if (is_pointer(letters[i]))
            args[i].p = reg->buffer.memory.base;
        else if (letters[i] == 'i')
            args[i].i = reg->i;
        else
            args[i].f = reg->f;
    }
    if (op->kernel->reach && !reaches_inside(m, op, args)) return false;
    op->kernel->invoke(args);
    return true;
}

static bool run_nothing(adze_loop_machine *m, const adze_loop_op *op)
{
    (void)m;
    (void)op;
    return true;
}

/* Moves the tensors of an op's evaluation by so many elements. */
static void shift_values(const adze_loop_op *op, int64_t by)
{
    for (uint32_t i = 0; i <= op->n_in; i++) {
        adze_value *value = &op->values[i];
        if (value->data) value->data = (char *)value->data + by * (adze_dtype_bits((adze_dtype)value->dtype) / 8);
    }
}

bool adze_loop_elementwise(adze_loop_machine *m, const adze_loop_op *op)
{
    static const int64_t steps[] = {1, 1, 1};
    if (op->body) {
        const void *args[ADZE_BODY_MAX_ARGS];
        for (uint32_t i = 0; i < op->n_in; i++) args[i] = m->registers[op->in[i]].bytes;
        op->body(m->registers[op->out[0]].bytes, args, steps, op->vector ? ADZE_LANES : 1);
        return true;
    }
    m->host.loc = adze_op_loc(op->op);
    adze_status status = ADZE_OK;
    int64_t lanes = op->by_lane ? ADZE_LANES : 1, done = 0;
    for (; done < lanes && status == ADZE_OK; done++) {
        status = adze_row_evaluate(op->op->row, &m->host.env, op->values, op->n_in, &op->values[op->n_in], 1,
                                   op->op->attrs);
        if (op->by_lane) shift_values(op, 1);
    }
    if (op->by_lane) shift_values(op, -done);
    if (m->host.n_blocks) adze_host_free(&m->host);
    return status == ADZE_OK ||
           adze_error(adze_op_loc(op->op), "%s: cannot be computed with these operands",
                      op->op->row->name);
}

adze_loop_fn *adze_loop_find(const char *name)
{
    static const struct {
        const char *name;
        adze_loop_fn *run;
    } table[] = {
        {"apply", run_apply},
        {"barrier", run_nothing},
        {"check", run_check},
        {"for", run_for},
        {"if", run_if},
        {"lanes", run_lanes},
        {"lit", run_lit},
        {"load", run_load},
        {"mask", run_mask},
        {"parallel", run_parallel},
        {"prefetch", run_nothing},
        {"reduce_lanes", run_reduce_lanes},
        {"scratch", run_scratch},
        {"splat", run_splat},
        {"store", run_store},
        {"subview", run_subview},
        {"ukernel", run_ukernel},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) return table[i].run;
    return NULL;
}
