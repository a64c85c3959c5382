/* Random pipelines: passes that simplify in any order, with any options, at times some that compress, then at times the
 * way down to loops. */
#include "generate.h"

#include <string.h>

static void add_options(gen *g, const adze_pass *pass, adze_text *out)
{
    static const char *const sizes[] = {"1", "2", "3", "8", "64"}, *const bools[] = {"true", "false"},
                      *const modes[] = {"auto", "true", "false"};
    const char *before = "{";
    for (uint32_t i = 0; i < pass->n_options; i++) {
        const adze_option *option = &pass->options[i];
        const char *value = option->kind == ADZE_OPTION_BOOL  ? bools[gen_below(g, 2)]
                            : option->kind == ADZE_OPTION_INT ? sizes[gen_below(g, 5)]
                            : option->kind == ADZE_OPTION_STR ? modes[gen_below(g, 3)]
                                                              : NULL;
        if (!value || gen_chance(g, 60)) continue;
        adze_text_append(out, "%s%s=%s", before, option->name, value);
        before = ",";
    }
    if (before[0] == ',') adze_text_append(out, "}");
}

static void add_pass(gen *g, const char *name, adze_text *out)
{
    const adze_pass *pass = adze_registry_find_pass(g->registry, name);
    adze_text_append(out, "%s%s", out->size && out->data[out->size - 1] != '(' ? "," : "", name);
    bool compresses = pass && pass->purpose && !strcmp(pass->purpose, "compress"); /* texts are names of methods */
    if (pass && !compresses) add_options(g, pass, out);
}

static void add_any(gen *g, adze_text *out)
{
    static const char *const names[] = {"shape-fold", "canonicalize", "batchnorm-fold", "fold",
                                        "cse",        "dce",          "canonicalize",   "batchnorm-fold",
                                        "quantize-fuse"};
    add_pass(g, names[gen_below(g, 9)], out);
}

/* What changes weights stands behind what simplifies. */
static void add_compression(gen *g, adze_text *out)
{
    static const char *const names[] = {
        "drop-blocks", "prune-channels{group-rate=0.5,multiple=1,refit=false,score=l1}", "prune-channels",
        "equalize",    "smooth", "cast", "quantize-weights", "quantize-dynamic"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (gen_chance(g, 30)) add_pass(g, names[i], out);
}

void gen_pipeline(gen *g, adze_text *out)
{
    static const char *const down[] = {"widen", "dce", "fuse", "layout", "tile", "plan"};
    for (uint32_t n = 1 + gen_below(g, 7); n > 0; n--) {
        if (!gen_chance(g, 15)) {
            add_any(g, out);
            continue;
        }
        adze_text_append(out, "%srepeat{n=2}(", out->size ? "," : "");
        for (uint32_t k = 1 + gen_below(g, 3); k > 0; k--) add_any(g, out);
        adze_text_append(out, ")");
    }
    if (gen_chance(g, 25)) add_compression(g, out);
    if (gen_chance(g, 50)) return;
    bool mixed = gen_chance(g, 40); /* what simplifies may run anywhere */
    for (uint32_t i = 0; i < 6; i++) {
        if (i != 0 || gen_chance(g, 70)) add_pass(g, down[i], out);
        while (mixed && gen_chance(g, 30)) add_any(g, out);
    }
}
