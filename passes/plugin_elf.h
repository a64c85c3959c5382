/* What a plug-in's file says about itself before any of its code runs. */
#ifndef ADZE_PLUGIN_ELF_H
#define ADZE_PLUGIN_ELF_H

#include "passes/descriptor.h"

/* Sees every name that the descriptor brings, with what it is ("plug-in", "pass", …); false with a reason refuses
 * the plug-in. `kind` is NULL for the plug-in's own name. */
typedef bool adze_peek_name(void *self, const adze_kind *kind, const char *name, char *why, size_t why_size);

/* Checks a shared object in memory: ELF of this machine, a symbol adze_plugin_descriptor whose magic,
 * ABI number and size are right, names that `check` accepts. False with one line in `why`.
 * `bytes` may be anything; nothing outside of its `size` bytes is read. */
bool adze_plugin_peek(const void *bytes, size_t size, adze_peek_name *check, void *self, char *why,
                      size_t why_size);

#endif
