/* Two compiled models at once, each opened and run by several threads.
 *
 *     two_models FIRST.so SECOND.so
 *
 * Every thread opens both, runs them in turn with pools of different sizes and on sessions of a model
 * that all threads share, and compares each output bit by bit with the first run of the program.
 */
#include <adze_runtime.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 3, MODELS = 2, SYMBOL = 2 /* every dim that the caller chooses */ };

static const char *paths[MODELS];
static adze_model *shared[MODELS];

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static bytes expected[MODELS];

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

static uint64_t next(uint64_t *state) { return *state = *state * 6364136223846793005u + 1442695040888963407u; }

/* The same numbers for a model whoever asks. The session borrows the memory. */
static int give_input(const adze_model *model, adze_session *session, uint32_t index, void **out)
{
    adze_io_info info;
    int64_t dims[ADZE_MAX_RANK];
    uint64_t count = 1, state = index + 1;
    if (adze_model_input(model, index, &info)) return fail(info.name, "cannot be described");
    for (uint32_t d = 0; d < info.rank; d++) {
        dims[d] = info.dims[d] >= 0 ? info.dims[d] : SYMBOL;
        count *= (uint64_t)dims[d];
    }
    uint64_t size = adze_dtype_bytes(info.dtype, count);
    unsigned char *data = *out = calloc(size + 1, 1);
    if (!data) return fail(info.name, "out of memory");
    for (uint64_t i = 0; i < count && info.dtype == ADZE_DTYPE_f32; i++) {
        float value = (float)(next(&state) >> 40) / (float)(1 << 23) - 1;
        memcpy(data + 4 * i, &value, 4);
    }
    adze_value value = adze_value_tensor(info.dtype, info.rank, dims, data);
    return adze_session_set_input(session, index, &value) ? fail(info.name, adze_session_error(session)) : 0;
}

/* All outputs behind each other. */
static int take_outputs(const adze_model *model, adze_session *session, bytes *out)
{
    *out = (bytes){0};
    for (uint32_t i = 0; i < adze_model_num_outputs(model); i++) {
        adze_value value;
        if (adze_session_output(session, i, &value)) return fail("output", adze_session_error(session));
        size_t size = adze_dtype_bytes((adze_dtype)value.dtype, adze_value_count(&value));
        unsigned char *more = realloc(out->data, out->size + size + 1);
        if (!more) return fail("output", "out of memory");
        memcpy(more + out->size, value.data, size);
        *out = (bytes){more, out->size + size};
    }
    return 0;
}

static int run_model(const adze_model *model, uint32_t threads, bytes *out)
{
    enum { INPUTS = 16 };
    void *inputs[INPUTS] = {NULL};
    adze_session *session = NULL;
    adze_session_options options = {.struct_size = sizeof options, .n_threads = threads};
    int failed = adze_session_create(model, &options, &session) ? fail("session", "cannot be created") : 0;
    for (uint32_t i = 0; i < adze_model_num_inputs(model) && i < INPUTS && !failed; i++)
        failed = give_input(model, session, i, &inputs[i]);
    if (!failed && adze_session_run(session)) failed = fail("run", adze_session_error(session));
    if (!failed) failed = take_outputs(model, session, out);
    adze_session_destroy(session);
    for (int i = 0; i < INPUTS; i++) free(inputs[i]);
    return failed;
}

static int compare(const adze_model *model, int which, uint32_t threads)
{
    bytes got = {0};
    int failed = run_model(model, threads, &got);
    if (!failed && (got.size != expected[which].size || memcmp(got.data, expected[which].data, got.size) != 0))
        failed = fail(paths[which], "another result than alone");
    free(got.data);
    return failed;
}

static void *work(void *self)
{
    int number = (int)(intptr_t)self, failed = 0;
    for (int round = 0; round < ROUNDS && !failed; round++)
        for (int m = 0; m < MODELS && !failed; m++) {
            int which = (m + number) % MODELS;
            adze_model *own = NULL;
            failed = adze_model_open(paths[which], NULL, &own) ? fail(paths[which], adze_model_error(own)) : 0;
            if (!failed) failed = compare(own, which, 1 + (uint32_t)(number + round) % 3);
            adze_model_close(own);
            if (!failed) failed = compare(shared[which], which, 1 + (uint32_t)round % 2);
        }
    return (void *)(intptr_t)failed;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    int failed = argc != MODELS + 1, started = 0;
    if (failed) return fail("usage", "two_models FIRST.so SECOND.so");
    for (int m = 0; m < MODELS && !failed; m++) {
        paths[m] = argv[m + 1];
        failed = adze_model_open(paths[m], NULL, &shared[m]) ? fail(paths[m], adze_model_error(shared[m]))
                                                             : run_model(shared[m], 1, &expected[m]);
    }
    for (; started < THREADS && !failed; started++)
        if (pthread_create(&threads[started], NULL, work, (void *)(intptr_t)started)) break;
    for (int i = 0; i < started; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed |= result != NULL;
    }
    for (int m = 0; m < MODELS; m++) {
        adze_model_close(shared[m]);
        free(expected[m].data);
    }
    if (!failed) printf("%d threads, %d models, %d rounds\n", started, MODELS, ROUNDS);
    return failed || started < THREADS;
}
