"""Ops in the forms of old opsets, imported and run on the reference, against ONNX Runtime.

Makes a case folder per form (model.onnx, test_data_set_0 with what ONNX Runtime computes) and runs
test/conformance's onnx_node over them.

    onnx_opsets.py [--keep]     --keep leaves the cases in <build>/test/onnx_opsets
"""
import os
import shutil
import subprocess
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

BUILD = os.environ.get("ADZE_BUILD_DIR", "build/release")
FOLDER = os.path.join(BUILD, "test", "onnx_opsets")
RUNNER = os.path.join(BUILD, "test", "conformance", "onnx_node")
random = np.random.default_rng(7)


def floats(*dims):
    return random.standard_normal(dims).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


CASES = []


def case(opset, op, inputs, constants=(), outputs=1, name="", **attributes):
    """One node. `inputs` are arguments, `constants` initializers; None is an absent operand."""
    CASES.append((f"{op.lower()}_{opset}{name}", opset, op, list(inputs), list(constants), outputs,
                  attributes))


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


def build(opset, op, inputs, constants, outputs, attributes):
    names, arguments, initializers = [], [], []
    for i, value in enumerate(inputs):
        value = np.asarray(value)
        names.append(f"x{i}")
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        arguments.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
    for i, value in enumerate(constants):
        names.append("" if value is None else f"c{i}")
        if value is not None:
            initializers.append(numpy_helper.from_array(np.asarray(value), names[-1]))
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, name=op, **attributes)
    graph = helper.make_graph([node], op, arguments,
                              [onnx.ValueInfoProto(name=name) for name in results], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=min(10, max(4, opset)))


def write(name, opset, op, inputs, constants, outputs, attributes):
    """Writes the case; False where ONNX Runtime does not have this form."""
    model = build(opset, op, inputs, constants, outputs, attributes)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options)
        feeds = {f"x{i}": np.asarray(value) for i, value in enumerate(inputs)}
        results = session.run(None, feeds)
    except Exception as error:  # the runtime's own classes are not public
        print(f"skipped {name}: {str(error).splitlines()[0][:120]}")
        return False
    folder = os.path.join(FOLDER, name)
    os.makedirs(os.path.join(folder, "test_data_set_0"))
    # Outputs without a type: what the import infers is what is compared.
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for kind, values in (("input", feeds.values()), ("output", results)):
        for i, value in enumerate(values):
            path = os.path.join(folder, "test_data_set_0", f"{kind}_{i}.pb")
            with open(path, "wb") as file:
                file.write(numpy_helper.from_array(np.asarray(value)).SerializeToString())
    return True


def main():
    if not os.path.exists(RUNNER):
        print(f"skipped: no {RUNNER}")
        return 77
    shutil.rmtree(FOLDER, ignore_errors=True)
    written = [write(*row) for row in CASES]
    done = subprocess.run([RUNNER, "-v", FOLDER], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    print("\n".join(lines[:-1]))
    if done.returncode not in (0, 1) or not lines:
        print(f"onnx_node ended with {done.returncode}\n{done.stderr}")
        return 1
    passed, failed, skipped = (int(part.split()[0]) for part in lines[-1].split(", "))
    # Everything written here is to be understood.
    print(f"{passed} passed, {failed + skipped} failed, {written.count(False)} skipped")
    if "--keep" not in sys.argv:
        shutil.rmtree(FOLDER)
    return 1 if failed + skipped or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
