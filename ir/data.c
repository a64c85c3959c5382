/* Constant data: copies, file ranges and results of ops, loaded when first needed.
 *
 * File ranges are read with pread, never mapped: a file that shrinks after import is then a short read
 * and an error, not a signal.
 */
#include "ir/infer.h"
#include "ir/ir_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum source_kind { FROM_MEMORY, FROM_FILE, FROM_OP } source_kind;

struct adze_data {
    adze_context *context;
    uint32_t refs;
    source_kind kind;
    uint64_t size;
    void *bytes; /* loaded, 64-byte aligned unless taken; NULL = not loaded */
    const char *path;
    uint64_t offset;
    const adze_op_row *row;
    adze_slot *attrs;
    adze_const **inputs;
    uint32_t n_inputs;
    const adze_type *type;
};

static adze_data *new_data(adze_context *context, source_kind kind, uint64_t size)
{
    adze_data *data = calloc(1, sizeof *data);
    if (!data) abort();
    data->context = context;
    data->refs = 1;
    data->kind = kind;
    data->size = size;
    return data;
}

static void *allocate(adze_data *data)
{
    adze_context *context = data->context;
    uint64_t held = context->held_memory + data->size;
    adze_loc loc = adze_loc_unknown(context);
    if (data->size > SIZE_MAX / 4 || (context->max_memory && held > context->max_memory)) {
        adze_error(loc, "constants need %" PRIu64 " bytes, more than the memory bound allows", held);
        return NULL;
    }
    void *bytes = aligned_alloc(64, (data->size + 127) & ~(uint64_t)63);
    if (!bytes) {
        adze_error(loc, "out of memory for a constant of %" PRIu64 " bytes", data->size);
        return NULL;
    }
    memset((char *)bytes + data->size, 0, ((data->size + 127) & ~(uint64_t)63) - data->size);
    context->held_memory = held;
    return bytes;
}

adze_data *adze_data_copy(adze_context *context, const void *bytes, uint64_t size)
{
    adze_data *data = new_data(context, FROM_MEMORY, size);
    data->bytes = allocate(data);
    if (!data->bytes) {
        free(data);
        return NULL;
    }
    if (size) memcpy(data->bytes, bytes, size);
    return data;
}

adze_data *adze_data_take(adze_context *context, void *bytes, uint64_t size)
{
    if ((uintptr_t)bytes % 64) {
        adze_data *data = adze_data_copy(context, bytes, size);
        free(bytes);
        return data;
    }
    adze_data *data = new_data(context, FROM_MEMORY, size);
    data->bytes = bytes;
    context->held_memory += size;
    return data;
}

adze_data *adze_data_file(adze_context *context, const char *path, uint64_t offset, uint64_t size)
{
    adze_data *data = new_data(context, FROM_FILE, size);
    data->path = adze_intern_z(context, path);
    data->offset = offset;
    return data;
}

adze_data *adze_data_derived(adze_context *context, const adze_op_row *row, const adze_slot *attrs,
                             adze_const *const *inputs, uint32_t n_inputs, const adze_type *type)
{
    int64_t bytes;
    if (!adze_dim_is_const(adze_layout_bytes(type), &bytes)) {
        adze_error(adze_loc_unknown(context), "a constant derived by '%s' has dims that are not known", row->name);
        return NULL;
    }
    adze_data *data = new_data(context, FROM_OP, (uint64_t)bytes);
    data->row = row;
    data->type = type;
    data->attrs = ADZE_NEW_ARRAY(&context->arena, adze_slot, 1u + row->n_attrs);
    data->attrs[0] = attrs[0];
    for (uint32_t i = 0; i < row->n_attrs; i++)
        data->attrs[i + 1] = adze_slot_copy(&context->arena, row->attrs[i].kind, attrs[i + 1]);
    data->inputs = adze_malloc((n_inputs + 1) * sizeof *data->inputs);
    data->n_inputs = n_inputs;
    for (uint32_t i = 0; i < n_inputs; i++) {
        data->inputs[i] = inputs[i];
        if (inputs[i]) inputs[i]->n_derived++;
    }
    return data;
}

/* Bytes that computing it goes through, at most `most` + 1. */
static uint64_t bytes_behind(const adze_data *data, uint64_t most)
{
    if (data->kind != FROM_OP || data->bytes) return data->size;
    uint64_t sum = data->size + 1;
    for (uint32_t i = 0; i < data->n_inputs && sum <= most; i++)
        if (data->inputs[i]) sum += bytes_behind(data->inputs[i]->data, most - sum);
    return sum <= most ? sum : most + 1;
}

bool adze_data_is_quick(const adze_data *data)
{
    enum { MOST = 1 << 16 };
    return data->kind != FROM_OP || data->bytes || bytes_behind(data, MOST) <= MOST;
}

adze_data *adze_data_retain(adze_data *data)
{
    data->refs++;
    return data;
}

static void drop_bytes(adze_data *data)
{
    if (!data->bytes) return;
    data->context->held_memory -= data->size;
    free(data->bytes);
    data->bytes = NULL;
}

void adze_data_release(adze_data *data)
{
    if (!data || --data->refs) return;
    drop_bytes(data);
    for (uint32_t i = 0; i < data->n_inputs; i++)
        if (data->inputs[i]) data->inputs[i]->n_derived--;
    free(data->inputs);
    free(data);
}

uint64_t adze_data_size(const adze_data *data) { return data->size; }

static bool read_file(adze_data *data, uint64_t offset, void *out, uint64_t size)
{
    adze_loc loc = adze_loc_unknown(data->context);
    int file = open(data->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return adze_error(loc, "%s: cannot open: %s", data->path, strerror(errno));
    char *at = out;
    uint64_t left = size;
    while (left) {
        size_t want = left < (1u << 30) ? (size_t)left : (size_t)1 << 30;
        ssize_t n = pread(file, at, want, (off_t)(data->offset + offset + (size - left)));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        at += n;
        left -= (uint64_t)n;
    }
    int error = errno;
    close(file);
    if (!left) return true;
    return adze_error(loc, "%s: cannot read %" PRIu64 " bytes at %" PRIu64 ": %s", data->path, size,
                      data->offset + offset, error ? strerror(error) : "the file has become shorter");
}

/* ---- Evaluating ops over constants ---- */

/* Do so many bytes more go over the bound? */
static bool is_over(adze_host *host, uint64_t bytes)
{
    uint64_t bound = host->loc.context->max_memory;
    if (!bound || (host->used <= bound && bytes <= bound - host->used)) return false;
    return host->over = true;
}

static adze_status host_output(const adze_env *env, adze_value *out, adze_dtype dtype, uint32_t rank,
                               const int64_t *dims)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(count, (uint64_t)dims[i], &count)) return ADZE_ERR_DIM;
    if (count > SIZE_MAX / 32) return ADZE_ERR_NO_MEMORY;
    uint64_t bytes = adze_dtype_bytes(dtype, count);
    if (is_over(env->self, bytes)) return ADZE_ERR_NO_MEMORY;
    int64_t *copy = calloc(rank + 1u, sizeof *copy);
    void *data = aligned_alloc(64, (bytes + 127) & ~(uint64_t)63);
    if (!copy || !data) {
        free(copy);
        free(data);
        return ADZE_ERR_NO_MEMORY;
    }
    memset(data, 0, (bytes + 127) & ~(uint64_t)63);
    if (rank) memcpy(copy, dims, rank * sizeof *copy);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = dtype, .rank = rank, .dims = copy, .data = data};
    return ADZE_OK;
}

static void *host_scratch(const adze_env *env, uint64_t bytes)
{
    adze_host *host = env->self;
    if (bytes > SIZE_MAX / 4) return NULL;
    uint64_t room = (bytes + 127) & ~(uint64_t)63;
    void *block = is_over(host, room) ? NULL : aligned_alloc(64, room);
    if (!block) return NULL;
    host->used += room;
    if (host->n_blocks == host->capacity) {
        host->capacity = host->capacity ? 2 * host->capacity : 8;
        host->blocks = adze_realloc(host->blocks, host->capacity * sizeof *host->blocks);
    }
    host->blocks[host->n_blocks++] = block;
    return block;
}

static adze_status host_error(const adze_env *env, adze_status status, const char *message)
{
    adze_host *host = env->self;
    bool bounded = status == ADZE_ERR_NO_MEMORY && host->over;
    adze_error(host->loc, "%s", bounded ? "an evaluation goes over the memory bound" : message);
    return status;
}

void adze_host_init(adze_host *host, adze_loc loc)
{
    adze_context *context = loc.context;
    *host = (adze_host){.loc = loc};
    host->env = (adze_env){.struct_size = sizeof host->env,
                           .flags = context->strict ? ADZE_ENV_STRICT : 0,
                           .self = host,
                           .output = host_output,
                           .scratch = host_scratch,
                           .error = host_error,
                           .extension = context->extension ? context->extension : adze_extension_find,
                           .extension_self = context->extension_self};
}

void adze_host_free(adze_host *host)
{
    for (uint32_t i = 0; i < host->n_blocks; i++) free(host->blocks[i]);
    free(host->blocks);
    host->blocks = NULL;
    host->n_blocks = host->capacity = 0;
}

/* Describes a static tensor; `dims` has room for ADZE_MAX_RANK. */
static adze_value describe(const adze_type *type, int64_t *dims, const void *bytes)
{
    for (uint32_t i = 0; i < adze_type_rank(type); i++) adze_dim_is_const(adze_type_dim(type, i), &dims[i]);
    return (adze_value){.kind = ADZE_VALUE_TENSOR,
                        .dtype = adze_type_dtype(type),
                        .rank = adze_type_rank(type),
                        .dims = dims,
                        .data = (void *)(uintptr_t)bytes};
}

static bool compute(adze_data *data, void *out)
{
    adze_value *in = adze_malloc((data->n_inputs + 1) * sizeof *in);
    int64_t(*dims)[ADZE_MAX_RANK] = adze_malloc((data->n_inputs + 1) * sizeof *dims);
    bool *loaded = calloc(data->n_inputs + 1, sizeof *loaded);
    bool ok = loaded != NULL;
    for (uint32_t i = 0; ok && i < data->n_inputs; i++) {
        in[i] = (adze_value){.kind = ADZE_VALUE_ABSENT};
        if (!data->inputs[i]) continue;
        adze_data *input = data->inputs[i]->data;
        loaded[i] = !input->bytes;
        const void *bytes = adze_data_load(input);
        ok = bytes != NULL;
        if (ok) in[i] = describe(data->inputs[i]->type, dims[i], bytes);
    }
    if (ok) {
        adze_host host;
        adze_host_init(&host, adze_loc_unknown(data->context));
        adze_value result = describe(data->type, dims[data->n_inputs], out);
        uint64_t errors = data->context->errors;
        adze_status status = adze_row_evaluate(data->row, &host.env, in, data->n_inputs, &result, 1, data->attrs);
        adze_host_free(&host);
        ok = status == ADZE_OK;
        if (!ok && errors == data->context->errors)
            adze_error(adze_loc_unknown(data->context), "cannot compute a constant by '%s' (status %d)",
                       data->row->name, (int)status);
    }
    for (uint32_t i = 0; loaded && i < data->n_inputs; i++)
        if (loaded[i]) adze_data_unload(data->inputs[i]->data);
    free(in);
    free(dims);
    free(loaded);
    return ok;
}

const void *adze_data_load(adze_data *data)
{
    if (data->bytes) return data->bytes;
    void *bytes = allocate(data);
    if (!bytes) return NULL;
    memset(bytes, 0, data->kind == FROM_OP ? data->size : 0);
    data->bytes = bytes;
    if (data->kind == FROM_FILE ? read_file(data, 0, bytes, data->size) : compute(data, bytes)) return bytes;
    drop_bytes(data);
    return NULL;
}

void adze_data_unload(adze_data *data)
{
    if (data->kind != FROM_MEMORY) drop_bytes(data);
}

bool adze_data_read(adze_data *data, uint64_t offset, void *out, uint64_t size)
{
    if (offset > data->size || size > data->size - offset)
        return adze_error(adze_loc_unknown(data->context), "a read past the end of a constant");
    if (!data->bytes && data->kind == FROM_FILE) return read_file(data, offset, out, size);
    const char *bytes = adze_data_load(data);
    if (bytes && size) memcpy(out, bytes + offset, size);
    return bytes != NULL;
}

bool adze_data_is_file(const adze_data *data, const char **out_path, uint64_t *out_offset)
{
    if (data->kind != FROM_FILE) return false;
    if (out_path) *out_path = data->path;
    if (out_offset) *out_offset = data->offset;
    return true;
}

bool adze_data_is_derived(const adze_data *data, const adze_op_row **out_row, const adze_slot **out_attrs,
                          adze_const *const **out_inputs, uint32_t *out_n_inputs)
{
    if (data->kind != FROM_OP) return false;
    if (out_row) *out_row = data->row;
    if (out_attrs) *out_attrs = data->attrs;
    if (out_inputs) *out_inputs = data->inputs;
    if (out_n_inputs) *out_n_inputs = data->n_inputs;
    return true;
}
