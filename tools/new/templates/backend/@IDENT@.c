/* @NAME@: a backend that writes the ops of a module, one line each, to a file named .@IDENT@. */
#include <adze/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void list(FILE *file, const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        char type[256] = "";
        if (adze_op_num_results(op)) adze_type_print(adze_value_type(adze_op_result(op, 0)), type, sizeof type);
        fprintf(file, "%s %s\n", adze_op_name(op), type);
    }
}

/* The file appears under its name when it is complete. */
static bool emit(const adze_module *module, adze_registry *registry, const adze_emit_options *options)
{
    (void)registry;
    adze_loc loc = adze_loc_unknown(adze_module_context(module));
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", options->output) >= (int)sizeof part)
        return adze_error(loc, "%s: the name is too long", options->output);
    FILE *file = fopen(part, "w");
    if (!file) return adze_error(loc, "%s: %s", options->output, strerror(errno));
    list(file, adze_func_body(adze_module_main(module)));
    bool ok = !ferror(file);
    ok = !fclose(file) && ok && !rename(part, options->output);
    if (ok) return true;
    remove(part);
    return adze_error(loc, "%s: cannot be written", options->output);
}

/* A reason in `why` for each op that cannot be done; adze tells all of them at once. */
static bool supports(const adze_op *op, char *why, size_t why_size)
{
    if (!adze_op_is(op, "random_normal")) return true;
    snprintf(why, why_size, "there is no source of random numbers");
    return false;
}

static const char *pipeline(int level) { return level < 1 ? "shape-fold" : "simplify"; }

static const char *const suffixes[] = {".@IDENT@", NULL};
static const adze_backend backend = {
    .struct_size = sizeof(adze_backend),
    .name = "@NAME@",
    .help = "lists of ops",
    .supports = supports,
    .pipeline = pipeline,
    .emit = emit,
    .suffixes = suffixes,
    .takes_tensors = true, /* without it, the pipeline must end in tile,plan: loops and places in memory */
};

static const adze_backend *const backends[] = {&backend, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "@NAME@",
    .version = "1",
    .backends = backends,
};
