/* The folder in which an output is made, and whole-or-nothing files. */
#include "backends/x86/output.h"

#include <adze/temporary.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(x86_work *work, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(work->context), "%s: %s: %s", path, what, strerror(errno));
}

/* A target that is there must be a file, so that a rename does not take the place of a device. */
static bool check_target(x86_work *work, const char *path)
{
    struct stat info;
    errno = EISDIR;
    if (stat(path, &info) || S_ISREG(info.st_mode)) return true;
    if (S_ISDIR(info.st_mode)) return fail(work, path, "cannot write");
    return adze_error(adze_loc_unknown(work->context), "%s: not a regular file", path);
}

bool x86_work_begin(x86_work *work, adze_context *context, const char *output)
{
    memset(work, 0, sizeof *work);
    work->context = context;
    char *real = realpath(output, NULL); /* a link stays one */
    work->output = adze_intern_z(context, real ? real : output);
    free(real);
    if (!check_target(work, output)) return false;
    char *folder = adze_arena_alloc(&work->arena, strlen(work->output) + sizeof ".tmpXXXXXX");
    sprintf(folder, "%s.tmpXXXXXX", work->output);
    if (!adze_temporary_folder(context, folder)) return fail(work, output, "cannot write there");
    work->folder = folder;
    return true;
}

void x86_work_end(x86_work *work)
{
    DIR *dir = work->folder ? opendir(work->folder) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    if (work->folder) {
        rmdir(work->folder);
        adze_temporary_forget(work->context, work->folder);
    }
    adze_arena_free(&work->arena);
}

const char *x86_work_path(x86_work *work, const char *name)
{
    char *path = adze_arena_alloc(&work->arena, strlen(work->folder) + strlen(name) + 2);
    sprintf(path, "%s/%s", work->folder, name);
    return path;
}

bool x86_work_write(x86_work *work, const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wbe");
    if (!file) return fail(work, path, "cannot write");
    bool ok = fwrite(bytes, 1, size, file) == size;
    ok = !fclose(file) && ok;
    return ok || fail(work, path, "cannot write");
}

bool x86_work_add_object(x86_work *work, const char *name, const void *bytes, size_t size)
{
    const char *path = x86_work_path(work, name);
    work->objects = adze_arena_grow(&work->arena, work->objects, work->n_objects,
                                    &work->objects_capacity, sizeof *work->objects);
    work->objects[work->n_objects++] = path;
    return x86_work_write(work, path, bytes, size);
}

bool x86_work_commit(x86_work *work, const char *path, const char *target, unsigned mode)
{
    mode_t mask = umask(0);
    umask(mask);
    if (!check_target(work, target)) return false;
    if (chmod(path, (mode_t)mode & ~mask) || rename(path, target))
        return fail(work, target, "cannot write");
    return true;
}
