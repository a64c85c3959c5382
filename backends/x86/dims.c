/* The artifact's table of dim expressions: each distinct one once, evaluated when a session binds.
 */
#include "backends/x86/program.h"

uint32_t x86_dims_add(x86_dims *dims, const adze_dim *dim)
{
    uintptr_t known = (uintptr_t)adze_table_get(&dims->index, dim);
    if (known) return (uint32_t)(known - 1);
    dims->items = adze_arena_grow(dims->arena, dims->items, dims->count, &dims->capacity,
                                  sizeof *dims->items);
    dims->items[dims->count++] = dim;
    adze_table_put(&dims->index, dim, (void *)(uintptr_t)dims->count);
    return dims->count - 1;
}

x86_size x86_dims_size(x86_dims *dims, const adze_dim *dim)
{
    x86_size size = {0};
    size.is_const = adze_dim_is_const(dim, &size.value);
    if (!size.is_const) size.dim = x86_dims_add(dims, dim);
    return size;
}
