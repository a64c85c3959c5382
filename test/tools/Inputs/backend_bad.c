/* A backend and metrics that break their contract. -O0: no pipeline; -O1: says that it wrote, but did not; -O2: fails
 * without a word; it has no code for abs, and no reason. */
#include <adze/plugin.h>

#include <string.h>

static int asked;

static bool supports(const adze_op *op, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    return !adze_op_is(op, "abs");
}

static const char *pipeline(int level)
{
    asked = level;
    return level ? "" : NULL;
}

static bool emit(const adze_module *module, adze_registry *registry, const adze_emit_options *options)
{
    (void)module, (void)registry, (void)options;
    return asked == 1;
}

static const char *const suffixes[] = {".out", NULL};
static const adze_backend backend = {.struct_size = sizeof backend,
                                     .name = "bad",
                                     .help = "breaks rules",
                                     .supports = supports,
                                     .pipeline = pipeline,
                                     .emit = emit,
                                     .suffixes = suffixes,
                                     .takes_tensors = true};
static const adze_backend *const backends[] = {&backend, NULL};

/* Needs no labels, and a state whose size plus one does not fit 32 bits. */
static bool add(void *state, const adze_sample *sample, const char **out_why)
{
    (void)sample, (void)out_why;
    ++*(double *)state;
    return true;
}

static double value(const void *state) { return *(const double *)state; }

static const adze_metric metric = {.struct_size = sizeof metric,
                                   .name = "samples-seen",
                                   .unit = "",
                                   .help = "counts",
                                   .state_size = UINT32_MAX,
                                   .add = add,
                                   .value = value};
static const adze_metric *const metrics[] = {&metric, NULL};

const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC,
                                            .abi = ADZE_ABI,
                                            .struct_size = sizeof(adze_plugin),
                                            .name = "bad-backend",
                                            .version = "1",
                                            .backends = backends,
                                            .metrics = metrics};
