/* adze: finds the subcommand and hands over to it. */
#include "command.h"

#include <adze/version.h>

#include <stdio.h>
#include <string.h>

static const adze_command *const commands[] = {
#define COMMAND(name) &adze_command_##name,
#include "commands.def"
#undef COMMAND
};

static void print_help(FILE *stream)
{
    fprintf(stream, "Usage: adze COMMAND [FLAGS] [FILES]\n\nAhead-of-time model optimization compiler.\n\nCommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stream, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream, "\nadze COMMAND --help says more. adze --version prints the version.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help(stdout);
        return 0;
    }
    if (!strcmp(name, "--version")) {
        printf("adze %s\n", ADZE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i]->run(argc - 1, argv + 1);
    if (*name) fprintf(stderr, "adze: there is no command '%s'\n", name);
    print_help(stderr);
    return 2;
}
