/* Blocks: what of a function runs op by op on tensors. */
#include "ir/ir_private.h"

bool adze_op_is_control(const adze_op *op)
{
    return op->n_regions && (op->row->traits & ADZE_FREE) && !(op->row->traits & ADZE_LOOP);
}

/* The first block of the ops from `op` on. */
static adze_region *first_block(const adze_op *op)
{
    for (; op; op = op->next)
        if (adze_op_is_control(op)) return (adze_region *)(uintptr_t)&op->regions[0];
    return NULL;
}

adze_region *adze_block_next(const adze_region *block)
{
    adze_region *inner = first_block(block->first);
    while (!inner && block->op) {
        const adze_op *op = block->op;
        uint32_t at = (uint32_t)(block - op->regions);
        inner = at + 1 < op->n_regions ? &op->regions[at + 1] : first_block(op->next);
        block = op->parent;
    }
    return inner;
}
