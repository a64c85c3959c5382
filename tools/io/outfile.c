/* Files that are written whole or not at all: under a temporary name beside the target, then
 * renamed. */
#include "io_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct adze_outfile {
    int fd, failure; /* errno of the first failed write */
    char *path;      /* the target, links resolved */
    char *temporary; /* NULL: written in place */
};

/* As handlers of signals, who need it, of the whole program. */
static struct {
    adze_outfile_watch *call;
    void *self;
} watch;

void adze_outfile_set_watch(adze_outfile_watch *call, void *self)
{
    watch.call = call;
    watch.self = self;
}

static void tell(const adze_outfile *file, bool gone)
{
    if (watch.call) watch.call(watch.self, file->temporary, gone);
}

static void destroy(adze_outfile *file)
{
    if (file->temporary) tell(file, true);
    if (file->fd >= 0 && file->fd != STDOUT_FILENO) close(file->fd);
    free(file->path);
    free(file->temporary);
    free(file);
}

/* The process id keeps names of different programs apart, the count those of one. */
static int create_temporary(adze_outfile *file, unsigned mode)
{
    size_t bytes = strlen(file->path) + 40;
    file->temporary = malloc(bytes);
    if (!file->temporary) return errno = ENOMEM, -1;
    for (int i = 0; i < 1000; i++) {
        snprintf(file->temporary, bytes, "%s.%ld-%d.tmp", file->path, (long)getpid(), i);
        tell(file, false);
        int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
        if (fd >= 0 || errno != EEXIST) return fd;
        tell(file, true);
    }
    return -1;
}

adze_status adze_outfile_create(const char *path, unsigned mode, adze_outfile **out_file,
                                adze_io_error *error)
{
    struct stat info;
    *out_file = NULL;
    adze_outfile *file = calloc(1, sizeof *file);
    if (!file) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", path);
    file->fd = -1;
    bool exists = stat(path, &info) == 0;
    if (strcmp(path, "-") == 0) {
        file->path = strdup("stdout");
        file->fd = STDOUT_FILENO;
    } else if (exists && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
    } else if (exists && !S_ISREG(info.st_mode)) {
        file->path = strdup(path);
        file->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        file->path = exists ? realpath(path, NULL) : strdup(path);
        if (file->path) file->fd = create_temporary(file, mode);
    }
    if (file->fd < 0 || !file->path) {
        adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
        destroy(file);
        return ADZE_ERR_FILE;
    }
    *out_file = file;
    return ADZE_OK;
}

void adze_outfile_write(adze_outfile *file, const void *data, uint64_t bytes)
{
    const char *from = data;
    while (bytes && !file->failure) {
        size_t some = bytes < (1u << 30) ? (size_t)bytes : (size_t)1 << 30;
        ssize_t n = write(file->fd, from, some);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            file->failure = errno;
        else
            from += n, bytes -= (uint64_t)n;
    }
}

bool adze_outfile_is_ok(const adze_outfile *file) { return !file->failure; }

adze_status adze_outfile_commit(adze_outfile *file, adze_io_error *error)
{
    adze_status status = ADZE_OK;
    if (!file->failure && file->fd != STDOUT_FILENO) {
        if (close(file->fd) != 0) file->failure = errno;
        file->fd = -1;
    }
    if (!file->failure && file->temporary && rename(file->temporary, file->path) != 0)
        file->failure = errno;
    if (file->failure) {
        status = adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be written: %s", file->path,
                              strerror(file->failure));
        if (file->temporary) unlink(file->temporary);
    }
    destroy(file);
    return status;
}

void adze_outfile_discard(adze_outfile *file)
{
    if (!file) return;
    if (file->temporary) unlink(file->temporary);
    destroy(file);
}
