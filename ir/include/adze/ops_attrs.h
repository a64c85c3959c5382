/* Attribute blocks of every op, generated from the op table: `const struct adze_conv_attrs *a = attrs`.
 * Freestanding. Each member takes one 16-byte slot; `set` has bit k for the k-th attribute. */
#ifndef ADZE_OPS_ATTRS_H
#define ADZE_OPS_ATTRS_H

#include <adze/abi.h>

typedef int64_t adze_member_INT;
typedef int64_t adze_member_TYPE;
typedef double adze_member_FLOAT;
typedef adze_string adze_member_STR;
typedef adze_ints adze_member_INTS;
typedef adze_floats adze_member_FLOATS;
typedef const void *adze_member_DIM;
typedef const void *adze_member_DIMS;
typedef const char *const *adze_member_STRS; /* NULL-ended */
typedef adze_string adze_member_SYM;

#define ATTR(name, kind, fallback) alignas(16) adze_member_##kind name;
#define OP(name, onnx, imin, imax, omin, omax, traits, access, infer, help, attrs)                          \
    struct adze_##name##_attrs {                                                                            \
        alignas(16) uint64_t set;                                                                           \
        attrs                                                                                               \
    };
#define BODY(name, onnx, n_in, traits, infer, help, attrs) OP(name, , , , , , , , , , attrs)
#define STRUCT(name, imin, imax, omin, omax, rmin, rmax, traits, infer, help, attrs)                         \
    OP(name, , , , , , , , , , attrs)
#include <adze/ops.def>

#endif
