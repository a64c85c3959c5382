/* Runs a compiled model over a stream of chunks: stream MODEL.so CHUNKS RESULTS INPUT...
 *
 * An INPUT is NAME:KIND:WHAT. `next` gives the next floats of CHUNKS, in dims as 1x256; `carry2` gives zeros of its
 * dims first, and then what output 2 gave; `int` gives the same i64, of rank 0, each time. Output 0 of all chunks goes
 * to RESULTS, as floats.
 */
#include <adze_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 8, MAX_FLOATS = 1 << 20 };

typedef struct input {
    const char *name;
    int carried; /* the output, or -1: the next chunk, -2: a number */
    int64_t dims[ADZE_MAX_RANK], number;
    uint32_t rank;
    size_t count;
    float *data;
} input;

typedef struct stream {
    adze_model *model;
    adze_session *session;
    FILE *chunks, *results;
    input inputs[MAX_INPUTS];
    int n_inputs;
} stream;

/* ---- Inputs ---- */

/* Takes the text apart in place; names may hold colons. */
static bool parse(char *text, input *out)
{
    char *what = strrchr(text, ':'), *kind;
    if (!what) return false;
    *what++ = '\0';
    if (!(kind = strrchr(text, ':'))) return false;
    *kind++ = '\0';
    *out = (input){.name = text, .carried = -1, .count = 1};
    if (!strcmp(kind, "int")) {
        out->carried = -2;
        out->number = strtoll(what, NULL, 10);
        return true;
    }
    if (!strncmp(kind, "carry", 5)) out->carried = atoi(kind + 5);
    else if (strcmp(kind, "next") != 0) return false;
    for (char *at = what; *at; at += *at == 'x') {
        int64_t dim = strtoll(at, &at, 10);
        if (out->rank == ADZE_MAX_RANK || dim < 1 || (size_t)dim > MAX_FLOATS / out->count || (*at && *at != 'x'))
            return false;
        out->dims[out->rank++] = dim;
        out->count *= (size_t)dim;
    }
    out->data = calloc(out->count, sizeof *out->data);
    return out->data;
}

static adze_status give(stream *s)
{
    adze_io_info info;
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; !status && adze_model_input(s->model, i, &info) == ADZE_OK; i++)
        for (int k = 0; !status && k < s->n_inputs; k++) {
            input *in = &s->inputs[k];
            if (strcmp(info.name, in->name) != 0) continue;
            adze_value value = in->carried == -2 ? adze_value_tensor(ADZE_DTYPE_i64, 0, NULL, &in->number)
                                                 : adze_value_tensor(ADZE_DTYPE_f32, in->rank, in->dims, in->data);
            status = adze_session_set_input(s->session, i, &value);
        }
    return status;
}

/* ---- Runs ---- */

/* False at the end of the chunks. */
static bool read_chunk(stream *s)
{
    bool some = false;
    for (int k = 0; k < s->n_inputs; k++) {
        input *in = &s->inputs[k];
        if (in->carried == -1) some = fread(in->data, sizeof *in->data, in->count, s->chunks) == in->count;
    }
    return some;
}

static adze_status step(stream *s)
{
    adze_value result;
    adze_status status = give(s);
    if (!status) status = adze_session_run(s->session);
    if (!status) status = adze_session_output(s->session, 0, &result);
    if (status) return status;
    size_t n = adze_value_count(&result);
    if (fwrite(result.data, sizeof(float), n, s->results) != n) return ADZE_ERR_FILE;
    for (int k = 0; k < s->n_inputs; k++) {
        input *in = &s->inputs[k];
        adze_value carried;
        if (in->carried < 0) continue;
        status = adze_session_output(s->session, (uint32_t)in->carried, &carried);
        if (status) return status;
        if (adze_value_count(&carried) != in->count) return ADZE_ERR_DIM;
        memcpy(in->data, carried.data, in->count * sizeof *in->data);
    }
    return ADZE_OK;
}

static adze_status run(stream *s)
{
    adze_session_options options = {.struct_size = sizeof options};
    adze_status status = adze_session_create(s->model, &options, &s->session);
    while (!status && read_chunk(s)) status = step(s);
    if (status) fprintf(stderr, "%s: %s\n", adze_status_text(status), adze_session_error(s->session));
    adze_session_destroy(s->session);
    return status;
}

int main(int argc, char **argv)
{
    static stream s;
    adze_open_options options = {.struct_size = sizeof options};
    int code = 1;
    if (argc < 5 || argc - 4 > MAX_INPUTS) return 2;
    for (s.n_inputs = 0; s.n_inputs < argc - 4; s.n_inputs++)
        if (!parse(argv[4 + s.n_inputs], &s.inputs[s.n_inputs])) return 2;
    s.chunks = fopen(argv[2], "rb");
    s.results = fopen(argv[3], "wb");
    if (!s.chunks || !s.results) perror("stream");
    else if (adze_model_open(argv[1], &options, &s.model))
        fprintf(stderr, "%s\n", s.model ? adze_model_error(s.model) : "out of memory");
    else code = run(&s) != ADZE_OK;
    adze_model_close(s.model);
    for (int i = 0; i < s.n_inputs; i++) free(s.inputs[i].data);
    if (s.chunks) fclose(s.chunks);
    if (s.results && fclose(s.results)) code = 1;
    return code;
}
