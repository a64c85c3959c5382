/* A node's attributes: reading them by name, and turning them into the row's. */
#include "export.h"
#include "upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AttributeProto.AttributeType; 0 in files of old writers. */
enum {
    KIND_FLOAT = 1,
    KIND_INT = 2,
    KIND_STRING = 3,
    KIND_TENSOR = 4,
    KIND_GRAPH = 5,
    KIND_FLOATS = 6,
    KIND_INTS = 7,
    KIND_STRINGS = 8,
};

static const char *kind_name(int32_t kind)
{
    static const char *const names[] = {
        "no kind", "a float",         "an int",         "a string", "a tensor",
        "a graph", "floats",          "ints",           "strings",  "tensors",
        "graphs",  "a sparse tensor", "sparse tensors", "a type",   "types",
    };
    return kind >= 0 && (size_t)kind < sizeof names / sizeof *names ? names[kind] : "no known kind";
}

/* The kind that an attribute's fields show, where the file does not say. */
static int32_t kind_of(const Pb__Attribute *attr)
{
    if (attr->type) return attr->type;
    if (attr->has_f) return KIND_FLOAT;
    if (attr->has_i) return KIND_INT;
    if (attr->has_s) return KIND_STRING;
    if (attr->t) return KIND_TENSOR;
    if (attr->g) return KIND_GRAPH;
    if (attr->n_floats) return KIND_FLOATS;
    if (attr->n_ints) return KIND_INTS;
    if (attr->n_strings) return KIND_STRINGS;
    return 0;
}

static const Pb__Attribute *find(Pb__Attribute *const *attrs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (attrs[i]->name && strcmp(attrs[i]->name, name) == 0) return attrs[i];
    return NULL;
}

/* What an attribute of a function body refers to: the call's attribute (which may refer on), or the
 * function's default; NULL if the call leaves it out. */
static const Pb__Attribute *resolve(const adze_onnx_scope *scope, const Pb__Attribute *attr)
{
    while (attr && attr->ref_attr_name && attr->ref_attr_name[0] && scope->call) {
        const adze_onnx_node *call = scope->call;
        const char *name = attr->ref_attr_name;
        const Pb__Attribute *given = find(call->proto->attribute, call->proto->n_attribute, name);
        if (!given) return find(scope->defaults, scope->n_defaults, name);
        attr = given;
        scope = call->scope;
    }
    return attr;
}

bool adze_onnx_attr_refs(const adze_onnx_node *node)
{
    for (size_t i = 0; i < node->proto->n_attribute && !node->scope->call; i++) {
        const Pb__Attribute *attr = node->proto->attribute[i];
        if (attr->ref_attr_name && attr->ref_attr_name[0])
            return adze_onnx_invalid(node, "attribute '%s' is that of a call, '%s', but the node stands in no function",
                                     attr->name ? attr->name : "", attr->ref_attr_name);
    }
    return true;
}

const Pb__Attribute *adze_onnx_attr(adze_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const Pb__Attribute *attr = node->proto->attribute[i];
        if (!attr->name || strcmp(attr->name, name) != 0) continue;
        node->used[i] = true;
        return resolve(node->scope, attr);
    }
    return NULL;
}

/* False after an error; *out NULL if the attribute is absent. */
static bool attr_of_kind(adze_onnx_node *node, const char *name, int32_t kind,
                         const Pb__Attribute **out)
{
    const Pb__Attribute *attr = *out = adze_onnx_attr(node, name);
    if (!attr || kind_of(attr) == kind || kind_of(attr) == 0) return true;
    return adze_onnx_invalid(node, "attribute '%s' is %s, not %s", name, kind_name(kind_of(attr)),
                             kind_name(kind));
}

bool adze_onnx_attr_int(adze_onnx_node *node, const char *name, int64_t *out)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_INT, &attr)) return false;
    if (attr) *out = attr->i;
    return true;
}

/* Is `name` one of the words of `more`, each of which stands between spaces? */
static bool has_word(const char *more, const char *name)
{
    char word[80];
    int n = snprintf(word, sizeof word, " %s ", name);
    return more && n > 0 && (size_t)n < sizeof word && strstr(more, word);
}

/* Flags of which the standard says what 0 and 1 mean: any other value is an error. */
static const char strict_flags[] =
    " allowzero antialias causal ceil_mode center_point_box channels_last do_rotary exclude_outside exclusive fmod "
    "input_forget interleaved is_causal is_packed_batching is_test keepdims largest layout noop_with_empty_axes "
    "one_class output_qk past_present_share_buffer reverse rotary_interleaved saturate select_last_index "
    "sliding_window_cache sorted storage_order training_mode unidirectional ";
/* Flags that are asked for whether they are set: everything but 0 is 1, as in ONNX Runtime. */
static const char loose_flags[] =
    " align_corners count_include_pad detect_negative detect_positive inverse is_case_sensitive "
    "linear_before_reset onesided periodic transA transB transBatchA transBatchB upper zeros ";

/* What other domains mean by a name is theirs to say. */
static bool is_of_onnx(const adze_onnx_node *node)
{
    return !*node->domain || !strncmp(node->domain, "ai.onnx.", 8) || !strcmp(node->domain, "com.microsoft");
}

bool adze_onnx_attr_flag(adze_onnx_node *node, const char *name, int64_t *out)
{
    int64_t value = *out;
    if (!adze_onnx_attr_int(node, name, &value)) return false;
    if (value != 0 && value != 1 && !has_word(loose_flags, name))
        return adze_onnx_invalid(node, "attribute '%s' is %lld; 0 and 1 are known", name, (long long)value);
    *out = value != 0;
    return true;
}

/* The decimal with the fewest digits that is this f32: 0.1f is 0.1, not 0.100000001. */
static double widen(float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) return strtod(text, NULL);
    }
    return (double)value;
}

bool adze_onnx_attr_float(adze_onnx_node *node, const char *name, double *out)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_FLOAT, &attr)) return false;
    if (attr) *out = widen(attr->f);
    return true;
}

static bool text_of(const adze_onnx_node *node, const char *name, ProtobufCBinaryData bytes,
                    const char **out)
{
    if (bytes.len && memchr(bytes.data, 0, bytes.len))
        return adze_onnx_invalid(node, "attribute '%s' holds a zero byte", name);
    for (const char *at = (const char *)bytes.data, *end = at + bytes.len; bytes.len && at < end;) {
        size_t n = adze_utf8_length(at, end);
        if (!n) return adze_onnx_invalid(node, "attribute '%s' is not UTF-8", name);
        at += n;
    }
    *out = adze_intern(node->import->context, bytes.len ? (const char *)bytes.data : "", bytes.len);
    return true;
}

bool adze_onnx_attr_str(adze_onnx_node *node, const char *name, const char **out)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_STRING, &attr)) return false;
    return !attr || text_of(node, name, attr->s, out);
}

bool adze_onnx_attr_ints(adze_onnx_node *node, const char *name, const int64_t **out,
                         size_t *out_count)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_INTS, &attr)) return false;
    if (!attr) return true;
    static const int64_t none[1];
    *out = attr->n_ints ? attr->ints : none;
    *out_count = attr->n_ints;
    return true;
}

const Pb__Graph *adze_onnx_attr_graph(adze_onnx_node *node, const char *name)
{
    const Pb__Attribute *attr, *given = find(node->proto->attribute, node->proto->n_attribute, name);
    if (given && given->ref_attr_name && given->ref_attr_name[0]) {
        adze_onnx_unsupported(node, "attribute '%s' is a graph that a call hands to its function", name);
        return NULL;
    }
    if (!attr_of_kind(node, name, KIND_GRAPH, &attr)) return NULL;
    if (!attr || !attr->g) adze_onnx_invalid(node, "attribute '%s', a graph, is missing", name);
    return attr ? attr->g : NULL;
}

static const adze_attr_row *row_attr(const adze_op_row *row, const char *name)
{
    for (uint32_t i = 0; i < row->n_attrs; i++)
        if (strcmp(row->attrs[i].name, name) == 0) return &row->attrs[i];
    return NULL;
}

/* Is it an op of the default domain from before the standard had it? ONNX Runtime reads some, and holds their
 * attributes to nothing. The table of forms begins at opset 13. */
static bool is_early(const adze_onnx_node *node)
{
    enum { TABLE_BEGINS = 13 };
    int32_t first = 0;
    if (*node->domain) return false;
    adze_onnx_form_find(node->op_type, node->version, &first);
    return first > TABLE_BEGINS && node->version < first;
}

bool adze_onnx_attr_check(const adze_onnx_node *node, const adze_op_row *row, const char *more)
{
    if (!adze_onnx_attr_refs(node)) return false;
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const char *name = node->proto->attribute[i]->name;
        if (!name || !*name) return adze_onnx_invalid(node, "an attribute without a name");
        if (find(node->proto->attribute, i, name))
            return adze_onnx_invalid(node, "attribute '%s' is given twice", name);
        bool legacy = node->version < 7 && !*node->domain && has_word(adze_onnx_legacy_attrs, name);
        if ((row && row_attr(row, name)) || has_word(more, name) || legacy) continue;
        if (!is_early(node)) return adze_onnx_unsupported(node, "attribute '%s' is not known", name);
        adze_warning(node->loc, "attribute '%s' is not known, and ignored", name);
        node->used[i] = true;
    }
    return true;
}

static bool dtype_of_attr(adze_onnx_node *node, const char *name, adze_dtype *out)
{
    int64_t number = 0;
    if (!adze_onnx_attr_int(node, name, &number)) return false;
    *out = adze_onnx_dtype(number);
    if (*out != ADZE_DTYPE_NONE) return true;
    return adze_onnx_unsupported(node, "element type %lld of attribute '%s' is not known",
                                 (long long)number, name);
}

static bool convert_floats(adze_onnx_node *node, const char *name, adze_attr *out)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_FLOATS, &attr)) return false;
    size_t count = attr ? attr->n_floats : 0;
    double *values = node->floats + node->n_floats;
    node->n_floats += count;
    for (size_t i = 0; i < count; i++) values[i] = widen(attr->floats[i]);
    *out = adze_attr_floats(name, values, count);
    return true;
}

static bool convert_strings(adze_onnx_node *node, const char *name, adze_attr *out)
{
    const Pb__Attribute *attr;
    if (!attr_of_kind(node, name, KIND_STRINGS, &attr)) return false;
    size_t count = attr ? attr->n_strings : 0;
    const char **strings = calloc(count + 1, sizeof *strings);
    bool ok = strings || adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; ok && i < count; i++) ok = text_of(node, name, attr->strings[i], &strings[i]);
    if (ok) *out = adze_attr_strs_make(node->import->context, name, strings, (uint32_t)count);
    free(strings);
    return ok;
}

/* Room for all lists of floats of the node, widened. */
static bool reserve_floats(adze_onnx_node *node)
{
    size_t count = 1;
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const Pb__Attribute *attr = resolve(node->scope, node->proto->attribute[i]);
        if (attr) count += attr->n_floats;
    }
    free(node->floats);
    node->floats = calloc(count, sizeof *node->floats);
    node->n_floats = 0;
    return node->floats || adze_onnx_invalid(node, "out of memory");
}

static bool convert(adze_onnx_node *node, const adze_attr_row *row, adze_attr *out)
{
    int64_t i = 0;
    double f = 0;
    const char *s = "";
    const int64_t *ints = NULL;
    size_t count = 0;
    adze_dtype dtype = ADZE_DTYPE_NONE;
    bool ok;
    switch (row->kind) {
    case ADZE_ATTR_INT:
    case ADZE_ATTR_BOOL:
        ok = is_of_onnx(node) && (has_word(strict_flags, row->name) || has_word(loose_flags, row->name))
                 ? adze_onnx_attr_flag(node, row->name, &i)
                 : adze_onnx_attr_int(node, row->name, &i);
        *out = adze_attr_int(row->name, i);
        return ok;
    case ADZE_ATTR_FLOAT:
        ok = adze_onnx_attr_float(node, row->name, &f);
        *out = adze_attr_float(row->name, f);
        return ok;
    case ADZE_ATTR_STR:
        ok = adze_onnx_attr_str(node, row->name, &s);
        *out = adze_attr_str(row->name, s);
        return ok;
    case ADZE_ATTR_INTS:
        ok = adze_onnx_attr_ints(node, row->name, &ints, &count);
        *out = adze_attr_ints(row->name, ints, count);
        return ok;
    case ADZE_ATTR_TYPE:
        ok = dtype_of_attr(node, row->name, &dtype);
        *out = adze_attr_type(row->name, dtype);
        return ok;
    case ADZE_ATTR_FLOATS:
        return convert_floats(node, row->name, out);
    case ADZE_ATTR_STRS:
        return convert_strings(node, row->name, out);
    default:
        return adze_onnx_unsupported(node, "attribute '%s' has no form in the IR", row->name);
    }
}

bool adze_onnx_attr_convert(adze_onnx_node *node, const adze_op_row *row, adze_attr *attrs,
                            uint32_t *n_attrs)
{
    if (!reserve_floats(node)) return false;
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const Pb__Attribute *attr = node->proto->attribute[i];
        if (node->used[i]) continue;
        node->used[i] = true;
        const adze_attr_row *kind = row_attr(row, attr->name);
        if (!kind) return adze_onnx_unsupported(node, "attribute '%s' is not known", attr->name);
        if (!resolve(node->scope, attr)) continue;
        if (!convert(node, kind, &attrs[*n_attrs])) return false;
        ++*n_attrs;
    }
    return true;
}
