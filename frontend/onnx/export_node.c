/* One node on its way out: drafted, compared with the forms that the opset has, written. */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AttributeProto: fields and AttributeType. */
enum { NAME = 1, F = 2, I = 3, S = 4, FLOATS = 7, INTS = 8, STRINGS = 9, TYPE = 20 };
enum { IS_FLOAT = 1, IS_INT = 2, IS_STRING = 3, IS_FLOATS = 6, IS_INTS = 7, IS_STRINGS = 8 };

static void add(const char ***items, uint32_t *count, uint32_t *capacity, const char *item)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        *items = realloc(*items, *capacity * sizeof **items);
        if (!*items) abort();
    }
    (*items)[(*count)++] = item;
}

void adze_onnx_begin(adze_onnx_export *x, const char *op_type)
{
    adze_onnx_draft *d = &x->draft;
    d->op_type = op_type;
    d->domain = NULL;
    d->n_in = d->n_out = d->n_attrs = 0;
    d->body.size = 0;
}

void adze_onnx_in(adze_onnx_export *x, const char *name)
{
    add(&x->draft.in, &x->draft.n_in, &x->draft.in_capacity, name ? name : "");
}

void adze_onnx_out(adze_onnx_export *x, const char *name)
{
    add(&x->draft.out, &x->draft.n_out, &x->draft.out_capacity, name ? name : "");
}

/* ---- Attributes ---- */

static size_t begin_attr(adze_onnx_export *x, const char *name)
{
    add(&x->draft.attrs, &x->draft.n_attrs, &x->draft.attrs_capacity, name);
    size_t begin = adze_onnx_put_begin(&x->draft.body, 5);
    adze_onnx_put_text(&x->draft.body, NAME, name);
    return begin;
}

static void end_attr(adze_onnx_export *x, size_t begin, int64_t type)
{
    adze_onnx_put_int(&x->draft.body, TYPE, type);
    adze_onnx_put_end(&x->draft.body, begin);
}

void adze_onnx_int(adze_onnx_export *x, const char *name, int64_t value)
{
    size_t begin = begin_attr(x, name);
    adze_onnx_put_int(&x->draft.body, I, value);
    end_attr(x, begin, IS_INT);
}

void adze_onnx_float(adze_onnx_export *x, const char *name, double value)
{
    size_t begin = begin_attr(x, name);
    adze_onnx_put_float(&x->draft.body, F, (float)value);
    end_attr(x, begin, IS_FLOAT);
}

void adze_onnx_string_bytes(adze_onnx_export *x, const char *name, const void *bytes, size_t size)
{
    size_t begin = begin_attr(x, name);
    adze_onnx_put_bytes(&x->draft.body, S, bytes, size);
    end_attr(x, begin, IS_STRING);
}

void adze_onnx_string(adze_onnx_export *x, const char *name, const char *value)
{
    adze_onnx_string_bytes(x, name, value, strlen(value));
}

void adze_onnx_int_list(adze_onnx_export *x, const char *name, const int64_t *values, uint64_t count)
{
    size_t begin = begin_attr(x, name);
    for (uint64_t i = 0; i < count; i++) adze_onnx_put_int(&x->draft.body, INTS, values[i]);
    end_attr(x, begin, IS_INTS);
}

void adze_onnx_float_list(adze_onnx_export *x, const char *name, const double *values, uint64_t count)
{
    size_t begin = begin_attr(x, name);
    for (uint64_t i = 0; i < count; i++) adze_onnx_put_float(&x->draft.body, FLOATS, (float)values[i]);
    end_attr(x, begin, IS_FLOATS);
}

void adze_onnx_string_list(adze_onnx_export *x, const char *name, const char *words)
{
    size_t begin = begin_attr(x, name);
    for (size_t n; (n = strcspn(words, " ")) > 0; words += n + (words[n] == ' '))
        adze_onnx_put_bytes(&x->draft.body, STRINGS, words, n);
    end_attr(x, begin, IS_STRINGS);
}

void adze_onnx_strings(adze_onnx_export *x, const char *name, const char *const *values)
{
    size_t begin = begin_attr(x, name);
    for (; *values; values++) adze_onnx_put_text(&x->draft.body, STRINGS, *values);
    end_attr(x, begin, IS_STRINGS);
}

void adze_onnx_strings_bytes(adze_onnx_export *x, const char *name, const adze_string *values, uint64_t count)
{
    size_t begin = begin_attr(x, name);
    for (uint64_t i = 0; i < count; i++)
        adze_onnx_put_bytes(&x->draft.body, STRINGS, values[i].data, values[i].size);
    end_attr(x, begin, IS_STRINGS);
}

void adze_onnx_message(adze_onnx_export *x, const char *name, uint32_t field, int64_t type,
                       const adze_onnx_bytes *bytes)
{
    size_t begin = begin_attr(x, name);
    adze_onnx_put_bytes(&x->draft.body, field, bytes->data, bytes->size);
    end_attr(x, begin, type);
}

/* ---- The end of a node ---- */

static adze_dtype dtype_of(const adze_onnx_export *x, const char *name)
{
    uintptr_t known = *name ? (uintptr_t)adze_map_get(x->dtypes, name) : 0;
    return known ? (adze_dtype)(known - 1) : ADZE_DTYPE_NONE;
}

/* The opset, not before the one of the export, that has this attribute; 0 if none has it. */
static int64_t opset_with(const adze_onnx_export *x, const char *op_type, const char *attribute)
{
    for (int64_t opset = x->opset; opset <= ADZE_ONNX_OPSET_MAX; opset++) {
        const adze_onnx_form *form = adze_onnx_form_find(op_type, opset, NULL);
        if (form && adze_onnx_form_has(form, attribute)) return opset;
    }
    return 0;
}

static bool check_types(adze_onnx_export *x, const adze_onnx_form *form)
{
    const adze_onnx_draft *d = &x->draft;
    adze_dtype *types = calloc((size_t)d->n_in + d->n_out + 1, sizeof *types);
    if (!types) abort();
    for (uint32_t i = 0; i < d->n_in; i++) types[i] = dtype_of(x, d->in[i]);
    for (uint32_t i = 0; i < d->n_out; i++) types[d->n_in + i] = dtype_of(x, d->out[i]);
    bool ok = adze_onnx_form_takes(form, types, d->n_in, types + d->n_in, d->n_out);
    const char *of = "";
    adze_text list = {0};
    for (uint32_t i = 0; !ok && i < d->n_in; i++) {
        static const char *const kinds[] = {"sequences", "optionals", "maps"};
        uint32_t kind = (uint32_t)types[i];
        const adze_type *type = kind && kind < ADZE_ONNX_SEQUENCES
                                    ? adze_type_tensor(x->context, types[i], 0, NULL, NULL) : NULL;
        char name[32] = "nothing";
        if (kind >= ADZE_ONNX_SEQUENCES) snprintf(name, sizeof name, "%s", kinds[kind - ADZE_ONNX_SEQUENCES]);
        if (type) adze_type_print(type, name, sizeof name);
        adze_text_append(&list, "%s%.*s", of, (int)strcspn(name, "["), name);
        of = " and ";
    }
    free(types);
    if (!ok) adze_onnx_refuse(x, "%s takes no %.*s", d->op_type, (int)list.size, list.data ? list.data : "");
    adze_text_free(&list);
    return ok;
}

/* Some operands could not be left out before. */
static bool check_least(adze_onnx_export *x, const adze_onnx_form *form)
{
    const adze_onnx_draft *d = &x->draft;
    int64_t opset = x->opset;
    while (d->n_in < adze_onnx_form_least(form)) {
        if (opset == ADZE_ONNX_OPSET_MAX)
            return adze_onnx_refuse(x, "%s takes at least %u operands", d->op_type, adze_onnx_form_least(form));
        form = adze_onnx_form_find(d->op_type, ++opset, NULL);
    }
    return opset == x->opset || adze_onnx_refuse(x, "%s of so few operands comes with opset %lld", d->op_type,
                                                 (long long)opset);
}

/* Others came later. */
static bool check_most(adze_onnx_export *x, const adze_onnx_form *form)
{
    const adze_onnx_draft *d = &x->draft;
    uint32_t most = adze_onnx_form_inputs(form);
    if (d->n_in <= most) return true;
    int64_t opset = adze_onnx_opset_taking(x, d->op_type, d->n_in - 1);
    return opset ? adze_onnx_refuse(x, "%s of %u operands comes with opset %lld", d->op_type, d->n_in, (long long)opset)
                 : adze_onnx_refuse(x, "%s takes at most %u operand%s", d->op_type, most, most == 1 ? "" : "s");
}

static bool check_form(adze_onnx_export *x)
{
    const adze_onnx_draft *d = &x->draft;
    int32_t first;
    const adze_onnx_form *form = adze_onnx_form_find(d->op_type, x->opset, &first);
    if (!form)
        return first ? adze_onnx_refuse(x, "%s comes with opset %d", d->op_type, first)
                     : adze_onnx_refuse(x, "ONNX has no %s", d->op_type);
    for (uint32_t i = 0; i < d->n_attrs; i++) {
        if (adze_onnx_form_has(form, d->attrs[i])) continue;
        int64_t opset = opset_with(x, d->op_type, d->attrs[i]);
        return opset ? adze_onnx_refuse(x, "'%s' of %s comes with opset %lld", d->attrs[i], d->op_type,
                                        (long long)opset)
                     : adze_onnx_refuse(x, "%s has no attribute '%s'", d->op_type, d->attrs[i]);
    }
    return check_most(x, form) && check_least(x, form) && check_types(x, form);
}

static bool note_domain(adze_onnx_export *x, const char *domain)
{
    const char *name = adze_intern_z(x->context, domain);
    if (adze_map_get(x->domains, name)) return true;
    if (x->n_domains == sizeof x->domain_list / sizeof *x->domain_list)
        return adze_onnx_refuse(x, "more than %u domains of ops", x->n_domains);
    adze_map_set(x->domains, name, x);
    x->domain_list[x->n_domains++] = name;
    return true;
}

/* The node's name, made unique by an end that the import drops again (names.c). */
static const char *node_name(adze_onnx_export *x)
{
    if (!x->node || !*x->node) return NULL;
    const char *name = x->node;
    uintptr_t count = (uintptr_t)adze_map_get(x->taken_nodes, name);
    adze_map_set(x->taken_nodes, name, (void *)(count + 1));
    while (count++) {
        name = adze_internf(x->context, "%s~%zu", x->node, (size_t)count);
        if (adze_map_get(x->taken_nodes, name)) continue;
        adze_map_set(x->taken_nodes, name, (void *)(uintptr_t)1);
        break;
    }
    return name;
}

/* ---- Elements of few bits ---- */

/* The byte that holds integers of fewer bits; NONE of other types. */
static adze_dtype byte_of(adze_dtype dtype)
{
    if (dtype == ADZE_DTYPE_NONE || (uint32_t)dtype >= ADZE_ONNX_SEQUENCES || adze_dtype_bits(dtype) >= 8)
        return ADZE_DTYPE_NONE;
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    return kind == ADZE_KIND_UINT ? ADZE_DTYPE_u8 : kind == ADZE_KIND_INT ? ADZE_DTYPE_i8 : ADZE_DTYPE_NONE;
}

static bool can_cast(const adze_onnx_export *x, adze_dtype from, adze_dtype to)
{
    const adze_onnx_form *form = adze_onnx_form_find("Cast", x->opset, NULL);
    return form && adze_onnx_form_takes(form, &from, 1, &to, 1);
}

/* Cast of one name to another one, beside the draft. */
static void put_cast(adze_onnx_export *x, const char *from, const char *to)
{
    size_t begin = adze_onnx_put_begin(x->nodes, 1);
    adze_onnx_put_text(x->nodes, 1, from);
    adze_onnx_put_text(x->nodes, 2, to);
    const char *name = node_name(x);
    if (name) adze_onnx_put_text(x->nodes, 3, name);
    adze_onnx_put_text(x->nodes, 4, "Cast");
    size_t attr = adze_onnx_put_begin(x->nodes, 5);
    adze_onnx_put_text(x->nodes, NAME, "to");
    adze_onnx_put_int(x->nodes, I, adze_onnx_dtype_number(dtype_of(x, to)));
    adze_onnx_put_int(x->nodes, TYPE, IS_INT);
    adze_onnx_put_end(x->nodes, attr);
    adze_onnx_put_end(x->nodes, begin);
}

/* An op that only moves elements, of fewer bits than its form takes, moves them as bytes: its operands are cast, and
 * its result gets a name of its own. *out_name: what that is cast back to; NULL: all is as it was. */
static void widen(adze_onnx_export *x, const char **out_name)
{
    adze_onnx_draft *d = &x->draft;
    const adze_onnx_form *form = adze_onnx_form_find(d->op_type, x->opset, NULL);
    adze_dtype in[8] = {ADZE_DTYPE_NONE}, out = d->n_out == 1 ? dtype_of(x, d->out[0]) : ADZE_DTYPE_NONE;
    adze_dtype byte = byte_of(out);
    *out_name = NULL;
    if (!form || byte == ADZE_DTYPE_NONE || d->n_in > 8 || !x->op || !adze_op_has_trait(x->op, ADZE_MOVE)) return;
    for (uint32_t i = 0; i < d->n_in; i++) in[i] = dtype_of(x, d->in[i]);
    if (adze_onnx_form_takes(form, in, d->n_in, &out, 1)) return;
    for (uint32_t i = 0; i < d->n_in; i++) in[i] = in[i] == out ? byte : in[i];
    if (!adze_onnx_form_takes(form, in, d->n_in, &byte, 1)) return;
    if (!can_cast(x, out, byte) || !can_cast(x, byte, out)) return;
    for (uint32_t i = 0; i < d->n_in; i++) {
        if (dtype_of(x, d->in[i]) != out) continue;
        const char *wide = adze_onnx_fresh(x, byte);
        put_cast(x, d->in[i], wide);
        d->in[i] = wide;
    }
    *out_name = d->out[0];
    d->out[0] = adze_onnx_fresh(x, byte);
}

bool adze_onnx_end(adze_onnx_export *x)
{
    adze_onnx_draft *d = &x->draft;
    const char *narrow = NULL;
    uint32_t least = strcmp(d->op_type, "Loop") ? 0 : 2; /* readers count its carried values from there */
    while (d->n_in > least && !*d->in[d->n_in - 1]) d->n_in--;
    if (!d->domain) widen(x, &narrow);
    if (!(d->domain ? note_domain(x, d->domain) : check_form(x))) return false;
    size_t begin = adze_onnx_put_begin(x->nodes, 1);
    for (uint32_t i = 0; i < d->n_in; i++) adze_onnx_put_text(x->nodes, 1, d->in[i]);
    for (uint32_t i = 0; i < d->n_out; i++) adze_onnx_put_text(x->nodes, 2, d->out[i]);
    const char *name = node_name(x);
    if (name) adze_onnx_put_text(x->nodes, 3, name);
    adze_onnx_put_text(x->nodes, 4, d->op_type);
    adze_onnx_put_raw(x->nodes, d->body.data, d->body.size);
    for (uint32_t i = 0; i < d->n_out; i++)
        if (*d->out[i]) adze_onnx_put_notes(x, x->nodes, ADZE_ONNX_NODE_DOCS, d->out[i], 6, 9);
    if (d->domain) adze_onnx_put_text(x->nodes, 7, d->domain);
    adze_onnx_put_end(x->nodes, begin);
    if (narrow) put_cast(x, d->out[0], narrow);
    return true;
}

const char *adze_onnx_say(adze_onnx_export *x, const char *op_type, const char *const *in, uint32_t n_in,
                          adze_dtype dtype, const char *out)
{
    if (!out) out = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, op_type);
    for (uint32_t i = 0; i < n_in; i++) adze_onnx_in(x, in[i]);
    adze_onnx_out(x, out);
    adze_onnx_end(x);
    return out;
}

/* ---- Names and small constants ---- */

const char *adze_onnx_take_name(adze_onnx_export *x, const char *wanted)
{
    const char *name = adze_intern_z(x->context, *wanted ? wanted : "v");
    const char *base = name;
    for (;;) {
        uintptr_t count = (uintptr_t)adze_map_get(x->taken, name);
        if (!count) break;
        uintptr_t next = (uintptr_t)adze_map_get(x->taken, base);
        adze_map_set(x->taken, base, (void *)(next + 1));
        name = adze_internf(x->context, "%s_%zu", base, (size_t)next);
    }
    adze_map_set(x->taken, name, (void *)(uintptr_t)1);
    return name;
}

const char *adze_onnx_made_name(adze_onnx_export *x, const char *like, bool helper)
{
    int n = (int)strcspn(like, "~");
    const char *base = adze_internf(x->context, "%.*s~", n, like), *name;
    do {
        uintptr_t next = (uintptr_t)adze_map_get(x->tried, base) + 1;
        adze_map_set(x->tried, base, (void *)next);
        name = adze_internf(x->context, "%s%zu%s", base, (size_t)next, helper ? "~" : "");
    } while (adze_map_get(x->taken, name));
    adze_map_set(x->taken, name, (void *)(uintptr_t)1);
    return name;
}

const char *adze_onnx_fresh(adze_onnx_export *x, adze_dtype dtype)
{
    const char *like = x->op && adze_op_num_results(x->op) ? adze_onnx_result(x, 0) : "v";
    const char *name = adze_onnx_made_name(x, like, true);
    adze_map_set(x->dtypes, name, (void *)((uintptr_t)dtype + 1));
    return name;
}

static const char *new_tensor(adze_onnx_export *x, adze_dtype dtype, const int64_t *dims, uint32_t rank,
                              const void *bytes, size_t size)
{
    const char *name = adze_onnx_fresh(x, dtype);
    size_t begin = adze_onnx_put_begin(&x->tensors, 5);
    for (uint32_t i = 0; i < rank; i++) adze_onnx_put_int(&x->tensors, 1, dims[i]);
    adze_onnx_put_int(&x->tensors, 2, adze_onnx_dtype_number(dtype));
    adze_onnx_put_text(&x->tensors, 8, name);
    adze_onnx_put_bytes(&x->tensors, 9, bytes, size);
    adze_onnx_put_end(&x->tensors, begin);
    const adze_type *type = adze_type_tensor_const(x->context, dtype, rank, dims);
    adze_onnx_put_info(x, &x->tensor_infos, 11, name, type);
    return name;
}

const char *adze_onnx_new_ints(adze_onnx_export *x, const int64_t *values, uint32_t count)
{
    int64_t dim = count;
    return new_tensor(x, ADZE_DTYPE_i64, &dim, 1, values, count * sizeof *values);
}

const char *adze_onnx_new_empty(adze_onnx_export *x, adze_dtype dtype)
{
    int64_t dim = 0;
    return new_tensor(x, dtype, &dim, 1, NULL, 0);
}

uint32_t adze_onnx_number(adze_onnx_export *x, adze_dtype dtype, double value, uint8_t out[16])
{
    /* a module of its own: the export changes nothing */
    adze_module *module = adze_module_create(x->context, "number");
    adze_ir_value *made = adze_const_scalar(module, "value", dtype, value);
    adze_data *data = made ? adze_const_data(adze_value_const(made)) : NULL;
    uint64_t size = data ? adze_data_size(data) : 0;
    if (size > 16 || (size && !adze_data_read(data, 0, out, size))) size = 0;
    adze_module_destroy(module);
    return (uint32_t)size;
}

const char *adze_onnx_new_scalar(adze_onnx_export *x, adze_dtype dtype, double value)
{
    uint8_t bytes[16] = {0};
    uint32_t size = adze_onnx_number(x, dtype, value, bytes);
    if (!size) adze_onnx_refuse(x, "no constant of that element type can be made");
    return new_tensor(x, dtype, NULL, 0, bytes, size);
}
