/* recover: a model that was changed comes nearer to what it was, on data without labels.
 *
 * Only constants change: shapes, weights that are exactly 0, and the formats of codes stay. The ways lie in files of
 * their own; they change a copy in which the teachers stand beside the student (pair.c), and what came of it is taken
 * over at the end.
 *
 *     %0 = conv(%x, @w, @b)      →      %0 = conv(%x, @w, @b), other numbers
 */
#include "passes/recover/recover.h"


#include <string.h>

typedef bool way_fn(recover_pair *p, const recover_options *o);

static bool bias(recover_pair *p, const recover_options *o) { return recover_moments(p, o, false); }
static bool moments(recover_pair *p, const recover_options *o) { return recover_moments(p, o, true); }

typedef struct way {
    const char *name;
    way_fn *run; /* NULL: no teacher is asked */
    uint32_t most_teachers;
} way;

static const way ways[] = {
    {"bias", bias, 1},
    {"moments", moments, 1},
    {"batchnorm", NULL, 0},
    {"least-squares", recover_least_squares, 1},
    {"ridge", recover_ridge, RECOVER_MAX_TEACHERS},
    {"reconstruct", recover_reconstruct, RECOVER_MAX_TEACHERS},
};

static const way *find_way(adze_context *context, const char *name)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, name)) return &ways[i];
    adze_error(adze_loc_unknown(context), "recover: unknown method '%s'; there are bias, moments, batchnorm, "
                                          "least-squares, ridge and reconstruct", name);
    return NULL;
}

static bool check(adze_context *context, const recover_options *o, const way *w)
{
    if (!(o->hold >= 0 && o->hold <= 0.9))
        return adze_error(adze_loc_unknown(context), "recover: hold is 0 to 0.9");
    if (!(o->damping > 0 && o->damping <= 1e6))
        return adze_error(adze_loc_unknown(context), "recover: damping is above 0");
    if (o->samples < 0) return adze_error(adze_loc_unknown(context), "recover: samples is not negative");
    if (o->steps < 0 || o->steps > 1000000 || o->batch < 1 || o->batch > 4096 || o->min_layers < 1)
        return adze_error(adze_loc_unknown(context),
                          "recover: steps is 0 to 1000000, batch 1 to 4096, min-layers at least 1");
    bool weighted = o->features >= 0 && o->attention >= 0 && o->logits >= 0;
    if (!weighted || !(o->temperature > 0) || !(o->rate > 0 && o->rate <= 1))
        return adze_error(adze_loc_unknown(context),
                          "recover: weights of losses are not negative, temperature is above 0, rate above 0 and at "
                          "most 1");
    if (w->run && !o->teacher)
        return adze_error(adze_loc_unknown(context),
                          "recover: method=%s needs the model as it was: teacher=FILE", w->name);
    return true;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    const recover_options *o = opaque;
    const way *w = find_way(self->context, o->method);
    if (!w || !check(self->context, o, w)) return ADZE_FAILED;
    if (!w->run) return recover_batchnorm(module, self, o);
    recover_pair p;
    bool ok = pair_open(&p, self, module, o->teacher);
    if (ok && p.n_teachers > w->most_teachers)
        ok = adze_error(adze_loc_unknown(self->context), "recover: method=%s has one teacher", w->name);
    adze_outcome outcome = ok && w->run(&p, o) ? pair_commit(&p) : ADZE_FAILED;
    pair_close(&p);
    return outcome;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(recover_options, member), fallback}
static const adze_option option_table[] = {
    OPTION("method", "bias, moments, batchnorm, least-squares, ridge or reconstruct", STR, method, "moments"),
    OPTION("teacher", "file of the model as it was; comma between several", STR, teacher, NULL),
    OPTION("samples", "of --calib that are used; 0 = all", INT, samples, "0"),
    OPTION("hold", "part of the samples that nothing is fitted to, to judge by", FLOAT, hold, "0.25"),
    OPTION("damping", "of least squares, least that is tried, in mean squares of an input", FLOAT, damping, "0.001"),
    OPTION("w", "weights of several teachers, 1:2; else by their entropy on each sample", STR, w, NULL),
    OPTION("steps", "of reconstruct, a block", INT, steps, "100"),
    OPTION("batch", "samples a step", INT, batch, "8"),
    OPTION("rate", "of a step at first, as a part of the weights' size", FLOAT, rate, "0.005"),
    OPTION("seed", "of which samples a step takes", INT, seed, "1"),
    OPTION("blocks", "names of values that blocks end in; else they are found", STR, blocks, NULL),
    OPTION("min-layers", "of a block that is found", INT, min_layers, "2"),
    OPTION("features", "weight of the squared error of what a block gives", FLOAT, features, "1"),
    OPTION("attention", "of the divergence of softmax results inside a block", FLOAT, attention, "0.1"),
    OPTION("logits", "of the divergence of the answers, in the last block", FLOAT, logits, "1"),
    OPTION("temperature", "of these", FLOAT, temperature, "2"),
    OPTION("scales", "train scales of codes, too", BOOL, scales, "true"),
};

const adze_pass adze_pass_recover = {
    .struct_size = sizeof(adze_pass),
    .name = "recover",
    .help = "bring a changed model back to the outputs it had, on data without labels",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(recover_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs --calib and the model as it was, which is read and simplified: the module must have come of the "
                "same file, by simplify and passes behind it, so that values have the same names. Changes constants "
                "alone; weights that are exactly 0 stay 0, and codes stay: of quantized weights only scales and "
                "biases change. bias and moments give each layer's channels the teacher's means, and deviations; "
                "batchnorm estimates what has not been folded, without a teacher; least-squares refits layer by "
                "layer behind those before; ridge refits the last one to several teachers; reconstruct trains block "
                "by block, and keeps nothing that is worse on samples held back. A module that is its teacher stays "
                "as it is. fold behind it undoes nothing, but turns codes into floats.",
};
