/* What is wrong with a model, all at once: errors and warnings of an import are held to its end, and those that say the
 * same of several nodes become one.
 *
 * Two messages say the same if they are of one operator and differ in no more than the names of the nodes' own values,
 * in numbers and in dims. They come out sorted by operator, each with the nodes that it is of and with what would be
 * needed, and no more than fits on a screen.
 */
#include "import.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FAULTS = 1000, /* different ones, after which the rest is not worth reading */
    MAX_LINES = 22,    /* of one severity, but for the line that counts */
    MAX_NAMES = 3,     /* of one fault */
    MAX_TAIL = 6       /* operators named in the line that counts */
};

typedef struct fault {
    adze_severity severity;
    adze_loc loc; /* of the first node */
    const char *message, *needed;
    const char *domain, *op_type; /* op_type NULL: of the model */
    uint32_t count, serial; /* nodes, and the last of them */
    const char *names[MAX_NAMES];
    const char *note; /* that explains it; NULL: none */
    bool shown;
} fault;

typedef struct adze_onnx_problems {
    adze_sink *outer; /* of the context, from before */
    void *outer_self;
    fault *faults;
    uint32_t count, capacity, n_nodes;
    uint32_t last;         /* index + 1 of the fault that came last; 0: none */
    const char *last_node; /* that it is of */
    bool fresh;            /* nothing equal to it came before */
    adze_map *by_key;    /* interned key -> index + 1 */
    adze_map *unknown;   /* interned domain and op type -> what is said: its name is compared with all there are */
    const char *symbols; /* " --dim" takes them; NULL: not asked for yet */
    const char *needed; /* of the message that comes next; NULL: nothing to say */
    bool whole;         /* it is the model's */
    bool stopped;       /* there may be more */
} adze_onnx_problems;

/* ---- Reporting ---- */

/* What a message that follows has to say of what it needs. */
static void set_needed(const adze_onnx_node *node, const char *needed)
{
    adze_onnx_problems *p = node->import->problems;
    if (p) p->needed = needed;
}

static bool report(const adze_onnx_node *node, bool unsupported, const char *format, va_list args)
{
    char message[512];
    if (adze_onnx_told(node)) { /* a node has one error: others follow from it as a rule */
        set_needed(node, NULL);
        if (node->import->problems) node->import->problems->whole = false;
        return false;
    }
    vsnprintf(message, sizeof message, format, args);
    if (!unsupported) return adze_error(node->loc, "%s", message);
    return adze_error(node->loc, "not supported (opset %lld): %s", (long long)node->version, message);
}

bool adze_onnx_invalid(const adze_onnx_node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_needed(node, NULL);
    report(node, false, format, args);
    va_end(args);
    return false;
}

bool adze_onnx_unsupported(const adze_onnx_node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_needed(node, *node->domain ? adze_internf(node->import->context, "a plug-in's op for %s of %s, or another form "
                                                  "of the node", node->op_type, node->domain)
                                   : "another form of the node: exported without it, or another opset");
    report(node, true, format, args);
    va_end(args);
    return false;
}

/* The inputs' symbols are listed once an import. */
static const char *needed_dims(adze_onnx_import *import)
{
    adze_onnx_problems *p = import->problems;
    if (!p) return NULL;
    if (p->symbols) return p->symbols;
    adze_text symbols = {0};
    adze_onnx_list_symbols(import, &symbols);
    p->symbols = symbols.size ? adze_internf(import->context, "fixed dims: --dim NAME=N for%s", symbols.data)
                              : "declared dims of what the node reads (ONNX's shape inference writes them)";
    adze_text_free(&symbols);
    return p->symbols;
}

bool adze_onnx_undetermined(const adze_onnx_node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_needed(node, needed_dims(node->import));
    report(node, true, format, args);
    va_end(args);
    return false;
}

bool adze_onnx_of_model(const adze_onnx_node *node, const char *needed, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_needed(node, needed);
    if (node->import->problems) node->import->problems->whole = true;
    report(node, false, format, args);
    va_end(args);
    return false;
}

/* Is the domain among those that the model, or the function around the node, imports? */
static bool imports_domain(const adze_onnx_node *node)
{
    for (size_t i = 0; i < node->scope->n_opsets; i++) {
        const char *domain = node->scope->opsets[i]->domain;
        if (domain && !strcmp(domain, node->domain)) return true;
    }
    return !*node->domain;
}

/* Offers the names that the op's own domain has. */
static void offer_names(const adze_onnx_node *node, adze_nearest *nearest)
{
    adze_context *context = node->import->context;
    const adze_onnx_upgrades *table = adze_onnx_upgrades_of(node->domain);
    for (uint32_t i = 0; table && i < table->count; i++) adze_nearest_offer(nearest, table->rows[i].op_type);
    for (uint32_t i = 0; i < adze_row_count(context); i++) {
        const adze_op_row *row = adze_row_get(context, i);
        const char *domain = row->domain ? row->domain : "";
        if (row->onnx && !strcmp(domain, node->domain)) adze_nearest_offer(nearest, row->onnx);
    }
}

/* Another domain that has an op of this name; NULL: none. */
static const char *other_domain(const adze_onnx_node *node)
{
    const adze_onnx_upgrades *table;
    if (*node->domain && adze_row_find_onnx(node->import->context, NULL, node->op_type)) return "ai.onnx";
    for (uint32_t i = 0; (table = adze_onnx_upgrades_get(i)); i++)
        if (strcmp(table->domain, node->domain) != 0 && adze_onnx_upgrade_find(table->domain, node->op_type))
            return *table->domain ? table->domain : "ai.onnx";
    return NULL;
}

static const char *describe_unknown(const adze_onnx_node *node, bool imported)
{
    char ask[96];
    adze_text text = {0};
    adze_nearest nearest = {.wanted = node->op_type};
    const char *other = other_domain(node);
    adze_text_append(&text, "the op is not known%s%s", *node->domain ? " in domain " : "", node->domain);
    if (!imported) adze_text_append(&text, ", which opset_import does not name");
    if (other)
        adze_text_append(&text, "; %s has one of this name", other);
    else
        offer_names(node, &nearest);
    adze_text_append(&text, "%s", adze_nearest_ask(&nearest, ask, sizeof ask));
    const char *said = adze_intern(node->import->context, text.data, text.size);
    adze_text_free(&text);
    return said;
}

bool adze_onnx_unknown_op(const adze_onnx_node *node)
{
    adze_onnx_problems *p = node->import->problems;
    bool imported = imports_domain(node);
    const char *key = adze_internf(node->import->context, "%d %s\n%s", imported, node->domain, node->op_type);
    const char *said = p ? adze_map_get(p->unknown, key) : NULL;
    if (!said) said = describe_unknown(node, imported);
    if (p) adze_map_set(p->unknown, key, (void *)(uintptr_t)said);
    set_needed(node, "a plug-in with the op (docs/plugins.md; --plugin), or a function of that name in the model");
    adze_error(node->loc, "not supported (opset %lld): %s", (long long)node->version, said);
    return false;
}

/* ---- Holding ---- */

static bool is_value_of(const adze_onnx_node *node, const char *name, size_t size)
{
    for (int side = 0; side < 2; side++) {
        char **names = side ? node->proto->output : node->proto->input;
        size_t count = side ? node->proto->n_output : node->proto->n_input;
        for (size_t i = 0; i < count; i++)
            if (strlen(names[i]) == size && !memcmp(names[i], name, size)) return true;
    }
    return false;
}

/* Behind a text in quotes, or a list in brackets, that begins at `at`; `at` where it does not end. */
static const char *behind(const char *at, char end)
{
    const char *found = strchr(at + 1, end);
    return found ? found + 1 : at;
}

/* Appends what messages that say the same have in common. `node` NULL: every name differs. */
static void write_common(adze_text *out, const char *message, const adze_onnx_node *node)
{
    for (const char *at = message, *stop; *at; at = stop) {
        stop = at;
        bool inside = at > message && (isalnum((unsigned char)at[-1]) || at[-1] == '_');
        if (*at == '\'') {
            stop = behind(at, '\'');
            bool name = stop > at && (!node || is_value_of(node, at + 1, (size_t)(stop - at) - 2));
            if (!name && stop > at) adze_text_write(out, at, (size_t)(stop - at));
        } else if (*at == '[') {
            stop = behind(at, ']');
        } else if (!inside && isdigit((unsigned char)*at)) {
            while (isdigit((unsigned char)*stop) || (*stop == '.' && isdigit((unsigned char)stop[1]))) stop++;
            adze_text_write(out, "#", 1);
        }
        if (stop == at) adze_text_write(out, stop++, 1);
    }
}

/* What a message without a node is of: the first text in quotes; NULL: none. */
static const char *first_name(adze_context *context, const char *message)
{
    const char *at = strchr(message, '\''), *stop = at ? behind(at, '\'') : NULL;
    return stop && stop > at ? adze_intern(context, at + 1, (size_t)(stop - at) - 2) : NULL;
}

static fault *add_fault(adze_onnx_problems *p, const adze_diagnostic *d, adze_context *context)
{
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity ? 2 * p->capacity : 16;
        fault *more = realloc(p->faults, capacity * sizeof *more);
        if (!more) abort();
        p->faults = more;
        p->capacity = capacity;
    }
    fault *f = &p->faults[p->count++];
    *f = (fault){.severity = d->severity, .loc = d->loc, .message = adze_intern_z(context, d->message)};
    return f;
}

/* One more node, or where there is none, one more thing. */
static void count_in(fault *f, const char *name, uint32_t serial)
{
    if (serial && f->serial == serial) return;
    f->serial = serial;
    if (f->count < MAX_NAMES) f->names[f->count] = name;
    f->count++;
}

/* A note of the node whose fault came last is held with it, to come behind it; what equals another fault needs none. */
static void hold_note(adze_onnx_problems *p, const adze_diagnostic *d, adze_context *context)
{
    if (!p->last || d->loc.node != p->last_node) {
        if (p->outer) p->outer(p->outer_self, d);
        return;
    }
    fault *f = &p->faults[p->last - 1];
    if (!p->fresh) return;
    f->note = adze_internf(context, "%s%s%s", f->note ? f->note : "", f->note ? "\n  " : "", d->message);
}

/* An adze_sink. */
static void hold(void *self, const adze_diagnostic *d)
{
    adze_onnx_import *import = self;
    adze_onnx_problems *p = import->problems;
    adze_context *context = import->context;
    adze_onnx_node *node = import->current && import->current->name == d->loc.node ? import->current : NULL;
    if (d->severity == ADZE_NOTE) {
        hold_note(p, d, context);
        return;
    }
    bool of_op = d->loc.op_type && !p->whole;
    const char *domain = of_op && node ? node->proto->domain : NULL;
    domain = adze_intern_z(context, domain ? domain : "");
    adze_text key = {0};
    adze_text_append(&key, "%d:%s:%s:", d->severity, domain, of_op ? d->loc.op_type : "");
    write_common(&key, d->message, node);
    const char *interned = adze_intern_z(context, key.data);
    adze_text_free(&key);
    uintptr_t known = (uintptr_t)adze_map_get(p->by_key, interned);
    fault *f = known ? &p->faults[known - 1] : add_fault(p, d, context);
    if (!known) {
        adze_map_set(p->by_key, interned, (void *)(uintptr_t)p->count);
        f->needed = p->needed;
        f->domain = domain;
        f->op_type = of_op ? d->loc.op_type : NULL;
        if (p->whole) f->loc.node = f->loc.op_type = NULL;
    }
    if (node && d->severity == ADZE_ERROR && !node->faulty) {
        node->faulty = true;
        p->n_nodes++;
    }
    p->last = known ? (uint32_t)known : p->count;
    p->fresh = !known;
    p->last_node = d->loc.node;
    count_in(f, d->loc.node ? d->loc.node : first_name(context, d->message), node ? node->serial : 0);
    p->needed = NULL;
    p->whole = false;
}

void adze_onnx_problems_begin(adze_onnx_import *import)
{
    adze_onnx_problems *p = import->problems = calloc(1, sizeof *p);
    if (!p) abort();
    p->by_key = adze_map_create();
    p->unknown = adze_map_create();
    if (!p->by_key || !p->unknown) abort();
    p->outer = adze_context_sink(import->context, &p->outer_self);
    adze_context_set_sink(import->context, hold, import);
}

bool adze_onnx_may_report(adze_onnx_import *import)
{
    if (import->problems->count < MAX_FAULTS) return true;
    import->problems->stopped = true;
    return adze_error(adze_onnx_source_loc(&import->source), "too many errors");
}

/* ---- Handing on ---- */

/* "NAME, NAME, …" of what the fault is of. */
static void write_names(adze_text *out, const fault *f)
{
    uint32_t n = f->count < MAX_NAMES ? f->count : MAX_NAMES;
    for (uint32_t i = 0; i < n; i++)
        if (f->names[i]) adze_text_append(out, "%s'%s'", i ? ", " : ": ", f->names[i]);
    if (f->count > n && f->names[0]) adze_text_append(out, ", …");
}

/* Lines that the fault takes; a note may have several. */
static uint32_t lines_of(const fault *f)
{
    uint32_t lines = 1u + (f->count > 1) + (f->needed != NULL) + (f->note != NULL);
    for (const char *at = f->note; at && (at = strchr(at, '\n')); at++) lines++;
    return lines;
}

static void show(const adze_onnx_problems *p, fault *f)
{
    adze_text text = {0};
    adze_text_append(&text, "%s", f->message);
    if (f->count > 1) {
        adze_text_append(&text, "\n  %u %s", f->count, f->serial ? "nodes" : "times");
        write_names(&text, f);
    }
    if (f->needed) adze_text_append(&text, "\n  needed: %s", f->needed);
    p->outer(p->outer_self, &(adze_diagnostic){f->severity, f->loc, text.data});
    adze_text_free(&text);
    if (f->note) p->outer(p->outer_self, &(adze_diagnostic){ADZE_NOTE, f->loc, f->note});
    f->shown = true;
}

static bool same_op(const fault *a, const fault *b)
{
    return a->op_type == b->op_type && (!a->op_type || a->domain == b->domain);
}

static bool is_first_of_op(const adze_onnx_problems *p, uint32_t index, adze_severity severity, bool shown)
{
    for (uint32_t i = 0; i < index; i++)
        if (p->faults[i].severity == severity && p->faults[i].shown == shown &&
            same_op(&p->faults[i], &p->faults[index]))
            return false;
    return true;
}

/* How many faults were left out, and of which operators. */
static void write_left_out(const adze_onnx_problems *p, adze_severity severity, adze_text *out)
{
    uint32_t n = 0, n_ops = 0;
    for (uint32_t i = 0; i < p->count; i++) n += p->faults[i].severity == severity && !p->faults[i].shown;
    if (!n) return;
    adze_text_append(out, "%s%u more %s not shown", out->size ? "; " : "", n, n == 1 ? "is" : "are");
    for (uint32_t i = 0; i < p->count; i++) {
        const fault *f = &p->faults[i];
        if (f->severity != severity || f->shown || !f->op_type || !is_first_of_op(p, i, severity, false)) continue;
        if (n_ops < MAX_TAIL)
            adze_text_append(out, "%s%s%s%s", n_ops ? ", " : ", of ", f->domain, *f->domain ? "." : "", f->op_type);
        n_ops++;
    }
    if (n_ops > MAX_TAIL) adze_text_append(out, " and %u operators more", n_ops - MAX_TAIL);
}

/* The line that counts, where more than one thing was said. */
static void sum_up(const adze_onnx_import *import, adze_severity severity)
{
    const adze_onnx_problems *p = import->problems;
    adze_text text = {0};
    uint32_t n = 0, n_ops = 0;
    bool repeated = false;
    for (uint32_t i = 0; i < p->count; i++) {
        const fault *f = &p->faults[i];
        if (f->severity != severity) continue;
        n++;
        repeated |= f->count > 1;
        if (f->op_type) n_ops += is_first_of_op(p, i, severity, true) && is_first_of_op(p, i, severity, false);
    }
    if (severity == ADZE_ERROR && n_ops && p->n_nodes && (n > 1 || repeated))
        adze_text_append(&text, "%u %s of %u %s cannot be read", p->n_nodes, p->n_nodes == 1 ? "node" : "nodes", n_ops,
                         n_ops == 1 ? "operator" : "operators");
    if (severity == ADZE_ERROR && p->stopped)
        adze_text_append(&text, "%sreading stopped after %u faults", text.size ? "; " : "", MAX_FAULTS);
    write_left_out(p, severity, &text);
    if (text.size)
        p->outer(p->outer_self, &(adze_diagnostic){ADZE_NOTE, adze_onnx_source_loc(&import->source), text.data});
    adze_text_free(&text);
}

/* Those of one operator behind each other, in the order in which the first of each was found. */
static void show_all(const adze_onnx_import *import, adze_severity severity)
{
    adze_onnx_problems *p = import->problems;
    uint32_t lines = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        for (uint32_t k = i; k < p->count && lines <= MAX_LINES; k++) {
            fault *f = &p->faults[k];
            if (f->severity != severity || f->shown || !same_op(f, &p->faults[i])) continue;
            lines += lines_of(f);
            if (lines <= MAX_LINES) show(p, f);
        }
    }
    sum_up(import, severity);
}

void adze_onnx_problems_end(adze_onnx_import *import)
{
    adze_onnx_problems *p = import->problems;
    adze_context_set_sink(import->context, p->outer, p->outer_self);
    if (p->outer) {
        show_all(import, ADZE_WARNING);
        show_all(import, ADZE_ERROR);
    }
    adze_map_destroy(p->by_key);
    adze_map_destroy(p->unknown);
    free(p->faults);
    free(p);
    import->problems = NULL;
}
