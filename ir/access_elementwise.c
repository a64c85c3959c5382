/* Iteration spaces of elementwise ops and of those that broadcast: one parallel axis per result dim, in
 * order; operands are read at the axes they have, at 0 where they are broadcast. An op of more operands
 * than its body has (max_n and its kin) combines them from the left. */
#include "ir/access.h"
#include "ir/rows.h"

#include <string.h>

/* The body of an op that is not called like it; NULL = the operand is copied. */
static const char *body_of(const adze_op *op)
{
    static const struct {
        const char *op, *body;
    } others[] = {{"max_n", "max"}, {"min_n", "min"}, {"sum_n", "add"}};
    const char *name = adze_op_name(op);
    if (adze_op_has_trait(op, ADZE_MOVE)) return NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(name, others[i].op)) return adze_op_num_operands(op) > 1 ? others[i].body : NULL;
    return name;
}

bool access_elementwise(const adze_op *op, adze_access *a)
{
    if (!access_result_axes(op, a)) return false;
    a->body = body_of(op);
    /* An op that copies reads its first operand; others (expand's shape) only say where to. */
    uint32_t n = adze_op_has_trait(op, ADZE_MOVE) ? 1 : adze_op_num_operands(op);
    for (uint32_t i = 0; i < n; i++)
        if (!access_broadcast(op, a, i)) return false;
    return true;
}

bool adze_access_elementwise(const adze_op *op, adze_access *out) { return access_elementwise(op, out); }
