"""quant_layers.py FOLDER: m.adz, a product, a convolution and a product in a row, and x.npz, 64 samples of 16 rows that
have much in common, with uneven columns."""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
rng = np.random.default_rng(7)


def constant(name, *dims):
    values = ", ".join(repr(float(v)) for v in rng.normal(size=dims).astype(np.float32).ravel())
    return f"const @{name} : f32[{','.join(map(str, dims))}] = dense[{values}]\n"


gains = np.exp(rng.normal(size=32))
x = rng.normal(size=(64, 1, 16, 32)) + 3 * rng.normal(size=(64, 1, 16, 1))
np.savez(folder / "x.npz", x=(x * gains).astype(np.float32))
(folder / "m.adz").write_text(constant("w", 32, 24) + constant("k", 4, 8, 3, 3) + constant("v", 6, 4) + """
const @zero : i64[2] = dense[0, 0]
const @ends : i64[2] = dense[4, 4]
const @axes : i64[2] = dense[2, 3]
func @main(%x: f32[1,16,32]) -> (f32[1,16,6]) {
  %a = matmul(%x, @w) : f32[1,16,24]
  %r = relu(%a) : f32[1,16,24]
  %i = reshape(%r, _) : f32[1,8,6,8]
  %c = conv(%i, @k) {pads = [1, 1, 1, 1]} : f32[1,4,6,8]
  %s = slice(%c, @zero, @ends, @axes) : f32[1,4,4,4]
  %f = reshape(%s, _) : f32[16,4]
  %y = gemm(%f, @v) {transB = 1} : f32[16,6]
  %o = reshape(%y, _) : f32[1,16,6]
  return(%o)
}
""")
