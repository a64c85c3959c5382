/* Runs a compiled model over a stream of chunks: stream MODEL.so CHUNKS SIZE RATE DIM...
 *
 * CHUNKS are floats. The model's inputs are, by name: `input` f32[1,SIZE], the next chunk; `sr` i64[], RATE; `state` of
 * the dims that follow, zeros first and then what output 1 gave. Prints the first number of output 0 for each chunk.
 */
#include <adze_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATE = 1 << 16 };

typedef struct stream {
    adze_model *model;
    adze_session *session;
    int64_t chunk_dims[2], rate, state_dims[ADZE_MAX_RANK];
    uint32_t state_rank;
    float *chunk, state[MAX_STATE];
    uint64_t state_count;
} stream;

static adze_status give(stream *s)
{
    adze_io_info info;
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; !status && adze_model_input(s->model, i, &info) == ADZE_OK; i++) {
        adze_value value = adze_value_tensor(ADZE_DTYPE_f32, 2, s->chunk_dims, s->chunk);
        if (!strcmp(info.name, "sr")) value = adze_value_tensor(ADZE_DTYPE_i64, 0, NULL, &s->rate);
        if (!strcmp(info.name, "state"))
            value = adze_value_tensor(ADZE_DTYPE_f32, s->state_rank, s->state_dims, s->state);
        status = adze_session_set_input(s->session, i, &value);
    }
    return status;
}

static adze_status step(stream *s)
{
    adze_value score, state;
    adze_status status = give(s);
    if (!status) status = adze_session_run(s->session);
    if (!status) status = adze_session_output(s->session, 0, &score);
    if (!status) status = adze_session_output(s->session, 1, &state);
    if (status) return status;
    if (adze_value_count(&score) != 1 || adze_value_count(&state) != s->state_count) return ADZE_ERR_DIM;
    printf("%.9g\n", (double)*(const float *)score.data);
    memcpy(s->state, state.data, s->state_count * sizeof *s->state);
    return ADZE_OK;
}

static adze_status run(stream *s, const char *chunks)
{
    FILE *file = fopen(chunks, "rb");
    adze_session_options options = {.struct_size = sizeof options};
    adze_status status = file ? adze_session_create(s->model, &options, &s->session) : ADZE_ERR_FILE;
    size_t size = (size_t)s->chunk_dims[1];
    while (!status && fread(s->chunk, sizeof *s->chunk, size, file) == size) status = step(s);
    if (status) fprintf(stderr, "%s: %s\n", adze_status_text(status), adze_session_error(s->session));
    if (file) fclose(file);
    adze_session_destroy(s->session);
    return status;
}

int main(int argc, char **argv)
{
    static stream s;
    if (argc < 6 || argc - 5 > ADZE_MAX_RANK) return 2;
    s.chunk_dims[0] = 1;
    s.chunk_dims[1] = strtoll(argv[3], NULL, 10);
    s.rate = strtoll(argv[4], NULL, 10);
    s.state_rank = (uint32_t)(argc - 5);
    s.state_count = 1;
    for (int i = 5; i < argc; i++) {
        s.state_dims[i - 5] = strtoll(argv[i], NULL, 10);
        s.state_count *= (uint64_t)s.state_dims[i - 5];
    }
    s.chunk = s.chunk_dims[1] > 0 ? calloc((size_t)s.chunk_dims[1], sizeof *s.chunk) : NULL;
    if (!s.chunk || s.state_count > MAX_STATE) return 2;
    adze_open_options options = {.struct_size = sizeof options};
    int code = 1;
    if (adze_model_open(argv[1], &options, &s.model))
        fprintf(stderr, "%s\n", s.model ? adze_model_error(s.model) : "out of memory");
    else
        code = run(&s, argv[2]) != ADZE_OK;
    adze_model_close(s.model);
    free(s.chunk);
    return code;
}
