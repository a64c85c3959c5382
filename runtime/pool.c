/* A pool of threads that share one queue of chunks: the caller and n - 1 workers.
 *
 * A job is open while its chunks are handed out, one atomic addition each. Workers spin a bounded
 * time for the next job, then sleep; a worker that wakes too late finds the gate closed and goes
 * back, so a job never waits for threads that the system does not run. Which thread takes a chunk
 * is chance, what a chunk computes is not: results do not depend on the number of threads.
 *
 * The gate counts workers inside; its top bit says closed. A worker adds itself first and looks at
 * the bit it got back, so the job's fields are written only while nobody can read them. */
#include "internal.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

enum { CLOSED = 1 << 30, SPIN_NS = 30000, CACHE_LINE = 64 };

typedef struct worker {
    pthread_t thread;
    adze_pool *pool;
    int64_t index;
} worker;

struct adze_pool {
    alignas(CACHE_LINE) atomic_uint epoch; /* one more for each job, and at the end */
    atomic_bool stop;
    atomic_uint sleepers;
    alignas(CACHE_LINE) atomic_uint gate;
    atomic_bool caller_waits;
    alignas(CACHE_LINE) atomic_llong next;
    alignas(CACHE_LINE) atomic_flag busy;
    adze_chunk_fn *chunk;
    void *arg;
    int64_t n;
    int64_t spin_ns;
    pthread_mutex_t lock;
    pthread_cond_t job, done;
    adze_allocator allocator;
    size_t bytes;
    uint32_t n_workers; /* without the caller */
    worker workers[];
};

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spins until `(*word == value) == equal`, at most the pool's time; says whether that came true. */
static bool spin_until(const adze_pool *p, const atomic_uint *word, unsigned value, bool equal)
{
    int64_t end = p->spin_ns ? now_ns() + p->spin_ns : 0;
    do {
        for (int i = 0; i < 16; i++) {
            if ((atomic_load_explicit(word, memory_order_acquire) == value) == equal) return true;
            pause_cpu();
        }
    } while (end && now_ns() < end);
    return false;
}

static void take_chunks(adze_pool *p, int64_t worker_index)
{
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n) return;
        p->chunk(p->arg, i, worker_index);
    }
}

static void work(adze_pool *p, int64_t index)
{
    if (!(atomic_fetch_add(&p->gate, 1) & CLOSED)) take_chunks(p, index);
    if (atomic_fetch_sub(&p->gate, 1) == CLOSED + 1 && atomic_load(&p->caller_waits)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

static void *worker_main(void *self)
{
    worker *w = self;
    adze_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        if (!spin_until(p, &p->epoch, seen, false)) {
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->sleepers, 1);
            while (atomic_load(&p->epoch) == seen) pthread_cond_wait(&p->job, &p->lock);
            atomic_fetch_sub(&p->sleepers, 1);
            pthread_mutex_unlock(&p->lock);
        }
        seen = atomic_load(&p->epoch);
        if (atomic_load(&p->stop)) return NULL;
        work(p, w->index);
    }
}

static void wake(adze_pool *p, int64_t n)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->lock);
    if (n >= p->n_workers)
        pthread_cond_broadcast(&p->job);
    else
        for (int64_t i = 0; i < n; i++) pthread_cond_signal(&p->job);
    pthread_mutex_unlock(&p->lock);
}

static void wait_for_workers(adze_pool *p)
{
    atomic_fetch_or(&p->gate, CLOSED);
    if (spin_until(p, &p->gate, CLOSED, true)) return;
    atomic_store(&p->caller_waits, true);
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->gate) != CLOSED) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    atomic_store(&p->caller_waits, false);
}

void adze_pool_parallel_for(void *pool, adze_chunk_fn *chunk, void *arg, int64_t n)
{
    adze_pool *p = pool;
    if (n < 2 || p->n_workers == 0 || atomic_flag_test_and_set(&p->busy)) {
        for (int64_t i = 0; i < n; i++) chunk(arg, i, 0);
        return;
    }
    p->chunk = chunk;
    p->arg = arg;
    p->n = n;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_fetch_and(&p->gate, ~(unsigned)CLOSED);
    wake(p, n - 1);
    take_chunks(p, 0);
    wait_for_workers(p);
    atomic_flag_clear(&p->busy);
}

/* Threads that the process may run at once; containers and taskset narrow it. */
static uint32_t available_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (uint32_t)n;
}

/* Workers take no signals: those belong to the program's own threads. */
static bool start_workers(adze_pool *p, uint32_t n)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (uint32_t i = 0; i < n; i++) {
        p->workers[i] = (worker){.pool = p, .index = (int64_t)i + 1};
        if (pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]) != 0) break;
        p->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return p->n_workers == n;
}

adze_status adze_rt_pool_create(uint32_t n_threads, const adze_allocator *allocator,
                                adze_pool **out_pool)
{
    uint32_t n_cpus = available_cpus();
    if (n_threads == 0) n_threads = n_cpus;
    *out_pool = NULL;
    if (n_threads > MAX_THREADS) return ADZE_ERR_ARGUMENT;
    size_t bytes = sizeof(adze_pool) + (n_threads - 1) * sizeof(worker);
    adze_pool *p = adze_rt_model_alloc(allocator, bytes, CACHE_LINE);
    if (!p) return ADZE_ERR_NO_MEMORY;
    *p = (adze_pool){.allocator = *allocator, .bytes = bytes, .busy = ATOMIC_FLAG_INIT};
    atomic_init(&p->gate, CLOSED);
    /* With more threads than CPUs, spinning takes the CPU from the thread that is waited for. */
    p->spin_ns = n_threads <= n_cpus ? SPIN_NS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->job, NULL);
    pthread_cond_init(&p->done, NULL);
    if (!start_workers(p, n_threads - 1)) {
        adze_pool_destroy(p);
        return ADZE_ERR_NO_MEMORY;
    }
    *out_pool = p;
    return ADZE_OK;
}

adze_status adze_pool_create(uint32_t n_threads, adze_pool **out_pool)
{
    return out_pool ? adze_rt_pool_create(n_threads, &adze_rt_malloc, out_pool) : ADZE_ERR_ARGUMENT;
}

void adze_pool_destroy(adze_pool *p)
{
    if (!p) return;
    atomic_store(&p->stop, true);
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->epoch, 1);
    pthread_cond_broadcast(&p->job);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->n_workers; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->job);
    pthread_mutex_destroy(&p->lock);
    p->allocator.free(p->allocator.self, p, p->bytes);
}

uint32_t adze_pool_num_threads(const adze_pool *pool) { return pool ? pool->n_workers + 1 : 0; }
