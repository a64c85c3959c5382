/* Ops over sequences and optionals on the reference. A value owns its items, so every op copies what it hands on. */
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

typedef struct call {
    adze_interp *interp;
    const adze_op *op;
    const adze_value *in;
    adze_value *out;
} call;

typedef bool run_fn(const call *c);

static bool fail(const call *c, const char *what)
{
    return adze_error(adze_op_loc(c->op), "%s: %s", c->op->row->name, what);
}

static bool copy(const call *c, const adze_value *from, adze_value *to)
{
    return adze_interp_copy(c->interp, adze_op_loc(c->op), from, to);
}

/* Room for `count` items, none of which is there yet. */
static bool make(const call *c, adze_value_kind kind, uint64_t count)
{
    *c->out = (adze_value){.kind = kind, .items = calloc(count + 1, sizeof *c->out->items)};
    return c->out->items || fail(c, "out of memory");
}

static bool push(const call *c, const adze_value *item)
{
    return copy(c, item, &c->out->items[c->out->n_items]) && (c->out->n_items++, true);
}

static bool is_given(const call *c, uint32_t index)
{
    return index < c->op->n_operands && c->in[index].kind != ADZE_VALUE_ABSENT;
}

/* The position that operand `index` gives, counted from the front and below `end`. */
static bool position(const call *c, uint32_t index, int64_t count, int64_t end, int64_t *out)
{
    if (adze_value_count(&c->in[index]) != 1) return fail(c, "a position must be one number");
    int64_t given = adze_value_int(&c->in[index], 0);
    *out = given < 0 ? given + count : given;
    return (*out >= 0 && *out < end) || adze_error(adze_op_loc(c->op), "%s: position %lld of %lld items",
                                                   c->op->row->name, (long long)given, (long long)count);
}

static bool run_construct(const call *c)
{
    bool ok = make(c, ADZE_VALUE_SEQUENCE, c->op->n_operands);
    for (uint32_t i = 0; ok && i < c->op->n_operands; i++) ok = push(c, &c->in[i]);
    return ok;
}

static bool run_empty(const call *c) { return make(c, ADZE_VALUE_SEQUENCE, 0); }

static bool run_at(const call *c)
{
    int64_t at, n = (int64_t)c->in[0].n_items;
    return position(c, 1, n, n, &at) && copy(c, &c->in[0].items[at], c->out);
}

static bool run_insert(const call *c)
{
    int64_t n = (int64_t)c->in[0].n_items, at = n;
    if (is_given(c, 2) && !position(c, 2, n, n + 1, &at)) return false;
    bool ok = make(c, ADZE_VALUE_SEQUENCE, (uint64_t)n + 1);
    for (int64_t i = 0; ok && i <= n; i++) ok = push(c, i == at ? &c->in[1] : &c->in[0].items[i - (i > at)]);
    return ok;
}

static bool run_erase(const call *c)
{
    int64_t n = (int64_t)c->in[0].n_items, at = n - 1;
    if (is_given(c, 1) ? !position(c, 1, n, n, &at) : n == 0) return is_given(c, 1) ? false : fail(c, "no items");
    bool ok = make(c, ADZE_VALUE_SEQUENCE, (uint64_t)n);
    for (int64_t i = 0; ok && i < n; i++) ok = i == at || push(c, &c->in[0].items[i]);
    return ok;
}

static bool one(const call *c, adze_dtype dtype, int64_t value)
{
    if (!adze_interp_new(c->interp, adze_op_loc(c->op), dtype, 0, NULL, c->out)) return false;
    if (dtype == ADZE_DTYPE_bool)
        *(uint8_t *)c->out->data = (uint8_t)value;
    else
        *(int64_t *)c->out->data = value;
    return true;
}

static bool run_length(const call *c) { return one(c, ADZE_DTYPE_i64, (int64_t)c->in[0].n_items); }

/* ---- Parts of tensors ---- */

/* A tensor seen along an axis: `outer` blocks of `extent` rows of `row` bytes. */
typedef struct along {
    uint64_t outer, extent, row;
} along;

static bool see(const call *c, const adze_value *value, uint32_t axis, along *out)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)value->dtype);
    *out = (along){1, (uint64_t)value->dims[axis], bits / 8};
    for (uint32_t i = 0; i < axis; i++) out->outer *= (uint64_t)value->dims[i];
    for (uint32_t i = axis + 1; i < value->rank; i++) out->row *= (uint64_t)value->dims[i];
    return bits % 8 == 0 || fail(c, "elements that are no whole bytes");
}

/* Rows from .. from + n - 1 of the one become rows to … of the other. */
static void move_rows(const adze_value *source, along s, uint64_t from, adze_value *target, along t, uint64_t to,
                      uint64_t n)
{
    for (uint64_t i = 0; i < s.outer && n && s.row; i++)
        memcpy((char *)target->data + (i * t.extent + to) * t.row,
               (const char *)source->data + (i * s.extent + from) * s.row, n * s.row);
}

static bool axis_of(const call *c, uint32_t rank, uint32_t *out)
{
    int64_t axis = adze_op_attr_int(c->op, "axis");
    if (axis < 0) axis += rank;
    *out = (uint32_t)axis;
    return (axis >= 0 && axis < rank) || fail(c, "an axis out of range");
}

/* The next `n` rows as an item. */
static bool push_part(const call *c, uint32_t axis, along s, uint64_t from, uint64_t n, bool keep)
{
    const adze_value *x = &c->in[0];
    int64_t dims[ADZE_MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != axis || keep) dims[rank++] = i == axis ? (int64_t)n : x->dims[i];
    adze_value *part = &c->out->items[c->out->n_items];
    if (!adze_interp_new(c->interp, adze_op_loc(c->op), (adze_dtype)x->dtype, rank, dims, part)) return false;
    c->out->n_items++;
    move_rows(x, s, from, part, (along){s.outer, n, s.row}, 0, n);
    return adze_interp_own(c->interp, adze_op_loc(c->op), part);
}

static bool run_split(const call *c)
{
    uint32_t axis;
    along s;
    if (!axis_of(c, c->in[0].rank, &axis) || !see(c, &c->in[0], axis, &s)) return false;
    bool given = is_given(c, 1), keep = given || adze_op_attr_int(c->op, "keepdims"),
         listed = given && c->in[1].rank == 1;
    int64_t part = given && !listed ? adze_value_int(&c->in[1], 0) : 1;
    uint64_t n = listed ? adze_value_count(&c->in[1]) : 0, from = 0;
    if (part < 1) return fail(c, "parts must have at least one row");
    if (!listed) n = (s.extent + (uint64_t)part - 1) / (uint64_t)part;
    bool ok = make(c, ADZE_VALUE_SEQUENCE, n);
    for (uint64_t i = 0; ok && i < n; i++) {
        int64_t rows = listed ? adze_value_int(&c->in[1], i) : part;
        if (!listed && (uint64_t)rows > s.extent - from) rows = (int64_t)(s.extent - from);
        if (rows < 0 || (uint64_t)rows > s.extent - from) return fail(c, "parts do not fit the axis");
        ok = push_part(c, axis, s, from, (uint64_t)rows, keep);
        from += (uint64_t)rows;
    }
    return ok && (from == s.extent || fail(c, "parts do not fit the axis"));
}

/* Dims of the whole, from the first item and the sum along the axis. */
static bool whole_dims(const call *c, bool added, uint32_t *out_rank, uint32_t *out_axis, int64_t *dims)
{
    const adze_value *items = c->in[0].items;
    uint64_t n = c->in[0].n_items;
    if (n == 0) return fail(c, "no items");
    *out_rank = items[0].rank + added;
    if (*out_rank > ADZE_MAX_RANK) return fail(c, "too many dims");
    if (!axis_of(c, *out_rank, out_axis)) return false;
    for (uint32_t i = 0; i < *out_rank; i++)
        dims[i] = i == *out_axis ? (added ? (int64_t)n : 0) : items[0].dims[i - (added && i > *out_axis)];
    for (uint64_t k = 0; k < n; k++) {
        if (items[k].kind != ADZE_VALUE_TENSOR || items[k].rank != items[0].rank)
            return fail(c, "items of other ranks");
        for (uint32_t i = 0; i < items[0].rank; i++)
            if ((added || i != *out_axis) && items[k].dims[i] != items[0].dims[i])
                return fail(c, "items of other dims");
        if (!added) dims[*out_axis] += items[k].dims[*out_axis];
    }
    return true;
}

static bool run_concat(const call *c)
{
    bool added = adze_op_attr_int(c->op, "new_axis") != 0;
    int64_t dims[ADZE_MAX_RANK];
    uint32_t rank = 0, axis = 0;
    along t;
    if (!whole_dims(c, added, &rank, &axis, dims)) return false;
    const adze_value *items = c->in[0].items;
    if (!adze_interp_new(c->interp, adze_op_loc(c->op), (adze_dtype)items[0].dtype, rank, dims, c->out)) return false;
    if (!see(c, c->out, axis, &t)) return false;
    uint64_t to = 0;
    for (uint64_t k = 0; k < c->in[0].n_items; k++) {
        uint64_t rows = added ? 1 : (uint64_t)items[k].dims[axis];
        move_rows(&items[k], (along){t.outer, rows, t.row}, 0, c->out, t, to, rows);
        to += rows;
    }
    return adze_interp_own(c->interp, adze_op_loc(c->op), c->out);
}

/* ---- Optionals ---- */

static bool run_optional(const call *c)
{
    return make(c, ADZE_VALUE_OPTIONAL, 1) && (!is_given(c, 0) || push(c, &c->in[0]));
}

static bool run_get(const call *c)
{
    if (c->in[0].kind != ADZE_VALUE_OPTIONAL) return copy(c, &c->in[0], c->out);
    return c->in[0].n_items ? copy(c, &c->in[0].items[0], c->out) : fail(c, "the optional holds nothing");
}

static bool run_has(const call *c)
{
    bool has = is_given(c, 0) && (c->in[0].kind != ADZE_VALUE_OPTIONAL || c->in[0].n_items);
    return one(c, ADZE_DTYPE_bool, has);
}

static bool run_map(const call *c) { return adze_interp_map(c->interp, c->op, c->in, c->out); }

static const struct {
    const char *name;
    run_fn *run;
} rows[] = {
    {"concat_from_sequence", run_concat}, {"map_entries", run_map},         {"optional", run_optional},
    {"optional_get_element", run_get},    {"optional_has_element", run_has}, {"sequence_at", run_at},
    {"sequence_construct", run_construct}, {"sequence_empty", run_empty},   {"sequence_erase", run_erase},
    {"sequence_insert", run_insert},      {"sequence_length", run_length},  {"split_to_sequence", run_split},
    {"zip_map", run_map},
};

bool adze_interp_sequence(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(op->row->name, rows[i].name) == 0) return rows[i].run(&(call){interp, op, in, out});
    return adze_interp_string(interp, op, in, out);
}
