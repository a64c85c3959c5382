/* What only a run knows the size of: symbols that steps define, and values whose memory grows. */
#include "internal.h"
#include <string.h>

static adze_session *session_of(const adze_frame *frame) { return frame->pool; }

static adze_status fail(adze_session *s, adze_status status, const char *message)
{
    return s->env.error(&s->env, status, message);
}

/* ---- Memory ---- */

static bool is_index(const adze_session *s, uint32_t index) { return index < s->model->artifact->n_late; }

static void replace(adze_session *s, uint32_t index, block *memory, void *data)
{
    late *l = &s->late[index];
    if (l->memory != memory) adze_rt_block_release(s, l->memory);
    l->memory = memory;
    l->room = memory->capacity - (uint64_t)((char *)data - block_data(memory));
    s->late_values[index].data = data;
}

static adze_status reserve(const adze_frame *frame, uint32_t index, int64_t bytes, int64_t keep)
{
    adze_session *s = session_of(frame);
    if (!is_index(s, index) || bytes < 0 || bytes > PTRDIFF_MAX / 4 || keep < 0 || keep > bytes)
        return fail(s, ADZE_ERR_DIM, "a value of absurd size");
    late *l = &s->late[index];
    if (l->memory && l->room >= (uint64_t)bytes + VALUE_SLACK) return ADZE_OK;
    uint64_t wanted = (uint64_t)bytes + VALUE_SLACK;
    if (keep && wanted < 2 * l->room) wanted = 2 * l->room;
    block *b = adze_rt_block_create(s, wanted);
    if (!b && wanted > (uint64_t)bytes + VALUE_SLACK) b = adze_rt_block_create(s, (uint64_t)bytes + VALUE_SLACK);
    if (!b) return fail(s, ADZE_ERR_NO_MEMORY, "no memory for a value whose size the run gives");
    b->next = NULL;
    if (keep) memcpy(block_data(b), s->late_values[index].data, (size_t)keep);
    replace(s, index, b, block_data(b));
    return ADZE_OK;
}

static bool is_inside(block *b, const void *data)
{
    const char *begin = b ? block_data(b) : NULL;
    return b && (const char *)data >= begin && (const char *)data <= begin + b->capacity;
}

/* The block from env->output that holds the data, out of the session's list; NULL if there is none. */
static block *take_kept(adze_session *s, const void *data)
{
    for (block **at = &s->kept; *at; at = &(*at)->next) {
        block *b = *at;
        if (!is_inside(b, data)) continue;
        *at = b->next;
        b->next = NULL;
        return b;
    }
    return NULL;
}

static void set_form(adze_session *s, uint32_t index, uint32_t dtype, uint32_t rank, const int64_t *dims)
{
    late *l = &s->late[index];
    void *data = s->late_values[index].data;
    if (rank) memmove(l->dims, dims, rank * sizeof *dims);
    s->late_values[index] = adze_value_tensor((adze_dtype)dtype, rank, l->dims, data);
}

/* The late value becomes a copy of one that holds others, or strings. */
static adze_status assign_nested(adze_session *s, uint32_t index, const adze_value *value)
{
    late *l = &s->late[index];
    adze_value copy, *was = &s->late_values[index];
    if (value->kind == was->kind && l->memory && was->data == value->data && was->items == value->items) return ADZE_OK;
    bool parts = value->kind == ADZE_VALUE_SEQUENCE;
    block *b = parts ? adze_rt_share(s, value, &copy) : adze_rt_copy(s, value, &copy);
    if (!b) return fail(s, ADZE_ERR_NO_MEMORY, "no memory for a value whose size the run gives");
    adze_rt_block_release(s, l->memory);
    l->memory = b;
    l->room = 0;
    *was = copy;
    return ADZE_OK;
}

static adze_status assign(const adze_frame *frame, uint32_t index, const adze_value *value)
{
    adze_session *s = session_of(frame);
    uint64_t bytes;
    if (!is_index(s, index)) return fail(s, ADZE_ERR_ARGUMENT, "no such value");
    if (value->kind != ADZE_VALUE_TENSOR || value->dtype == ADZE_DTYPE_str) return assign_nested(s, index, value);
    if (value->rank > ADZE_MAX_RANK) return fail(s, ADZE_ERR_UNSUPPORTED, "a value of too many dims");
    if (!adze_rt_tensor_bytes(value->dtype, value->rank, value->dims, &bytes))
        return fail(s, ADZE_ERR_DIM, "a value of absurd size");
    late *l = &s->late[index];
    if (s->late_values[index].data != value->data || !l->memory) {
        if (is_inside(l->memory, value->data)) { /* a part of what it is itself: its memory must not go */
            memmove(block_data(l->memory), value->data, bytes);
            set_form(s, index, value->dtype, value->rank, value->dims);
            replace(s, index, l->memory, block_data(l->memory));
            return ADZE_OK;
        }
        block *b = take_kept(s, value->data);
        if (b) {
            set_form(s, index, value->dtype, value->rank, value->dims); /* dims may lie in memory that goes */
            replace(s, index, b, value->data);
            return ADZE_OK;
        }
        adze_status status = reserve(frame, index, (int64_t)bytes, 0);
        if (status) return status;
        if (bytes) memcpy(s->late_values[index].data, value->data, bytes);
    }
    set_form(s, index, value->dtype, value->rank, value->dims);
    return ADZE_OK;
}

/* Bits behind the first ones of `to`; elements below a byte lie there from the lowest bit of a byte on. */
static void put_bits(uint8_t *to, uint64_t first, const uint8_t *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint8_t at = (uint8_t)(1u << (first + i) % 8), *byte = &to[(first + i) / 8];
        *byte = (uint8_t)(from[i / 8] >> i % 8 & 1 ? *byte | at : *byte & ~at);
    }
}

/* Strings take their bytes with them, so the whole stack is copied. */
static adze_status push_strings(const adze_frame *frame, uint32_t index, const adze_value *value, int64_t *dims,
                                uint64_t before, uint64_t bytes)
{
    adze_session *s = session_of(frame);
    adze_string *all = s->env.scratch(&s->env, before + bytes);
    if (!all) return fail(s, ADZE_ERR_NO_MEMORY, "no memory for a stack of strings");
    if (before) memcpy(all, s->late_values[index].data, before);
    if (bytes) memcpy((char *)all + before, value->data, bytes);
    adze_value stack = adze_value_tensor(ADZE_DTYPE_str, value->rank + 1, dims, all);
    return assign_nested(s, index, &stack);
}

static adze_status push(const adze_frame *frame, uint32_t index, const adze_value *value, int64_t number)
{
    adze_session *s = session_of(frame);
    int64_t dims[ADZE_MAX_RANK];
    uint64_t bytes, all;
    uint32_t rank = value->rank + 1;
    if (!is_index(s, index) || value->kind != ADZE_VALUE_TENSOR || rank > ADZE_MAX_RANK)
        return fail(s, ADZE_ERR_RANK, "a stack of what is no tensor, or has too many dims");
    dims[0] = number < 0 ? 0 : number + 1;
    if (value->rank) memcpy(dims + 1, value->dims, value->rank * sizeof *dims);
    if (!adze_rt_tensor_bytes(value->dtype, value->rank, value->dims, &bytes) ||
        !adze_rt_tensor_bytes(value->dtype, rank, dims, &all))
        return fail(s, ADZE_ERR_DIM, "a value of absurd size");
    const adze_value *was = &s->late_values[index];
    bool same = number <= 0 || (was->rank == rank && !memcmp(was->dims + 1, dims + 1, value->rank * sizeof *dims));
    if (!same) return fail(s, ADZE_ERR_DIM, "what a loop stacks must have the same dims in every run");
    uint64_t bits = adze_dtype_bits((adze_dtype)value->dtype) * adze_value_count(value);
    uint64_t before = number < 0 ? 0 : (bits * (uint64_t)number + 7) / 8;
    if (value->dtype == ADZE_DTYPE_str)
        return push_strings(frame, index, value, dims, before, number < 0 ? 0 : bytes);
    adze_status status = reserve(frame, index, (int64_t)all, (int64_t)before);
    if (status) return status;
    uint8_t *to = s->late_values[index].data;
    if (number >= 0 && bits % 8) put_bits(to, bits * (uint64_t)number, value->data, bits);
    else if (number >= 0 && bytes) memcpy(to + before, value->data, bytes);
    set_form(s, index, value->dtype, rank, dims);
    return ADZE_OK;
}

/* ---- Symbols ---- */

static adze_status grow_scratch(adze_session *s)
{
    int64_t wanted = s->dims[s->model->artifact->scratch_bytes];
    uint64_t bytes = wanted < 0 ? 0 : align64((uint64_t)wanted), all;
    if (bytes <= s->frame.scratch_bytes) return ADZE_OK;
    block *b = __builtin_mul_overflow(bytes, (uint64_t)s->n_workers, &all) ? NULL : adze_rt_block_create(s, all);
    if (!b) return fail(s, ADZE_ERR_NO_MEMORY, "no memory for scratch whose size the run gives");
    b->next = NULL;
    adze_rt_block_list_free(s, &s->own_scratch);
    s->own_scratch = b;
    s->frame.scratch = block_data(b);
    s->frame.scratch_bytes = bytes;
    return ADZE_OK;
}

static adze_status define(const adze_frame *frame, uint32_t n, const uint32_t *symbols, const int64_t *values)
{
    adze_session *s = session_of(frame);
    const adze_artifact *a = s->model->artifact;
    bool changed = false;
    for (uint32_t i = 0; i < n; i++) {
        if (symbols[i] >= a->n_symbols || a->symbols[symbols[i]].input != ADZE_ARTIFACT_LATE || values[i] < 0)
            return fail(s, ADZE_ERR_DIM, "a size that a run gives is absurd");
        changed |= s->symbols[symbols[i]] != values[i];
        s->symbols[symbols[i]] = values[i];
    }
    if (!changed) return ADZE_OK;
    for (uint32_t i = 0; i < a->n_dims; i++)
        if (s->is_late_dim[i] && !adze_rt_dim_eval(&a->dims[i], s->symbols, &s->dims[i])) s->dims[i] = -1;
    return grow_scratch(s);
}

/* ---- Sessions ---- */

void adze_rt_late_init(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = 0; i < a->n_dims; i++) {
        const adze_artifact_dim *dim = &a->dims[i];
        for (uint64_t k = 0; k < dim->n_code; k++) {
            if (dim->code[k] != ADZE_DIM_CODE_CONST && dim->code[k] != ADZE_DIM_CODE_SYMBOL) continue;
            bool symbol = dim->code[k++] == ADZE_DIM_CODE_SYMBOL;
            s->is_late_dim[i] |= symbol && a->symbols[dim->code[k]].input == ADZE_ARTIFACT_LATE;
        }
    }
    s->frame.late = s->late_values;
    s->frame.reserve = reserve;
    s->frame.assign = assign;
    s->frame.push = push;
    s->frame.define = define;
}

void adze_rt_late_free(adze_session *s)
{
    for (uint32_t i = 0; i < s->model->artifact->n_late; i++) adze_rt_block_release(s, s->late[i].memory);
    adze_rt_block_list_free(s, &s->own_scratch);
}
