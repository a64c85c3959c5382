/* Temporary files: what is listed is removed when a signal ends the program, what was taken off stays. */
#include "unit.h"

#include <adze/ir.h>
#include <adze/temporary.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/adze-unit-temporary-XXXXXX";

/* The one of the last four calls. */
static const char *inside(const char *name)
{
    static char paths[4][128];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bool is_there(const char *name) { return access(inside(name), F_OK) == 0; }

static void make(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(file >= 0);
    close(file);
}

TEST(listed_files_are_removed)
{
    adze_context *context = adze_context_create();
    make(inside("one"));
    make(inside("final"));
    make(inside("other"));
    adze_temporary_add(context, inside("one"));
    adze_temporary_add(context, inside("one"));
    adze_temporary_add(context, inside("final"));
    adze_temporary_add(context, inside("never made"));
    adze_temporary_forget(context, inside("final"));
    adze_temporary_forget(context, inside("not listed"));
    adze_temporaries_remove(context);
    CHECK(!is_there("one") && is_there("final") && is_there("other"));
    adze_context_destroy(context);
    unlink(inside("final"));
    unlink(inside("other"));
}

TEST(a_folder_goes_with_its_files)
{
    adze_context *context = adze_context_create();
    char made[128], name[256];
    snprintf(made, sizeof made, "%s", inside("folder-XXXXXX"));
    CHECK(adze_temporary_folder(context, made));
    for (int i = 0; i < 300; i++) { /* more than one read of the folder gives */
        snprintf(name, sizeof name, "%s/a-file-whose-name-is-not-short-%d", made, i);
        make(name);
    }
    make(inside("beside"));
    CHECK(symlink(inside("beside"), strcat(strcpy(name, made), "/link")) == 0);
    adze_temporaries_remove(context);
    CHECK(access(made, F_OK) != 0 && is_there("beside"));
    adze_context_destroy(context);
    unlink(inside("beside"));
}

TEST(failures_are_those_of_the_system)
{
    adze_context *context = adze_context_create();
    char none[] = "/nonexistent/adze-XXXXXX.so", made[128];
    errno = 0;
    CHECK(adze_temporary_file(context, none, 3) < 0 && errno == ENOENT);
    errno = 0;
    CHECK(!adze_temporary_folder(context, none) && errno != 0);
    snprintf(made, sizeof made, "%s", inside("file-XXXXXX.so"));
    int file = adze_temporary_file(context, made, 3);
    CHECK(file >= 0 && access(made, F_OK) == 0 && strcmp(made + strlen(made) - 3, ".so") == 0);
    close(file);
    adze_temporaries_remove(context);
    CHECK(access(made, F_OK) != 0);
    adze_context_destroy(context);
}

/* ---- In a handler ---- */

static adze_context *watched;

static void on_signal(int number)
{
    (void)number;
    adze_temporaries_remove(watched);
    _exit(7);
}

/* Makes and renames files as fast as it can, until the signal comes. */
static void work_on(int ready)
{
    struct sigaction action = {.sa_handler = on_signal};
    watched = adze_context_create();
    sigaction(SIGTERM, &action, NULL);
    if (write(ready, "", 1) != 1) _exit(1);
    for (;;) {
        char path[128];
        snprintf(path, sizeof path, "%s", inside("busy-XXXXXX"));
        int file = adze_temporary_file(watched, path, 0);
        close(file);
        unlink(path);
        adze_temporary_forget(watched, path);
    }
}

TEST(a_signal_at_any_time_leaves_nothing)
{
    enum { TIMES = 40 };
    for (int i = 0; i < TIMES; i++) {
        int ready[2], status = 0;
        char byte;
        REQUIRE(pipe(ready) == 0);
        pid_t child = fork();
        if (child == 0) work_on(ready[1]);
        REQUIRE(child > 0 && read(ready[0], &byte, 1) == 1);
        usleep((useconds_t)i * 37);
        kill(child, SIGTERM);
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        close(ready[0]);
        close(ready[1]);
    }
    DIR *dir = opendir(folder);
    int left = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) left += e->d_name[0] != '.';
    if (dir) closedir(dir);
    CHECK_INT(left, 0);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    RUN(listed_files_are_removed);
    RUN(a_folder_goes_with_its_files);
    RUN(failures_are_those_of_the_system);
    RUN(a_signal_at_any_time_leaves_nothing);
    rmdir(folder);
    return unit_end();
}
