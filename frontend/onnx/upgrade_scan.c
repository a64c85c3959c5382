/* Scan: a `loop` over the slices of its inputs, which the number of the run gathers.
 *
 * Since opset 9 axes and directions are attributes of inputs and of outputs. In opset 8 all values have a batch in
 * front, and the graph runs over each entry of it: a loop around the loop. Entries may have lengths of their own; what
 * is stacked of shorter ones has zeros behind it.
 */
#include "compose.h"
#include "repeat.h"

#include <stdlib.h>

/* A scan without batch. Lists of ints may be NULL: zeros. */
typedef struct scan {
    adze_onnx_node *node;
    const Pb__Graph *graph;
    uint32_t n_carried, n_inputs, n_stacks;
    adze_ir_value **carried, **inputs; /* first values, and what is scanned */
    int64_t *axes;                     /* of the inputs */
    const int64_t *reversed, *out_axes, *out_reversed;
    adze_ir_value *last; /* length - 1, where an input is reversed */
    adze_ir_value *lengths; /* of the entries of a batch; NULL: all are as long as the axis */
} scan;

/* ---- The inner loop ---- */

/* The extent of the scanned axis, as a dim and as an i64. */
static bool find_length(const scan *s, uint32_t input, const adze_dim **out_dim, adze_ir_value **out)
{
    adze_onnx_node *node = s->node;
    adze_ir_value *value = s->inputs[input];
    const adze_type *type = adze_value_type(value);
    int64_t extent;
    *out_dim = adze_type_is_ranked(type) ? adze_type_dim(type, (uint32_t)s->axes[input]) : NULL;
    if (*out_dim && adze_dim_is_const(*out_dim, &extent)) {
        *out = adze_onnx_scalar(node, "length", ADZE_DTYPE_i64, (double)extent);
        return *out != NULL;
    }
    adze_ir_value *axis = adze_onnx_scalar(node, "axis", ADZE_DTYPE_i64, (double)s->axes[input]);
    adze_ir_value *dims = axis ? adze_onnx_emit(node, "shape", &value, 1, NULL, 0) : NULL;
    adze_ir_value *operands[] = {dims, axis};
    *out = dims ? adze_onnx_emit(node, "gather", operands, 2, NULL, 0) : NULL;
    return *out != NULL;
}

static bool check_lengths(const scan *s, const adze_dim *runs)
{
    for (uint32_t i = 1; i < s->n_inputs; i++) {
        const adze_type *type = adze_value_type(s->inputs[i]);
        if (runs && adze_type_is_ranked(type) && !adze_dim_compatible(runs, adze_type_dim(type, (uint32_t)s->axes[i])))
            return adze_onnx_invalid(s->node, "scanned inputs 0 and %u differ in length", i);
    }
    return true;
}

static adze_ir_value *slice_of(const scan *s, uint32_t input, adze_ir_value *run)
{
    if (s->reversed && s->reversed[input]) {
        adze_ir_value *operands[] = {s->last, run};
        run = adze_onnx_emit(s->node, "sub", operands, 2, NULL, 0);
    }
    adze_ir_value *operands[] = {s->inputs[input], run};
    adze_attr axis = adze_attr_int("axis", s->axes[input]);
    return run ? adze_onnx_emit(s->node, "gather", operands, 2, &axis, 1) : NULL;
}

static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    const scan *s = self->own;
    for (uint32_t i = 0; i < s->n_carried; i++)
        if (!adze_onnx_body_bind(body, i, adze_region_arg(region, i + 1))) return false;
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        adze_ir_value *slice = slice_of(s, i, adze_region_arg(region, 0));
        if (!slice || !adze_onnx_body_bind(body, s->n_carried + i, slice)) return false;
    }
    return true;
}

/* A stack from its last entry to the first. */
static adze_ir_value *reverse(adze_onnx_node *node, adze_ir_value *stack)
{
    static const int64_t begin = -1, end = INT64_MIN, axis = 0, step = -1;
    adze_ir_value *operands[] = {stack, adze_onnx_ints(node, "starts", &begin, 1),
                                 adze_onnx_ints(node, "ends", &end, 1), adze_onnx_ints(node, "axes", &axis, 1),
                                 adze_onnx_ints(node, "steps", &step, 1)};
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++)
        if (!operands[i]) return NULL;
    return adze_onnx_emit(node, "slice", operands, sizeof operands / sizeof *operands, NULL, 0);
}

/* The first axis of a stack to its place. */
static adze_ir_value *place(adze_onnx_node *node, adze_ir_value *stack, int64_t axis)
{
    const adze_type *type = adze_value_type(stack);
    int64_t perm[ADZE_MAX_RANK];
    if (axis == 0) return stack;
    if (!adze_type_is_ranked(type)) {
        adze_onnx_undetermined(node, "a scanned output of unknown rank along axis %lld", (long long)axis);
        return NULL;
    }
    int64_t rank = adze_type_rank(type), to = axis < 0 ? axis + rank : axis;
    if (to < 0 || to >= rank) {
        adze_onnx_invalid(node, "axis %lld of a scanned output of rank %lld", (long long)axis, (long long)rank);
        return NULL;
    }
    for (int64_t i = 0; i < rank; i++) perm[i] = i < to ? i + 1 : i == to ? 0 : i;
    adze_attr attr = adze_attr_ints("perm", perm, (size_t)rank);
    return adze_onnx_emit(node, "transpose", &stack, 1, &attr, 1);
}

/* The carried values after the last run, then the stacks. */
static bool run_scan(scan *s, adze_ir_value **out)
{
    adze_onnx_node *node = s->node;
    adze_onnx_repeat loop = {.node = node,
                             .scope = node->scope,
                             .graph = s->graph,
                             .carried = s->carried,
                             .n_carried = s->n_carried,
                             .n_stacks = s->n_stacks,
                             .enter = enter,
                             .own = s};
    if (!find_length(s, 0, &loop.runs, &loop.bound) || !check_lengths(s, loop.runs)) return false;
    bool backwards = false;
    for (uint32_t i = 0; s->reversed && i < s->n_inputs; i++) backwards |= s->reversed[i] != 0;
    if (backwards) {
        adze_ir_value *operands[] = {loop.bound, adze_onnx_scalar(node, "one", ADZE_DTYPE_i64, 1)};
        s->last = operands[1] ? adze_onnx_emit(node, "sub", operands, 2, NULL, 0) : NULL;
        if (!s->last) return false;
    }
    adze_op *op = adze_onnx_repeat_import(&loop);
    for (uint32_t i = 0; op && i < s->n_carried + s->n_stacks; i++) {
        out[i] = adze_op_result(op, i);
        uint32_t stack = i - s->n_carried;
        if (i < s->n_carried) continue;
        if (s->out_reversed && s->out_reversed[stack]) out[i] = reverse(node, out[i]);
        if (out[i] && s->out_axes) out[i] = place(node, out[i], s->out_axes[stack]);
        if (!out[i]) return false;
    }
    return op != NULL;
}

/* ---- Opset 8: over a batch ---- */

static adze_ir_value *entry(adze_onnx_node *node, adze_ir_value *all, adze_ir_value *index)
{
    adze_ir_value *operands[] = {all, index};
    return adze_onnx_emit(node, "gather", operands, 2, NULL, 0);
}

/* The length, which must be from 0 to that of the axis: a look into the list of those that are possible. */
static term *checked(adze_onnx_node *node, term *length, term *most)
{
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *end = compose2(node, "add", compose_scalar(node, most), one);
    term *index = compose3(node, "where", compose2(node, "less", length, zero), end, length);
    return compose2(node, "gather", compose3(node, "range", zero, end, one), index);
}

/* Lengths that are constants, and how many there are. */
static bool check_constants(const scan *s)
{
    adze_onnx_node *node = s->node;
    const adze_dim *batch = compose_dim(s->inputs[0], 0), *count = compose_dim(s->lengths, 0);
    int64_t most, lengths[64];
    if (!adze_dim_compatible(batch, count)) {
        int64_t have = 0, want = 0;
        adze_dim_is_const(count, &have);
        adze_dim_is_const(batch, &want);
        return adze_onnx_invalid(node, "%lld sequence_lens for a batch of %lld", (long long)have, (long long)want);
    }
    int n = adze_value_as_ints(s->lengths, lengths, 64);
    if (n < 0 || !adze_dim_is_const(compose_dim(s->inputs[0], 1), &most)) return true;
    for (int i = 0; i < n; i++)
        if (lengths[i] < 0 || lengths[i] > most)
            return adze_onnx_invalid(node, "entry %d of sequence_lens is %lld; sequences have %lld", i,
                                     (long long)lengths[i], (long long)most);
    return true;
}

/* Cuts the inputs of one entry to its length; *out: how long they were, as a list of one. */
static bool shorten(scan *one, adze_ir_value *index, adze_ir_value **out)
{
    adze_onnx_node *node = one->node;
    adze_ir_value *zero = compose_int(node, 0);
    term *at = compose_unsqueeze(node, index, 0, 1);
    term *length = compose_cast(node, compose2(node, "gather", one->lengths, at), ADZE_DTYPE_i64);
    *out = compose_size(node, one->inputs[0], 0);
    length = checked(node, length, *out);
    for (uint32_t i = 0; i < one->n_inputs && *out; i++) {
        term *parts[] = {one->inputs[i], zero, length, zero};
        one->inputs[i] = compose_all(node, "slice", parts, 4, 4, NULL, 0);
        if (!one->inputs[i]) return false;
    }
    return *out != NULL;
}

/* A stack with zeros up to `length`. */
static adze_ir_value *lengthen(adze_onnx_node *node, adze_ir_value *stack, adze_ir_value *length)
{
    int rank = compose_rank(stack);
    int64_t zeros[ADZE_MAX_RANK] = {0};
    if (rank < 1) return adze_onnx_undetermined(node, "a stack of unknown rank with sequence_lens"), NULL;
    term *parts[] = {compose_ints(node, zeros, (size_t)rank),
                     compose2(node, "sub", length, compose_size(node, stack, 0)),
                     rank > 1 ? compose_ints(node, zeros, (size_t)rank - 1) : NULL};
    return compose2(node, "pad", stack, compose_concat(node, parts, rank > 1 ? 3 : 2, 0));
}

/* The axes that are scanned, counted from the front. */
static bool find_axes(scan *s, const int64_t *given)
{
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        const adze_type *type = adze_value_type(s->inputs[i]);
        int64_t axis = given ? given[i] : 0;
        if (!adze_type_is_tensor(type)) return adze_onnx_invalid(s->node, "scanned input %u is no tensor", i);
        if (!adze_type_is_ranked(type) && axis < 0)
            return adze_onnx_undetermined(s->node, "axis %lld of an input of unknown rank", (long long)axis);
        int64_t rank = adze_type_is_ranked(type) ? adze_type_rank(type) : ADZE_MAX_RANK;
        s->axes[i] = axis < 0 ? axis + rank : axis;
        if (s->axes[i] < 0 || s->axes[i] >= rank)
            return adze_onnx_invalid(s->node, "axis %lld of scanned input %u of rank %lld", (long long)axis, i,
                                     (long long)rank);
    }
    return true;
}

/* What runs for one entry of the batch; the builder stands in the region. */
static bool fill_batch(const scan *s, adze_op *op)
{
    scan one = *s;
    adze_onnx_node *node = s->node;
    adze_ir_value *index = adze_region_arg(adze_op_region(op, 0), 0), *length = NULL;
    uint32_t n = s->n_carried + s->n_stacks;
    adze_ir_value **values = calloc(n + s->n_carried + s->n_inputs + 1u, sizeof(adze_ir_value *));
    if (!values) abort();
    one.carried = values + n + 1;
    one.inputs = one.carried + s->n_carried;
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->n_carried; i++) ok = (one.carried[i] = entry(node, s->carried[i], index)) != NULL;
    for (uint32_t i = 0; ok && i < s->n_inputs; i++) ok = (one.inputs[i] = entry(node, s->inputs[i], index)) != NULL;
    ok = ok && find_axes(&one, NULL); /* entries have one less */
    if (ok && s->lengths) ok = shorten(&one, index, &length);
    ok = ok && run_scan(&one, values + 1);
    for (uint32_t i = 0; ok && length && i < s->n_stacks; i++)
        ok = (values[1 + s->n_carried + i] = lengthen(node, values[1 + s->n_carried + i], length)) != NULL;
    node->import->builder.loc = node->loc;
    ok = ok && adze_build(&node->import->builder, "yield", values, n + 1, NULL, 0, NULL, 0);
    free(values);
    return ok;
}

static bool run_batch(scan *s, adze_ir_value **out)
{
    adze_onnx_node *node = s->node;
    adze_onnx_import *import = node->import;
    uint32_t n = s->n_carried + s->n_stacks;
    const adze_dim *runs;
    adze_ir_value *operands[2] = {NULL, NULL};
    if (!find_length(s, 0, &runs, &operands[0])) return false;
    const adze_type **types = calloc(n + 1u, sizeof *types);
    if (!types) abort();
    for (uint32_t i = 0; i < n; i++) types[i] = adze_type_none(import->context);
    import->builder.loc = node->loc;
    adze_op *op = adze_build(&import->builder, "loop", operands, 2, NULL, 0, types, n);
    free(types);
    if (!op) return false;
    adze_op_add_node(op, node->name);
    adze_region *region = adze_op_region(op, 0);
    adze_region_add_arg(region, adze_type_tensor(import->context, ADZE_DTYPE_i64, 0, NULL, NULL), NULL);
    adze_builder before = import->builder;
    import->builder = adze_builder_at_end(import->module, region);
    bool ok = fill_batch(s, op);
    import->builder = before;
    for (uint32_t i = 0; ok && i < n; i++) {
        const adze_ir_value *one = adze_op_operand(adze_region_last(region), i + 1);
        const adze_type *type = adze_onnx_stack_type(node, runs, adze_value_type(one));
        ok = type != NULL;
        if (ok) adze_value_set_type(adze_op_result(op, i), type);
        out[i] = adze_op_result(op, i);
    }
    if (ok) return true;
    adze_onnx_discard(import, region, adze_onnx_last_const(import));
    adze_op_erase(op);
    return false;
}

/* ---- The node ---- */

/* A list with an entry for each; NULL where it is absent. */
static bool read_list(adze_onnx_node *node, const char *name, uint32_t count, bool is_flag, const int64_t **out)
{
    size_t given = count;
    if (!adze_onnx_attr_ints(node, name, out, &given)) return false;
    if (given != count) return adze_onnx_invalid(node, "'%s' has %zu entries, not %u", name, given, count);
    for (uint32_t i = 0; *out && is_flag && i < count; i++)
        if ((*out)[i] != 0 && (*out)[i] != 1)
            return adze_onnx_invalid(node, "'%s' holds %lld; 0 and 1 are known", name, (long long)(*out)[i]);
    return true;
}

/* How many inputs and outputs are what; `first` inputs stand before the carried values. */
static bool count(scan *s, uint32_t first)
{
    adze_onnx_node *node = s->node;
    int64_t n_inputs = 0;
    size_t given = node->proto->n_input - first;
    if (!adze_onnx_attr_int(node, "num_scan_inputs", &n_inputs)) return false;
    if (n_inputs < 1 || (uint64_t)n_inputs > given)
        return adze_onnx_invalid(node, "num_scan_inputs is %lld of %zu inputs", (long long)n_inputs, given);
    s->n_inputs = (uint32_t)n_inputs;
    s->n_carried = (uint32_t)given - s->n_inputs;
    if (s->graph->n_input != given)
        return adze_onnx_invalid(node, "has %zu inputs, its graph %zu", given, s->graph->n_input);
    if (s->graph->n_output < s->n_carried)
        return adze_onnx_invalid(node, "carries %u values, but its graph has only %zu outputs", s->n_carried,
                                 s->graph->n_output);
    s->n_stacks = (uint32_t)s->graph->n_output - s->n_carried;
    if (node->n_out > s->graph->n_output)
        return adze_onnx_invalid(node, "has %u outputs, its graph %zu", node->n_out, s->graph->n_output);
    for (uint32_t i = first; i < first + given; i++)
        if (!node->in[i]) return adze_onnx_invalid(node, "input %u is absent", i);
    s->carried = node->in + first;
    s->inputs = node->in + first + s->n_carried;
    return true;
}

static bool import_scan(scan *s, adze_ir_value **out)
{
    adze_onnx_node *node = s->node;
    const int64_t *axes = NULL;
    if (node->version >= 9) {
        return read_list(node, "scan_input_axes", s->n_inputs, false, &axes) &&
               read_list(node, "scan_input_directions", s->n_inputs, true, &s->reversed) &&
               read_list(node, "scan_output_axes", s->n_stacks, false, &s->out_axes) &&
               read_list(node, "scan_output_directions", s->n_stacks, true, &s->out_reversed) && find_axes(s, axes) &&
               run_scan(s, out);
    }
    s->lengths = node->in[0];
    if (s->lengths &&
        (compose_rank(s->lengths) != 1 || adze_dtype_get_kind(compose_dtype(s->lengths)) != ADZE_KIND_INT))
        return adze_onnx_invalid(node, "its sequence_lens are no list of integers");
    return read_list(node, "directions", s->n_inputs, true, &s->reversed) && find_axes(s, NULL) &&
           (!s->lengths || check_constants(s)) && run_batch(s, out);
}

bool adze_onnx_upgrade_scan(adze_onnx_node *node)
{
    scan s = {.node = node, .graph = adze_onnx_attr_graph(node, "body")};
    uint32_t first = node->version >= 9 ? 0 : 1;
    if (!s.graph) return false;
    if (node->proto->n_input < first) return adze_onnx_invalid(node, "has no inputs");
    if (!count(&s, first)) return false;
    adze_ir_value **out = calloc(s.graph->n_output + 1, sizeof(adze_ir_value *));
    s.axes = calloc(s.n_inputs, sizeof *s.axes);
    if (!out || !s.axes) abort();
    bool ok = import_scan(&s, out);
    for (uint32_t i = 0; ok && i < node->n_out; i++) node->out[i] = out[i];
    free(out);
    free(s.axes);
    return ok;
}
