/* A model of any size as IR text: blocks as those of real ones, one after another.
 *
 * Per block: a convolution with what follows it, a transformer's half with its reshapes, an activation spelled out, a
 * cut along channels; weights of 16 layers that blocks share, small constants of its own, and names as exporters give
 * them. The batch is symbolic.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>

enum { SHARED = 16 };

/* `#` is the number of the block, `~` that of the layer whose weights it has, `^` what the block before gave. */
static const char block[] =
    "  %\"/b#/conv/Conv_output_0\" = conv(^, @\"w~.conv\", @\"b#.bias\") {kernel_shape = [3, 3], pads = [1, 1, "
    "1, 1]} : f32[N,8,8,8] loc(\"/b#/conv/Conv\")\n"
    "  %\"/b#/bn/BatchNormalization_output_0\" = batch_norm(%\"/b#/conv/Conv_output_0\", @\"b#.scale\", "
    "@\"b#.bias\", @\"b#.mean\", @\"w~.var\") : f32[N,8,8,8] loc(\"/b#/bn/BatchNormalization\")\n"
    "  %\"/b#/act/Relu_output_0\" = relu(%\"/b#/bn/BatchNormalization_output_0\") : f32[N,8,8,8] "
    "loc(\"/b#/act/Relu\")\n"
    "  %\"/b#/Add_output_0\" = add(%\"/b#/act/Relu_output_0\", ^) : f32[N,8,8,8] loc(\"/b#/Add\")\n"
    "  %\"/b#/Reshape_output_0\" = reshape(%\"/b#/Add_output_0\", @to_tokens) : f32[N,8,64] "
    "loc(\"/b#/Reshape\")\n"
    "  %\"/b#/Transpose_output_0\" = transpose(%\"/b#/Reshape_output_0\") {perm = [0, 2, 1]} : f32[N,64,8] "
    "loc(\"/b#/Transpose\")\n"
    "  %\"/b#/q/MatMul_output_0\" = matmul(%\"/b#/Transpose_output_0\", @\"w~.query\") : f32[N,64,8] "
    "loc(\"/b#/q/MatMul\")\n"
    "  %\"/b#/q/Add_output_0\" = add(@\"b#.mean\", %\"/b#/q/MatMul_output_0\") : f32[N,64,8] loc(\"/b#/q/Add\")\n"
    "  %\"/b#/Softmax_output_0\" = softmax(%\"/b#/q/Add_output_0\") : f32[N,64,8] loc(\"/b#/Softmax\")\n"
    "  %\"/b#/norm/LayerNormalization_output_0\" = layer_norm(%\"/b#/Softmax_output_0\", @\"b#.scale\", "
    "@\"b#.bias\") {epsilon = 1e-06} : f32[N,64,8] loc(\"/b#/norm/LayerNormalization\")\n"
    "  %\"/b#/gelu/Div_output_0\" = div(%\"/b#/norm/LayerNormalization_output_0\", @root2) : f32[N,64,8] "
    "loc(\"/b#/gelu/Div\")\n"
    "  %\"/b#/gelu/Erf_output_0\" = erf(%\"/b#/gelu/Div_output_0\") : f32[N,64,8] loc(\"/b#/gelu/Erf\")\n"
    "  %\"/b#/gelu/Add_output_0\" = add(%\"/b#/gelu/Erf_output_0\", @one) : f32[N,64,8] loc(\"/b#/gelu/Add\")\n"
    "  %\"/b#/gelu/Mul_output_0\" = mul(%\"/b#/norm/LayerNormalization_output_0\", %\"/b#/gelu/Add_output_0\") : "
    "f32[N,64,8] loc(\"/b#/gelu/Mul\")\n"
    "  %\"/b#/gelu/Mul_1_output_0\" = mul(%\"/b#/gelu/Mul_output_0\", @half) : f32[N,64,8] "
    "loc(\"/b#/gelu/Mul_1\")\n"
    "  %\"/b#/Transpose_1_output_0\" = transpose(%\"/b#/gelu/Mul_1_output_0\") {perm = [0, 2, 1]} : f32[N,8,64] "
    "loc(\"/b#/Transpose_1\")\n"
    "  %\"/b#/Reshape_1_output_0\" = reshape(%\"/b#/Transpose_1_output_0\", @to_image) : f32[N,8,8,8] "
    "loc(\"/b#/Reshape_1\")\n"
    "  %\"/b#/Slice_output_0\" = slice(%\"/b#/Reshape_1_output_0\", @zero1, @four1, @one1, @one1) : f32[N,4,8,8] "
    "loc(\"/b#/Slice\")\n"
    "  %\"/b#/Slice_1_output_0\" = slice(%\"/b#/Reshape_1_output_0\", @four1, @eight1, @one1, @one1) : "
    "f32[N,4,8,8] loc(\"/b#/Slice_1\")\n"
    "  %\"/b#/Concat_output_0\" = concat(%\"/b#/Slice_1_output_0\", %\"/b#/Slice_output_0\") {axis = 1} : "
    "f32[N,8,8,8] loc(\"/b#/Concat\")\n";
enum { BLOCK_OPS = 20 };

static const char constants[] = "const @to_tokens: i64[3] = dense[0, 8, 64]\n"
                                "const @to_image: i64[4] = dense[0, 8, 8, 8]\n"
                                "const @root2: f32[] = dense[1.41421354]\n"
                                "const @one: f32[] = dense[1]\n"
                                "const @half: f32[] = dense[0.5]\n"
                                "const @zero1: i64[1] = dense[0]\n"
                                "const @one1: i64[1] = dense[1]\n"
                                "const @four1: i64[1] = dense[4]\n"
                                "const @eight1: i64[1] = dense[8]\n";

static void add_block(adze_text *text, uint32_t index, const char *from)
{
    for (const char *at = block, *stop; *at; at = stop) {
        stop = at + strcspn(at, "#~^");
        adze_text_write(text, at, (size_t)(stop - at));
        if (*stop == '^') adze_text_append(text, "%s", from);
        if (*stop == '#' || *stop == '~') adze_text_append(text, "%u", *stop == '#' ? index : index % SHARED);
        stop += *stop != '\0';
    }
}

/* A number as weights have them, the same for the same arguments. */
static double weight(uint32_t a, uint32_t b)
{
    uint32_t h = (a * 2654435761u) ^ (b * 2246822519u);
    return (double)((h >> 8) % 20001) / 20000 - 0.5;
}

static void dense(adze_text *text, const char *name, uint32_t index, const char *part, const char *type, uint32_t count)
{
    adze_text_append(text, "const @\"%s%u.%s\": f32[%s] = dense[", name, index, part, type);
    for (uint32_t i = 0; i < count; i++) adze_text_append(text, i ? ", %.8g" : "%.8g", weight(index * 64 + count, i));
    adze_text_append(text, "]\n");
}

uint32_t model_text(adze_text *text, uint32_t ops)
{
    uint32_t blocks = (ops + BLOCK_OPS - 1) / BLOCK_OPS;
    adze_text_append(text, "%s", constants);
    for (uint32_t i = 0; i < SHARED && i < blocks; i++) {
        dense(text, "w", i, "conv", "8,8,3,3", 576);
        dense(text, "w", i, "query", "8,8", 64);
        adze_text_append(text, "const @\"w%u.var\": f32[8] = dense[1, 2, 1, 3, 1, 2, 1, 4]\n", i);
    }
    for (uint32_t i = 0; i < blocks; i++) {
        dense(text, "b", i, "bias", "8", 8);
        dense(text, "b", i, "scale", "8", 8);
        dense(text, "b", i, "mean", "8", 8);
    }
    char from[64] = "%input";
    adze_text_append(text, "func @main(%%input: f32[N,8,8,8]) -> (%%output: f32[N,8,8,8]) {\n");
    for (uint32_t i = 0; i < blocks; i++) {
        add_block(text, i, from);
        snprintf(from, sizeof from, "%%\"/b%u/Concat_output_0\"", i);
    }
    adze_text_append(text, "  return(%s)\n}\n", from);
    return blocks * BLOCK_OPS;
}
