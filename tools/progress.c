/* A line on stderr while something takes long: what runs, how far it is, for how long.
 *
 * The work itself may say nothing for seconds (code generation), so a thread redraws the line.
 */
#include "command.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BAR = 24, AFTER_MS = 2000, EVERY_MS = 150 };

struct adze_progress {
    const char *what;
    double start, part;
    char detail[64];
    bool end;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

double adze_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void draw(const adze_progress *p)
{
    char bar[BAR + 1];
    double seconds = adze_now() - p->start;
    int turn = (int)(seconds * 8) % BAR;
    for (int i = 0; i < BAR; i++)
        bar[i] = p->part >= 0 ? (i < p->part * (double)BAR ? '#' : '.') : (i == turn ? '#' : '.');
    bar[BAR] = '\0';
    fprintf(stderr, "\r%s [%s] %5.1f s  %-24.24s", p->what, bar, seconds, p->detail);
    fflush(stderr);
}

static void *redraw(void *self)
{
    adze_progress *p = self;
    bool drawn = false;
    pthread_mutex_lock(&p->lock);
    while (!p->end) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        long ms = until.tv_nsec / 1000000 + (drawn ? EVERY_MS : AFTER_MS);
        until.tv_sec += ms / 1000;
        until.tv_nsec = ms % 1000 * 1000000;
        int timed_out = pthread_cond_timedwait(&p->wake, &p->lock, &until);
        if (!timed_out || p->end) continue;
        draw(p);
        drawn = true;
    }
    if (drawn) fprintf(stderr, "\r%*s\r", (int)strlen(p->what) + BAR + 40, "");
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

adze_progress *adze_progress_begin(const adze_work *work, const char *what)
{
    if (!work->progress) return NULL;
    adze_progress *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->what = what;
    p->start = adze_now();
    p->part = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    if (pthread_create(&p->thread, NULL, redraw, p) == 0) return p;
    free(p);
    return NULL;
}

void adze_progress_update(adze_progress *progress, double part, const char *detail)
{
    if (!progress) return;
    pthread_mutex_lock(&progress->lock);
    progress->part = part;
    snprintf(progress->detail, sizeof progress->detail, "%s", detail ? detail : "");
    for (char *c = progress->detail; *c; c++) /* names of a model may hold what steers a terminal */
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    pthread_mutex_unlock(&progress->lock);
}

void adze_progress_within(adze_progress *progress, const char *pass, double part, const char *what)
{
    char detail[sizeof progress->detail];
    snprintf(detail, sizeof detail, "%s%s%s", pass, what ? " " : "", what ? what : "");
    adze_progress_update(progress, part, detail);
}

void adze_progress_end(adze_progress *progress)
{
    if (!progress) return;
    pthread_mutex_lock(&progress->lock);
    progress->end = true;
    pthread_cond_signal(&progress->wake);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    pthread_mutex_destroy(&progress->lock);
    pthread_cond_destroy(&progress->wake);
    free(progress);
}
