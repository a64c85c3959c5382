/* Which op differs first: compiles the model cut off behind an op, again and again (check.h).
 *
 * Cutting keeps what the passes make of all that stands before the op, where asking for every intermediate
 * value at once would keep kernels from forming. Errors grow downwards, so a binary search finds the op.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Results of the ops of the main function's body, as the reference has them. */
typedef struct results {
    const adze_region *body;
    adze_module *module; /* what the reference ran */
    adze_value *values; /* the first result of each op that has tensors of numbers */
    uint32_t *positions; /* of the op in the body */
    uint32_t count, capacity, next;
    bool out_of_memory;
} results;

static bool copy_tensor(const adze_value *from, adze_value *out)
{
    size_t bytes = adze_dtype_bytes((adze_dtype)from->dtype, adze_value_count(from));
    int64_t *dims = calloc(from->rank + 1u, sizeof *dims);
    void *data = malloc(bytes + 1);
    *out = *from;
    out->dims = dims;
    out->data = data;
    if (!dims || !data) {
        free(dims);
        free(data);
        return false;
    }
    if (from->rank) memcpy(dims, from->dims, from->rank * sizeof *dims);
    if (bytes) memcpy(data, from->data, bytes);
    return true;
}

static void observe(void *self, const adze_op *op, const adze_value *values, uint32_t n)
{
    results *r = self;
    if (adze_op_parent(op) != r->body) return;
    uint32_t position = r->next++;
    if (!n || values[0].kind != ADZE_VALUE_TENSOR || r->out_of_memory) return;
    if (!adze_dtype_is_number((adze_dtype)values[0].dtype)) return;
    if (r->count == r->capacity) {
        uint32_t capacity = r->capacity ? 2 * r->capacity : 64;
        adze_value *more = realloc(r->values, capacity * sizeof *more);
        if (more) r->values = more;
        uint32_t *positions = realloc(r->positions, capacity * sizeof *positions);
        if (positions) r->positions = positions;
        r->out_of_memory = !more || !positions;
        if (r->out_of_memory) return;
        r->capacity = capacity;
    }
    r->out_of_memory = !copy_tensor(&values[0], &r->values[r->count]);
    if (!r->out_of_memory) r->positions[r->count++] = position;
}

static bool run_reference(const adze_check *c, const adze_value *inputs, results *r)
{
    adze_device device = {0};
    const adze_value *outputs;
    bool ok = adze_device_open(&device, c->work, c->common, c->path, ADZE_DEVICE_MEANT);
    if (ok) {
        r->body = adze_func_body(adze_module_main(device.module));
        device.observe = observe;
        device.observe_self = r;
        ok = adze_device_run(&device, inputs, &outputs);
        r->module = adze_module_clone(device.module);
    }
    adze_device_close(&device);
    if (r->out_of_memory)
        adze_error(adze_loc_unknown(c->work->context), "%s: out of memory for intermediate values", c->path);
    return ok && !r->out_of_memory;
}

static adze_op *op_at(const adze_module *module, uint32_t position)
{
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    while (op && position--) op = adze_op_next(op);
    return op;
}

/* Makes the first result of the op the function's only result and drops what stands below. */
static void cut_behind(adze_module *module, adze_op *op)
{
    adze_func *func = adze_module_main(module);
    adze_op *end = adze_func_return(func);
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    const char *name = "value";
    while (adze_op_num_operands(end) > 1) adze_op_remove_operand(end, adze_op_num_operands(end) - 1);
    if (adze_op_num_operands(end))
        adze_op_set_operand(end, 0, adze_op_result(op, 0));
    else
        adze_op_insert_operand(end, 0, adze_op_result(op, 0));
    adze_func_set_results(func, &type, &name, 1);
    for (adze_op *last; (last = adze_op_prev(end)) != op;) adze_op_erase(last);
}

/* 1: the device's value of candidate `index` differs from the reference's; 0: it does not; -1 after an error. */
static int differs(const adze_check *c, const results *r, uint32_t index, const adze_value *inputs,
                   adze_difference *out)
{
    adze_module *module = adze_module_clone(r->module);
    cut_behind(module, op_at(module, r->positions[index]));
    adze_device device = {0};
    const adze_value *outputs;
    bool ok = adze_device_open_module(&device, c->work, c->common, module, c->path, ADZE_DEVICE_COMPILED) &&
              adze_device_run(&device, inputs, &outputs);
    int answer = ok ? !adze_values_compare(&outputs[0], &r->values[index], c->tolerance, out) : -1;
    adze_device_close(&device);
    return answer;
}

static void report(const results *r, uint32_t index, const adze_difference *d)
{
    char at[128], type[256];
    const adze_op *op = op_at(r->module, r->positions[index]);
    const adze_ir_value *value = adze_op_result(op, 0);
    adze_index_print(&r->values[index], d->where, at, sizeof at);
    adze_type_print(adze_value_type(value), type, sizeof type);
    const char *name = adze_value_name(value); /* NULL where a pass has made the value */
    const char *sign = name ? "%" : "", *equals = name ? " = " : "";
    if (!name) name = "";
    if (*d->why)
        adze_error(adze_op_loc(op), "%s%s%s%s is the first op that differs: %s", sign, name, equals, adze_op_name(op),
                   d->why);
    else
        adze_error(adze_op_loc(op),
                   "%s%s%s%s : %s is the first op that differs: %.9g, not %.9g, at %s; %llu of %llu elements are off, "
                   "the largest difference is %.3g of the largest magnitude",
                   sign, name, equals, adze_op_name(op), type, d->got, d->wanted, at, (unsigned long long)d->n_over,
                   (unsigned long long)d->count, d->largest / d->scale);
}

void adze_check_first(const adze_check *check, const adze_value *inputs)
{
    results r = {0};
    adze_difference found = {0}, d;
    bool ok = run_reference(check, inputs, &r);
    uint32_t low = 0, high = r.count; /* the first that differs lies in [low, high] */
    adze_progress *progress = adze_progress_begin(check->work, "first op that differs");
    while (ok && low < high) {
        uint32_t middle = (low + high) / 2;
        int answer = differs(check, &r, middle, inputs, &d);
        ok = answer >= 0;
        if (answer > 0) high = middle, found = d;
        else low = middle + 1;
    }
    adze_progress_end(progress);
    if (ok && high < r.count)
        report(&r, high, &found);
    else if (ok)
        adze_note(adze_loc_unknown(check->work->context), "%s: no op differs when the model is cut off behind it",
                  check->path);
    for (uint32_t i = 0; i < r.count; i++) {
        free((void *)(uintptr_t)r.values[i].dims);
        free(r.values[i].data);
    }
    adze_module_destroy(r.module);
    free(r.values);
    free(r.positions);
}
