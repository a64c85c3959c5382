"""Cases for the versions of operators that neither ONNX's own suite nor onnx_opsets.py has one of. `tools/conformance
--rows` lists what is left. Random operators have graphs that test their distribution, of which each result is true."""
from onnx_cases import TensorProto, case, floats, graph_case, helper, ints, np, onnx, random

x3, image = floats(2, 3, 4), floats(1, 2, 5, 7)
column, row = floats(3), floats(4)
truths = random.integers(0, 2, (2, 3, 4)).astype(bool)


def opset_of(op, since):
    """An opset that has this version of the operator: 7 where it can be, as ONNX Runtime knows none below."""
    newer = max(since, 7)
    return newer if onnx.defs.get_schema(op, newer, "").since_version == since else since


def version(since, op, inputs, constants=(), **options):
    case(opset_of(op, since), op, inputs, constants, **options)


# ---- Elementwise ----

unit, positive = np.clip(x3 / 4, -0.9, 0.9), abs(x3) + np.float32(1.1)
old = {
    "Ceil": np.ceil, "Elu": lambda x: np.where(x < 0, np.expm1(x), x), "Floor": np.floor,
    "HardSigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1), "LeakyRelu": lambda x: np.where(x < 0, 0.01 * x, x),
    "Log": np.log, "Reciprocal": np.reciprocal, "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}
for op, function in old.items():
    x = positive if op in ("Log", "Sqrt", "Reciprocal") else x3
    version(1, op, [x], consumed_inputs=[0], want=[function(x).astype(np.float32)])
for since, ops in {6: "Ceil Floor HardSigmoid Log Reciprocal", 7: "Acos Asin Atan Sin Tan", 9: "Asinh Cosh Erf Sinh",
                   1: "Softsign GlobalMaxPool Shape Size", 12: "Celu", 14: "HardSwish", 18: "Mish",
                   10: "ThresholdedRelu", 13: "Relu", 11: "Hardmax",
                   21: "Transpose Size Identity ConstantOfShape", 24: "Size"}.items():
    for op in ops.split():
        x = positive if op == "Log" else unit if op in ("Acos", "Asin") else image if op == "GlobalMaxPool" else x3
        version(since, op, [ints(2, 3)] if op == "ConstantOfShape" else [x])
version(9, "Acosh", [positive])
version(9, "Atanh", [unit])
version(14, "Identity", [x3])
odd = np.float32([1, np.nan, -np.inf, np.inf, 0])
version(9, "IsNaN", [odd])
version(13, "IsNaN", [odd])
version(10, "IsInf", [odd], detect_negative=0)
for op, function in (("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)):
    version(1, op, [truths, truths[0, :, 0]], broadcast=1, axis=1, want=[function(truths, truths[0, :, :1])])
whole = random.integers(0, 3, (2, 3, 4)).astype(np.int32)
version(1, "Equal", [whole, whole[0, :, 0]], broadcast=1, axis=1, want=[whole == whole[0, :, :1]])
version(1, "Greater", [x3, column], broadcast=1, axis=1, want=[x3 > column[:, None]])
for since in (7, 11):
    version(since, "Equal", [whole, whole[0, :, :1]])
for since in (7, 9):
    version(since, "Greater", [x3, row])
    version(since, "Less", [x3, row])
    version(since, "PRelu", [x3, column[:, None]])
for op in ("GreaterOrEqual", "LessOrEqual"):
    version(12, op, [x3, row])
version(13, "Mul", [x3, row])
version(10, "Mod", [whole, whole + 1])
version(12, "Clip", [x3], [np.float32(-0.5), np.float32(0.5)])
version(21, "CastLike", [x3 * 10], [ints(1)])
texts = np.array([["0.1", "-3", "1e-5", "1E8"], ["INF", "+inf", "-INF", "NaN"], ["314.15926", ".5", "1e39", "16777217"]],
                 dtype=object)
wholes = np.array(["0", "-7", "2147483647", "00100", "+5"], dtype=object)
wide = np.float64([0.1, -314.15926, 1e-5, 123456789, 2.5e300, np.inf, -np.inf, np.nan, -0.0, 5e-324])
plain = np.float32([0.5, -3.25, 1000.125, 0])
for since in (9, 13, 19, 21, 23, 24, 25, 28):
    version(since, "Cast", [texts], to=TensorProto.FLOAT, name="_from_text")
    version(since, "Cast", [wholes], to=TensorProto.INT64, name="_from_text_whole")
    version(since, "Cast", [wide if since < 28 else plain], to=TensorProto.STRING, name="_to_text")
for since in (15, 19, 21, 23, 24, 25):
    version(since, "CastLike", [plain.astype(np.int32)], [texts], name="_to_text")
    version(since, "CastLike", [wholes], [np.int16([1])], name="_from_text")
for kind in (np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16):
    some = np.array([0, 1, 100], dtype=kind)
    to = helper.np_dtype_to_tensor_dtype(some.dtype)
    version(13, "Cast", [some], to=TensorProto.STRING, name=f"_{some.dtype}_to_text")
    version(13, "Cast", [np.array(["0", " 1", "100.7"], dtype=object)], to=to, name=f"_{some.dtype}_from_text")
case(12, "Constant", [], value_floats=[1.5, -2.0])
for op, function in (("Max", np.maximum), ("Min", np.minimum)):
    version(1, op, [x3, -x3], consumed_inputs=[0, 0], want=[function(x3, -x3)])
    version(12, op, [x3, row])
for since in (1, 6):
    old_only = {"consumed_inputs": [0, 0]} if since == 1 else {}
    case(since, "Mean", [x3, 2 * x3], want=[1.5 * x3], **old_only)

# ---- Sums and choices ----

for since in (1, 11, 13, 18):
    version(since, "ReduceLogSum", [positive], *([[ints(1)]] if since == 18 else []),
            **({} if since == 18 else {"axes": [1]}))
for op in ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMin", "ReduceProd", "ReduceSumSquare"):
    version(13, op, [x3], axes=[-1], keepdims=0)
for op in ("ReduceMax", "ReduceMin"):
    version(12, op, [whole.astype(np.int8)], axes=[1])
version(1, "ArgMin", [x3], axis=1)
version(11, "ArgMin", [x3], axis=-1, keepdims=0)
for op in ("ArgMax", "ArgMin"):
    version(12, op, [np.float32([[1, 2, 2], [0, 0, 3]])], axis=1, select_last_index=1)
boxes = np.sort(abs(floats(1, 12, 4)).reshape(1, 12, 2, 2), 2).reshape(1, 12, 4)
version(10, "NonMaxSuppression", [boxes, abs(floats(1, 2, 12))], [ints(4), np.float32([0.3]), np.float32([0.2])])

# ---- Moves ----

version(11, "Compress", [x3], [np.array([True, False, True])], axis=-2)
version(11, "Concat", [x3, -x3], axis=-2)
version(11, "Gather", [x3], [np.array([[0, -1]])], axis=-2)
version(11, "GatherElements", [x3], [np.array([[[0, 1, -1, 2]], [[2, 0, 0, 1]]])], axis=-2)
version(11, "GatherND", [x3], [np.array([[1, 2], [0, -1]])])
version(12, "GatherND", [x3], [np.array([[2], [-1]])], batch_dims=1)
version(11, "ScatterElements", [x3, np.array([[[0, 1, 0, -1]]]), floats(1, 1, 4)], axis=1)
version(16, "ScatterElements", [x3, np.array([[[0, 1, 0, -1]]]), floats(1, 1, 4)], axis=1, reduction="add")
for since in (11, 13):
    version(since, "ScatterND", [x3, np.array([[[1, 2], [0, 0], [-1, 1]]]), floats(1, 3, 4)])
version(16, "ScatterND", [x3, np.array([[[1, 2], [0, 0], [-1, 1]]]), floats(1, 3, 4)], reduction="mul")
for since in (1, 13):
    version(since, "SpaceToDepth", [floats(1, 2, 4, 6)], blocksize=2)
version(1, "Split", [x3], outputs=2, axis=2, split=[1, 3], want=[x3[:, :, :1], x3[:, :, 1:]])
for since in (21, 23, 24):
    version(since, "Flatten", [x3], axis=2)
for since in (13, 19, 21, 23):
    version(since, "Pad", [image], [ints(0, 0, 1, 2, 0, 0, 3, 0), np.float32(2)])
version(19, "Pad", [image], [ints(0, 0, 1, 2, 0, 0, 3, 1)], mode="wrap", name="_wrap")

# ---- Windows and layers ----

version(11, "Conv", [image], [floats(3, 2, 3, 2)], pads=[1, 0, 1, 1], strides=[2, 1])
version(19, "DeformConv", [image, floats(3, 2, 2, 2), floats(1, 8, 4, 6)], kernel_shape=[2, 2])
version(20, "GridSample", [image, floats(1, 4, 3, 2)], mode="linear", padding_mode="border")
version(1, "GlobalLpPool", [abs(image)], p=2.0, want=[np.sqrt((image**2).sum((2, 3), keepdims=True))])
version(1, "InstanceNormalization", [image], [floats(2), floats(2)], epsilon=0.25, consumed_inputs=[0, 0, 0],
        as_of=(7, ["consumed_inputs"]))
version(22, "MaxRoiPool", [image, np.float32([[0, 0, 0, 4, 3], [0, 1, 1, 6, 4]])], pooled_shape=[2, 3],
        as_of=(7, []))
version(9, "MaxUnpool", [floats(1, 1, 2, 2), ints(5, 7, 13, 15).reshape(1, 1, 2, 2)], kernel_shape=[2, 2],
        strides=[2, 2])
for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
    weights = [floats(1, gates * 6, 4), floats(1, gates * 6, 6)]
    for since in (1, 3) if op == "GRU" else (1,):
        version(since, op, [floats(5, 3, 4)], weights, outputs=2, hidden_size=6, output_sequence=1,
                as_of=(7, ["output_sequence"]))
for since in (24, 25):
    version(since, "QuantizeLinear", [x3], [np.float32([0.1, 0.2, 0.05]), np.int8([0, 3, -4])], axis=1)
    version(since, "DequantizeLinear", [np.arange(24, dtype=np.int8).reshape(2, 3, 4)],
            [np.float32([0.1, 0.2, 0.05]), np.int8([0, 3, -4])], axis=1)

# ---- Control flow and optionals ----

for opset in (7, 21, 23, 24, 25):
    for given in (True, False):
        graph_case(f"if_{given}".lower(), opset, """g (float[2,3,4] x, bool c) => (float[2,3,4] y) {
            y = If (c) <then_branch = a () => (float[2,3,4] t) { t = Exp(x) },
                        else_branch = b () => (float[2,3,4] t) { t = Neg(x) }> }""", [x3, np.array(given)])
for opset in (7, 19, 21, 23, 24):
    graph_case("loop", opset, """g (float[2,3,4] x, int64 n, bool c) => (float[2,3,4] y, float[K,2,3,4] all) {
        y, all = Loop (n, c, x) <body = b (int64 i, bool go, float[2,3,4] v)
                                   => (bool more, float[2,3,4] w, float[2,3,4] s) {
            f = Cast <to = 1> (i)
            w = Add(v, f)
            s = Mul(w, x)
            more = Identity(go) }> }""", [x3, np.array(3), np.array(True)])
for opset in (11, 16, 19, 21, 23, 24):
    graph_case("scan", opset, """g (float[3] start, float[5,3] x) => (float[3] last, float[3,5] all) {
        last, all = Scan <num_scan_inputs = 1, scan_output_axes = [-1], body = b (float[3] v, float[3] p)
                                                                         => (float[3] w, float[3] s) {
            w = Add(v, p)
            s = Mul(w, p) }> (start, x) }""", [column, floats(5, 3)])
for opset in (18, 28):
    graph_case("optional", opset, """g (float[3] x) => (float[3] y, bool b) {
        o = Optional(x)
        y = OptionalGetElement(o)
        b = OptionalHasElement(o) }""", [column], want=[column, np.array(True)])

# ---- Random values: from seeds, tested by their distributions, five standard deviations wide ----

MOMENTS = """
    mean = ReduceMean <keepdims = 0> (x)
    centred = Sub(x, mean)
    square = Mul(centred, centred)
    variance = ReduceMean <keepdims = 0> (square)
    below = Less(x, limit)
    share_f = Cast <to = 1> (below)
    share = ReduceMean <keepdims = 0> (share_f)
    found = Concat <axis = 0> (m1, v1, s1)
    difference = Sub(found, want)
    apart = Abs(difference)
    fits = Less(apart, bound)
    same_as_again = Equal(x, again)
    same_f = Cast <to = 1> (same_as_again)
    same = ReduceMin <keepdims = 0> (same_f)
    other_as_well = Equal(x, other)
    other_f = Cast <to = 1> (other_as_well)
    repeated = ReduceMean <keepdims = 0> (other_f)
    is_same = Greater(same, half)
    is_other = Less(repeated, half)
"""


def drawn(name, opset, node, like, want, bound, limit):
    """`node`, with %s for its seed, gives 20,000 numbers of that mean, variance and share below `limit`, the same again
    from the same seed, others from another one."""
    lines = MOMENTS.replace("Concat <axis = 0> (m1, v1, s1)", "Concat <axis = 0> (mean_1, variance_1, share_1)")
    flat = "".join(f"    {part}_1 = Reshape({part}, one)\n" for part in ("mean", "variance", "share"))
    lines = lines.replace("    found =", flat + "    found =")
    numbers = ", ".join(map(str, want)), ", ".join(map(str, bound))
    given = ", float[100,200] like" if like else ""
    graph_case(name, opset, f"""g (float limit{given}) => (bool[3] fits, bool is_same, bool is_other)
        <int64[1] one = {{1}}, float half = {{0.5}}, float[3] want = {{{numbers[0]}}},
         float[3] bound = {{{numbers[1]}}}> {{
    x = {node % 7.0}
    again = {node % 7.0}
    other = {node % 8.0}
{lines} }}""", [np.float32(limit), *([np.zeros((100, 200), np.float32)] if like else [])],
               want=[np.array([True] * 3), np.array(True), np.array(True)])


for opset in (17, 22):
    normal = ([2.0, 9.0, 0.84134], [0.107, 0.45, 0.0130], 5.0)
    uniform = ([1.0, 1.33333, 0.25], [0.041, 0.0423, 0.0154], 0.0)
    drawn("random_normal", opset, "RandomNormal <shape = [100, 200], mean = 2.0, scale = 3.0, seed = %s> ()", False,
          *normal)
    drawn("random_normal_like", opset, "RandomNormalLike <mean = 2.0, scale = 3.0, seed = %s> (like)", True, *normal)
    drawn("random_uniform", opset, "RandomUniform <shape = [100, 200], low = -1.0, high = 3.0, seed = %s> ()", False,
          *uniform)
    drawn("random_uniform_like", opset, "RandomUniformLike <low = -1.0, high = 3.0, seed = %s> (like)", True, *uniform)
    graph_case("multinomial", opset, """g (float[1,3] weight) => (bool[3] fits)
        <int64[3,1] classes = {0, 1, 2}, float[3] want = {0.5, 0.2, 0.3}, float[3] bound = {0.018, 0.015, 0.017}> {
        shares = Log(weight)
        x = Multinomial <sample_size = 20000, dtype = 7, seed = 3.0> (shares)
        hit = Equal(x, classes)
        hit_f = Cast <to = 1> (hit)
        found = ReduceMean <axes = [1], keepdims = 0> (hit_f)
        difference = Sub(found, want)
        apart = Abs(difference)
        fits = Less(apart, bound) }""".replace(
            "ReduceMean <axes = [1], keepdims = 0> (hit_f)",
            "ReduceMean <axes = [1], keepdims = 0> (hit_f)" if opset < 18 else
            "ReduceMean <keepdims = 0> (hit_f, along)"
        ).replace("<int64[3,1]", "<int64[1] along = {1}, int64[3,1]" if opset >= 18 else "<int64[3,1]"),
        [np.float32([[0.5, 0.2, 0.3]])], want=[np.array([True] * 3)])
for opset in (15, 22):
    graph_case("bernoulli", opset, """g (float[100,200] p) => (bool fits, bool whole)
        <float want = {0.3}, float bound = {0.0163}, float one = {1.0}, float half = {0.5}> {
        x = Bernoulli <seed = 5.0> (p)
        mean = ReduceMean <keepdims = 0> (x)
        difference = Sub(mean, want)
        apart = Abs(difference)
        fits = Less(apart, bound)
        rest = Sub(one, x)
        product = Mul(x, rest)
        size = Abs(product)
        most = ReduceMax <keepdims = 0> (size)
        whole = Less(most, half) }""", [np.full((100, 200), 0.3, np.float32)], want=[np.array(True), np.array(True)])
for opset in (12, 13, 22):
    graph_case("dropout_training", opset, """g (float[100,200] v, bool training) => (bool fits, bool scaled)
        <float ratio = {0.25}, float bound = {0.0154}, float kept = {0.75}, float none = {0.0}, float tiny = {1e-5}> {
        y, mask = Dropout <seed = 5> (v, ratio, training)
        mask_f = Cast <to = 1> (mask)
        mean = ReduceMean <keepdims = 0> (mask_f)
        difference = Sub(mean, kept)
        apart = Abs(difference)
        fits = Less(apart, bound)
        larger = Div(v, kept)
        meant = Mul(larger, mask_f)
        error = Sub(y, meant)
        size = Abs(error)
        most = ReduceMax <keepdims = 0> (size)
        scaled = Less(most, tiny) }""", [floats(100, 200), np.array(True)], want=[np.array(True), np.array(True)])
# The inverse transform, of which the suite stores what rounding left where zeros are.
spectrum = np.stack((np.arange(100, dtype=np.float32).reshape(10, 10), np.zeros((10, 10), np.float32)), 2)[None]
inverse = np.fft.ifft(spectrum[..., 0].astype(np.float64), axis=1)
for opset, axis in ((19, None), (20, 1)):
    options = {"axis": 1} if axis is None else {}
    case(opset, "DFT", [spectrum], [] if axis is None else [None, np.array(axis)], inverse=1, name="_inverse_zeros",
         want=[np.stack((inverse.real, inverse.imag), -1).astype(np.float32)], **options)
