/* signs: rewrite rules as a plug-in. The text is signs.rules, embedded; `canonicalize` applies it. */
#include <adze/embed.h>
#include <adze/plugin.h>

ADZE_EMBED(signs_text, "signs.rules");

static const adze_rule_set set = {.struct_size = sizeof(adze_rule_set), .name = "signs", .text = signs_text};
static const adze_rule_set *const sets[] = {&set, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "signs",
    .version = "1",
    .rules = sets,
};
