"""lowrank_layers.py FOLDER: modules of layers that have exact factors, and samples to calibrate on (x.npz).

exact.adz: products and convolutions of known rank; forms.adz: what stays; deep.adz: four layers of full rank in a row,
the first three of which read one value.
"""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
rng = np.random.default_rng(11)


def constant(name, values):
    text = ", ".join(repr(float(v)) for v in np.asarray(values, np.float32).ravel())
    return f"const @{name} : f32[{','.join(map(str, np.shape(values)))}] = dense[{text}]\n"


def normal(*dims):
    return rng.normal(size=dims)


def rows(n, *dims):
    """Samples with a part in common, of uneven channels."""
    return ((normal(n, *dims) + 2 * normal(n, *dims[:-1], 1)) * np.exp(normal(dims[-1]) / 2) + 0.5).astype(np.float32)


# A product of rank 3 (as [in, out]), one of rank 2 as [out, in] behind a transposed input, with factors of the sum and
# a bias; odd shapes; a wide one of rank 4.
exact = constant("w", normal(13, 3) @ normal(3, 11)) + constant("t", normal(9, 2) @ normal(2, 13))
exact += constant("b", normal(9)) + constant("wide", normal(6, 4) @ normal(4, 21))
# Tucker-2 with 3 channels from 2; a separable kernel of rank 2 with strides, dilations and pads; one of rank 3 whose
# outputs alone depend on each other; a 1x1 kernel.
exact += constant("tucker", np.einsum("oa,abyx,bi->oiyx", normal(10, 3), normal(3, 2, 3, 3), normal(2, 8)))
exact += constant("spatial", np.einsum("orx,riy->oiyx", normal(10, 2, 3), normal(2, 8, 5)))
exact += constant("flat", np.einsum("or,riyx->oiyx", normal(10, 3), normal(3, 8, 3, 3))) + constant("c", normal(10))
exact += constant("point", np.einsum("or,ri->oi", normal(10, 3), normal(3, 8))[:, :, None, None])
exact += constant("line", np.einsum("or,rix->oix", normal(9, 2), normal(2, 8, 3)))
exact += """
func @main(%x: f32[1,7,13], %i: f32[1,8,12,11]) -> (f32[1,7,11], f32[7,9], f32[1,7,21], f32[1,10,12,11],
                                                    f32[1,10,5,6], f32[1,10,6,6], f32[1,10,6,6], f32[1,9,130]) {
  %a = matmul(%x, @w) : f32[1,7,11]
  %r = reshape(%x, _) : f32[7,13]
  %p = transpose(%r) {perm = [1, 0]} : f32[13,7]
  %g = gemm(%p, @t, @b) {alpha = 0.5, beta = 2, transA = 1, transB = 1} : f32[7,9]
  %s = slice(%a, @zero, @six, @two) : f32[1,7,6]
  %e = matmul(%s, @wide) : f32[1,7,21]
  %k = conv(%i, @tucker, @c) {pads = [1, 1, 1, 1]} : f32[1,10,12,11]
  %l = conv(%i, @spatial) {dilations = [2, 1], pads = [2, 1, 3, 2], strides = [2, 2]} : f32[1,10,5,6]
  %m = conv(%i, @flat, @c) {pads = [1, 1, 1, 1], strides = [2, 2]} : f32[1,10,6,6]
  %n = conv(%i, @point) {strides = [2, 2]} : f32[1,10,6,6]
  %f = reshape(%i, _) : f32[1,8,132]
  %o = conv(%f, @line) : f32[1,9,130]
  return(%a, %g, %e, %k, %l, %m, %n, %o)
}
"""
exact = "const @zero : i64[1] = dense[0]\nconst @six : i64[1] = dense[6]\nconst @two : i64[1] = dense[2]\n" + exact
(folder / "exact.adz").write_text(exact)
np.savez(folder / "x.npz", x=rows(24, 1, 7, 13), i=rows(24, 1, 8, 12, 11))

# Weights of full rank: three products of one value, and one behind them. The value has much energy in few directions.
deep = "".join(constant(name, 0.1 * normal(32, 32)) for name in ("q", "k", "v", "o"))
deep += constant("bias", normal(32)) + """
func @main(%x: f32[1,16,32]) -> (f32[1,16,32]) {
  %q = matmul(%x, @q) : f32[1,16,32] loc("query")
  %k = matmul(%x, @k) : f32[1,16,32] loc("key")
  %v = matmul(%x, @v) : f32[1,16,32] loc("value")
  %a = add(%q, %k) : f32[1,16,32]
  %t = tanh(%a) : f32[1,16,32]
  %m = add(%t, %v) : f32[1,16,32]
  %s = add(%m, @bias) : f32[1,16,32]
  %y = matmul(%s, @o) : f32[1,16,32]
  return(%y)
}
"""
(folder / "deep.adz").write_text(deep)
mix = np.exp(-np.arange(32) / 6)[:, None] * normal(32, 32)
for name in "deep", "held":
    x = normal(64, 1, 16, 32) @ mix + 0.3
    np.savez(folder / f"{name}.npz", x=x.astype(np.float32))
