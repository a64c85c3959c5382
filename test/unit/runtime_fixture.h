/* What the runtime's tests share: inputs of the fake artifact, and opening it. */
#ifndef RUNTIME_FIXTURE_H
#define RUNTIME_FIXTURE_H

#include "fake_artifact.h"
#include "unit.h"
#include <adze_runtime.h>
#include <stdlib.h>

enum { MAX_ROWS = 4096 };

typedef struct fixture {
    adze_model *model;
    adze_session *session;
    int64_t dims[2], flag_dims[1];
    int32_t flags[2];
    float x[MAX_ROWS * 4], y[MAX_ROWS * 4];
} fixture;

static const adze_artifact fake = FAKE_DESCRIPTOR;

static inline void fixture_data(fixture *f, int64_t rows)
{
    f->dims[0] = rows;
    f->dims[1] = 4;
    f->flag_dims[0] = 2;
    f->flags[0] = f->flags[1] = 0;
    for (int64_t i = 0; i < rows * 4; i++) {
        f->x[i] = (float)(i % 101) - (float)(i % 3) * 40;
        f->y[i] = (float)(i % 37) * 0.5f;
    }
}

static inline adze_status fixture_inputs(fixture *f, adze_session *s)
{
    adze_value x = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, f->x);
    adze_value y = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, f->y);
    adze_value flags = adze_value_tensor(ADZE_DTYPE_i32, 1, f->flag_dims, f->flags);
    adze_status status = adze_session_set_input(s, 0, &x);
    if (!status) status = adze_session_set_input(s, 1, &y);
    if (!status) status = adze_session_set_input(s, 2, &flags);
    return status;
}

/* Rows of `sum` and indices of `where` that are wrong. */
static inline int64_t fixture_errors(const fixture *f, adze_session *s)
{
    adze_value sum, where;
    int64_t errors = 0, next = 0;
    if (adze_session_output(s, 0, &sum) || adze_session_output(s, 2, &where)) return -1;
    if (sum.dims[0] != f->dims[0] || sum.dims[1] != 4) return -2;
    for (int64_t i = 0; i < f->dims[0] * 4; i++)
        errors += ((const float *)sum.data)[i] != (f->x[i] + f->y[i]) * (float)(i % 4 + 1);
    for (int64_t i = 0; i < f->dims[0]; i++) {
        if (!(f->x[i * 4] < 0)) continue;
        if (next >= where.dims[0] || ((const int64_t *)where.data)[next] != i) errors++;
        next++;
    }
    return errors + (next != where.dims[0]);
}

static inline fixture *fixture_create(int64_t rows, const adze_session_options *options)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) abort();
    fixture_data(f, rows);
    if (adze_model_open_linked(&fake, NULL, &f->model) ||
        adze_session_create(f->model, options, &f->session))
        abort();
    return f;
}

static inline void fixture_destroy(fixture *f)
{
    adze_session_destroy(f->session);
    adze_model_close(f->model);
    free(f);
}

#endif
