/* Writing protobuf messages by hand, so that tests can make models that no library would write. */
#ifndef ADZE_TEST_ONNX_WIRE_H
#define ADZE_TEST_ONNX_WIRE_H

#include <adze/onnx.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct wire {
    uint8_t *bytes;
    size_t size, capacity;
} wire;

static inline void w_raw(wire *w, const void *bytes, size_t size)
{
    if (w->size + size > w->capacity) {
        w->capacity = (w->size + size) * 2 + 64;
        w->bytes = realloc(w->bytes, w->capacity);
        if (!w->bytes) abort();
    }
    if (size) memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static inline void w_varint(wire *w, uint64_t value)
{
    uint8_t byte;
    do {
        byte = (uint8_t)(value & 0x7f) | (uint8_t)(value > 0x7f ? 0x80 : 0);
        w_raw(w, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void w_int(wire *w, uint32_t field, int64_t value)
{
    w_varint(w, (uint64_t)field << 3);
    w_varint(w, (uint64_t)value);
}

static inline void w_float(wire *w, uint32_t field, float value)
{
    w_varint(w, (uint64_t)field << 3 | 5);
    w_raw(w, &value, 4);
}

static inline void w_bytes(wire *w, uint32_t field, const void *bytes, size_t size)
{
    w_varint(w, (uint64_t)field << 3 | 2);
    w_varint(w, size);
    w_raw(w, bytes, size);
}

static inline void w_str(wire *w, uint32_t field, const char *text)
{
    w_bytes(w, field, text, strlen(text));
}

/* Takes `inner`. */
static inline void w_msg(wire *w, uint32_t field, wire inner)
{
    w_bytes(w, field, inner.bytes, inner.size);
    free(inner.bytes);
}

/* ---- Parts of models ---- */

/* Every word of `words` as one string field; "-" is the empty string. */
static inline void w_words(wire *w, uint32_t field, const char *words)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        w_bytes(w, field, words, n == 1 && *words == '-' ? 0 : n);
        words += n + strspn(words + n, " ");
    }
}

/* Node without attributes; add them with w_msg(&node, 5, …). */
static inline wire m_node(const char *op_type, const char *name, const char *inputs,
                          const char *outputs)
{
    wire w = {0};
    w_words(&w, 1, inputs);
    w_words(&w, 2, outputs);
    if (name) w_str(&w, 3, name);
    w_str(&w, 4, op_type);
    return w;
}

static inline wire m_attr_int(const char *name, int64_t value)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_int(&w, 3, value);
    w_int(&w, 20, 2);
    return w;
}

static inline wire m_attr_float(const char *name, float value)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_float(&w, 2, value);
    w_int(&w, 20, 1);
    return w;
}

static inline wire m_attr_str(const char *name, const char *value)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_str(&w, 4, value);
    w_int(&w, 20, 3);
    return w;
}

static inline wire m_attr_ints(const char *name, size_t count, const int64_t *values)
{
    wire w = {0};
    w_str(&w, 1, name);
    for (size_t i = 0; i < count; i++) w_int(&w, 8, values[i]);
    w_int(&w, 20, 7);
    return w;
}

static inline wire m_attr_tensor(const char *name, wire tensor)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_msg(&w, 5, tensor);
    w_int(&w, 20, 4);
    return w;
}

/* Tensor without payload; dims as words: "2 3". */
static inline wire m_tensor(const char *name, int64_t data_type, const char *dims)
{
    wire w = {0};
    while (*dims) {
        char *end;
        w_int(&w, 1, strtoll(dims, &end, 10));
        dims = end + strspn(end, " ");
    }
    w_int(&w, 2, data_type);
    w_str(&w, 8, name);
    return w;
}

/* Value of a tensor type; dims as words: numbers, names, "?" for none; NULL: no shape. */
static inline wire m_value(const char *name, int64_t elem_type, const char *dims)
{
    wire shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (const char *d = dims; d && *d;) {
        size_t n = strcspn(d, " ");
        wire dim = {0};
        if ((*d >= '0' && *d <= '9') || *d == '-')
            w_int(&dim, 1, strtoll(d, NULL, 10));
        else if (*d != '?')
            w_bytes(&dim, 2, d, n);
        w_msg(&shape, 1, dim);
        d += n + strspn(d + n, " ");
    }
    w_int(&tensor, 1, elem_type);
    if (dims)
        w_msg(&tensor, 2, shape);
    else
        free(shape.bytes);
    w_msg(&type, 1, tensor);
    w_str(&value, 1, name);
    w_msg(&value, 2, type);
    return value;
}

static inline wire m_opset(const char *domain, int64_t version)
{
    wire w = {0};
    w_str(&w, 1, domain);
    w_int(&w, 2, version);
    return w;
}

/* Model around a graph. */
static inline wire m_model(wire graph, int64_t opset)
{
    wire w = {0}, version = {0};
    w_int(&version, 2, opset);
    w_int(&w, 1, 8);
    w_str(&w, 2, "by hand");
    w_msg(&w, 7, graph);
    w_msg(&w, 8, version);
    return w;
}

/* A graph of one node, input x and output y, f32 of the given dims. */
static inline wire m_one_node(wire node, const char *dims_in, const char *dims_out)
{
    wire graph = {0};
    w_msg(&graph, 1, node);
    w_str(&graph, 2, "g");
    w_msg(&graph, 11, m_value("x", 1, dims_in));
    w_msg(&graph, 12, m_value("y", 1, dims_out));
    return graph;
}

/* ---- Reading them ---- */

/* Everything that was reported, a line each. */
typedef struct reader {
    adze_context *context;
    adze_module *module;
    char *log;
    size_t log_size;
} reader;

static inline void reader_sink(void *self, const adze_diagnostic *d)
{
    reader *r = self;
    char line[1024];
    int n = d->loc.node ? snprintf(line, sizeof line, "%s: node '%s' (%s): %s\n", d->loc.file,
                                   d->loc.node, d->loc.op_type, d->message)
                        : snprintf(line, sizeof line, "%s: %s\n", d->loc.file ? d->loc.file : "?",
                                   d->message);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    char *log = realloc(r->log, r->log_size + size + 1);
    if (!log) abort();
    memcpy(log + r->log_size, line, size + 1);
    r->log = log;
    r->log_size += size;
}

static inline void reader_begin(reader *r)
{
    *r = (reader){.context = adze_context_create(), .log = calloc(1, 1)};
    adze_context_set_sink(r->context, reader_sink, r);
}

static inline void reader_end(reader *r)
{
    if (r->module) adze_module_destroy(r->module);
    adze_context_destroy(r->context);
    free(r->log);
    *r = (reader){0};
}

/* Reads `model` (taken) from memory; r->module is NULL after an error. */
static inline void read_model(reader *r, wire model, const adze_onnx_options *options)
{
    reader_begin(r);
    r->module = adze_onnx_read_memory(r->context, "m.onnx", model.bytes, model.size, options);
    free(model.bytes);
}

static inline bool logged(const reader *r, const char *text)
{
    if (strstr(r->log, text)) return true;
    printf("  not in the log: \"%s\"\n  log:\n%s\n", text, r->log);
    return false;
}

static inline adze_op *first_op(const reader *r)
{
    return adze_region_first(adze_func_body(adze_module_main(r->module)));
}

/* The nth op of main, from 0. */
static inline adze_op *nth_op(const reader *r, int n)
{
    adze_op *op = first_op(r);
    while (op && n-- > 0) op = adze_op_next(op);
    return op;
}

#endif
