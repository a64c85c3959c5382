/* Machine code that was made before, kept in files: one part's object by a hash of all that decides its bytes. */
#ifndef ADZE_X86_CACHE_H
#define ADZE_X86_CACHE_H

#include <adze/arena.h>

/* 128 bits: two different texts of one hash are not to be expected in the life of a machine. */
typedef struct x86_hash {
    uint64_t words[2];
} x86_hash;

x86_hash x86_hash_bytes(const void *bytes, size_t size);
/* Hash of `hash` and the text. */
x86_hash x86_hash_text(x86_hash hash, const char *text);

typedef struct x86_cache {
    const char *folder; /* NULL: nothing is kept */
    x86_hash build;     /* of this backend and the LLVM and MLIR that it runs with */
} x86_cache;

/* The folder that ADZE_CODE_CACHE names, by default `adze/code` in $XDG_CACHE_HOME or ~/.cache; "none", or no such
 * folder: nothing is kept. Removes what was not used for longest where it has grown too large. */
void x86_cache_open(x86_cache *cache, adze_arena *arena);
/* The bytes stored under the key by the same build, for the caller to free; NULL where there are none or they are not
 * what was stored. */
char *x86_cache_find(const x86_cache *cache, x86_hash key, size_t *out_size);
/* Stores bytes, whole or not at all; several processes and threads may do so at once. What fails does so silently:
 * the code is made again next time. */
void x86_cache_store(const x86_cache *cache, x86_hash key, const void *bytes, size_t size);

#endif
