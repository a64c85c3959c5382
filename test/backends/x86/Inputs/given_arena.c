/* Runs a model three times in one given arena, with values that make a run longer, shorter and longer. */
#include <adze_runtime.h>

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 600, COLUMNS = 64, ROOM = 4096 };

static float x[ROWS * COLUMNS];
static alignas(64) unsigned char arena[ROOM];

int main(int argc, char **argv)
{
    adze_model *model = NULL;
    adze_session *session = NULL;
    int64_t dims[] = {ROWS, COLUMNS}, one = 1, rows;
    uint64_t bytes, again;
    adze_value in = adze_value_tensor(ADZE_DTYPE_f32, 2, dims, x), out;
    adze_value count = adze_value_tensor(ADZE_DTYPE_i64, 1, &one, &rows);
    if (argc != 2 || adze_model_open(argv[1], NULL, &model) || adze_session_create(model, NULL, &session)) return 1;
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = i % COLUMNS == 0;
    memset(arena, 0x55, sizeof arena);
    static const int64_t lengths[] = {ROWS, 2, ROWS};
    for (int run = 0; run < 3; run++) {
        rows = lengths[run];
        adze_status status = adze_session_set_input(session, 0, &in);
        if (!status) status = adze_session_set_input(session, 1, &count);
        if (!status) status = adze_session_memory(session, &again);
        if (!status && run == 0) status = adze_session_set_arena(session, arena, bytes = again);
        if (!status && again != bytes) printf("wants %llu bytes\n", (unsigned long long)again);
        if (!status) status = adze_session_run(session);
        if (!status) status = adze_session_output(session, 0, &out);
        float sum = 0;
        for (int i = 0; !status && i < COLUMNS * COLUMNS; i++) sum += ((const float *)out.data)[i] * COLUMNS;
        printf("run: %s, sum %g\n", status ? adze_session_error(session) : "ok", (double)sum);
    }
    int touched = 0;
    for (uint64_t i = bytes; i < ROOM; i++) touched += arena[i] != 0x55;
    puts(touched ? "something behind the arena" : "nothing behind the arena");
    adze_session_destroy(session);
    adze_model_close(model);
    return 0;
}
