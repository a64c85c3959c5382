"""Writes model.onnx, tensors.onnx (without the sequence) and x.npz into the folder of the argument: two chains that do
not meet, a branch, strings and a sequence, each with outputs of its own."""
import sys
from pathlib import Path

import numpy as np
import onnx

MODEL = """<ir_version: 8, opset_import: ["" : 20]>
g (float[2,4] x, bool c, string[2] s) => (float[2,4] y, float[2,4] z, float[2,4] w, string[2] t, seq(float[2,4]) q) {
    l1 = Tanh (x)
    l2 = Exp (l1)
    l3 = Sqrt (l2)
    y = Sigmoid (l3)
    r1 = Neg (x)
    r2 = Softplus (r1)
    z = Abs (r2)
    w = If (c) <then_branch = a () => (float[2,4] u) { v = Cos (x)  u = Erf (v) },
                else_branch = b () => (float[2,4] u) { u = Sin (x) }>
    k = StringConcat (s, s)
    t = StringConcat (k, s)
    q0 = Round (r1)
    q = SequenceConstruct (q0, x)
}"""

model = onnx.parser.parse_model(MODEL)
for node in model.graph.node:
    node.name = f"n_{node.output[0]}"
    for attribute in node.attribute:
        for inner in attribute.g.node:
            inner.name = f"n_{attribute.name[:4]}_{inner.output[0]}"
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
onnx.save(model, folder / "model.onnx")
del model.graph.output[-1]  # which an .npz cannot hold
onnx.save(model, folder / "tensors.onnx")
np.savez(folder / "x.npz", x=np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4), c=np.array(True),
         s=np.array(["a", "bc"]))
