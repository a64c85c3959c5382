"""Cases of Gradient, for onnx_ml.py: derivatives against differences of the function in f64, or closed forms."""
import math

from onnx_ml_cases import *  # noqa: F403
from onnx_suite import ReferenceEvaluator, helper, np, numpy_helper, onnx


def differences(model, inputs, which, step=1e-6):
    """The derivative of the sum of the first output by one input, in f64."""
    runner = ReferenceEvaluator(model)
    base = [value.astype(F64) if value.dtype == F32 else value for value in inputs]

    def total(value):
        feeds = {f"x{i}": value if i == which else other for i, other in enumerate(base)}
        return np.sum(runner.run(None, feeds)[0])

    out = np.zeros(base[which].shape)
    for index in np.ndindex(out.shape):
        moved = base[which].copy()
        moved[index] += step
        up = total(moved)
        moved[index] -= 2 * step
        out[index] = (up - total(moved)) / (2 * step)
    return out.astype(F32)


def gradient(nodes, inputs, constants=(), name="", asked=None, opset=18):
    """Nodes from x0, x1, … to y, in f32; `asked` inputs are differentiated by."""
    asked = [i for i, value in enumerate(inputs) if value.dtype == F32] if asked is None else asked
    xs = [f"x{i}" for i in asked]
    rest = [f"x{i}" for i in range(len(inputs)) if i not in asked]

    def model(dtype, with_gradient):
        ends = [info(f"x{i}", value.astype(dtype) if value.dtype == F32 else value) for i, value in enumerate(inputs)]
        given = [numpy_helper.from_array(value.astype(dtype) if value.dtype == F32 else value, f"c{i}")
                 for i, value in enumerate(constants)]
        more, outputs = [], ["y"]
        if with_gradient:
            outputs = [f"d{i}" for i in asked]
            more = [helper.make_node("Gradient", xs + rest, outputs, domain=TRAINING, xs=xs, y="y",
                                     **({"zs": rest} if rest else {}))]
        graph = helper.make_graph(nodes + more, "g", ends, [onnx.ValueInfoProto(name=n) for n in outputs], given)
        imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(TRAINING, 1)] * with_gradient
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    want = [differences(model(F64, False), inputs, i) for i in asked]
    CASES.append((f"gradient_1_{name}", (TRAINING, "Gradient", 1), model(F32, True), inputs, want))


def of_node(op, inputs, constants=(), name="", asked=None, opset=18, **attributes):
    operands = [f"x{i}" for i in range(len(inputs))] + [f"c{i}" for i in range(len(constants))]
    weigh = [helper.make_node(op, operands, ["z"], **attributes),
             helper.make_node("Mul", ["z", "z"], ["y"])]  # so that what comes back is no 1
    gradient(weigh, inputs, constants, op.lower() + name, asked, opset)


away = np.sign(floats(2, 3)) * (abs(floats(2, 3)) + 0.2)  # from kinks and poles
near = away / (2 * abs(away).max())
for op in ("Abs", "Exp", "Neg", "Sin", "Cos", "Tanh", "Sinh", "Cosh", "Asinh", "Atan", "Sigmoid", "Relu",
           "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSigmoid", "Identity"):  # Erf: below
    of_node(op, [away])
for op in ("Tan", "Asin", "Acos", "Atanh"):
    of_node(op, [near])
for op in ("Log", "Sqrt", "Reciprocal"):
    of_node(op, [abs(away)])
of_node("Acosh", [abs(away) + 1])
of_node("ThresholdedRelu", [away], alpha=0.1)
of_node("Clip", [away], [F32(-0.5), F32(0.5)])
for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
    of_node(op, [away, floats(2, 1) + 3 * (op == "Div")])
    of_node(op, [floats(3) + 3 * (op == "Div"), away], name="_added")
of_node("Sum", [floats(2, 3), floats(3), floats(1)])
of_node("Pow", [abs(away), floats(3)])
of_node("PRelu", [away, floats(3)])
of_node("Where", [np.array([[True, False, True]]), floats(2, 3), floats(1)])
for a, b in (((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
             ((3,), (5, 3, 4))):
    of_node("MatMul", [floats(*a), floats(*b)], name="_" + "x".join(map(str, a + b)))
for ta in (0, 1):
    for tb in (0, 1):
        of_node("Gemm", [floats(*((3, 2) if ta else (2, 3))), floats(*((4, 3) if tb else (3, 4))), floats(4)],
                name=f"_{ta}{tb}", alpha=0.5, beta=2.0, transA=ta, transB=tb)
for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
           "ReduceLogSumExp"):
    of_node(op, [away], [np.array([1], I64)], name="_one")
    of_node(op, [away], [np.array([-1], I64)], name="_dropped", keepdims=0)
    of_node(op, [away], name="_all", keepdims=0)
of_node("ReduceLogSum", [abs(away)], [np.array([1], I64)])
of_node("GlobalAveragePool", [floats(1, 2, 3, 4)])
for axis in (0, -1):
    of_node("Softmax", [floats(2, 3)], name=f"_{axis}", axis=axis)
    of_node("LogSoftmax", [floats(2, 3)], name=f"_{axis}", axis=axis)
of_node("Reshape", [floats(2, 3)], [np.array([3, -1], I64)])
of_node("Flatten", [floats(2, 3, 2)], axis=2)
of_node("Squeeze", [floats(2, 1, 3)], [np.array([1], I64)])
of_node("Unsqueeze", [floats(2, 3)], [np.array([0], I64)])
of_node("Expand", [floats(2, 1)], [np.array([4, 2, 3], I64)])
of_node("Transpose", [floats(2, 3, 4)], perm=[2, 0, 1])
of_node("Concat", [floats(2, 3), floats(2, 2)], axis=1)
of_node("Slice", [floats(4, 5)], [np.array([3, 0], I64), np.array([0, 5], I64), np.array([0, 1], I64),
                                  np.array([-2, 3], I64)])
of_node("Gather", [floats(3, 4, 2)], [np.array([[2, 0], [2, -4]], I64)], axis=1, name="_axis")
of_node("Gather", [floats(3, 4)], [np.array(1, I64)], name="_one")
plane = floats(2, 4, 5, 6)
for name, weight, more in (("", (3, 4, 3, 2), {}),
                           ("_strides", (3, 4, 3, 2), {"strides": [2, 3], "pads": [1, 0, 2, 1]}),
                           ("_dilated", (2, 4, 2, 2), {"dilations": [2, 3], "strides": [2, 1]}),
                           ("_groups", (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 2]}),
                           ("_depthwise", (4, 1, 3, 3), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]})):
    of_node("Conv", [plane, floats(*weight), floats(weight[0])], name=name, **more)
of_node("Conv", [floats(1, 2, 7), floats(3, 2, 3)], name="_line", strides=[2])
of_node("Conv", [floats(1, 2, 3, 3, 3), floats(2, 2, 2, 2, 2)], name="_room")
for name, weight, more in (("", (4, 3, 3, 2), {}),
                           ("_strides", (4, 3, 3, 2), {"strides": [2, 3], "pads": [1, 0, 1, 1]}),
                           ("_dilated", (4, 2, 2, 2), {"dilations": [2, 1], "strides": [1, 2]})):
    of_node("ConvTranspose", [floats(1, 4, 3, 4), floats(*weight)], name=name, **more)
apart = random.permutation(240).reshape(2, 4, 5, 6).astype(F32) / 50 - 2  # no two are equal, so no maximum has a kink
for name, more in (("", {}), ("_strides", {"strides": [2, 2], "pads": [1, 1, 0, 1]}),
                   ("_dilated", {"dilations": [2, 2], "ceil_mode": 1, "strides": [2, 1]})):
    of_node("MaxPool", [apart], name=name, kernel_shape=[2, 3], **more)
for name, more in (("", {}), ("_strides", {"strides": [2, 2], "pads": [1, 1, 0, 1]}),
                   ("_border", {"strides": [2, 2], "pads": [1, 1, 0, 1], "count_include_pad": 1})):
    of_node("AveragePool", [plane], name=name, kernel_shape=[2, 3], **more)
of_node("GlobalMaxPool", [apart])
for mode in ("constant", "edge", "reflect"):
    of_node("Pad", [floats(3, 4)], [np.array([1, 2, 0, 1], I64)], name="_" + mode, mode=mode)
of_node("Tile", [floats(2, 3)], [np.array([3, 2], I64)])
for more in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
    of_node("CumSum", [floats(2, 4)], [np.array(1, I64)], name="_" + "_".join(more), **more)
of_node("GatherElements", [floats(3, 4)], [np.array([[2, 0, 0, 1], [2, 2, 1, 0]], I64)])
of_node("GatherND", [floats(3, 4, 2)], [np.array([[2, 0], [1, 3], [2, 0]], I64)])
node = helper.make_node
for reduction in ("none", "add"):
    where = numpy_helper.from_array(np.array([[2, 0, 1], [0, 2, 2]] if reduction == "add" else [[2, 0, 1]], I64), "i")
    rows = 2 if reduction == "add" else 1
    gradient([node("Constant", [], ["i"], value=where),
              node("ScatterElements", ["x0", "i", "x1"], ["z"], reduction=reduction), node("Mul", ["z", "z"], ["y"])],
             [floats(3, 3), floats(rows, 3)], name="scatterelements_" + reduction)
    where = numpy_helper.from_array(np.array([[2], [0]], I64), "i")
    gradient([node("Constant", [], ["i"], value=where),
              node("ScatterND", ["x0", "i", "x1"], ["z"], reduction=reduction), node("Mul", ["z", "z"], ["y"])],
             [floats(3, 3), floats(2, 3)], name="scatternd_" + reduction)
of_node("DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2)
of_node("SpaceToDepth", [floats(1, 2, 4, 6)], blocksize=2)
scale4, shift4 = floats(4), floats(4)
of_node("BatchNormalization", [plane, scale4, shift4, floats(4), abs(floats(4)) + 0.2], epsilon=0.01)
of_node("InstanceNormalization", [plane, scale4, shift4], epsilon=0.01)
of_node("LayerNormalization", [floats(2, 3, 4), scale4, shift4], epsilon=0.01, opset=17)
of_node("LayerNormalization", [floats(2, 3, 4), floats(3, 4)], axis=1, epsilon=0.01, name="_axis", opset=17)
of_node("RMSNormalization", [floats(2, 3, 4), scale4], epsilon=0.01, opset=23)
of_node("Mish", [away])
of_node("HardSwish", [4 * away])
of_node("Gelu", [away], name="_tanh", approximate="tanh", opset=20)
gradient([node("Einsum", ["x0", "x1"], ["z"], equation="bij,bjk->bik"), node("Mul", ["z", "z"], ["y"])],
         [floats(2, 3, 4), floats(2, 4, 2)], name="einsum")
heads = [floats(1, 2, 3, 4), floats(1, 2, 5, 4), floats(1, 2, 5, 3)]
of_node("Attention", heads, opset=23)
of_node("Attention", heads, [floats(3, 5)], name="_mask", opset=23, scale=0.3)
gradient([node("MatMul", ["x0", "x1"], ["h"]), node("Relu", ["h"], ["r"]), node("MatMul", ["r", "x2"], ["o"]),
          node("ReduceMean", ["o"], ["y"], keepdims=0)], [floats(4, 3), floats(3, 5), floats(5, 2)], name="network")
def branch(*nodes, out):
    return helper.make_graph(list(nodes), "branch", [], [onnx.ValueInfoProto(name=out)])


for taken in (True, False):
    inner = node("If", ["x3"], ["w"], then_branch=branch(node("Cos", ["h"], ["c"]), out="c"),
                 else_branch=branch(node("Mul", ["x1", "x1"], ["q"]), out="q"))
    gradient([node("Mul", ["x0", "x0"], ["h"]),
              node("If", ["x2"], ["z"],
                   then_branch=branch(node("Sin", ["h"], ["s"]), node("Mul", ["s", "x1"], ["t"]), out="t"),
                   else_branch=branch(inner, node("Exp", ["w"], ["e"]), out="e")), node("Mul", ["z", "h"], ["y"])],
             [floats(2, 3), floats(2, 3), np.array(taken), np.array(False)], name=f"if_{taken}")
gradient([node("Split", ["x0"], ["a", "b"], axis=1, num_outputs=2), node("Mul", ["a", "b"], ["y"])],
         [floats(2, 4)], name="split")
gradient([node("Mul", ["x0", "x1"], ["y"])], [floats(2, 3), floats(3)], name="one_of_two", asked=[1])


def special(name, nodes, inputs, outputs, want, opset=18):
    graph = helper.make_graph(nodes, name, [info(n, value) for n, value in inputs.items()],
                              [onnx.ValueInfoProto(name=n) for n in outputs])
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(TRAINING, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    CASES.append((f"gradient_1_{name}", (TRAINING, "Gradient", 1), model, list(inputs.values()), want))


a, b = floats(3), floats(3)
d = lambda inputs, outputs, **more: node("Gradient", inputs, outputs, domain=TRAINING, **more)
special("erf", [node("Erf", ["a"], ["y"]), d(["a"], ["g"], xs=["a"], y="y")], {"a": away}, ["g"],
        [(2 / np.sqrt(np.pi) * np.exp(-away.astype(F64) ** 2)).astype(F32)])
normal = (1 + np.vectorize(math.erf)(away.astype(F64) / np.sqrt(2))) / 2
special("gelu", [node("Gelu", ["a"], ["y"]), d(["a"], ["g"], xs=["a"], y="y")], {"a": away}, ["g"],
        [(normal + away * np.exp(-away.astype(F64) ** 2 / 2) / np.sqrt(2 * np.pi)).astype(F32)], opset=20)
def normalized(x):  # in two groups; ONNX's own evaluator computes it in f32, too coarse for differences
    x = x.reshape(2, 2, -1)
    return (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 0.01)


def group_norm(x):
    y = normalized(x).reshape(plane.shape) * scale4[:, None, None] + shift4[:, None, None].astype(F64)
    return np.sum(y * y)


special("group_norm", [node("GroupNormalization", ["x", "s", "b"], ["z"], num_groups=2, epsilon=0.01),
                       node("Mul", ["z", "z"], ["y"]), d(["x", "s", "b"], ["g"], xs=["x", "s", "b"], y="y")],
        {"x": plane, "s": scale4, "b": shift4}, ["g"],
        [np.array([(group_norm(plane.astype(F64) + step) - group_norm(plane.astype(F64) - step)) / 2e-6
                   for step in 1e-6 * np.eye(plane.size).reshape(-1, *plane.shape)]).reshape(plane.shape).astype(F32)],
        opset=21)
logits = floats(2, 3, 2)  # opset 11: a softmax over both last axes
share = np.exp(logits.astype(F64)) / np.exp(logits.astype(F64)).sum((1, 2), keepdims=True)
special("softmax_flat", [node("Softmax", ["a"], ["z"], axis=1), node("Mul", ["z", "z"], ["y"]),
                         d(["a"], ["g"], xs=["a"], y="y")], {"a": logits}, ["g"],
        [(2 * share * (share - (share * share).sum((1, 2), keepdims=True))).astype(F32)], opset=11)
cropped = floats(3, 4)  # rows 1 and 2, columns 0 to 2 stay
kept = np.pad(np.ones((2, 3), F32), ((1, 0), (0, 1)))
pads = numpy_helper.from_array(np.array([-1, 2, 1, -1], I64), "p")
special("pad_cropped", [node("Constant", [], ["p"], value=pads), node("Pad", ["a", "p"], ["z"]),
                        node("Mul", ["z", "z"], ["y"]), d(["a"], ["g"], xs=["a"], y="y")], {"a": cropped}, ["g"],
        [2 * cropped * kept])
special("elsewhere", [node("Mul", ["a", "a"], ["s"]), node("Exp", ["s"], ["y"]), d(["b"], ["g"], xs=["a"], y="y")],
        {"a": a, "b": b}, ["y", "g"], [np.exp(a * a), 2 * b * np.exp(b * b)])
special("between", [node("Mul", ["a", "a"], ["s"]), node("Sin", ["s"], ["y"]), d(["s"], ["g"], xs=["s"], y="y")],
        {"a": a}, ["g"], [np.cos(a * a)])
special("second", [node("Mul", ["a", "a"], ["s"]), node("Mul", ["s", "a"], ["y"]), d(["a"], ["g"], xs=["a"], y="y"),
                   d(["a"], ["h"], xs=["a"], y="g")], {"a": a}, ["g", "h"], [3 * a * a, 6 * a])
special("nothing", [node("Sin", ["b"], ["y"]), d(["a", "b"], ["g", "h"], xs=["a", "b"], y="y")],
        {"a": a, "b": b}, ["g", "h"], [0 * a, np.cos(b)])
special("before", [d(["a"], ["g"], xs=["a"], y="y"), node("Sin", ["a"], ["y"])], {"a": a}, ["g"], [np.cos(a)])
