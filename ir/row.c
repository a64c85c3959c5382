/* Op rows of a context: built-in ones first, then those of plug-ins. */
#include "ir/eval/bodies_table.h"
#include "ir/ir_private.h"
#include "ir/rows.h"

#include <stdlib.h>
#include <string.h>

const adze_op_row *adze_row_find(adze_context *context, const char *name)
{
    return adze_table_get_name(&context->row_names, name);
}

static bool is_default_domain(const char *domain) { return !domain || !*domain || !strcmp(domain, "ai.onnx"); }

const adze_op_row *adze_row_find_onnx(adze_context *context, const char *domain, const char *onnx)
{
    const char *key = is_default_domain(domain) ? adze_intern_z(context, onnx)
                                                : adze_internf(context, "%s::%s", domain, onnx);
    return adze_table_get_name(&context->row_onnx, key);
}

uint32_t adze_row_count(const adze_context *context) { return context->n_rows; }

const adze_op_row *adze_row_get(const adze_context *context, uint32_t index) { return context->rows[index]; }

/* What in the row contradicts itself; NULL = nothing. */
static const char *contradiction(const adze_op_row *row)
{
    if (row->struct_size < offsetof(adze_op_row, bodies)) return "is shorter than any version's";
    if (row->abi != ADZE_ABI) return "has another ABI number";
    if (!row->name || !*row->name) return "has no name";
    if (row->in_min > row->in_max) return "wants more operands than it allows";
    if (row->out_min > row->out_max) return "has more results than it allows";
    if (row->regions > row->regions_max) return "wants more regions than it allows";
    if ((row->traits & ADZE_TERMINATOR) && row->out_max) return "ends a region but has results";
    if ((row->traits & ADZE_COMMUTATIVE) && row->in_max < 2) return "is commutative with fewer than two operands";
    if ((row->traits & ADZE_CONTRACTION) && row->in_max < 2) return "contracts fewer than two operands";
    if ((row->traits & ADZE_REGION) && !row->regions_max) return "has the trait REGION but no region";
    if (row->n_attrs > 63) return "has more than 63 attributes";
    if (row->n_attrs && !row->attrs) return "counts attributes but lists none";
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        if (!row->attrs[i].name) return "has an attribute without a name";
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(row->attrs[i].name, row->attrs[k].name)) return "names an attribute twice";
    }
    return NULL;
}

/* What in the bodies contradicts the row. */
static const char *bad_body(const adze_op_row *row)
{
    if (!row->n_bodies) return NULL;
    if (!row->bodies) return "counts bodies but lists none";
    if (!(row->traits & ADZE_ELEMWISE) || row->out_max != 1) return "has bodies but is no elementwise op of one result";
    for (uint32_t i = 0; i < row->n_bodies; i++) {
        const adze_body *b = &row->bodies[i];
        if (!b->symbol || !b->row) return "has a body without functions";
        if (!b->operands || b->operands != row->in_max || b->operands != row->in_min)
            return "has a body of other operands";
        if (b->arguments < b->operands || b->arguments > ADZE_BODY_MAX_ARGS) return "has a body of too many arguments";
    }
    return NULL;
}

/* A row of the first version is shorter; what it lacks is zero. */
static const adze_op_row *complete(adze_context *context, const adze_op_row *row)
{
    if (row->struct_size >= sizeof *row) return row;
    adze_op_row *whole = ADZE_NEW(&context->arena, adze_op_row);
    memcpy(whole, row, row->struct_size);
    whole->struct_size = sizeof *whole;
    return whole;
}

bool adze_row_add(adze_context *context, const adze_op_row *row)
{
    adze_loc loc = adze_loc_unknown(context);
    const char *why = contradiction(row);
    if (!why) row = complete(context, row);
    if (!why) why = bad_body(row);
    if (why) return adze_error(loc, "op '%s': the row %s", row->name ? row->name : "?", why);
    if (adze_row_find(context, row->name)) return adze_error(loc, "op '%s': the name is taken", row->name);
    if (row->onnx && adze_row_find_onnx(context, row->domain, row->onnx))
        return adze_error(loc, "op '%s': ONNX op %s is taken", row->name, row->onnx);
    if (context->n_rows == context->rows_capacity) {
        context->rows_capacity = context->rows_capacity ? 2 * context->rows_capacity : 256;
        context->rows = adze_realloc(context->rows, context->rows_capacity * sizeof *context->rows);
    }
    context->rows[context->n_rows++] = row;
    adze_table_put_name(&context->row_names, row->name, (void *)(uintptr_t)row);
    if (row->onnx) {
        const char *key = is_default_domain(row->domain) ? adze_intern_z(context, row->onnx)
                                                         : adze_internf(context, "%s::%s", row->domain, row->onnx);
        adze_table_put_name(&context->row_onnx, key, (void *)(uintptr_t)row);
    }
    return true;
}

bool adze_op_access(const adze_op *op, adze_access *out)
{
    *out = (adze_access){0};
    return op->row->access && op->row->access(op, out);
}

int adze_row_attr_index(const adze_op_row *row, const char *name)
{
    for (uint32_t i = 0; i < row->n_attrs; i++)
        if (!strcmp(row->attrs[i].name, name)) return (int)i;
    return -1;
}

const char *adze_op_missing_attr(const adze_op *op)
{
    for (uint32_t i = 0; i < op->row->n_attrs; i++) {
        const adze_attr_row *attr = &op->row->attrs[i];
        bool required = attr->fallback && !strcmp(attr->fallback, "!");
        if (required && !(op->attrs[0].set >> i & 1)) return attr->name;
    }
    return NULL;
}

/* Bodies of one name stand together. */
void adze_bodies_index(adze_context *context)
{
    size_t n;
    const adze_body *all = adze_body_all(&n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i].name, all[i - 1].name))
            adze_table_put_name(&context->bodies, all[i].name, (void *)(uintptr_t)&all[i]);
}

const adze_body *adze_bodies_find(const adze_context *context, const char *name, adze_dtype dtype, bool *out_any)
{
    size_t n;
    const adze_body *all = adze_body_all(&n), *body = adze_table_get_name(&context->bodies, name);
    *out_any = body != NULL;
    for (; body && body < all + n && !strcmp(body->name, name); body++)
        if (body->dtype == dtype) return body;
    return NULL;
}
