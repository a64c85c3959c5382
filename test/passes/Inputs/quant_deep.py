"""quant_deep.py FOLDER: deep.adz, eight products with a relu between them, and deep.npz, 64 samples of 16 rows;
convs.adz, five convolutions, and convs.npz."""
import sys
from pathlib import Path

import numpy as np

LAYERS, WIDTH = 8, 24
folder = Path(sys.argv[1])
rng = np.random.default_rng(11)
text, value = "", "%x"
for i in range(LAYERS):
    w = rng.normal(size=(WIDTH, WIDTH)) * np.sqrt(2 / WIDTH)
    text += f"const @w{i} : f32[{WIDTH},{WIDTH}] = dense[{', '.join(repr(float(np.float32(v))) for v in w.ravel())}]\n"
text += f"func @main(%x: f32[1,16,{WIDTH}]) -> (f32[1,16,{WIDTH}]) {{\n"
for i in range(LAYERS):
    text += f"  %a{i} = matmul({value}, @w{i}) : f32[1,16,{WIDTH}]\n  %r{i} = relu(%a{i}) : f32[1,16,{WIDTH}]\n"
    value = f"%r{i}"
(folder / "deep.adz").write_text(text + f"  return({value})\n}}\n")
np.savez(folder / "deep.npz", x=rng.normal(size=(64, 1, 16, WIDTH)).astype(np.float32))

# convs.adz, convs.npz: convolutions with biases, one of them with a group a channel.
SHAPES = (8, 3, 3, 3), (8, 1, 3, 3), (8, 8, 1, 1), (8, 8, 3, 3), (6, 8, 1, 1)


def constant(name, values):
    dims = ",".join(map(str, values.shape))
    return f"const @{name} : f32[{dims}] = dense[{', '.join(repr(float(np.float32(v))) for v in values.ravel())}]\n"


text, body, value = "", "", "%x"
for i, shape in enumerate(SHAPES):
    fan = np.prod(shape[1:])
    text += constant(f"w{i}", rng.normal(size=shape) * np.sqrt(2 / fan))
    text += constant(f"b{i}", rng.normal(size=shape[0]) / 4)
    pad, group = shape[2] // 2, 8 if shape[1] == 1 else 1
    kind = f"f32[1,{shape[0]},10,10]"
    body += f"  %c{i} = conv({value}, @w{i}, @b{i}) {{group = {group}, pads = [{pad}, {pad}, {pad}, {pad}]}} : {kind}\n"
    body += f"  %r{i} = relu(%c{i}) : {kind}\n"
    value = f"%r{i}" if i < len(SHAPES) - 1 else f"%c{i}"
text += "func @main(%x: f32[1,3,10,10]) -> (f32[1,6,10,10]) {\n" + body + f"  return({value})\n}}\n"
(folder / "convs.adz").write_text(text)
np.savez(folder / "convs.npz", x=(rng.normal(size=(64, 1, 3, 10, 10)) + 0.5).astype(np.float32))
