"""Ops in the forms of old opsets, imported and run on the reference, against ONNX Runtime, and before opset 7, which it
does not read, against numpy; then a case for each version of an operator that ONNX's own suite has none of
(onnx_versions.py).

Makes a case folder per form (model.onnx, test_data_set_0 with what ONNX Runtime computes) and runs
test/conformance's onnx_node over them.

    onnx_opsets.py [--keep]        --keep leaves the cases in <build>/test/onnx_opsets
    onnx_opsets.py --target=NAME   compiled, those of onnx_versions.py
    onnx_opsets.py --write=FOLDER  writes the cases there and runs nothing
"""
import sys

from onnx_cases import CASES, TensorProto, case, floats, helper, ints, main, np, random

x3 = floats(2, 3, 4)
image = floats(1, 2, 5, 7)

for opset in (7, 9, 11, 12):
    case(opset, "Softmax", [x3])
    case(opset, "Softmax", [x3], axis=0, name="_all")
    case(opset, "Softmax", [x3], axis=2, name="_last")
    case(opset, "LogSoftmax", [x3], name="_rows")
case(11, "Softmax", [x3], axis=-2, name="_negative")
for opset in (13, 17, 22):
    case(opset, "Softmax", [x3], axis=1)
    case(opset, "LogSoftmax", [x3], axis=0)

for opset in (7, 11):
    case(opset, "Squeeze", [floats(1, 3, 1, 4)], axes=[0, 2])
    case(opset, "Squeeze", [floats(1, 3, 1, 4)], name="_all")
    case(opset, "Unsqueeze", [x3], axes=[0, 3])
case(13, "Squeeze", [floats(1, 3, 1, 4)], [ints(-2)])
case(13, "Unsqueeze", [x3], [ints(-1, 0)])

for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
           "ReduceSumSquare", "ReduceLogSumExp", "ReduceSum"):
    for opset in (7, 11):
        case(opset, op, [x3], axes=[1])
        case(opset, op, [x3], axes=[0, 2], keepdims=0, name="_two")
        case(opset, op, [x3], name="_all")
    case(18, op, [x3], [ints(-1)])
case(13, "ReduceSum", [x3], [ints(1)])
case(13, "ReduceMean", [x3], axes=[-1])

case(7, "Slice", [x3], starts=[0, 1], ends=[2, 100], axes=[0, 2])
case(9, "Slice", [x3], starts=[0, -3], ends=[1, -1])
case(10, "Slice", [x3], [ints(3, 2), ints(0, 0), ints(2, 1), ints(-1, -2)])
case(13, "Slice", [x3], [ints(1), ints(2**62), ints(-1)])

for opset in (7, 10):
    case(opset, "Pad", [image], pads=[0, 0, 1, 2, 0, 0, 3, 0], value=1.5)
    case(opset, "Pad", [image], pads=[0, 0, 1, 2, 0, 0, 3, 0], mode="reflect", name="_reflect")
    case(opset, "Pad", [image], pads=[0, 0, 1, 2, 0, 0, 3, 0], mode="edge", name="_edge")
case(11, "Pad", [image], [ints(0, 0, 1, 2, 0, 0, 3, 0), np.float32(2)])
case(18, "Pad", [image], [ints(1, 2), None, ints(3)], mode="edge")

for opset in (7, 11):
    case(opset, "Split", [floats(2, 6)], outputs=3, axis=1)
    case(opset, "Split", [floats(2, 6)], outputs=2, axis=1, split=[2, 4], name="_parts")
case(13, "Split", [floats(2, 6)], outputs=2, axis=-1)
case(13, "Split", [floats(2, 6)], [ints(5, 1)], outputs=2, axis=1, name="_parts")
case(18, "Split", [floats(2, 7)], outputs=3, axis=1, num_outputs=3)

for opset in (7, 10):
    case(opset, "Clip", [x3], min=-0.5, max=0.5)
    case(opset, "Clip", [x3], max=0.25, name="_max")
case(11, "Clip", [x3], [np.float32(-0.1)])
case(13, "Clip", [x3], [None, np.float32(0.1)])

for opset in (7, 10, 12, 13):
    case(opset, "Dropout", [x3])
for opset in (7, 9, 14, 15):
    case(opset, "BatchNormalization", [image], [floats(2), floats(2), floats(2), abs(floats(2))],
         epsilon=0.01)

scales = np.array([1, 1, 2, 3], np.float32)
down = np.array([1, 1, 0.5, 0.6], np.float32)
case(7, "Upsample", [image], scales=[1.0, 1.0, 2.0, 3.0])
case(7, "Upsample", [image], scales=[1.0, 1.0, 2.0, 3.0], mode="linear", name="_linear")
case(9, "Upsample", [image], [scales])
case(9, "Upsample", [image], [scales], mode="linear", name="_linear")
case(10, "Resize", [image], [scales])
case(10, "Resize", [image], [down], name="_down")
case(10, "Resize", [image], [scales], mode="linear", name="_linear")
case(10, "Resize", [image], [down], mode="linear", name="_down_linear")
none = np.zeros(0, np.float32)
for opset in (11, 12):
    case(opset, "Resize", [image], [none, scales])
    case(opset, "Resize", [image], [none, scales], mode="linear", name="_linear",
         coordinate_transformation_mode="align_corners")
    case(opset, "Resize", [image], [none, none, ints(1, 2, 9, 5)], mode="linear", name="_sizes",
         coordinate_transformation_mode="pytorch_half_pixel")
    case(opset, "Resize", [image], [none, scales], name="_asymmetric", nearest_mode="floor",
         coordinate_transformation_mode="asymmetric")
    for rounding in ("floor", "round_prefer_floor"):
        case(opset, "Resize", [image], [none, np.array([1, 1, 2, 0.6], np.float32)], name="_half_nn_" + rounding,
             nearest_mode=rounding, coordinate_transformation_mode="tf_half_pixel_for_nn")
for opset in (13, 18, 19):
    case(opset, "Resize", [image], [None, None, ints(1, 2, 3, 9)], mode="linear")
    case(opset, "Resize", [image], [None, scales], mode="cubic", name="_cubic")

for opset in (8, 13):
    for op in ("Max", "Min", "Sum"):
        case(opset, op, [x3])
        case(opset, op, [x3, floats(3, 1)], name="_two")
        case(opset, op, [x3, floats(3, 1), floats(4)], name="_three")

case(20, "Gelu", [x3])
case(20, "Gelu", [x3], approximate="tanh", name="_tanh")
case(9, "ConstantOfShape", [], [ints(2, 3)])
case(9, "ConstantOfShape", [], [ints(2, 3)], name="_i64",
     value=helper.make_tensor("", TensorProto.INT64, [1], [-3]))
case(9, "ConstantOfShape", [], [ints(2, 3)], name="_large",
     value=helper.make_tensor("", TensorProto.INT64, [1], [2**62 + 1]))
case(9, "ConstantOfShape", [], [ints(2)], name="_bool",
     value=helper.make_tensor("", TensorProto.BOOL, [1], [True]))
for opset in (7, 9, 13, 19):
    case(opset, "Cast", [x3 * 10], to=TensorProto.INT32)
for opset in (7, 10, 11, 19, 22):
    case(opset, "AveragePool", [image], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    case(opset, "AveragePool", [image], kernel_shape=[2, 2], auto_pad="SAME_UPPER", name="_same",
         count_include_pad=1)
for opset in (8, 10, 11, 12, 22):
    case(opset, "MaxPool", [image], kernel_shape=[3, 2], strides=[2, 2])
case(10, "MaxPool", [image], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, name="_ceil")
for opset in (7, 9, 11, 13):
    case(opset, "Gemm", [floats(3, 4), floats(5, 4)], [floats(5)], transB=1, alpha=0.5, beta=2.0)
case(11, "Gemm", [floats(3, 4), floats(4, 5)], name="_no_c")
for opset in (7, 9, 11, 13):
    case(opset, "Flatten", [x3], axis=2)
    case(opset, "MatMul", [floats(2, 3, 4), floats(4, 5)])
for opset in (11, 13):
    case(opset, "DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2, mode="CRD")
    case(opset, "ArgMax", [x3], axis=-1, keepdims=0)
case(7, "DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2)
blocks = floats(2, 3, 4, 6)
parts = blocks.reshape(2, 3, 2, 2, 3, 2)
case(28, "SpaceToDepth", [blocks], blocksize=2, mode="CRD", name="_crd",
     want=[parts.transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 2, 3)])
case(28, "SpaceToDepth", [blocks], blocksize=2, want=[parts.transpose(0, 3, 5, 1, 2, 4).reshape(2, 12, 2, 3)])
case(7, "ArgMax", [x3], axis=1)
case(7, "Pow", [abs(x3), np.float32([2])])
case(12, "Pow", [abs(x3), np.int32([2])])

bytes_scale, bytes_zero = np.float32(0.05), np.uint8(117)
for opset in (10, 13, 19, 21, 23):
    case(opset, "QuantizeLinear", [x3], [bytes_scale, bytes_zero])
    case(opset, "DequantizeLinear", [np.arange(24, dtype=np.uint8).reshape(2, 3, 4)],
         [bytes_scale, bytes_zero])
for opset in (13, 19, 21, 23):
    case(opset, "QuantizeLinear", [x3], [np.float32([0.1, 0.2, 0.05]), np.int8([0, 3, -4])], axis=1,
         name="_axis")
    case(opset, "DequantizeLinear", [np.arange(24, dtype=np.int8).reshape(2, 3, 4)],
         [np.float32([0.1, 0.2, 0.05]), np.int8([0, 3, -4])], axis=1, name="_axis")
case(21, "DequantizeLinear", [np.arange(24, dtype=np.int8).reshape(2, 3, 4)],
     [abs(floats(2, 3, 2)), random.integers(-5, 5, (2, 3, 2)).astype(np.int8)], axis=2,
     block_size=2, name="_blocks")

# ---- Ops that others say, or that have a row since; ONNX Runtime sees what the importer says with several ----

weights = floats(2, 3, 3, 2)
for opset in (7, 11, 22):
    case(opset, "ConvTranspose", [image], [weights])
    case(opset, "ConvTranspose", [image], [weights, floats(3)], name="_strides", strides=[2, 3], pads=[1, 0, 0, 2],
         output_padding=[1, 2])
    case(opset, "ConvTranspose", [image], [weights], name="_dilations", dilations=[2, 3], strides=[3, 1])
    case(opset, "ConvTranspose", [image], [weights], name="_group", group=2, strides=[2, 2])
    case(opset, "ConvTranspose", [image], [weights], name="_upper", auto_pad="SAME_UPPER", strides=[2, 2])
    case(opset, "ConvTranspose", [image], [weights], name="_lower", auto_pad="SAME_LOWER", strides=[2, 2])
    case(opset, "ConvTranspose", [image], [weights], name="_shape", output_shape=[10, 15], strides=[2, 2])
    case(opset, "ConvTranspose", [image], [weights], name="_cut", pads=[3, 2, 4, 2], strides=[2, 2])
for bias in ([], [floats(3)]):  # phases without taps: of a divisor of stride and dilation, and past the kernel's end
    with_bias = "_bias" * len(bias)
    case(11, "ConvTranspose", [image], [weights, *bias], name="_divisor" + with_bias, dilations=[2, 4], strides=[2, 2],
         pads=[1, 0, 0, 2], output_padding=[1, 1])
    case(11, "ConvTranspose", [image], [weights, *bias], name="_apart" + with_bias, dilations=[3, 2], strides=[2, 5])
    case(11, "ConvTranspose", [image], [weights, *bias], name="_both" + with_bias, dilations=[6, 4], strides=[4, 6],
         pads=[2, 3, 1, 0], output_padding=[3, 1])
    case(11, "ConvTranspose", [image], [weights, *bias], name="_beyond" + with_bias, strides=[5, 3], pads=[1, 0, 0, 1])
    case(11, "ConvTranspose", [floats(2, 4, 3, 2)], [floats(4, 3, 2, 3), *([floats(6)] if bias else [])],
         name="_groups" + with_bias, group=2, strides=[3, 2], dilations=[1, 2])
case(11, "ConvTranspose", [floats(1, 8, 5)], [floats(8, 3, 4), floats(6)], group=2, strides=[3], dilations=[2],
     name="_line_groups")
case(11, "ConvTranspose", [floats(1, 2, 3, 4, 5)], [floats(2, 3, 2, 3, 2), floats(3)], strides=[2, 1, 3],
     dilations=[2, 3, 2], name="_volume_apart")
case(11, "ConvTranspose", [floats(1, 2, 5)], [floats(2, 3, 4)], strides=[3], name="_line")
case(11, "ConvTranspose", [floats(1, 2, 3, 4, 5)], [floats(2, 3, 2, 3, 2)], strides=[2, 1, 3], name="_volume")

sequence = floats(5, 3, 4)
for op, gates, functions in (("RNN", 1, 1), ("GRU", 3, 2), ("LSTM", 4, 3)):
    one = [floats(1, gates * 6, 4), floats(1, gates * 6, 6)]
    both = [floats(2, gates * 6, 4), floats(2, gates * 6, 6), floats(2, 2 * gates * 6), np.int32([5, 2, 4]),
            floats(2, 3, 6)]
    results = 3 if op == "LSTM" else 2
    for opset in (7, 14, 22):
        case(opset, op, [sequence], one, outputs=results, hidden_size=6)
        case(opset, op, [sequence], one, outputs=results, hidden_size=6, direction="reverse", name="_reverse")
        case(opset, op, [sequence], both, outputs=results, hidden_size=6, direction="bidirectional", name="_both")
    if op != "LSTM":  # ONNX Runtime leaves the input of its last activation as it is
        case(7, op, [sequence], one, outputs=results, hidden_size=6, clip=0.3, name="_clip")
    for function in ("Relu", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus",
                     "Affine"):
        if function == "Softplus" and op != "RNN":  # too large, or too small, for what it computes in f32
            continue
        alphas = {} if function in ("Relu", "Softsign", "Softplus") else {"activation_alpha": [0.4] * functions}
        if function in ("ScaledTanh", "HardSigmoid", "Affine"):
            alphas["activation_beta"] = [0.3] * functions
        small = [np.float32(0.3) * weights for weights in one]  # states of functions without bounds stay finite
        case(7, op, [sequence], small, outputs=results, hidden_size=6, activations=[function] * functions,
             name="_" + function.lower(), **alphas)
case(7, "GRU", [sequence], [floats(1, 18, 4), floats(1, 18, 6), floats(1, 36)], outputs=2, hidden_size=6,
     linear_before_reset=1, name="_linear")
case(7, "LSTM", [sequence], [floats(1, 24, 4), floats(1, 24, 6), floats(1, 48), None, floats(1, 3, 6), floats(1, 3, 6),
                             floats(1, 18)], outputs=3, hidden_size=6, name="_peepholes")
case(7, "LSTM", [sequence], [floats(1, 24, 4), floats(1, 24, 6)], outputs=3, hidden_size=6, input_forget=1,
     name="_coupled")

for equation, shapes in {
    "ij,jk->ik": [(2, 3), (3, 4)], "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)], "ij,kj->ki": [(2, 3), (4, 3)],
    "abc,cd,de->abe": [(2, 3, 4), (4, 5), (5, 2)], "i,j->ij": [(3,), (4,)], "ij->": [(3, 4)], "ii->i": [(3, 3)],
    "ii": [(3, 3)], "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)], "bhqd,bhkd->bhqk": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "bqhd,bkhd->bhqk": [(2, 4, 3, 5), (2, 6, 3, 5)], "ab,ab->": [(3, 4), (3, 4)], "ijk,ilm,njm,nlk,abc->": [(2, 3, 4),
    (2, 5, 6), (7, 3, 6), (7, 5, 4), (2, 3, 2)], "ba": [(3, 4)], "...a,a->...": [(2, 3, 4), (4,)],
    "abcd,cd->ab": [(2, 3, 4, 5), (4, 5)], "iij->j": [(3, 3, 4)],
}.items():
    case(12, "Einsum", [floats(*shape) for shape in shapes], equation=equation,
         name="_" + "".join(c if c.isalnum() else "_" for c in equation))

for opset in (7, 11, 18, 22):
    case(opset, "LpPool", [image], kernel_shape=[3, 2], p=3, pads=[1, 0, 1, 1], strides=[2, 2])
    case(opset, "LpPool", [image], kernel_shape=[3, 2], p=1, name="_one")
    known = (11, []) if opset == 22 else None
    case(opset, "GlobalLpPool", [image], p=3, as_of=known)
    case(opset, "GlobalLpPool", [image], name="_two", as_of=known)
case(18, "LpPool", [image], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, name="_ceil")
for opset in (7, 13):
    case(opset, "LRN", [floats(2, 7, 3, 4)], size=5, alpha=0.1, beta=0.6, bias=2.0)
    case(opset, "Hardmax", [x3])
    case(max(opset, 8), "Mean", [x3, floats(3, 1), floats(4)])
for opset in (7, 22):
    case(opset, "InstanceNormalization", [image], [floats(2), floats(2)], epsilon=0.1)
    case(opset, "LpNormalization", [x3], axis=1, p=1)
    case(opset, "LpNormalization", [x3], axis=-1, p=2, name="_two")
for opset in (9, 13):
    case(opset, "MeanVarianceNormalization", [floats(2, 3, 4, 5)])
case(18, "GroupNormalization", [floats(2, 6, 3, 4)], [floats(3), floats(3)], num_groups=3)
case(21, "GroupNormalization", [floats(2, 6, 3, 4)], [floats(6), floats(6)], num_groups=3)

labels = random.integers(0, 5, (2, 3, 4)).astype(np.int64)
for opset in (12, 13):
    for reduction in ("none", "sum", "mean"):
        case(opset, "NegativeLogLikelihoodLoss", [floats(2, 5, 3, 4), labels], [abs(floats(5))], reduction=reduction,
             ignore_index=2, name="_" + reduction)
        case(opset, "SoftmaxCrossEntropyLoss", [floats(2, 5, 3, 4), labels], [abs(floats(5))], outputs=2,
             reduction=reduction, ignore_index=2, name="_" + reduction)
        case(opset, "SoftmaxCrossEntropyLoss", [floats(2, 5, 3, 4), labels], reduction=reduction,
             name="_plain_" + reduction)

regions = np.float32([[0, 0, 4, 6], [1.5, 0.5, 6, 3], [2, 1, 2, 1], [-3, -2, 20, 9]])
for opset in (10, 16):
    for mode in ("avg", "max"):
        case(opset, "RoiAlign", [image, regions[:3]], [ints(0, 0, 0)], mode=mode, output_height=2, output_width=3,
             sampling_ratio=2, spatial_scale=0.8, name="_" + mode)
case(16, "RoiAlign", [image, regions], [ints(0, 0, 0, 0)], output_height=2, output_width=2, name="_adaptive")
case(7, "MaxRoiPool", [image, np.float32([[0, 0, 0, 4, 3], [0, 1, 1, 6, 4], [0, 5, 0, 2, 2]])], pooled_shape=[2, 3],
     spatial_scale=0.9)
places = floats(1, 4, 3, 2) * 1.3
for mode in ("bilinear", "nearest", "bicubic"):
    for padding in ("zeros", "border", "reflection"):
        for align in (0, 1):
            case(16, "GridSample", [image, places], mode=mode, padding_mode=padding, align_corners=align,
                 name=f"_{mode}_{padding}_{align}")
case(11, "MaxUnpool", [floats(1, 1, 2, 2), ints(5, 7, 13, 15).reshape(1, 1, 2, 2)], kernel_shape=[2, 2], strides=[2, 2])

case(11, "TopK", [x3], [ints(2)], outputs=2, axis=1)
case(11, "TopK", [x3], [ints(3)], outputs=2, largest=0, name="_smallest")
case(10, "TopK", [x3], [ints(1)], outputs=2, axis=0)
case(7, "TopK", [x3], outputs=2, k=2, axis=-1)
repeated = np.float32([[2, 1, 2, 3], [0, 1, 1, 3], [2, 1, 2, 3]])
for axis in (None, 0, 1):
    for kept in (0, 1):
        options = {} if axis is None else {"axis": axis}
        case(11, "Unique", [repeated], outputs=4, sorted=kept, name=f"_{axis}_{kept}", **options)
for opset in (9, 13):
    case(opset, "NonZero", [np.float32([[0, 2], [3, 0], [-1, 0]])])
    case(opset, "ScatterElements" if opset > 9 else "Scatter",
         [x3, np.array([[[0, 1, 0, 2]]]), floats(1, 1, 4)], axis=1)
for reduction in ("none", "add", "mul", "max", "min"):
    case(18, "ScatterElements", [x3, np.array([[[0, 1, 0, -1]]]), floats(1, 1, 4)], axis=1, reduction=reduction,
         name="_" + reduction)
    case(18, "ScatterND", [x3, np.array([[[1, 2], [0, 0], [-1, 1]]]), floats(1, 3, 4)], reduction=reduction,
         name="_" + reduction)
case(9, "Compress", [x3], [np.array([True, False, True])], axis=1)
case(9, "Compress", [x3], [np.array([False, True, True])], name="_flat")
case(10, "ReverseSequence", [floats(4, 3, 2)], [ints(1, 4, 2)], batch_axis=1, time_axis=0)
for opset in (9, 11):
    case(opset, "OneHot", [ints(1, -1, 7, 0)], [ints(4), np.float32([2, 5])], axis=0)
# A new axis of no entries, as the text has it; ONNX Runtime refuses it.
case(11, "OneHot", [ints(1, -1)], [np.int64(0), np.float32([2, 5])], name="_none")
case(11, "OneHot", [ints(1, -1), np.int64(0), np.float32([2, 5])], axis=0, name="_none_given")
for k in (-2, 0, 1):
    for upper in (0, 1):
        case(14, "Trilu", [floats(2, 4, 5)], [np.array(k)], upper=upper, name=f"_{k + 2}_{upper}")
case(9, "EyeLike", [floats(3, 5)], k=1, dtype=TensorProto.INT32)
case(9, "Shrink", [x3], lambd=0.3, bias=0.1)
case(11, "Det", [floats(3, 4, 4)])
case(11, "BitShift", [np.uint32([1, 4, 255]), np.uint32([2, 1, 4])], direction="RIGHT")
case(11, "CumSum", [x3], [np.array(1)], exclusive=1)
case(11, "NonMaxSuppression", [abs(floats(2, 20, 4)), abs(floats(2, 3, 20))],
     [ints(4), np.float32([0.3]), np.float32([0.2])])
case(11, "NonMaxSuppression", [abs(floats(1, 20, 4)), abs(floats(1, 1, 20))], [ints(40), np.float32([0.5])],
     center_point_box=1, name="_centre")

for opset in (17, 20):
    for length in (8, 12, 7):
        signal = floats(2, length, 1)
        case(opset, "DFT", [signal], onesided=1, name=f"_onesided_{length}")
        case(opset, "DFT", [floats(2, length, 2)], inverse=1, name=f"_inverse_{length}")
case(17, "DFT", [floats(2, 9, 2)], [np.array(16)], name="_longer")
case(17, "STFT", [floats(2, 32, 1)], [np.array(4), abs(floats(10))])
case(17, "STFT", [floats(2, 32, 1)], [np.array(5), None, np.array(8)], onesided=0, name="_all")
for window in ("HannWindow", "HammingWindow", "BlackmanWindow"):
    for periodic in (0, 1):
        case(17, window, [], [np.array(11)], periodic=periodic, name=f"_{periodic}")
case(17, "MelWeightMatrix", [], [np.array(8), np.array(64), np.array(8000), np.float32(100), np.float32(3500)])

codes = random.integers(0, 255, (1, 2, 5, 7)).astype(np.uint8)
case(10, "QLinearConv", [codes], [np.float32(0.02), np.uint8(120),
                                  random.integers(-40, 40, (3, 2, 3, 3)).astype(np.int8),  # no sums beyond 16 bits
                                  np.float32([0.01, 0.02, 0.005]), np.int8([0, 0, 0]), np.float32(0.05), np.uint8(100),
                                  np.int32([30, -20, 1000])], pads=[1, 1, 1, 1])
case(10, "QLinearMatMul", [random.integers(0, 255, (3, 5)).astype(np.uint8)],
     [np.float32(0.02), np.uint8(120), random.integers(0, 255, (5, 4)).astype(np.uint8), np.float32(0.03),
      np.uint8(100), np.float32(0.07), np.uint8(90)])
case(11, "DynamicQuantizeLinear", [x3], outputs=3)
case(9, "TfIdfVectorizer", [np.int32([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]])], mode="TFIDF", min_gram_length=1,
     max_gram_length=2, max_skip_count=1, ngram_counts=[0, 4], ngram_indexes=[0, 1, 2, 3, 4, 5, 6],
     pool_int64s=[2, 3, 5, 4, 5, 6, 7, 8, 6, 7], weights=[1.5, 2.0, 0.5, 1.0, 3.0, 2.5, 0.25])

# ---- Before opset 7 ----

column, row, square = floats(3), floats(4), np.eye(4, dtype=np.float32)
for opset in (1, 6):
    case(opset, "Add", [x3, column], broadcast=1, axis=1, want=[x3 + column[:, None]])
    case(opset, "Mul", [x3, x3[0]], broadcast=1, axis=-2, want=[x3 * x3[0]])
    case(opset, "Div", [x3, row], broadcast=1, want=[x3 / row])
    case(opset, "Sub", [x3, x3], want=[x3 - x3])
    case(opset, "Less", [x3, column], broadcast=1, axis=1, want=[x3 < column[:, None]])
    case(opset, "PRelu", [x3, column], want=[np.where(x3 < 0, x3 * column[:, None], x3)])
    case(opset, "Gemm", [x3[0], square, row], broadcast=1, want=[x3[0] + row])
    case(opset, "Dropout", [x3], is_test=1, want=[x3])
    case(opset, "BatchNormalization", [x3], [column, column, row[:3], column * 0 + 2], is_test=1, epsilon=0.25,
         want=[(x3 - row[:3, None]) / 1.5 * column[:, None] + column[:, None]])
    case(opset, "BatchNormalization", [x3], [column, column, column, column], name="_training", is_test=0,
         want=[(x3 - x3.mean((0, 2), keepdims=True)) / np.sqrt(x3.var((0, 2), keepdims=True) + 1e-5) * column[:, None]
               + column[:, None]])
for op, function in (("Relu", lambda x: np.maximum(x, 0)), ("Exp", np.exp), ("Neg", np.negative), ("Abs", np.abs)):
    case(1, op, [x3], consumed_inputs=[0], want=[function(x3)])
case(1, "Selu", [x3], want=[1.0507 * np.where(x3 < 0, 1.6732 * np.expm1(x3), x3)])
case(1, "Sum", [x3, x3, x3], consumed_inputs=[0, 0, 0], want=[3 * x3])
case(1, "Clip", [x3], min=-0.5, max=0.5, want=[np.clip(x3, -0.5, 0.5)])
case(1, "Cast", [x3 * 10], to="INT32", want=[(x3 * 10).astype(np.int32)])
case(1, "Reshape", [x3], shape=[0, -1], want=[x3.reshape(2, 12)])
case(5, "Reshape", [x3], [ints(4, 6)], want=[x3.reshape(4, 6)])
case(1, "Concat", [x3, x3], want=[np.concatenate([x3, x3], 1)])
case(4, "Concat", [x3, x3], axis=-1, want=[np.concatenate([x3, x3], 2)])
case(1, "Pad", [x3], paddings=[0, 1, 0, 0, 0, 2], value=2.0,
     want=[np.pad(x3, ((0, 0), (1, 0), (0, 2)), constant_values=2)])
case(1, "Tile", [x3], [np.float32(2), np.float32(1)], want=[np.tile(x3, (1, 2, 1))])
case(6, "Tile", [x3], [ints(1, 2, 3)], want=[np.tile(x3, (1, 2, 3))])
case(1, "Upsample", [image], height_scale=2.0, width_scale=3.0, want=[image.repeat(2, 2).repeat(3, 3)])
case(1, "TopK", [x3], k=1, axis=1, outputs=2, want=[x3.max(1, keepdims=True), x3.argmax(1)[:, None]])
case(1, "LpPool", [image], kernel_shape=[1, 1], p=2.0, want=[abs(image)])
case(2, "GlobalLpPool", [image], p=1, want=[abs(image).sum((2, 3), keepdims=True)])
case(1, "Not", [x3 > 0], want=[x3 <= 0])
case(1, "Softmax", [x3[0]], want=[np.exp(x3[0]) / np.exp(x3[0]).sum(1, keepdims=True)])


half = np.asarray(x3, np.float16)
for name, scale in (("_to_f32", floats(4)), ("_to_f16", half[0, 0])):  # of ONNX Runtime, before there was a standard
    case(12, "LayerNormalization", [half if name == "_to_f32" else x3], [scale], name=name)

n_forms = len(CASES)
import onnx_versions  # noqa: E402,F401  its cases are made behind these, so that those keep their numbers

if __name__ == "__main__":
    sys.exit(main(n_forms))
