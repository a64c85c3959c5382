/* Elements of tensors as numbers, for summaries. */
#include "feed.h"

#include "ir/eval/convert.h"

bool adze_element_is_number(adze_dtype dtype)
{
    return ev_is_number(dtype);
}

double adze_element_get(const adze_value *value, uint64_t index)
{
    return ev_get_f64(value, (int64_t)index);
}
