/* The files of a model: sizes first, then all bytes in one pass, weights from where they lie.
 *
 * Both files get their names when both are whole; the data first, since the model speaks of it. That is two steps: who
 * dies between them leaves an old model beside new data.
 */
#include "export.h"
#include "source.h"

#include <adze/temporary.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tensors below SMALL bytes stay in the model, where nothing else is asked for; places in the data are pages, so that
 * they can be mapped; weights go through a buffer of CHUNK bytes. */
enum { SMALL = 1024, PAGE = 4096, CHUNK = 1 << 20 };

/* A constant as an initializer. */
typedef struct item {
    const adze_const *constant;
    uint64_t bytes, offset; /* the offset in the data file */
    bool external;
    size_t head, head_size; /* its message, without the bytes, in `heads` */
} item;

typedef struct plan {
    adze_onnx_export *x;
    const char *path;
    adze_loc loc;
    item *items;
    size_t n_items;
    adze_onnx_bytes heads, model, graph, behind; /* graph: what follows the initializers; behind: the graph */
    const char *location; /* of external data, beside the model */
    uint64_t graph_size, total, least;
} plan;

bool adze_onnx_is_written(const adze_onnx_export *x, const adze_const *constant)
{
    /* what only derived constants read is no longer needed; what nobody reads came so */
    return adze_map_get(x->used, constant) || !adze_const_has_uses(constant);
}

static void put_strings(adze_onnx_bytes *out, const adze_const *constant)
{
    adze_data *data = adze_const_data(constant);
    const adze_string *strings = adze_data_load(data); /* they lie in memory */
    uint64_t count = strings ? adze_data_size(data) / sizeof *strings : 0;
    for (uint64_t i = 0; i < count; i++) adze_onnx_put_bytes(out, 6, strings[i].data, strings[i].size);
}

static bool is_text(const item *it) { return adze_type_dtype(adze_const_type(it->constant)) == ADZE_DTYPE_str; }

void adze_onnx_put_tensor_start(adze_onnx_export *x, adze_onnx_bytes *out, const adze_const *constant)
{
    const adze_type *type = adze_const_type(constant);
    int64_t dim = 0;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        adze_dim_is_const(adze_type_dim(type, i), &dim);
        adze_onnx_put_int(out, 1, dim);
    }
    adze_onnx_put_int(out, 2, adze_onnx_dtype_number(adze_type_dtype(type)));
    adze_onnx_put_text(out, 8, adze_onnx_name(x, adze_const_value(constant)));
    adze_onnx_put_notes(x, out, ADZE_ONNX_TENSOR_DOCS, adze_const_name(constant), 12, 16);
}

/* TensorProto with key and length in front, but for the bytes that follow it; strings stand in it. */
static void put_head(plan *p, item *it)
{
    adze_context *context = p->x->context;
    adze_onnx_bytes body = {0};
    adze_onnx_put_tensor_start(p->x, &body, it->constant);
    if (is_text(it)) {
        put_strings(&body, it->constant);
    } else if (it->external) {
        adze_onnx_put_pair(&body, 13, "location", p->location);
        adze_onnx_put_pair(&body, 13, "offset", adze_internf(context, "%llu", (unsigned long long)it->offset));
        adze_onnx_put_pair(&body, 13, "length", adze_internf(context, "%llu", (unsigned long long)it->bytes));
        adze_onnx_put_int(&body, 14, 1);
    } else {
        adze_onnx_put_head(&body, 9, it->bytes);
    }
    it->head = p->heads.size;
    adze_onnx_put_head(&p->heads, 5, body.size + (it->external ? 0 : it->bytes));
    adze_onnx_put_raw(&p->heads, body.data, body.size);
    it->head_size = p->heads.size - it->head;
    adze_onnx_bytes_free(&body);
}

static bool list_constants(plan *p)
{
    size_t count = 0;
    for (const adze_const *c = adze_module_first_const(p->x->module); c; c = adze_const_next(c)) count++;
    p->items = calloc(count + 1, sizeof *p->items);
    if (!p->items) return adze_error(p->loc, "out of memory");
    for (const adze_const *c = adze_module_first_const(p->x->module); c; c = adze_const_next(c)) {
        if (!adze_onnx_is_written(p->x, c) || adze_onnx_has_home(p->x, c)) continue;
        item *it = &p->items[p->n_items++];
        *it = (item){.constant = c};
        if (!is_text(it))
            it->bytes = adze_data_size(adze_const_data(c));
        else if (adze_data_size(adze_const_data(c)) && !adze_data_load(adze_const_data(c)))
            return false; /* it cannot be computed, as an error says */
    }
    return true;
}

/* Constants as inputs, whose values are given. */
static void list_inputs(plan *p)
{
    adze_onnx_export *x = p->x;
    for (size_t i = 0; i < p->n_items; i++) {
        const adze_ir_value *value = adze_const_value(p->items[i].constant);
        adze_onnx_put_info(x, &p->graph, 11, adze_onnx_name(x, value), adze_value_type(value));
    }
    adze_onnx_put_raw(&p->graph, x->tensor_infos.data, x->tensor_infos.size);
}

/* Sizes of everything, with the weights in the model or beside it. */
static void measure(plan *p, bool external)
{
    const adze_onnx_export *x = p->x;
    uint64_t place = 0;
    p->heads.size = 0;
    p->graph_size = x->graph_nodes.size + p->graph.size + x->tensors.size;
    for (size_t i = 0; i < p->n_items; i++) {
        item *it = &p->items[i];
        it->external = external && it->bytes >= p->least;
        if (it->external) {
            it->offset = (place + PAGE - 1) / PAGE * PAGE;
            place = it->offset + it->bytes;
        } else {
            p->graph_size += it->bytes;
        }
        put_head(p, it);
    }
    adze_onnx_bytes name = {0};
    adze_onnx_put_text(&name, 2, adze_module_name(x->module));
    p->graph_size += name.size + p->heads.size;
    adze_onnx_bytes_free(&name);
    p->total = p->model.size + 1 + adze_onnx_varint_size(p->graph_size) + p->graph_size + p->behind.size;
}

/* ---- Writing ---- */

static void put(FILE *file, const adze_onnx_bytes *bytes)
{
    if (bytes->size) fwrite(bytes->data, 1, bytes->size, file);
}

/* False after an error in the constant; errors of the file are looked at when it is closed. */
static bool put_data(FILE *file, const item *it, uint8_t *buffer)
{
    adze_data *data = adze_const_data(it->constant);
    bool ok = true;
    for (uint64_t at = 0; at < it->bytes && ok; at += CHUNK) {
        uint64_t n = it->bytes - at < CHUNK ? it->bytes - at : CHUNK;
        ok = adze_data_read(data, at, buffer, n);
        if (ok && fwrite(buffer, 1, n, file) != n) break;
    }
    if (adze_data_is_derived(data, NULL, NULL, NULL, NULL)) adze_data_unload(data);
    return ok;
}

static bool put_model(plan *p, FILE *file, uint8_t *buffer)
{
    const adze_onnx_export *x = p->x;
    adze_onnx_bytes head = {0};
    put(file, &p->model);
    adze_onnx_put_head(&head, 7, p->graph_size);
    put(file, &head);
    put(file, &x->graph_nodes);
    head.size = 0;
    adze_onnx_put_text(&head, 2, adze_module_name(x->module));
    put(file, &head);
    adze_onnx_bytes_free(&head);
    bool ok = true;
    for (size_t i = 0; i < p->n_items && ok; i++) {
        fwrite(p->heads.data + p->items[i].head, 1, p->items[i].head_size, file);
        if (!p->items[i].external) ok = put_data(file, &p->items[i], buffer);
    }
    put(file, &x->tensors);
    put(file, &p->graph);
    put(file, &p->behind);
    return ok;
}

static bool put_external(plan *p, FILE *file, uint8_t *buffer)
{
    static const uint8_t zeros[PAGE];
    uint64_t at = 0;
    for (size_t i = 0; i < p->n_items; i++) {
        const item *it = &p->items[i];
        if (!it->external) continue;
        fwrite(zeros, 1, it->offset - at, file);
        if (!put_data(file, it, buffer)) return false;
        at = it->offset + it->bytes;
    }
    return true;
}

typedef bool writer(plan *p, FILE *file, uint8_t *buffer);

/* Writes a file under a name of its own; NULL after an error, and nothing is left. A device is written as it is. */
static const char *write_part(plan *p, const char *path, writer *write)
{
    struct stat info;
    bool device = stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
    const char *part = device ? path : adze_internf(p->x->context, "%s.%ld.part", path, (long)getpid());
    uint8_t *buffer = malloc(CHUNK);
    if (!device) adze_temporary_add(p->x->context, part);
    FILE *file = buffer ? fopen(part, "wb") : NULL;
    int why = buffer ? errno : ENOMEM;
    bool ok = false, told = false;
    if (file) {
        errno = 0;
        ok = write(p, file, buffer);
        told = !ok;
        ok = ok && !ferror(file);
        why = errno;
        if (fclose(file) != 0) {
            if (ok) why = errno;
            ok = false;
        }
        if (!ok && !device) remove(part);
    }
    if (!ok) adze_temporary_forget(p->x->context, part);
    free(buffer);
    if (!ok && !told) adze_error(p->loc, "cannot write the file: %s", strerror(why));
    return ok ? part : NULL;
}

static void drop_part(plan *p, const char *part)
{
    remove(part);
    adze_temporary_forget(p->x->context, part);
}

static bool rename_part(plan *p, const char *part, const char *path)
{
    if (strcmp(part, path) == 0) return true;
    if (rename(part, path) == 0) {
        adze_temporary_forget(p->x->context, part);
        return true;
    }
    return adze_error(p->loc, "cannot write the file: %s", strerror(errno));
}

/* Where a link leads, so that it stays one. */
static const char *real_path(const plan *p, const char *path)
{
    char *real = realpath(path, NULL);
    if (!real) return path;
    path = adze_intern_z(p->x->context, real);
    free(real);
    return path;
}

static bool write_both(plan *p, bool external)
{
    const char *path = p->path, *data_path = real_path(p, adze_internf(p->x->context, "%s.data", path)), *data = NULL;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return adze_error(p->loc, "cannot write the file: %s", strerror(EISDIR));
    if (external && stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return adze_error(p->loc, "weights can stand beside a file alone, and this is a device");
    if (external && !(data = write_part(p, data_path, put_external))) return false;
    const char *model = write_part(p, path, put_model);
    bool ok = model && (!data || rename_part(p, data, data_path));
    if (!ok && data) drop_part(p, data);
    if (ok && !rename_part(p, model, path)) {
        if (data) remove(data_path);
        ok = false;
    }
    if (!ok && model && strcmp(model, path) != 0) drop_part(p, model);
    return ok;
}

static bool is_any_external(const plan *p)
{
    for (size_t i = 0; i < p->n_items; i++)
        if (p->items[i].external) return true;
    return false;
}

bool adze_onnx_write_files(adze_onnx_export *x, const char *path, const adze_onnx_write_options *options)
{
    plan p = {.x = x, .loc = adze_loc_unknown(x->context)};
    p.loc.file = adze_intern_z(x->context, path);
    p.path = real_path(&p, path); /* the data lies beside the file itself, which others may call by another name */
    const char *slash = strrchr(p.path, '/');
    p.location = adze_internf(x->context, "%s.data", slash ? slash + 1 : p.path);
    const adze_attr *doc = adze_module_find_attr(x->module, "graph_doc");
    if (doc && doc->kind == ADZE_ATTR_STR) adze_onnx_put_text(&p.graph, 10, doc->value.s.data);
    adze_onnx_put_pairs(x, &p.graph, 16, "graph_metadata");
    adze_onnx_put_raw(&p.graph, x->ends.data, x->ends.size);
    adze_onnx_put_model(x, &p.model, &p.behind);
    p.least = options->least_bytes ? options->least_bytes : SMALL;
    bool ok = list_constants(&p);
    if (ok && adze_onnx_ir_version(x) < ADZE_ONNX_FREE_INITIALIZERS) list_inputs(&p);
    adze_onnx_put_raw(&p.graph, x->infos.data, x->infos.size);
    uint64_t limit = ADZE_ONNX_LARGEST_FILE;
    if (options->max_bytes && options->max_bytes < limit) limit = options->max_bytes;
    if (ok) measure(&p, options->external_data);
    if (ok && !options->external_data && p.total > limit) measure(&p, true);
    if (ok && p.total > ADZE_ONNX_LARGEST_FILE)
        ok = adze_error(p.loc, "the model takes %llu bytes without its weights; a file of ONNX has at most %llu",
                        (unsigned long long)p.total, (unsigned long long)ADZE_ONNX_LARGEST_FILE);
    ok = ok && write_both(&p, is_any_external(&p));
    free(p.items);
    adze_onnx_bytes *const all[] = {&p.heads, &p.model, &p.graph, &p.behind};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) adze_onnx_bytes_free(all[i]);
    return ok;
}
