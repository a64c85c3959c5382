/* What a plug-in's file says about itself before any of its code runs. */
#ifndef ADZE_PLUGIN_ELF_H
#define ADZE_PLUGIN_ELF_H

#include <stdbool.h>
#include <stddef.h>

typedef enum adze_peek_kind {
    ADZE_PEEK_PLUGIN,
    ADZE_PEEK_PASS,
    ADZE_PEEK_OP,
    ADZE_PEEK_RULE_SET,
    ADZE_PEEK_BACKEND
} adze_peek_kind;

/* Sees every name that the descriptor brings; false with a reason refuses the plug-in. */
typedef bool adze_peek_name(void *self, adze_peek_kind kind, const char *name, char *why,
                            size_t why_size);

/* Checks a shared object in memory: ELF of this machine, a symbol adze_plugin_descriptor whose magic,
 * ABI number and size are right, names that `check` accepts. False with one line in `why`.
 * `bytes` may be anything; nothing outside of its `size` bytes is read. */
bool adze_plugin_peek(const void *bytes, size_t size, adze_peek_name *check, void *self, char *why,
                      size_t why_size);

#endif
