/* Tiles in software: what loads, stores and products do, and what a CPU would not do. */
#include "unit.h"

#include "backends/x86/ukernels/tiles.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 3 rows of 2 sums (tile 0), 3 rows of 8 bytes (1), 2 rows of 8 bytes (2); the rest is not there. */
static tile_shapes small(void)
{
    return (tile_shapes){.palette = 1, .rows = {3, 3, 2}, .bytes = {8, 8, 8}};
}

TEST(loads_and_stores)
{
    static tiles s;
    tile_shapes shapes = small();
    uint8_t from[3][10], to[3][10];
    for (int i = 0; i < 30; i++) from[i / 10][i % 10] = (uint8_t)(i + 1);
    memset(to, 99, sizeof to);
    tiles_shape(&s, &shapes);
    memset(s.row[1], 77, sizeof s.row[1]);
    tile_load(&s, 1, from, 10);
    tile_store(&s, 1, to, 10);
    for (int m = 0; m < 3; m++) CHECK(!memcmp(from[m], to[m], 8) && to[m][8] == 99 && to[m][9] == 99);
    CHECK(s.row[1][0][8] == 0 && s.row[1][2][63] == 0 && s.row[1][3][0] == 0); /* zeros beyond */
    tile_zero(&s, 1);
    tile_store(&s, 1, to, 10);
    CHECK(to[0][0] == 0 && to[2][7] == 0 && to[2][8] == 99);
    tile_load(&s, 1, from, 10);
    tiles_shape(&s, &shapes); /* clears */
    CHECK_INT(s.row[1][0][0], 0);
}

TEST(products)
{
    static tiles s;
    tile_shapes shapes = small();
    static const uint8_t a[3][8] = {{255, 255, 255, 255, 255, 255, 255, 255}, {1, 2, 3, 4, 5, 6, 7, 8}, {0}};
    static const int8_t b[2][8] = {{-128, -128, -128, -128, 1, 0, 0, 0}, {-128, -128, -128, -128, 0, 0, 0, -1}};
    int32_t c[3][2] = {{10, INT32_MAX}, {0, 0}, {-5, 6}};
    tiles_shape(&s, &shapes);
    tile_load(&s, 0, c, 8);
    tile_load(&s, 1, a, 8);
    tile_load(&s, 2, b, 8);
    tile_dot(&s, 0, 1, 2);
    tile_store(&s, 0, c, 8);
    CHECK_INT(c[0][0], 10 - 8 * 255 * 128);
    CHECK_INT(c[0][1], INT32_MAX); /* + 255 - 255, over the end and back */
    CHECK_INT(c[1][0], -36 * 128);
    CHECK_INT(c[1][1], 1 - 8);
    CHECK_INT(c[2][0], -5);
    CHECK_INT(c[2][1], 6);
}

typedef void attempt(tiles *s, tile_shapes *shapes);

/* Does it end the program? */
static bool ends(attempt *run)
{
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        static tiles s;
        tile_shapes shapes = small();
        run(&s, &shapes);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

static void nothing(tiles *s, tile_shapes *shapes) { tiles_shape(s, shapes); }
static void unshaped(tiles *s, tile_shapes *shapes)
{
    (void)shapes;
    tile_zero(s, 0);
}
static void released(tiles *s, tile_shapes *shapes)
{
    tiles_shape(s, shapes);
    TILES_RELEASE(s);
    tile_zero(s, 0);
}
static void not_there(tiles *s, tile_shapes *shapes)
{
    tiles_shape(s, shapes);
    tile_zero(s, 3);
}
static void other_palette(tiles *s, tile_shapes *shapes)
{
    shapes->palette = 2;
    tiles_shape(s, shapes);
}
static void too_long(tiles *s, tile_shapes *shapes)
{
    shapes->bytes[0] = 65;
    tiles_shape(s, shapes);
}
static void too_many(tiles *s, tile_shapes *shapes)
{
    shapes->rows[0] = 17;
    tiles_shape(s, shapes);
}
static void ninth(tiles *s, tile_shapes *shapes)
{
    shapes->rows[8] = 4;
    shapes->bytes[8] = 4;
    tiles_shape(s, shapes);
}
static void misfit(tiles *s, tile_shapes *shapes)
{
    shapes->bytes[1] = 4; /* one group of k, where the other has two */
    tiles_shape(s, shapes);
    tile_dot(s, 0, 1, 2);
}
static void same_twice(tiles *s, tile_shapes *shapes)
{
    shapes->rows[1] = shapes->rows[0] = 2;
    tiles_shape(s, shapes);
    tile_dot(s, 0, 1, 1);
}

TEST(misuse)
{
    CHECK(!ends(nothing));
    CHECK(ends(unshaped) && ends(released) && ends(not_there));
    CHECK(ends(other_palette) && ends(too_long) && ends(too_many) && ends(ninth));
    CHECK(ends(misfit) && ends(same_twice));
}

int main(void)
{
    RUN(loads_and_stores);
    RUN(products);
    RUN(misuse);
    return unit_end();
}
