/* The state of one export, shared by the files that bring IR to ONNX. Private. */
#ifndef ADZE_ONNX_EXPORT_H
#define ADZE_ONNX_EXPORT_H

#include "bytes.h"
#include "import.h"

/* ---- Forms of ops, by opset (forms.c) ---- */

enum { ADZE_ONNX_LETTERS = 4 };

typedef struct adze_onnx_form { /* a row of forms.def */
    const char *op;
    int32_t since;
    const char *signature, *attributes;
    uint32_t dtypes[ADZE_ONNX_LETTERS];
} adze_onnx_form;

/* The op's form at an opset; NULL if it has none yet. `out_first` (may be NULL): the opset that brings its first one, 0
 * if there is none. */
const adze_onnx_form *adze_onnx_form_find(const char *op, int64_t opset, int32_t *out_first);
bool adze_onnx_form_has(const adze_onnx_form *form, const char *attribute);
/* How many inputs it takes. */
uint32_t adze_onnx_form_inputs(const adze_onnx_form *form);
/* The first ones of them must be there: how many. */
uint32_t adze_onnx_form_least(const adze_onnx_form *form);
/* The element types of the inputs and outputs fit the form. NONE (absent, unknown, no tensor) always fits. */
bool adze_onnx_form_takes(const adze_onnx_form *form, const adze_dtype *in, uint32_t n_in, const adze_dtype *out,
                          uint32_t n_out);

/* Stand for an element type where values are no tensors: bits 29 to 31 in the table. */
enum { ADZE_ONNX_SEQUENCES = 30, ADZE_ONNX_OPTIONALS, ADZE_ONNX_MAPS };

/* ---- One export ---- */

/* What is said of nodes, values and tensors: documentation, and behind it the metadata of the same. */
typedef enum adze_onnx_note_list {
    ADZE_ONNX_NODE_DOCS,
    ADZE_ONNX_NODE_METADATA,
    ADZE_ONNX_VALUE_DOCS,
    ADZE_ONNX_VALUE_METADATA,
    ADZE_ONNX_TENSOR_DOCS,
    ADZE_ONNX_TENSOR_METADATA,
    ADZE_ONNX_NOTES
} adze_onnx_note_list;

#define ADZE_ONNX_ML "ai.onnx.ml"

/* A node on its way out: begin, operands and attributes, end. */
typedef struct adze_onnx_draft {
    const char *op_type, *domain; /* domain NULL = ONNX's own */
    const char **in, **out;
    uint32_t n_in, n_out, in_capacity, out_capacity;
    const char **attrs; /* names so far */
    uint32_t n_attrs, attrs_capacity;
    adze_onnx_bytes body; /* attributes, as fields of the node */
} adze_onnx_draft;

/* A reason, and the ops that it holds for. */
typedef struct adze_onnx_refusal {
    const char *what; /* interned */
    adze_text ops;
} adze_onnx_refusal;

typedef struct adze_onnx_homes adze_onnx_homes;

typedef struct adze_onnx_export {
    adze_context *context;
    const adze_module *module;
    const adze_func *func;
    int64_t opset, own;   /* own: the one that the module came with; 0 = none */
    bool spell_out;       /* ops that the opset does not have yet may become groups of others */
    adze_map *names;      /* adze_ir_value or adze_const -> interned name in the model */
    adze_map *dtypes;     /* interned name -> element type + 1 */
    adze_map *taken;      /* interned names of values in use -> how often a number was tried */
    adze_map *tried;      /* what made names begin with -> the last number that was tried */
    adze_map *taken_nodes;
    adze_map *used;       /* adze_const -> anything: read by a node */
    adze_onnx_homes *homes; /* of constants in inner graphs; NULL: the main one has all */
    adze_map *notes[ADZE_ONNX_NOTES]; /* interned name -> its first entry; NULL: there are none */
    adze_map *domains;    /* interned domains of other ops -> anything */
    const char *domain_list[16];
    uint32_t n_domains;
    int64_t ml_least, ml_most; /* versions of ai.onnx.ml that have all its ops that were said */
    adze_onnx_bytes *nodes;       /* of the graph that is being written */
    adze_onnx_bytes graph_nodes;  /* fields 1 of the main graph */
    adze_onnx_bytes tensors;      /* fields 5: constants that groups of ops need */
    adze_onnx_bytes tensor_infos; /* these as inputs: fields 11 */
    adze_onnx_bytes ends;         /* fields 11 and 12: inputs and outputs */
    adze_onnx_bytes infos;        /* fields 13: types of the values between */
    adze_onnx_draft draft;
    const adze_op *op;    /* being said */
    const char *node;     /* name for the next node of it */
    adze_onnx_refusal *refusals;
    uint32_t n_refusals;
    bool failed;        /* an error that has been said; no opset helps */
    int64_t ir_version; /* that element types ask for */
} adze_onnx_export;

/* What cannot be said at the opset; the export goes on to find everything. Returns false. */
bool adze_onnx_refuse(adze_onnx_export *x, const char *format, ...) ADZE_PRINTF(2, 3);

/* ---- Nodes (export_node.c) ---- */

void adze_onnx_begin(adze_onnx_export *x, const char *op_type);
void adze_onnx_in(adze_onnx_export *x, const char *name); /* NULL = absent */
void adze_onnx_out(adze_onnx_export *x, const char *name);
void adze_onnx_int(adze_onnx_export *x, const char *name, int64_t value);
void adze_onnx_float(adze_onnx_export *x, const char *name, double value);
void adze_onnx_string_bytes(adze_onnx_export *x, const char *name, const void *bytes, size_t size);
void adze_onnx_string(adze_onnx_export *x, const char *name, const char *value);
void adze_onnx_int_list(adze_onnx_export *x, const char *name, const int64_t *values, uint64_t count);
void adze_onnx_float_list(adze_onnx_export *x, const char *name, const double *values, uint64_t count);
void adze_onnx_string_list(adze_onnx_export *x, const char *name, const char *words); /* with spaces between */
void adze_onnx_strings(adze_onnx_export *x, const char *name, const char *const *values); /* ends in NULL */
void adze_onnx_strings_bytes(adze_onnx_export *x, const char *name, const adze_string *values, uint64_t count);
/* One field of AttributeProto: `field` holds the message `bytes`, and `type` says so. */
void adze_onnx_message(adze_onnx_export *x, const char *name, uint32_t field, int64_t type,
                       const adze_onnx_bytes *bytes);
/* Writes the node if the opset has it; else refuses, and false. */
bool adze_onnx_end(adze_onnx_export *x);

/* A tensor of dims [0]. */
const char *adze_onnx_new_empty(adze_onnx_export *x, adze_dtype dtype);
/* The common case, one output: `out` NULL = a new name, of element type `dtype`. Gives the name of the result. */
const char *adze_onnx_say(adze_onnx_export *x, const char *op_type, const char *const *in, uint32_t n_in,
                          adze_dtype dtype, const char *out);
/* A free name for what has none in the IR, taken from now on; the import drops it again (names.c). `helper`: not even a
 * value of the IR. */
const char *adze_onnx_made_name(adze_onnx_export *x, const char *like, bool helper);
/* Name of a new value that looks like the results of the op. */
const char *adze_onnx_fresh(adze_onnx_export *x, adze_dtype dtype);
/* A free name that looks like `wanted`, taken from now on. */
const char *adze_onnx_take_name(adze_onnx_export *x, const char *wanted);
/* Small constants of its own: ints of rank 1, one number of rank 0. */
const char *adze_onnx_new_ints(adze_onnx_export *x, const int64_t *values, uint32_t count);
const char *adze_onnx_new_scalar(adze_onnx_export *x, adze_dtype dtype, double value);
/* The bytes of one number of that type, at most 16; their count, 0 after an error. */
uint32_t adze_onnx_number(adze_onnx_export *x, adze_dtype dtype, double value, uint8_t out[16]);

/* ---- Graphs and values (export_graph.c) ---- */

const char *adze_onnx_name(adze_onnx_export *x, const adze_ir_value *value); /* NULL of NULL */
const char *adze_onnx_result(adze_onnx_export *x, uint32_t index);           /* of the op being said */
const char *adze_onnx_argument(adze_onnx_export *x, uint32_t index);         /* its operand, NULL = absent */
adze_dtype adze_onnx_value_dtype(const adze_ir_value *value); /* NONE of what is no tensor, and of NULL */
/* The fields of TypeProto. */
void adze_onnx_put_type(adze_onnx_bytes *out, const adze_type *type);
/* ValueInfoProto as field `field`. */
void adze_onnx_put_info(adze_onnx_export *x, adze_onnx_bytes *out, uint32_t field, const char *name,
                        const adze_type *type);
/* All nodes of a region into x->nodes. */
void adze_onnx_put_region(adze_onnx_export *x, const adze_region *region);
/* The whole graph but for its initializers, into x. */
void adze_onnx_put_graph(adze_onnx_export *x);
/* A graph of one region of the op as a message: without inputs, or as Loop wants it. */
void adze_onnx_put_subgraph(adze_onnx_export *x, const adze_region *region, bool loop, adze_onnx_bytes *out);

/* ---- Documentation and metadata (export_notes.c) ---- */

void adze_onnx_notes_open(adze_onnx_export *x);
void adze_onnx_notes_close(adze_onnx_export *x);
/* Is there documentation, or metadata? `docs`: one of the three lists of documentation. */
bool adze_onnx_has_note(const adze_onnx_export *x, adze_onnx_note_list docs, const char *name);
/* Both, as fields of the message that is being written. `name` interned. */
void adze_onnx_put_notes(const adze_onnx_export *x, adze_onnx_bytes *out, adze_onnx_note_list docs, const char *name,
                         uint32_t doc_field, uint32_t metadata_field);
/* StringStringEntryProto: one, and all of an attribute of the module that holds keys and values in turn. */
void adze_onnx_put_pair(adze_onnx_bytes *out, uint32_t field, const char *key, const char *value);
void adze_onnx_put_pairs(const adze_onnx_export *x, adze_onnx_bytes *out, uint32_t field, const char *attribute);

/* ---- Older forms (export_older.c) ---- */

/* What the op is called at the opset. */
const char *adze_onnx_older_name(const adze_onnx_export *x, const char *op_type);
/* All operands of the op being said, into the draft: those that the form does not take as the attributes that they
 * were, those that it demands where the op has none. False if that cannot be said. `form` NULL: as they are. */
bool adze_onnx_put_operands(adze_onnx_export *x, const char *op_type, const adze_onnx_form *form);
/* The opset, not before the one of the export, whose form takes operand `index`; 0 if none does. */
int64_t adze_onnx_opset_taking(const adze_onnx_export *x, const char *op_type, uint32_t index);
/* One node with constant axes: an attribute, or an operand. `out` NULL = a new name. Gives the name of the result. */
const char *adze_onnx_say_axes(adze_onnx_export *x, const char *op_type, const char *a, const int64_t *axes,
                               uint32_t count, adze_dtype dtype, const char *out);
/* Of a quantization: does the opset have an axis for its scales, where they are several? False, and refused, if not. */
bool adze_onnx_older_scales(adze_onnx_export *x, const char *op_type);
/* An axis as the opset may count it. */
int64_t adze_onnx_older_axis(const adze_onnx_export *x, int64_t axis);

/* ---- Ops (export_ops.c, export_forms.c, export_groups.c, export_shapes.c, export_sequence.c, export_tables.c) ---- */

/* The op as the ONNX op `op_type`: operands, attributes and results one to one. */
bool adze_onnx_say_as(adze_onnx_export *x, const char *op_type);
/* The op of x->op; false if it was refused. */
bool adze_onnx_say_op(adze_onnx_export *x);
/* A way to say one op of the table that is not its row. */
typedef bool adze_onnx_speaker(adze_onnx_export *x);
/* NULL: the row says everything. */
adze_onnx_speaker *adze_onnx_group_find(const char *op);
adze_onnx_speaker *adze_onnx_shape_find(const char *op);
adze_onnx_speaker *adze_onnx_spelling_find(const char *op);
adze_onnx_speaker *adze_onnx_sequence_find(const char *op);
adze_onnx_speaker *adze_onnx_table_find(const char *op);
adze_onnx_speaker *adze_onnx_older_find(const char *op);
/* The dims as an i64 tensor of rank 1: a constant, or computed from the inputs of the model. NULL if refused. */
const char *adze_onnx_say_dims(adze_onnx_export *x, const adze_dim *const *dims, uint32_t count, const char *out);

/* ---- Initializers of inner graphs (export_homes.c) ---- */

/* Before this IR version every initializer is an input too, so that the main graph has them all. */
enum { ADZE_ONNX_FREE_INITIALIZERS = 4 };

/* Which constants belong there, told once the graph was said with all in the main one; it is to be said again with
 * them. NULL: none. */
adze_onnx_homes *adze_onnx_find_homes(const adze_onnx_export *x);
void adze_onnx_homes_free(adze_onnx_homes *homes); /* NULL is allowed */
bool adze_onnx_has_home(const adze_onnx_export *x, const adze_const *constant);
/* Those whose home is the region, as fields 5 of GraphProto. */
void adze_onnx_put_initializers(adze_onnx_export *x, const adze_region *region, adze_onnx_bytes *out);

/* ---- Files (export_file.c) ---- */

/* Does the constant become an initializer? Known once the graph is there. */
bool adze_onnx_is_written(const adze_onnx_export *x, const adze_const *constant);
/* The fields of TensorProto, but for the data. */
void adze_onnx_put_tensor_start(adze_onnx_export *x, adze_onnx_bytes *out, const adze_const *constant);
/* Where the weights go, and the two files, whole or not at all. */
bool adze_onnx_write_files(adze_onnx_export *x, const char *path, const adze_onnx_write_options *options);
/* The module's own where its opset is kept, else the one that the opset came with, if that is later; and not before one
 * that has all its element types. */
int64_t adze_onnx_ir_version(const adze_onnx_export *x);
/* What stands before and behind the graph in the model: fields 1 to 6, and 8 to 14 (export.c). */
void adze_onnx_put_model(const adze_onnx_export *x, adze_onnx_bytes *before, adze_onnx_bytes *behind);

#endif
