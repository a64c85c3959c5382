"""Writes model.onnx, tensors.onnx (without the sequence), loop.onnx and x.npz into the folder of the argument: two
chains that do not meet, a branch, strings and a sequence, each with outputs of its own."""
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

# p is wrong from the third iteration on where m is; the loop inside runs twice in each.
LOOP = """<ir_version: 8, opset_import: ["" : 20]>
g (float[2,4] x, bool c, string[2] s) => (float[2,4] y) {
    n = Constant <value = int64 {4}> ()
    two = Constant <value = int64 {2}> ()
    y = Loop (n, , x) <body = a (int64 i, bool on, float[2,4] p) => (bool go, float[2,4] r) {
        go = Identity (on)
        late = GreaterOrEqual (i, two)
        f = Cast <to = 1> (late)
        m = Mul (x, f)
        h = If (c) <then_branch = t () => (float[2,4] e) { d = Add (p, m)  e = Cos (d) },
                    else_branch = e () => (float[2,4] e) { e = Sin (p) }>
        r = Loop (two, , h) <body = b (int64 j, bool yes, float[2,4] k) => (bool still, float[2,4] o) {
            still = Identity (yes)
            o = Tanh (k)
        }>
    }>
}"""


def name(graph, prefix):
    for node in graph.node:
        node.name = prefix + node.output[0]
        for attribute in node.attribute:
            name(attribute.g, f"{prefix}{attribute.name[:4]}_")


model, loop = onnx.parser.parse_model(MODEL), onnx.parser.parse_model(LOOP)
name(model.graph, "n_")
name(loop.graph, "n_")
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
onnx.save(model, folder / "model.onnx")
onnx.save(loop, folder / "loop.onnx")
del model.graph.output[-1]  # which an .npz cannot hold
onnx.save(model, folder / "tensors.onnx")
np.savez(folder / "x.npz", x=np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4), c=np.array(True),
         s=np.array(["a", "bc"]))
