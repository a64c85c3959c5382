/* adze report: what a compression did, as a table or as a page, from the JSON that `adze compress` leaves. */
#include "report.h"

#include "tools/command.h"

#include <stdlib.h>

typedef struct options {
    adze_common common;
    const char *output;
} options;

static const adze_flag flags[] = {
    {"-o", "PAGE.html", "where the page goes; without it a table goes to stdout", ADZE_FLAG_TEXT,
     offsetof(options, output)},
    {"--max-memory", "BYTES", "bound on the text of one report, e.g. 10M", ADZE_FLAG_BYTES,
     offsetof(adze_common, max_memory)},
    {"--color", "always|never|auto", "colour in messages (default: on a terminal)", ADZE_FLAG_CHOICE,
     offsetof(adze_common, color)},
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze report FILE.json... [-o PAGE.html]\n\n"
    "Shows what `adze compress` did: accuracy, speed, memory and energy before and after, each layer with its format,\n"
    "error and reason, the size by parts, loss against size and time, the trials, and how to do it again. PAGE.html\n"
    "needs no other file, no network and no script. Several reports of one model are compared side by side.\n\n"
    "Example: adze report model.so.report.json -o model.html\n";

static bool load(adze_work *work, adze_arena *arena, const char *path, adze_report *out)
{
    size_t size;
    char *text = adze_read_text(work, path, &size);
    bool ok = text && adze_report_read(work->context, arena, adze_input_name(path), text, size, out);
    free(text);
    return ok;
}

static bool write_out(adze_work *work, const options *o, const adze_report *reports, uint32_t n)
{
    adze_text text = {0};
    const adze_print_options plain = {.struct_size = sizeof plain};
    if (o->output)
        adze_report_page(&text, reports, n);
    else
        adze_report_print(&text, reports, n);
    bool ok = adze_write_printed(work, o->output ? o->output : "-", &plain, &text);
    adze_text_free(&text);
    return ok;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    adze_report reports[ADZE_MAX_REPORTS];
    adze_arena arena = {0};
    bool ok = true;
    uint32_t n = (uint32_t)n_files;
    for (uint32_t i = 0; i < n && ok; i++) ok = load(work, &arena, files[i], &reports[i]);
    ok = ok && adze_report_same_model(work->context, reports, n) && write_out(work, o, reports, n);
    adze_arena_free(&arena);
    return !ok;
}

const adze_command adze_command_report = {
    .name = "report",
    .summary = "show what a compression did: a table, or a page",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .files_min = 1,
    .files_max = ADZE_MAX_REPORTS,
    .takes = "one to six reports",
    .run = run,
};
