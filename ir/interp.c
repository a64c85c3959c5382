/* The reference: runs a function op by op through the rows' `eval`.
 *
 * Tensors are dense in their logical dims; layouts matter only to `launch` (interp_launch.c).
 * Regions run recursively. A value is freed after its last use, and a constant that can be read
 * again is unloaded after its own.
 */
#include "ir/interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 500, UNLOAD_ABOVE = 1 << 20 };

/* ---- Symbols ---- */

bool adze_interp_symbol(void *self, const char *name, int64_t *out)
{
    const adze_interp *interp = self;
    for (uint32_t i = 0; i < interp->n_symbols; i++)
        if (interp->symbols[i].name == name) {
            *out = interp->symbols[i].value;
            return true;
        }
    return false;
}

bool adze_interp_dim(adze_interp *interp, const adze_dim *dim, int64_t *out)
{
    return adze_dim_evaluate(dim, NULL, 0, adze_interp_symbol, interp, out);
}

static bool is_given(const adze_interp *interp, const char *name)
{
    for (uint32_t i = 0; i < interp->n_given; i++)
        if (interp->symbols[i].name == name) return true;
    return false;
}

/* Symbols that an input gave keep their value; others are what they were last. */
static bool rebind(adze_interp *interp, const char *name, int64_t value)
{
    for (uint32_t i = 0; i < interp->n_symbols; i++) {
        if (interp->symbols[i].name != name) continue;
        if (i >= interp->n_given) interp->symbols[i].value = value;
        return true;
    }
    return false;
}

static void bind_symbols(adze_interp *interp, const adze_type *type, const adze_value *value)
{
    for (uint32_t i = 0; i < type->rank; i++) {
        const adze_dim *dim = type->dims[i];
        if (dim->kind != ADZE_DIM_SYMBOL || rebind(interp, dim->name, value->dims[i])) continue;
        interp->symbols = adze_arena_grow(&interp->arena, interp->symbols, interp->n_symbols,
                                          &interp->symbols_capacity, sizeof *interp->symbols);
        interp->symbols[interp->n_symbols++] = (adze_symbol){dim->name, value->dims[i]};
    }
}

/* Is the value of that type, as far as it says? */
static bool is_of_type(const adze_value *value, const adze_type *type)
{
    if (type->kind == ADZE_TYPE_TENSOR)
        return value->kind == ADZE_VALUE_TENSOR && value->dtype == type->dtype &&
               (!type->ranked || type->rank == value->rank);
    if (type->kind == ADZE_TYPE_MAP)
        return value->kind == ADZE_VALUE_MAP && value->n_items == 2 && value->items[0].dtype == type->dtype &&
               value->items[1].dtype == type->element->dtype && value->items[0].rank == 1 &&
               value->items[1].rank == 1 && value->items[0].dims[0] == value->items[1].dims[0];
    bool optional = type->kind == ADZE_TYPE_OPTIONAL;
    if (value->kind != (optional ? ADZE_VALUE_OPTIONAL : ADZE_VALUE_SEQUENCE)) return false;
    if (optional && value->n_items > 1) return false;
    for (uint64_t i = 0; i < value->n_items; i++)
        if (!is_of_type(&value->items[i], type->element)) return false;
    return true;
}

static bool check_input(adze_interp *interp, const adze_func *func, uint32_t index,
                        const adze_value *value)
{
    const adze_ir_value *arg = func->body.args[index];
    const adze_type *type = arg->type;
    adze_loc loc = func->loc;
    const char *name = arg->name ? arg->name : "?";
    if (type->element) {
        char text[128];
        adze_type_print(type, text, sizeof text);
        return is_of_type(value, type) || adze_error(loc, "input '%s' must be %s", name, text);
    }
    if (!adze_type_is_tensor(type) || value->kind != ADZE_VALUE_TENSOR)
        return adze_error(loc, "input '%s' must be a tensor", name);
    if (value->dtype != type->dtype)
        return adze_error(loc, "input '%s' has another element type", name);
    if (!type->ranked) return true;
    if (value->rank != type->rank)
        return adze_error(loc, "input '%s' has rank %u, expected %u", name, value->rank,
                          type->rank);
    bind_symbols(interp, type, value);
    return true;
}

static bool check_input_dims(adze_interp *interp, const adze_func *func, uint32_t index,
                             const adze_value *value)
{
    const adze_type *type = func->body.args[index]->type;
    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t want;
        if (!adze_interp_dim(interp, type->dims[i], &want) || want == value->dims[i]) continue;
        char text[128];
        adze_dim_print(type->dims[i], text, sizeof text);
        return adze_error(func->loc, "input '%s': dim %u is %lld, expected %s (%lld)",
                          func->body.args[index]->name ? func->body.args[index]->name : "?", i,
                          (long long)value->dims[i], text, (long long)want);
    }
    return true;
}

/* ---- Cells ---- */

static adze_cell *cell_of(adze_interp *interp, const adze_ir_value *value)
{
    adze_cell *cell = adze_table_get(&interp->cells, value);
    if (!cell) {
        cell = ADZE_NEW(&interp->arena, adze_cell);
        adze_table_put(&interp->cells, value, cell);
    }
    return cell;
}

static void set_cell(adze_interp *interp, const adze_ir_value *value, const adze_value *contents,
                     bool owned)
{
    *cell_of(interp, value) = (adze_cell){.value = *contents,
                                          .remaining = adze_value_num_uses(value),
                                          .level = interp->level,
                                          .owned = owned};
}

static void drop_cell(adze_interp *interp, adze_cell *cell)
{
    if (cell->owned) adze_interp_free(interp, &cell->value);
    cell->owned = false;
}

static void used_const(adze_interp *interp, const adze_const *constant)
{
    adze_cell *cell = adze_table_get(&interp->const_uses, constant);
    if (!cell) {
        cell = ADZE_NEW(&interp->arena, adze_cell);
        cell->remaining = adze_value_num_uses(&constant->value);
        adze_table_put(&interp->const_uses, constant, cell);
    }
    if (--cell->remaining == 0 && adze_data_size(constant->data) > UNLOAD_ABOVE)
        adze_data_unload(constant->data);
}

/* Counts the uses that the op and what is inside it make, and frees what was used last. */
static void count_uses(adze_interp *interp, const adze_op *op)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_ir_value *value = op->operands[i].value;
        if (!value) continue;
        if (value->def == ADZE_DEF_CONST) {
            if (interp->level == 1) used_const(interp, value->owner.constant);
            continue;
        }
        adze_cell *cell = adze_table_get(&interp->cells, value);
        if (cell && cell->level == interp->level && --cell->remaining == 0) drop_cell(interp, cell);
    }
    for (uint32_t i = 0; i < op->n_regions; i++)
        for (const adze_op *inner = op->regions[i].first; inner; inner = inner->next)
            count_uses(interp, inner);
}

/* ---- Operands and results ---- */

static bool read_const(adze_interp *interp, const adze_const *constant, adze_value *out)
{
    const adze_type *type = constant->type;
    const void *bytes = adze_data_load(constant->data);
    int64_t *dims = ADZE_NEW_ARRAY(&interp->arena, int64_t, type->rank + 1u);
    if (!bytes) return false;
    for (uint32_t i = 0; i < type->rank; i++)
        if (!adze_dim_is_const(type->dims[i], &dims[i])) return false;
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR,
                        .dtype = type->dtype,
                        .rank = type->rank,
                        .dims = dims,
                        .data = (void *)(uintptr_t)bytes};
    return true;
}

static bool read_operand(adze_interp *interp, const adze_op *op, uint32_t index, adze_value *out)
{
    const adze_ir_value *value = op->operands[index].value;
    *out = (adze_value){.kind = ADZE_VALUE_ABSENT};
    if (!value) return true;
    if (value->def == ADZE_DEF_CONST) return read_const(interp, value->owner.constant, out);
    const adze_cell *cell = adze_table_get(&interp->cells, value);
    if (!cell)
        return adze_error(adze_op_loc(op), "%s: operand %u has no value", op->row->name, index);
    *out = cell->value;
    return true;
}

adze_cell *adze_interp_last_use(adze_interp *interp, const adze_op *op, uint32_t index)
{
    const adze_ir_value *value = op->operands[index].value;
    adze_cell *cell = value ? adze_table_get(&interp->cells, value) : NULL;
    return cell && cell->owned && cell->level == interp->level && cell->remaining == 1 ? cell : NULL;
}

/* Moves an operand of a terminator out where it is used no more, else copies it. */
static bool take_operand(adze_interp *interp, const adze_op *op, uint32_t index, adze_value *out)
{
    const adze_ir_value *value = op->operands[index].value;
    adze_cell *cell = value ? adze_table_get(&interp->cells, value) : NULL;
    if (!value) {
        *out = (adze_value){.kind = ADZE_VALUE_ABSENT};
        return true;
    }
    if (adze_interp_last_use(interp, op, index)) {
        *out = cell->value;
        cell->owned = false;
        return true;
    }
    adze_value from;
    if (!read_operand(interp, op, index, &from)) return false;
    bool ok = adze_interp_copy(interp, adze_op_loc(op), &from, out);
    if (ok && cell && cell->level == interp->level && --cell->remaining == 0)
        drop_cell(interp, cell);
    return ok;
}

/* ---- Regions ---- */

static bool run_op(adze_interp *interp, const adze_op *op);

/* Frees what the run of a region still holds. */
static void drop_level(adze_interp *interp, const adze_region *region)
{
    for (uint32_t i = 0; i < region->n_args; i++) {
        adze_cell *cell = adze_table_get(&interp->cells, region->args[i]);
        if (cell && cell->level == interp->level) drop_cell(interp, cell);
    }
    for (const adze_op *op = region->first; op; op = op->next)
        for (uint32_t i = 0; i < op->n_results; i++) {
            adze_cell *cell = adze_table_get(&interp->cells, &op->results[i]);
            if (cell && cell->level == interp->level) drop_cell(interp, cell);
        }
}

/* Can the region run? What is handed over is freed where it cannot. */
static bool may_enter(adze_interp *interp, const adze_region *region, const adze_value *args, uint32_t n_lent,
                      uint32_t n_args, uint32_t n_out)
{
    bool fits = region->last && region->last->n_operands == n_out && region->n_args == n_args;
    if (fits && interp->depth < MAX_DEPTH) return true;
    for (uint32_t i = n_lent; i < n_args; i++) {
        adze_value given = args[i];
        if (given.kind != ADZE_VALUE_ABSENT) adze_interp_free(interp, &given);
    }
    if (fits) return adze_error(adze_op_loc(region->op), "regions nested more than %d deep", MAX_DEPTH);
    return adze_error(region->op ? adze_op_loc(region->op) : region->func->loc,
                      "a region's arguments or results do not fit; the module was not verified");
}

bool adze_interp_region(adze_interp *interp, const adze_region *region, const adze_value *args, uint32_t n_lent,
                        uint32_t n_args, adze_value *out, uint32_t n_out)
{
    if (!may_enter(interp, region, args, n_lent, n_args, n_out)) return false;
    interp->depth++;
    interp->level++;
    bool ok = true;
    for (uint32_t i = 0; i < region->n_args; i++) {
        set_cell(interp, region->args[i], &args[i], i >= n_lent && args[i].kind != ADZE_VALUE_ABSENT);
        if (args[i].kind == ADZE_VALUE_TENSOR && region->args[i]->type->rank == args[i].rank)
            bind_symbols(interp, region->args[i]->type, &args[i]);
    }
    const adze_op *op = region->first;
    for (; ok && op && !(op->row->traits & ADZE_TERMINATOR); op = op->next) ok = run_op(interp, op);
    uint32_t done = 0;
    for (; ok && op && done < op->n_operands; done++)
        ok = take_operand(interp, op, done, &out[done]);
    if (!ok)
        while (done) {
            adze_interp_free(interp, &out[--done]);
            out[done] = (adze_value){0};
        }
    drop_level(interp, region);
    interp->level--;
    interp->depth--;
    return ok;
}

static bool run_if(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    if (adze_value_count(&in[0]) != 1)
        return adze_error(adze_op_loc(op), "if: the condition must be one bool");
    uint32_t which = *(const uint8_t *)in[0].data ? 0 : 1;
    return which >= op->n_regions ||
           adze_interp_region(interp, &op->regions[which], NULL, 0, 0, out, op->n_results);
}

static bool run_kernel(adze_interp *interp, const adze_op *op, const adze_value *in,
                       adze_value *out)
{
    return adze_interp_region(interp, &op->regions[0], in, op->n_operands, op->n_operands, out, op->n_results);
}

/* What a dim must be, where it is `have`: the same, unless its type says something that is known already. */
static int64_t wanted_dim(adze_interp *interp, const adze_dim *dim, int64_t have)
{
    int64_t want = have;
    bool own = dim->kind == ADZE_DIM_SYMBOL && !is_given(interp, dim->name);
    if (!own) adze_interp_dim(interp, dim, &want);
    return want;
}

/* A copy whose dims are what its type says as far as that is known already. */
static bool run_named(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    const adze_type *type = op->results[0].type;
    if (in->kind != ADZE_VALUE_TENSOR || in->rank != type->rank)
        return adze_error(adze_op_loc(op), "named: the operand has rank %u, expected %u", in->rank, type->rank);
    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t want = wanted_dim(interp, type->dims[i], in->dims[i]);
        if (want != in->dims[i])
            return adze_error(adze_op_loc(op), "named: dim %u is %lld, expected %lld", i, (long long)in->dims[i],
                              (long long)want);
    }
    return adze_interp_copy(interp, adze_op_loc(op), in, out);
}

/* The dims as numbers. */
static bool run_dims(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
    int64_t count = dims->count;
    (void)in;
    if (!adze_interp_new(interp, adze_op_loc(op), ADZE_DTYPE_i64, 1, &count, out)) return false;
    for (uint32_t i = 0; i < dims->count; i++)
        if (!adze_interp_dim(interp, dims->dims[i], (int64_t *)out->data + i))
            return adze_error(adze_op_loc(op), "dims: entry %u has no value", i);
    return true;
}

/* ---- Ops ---- */

/* Memory of its own for what an evaluation gave. */
static bool keep(adze_interp *interp, adze_loc loc, adze_value *value)
{
    if (value->kind == ADZE_VALUE_TENSOR || value->kind == ADZE_VALUE_ABSENT)
        return adze_interp_own(interp, loc, value);
    adze_value given = *value;
    *value = (adze_value){0};
    return adze_interp_copy(interp, loc, &given, value);
}

static bool run_eval(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    const adze_op_row *row = op->row;
    adze_loc loc = adze_op_loc(op);
    for (uint32_t i = 0; i < op->n_results && !(row->traits & ADZE_DATA_DEPENDENT); i++) {
        int64_t dims[ADZE_MAX_RANK];
        uint32_t rank;
        if (!adze_interp_dims(interp, op, in, i, &rank, dims)) return false;
        if (!adze_interp_new(interp, loc, adze_type_dtype(op->results[i].type), rank, dims,
                             &out[i]))
            return false;
    }
    adze_host host;
    adze_host_init(&host, loc);
    uint64_t errors = interp->context->errors;
    adze_status status = adze_row_evaluate(row, &host.env, in, op->n_operands, out, op->n_results, op->attrs);
    bool owned = status == ADZE_OK;
    for (uint32_t i = 0; i < op->n_results; i++) {
        if (owned) owned = keep(interp, loc, &out[i]);
        else if (out[i].kind != ADZE_VALUE_TENSOR) out[i] = (adze_value){0}; /* its items are not its own */
    }
    bool over = host.over && status == ADZE_ERR_NO_MEMORY;
    adze_host_free(&host);
    if (row->traits & ADZE_DATA_DEPENDENT)
        for (uint32_t i = 0; i < op->n_results; i++)
            if (out[i].kind == ADZE_VALUE_TENSOR) interp->held += adze_interp_base(&out[i]);
    if (status == ADZE_OK) return owned;
    if (errors == interp->context->errors)
        adze_error(loc,
                   status == ADZE_ERR_UNSUPPORTED ? "%s: this combination of types is not supported"
                   : over                            ? "%s: goes over the memory bound"
                   : status == ADZE_ERR_NO_MEMORY ? "%s: out of memory"
                                                  : "%s: cannot be computed with these operands",
                   row->name);
    return false;
}

/* Results of a region must be what their types say, as far as that is known: those who read them count on it. */
static bool keeps_promise(adze_interp *interp, const adze_op *op, const adze_value *out)
{
    for (uint32_t i = 0; i < op->n_results; i++) {
        const adze_type *type = op->results[i].type;
        const char *name = op->results[i].name;
        if (type->kind != ADZE_TYPE_TENSOR || !type->ranked || out[i].kind != ADZE_VALUE_TENSOR) continue;
        if (out[i].rank != type->rank)
            return adze_error(adze_op_loc(op), "%s: result '%s' has rank %u, its type says %u", op->row->name,
                              name ? name : "", out[i].rank, type->rank);
        for (uint32_t k = 0; k < type->rank; k++) {
            int64_t want = wanted_dim(interp, type->dims[k], out[i].dims[k]);
            if (want != out[i].dims[k])
                return adze_error(adze_op_loc(op), "%s: result '%s': dim %u is %lld, its type says %lld",
                                  op->row->name, name ? name : "", k, (long long)out[i].dims[k], (long long)want);
        }
    }
    return true;
}

static bool run_special(adze_interp *interp, const adze_op *op, const adze_value *in,
                        adze_value *out)
{
    static const struct {
        const char *name;
        bool (*run)(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out);
    } special[] = {
        {"dims", run_dims}, {"if", run_if}, {"kernel", run_kernel}, {"launch", adze_interp_launch},
        {"loop", adze_interp_repeat}, {"named", run_named}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(op->row->name, special[i].name) == 0) return special[i].run(interp, op, in, out);
    if (!adze_row_has_meaning(op->row)) return adze_error(adze_op_loc(op), "%s cannot run here", op->row->name);
    if (adze_op_is(op, "identity") && in[0].kind != ADZE_VALUE_TENSOR)
        return adze_interp_copy(interp, adze_op_loc(op), &in[0], out);
    bool done = false, ok = true;
    if (adze_op_is(op, "sequence_insert")) ok = adze_interp_insert(interp, op, in, out, &done);
    return done || !ok ? ok : run_eval(interp, op, in, out);
}

static bool run_op(adze_interp *interp, const adze_op *op)
{
    adze_value *in = adze_malloc((op->n_operands + 1u) * sizeof *in);
    adze_value *out = calloc(op->n_results + 1u, sizeof *out);
    bool ok = out != NULL;
    for (uint32_t i = 0; ok && i < op->n_operands; i++) ok = read_operand(interp, op, i, &in[i]);
    ok = ok && run_special(interp, op, in, out) && (!op->n_regions || keeps_promise(interp, op, out));
    for (uint32_t i = 0; ok && i < op->n_results; i++)
        if (out[i].kind == ADZE_VALUE_TENSOR && op->results[i].type->rank == out[i].rank)
            bind_symbols(interp, op->results[i].type, &out[i]);
    if (ok && interp->observe) interp->observe(interp->self, op, out, op->n_results);
    for (uint32_t i = 0; out && i < op->n_results; i++) {
        if (ok)
            set_cell(interp, &op->results[i], &out[i], true);
        else
            adze_interp_free(interp, &out[i]);
    }
    if (ok) count_uses(interp, op);
    for (uint32_t i = 0; ok && i < op->n_results; i++)
        if (!op->results[i].uses) drop_cell(interp, cell_of(interp, &op->results[i]));
    free(in);
    free(out);
    return ok;
}

bool adze_interpret(const adze_func *func, const adze_value *inputs, uint32_t n_inputs,
                    adze_value *outputs, uint32_t n_outputs, adze_observer *observe, void *self)
{
    const adze_module *module = func->module;
    adze_interp interp = {
        .context = module->context, .module = module, .observe = observe, .self = self};
    if (n_outputs) memset(outputs, 0, n_outputs * sizeof *outputs);
    if (n_inputs != func->body.n_args || n_outputs != func->n_results)
        return adze_error(func->loc, "@%s has %u inputs and %u outputs, got %u and %u", func->name,
                          func->body.n_args, func->n_results, n_inputs, n_outputs);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n_inputs; i++) ok = check_input(&interp, func, i, &inputs[i]);
    interp.n_given = interp.n_symbols;
    for (uint32_t i = 0; ok && i < n_inputs; i++)
        ok = check_input_dims(&interp, func, i, &inputs[i]);
    ok = ok && adze_interp_region(&interp, &func->body, inputs, n_inputs, n_inputs, outputs, n_outputs);
    adze_interp_loops_free(&interp);
    for (const adze_const *c = module->first_const; c; c = c->next)
        if (adze_data_size(c->data) > UNLOAD_ABOVE) adze_data_unload(c->data);
    adze_table_free(&interp.cells);
    adze_table_free(&interp.const_uses);
    adze_arena_free(&interp.arena);
    return ok;
}
