/* A helper of test/io_numpy.py: copies arrays, or damages a file in every way and reads it.
 *
 *     io_copy IN OUT      .npz to .npz or .npy to .npy, all arrays
 *     io_copy --cut IN    reads IN cut short at every byte; fails if one of them is accepted
 *     io_copy --bend IN   reads IN with every byte changed; nothing to see but a crash */
#include "adze_io.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* *out_arrays is malloc'd, each array to be freed. */
static adze_status read_all(const char *path, adze_array **out_arrays, uint32_t *out_n,
                            adze_io_error *error)
{
    adze_npz *npz;
    adze_status status = adze_npz_open(path, &npz, error);
    *out_arrays = NULL;
    *out_n = 0;
    if (status) return status;
    uint32_t n = adze_npz_count(npz);
    adze_array *arrays = calloc(n + 1u, sizeof *arrays);
    if (!arrays) status = ADZE_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < n && !status; i++) {
        adze_array described;
        status = adze_npz_describe(npz, i, &described, error);
        if (!status) status = adze_npz_read(npz, i, &arrays[i], error);
        if (!status && (described.dtype != arrays[i].dtype || described.rank != arrays[i].rank))
            status = ADZE_ERR_VALUE;
        adze_array_free(&described);
    }
    adze_npz_close(npz);
    *out_arrays = arrays;
    *out_n = n;
    return status;
}

static void free_all(adze_array *arrays, uint32_t n)
{
    for (uint32_t i = 0; arrays && i < n; i++) adze_array_free(&arrays[i]);
    free(arrays);
}

static int copy(const char *from, const char *to)
{
    adze_io_error error = {"?"};
    adze_status status;
    if (ends_with(from, ".npy")) {
        adze_array a;
        status = adze_npy_read(from, &a, &error);
        if (!status) status = adze_npy_write(to, &a, &error);
        adze_array_free(&a);
    } else {
        adze_array *arrays;
        uint32_t n;
        status = read_all(from, &arrays, &n, &error);
        if (!status) status = adze_npz_write(to, arrays, n, &error);
        free_all(arrays, n);
    }
    if (status) fprintf(stderr, "%s\n", error.text);
    return status != ADZE_OK;
}

static bool is_accepted(const char *path)
{
    adze_io_error error = {""};
    adze_array *arrays;
    uint32_t n;
    bool ok = read_all(path, &arrays, &n, &error) == ADZE_OK;
    free_all(arrays, n);
    return ok || error.text[0] == 0;
}

static bool put(const char *path, const uint8_t *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(bytes, 1, n, file) == n;
    if (file) fclose(file);
    return ok;
}

static int damage(const char *path, bool cut)
{
    static uint8_t bytes[1 << 16];
    char work[] = "/tmp/adze-damage-XXXXXX";
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    int accepted = 0, fd = mkstemp(work);
    if (file) fclose(file);
    if (fd < 0 || n == 0 || n == sizeof bytes) return 2;
    close(fd);
    for (size_t i = 0; i < n; i++) {
        uint8_t saved = bytes[i];
        for (int v = 0; v < (cut ? 1 : 3); v++) {
            bytes[i] = (uint8_t)(v == 0 ? ~saved : v == 1 ? 0 : saved + 1);
            if (!put(work, bytes, cut ? i : n)) return 2;
            accepted += is_accepted(work);
        }
        bytes[i] = saved;
    }
    unlink(work);
    printf("%d of %zu accepted\n", accepted, n);
    return cut && accepted;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--cut") == 0) return damage(argv[2], true);
    if (argc == 3 && strcmp(argv[1], "--bend") == 0) return damage(argv[2], false);
    return argc == 3 ? copy(argv[1], argv[2]) : 2;
}
