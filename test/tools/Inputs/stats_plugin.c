/* A pass that tells the range of what contractions read, from a file (stats=FILE) or from statistics of its own. */
#include <adze/plugin.h>
#include <adze/stats.h>

typedef struct options {
    const char *stats;
} options;

static const adze_option rows[] = {
    {"stats", "file of statistics", ADZE_OPTION_STR, offsetof(options, stats), NULL},
};

static adze_stats *read_or_collect(adze_module *module, const options *o, adze_pass_run *self)
{
    adze_collect_options how = {.struct_size = sizeof how, .gram = true};
    if (!o->stats) return adze_stats_collect(self->registry, module, NULL, 0, self->calibration, &how);
    adze_stats *stats = adze_stats_load(self->context, o->stats);
    if (stats && adze_stats_attach(stats, module)) return stats;
    adze_stats_destroy(stats);
    return NULL;
}

static adze_outcome run(adze_module *module, const void *given, adze_pass_run *self)
{
    adze_stats *stats = read_or_collect(module, given, self);
    if (!stats) return ADZE_FAILED;
    adze_region *body = adze_func_body(adze_module_main(module));
    for (const adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) {
        if (!adze_op_has_trait(op, ADZE_CONTRACTION)) continue;
        const adze_value_stats *x = adze_stats_of(stats, adze_op_operand(op, 0));
        const adze_gram *gram = adze_stats_gram(stats, op, 0);
        adze_note(adze_op_loc(op), "reads %s in [%.4g, %.4g], %d patches", x->name, x->min, x->max,
                  gram ? (int)gram->rows[0] : 0);
    }
    adze_stats_destroy(stats);
    return ADZE_UNCHANGED;
}

static const adze_pass pass = {.struct_size = sizeof(adze_pass),
                               .name = "tell-stats",
                               .help = "tell the range of what contractions read",
                               .options = rows,
                               .n_options = 1,
                               .options_size = sizeof(options),
                               .run_module = run};
static const adze_pass *const passes[] = {&pass, NULL};

const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC,
                                            .abi = ADZE_ABI,
                                            .struct_size = sizeof(adze_plugin),
                                            .name = "tell",
                                            .version = "1",
                                            .passes = passes};
