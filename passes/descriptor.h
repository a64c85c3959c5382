/* The lists of a plug-in's descriptor as a table, for what checks the file and for what registers it. */
#ifndef ADZE_DESCRIPTOR_H
#define ADZE_DESCRIPTOR_H

#include <adze/registry.h>

/* One kind of thing that a plug-in brings. Every item but a micro-kernel begins with its struct_size. */
typedef struct adze_kind {
    const char *what;  /* "pass" */
    size_t list;       /* offset of the list in adze_plugin */
    size_t name;       /* offset of the name in an item */
    size_t least;      /* an item's size in the first version; what is shorter is refused */
    size_t size;       /* its size now, which what is shorter is completed to; 0 = it has no struct_size */
    /* Is there one of that name already? NULL: several may have it. */
    bool (*is_taken)(const adze_registry *registry, const char *name);
} adze_kind;

/* NULL `what` ends it. */
extern const adze_kind adze_kinds[];
/* Bytes of the descriptor in its first version. */
extern const size_t adze_plugin_least;

bool adze_plugin_name_is_taken(const adze_registry *registry, const char *name);

#endif
