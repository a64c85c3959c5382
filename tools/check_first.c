/* Which op differs first: compiles the model cut off behind an op, again and again (check.h).
 *
 * Cutting keeps what the passes make of all that stands before the op, where asking for every intermediate
 * value at once would keep kernels from forming. Only ops that an output that differs depends on are looked at. Errors
 * grow downwards, so a binary search finds an op that differs; where one of those that it reads differs as well, the
 * search goes on above that one. Passes that look at what comes behind an op do another thing where the model is cut:
 * where nothing differs then, the values are asked for one by one behind the whole model.
 */
#include "check.h"

#include <adze/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An op of the main function's body, as the reference has it. */
typedef struct candidate {
    adze_op *op;         /* of the module below */
    adze_value *results; /* copies; ABSENT: not to be compared */
    uint32_t n_results;
    bool wanted;         /* a value that differs depends on it */
    int answer;          /* 1: it differs, 0: it does not, -1: not asked */
} candidate;

typedef struct search {
    const adze_check *check;
    const adze_value *inputs;
    adze_module *module; /* what the reference ran */
    const adze_region *body;
    candidate *ops; /* in the order of the body */
    adze_table of;  /* op of the module -> candidate */
    uint32_t count, next;
    bool whole; /* nothing is cut off */
    bool failed;
    adze_difference difference; /* of the last op that differed */
    uint32_t result;            /* its result that did */
} search;

/* ---- What the reference has ---- */

static bool is_compared(const adze_value *v)
{
    if (v->kind == ADZE_VALUE_MAP || v->kind == ADZE_VALUE_ABSENT) return false; /* artifacts give no maps */
    for (uint64_t i = 0; v->kind != ADZE_VALUE_TENSOR && i < v->n_items; i++)
        if (!is_compared(&v->items[i])) return false;
    return true;
}

static void free_value(adze_value *v)
{
    for (uint64_t i = 0; v->items && i < v->n_items; i++) free_value(&v->items[i]);
    free((void *)(uintptr_t)v->dims);
    free(v->items);
    free(v->data);
    *v = (adze_value){0};
}

/* Elements in memory of their own; the bytes of strings lie behind them. */
static void *copy_elements(const adze_value *from)
{
    uint64_t count = adze_value_count(from), bytes = 0;
    if (from->dtype != ADZE_DTYPE_str) {
        bytes = adze_dtype_bytes((adze_dtype)from->dtype, count);
        void *data = malloc(bytes + 1);
        if (data && bytes) memcpy(data, from->data, bytes);
        return data;
    }
    const adze_string *strings = from->data;
    for (uint64_t i = 0; i < count; i++) bytes += strings[i].size;
    adze_string *copies = malloc(count * sizeof *copies + bytes + 1);
    char *at = copies ? (char *)(copies + count) : NULL;
    for (uint64_t i = 0; copies && i < count; at += strings[i].size, i++) {
        copies[i] = (adze_string){at, strings[i].size};
        if (strings[i].size) memcpy(at, strings[i].data, strings[i].size);
    }
    return copies;
}

static bool copy_value(const adze_value *from, adze_value *out)
{
    *out = (adze_value){.kind = from->kind, .dtype = from->dtype, .rank = from->rank};
    if (from->kind != ADZE_VALUE_TENSOR) {
        out->items = calloc(from->n_items + 1, sizeof *out->items);
        for (; out->items && out->n_items < from->n_items; out->n_items++)
            if (!copy_value(&from->items[out->n_items], &out->items[out->n_items])) return false;
        return out->items != NULL;
    }
    int64_t *dims = calloc(from->rank + 1u, sizeof *dims);
    out->dims = dims;
    out->data = copy_elements(from);
    if (dims && from->rank) memcpy(dims, from->dims, from->rank * sizeof *dims);
    return dims && out->data;
}

static void observe(void *self, const adze_op *op, const adze_value *values, uint32_t n)
{
    search *s = self;
    if (adze_op_parent(op) != s->body) return;
    candidate *c = s->next < s->count ? &s->ops[s->next++] : NULL;
    if (!c || !n || s->failed) return;
    c->results = calloc(n, sizeof *c->results);
    c->n_results = c->results ? n : 0;
    s->failed = !c->results;
    for (uint32_t i = 0; i < c->n_results && !s->failed; i++)
        if (is_compared(&values[i])) s->failed = !copy_value(&values[i], &c->results[i]);
        else c->results[i].kind = ADZE_VALUE_ABSENT;
}

static bool run_reference(search *s)
{
    const adze_check *c = s->check;
    adze_device device = {0};
    const adze_value *outputs;
    bool ok = adze_device_open(&device, c->work, c->common, c->path,
                               c->kind == ADZE_DEVICE_REFERENCE ? ADZE_DEVICE_REFERENCE : ADZE_DEVICE_MEANT);
    if (ok) {
        s->module = adze_module_clone(device.module);
        s->body = adze_func_body(adze_module_main(device.module));
        for (adze_op *op = adze_region_first(s->body); op; op = adze_op_next(op)) s->count++;
        s->ops = calloc(s->count + 1u, sizeof *s->ops);
        s->failed = !s->ops;
        uint32_t i = 0;
        for (adze_op *op = adze_region_first(adze_func_body(adze_module_main(s->module))); op && s->ops;
             op = adze_op_next(op), i++) {
            s->ops[i] = (candidate){.op = op, .answer = -1};
            adze_table_put(&s->of, op, &s->ops[i]);
        }
        device.observe = observe;
        device.observe_self = s;
        ok = !s->failed && adze_device_run(&device, s->inputs, &outputs);
    }
    adze_device_close(&device);
    if (s->failed) adze_error(adze_loc_unknown(c->work->context), "%s: out of memory for intermediate values", c->path);
    return ok && !s->failed;
}

/* ---- What a value depends on ---- */

static candidate *find(const search *s, const adze_op *op) { return adze_table_get(&s->of, op); }

/* Calls for the ops of the body that `op` reads, and those that stand in its regions read. */
static void for_each_read(search *s, const adze_op *op, void (*visit)(search *s, candidate *c))
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *value = adze_op_operand(op, i);
        const adze_op *maker = value ? adze_value_op(value) : NULL;
        candidate *c = maker ? find(s, maker) : NULL;
        if (c) visit(s, c);
    }
    for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
        for (const adze_op *inner = adze_region_first(adze_op_region(op, i)); inner; inner = adze_op_next(inner))
            for_each_read(s, inner, visit);
}

static void want(search *s, candidate *c)
{
    (void)s;
    c->wanted = true;
}

/* Wants all that the wanted ops depend on, and those themselves. */
static void close_wanted(search *s)
{
    for (uint32_t i = s->count; i-- > 0;)
        if (s->ops[i].wanted) for_each_read(s, s->ops[i].op, want);
}

static void want_only(search *s, candidate *c)
{
    for (uint32_t i = 0; i < s->count; i++) s->ops[i].wanted = false;
    c->wanted = true;
    close_wanted(s);
}

/* ---- What the device has ---- */

static adze_op *op_at(const adze_module *module, uint32_t position)
{
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    while (op && position--) op = adze_op_next(op);
    return op;
}

/* Makes the op's results that are compared the function's only ones, and drops what stands below unless `whole`, when
 * they come before the function's own. */
static void ask_for(adze_module *module, adze_op *op, const candidate *c, bool whole)
{
    adze_func *func = adze_module_main(module);
    adze_op *end = adze_func_return(func);
    uint32_t own = whole ? adze_op_num_operands(end) : 0, n = 0;
    const adze_type **types = calloc(c->n_results + own + 1u, sizeof *types);
    const char **names = calloc(c->n_results + own + 1u, sizeof *names);
    if (!types || !names) abort();
    while (!whole && adze_op_num_operands(end)) adze_op_remove_operand(end, adze_op_num_operands(end) - 1);
    for (uint32_t i = 0; i < c->n_results; i++) {
        if (c->results[i].kind == ADZE_VALUE_ABSENT) continue;
        adze_op_insert_operand(end, n++, adze_op_result(op, i));
    }
    for (uint32_t i = 0; i < n + own; i++) {
        types[i] = adze_value_type(adze_op_operand(end, i));
        names[i] = adze_internf(adze_module_context(module), "value%u", i);
    }
    adze_func_set_results(func, types, names, n + own);
    for (adze_op *last; !whole && (last = adze_op_prev(end)) != op;) adze_op_erase(last);
    free(types);
    free(names);
}

/* Runs a module that gives what is compared of the op first: 1 if that differs, 0 if not, -1 after an error. */
static int run_and_compare(search *s, const candidate *c, adze_module *module)
{
    const adze_check *check = s->check;
    adze_device device = {0};
    const adze_value *outputs;
    bool ran = adze_device_open_module(&device, check->work, check->common, module, check->path, check->kind) &&
               adze_device_run(&device, s->inputs, &outputs);
    int answer = ran ? 0 : -1;
    for (uint32_t i = 0, k = 0; i < c->n_results && !answer; i++) {
        adze_difference d;
        if (c->results[i].kind == ADZE_VALUE_ABSENT) continue;
        if (adze_values_compare(&outputs[k++], &c->results[i], check->tolerance, &d)) continue;
        answer = 1;
        s->difference = d;
        s->result = i;
    }
    adze_device_close(&device);
    return answer;
}

/* Does what the device has of the op differ? Asked once; false after an error. */
static bool differs(search *s, candidate *c)
{
    if (c->answer >= 0 || s->failed) return c->answer > 0;
    adze_module *module = adze_module_clone(s->module);
    ask_for(module, op_at(module, (uint32_t)(c - s->ops)), c, s->whole);
    c->answer = run_and_compare(s, c, module);
    s->failed = c->answer < 0;
    if (s->failed) c->answer = 0;
    return c->answer > 0;
}

/* What the reference has of an operand; NULL where that cannot be fed. */
static const adze_value *given_for(const search *s, const adze_ir_value *operand)
{
    const adze_op *maker = operand ? adze_value_op(operand) : NULL;
    const candidate *c = maker ? find(s, maker) : NULL;
    uint32_t index = c ? adze_value_index(operand) : 0;
    if (!c || index >= c->n_results) return NULL;
    const adze_value *value = &c->results[index];
    return value->kind == ADZE_VALUE_TENSOR && value->dtype != ADZE_DTYPE_str ? value : NULL;
}

/* Does the op differ where it is fed what the reference has, as inputs of the model, too? So where that cannot be found
 * out. */
static bool differs_alone(search *s, const candidate *c)
{
    adze_module *module = adze_module_clone(s->module);
    adze_op *op = op_at(module, (uint32_t)(c - s->ops));
    adze_region *body = adze_func_body(adze_module_main(module));
    uint32_t own = adze_region_num_args(body), n = own;
    adze_value *inputs = calloc(own + adze_op_num_operands(op) + 1u, sizeof *inputs);
    if (!inputs) abort();
    if (own) memcpy(inputs, s->inputs, own * sizeof *inputs);
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_value *value = given_for(s, adze_op_operand(c->op, i));
        if (!value) continue;
        adze_context *context = adze_module_context(module);
        const adze_type *type = adze_type_tensor_const(context, (adze_dtype)value->dtype, value->rank, value->dims);
        adze_op_set_operand(op, i, adze_region_add_arg(body, type, adze_internf(context, "given%u", i)));
        inputs[n++] = *value;
    }
    int answer = 1;
    if (n > own && !adze_op_num_regions(op)) {
        search alone = *s;
        alone.inputs = inputs;
        ask_for(module, op, c, false);
        answer = run_and_compare(&alone, c, module);
    } else {
        adze_module_destroy(module);
    }
    free(inputs);
    return answer != 0;
}

static bool can_ask(const candidate *c)
{
    for (uint32_t i = 0; i < c->n_results; i++)
        if (c->results[i].kind != ADZE_VALUE_ABSENT) return true;
    return false;
}

/* ---- The search ---- */

/* An op that differs, found by halves, though not each before it may be right; NULL: none. */
static candidate *halve(search *s)
{
    uint32_t n = 0;
    candidate **list = calloc(s->count + 1u, sizeof(candidate *));
    if (!list) abort();
    for (uint32_t i = 0; i < s->count; i++)
        if (s->ops[i].wanted && can_ask(&s->ops[i])) list[n++] = &s->ops[i];
    uint32_t low = 0, high = n;
    while (low < high && !s->failed) {
        uint32_t middle = (low + high) / 2;
        if (differs(s, list[middle])) high = middle;
        else low = middle + 1;
    }
    candidate *found = high < n ? list[high] : NULL;
    free(list);
    return s->failed ? NULL : found;
}

/* The first wanted op before `c` that `c` reads, however many that cannot be asked stand between, and that differs. */
static candidate *wrong_read(search *s, const candidate *c)
{
    for (uint32_t i = 0; i < s->count; i++) s->ops[i].wanted = false;
    for_each_read(s, c->op, want);
    for (uint32_t i = (uint32_t)(c - s->ops); i-- > 0;)
        if (s->ops[i].wanted && !can_ask(&s->ops[i])) for_each_read(s, s->ops[i].op, want);
    for (uint32_t i = 0; i < s->count; i++)
        if (s->ops[i].wanted && can_ask(&s->ops[i]) && differs(s, &s->ops[i])) return &s->ops[i];
    return NULL;
}

static candidate *find_first(search *s, const bool *outputs)
{
    const adze_op *end = adze_func_return(adze_module_main(s->module));
    for (uint32_t i = 0; i < s->count; i++) s->ops[i].wanted = false, s->ops[i].answer = -1;
    for (uint32_t i = 0; i < adze_op_num_operands(end); i++) {
        const adze_op *maker = outputs[i] ? adze_value_op(adze_op_operand(end, i)) : NULL;
        candidate *c = maker ? find(s, maker) : NULL;
        if (c) c->wanted = true;
    }
    close_wanted(s);
    candidate *found = halve(s);
    for (candidate *above; found && (above = wrong_read(s, found)) != NULL;) {
        want_only(s, above);
        found = halve(s);
        if (!found) found = above;
    }
    if (found) { /* what is known of its difference is that of another op by now */
        found->answer = -1;
        if (!differs(s, found)) found = NULL;
    }
    return s->failed ? NULL : found;
}

/* ---- What is told ---- */

/* Appends the names of ONNX nodes of ops inside regions. */
static void write_inside(const adze_op *op, adze_text *out)
{
    for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
        for (const adze_op *inner = adze_region_first(adze_op_region(op, i)); inner; inner = adze_op_next(inner)) {
            adze_loc loc = adze_op_loc(inner);
            if (loc.node && loc.node != adze_op_loc(op).node && out->size < 300)
                adze_text_append(out, "%s'%s' (%s)", out->size ? ", " : "", loc.node, loc.op_type ? loc.op_type : "?");
            write_inside(inner, out);
        }
}

/* Appends the names of what an op reads or makes, as ONNX has them. */
static void write_names(const adze_op *op, bool results, adze_text *out)
{
    uint32_t n = results ? adze_op_num_results(op) : adze_op_num_operands(op);
    for (uint32_t i = 0; i < n; i++) {
        const adze_ir_value *value = results ? adze_op_result(op, i) : adze_op_operand(op, i);
        const char *name = value ? adze_value_name(value) : NULL;
        if (value && adze_value_def(value) == ADZE_DEF_CONST) name = adze_const_name(adze_value_const(value));
        if (name) adze_text_append(out, "%s'%s'", out->size ? ", " : "", name);
    }
}

static bool has_line(const char *lines, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = lines; at && *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strcspn(at, "\n") == n && !memcmp(at, line, n)) return true;
    return false;
}

/* A note about the kernels of the whole model that the op became part of, with all nodes that they stem from. */
static void note_kernels(const search *s, const adze_op *op)
{
    const adze_check *check = s->check;
    const char *node = adze_op_loc(op).node;
    adze_device device = {0};
    if (!node || check->kind != ADZE_DEVICE_COMPILED) return;
    bool ok = adze_device_open(&device, check->work, check->common, check->path, ADZE_DEVICE_COMPILED);
    const adze_artifact *a = ok ? adze_model_artifact(device.model) : NULL;
    for (uint32_t i = 0; a && i < a->n_steps; i++) {
        const char *nodes = a->steps[i].nodes;
        if (!has_line(nodes, node) || !strchr(nodes, '\n')) continue;
        adze_text text = {0};
        for (const char *at = nodes; *at; at += strcspn(at, "\n"), at += *at == '\n')
            adze_text_append(&text, "%s'%.*s'", text.size ? ", " : "", (int)strcspn(at, "\n"), at);
        adze_note(adze_op_loc(op), "it is part of the kernel '%s', of the nodes %s", a->steps[i].name, text.data);
        adze_text_free(&text);
    }
    adze_device_close(&device);
}

static void report(const search *s, const adze_op *op, uint32_t result, const adze_difference *d, const char *at)
{
    char type[256], number[24] = "";
    const adze_ir_value *value = adze_op_result(op, result);
    adze_text more = {0};
    adze_type_print(adze_value_type(value), type, sizeof type);
    if (result) snprintf(number, sizeof number, " (result %u)", result);
    const char *name = adze_value_name(value); /* NULL where a pass has made the value */
    const char *sign = name ? "%" : "", *equals = name ? " = " : "";
    if (!name) name = "";
    if (*d->why)
        adze_error(adze_op_loc(op), "%s%s%s%s%s : %s is the first op that differs: %s", sign, name, equals,
                   adze_op_name(op), number, type, d->why);
    else
        adze_error(adze_op_loc(op),
                   "%s%s%s%s%s : %s is the first op that differs: %.9g, not %.9g, at %s; %llu of %llu elements are "
                   "off, the largest difference is %.3g of the largest magnitude",
                   sign, name, equals, adze_op_name(op), number, type, d->got, d->wanted, at,
                   (unsigned long long)d->n_over, (unsigned long long)d->count,
                   d->scale > 0 ? d->largest / d->scale : d->largest);
    adze_text reads = {0}, makes = {0};
    write_names(op, false, &reads);
    write_names(op, true, &makes);
    if (reads.size || makes.size)
        adze_note(adze_op_loc(op), "it reads %s and makes %s", reads.size ? reads.data : "nothing with a name",
                  makes.size ? makes.data : "nothing with a name");
    write_inside(op, &more);
    if (more.size) adze_note(adze_op_loc(op), "inside it stand the nodes %s", more.data);
    adze_text_free(&more);
    adze_text_free(&reads);
    adze_text_free(&makes);
    note_kernels(s, op);
}

/* What differs first in the op's regions, with the node around it and the iteration; false where nothing does. */
static bool report_inside(const search *s, const candidate *c)
{
    adze_check_place place;
    adze_module *module;
    adze_text where = {0};
    adze_loc outer = adze_op_loc(c->op);
    if (!adze_check_inside(s->check, s->inputs, s->module, (uint32_t)(c - s->ops), &place, &module)) return false;
    report(s, place.op, 0, &place.difference, place.where);
    for (uint32_t i = 0; i < place.depth; i++)
        adze_text_append(&where, "%s%lld", i ? ", " : ", in iteration ", (long long)place.iteration[i]);
    if (outer.node && adze_op_loc(place.op).node != outer.node)
        adze_note(adze_op_loc(place.op), "it stands inside node '%s' (%s)%s", outer.node,
                  outer.op_type ? outer.op_type : "?", where.size ? where.data : "");
    else if (where.size)
        adze_note(adze_op_loc(place.op), "it stands inside %s%s", adze_op_name(c->op), where.data);
    adze_text_free(&where);
    adze_module_destroy(module);
    return true;
}

/* No op differs: the makers of the outputs that do, for somebody expects other values of them. */
static void report_makers(const search *s, const bool *outputs)
{
    adze_func *func = adze_module_main(s->module);
    const adze_op *end = adze_func_return(func);
    for (uint32_t i = 0; i < adze_op_num_operands(end); i++) {
        const adze_op *maker = outputs[i] ? adze_value_op(adze_op_operand(end, i)) : NULL;
        const char *name = adze_func_result_name(func, i);
        if (maker && s->check->expected)
            adze_note(adze_op_loc(maker), "%s makes output '%s', and %s: what is expected is another value",
                      adze_op_name(maker), name ? name : "?",
                      s->check->kind == ADZE_DEVICE_REFERENCE ? "the reference defines it" :
                                                                "no op differs from the reference");
    }
    if (!s->check->expected)
        adze_note(adze_loc_unknown(s->check->work->context),
                  "%s: no op differs when it is asked for by itself; adze opt --certify looks at the passes",
                  s->check->path);
}

void adze_check_first(const adze_check *check, const adze_value *inputs, const bool *outputs)
{
    search s = {.check = check, .inputs = inputs};
    bool ok = run_reference(&s), asks = check->kind != ADZE_DEVICE_REFERENCE;
    adze_progress *progress = adze_progress_begin(check->work, "first op that differs");
    candidate *found = ok && asks ? find_first(&s, outputs) : NULL;
    if (ok && asks && !found && !s.failed) { /* a pass may be wrong only where ops stand together */
        s.whole = true;
        found = find_first(&s, outputs);
    }
    adze_progress_end(progress);
    if (found) {
        char at[160];
        adze_difference_place(&s.difference, at, sizeof at);
        if (!report_inside(&s, found)) {
            report(&s, found->op, s.result, &s.difference, at);
            if (!differs_alone(&s, found))
                adze_note(adze_op_loc(found->op),
                          "fed what the reference has, it makes what the reference makes: what it reads here differs "
                          "within the bound, and it magnifies that");
        }
    } else if (ok && !s.failed)
        report_makers(&s, outputs);
    for (uint32_t i = 0; i < s.count; i++) {
        for (uint32_t k = 0; k < s.ops[i].n_results; k++) free_value(&s.ops[i].results[k]);
        free(s.ops[i].results);
    }
    free(s.ops);
    adze_table_free(&s.of);
    adze_module_destroy(s.module);
}
