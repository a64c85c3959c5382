/* From a layer plan to the passes that make it so. */
#include <adze/compress.h>

#include <string.h>

/* A value in a pipeline's text. */
static void append(adze_text *out, bool *first, const char *key, const char *value)
{
    if (!value) return;
    adze_text_append(out, "%s%s=\"", *first ? "" : ",", key);
    for (const char *c = value; *c; c++) adze_text_append(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    adze_text_append(out, "\"");
    *first = false;
}

static bool has_kind(const adze_layer_plan *plan, adze_format_kind kind)
{
    for (uint32_t i = 0; i < adze_layer_plan_count(plan); i++)
        if (adze_layer_plan_format(plan, i).kind == kind) return true;
    return false;
}

static bool has_structure(const adze_layer_plan *plan, adze_structure least, adze_structure most)
{
    for (uint32_t i = 0; i < adze_layer_plan_count(plan); i++) {
        adze_structure is = adze_layer_plan_format(plan, i).structure;
        if (is >= least && is <= most) return true;
    }
    return false;
}

/* Lines `channels` or, with `drops`, `drop`. */
static bool has_cut(const adze_layer_plan *plan, bool drops)
{
    for (uint32_t i = 0; i < adze_layer_plan_num_cuts(plan); i++)
        if ((adze_layer_plan_cut_keep(plan, i) == 0) == drops) return true;
    return false;
}

void adze_layer_structure_pipeline(const adze_layer_plan *plan, uint32_t step, const char *path,
                                   const adze_layer_settings *settings, adze_text *out)
{
    /* What removes most comes first; what is left is fitted to what the layers gave before. */
    const struct {
        const char *pass;
        bool wanted;
        const char *method;
    } passes[ADZE_STRUCTURE_STEPS] = {
        {"drop-blocks", has_cut(plan, true), NULL},
        {"prune-channels", has_cut(plan, false), NULL},
        {"low-rank", has_structure(plan, ADZE_LOW_RANK, ADZE_SPATIAL), NULL},
        {"prune", has_structure(plan, ADZE_SPARSE, ADZE_SPARSE_N_M), "sparsegpt"},
    };
    bool first = true;
    if (step >= ADZE_STRUCTURE_STEPS || !passes[step].wanted) return;
    adze_text_append(out, "%s{", passes[step].pass);
    append(out, &first, "plan", path);
    if (strcmp(passes[step].pass, "drop-blocks") != 0) append(out, &first, "stats", settings->stats);
    append(out, &first, "method", passes[step].method);
    adze_text_append(out, "},dce");
}

void adze_layer_cut_pipeline(double rate, const char *save, const adze_layer_settings *settings, adze_text *out)
{
    bool first = false;
    adze_text_append(out, "prune-channels{at-most=true,rate=");
    adze_text_double(out, rate);
    append(out, &first, "save", save);
    append(out, &first, "stats", settings->stats);
    adze_text_append(out, "},dce");
}

void adze_layer_pipeline(const adze_layer_plan *plan, const char *path, const adze_layer_settings *settings,
                         adze_text *out)
{
    /* Activations first: scales are those of the values that statistics saw. */
    static const struct {
        adze_format_kind kind;
        const char *pass, *weights;
    } passes[] = {{ADZE_FORMAT_STATIC, "quantize-static", "weights"},
                  {ADZE_FORMAT_ROWS, "quantize-dynamic", "weights"},
                  {ADZE_FORMAT_WEIGHTS, "quantize-weights", "method"},
                  {ADZE_FORMAT_CAST, "cast", NULL}};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        bool first = true;
        if (!has_kind(plan, passes[i].kind)) continue;
        adze_text_append(out, "%s%s{", out->size ? "," : "", passes[i].pass);
        append(out, &first, "plan", path);
        bool codes = passes[i].weights, choose = settings->weights && !strcmp(settings->weights, "auto");
        bool alone = passes[i].kind == ADZE_FORMAT_WEIGHTS && choose; /* few bits, small groups: what is best there */
        const char *best = alone ? "gptq" : "cd";
        if (codes) append(out, &first, "stats", settings->stats);
        if (codes) append(out, &first, passes[i].weights, choose ? best : settings->weights);
        if (codes) append(out, &first, "clip", settings->clip);
        if (passes[i].kind == ADZE_FORMAT_WEIGHTS) append(out, &first, "symmetric", "false");
        if (passes[i].kind == ADZE_FORMAT_WEIGHTS) append(out, &first, "scales", "f16");
        if (alone) append(out, &first, "polish", "20");
        if (alone) append(out, &first, "refit", "1");
        if (passes[i].kind == ADZE_FORMAT_STATIC) append(out, &first, "range", settings->range);
        if (passes[i].kind == ADZE_FORMAT_STATIC)
            append(out, &first, "float-bias", "true"); /* the same code, fewer bytes */
        adze_text_append(out, "}");
    }
    if (settings->tables) adze_text_append(out, "%squantize-tables", out->size ? "," : "");
    if (out->size) adze_text_append(out, ",dce"); /* constants that nobody reads any more */
}
