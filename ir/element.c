/* Elements of tensors as numbers, one at a time. */
#include <adze/interp.h>

#include "ir/eval/convert.h"

bool adze_dtype_is_number(adze_dtype dtype) { return ev_is_number(dtype); }

double adze_value_real(const adze_value *value, uint64_t index) { return ev_get_f64(value, (int64_t)index); }

int64_t adze_value_int(const adze_value *value, uint64_t index) { return ev_get_i64(value, (int64_t)index); }

void adze_value_set_real(const adze_value *value, uint64_t index, double real)
{
    ev_store_f64(value->dtype, value->data, (int64_t)index, 1, 1, &real);
}
