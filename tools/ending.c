/* What a signal that ends this program must not leave behind: temporary files. */
#include "command.h"

#include <adze/temporary.h>
#include <adze_io.h>

#include <signal.h>

static const int endings[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU};
enum { N_ENDINGS = sizeof endings / sizeof *endings };

/* Handlers have no argument of ours. */
static struct {
    adze_context *context;
    struct sigaction old[N_ENDINGS];
} watched;

/* After that the signal again, as if nobody had caught it. */
static void on_ending(int number)
{
    sigset_t own;
    adze_temporaries_remove(watched.context);
    signal(number, SIG_DFL);
    sigemptyset(&own);
    sigaddset(&own, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
}

static void list_outfile(void *self, const char *path, bool gone)
{
    if (gone)
        adze_temporary_forget(self, path);
    else
        adze_temporary_add(self, path);
}

void adze_endings_watch(adze_context *context)
{
    struct sigaction action = {.sa_handler = on_ending};
    watched.context = context;
    adze_outfile_set_watch(list_outfile, context);
    for (int i = 0; i < N_ENDINGS; i++) sigaddset(&action.sa_mask, endings[i]);
    for (int i = 0; i < N_ENDINGS; i++) {
        sigaction(endings[i], NULL, &watched.old[i]);
        if (watched.old[i].sa_handler != SIG_IGN) sigaction(endings[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN); /* writing too much is an error like others: EFBIG */
}

void adze_endings_leave(void)
{
    if (!watched.context) return;
    for (int i = 0; i < N_ENDINGS; i++) sigaction(endings[i], &watched.old[i], NULL);
    adze_outfile_set_watch(NULL, NULL);
    watched.context = NULL;
}
