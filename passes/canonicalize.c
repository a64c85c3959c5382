/* canonicalize: apply the rewrite rules until none matches.
 *
 * The rules are text (docs/design/rules.md); the engine that finds and replaces is rule_match.c and rule_apply.c.
 *
 *     %1 = transpose(%x) {perm = [1, 0]} : f32[3,2]     →     return(%x)
 *     %2 = transpose(%1) {perm = [1, 0]} : f32[2,3]
 *     return(%2)
 */
#include "passes/examples_embedded.h"

#include <adze/pass.h>

#include <string.h>

typedef struct options {
    const char *fast;
} options;

static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    const options *o = given;
    bool fast = self->precision != ADZE_PRECISION_STRICT;
    if (!strcmp(o->fast, "true") || !strcmp(o->fast, "false")) {
        fast = !strcmp(o->fast, "true");
    } else if (strcmp(o->fast, "auto") != 0) {
        adze_error(adze_loc_unknown(self->context), "canonicalize: fast takes auto, true or false, got '%s'",
                   o->fast);
        return ADZE_FAILED;
    }
    return adze_rules_run(func, self, "canonicalize", fast);
}

static const adze_option option_rows[] = {
    {"fast", "apply FAST rules, too: auto (unless precision is strict), true, false", ADZE_OPTION_STR,
     offsetof(options, fast), "auto"},
};

const adze_pass adze_pass_canonicalize = {
    .struct_size = sizeof(adze_pass),
    .name = "canonicalize",
    .help = "apply the rewrite rules until none matches",
    .numerics = ADZE_FAST,
    .options = option_rows,
    .n_options = sizeof option_rows / sizeof *option_rows,
    .options_size = sizeof(options),
    .run = run,
    .purpose = "simplify",
    .contract = "Applies the rule sets of rules/ and of plug-ins, except those that name another pass. EXACT rules "
                "always run. FAST ones (another rounding, sign of zero, or result where NaN or infinity are "
                "involved) run unless the precision is strict; the option overrides that. What an applied rule leaves "
                "unused goes at once; ops over constants are for fold.",
    .example = adze_example_canonicalize,
};
