/* What compiled code, op evaluations, the runtime and the compiler agree on.
 *
 * Freestanding: this header includes only headers that every C17 compiler brings without a libc.
 * Structures that cross a library boundary start with their size and grow only at the end.
 */
#ifndef ADZE_ABI_H
#define ADZE_ABI_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Number of the binary interface between host, plug-ins and artifacts. */
enum { ADZE_ABI = 1 };

/* Ranks above this are refused on import. */
enum { ADZE_MAX_RANK = 12 };

typedef enum adze_dtype {
    ADZE_DTYPE_NONE = 0,
#define DTYPE(name, bits, kind, onnx) ADZE_DTYPE_##name,
#include <adze/dtype.def>
#undef DTYPE
    ADZE_DTYPE_COUNT
} adze_dtype;

typedef enum adze_dtype_kind {
    ADZE_KIND_NONE,
    ADZE_KIND_BOOL,
    ADZE_KIND_INT,
    ADZE_KIND_UINT,
    ADZE_KIND_FLOAT,
    ADZE_KIND_COMPLEX,
    ADZE_KIND_STRING
} adze_dtype_kind;

static inline uint32_t adze_dtype_bits(adze_dtype t)
{
    static const uint8_t bits[ADZE_DTYPE_COUNT] = {
        0,
#define DTYPE(name, bits, kind, onnx) bits,
#include <adze/dtype.def>
#undef DTYPE
    };
    return (unsigned)t < ADZE_DTYPE_COUNT ? bits[t] : 0;
}

static inline adze_dtype_kind adze_dtype_get_kind(adze_dtype t)
{
    static const uint8_t kinds[ADZE_DTYPE_COUNT] = {
        ADZE_KIND_NONE,
#define DTYPE(name, bits, kind, onnx) ADZE_KIND_##kind,
#include <adze/dtype.def>
#undef DTYPE
    };
    return (unsigned)t < ADZE_DTYPE_COUNT ? (adze_dtype_kind)kinds[t] : ADZE_KIND_NONE;
}

/* Bytes that `count` dense elements of type `t` take; sub-byte types round up. */
static inline uint64_t adze_dtype_bytes(adze_dtype t, uint64_t count)
{
    return (count * adze_dtype_bits(t) + 7) / 8;
}

/* Every function that can fail returns one of these. 0 is success. */
typedef enum adze_status {
    ADZE_OK = 0,
    ADZE_ERR_NO_MEMORY,   /* an allocation failed or a memory bound was met */
    ADZE_ERR_ARGUMENT,    /* a null pointer, a bad index, a call out of order */
    ADZE_ERR_DTYPE,       /* element type differs from the model's */
    ADZE_ERR_RANK,        /* number of dims differs */
    ADZE_ERR_DIM,         /* a fixed dim differs, or a dim is negative or absurd */
    ADZE_ERR_SYMBOL,      /* one symbol was given two values */
    ADZE_ERR_MISSING,     /* a required input was not bound */
    ADZE_ERR_ALIGNMENT,   /* a pointer is not aligned to its element */
    ADZE_ERR_CPU,         /* the CPU lacks what the artifact's lowest level needs */
    ADZE_ERR_ABI,         /* the artifact or plug-in speaks another ABI number */
    ADZE_ERR_FILE,        /* a file cannot be opened, read or mapped */
    ADZE_ERR_FORMAT,      /* a file is not what it should be */
    ADZE_ERR_UNSUPPORTED, /* the combination of types or attributes is not implemented */
    ADZE_ERR_VALUE,       /* a value is out of its domain, e.g. an index out of range */
    ADZE_ERR_COUNT
} adze_status;

/* One string element; `data` need not end in a zero byte. */
typedef struct adze_string {
    const char *data;
    uint64_t size;
} adze_string;

typedef enum adze_value_kind {
    ADZE_VALUE_ABSENT, /* an optional operand that was left out */
    ADZE_VALUE_TENSOR,
    ADZE_VALUE_SEQUENCE,
    ADZE_VALUE_OPTIONAL,
    ADZE_VALUE_MAP
} adze_value_kind;

/* A value as evaluations and artifacts see it. It owns nothing; who made it says how long its memory lives. A tensor
 * is dense, row-major and aligned to its element. `dims` has `rank` entries and is borrowed. */
typedef struct adze_value {
    uint32_t kind;  /* adze_value_kind */
    uint32_t dtype; /* adze_dtype of a tensor */
    uint32_t rank;
    uint32_t reserved;
    const int64_t *dims;
    void *data;               /* tensor elements; items of a sequence or optional */
    struct adze_value *items; /* sequence, optional (0 or 1 item), map (keys, values) */
    uint64_t n_items;
} adze_value;

static inline uint64_t adze_value_count(const adze_value *v)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < v->rank; i++) n *= (uint64_t)v->dims[i];
    return n;
}

/* f32 contractions sum in f32, in the order of k with one rounding a step (--precision=strict), instead of
 * in double. */
enum { ADZE_ENV_STRICT = 1 };

/* What an evaluation may ask of its caller; for the thread that it was called on, until it returns. */
typedef struct adze_env {
    uint32_t struct_size;
    uint32_t flags; /* ADZE_ENV_… */
    void *self; /* the caller's own */
    uint64_t seed;
    /* Storage for output `index` of an op marked DATA_DEPENDENT; other outputs arrive allocated,
     * with dims set. Copies `dims`. Zero-filled. */
    adze_status (*output)(const struct adze_env *env, adze_value *out, adze_dtype dtype,
                          uint32_t rank, const int64_t *dims);
    /* Uninitialised memory, 64-byte aligned, valid until the evaluation returns; NULL if there is
     * none. */
    void *(*scratch)(const struct adze_env *env, uint64_t bytes);
    /* Runs region `index` of the op (if, loop, scan). Outputs are allocated by the caller of eval.
     */
    adze_status (*region)(const struct adze_env *env, uint32_t index, const adze_value *in,
                          uint32_t n_in, adze_value *out, uint32_t n_out);
    /* One line about what is wrong with the operands; returns `status`. */
    adze_status (*error)(const struct adze_env *env, adze_status status, const char *message);
    /* Gives the table of an extension, e.g. "images", as extension.h tells; NULL = the host has none. Hosts older than
     * this member end before it: ask struct_size. */
    const void *(*extension)(void *extension_self, const char *name, char *why, size_t why_size);
    void *extension_self;
} adze_env;

/* Attributes of an op. The block that passes and evaluations see is an array of 16-byte slots in
 * the order of the op's row; slot 0 holds a bit per attribute that was written explicitly. */
typedef struct adze_ints {
    const int64_t *data;
    uint64_t count;
} adze_ints;
typedef struct adze_floats {
    const double *data;
    uint64_t count;
} adze_floats;

typedef union adze_slot {
    uint64_t set; /* slot 0 */
    int64_t i;    /* INT, BOOL, TYPE (adze_dtype) */
    double f;
    adze_string s;
    adze_ints ints;
    adze_floats floats;
    const void *object; /* kinds that only the compiler reads: dims, maps, symbols, tensors */
    uint64_t words[2];
} adze_slot;

typedef adze_status adze_eval_fn(const adze_env *env, const adze_value *in, uint32_t n_in,
                                 adze_value *out, uint32_t n_out, const void *attrs);

#ifdef __cplusplus
}
#endif
#endif
