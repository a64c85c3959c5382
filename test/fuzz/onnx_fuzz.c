/* Fuzzing of the ONNX reader.
 *
 * adze_onnx_fuzz_one is what both forms run: reads the bytes as a model from memory and, where that
 * succeeds, prints the module. It fails on a contradiction: a module with errors, or neither.
 *
 *   with libFuzzer (clang -fsanitize=fuzzer,address -DADZE_LIBFUZZER): endless, its own options
 *   alone: onnx_fuzz [--seed=N] [--runs=N] FILE...   mutates the files, the same way for a seed
 */
#include <adze/onnx.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count(void *self, const adze_diagnostic *diagnostic)
{
    uint64_t *errors = self;
    if (diagnostic->severity == ADZE_ERROR) ++*errors;
}

static bool fuzz_one(const uint8_t *bytes, size_t size)
{
    uint64_t errors = 0;
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, count, &errors);
    adze_context_set_max_memory(context, UINT64_C(1) << 30);
    adze_module *module = adze_onnx_read_memory(context, "fuzz.onnx", bytes, size, NULL);
    bool clear = (module != NULL) == (errors == 0);
    if (module) {
        adze_text text = {0};
        adze_print_options options = {.struct_size = sizeof options, .max_elements = 16};
        adze_module_print(module, &options, &text);
        adze_text_free(&text);
        adze_module_destroy(module);
    }
    adze_context_destroy(context);
    return clear;
}

#ifdef ADZE_LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!fuzz_one(bytes, size)) abort();
    return 0;
}

#else

/* xorshift64*, Vigna 2016. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* Mutations stay where the structure is: most of a model is weights, so places are drawn from all
 * of the file half of the time and from its first and last 4 KiB otherwise. */
static size_t place(uint64_t *state, size_t size)
{
    uint64_t r = next_random(state);
    size_t at = (size_t)(next_random(state) % size), edge = size < 4096 ? size : 4096;
    if (r & 1) return at;
    return r & 2 ? at % edge : size - 1 - at % edge;
}

static size_t mutate(uint8_t *bytes, size_t size, size_t capacity, uint64_t *state)
{
    static const uint8_t special[] = {0, 1, 0x7f, 0x80, 0xff, 8, 10, 18, 34, 42, 58};
    uint64_t count_left = 1 + next_random(state) % 8;
    while (count_left-- > 0 && size > 0) {
        size_t at = place(state, size), other = place(state, size);
        size_t n = 1 + (size_t)(next_random(state) % 16);
        if (n > size - at) n = size - at;
        if (n > size - other) n = size - other;
        switch (next_random(state) % 7) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << (next_random(state) % 8));
            break;
        case 1:
            bytes[at] = special[next_random(state) % sizeof special];
            break;
        case 2:
            bytes[at] = (uint8_t)next_random(state);
            break;
        case 3:
            memmove(bytes + at, bytes + other, n);
            break;
        case 4: /* cut a piece out */
            memmove(bytes + at, bytes + at + n, size - at - n);
            size -= n;
            break;
        case 5: /* say it twice */
            if (size + n > capacity) break;
            memmove(bytes + at + n, bytes + at, size - at);
            size += n;
            break;
        default:
            bytes[at]++;
            break;
        }
    }
    return size;
}

static uint8_t *load(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *bytes = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        bytes = size >= 0 ? malloc((size_t)size + 1) : NULL;
        *out_size = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    }
    fclose(file);
    return bytes;
}

/* Runs of one file; false if one was not clear. */
static bool fuzz_file(const char *path, uint64_t seed, uint64_t runs)
{
    enum { SLACK = 256 };
    size_t size = 0;
    uint8_t *bytes = load(path, &size), *work = bytes ? malloc(size + SLACK) : NULL;
    bool ok = work != NULL;
    if (!ok) printf("%s: cannot be read\n", path);
    for (uint64_t i = 0; ok && i < runs; i++) {
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + i + 1;
        memcpy(work, bytes, size);
        size_t changed = mutate(work, size, size + SLACK, &state);
        /* The exact size, so that a sanitizer sees a read past the end. */
        uint8_t *exact = malloc(changed ? changed : 1);
        if (!exact) abort();
        memcpy(exact, work, changed);
        ok = fuzz_one(exact, changed);
        if (!ok) printf("%s: run %" PRIu64 " of seed %" PRIu64 " was not clear\n", path, i, seed);
        free(exact);
    }
    free(bytes);
    free(work);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 1000;
    int files = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--seed=", 7) == 0) {
            seed = strtoull(argv[i] + 7, NULL, 10);
        } else if (strncmp(argv[i], "--runs=", 7) == 0) {
            runs = strtoull(argv[i] + 7, NULL, 10);
        } else {
            files++;
            failed += !fuzz_file(argv[i], seed, runs);
        }
    }
    printf("%d passed, %d failed, 0 skipped\n", files - failed, failed);
    return failed != 0 || files == 0;
}

#endif
