/* A mutator of ONNX models: unpacks the model, changes a few of its messages by what the schema says they hold, and
 * packs it again. What must not be packed any more (cut lengths, wrong wire types) is left to blind changes of bytes,
 * which come now and then.
 *
 * Everything unpacked lies in one arena that is freed whole, so that fields can be overwritten freely. Parts are moved
 * by packing and unpacking them, so that no message ever holds itself.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

enum { MAX_MESSAGES = 2048, MAX_NAMES = 512, ARENA = 4 << 20, MAX_PART = 4096, MAX_REPEAT = 64 };

typedef struct place {
    ProtobufCMessage *message;
    uint32_t depth;
} place;

typedef struct mutator {
    uint64_t random;
    uint8_t *arena;
    size_t used;
    place messages[MAX_MESSAGES];
    char *names[MAX_NAMES]; /* of values, as nodes say them */
    size_t n_messages, n_names;
} mutator;

static size_t below(mutator *m, size_t n) { return n ? fuzz_below(&m->random, n) : 0; }

/* ---- The arena ---- */

static void *take(void *self, size_t size)
{
    mutator *m = self;
    size = (size + 15) & ~(size_t)15;
    if (size > ARENA - m->used) return NULL;
    m->used += size;
    return m->arena + m->used - size;
}

static void keep(void *self, void *pointer) { (void)self, (void)pointer; }

static void *copy_of(mutator *m, const void *bytes, size_t size)
{
    char *copy = take(m, size + 1);
    if (!copy) return NULL;
    if (size) memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

/* NULL where the part is too large, or there is no room. */
static ProtobufCMessage *clone(mutator *m, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = size <= MAX_PART ? take(m, size + 1) : NULL;
    ProtobufCAllocator allocator = {take, keep, m};
    if (!bytes) return NULL;
    protobuf_c_message_pack(message, bytes);
    return protobuf_c_message_unpack(message->descriptor, &allocator, size, bytes);
}

static ProtobufCMessage *empty(mutator *m, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *made = take(m, descriptor->sizeof_message);
    if (made) protobuf_c_message_init(descriptor, made);
    return made;
}

/* ---- Fields ---- */

static void *at(ProtobufCMessage *message, size_t offset) { return (char *)message + offset; }

static size_t *count_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return at(message, field->quantifier_offset);
}

static bool is_repeated(const ProtobufCFieldDescriptor *field) { return field->label == PROTOBUF_C_LABEL_REPEATED; }

static bool has_flag(const ProtobufCFieldDescriptor *field)
{
    return field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE;
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    default: return 4;
    }
}

static bool is(const ProtobufCFieldDescriptor *field, const char *name) { return !strcmp(field->name, name); }

/* All messages, and the names of values. */
static void collect(mutator *m, ProtobufCMessage *message, uint32_t depth)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    if (m->n_messages == MAX_MESSAGES || depth > 90) return;
    m->messages[m->n_messages++] = (place){message, depth};
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        void **one = at(message, f->offset);
        size_t n = is_repeated(f) ? *count_of(message, f) : 1;
        void **list = is_repeated(f) ? *(void ***)one : one;
        bool names = d == &pb__node__descriptor && (is(f, "input") || is(f, "output"));
        for (size_t k = 0; k < n; k++) {
            if (f->type == PROTOBUF_C_TYPE_MESSAGE && list[k]) collect(m, list[k], depth + 1);
            if (names && m->n_names < MAX_NAMES) m->names[m->n_names++] = list[k];
        }
    }
}

/* A message of that kind from anywhere in the model, copied; now and then an empty one. */
static ProtobufCMessage *another(mutator *m, const ProtobufCMessageDescriptor *descriptor)
{
    size_t from = below(m, m->n_messages);
    if (below(m, 8) == 0) return empty(m, descriptor);
    for (size_t i = 0; i < m->n_messages; i++) {
        ProtobufCMessage *one = m->messages[(from + i) % m->n_messages].message;
        if (one->descriptor == descriptor) return clone(m, one);
    }
    return empty(m, descriptor);
}

/* ---- Values ---- */

static int64_t pick_int(mutator *m, const ProtobufCFieldDescriptor *field, int64_t old)
{
    static const int64_t special[] = {0,         1,          2,          3,         4,         8,          13,
                                      -1,        -2,         16,         64,        255,       1000,       65536,
                                      1 << 20,   INT32_MAX,  INT32_MIN,  UINT32_MAX, INT64_C(1) << 32, INT64_C(1) << 56,
                                      INT64_MAX, INT64_MIN};
    bool type = is(field, "data_type") || is(field, "elem_type") || is(field, "type") || is(field, "version");
    if (type && below(m, 8)) return (int64_t)below(m, 29);
    switch (below(m, 4)) {
    case 0: return (int64_t)((uint64_t)old + 1);
    case 1: return (int64_t)((uint64_t)old - 1);
    case 2: return (int64_t)below(m, 6) - 1;
    default: return special[below(m, sizeof special / sizeof *special)];
    }
}

static double pick_real(mutator *m)
{
    static const double special[] = {0, -0.0, 1, -1, 0.5, 2, 1e-45, 1e30, -1e30, 3e38, 255, 0.1};
    size_t i = below(m, sizeof special / sizeof *special + 3);
    if (i == 0) return __builtin_nan("");
    if (i < 3) return i == 1 ? __builtin_inf() : -__builtin_inf();
    return special[i - 3];
}

/* The ops that have a row, and those that the reader says with others. */
static const char *pick_op(mutator *m, adze_context *context)
{
    static const char *const more[] = {
        "AffineGrid", "Attention", "Bernoulli", "BitShift", "CastLike", "CausalConvWithState", "CenterCropPad",
        "Constant", "ConstantOfShape", "ConvTranspose", "DynamicQuantizeLinear", "Einsum", "EyeLike", "Gradient",
        "GroupNormalization", "Hardmax", "If", "InstanceNormalization", "LRN", "Loop", "LpNormalization", "LpPool",
        "Max", "Mean", "NegativeLogLikelihoodLoss", "OneHot", "QLinearConv", "QLinearMatMul", "RotaryEmbedding", "Scan",
        "Scatter", "SequenceEmpty", "SequenceMap", "Shrink", "SoftmaxCrossEntropyLoss", "Sum", "TensorScatter", "Trilu",
        "Upsample", "GroupQueryAttention", "MultiHeadAttention", "MatMulNBits", "FusedMatMul", "TreeEnsemble",
        "SVMClassifier", "LinearClassifier", "CastMap", "ZipMap", "LabelEncoder", "FeatureVectorizer"};
    if (below(m, 4) == 0) return more[below(m, sizeof more / sizeof *more)];
    for (int tries = 0; tries < 8; tries++) {
        const adze_op_row *row = adze_row_get(context, (uint32_t)below(m, adze_row_count(context)));
        if (row->onnx) return row->onnx;
    }
    return "Identity";
}

static const char *pick_attr(mutator *m, adze_context *context)
{
    for (int tries = 0; tries < 8; tries++) {
        const adze_op_row *row = adze_row_get(context, (uint32_t)below(m, adze_row_count(context)));
        if (row->n_attrs) return row->attrs[below(m, row->n_attrs)].name;
    }
    return "axis";
}

static char *pick_text(mutator *m, const ProtobufCFieldDescriptor *field, const char *old)
{
    static const char *const odd[] = {"", "\xff\xfe", "a\xc0\x80", "x", "..", "../x", "/etc/passwd", "0", "-1",
                                      "99999999999999999999", "location", "offset", "length"};
    static const char *const domains[] = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"};
    const char *text = old ? old : "";
    adze_context *context = NULL;
    size_t choice = below(m, 10);
    if (choice == 0) {
        text = odd[below(m, sizeof odd / sizeof *odd)];
    } else if (is(field, "op_type") || (is(field, "name") && choice < 3)) {
        context = adze_context_create(); /* names of built-in rows outlive it */
        text = is(field, "op_type") ? pick_op(m, context) : pick_attr(m, context);
        adze_context_destroy(context);
    } else if (is(field, "domain")) {
        text = domains[below(m, sizeof domains / sizeof *domains)];
    } else if (m->n_names) {
        text = m->names[below(m, m->n_names)];
    }
    return copy_of(m, text, strlen(text));
}

/* Cut, grown, one byte changed, or not UTF-8. */
static ProtobufCBinaryData pick_bytes(mutator *m, ProtobufCBinaryData old)
{
    size_t size = old.len;
    switch (below(m, 4)) {
    case 0: size = below(m, old.len + 1); break;
    case 1: size = old.len + 1 + below(m, 16); break;
    default: break;
    }
    uint8_t *copy = take(m, size + 1);
    if (!copy) return old;
    memset(copy, 0, size + 1);
    if (old.len && size) memcpy(copy, old.data, old.len < size ? old.len : size);
    if (size) copy[below(m, size)] = (uint8_t)fuzz_random(&m->random);
    return (ProtobufCBinaryData){size, copy};
}

static void set_value(mutator *m, const ProtobufCFieldDescriptor *field, void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64: *(int64_t *)value = pick_int(m, field, *(int64_t *)value); break;
    case PROTOBUF_C_TYPE_DOUBLE: *(double *)value = pick_real(m); break;
    case PROTOBUF_C_TYPE_FLOAT: *(float *)value = (float)pick_real(m); break;
    case PROTOBUF_C_TYPE_BYTES: *(ProtobufCBinaryData *)value = pick_bytes(m, *(ProtobufCBinaryData *)value); break;
    case PROTOBUF_C_TYPE_STRING: {
        char *text = pick_text(m, field, *(char **)value);
        if (text) *(char **)value = text;
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *made = another(m, field->descriptor);
        if (made) *(ProtobufCMessage **)value = made;
        break;
    }
    default: *(int32_t *)value = (int32_t)pick_int(m, field, *(int32_t *)value); break;
    }
}

/* ---- Changes ---- */

/* A list loses an entry, gets one (a new one, or a copy of another), or two change places. */
static void change_list(mutator *m, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    size_t *n = count_of(message, field), size = size_of(field), i = below(m, *n), k = below(m, *n);
    char **list = at(message, field->offset), swap[16];
    switch (below(m, 4)) {
    case 0:
        if (*n == 0) return;
        memmove(*list + i * size, *list + (i + 1) * size, (*n - i - 1) * size);
        --*n;
        return;
    case 1:
        if (*n < 2) return;
        memcpy(swap, *list + i * size, size);
        memcpy(*list + i * size, *list + k * size, size);
        memcpy(*list + k * size, swap, size);
        return;
    case 2:
        if (*n) set_value(m, field, *list + i * size);
        return;
    default: break;
    }
    char *more = *n < MAX_REPEAT ? take(m, (*n + 1) * size) : NULL;
    if (!more) return;
    memset(more + *n * size, 0, size);
    if (*n) memcpy(more, *list, *n * size);
    if (*n && field->type != PROTOBUF_C_TYPE_MESSAGE) memcpy(more + *n * size, more + i * size, size);
    set_value(m, field, more + *n * size);
    if ((field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING) &&
        !*(void **)(void *)(more + *n * size))
        return;
    *list = more;
    ++*n;
}

static void change_field(mutator *m, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    const ProtobufCFieldDescriptor *field = &d->fields[below(m, d->n_fields)];
    if (is_repeated(field)) {
        change_list(m, message, field);
        return;
    }
    protobuf_c_boolean *there = at(message, field->quantifier_offset);
    if (below(m, 8) == 0) { /* left out */
        if (has_flag(field)) *there = 0;
        else memset(at(message, field->offset), 0, sizeof(void *));
        return;
    }
    set_value(m, field, at(message, field->offset));
    if (has_flag(field)) *there = 1;
}

static void put(mutator *m, ProtobufCMessage *message, const char *field, void *item)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, field);
    size_t *n = count_of(message, f);
    void ***list = at(message, f->offset), **more = take(m, (*n + 1) * sizeof *more);
    if (!more || !item) return;
    if (*n) memcpy(more, *list, *n * sizeof *more);
    more[(*n)++] = item;
    *list = more;
}

/* A node of the graph goes into both branches of an If in its place. */
static void into_if(mutator *m, Pb__Graph *graph)
{
    static const char *const branches[] = {"then_branch", "else_branch"};
    size_t i = below(m, graph->n_node);
    if (!graph->n_node || !m->n_names) return;
    Pb__Node *node = graph->node[i], *made = (Pb__Node *)empty(m, &pb__node__descriptor);
    if (!made) return;
    made->op_type = copy_of(m, "If", 2);
    put(m, &made->base, "input", m->names[below(m, m->n_names)]);
    made->n_output = node->n_output;
    made->output = node->output;
    for (int k = 0; k < 2; k++) {
        Pb__Attribute *attr = (Pb__Attribute *)empty(m, &pb__attribute__descriptor);
        Pb__Graph *inner = (Pb__Graph *)empty(m, &pb__graph__descriptor);
        if (!attr || !inner) return;
        put(m, &inner->base, "node", clone(m, &node->base));
        for (size_t o = 0; o < node->n_output; o++) {
            Pb__ValueInfo *info = (Pb__ValueInfo *)empty(m, &pb__value_info__descriptor);
            if (info) info->name = node->output[o];
            put(m, &inner->base, "output", info);
        }
        attr->name = copy_of(m, branches[k], strlen(branches[k]));
        attr->g = inner;
        attr->has_type = 1;
        attr->type = 5;
        put(m, &made->base, "attribute", attr);
    }
    graph->node[i] = made;
}

/* A node of the graph, or of a function, becomes a function of the model that it calls. */
static void into_function(mutator *m, Pb__Model *model)
{
    Pb__Graph *graph = model->graph;
    if (!graph) return;
    size_t k = below(m, 1 + model->n_functions), n = k ? model->functions[k - 1]->n_node : graph->n_node;
    Pb__Node **nodes = k ? model->functions[k - 1]->node : graph->node;
    if (!n) return;
    size_t i = below(m, n);
    Pb__Node *node = nodes[i], *call = (Pb__Node *)empty(m, &pb__node__descriptor);
    Pb__Function *function = (Pb__Function *)empty(m, &pb__function__descriptor);
    if (!call || !function) return;
    char name[24];
    snprintf(name, sizeof name, "own%zu", model->n_functions);
    function->name = call->op_type = copy_of(m, name, strlen(name));
    function->domain = call->domain = copy_of(m, "own", 3);
    function->n_input = call->n_input = node->n_input;
    function->input = call->input = node->input;
    function->n_output = call->n_output = node->n_output;
    function->output = call->output = node->output;
    function->n_opset_import = model->n_opset_import;
    function->opset_import = model->opset_import;
    put(m, &function->base, "node", clone(m, &node->base));
    put(m, &model->base, "functions", function);
    nodes[i] = call;
}

/* A tensor's data lies beside the model, or its values and some indices make a sparse tensor. */
static void change_tensor(mutator *m, Pb__Model *model, Pb__Tensor *tensor)
{
    static const char *const keys[] = {"location", "offset", "length"};
    if (below(m, 2) && model->graph) {
        Pb__SparseTensor *sparse = (Pb__SparseTensor *)empty(m, &pb__sparse_tensor__descriptor);
        if (!sparse) return;
        sparse->values = (Pb__Tensor *)clone(m, &tensor->base);
        sparse->indices = (Pb__Tensor *)another(m, &pb__tensor__descriptor);
        sparse->n_dims = tensor->n_dims;
        sparse->dims = tensor->dims;
        put(m, &model->graph->base, "sparse_initializer", sparse);
        return;
    }
    tensor->has_data_location = 1;
    tensor->data_location = 1;
    for (int k = 0; k < 3; k++) {
        Pb__Entry *entry = (Pb__Entry *)empty(m, &pb__entry__descriptor);
        const ProtobufCFieldDescriptor *value =
            protobuf_c_message_descriptor_get_field_by_name(&pb__entry__descriptor, "value");
        if (!entry) return;
        entry->key = copy_of(m, keys[k], strlen(keys[k]));
        entry->value = pick_text(m, value, "weights.bin");
        put(m, &tensor->base, "external_data", entry);
    }
}

static void change(mutator *m, Pb__Model *model)
{
    ProtobufCMessage *message = m->messages[below(m, m->n_messages)].message;
    size_t choice = below(m, 16);
    if (choice == 0 && message->descriptor == &pb__graph__descriptor) into_if(m, (Pb__Graph *)message);
    else if (choice == 1 && model->graph) into_if(m, model->graph);
    else if (choice == 2) into_function(m, model);
    else if (choice < 6 && message->descriptor == &pb__tensor__descriptor)
        change_tensor(m, model, (Pb__Tensor *)message);
    else change_field(m, message);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed)
{
    static mutator m;
    m.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    m.used = m.n_messages = m.n_names = 0;
    if (below(&m, 16) == 0) return LLVMFuzzerMutate(bytes, size, capacity);
    if (!m.arena && !(m.arena = malloc(ARENA))) abort();
    ProtobufCAllocator allocator = {take, keep, &m};
    ProtobufCMessage *model = protobuf_c_message_unpack(&pb__model__descriptor, &allocator, size, bytes);
    if (!model) return LLVMFuzzerMutate(bytes, size, capacity);
    collect(&m, model, 0);
    for (size_t rounds = 1 + below(&m, 4); rounds > 0; rounds--) change(&m, (Pb__Model *)model);
    size_t packed = protobuf_c_message_get_packed_size(model);
    if (packed > capacity) return LLVMFuzzerMutate(bytes, size, capacity);
    protobuf_c_message_pack(model, bytes);
    return packed;
}
