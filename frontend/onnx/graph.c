/* Nodes: the order they are imported in, and one node into the IR.
 *
 * The format wants nodes sorted so that values are made before they are used. Not every exporter
 * keeps to that, so a node whose inputs are not there yet waits until their makers are done, with
 * an explicit stack; a wait that comes back to itself is a cycle.
 */
#include "export.h"
#include "upgrade.h"

#include <stdlib.h>
#include <string.h>

/* Bound on nodes that come from functions and from graphs inside nodes: a few can stand for very many nodes. */
enum { MAX_INLINED = 1 << 18 };

/* From this opset on ops look much as they do today. */
enum { LEGACY = 7 };

enum { UNSEEN, WAITING, DONE };

/* The nodes of one body. */
typedef struct body {
    adze_onnx_import *import;
    adze_onnx_scope *scope;
    const adze_onnx_nodes *nodes;
    adze_map *makers; /* interned value name -> index + 1 of the node that makes it */
    uint8_t *state;
    uint32_t *stack;
    size_t depth, capacity;
    adze_onnx_piece piece;
} body;

static const char *intern(const body *self, const char *text)
{
    return adze_intern_z(self->import->context, text);
}

static bool fail(const body *self, const char *what)
{
    return adze_error(adze_onnx_source_loc(&self->import->source), "%s", what);
}

static const char *node_name(const body *self, const char *name, const char *op_type,
                             uint32_t index)
{
    adze_context *context = self->import->context;
    if (name && adze_onnx_is_made(name)) name = adze_intern(context, name, (size_t)(strrchr(name, '~') - name));
    if (name && *name) return adze_internf(context, "%s%s", self->scope->prefix, name);
    return adze_internf(context, "%s%s_%u", self->scope->prefix, op_type, index);
}

static adze_loc node_loc(const body *self, const char *name, const char *op_type)
{
    adze_loc loc = adze_onnx_source_loc(&self->import->source);
    loc.node = name;
    loc.op_type = op_type;
    return loc;
}

adze_ir_value *adze_onnx_find(const adze_onnx_scope *scope, const char *name)
{
    adze_ir_value *value = NULL;
    for (; scope && !value; scope = scope->parent) value = adze_map_get(scope->values, name);
    return value;
}

bool adze_onnx_count(adze_onnx_import *import, size_t count)
{
    if (import->n_inlined > MAX_INLINED) return false;
    import->n_inlined += count < MAX_INLINED ? (uint32_t)count : MAX_INLINED;
    return import->n_inlined <= MAX_INLINED ||
           adze_error(adze_onnx_source_loc(&import->source),
                      "functions and graphs inside nodes expand to more than %d nodes", MAX_INLINED);
}

/* NULL after an error. What was unpacked before is gone. */
static const Pb__Node *unpack(body *self, uint32_t index)
{
    if (self->nodes->protos) return self->nodes->protos[index];
    return adze_onnx_piece_unpack(&self->piece, &self->import->source, self->nodes->ranges[index],
                                  &pb__node__descriptor);
}

static bool note_used(void *self, const char *name)
{
    const body *b = self;
    adze_map_set(b->scope->used, name, b->scope);
    return true;
}

/* The tensor of a node Constant; NULL: it is another node, or holds none. */
static const Pb__Tensor *constant_of(const Pb__Node *node)
{
    bool is = !strcmp(node->op_type ? node->op_type : "", "Constant") && !(node->domain && *node->domain);
    return is && node->n_attribute == 1 && node->n_output == 1 ? node->attribute[0]->t : NULL;
}

/* Is the value one that node `index`, a Constant as `head` is, makes of that type? Then ONNX Runtime takes the last of
 * them, wherever it stands; the format has one maker for a value. */
static bool replaces(body *self, const Pb__Node *head, const char *value, uint32_t index)
{
    adze_onnx_piece piece = {0};
    adze_onnx_shape one, other;
    const Pb__Node *before = self->nodes->protos ? self->nodes->protos[index]
                                                 : adze_onnx_piece_unpack(&piece, &self->import->source,
                                                                          self->nodes->ranges[index],
                                                                          &pb__node__descriptor);
    const Pb__Tensor *a = constant_of(head), *b = before ? constant_of(before) : NULL;
    adze_loc loc = adze_onnx_source_loc(&self->import->source);
    bool same = a && b && adze_onnx_tensor_shape(a, loc, &one) && adze_onnx_tensor_shape(b, loc, &other) &&
                one.dtype == other.dtype && one.rank == other.rank &&
                !memcmp(one.dims, other.dims, one.rank * sizeof *one.dims);
    adze_onnx_piece_free(&piece);
    if (!same) return false;
    self->state[index] = DONE;
    adze_warning(loc, "two Constants make '%s', where the format has one: the last counts, as for ONNX Runtime", value);
    return true;
}

/* Notes who makes what, and what is used; a value has one maker. */
static bool find_makers(body *self)
{
    for (uint32_t i = 0; i < self->nodes->count; i++) {
        const Pb__Node *head = unpack(self, i);
        if (!head || !adze_onnx_reads(self->import->context, head, note_used, self)) return false;
        self->import->nameless |= head->n_output == 0;
        for (size_t k = 0; k < head->n_output; k++) {
            if (!head->output[k][0]) continue;
            const char *value = intern(self, head->output[k]);
            uint32_t maker = (uint32_t)(uintptr_t)adze_map_get(self->makers, value);
            bool again = maker && replaces(self, head, value, maker - 1);
            if ((maker && !again) || adze_map_get(self->scope->values, value)) {
                const char *op_type = intern(self, head->op_type ? head->op_type : "");
                adze_error(node_loc(self, node_name(self, head->name, op_type, i), op_type),
                           "output '%s' has the name of another value", value);
                if (!adze_onnx_may_report(self->import)) return false;
                continue;
            }
            adze_map_set(self->makers, value, (void *)(uintptr_t)(i + 1));
        }
    }
    return true;
}

static bool push(body *self, uint32_t index)
{
    if (self->depth == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 64;
        uint32_t *stack = realloc(self->stack, capacity * sizeof *stack);
        if (!stack) return fail(self, "out of memory");
        self->stack = stack;
        self->capacity = capacity;
    }
    self->stack[self->depth++] = index;
    return true;
}

/* A node that waits for what it reads. */
typedef struct waiting {
    body *self;
    const Pb__Node *proto;
    uint32_t index;
} waiting;

static bool push_maker(void *given, const char *value)
{
    const waiting *w = given;
    body *self = w->self;
    if (adze_map_get(self->scope->values, value)) return true;
    uintptr_t maker = (uintptr_t)adze_map_get(self->makers, value);
    if (maker == 0) return true;
    if (self->state[maker - 1] == WAITING) {
        const char *op_type = intern(self, w->proto->op_type ? w->proto->op_type : "");
        adze_error(node_loc(self, node_name(self, w->proto->name, op_type, w->index), op_type),
                   "the graph has a cycle: input '%s' depends on this node", value);
        adze_map_set(self->scope->values, value, adze_onnx_poison());
        return true;
    }
    return self->state[maker - 1] != UNSEEN || push(self, (uint32_t)maker - 1);
}

/* Pushes the makers of what the node reads that are not there yet. */
static bool push_makers(body *self, const Pb__Node *proto, uint32_t index)
{
    return adze_onnx_reads(self->import->context, proto, push_maker, &(waiting){self, proto, index});
}

/* ---- One node ---- */

static bool find_version(adze_onnx_node *node)
{
    const adze_onnx_scope *scope = node->scope;
    for (size_t i = 0; i < scope->n_opsets; i++) {
        const char *domain = scope->opsets[i]->domain ? scope->opsets[i]->domain : "";
        if (strcmp(domain, "ai.onnx") == 0) domain = "";
        if (strcmp(domain, node->domain) == 0) {
            node->version = scope->opsets[i]->version;
            return true;
        }
    }
    /* Other domains have one version in practice, and some exporters leave it out: 0. */
    return *node->domain || adze_onnx_of_model(node, "an entry of opset_import for ONNX's own domain",
                                               "the model does not say which opset it uses");
}

/* Makes the name stand for poison, in the outermost scope that is seen from here. */
static adze_ir_value *poison(const adze_onnx_scope *scope, const char *name)
{
    while (scope->parent) scope = scope->parent;
    adze_map_set(scope->values, name, adze_onnx_poison());
    return adze_onnx_poison();
}

static bool find_inputs(adze_onnx_node *node, bool *out_poisoned)
{
    *out_poisoned = false;
    for (size_t i = 0; i < node->proto->n_input; i++) {
        const char *name = adze_intern_z(node->import->context, node->proto->input[i]);
        adze_ir_value *value = *name ? adze_onnx_find(node->scope, name) : NULL;
        if (*name && !value && node->import->nameless) value = poison(node->scope, name);
        if (*name && !value) return adze_onnx_invalid(node, "input '%s' is defined nowhere", name);
        if (value == adze_onnx_poison()) *out_poisoned = true;
        if (value == adze_onnx_absent()) value = NULL;
        node->in[i] = value;
        if (value) node->n_in = (uint32_t)i + 1;
    }
    return true;
}

/* The op's row, form or function, and the import itself. Of other domains a plug-in's row goes first, then a function
 * that the model has itself. */
static bool import_op(adze_onnx_node *node, bool poisoned)
{
    bool standard = *node->domain == 0;
    const adze_op_row *row =
        adze_row_find_onnx(node->import->context, standard ? NULL : node->domain, node->op_type);
    const adze_onnx_upgrade *upgrade =
        row && !standard ? NULL : adze_onnx_upgrade_find(node->domain, node->op_type);
    if (!row && !(standard && upgrade)) {
        const adze_onnx_function_index *function = adze_onnx_function_find(node->import, node);
        if (function) return poisoned || adze_onnx_function_inline(node, function);
        if (!upgrade) return adze_onnx_unknown_op(node);
    }
    if (standard && (node->version < ADZE_ONNX_OPSET_MIN || node->version > ADZE_ONNX_OPSET_MAX))
        return adze_onnx_unsupported(node, "opsets %d to %d are read", ADZE_ONNX_OPSET_MIN,
                                     ADZE_ONNX_OPSET_MAX);
    int64_t newest = upgrade ? adze_onnx_upgrades_of(node->domain)->newest : 0;
    if (newest && node->version > newest)
        return adze_onnx_of_model(node, adze_internf(node->import->context, "the model at version %lld of it",
                                                     (long long)newest),
                                  "not supported (opset %lld): versions 1 to %lld of %s are read",
                                  (long long)node->version, (long long)newest, node->domain);
    node->import->composed |= standard && !adze_onnx_form_find(node->op_type, node->version, NULL);
    if (!adze_onnx_attr_check(node, row, upgrade ? upgrade->attrs : NULL)) return false;
    if (poisoned) return true;
    if (standard && node->version < LEGACY) {
        bool done = false;
        if (!adze_onnx_upgrade_legacy(node, &done) || done) return done && node->out[0];
    }
    return upgrade ? upgrade->run(node) : adze_onnx_finish(node, row->name, NULL, 0);
}

/* May a value of type `got` be one of those dims or, `stacked`, an entry along the first of them? */
static bool allows(const adze_type *got, bool stacked, uint32_t rank, const adze_dim *const *dims)
{
    if (!adze_type_is_tensor(got) || !adze_type_is_ranked(got)) return true;
    if (adze_type_rank(got) + stacked != rank) return false;
    for (uint32_t i = stacked; i < rank; i++)
        if (!adze_dim_compatible(adze_type_dim(got, i - stacked), dims[i])) return false;
    return true;
}

enum { FIRST = 2 }; /* operand of a loop that it carries */

/* Is it known that the loop's body runs? */
static bool runs_once(const adze_op *loop)
{
    const adze_ir_value *count = adze_op_operand(loop, 0), *condition = adze_op_operand(loop, 1);
    const adze_dim *dim;
    int64_t n = 1;
    bool goes = true;
    if (count && (adze_value_as_dims(count, &dim, 1) != 1 || !adze_dim_is_const(dim, &n))) return false;
    return n > 0 && (!condition || (adze_onnx_known_bool(condition, &goes) && goes));
}

/* May the result have those dims, as to what the regions of its op yield and what a loop begins with? */
static bool regions_allow(const adze_op *op, uint32_t index, uint32_t rank, const adze_dim *const *dims)
{
    bool loop = adze_op_is(op, "loop"), carried = FIRST + index < adze_op_num_operands(op);
    const adze_ir_value *first = loop && carried && !runs_once(op) ? adze_op_operand(op, FIRST + index) : NULL;
    if (first && !allows(adze_value_type(first), false, rank, dims)) return false;
    for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
        const adze_op *yield = adze_region_last(adze_op_region(op, i));
        if (!yield) continue;
        uint32_t at = index + adze_op_num_operands(yield) - adze_op_num_results(op); /* loops: whether to go on */
        if (!allows(adze_value_type(adze_op_operand(yield, at)), loop && !carried, rank, dims)) return false;
    }
    return true;
}

/* Is the value a stack of a loop, whose first dim is how often that runs? Only a run knows, whatever is declared; but a
 * loop without conditions runs as often as its count says. */
static bool counts_runs(const adze_op *op, const adze_ir_value *value, const adze_dim *declared)
{
    const adze_dim *count;
    if (!adze_op_is(op, "loop") || FIRST + adze_value_index(value) < adze_op_num_operands(op)) return false;
    const adze_op *yield = adze_region_last(adze_op_region(op, 0));
    const adze_ir_value *trips = adze_op_operand(op, 0);
    bool always = yield && !adze_op_operand(yield, 0) && !adze_op_operand(op, 1);
    return !always || !trips || adze_value_as_dims(trips, &count, 1) != 1 || count != declared;
}

/* What value_info says of a result: it must not contradict, and it may know a dim that inference
 * does not. */
static bool meet_declared(adze_onnx_node *node, adze_ir_value *value, const char *name)
{
    const adze_type *declared = adze_map_get(node->import->declared, name);
    const adze_type *type = adze_value_type(value);
    if (!declared || node->scope->outer || node->scope->parent || !adze_type_is_tensor(type) ||
        !adze_type_is_tensor(declared))
        return true;
    if (adze_type_dtype(type) != adze_type_dtype(declared))
        return adze_onnx_invalid(node, "output '%s' is %s by its op but declared otherwise", name,
                                 "of another element type");
    if (!adze_type_is_ranked(declared)) return true;
    if (!adze_type_compatible(type, declared)) {
        char got[256], want[256];
        adze_type_print(type, got, sizeof got);
        adze_type_print(declared, want, sizeof want);
        adze_warning(node->loc, "output '%s' is %s; the model declares %s", name, got, want);
        return true;
    }
    adze_op *op = adze_value_op(value);
    if (!op) return true;
    if (!adze_type_is_ranked(type)) { /* items of a sequence: a run holds them against it */
        const adze_dim *const *dims = adze_type_dims(declared);
        /* What the node's own ops read of another rank they may not read. */
        if (!adze_value_has_uses(value) && regions_allow(op, adze_value_index(value), adze_type_rank(declared), dims))
            adze_value_set_type(value, declared);
        return true;
    }
    if (adze_op_has_trait(op, ADZE_DATA_DEPENDENT)) return true;
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(type);
    bool better = false;
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = adze_type_dim(type, i);
        const adze_dim *other = adze_type_dim(declared, i);
        bool fixed = !adze_dim_is_unknown(dims[i]) || adze_dim_is_unknown(other);
        if (fixed || (!i && counts_runs(op, value, other))) continue;
        dims[i] = other;
        better = true;
    }
    if (better && regions_allow(op, adze_value_index(value), rank, dims))
        adze_value_set_type(value, adze_type_with_dims(type, rank, dims));
    return true;
}

/* Puts the results where users find them; poison where there are none. */
static void bind_outputs(adze_onnx_node *node)
{
    adze_context *context = node->import->context;
    bool noted = false;
    for (uint32_t i = 0; i < node->proto->n_output; i++) {
        const char *name = adze_intern_z(context, node->proto->output[i]);
        if (!*name) continue;
        adze_ir_value *value = i < node->n_out ? node->out[i] : NULL;
        if (value && !meet_declared(node, value, name)) value = NULL;
        if (value && adze_value_def(value) == ADZE_DEF_RESULT && !adze_value_name(value) && !adze_onnx_is_made(name))
            adze_value_set_name(value, adze_internf(context, "%s%s", node->scope->prefix, name));
        adze_map_set(node->scope->values, name, value ? value : adze_onnx_poison());
        if (value && adze_onnx_is_helper(name)) adze_onnx_note_helper(node->import, value);
        if (value && !noted) adze_onnx_note_node(node->import, node->proto, value);
        noted = true;
    }
}

/* False where the name stands for poison. */
static bool is_sound(void *self, const char *name) { return adze_onnx_find(self, name) != adze_onnx_poison(); }

/* Reports go to the context; false only if the import cannot go on. */
static bool import_node(body *self, const Pb__Node *proto, uint32_t index)
{
    adze_onnx_import *import = self->import;
    /* names inside begin with those of the calls around: their bytes count too */
    enum { NAME_BYTES = 1024 };
    size_t weight = 1 + strlen(self->scope->prefix) / NAME_BYTES;
    if ((self->scope->outer || self->scope->parent) && !adze_onnx_count(import, weight)) return false;
    adze_onnx_node node = {.import = import, .scope = self->scope, .proto = proto, .serial = ++import->n_seen};
    adze_onnx_node *around = import->current;
    node.op_type = intern(self, proto->op_type ? proto->op_type : "");
    node.domain = intern(self, proto->domain ? proto->domain : "");
    if (strcmp(node.domain, "ai.onnx") == 0) node.domain = intern(self, "");
    node.name = node_name(self, proto->name, node.op_type, index);
    node.loc = node_loc(self, node.name, node.op_type);
    node.errors_before = adze_context_errors(import->context);
    enum { EXTRA = 4 }; /* operands that upgrades add */
    node.in_capacity = (uint32_t)proto->n_input + EXTRA;
    node.in = calloc(node.in_capacity, sizeof *node.in);
    node.out = calloc(proto->n_output + 1, sizeof *node.out);
    node.used = calloc(proto->n_attribute + 1, sizeof *node.used);
    bool ok = node.in && node.out && node.used, poisoned = false;
    import->current = &node;
    if (ok) {
        node.n_out = 1;
        for (uint32_t i = 1; i < proto->n_output; i++)
            if (adze_map_get(self->scope->used, intern(self, proto->output[i]))) node.n_out = i + 1;
        if (!*node.op_type)
            adze_onnx_invalid(&node, "the node has no op type");
        else if (proto->n_output == 0)
            adze_onnx_invalid(&node, "the node has no outputs");
        else if (proto->n_attribute > ADZE_ONNX_MAX_LIST)
            adze_onnx_invalid(&node, "the node has %zu attributes; at most %d are supported", proto->n_attribute,
                              ADZE_ONNX_MAX_LIST);
        else if (find_version(&node) && find_inputs(&node, &poisoned)) {
            uint64_t errors = adze_context_errors(import->context);
            bool done = import_op(&node, poisoned), told = adze_context_errors(import->context) > errors;
            /* A graph inside may read poison, too. */
            if (!done && !told && adze_onnx_reads(import->context, proto, is_sound, self->scope))
                adze_onnx_undetermined(&node, "with operands of unknown rank or dims");
            for (uint32_t i = 0; done && !poisoned && i < node.n_out && i < proto->n_output; i++)
                if (proto->output[i][0] && !node.out[i])
                    adze_onnx_unsupported(&node, "output %u ('%s') is not known", i, proto->output[i]);
        }
        adze_onnx_restore(&node);
        bind_outputs(&node);
    } else {
        fail(self, "out of memory");
    }
    import->current = around;
    free(node.in);
    free(node.out);
    free(node.used);
    free(node.floats);
    return ok && adze_onnx_may_report(import);
}

/* Imports what is on the stack and whatever that waits for. */
static bool drain(body *self)
{
    while (self->depth > 0) {
        uint32_t index = self->stack[self->depth - 1];
        if (self->state[index] == DONE) {
            self->depth--;
            continue;
        }
        const Pb__Node *proto = unpack(self, index);
        if (!proto) return false;
        self->state[index] = WAITING;
        size_t before = self->depth;
        if (!push_makers(self, proto, index)) return false;
        if (self->depth > before) continue;
        if (!import_node(self, proto, index)) return false;
        self->state[index] = DONE;
        self->depth--;
    }
    return true;
}

bool adze_onnx_import_nodes(adze_onnx_import *import, adze_onnx_scope *scope,
                            const adze_onnx_nodes *nodes)
{
    body self = {.import = import, .scope = scope, .nodes = nodes, .makers = adze_map_create()};
    self.state = calloc((size_t)nodes->count + 1, 1);
    bool ok = (self.makers && self.state) || fail(&self, "out of memory");
    ok = ok && find_makers(&self);
    for (uint32_t i = 0; ok && i < nodes->count; i++)
        ok = self.state[i] == DONE || (push(&self, i) && drain(&self));
    if (self.makers) adze_map_destroy(self.makers);
    free(self.state);
    free(self.stack);
    adze_onnx_piece_free(&self.piece);
    return ok;
}
