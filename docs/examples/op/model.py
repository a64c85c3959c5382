"""Writes model.onnx, whose second node is com.example's Mish2, and what it gives for some inputs, by numpy."""
import numpy
import onnx
from onnx import TensorProto, helper

nodes = [helper.make_node("Add", ["x", "x"], ["twice"]),
         helper.make_node("Mish2", ["twice"], ["y"], domain="com.example", beta=0.5)]
graph = helper.make_graph(nodes, "mish2", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.example", 1)])
onnx.save(model, "model.onnx")
x = numpy.linspace(-6, 6, 32, dtype=numpy.float32).reshape(4, 8)
numpy.savez("x.npz", x=x)
numpy.savez("y.npz", y=(2 * x * numpy.tanh(numpy.log1p(numpy.exp(x)))).astype(numpy.float32))
