/* Iteration spaces of ops, as text: axes with kind (p parallel, r reduction, w window, i index) and extent, then
 * the maps of results and operands, then what is combined how. */
#include "unit.h"

#include <stdlib.h>

#include <adze/ir.h>

static void append_dims(adze_text *text, const adze_access_map *map)
{
    adze_text_append(text, "[");
    for (uint32_t i = 0; i < map->rank; i++) {
        char dim[128];
        adze_dim_print(map->dims[i], dim, sizeof dim);
        adze_text_append(text, "%s%s", i ? "," : "", dim);
    }
    adze_text_append(text, "]");
    if (map->guarded) adze_text_append(text, " else %g", map->outside);
}

static void append(adze_text *text, const adze_access *a)
{
    static const char kinds[] = {'p', 'r', 'w', 'i'};
    static const char *const combines[] = {"", "add", "mul", "max", "min"};
    for (uint32_t i = 0; i < a->n_axes; i++) {
        char dim[128];
        adze_dim_print(a->extent[i], dim, sizeof dim);
        adze_text_append(text, "%s%c %s", i ? ", " : "", kinds[a->kind[i]], dim);
    }
    for (uint32_t i = 0; i < a->n_results; i++) {
        adze_text_append(text, "; ");
        append_dims(text, &a->result[i]);
    }
    adze_text_append(text, " =");
    if (a->combine)
        adze_text_append(text, " %s%s", combines[a->combine], a->mean_all ? "/all" : a->mean ? "/inside" : "");
    adze_text_append(text, " %s", a->body ? a->body : "copy");
    for (uint32_t i = 0; i < a->n_operands; i++) {
        adze_text_append(text, " ");
        if (a->operand[i].present)
            append_dims(text, &a->operand[i]);
        else
            adze_text_append(text, "_");
    }
    for (uint32_t i = 0; i < a->n_axes; i++) {
        if (a->kind[i] != ADZE_AXIS_INDEX) continue;
        adze_text_append(text, "; $%u = operand %u ", i, a->index_operand);
        append_dims(text, &a->index[i]);
    }
}

/* The access of the function's first op; want NULL = it has none. `constants` go before the function. */
static void check(const char *constants, const char *args, const char *op, const char *want)
{
    adze_context *context = adze_context_create();
    adze_text source = {0}, got = {0};
    adze_text_append(&source, "%s\nfunc @f(%s) -> () {\n  %%0 = %s\n  return()\n}\n", constants, args, op);
    adze_module *module = adze_module_parse(context, "a.adz", source.data, source.size);
    CHECK(module != NULL);
    if (module) {
        adze_access access;
        bool has = adze_op_access(adze_region_first(adze_func_body(adze_module_main(module))), &access);
        CHECK_INT(has, want != NULL);
        if (has) append(&got, &access);
        if (has && want) CHECK_STR(got.data, want);
        adze_module_destroy(module);
    }
    adze_text_free(&source);
    adze_text_free(&got);
    adze_context_destroy(context);
}

TEST(elementwise)
{
    check("", "%x: f32[N,4]", "relu(%x)", "p N, p 4; [$0,$1] = relu [$0,$1]");
    check("", "%x: f32[N,1,3], %y: f32[4,1]", "add(%x, %y)", "p N, p 4, p 3; [$0,$1,$2] = add [$0,0,$2] [$1,0]");
    check("", "%x: f32[N], %s: f32[]", "clip(%x, _, %s)", "p N; [$0] = clip [$0] _ []");
    check("", "%x: f32[N], %y: f32[N]", "sum_n(%x, %y, %x)", "p N; [$0] = add [$0] [$0] [$0]");
    check("", "%x: f32[1,4]", "expand(%x, _) : f32[N,4]", "p N, p 4; [$0,$1] = copy [0,$1]");
    check("", "%x: f32[N,4]", "identity(%x)", "p N, p 4; [$0,$1] = copy [$0,$1]");
    /* N may be 1 or 4, and M anything. */
    check("", "%x: f32[N], %y: f32[4]", "add(%x, %y)", NULL);
    check("", "%x: f32[N], %y: f32[M]", "add(%x, %y)", NULL);
    check("", "%x: f32[*]", "relu(%x)", NULL);
}

TEST(contractions)
{
    check("", "%x: f32[N,M,K], %y: f32[K,5]", "matmul(%x, %y)",
          "p N, p M, p 5, r K; [$0,$1,$2] = add mul [$0,$1,$3] [$3,$2]");
    check("", "%x: f32[K], %y: f32[2,K,5]", "matmul(%x, %y)", "p 2, p 5, r K; [$0,$1] = add mul [$2] [$0,$2,$1]");
    check("", "%x: f32[3,K], %y: f32[K]", "matmul(%x, %y)", "p 3, r K; [$0] = add mul [$0,$1] [$1]");
    check("", "%x: f32[M,K], %y: f32[5,K], %c: f32[5]", "gemm(%x, %y, %c) {transB = 1}",
          "p M, p 5, r K; [$0,$1] = add mul [$0,$2] [$1,$2] [$1]");
    check("", "%x: f32[N,3,H,9], %w: f32[8,3,3,3], %b: f32[8]",
          "conv(%x, %w, %b) {pads = [1, 0, 1, 0], strides = [2, 1]}",
          "p N, p 8, p ceildiv(H, 2), p 7, r 3, w 3, w 3; [$0,$1,$2,$3] = add mul "
          "[$0,$4,2*$2+$5-1,$3+$6] else 0 [$1,$4,$5,$6] [$1]");
    check("", "%x: f32[1,4,9], %w: f32[6,2,3]", "conv(%x, %w) {dilations = [2], group = 2}",
          "p 1, p 2, p 3, p 5, r 2, w 3; [$0,3*$1+$2,$3] = add mul [$0,2*$1+$4,$3+2*$5] [3*$1+$2,$4,$5]");
    check("", "%x: f32[2,3,K], %y: f32[N,K,5]", "matmul(%x, %y)", NULL);
}

TEST(windows_and_reductions)
{
    check("", "%x: f32[N,3,8]", "max_pool(%x) {kernel_shape = [3], pads = [1, 1], strides = [2]}",
          "p N, p 3, p 4, w 3; [$0,$1,$2] = max copy [$0,$1,2*$2+$3-1] else -inf");
    check("", "%x: f32[N,3,8]", "average_pool(%x) {kernel_shape = [2]}",
          "p N, p 3, p 7, w 2; [$0,$1,$2] = add/inside copy [$0,$1,$2+$3]");
    check("", "%x: f32[N,3,8]", "average_pool(%x) {count_include_pad = 1, kernel_shape = [2], pads = [1, 0]}",
          "p N, p 3, p 8, w 2; [$0,$1,$2] = add/all copy [$0,$1,$2+$3-1] else 0");
    /* A window that overhangs the padding counts fewer elements than it has. */
    check("", "%x: f32[N,3,8]",
          "average_pool(%x) {ceil_mode = 1, count_include_pad = 1, kernel_shape = [3], strides = [2]}", NULL);
    check("", "%x: f32[N,C,H,W]", "global_average_pool(%x)",
          "p N, p C, r H, r W; [$0,$1,0,0] = add/inside copy [$0,$1,$2,$3]");
    check("const @a : i64[1] = dense[-2]", "%x: f32[N,M,4]", "reduce_max(%x, @a)",
          "p N, p 4, r M; [$0,0,$1] = max copy [$0,$2,$1]");
    check("const @a : i64[1] = dense[0]", "%x: f32[N,M]", "reduce_mean(%x, @a) {keepdims = 0}",
          "p M, r N; [$0] = add/inside copy [$1,$0]");
    check("", "%x: f32[N,M], %a: i64[1]", "reduce_sum(%x, %a)", NULL);
}

TEST(moves)
{
    check("", "%x: f32[N,M,4]", "transpose(%x) {perm = [2, 0, 1]}", "p 4, p N, p M; [$0,$1,$2] = copy [$1,$2,$0]");
    check("const @s : i64[1] = dense[-1]\nconst @e : i64[1] = dense[-9]\nconst @m : i64[1] = dense[-2]", "%x: f32[5]",
          "slice(%x, @s, @e, _, @m)", "p 3; [$0] = copy [-2*$0+4]");
    check("", "%x: f32[5], %s: i64[1]", "slice(%x, %s, %s)", NULL);
    check("const @p : i64[2] = dense[1, 2]\nconst @c : f32[] = dense[7]", "%x: f32[N]", "pad(%x, @p, @c)",
          "p N+3; [$0] = copy [$0-1] else 7");
    /* Of elements that are continued the number is known; what is not padded may have any. */
    check("const @p : i64[2] = dense[1, 2]", "%x: f32[N]", "pad(%x, @p) {mode = \"edge\"}", NULL);
    check("const @p : i64[4] = dense[0, 1, 0, -2]", "%x: f32[N,5]", "pad(%x, @p) {mode = \"edge\"}",
          "p N, p 4; [$0,$1] = copy [$0,min(4, max(0, $1-1))]");
    check("const @p : i64[2] = dense[-1, 2]", "%x: f32[5]", "pad(%x, @p) {mode = \"wrap\"}",
          "p 6; [$0] = copy [mod($0+1, 5)]");
    check("const @p : i64[2] = dense[9, 2]", "%x: f32[5]", "pad(%x, @p) {mode = \"reflect\"}",
          "p 16; [$0] = copy [min(-1*mod($0-9, 8)+8, mod($0-9, 8))]");
    check("const @p : i64[2] = dense[1, 2]", "%x: f32[1]", "pad(%x, @p) {mode = \"reflect\"}", "p 4; [$0] = copy [0]");
    check("const @p : i64[2] = dense[1, 2]", "%x: f32[0]", "pad(%x, @p) {mode = \"wrap\"}", NULL);
    check("", "%x: f32[5], %p: i64[2]", "pad(%x, %p) {mode = \"wrap\"}", NULL);
    check("", "%x: f32[N,8,H,W]", "depth_to_space(%x) {blocksize = 2}",
          "p N, p 2, p 2*H, p 2*W; [$0,$1,$2,$3] = copy "
          "[$0,$1+4*mod($2, 2)+2*mod($3, 2),floordiv($2, 2),floordiv($3, 2)]");
    check("", "%x: f32[N,3,4,6]", "space_to_depth(%x) {blocksize = 2}",
          "p N, p 12, p 2, p 3; [$0,$1,$2,$3] = copy "
          "[$0,mod($1, 3),2*$2+floordiv($1, 6),2*$3+mod(floordiv($1, 3), 2)]");
    check("", "%x: f32[N,3,4,6]", "space_to_depth(%x) {blocksize = 2, mode = \"CRD\"}",
          "p N, p 12, p 2, p 3; [$0,$1,$2,$3] = copy "
          "[$0,floordiv($1, 4),2*$2+floordiv(mod($1, 4), 2),2*$3+mod(mod($1, 4), 2)]");
}

TEST(resizes)
{
    const char *up = "const @s : f32[4] = dense[1.0, 1.0, 2.0, 3.0]", *by = "const @n : i64[2] = dense[8, 27]";
    check(up, "%x: f32[N,8,H,9]", "resize(%x, _, @s)",
          "p N, p 8, p 2*H, p 27; [$0,$1,$2,$3] = copy [$0,$1,floordiv($2, 2),floordiv($3, 3)]");
    check(by, "%x: f32[4,9]",
          "resize(%x, _, _, @n) {coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\"}",
          "p 8, p 27; [$0,$1] = copy [floordiv($0, 2),floordiv($1, 3)]");
    /* Interpolation, rounding with ties, factors that are not whole. */
    check(up, "%x: f32[N,8,H,9]", "resize(%x, _, @s) {mode = \"linear\"}", NULL);
    check(up, "%x: f32[N,8,H,9]", "resize(%x, _, @s) {coordinate_transformation_mode = \"asymmetric\"}", NULL);
    check(by, "%x: f32[4,10]", "resize(%x, _, _, @n)", NULL);
    check("const @s : f32[1] = dense[2.04]", "%x: f32[10]", "resize(%x, _, @s)", NULL);
}

TEST(indices)
{
    check("", "%x: f32[N,M,4], %i: i64[3,K]", "gather(%x, %i) {axis = 1}",
          "p N, p 3, p K, p 4, i M; [$0,$1,$2,$3] = copy [$0,$4,$3]; $4 = operand 1 [$1,$2]");
    check("", "%x: f32[N,4], %i: i32[]", "gather(%x, %i)", "p 4, i N; [$0] = copy [$1,$0]; $1 = operand 1 []");
    check("", "%x: f32[N,4], %i: i64[N,7]", "gather_elements(%x, %i) {axis = -1}",
          "p N, p 7, i 4; [$0,$1] = copy [$0,$2]; $2 = operand 1 [$0,$1]");
    check(
        "", "%x: f32[B,5,6,4], %i: i64[B,7,2]", "gather_nd(%x, %i) {batch_dims = 1}",
        "p B, p 7, p 4, i 5, i 6; [$0,$1,$2] = copy [$0,$3,$4,$2]; $3 = operand 1 [$0,$1,0]; $4 = operand 1 [$0,$1,1]");
    /* Fewer indices than data along another axis; tuples of unknown length. */
    check("", "%x: f32[8,4], %i: i64[6,7]", "gather_elements(%x, %i) {axis = 1}", NULL);
    check("", "%x: f32[8,4], %i: i64[6,?]", "gather_nd(%x, %i)", NULL);
}

int main(void)
{
    RUN(elementwise);
    RUN(contractions);
    RUN(windows_and_reductions);
    RUN(moves);
    RUN(resizes);
    RUN(indices);
    return unit_end();
}
