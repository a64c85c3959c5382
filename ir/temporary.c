/* The list of temporary files that a handler of signals can remove.
 *
 * Who holds its lock has all signals blocked. So a handler never interrupts the thread that holds it, and may wait.
 */
#include "ir/ir_private.h"

#include <adze/temporary.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct adze_temporary {
    struct adze_temporary *next;
    char path[];
};

static void lock_list(adze_context *context)
{
    while (atomic_flag_test_and_set_explicit(&context->temporaries_lock, memory_order_acquire)) continue;
}

static void lock(adze_context *context, sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, old);
    lock_list(context);
}

static void unlock(adze_context *context, const sigset_t *old)
{
    int why = errno;
    atomic_flag_clear_explicit(&context->temporaries_lock, memory_order_release);
    pthread_sigmask(SIG_SETMASK, old, NULL);
    errno = why;
}

/* Where the pointer to the path's entry lies: the end of the list, if it has none. */
static adze_temporary **find(adze_context *context, const char *path)
{
    adze_temporary **at = &context->temporaries;
    while (*at && strcmp((*at)->path, path)) at = &(*at)->next;
    return at;
}

/* An entry of its own; made before the list is locked: whoever is interrupted inside the allocator may have a handler
 * that waits for the list. */
static adze_temporary *make(const char *path)
{
    size_t bytes = strlen(path) + 1;
    adze_temporary *made = adze_malloc(sizeof *made + bytes);
    made->next = NULL;
    memcpy(made->path, path, bytes);
    return made;
}

/* Appends it; NULL, or itself where the list has the path. */
static adze_temporary *add(adze_context *context, adze_temporary *made)
{
    adze_temporary **at = find(context, made->path);
    if (*at) return made;
    *at = made;
    return NULL;
}

/* The same under the name that the path, as long as before, has got. */
static adze_temporary *add_as(adze_context *context, adze_temporary *made, const char *path)
{
    memcpy(made->path, path, strlen(path) + 1);
    return add(context, made);
}

void adze_temporary_add(adze_context *context, const char *path)
{
    sigset_t old;
    adze_temporary *made = make(path);
    lock(context, &old);
    made = add(context, made);
    unlock(context, &old);
    free(made);
}

void adze_temporary_forget(adze_context *context, const char *path)
{
    sigset_t old;
    lock(context, &old);
    adze_temporary **at = find(context, path), *gone = *at;
    if (gone) *at = gone->next;
    unlock(context, &old);
    free(gone);
}

int adze_temporary_file(adze_context *context, char *path, int suffix_bytes)
{
    sigset_t old;
    adze_temporary *made = make(path);
    lock(context, &old);
    int file = mkostemps(path, suffix_bytes, O_CLOEXEC);
    if (file >= 0) made = add_as(context, made, path);
    unlock(context, &old);
    free(made);
    return file;
}

bool adze_temporary_folder(adze_context *context, char *path)
{
    sigset_t old;
    adze_temporary *made = make(path);
    lock(context, &old);
    bool ok = mkdtemp(path) != NULL;
    if (ok) made = add_as(context, made, path);
    unlock(context, &old);
    free(made);
    return ok;
}

void adze_temporaries_free(adze_context *context)
{
    for (adze_temporary *at = context->temporaries, *next; at; at = next) {
        next = at->next;
        free(at);
    }
}

/* ---- In the handler: no heap, so no opendir ---- */

static void empty_folder(int folder)
{
    _Alignas(struct dirent64) char entries[4096];
    for (ssize_t n; (n = getdents64(folder, entries, sizeof entries)) > 0;)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) unlinkat(folder, entry->d_name, 0);
        }
}

/* A linker that still runs may put another file there, so it is tried again. */
static void remove_folder(const char *path)
{
    enum { TRIES = 100 };
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (int i = 0; folder >= 0 && i < TRIES; i++) {
        lseek(folder, 0, SEEK_SET);
        empty_folder(folder);
        if (!rmdir(path) || (errno != ENOTEMPTY && errno != EEXIST)) break;
    }
    if (folder >= 0) close(folder);
}

void adze_temporaries_remove(adze_context *context)
{
    lock_list(context); /* for good: what is made now would stay */
    for (const adze_temporary *t = context->temporaries; t; t = t->next)
        if (unlink(t->path) && errno == EISDIR) remove_folder(t->path);
}
