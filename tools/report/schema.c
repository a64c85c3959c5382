/* What a report holds: the table that each one is checked against, so that all else can trust it. Members that the
 * table does not name are left alone: later versions may write more. */
#include "report.h"

#include <string.h>

typedef enum kind {
    NUMBER, /* any */
    AMOUNT, /* a number, at least 0 */
    SHARE,  /* a number from 0 to 1 */
    STRING,
    BOOL,
    STRINGS, /* an array of strings */
    OBJECT,
    OBJECTS, /* an array of objects */
    REASONS  /* an object of strings */
} kind;

typedef struct field {
    const char *key;
    kind kind;
    bool required;               /* neither missing nor null */
    const struct field *members; /* of OBJECT and OBJECTS */
} field;

#define OPTIONAL(key, kind) {key, kind, false, NULL}
#define REQUIRED(key, kind) {key, kind, true, NULL}

static const field goal[] = {REQUIRED("text", STRING),    OPTIONAL("kind", STRING), OPTIONAL("bound", NUMBER),
                             OPTIONAL("reached", NUMBER), REQUIRED("held", BOOL),   {0}};
static const field samples[] = {
    OPTIONAL("calibration", AMOUNT), OPTIONAL("held_back", AMOUNT), OPTIONAL("labels", BOOL), {0}};
static const field original[] = {OPTIONAL("bytes", AMOUNT),        OPTIONAL("weight_bytes", AMOUNT),
                                 OPTIONAL("min_ms", AMOUNT),       OPTIONAL("median_ms", AMOUNT),
                                 OPTIONAL("memory_bytes", AMOUNT), OPTIONAL("accuracy", NUMBER),
                                 OPTIONAL("energy_mj", AMOUNT),    {0}};
static const field agreement[] = {
    REQUIRED("value", SHARE), OPTIONAL("low", SHARE), OPTIONAL("high", SHARE), OPTIONAL("n", AMOUNT), {0}};
static const field accuracy[] = {
    REQUIRED("metric", STRING), REQUIRED("value", NUMBER), OPTIONAL("original", NUMBER), OPTIONAL("difference", NUMBER),
    OPTIONAL("low", NUMBER),    OPTIONAL("high", NUMBER),  OPTIONAL("n", AMOUNT),        {0}};
static const field compressed[] = {OPTIONAL("bytes", AMOUNT),
                                   OPTIONAL("weight_bytes", AMOUNT),
                                   OPTIONAL("min_ms", AMOUNT),
                                   OPTIONAL("median_ms", AMOUNT),
                                   OPTIONAL("memory_bytes", AMOUNT),
                                   {"agreement", OBJECT, false, agreement},
                                   {"accuracy", OBJECT, false, accuracy},
                                   OPTIONAL("snr_db", NUMBER),
                                   OPTIONAL("kl", NUMBER),
                                   OPTIONAL("energy_mj", AMOUNT),
                                   {0}};
static const field size[] = {REQUIRED("part", STRING), OPTIONAL("before", AMOUNT), OPTIONAL("after", AMOUNT), {0}};
static const field formats[] = {
    REQUIRED("format", STRING), OPTIONAL("loss", NUMBER), OPTIONAL("bytes", AMOUNT), OPTIONAL("us", AMOUNT), {0}};
static const field layers[] = {REQUIRED("name", STRING),
                               OPTIONAL("nodes", STRINGS),
                               OPTIONAL("op", STRING),
                               OPTIONAL("type", STRING),
                               OPTIONAL("format", STRING),
                               OPTIONAL("weight_bits", AMOUNT),
                               OPTIONAL("activation_bits", AMOUNT),
                               OPTIONAL("group", AMOUNT),
                               OPTIONAL("method", STRING),
                               OPTIONAL("loss", NUMBER),
                               OPTIONAL("error_db", NUMBER),
                               OPTIONAL("bytes_before", AMOUNT),
                               OPTIONAL("bytes_after", AMOUNT),
                               OPTIONAL("us_before", AMOUNT),
                               OPTIONAL("us_after", AMOUNT),
                               OPTIONAL("reason", STRING),
                               {"formats", OBJECTS, false, formats},
                               {0}};
static const field pareto[] = {
    OPTIONAL("method", STRING), OPTIONAL("bytes", AMOUNT), OPTIONAL("us", AMOUNT),
    OPTIONAL("loss", NUMBER),   OPTIONAL("chosen", BOOL),  {0}};
static const field trials[] = {OPTIONAL("step", AMOUNT),
                               OPTIONAL("restored", AMOUNT),
                               OPTIONAL("loss", NUMBER),
                               OPTIONAL("agreement", SHARE),
                               OPTIONAL("bytes", AMOUNT),
                               OPTIONAL("min_ms", AMOUNT),
                               {0}};
static const field inputs[] = {OPTIONAL("layer", STRING), OPTIONAL("width", NUMBER), {0}};
static const field update[] = {OPTIONAL("from", STRING),
                               OPTIONAL("share", SHARE),
                               OPTIONAL("old_samples", AMOUNT),
                               OPTIONAL("worse", BOOL),
                               OPTIONAL("loss", NUMBER),
                               OPTIONAL("loss_before", NUMBER),
                               OPTIONAL("value", NUMBER),
                               OPTIONAL("value_before", NUMBER),
                               OPTIONAL("snr_db", NUMBER),
                               OPTIONAL("snr_db_before", NUMBER),
                               {"inputs", OBJECTS, false, inputs},
                               {0}};
static const field seconds[] = {REQUIRED("step", STRING), OPTIONAL("seconds", AMOUNT), {0}};
static const field report[] = {REQUIRED("schema", NUMBER),
                               OPTIONAL("adze", STRING),
                               REQUIRED("model", STRING),
                               OPTIONAL("result", STRING),
                               OPTIONAL("target", STRING),
                               OPTIONAL("cpu", STRING),
                               OPTIONAL("threads", AMOUNT),
                               OPTIONAL("seed", NUMBER),
                               {"goal", OBJECTS, false, goal},
                               OPTIONAL("held", BOOL),
                               {"samples", OBJECT, false, samples},
                               {"original", OBJECT, true, original},
                               {"compressed", OBJECT, true, compressed},
                               OPTIONAL("missing", REASONS),
                               {"size", OBJECTS, false, size},
                               {"layers", OBJECTS, true, layers},
                               {"pareto", OBJECTS, false, pareto},
                               {"trials", OBJECTS, false, trials},
                               OPTIONAL("pipeline", STRING),
                               OPTIONAL("command", STRING),
                               {"seconds", OBJECTS, false, seconds},
                               {"update", OBJECT, false, update},
                               {0}};

typedef struct checker {
    adze_context *context;
    const char *file;
} checker;

/* Where a value stands: PLACE.KEY[INDEX]. */
typedef struct place {
    const struct place *outer;
    const char *key;
    int64_t index; /* -1: the key's value itself */
} place;

static void write_place(adze_text *out, const place *p)
{
    if (p->outer) write_place(out, p->outer);
    if (p->key && out->size) adze_report_put(out, ".");
    if (p->key) adze_report_escape(out, p->key, strlen(p->key), false, 60);
    if (p->index >= 0) adze_text_append(out, "[%lld]", (long long)p->index);
}

static bool fail(const checker *c, const place *p, const adze_json *at, const char *what, const char *got)
{
    adze_text text = {0};
    write_place(&text, p);
    adze_json_error(c->context, c->file, at, "%s: expected %s, got %s", text.data ? text.data : "the report", what,
                    got);
    adze_text_free(&text);
    return false;
}

/* Holds a value to a JSON kind. Texts have no zero byte, so that all else may take them for strings of C. */
static bool is_a(const checker *c, const place *p, const adze_json *v, adze_json_kind wanted)
{
    if (v->kind != wanted) return fail(c, p, v, adze_json_kind_name(wanted), adze_json_kind_name(v->kind));
    return wanted != ADZE_JSON_STRING || !memchr(v->text, 0, v->size) ||
           fail(c, p, v, "a string", "one with a zero byte");
}

static bool check_object(const checker *c, const place *p, const adze_json *object, const field *fields);

/* Each value inside; `members` NULL: strings. */
static bool check_items(const checker *c, const place *p, const adze_json *outer, const field *members)
{
    place inner = {p->outer, p->key, 0};
    for (const adze_json *v = outer->first; v; v = v->next, inner.index++) {
        place named = {p, v->key, -1};
        const place *at = v->key ? &named : &inner;
        if (!is_a(c, at, v, members ? ADZE_JSON_OBJECT : ADZE_JSON_STRING)) return false;
        if (members && !check_object(c, at, v, members)) return false;
    }
    return true;
}

static bool check_value(const checker *c, const place *p, const adze_json *v, const field *f)
{
    switch (f->kind) {
    case STRING: return is_a(c, p, v, ADZE_JSON_STRING);
    case BOOL: return is_a(c, p, v, ADZE_JSON_BOOL);
    case NUMBER: return is_a(c, p, v, ADZE_JSON_NUMBER);
    case AMOUNT:
        return is_a(c, p, v, ADZE_JSON_NUMBER) && (v->number >= 0 || fail(c, p, v, "a number from 0 on", v->text));
    case SHARE:
        return is_a(c, p, v, ADZE_JSON_NUMBER) &&
               ((v->number >= 0 && v->number <= 1) || fail(c, p, v, "a number from 0 to 1", v->text));
    case OBJECT: return is_a(c, p, v, ADZE_JSON_OBJECT) && check_object(c, p, v, f->members);
    case REASONS: return is_a(c, p, v, ADZE_JSON_OBJECT) && check_items(c, p, v, NULL);
    case STRINGS:
    case OBJECTS: return is_a(c, p, v, ADZE_JSON_ARRAY) && check_items(c, p, v, f->members);
    }
    return false;
}

static bool check_object(const checker *c, const place *p, const adze_json *object, const field *fields)
{
    for (const field *f = fields; f->key; f++) {
        const adze_json *v = adze_report_get(object, f->key);
        place inner = {p, f->key, -1};
        if (v && !check_value(c, &inner, v, f)) return false;
        if (!v && f->required) {
            adze_text text = {0};
            write_place(&text, &inner);
            adze_json_error(c->context, c->file, object, "%s is missing", text.data);
            adze_text_free(&text);
            return false;
        }
    }
    return true;
}

bool adze_report_read(adze_context *context, adze_arena *arena, const char *file, const char *text, size_t bytes,
                      adze_report *out)
{
    out->file = file;
    out->root = adze_json_read(context, arena, file, text, bytes);
    if (!out->root) return false;
    const checker c = {context, out->file};
    const place top = {NULL, NULL, -1};
    if (!is_a(&c, &top, out->root, ADZE_JSON_OBJECT)) return false;
    const adze_json *version = adze_report_get(out->root, "schema");
    if (version && version->kind == ADZE_JSON_NUMBER && version->number != (double)ADZE_REPORT_SCHEMA)
        return adze_json_error(context, out->file, version, "this is schema %s; adze report reads schema %d",
                               version->text, ADZE_REPORT_SCHEMA);
    return check_object(&c, &top, out->root, report);
}

bool adze_report_same_model(adze_context *context, const adze_report *reports, uint32_t n)
{
    const adze_json *first = adze_report_get(reports[0].root, "model");
    for (uint32_t i = 1; i < n; i++) {
        const adze_json *model = adze_report_get(reports[i].root, "model");
        if (strcmp(adze_report_base(model->text), adze_report_base(first->text)) != 0)
            return adze_json_error(context, reports[i].file, model, "this is a report of another model than %s",
                                   reports[0].file);
    }
    return true;
}
