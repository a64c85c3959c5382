/* Builds ops, and copies them (build.c). */
#ifndef ADZE_IR_BUILD_H
#define ADZE_IR_BUILD_H

#include <adze/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where ops are put, and what they inherit. A plain value: make one where it is needed, and throw it away. The ops that
 * it names must not be erased before the last use of the builder. */
typedef struct adze_builder {
    adze_module *module;
    adze_region *region;
    adze_op *before; /* NULL = at the end */
    adze_loc loc;
    const adze_op *origin[16]; /* ops whose ONNX node names new ops take over */
    uint32_t n_origin;
} adze_builder;

ADZE_API adze_builder adze_builder_before(adze_op *op); /* inserts above op and inherits from it */
ADZE_API adze_builder adze_builder_after(adze_op *op);
ADZE_API adze_builder adze_builder_at_end(adze_module *module, adze_region *region);
/* New ops also take over the node names (and, if none yet, the location) of `op`. */
ADZE_API void adze_builder_inherit(adze_builder *builder, const adze_op *op);

/* Creates an op. With `types` NULL the row's inference gives the result types (n_results = how many;
 * 0 = the row's minimum). NULL operands are absent ones. Returns NULL after reporting an error, with
 * nothing inserted. Regions are created empty, as many as the row says. */
ADZE_API adze_op *adze_build(adze_builder *builder, const char *name, adze_ir_value *const *operands,
                             uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs,
                             const adze_type *const *types, uint32_t n_results);
/* An `if` with both branches, which are empty: the caller ends each in a `yield`. Never NULL. */
ADZE_API adze_op *adze_build_if(adze_builder *builder, adze_ir_value *condition, const adze_type *const *types,
                                uint32_t n_results);
/* One-result forms: the result, or NULL after an error. */
ADZE_API adze_ir_value *adze_build1(adze_builder *builder, const char *name, adze_ir_value *const *operands,
                                    uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs);
ADZE_API adze_ir_value *adze_build_unary(adze_builder *builder, const char *name, adze_ir_value *a);
ADZE_API adze_ir_value *adze_build_binary(adze_builder *builder, const char *name, adze_ir_value *a,
                                          adze_ir_value *b);
/* Loop IR: index arithmetic `expr` over `operands` ($0, $1, …). */
ADZE_API adze_ir_value *adze_build_apply(adze_builder *builder, const adze_dim *expr,
                                         adze_ir_value *const *operands, uint32_t n_operands);
ADZE_API adze_ir_value *adze_build_index(adze_builder *builder, int64_t value);

/* Map from pointers to pointers, of values to their copies or to anything; the caller owns it, not what it holds. */
typedef struct adze_map adze_map;
ADZE_API adze_map *adze_map_create(void);
ADZE_API void adze_map_destroy(adze_map *map); /* NULL is allowed */
ADZE_API void adze_map_set(adze_map *map, const void *from, void *to);
ADZE_API void *adze_map_get(const adze_map *map, const void *from); /* NULL if absent */
/* Copies an op with regions, attributes, names and locations; operands go through `map` (unmapped ones
 * stay), and the new results and arguments are added to it. Never NULL. */
ADZE_API adze_op *adze_clone(adze_builder *builder, const adze_op *op, adze_map *map);

#ifdef __cplusplus
}
#endif
#endif
