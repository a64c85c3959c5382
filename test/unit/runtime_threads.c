/* Threads: the pool, several sessions and models at once, the caller's own way to run chunks. */
#include "runtime_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef struct marks {
    atomic_int seen[10000];
    atomic_int bad_worker;
    int64_t n_workers;
} marks;

static void mark(void *arg, int64_t i, int64_t worker)
{
    marks *m = arg;
    atomic_fetch_add(&m->seen[i], 1);
    if (worker < 0 || worker >= m->n_workers) atomic_store(&m->bad_worker, 1);
}

/* Every chunk once, for any number of chunks and threads, more threads than CPUs included. */
TEST(pool_runs_each_chunk_once)
{
    static const uint32_t threads[] = {1, 2, 3, 8, 33};
    static const int64_t counts[] = {0, 1, 2, 7, 100, 10000};
    marks *m = calloc(1, sizeof *m);
    REQUIRE(m != NULL);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        adze_pool *pool;
        REQUIRE(adze_pool_create(threads[t], &pool) == ADZE_OK);
        CHECK_INT(adze_pool_num_threads(pool), threads[t]);
        m->n_workers = threads[t];
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            int wrong = 0;
            memset(m->seen, 0, sizeof m->seen);
            adze_pool_parallel_for(pool, mark, m, counts[c]);
            for (int64_t i = 0; i < 10000; i++)
                wrong += atomic_load(&m->seen[i]) != (i < counts[c]);
            CHECK_INT(wrong, 0);
        }
        adze_pool_destroy(pool);
    }
    CHECK_INT(atomic_load(&m->bad_worker), 0);
    free(m);
}

static void add_one(void *arg, int64_t i, int64_t worker)
{
    (void)i, (void)worker;
    atomic_fetch_add((atomic_llong *)arg, 1);
}

/* Many small jobs: a worker that is late for one must not touch the next. */
TEST(pool_many_jobs)
{
    static const uint32_t threads[] = {2, 4, 16};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        atomic_llong total = 0;
        adze_pool *pool;
        int64_t expected = 0;
        REQUIRE(adze_pool_create(threads[t], &pool) == ADZE_OK);
        for (int64_t job = 0; job < 3000; job++) {
            adze_pool_parallel_for(pool, add_one, &total, job % 9);
            expected += job % 9;
            if (job % 500 == 0) { /* long enough for the workers to fall asleep */
                struct timespec pause = {0, 2000000};
                nanosleep(&pause, NULL);
            }
        }
        adze_pool_destroy(pool);
        CHECK_INT(atomic_load(&total), expected);
    }
}

TEST(default_pool_size)
{
    adze_pool *pool;
    CHECK_INT(adze_pool_create(0, &pool), ADZE_OK);
    CHECK(adze_pool_num_threads(pool) >= 1);
    adze_pool_destroy(pool);
    CHECK_INT(adze_pool_create(1, NULL), ADZE_ERR_ARGUMENT);
}

TEST(same_result_with_any_threads)
{
    static const uint32_t threads[] = {1, 2, 5, 16};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        adze_session_options o = {.struct_size = sizeof o, .n_threads = threads[t]};
        fixture *f = fixture_create(1000, &o);
        uint64_t bytes;
        CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
        CHECK_INT(adze_session_memory(f->session, &bytes), ADZE_OK);
        CHECK_INT((int64_t)bytes, 16000 + 64 * (int64_t)threads[t]);
        for (int i = 0; i < 5; i++) {
            CHECK_INT(adze_session_run(f->session), ADZE_OK);
            CHECK_INT(fixture_errors(f, f->session), 0);
        }
        fixture_destroy(f);
    }
}

typedef struct runner {
    const adze_model *model;
    adze_pool *pool;
    int64_t rows, errors;
} runner;

static void *run_many(void *arg)
{
    runner *r = arg;
    adze_session_options o = {.struct_size = sizeof o, .pool = r->pool};
    fixture *f = calloc(1, sizeof *f);
    r->errors = 1;
    if (!f) return NULL;
    if (adze_session_create(r->model, &o, &f->session) == ADZE_OK) {
        r->errors = 0;
        for (int i = 0; i < 60; i++) {
            fixture_data(f, r->rows + i % 5);
            r->errors += fixture_inputs(f, f->session) != ADZE_OK;
            r->errors += adze_session_run(f->session) != ADZE_OK;
            r->errors += fixture_errors(f, f->session) != 0;
        }
    }
    adze_session_destroy(f->session);
    free(f);
    return NULL;
}

/* Two models, four threads with own sessions, one shared pool that is often busy. */
TEST(models_and_sessions_at_once)
{
    enum { N = 4 };
    adze_model *models[2];
    adze_pool *pool;
    pthread_t threads[N];
    runner runners[N];
    REQUIRE(adze_model_open_linked(&fake, NULL, &models[0]) == ADZE_OK);
    REQUIRE(adze_model_open_linked(&fake, NULL, &models[1]) == ADZE_OK);
    REQUIRE(adze_pool_create(3, &pool) == ADZE_OK);
    for (int i = 0; i < N; i++) {
        runners[i] = (runner){models[i % 2], i == 3 ? NULL : pool, 10 + 40 * i, 0};
        REQUIRE(pthread_create(&threads[i], NULL, run_many, &runners[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(runners[i].errors, 0);
    }
    adze_pool_destroy(pool);
    adze_model_close(models[0]);
    adze_model_close(models[1]);
}

typedef struct own_pool {
    int64_t calls, chunks;
    int64_t worker; /* to claim */
} own_pool;

/* Backwards, and always as the same worker. */
static void own_parallel_for(void *self, adze_chunk_fn *chunk, void *arg, int64_t n)
{
    own_pool *p = self;
    p->calls++;
    p->chunks += n;
    for (int64_t i = n; i-- > 0;) chunk(arg, i, p->worker);
}

TEST(callers_parallel_for)
{
    own_pool p = {0, 0, 1};
    adze_session_options o = {.struct_size = sizeof o,
                              .n_threads = 2,
                              .parallel_for = own_parallel_for,
                              .parallel_for_self = &p};
    fixture *f = fixture_create(20, &o);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(fixture_errors(f, f->session), 0);
    CHECK_INT(p.calls, 1);
    CHECK_INT(p.chunks, 20);
    p.worker = 2;
    CHECK_INT(adze_session_run(f->session), ADZE_ERR_ARGUMENT);
    CHECK(strstr(adze_session_error(f->session), "worker number out of range") != NULL);
    fixture_destroy(f);
}

#if defined(__x86_64__)
typedef struct job {
    adze_chunk_fn *chunk;
    void *arg;
    int64_t n;
    uint32_t during, after;
} job;

static atomic_uint seen_state;

static void watch(void *arg, int64_t i, int64_t worker)
{
    (void)arg, (void)i, (void)worker;
    atomic_store(&seen_state, _mm_getcsr());
}

static adze_status watching_step(const adze_frame *f)
{
    f->parallel_for(f->pool, watch, NULL, 4);
    return ADZE_OK;
}

static void *run_job(void *arg)
{
    job *j = arg;
    _mm_setcsr(0x1f80 | 0x2000);
    for (int64_t i = 0; i < j->n; i++) j->chunk(j->arg, i, 1);
    j->during = atomic_load(&seen_state);
    j->after = _mm_getcsr();
    return NULL;
}

static void on_another_thread(void *self, adze_chunk_fn *chunk, void *arg, int64_t n)
{
    job *j = self;
    pthread_t thread;
    *j = (job){chunk, arg, n, 0, 0};
    if (pthread_create(&thread, NULL, run_job, j) == 0) pthread_join(thread, NULL);
}

/* A foreign worker flushes denormals inside a chunk and has its own state back afterwards. */
TEST(denormals_on_workers)
{
    static adze_step_fn *const code[] = {watching_step};
    static const adze_artifact_level levels[] = {{"any", 0, code}};
    adze_artifact a = fake;
    adze_model *model;
    job j = {0};
    a.n_inputs = a.n_outputs = a.n_symbols = 0;
    a.n_steps = a.n_levels = 1;
    a.n_dims = 1;
    a.arena_bytes = a.scratch_bytes = FAKE_D4;
    adze_artifact_step step = {"watch", NULL, UINT32_MAX, UINT32_MAX, 0, 0};
    a.steps = &step;
    a.levels = levels;
    adze_session_options o = {.struct_size = sizeof o,
                              .n_threads = 2,
                              .parallel_for = on_another_thread,
                              .parallel_for_self = &j};
    for (int keep = 0; keep < 2; keep++) {
        adze_session *s;
        a.flags = keep ? ADZE_ARTIFACT_STRICT : 0;
        REQUIRE(adze_model_open_linked(&a, NULL, &model) == ADZE_OK);
        REQUIRE(adze_session_create(model, &o, &s) == ADZE_OK);
        CHECK_INT(adze_session_run(s), ADZE_OK);
        CHECK_INT(j.during & ~0x3fu, keep ? 0x1f80 : 0x9fc0);
        CHECK_INT(j.after, 0x3f80);
        adze_session_destroy(s);
        adze_model_close(model);
    }
}
#else
TEST(denormals_on_workers) { SKIP("x86 only"); }
#endif

int main(void)
{
    RUN(pool_runs_each_chunk_once);
    RUN(pool_many_jobs);
    RUN(default_pool_size);
    RUN(same_result_with_any_threads);
    RUN(models_and_sessions_at_once);
    RUN(callers_parallel_for);
    RUN(denormals_on_workers);
    return unit_end();
}
