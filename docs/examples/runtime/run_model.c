/* Opens a compiled model, runs it on made-up inputs and prints its outputs' shapes and its profile.
 *
 *     cc run_model.c -o run_model $(pkg-config --cflags --libs adze-runtime)
 *     ./run_model net.so 1 4        # every symbolic dim is 1, four threads
 */
#include <adze_runtime.h>
#include <stdio.h>
#include <stdlib.h>

static void print_shape(const char *name, const adze_value *v)
{
    printf("%s: %s[", name, adze_dtype_name((adze_dtype)v->dtype));
    for (uint32_t d = 0; d < v->rank; d++) printf("%s%lld", d ? "," : "", (long long)v->dims[d]);
    printf("]\n");
}

/* Gives input `index` zeros, with `size` for every dim that the caller chooses. The session borrows
 * the memory, so it goes to *out_data for the caller to free after the last run. */
static adze_status give_zeros(adze_model *model, adze_session *session, uint32_t index,
                              int64_t size, void **out_data)
{
    adze_io_info info;
    int64_t dims[ADZE_MAX_RANK];
    uint64_t count = 1;
    adze_status status = adze_model_input(model, index, &info);
    if (status) return status;
    for (uint32_t d = 0; d < info.rank; d++) {
        dims[d] = info.dims[d] >= 0 ? info.dims[d] : size; /* info.dims_text[d] is its name */
        count *= (uint64_t)dims[d];
    }
    *out_data = calloc(adze_dtype_bytes(info.dtype, count) + 1, 1);
    if (!*out_data) return ADZE_ERR_NO_MEMORY;
    adze_value value = adze_value_tensor(info.dtype, info.rank, dims, *out_data);
    return adze_session_set_input(session, index, &value);
}

static void print_results(adze_model *model, adze_session *session)
{
    adze_io_info info;
    adze_value value;
    adze_step_profile step;
    for (uint32_t i = 0; adze_model_output(model, i, &info) == ADZE_OK; i++)
        if (adze_session_output(session, i, &value) == ADZE_OK) print_shape(info.name, &value);
    for (uint32_t i = 0; adze_session_profile(session, i, &step) == ADZE_OK; i++)
        printf("%8.1f us  %s\n", (double)step.min_ns / 1000, step.name);
}

int main(int argc, char **argv)
{
    adze_model *model = NULL;
    adze_session *session = NULL;
    int code = 1;
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL.so SIZE THREADS\n", argv[0]);
        return 2;
    }
    int64_t size = strtoll(argv[2], NULL, 10);
    adze_session_options options = {.struct_size = sizeof options,
                                    .n_threads = (uint32_t)strtoul(argv[3], NULL, 10)};

    /* The model is set on failure too, for its message. */
    adze_status status = adze_model_open(argv[1], NULL, &model);
    if (status) {
        fprintf(stderr, "%s\n", adze_model_error(model));
        adze_model_close(model);
        return 1;
    }
    uint32_t n = adze_model_num_inputs(model);
    void **data = calloc(n + 1u, sizeof *data);
    status = data ? adze_session_create(model, &options, &session) : ADZE_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < n && !status; i++)
        status = give_zeros(model, session, i, size, &data[i]);

    /* The first run takes the memory; later ones with the same shapes take none. */
    if (!status) status = adze_session_set_profile(session, true);
    for (int i = 0; i < 3 && !status; i++) status = adze_session_run(session);
    if (status) {
        fprintf(stderr, "%s: %s\n", adze_status_text(status), adze_session_error(session));
    } else {
        print_results(model, session);
        code = 0;
    }

    adze_session_destroy(session);
    for (uint32_t i = 0; data && i < n; i++) free(data[i]);
    free(data);
    adze_model_close(model);
    return code;
}
