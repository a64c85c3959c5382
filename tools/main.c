/* adze: finds the subcommand, reads its flags, opens what every command needs, and hands over. */
#include "crash.h"

#include <adze/version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024 };

static const adze_command *const commands[] = {
#define COMMAND(name) &adze_command_##name,
#include "commands.def"
#undef COMMAND
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

const adze_command *adze_command_get(uint32_t index) { return index < N_COMMANDS ? commands[index] : NULL; }

void adze_print_commands(FILE *stream)
{
    fprintf(stream, "Usage: adze COMMAND [FLAGS] [FILES]\n\nAhead-of-time model optimization compiler.\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(stream, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream, "\nadze COMMAND --help says more. adze --version prints the version, --include-path the folder of\n"
                    "the headers, --lit-path that of the lit module; plug-ins are built and tested with them.\n");
}

static const char *wanted_files(const adze_command *command)
{
    if (command->takes) return command->takes;
    return command->files_max > 1 ? "one model or more" : "one model";
}

static int run_parsed(const adze_command *command, const adze_common *options, char **files, int n_files)
{
    if (n_files < command->files_min || n_files > command->files_max)
        return adze_usage_error("%s takes %s, got %d; adze %s --help says more", command->name, wanted_files(command),
                                n_files, command->name);
    if (options->threads < 0 || options->threads > MAX_THREADS)
        return adze_usage_error("--threads takes a number from 0 to %d, got %lld", MAX_THREADS,
                                (long long)options->threads);
    adze_work work;
    if (!adze_work_open(&work, options)) return 1;
    int status = adze_work_check(&work, options) ? command->run(&work, options, files, n_files) : 2;
    adze_work_close(&work);
    return status;
}

/* The status to exit with: what went to stdout must have arrived. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fprintf(stderr, "adze: stdout cannot be written\n");
    return status ? status : 1;
}

static int run_command(const adze_command *command, int argc, char **argv)
{
    adze_common *options = calloc(1, command->options_size);
    if (!options) return adze_usage_error("out of memory");
    *options = (adze_common)ADZE_COMMON_START;
    if (command->defaults) memcpy(options, command->defaults, command->options_size);
    int status, n_files = adze_flags_parse(argc, argv, command->flags, options, command->usage, &status);
    if (n_files >= 0) status = run_parsed(command, options, argv, n_files);
    adze_flags_free(command->flags, options);
    free(options);
    return status;
}

int main(int argc, char **argv)
{
    if (!adze_crash_set_command(argc, argv)) return adze_usage_error("out of memory");
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        adze_print_commands(stdout);
        return finish(0);
    }
    if (!strcmp(name, "--version")) {
        printf("adze %s\n", ADZE_VERSION);
        return finish(0);
    }
    int status = adze_path_print(name);
    if (status >= 0) return finish(status);
    char ask[96];
    adze_nearest nearest = {.wanted = name};
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(commands[i]->name, name)) return finish(run_command(commands[i], argc - 1, argv + 1));
        adze_nearest_offer(&nearest, commands[i]->name);
    }
    if (*name)
        fprintf(stderr, "adze: there is no command '%s'%s\n", name, adze_nearest_ask(&nearest, ask, sizeof ask));
    adze_print_commands(stderr);
    return 2;
}
