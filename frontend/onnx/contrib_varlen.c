/* com.microsoft: a causal convolution over the tokens of several requests in one row. Of each token its request is
 * found, and how far from the request's begin it is; what lies before that is its state's.
 */
#include "contrib.h"

#include <string.h>

typedef struct requests {
    adze_onnx_node *node;
    term *x, *bounds;              /* [tokens, channels]; where each request begins, then the end, i64[batch + 1] */
    term *tokens;                  /* how many, i64[1] */
    term *table;                   /* x, then the states [batch * reach, channels], or one row of zeros for none */
    term *request, *token, *local; /* of each token, i64[tokens]: its request, its place, its place there */
    const adze_dim *batch;
    int64_t kernel, dilation, reach; /* reach = (kernel - 1) * dilation */
} requests;

static term *number(const requests *r, int64_t n) { return compose_number(r->node, ADZE_DTYPE_i64, (double)n); }

static term *rows(const requests *r, term *x, term *at)
{
    adze_attr axis = adze_attr_int("axis", 0);
    return compose_all(r->node, "gather", (term *[]){x, at}, 2, 2, &axis, 1);
}

/* Rows of channels by places [batch or tokens, …] from a request's begin on, of which those below 0 are its state's. */
static term *rows_at(const requests *r, term *request, term *local)
{
    adze_onnx_node *node = r->node;
    term *zero = number(r, 0), *token = compose2(node, "add", rows(r, r->bounds, request), local);
    term *back = compose2(node, "max", compose2(node, "add", local, number(r, r->reach)), zero);
    term *states = compose2(node, "add", compose2(node, "mul", request, number(r, r->reach)), r->tokens);
    term *inside = compose2(node, "greater_equal", local, zero);
    return rows(r, r->table, compose3(node, "where", inside, token, compose2(node, "add", states, back)));
}

/* Each channel's weights times what lies as far back as they say. */
static term *convolve(const requests *r, term *weight, term *bias)
{
    adze_onnx_node *node = r->node;
    term *y = bias ? compose_cast(node, bias, ADZE_DTYPE_f32) : NULL;
    for (int64_t i = 0; i < r->kernel; i++) {
        term *local = compose2(node, "sub", r->local, number(r, (r->kernel - 1 - i) * r->dilation));
        term *w = compose_squeeze(node, compose_squeeze(node, compose_slice(node, weight, 2, i, i + 1, 1), 2), 1);
        term *part = compose2(node, "mul", compose_cast(node, rows_at(r, r->request, local), ADZE_DTYPE_f32),
                              compose_cast(node, w, ADZE_DTYPE_f32));
        y = y ? compose2(node, "add", y, part) : part;
    }
    return y;
}

/* The last elements of each request, [batch, channels, reach]. */
static term *last_state(const requests *r, term *number_of, term *length)
{
    static const int64_t turned[] = {0, 2, 1};
    adze_onnx_node *node = r->node;
    const adze_dim *reach = adze_dim_const(node->import->context, r->reach);
    const adze_dim *dims[] = {r->batch, reach};
    term *local =
        compose2(node, "sub", compose2(node, "add", length, compose_iota(node, reach, 2, 1)), number(r, r->reach));
    term *rows_of = rows_at(r, compose_expand(node, number_of, dims, 2), local);
    return compose_transpose(node, rows_of, turned, 3);
}

/* The first elements of each request, as many as `count` says and there are, then zeros: [batch, most, channels]. */
static term *first_elements(const requests *r, term *number_of, term *length, term *count, int64_t most)
{
    adze_onnx_node *node = r->node;
    const adze_dim *slots = adze_dim_const(node->import->context, most), *dims[] = {r->batch, slots};
    term *slot = compose_iota(node, slots, 2, 1);
    term *local = compose2(node, "min", slot, compose2(node, "sub", length, number(r, 1)));
    term *some = compose_unsqueeze(node, compose_cast(node, count, ADZE_DTYPE_i64), 1, 2);
    term *there = compose2(node, "less", slot, compose2(node, "min", some, length));
    term *x = rows_at(r, compose_expand(node, number_of, dims, 2), local);
    return compose3(node, "where", compose_unsqueeze(node, there, 2, 3), x, compose_like(node, x, 0));
}

static bool read_requests(requests *r, term *weight, term *state)
{
    adze_onnx_node *node = r->node;
    int64_t channels, have, unused;
    r->dilation = 1;
    if (!adze_onnx_attr_int(node, "dilation", &r->dilation)) return false;
    if (compose_rank(r->x) != 2 || compose_rank(weight) != 3 || compose_rank(r->bounds) != 1 ||
        compose_rank(state) != 3)
        return adze_onnx_invalid(node, "operands of rank %d, %d, %d and %d", compose_rank(r->x), compose_rank(weight),
                                 compose_rank(r->bounds), compose_rank(state));
    if (!adze_dim_is_const(compose_dim(weight, 0), &channels) ||
        !adze_dim_is_const(compose_dim(weight, 2), &r->kernel) || r->kernel < 1)
        return adze_onnx_undetermined(node, "a weight of unknown dims");
    if (r->dilation < 1 || r->dilation > INT32_MAX || r->kernel > INT16_MAX)
        return adze_onnx_invalid(node, "attribute 'dilation' is %lld", (long long)r->dilation);
    r->reach = (r->kernel - 1) * r->dilation;
    if (adze_dim_is_const(compose_dim(state, 2), &have) && have != r->reach)
        return adze_onnx_invalid(node, "a state that is not of %lld elements a channel", (long long)r->reach);
    r->batch = compose_dim(state, 0);
    if (adze_dim_is_unknown(r->batch)) return adze_onnx_undetermined(node, "a batch of unknown size");
    if (adze_dim_is_const(r->batch, &unused) && adze_dim_is_const(compose_dim(r->bounds, 0), &have) &&
        have != unused + 1)
        return adze_onnx_invalid(node, "%lld bounds of %lld requests", (long long)have, (long long)unused);
    return true;
}

/* The bounds, i64. A run where they decrease, or are not from 0 to the number of tokens, looks up what is not there. */
static bool check_bounds(requests *r)
{
    static const int64_t only[] = {0};
    adze_onnx_node *node = r->node;
    term *bounds = compose_cast(node, r->bounds, ADZE_DTYPE_i64), *wrong[3];
    term *begins = compose_slice(node, bounds, 0, 0, -1, 1), *ends = compose_slice(node, bounds, 0, 1, INT64_MAX, 1);
    term *last = compose_slice(node, bounds, 0, -1, INT64_MAX, 1), *first = compose_slice(node, bounds, 0, 0, 1, 1);
    r->tokens = compose_size(node, r->x, 0);
    wrong[0] = compose2(node, "greater", begins, ends);
    wrong[1] = compose1(node, "not", compose2(node, "equal", first, number(r, 0)));
    wrong[2] = compose1(node, "not", compose2(node, "equal", last, r->tokens));
    term *all = compose_cast(node, compose_concat(node, wrong, 3, 0), ADZE_DTYPE_i64);
    all = compose_reduce(node, "reduce_sum", all, only, 1, true);
    r->bounds = compose2(node, "add", bounds, compose_zeros_or_error(node, all));
    return r->bounds != NULL;
}

/* Of each token its request: as many as end before it. */
static bool find_tokens(requests *r, term *state)
{
    static const int64_t turned[] = {0, 2, 1};
    adze_onnx_node *node = r->node;
    adze_context *context = node->import->context;
    adze_attr attrs[] = {adze_attr_int("axis", 0), adze_attr_str("reduction", "add")};
    const adze_dim *flat[] = {adze_dim_mul_const(context, r->batch, r->reach), compose_dim(state, 1)};
    term *ends = compose_slice(node, r->bounds, 0, 1, INT64_MAX, 1), *zero = number(r, 0);
    r->token = compose_positions(node, r->x, 0, 1, 0);
    term *none = compose_concat(node, (term *[]){compose2(node, "mul", r->token, zero), compose_int(node, 0)}, 2, 0);
    term *ones = compose2(node, "add", compose2(node, "mul", ends, zero), number(r, 1));
    term *ended = compose_all(node, "scatter_elements", (term *[]){none, ends, ones}, 3, 3, attrs, 2);
    r->request = compose_slice(node, compose2(node, "cum_sum", ended, zero), 0, 0, -1, 1);
    r->local = compose2(node, "sub", r->token, rows(r, r->bounds, r->request));
    flat[0] = r->reach ? flat[0] : adze_dim_const(context, 1);
    state = r->reach ? compose_reshape(node, compose_transpose(node, state, turned, 3), flat, 2)
                     : compose_expand(node, compose_like(node, r->x, 0), flat, 2);
    r->table = compose_concat(node, (term *[]){r->x, state}, 2, 0);
    return r->local && r->table;
}

bool adze_onnx_contrib_varlen_conv(adze_onnx_node *node)
{
    enum { X, WEIGHT, BOUNDS, BIAS, STATE, COUNT, DELTA, CAPACITY = 8 };
    requests r = {.node = node};
    int64_t capacity = 0, offset = 0;
    uint32_t rank;
    const char *activation = "none";
    term *weight, *state, *count = adze_onnx_operand(node, COUNT);
    if (!adze_onnx_attr_str(node, "activation", &activation) ||
        !adze_onnx_attr_int(node, "state_update_capacity", &capacity) ||
        !adze_onnx_attr_int(node, "delta_offset", &offset) || !compose_operand(node, X, 1, &r.x, &rank) ||
        !compose_operand(node, WEIGHT, 1, &weight, &rank) || !compose_operand(node, BOUNDS, 1, &r.bounds, &rank) ||
        !compose_operand(node, STATE, 1, &state, &rank) || !read_requests(&r, weight, state))
        return false;
    bool gated = !strcmp(activation, "silu") || !strcmp(activation, "swish");
    if (!gated && strcmp(activation, "none"))
        return adze_onnx_invalid(node, "attribute 'activation' is '%s'", activation);
    if (adze_onnx_operand(node, DELTA)) return adze_onnx_unsupported(node, "a kernel_delta");
    if (adze_onnx_attr(node, "group_size") || offset)
        return adze_onnx_invalid(node, "group_size or delta_offset without a kernel_delta");
    if (capacity < 0 || capacity > CAPACITY || (capacity > 0) != (count != NULL))
        return adze_onnx_invalid(node, "state_update_capacity %lld %s capture_count", (long long)capacity,
                                 count ? "with a" : "without a");
    if (!check_bounds(&r) || !find_tokens(&r, state)) return false;
    term *begins = compose_slice(node, r.bounds, 0, 0, -1, 1),
         *ends = compose_slice(node, r.bounds, 0, 1, INT64_MAX, 1);
    term *length = compose_unsqueeze(node, compose2(node, "sub", ends, begins), 1, 2);
    term *which = compose_iota(node, r.batch, 2, 0), *y = convolve(&r, weight, adze_onnx_operand(node, BIAS));
    if (gated) y = compose1(node, "swish", y);
    node->out[0] = compose_cast(node, y, compose_dtype(r.x));
    if (node->n_out > 1) node->out[1] = r.reach ? last_state(&r, which, length) : state;
    if (node->n_out > 2 && !capacity) return adze_onnx_invalid(node, "a state_update without capacity");
    if (node->n_out > 2) node->out[2] = first_elements(&r, which, length, count, capacity);
    return node->out[0] && (node->n_out < 2 || node->out[1]) && (node->n_out < 3 || node->out[2]);
}
