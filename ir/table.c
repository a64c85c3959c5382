/* The op table as data: ops.def expanded into rows. */
#include "ir/rows.h"

#include "ir/eval/eval.h"

#define access_none NULL
#define infer_none  NULL

/* ---- Attribute lists ---- */

#define LIST(name, ...) \
    static const adze_attr_row attrs_##name[] = {__VA_ARGS__{NULL, ADZE_ATTR_INT, NULL}};
#define OP(name, onnx, imin, imax, omin, omax, traits, access, infer, help, attrs) LIST(name, attrs)
#define BODY(name, onnx, n_in, traits, infer, help, attrs) LIST(name, attrs)
#define STRUCT(name, imin, imax, omin, omax, rmin, rmax, traits, infer, help, attrs) LIST(name, attrs)
#define ATTR(name, kind, fallback) {#name, ADZE_ATTR_##kind, fallback},
#include <adze/ops.def>

/* ---- Rows ---- */

enum {
    PURE = ADZE_PURE,
    ELEMWISE = ADZE_ELEMWISE,
    COMMUTATIVE = ADZE_COMMUTATIVE,
    VIEW = ADZE_VIEW,
    REDUCE = ADZE_REDUCE,
    CONTRACTION = ADZE_CONTRACTION,
    WINDOW = ADZE_WINDOW,
    MOVE = ADZE_MOVE,
    NORMALIZE = ADZE_NORMALIZE,
    DATA_DEPENDENT = ADZE_DATA_DEPENDENT,
    TERMINATOR = ADZE_TERMINATOR,
    LOOP = ADZE_LOOP,
    SHAPE = ADZE_SHAPE,
    QUANT = ADZE_QUANT,
    REGION = ADZE_REGION,
    IDEMPOTENT = ADZE_IDEMPOTENT,
    FREE = ADZE_FREE,
    EXTENSION = ADZE_EXTENSION
};

#define ROW(n, o, imin, imax, omin, omax, rmin, rmax, t, a, i, h, e)                 \
    {.struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = #n, .onnx = o, .help = h, .in_min = imin,  \
     .in_max = imax, .out_min = omin, .out_max = omax, .regions = rmin, .regions_max = rmax,                 \
     .n_attrs = sizeof attrs_##n / sizeof *attrs_##n - 1, .traits = t, .access = a, .infer = i, .eval = e,   \
     .attrs = attrs_##n},
#define OP(name, onnx, imin, imax, omin, omax, traits, access, infer, help, attrs)                           \
    ROW(name, onnx, imin, imax, omin, omax, 0, 0, traits, access_##access, infer_##infer, help, eval_##name)
#define BODY(name, onnx, n_in, traits, infer, help, attrs)                                                   \
    ROW(name, onnx, n_in, n_in, 1, 1, 0, 0, PURE | ELEMWISE | (traits), access_elementwise, infer_##infer,   \
        help, eval_##name)
#define STRUCT(name, imin, imax, omin, omax, rmin, rmax, traits, infer, help, attrs)                         \
    ROW(name, NULL, imin, imax, omin, omax, rmin, rmax, traits, NULL, infer_##infer, help, NULL)
#define ATTR(name, kind, fallback)

const adze_op_row adze_builtin_rows[] = {
#include <adze/ops.def>
};
const uint32_t adze_n_builtin_rows = sizeof adze_builtin_rows / sizeof *adze_builtin_rows;
