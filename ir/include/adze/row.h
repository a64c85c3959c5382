/* Rows of the op table: traits, iteration spaces, what an op brings (table.c). */
#ifndef ADZE_IR_ROW_H
#define ADZE_IR_ROW_H

#include <adze/body.h>
#include <adze/op.h>

#ifdef __cplusplus
extern "C" {
#endif

enum adze_trait {
    ADZE_PURE = 1 << 0,        /* no effect but its results */
    ADZE_ELEMWISE = 1 << 1,    /* result element i depends on (broadcast) operand elements i alone */
    ADZE_COMMUTATIVE = 1 << 2, /* the first two operands may be exchanged */
    ADZE_VIEW = 1 << 3,        /* dense row-major result is the same bytes as operand 0 */
    ADZE_REDUCE = 1 << 4,
    ADZE_CONTRACTION = 1 << 5, /* sums products of two operands */
    ADZE_WINDOW = 1 << 6,      /* reads a sliding window */
    ADZE_MOVE = 1 << 7,        /* copies elements, computes nothing */
    ADZE_NORMALIZE = 1 << 8,   /* row statistics, then elementwise (softmax, layer norm, …) */
    ADZE_DATA_DEPENDENT = 1 << 9, /* result dims depend on element values */
    ADZE_TERMINATOR = 1 << 10, /* ends a region */
    ADZE_LOOP = 1 << 11,       /* loop IR */
    ADZE_SHAPE = 1 << 12,      /* reads dims or builds shapes, not data */
    ADZE_QUANT = 1 << 13,      /* changes between real and quantized form */
    ADZE_REGION = 1 << 14,     /* has regions */
    ADZE_IDEMPOTENT = 1 << 15, /* f(f(x)) = f(x) */
    ADZE_FREE = 1 << 16,       /* region may use values from outside */
    ADZE_EXTENSION = 1 << 17   /* its evaluation asks for an extension (extension.h) */
};

typedef enum adze_axis_kind {
    ADZE_AXIS_PARALLEL,
    ADZE_AXIS_REDUCTION,
    ADZE_AXIS_WINDOW,
    ADZE_AXIS_INDEX /* no loop: at each point its value is an element of `index_operand`. Negative values count
                       from the extent; the op fails where one is out of range */
} adze_axis_kind;
typedef enum adze_combine {
    ADZE_COMBINE_NONE,
    ADZE_COMBINE_ADD,
    ADZE_COMBINE_MUL,
    ADZE_COMBINE_MAX,
    ADZE_COMBINE_MIN
} adze_combine;

enum { ADZE_MAX_AXES = 16, ADZE_MAX_ACCESS = 16 };

/* An op's iteration space: for every point of it, each result element at `map` combines the body applied
 * to the operand elements at their maps. Source of the idea: LINALG's structured ops. */
typedef struct adze_access_map {
    bool present;
    bool guarded; /* the map can leave the operand: elements outside are `outside` */
    double outside;
    uint32_t rank;
    const adze_dim *dims[ADZE_MAX_RANK]; /* over axis symbols */
} adze_access_map;

typedef struct adze_access {
    uint32_t n_axes;
    adze_axis_kind kind[ADZE_MAX_AXES];
    const adze_dim *extent[ADZE_MAX_AXES];
    uint32_t n_operands, n_results;
    adze_access_map operand[ADZE_MAX_ACCESS];
    adze_access_map result[ADZE_MAX_ACCESS];
    adze_combine combine;
    const char *body; /* op whose scalar body is applied; NULL = copy operand 0 */
    bool mean;        /* divide the combined value by the number of points inside the operand */
    bool mean_all;    /* mean counts points outside too */
    uint32_t index_operand;                /* of axes of kind INDEX */
    adze_access_map index[ADZE_MAX_AXES];  /* where such an axis' value stands in that operand */
    bool four_sums;   /* f32 is added up in f32, in four interleaved sums: (s0 + s2) + (s1 + s3), then the
                       * rest one by one; else in double */
} adze_access;

/* One type a result, into out_types; false after an error at adze_op_loc(op). Operands may be absent, of types that do
 * not fit, or of unknown rank and dims: what cannot be known is unknown in the result too. */
typedef bool adze_infer_fn(adze_op *op, const adze_type **out_types);
/* What holds beyond counts, kinds and inference; false after an error. */
typedef bool adze_verify_fn(const adze_op *op);
/* False, without a message: the op has no such form (data-dependent indices and the like). `out` is zero before. */
typedef bool adze_access_fn(const adze_op *op, adze_access *out);

enum { ADZE_VARIADIC = 255 };

struct adze_op_row {
    uint32_t struct_size;
    uint32_t abi;
    const char *name;   /* letters, digits and '_', at most 100 */
    const char *onnx;   /* ONNX op type; NULL = none */
    const char *domain; /* ONNX domain; NULL = ai.onnx */
    const char *help;   /* one line */
    uint8_t in_min, in_max, out_min, out_max; /* ADZE_VARIADIC = any number */
    uint8_t regions, regions_max;
    uint16_t n_attrs;
    uint64_t traits;
    adze_access_fn *access;
    adze_infer_fn *infer;
    adze_verify_fn *verify;
    adze_eval_fn *eval;
    const adze_attr_row *attrs;
    /* ---- What follows came later: rows may end before it. ---- */
    const adze_body *bodies; /* of an ELEMWISE op, one an element type; NULL: it runs by `eval` alone */
    uint32_t n_bodies;
};

/* By name, or by ONNX domain (NULL and "" = ai.onnx) and op type; NULL if there is none. */
ADZE_API const adze_op_row *adze_row_find(adze_context *context, const char *name);
ADZE_API const adze_op_row *adze_row_find_onnx(adze_context *context, const char *domain, const char *onnx);
/* Place of an attribute in the row's list, so that its slot is adze_op_attrs(op)[1 + index]; -1 = none. */
ADZE_API int adze_row_attr_index(const adze_op_row *row, const char *name);
ADZE_API uint32_t adze_row_count(const adze_context *context);
ADZE_API const adze_op_row *adze_row_get(const adze_context *context, uint32_t index);
/* Adds a plug-in's row, which must outlive the context; refused if the name is taken or the row contradicts itself. */
ADZE_API bool adze_row_add(adze_context *context, const adze_op_row *row);
/* The op's scalar body for an element type; NULL if there is none. */
ADZE_API const adze_body *adze_row_body(const adze_op_row *row, adze_dtype dtype);
/* May an elementwise op stand in loop IR: is it built in, or has its row a body for the elements of operand 0? */
ADZE_API bool adze_op_has_loop_form(const adze_op *op);
/* Does it have an evaluation or bodies? Those that have not are known to the compiler by themselves. */
ADZE_API bool adze_row_has_meaning(const adze_op_row *row);
/* Runs `eval`, or the body for the element type of operand 0. Parameters as adze_eval_fn's. */
ADZE_API adze_status adze_row_evaluate(const adze_op_row *row, const adze_env *env, const adze_value *in,
                                       uint32_t n_in, adze_value *out, uint32_t n_out, const void *attrs);
/* For rows of plug-ins: the result has the first operand's type; operands broadcast together as in numpy. */
ADZE_API bool adze_infer_same(adze_op *op, const adze_type **out_types);
ADZE_API bool adze_infer_broadcast(adze_op *op, const adze_type **out_types);
ADZE_API bool adze_access_elementwise(const adze_op *op, adze_access *out);
ADZE_API bool adze_op_access(const adze_op *op, adze_access *out); /* as adze_access_fn */

#ifdef __cplusplus
}
#endif
#endif
