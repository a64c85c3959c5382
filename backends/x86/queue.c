/* Jobs on threads: generation of finished parts runs while later parts are still emitted. */
#include "backends/x86/compile.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_THREADS = 16 };

struct x86_queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    x86_job *first, *last;
    bool closed;
    pthread_t threads[MAX_THREADS];
    uint32_t n_threads;
};

/* Runs jobs until the queue is closed and empty. */
static void work(x86_queue *q)
{
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (!q->first && !q->closed) pthread_cond_wait(&q->more, &q->lock);
        x86_job *job = q->first;
        if (!job) break;
        q->first = job->next;
        pthread_mutex_unlock(&q->lock);
        x86_job_run(job);
        pthread_mutex_lock(&q->lock);
    }
    pthread_mutex_unlock(&q->lock);
}

static void *start(void *queue)
{
    work(queue);
    return NULL;
}

x86_queue *x86_queue_create(uint32_t n_threads)
{
    x86_queue *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 8 << 20); /* LLVM recurses */
    for (uint32_t i = 0; i < n_threads && i < MAX_THREADS; i++)
        if (!pthread_create(&q->threads[q->n_threads], &attr, start, q)) q->n_threads++;
    pthread_attr_destroy(&attr);
    return q;
}

void x86_queue_add(x86_queue *q, x86_job *job)
{
    pthread_mutex_lock(&q->lock);
    job->next = NULL;
    *(q->first ? &q->last->next : &q->first) = job;
    q->last = job;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
}

void x86_queue_finish(x86_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->more);
    pthread_mutex_unlock(&q->lock);
    work(q);
    for (uint32_t i = 0; i < q->n_threads; i++) pthread_join(q->threads[i], NULL);
    pthread_cond_destroy(&q->more);
    pthread_mutex_destroy(&q->lock);
    free(q);
}
