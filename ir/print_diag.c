/* Diagnostics as text:
 *
 *     calib.adz:12:14: error: relu takes 1 operand, got 2
 *        12 |   %3 = relu(%1, %2) : f32[4]
 *           |        ^
 *     model.onnx: node 'conv1' (Conv): weight is f32[64,3,7,7] but …
 */
#include <stdio.h>
#include <string.h>

#include "ir/ir_private.h"
#include "ir/text.h"

enum { SHOWN = 120, NAME = 300 }; /* bytes of a source line, of a node's name */

/* The line of a kept text, without its line break; NULL if the text is not kept. */
static const char *find_line(const adze_context *context, const char *file, uint32_t line,
                             size_t *out_size)
{
    const adze_source *source = context->sources;
    while (source && strcmp(source->file, file) != 0) source = source->next;
    if (!source || !line) return NULL;
    const char *at = source->text, *end = at + source->size;
    while (--line) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at) return NULL;
        at++;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *out_size = (size_t)((stop ? stop : end) - at);
    return at;
}

/* Writes printable text; other bytes become '?'. Returns the columns taken. */
static size_t write_plain(adze_text *out, const char *at, const char *end, bool blank)
{
    size_t columns = 0;
    while (at < end) {
        size_t n = adze_utf8_length(at, end);
        bool control = n == 0 || (n == 1 && ((unsigned char)*at < 0x20 || *at == 0x7f));
        if (*at == '\t')
            adze_text_write(out, "\t", 1);
        else if (blank)
            adze_text_write(out, " ", 1);
        else if (control)
            adze_text_write(out, *at == '\r' ? " " : "?", 1);
        else
            adze_text_write(out, at, n);
        at += n ? n : 1;
        columns++;
    }
    return columns;
}

static void write_source(const adze_diagnostic *diagnostic, adze_text *out)
{
    size_t size;
    const adze_loc *loc = &diagnostic->loc;
    const char *line = find_line(loc->context, loc->file, loc->line, &size);
    if (!line || !loc->col) return;
    size_t at = loc->col - 1 < size ? loc->col - 1 : size, from = 0, to = size;
    if (size > SHOWN) { /* a window around the place */
        from = at > SHOWN / 2 ? at - SHOWN / 2 : 0;
        while (from < at && ((unsigned char)line[from] & 0xc0) == 0x80) from++;
        to = size - from > SHOWN ? from + SHOWN : size;
        while (to > at && to < size && ((unsigned char)line[to] & 0xc0) == 0x80) to--;
    }
    char number[24];
    int width = snprintf(number, sizeof number, "%5u | ", loc->line);
    adze_text_append(out, "%s%s", number, from ? "…" : "");
    write_plain(out, line + from, line + to, false);
    adze_text_append(out, "%s\n%*s| %s", to < size ? "…" : "", width - 2, "", from ? " " : "");
    write_plain(out, line + from, line + at, true);
    adze_text_append(out, "^\n");
}

void adze_diagnostic_print(const adze_diagnostic *diagnostic, adze_text *out)
{
    static const char *const severities[] = {"note", "warning", "error"};
    const adze_loc *loc = &diagnostic->loc;
    bool model = loc->node && !loc->line; /* a place in a model, not in a text */
    if (loc->file) {
        adze_text_append(out, "%s:", loc->file);
        if (loc->line) adze_text_append(out, "%u:", loc->line);
        if (loc->line && loc->col) adze_text_append(out, "%u:", loc->col);
        adze_text_append(out, " ");
    }
    if (model) {
        adze_text_put(out, "node '");
        adze_text_cut(out, loc->node, strlen(loc->node), NAME);
        adze_text_put(out, "'");
        if (loc->op_type) {
            adze_text_put(out, " (");
            adze_text_cut(out, loc->op_type, strlen(loc->op_type), NAME);
            adze_text_put(out, ")");
        }
        adze_text_put(out, ": ");
    }
    if (!model || diagnostic->severity != ADZE_ERROR)
        adze_text_append(out, "%s: ", severities[diagnostic->severity]);
    adze_text_append(out, "%s\n", diagnostic->message);
    if (loc->file && loc->line) write_source(diagnostic, out);
}
