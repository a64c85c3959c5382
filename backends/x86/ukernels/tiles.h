/* Tiles of AMX: eight registers of up to 16 rows of up to 64 bytes, and a product of bytes on them.
 *
 * Where the compiler has them these are the instructions. Elsewhere they are plain C with the same meaning, which also
 * ends the program where a CPU does: for a shape that does not fit. Numbers of tiles are constants, since they stand in
 * instructions. Shapes are set once a call, because setting them clears all tiles. Source: Intel SDM vol. 1, ch. 18.
 */
#ifndef ADZE_UKERNELS_TILES_H
#define ADZE_UKERNELS_TILES_H

#include "vector.h"

#include <stdbool.h>
#include <stddef.h>

enum { TILES = 8, TILE_ROWS = 16, TILE_BYTES = 64 };

/* What ldtilecfg reads. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} tile_shapes;
_Static_assert(sizeof(tile_shapes) == 64, "a line");

#if defined(__AMX_TILE__) && defined(__AMX_INT8__)
#include <immintrin.h>

/* The CPU keeps the tiles. */
typedef struct tiles {
    char none;
} tiles;
#define TILES_SHAPE(s, shapes)      ((void)(s), _tile_loadconfig(shapes))
#define TILES_RELEASE(s)            ((void)(s), _tile_release())
#define TILE_ZERO(s, t)             ((void)(s), _tile_zero(t))
#define TILE_LOAD(s, t, p, stride)  ((void)(s), _tile_loadd(t, p, (size_t)(stride)))
#define TILE_STORE(s, t, p, stride) ((void)(s), _tile_stored(t, p, (size_t)(stride)))
#define TILE_DOT(s, c, a, b)        ((void)(s), _tile_dpbusd(c, a, b))

#else

typedef struct tiles {
    bool shaped;
    tile_shapes shapes;
    uint8_t row[TILES][TILE_ROWS][TILE_BYTES];
} tiles;
#define TILES_SHAPE(s, shapes)      tiles_shape(s, shapes)
#define TILES_RELEASE(s)            ((s)->shaped = false)
#define TILE_ZERO(s, t)             tile_zero(s, t)
#define TILE_LOAD(s, t, p, stride)  tile_load(s, t, p, stride)
#define TILE_STORE(s, t, p, stride) tile_store(s, t, p, stride)
#define TILE_DOT(s, c, a, b)        tile_dot(s, c, a, b)

/* What a CPU answers with an exception. */
static inline void tile_require(bool holds)
{
    if (!holds) __builtin_trap();
}

static inline void tiles_shape(tiles *s, const tile_shapes *shapes)
{
    tile_require(shapes->palette == 1 && !shapes->start_row);
    for (int i = 0; i < 14; i++) tile_require(!shapes->reserved[i]);
    for (int t = 0; t < 16; t++) {
        tile_require(shapes->rows[t] <= TILE_ROWS && shapes->bytes[t] <= TILE_BYTES);
        tile_require(!shapes->rows[t] == !shapes->bytes[t] && (t < TILES || !shapes->rows[t]));
    }
    *s = (tiles){.shaped = true, .shapes = *shapes};
}

static inline void tile_zero(tiles *s, int t)
{
    tile_require(s->shaped && s->shapes.rows[t]);
    __builtin_memset(s->row[t], 0, sizeof s->row[t]);
}

/* What is beyond the tile's rows and bytes becomes zero. */
static inline void tile_load(tiles *s, int t, const void *p, int64_t stride)
{
    tile_zero(s, t);
    for (int m = 0; m < s->shapes.rows[t]; m++)
        __builtin_memcpy(s->row[t][m], (const char *)p + m * stride, s->shapes.bytes[t]);
}

static inline void tile_store(const tiles *s, int t, void *p, int64_t stride)
{
    tile_require(s->shaped && s->shapes.rows[t]);
    for (int m = 0; m < s->shapes.rows[t]; m++)
        __builtin_memcpy((char *)p + m * stride, s->row[t][m], s->shapes.bytes[t]);
}

/* c[m][n] += sum of a[m][4 k + i] * b[k][4 n + i], modulo 2^32: bytes of a without a sign, of b with one. */
static inline void tile_dot(tiles *s, int c, int a, int b)
{
    const uint8_t *rows = s->shapes.rows;
    const uint16_t *bytes = s->shapes.bytes;
    tile_require(s->shaped && rows[c] && rows[a] && rows[b] && rows[c] == rows[a]);
    tile_require(bytes[c] == bytes[b] && bytes[a] == 4 * rows[b] && bytes[c] % 4 == 0 && c != a && a != b && c != b);
    for (int m = 0; m < rows[c]; m++)
        for (int n = 0; n < bytes[c] / 4; n++) {
            uint32_t sum;
            __builtin_memcpy(&sum, &s->row[c][m][4 * n], sizeof sum);
            for (int k = 0; k < rows[b]; k++)
                for (int i = 0; i < 4; i++)
                    sum += (uint32_t)(s->row[a][m][4 * k + i] * (int8_t)s->row[b][k][4 * n + i]);
            __builtin_memcpy(&s->row[c][m][4 * n], &sum, sizeof sum);
        }
}

#endif

#endif
