"""Cases of Gradient, for onnx_ml.py: derivatives against differences of the function in f64, or closed forms."""
import math

from onnx_ml_cases import *  # noqa: F403
from onnx_suite import ReferenceEvaluator, TensorProto, helper, np, numpy_helper, onnx, ort


def differences(model, inputs, which, step=1e-6):
    """The derivative of the sum of the first output by one input, in f64."""
    loops = any(n.op_type in ("Loop", "Scan") for n in model.graph.node)  # which ONNX's own evaluator runs otherwise
    runner = ort.InferenceSession(model.SerializeToString()) if loops else ReferenceEvaluator(model)
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
seen = np.array([[1, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 0, 1]], bool)  # the second query sees nothing
of_node("Attention", heads, [seen], name="_hidden", opset=23)
of_node("Attention", heads, [np.where(seen, 0.5, -np.inf).astype(F32)], name="_hidden_added", opset=23)
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
corner = apart[:1, :1, :4, :4]


def hits(kernel, pads, stride=1, dilation=1):
    """How often an element of `corner` is a window's maximum; windows that lie in the padding have none."""
    padded = np.pad(corner[0, 0], (pads[:2], pads[2:]), constant_values=-np.inf)
    out = np.zeros_like(corner)
    for top in range(0, padded.shape[0] - dilation * (kernel[0] - 1), stride):
        for left in range(0, padded.shape[1] - dilation * (kernel[1] - 1), stride):
            window = padded[top:, left:][:dilation * kernel[0]:dilation, :dilation * kernel[1]:dilation]
            out += corner == window.max()
    return out


for name, kernel, pads, more in (("", (2, 2), (2, 2, 2, 2), {"stride": 2}),
                                 ("_dilated", (2, 1), (4, 4, 0, 0), {"dilation": 6}),
                                 ("_behind", (1, 2), (0, 0, 0, 3), {})):
    pool = node("MaxPool", ["a"], ["y"], kernel_shape=kernel, pads=[pads[i] for i in (0, 2, 1, 3)],
                **{key + "s": [value] * 2 for key, value in more.items()})
    special("maxpool_padding" + name, [pool, d(["a"], ["g"], xs=["a"], y="y")], {"a": corner}, ["g"],
            [hits(kernel, pads, **more)])
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

# ---- Loops ----

number = lambda value, dtype=I64: numpy_helper.from_array(np.array(value, dtype))


def body(inputs, nodes, outputs):
    """A graph whose inputs are (name, dims), or where no floats (name, dims, type)."""
    ends = [helper.make_tensor_value_info(i[0], i[2], i[1]) if len(i) > 2 else onnx.ValueInfoProto(name=i[0])
            for i in inputs]
    return helper.make_graph(nodes, "body", ends, [onnx.ValueInfoProto(name=n) for n in outputs])


RUN, GO = ("i", [], TensorProto.INT64), ("go", [], TensorProto.BOOL)
on = node("Identity", ["go"], ["on"])
step = [node("Mul", ["c", "x1"], ["m"]), node("Sin", ["m"], ["s"]), node("Add", ["s", "x0"], ["t"]), on]
for trips in (1, 4):
    gradient([node("Constant", [], ["n"], value=number(trips)),
              node("Loop", ["n", "", "x0"], ["z", "stack"], body=body([RUN, GO, ("c", [2, 3])], [
                  *step, node("Exp", ["c"], ["e"])], ["on", "t", "e"])),
              node("ReduceSum", ["stack"], ["w"], keepdims=0), node("Mul", ["z", "z"], ["q"]),
              node("Add", ["q", "w"], ["y"])], [floats(2, 3), floats(3)], name=f"loop_{trips}")
gradient([node("Constant", [], ["n"], value=number(0)),
          node("Loop", ["n", "", "x0"], ["z"], body=body([RUN, GO, ("c", [2, 3])], step, ["on", "t"])),
          node("Mul", ["z", "z"], ["y"])], [floats(2, 3), floats(3)], name="loop_0")
# Ends early, by a condition over what it carries; a second carried value follows the first one.
gradient([node("Constant", [], ["n"], value=number(10)), node("Constant", [], ["end"], value=number(5.0, F32)),
          node("Constant", [], ["yes"], value=number(True, bool)),
          node("Loop", ["n", "yes", "x0", "x1"], ["z", "w"], body=body([RUN, GO, ("a", [3]), ("b", [3])], [
              node("Mul", ["a", "b"], ["p"]), node("Add", ["p", "a"], ["t"]),
              node("ReduceSum", ["t"], ["all"], keepdims=0), node("CastLike", ["end", "all"], ["last"]),
              node("Less", ["all", "last"], ["more"]), node("Identity", ["a"], ["kept"])], ["more", "t", "kept"])),
          node("Mul", ["z", "w"], ["y"])], [abs(floats(3)) + 0.3, abs(floats(3)) + 0.8], name="loop_ends")
# Nothing that is carried depends: it counts in integers.
gradient([node("Constant", [], ["n"], value=number(3)), node("Constant", [], ["at"], value=number(0)),
          node("Constant", [], ["one"], value=number(1)),
          node("Loop", ["n", "", "at"], ["last", "stack"], body=body([RUN, GO, ("k", [], TensorProto.INT64)], [
              node("Gather", ["x0", "k"], ["row"]), node("Mul", ["row", "row"], ["r"]),
              node("Add", ["k", "one"], ["next"]), on], ["on", "next", "r"])),
          node("Mul", ["stack", "stack"], ["y"])], [floats(4, 3)], name="loop_stack")
# A loop and a branch in a loop.
inner = node("Loop", ["two", "", "c"], ["d"], body=body([("j", [], TensorProto.INT64), ("go2", [], TensorProto.BOOL),
                                                         ("e", [3])], [
    node("Mul", ["e", "x0"], ["f"]), node("Tanh", ["f"], ["h"]), node("Identity", ["go2"], ["on2"])], ["on2", "h"]))
choice = node("If", ["odd"], ["u"], then_branch=branch(node("Sin", ["d"], ["v"]), out="v"),
              else_branch=branch(node("Mul", ["d", "c"], ["v2"]), out="v2"))
gradient([node("Constant", [], ["n"], value=number(3)), node("Constant", [], ["two"], value=number(2)),
          node("Constant", [], ["zero"], value=number(0)),
          node("Loop", ["n", "", "x0"], ["y"], body=body([RUN, GO, ("c", [3])], [
              inner, node("Mod", ["i", "two"], ["rest"]), node("Greater", ["rest", "zero"], ["odd"]), choice, on],
              ["on", "u"]))], [away.ravel()[:3].copy()], name="loop_nested")
for more in ({}, {"scan_input_directions": [1], "scan_output_directions": [1]}):
    gradient([node("Scan", ["x0", "x1"], ["z", "stack"], num_scan_inputs=1, body=body([("s", [3]), ("p", [3])], [
        node("Mul", ["s", "p"], ["m"]), node("Tanh", ["m"], ["h"]), node("Add", ["h", "p"], ["t"]),
        node("Mul", ["t", "s"], ["o"])], ["t", "o"]), **more),
              node("Mul", ["stack", "z"], ["y"])], [floats(3), floats(4, 3)], name="scan" + "_back" * bool(more))

# ---- Recurrent layers: ONNX's own evaluator knows one direction and no lengths ----

steps, state, batch = 4, 3, 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent(op, x, w, r, b, h, c=None, lengths=None, p=None, linear=False):
    """One direction: all h, the last h and the last c."""
    out, k = [], h.shape[-1]
    for t in range(len(x)):
        g, o = x[t] @ w.T + b[:len(w)], h @ r.T + b[len(w):]
        part = lambda v, i: v[..., i * k:(i + 1) * k]
        z = [part(g, i) + part(o, i) for i in range(len(w) // k)]
        if op == "RNN":
            new = np.tanh(z[0])
        elif op == "GRU":
            reset, gate = sigmoid(z[1]), sigmoid(z[0])
            own = reset * part(o, 2) if linear else (reset * h) @ r[2 * k:].T + b[5 * k:]
            new = (1 - gate) * np.tanh(part(g, 2) + own) + gate * h
        else:
            q = [np.zeros(k)] * 3 if p is None else [part(p, i) for i in range(3)]
            cell = sigmoid(z[2] + q[2] * c) * c + sigmoid(z[0] + q[0] * c) * np.tanh(z[3])
            new = sigmoid(z[1] + q[1] * cell) * np.tanh(cell)
        alive = np.ones((len(h), 1), bool) if lengths is None else (t < lengths)[:, None]
        if op == "LSTM":
            c = np.where(alive, cell, c)
        h = np.where(alive, new, h)
        out.append(np.where(alive, new, 0))
    return np.array(out), h, c


def reversed_by(x, lengths):
    lengths = [len(x)] * x.shape[1] if lengths is None else lengths
    return np.stack([np.concatenate([x[:n, i][::-1], x[n:, i]]) for i, n in enumerate(lengths)], 1)


def both_ways(op, direction, values, lengths=None, **more):
    """The sum of the squares of all h, and of the last h (and c)."""
    total = 0
    for k in range(2 if direction == "bidirectional" else 1):
        x, *rest = values
        back = direction == "reverse" or k == 1
        rest = [v[k] for v in rest]
        names = dict(zip(("w", "r", "b", "h", "c", "p"), rest))
        y, h, c = recurrent(op, reversed_by(x, lengths) if back else x, lengths=lengths, **names, **more)
        total += np.sum(y * y) + np.sum(h * h) + (np.sum(c * c) if op == "LSTM" else 0)
    return total


def layer(op, direction, name="", lengths=None, peepholes=False, linear=False):
    gates, k = {"RNN": 1, "GRU": 3, "LSTM": 4}[op], 2 if direction == "bidirectional" else 1
    forms = [(steps, batch, 2), (k, gates * state, 2), (k, gates * state, state), (k, 2 * gates * state),
             (k, batch, state)] + [(k, batch, state)] * (op == "LSTM") + [(k, 3 * state)] * peepholes
    values = [floats(*dims) for dims in forms]
    inputs = {f"x{i}": value for i, value in enumerate(values)}
    names = list(inputs)
    operands = names[:4] + ["lengths" if lengths is not None else "", *names[4:]]
    if lengths is not None:
        inputs["lengths"] = np.array(lengths, np.int32)
    results = ["y0", "y1"] + ["y2"] * (op == "LSTM")
    more = {"linear_before_reset": 1} if linear else {}
    nodes = [node(op, operands, results, hidden_size=state, direction=direction, **more)]
    nodes += [node("ReduceSumSquare", [r], ["s" + r], keepdims=0) for r in results]
    nodes += [node("Sum", ["s" + r for r in results], ["y"]),
              d(names, [f"d{i}" for i in range(len(names))], xs=names, y="y")]
    wide, want = [v.astype(F64) for v in values], []
    for i, value in enumerate(wide):
        slope = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            ends = []
            for move in (1e-6, -1e-6):
                moved = [v.copy() for v in wide]
                moved[i][index] += move
                ends.append(both_ways(op, direction, moved, lengths, **({"linear": True} if linear else {})))
            slope[index] = (ends[0] - ends[1]) / 2e-6
        want.append(slope.astype(F32))
    special(f"{op.lower()}_{direction}{name}", nodes, inputs, [f"d{i}" for i in range(len(names))], want, opset=14)


for op in ("RNN", "GRU", "LSTM"):
    for direction in ("forward", "reverse", "bidirectional"):
        layer(op, direction)
    layer(op, "reverse", "_lengths", lengths=np.array([4, 2]))
layer("LSTM", "forward", "_peepholes", peepholes=True)
layer("GRU", "forward", "_linear", linear=True)

# ---- Resize, powers of windows ----

for name, sizes, more in (("nearest", [1, 2, 6, 9], {}), ("nearest_less", [1, 2, 2, 3], {"nearest_mode": "floor"}),
                          ("linear", [1, 2, 7, 5], {"mode": "linear"}),
                          ("linear_corners", [1, 2, 7, 9], {"mode": "linear",
                                                            "coordinate_transformation_mode": "align_corners"}),
                          ("cubic", [1, 2, 7, 9], {"mode": "cubic"}),
                          ("cubic_inside", [1, 2, 6, 10], {"mode": "cubic", "exclude_outside": 1})):
    gradient([node("Constant", [], ["s"], value=number(sizes)), node("Resize", ["x0", "", "", "s"], ["z"], **more),
              node("Mul", ["z", "z"], ["y"])], [floats(1, 2, 4, 5)], name="resize_" + name)
gradient([node("Constant", [], ["s"], value=number([1, 1, 1.7, 0.6], F32)),
          node("Resize", ["x0", "", "s"], ["z"], mode="linear"), node("Mul", ["z", "z"], ["y"])], [floats(1, 2, 4, 5)],
         name="resize_scales")
gradient([node("Constant", [], ["s"], value=number([1.5, 2], F32)),
          node("Resize", ["x0", "", "s"], ["z"], mode="linear", axes=[2, 1]), node("Mul", ["z", "z"], ["y"])],
         [floats(2, 4, 5)], name="resize_axes")
gradient([node("Constant", [], ["r"], value=number([0, 0, -0.2, 0.1, 1, 1, 0.8, 1.3], F32)),
          node("Constant", [], ["s"], value=number([1, 1, 5, 6])),
          node("Resize", ["x0", "r", "", "s"], ["z"], mode="linear", extrapolation_value=0.7,
               coordinate_transformation_mode="tf_crop_and_resize"), node("Mul", ["z", "z"], ["y"])],
         [floats(1, 1, 4, 5)], name="resize_crop")
for p in (1, 2, 3):
    of_node("LpPool", [abs(plane) + 0.2], name=f"_{p}", kernel_shape=[2, 3], p=p, strides=[2, 2], pads=[1, 1, 0, 1])
