/* Late sequences share their items: what a step gives holds its operands' items, and a loop that adds one in every
 * iteration copies that one alone. Nobody writes into what is shared. */
#include "internal.h"

/* An item of a late sequence. */
typedef struct cursor {
    uint32_t late;
    uint64_t item;
} cursor;

static bool holds_parts(const adze_session *s, uint32_t index)
{
    const block *b = s->late[index].memory;
    const adze_value *v = &s->late_values[index];
    return b && v->kind == ADZE_VALUE_SEQUENCE && b->n_parts && b->n_parts == v->n_items;
}

/* The item's block where it is that item of a late sequence: the same memory, not only the same contents. */
static block *part_at(const adze_session *s, cursor at, const adze_value *item)
{
    const adze_value *v = &s->late_values[at.late], *other = &v->items[at.item];
    if (at.item >= v->n_items) return NULL;
    bool same = item->kind == other->kind && item->data == other->data && item->dims == other->dims &&
                item->items == other->items && item->n_items == other->n_items && item->dtype == other->dtype &&
                item->rank == other->rank;
    return same ? block_parts(s->late[at.late].memory)[at.item] : NULL;
}

/* Items mostly come in the order of one sequence, with one left out or put between. */
static block *find_part(const adze_session *s, const adze_value *item, cursor *at, bool *known)
{
    block *part = NULL;
    for (uint64_t skip = 0; *known && skip < 2; skip++) {
        cursor next = {at->late, at->item + skip};
        if (!(part = part_at(s, next, item))) continue;
        at->item = next.item + 1;
        return part;
    }
    for (uint32_t i = 0; i < s->model->artifact->n_late; i++) {
        if (!holds_parts(s, i) || !(part = part_at(s, (cursor){i, 0}, item))) continue;
        *at = (cursor){i, 1};
        *known = true;
        return part;
    }
    return NULL;
}

/* The memory of all of it, where a late value is this very sequence. */
static block *find_all(const adze_session *s, const adze_value *from)
{
    for (uint32_t i = 0; i < s->model->artifact->n_late; i++)
        if (holds_parts(s, i) && s->late_values[i].items == from->items && s->late_values[i].n_items == from->n_items)
            return s->late[i].memory;
    return NULL;
}

block *adze_rt_share(adze_session *s, const adze_value *from, adze_value *out)
{
    uint64_t n = from->n_items, each = sizeof *from + sizeof(block *), room = 1;
    cursor at = {0, 0};
    bool known = false;
    block *all = find_all(s, from);
    *out = *from;
    if (all) return all->holders++, all;
    if (n > PTRDIFF_MAX / 2 / each) return NULL;
    while (room < n) room *= 2; /* so that what a loop is done with serves it again */
    if (!(all = adze_rt_block_create(s, room * each))) return NULL;
    out->items = (adze_value *)(void *)block_data(all);
    block **parts = (block **)(void *)(block_data(all) + n * sizeof *from);
    for (uint64_t i = 0; i < n; i++) {
        parts[i] = find_part(s, &from->items[i], &at, &known);
        out->items[i] = from->items[i];
        if (parts[i]) parts[i]->holders++;
        else if (!(parts[i] = adze_rt_copy(s, &from->items[i], &out->items[i]))) {
            while (i > 0) adze_rt_block_release(s, parts[--i]);
            adze_rt_block_release(s, all);
            return NULL;
        }
    }
    all->n_parts = n;
    return all;
}
