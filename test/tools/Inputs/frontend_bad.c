/* A frontend that breaks its contract: what it gives depends on the file's name. */
#include <adze/plugin.h>

#include <string.h>

static adze_module *read_model(adze_context *context, const char *path, const adze_read_options *options)
{
    (void)options;
    adze_module *module = strstr(path, "null") ? NULL : adze_module_create(context, "m");
    if (strstr(path, "told")) adze_error(adze_loc_unknown(context), "told");
    if (strstr(path, "open")) adze_module_add_func(module, "open");
    return module;
}

static const char *const suffixes[] = {".bad", NULL};
static const adze_frontend frontend = {
    .struct_size = sizeof frontend, .name = "bad", .help = "breaks rules", .suffixes = suffixes, .read = read_model};
static const adze_frontend *const frontends[] = {&frontend, NULL};

const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC,
                                            .abi = ADZE_ABI,
                                            .struct_size = sizeof(adze_plugin),
                                            .name = "bad-frontend",
                                            .version = "1",
                                            .frontends = frontends};
