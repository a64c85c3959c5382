/* Runs what an op means: its evaluation, or, where it has none, its scalar bodies. */
#include "ir/ir_private.h"
#include "ir/rows.h"

#include "ir/eval/bodies_table.h"
#include "ir/eval/eval.h"

#include <string.h>

const adze_body *adze_row_body(const adze_op_row *row, adze_dtype dtype)
{
    for (uint32_t i = 0; i < row->n_bodies; i++)
        if (row->bodies[i].dtype == dtype) return &row->bodies[i];
    return row->n_bodies ? NULL : adze_body_find(row->name, dtype);
}

bool adze_op_has_loop_form(const adze_op *op)
{
    const adze_op_row *row = op->row;
    if (row >= adze_builtin_rows && row < adze_builtin_rows + adze_n_builtin_rows) return true;
    const adze_ir_value *first = op->n_operands ? op->operands[0].value : NULL;
    return first && row->n_bodies && adze_row_body(row, adze_type_dtype(first->type));
}

bool adze_row_has_meaning(const adze_op_row *row) { return row->eval || row->n_bodies; }

/* Attribute `name` (of `size` bytes) as a number. */
static double parameter(const adze_op_row *row, const adze_slot *attrs, const char *name, size_t size)
{
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        if (strlen(row->attrs[i].name) != size || memcmp(row->attrs[i].name, name, size) != 0) continue;
        return row->attrs[i].kind == ADZE_ATTR_FLOAT ? attrs[1 + i].f : (double)attrs[1 + i].i;
    }
    return 0;
}

adze_status adze_row_evaluate(const adze_op_row *row, const adze_env *env, const adze_value *in, uint32_t n_in,
                              adze_value *out, uint32_t n_out, const void *attrs)
{
    if (row->eval) return row->eval(env, in, n_in, out, n_out, attrs);
    const adze_body *body = n_in ? adze_row_body(row, (adze_dtype)in[0].dtype) : NULL;
    if (!body || n_in != body->operands || n_out != 1) return ev_bad_dtype(env);
    for (uint32_t k = 0; k < n_in; k++)
        if (in[k].kind != ADZE_VALUE_TENSOR || in[k].dtype != body->args[k])
            return ev_fail(env, ADZE_ERR_DTYPE, "operands differ in element type");
    double params[ADZE_BODY_MAX_ARGS] = {0};
    const char *at = body->params ? body->params : "";
    for (uint32_t i = 0; i + body->operands < body->arguments; i++) {
        size_t n = strcspn(at, " ");
        params[i] = parameter(row, attrs, at, n);
        at += n + (at[n] == ' ');
    }
    return ev_apply_body(env, body, in, out, params);
}
