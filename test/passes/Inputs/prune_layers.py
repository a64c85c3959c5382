"""prune_layers.py FOLDER: modules for prune, each NAME.adz with NAME.npz.

alone: a product whose inputs come one at a time, so its Gram matrix is diagonal.
dead: a product half of whose inputs are always 0.
groups: convolutions with two groups and with a group a channel, weights that two products share, and a last product.
deep: six products with a relu between them, of rows that have much in common.
"""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
rng = np.random.default_rng(5)


def constant(name, values):
    dims = ",".join(map(str, values.shape))
    return f"const @{name} : f32[{dims}] = dense[{', '.join(repr(float(np.float32(v))) for v in values.ravel())}]\n"


def save(name, text, x):
    (folder / f"{name}.adz").write_text(text)
    np.savez(folder / f"{name}.npz", x=x.astype(np.float32))


def product(width, rows, weights):
    return constant("w", weights) + f"""func @main(%x: f32[1,{rows},{width}]) -> (f32[1,{rows},{weights.shape[1]}]) {{
  %y = matmul(%x, @w) : f32[1,{rows},{weights.shape[1]}]
  return(%y)
}}
"""


gains = np.exp(rng.normal(size=8))
save("alone", product(8, 8, rng.normal(size=(8, 4))), np.tile(np.diag(gains), (2, 1, 1, 1)))

x = rng.normal(size=(32, 1, 16, 24)) + rng.normal(size=(32, 1, 16, 1))
x[..., 1::2] = 0
save("dead", product(24, 16, rng.normal(size=(24, 16))), x)

text = constant("k", rng.normal(size=(8, 2, 3, 3))) + constant("d", rng.normal(size=(8, 1, 3, 3)))
text += constant("s", rng.normal(size=(64, 64))) + constant("v", rng.normal(size=(64, 5)))
text += """func @main(%x: f32[1,4,8,8]) -> (f32[1,8,5]) {
  %0 = conv(%x, @k) {group = 2, pads = [1, 1, 1, 1]} : f32[1,8,8,8]
  %1 = relu(%0) : f32[1,8,8,8]
  %2 = conv(%1, @d) {group = 8, pads = [1, 1, 1, 1]} : f32[1,8,8,8]
  %3 = reshape(%2, _) : f32[1,8,64]
  %4 = matmul(%3, @s) : f32[1,8,64]
  %5 = relu(%4) : f32[1,8,64]
  %6 = matmul(%5, @s) : f32[1,8,64]
  %7 = matmul(%6, @v) : f32[1,8,5]
  return(%7)
}
"""
text = text.replace("reshape(%2, _)", "reshape(%2, @form)")
save("groups", "const @form : i64[3] = dense[1, 8, 64]\n" + text,
     rng.normal(size=(48, 1, 4, 8, 8)) + rng.normal(size=(48, 1, 1, 8, 8)))

WIDTH, LAYERS = 32, 6
text, body, value = "", "", "%x"
for i in range(LAYERS):
    text += constant(f"w{i}", rng.normal(size=(WIDTH, WIDTH)) * np.sqrt(2 / WIDTH))
    body += f"  %a{i} = matmul({value}, @w{i}) : f32[1,16,{WIDTH}]\n  %r{i} = relu(%a{i}) : f32[1,16,{WIDTH}]\n"
    value = f"%r{i}"
save("deep", text + f"func @main(%x: f32[1,16,{WIDTH}]) -> (f32[1,16,{WIDTH}]) {{\n{body}  return({value})\n}}\n",
     rng.normal(size=(64, 1, 16, WIDTH)) + rng.normal(size=(64, 1, 16, 1)))
