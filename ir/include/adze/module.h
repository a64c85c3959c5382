/* Regions, functions and modules with their constants (module.c). */
#ifndef ADZE_IR_MODULE_H
#define ADZE_IR_MODULE_H

#include <adze/data.h>
#include <adze/op.h>

#ifdef __cplusplus
extern "C" {
#endif

ADZE_API adze_op *adze_region_first(const adze_region *region); /* NULL if it is empty */
ADZE_API adze_op *adze_region_last(const adze_region *region);
ADZE_API uint32_t adze_region_num_args(const adze_region *region);
ADZE_API adze_ir_value *adze_region_arg(const adze_region *region, uint32_t index);
/* At the end; `name` may be NULL. */
ADZE_API adze_ir_value *adze_region_add_arg(adze_region *region, const adze_type *type, const char *name);
ADZE_API void adze_region_remove_arg(adze_region *region, uint32_t index); /* must have no uses */
ADZE_API adze_op *adze_region_op(const adze_region *region);     /* enclosing op, NULL for a body */
ADZE_API adze_func *adze_region_func(const adze_region *region);
/* Does the op run its regions as a part of the program around it, on tensors (`if`, `loop`)? */
ADZE_API bool adze_op_is_control(const adze_op *op);
/* Blocks of a function are its body and, at any depth, the regions of its control ops. The block behind `block`, outer
 * ones and those further above first; NULL behind the last. The first one is the body. */
ADZE_API adze_region *adze_block_next(const adze_region *block);

ADZE_API adze_module *adze_module_create(adze_context *context, const char *name);
ADZE_API void adze_module_destroy(adze_module *module); /* NULL is allowed */
/* A module of its own in the same context, which the caller destroys; data of constants is shared. */
ADZE_API adze_module *adze_module_clone(const adze_module *module);
ADZE_API adze_context *adze_module_context(const adze_module *module);
ADZE_API const char *adze_module_name(const adze_module *module);
/* Gives symbol `name` the value in all types and attributes (fix_dims.c). False after an error: there is no
 * such symbol. */
ADZE_API bool adze_module_fix_dim(adze_module *module, const char *name, int64_t value);
ADZE_API adze_func *adze_module_first_func(const adze_module *module); /* NULL if there is none */
ADZE_API adze_func *adze_module_find_func(const adze_module *module, const char *name);
/* The function that `adze run` runs: `main`, else the first; NULL if there is none. */
ADZE_API adze_func *adze_module_main(const adze_module *module);
/* Without arguments, results and ops. The caller sees to it that the name is free. */
ADZE_API adze_func *adze_module_add_func(adze_module *module, const char *name);
ADZE_API void adze_func_erase(adze_func *func);
ADZE_API adze_func *adze_func_next(const adze_func *func);
ADZE_API const char *adze_func_name(const adze_func *func);
ADZE_API adze_loc adze_func_loc(const adze_func *func);
ADZE_API adze_module *adze_func_module(const adze_func *func);
ADZE_API adze_region *adze_func_body(const adze_func *func);
/* Result types and names (the names of a model's outputs; NULL = none). */
ADZE_API uint32_t adze_func_num_results(const adze_func *func);
ADZE_API const adze_type *adze_func_result_type(const adze_func *func, uint32_t index);
ADZE_API const char *adze_func_result_name(const adze_func *func, uint32_t index);
ADZE_API void adze_func_set_results(adze_func *func, const adze_type *const *types,
                                    const char *const *names, uint32_t count);
/* The `return` op, NULL while unfinished. */
ADZE_API adze_op *adze_func_return(const adze_func *func);

/* Free attributes of modules and functions (opset, producer, arena_bytes, …). set replaces one of that name; what
 * find and attr give is valid until the next set. */
ADZE_API void adze_module_set_attr(adze_module *module, adze_attr attr);
ADZE_API uint32_t adze_module_num_attrs(const adze_module *module);
ADZE_API const adze_attr *adze_module_attr(const adze_module *module, uint32_t index);
ADZE_API const adze_attr *adze_module_find_attr(const adze_module *module, const char *name);
ADZE_API void adze_func_set_attr(adze_func *func, adze_attr attr);
ADZE_API uint32_t adze_func_num_attrs(const adze_func *func);
ADZE_API const adze_attr *adze_func_attr(const adze_func *func, uint32_t index);
ADZE_API const adze_attr *adze_func_find_attr(const adze_func *func, const char *name);

/* Constants. The name is made unique. Takes the caller's reference of `data`, which holds the type's bytes. */
ADZE_API adze_const *adze_module_add_const(adze_module *module, const char *name, const adze_type *type,
                                           adze_data *data);
ADZE_API adze_const *adze_module_find_const(const adze_module *module, const char *name);
ADZE_API adze_const *adze_module_first_const(const adze_module *module);
ADZE_API adze_const *adze_const_next(const adze_const *constant);
/* Read by an op or by a derived constant. */
ADZE_API bool adze_const_has_uses(const adze_const *constant);
ADZE_API void adze_const_erase(adze_const *constant); /* must have no uses; its name stays taken */
/* Erases what nobody has seen, so that its name is free again. */
ADZE_API void adze_const_forget(adze_const *constant);
ADZE_API void adze_const_move_last(adze_const *constant); /* behind all others in the order of the text */
ADZE_API const char *adze_const_name(const adze_const *constant);
ADZE_API const adze_type *adze_const_type(const adze_const *constant);
ADZE_API adze_data *adze_const_data(const adze_const *constant); /* borrowed */
/* Other numbers of the same type, under the same name. Takes the caller's reference. Nothing may be derived from the
 * constant, whose readers read them from now on. */
ADZE_API void adze_const_set_data(adze_const *constant, adze_data *data);
ADZE_API adze_ir_value *adze_const_value(const adze_const *constant);
/* Shorthands that copy: dense data of the given type; i64[count] (i64[] of one value if count < 0); a scalar, rounded
 * to nearest. NULL after an error: memory is out, or the type holds no numbers. */
ADZE_API adze_ir_value *adze_const_make(adze_module *module, const char *name, const adze_type *type,
                                        const void *bytes);
ADZE_API adze_ir_value *adze_const_ints(adze_module *module, const char *name, const int64_t *values, int count);
ADZE_API adze_ir_value *adze_const_scalar(adze_module *module, const char *name, adze_dtype dtype, double value);

#ifdef __cplusplus
}
#endif
#endif
