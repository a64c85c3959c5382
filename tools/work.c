/* What most commands begin with: context, registry, plug-ins, the model. */
#include "command.h"

#include <adze/onnx.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void adze_print_to_stderr(void *self, const adze_diagnostic *diagnostic)
{
    (void)self;
    adze_text text = {0};
    adze_diagnostic_print(diagnostic, &text);
    if (text.size) fwrite(text.data, 1, text.size, stderr);
    if (text.size && text.data[text.size - 1] != '\n') fputc('\n', stderr);
    adze_text_free(&text);
}

bool adze_work_open(adze_work *session, const adze_common *common)
{
    *session = (adze_work){.context = adze_context_create()};
    if (!session->context) return adze_usage_error("out of memory"), false;
    adze_context_set_sink(session->context, adze_print_to_stderr, NULL);
    session->registry = adze_registry_create(session->context);
    bool ok = session->registry != NULL;
    for (uint32_t i = 0; ok && i < common->plugins.count; i++)
        ok = adze_registry_load(session->registry, common->plugins.items[i]);
    if (!ok) adze_work_close(session);
    return ok;
}

void adze_work_close(adze_work *session)
{
    adze_registry_destroy(session->registry);
    adze_context_destroy(session->context);
    *session = (adze_work){0};
}

int adze_common_precision(const adze_common *common)
{
    static const char *const names[] = {"strict", "f32", "fast"};
    if (!common->precision) return ADZE_PRECISION_F32;
    for (int i = 0; i < 3; i++)
        if (!strcmp(names[i], common->precision)) return i;
    adze_usage_error("--precision takes strict, f32 or fast, got '%s'", common->precision);
    return -1;
}

char *adze_read_text(adze_context *context, const char *path, size_t *out_size)
{
    adze_loc loc = adze_loc_unknown(context);
    bool standard = !strcmp(path, "-");
    FILE *stream = standard ? stdin : fopen(path, "rbe");
    loc.file = standard ? "stdin" : adze_intern_z(context, path);
    if (!stream) {
        adze_error(loc, "cannot open: %s", strerror(errno));
        return NULL;
    }
    size_t capacity = 1 << 16, size = 0, n;
    char *text = malloc(capacity + 1);
    while (text && (n = fread(text + size, 1, capacity - size, stream)) > 0) {
        size += n;
        if (size < capacity) continue;
        char *more = realloc(text, 2 * capacity + 1);
        if (!more) free(text);
        text = more;
        capacity *= 2;
    }
    bool failed = ferror(stream);
    if (!standard) fclose(stream);
    if (text && !failed) {
        text[size] = '\0';
        *out_size = size;
        return text;
    }
    free(text);
    adze_error(loc, "cannot read: %s", text ? strerror(errno) : "out of memory");
    return NULL;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && !strcmp(path + n - m, suffix);
}

static adze_module *read_onnx(adze_work *session, const adze_common *common, const char *path)
{
    adze_onnx_dim *dims = calloc(common->dims.count + 1u, sizeof *dims);
    adze_onnx_options options = {.struct_size = sizeof options, .n_dims = common->dims.count, .dims = dims};
    bool ok = dims != NULL;
    for (uint32_t i = 0; ok && i < common->dims.count; i++) {
        const char *item = common->dims.items[i], *equals = strchr(item, '=');
        char *end = NULL;
        long long value = equals ? strtoll(equals + 1, &end, 10) : -1;
        ok = equals && equals > item && end > equals + 1 && !*end && value >= 0;
        if (!ok) break;
        dims[i].name = adze_intern(session->context, item, (size_t)(equals - item));
        dims[i].value = value;
    }
    adze_module *module = NULL;
    if (ok)
        module = adze_onnx_read(session->context, path, &options);
    else
        adze_error(adze_loc_unknown(session->context), "--dim takes NAME=VALUE with a whole number");
    free(dims);
    return module;
}

adze_module *adze_work_read(adze_work *session, const adze_common *common, const char *path)
{
    if (has_suffix(path, ".onnx")) return read_onnx(session, common, path);
    size_t size;
    char *text = adze_read_text(session->context, path, &size);
    adze_module *module =
        text ? adze_module_parse(session->context, strcmp(path, "-") ? path : "stdin", text, size) : NULL;
    free(text);
    return module;
}
