/* The state of one import, shared by the files that bring ONNX to IR. Private. */
#ifndef ADZE_ONNX_IMPORT_H
#define ADZE_ONNX_IMPORT_H

#include "index.h"
#include "piece.h"
#include <adze/onnx.h>

/* Functions and graphs inside each other; attributes of a node, opsets: lists that are walked again and again. */
enum { ADZE_ONNX_MAX_NEST = 32, ADZE_ONNX_MAX_LIST = 4096 };

typedef struct adze_onnx_import {
    adze_context *context;
    adze_module *module;
    adze_onnx_source source;
    adze_onnx_index index;
    adze_onnx_options options;
    const char *folder; /* external data lies under it; NULL = not allowed */
    adze_builder builder;
    adze_map *symbols;      /* interned dim_param -> adze_dim */
    adze_map *taken;        /* interned symbol in use -> the last number that was put behind it, or 1 */
    adze_map *declared;     /* interned value name -> adze_type, from value_info and outputs */
    bool *dim_used;         /* per entry of options.dims */
    bool nameless;          /* a node has no outputs, which is said: a name that nothing makes may be its */
    uint32_t n_inlined;     /* nodes of functions and of graphs inside nodes imported so far */
    adze_const *last_const; /* the last constant of the module that was seen, or an earlier one */
    uint64_t errors_before; /* of the context */
    uint64_t dense_bytes;   /* of sparse tensors, made dense */
    uint64_t sparse_bytes;  /* of them, as they are stored */
    adze_map *helpers;      /* adze_ir_value -> anything; NULL: there are none so far */
    adze_map *functions;    /* interned "domain:name:overload" -> index + 1 */
    struct adze_onnx_problems *problems;
    struct adze_onnx_notes *notes; /* NULL: nothing was said so far */
    struct adze_onnx_node *current; /* the node that is imported, the innermost one; NULL: none */
    struct adze_onnx_was *was; /* constants that were attributes */
    uint32_t n_was, was_capacity;
    bool composed; /* an op is not what its node says, one to one: the model's opset may not have it */
    uint32_t n_seen;                /* nodes whose import has begun */
} adze_onnx_import;

typedef struct adze_onnx_notes adze_onnx_notes;

/* A graph's or function body's names and versions. */
typedef struct adze_onnx_scope {
    const struct adze_onnx_scope *outer;  /* of a function: where it is called, whose names it does not see */
    const struct adze_onnx_scope *parent; /* of a graph inside a node: the graph around it, whose names it sees */
    const char *prefix;                   /* of the names inside: "" or "call/" */
    uint32_t depth;
    adze_map *values; /* interned ONNX name -> adze_ir_value, or one of the two marks below */
    adze_map *used;   /* interned ONNX name -> anything: values that somebody reads */
    Pb__Opset **opsets;
    size_t n_opsets;
    /* What ref_attr_name in a function body refers to: the call's attributes, then the defaults. */
    const struct adze_onnx_node *call;
    const adze_onnx_function_index *function; /* NULL: not of a function */
    Pb__Attribute **defaults;
    size_t n_defaults;
} adze_onnx_scope;

/* Stands for the results of what could not be imported; users of it are skipped without another
 * error. */
adze_ir_value *adze_onnx_poison(void);
/* Stands for a function's input that the call leaves out. */
adze_ir_value *adze_onnx_absent(void);

/* One node on its way into the IR. */
typedef struct adze_onnx_node {
    adze_onnx_import *import;
    const adze_onnx_scope *scope;
    const Pb__Node *proto;
    const char *name; /* the node's, or made from type and position */
    const char *op_type;
    const char *domain; /* "" = the default one */
    int64_t version;    /* of the domain's opset */
    adze_loc loc;
    uint64_t errors_before; /* of the context: a node has one error */
    adze_ir_value **in; /* absent ones NULL, no absent ones at the end */
    uint32_t n_in, in_capacity;
    adze_ir_value **out; /* to be filled in; room for all outputs of the node */
    uint32_t n_out;      /* outputs up to the last one that is used, at least 1 */
    bool *used;          /* per attribute: read already */
    double *floats;      /* values of lists of floats, until the node is built */
    size_t n_floats;
    uint32_t serial; /* its place among all nodes that were imported */
    bool faulty;     /* something was reported of it */
} adze_onnx_node;

/* The IR version that brought an element type, where it is not an old one: else 0 (export_graph.c). */
int64_t adze_onnx_dtype_version(adze_dtype dtype);

/* ---- Opsets (export.c) ---- */

/* The lowest opset that is written; that of what came with none. */
enum { ADZE_ONNX_OPSET_WRITTEN = 7, ADZE_ONNX_OPSET_USUAL = 13 };
/* What a module would be written as: the opset, and the IR version. Constants that become attributes then go behind all
 * others. False where no opset says all of it. */
bool adze_onnx_needs(adze_module *module, int64_t *out_opset, int64_t *out_ir_version);

/* ---- Names that the export makes (names.c) ---- */

/* Does the name stand for none? */
bool adze_onnx_is_made(const char *name);
/* And for what no value of the IR is, but what the export needs to say one? */
bool adze_onnx_is_helper(const char *name);

/* ---- What a model and what is written of it are to have in one order (order.c) ---- */

/* Drops results without a name or use that composing left, and puts constants that are attributes at the module's opset
 * behind all others. */
void adze_onnx_order(adze_onnx_import *import);

/* ---- What the export spelled out (restore.c) ---- */

/* The node's op as it was before it was written, where its operands have names of helpers. */
void adze_onnx_restore(adze_onnx_node *node);
/* A helper; once all is read, those that nothing reads are dropped. */
void adze_onnx_note_helper(adze_onnx_import *import, const adze_ir_value *value);
void adze_onnx_drop_helpers(adze_onnx_import *import);

/* ---- Documentation and metadata (notes.c) ---- */

/* What a message says beside its meaning is held for the value that it is about: the first one that a node names. */
void adze_onnx_note_node(adze_onnx_import *import, const Pb__Node *proto, adze_ir_value *value);
void adze_onnx_note_tensor(adze_onnx_import *import, const Pb__Tensor *proto, adze_ir_value *value);
void adze_onnx_note_info(adze_onnx_import *import, const Pb__ValueInfo *proto);
/* All that is held becomes attributes of the module, once all values of the main graph are there. */
void adze_onnx_notes_finish(adze_onnx_import *import, const adze_onnx_scope *scope);
void adze_onnx_notes_free(adze_onnx_import *import);

/* ---- Problems (problems.c) ---- */

/* All return false. An error in the model; a thing that Adze does not know; one that it knows only where dims are known
 * that are not; one that is the model's as a whole, though a node shows it. */
bool adze_onnx_invalid(const adze_onnx_node *node, const char *format, ...) ADZE_PRINTF(2, 3);
bool adze_onnx_unsupported(const adze_onnx_node *node, const char *format, ...) ADZE_PRINTF(2, 3);
/* Does the node have an error already? Further ones of the same node are not reported. */
bool adze_onnx_told(const adze_onnx_node *node);
bool adze_onnx_undetermined(const adze_onnx_node *node, const char *format, ...) ADZE_PRINTF(2, 3);
bool adze_onnx_of_model(const adze_onnx_node *node, const char *needed, const char *format, ...) ADZE_PRINTF(3, 4);
/* The op has no row and no form. */
bool adze_onnx_unknown_op(const adze_onnx_node *node);
/* From begin to end errors and warnings of the context are held; end hands them on, those that say the same of several
 * nodes as one, sorted by operator, with what would be needed, and no more than a screenful. */
void adze_onnx_problems_begin(adze_onnx_import *import);
void adze_onnx_problems_end(adze_onnx_import *import);
/* False, and reported, once so many different errors were found that the rest is not worth reading. */
bool adze_onnx_may_report(adze_onnx_import *import);
/* " N, M," of the symbols that the inputs leave open (import.c). */
void adze_onnx_list_symbols(const adze_onnx_import *import, adze_text *list);

/* ---- Types and symbols (type.c) ---- */

typedef enum adze_onnx_dims { ADZE_ONNX_NEW_SYMBOLS, ADZE_ONNX_KNOWN_SYMBOLS } adze_onnx_dims;

/* IR type of a declared type. With NEW_SYMBOLS (inputs) dim_params and unknown dims become symbols;
 * otherwise names that no input has become unknown dims. NULL after an error. */
const adze_type *adze_onnx_type(adze_onnx_import *import, const Pb__Type *type, const char *value,
                                adze_onnx_dims mode);
/* The IR's element type for TensorProto's number; NONE if there is none. */
adze_dtype adze_onnx_dtype(int64_t number);
int32_t adze_onnx_dtype_number(adze_dtype dtype);

/* ---- Tensors (tensor.c, external.c) ---- */

typedef struct adze_onnx_shape {
    adze_dtype dtype;
    uint32_t rank;
    int64_t dims[ADZE_MAX_RANK];
    uint64_t count; /* elements */
    uint64_t bytes;
} adze_onnx_shape;

/* Element type and dims of a tensor, checked. Errors go to `loc`. */
bool adze_onnx_tensor_shape(const Pb__Tensor *tensor, adze_loc loc, adze_onnx_shape *out);
/* The contents in a malloc'ed buffer (never NULL on success), dense, as adze_value has them;
 * strings point into the same buffer. External data is not read here. */
bool adze_onnx_tensor_bytes(adze_onnx_source *source, const Pb__Tensor *tensor,
                            const adze_onnx_shape *shape, adze_loc loc, uint8_t **out_bytes);
/* The contents as constant data: a range of the file where the bytes there are the constant's. */
adze_data *adze_onnx_tensor_data(adze_onnx_import *import, const Pb__Tensor *tensor,
                                 const adze_onnx_shape *shape, adze_loc loc);
/* Makes a module constant. NULL after an error. */
adze_ir_value *adze_onnx_tensor_const(adze_onnx_import *import, const Pb__Tensor *tensor,
                                      const char *name, adze_loc loc);
/* A sparse tensor as a dense constant (sparse.c). NULL after an error. */
adze_ir_value *adze_onnx_sparse_const(adze_onnx_import *import, const Pb__SparseTensor *tensor, const char *name,
                                      adze_loc loc);
/* Data outside the model file, under the path rules of external.c. */
adze_data *adze_onnx_external_data(adze_context *context, const char *folder,
                                   const Pb__Tensor *tensor, uint64_t bytes, adze_loc loc);

/* ---- Nodes (graph.c) ---- */

/* Nodes of a body: where they lie in the file, or unpacked already. */
typedef struct adze_onnx_nodes {
    const adze_onnx_range *ranges;
    Pb__Node *const *protos; /* NULL: ranges */
    uint32_t count;
} adze_onnx_nodes;

/* What a name stands for, in the scope or in one around it: NULL, a value, poison or absent. */
adze_ir_value *adze_onnx_find(const adze_onnx_scope *scope, const char *name);
/* Counts `count` nodes and values of what is not the model's main graph; false past the bound, said once. */
bool adze_onnx_count(adze_onnx_import *import, size_t count);
/* Imports a list of nodes in an order in which every value is there before it is used. False if
 * that cannot go on; unsupported nodes alone are reported and leave poison. */
bool adze_onnx_import_nodes(adze_onnx_import *import, adze_onnx_scope *scope,
                            const adze_onnx_nodes *nodes);
/* An initializer of the graph: a constant under its name. False if the import cannot go on. */
bool adze_onnx_read_initializer(adze_onnx_import *import, const adze_onnx_scope *scope, Pb__Tensor *tensor);
/* The same of a sparse one, whose name is that of its values. */
bool adze_onnx_read_sparse(adze_onnx_import *import, const adze_onnx_scope *scope, const Pb__SparseTensor *tensor);
/* ---- Attributes (attr.c) ---- */

/* The node's attribute, ref_attr_name resolved; NULL if it has none. Marks it as read. */
const Pb__Attribute *adze_onnx_attr(adze_onnx_node *node, const char *name);
/* False after an error (wrong kind); `out` keeps its value if the attribute is absent. */
bool adze_onnx_attr_int(adze_onnx_node *node, const char *name, int64_t *out);
/* An int that is a flag, as 0 or 1; an error where the standard knows no other value and it has one (attr.c). */
bool adze_onnx_attr_flag(adze_onnx_node *node, const char *name, int64_t *out);
bool adze_onnx_attr_float(adze_onnx_node *node, const char *name, double *out);
bool adze_onnx_attr_str(adze_onnx_node *node, const char *name, const char **out);
bool adze_onnx_attr_ints(adze_onnx_node *node, const char *name, const int64_t **out,
                         size_t *out_count);
/* The graph that must be there; NULL after an error. */
const Pb__Graph *adze_onnx_attr_graph(adze_onnx_node *node, const char *name);
/* Attributes that are those of a call may stand in functions alone; false after the error. */
bool adze_onnx_attr_refs(const adze_onnx_node *node);
/* The same, and every attribute must be one of the row's or stand in `more` (names between spaces). */
bool adze_onnx_attr_check(const adze_onnx_node *node, const adze_op_row *row, const char *more);
/* Unread attributes as the row has them, appended to `attrs` (room for row->n_attrs). */
bool adze_onnx_attr_convert(adze_onnx_node *node, const adze_op_row *row, adze_attr *attrs,
                            uint32_t *n_attrs);

/* ---- Building (emit.c) ---- */

/* One op with one result; NULL after an error. */
adze_ir_value *adze_onnx_emit(adze_onnx_node *node, const char *op, adze_ir_value *const *operands,
                              uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs);
/* An op without attributes whose result type says what it makes. */
adze_ir_value *adze_onnx_emit_typed(adze_onnx_node *node, const char *op, adze_ir_value *const *operands,
                                    uint32_t n_operands, const adze_type *type);
/* The node as one op: its operands, unread attributes plus `attrs`, and as many results as it has.
 */
bool adze_onnx_finish(adze_onnx_node *node, const char *op, const adze_attr *attrs,
                      uint32_t n_attrs);
/* Sets operand `index`, which must be absent so far. */
bool adze_onnx_set_operand(adze_onnx_node *node, uint32_t index, adze_ir_value *value);
/* Constants named after the node. */
adze_ir_value *adze_onnx_ints(adze_onnx_node *node, const char *what, const int64_t *values,
                              size_t count);
adze_ir_value *adze_onnx_scalar(adze_onnx_node *node, const char *what, adze_dtype dtype,
                                double value);
/* A constant that is an operand here and may be that attribute of the op at the model's opset (order.c). Returns it. */
adze_ir_value *adze_onnx_was_attribute(adze_onnx_import *import, adze_ir_value *constant, const char *op_type,
                                       const char *attribute);
/* Operand or NULL. */
adze_ir_value *adze_onnx_operand(const adze_onnx_node *node, uint32_t index);

/* ---- Older and other forms (upgrade.c and upgrade_*.c) ---- */

typedef struct adze_onnx_upgrade {
    const char *op_type;
    const char *attrs; /* attributes beyond the row's, each between spaces */
    bool (*run)(adze_onnx_node *node);
} adze_onnx_upgrade;

/* The forms of one domain. */
typedef struct adze_onnx_upgrades {
    const char *domain; /* "" = the default one */
    int64_t newest;     /* the newest version that is read; 0: of any */
    const adze_onnx_upgrade *rows; /* sorted by op_type */
    uint32_t count;
} adze_onnx_upgrades;

extern const adze_onnx_upgrades adze_onnx_upgrades_standard; /* upgrade.c */
extern const adze_onnx_upgrades adze_onnx_contrib;           /* contrib.c: com.microsoft */
/* All tables one by one, and that of a domain (upgrade_domains.c); NULL: none. */
const adze_onnx_upgrades *adze_onnx_upgrades_get(uint32_t index);
const adze_onnx_upgrades *adze_onnx_upgrades_of(const char *domain);
/* NULL: the op's row says everything, or nobody knows it. */
const adze_onnx_upgrade *adze_onnx_upgrade_find(const char *domain, const char *op_type);

/* ---- Graphs inside nodes (subgraph.c) ---- */


typedef bool adze_onnx_visit(void *self, const char *name);
/* The names that a node reads: its inputs, and what graphs inside it take from around. False as soon as `visit` is. */
bool adze_onnx_reads(adze_context *context, const Pb__Node *node, adze_onnx_visit *visit, void *self);

/* A graph inside a node on its way into a region. */
typedef struct adze_onnx_body {
    adze_onnx_node *node;
    const Pb__Graph *graph;
    adze_onnx_scope scope;
    adze_ir_value **out; /* of the graph's outputs; once it has run */
} adze_onnx_body;

/* False after an error; adze_onnx_body_end is due in either case. */
bool adze_onnx_body_begin(adze_onnx_body *body, adze_onnx_node *node, const adze_onnx_scope *parent,
                          const Pb__Graph *graph);
/* Gives an input of the graph its value, whose element type must be the declared one. */
bool adze_onnx_body_bind(adze_onnx_body *body, uint32_t input, adze_ir_value *value);
/* Imports the nodes where the builder stands and collects the outputs. False after an error, and where poison comes
 * out. */
bool adze_onnx_body_run(adze_onnx_body *body);
/* Ends the region in a yield; absent values are NULL. */
bool adze_onnx_body_yield(adze_onnx_body *body, adze_ir_value **values, uint32_t count);
void adze_onnx_body_end(adze_onnx_body *body);

/* Drops the constants made since `since` that nothing reads; the other also empties a region before. */
void adze_onnx_drop_consts(adze_onnx_import *import, adze_const *since);
void adze_onnx_discard(adze_onnx_import *import, adze_region *region, adze_const *since);
/* The module's last constant; NULL if it has none. */
adze_const *adze_onnx_last_const(adze_onnx_import *import);

/* ---- Functions (function.c) ---- */

/* The model's function for a node; NULL if it has none. */
const adze_onnx_function_index *adze_onnx_function_find(adze_onnx_import *import,
                                                        const adze_onnx_node *node);
/* Imports the body in the node's place. */
bool adze_onnx_function_inline(adze_onnx_node *node, const adze_onnx_function_index *function);

#endif
