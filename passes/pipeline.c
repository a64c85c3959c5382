/* Pipelines as text: `fold,fuse{max-ops=8},repeat{n=3}(canonicalize,dce)`.
 *
 *     pipeline := step ("," step)*           step := NAME options? ("(" pipeline ")")?
 *     options  := "{" (NAME "=" value ("," NAME "=" value)*)? "}"
 *     value    := quoted text, or characters other than , { } ( ) " and spaces
 *
 * `repeat` runs its steps n times, without n until a round changes nothing. The name of a named
 * pipeline stands for its steps.
 */
#include "passes/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_STEPS = 10000, MAX_WORD = 1024 };

typedef struct reader {
    adze_pipeline *pipeline;
    const char *text, *at;
    uint32_t n_steps;
} reader;

static bool fail_at(const reader *r, const char *at, const char *message, const char *detail)
{
    adze_loc loc = adze_loc_unknown(r->pipeline->registry->context);
    loc.file = "pipeline";
    loc.line = 1;
    adze_context_add_text(loc.context, loc.file, r->text, strlen(r->text));
    loc.col = (uint32_t)(at - r->text) + 1;
    return adze_error(loc, message, detail);
}

static void skip_space(reader *r) { r->at += strspn(r->at, " \t\r\n"); }

static bool accept(reader *r, char c)
{
    skip_space(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

static bool expect(reader *r, char c)
{
    char text[] = {c, '\0'};
    return accept(r, c) || fail_at(r, r->at, "expected '%s'", text);
}

static bool read_name(reader *r, char out[MAX_WORD])
{
    skip_space(r);
    size_t n = strcspn(r->at, ",={}()\" \t\r\n");
    if (n >= MAX_WORD) return fail_at(r, r->at, "%s", "the name is too long");
    memcpy(out, r->at, n);
    out[n] = '\0';
    if (!adze_name_is_valid(out))
        return fail_at(r, r->at, "expected a name, got '%s'", n ? out : *r->at ? r->at : "the end");
    r->at += n;
    return true;
}

static bool read_quoted(reader *r, char out[MAX_WORD])
{
    const char *start = r->at++;
    size_t n = 0;
    while (*r->at && *r->at != '"') {
        if (*r->at == '\\' && r->at[1]) r->at++;
        if (n + 1 >= MAX_WORD) return fail_at(r, start, "%s", "the text is too long");
        out[n++] = *r->at++;
    }
    out[n] = '\0';
    if (!*r->at) return fail_at(r, start, "%s", "the text has no closing quote");
    r->at++;
    return true;
}

static bool read_value(reader *r, char out[MAX_WORD])
{
    skip_space(r);
    if (*r->at == '"') return read_quoted(r, out);
    size_t n = strcspn(r->at, ",{}()\" \t\r\n");
    if (n >= MAX_WORD) return fail_at(r, r->at, "%s", "the value is too long");
    if (!n) return fail_at(r, r->at, "%s", "expected a value");
    memcpy(out, r->at, n);
    out[n] = '\0';
    r->at += n;
    return true;
}

static bool set_rounds(reader *r, const char *at, const char *name, const char *value, adze_step *step)
{
    char *end;
    if (strcmp(name, "n") != 0) return fail_at(r, at, "repeat has no option '%s'", name);
    long long n = strtoll(value, &end, 10);
    if (*end || n < 1 || n > 1000) return fail_at(r, at, "n takes a number from 1 to 1000, got '%s'", value);
    step->rounds = n;
    return true;
}

static bool set_option(reader *r, const char *at, const char *name, const char *value, adze_step *step)
{
    if (!step->pass) return set_rounds(r, at, name, value, step);
    for (uint32_t i = 0; i < step->pass->n_options; i++) {
        char why[MAX_WORD + 128];
        if (strcmp(step->pass->options[i].name, name) != 0) continue;
        return adze_option_set(r->pipeline->registry->context, &step->pass->options[i], step->options,
                               value, why, sizeof why) ||
               fail_at(r, at, "%s", why);
    }
    char message[256], ask[96];
    adze_nearest nearest = {.wanted = name};
    for (uint32_t i = 0; i < step->pass->n_options; i++) adze_nearest_offer(&nearest, step->pass->options[i].name);
    snprintf(message, sizeof message, "pass '%.80s' has no option '%.80s'%s", step->pass->name, name,
             adze_nearest_ask(&nearest, ask, sizeof ask));
    return fail_at(r, at, "%s", message);
}

static bool read_options(reader *r, adze_step *step)
{
    char name[MAX_WORD], value[MAX_WORD];
    if (!accept(r, '{') || accept(r, '}')) return true;
    do {
        skip_space(r);
        const char *at = r->at;
        if (!read_name(r, name) || !expect(r, '=') || !read_value(r, value) ||
            !set_option(r, at, name, value, step))
            return false;
    } while (accept(r, ','));
    return expect(r, '}');
}

static adze_step *add_step(reader *r, adze_step ***tail)
{
    adze_step *step = ADZE_NEW(&r->pipeline->arena, adze_step);
    **tail = step;
    *tail = &step->next;
    return step;
}

static bool read_steps(reader *r, adze_step ***tail, int depth);

/* The steps of a named pipeline, in place of its name. */
static bool read_named(reader *r, const char *text, adze_step ***tail, int depth)
{
    reader inner = {r->pipeline, text, text, r->n_steps};
    bool ok = read_steps(&inner, tail, depth + 1);
    r->n_steps = inner.n_steps;
    return ok;
}

static bool no_pass(const reader *r, const char *at, const char *name)
{
    char message[MAX_WORD + 160], ask[96];
    adze_nearest nearest = {.wanted = name};
    for (const adze_named_pipeline *p = adze_named_pipelines; p->name; p++) adze_nearest_offer(&nearest, p->name);
    adze_registry_near_pass(r->pipeline->registry, &nearest);
    snprintf(message, sizeof message, "there is no pass named '%s'%s", name,
             adze_nearest_ask(&nearest, ask, sizeof ask));
    return fail_at(r, at, "%s", message);
}

static bool read_step(reader *r, adze_step ***tail, int depth)
{
    char name[MAX_WORD];
    skip_space(r);
    const char *at = r->at;
    if (depth > MAX_DEPTH) return fail_at(r, at, "%s", "the pipeline is nested too deeply");
    if (++r->n_steps > MAX_STEPS) return fail_at(r, at, "%s", "the pipeline has too many steps");
    if (!read_name(r, name)) return false;
    for (const adze_named_pipeline *p = adze_named_pipelines; p->name; p++)
        if (!strcmp(p->name, name)) return read_named(r, p->text, tail, depth);
    adze_step *step = add_step(r, tail);
    if (!strcmp(name, "repeat")) {
        adze_step **inner = &step->first;
        return read_options(r, step) && expect(r, '(') && read_steps(r, &inner, depth + 1) &&
               expect(r, ')');
    }
    char why[160];
    step->pass = adze_registry_find_pass(r->pipeline->registry, name);
    if (!step->pass) return no_pass(r, at, name);
    step->options = adze_arena_alloc(&r->pipeline->arena, step->pass->options_size + 1);
    r->pipeline->n_passes++;
    if (!adze_options_init(r->pipeline->registry->context, step->pass, step->options, why, sizeof why))
        return fail_at(r, at, "%s", why);
    return read_options(r, step);
}

static bool read_steps(reader *r, adze_step ***tail, int depth)
{
    do {
        if (!read_step(r, tail, depth)) return false;
    } while (accept(r, ','));
    return true;
}

adze_pipeline *adze_pipeline_parse(adze_registry *registry, const char *text)
{
    adze_pipeline *pipeline = adze_malloc(sizeof *pipeline);
    *pipeline = (adze_pipeline){.registry = registry};
    reader r = {pipeline, text, text, 0};
    adze_step **tail = &pipeline->first;
    skip_space(&r);
    bool ok = !*r.at || read_steps(&r, &tail, 0);
    skip_space(&r);
    if (ok && *r.at) ok = fail_at(&r, r.at, "expected ',' or the end, got '%s'", r.at);
    if (ok) return pipeline;
    adze_pipeline_destroy(pipeline);
    return NULL;
}

void adze_pipeline_destroy(adze_pipeline *pipeline)
{
    if (!pipeline) return;
    adze_arena_free(&pipeline->arena);
    free(pipeline);
}

static void print_steps(const adze_pipeline *pipeline, const adze_step *step, adze_text *out)
{
    for (; step; step = step->next) {
        adze_step_print(pipeline, step, out);
        if (step->next) adze_text_append(out, ",");
    }
}

void adze_step_print(const adze_pipeline *pipeline, const adze_step *step, adze_text *out)
{
    adze_text_append(out, "%s", step->pass ? step->pass->name : "repeat");
    if (step->rounds) adze_text_append(out, "{n=%d}", (int)step->rounds);
    const char *before = "{";
    for (uint32_t i = 0; step->pass && i < step->pass->n_options; i++) {
        const adze_option *option = &step->pass->options[i];
        if (adze_option_is_default(pipeline->registry->context, option, step->options)) continue;
        adze_text_append(out, "%s%s=", before, option->name);
        adze_option_print(option, step->options, out);
        before = ",";
    }
    if (*before == ',') adze_text_append(out, "}");
    if (step->pass) return;
    adze_text_append(out, "(");
    print_steps(pipeline, step->first, out);
    adze_text_append(out, ")");
}

void adze_pipeline_print(const adze_pipeline *pipeline, adze_text *out)
{
    print_steps(pipeline, pipeline->first, out);
}
