/* Grows sequences on the reference: a loop that adds an item in every iteration copies no other.
 *
 * The evaluation gives a sequence of its operand's items, and all that it gives is copied. Here the operand's own array
 * gets the item instead, where nothing else uses it.
 */
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

#include "ir/eval/convert.h"

/* Where the item goes among `count`; false where that is the evaluation's to report. */
static bool find_place(const adze_value *given, uint64_t count, uint64_t *out)
{
    *out = count;
    if (given->kind == ADZE_VALUE_ABSENT) return true;
    if (!ev_is_int(given->dtype) || adze_value_count(given) != 1) return false;
    int64_t at = ev_get_i64(given, 0);
    if (at < 0) at += (int64_t)count;
    *out = (uint64_t)at;
    return at >= 0 && at <= (int64_t)count;
}

bool adze_interp_insert(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out, bool *out_done)
{
    static const adze_value absent = {.kind = ADZE_VALUE_ABSENT};
    adze_cell *cell = adze_interp_last_use(interp, op, 0);
    adze_value item;
    uint64_t at, n = in->n_items, room = adze_interp_room(n + 1);
    *out_done = false;
    if (!cell || in->kind != ADZE_VALUE_SEQUENCE || !find_place(op->n_operands > 2 ? &in[2] : &absent, n, &at))
        return true;
    if (room > adze_interp_room(n)) {
        if (adze_interp_is_over(interp, room * sizeof *in->items))
            return adze_error(adze_op_loc(op), "a sequence of %llu items goes over the memory bound",
                              (unsigned long long)n + 1);
        adze_value *more = realloc(cell->value.items, room * sizeof *more);
        if (!more) return adze_error(adze_op_loc(op), "out of memory");
        cell->value.items = more;
        interp->held += (room - adze_interp_room(n)) * sizeof *more;
    }
    if (!adze_interp_copy(interp, adze_op_loc(op), &in[1], &item)) return false;
    *out = cell->value;
    cell->owned = false;
    memmove(out->items + at + 1, out->items + at, (n - at) * sizeof *out->items);
    out->items[at] = item;
    out->n_items++;
    *out_done = true;
    return true;
}
