"""gate_model.py FOLDER: m.adz, whose block "half" does nothing where the first channel is below 0, and whose block
"always" matters; calibration and held-back samples, half of which have it below 0."""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
rng = np.random.default_rng(3)


def constant(name, values):
    text = ", ".join(repr(float(v)) for v in np.asarray(values, np.float32).ravel())
    return f"const @{name} : f32[{','.join(map(str, np.shape(values)))}] = dense[{text}]\n"


first = np.zeros((6, 8))
first[0] = 1 + rng.random(8)
model = constant("first", first) + constant("second", rng.normal(size=(8, 6)))
model += constant("third", rng.normal(size=(6, 6))) + constant("last", rng.normal(size=(6, 5))) + """
func @main(%x: f32[N,3,6]) -> (f32[N,3,5]) {
  %a = matmul(%x, @first) : f32[N,3,8]
  %r = relu(%a) : f32[N,3,8]
  %f = matmul(%r, @second) : f32[N,3,6]
  %half = add(%f, %x) : f32[N,3,6] loc("half")
  %b = matmul(%half, @third) : f32[N,3,6]
  %always = add(%half, %b) : f32[N,3,6] loc("always")
  %y = matmul(%always, @last) : f32[N,3,5]
  return(%y)
}
"""
(folder / "m.adz").write_text(model)
for name, n in (("calib", 40), ("held", 60)):
    x = rng.normal(size=(n, 3, 6))
    x[:, :, 0] = (1 + np.abs(x[:, :, 0])) * np.where(np.arange(n) % 2, 1, -1)[:, None]
    np.savez(folder / f"{name}.npz", x=x.astype(np.float32))
