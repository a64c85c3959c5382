/* Adds samples to Gram matrices: patches are packed into strips of columns, strips are multiplied (kernels.c).
 *
 * Where a window hangs over the edge, a copy of the value with a border of zeros takes its place, so that packing asks
 * for no edges.
 */
#include "passes/stats/accumulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void gram_room_free(gram_room *room)
{
    free(room->padded);
    free(room->strips);
    free(room->offsets);
    *room = (gram_room){0};
}

static bool reserve(void *memory, uint64_t *capacity, uint64_t count, size_t item)
{
    void **at = memory;
    if (count <= *capacity) return true;
    free(*at);
    *capacity = 0;
    *at = count < SIZE_MAX / item ? aligned_alloc(64, (count * item + 63) & ~(size_t)63) : NULL;
    if (*at) *capacity = count;
    return *at;
}

/* One sample's geometry. Axes as in gram_map; strides and offsets in elements of `data`. */
typedef struct walk {
    const gram_map *map;
    const float *data;
    bool finite;
    int64_t extent[ADZE_MAX_AXES], stride[ADZE_MAX_AXES];
    int64_t origin; /* where all axes are 0 */
    uint64_t n_rows;
    const int64_t *columns; /* offsets of map->size columns */
} walk;

static bool evaluate(walk *w, int64_t *rest, adze_dim_value_of *symbol, void *self)
{
    w->n_rows = 1;
    for (uint32_t i = 0; i < w->map->n_axes; i++) {
        if (!adze_dim_evaluate(w->map->extent[i], NULL, 0, symbol, self, &w->extent[i]) || w->extent[i] < 0)
            return false;
        if (i < w->map->n_rows) w->n_rows *= (uint64_t)w->extent[i];
    }
    for (uint32_t d = 0; d < w->map->rank; d++)
        if (!adze_dim_evaluate(w->map->rest[d], NULL, 0, symbol, self, &rest[d])) return false;
    return true;
}

/* Copies value[dims] into the middle of padded[extents], whose rest is zero. */
static void copy_inner(float *padded, const int64_t *extents, const int64_t *before, const float *from,
                       const int64_t *dims, uint32_t rank)
{
    int64_t at[ADZE_MAX_RANK] = {0}, width = dims[rank - 1];
    uint64_t rows = 1;
    for (uint32_t d = 0; d + 1 < rank; d++) rows *= (uint64_t)dims[d];
    for (uint64_t r = 0; r < rows; r++, from += width) {
        int64_t offset = 0;
        for (uint32_t d = 0; d < rank; d++) offset = offset * extents[d] + before[d] + at[d];
        memcpy(padded + offset, from, (size_t)width * sizeof *from);
        for (uint32_t d = rank - 1; d-- > 0;) {
            if (++at[d] < dims[d]) break;
            at[d] = 0;
        }
    }
}

/* Data without edges, its strides along the axes, and where all axes are 0. */
static bool place(walk *w, const adze_value *value, const floats *data, const int64_t *rest, gram_room *room)
{
    uint32_t rank = w->map->rank;
    int64_t before[ADZE_MAX_RANK], extents[ADZE_MAX_RANK], count = 1;
    bool leaves = false;
    for (uint32_t d = 0; d < rank; d++) {
        int64_t low = rest[d], high = rest[d];
        for (uint32_t i = 0; i < w->map->n_axes; i++) {
            int64_t step = w->map->coef[d][i] * (w->extent[i] - 1);
            *(step < 0 ? &low : &high) += step;
        }
        before[d] = low < 0 ? -low : 0;
        extents[d] = before[d] + (high >= value->dims[d] ? high + 1 : value->dims[d]);
        leaves |= extents[d] != value->dims[d];
        if (__builtin_mul_overflow(count, extents[d], &count)) return false;
    }
    w->data = data->data;
    if (leaves) {
        if (!reserve(&room->padded, &room->padded_capacity, (uint64_t)count, sizeof *room->padded)) return false;
        memset(room->padded, 0, (size_t)count * sizeof *room->padded);
        copy_inner(room->padded, extents, before, data->data, value->dims, rank);
        w->data = room->padded;
    }
    memset(w->stride, 0, sizeof w->stride);
    w->origin = 0;
    for (uint32_t d = rank; d-- > 0;) {
        int64_t stride = 1;
        for (uint32_t k = d + 1; k < rank; k++) stride *= extents[k];
        w->origin += (rest[d] + before[d]) * stride;
        for (uint32_t i = 0; i < w->map->n_axes; i++) w->stride[i] += w->map->coef[d][i] * stride;
    }
    return true;
}

/* Offset of point `index` of `n` axes from axis `first` on, the last of them innermost. */
static int64_t offset_of(const walk *w, uint32_t first, uint32_t n, uint64_t index)
{
    int64_t offset = 0;
    for (uint32_t i = first + n; i-- > first;) {
        offset += (int64_t)(index % (uint64_t)w->extent[i]) * w->stride[i];
        index /= (uint64_t)w->extent[i];
    }
    return offset;
}

static bool place_columns(walk *w, gram_room *room)
{
    uint64_t size = w->map->size;
    if (!reserve(&room->offsets, &room->offsets_capacity, size, sizeof *room->offsets)) return false;
    for (uint64_t i = 0; i < size; i++) room->offsets[i] = offset_of(w, w->map->n_rows, w->map->n_columns, i);
    w->columns = room->offsets;
    return true;
}

/* ---- Packing ---- */

static bool is_finite_row(const walk *w, const float *from)
{
    for (uint64_t i = 0; i < w->map->size; i++)
        if (!isfinite(from[w->columns[i]])) return false;
    return true;
}

/* Offsets of up to `most` rows from *first on, which then is the next one; they are added to `offset`. Those that are
 * not finite are left out. Gives their number. */
static uint32_t choose_rows(const walk *w, int64_t offset, uint64_t *first, uint32_t most, int64_t *out,
                            uint64_t *left_out)
{
    uint32_t n = 0, last = w->map->n_rows ? w->map->n_rows - 1 : 0;
    uint64_t inner = w->map->n_rows ? (uint64_t)w->extent[last] : 1, start = *first, r = start;
    int64_t step = w->map->n_rows ? w->stride[last] : 0, at = 0;
    for (; r < w->n_rows && n < most; r++) {
        at = r == start || r % inner == 0 ? offset + offset_of(w, 0, w->map->n_rows, r) : at + step;
        if (w->finite || is_finite_row(w, w->data + at))
            out[n++] = at;
        else
            ++*left_out;
    }
    *first = r;
    return n;
}

/* One strip of `n` columns. */
static void pack_strip(const walk *w, const int64_t *rows, uint32_t n_rows, const int64_t *columns, uint64_t n,
                       float *out)
{
    bool dense = n == STATS_STRIP;
    for (uint64_t i = 1; dense && i < n; i++) dense = columns[i] == columns[0] + (int64_t)i;
    for (uint64_t r = 0; r < n_rows; r++, out += STATS_STRIP) {
        const float *from = w->data + rows[r];
        if (dense) {
            memcpy(out, from + columns[0], STATS_STRIP * sizeof *out);
            continue;
        }
        for (uint64_t i = 0; i < n; i++) out[i] = from[columns[i]];
        for (uint64_t i = n; i < STATS_STRIP; i++) out[i] = 0;
    }
}

static void add_block(gram_entry *gram, uint32_t group, const float *strips, uint32_t rows)
{
    uint64_t size = gram->view.size;
    double *sum = gram->sums + group * (size + size * (size + 1) / 2);
    if (rows) stats_kernels_get()->gram(strips, rows, size, sum + size, sum);
}

/* Puts the rows of one group behind the `filled` ones; full blocks go to the sums. Gives how many rows are left. */
static uint32_t add_group(gram_entry *gram, const walk *w, uint32_t group, float *strips, uint32_t filled)
{
    uint64_t size = w->map->size;
    int64_t rows[STATS_BLOCK];
    int64_t offset = w->origin + offset_of(w, w->map->n_rows + w->map->n_columns, w->map->n_groups, group);
    for (uint64_t next = 0; next < w->n_rows;) {
        uint32_t n = choose_rows(w, offset, &next, STATS_BLOCK - filled, rows, &gram->view.left_out);
        for (uint64_t i = 0; i < size; i += STATS_STRIP)
            pack_strip(w, rows, n, w->columns + i, size - i < STATS_STRIP ? size - i : STATS_STRIP,
                       strips + gram_place(filled, i));
        gram->rows[group] += n;
        filled += n;
        if (filled < STATS_BLOCK) continue;
        add_block(gram, group, strips, filled);
        filled = 0;
    }
    return filled;
}

static uint64_t strips_size(const gram_entry *gram)
{
    uint64_t strips = (gram->view.size + STATS_STRIP - 1) / STATS_STRIP;
    return strips * STATS_STRIP * STATS_BLOCK;
}

uint64_t gram_place(uint32_t row, uint64_t column)
{
    return (column / STATS_STRIP * STATS_BLOCK + row) * STATS_STRIP + column % STATS_STRIP;
}

bool gram_start(gram_entry *gram)
{
    if (gram->pending || gram->view.n_groups > 1) return true;
    gram->pending = calloc(strips_size(gram), sizeof *gram->pending);
    return gram->pending;
}

void gram_finish(gram_entry *gram)
{
    add_block(gram, 0, gram->pending, gram->n_pending);
    gram->n_pending = 0;
    free(gram->pending);
    gram->pending = NULL;
}

bool gram_add_sample(gram_entry *gram, const gram_map *map, const adze_value *value, const floats *data, bool finite,
                     adze_dim_value_of *symbol, void *self, gram_room *room, const char **out_why)
{
    walk w = {.map = map, .finite = finite};
    int64_t rest[ADZE_MAX_RANK];
    *out_why = "out of memory";
    if (!gram->sums && !(gram->sums = calloc(gram_numbers(gram), sizeof *gram->sums))) return false;
    if (value->rank != map->rank || !evaluate(&w, rest, symbol, self)) {
        *out_why = "the number of its patches cannot be told from the sizes of the inputs";
        return false;
    }
    if (!w.n_rows || !data->count) return true;
    if (!place(&w, value, data, rest, room) || !place_columns(&w, room) || !gram_start(gram)) return false;
    if (gram->pending) {
        gram->n_pending = add_group(gram, &w, 0, gram->pending, gram->n_pending);
        return true;
    }
    if (!reserve(&room->strips, &room->strips_capacity, strips_size(gram), sizeof *room->strips)) return false;
    for (uint32_t g = 0; g < gram->view.n_groups; g++)
        add_block(gram, g, room->strips, add_group(gram, &w, g, room->strips, 0));
    return true;
}
