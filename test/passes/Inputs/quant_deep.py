"""quant_deep.py FOLDER: deep.adz, eight products with a relu between them, and deep.npz, 64 samples of 16 rows."""
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
