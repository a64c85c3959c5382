/* What most commands begin with: context, registry, plug-ins, the model. */
#include "command.h"

#include <adze/temporary.h>
#include <adze_io.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SHOWN = 100 }; /* what is wrong with more than that is wrong throughout */

/* "place: error: message" and the lines below it: the first with its severity coloured, the caret green. */
static void print_coloured(const adze_diagnostic *diagnostic, const char *text, size_t size)
{
    static const char *const marks[] = {"note: ", "warning: ", "error: "};
    static const char *const colours[] = {"\033[1;36m", "\033[1;35m", "\033[1;31m"};
    const char *message = diagnostic->message, *mark = marks[diagnostic->severity];
    const char *at = strstr(text, message);
    size_t head = at ? (size_t)(at - text) : 0, n = strlen(mark);
    bool marked = head >= n && !memcmp(text + head - n, mark, n);
    if (marked) head -= n;
    fprintf(stderr, "\033[1m%.*s\033[0m", (int)head, text);
    if (marked) fprintf(stderr, "%s%s\033[0m", colours[diagnostic->severity], mark);
    size_t tail = head + (marked ? n : 0), caret = size;
    while (caret > tail && (text[caret - 1] == '\n' || text[caret - 1] == '^' || text[caret - 1] == '~')) caret--;
    fprintf(stderr, "%.*s\033[1;32m%.*s\033[0m", (int)(caret - tail), text + tail, (int)(size - caret),
            text + caret);
}

void adze_print_to_stderr(void *self, const adze_diagnostic *diagnostic)
{
    adze_work *work = self;
    bool clean = !work || adze_context_errors(work->context) == work->forgiven;
    if (work && work->no_remarks && diagnostic->severity == ADZE_NOTE && clean) return;
    if (work && work->held) {
        adze_diagnostic_print(diagnostic, work->held);
        return;
    }
    if (work && ++work->n_diagnostics > MAX_SHOWN) return;
    adze_text text = {0};
    adze_diagnostic_print(diagnostic, &text);
    adze_text_write(&text, "", 1);
    if (work && work->color)
        print_coloured(diagnostic, text.data, text.size - 1);
    else
        fwrite(text.data, 1, text.size - 1, stderr);
    if (text.size > 1 && text.data[text.size - 2] != '\n') fputc('\n', stderr);
    adze_text_free(&text);
}

void adze_work_hold(adze_work *work, adze_text *text)
{
    *text = (adze_text){0};
    work->held = text;
}

void adze_work_release(adze_work *work, bool forget)
{
    adze_text *text = work->held;
    work->held = NULL;
    if (forget)
        work->forgiven = adze_context_errors(work->context);
    else if (text->size)
        fwrite(text->data, 1, text->size, stderr);
}

static bool is_shown(const char *when)
{
    const char *term = getenv("TERM");
    if (when && strcmp(when, "auto") != 0) return !strcmp(when, "always");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* Without a bound of the user's, what can never fit is refused before the kernel ends the process for it. */
static uint64_t memory_bound(const adze_common *common)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (common->max_memory || pages <= 0 || size <= 0) return common->max_memory;
    return (uint64_t)pages * (uint64_t)size;
}

bool adze_work_open(adze_work *session, const adze_common *common)
{
    *session = (adze_work){.context = adze_context_create(),
                             .color = is_shown(common->color),
                             .progress = is_shown(common->progress),
                             .max_memory = memory_bound(common)};
    if (!session->context) return adze_usage_error("out of memory"), false;
    adze_endings_watch(session->context);
    adze_context_set_sink(session->context, adze_print_to_stderr, session);
    adze_context_set_max_memory(session->context, session->max_memory);
    adze_context_set_strict(session->context, adze_common_precision(common) == ADZE_PRECISION_STRICT);
    session->registry = adze_registry_create(session->context);
    bool ok = session->registry != NULL;
    for (uint32_t i = 0; ok && i < common->plugins.count; i++)
        ok = adze_registry_load(session->registry, common->plugins.items[i]);
    if (ok) adze_work_set_engine(session, common);
    if (!ok) adze_work_close(session);
    return ok;
}

void adze_work_close(adze_work *session)
{
    if (session->n_diagnostics > MAX_SHOWN)
        fprintf(stderr, "%llu further messages are not shown\n",
                (unsigned long long)(session->n_diagnostics - MAX_SHOWN));
    adze_registry_destroy(session->registry);
    adze_endings_leave();
    adze_context_destroy(session->context);
    free(session->standard);
    *session = (adze_work){0};
}

int adze_common_precision(const adze_common *common)
{
    static const char *const names[] = {"strict", "f32", "fast"};
    for (int i = 0; common->precision && i < 3; i++)
        if (!strcmp(names[i], common->precision)) return i;
    return ADZE_PRECISION_F32;
}

/* Why what was read so far cannot be a text, or NULL. */
static const char *no_text(const adze_work *work, const char *text, size_t size, size_t n)
{
    if (memchr(text + size - n, 0, n)) return "holds zero bytes, so it is no text (a model's name ends in .onnx)";
    return work->max_memory && size > work->max_memory ? "goes over the memory bound" : NULL;
}

/* A command may read its model more than once; stdin gives it only once. */
static char *keep(adze_work *work, char *text, size_t size)
{
    work->standard = malloc(size + 1);
    work->standard_size = size;
    if (work->standard) memcpy(work->standard, text, size + 1);
    return text;
}

char *adze_read_text(adze_work *work, const char *path, size_t *out_size)
{
    adze_context *context = work->context;
    adze_loc loc = adze_loc_unknown(context);
    bool standard = !strcmp(path, "-");
    if (standard && work->standard) {
        char *again = malloc(work->standard_size + 1);
        if (again) memcpy(again, work->standard, work->standard_size + 1);
        else adze_error(loc, "out of memory");
        *out_size = work->standard_size;
        return again;
    }
    FILE *stream = standard ? stdin : fopen(path, "rbe");
    loc.file = standard ? "stdin" : adze_intern_z(context, path);
    if (!stream) {
        adze_error(loc, "cannot open: %s", strerror(errno));
        return NULL;
    }
    size_t capacity = 1 << 16, size = 0, n;
    char *text = malloc(capacity + 1);
    const char *why = NULL;
    while (text && !why && (n = fread(text + size, 1, capacity - size, stream)) > 0) {
        size += n;
        why = no_text(work, text, size, n);
        if (size < capacity || why) continue;
        char *more = realloc(text, 2 * capacity + 1);
        if (!more) free(text);
        text = more;
        capacity *= 2;
    }
    bool failed = ferror(stream);
    if (!standard) fclose(stream);
    if (text && !failed && !why) {
        text[size] = '\0';
        *out_size = size;
        return standard ? keep(work, text, size) : text;
    }
    if (why)
        adze_error(loc, "%s", why);
    else
        adze_error(loc, "cannot read: %s", text ? strerror(errno) : "out of memory");
    free(text);
    return NULL;
}

/* Value of a NAME=VALUE that the flags have checked; the name goes to `out_name`. */
static int64_t read_dim(adze_context *context, const char *item, const char **out_name)
{
    size_t n = strcspn(item, "=");
    *out_name = adze_intern(context, item, n);
    return strtoll(item + n + 1, NULL, 10);
}

const char *adze_input_name(const char *path) { return strcmp(path, "-") ? path : "stdin"; }

/* Takes the module; NULL where it has not all of the dims. */
static adze_module *fix_dims(adze_work *work, const adze_common *common, adze_module *module)
{
    bool ok = module != NULL;
    for (uint32_t i = 0; ok && i < common->dims.count; i++) {
        const char *name;
        int64_t value = read_dim(work->context, common->dims.items[i], &name);
        ok = adze_module_fix_dim(module, name, value);
    }
    if (ok) return module;
    adze_module_destroy(module);
    return NULL;
}

adze_module *adze_work_parse(adze_work *work, const adze_common *common, const char *path, const char *text,
                             size_t size)
{
    return fix_dims(work, common, adze_module_parse(work->context, adze_input_name(path), text, size));
}

static adze_module *read_text(adze_work *work, const char *path)
{
    size_t size;
    char *text = adze_read_text(work, path, &size);
    adze_module *module = text ? adze_module_parse(work->context, adze_input_name(path), text, size) : NULL;
    free(text);
    return module;
}

static adze_module *read_format(adze_work *work, const adze_frontend *frontend, const char *path,
                                const adze_fixed_dim *dims, uint32_t n_dims)
{
    adze_read_options options = {.struct_size = sizeof options, .n_dims = n_dims, .dims = dims};
    uint64_t errors = adze_context_errors(work->context);
    adze_module *module = frontend->read(work->context, path, &options);
    bool told = adze_context_errors(work->context) > errors;
    if (module && !told && adze_module_verify(module)) return module;
    if (!told)
        adze_error(adze_loc_unknown(work->context), "%s: the frontend '%s' %s", path, frontend->name,
                   module ? "made a broken module" : "cannot read it");
    adze_module_destroy(module);
    return NULL;
}

adze_module *adze_work_read(adze_work *work, const adze_common *common, const char *path)
{
    const adze_frontend *frontend = adze_registry_frontend_for(work->registry, path);
    work->input = path;
    if (!frontend) return fix_dims(work, common, read_text(work, path));
    uint32_t n_dims = common->dims.count;
    adze_fixed_dim *dims = calloc(n_dims + 1u, sizeof *dims);
    if (!dims) return adze_error(adze_loc_unknown(work->context), "out of memory"), NULL;
    for (uint32_t i = 0; i < n_dims; i++)
        dims[i].value = read_dim(work->context, common->dims.items[i], &dims[i].name);
    adze_module *module = read_format(work, frontend, path, dims, n_dims);
    free(dims);
    return module;
}

/* ---- Writing ---- */

/* Text goes to stdout and devices alone, with its constants in it. */
static bool has_blob(const char *path)
{
    struct stat info;
    return strcmp(path, "-") != 0 && (stat(path, &info) != 0 || S_ISREG(info.st_mode));
}

adze_print_options adze_print_options_for(adze_work *work, const char *path)
{
    adze_print_options print = {.struct_size = sizeof print, .max_elements = 16};
    if (!has_blob(path)) return print;
    print.blob_file = adze_internf(work->context, "%s.bin", path);
    print.blob_temporary = adze_internf(work->context, "%s.bin.%ld.tmp", path, (long)getpid());
    return print;
}

/* Both files get their names only when all bytes of both are written. */
static bool place(adze_outfile *file, const adze_print_options *print, adze_io_error *error)
{
    if (adze_outfile_is_ok(file) && print->blob_temporary && rename(print->blob_temporary, print->blob_file) &&
        errno != ENOENT) {
        snprintf(error->text, sizeof error->text, "%s: cannot be written: %s", print->blob_file, strerror(errno));
        adze_outfile_discard(file);
        return false;
    }
    return adze_outfile_commit(file, error) == ADZE_OK;
}

bool adze_write_printed(adze_work *work, const char *path, const adze_print_options *print, const adze_text *text)
{
    adze_io_error error = {""};
    adze_outfile *file;
    bool ok = adze_outfile_create(path, 0666, &file, &error) == ADZE_OK;
    if (ok) {
        if (text->size) adze_outfile_write(file, text->data, text->size);
        ok = place(file, print, &error);
    }
    if (!ok && print->blob_temporary) unlink(print->blob_temporary);
    if (print->blob_temporary) adze_temporary_forget(work->context, print->blob_temporary);
    return ok || adze_error(adze_loc_unknown(work->context), "%s", error.text);
}

bool adze_write_module(adze_work *work, const adze_module *module, const char *path)
{
    adze_text text = {0};
    adze_print_options print = adze_print_options_for(work, path);
    print.locations = true;
    bool ok = adze_module_print(module, &print, &text) && adze_write_printed(work, path, &print, &text);
    adze_text_free(&text);
    return ok;
}
