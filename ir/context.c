/* Contexts: interned strings, diagnostics, kept sources and the op rows of one user. */
#include "ir/ir_private.h"
#include "ir/rows.h"
#include "ir/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

adze_context *adze_context_create(void)
{
    adze_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    atomic_flag_clear(&context->temporaries_lock);
    for (uint32_t i = 0; i < adze_n_builtin_rows; i++)
        if (!adze_row_add(context, &adze_builtin_rows[i])) {
            adze_context_destroy(context);
            return NULL;
        }
    adze_bodies_index(context);
    return context;
}

void adze_context_destroy(adze_context *context)
{
    if (!context) return;
    adze_table_free(&context->strings);
    adze_table_free(&context->dims);
    adze_table_free(&context->types);
    adze_table_free(&context->row_names);
    adze_table_free(&context->row_onnx);
    adze_table_free(&context->bodies);
    for (adze_source *source = context->sources; source; source = source->next) free(source->text);
    free(context->rows);
    adze_temporaries_free(context);
    adze_arena_free(&context->arena);
    free(context);
}

void adze_context_set_sink(adze_context *context, adze_sink *sink, void *self)
{
    context->sink = sink;
    context->sink_self = self;
}

adze_sink *adze_context_sink(const adze_context *context, void **out_self)
{
    *out_self = context->sink_self;
    return context->sink;
}

void adze_context_set_extension(adze_context *context, adze_extension_fn *extension, void *self)
{
    context->extension = extension;
    context->extension_self = self;
}

uint64_t adze_context_errors(const adze_context *context) { return context->errors; }

void adze_context_set_strict(adze_context *context, bool strict) { context->strict = strict; }
void adze_context_set_max_memory(adze_context *context, uint64_t bytes) { context->max_memory = bytes; }

typedef struct text_key {
    const char *text;
    size_t size;
} text_key;

static bool same_text(const void *self, const void *item)
{
    const text_key *key = self;
    return strlen(item) == key->size && !memcmp(item, key->text, key->size);
}

const char *adze_intern(adze_context *context, const char *text, size_t size)
{
    text_key key = {text, strnlen(text, size)}; /* a zero byte ends a name */
    uint64_t hash = adze_hash_bytes(text, key.size);
    char *found = adze_table_find(&context->strings, hash, same_text, &key);
    if (found) return found;
    char *copy = adze_arena_text(&context->arena, text, key.size);
    adze_table_add(&context->strings, hash, copy);
    return copy;
}

const char *adze_intern_z(adze_context *context, const char *text)
{
    return adze_intern(context, text, strlen(text));
}

const char *adze_internf(adze_context *context, const char *format, ...)
{
    char buffer[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    if (n < 0) return "";
    if ((size_t)n < sizeof buffer) return adze_intern(context, buffer, (size_t)n);
    char *large = adze_malloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    const char *result = adze_intern(context, large, (size_t)n);
    free(large);
    return result;
}

uint64_t adze_context_max_memory(const adze_context *context) { return context->max_memory; }

void adze_context_mute(adze_context *context, bool muted) { context->muted = muted; }

void adze_context_add_text(adze_context *context, const char *file, const char *text, size_t size)
{
    adze_source_add(context, file, text, size);
}

adze_source *adze_source_add(adze_context *context, const char *file, const char *text, size_t size)
{
    const char *name = adze_intern_z(context, file);
    adze_source *source = context->sources;
    while (source && source->file != name) source = source->next;
    if (!source) {
        source = ADZE_NEW(&context->arena, adze_source);
        source->file = name;
        source->next = context->sources;
        context->sources = source;
    }
    free(source->text);
    source->text = adze_malloc(size + 1);
    if (size) memcpy(source->text, text, size);
    source->size = size;
    return source;
}

adze_loc adze_loc_unknown(adze_context *context) { return (adze_loc){.context = context}; }

/* Names and texts of a file may be of any length. */
static void cut_lines(adze_text *out, const char *message)
{
    enum { MOST = 1000 };
    for (const char *at = message; *at;) {
        size_t n = strcspn(at, "\n");
        adze_text_cut(out, at, n, MOST);
        at += n;
        if (*at) adze_text_write(out, at++, 1);
    }
}

bool adze_verror(adze_severity severity, adze_loc loc, const char *format, va_list args)
{
    adze_context *context = loc.context;
    if (context->muted) return false;
    if (severity == ADZE_ERROR) context->errors++;
    if (!context->sink) return false;
    char buffer[1024];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    char *large = NULL;
    adze_text cut = {0};
    if (n >= (int)sizeof buffer) {
        large = adze_malloc((size_t)n + 1);
        vsnprintf(large, (size_t)n + 1, format, again);
        cut_lines(&cut, large);
    }
    va_end(again);
    adze_diagnostic diagnostic = {severity, loc, large ? cut.data : buffer};
    context->sink(context->sink_self, &diagnostic);
    adze_text_free(&cut);
    free(large);
    return false;
}

bool adze_error(adze_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    adze_verror(ADZE_ERROR, loc, format, args);
    va_end(args);
    return false;
}

void adze_warning(adze_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    adze_verror(ADZE_WARNING, loc, format, args);
    va_end(args);
}

void adze_note(adze_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    adze_verror(ADZE_NOTE, loc, format, args);
    va_end(args);
}

void adze_context_add_ukernels(adze_context *context, const adze_ukernel *kernels, uint32_t count)
{
    adze_ukernel_set *set = ADZE_NEW(&context->arena, adze_ukernel_set);
    *set = (adze_ukernel_set){kernels, count, context->ukernels};
    context->ukernels = set;
}
