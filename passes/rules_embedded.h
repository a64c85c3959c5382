/* The files rules/<name>.rules as rule sets, embedded at build time, NULL-ended. */
#ifndef ADZE_RULES_EMBEDDED_H
#define ADZE_RULES_EMBEDDED_H

#include <adze/plugin.h>

extern const adze_rule_set *const adze_embedded_rules[];

#endif
