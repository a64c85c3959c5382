/* .npy and .npz: round trips of every type, hostile files, files written whole. */
#include "tools/io/io_private.h"
#include "unit.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/adze-io-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static bool write_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(data, 1, bytes, file) == bytes;
    if (file) fclose(file);
    return ok;
}

static size_t read_bytes(const char *path, void *out, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(out, 1, room, file) : 0;
    if (file) fclose(file);
    return n;
}

static int files_in_folder(void)
{
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) n += e->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

static adze_array array_of(char *name, adze_dtype dtype, uint32_t rank, const int64_t *dims,
                           void *data)
{
    adze_array a = {.name = name, .dtype = dtype, .rank = rank, .data = data};
    uint64_t count = 1;
    for (uint32_t d = 0; d < rank; d++) {
        a.dims[d] = dims[d];
        count *= (uint64_t)dims[d];
    }
    a.bytes = adze_dtype_bytes(dtype, count);
    return a;
}

/* Each element type of the table, through an .npz and a .npy. */
TEST(round_trips)
{
    static const int64_t dims[] = {3, 1, 5};
    uint8_t data[15 * 16];
    char names[ADZE_DTYPE_COUNT][16];
    adze_array arrays[ADZE_DTYPE_COUNT];
    adze_io_error error = {""};
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 37 + 11);
    for (int t = 1; t < ADZE_DTYPE_COUNT; t++) {
        if (t == ADZE_DTYPE_str || t == ADZE_DTYPE_bool) continue;
        snprintf(names[n], sizeof names[n], "a/%d", t);
        arrays[n] = array_of(names[n], (adze_dtype)t, 3, dims, data);
        n++;
    }
    CHECK_INT(adze_npz_write(in_folder("all.npz"), arrays, n, &error), ADZE_OK);
    adze_npz *npz;
    REQUIRE(adze_npz_open(in_folder("all.npz"), &npz, &error) == ADZE_OK);
    CHECK_INT(adze_npz_count(npz), n);
    CHECK_INT(adze_npz_find(npz, "b"), -1);
    CHECK(adze_npz_name(npz, n) == NULL);
    for (uint32_t i = 0; i < n; i++) {
        adze_array a, b;
        CHECK_STR(adze_npz_name(npz, i), names[i]);
        CHECK_INT(adze_npz_find(npz, names[i]), i);
        CHECK_INT(adze_npz_describe(npz, i, &a, &error), ADZE_OK);
        CHECK_INT(a.rank, 3);
        CHECK(a.data == NULL);
        adze_array_free(&a);
        CHECK_INT(adze_npz_read(npz, i, &a, &error), ADZE_OK);
        CHECK_INT(adze_npy_write(in_folder("one.npy"), &arrays[i], &error), ADZE_OK);
        CHECK_INT(adze_npy_read(in_folder("one.npy"), &b, &error), ADZE_OK);
        CHECK(a.bytes == b.bytes && memcmp(a.data, b.data, a.bytes) == 0);
        CHECK_INT(adze_array_retype(&a, arrays[i].dtype, &error), ADZE_OK);
        CHECK(memcmp(a.dims, arrays[i].dims, sizeof a.dims) == 0);
        CHECK_INT((int64_t)a.bytes, (int64_t)arrays[i].bytes);
        uint64_t whole =
            adze_dtype_bits(a.dtype) * 15 / 8; /* spare bits of the last byte are zero */
        CHECK(memcmp(a.data, data, whole) == 0);
        CHECK((uintptr_t)a.data % 64 == 0);
        adze_array_free(&a);
        adze_array_free(&b);
    }
    adze_array a;
    CHECK_INT(adze_npz_read(npz, n, &a, &error), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_npz_describe(npz, n, &a, NULL), ADZE_ERR_ARGUMENT);
    adze_npz_close(npz);
    adze_npz_close(NULL);
}

TEST(edge_shapes)
{
    static const int64_t dims[] = {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7};
    float one = 42;
    adze_io_error error = {""};
    for (uint32_t rank = 0; rank <= ADZE_MAX_RANK; rank++) {
        adze_array a = array_of(NULL, ADZE_DTYPE_f32, rank, dims, &one), b;
        CHECK_INT(adze_npy_write(in_folder("one.npy"), &a, &error), ADZE_OK);
        CHECK_INT(adze_npy_read(in_folder("one.npy"), &b, &error), ADZE_OK);
        CHECK_INT(b.rank, rank);
        CHECK_INT((int64_t)b.bytes, rank ? 0 : 4);
        CHECK(memcmp(a.dims, b.dims, sizeof a.dims) == 0);
        adze_array_free(&b);
    }
    adze_npz *npz;
    CHECK_INT(adze_npz_write(in_folder("empty.npz"), NULL, 0, &error), ADZE_OK);
    CHECK_INT(adze_npz_open(in_folder("empty.npz"), &npz, &error), ADZE_OK);
    CHECK_INT(adze_npz_count(npz), 0);
    adze_npz_close(npz);
    adze_array nameless = array_of(NULL, ADZE_DTYPE_f32, 0, dims, &one);
    CHECK_INT(adze_npz_write(in_folder("x.npz"), &nameless, 1, &error), ADZE_ERR_ARGUMENT);
}

TEST(strings)
{
    static const int64_t dims[] = {2, 2};
    adze_string s[] = {
        {"a", 1}, {"", 0}, {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\xb3", 11}, {"\xff\xe2\x82", 3}};
    static const adze_string back[] = {{"a", 1},
                                       {"", 0},
                                       {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\xb3", 11},
                                       {"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 9}};
    adze_io_error error = {""};
    adze_array a = array_of(NULL, ADZE_DTYPE_str, 2, dims, s), b;
    CHECK_INT(adze_npy_write(in_folder("s.npy"), &a, &error), ADZE_OK);
    CHECK_INT(adze_npy_read(in_folder("s.npy"), &b, &error), ADZE_OK);
    CHECK_INT(b.dtype, ADZE_DTYPE_str);
    for (int i = 0; i < 4; i++) {
        const adze_string *got = (const adze_string *)b.data + i;
        CHECK_INT((int64_t)got->size, (int64_t)back[i].size);
        CHECK(memcmp(got->data, back[i].data, back[i].size) == 0);
    }
    adze_array_free(&b);
}

TEST(retypes)
{
    int8_t four[] = {-8, 7, 8};
    int64_t dims[] = {3};
    adze_io_error error = {""};
    adze_array a = array_of(NULL, ADZE_DTYPE_i8, 1, dims, adze_io_alloc(3));
    memcpy(a.data, four, 3);
    CHECK_INT(adze_array_retype(&a, ADZE_DTYPE_i4, &error), ADZE_ERR_VALUE);
    CHECK_STR(error.text, "element 2 is 8, which 4 bits cannot hold");
    CHECK_INT(a.dtype, ADZE_DTYPE_i8);
    CHECK_INT(adze_array_retype(&a, ADZE_DTYPE_bf16, &error), ADZE_ERR_DTYPE);
    CHECK_INT(adze_array_retype(&a, ADZE_DTYPE_f8e5m2, &error), ADZE_ERR_DTYPE);
    CHECK_INT(adze_array_retype(&a, ADZE_DTYPE_i8, &error), ADZE_OK);
    adze_array_free(&a);
}

/* A .npy of the header's dict and n bytes of elements, read back. */
static adze_status read_npy(unsigned version, const char *dict, size_t n, adze_array *out,
                            adze_io_error *error)
{
    uint8_t bytes[1024] = "\x93NUMPY";
    size_t length = strlen(dict), at = version == 1 ? 10 : 12;
    bytes[6] = (uint8_t)version;
    bytes[8] = (uint8_t)length;
    bytes[9] = (uint8_t)(length >> 8);
    memcpy(bytes + at, dict, length);
    for (size_t i = 0; i < n; i++) bytes[at + length + i] = (uint8_t)i;
    if (!write_bytes(in_folder("h.npy"), bytes, at + length + n)) return ADZE_ERR_COUNT;
    return adze_npy_read(in_folder("h.npy"), out, error);
}

TEST(headers)
{
    static const struct {
        const char *dict;
        size_t bytes;
        adze_status status;
        const char *text;
    } rows[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24, ADZE_OK, ""},
        {"{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":True}  \n", 24, ADZE_OK, ""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), }", 12, ADZE_OK, ""},
        {"{'descr': '|S2', 'fortran_order': False, 'shape': (3,), }", 6, ADZE_OK, ""},
        {"{'descr': '|V2', 'fortran_order': False, 'shape': (3,), }", 6, ADZE_OK, ""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 20, ADZE_ERR_FORMAT,
         "20 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25, ADZE_ERR_FORMAT,
         "25 bytes"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (), }", 4, ADZE_ERR_UNSUPPORTED,
         "big-endian"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (), }", 4, ADZE_ERR_UNSUPPORTED, "'|O'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (), }", 16, ADZE_ERR_UNSUPPORTED,
         "'<f16'"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (), }", 8, ADZE_ERR_UNSUPPORTED,
         "M8"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }", 4,
         ADZE_ERR_UNSUPPORTED, "structured"},
        {"{'descr': '', 'fortran_order': False, 'shape': (), }", 4, ADZE_ERR_FORMAT, "descr"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, ADZE_ERR_FORMAT,
         "no number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4,
         ADZE_ERR_FORMAT, "no number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0,
         ADZE_ERR_FORMAT, "absurd"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", 4,
         ADZE_ERR_FORMAT, "header says 4000000000000"},
        {"{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,), }", 0,
         ADZE_ERR_FORMAT, "absurd"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1), }", 4,
         ADZE_ERR_UNSUPPORTED, "more than 12"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (), }", 4, ADZE_ERR_FORMAT, "neither"},
        {"{'descr': '<f4', 'fortran_order': False, }", 4, ADZE_ERR_FORMAT, "missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (), }", 4, ADZE_ERR_FORMAT, "repeated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), } x", 4, ADZE_ERR_FORMAT, "behind"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, ADZE_ERR_FORMAT,
         "does not end"},
        {"{'descr': '<f4", 8, ADZE_ERR_FORMAT, "descr"},
        {"", 8, ADZE_ERR_FORMAT, "no dict"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned version = 1; version <= 3; version++) {
            adze_io_error error = {""};
            adze_array a;
            CHECK_INT(read_npy(version, rows[i].dict, rows[i].bytes, &a, &error), rows[i].status);
            if (!unit_check(strstr(error.text, rows[i].text) != NULL, __FILE__, __LINE__,
                            rows[i].text))
                printf("  got \"%s\"\n", error.text);
            CHECK(rows[i].status == ADZE_OK || a.data == NULL);
            adze_array_free(&a);
        }
    adze_array a;
    CHECK_INT(read_npy(4, rows[0].dict, 24, &a, NULL), ADZE_ERR_UNSUPPORTED);
}

TEST(fortran_order)
{
    adze_array a;
    REQUIRE(read_npy(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }", 12, &a,
                     NULL) == ADZE_OK);
    static const uint8_t want[] = {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11};
    CHECK_INT((int64_t)a.bytes, 12);
    CHECK(memcmp(a.data, want, 12) == 0);
    adze_array_free(&a);
    REQUIRE(read_npy(1, "{'descr': '|b1', 'fortran_order': True, 'shape': (4,), }", 4, &a, NULL) ==
            ADZE_OK);
    CHECK(memcmp(a.data, "\0\1\1\1", 4) == 0); /* a truth value is 0 or 1 */
    adze_array_free(&a);
}

/* Opens and reads all; true if everything went well. */
static bool read_all(const char *path)
{
    adze_npz *npz;
    adze_io_error error = {""};
    bool ok = adze_npz_open(path, &npz, &error) == ADZE_OK;
    if (!ok)
        return error.text[0] == 0; /* a failure without a message counts as success: a mistake */
    for (uint32_t i = 0; i < adze_npz_count(npz); i++) {
        adze_array a;
        if (adze_npz_describe(npz, i, &a, &error) == ADZE_OK) adze_array_free(&a);
        if (adze_npz_read(npz, i, &a, &error))
            ok = false;
        else
            adze_array_free(&a);
    }
    adze_npz_close(npz);
    return ok;
}

static size_t small_npz(uint8_t *out, size_t room, uint32_t limit)
{
    static const int64_t dims[] = {2, 3};
    float x[] = {1, 2, 3, 4, 5, 6};
    int64_t y[] = {1, 2, 3, 4, 5, 6};
    char name_x[] = "x", name_y[] = "a/y:0";
    adze_array arrays[] = {array_of(name_x, ADZE_DTYPE_f32, 2, dims, x),
                           array_of(name_y, ADZE_DTYPE_i64, 2, dims, y)};
    if (adze_io_npz_write(in_folder("small.npz"), arrays, 2, limit, NULL)) return 0;
    return read_bytes(in_folder("small.npz"), out, room);
}

TEST(zip64)
{
    static const uint32_t limits[] = {0, 1, 150, 200, 300, 400, 500, UINT32_MAX};
    uint8_t bytes[2048];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        CHECK(small_npz(bytes, sizeof bytes, limits[i]) > 200);
        CHECK(read_all(in_folder("small.npz")));
    }
}

TEST(truncated_at_every_byte)
{
    static const uint32_t limits[] = {0, UINT32_MAX};
    uint8_t bytes[2048];
    for (int k = 0; k < 2; k++) {
        size_t n = small_npz(bytes, sizeof bytes, limits[k]);
        int64_t accepted = 0;
        for (size_t cut = 0; cut < n; cut++) {
            if (!write_bytes(in_folder("cut.npz"), bytes, cut)) break;
            accepted += read_all(in_folder("cut.npz"));
        }
        CHECK(n > 200);
        CHECK_INT(accepted, 0);
    }
    size_t n = read_bytes(in_folder("one.npy"), bytes, sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        adze_array a;
        adze_io_error error = {""};
        CHECK(write_bytes(in_folder("cut.npy"), bytes, cut));
        CHECK(adze_npy_read(in_folder("cut.npy"), &a, &error) != ADZE_OK);
        CHECK(error.text[0] != 0);
    }
    CHECK(n > 100);
}

/* Each byte replaced by several values: an error or other values, never a crash (sanitizers watch).
 */
TEST(damaged_at_every_byte)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0xff};
    uint8_t bytes[2048];
    int64_t survivors = 0;
    size_t n = small_npz(bytes, sizeof bytes, 0);
    REQUIRE(n > 200);
    for (size_t i = 0; i < n; i++) {
        uint8_t saved = bytes[i];
        for (size_t v = 0; v < sizeof values; v++) {
            bytes[i] = values[v];
            if (!write_bytes(in_folder("bad.npz"), bytes, n)) break;
            survivors += read_all(in_folder("bad.npz"));
        }
        bytes[i] = saved;
    }
    CHECK(survivors > 0 && survivors < (int64_t)n * 4);
}

TEST(bad_archives)
{
    uint8_t bytes[2048];
    adze_npz *npz;
    adze_io_error error = {""};
    size_t n = small_npz(bytes, sizeof bytes, UINT32_MAX);
    REQUIRE(n > 200);
    CHECK(read_all(in_folder("small.npz")));
    /* the stored element bytes of x: its CRC must tell */
    bytes[30 + 5 + 128 + 3] ^= 0x10;
    CHECK(write_bytes(in_folder("crc.npz"), bytes, n));
    REQUIRE(adze_npz_open(in_folder("crc.npz"), &npz, &error) == ADZE_OK);
    adze_array a;
    CHECK_INT(adze_npz_read(npz, 0, &a, &error), ADZE_ERR_FORMAT);
    CHECK(strstr(error.text, "crc.npz: 'x': its CRC is wrong") != NULL);
    CHECK_INT(adze_npz_read(npz, 1, &a, &error), ADZE_OK);
    adze_array_free(&a);
    adze_npz_close(npz);

    CHECK_INT(adze_npz_open("/nonexistent/x.npz", &npz, &error), ADZE_ERR_FILE);
    CHECK(npz == NULL);
    CHECK(strstr(error.text, "/nonexistent/x.npz: No such file") != NULL);
    CHECK_INT(adze_npz_open("/tmp", &npz, &error), ADZE_ERR_FILE);
    CHECK_INT(adze_npz_open("/dev/zero", &npz, &error), ADZE_ERR_FILE);
    CHECK_INT(adze_npy_read("/dev/zero", &a, &error), ADZE_ERR_FILE);
    char twice[] = "t";
    float one = 1;
    adze_array same[] = {array_of(twice, ADZE_DTYPE_f32, 0, NULL, &one),
                         array_of(twice, ADZE_DTYPE_f32, 0, NULL, &one)};
    CHECK_INT(adze_npz_write(in_folder("twice.npz"), same, 2, &error), ADZE_OK);
    CHECK_INT(adze_npz_open(in_folder("twice.npz"), &npz, &error), ADZE_ERR_FORMAT);
    CHECK(strstr(error.text, "twice") != NULL);
}

/* Streams by hand: stored, fixed codes, and each way to be wrong. */
TEST(inflate)
{
    static const struct {
        const char *in;
        size_t n;
        io_inflate result;
        const char *out;
    } rows[] = {
        {"\x01\x03\x00\xfc\xff"
         "abc",
         8, INFLATE_DONE, "abc"},
        {"\x01\x03\x00\xfc\xfe"
         "abc",
         8, INFLATE_BAD, ""},
        {"\x4b\x4c\x4a\x06\x00", 5, INFLATE_DONE, "abc"},
        {"\x4b\x4c\x84\x01\x00", 5, INFLATE_DONE, "aaaaaaaaaa"},
        {"\x4b\x4c\x4a", 3, INFLATE_SHORT, "abc"},
        {"\x07", 1, INFLATE_BAD, ""},
        {"", 0, INFLATE_SHORT, ""},
    };
    uint8_t out[16];
    uint64_t used, taken;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint8_t *in = (const uint8_t *)rows[i].in;
        io_inflate result = adze_io_inflate(in, rows[i].n, out, sizeof out, &used, &taken);
        CHECK_INT(result, rows[i].result);
        if (result == INFLATE_DONE) {
            CHECK_INT((int64_t)used, (int64_t)strlen(rows[i].out));
            CHECK(memcmp(out, rows[i].out, used) == 0);
            CHECK_INT((int64_t)taken, (int64_t)rows[i].n);
        }
    }
    CHECK_INT(adze_io_inflate((const uint8_t *)"\x4b\x4c\x84\x01\x00", 5, out, 4, &used, &taken),
              INFLATE_FULL);
    CHECK_INT((int64_t)used, 4);
}

TEST(crc)
{
    io_crc c;
    adze_io_crc_init(&c);
    adze_io_crc_add(&c, "123456789", 9);
    CHECK_INT(adze_io_crc_value(&c), 0xcbf43926); /* the check value of CRC-32 */
    adze_io_crc_init(&c);
    adze_io_crc_add(&c, "12", 2);
    adze_io_crc_add(&c, "3456789", 7);
    CHECK_INT(adze_io_crc_value(&c), 0xcbf43926);
}

TEST(whole_or_not_at_all)
{
    char text[16] = "";
    adze_outfile *file;
    adze_io_error error = {""};
    int before = files_in_folder();
    CHECK(write_bytes(in_folder("old"), "old", 3));
    CHECK_INT(adze_outfile_create(in_folder("old"), 0666, &file, &error), ADZE_OK);
    adze_outfile_write(file, "new text", 8);
    CHECK_INT((int64_t)read_bytes(in_folder("old"), text, sizeof text), 3);
    adze_outfile_discard(file);
    CHECK_INT(files_in_folder(), before + 1);
    CHECK_INT(adze_outfile_create(in_folder("old"), 0666, &file, &error), ADZE_OK);
    adze_outfile_write(file, "new text", 8);
    CHECK_INT(adze_outfile_commit(file, &error), ADZE_OK);
    CHECK_INT((int64_t)read_bytes(in_folder("old"), text, sizeof text), 8);
    CHECK_INT(files_in_folder(), before + 1);

    CHECK_INT(symlink("old", in_folder("link")), 0);
    CHECK_INT(adze_outfile_create(in_folder("link"), 0777, &file, &error), ADZE_OK);
    CHECK_INT(adze_outfile_commit(file, &error), ADZE_OK);
    struct stat info;
    CHECK(lstat(in_folder("link"), &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(stat(in_folder("old"), &info) == 0 && info.st_size == 0 && (info.st_mode & 0100));

    CHECK_INT(adze_outfile_create("/nonexistent/file", 0666, &file, &error), ADZE_ERR_FILE);
    CHECK(strstr(error.text, "/nonexistent/file: cannot be written: No such file") != NULL);
    CHECK_INT(adze_outfile_create(folder, 0666, &file, &error), ADZE_ERR_FILE);
    CHECK_INT(adze_outfile_create("/dev/full", 0666, &file, &error), ADZE_OK);
    adze_outfile_write(file, "x", 1);
    CHECK_INT(adze_outfile_commit(file, &error), ADZE_ERR_FILE);
    CHECK_STR(error.text, "/dev/full: cannot be written: No space left on device");
    CHECK_INT(adze_outfile_create("/dev/null", 0666, &file, &error), ADZE_OK);
    adze_outfile_write(file, "x", 1);
    CHECK_INT(adze_outfile_commit(file, &error), ADZE_OK);
    adze_outfile_discard(NULL);
}

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') unlink(in_folder(e->d_name));
    if (dir) closedir(dir);
    rmdir(folder);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    RUN(round_trips);
    RUN(edge_shapes);
    RUN(strings);
    RUN(retypes);
    RUN(truncated_at_every_byte);
    RUN(headers);
    RUN(fortran_order);
    RUN(zip64);
    RUN(damaged_at_every_byte);
    RUN(bad_archives);
    RUN(inflate);
    RUN(crc);
    RUN(whole_or_not_at_all);
    remove_folder();
    return unit_end();
}
