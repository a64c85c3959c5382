/* Integer matrix product and direct convolution on AMX tiles: unsigned bytes times i8 weights, exact sums in i32.
 *
 * 16 rows of a panel, which is four steps of k for 16 columns each, are a tile as they lie in memory. So are up to 64
 * bytes of 16 rows of a, where the rows are evenly apart; others, and those that end before a step does, are copied
 * first. Two tiles of rows by two of columns are summed at once. All tiles have the same shape: steps of k are as many
 * as needed and as even as possible, and rows that are left over are summed with rows before them once more.
 */
#include "tiles.h"
#include "ukernels.h"

typedef struct tiles_args {
    int32_t *acc;
    const uint8_t *a;
    int64_t rows, m_cols, a_col, a_row;
    const int8_t *b;
    int64_t t0, s0, t1, s1, k, ahead;
} tiles_args;

/* Where things lie in a call. */
typedef struct plan {
    int64_t tile_rows;
    int64_t step;           /* of k that a tile takes; a multiple of 4 */
    int64_t groups, behind; /* rows of a tap's panel; bytes from a panel to the one of the next columns */
} plan;

/* The rows of a tile: `a` is its first one, where they are evenly apart. */
typedef struct tile_rows {
    int64_t first;
    const uint8_t *a;
    bool even;
} tile_rows;

/* What is not as a tile has to be in memory. */
typedef struct edges {
    _Alignas(64) uint8_t a[2][TILE_ROWS][TILE_BYTES], b[2][TILE_ROWS][TILE_BYTES];
} edges;

/* `bytes` bytes and zeros behind them. */
INLINE void copy_row(uint8_t *to, const void *from, int64_t bytes)
{
#if defined(__AVX512BW__) && defined(__AMX_TILE__)
    const __mmask64 mask = bytes < TILE_BYTES ? ((__mmask64)1 << bytes) - 1 : ~(__mmask64)0;
    _mm512_store_si512(to, _mm512_maskz_loadu_epi8(mask, from));
#else
    for (int64_t i = 0; i < TILE_BYTES; i++) to[i] = i < bytes ? ((const uint8_t *)from)[i] : 0;
#endif
}

INLINE const uint8_t *row_of(const tiles_args *g, int64_t m)
{
    return g->a + m / g->m_cols * g->a_row + m % g->m_cols * g->a_col;
}

INLINE tile_rows rows_from(const tiles_args *g, const plan *p, int64_t first)
{
    const int64_t most = g->rows - p->tile_rows;
    first = first < most ? first : most;
    return (tile_rows){first, row_of(g, first),
                       g->a_row == g->m_cols * g->a_col ||
                           first / g->m_cols == (first + p->tile_rows - 1) / g->m_cols};
}

/* Where a tile of `bytes` bytes of each row of a can be loaded from, and how far its rows are apart. */
INLINE const uint8_t *a_tile(const tiles_args *g, const plan *p, const tile_rows *r, int64_t at, int64_t bytes,
                             uint8_t (*copy)[TILE_BYTES], int64_t *stride)
{
    *stride = r->even ? g->a_col : TILE_BYTES;
    if (r->even && bytes == p->step) return r->a + at;
    *stride = TILE_BYTES;
    ROLLED for (int64_t m = 0; m < p->tile_rows; m++) copy_row(copy[m], row_of(g, r->first + m) + at, bytes);
    return copy[0];
}

/* Likewise of `groups` rows of a panel. */
INLINE const int8_t *b_tile(const plan *p, const int8_t *b, int64_t groups, uint8_t (*copy)[TILE_BYTES])
{
    if (4 * groups == p->step) return b;
    ROLLED for (int64_t i = 0; i < p->step / 4; i++)
        copy_row(copy[i], b + (i < groups ? i : 0) * GROUP_PANEL, i < groups ? TILE_BYTES : 0);
    return (const int8_t *)copy[0];
}

INLINE void fetch(const int across, const plan *p, const int8_t *b, int64_t groups)
{
    for (int n = 0; n < across; n++)
        ROLLED for (int64_t i = 0; i < groups; i++) __builtin_prefetch(b + n * p->behind + i * GROUP_PANEL, 0, 2);
}

/* One step: `down` tiles of a, `at` bytes from where their rows begin, times `across` tiles of b. Tiles 0 to 3 are the
 * sums, 4 and 5 a, 6 and 7 b. */
INLINE void add_tile_step(tiles *s, edges *e, const int down, const int across, const tiles_args *g, const plan *p,
                          const tile_rows *r, const int8_t *b, int64_t at, int64_t bytes)
{
    const int64_t groups = bytes / 4 + (bytes % 4 != 0);
    int64_t stride;
    TILE_LOAD(s, 6, b_tile(p, b, groups, e->b[0]), GROUP_PANEL);
    const uint8_t *a = a_tile(g, p, &r[0], at, bytes, e->a[0], &stride);
    TILE_LOAD(s, 4, a, stride);
    TILE_DOT(s, 0, 4, 6);
    if (across == 2) {
        TILE_LOAD(s, 7, b_tile(p, b + p->behind, groups, e->b[1]), GROUP_PANEL);
        TILE_DOT(s, 1, 4, 7);
    }
    if (down == 1) return;
    a = a_tile(g, p, &r[1], at, bytes, e->a[1], &stride);
    TILE_LOAD(s, 5, a, stride);
    TILE_DOT(s, 2, 5, 6);
    if (across == 2) TILE_DOT(s, 3, 5, 7);
}

INLINE void store_block(tiles *s, const int down, const int across, const tiles_args *g, const tile_rows *r)
{
    const int64_t columns = across * PANEL, stride = columns * (int64_t)sizeof *g->acc;
    int32_t *first = g->acc + r[0].first * columns, *second = g->acc + r[down - 1].first * columns;
    TILE_STORE(s, 0, first, stride);
    if (across == 2) TILE_STORE(s, 1, first + PANEL, stride);
    if (down == 1) return;
    TILE_STORE(s, 2, second, stride);
    if (across == 2) TILE_STORE(s, 3, second + PANEL, stride);
}

/* All of k for `down` tiles of rows from row m on. */
INLINE void sum_block(tiles *s, edges *e, const int down, const int across, const tiles_args *g, const plan *p,
                      int64_t m)
{
    const tile_rows start[2] = {rows_from(g, p, m), rows_from(g, p, m + (down - 1) * p->tile_rows)};
    const int8_t *b = g->b;
    TILE_ZERO(s, 0);
    if (across == 2) TILE_ZERO(s, 1);
    if (down == 2) TILE_ZERO(s, 2);
    if (down == 2 && across == 2) TILE_ZERO(s, 3);
    ROLLED for (int64_t i0 = 0; i0 < g->t0; i0++)
        ROLLED for (int64_t i1 = 0; i1 < g->t1; i1++) {
            ROLLED for (int64_t kk = 0; kk < g->k; kk += p->step) {
                const int64_t bytes = g->k - kk < p->step ? g->k - kk : p->step;
                const int8_t *from = b + kk / 4 * GROUP_PANEL;
                if (m == 0) fetch(across, p, from + g->ahead, p->step / 4);
                add_tile_step(s, e, down, across, g, p, start, from, i0 * g->s0 + i1 * g->s1 + kk, bytes);
            }
            b += p->groups * GROUP_PANEL;
        }
    store_block(s, down, across, g, start);
}

INLINE plan plan_of(const tiles_args *g)
{
    const int64_t k = g->k > 0 ? g->k : 0, groups = k / 4 + (k % 4 != 0), most = TILE_BYTES / 4;
    const int64_t steps = groups > most ? groups / most + (groups % most != 0) : 1;
    const int64_t a_step = groups / steps + (groups % steps != 0);
    return (plan){.tile_rows = g->rows < TILE_ROWS ? g->rows : TILE_ROWS,
                  .step = a_step > 0 ? 4 * a_step : 4,
                  .groups = groups,
                  .behind = g->t0 * g->t1 * groups * GROUP_PANEL};
}

INLINE void gemm_tiles(const int across, const tiles_args g)
{
    if (g.rows < 1) return;
    const plan p = plan_of(&g);
    tile_shapes shapes = {.palette = 1};
    tiles s;
    edges e;
    for (int t = 0; t < TILES; t++) {
        shapes.rows[t] = (uint8_t)(t < 6 ? p.tile_rows : p.step / 4);
        shapes.bytes[t] = (uint16_t)(t == 4 || t == 5 ? p.step : TILE_BYTES);
    }
    TILES_SHAPE(&s, &shapes);
    ROLLED for (int64_t m = 0; m < g.rows; m += 2 * p.tile_rows)
    {
        if (g.rows - m > p.tile_rows)
            sum_block(&s, &e, 2, across, &g, &p, m);
        else
            sum_block(&s, &e, 1, across, &g, &p, m);
    }
    TILES_RELEASE(&s);
}

#define UK_GEMM_TILES(nr)                                                                                           \
    void adze_uk_gemm_u8s8_tiles_x##nr(int32_t *acc, const uint8_t *a, int64_t rows, int64_t m_cols, int64_t a_col, \
                                       int64_t a_row, const int8_t *b, int64_t t0, int64_t s0, int64_t t1,          \
                                       int64_t s1, int64_t k, int64_t ahead)                                        \
    {                                                                                                               \
        gemm_tiles(nr / PANEL, (tiles_args){acc, a, rows, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});      \
    }
#include "ukernels.def"
