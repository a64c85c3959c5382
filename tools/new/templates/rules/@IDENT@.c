/* @NAME@: the rewrite rules of @NAME@.rules, embedded. */
#include <adze/embed.h>
#include <adze/plugin.h>

ADZE_EMBED(@IDENT@_text, "@NAME@.rules");

static const adze_rule_set set = {.struct_size = sizeof(adze_rule_set), .name = "@NAME@", .text = @IDENT@_text};
static const adze_rule_set *const sets[] = {&set, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "@NAME@",
    .version = "1",
    .rules = sets,
};
