/* Runs a harness without libFuzzer: every seed as it is, then mutations of them, the same ones for a seed number.
 *
 *     ir_fuzz [--seed=N] [--runs=N] FILE|FOLDER...
 *     ir_fuzz --runs=0 failed-input     one input again
 *
 * Knows nothing of coverage, so it finds little that libFuzzer did not; it keeps what was found from coming back.
 * An input that crashes or takes ten seconds is left in the file `failed-input`.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST_GROWTH = 1024, SECONDS = 10 };

typedef struct seed {
    char *path;
    uint8_t *bytes;
    size_t size;
} seed;

static struct {
    seed *seeds;
    size_t count;
    uint64_t random;
    const uint8_t *input; /* the one being run */
    size_t input_size;
} self;

/* Mutations stay where the structure is: half of the places are in the first and last 4 KiB. */
static size_t place(size_t size)
{
    size_t at = fuzz_below(&self.random, size), edge = size < 4096 ? size : 4096;
    switch (fuzz_random(&self.random) >> 62) {
    case 0: return at % edge;
    case 1: return size - 1 - at % edge;
    default: return at;
    }
}

/* A piece of another seed. */
static size_t mix(uint8_t *bytes, size_t size, size_t capacity, size_t at)
{
    const seed *other = &self.seeds[fuzz_below(&self.random, self.count)];
    if (!other->size) return size;
    size_t from = place(other->size), n = 1 + fuzz_below(&self.random, 64);
    if (n > other->size - from) n = other->size - from;
    if (n > capacity - size) return size;
    memmove(bytes + at + n, bytes + at, size - at);
    memcpy(bytes + at, other->bytes + from, n);
    return size + n;
}

/* Linked where no libFuzzer is: the same name and contract. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity)
{
    static const uint8_t special[] = {0, 1, 0x7f, 0x80, 0xff, 8, 10, 18, 34, 42, 58};
    if (!size) return mix(bytes, size, capacity, 0);
    size_t at = place(size), other = place(size), n = 1 + fuzz_below(&self.random, 16);
    if (n > size - at) n = size - at;
    if (n > size - other) n = size - other;
    switch (fuzz_below(&self.random, 8)) {
    case 0: bytes[at] ^= (uint8_t)(1u << fuzz_below(&self.random, 8)); break;
    case 1: bytes[at] = special[fuzz_below(&self.random, sizeof special)]; break;
    case 2: bytes[at] = (uint8_t)fuzz_random(&self.random); break;
    case 3: memmove(bytes + at, bytes + other, n); break;
    case 4: /* cut a piece out */ memmove(bytes + at, bytes + at + n, size - at - n); return size - n;
    case 5: /* say it twice */
        if (size + n > capacity) break;
        memmove(bytes + at + n, bytes + at, size - at);
        return size + n;
    case 6: return mix(bytes, size, capacity, at);
    default: bytes[at]++; break;
    }
    return size;
}

static size_t mutate(uint8_t *bytes, size_t size, size_t capacity, unsigned seed_number)
{
    /* A harness may bring its own. */
    size_t (*custom)(uint8_t *, size_t, size_t, unsigned) = NULL;
#ifdef ADZE_FUZZ_MUTATOR
    custom = LLVMFuzzerCustomMutator;
#endif
    return custom ? custom(bytes, size, capacity, seed_number) : LLVMFuzzerMutate(bytes, size, capacity);
}

/* Saves the input; back from here the signal kills, as it does without a handler. */
static void on_signal(int number)
{
    static const char slow[] = "an input takes too long; it is in failed-input\n",
                      crash[] = "an input crashes; it is in failed-input\n";
    int file = open("failed-input", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t done = file < 0 ? 0 : write(file, self.input, self.input_size);
    done += number == SIGALRM ? write(STDOUT_FILENO, slow, sizeof slow - 1)
                              : write(STDOUT_FILENO, crash, sizeof crash - 1);
    if (done < 0 || number == SIGALRM) _exit(1);
}

/* On a stack of their own: the other one may have overflown. */
static void handle_signals(void)
{
    static char stack[65536];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};
    const int numbers[] = {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
}

/* A copy of the exact size, so that a sanitizer sees a read past the end. */
static void run_one(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    if (size) memcpy(exact, bytes, size);
    self.input = exact;
    self.input_size = size;
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    free(exact);
}

static bool add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    seed one = {.path = strdup(path)};
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        one.bytes = size >= 0 ? malloc((size_t)size + 1) : NULL;
        one.size = one.bytes ? fread(one.bytes, 1, (size_t)size, file) : 0;
    }
    fclose(file);
    seed *grown = realloc(self.seeds, (self.count + 1) * sizeof one);
    if (!one.bytes || !one.path || !grown) abort();
    self.seeds = grown;
    self.seeds[self.count++] = one;
    return true;
}

/* A file, or all files of a folder. */
static bool add_path(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) return add_file(path);
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(folder));) {
        char full[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        ok = add_file(full);
    }
    closedir(folder);
    return ok;
}

static int by_path(const void *a, const void *b) { return strcmp(((const seed *)a)->path, ((const seed *)b)->path); }

static void run_mutations(uint64_t first, uint64_t runs)
{
    for (uint64_t i = 0; i < runs; i++) {
        const seed *from = &self.seeds[i % self.count];
        size_t capacity = from->size + LARGEST_GROWTH, size = from->size;
        uint8_t *work = malloc(capacity);
        if (!work) abort();
        self.random = first * UINT64_C(0x9e3779b97f4a7c15) + i + 1;
        memcpy(work, from->bytes, size);
        for (size_t rounds = 1 + fuzz_below(&self.random, 8); rounds > 0; rounds--)
            size = mutate(work, size, capacity, (unsigned)fuzz_random(&self.random));
        run_one(work, size);
        free(work);
    }
}

int main(int argc, char **argv)
{
    uint64_t first = 1, runs = 1000;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--seed=", 7) == 0) {
            first = strtoull(argv[i] + 7, NULL, 10);
        } else if (strncmp(argv[i], "--runs=", 7) == 0) {
            runs = strtoull(argv[i] + 7, NULL, 10);
        } else if (!add_path(argv[i])) {
            printf("%s: cannot be read\n", argv[i]);
            return 1;
        }
    }
    if (!self.count) {
        printf("no seeds given\n");
        return 1;
    }
    handle_signals();
    qsort(self.seeds, self.count, sizeof *self.seeds, by_path); /* folders come in no order */
    for (size_t i = 0; i < self.count; i++) run_one(self.seeds[i].bytes, self.seeds[i].size);
    run_mutations(first, runs);
    printf("%zu seeds and %" PRIu64 " mutations of them\n", self.count, runs);
    for (size_t i = 0; i < self.count; i++) {
        free(self.seeds[i].path);
        free(self.seeds[i].bytes);
    }
    free(self.seeds);
    return 0;
}
