"""Cases of com.microsoft, for onnx_contrib.py: CASES are held to ONNX Runtime."""
from onnx_suite import TensorProto, helper, np, run_onnx

random = np.random.default_rng(11)
CASES = []
OPEN = set()  # whose models say nothing of the dims of their results
SHARED = {}  # results that ONNX Runtime wants in the memory of operands
WANTED = {}  # of ops that ONNX Runtime has no kernel for on the CPU: what numpy computes


def floats(*dims, dtype=np.float32):
    return (0.5 * np.asarray(random.standard_normal(dims))).astype(dtype)


def bytes_(*dims, dtype=np.uint8):
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max + 1, dims).astype(dtype)


def u8(value):
    return np.array(value, np.uint8)


def i8(value):
    return np.array(value, np.int8)


def f32(value):
    return np.array(value, np.float32)


def ints(*values, dtype=np.int32):
    return np.array(values, dtype)


class Constant:
    """An operand that is an initializer."""

    def __init__(self, array):
        self.array = array


class Sparse:
    """An operand that is an input of the graph and a sparse tensor; `array` is the dense one."""

    def __init__(self, array):
        self.array = array


def case(op, inputs, constants=(), outputs=1, name="", domain="com.microsoft", step=0, **attributes):
    """One node. `inputs` are arguments, `constants` initializers behind them; None is absent. `outputs`: how many, or
    which of them. `step`: the result is quantized, and may be one code of this size off."""
    operands = [*inputs, *(None if c is None else Constant(c) for c in constants)]
    CASES.append((f"{op.lower()}{name}", op, domain, operands, outputs, step, attributes))


# ---- Activations ----

x3, bias4 = floats(2, 3, 4), floats(4)
for kind in ("Gelu", "QuickGelu", "FastGelu"):
    case(kind, [x3 * 4])
case("QuickGelu", [x3], alpha=0.5, name="_alpha")
case("FastGelu", [x3], [bias4], name="_bias")
case("BiasGelu", [x3], [bias4])
case("BiasGelu", [floats(4), bias4], name="_inputs")
for alpha, scale in ((2.0, ()), (1.0, [f32(0.5)])):
    case("ScaledSiLU", [x3], scale, alpha=alpha, name=f"_{alpha}")
image, window = floats(1, 4, 6, 5), floats(8, 2, 3, 3)
for activation, params in (("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.2]), ("Clip", [-0.25, 0.5]),
                           ("HardSigmoid", [0.3, 0.4])):
    case("FusedConv", [image], [window, floats(8)], activation=activation, group=2, pads=[1, 1, 0, 1],
         **({"activation_params": params} if params else {}), name="_" + activation)
case("FusedConv", [image], [window, floats(8), floats(1, 8, 4, 3)], activation="Relu", group=2, name="_residual")
case("FusedConv", [image], [window], activation="Relu", group=2, strides=[2, 2], auto_pad="SAME_UPPER", name="_same")
a, b = floats(3, 5), floats(5, 4)
for activation, more in (("Relu", {}), ("Tanh", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Sigmoid", {}),
                         ("Selu", {"activation_alpha": 1.5, "activation_gamma": 0.75}),
                         ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}),
                         ("ScaledTanh", {"activation_alpha": 2.0, "activation_beta": 0.5}),
                         ("Celu", {"activation_alpha": 0.5}), ("ThresholdedRelu", {"activation_alpha": 0.5}),
                         ("LeakyRelu", {"activation_alpha": 0.3, "activation_beta": 9.0, "name": "_LeakyRelu_more"})):
    case("FusedGemm", [a], [b, floats(4)], activation=activation, alpha=0.5, beta=2.0,
         **{"name": "_" + activation, **more})
# ONNX Runtime wants all parameters; those that are not there have the usual values, whatever others are.
for activation, more, usual in (("HardSigmoid", {"activation_beta": 0.9}, lambda x: np.clip(0.2 * x + 0.9, 0, 1)),
                                ("Selu", {"activation_gamma": 2.0},
                                 lambda x: 2 * np.where(x > 0, x, 1.6732632 * (np.exp(x) - 1)))):
    case("FusedGemm", [a], [b], activation=activation, name=f"_{activation}_usual", **more)
    WANTED[f"fusedgemm_{activation}_usual"] = [usual(a @ b).astype(np.float32)]
case("FusedGemm", [a.T.copy()], [b.T.copy()], activation="Relu", transA=1, transB=1, name="_turned")

scores = floats(2, 3, 4, 5)
for name, shape, inner, axis in (("", (2, 1, 1, 5), 1, 3), ("_rows", (3, 4, 5), 0, 3), ("_flat", (2, 1, 4, 5), 1, 2)):
    added = floats(*shape)
    case("BiasSoftmax", [scores], [added], axis=axis, is_inner_broadcast=inner, name=name)
    lines = (scores + added).astype(np.float64).reshape(*scores.shape[:axis], -1)
    power = np.exp(lines - lines.max(-1, keepdims=True))
    WANTED["biassoftmax" + name] = [(power / power.sum(-1, keepdims=True)).reshape(scores.shape).astype(np.float32)]
for name, tail in (("", []), ("_all", [floats(2, 3, 4), f32(0.5), np.array(False)])):
    case("BiasDropout", [x3], [bias4, *tail], outputs=2, name=name)
    WANTED["biasdropout" + name] = [x3 + bias4 + (tail[0] if tail else 0), np.ones(x3.shape, bool)]
left, right = floats(2, 3, 2), floats(3, 2)
for op in ("ComplexMul", "ComplexMulConj"):
    case(op, [left, right])
    a, b = left[..., 0] + 1j * left[..., 1], right[..., 0] + 1j * right[..., 1]
    y = a * (b.conj() if op.endswith("Conj") else b)
    WANTED[op.lower()] = [np.stack([y.real, y.imag], -1).astype(np.float32)]

# ---- Norms ----

hidden, g, s = floats(2, 3, 8), floats(8), floats(8)
for name, skip in (("", floats(2, 3, 8)), ("_row", floats(1, 3, 8)), ("_flat", floats(3, 8))):
    case("SkipLayerNormalization", [hidden, skip], [g, s], epsilon=1e-5, name=name)
case("SkipLayerNormalization", [hidden, hidden], [g, s, floats(8)], outputs=(0, 3), name="_bias_sum")
case("SkipLayerNormalization", [hidden, hidden], [g], name="_no_shift")
case("SkipSimplifiedLayerNormalization", [hidden, floats(2, 3, 8)], [g], epsilon=1e-6)
case("SkipSimplifiedLayerNormalization", [hidden, hidden], [g, floats(8)], outputs=(0, 3), name="_bias_sum")
case("SimplifiedLayerNormalization", [hidden], [g], domain="", epsilon=1e-6)
case("SimplifiedLayerNormalization", [hidden], [floats(3, 8)], domain="", axis=1, outputs=2, name="_axis")
ids, segments = random.integers(0, 6, (2, 5)).astype(np.int32), random.integers(0, 2, (2, 5)).astype(np.int32)
tables = [floats(6, 8), floats(7, 8), floats(2, 8)]
case("EmbedLayerNormalization", [ids, segments], [*tables, g, s], outputs=2)
case("EmbedLayerNormalization", [ids], [None, *tables[:2], None, g, s], name="_no_segments", outputs=2, epsilon=1e-5)
mask = ints([1, 1, 1, 0, 0], [1, 1, 1, 1, 1])
case("EmbedLayerNormalization", [ids, segments], [*tables, g, s, mask], outputs=3, name="_mask")
case("EmbedLayerNormalization", [ids, segments], [*tables, g, s, None, ints([4, 3, 2, 1, 0])], outputs=2,
     name="_positions")


def group_norm(x, groups, epsilon, scale, shift, activation):
    """Channels last."""
    split = x.astype(np.float64).reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    y = (split - split.mean(axes, keepdims=True)) / np.sqrt(split.var(axes, keepdims=True) + epsilon)
    y = y.reshape(x.shape) * scale + shift
    return (y / (1 + np.exp(-y)) if activation else y).astype(np.float32)


pixels, gamma, beta, skips = floats(2, 3, 4, 8), floats(8), floats(8), floats(2, 3, 4, 8)
for activation in (0, 1):
    case("GroupNorm", [pixels], [gamma, beta], name=f"_{activation}", groups=2, activation=activation, epsilon=1e-3)
    WANTED[f"groupnorm_{activation}"] = [group_norm(pixels, 2, 1e-3, gamma, beta, activation)]
case("GroupNorm", [pixels.transpose(0, 3, 1, 2).copy()], [gamma, beta], name="_first", groups=4, activation=1,
     channels_last=0)
WANTED["groupnorm_first"] = [group_norm(pixels, 4, 1e-5, gamma, beta, 1).transpose(0, 3, 1, 2).copy()]
for name, skip in (("", skips), ("_row", floats(2, 8)), ("_flat", floats(2, 1, 1, 8))):
    case("SkipGroupNorm", [pixels, Constant(gamma), Constant(beta), skip], [floats(8)], outputs=2, name=name, groups=2,
         activation=1)
    total = pixels + (skip[:, None, None] if skip.ndim == 2 else skip) + CASES[-1][3][-1].array
    WANTED["skipgroupnorm" + name] = [group_norm(total, 2, 1e-5, gamma, beta, 1), total]
filters = floats(6, 3, 2, 4)
case("NhwcConv", [pixels], [filters, floats(6)], group=2, strides=[1, 2], pads=[1, 0, 1, 1])
reference = helper.make_model(helper.make_graph(
    [helper.make_node("Conv", ["x", "w", "b"], ["y"], group=2, strides=[1, 2], pads=[1, 0, 1, 1])], "g",
    [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xwb"],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]), opset_imports=[helper.make_opsetid("", 17)],
    ir_version=9)
planes = {"x": pixels.transpose(0, 3, 1, 2), "w": filters.transpose(0, 3, 1, 2), "b": CASES[-1][3][-1].array}
WANTED["nhwcconv"] = [run_onnx(reference, planes)[0].transpose(0, 2, 3, 1).copy()]

for activation, params, added in (("Relu", [], False), ("LeakyRelu", [0.2], True), ("", [], True)):
    bias, total = floats(6), floats(2, 3, 2, 6)
    more = {"activation": activation, "activation_params": params} if params else {"activation": activation}
    first = filters.transpose(0, 3, 1, 2).copy()
    case("NhwcFusedConv", [pixels], [first, bias, total if added else None], group=2, strides=[1, 2],
         pads=[1, 0, 1, 1], name=f"_{activation}", **more)
    planes["b"] = bias
    y = run_onnx(reference, planes)[0].transpose(0, 2, 3, 1) + (total if added else 0)
    y = np.maximum(y, 0) if activation == "Relu" else np.where(y < 0, 0.2 * y, y) if params else y
    WANTED[f"nhwcfusedconv_{activation}"] = [y.astype(np.float32)]

# ---- Matrix products ----

for name, left, right, attributes in (
        ("", (2, 3, 4), (2, 4, 5), {}), ("_alpha", (3, 4), (4, 5), {"alpha": 0.25}),
        ("_a", (2, 4, 3), (2, 4, 5), {"transA": 1}), ("_b", (2, 3, 4), (2, 5, 4), {"transB": 1, "alpha": 2.0}),
        ("_batch_a", (3, 2, 4), (2, 4, 5), {"transBatchA": 1}),
        ("_batch_both", (4, 2, 3), (5, 2, 4), {"transBatchA": 1, "transA": 1, "transBatchB": 1, "transB": 1}),
        ("_vector", (4,), (4, 5), {})):
    case("FusedMatMul", [floats(*left), floats(*right)], name=name, **attributes)
for kind in (np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64):
    holes = (4 * random.standard_normal((3, 5)) * random.integers(0, 2, (3, 5))).astype(np.int8).astype(kind)
    case("SparseToDenseMatMul", [Sparse(holes), random.integers(0, 9, (5, 4)).astype(kind)], name=f"_{kind.__name__}")
for turned_a, turned_b in ((1, 0), (0, 1), (1, 1)):
    holes, dense = floats(3, 5) * random.integers(0, 2, (3, 5)).astype(np.float32), floats(5, 4)
    case("SparseToDenseMatMul", [Sparse(holes.T if turned_a else holes), dense.T.copy() if turned_b else dense],
         alpha=0.5 + turned_a, transA=turned_a, transB=turned_b, name=f"_turned_{turned_a}_{turned_b}")
case("TransposeMatMul", [floats(4, 3)], [floats(5, 4)], transA=1, transB=1)
qa, qw = bytes_(3, 8), bytes_(8, 5, dtype=np.int8)
for name, left, zero in (("", qa, u8(120)), ("_s8", bytes_(3, 8, dtype=np.int8), i8(-3)), ("_none", qa, None)):
    case("MatMulIntegerToFloat", [left], [qw, f32(0.02), f32(0.01), zero, i8(2)], name=name)
case("MatMulIntegerToFloat", [bytes_(2, 3, 8)],
     [qw, f32(0.02), np.abs(floats(5)), u8(7), i8([1, 2, 3, 4, 5]), floats(5)], name="_columns")
case("DynamicQuantizeMatMul", [floats(3, 8)], [qw, f32(0.02)])
case("DynamicQuantizeMatMul", [floats(2, 3, 8)], [bytes_(8, 5), np.abs(floats(5)), bytes_(5), floats(5)],
     name="_columns")
case("MatMulInteger16", [bytes_(3, 4, dtype=np.int16) // 64, bytes_(4, 2, dtype=np.int16) // 64])
case("QGemm", [qa], [f32(0.02), u8(120), qw, f32(0.01), i8(3), None], name="_float")
case("QGemm", [qa], [f32(0.02), u8(120), qw, f32(0.01), i8(3), ints(5, 6, 7, 8, 9), f32(0.1), u8(100)], step=0.1)
case("QGemm", [qa.T.copy()], [f32(0.02), u8(120), qw.T.copy(), np.abs(floats(5)), i8([1, 0, 2, 3, 1]), None],
     transA=1, transB=1, alpha=0.5, name="_turned")
for bits in (2, 4, 8):
    for k, n, block in ((32, 5, 16), (48, 3, 32)):
        blocks = -(-k // block)
        packed, scales = bytes_(n, blocks, block * bits // 8), np.abs(floats(n, blocks))
        zeros = bytes_(n, -(-blocks * bits // 8))
        name = f"_{bits}_{k}"
        about = {"K": k, "N": n, "bits": bits, "block_size": block}
        case("MatMulNBits", [floats(3, k)], [packed, scales], name=name, **about)
        case("MatMulNBits", [floats(2, 2, k)], [packed, scales, zeros], name=name + "_zeros", **about)
case("MatMulNBits", [floats(3, 32)], [bytes_(4, 2, 8), floats(4, 2), floats(4, 2), None, floats(4)],
     name="_float_zeros", K=32, N=4, bits=4, block_size=16)
for kind in (0, 1):
    case("MatMulBnb4", [floats(3, 32)], [bytes_(32 * 4 // 2), np.abs(floats(32 * 4 // 16))], K=32, N=4, block_size=16,
         quant_type=kind, name=f"_{kind}")
case("MatMulBnb4", [floats(2, 2, 24)], [bytes_(24 * 4 // 2), np.abs(floats(3))], K=24, N=4, block_size=32, quant_type=1,
     name="_across")  # blocks do not end with rows
case("GatherBlockQuantized", [Constant(bytes_(6, 16)), ints([0, 3], [5, -1], dtype=np.int64)],
     [np.abs(floats(6, 2)), bytes_(6, 1)], bits=4, block_size=16, gather_axis=0, quantize_axis=1)

# ---- Quantized tensors ----

qx, qy = bytes_(2, 3, 4, 5), bytes_(2, 3, 4, 5)
for op in ("QLinearAdd", "QLinearMul"):
    case(op, [qx, f32(0.02), u8(100)], [qy, f32(0.03), u8(120), f32(0.04), u8(128)], step=0.04)
    case(op, [bytes_(3, 4, dtype=np.int8), f32(0.02), i8(0)],
         [bytes_(4, dtype=np.int8), f32(0.03), i8(4), f32(0.04), i8(0)], step=0.04, name="_row")
for name, kind in (("", np.uint8), ("_s8", np.int8)):
    zero, of = kind(7), kind(3)
    xs = [bytes_(2, 4, 6, 5, dtype=kind), f32(0.05), np.array(zero), f32(0.04), np.array(of)]
    case("QLinearSigmoid", [xs[0]], xs[1:3] + [f32(1 / 256), np.array(of)], step=1 / 256, name=name)
    case("QLinearLeakyRelu", [xs[0]], xs[1:], alpha=0.2, step=0.04, name=name)
    case("QLinearGlobalAveragePool", [xs[0]], xs[1:], step=0.04, name=name)
    case("QLinearAveragePool", [xs[0]], xs[1:], kernel_shape=[2, 3], pads=[1, 0, 0, 1], strides=[2, 1],
         step=0.04, name=name)
    for opset, axis in ((11, 1), (13, -1), (13, 1)):
        case("QLinearSoftmax", [xs[0]], xs[1:3] + [f32(1 / 256), np.array(of)], opset=opset, axis=axis, step=1 / 256,
             name=f"_{opset}_{axis}{name}")
    case("QLinearConcat", [], [f32(0.1), np.array(of), bytes_(2, 3, dtype=kind), f32(0.05), np.array(zero),
                               bytes_(1, 3, dtype=kind), f32(0.2), np.array(of)], axis=0, step=0.1, name=name)
    case("QLinearWhere", [random.random((2, 3)) < 0.5, bytes_(2, 3, dtype=kind)],
         [f32(0.05), np.array(zero), bytes_(3, dtype=kind), f32(0.04), np.array(of), f32(0.06), np.array(zero)],
         step=0.06, name=name)
for name, axes, keep in (("", [1, 2], 0), ("_kept", [-1], 1), ("_all", None, 0)):
    codes = bytes_(2, 3, 4, 5)
    case("QLinearReduceMean", [codes], [f32(0.05), u8(7), f32(0.04), u8(3)], keepdims=keep, step=0.04, name=name,
         **({"axes": axes} if axes else {}))
    mean = (0.05 * (codes.astype(np.float64) - 7)).mean(axes and tuple(axes), keepdims=bool(keep))
    WANTED["qlinearreducemean" + name] = [(0.04 * np.clip(np.round(mean / 0.04) + 3, 0, 255)).astype(np.float32)]
last = bytes_(2, 6, 5, 4)
case("QLinearGlobalAveragePool", [last], [f32(0.05), u8(7), f32(0.04), u8(3)], channels_last=1, step=0.04, name="_last")
case("QLinearAveragePool", [last], [f32(0.05), u8(7), f32(0.04), u8(3)], channels_last=1, kernel_shape=[2, 2],
     count_include_pad=1, pads=[1, 1, 0, 0], step=0.04, name="_last")
case("QLinearConv", [last], [f32(0.05), u8(7), bytes_(6, 4, 3, 3, dtype=np.int8), np.abs(floats(6)) / 50,
                             np.zeros(6, np.int8), f32(0.1), u8(120), ints(1, 2, 3, 4, 5, 6)], channels_last=1,
     pads=[1, 1, 1, 1], step=0.1, name="_last")
case("NhwcMaxPool", [last], kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 1, 0])
case("NhwcMaxPool", [bytes_(1, 6, 5, 4, dtype=np.int8)], kernel_shape=[2, 2], dilations=[2, 2], name="_s8")
case("QuantizeLinear", [floats(3, 4)], [f32(0.001), np.array(30000, np.uint16)], name="_16")
case("QuantizeLinear", [floats(3, 4)], [np.abs(floats(4)) / 64, bytes_(4, dtype=np.int8)], axis=1, name="_axis")
case("QuantizeLinear", [floats(3, 4)], [f32(0.01)], name="_none")
case("DequantizeLinear", [bytes_(3, 4, dtype=np.uint16)], [f32(0.001), np.array(30000, np.uint16)], name="_16")
case("DequantizeLinear", [bytes_(3, 4, dtype=np.int8)], [np.abs(floats(3)), bytes_(3, dtype=np.int8)], axis=0,
     name="_axis")

# ---- Recurrent layers ----

T, N, I, M = 5, 3, 6, 4  # times, batch, size, hidden


def lstm(name, directions=1, columns=False, kind=np.int8, rest=(), **attributes):
    """`rest`: biases, lengths, h, c, peepholes."""
    def scales(*dims):
        return np.abs(floats(*dims)) / 40 + 0.004

    form = (directions, 4 * M) if columns else (directions,)
    zeros = np.zeros(form, kind) if kind == np.int8 else np.full(form, 128, kind)
    rest = [*rest, *[None] * (5 - len(rest))]
    case("DynamicQuantizeLSTM", [floats(T, N, I)],
         [bytes_(directions, I, 4 * M, dtype=kind), bytes_(directions, M, 4 * M, dtype=kind), *rest,
          scales(*form), zeros, scales(*form), zeros], outputs=3, hidden_size=M, name=name, **attributes)


lstm("")
lstm("_u8", kind=np.uint8, rest=[floats(1, 8 * M)])
lstm("_columns", columns=True, rest=[floats(1, 8 * M)])
lstm("_state", rest=[floats(1, 8 * M), None, floats(1, N, M), floats(1, N, M)])
lstm("_lengths", rest=[floats(1, 8 * M), ints(5, 3, 1)])
lstm("_peepholes", rest=[floats(1, 8 * M), None, None, None, floats(1, 3 * M)])
lstm("_reverse", direction="reverse", rest=[floats(1, 8 * M)])
lstm("_reverse_lengths", direction="reverse", rest=[floats(1, 8 * M), ints(5, 3, 2)])
lstm("_both", directions=2, direction="bidirectional", columns=True, rest=[floats(2, 8 * M)])
lstm("_functions", activations=["HardSigmoid", "Relu", "ScaledTanh"], activation_alpha=[0.3, 0.8],
     activation_beta=[0.4, 0.7], clip=0.9, rest=[floats(1, 8 * M)])
lstm("_forget", input_forget=1, rest=[floats(1, 8 * M)])

# ---- Experts ----

for name, kind, most, more in (("", "relu", 1, {}), ("_gelu", "gelu", 2, {"normalize_routing_weights": 1}),
                               ("_silu", "silu", 2, {}), ("_identity", "identity", 4, {}),
                               ("_swiglu", "swiglu", 2, {"swiglu_fusion": 1, "activation_alpha": 1.702,
                                                         "activation_beta": 1.0, "normalize_routing_weights": 1}),
                               ("_limit", "swiglu", 1, {"swiglu_fusion": 1, "swiglu_limit": 0.3})):
    inner = 24 if kind == "swiglu" else 12
    case("MoE", [floats(5, 8), 3 * floats(5, 4)],
         [floats(4, inner, 8), floats(4, inner), floats(4, 8, 12), floats(4, 8)], k=most, activation_type=kind,
         name=name, **more)
case("MoE", [floats(2, 3, 8), floats(6, 4)], [floats(4, 12, 8), None, floats(4, 8, 12)], k=2, name="_batch")
nowhere = floats(5, 4)
nowhere[1], nowhere[3, 2] = -np.inf, -np.inf
for name, logits in (("_nowhere", nowhere), ("_equal", np.zeros((5, 4), np.float32)),
                     ("_pairs", np.repeat(floats(5, 2), 2, -1))):
    for normalized in (0, 1):
        case("MoE", [floats(5, 8), logits], [floats(4, 12, 8), None, floats(4, 8, 12)], k=3,
             normalize_routing_weights=normalized, name=f"{name}_{normalized}")



def quantized_experts(name, bits=4, block=0, zeros=False, bias=False, given=False, half=False, tokens=(5,), kind="silu",
                      **more):
    """QMoE of 4 experts, 32 columns in, 48 inside."""
    real = np.float16 if half else np.float32
    inside = 96 if kind == "swiglu" else 48
    sizes = ((inside, 32), (32, 48))
    each = [(4, out) + ((width // block,) if block else ()) for out, width in sizes]
    weights = [bytes_(4, out, width * bits // 8) for out, width in sizes]
    scales = [(0.02 + 0.1 * np.abs(floats(*shape))).astype(real) for shape in each]
    packed = [bytes_(*shape[:-1], (shape[-1] * bits + 7) // 8) for shape in each] if zeros else [None, None]
    biases = [floats(4, inside, dtype=real), floats(4, 32, dtype=real)] if bias else [None, None]
    case("QMoE", [floats(*tokens, 32, dtype=real), 3 * floats(int(np.prod(tokens)), 4, dtype=real)],
         [weights[0], scales[0], biases[0], weights[1], scales[1], biases[1], None, None, None, *packed, None,
          np.abs(floats(5, 4, dtype=real)) if given else None], name=name, activation_type=kind,
         expert_weight_bits=bits, **({"block_size": block} if block else {}), **more)


def chosen_experts(name, logits, given=None, **more):
    """QMoE of 4 experts with these logits and shares."""
    quantized_experts(name, given=given is not None, k=3, **more)
    CASES[-1][3][1] = logits
    if given is not None:
        CASES[-1][3][14] = Constant(given)


def bytes_of_experts(operands, block, most):
    """QMoE of 8 bits with relu. ONNX Runtime rounds what it multiplies by to 8 bits too, so numpy has to do."""
    x, logits, *rest = operands
    first, s1, b1, second, s2, b2, _, _, _, z1, z2, *_ = [c.array if c else None for c in rest]
    weights = [(w - np.repeat(z.astype(np.float64), block, -1)) * np.repeat(s, block, -1)
               for w, s, z in ((first, s1, z1), (second, s2, z2))]
    y = np.zeros(x.shape)
    for token, (row, scores_) in enumerate(zip(x, logits)):
        chosen = np.argsort(-scores_)[:most]
        shares = np.exp(scores_[chosen].astype(np.float64))
        for expert, share in zip(chosen, shares / shares.sum()):
            inside = np.maximum(weights[0][expert] @ row + b1[expert], 0)
            y[token] += share * (weights[1][expert] @ inside + b2[expert])
    return [y.astype(np.float32)]


for bits in (2, 4, 8):
    quantized_experts(f"_{bits}", bits, k=2)
    quantized_experts(f"_{bits}_zeros", bits, zeros=True, k=1, weights_prepacked=0)
    quantized_experts(f"_{bits}_blocks", bits, 16, zeros=True, k=2, kind="relu", bias=True)
WANTED["qmoe_8_blocks"] = bytes_of_experts(CASES[-1][3], 16, 2)
quantized_experts("_swiglu", kind="swiglu", bias=True, k=2, swiglu_fusion=1, activation_alpha=1.702,
                  activation_beta=1.0, swiglu_limit=0.7, normalize_routing_weights=1)
quantized_experts("_half", half=True, bias=True, k=2)
quantized_experts("_gelu", block=16, kind="gelu", k=4)
quantized_experts("_given", given=True, kind="identity", k=2)
quantized_experts("_given_normal", given=True, k=3, normalize_routing_weights=1)
quantized_experts("_axes", tokens=(2, 3), k=2)
chosen_experts("_nowhere", nowhere)
any_sign = f32([[.5, -.9, .2, .1], [-.5, .9, .2, .1], [-1, -1, -1, -1], [0, 0, 0, 0], [0, 1e-9, 1, 1]])
for normalized in (0, 1):
    chosen_experts(f"_any_sign_{normalized}", floats(5, 4), any_sign, normalize_routing_weights=normalized)
chosen_experts("_equal", np.zeros((5, 4), np.float32), bias=True)
chosen_experts("_equal_given", np.zeros((5, 4), np.float32), np.abs(any_sign))
chosen_experts("_near", 1e-10 * floats(5, 4))
for kind, width in ((0, 20), (1, 21)):
    for depth, columns in ((64, 5), (80, 7)):
        blocks = columns * ((depth + 31) // 32)
        blob = bytes_(blocks, width)
        blob[:, :4] = (0.01 + 0.1 * np.abs(floats(blocks, 1))).view(np.uint8)
        if kind:
            blob[:, 4] %= 16
        case("MatMulFpQ4", [floats(3, depth)], [blob.ravel(), ints(depth, columns, dtype=np.int64)],
             blk_quant_type=kind, name=f"_{kind}_{depth}")

# ---- Tokens and positions ----

words = random.integers(0, 3, (4, 7)).astype(np.int64)
for size in (1, 2, 3, 8):
    case("NGramRepeatBlock", [words, floats(4, 5)], ngram_size=size, name=f"_{size}")
for axis, size, step in ((1, 2, 1), (-1, 3, 2), (0, 2, 2)):
    CASES.append((f"unfoldtensor_{axis}", "UnfoldTensor", "com.microsoft", [floats(2, 4, 7)], 1, 0,
                  {"dim": axis, "size": size, "step": step}))


def bucket(ahead, both, buckets, most):
    """T5's own way of numbering distances, one at a time."""
    start = 0
    if both:
        buckets //= 2
        start, ahead = (buckets if ahead > 0 else 0), abs(ahead)
    else:
        ahead = max(-ahead, 0)
    if ahead < buckets // 2:
        return start + ahead
    far = buckets // 2 + int(np.log(ahead / (buckets // 2)) / np.log(most / (buckets // 2)) * (buckets - buckets // 2))
    return start + min(far, buckets - 1)


table = floats(16, 3)
for both in (0, 1):
    case("RelativePositionBias", [table, np.array(19, np.int64), np.array(23, np.int64)], is_bidirectional=both,
         max_distance=20, name=f"_{both}")
    places = [[bucket(k - q, both, 16, 20) for k in range(23)] for q in range(19)]
    WANTED[f"relativepositionbias_{both}"] = [table[places].transpose(2, 0, 1)[None].copy()]
query, more, far = floats(2, 5, 12), floats(12), floats(1, 3, 5, 5)
gate_w, gate_b, eco = floats(4, 8), floats(8), floats(1, 3, 1, 1)
case("GatedRelativePositionBias", [query], [more, far, gate_w, gate_b, eco], num_heads=3)
heads = (query + more).reshape(2, 5, 3, 4).transpose(0, 2, 1, 3)
gates = 1 / (1 + np.exp(-(heads @ gate_w + gate_b).reshape(2, 3, 5, 2, 4).sum(-1)))
WANTED["gatedrelativepositionbias"] = [
    ((gates[..., :1] * (gates[..., 1:] * eco - 1) + 2) * far).astype(np.float32)]

# ---- Parts of images ----

regions = f32([[0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], [-0.2, 0.3, 1.3, 0.6], [0.9, 0.8, 0.1, 0.2],
               [0.25, 0.25, 0.75, 0.5]])
for mode in ("bilinear", "nearest"):
    for high, wide in ((4, 5), (1, 1), (7, 9), (3, 1)):
        case("CropAndResize", [floats(2, 3, 7, 9), regions, ints(0, 1, 1, 0, 1)], [ints(high, wide)], mode=mode,
             extrapolation_value=0.5, name=f"_{mode}_{high}_{wide}")
case("CropAndResize", [floats(1, 1, 3, 3), regions, ints(0, 0, 0, 0, 0), ints(2, 3)], name="_sizes")
OPEN.add("cropandresize_sizes")

# ---- Recurrences, and what stands around them ----

line, taps = floats(2, 4, 5), floats(4, 1, 3)
case("CausalConvWithState", [line, taps], outputs=2)
case("CausalConvWithState", [line], [taps, floats(4), floats(2, 4, 2)], outputs=2, activation="silu", name="_past")
case("CausalConvWithState", [line, taps, None, floats(2, 4, 6)], outputs=2, dilation=3, activation="swish",
     name="_dilated")
case("CausalConvWithState", [floats(2, 4, 1)], [taps, floats(4), floats(2, 4, 2)], outputs=2, name="_one")
case("CausalConvWithState", [line], [floats(4, 1, 1)], outputs=2, name="_point")
case("CausalConvWithState", [floats(2, 5, 4)], [taps, floats(4), floats(2, 2, 4)], outputs=2, channels_last=1,
     activation="silu", name="_last")
case("CausalConvWithState", [floats(2, 5, 2, 2)], [taps, None, floats(2, 4, 2, 2)], outputs=2, channels_last=1,
     dilation=2, name="_last_axes")
for name, (heads, keys, states), rule, more in (
        ("", (2, 2, 2), "gated_delta", {}), ("_linear", (2, 2, 2), "linear", {}), ("_gated", (4, 2, 2), "gated", {}),
        ("_delta", (2, 2, 2), "delta", {"scale": 0.3}), ("_more_states", (2, 4, 4), "gated_delta", {}),
        ("_fewer_keys", (2, 2, 4), "gated_delta", {"chunk_size": 16}), ("_one_key", (4, 1, 2), "delta", {})):
    decay, rate = -np.abs(floats(2, 5, states)), np.abs(floats(2, 5, states))
    case("LinearAttention",
         [floats(2, 5, 3 * heads), floats(2, 5, 3 * keys), floats(2, 5, 4 * states),
          None if name else floats(2, states, 3, 4), decay if "gated" in rule else None,
          rate if "delta" in rule else None],
         q_num_heads=heads, kv_num_heads=states, update_rule=rule, outputs=2, name=name, **more)
case("LinearAttention", [floats(1, 3, 6), floats(1, 3, 6), floats(1, 3, 8), floats(1, 2, 3, 4),
                         -np.abs(floats(1, 3, 6)), floats(1, 3, 1)], q_num_heads=2, kv_num_heads=2, outputs=2,
     name="_each_key")


def delta(name, tokens=(6,), heads=2, states=4, decay=(4,), gate=(), half=False, packed=False, rule="gated_delta",
          bounds=None, **more):
    """GatedDeltaNet of a batch of 2, of heads of 3 keys and 5 values."""
    kind = np.float16 if half else np.float32
    projections = [floats(*tokens, 6 * heads + 5 * states, dtype=kind), None, None] if packed else [
        floats(*tokens, heads, 3, dtype=kind), floats(*tokens, heads, 3, dtype=kind),
        floats(*tokens, states, 5, dtype=kind)]
    gates = [-np.abs(floats(*tokens, *decay)) if "gated" in rule else None,
             np.abs(floats(*tokens, states)) if "delta" in rule else None]
    bounds = None if bounds is None else ints(*bounds)
    case("GatedDeltaNet", [*projections, bounds, *gates, floats(2, states, 5, 3), *gate], outputs=2, name=name,
         update_rule=rule, **more)


delta("")
delta("_pairs", tokens=(2, 3), scale=0.4)
delta("_packed", packed=True)
delta("_packed_pairs", packed=True, tokens=(2, 3), qk_l2_norm=1)
delta("_each_key", decay=(4, 3), qk_l2_norm=1)
delta("_softplus", gate=(floats(4), floats(4)), gate_activation="softplus", beta_activation="sigmoid")
delta("_bounded", gate=(floats(4), floats(12)), decay=(4, 3), gate_activation="kda", gate_lower_bound=-2.0)
delta("_bounded_heads", gate=(floats(4), floats(4)), decay=(4, 3), gate_activation="sigmoid")
delta("_bounded_pairs", gate=(floats(4), floats(4, 3)), decay=(4, 3), gate_activation="sigmoid")
delta("_half", half=True, qk_l2_norm=1)
delta("_lengths", bounds=(0, 2, 6))
delta("_lengths_packed", bounds=(0, 5, 6), packed=True, qk_l2_norm=1, beta_activation="sigmoid")
delta("_lengths_softplus", bounds=(0, 1, 6), gate=(floats(4), floats(4)), gate_activation="softplus")
delta("_lengths_linear", bounds=(0, 3, 6), rule="linear", heads=4)
delta("_linear", rule="linear", heads=4)
delta("_gated", rule="gated")
delta("_delta", rule="delta", heads=1)

for name, scale, activation in (("", 8, "silu"), ("_heads", 4, "sigmoid"), ("_swish", 2, "swish")):
    case("GatedRMSNorm", [floats(2, 3, 8)], [floats(scale)], name=name, activation=activation, epsilon=1e-3)
    CASES[-1][3].append(floats(2, 3, 8))
case("GatedRMSNorm", [floats(2, 3, 8, dtype=np.float16), Constant(floats(4, dtype=np.float16)),
                      floats(2, 3, 8, dtype=np.float16)], name="_half")
for name, scale, branches in (("", (8,), 0), ("_none", None, 0), ("_all", (3, 8), 0), ("_line", (24,), 0),
                              ("_flat", (4,), 2), ("_flat_all", (2, 4), 2), ("_flat_line", (8,), 2)):
    case("BranchwiseRMSNorm", [floats(2, 3, 8)], [floats(*scale)] if scale else [], name=name, epsilon=1e-3,
         **({"num_branches": branches} if branches else {}))
case("LinearAttentionGate", [floats(2, 3, 4)], [floats(4), floats(4)])
case("LinearAttentionGate", [floats(2, 3, 4), floats(4), floats(4), floats(2, 3, 4)], outputs=2, name="_rate")
case("LinearAttentionGate", [floats(2, 3, 4, dtype=np.float16), floats(4), floats(4),
                             floats(2, 3, 4, dtype=np.float16)], outputs=2, name="_half")
case("GatedAdd", [floats(2, 3, 4), floats(2, 3, 4), floats(2, 3, 1)])
