/* Structures behind the public handles. Only ir/ sees them. */
#ifndef ADZE_IR_PRIVATE_H
#define ADZE_IR_PRIVATE_H

#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/table.h>

#include <stdarg.h>
#include <stdatomic.h>

struct adze_dim {
    adze_dim_kind kind;
    bool unknown;     /* unknown is somewhere inside */
    bool axis; /* a position is somewhere in it */
    uint32_t size;    /* nodes of the expression written out */
    int64_t value;    /* CONST, AXIS */
    const char *name; /* SYMBOL, interned */
    const adze_dim *a, *b;
};

struct adze_type {
    adze_type_kind kind;
    adze_dtype dtype; /* of elements; of a map's keys */
    bool ranked;
    uint8_t rank;
    uint32_t align, alias; /* BUFFER */
    adze_context *context;
    const adze_dim *const *dims;
    const adze_dim *const *strides; /* BUFFER, always filled */
    const adze_layout *layout;      /* never NULL */
    const adze_type *element;       /* SEQUENCE, OPTIONAL, MAP value */
};

/* Micro-kernels that were added together. */
typedef struct adze_ukernel_set {
    const adze_ukernel *kernels;
    uint32_t count;
    struct adze_ukernel_set *next;
} adze_ukernel_set;

/* Code of plug-ins, the last one added first. */
typedef struct adze_code_set {
    const adze_code *code;
    struct adze_code_set *next;
} adze_code_set;

/* A text that errors can quote: the last one read under that name. */
typedef struct adze_source {
    const char *file; /* interned */
    char *text;
    size_t size;
    struct adze_source *next;
} adze_source;

/* Of temporary.c. */
typedef struct adze_temporary adze_temporary;

struct adze_context {
    adze_arena arena; /* everything interned */
    adze_table strings, dims, types;
    const adze_dim *unknown, *any;
    const adze_type *none;
    adze_layout dense;
    adze_sink *sink;
    void *sink_self;
    uint64_t errors;
    bool muted;
    bool strict; /* evaluations sum f32 in f32 */
    adze_extension_fn *extension; /* NULL = adze_extension_find */
    void *extension_self;
    uint64_t max_memory, held_memory; /* bytes; held by loaded constants */
    adze_source *sources;
    adze_ukernel_set *ukernels;
    adze_code_set *codes;
    const adze_op_row **rows; /* built-in rows first, then plug-ins'; sorted index in row_table */
    uint32_t n_rows, rows_capacity;
    adze_table row_names, row_onnx;
    adze_table bodies; /* op's name -> its first built-in body */
    adze_temporary *temporaries;
    atomic_flag temporaries_lock;
};

struct adze_use {
    adze_ir_value *value; /* NULL = absent operand */
    adze_op *op;
    uint32_t index;
    adze_use *prev, *next; /* among the uses of value */
};

struct adze_ir_value {
    const adze_type *type;
    const char *name; /* interned or NULL */
    adze_def_kind def;
    uint32_t index;
    union {
        adze_op *op;
        adze_region *region;
        adze_const *constant;
    } owner;
    adze_use *uses;
};

struct adze_op {
    const adze_op_row *row;
    adze_region *parent;
    adze_op *prev, *next;
    adze_use *operands;
    adze_ir_value *results; /* array */
    adze_region *regions;   /* array */
    adze_slot *attrs;       /* 1 + row->n_attrs slots */
    const char **nodes;     /* ONNX node names */
    uint32_t n_operands, operands_capacity, n_results, n_regions, n_nodes, nodes_capacity;
    adze_loc loc;
};

struct adze_region {
    adze_func *func;
    adze_op *op; /* NULL for a function's body */
    adze_op *first, *last;
    adze_ir_value **args;
    uint32_t n_args, args_capacity;
};

typedef struct adze_attr_list {
    adze_attr *items;
    uint32_t count, capacity;
} adze_attr_list;

struct adze_func {
    adze_module *module;
    const char *name;
    adze_region body;
    const adze_type **result_types;
    const char **result_names;
    uint32_t n_results;
    adze_attr_list attrs;
    adze_func *prev, *next;
    adze_loc loc;
};

struct adze_const {
    adze_module *module;
    const char *name;
    const adze_type *type;
    adze_data *data;
    adze_ir_value value;
    adze_const *prev, *next;
    uint32_t n_derived; /* derived constants that read this one */
    bool forgotten;     /* erased, and its name is free */
};

struct adze_module {
    adze_context *context;
    adze_arena arena;
    const char *name;
    adze_func *first_func, *last_func;
    adze_const *first_const, *last_const;
    adze_table func_names; /* also of erased ones: their functions have no module */
    adze_table const_names;
    adze_table const_suffixes; /* interned name -> last number that was put behind it */
    adze_attr_list attrs;
};

/* attr.c: copies what a slot points to into `arena`. */
adze_slot adze_slot_copy(adze_arena *arena, adze_attr_kind kind, adze_slot value);
uint64_t adze_slot_hash(adze_attr_kind kind, adze_slot value);
/* Name of a required attribute that the op does not have; NULL = none. */
const char *adze_op_missing_attr(const adze_op *op);
/* The row's inference, which must be there; false after an error, too, where it gives what is no type of this
 * context. */
bool adze_op_infer_types(adze_op *op, const adze_type **out_types);

/* op.c: an op with no operands set and results untyped, not yet inserted. */
adze_op *adze_op_new(adze_module *module, const adze_op_row *row, uint32_t n_operands, uint32_t n_results,
                     uint32_t n_regions);
/* Drops all uses that the op and what is inside it make. */
void adze_op_forget(adze_op *op);
void adze_op_insert(adze_region *region, adze_op *before, adze_op *op);
void adze_region_init(adze_region *region, adze_func *func, adze_op *op);
/* context.c: keeps a copy of a text for errors. */
adze_source *adze_source_add(adze_context *context, const char *file, const char *text, size_t size);
/* data.c: the reference environment: malloc'ed outputs and scratch, errors to the context. */
typedef struct adze_host {
    adze_env env;
    adze_loc loc;
    void **blocks; /* scratch, freed by adze_host_free */
    uint32_t n_blocks, capacity;
    uint64_t used; /* bytes of scratch */
    bool over;     /* something was refused for the memory bound */
} adze_host;
void adze_host_init(adze_host *host, adze_loc loc);
void adze_host_free(adze_host *host);
/* temporary.c: frees the list; the files stay. */
void adze_temporaries_free(adze_context *context);
bool adze_verror(adze_severity severity, adze_loc loc, const char *format, va_list args);

#endif
