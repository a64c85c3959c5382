"""Writes model.onnx and test_data_set_0 as ONNX's own tests have them; the argument is a folder.

y = relu(x - 1) and its row maxima; `wrong` as a second argument spoils one element of y.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = Path(sys.argv[1])
data = folder / "test_data_set_0"
data.mkdir(parents=True, exist_ok=True)
graph = helper.make_graph(
    [helper.make_node("Sub", ["x", "one"], ["moved"], name="move"),
     helper.make_node("Relu", ["moved"], ["y"], name="cut"),
     helper.make_node("ArgMax", ["y"], ["best"], name="choose", axis=1, keepdims=0)], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4]),
     helper.make_tensor_value_info("best", TensorProto.INT64, ["N"])],
    [numpy_helper.from_array(np.float32(1), "one")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
x = np.array([[3, 0, 1.5, 2], [0, 1, 2, 7.25]], np.float32)
y = np.maximum(x - 1, 0)
best = y.argmax(1)
if "wrong" in sys.argv:
    y[1, 3] += 0.5
for name, array in [("input_0", x), ("output_0", y), ("output_1", best)]:
    port = {"input_0": "x", "output_0": "y", "output_1": "best"}[name]
    (data / f"{name}.pb").write_bytes(numpy_helper.from_array(array, port).SerializeToString())
np.savez(folder / "x.npz", x=x)
np.savez(folder / "y.npz", y=y, best=best)
