/* Decoding images: every format against the picture that was encoded, kinds of pixels, and bytes that are damaged in
 * every place. Under sanitizers a read past an end or a leak fails the test. */
#include "images_encode.h"
#include "unit.h"

#include <adze/images.h>
#include <adze/ir.h>
#include <adze_runtime.h>
#include <stdlib.h>
#include <unistd.h>

extern const adze_images adze_images_table;

enum { W = ENCODED_WIDTH, H = ENCODED_HEIGHT };

/* What the caller of a decoder holds. */
static struct {
    void *blocks[16];
    uint32_t n_blocks, errors;
    uint64_t most; /* bytes of scratch memory that there are */
    char error[300];
    int64_t dims[3];
    uint8_t *pixels;
} run;

static void *scratch(const adze_env *env, uint64_t bytes)
{
    (void)env;
    if (bytes > run.most || run.n_blocks == sizeof run.blocks / sizeof *run.blocks) return NULL;
    void *block = malloc(bytes ? bytes : 1);
    if (block) memset(block, 0xa5, bytes); /* nobody may rely on its contents */
    return run.blocks[run.n_blocks++] = block;
}

static adze_status error(const adze_env *env, adze_status status, const char *message)
{
    (void)env;
    run.errors++;
    snprintf(run.error, sizeof run.error, "%s", message);
    return status;
}

static void end(void)
{
    for (uint32_t i = 0; i < run.n_blocks; i++) free(run.blocks[i]);
    free(run.pixels);
    run.pixels = NULL;
    run.n_blocks = 0;
}

/* Both steps on a copy of the exact size; the pixels are in run.pixels until the next call. A failure is one error and
 * a success none, whatever the bytes are. */
static adze_status decode(const void *bytes, size_t size, adze_pixel_format format)
{
    const adze_env env = {.struct_size = sizeof env, .scratch = scratch, .error = error};
    uint8_t *copy = malloc(size ? size : 1);
    end();
    run.errors = 0;
    run.most = 1 << 20;
    run.error[0] = 0;
    if (!copy) abort();
    if (size) memcpy(copy, bytes, size);
    adze_status status = adze_images_table.measure(&env, copy, size, format, run.dims);
    if (status == ADZE_OK) {
        uint64_t count = (uint64_t)(run.dims[0] * run.dims[1] * run.dims[2]);
        run.pixels = count <= run.most ? calloc(count, 1) : NULL;
        status = run.pixels ? adze_images_table.decode(&env, copy, size, format, run.dims, run.pixels)
                            : error(&env, ADZE_ERR_NO_MEMORY, "too large for the test");
    }
    free(copy);
    CHECK_INT(run.errors, status != ADZE_OK);
    return status;
}

static void refuse(const void *bytes, size_t size, adze_status status, const char *words)
{
    CHECK_INT(decode(bytes, size, ADZE_PIXELS_RGB), status);
    if (!unit_check(strstr(run.error, words) != NULL, __FILE__, __LINE__, words)) printf("  got \"%s\"\n", run.error);
}

#define REFUSE(text, status, words) refuse(text, sizeof text - 1, status, words)

static void want_dims(int64_t height, int64_t width, int64_t channels)
{
    CHECK_INT(run.dims[0], height);
    CHECK_INT(run.dims[1], width);
    CHECK_INT(run.dims[2], channels);
}

/* Mean distance of a byte from the picture, whose pixel (x, y) stands where `turn` puts it. */
static double distance(adze_pixel_format format)
{
    double sum = 0;
    uint32_t channels = format == ADZE_PIXELS_GRAY ? 1 : 3;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            uint8_t rgb[3];
            const uint8_t *got = run.pixels + (y * W + x) * (int)channels;
            encoded_pixel(x, y, rgb);
            uint8_t want[3] = {rgb[0], rgb[1], rgb[2]};
            if (format == ADZE_PIXELS_BGR) want[0] = rgb[2], want[2] = rgb[0];
            if (format == ADZE_PIXELS_GRAY)
                want[0] = (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 32768) >> 16);
            for (uint32_t c = 0; c < channels; c++) sum += abs(got[c] - want[c]);
        }
    return sum / (W * H * (int)channels);
}

TEST(every_format)
{
    static encoded e;
    static const adze_pixel_format formats[] = {ADZE_PIXELS_RGB, ADZE_PIXELS_BGR, ADZE_PIXELS_GRAY};
    for (uint32_t i = 0; encoded_image(i, &e); i++)
        for (int f = 0; f < 3; f++) {
            REQUIRE(decode(e.bytes, e.size, formats[f]) == ADZE_OK);
            want_dims(H, W, formats[f] == ADZE_PIXELS_GRAY ? 1 : 3);
            double d = distance(formats[f]);
            if (!unit_check(e.lossy ? d < 12 : d == 0, __FILE__, __LINE__, e.name))
                printf("  image %u, pixel format %d: %g off\n", i, f, d);
        }
    REQUIRE(decode("P3 2 1 9 0 0 9 9 0 0", 20, ADZE_PIXELS_BGR) == ADZE_OK);
    CHECK(memcmp(run.pixels, "\xff\0\0\0\0\xff", 6) == 0);
}

TEST(formats_that_are_built_in)
{
    char word[20];
    static encoded e;
    for (uint32_t i = 0; encoded_image(i, &e); i++) {
        snprintf(word, sizeof word, " %s ", e.name);
        CHECK(strstr(adze_images_table.formats, word) != NULL);
    }
    if (!strstr(adze_images_table.formats, " png "))
        REFUSE("\x89PNG\r\n\x1a\n", ADZE_ERR_UNSUPPORTED, "png: not built in");
}

TEST(pixels_of_png)
{
    enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6 };
    static const struct {
        int type, depth;
        uint8_t want[3];
    } rows[] = {
        {GRAY, 1, {0, 0, 0}},         {GRAY, 2, {85, 85, 85}},       {GRAY, 4, {85, 85, 85}},
        {GRAY, 8, {90, 90, 90}},      {GRAY, 16, {90, 90, 90}},      {RGB, 8, {90, 90, 90}},
        {RGB, 16, {90, 90, 90}},      {PALETTE, 1, {90, 91, 92}},    {PALETTE, 2, {91, 92, 93}},
        {PALETTE, 4, {95, 96, 97}},   {PALETTE, 8, {180, 181, 182}}, {GRAY_ALPHA, 8, {90, 90, 90}},
        {GRAY_ALPHA, 16, {90, 90, 90}}, {RGB_ALPHA, 8, {90, 90, 90}}, {RGB_ALPHA, 16, {90, 90, 90}},
    };
    static encoded e;
    if (!encoded_png(GRAY, 8, false, &e)) SKIP("built without libpng");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            encoded_png(rows[i].type, rows[i].depth, interlaced, &e);
            CHECK_INT(decode(e.bytes, e.size, ADZE_PIXELS_RGB), ADZE_OK);
            want_dims(H, W, 3);
            for (int c = 0; c < 3; c++) CHECK_INT(run.pixels[c], rows[i].want[c]);
            CHECK(memcmp(run.pixels + 6, run.pixels + 6 + 3 * W * (H - 1), 3) == 0);
        }
}

/* Orientations by the tag's own words: where the first stored row and column are seen. */
TEST(orientations_of_tiff)
{
    static const struct {
        int from_right, from_bottom, sideways;
    } turns[] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {0, 1, 1}};
    static encoded e;
    for (uint16_t t = 0; t < 8; t++) {
        int sideways = turns[t].sideways, height = sideways ? W : H, width = sideways ? H : W;
        if (!encoded_tiff((uint16_t)(t + 1), -1, 1, false, &e)) SKIP("built without libtiff");
        REQUIRE(decode(e.bytes, e.size, ADZE_PIXELS_RGB) == ADZE_OK);
        want_dims(height, width, 3);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                uint8_t rgb[3];
                int seen_x = sideways ? y : x, seen_y = sideways ? x : y;
                if (turns[t].from_right) seen_x = width - 1 - seen_x;
                if (turns[t].from_bottom) seen_y = height - 1 - seen_y;
                encoded_pixel(x, y, rgb);
                CHECK(memcmp(run.pixels + 3 * (seen_y * width + seen_x), rgb, 3) == 0);
            }
    }
    for (int extra = 0; extra < 3; extra++) { /* transparency leaves the colours as they are */
        encoded_tiff(1, extra, 1, false, &e);
        CHECK_INT(decode(e.bytes, e.size, ADZE_PIXELS_RGB), ADZE_OK);
        CHECK_INT(distance(ADZE_PIXELS_RGB) == 0, 1);
    }
}

static void want_rgb(const void *bytes, size_t size, const char *want)
{
    CHECK_INT(decode(bytes, size, ADZE_PIXELS_RGB), ADZE_OK);
    if (run.error[0]) printf("  %s\n", run.error);
    for (size_t i = 0; run.pixels && want[2 * i]; i++) {
        unsigned byte;
        sscanf(want + 2 * i, "%2x", &byte);
        CHECK_INT(run.pixels[i], byte);
    }
}

#define WANT(bytes, want) want_rgb(bytes, sizeof bytes - 1, want)

TEST(kinds_of_pnm)
{
    WANT("P1 2 2 1001", "000000ffffffffffff000000");
    WANT("P2\n#c\n2 1\n# c\n1000 0 500", "000000808080");
    WANT("P3 1 1 255 1 2 3", "010203");
    WANT("P4 9 1\n\xff\x7f", "000000000000000000000000000000000000000000000000ffffff");
    WANT("P5 2 1 255\n\x01\xfe", "010101fefefe");
    WANT("P5 1 1 65535\n\x80\x80", "808080");
    WANT("P6 1 1 15\n\x0f\x01\x10", "ff11ff");
    REFUSE("P6", ADZE_ERR_FORMAT, "pnm: the file ends inside of the image");
    REFUSE("P6 1 1 0\n123", ADZE_ERR_FORMAT, "the largest sample is 0");
    REFUSE("P6 1 1 70000\n123", ADZE_ERR_FORMAT, "the number at byte 7 is too large");
    REFUSE("P6 -1 1 255\n123", ADZE_ERR_FORMAT, "no number at byte 3");
    REFUSE("P6 0 1 255\n123", ADZE_ERR_FORMAT, "an image without pixels");
    REFUSE("P6 1 1 255\n12", ADZE_ERR_FORMAT, "ends inside");
    REFUSE("P6 1 1 255x123", ADZE_ERR_FORMAT, "no white space");
    REFUSE("P1 1 1 2", ADZE_ERR_FORMAT, "no bit at byte 7");
    REFUSE("P3 1 1 9 1 10 3", ADZE_ERR_FORMAT, "too large");
    REFUSE("P7\nWIDTH 1", ADZE_ERR_FORMAT, "no image in bmp, jpeg");
}

#define FILE_HEAD(offset) "BM\0\0\0\0\0\0\0\0" offset "\0\0\0"
#define INFO(width, height, bits, kind, used)                                                                          \
    "\x28\0\0\0" width height "\1\0" bits "\0" kind "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" used "\0\0\0\0\0\0\0"
#define TWO "\2\0\0\0"
#define MINUS_TWO "\xfe\xff\xff\xff"

TEST(kinds_of_bmp)
{
    /* Stored from the bottom, rows of whole words. */
    WANT(FILE_HEAD("\x3e") INFO(TWO, TWO, "\1", "\0", "\2") "\1\2\3\0\4\5\6\0" "\x40\0\0\0\x80\0\0\0",
         "060504030201030201060504");
    WANT(FILE_HEAD("\x3e") INFO(TWO, MINUS_TWO, "\4", "\0", "\2") "\1\2\3\0\4\5\6\0" "\x01\0\0\0\x10\0\0\0",
         "030201060504060504030201");
    WANT(FILE_HEAD("\x3a") INFO(TWO, "\1\0\0\0", "\x08", "\0", "\1") "\1\2\3\0" "\0\7\0\0", "030201000000");
    WANT(FILE_HEAD("\x36") INFO(TWO, "\1\0\0\0", "\x10", "\0", "\0") "\0\x7c\x1f\0", "ff00000000ff");
    WANT(FILE_HEAD("\x36") INFO(TWO, "\1\0\0\0", "\x20", "\0", "\0") "\1\2\3\4\5\6\7\x08", "030201070605");
    WANT(FILE_HEAD("\x42") INFO(TWO, "\1\0\0\0", "\x10", "\3", "\0") "\0\xf8\0\0\xe0\7\0\0\x1f\0\0\0" "\0\xf8\xe0\7",
         "ff000000ff00");
    WANT("BM\0\0\0\0\0\0\0\0\x20\0\0\0" "\x0c\0\0\0\2\0\1\0\1\0\1\0" "\1\2\3\4\5\6" "\x40\0\0\0", "030201060504");
    /* Run lengths: three of colour 1, next row, two as they are, end. What no run covers is colour 0. */
    WANT(FILE_HEAD("\x3e") INFO("\4\0\0\0", TWO, "\x08", "\1", "\2") "\0\0\0\0\4\5\6\0"
         "\3\1\0\0" "\0\3\1\0\1\0" "\0\1", "060504000000060504000000060504060504060504000000");
    WANT(FILE_HEAD("\x3e") INFO("\4\0\0\0", TWO, "\4", "\2", "\2") "\0\0\0\0\4\5\6\0" "\3\x10\0\2\0\1" "\1\x10\0\1",
         "000000000000000000060504060504000000060504000000");
}

TEST(bad_bmp)
{
    REFUSE(FILE_HEAD("\x3e") INFO("\4\0\0\0", TWO, "\x08", "\1", "\2") "\0\0\0\0\4\5\6\0" "\5\1\0\1",
           ADZE_ERR_FORMAT, "a run leaves the image");
    REFUSE(FILE_HEAD("\x3e") INFO("\4\0\0\0", TWO, "\x08", "\1", "\2") "\0\0\0\0\4\5\6\0" "\0\0\0\0\1\1\0\1",
           ADZE_ERR_FORMAT, "a run leaves the image");
    REFUSE(FILE_HEAD("\x3e") INFO("\4\0\0\0", TWO, "\x08", "\1", "\2") "\0\0\0\0\4\5\6\0" "\4\1",
           ADZE_ERR_FORMAT, "ends inside");
    REFUSE(FILE_HEAD("\x36") INFO(TWO, TWO, "\x18", "\0", "\0") "12345678" "1234567", ADZE_ERR_FORMAT, "ends inside");
    REFUSE(FILE_HEAD("\xff") INFO(TWO, TWO, "\x18", "\0", "\0") "12345678", ADZE_ERR_FORMAT, "ends inside");
    REFUSE(FILE_HEAD("\x36") INFO(TWO, TWO, "\x18", "\1", "\0") "12345678", ADZE_ERR_UNSUPPORTED,
           "24 bits a pixel with compression 1");
    REFUSE(FILE_HEAD("\x36") INFO(TWO, TWO, "\x18", "\4", "\0") "12345678", ADZE_ERR_UNSUPPORTED, "compression 4");
    REFUSE(FILE_HEAD("\x36") INFO(MINUS_TWO, TWO, "\x18", "\0", "\0"), ADZE_ERR_FORMAT, "a width below 0");
    REFUSE(FILE_HEAD("\x36") INFO("\0\0\0\0", TWO, "\x18", "\0", "\0"), ADZE_ERR_FORMAT, "an image without pixels");
    REFUSE(FILE_HEAD("\x36") INFO("\xff\xff\xff\x7f", "\0\0\0\x80", "\x18", "\0", "\0"), ADZE_ERR_DIM,
           "2147483647 x 2147483648 pixels are more than 2 GB");
    REFUSE("BM\0\0\0\0\0\0\0\0\x20\0\0\0" "\x10\0\0\0\2\0\1\0\1\0\1\0" "\1\2\3\4\5\6" "\x40\0\0\0",
           ADZE_ERR_UNSUPPORTED, "a head of 16 bytes");
}

TEST(no_image)
{
    REFUSE("", ADZE_ERR_FORMAT, "no bytes at all");
    REFUSE("G", ADZE_ERR_FORMAT, "the bytes are no image in bmp, jpeg, jpeg2000, png, pnm, tiff or webp");
    REFUSE("GIF89a\1\0\1\0\0\0\0", ADZE_ERR_FORMAT, "the bytes are no image");
    REFUSE("RIFF\0\0\0\0WAVE", ADZE_ERR_FORMAT, "the bytes are no image");
    REFUSE("P6 100000 100000 255\n", ADZE_ERR_DIM, "100000 x 100000 pixels are more than 2 GB");
    REFUSE("P5 65536 32769 255\n", ADZE_ERR_DIM, "65536 x 32769 pixels are more than 2 GB");
    REFUSE("P6 20000 20000 255\n", ADZE_ERR_FORMAT, "the file ends inside of the image");
    REFUSE(FILE_HEAD("\x36") INFO("\0\0\1\0", "\0\x10\0\0", "\x18", "\0", "\0"), ADZE_ERR_FORMAT, "ends inside");
    CHECK_INT(run.n_blocks, 0); /* nothing was allocated for what cannot be there */
    REFUSE("P1 4294967297 1 1", ADZE_ERR_FORMAT, "too large");
}

/* Every beginning of every image. Where something is left out, pixels or what closes the file, no pixels are given. */
TEST(cut_off)
{
    static encoded e;
    for (uint32_t i = 0; encoded_image(i, &e); i++)
        for (size_t size = 0; size < e.size; size++) {
            bool may_end = strcmp(e.name, "tiff") == 0 || strcmp(e.name, "bmp") == 0 || strcmp(e.name, "pnm") == 0;
            adze_status status = decode(e.bytes, size, ADZE_PIXELS_RGB);
            /* The last number of a text may lack digits, the last word its filling. */
            if (!may_end || size + 4 < e.size) CHECK(status != ADZE_OK);
            if (status == ADZE_OK && !may_end) printf("  %s: %zu of %zu bytes\n", e.name, size, e.size);
        }
}

/* Every bit and some values in every byte: any pixels or one error. */
TEST(damaged)
{
    static encoded e;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    uint32_t refused = 0, taken = 0;
    for (uint32_t i = 0; encoded_image(i, &e); i++)
        for (size_t at = 0; at < e.size; at++) {
            uint8_t was = e.bytes[at];
            for (int k = 0; k < 13; k++) {
                e.bytes[at] = k < 8 ? was ^ (uint8_t)(1 << k) : values[k - 8];
                adze_status status = decode(e.bytes, e.size, k % 2 ? ADZE_PIXELS_RGB : ADZE_PIXELS_GRAY);
                refused += status != ADZE_OK;
                CHECK(!strstr(run.error, "4294967295")); /* no number of any row */
                taken += status == ADZE_OK;
            }
            e.bytes[at] = was;
        }
    CHECK(refused > 0);
    CHECK(taken > 0);
}

/* What stands behind a complete image is no part of it. */
TEST(bytes_behind)
{
    static encoded e;
    for (uint32_t i = 0; encoded_image(i, &e); i++) {
        if (strcmp(e.name, "pnm") == 0 && e.bytes[1] == '3') continue; /* would be a longer number */
        memset(e.bytes + e.size, 'x', 100);
        CHECK_INT(decode(e.bytes, e.size + 100, ADZE_PIXELS_RGB), ADZE_OK);
        CHECK(distance(ADZE_PIXELS_RGB) < (e.lossy ? 12 : 0.001));
    }
}

/* Without scratch memory, and with dims of another image. */
TEST(callers)
{
    static encoded e;
    const adze_env env = {.struct_size = sizeof env, .scratch = scratch, .error = error};
    int64_t dims[3] = {H, W, 3};
    uint8_t *pixels = calloc(W * H, 3);
    REQUIRE(pixels);
    for (uint32_t i = 0; encoded_image(i, &e); i++) {
        end();
        run.most = 0;
        adze_status status = adze_images_table.decode(&env, e.bytes, e.size, ADZE_PIXELS_RGB, dims, pixels);
        CHECK(status == ADZE_OK || status == ADZE_ERR_NO_MEMORY); /* some write straight into the result */
        run.most = 1 << 20;
        dims[0] = H - 1;
        CHECK_INT(adze_images_table.decode(&env, e.bytes, e.size, ADZE_PIXELS_RGB, dims, pixels), ADZE_ERR_ARGUMENT);
        dims[0] = H;
    }
    free(pixels);
}

/* What a library takes counts as scratch memory, and a file too short for the tiles that it declares is no file. */
TEST(what_libraries_take)
{
    static encoded e;
    for (uint32_t i = 0; encoded_image(i, &e); i++) {
        if (strcmp(e.name, "jpeg2000") != 0) continue;
        uint8_t *size = e.bytes;
        while (memcmp(size, "\xff\x4f\xff\x51", 4) != 0) size++;
        int64_t dims[3] = {H, W, 3};
        uint8_t pixels[H * W * 3];
        const adze_env env = {.struct_size = sizeof env, .scratch = scratch, .error = error};
        end();
        run.most = (uint64_t)H * W * 3 * 8 - 1;
        CHECK_INT(adze_images_table.decode(&env, e.bytes, e.size, ADZE_PIXELS_RGB, dims, pixels), ADZE_ERR_NO_MEMORY);
        memcpy(size + 24, "\0\0\0\1\0\0\0\1", 8); /* tiles of one pixel */
        CHECK_INT(decode(e.bytes, e.size, ADZE_PIXELS_RGB), ADZE_ERR_FORMAT);
        CHECK_STR(run.error, "image_decode: jpeg2000: the file ends inside of the image");
    }
}

TEST(extensions)
{
    char why[400] = "";
    CHECK(adze_extension_find(NULL, "no such", why, sizeof why) == NULL);
    CHECK_STR(why, "there can be no extension of that name");
    CHECK(adze_extension_find(NULL, "nothing", why, sizeof why) == NULL);
    CHECK(strncmp(why, "libadze_nothing.so is neither in /", 34) == 0);
    CHECK(strstr(why, " nor where the loader looks") != NULL);
    const adze_images *images = adze_extension_find(NULL, "images", why, sizeof why);
    REQUIRE(images);
    CHECK_INT(images->abi, ADZE_ABI);
    CHECK_INT(images->struct_size, sizeof *images);
}

/* ---- A program's own decoder ---- */

static adze_status own_measure(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                               int64_t out_dims[3])
{
    (void)bytes, (void)format;
    if (size == 0) return env->error(env, ADZE_ERR_FORMAT, "ours finds nothing");
    out_dims[0] = 1, out_dims[1] = (int64_t)size, out_dims[2] = 3;
    return ADZE_OK;
}

static adze_status own_decode(const adze_env *env, const void *bytes, uint64_t size, adze_pixel_format format,
                              const int64_t dims[3], uint8_t *out_pixels)
{
    (void)env, (void)size;
    for (int64_t i = 0; i < dims[1] * 3; i++)
        out_pixels[i] = (uint8_t)(((const uint8_t *)bytes)[i / 3] + (format == ADZE_PIXELS_BGR));
    return ADZE_OK;
}

static const adze_images own = {sizeof own, ADZE_ABI, "", own_measure, own_decode},
                         old = {sizeof(adze_extension), ADZE_ABI, NULL, NULL, NULL};

/* `self` is the table that is given; NULL: there is none. */
static const void *give(void *self, const char *name, char *why, size_t why_size)
{
    CHECK_STR(name, "images");
    if (!self) snprintf(why, why_size, "no decoder today");
    return self;
}

static void keep_message(void *self, const adze_diagnostic *diagnostic)
{
    (void)self;
    snprintf(run.error, sizeof run.error, "%s", diagnostic->message);
}

TEST(own_decoders)
{
    static const char text[] = "func @f(%x: u8[N]) -> (u8[?,?,3]) {\n"
                               "  %y = image_decode(%x) {pixel_format = \"BGR\"}\n  return(%y)\n}\n";
    static const struct {
        const adze_images *table;
        int64_t size;
        const char *error;
    } rows[] = {{&own, 2, NULL}, {&own, 0, "ours finds nothing"}, {NULL, 2, "no decoder today"},
                {&old, 2, "the extension \"images\" is an old one"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_context *context = adze_context_create();
        adze_context_set_sink(context, keep_message, NULL);
        adze_context_set_extension(context, give, (void *)(uintptr_t)rows[i].table);
        adze_module *module = adze_module_parse(context, "i.adz", text, strlen(text));
        REQUIRE(module && adze_module_verify(module));
        adze_value y = {0}, x = adze_value_tensor(ADZE_DTYPE_u8, 1, &rows[i].size, "\5\7");
        bool ok = adze_interpret(adze_module_first_func(module), &x, 1, &y, 1, NULL, NULL);
        CHECK_INT(ok, !rows[i].error);
        CHECK_INT((int64_t)adze_context_errors(context), !ok);
        if (!ok) CHECK_STR(run.error, rows[i].error);
        if (ok) CHECK(y.dims[1] == 2 && memcmp(y.data, "\6\6\6\x8\x8\x8", 6) == 0);
        if (ok) adze_outputs_free(&y, 1);
        adze_module_destroy(module);
        adze_context_destroy(context);
    }
}

static int messages = -1;

/* Codec libraries print what they do not like; all that ran above may not. */
TEST(nothing_is_printed) { CHECK_INT(lseek(messages, 0, SEEK_END), 0); }

int main(void)
{
    FILE *file = tmpfile();
    messages = file ? fileno(file) : -1;
    int usual = dup(STDERR_FILENO);
    dup2(messages, STDERR_FILENO);
    RUN(every_format);
    RUN(formats_that_are_built_in);
    RUN(pixels_of_png);
    RUN(orientations_of_tiff);
    RUN(kinds_of_pnm);
    RUN(kinds_of_bmp);
    RUN(bad_bmp);
    RUN(no_image);
    RUN(cut_off);
    RUN(damaged);
    RUN(bytes_behind);
    RUN(callers);
    RUN(what_libraries_take);
    RUN(extensions);
    RUN(own_decoders);
    RUN(nothing_is_printed);
    dup2(usual, STDERR_FILENO); /* sanitizers report at the end */
    end();
    return unit_end();
}
