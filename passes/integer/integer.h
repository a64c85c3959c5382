/* quantize-fuse: what its parts share. */
#ifndef ADZE_PASSES_INTEGER_H
#define ADZE_PASSES_INTEGER_H

#include <adze/pass.h>

/* A value in quantized form: real = (codes - zero point) * scale, both constants. */
typedef struct quantized {
    adze_op *op;           /* the dequantize or quantize */
    adze_ir_value *codes;  /* what is dequantized, or the result of quantize */
    adze_ir_value *real;   /* the other side */
    adze_const *scale, *zero; /* zero NULL = 0 */
    adze_dtype dtype;      /* of the codes */
    bool single;           /* one scale and zero point for the whole tensor … */
    float s;               /* … and these they are */
    int64_t z;
    int64_t axis;          /* otherwise: the axis, from 0 on */
} quantized;

/* ---- codes.c: reading quantized form ---- */

/* The dequantize that makes `value`, or false: its parameters are no constants, or come in blocks. */
bool integer_dequantized(const adze_ir_value *value, quantized *out);
/* The same for a quantize op. */
bool integer_quantized(adze_op *op, quantized *out);
bool integer_same_grid(const quantized *a, const quantized *b);
/* The zero point that all of its scales have; false where they differ. */
bool integer_one_zero(const quantized *q, int64_t *out_zero);
/* Elements of a constant of integers, and of f32, for the caller to free; NULL after an error, or where there are
 * none of that type. */
int64_t *integer_read(const adze_const *constant, uint64_t *out_count);
float *integer_read_reals(const adze_const *constant, uint64_t *out_count);
/* Least and greatest code of an integer type of up to 16 bits. */
void integer_limits(adze_dtype dtype, int64_t *least, int64_t *greatest);
/* What quantize makes of one number. */
int64_t integer_code(double x, float scale, int64_t zero, adze_dtype dtype);
/* A constant of that type; values are codes. NULL after an error. */
adze_ir_value *integer_const(adze_module *module, const char *name, const adze_type *type, const int64_t *values,
                             uint64_t count);

/* ---- The steps; each says whether it changed anything, `failed` whether an error was reported ---- */

typedef struct integer_run {
    adze_pass_run *run;
    bool changed, failed;
    adze_map *moved; /* dynamic.c */
} integer_run;

enum { INTEGER_SHIFT = 128 }; /* from i8 codes and zero points to u8 ones */
/* unsigned.c: i8 activations become u8. */
void integer_unsigned(integer_run *r, adze_func *func);
/* i8 codes as u8 ones, computed; NULL after an error. */
adze_ir_value *integer_shifted(adze_builder *b, adze_ir_value *codes);
/* moves.c: moves and max pools work on codes; equal grids meet without a float between them. */
void integer_moves(integer_run *r, adze_func *func);
/* contract.c: contractions of dequantized operands sum in i32, and zero points leave integer contractions. */
void integer_contract(integer_run *r, adze_func *func);
/* dynamic.c: is `value` dequantized by rows, with scales that are found at run time? *out_codes: u8 codes that were
 * made of it already, NULL = none yet. `moved` maps the old codes to them. */
bool integer_row_scaled(adze_map *moved, adze_ir_value *value, adze_ir_value **out_codes, adze_ir_value **out_scale);
/* Makes the u8 codes of such a value; NULL after an error. */
adze_ir_value *integer_move_rows(adze_map *moved, const adze_ir_value *value);
/* epilogue.c: dequantize, bounds and quantize behind a sum become requantize; each reader of codes gets a dequantize
 * of its own. */
void integer_epilogue(integer_run *r, adze_func *func);

#endif
