/* Op rows of a context: built-in ones first, then those of plug-ins. */
#include "ir/eval/bodies_table.h"
#include "ir/ir_private.h"
#include "ir/rows.h"
#include "ir/text.h"

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

enum { MAX_NAME = 100 };

/* Does the attribute's default read as its kind? */
static bool has_good_default(const adze_attr_row *attr)
{
    const char *text = attr->fallback;
    char *end = NULL;
    if (!text || !strcmp(text, "!")) return true;
    size_t n = strlen(text);
    switch (attr->kind) {
    case ADZE_ATTR_INT: return strtoll(text, &end, 10), n && !*end;
    case ADZE_ATTR_BOOL: return !strcmp(text, "true") || !strcmp(text, "false");
    case ADZE_ATTR_FLOAT: return adze_text_to_double(text, &end), n && !*end;
    case ADZE_ATTR_TYPE: return adze_dtype_find(text) != ADZE_DTYPE_NONE;
    case ADZE_ATTR_STR: return n >= 2 && text[0] == '"' && text[n - 1] == '"';
    case ADZE_ATTR_INTS: return n >= 2 && text[0] == '[' && strspn(text + 1, "-0123456789, ") == n - 2 &&
                                text[n - 1] == ']';
    default: return false;
    }
}

/* As the text has it, and no longer than the names of functions made from it. */
static bool has_good_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", digits[] = "0123456789";
    size_t n = 0;
    while (name[n] && (strchr(letters, name[n]) || (n && strchr(digits, name[n])))) n++;
    return !name[n] && n <= MAX_NAME;
}

/* What in the row contradicts itself; NULL = nothing. */
static const char *contradiction(const adze_op_row *row)
{
    if (row->struct_size < offsetof(adze_op_row, bodies)) return "is shorter than any version's";
    if (row->abi != ADZE_ABI) return "has another ABI number";
    if (!row->name || !*row->name) return "has no name";
    if (!has_good_name(row->name)) return "has a name that is more than 100 letters, digits and '_'";
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
        if (!row->attrs[i].name || !*row->attrs[i].name) return "has an attribute without a name";
        if ((unsigned)row->attrs[i].kind > ADZE_ATTR_TYPEREF) return "has an attribute of no kind";
        if (!has_good_default(&row->attrs[i])) return "has an attribute whose default is not of its kind";
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(row->attrs[i].name, row->attrs[k].name)) return "names an attribute twice";
    }
    return NULL;
}

static bool is_dtype(uint16_t dtype) { return dtype > ADZE_DTYPE_NONE && dtype < ADZE_DTYPE_COUNT; }

static bool has_types(const adze_body *b)
{
    bool ok = is_dtype(b->dtype) && is_dtype(b->compute) && is_dtype(b->result);
    for (uint32_t i = 0; ok && i < b->arguments; i++) ok = is_dtype(b->args[i]);
    return ok;
}

/* Its parameters are numeric attributes of the row, one for each argument behind the operands. */
static bool has_params(const adze_op_row *row, const adze_body *b)
{
    uint32_t count = 0;
    for (const char *at = b->params ? b->params : ""; *at; count++) {
        size_t n = strcspn(at, " ");
        uint32_t i = 0;
        while (i < row->n_attrs && (strlen(row->attrs[i].name) != n || memcmp(row->attrs[i].name, at, n) != 0)) i++;
        if (i == row->n_attrs || row->attrs[i].kind > ADZE_ATTR_FLOAT) return false;
        at += n + (at[n] == ' ');
    }
    return count == (uint32_t)b->arguments - b->operands;
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
        if (!has_types(b)) return "has a body of unknown element types";
        if (!has_params(row, b)) return "has a body whose parameters are no numeric attributes of it";
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
