/* Running: the steps of the chosen level in order, under the run's floating-point state.
 *
 * A session is also the pool that generated code sees: its parallel_for hands chunks to the
 * session's own or the caller's threads and sets the floating-point state around each of them. */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct job {
    adze_session *session;
    adze_chunk_fn *chunk;
    void *arg;
} job;

static void run_chunk(void *arg, int64_t i, int64_t worker)
{
    const job *j = arg;
    adze_session *s = j->session;
    if (worker < 0 || worker >= s->n_workers) {
        s->env.error(&s->env, ADZE_ERR_ARGUMENT, "parallel_for gave a worker number out of range");
        return;
    }
    uint32_t saved = adze_rt_fp_enter(s->fp_control);
    j->chunk(j->arg, i, worker);
    adze_rt_fp_leave(saved);
}

static void parallel_for(void *self, adze_chunk_fn *chunk, void *arg, int64_t n)
{
    adze_session *s = self;
    if (n > 1 && s->parallel_for) {
        job j = {s, chunk, arg};
        s->parallel_for(s->parallel_self, run_chunk, &j, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) chunk(arg, i, 0);
}

static adze_status set_output(const adze_frame *frame, uint32_t index, const adze_value *value)
{
    adze_session *s = frame->pool;
    const adze_artifact *a = s->model->artifact;
    uint64_t bytes;
    if (index >= a->n_outputs || !value)
        return s->env.error(&s->env, ADZE_ERR_ARGUMENT, "set_output: no such output");
    slot *k = &s->slots[a->n_inputs + index];
    const char *why = "";
    adze_status status = k->type ? adze_rt_check_type(value, k->type, &why) : ADZE_OK;
    if (status) return s->env.error(&s->env, status, "set_output: not what the output can be");
    if (k->type) k->value = *value;
    if (k->type && !k->rank) {
        k->is_ready = true;
        return ADZE_OK;
    }
    if (!k->is_late || value->kind != ADZE_VALUE_TENSOR || value->dtype != k->info->dtype ||
        value->rank != k->rank ||
        !adze_rt_tensor_bytes(value->dtype, value->rank, value->dims, &bytes))
        return s->env.error(&s->env, ADZE_ERR_ARGUMENT, "set_output: not what the output can be");
    for (uint32_t d = 0; d < k->rank; d++)
        if (k->dim_index[d] != ADZE_ARTIFACT_DIM_UNKNOWN && value->dims[d] != s->dims[k->dim_index[d]])
            return s->env.error(&s->env, ADZE_ERR_DIM,
                                "set_output: a dim differs from the model's");
    if (k->rank) memcpy(k->dims, value->dims, k->rank * sizeof *k->dims);
    k->data = value->data;
    k->bytes = bytes;
    k->is_ready = true;
    return ADZE_OK;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Appends as far as there is room. */
__attribute__((cold, format(printf, 3, 4))) static void append(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, size - used, format, args);
    va_end(args);
}

/* The step's ONNX nodes, and the iterations, counted from 0, of the loops around it that are not in their first. */
__attribute__((cold)) static void describe_step(const adze_session *s, uint32_t i, char *out, size_t size)
{
    enum { SHOWN = 4, LONGEST = 100 };
    const adze_artifact *a = s->model->artifact;
    const char *at = a->steps[i].nodes ? a->steps[i].nodes : "";
    bool several = strchr(at, '\n');
    int most = several ? LONGEST / SHOWN * 2 : LONGEST;
    uint32_t n = 0;
    out[0] = 0;
    for (; *at && n < SHOWN; n++) {
        int length = (int)strcspn(at, "\n"), part = length < most ? length : most;
        while (part < length && part && ((unsigned char)at[part] & 0xc0) == 0x80) part--;
        append(out, size, "%s'%.*s%s'", n ? ", " : several ? " (nodes " : " (node ", part, at,
               part < length ? "..." : "");
        at += length + (at[length] == '\n');
    }
    if (n) append(out, size, "%s)", *at ? " and others" : "");
    const char *before = " in iteration ";
    for (uint32_t k = a->n_steps; k-- > i;) {
        if (!s->back[k].times || s->back[k].to > i) continue;
        append(out, size, "%s%llu", before, (unsigned long long)s->back[k].times);
        before = ", ";
    }
}

static adze_status run_step(adze_session *s, uint32_t i)
{
    adze_rt_env_step_begin(s);
    uint64_t start = s->is_profiled ? now_ns() : 0;
    adze_status status = s->model->level->steps[i](&s->frame);
    if (s->is_profiled) {
        step_times *t = &s->times[i];
        t->last_ns = now_ns() - start;
        t->total_ns += t->last_ns;
        if (t->runs++ == 0 || t->last_ns < t->min_ns) t->min_ns = t->last_ns;
    }
    int reported = atomic_load(&s->step_error);
    if (!status) status = (adze_status)reported;
    if (!status) return ADZE_OK;
    char where[ERROR_SIZE / 2];
    describe_step(s, i, where, sizeof where);
    return adze_rt_fail(s->error, status, "step '%s'%s: %s", s->model->artifact->steps[i].name, where,
                        reported ? s->step_message : adze_status_text(status));
}

/* The step went back: an iteration ended, and loops inside it begin anew. */
static void go_back(adze_session *s, uint32_t from)
{
    for (uint32_t i = s->next; i < from; i++) s->back[i].times = 0;
    s->back[from].times++;
    s->back[from].to = s->next;
}

static adze_status run_steps(adze_session *s)
{
    adze_status status = ADZE_OK;
    uint32_t n = s->model->artifact->n_steps;
    memset(s->back, 0, n * sizeof *s->back);
    for (uint32_t i = 0; i < n && !status; i = s->next) {
        s->next = i + 1;
        status = run_step(s, i);
        if (!status && s->next <= i) go_back(s, i);
    }
    return status;
}

static void prepare(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    adze_frame *f = &s->frame;
    f->struct_size = sizeof *f;
    f->n_workers = s->n_workers;
    f->weights = s->model->weights;
    f->io = s->io;
    f->dims = s->dims;
    f->parallel_for = parallel_for;
    f->pool = s;
    f->env = &s->env;
    f->set_output = set_output;
    f->next = &s->next;
    s->has_run = false;
    for (uint32_t i = 0; i < a->n_outputs; i++) s->slots[a->n_inputs + i].is_ready = false;
    adze_rt_env_run_begin(s);
}

static adze_status check_late_outputs(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = a->n_inputs; i < a->n_inputs + a->n_outputs; i++)
        if (s->slots[i].is_late && !s->slots[i].is_ready)
            return adze_rt_fail(s->error, ADZE_ERR_VALUE, "the run did not compute output '%s'",
                                s->slots[i].info->name);
    return ADZE_OK;
}

adze_status adze_session_run(adze_session *s)
{
    adze_status status = adze_session_bind(s);
    if (status) return status;
    prepare(s);
    uint32_t saved = adze_rt_fp_enter(s->fp_control);
    status = run_steps(s);
    adze_rt_fp_leave(saved);
    if (!status) status = check_late_outputs(s);
    s->has_run = !status;
    return status;
}

adze_status adze_session_output(adze_session *s, uint32_t index, adze_value *out_value)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    if (index >= s->model->artifact->n_outputs || !out_value)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "output: no output %u", index);
    const slot *k = &s->slots[s->model->artifact->n_inputs + index];
    if (!s->is_bound || (k->is_late && !s->has_run))
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "output '%s' is not known before %s",
                            k->info->name, k->is_late ? "a run" : "bind");
    *out_value = k->type ? k->value : adze_value_tensor(k->info->dtype, k->rank, k->dims, k->data);
    return ADZE_OK;
}
