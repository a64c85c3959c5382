"""operators.py [NAME...]: ONNX operators one by one, on about a million elements, beside ONNX Runtime.

Each row is a model of one node, compiled and timed in turns with ONNX Runtime (see peers.py): one thread, buffers bound
once. Rows below --least are marked; the last line counts them, and the status is 1 with --check where there are any.
What stays out: ops that only move names or shapes, and those that give what strings, sequences, trees or images hold.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

import peers

OPSET = 21
F32, F64, F16, I64, I32, U8, I8, BOOL = (
    getattr(TensorProto, n) for n in ("FLOAT", "DOUBLE", "FLOAT16", "INT64", "INT32", "UINT8", "INT8", "BOOL"))
NUMPY = {kind: helper.tensor_dtype_to_np_dtype(kind) for kind in (F32, F64, F16, I64, I32, U8, I8, BOOL)}
N, ROWS, COLS, IMAGE = 1 << 20, 1024, 1024, (1, 64, 128, 128)
random = np.random.default_rng(1)


class Row:
    """One node. Inputs: (element type, dims), fed; or an array, an initializer. `of` makes what is fed."""

    def __init__(self, op, *inputs, outputs=1, name=None, of="normal", opset=OPSET, **attributes):
        self.op, self.inputs, self.outputs, self.of, self.attributes = op, inputs, outputs, of, attributes
        self.name, self.opset = name or op, opset

    def model(self):
        fed, stored, names = [], [], []
        for i, given in enumerate(self.inputs):
            names.append("" if given is None else f"x{i}")
            if isinstance(given, np.ndarray):
                stored.append(onnx.numpy_helper.from_array(given, f"x{i}"))
            elif given is not None:
                fed.append(helper.make_tensor_value_info(f"x{i}", given[0], given[1]))
        results = [f"y{i}" for i in range(self.outputs)]
        graph = helper.make_graph([helper.make_node(self.op, names, results, **self.attributes)], self.name, fed,
                                  [helper.ValueInfoProto(name=r) for r in results], stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)

    def feed(self):
        arrays = {}
        for i, given in enumerate(self.inputs):
            if given is None or isinstance(given, np.ndarray):
                continue
            dtype, dims = NUMPY[given[0]], given[1]
            if dtype.kind == "f":
                x = random.standard_normal(dims) if self.of == "normal" else random.uniform(0.1, 0.9, dims)
            if self.of == "extents":
                x = np.full(dims, N if dims == [1] else ROWS)
            elif dtype.kind != "f":
                x = random.integers(0, 2 if dtype == np.bool_ else 100, dims)
            arrays[f"x{i}"] = x.astype(dtype)
        return arrays


class Text(Row):
    """A graph in ONNX's text form, for elements that numpy lacks; what is fed is x0, x1 and so on."""

    def __init__(self, name, text):
        super().__init__(name, of="uniform")
        self.text = f'<ir_version: 10, opset_import: ["" : {OPSET}]> g {text}'
        types = (i.type.tensor_type for i in self.model().graph.input)
        self.inputs = [(t.elem_type, [d.dim_value for d in t.shape.dim]) for t in types]

    def model(self):
        return onnx.shape_inference.infer_shapes(onnx.parser.parse_model(self.text), strict_mode=True)


def ints(*values):
    return np.array(values, np.int64)


def floats(*dims):
    return random.standard_normal(dims).astype(np.float32)


def scalar(value, dtype):
    return np.array(value, dtype)


# Whose ops came later.
LATER, LATEST = 24, 26
FLAT, TABLE, PICTURE = (F32, [N]), (F32, [ROWS, COLS]), (F32, list(IMAGE))
UNARY = ("Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu "
         "Log Mish Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh "
         "ThresholdedRelu IsNaN IsInf").split()
BINARY = "Add Sub Mul Div Pow Max Min Mean Sum Equal Greater GreaterOrEqual Less LessOrEqual".split()
REDUCE = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()
CHANNELS = IMAGE[1]


def elementwise():
    yield from (Row(op, FLAT, of="uniform" if op not in ("Acosh",) else "normal") for op in UNARY)
    yield from (Row(op, FLAT, FLAT, of="uniform") for op in BINARY)
    yield Row("Add", PICTURE, (F32, [1, CHANNELS, 1, 1]), name="Add, a channel")
    yield Row("Mod", (I32, [N]), np.full([1], 7, np.int32))
    yield Row("Mod", FLAT, FLAT, name="Mod, fmod", fmod=1, of="uniform")
    yield Row("BitShift", (U8, [N]), np.full([1], 2, np.uint8), direction="LEFT")
    yield from (Row(op, (I32, [N]), (I32, [N])) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"))
    yield Row("BitwiseNot", (I32, [N]))
    yield from (Row(op, (BOOL, [N]), (BOOL, [N])) for op in ("And", "Or", "Xor"))
    yield Row("Not", (BOOL, [N]))
    yield Row("Clip", FLAT, scalar(-0.5, np.float32), scalar(0.5, np.float32))
    yield Row("PRelu", PICTURE, floats(CHANNELS, 1, 1))
    yield Row("Where", (BOOL, [N]), FLAT, FLAT)
    yield Row("Swish", FLAT, opset=LATER)
    yield from (Row(op, FLAT) for op in ("Celu", "Shrink"))
    yield Row("Cast", FLAT, name="Cast, to int64", to=I64)
    yield Row("CastLike", FLAT, (I32, [1]))
    yield Row("BitCast", FLAT, to=I32, opset=LATEST)
    yield Row("Cast", FLAT, name="Cast, to float16", to=TensorProto.FLOAT16)
    yield Row("Dropout", FLAT)
    yield Row("QuantizeLinear", FLAT, scalar(0.02, np.float32), scalar(128, np.uint8))
    yield Row("DequantizeLinear", (U8, [N]), scalar(0.02, np.float32), scalar(128, np.uint8))
    yield Row("DynamicQuantizeLinear", FLAT, outputs=3)


def reductions():
    for op in REDUCE:
        yield Row(f"Reduce{op}", TABLE, ints(1), name=f"Reduce{op}, rows", of="uniform")
        yield Row(f"Reduce{op}", TABLE, ints(0), name=f"Reduce{op}, columns", of="uniform")
    for op in ("ArgMax", "ArgMin"):
        yield Row(op, TABLE, axis=1, name=f"{op}, rows")
        yield Row(op, TABLE, axis=0, name=f"{op}, columns")
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        yield Row(op, TABLE, axis=1)
    yield Row("Softmax", TABLE, axis=0, name="Softmax, columns")
    yield Row("CumSum", TABLE, scalar(1, np.int64), name="CumSum, rows")
    yield Row("CumSum", TABLE, scalar(0, np.int64), name="CumSum, columns")
    yield Row("CumProd", TABLE, scalar(1, np.int64), name="CumProd, rows", of="uniform", opset=LATEST)
    yield Row("CumProd", TABLE, scalar(0, np.int64), name="CumProd, columns", of="uniform", opset=LATEST)
    yield Row("TopK", TABLE, ints(10), outputs=2)
    yield Row("LpNormalization", TABLE, axis=1, p=2)
    yield Row("LayerNormalization", TABLE, floats(COLS), floats(COLS))
    yield Row("LayerNormalization", (F32, [32, 64, 512]), floats(64, 512), axis=1, name="LayerNormalization, two axes")
    yield Row("LayerNormalization", TABLE, floats(COLS), outputs=3, name="LayerNormalization, statistics")
    yield Row("RMSNormalization", TABLE, floats(COLS), opset=LATER)
    yield Row("GroupNormalization", PICTURE, floats(CHANNELS), floats(CHANNELS), num_groups=8)
    yield Row("InstanceNormalization", PICTURE, floats(CHANNELS), floats(CHANNELS))
    yield Row("BatchNormalization", PICTURE, floats(CHANNELS), floats(CHANNELS), floats(CHANNELS),
              np.abs(floats(CHANNELS)) + 1)
    yield Row("MeanVarianceNormalization", PICTURE)
    yield Row("LRN", PICTURE, size=5)


def moves():
    yield Row("Transpose", TABLE, perm=[1, 0])
    yield Row("Transpose", PICTURE, perm=[0, 2, 3, 1], name="Transpose, channels last")
    yield Row("Concat", TABLE, TABLE, axis=1)
    yield Row("Split", TABLE, outputs=4, axis=1, num_outputs=4)
    yield Row("Slice", TABLE, ints(0, 8), ints(ROWS, COLS), ints(0, 1), ints(2, 1))
    yield Row("Pad", PICTURE, ints(0, 0, 1, 1, 0, 0, 1, 1))
    yield Row("Pad", PICTURE, ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect", name="Pad, reflect")
    yield Row("Tile", (F32, [256, 256]), ints(4, 4))
    yield Row("Expand", (F32, [ROWS, 1]), ints(ROWS, COLS))
    yield Row("Gather", TABLE, random.integers(0, ROWS, [ROWS]))
    yield Row("GatherElements", TABLE, random.integers(0, ROWS, [ROWS, COLS]), axis=0)
    yield Row("GatherND", TABLE, random.integers(0, ROWS, [ROWS, 1]))
    yield Row("ScatterElements", TABLE, random.integers(0, ROWS, [ROWS, COLS]), TABLE, axis=0)
    yield Row("ScatterND", TABLE, random.permutation(ROWS).reshape(-1, 1), TABLE)
    yield Row("Trilu", TABLE)
    yield Row("OneHot", (I64, [ROWS * 8]), ints(128), np.array([0, 1], np.float32))
    yield Row("DepthToSpace", PICTURE, blocksize=4)
    yield Row("SpaceToDepth", PICTURE, blocksize=4)
    yield Row("ReverseSequence", TABLE, random.integers(1, ROWS, [COLS]))
    yield Row("Compress", TABLE, random.integers(0, 2, [ROWS]).astype(bool), axis=0)
    yield Row("NonZero", TABLE)
    yield Row("Unique", (I64, [N]), outputs=4)
    yield Row("EyeLike", TABLE)
    yield Row("ConstantOfShape", (I64, [2]), of="extents")
    yield Row("Range", scalar(0, np.float32), (F32, [1]), scalar(1, np.float32), of="extents")
    yield Row("HannWindow", (I64, [1]), of="extents")
    yield Row("AffineGrid", (F32, [4, 2, 3]), ints(4, 1, 512, 512))
    yield Row("TensorScatter", (F32, [4, 16, 256, 64]), (F32, [4, 16, 128, 64]), (I64, [4]), opset=LATER)
    yield Row("RotaryEmbedding", (F32, [4, 16, 256, 64]), floats(256, 32), floats(256, 32),
              np.tile(np.arange(256), (4, 1)), opset=LATER)
    yield Row("MaxUnpool", (F32, [1, 64, 64, 64]), (I64, [1, 64, 64, 64]), kernel_shape=[2, 2], strides=[2, 2])
    yield Row("CenterCropPad", PICTURE, ints(100, 100), axes=[2, 3])
    yield Row("Resize", PICTURE, None, np.array([1, 1, 0.5, 0.5], np.float32), mode="linear",
              name="Resize, linear, 0.5")
    yield Row("Resize", (F32, [1, 16, 128, 128]), None, np.array([1, 1, 2, 2], np.float32), mode="nearest",
              name="Resize, nearest, 2")
    yield Row("Resize", (F32, [1, 16, 128, 128]), None, np.array([1, 1, 2, 2], np.float32), mode="cubic",
              name="Resize, cubic, 2")
    yield Row("GridSample", PICTURE, random.uniform(-1, 1, [1, 128, 128, 2]).astype(np.float32))
    yield Row("Col2Im", (F32, [1, 64 * 9, 126 * 126]), ints(128, 128), ints(3, 3))
    yield Row("Resize", (U8, [1, 16, 128, 128]), None, np.array([1, 1, 2, 2], np.float32), mode="linear",
              name="Resize, linear, 2, u8")
    yield Row("RoiAlign", PICTURE, random.uniform(0, 100, [50, 4]).astype(np.float32), np.zeros(50, np.int64),
              output_height=14, output_width=14)


def products():
    yield Row("MatMul", (F32, [256, 1024]), floats(1024, 1024))
    yield Row("MatMul", (F32, [1, 8, 256, 64]), (F32, [1, 8, 64, 256]), name="MatMul, both fed")
    yield Row("Gemm", (F32, [256, 1024]), floats(1024, 1024), floats(1024), transB=1)
    yield Row("Einsum", (F32, [8, 128, 64]), (F32, [8, 64, 128]), equation="bij,bjk->bik")
    yield Row("Attention", *[(F32, [1, 8, 256, 64])] * 3, opset=LATER)
    yield Row("Attention", *[(F32, [1, 8, 256, 64])] * 3, is_causal=1, name="Attention, causal", opset=LATER)
    yield Row("Attention", *[(F16, [1, 8, 256, 64])] * 3, name="Attention, f16", opset=LATER)
    scale, zero = scalar(0.02, np.float32), scalar(128, np.uint8)
    yield Row("QLinearMatMul", (U8, [256, 1024]), scale, zero, random.integers(0, 256, [1024, 1024]).astype(np.uint8),
              scale, zero, scalar(0.5, np.float32), zero)
    yield Row("QLinearMatMul", (U8, [256, 1024]), scale, zero, (U8, [1024, 1024]), scale, zero,
              scalar(0.5, np.float32), zero, name="QLinearMatMul, both fed")
    yield Row("MatMulInteger", (U8, [256, 1024]), random.integers(-99, 99, [1024, 1024]).astype(np.int8))
    yield Row("Conv", PICTURE, floats(64, 64, 3, 3), pads=[1, 1, 1, 1])
    yield Row("Conv", PICTURE, floats(64, 1, 3, 3), pads=[1, 1, 1, 1], group=64, name="Conv, depthwise")
    yield Row("Conv", PICTURE, floats(64, 64, 1, 1), name="Conv, 1x1")
    yield Row("Conv", (F32, [1, 16, 16, 32, 32]), floats(16, 16, 3, 3, 3), name="Conv, three axes")
    yield Row("ConvInteger", (U8, list(IMAGE)), random.integers(0, 99, [64, 64, 3, 3]).astype(np.uint8))
    yield Row("ConvInteger", (U8, list(IMAGE)), random.integers(0, 256, [64, 64, 3, 3]).astype(np.uint8),
              name="ConvInteger, weights above 127")
    yield Row("QLinearConv", (U8, list(IMAGE)), scalar(0.02, np.float32), scalar(50, np.uint8),
              random.integers(-99, 99, [64, 64, 3, 3]).astype(np.int8), scalar(0.01, np.float32), scalar(0, np.int8),
              scalar(0.5, np.float32), scalar(128, np.uint8))
    yield Row("ConvTranspose", (F32, [1, 64, 64, 64]), floats(64, 32, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1])
    yield Row("ConvTranspose", (F32, [1, 64, 64, 64]), floats(64, 32, 3, 3), strides=[2, 2], dilations=[2, 2],
              name="ConvTranspose, dilated")
    yield Row("ConvTranspose", (F32, [1, 32, 16, 32, 32]), floats(32, 16, 2, 2, 2), strides=[2, 2, 2],
              name="ConvTranspose, three axes")
    yield Row("ConvTranspose", (F32, [1, 64, 64, 64]), floats(64, 32, 2, 2), strides=[3, 3],
              name="ConvTranspose, stride above kernel")
    yield Row("DeformConv", (F32, [1, 16, 64, 64]), floats(16, 16, 3, 3), (F32, [1, 18, 64, 64]), pads=[1, 1, 1, 1])
    for op in ("MaxPool", "AveragePool", "LpPool"):
        yield Row(op, PICTURE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield Row("MaxPool", (F32, [1, 16, 32, 64, 64]), kernel_shape=[2, 2, 2], strides=[2, 2, 2],
              name="MaxPool, three axes")
    yield Row("MaxPool", PICTURE, kernel_shape=[2, 2], strides=[2, 2], outputs=2, name="MaxPool, indices")
    for op in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"):
        yield Row(op, PICTURE)
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        yield Row(op, (F32, [64, 8, 256]), floats(1, gates * 256, 256) / 16, floats(1, gates * 256, 256) / 16,
                  hidden_size=256)
    yield Row("DFT", (F32, [256, 4096, 1]), None, scalar(1, np.int64), onesided=1)
    yield Row("DFT", (F32, [256, 1000, 1]), None, scalar(1, np.int64), onesided=1, name="DFT, 1000")
    yield Row("STFT", (F32, [1, N // 4, 1]), scalar(128, np.int64), np.hanning(512).astype(np.float32))
    yield Row("NonMaxSuppression", (F32, [1, 2000, 4]), (F32, [1, 4, 2000]), ints(50), np.float32([0.5]),
              np.float32([0.6]), of="uniform")
    yield Row("SoftmaxCrossEntropyLoss", TABLE, random.integers(0, COLS, [ROWS]))
    yield Row("NegativeLogLikelihoodLoss", TABLE, random.integers(0, COLS, [ROWS]))
    yield Row("Det", (F32, [16, 64, 64]))


def others():
    """Element types that are rarer in models, where they have code of their own; codes go there and back."""
    for name, kind in (("u8", U8), ("f16", F16), ("i64", I64)):
        yield Row("Transpose", (kind, [ROWS, COLS]), perm=[1, 0], name=f"Transpose, {name}")
    yield Row("ScatterND", TABLE, random.permutation(ROWS).reshape(-1, 1), TABLE, reduction="add",
              name="ScatterND, add")
    yield Row("MatMul", (F64, [256, 512]), (F64, [512, 512]), name="MatMul, f64")
    table, back = "(float[1024,1024] x0", "=> (float[1024,1024] y0)"
    yield Text("QuantizeLinear, i4", table + f") {back} <float s = {{0.02}}, int4 z = {{0}}> "
               "{ a = QuantizeLinear(x0, s, z) y0 = DequantizeLinear(a, s, z) }")
    for name, number in (("i4", TensorProto.INT4), ("u8", U8)):
        block = "block_size = 32, axis = 1"
        yield Text(f"QuantizeLinear, {name} blocks", table + f", float[1024,32] x1) {back} "
                   f"{{ a = QuantizeLinear<{block}, output_dtype = {number}>(x0, x1) "
                   f"y0 = DequantizeLinear<{block}>(a, x1) }}")


def rows():
    for family in (elementwise, reductions, moves, products, others):
        yield from family()


def measure(args, row, scratch):
    """The row of peers.py, or why there is none."""
    path = scratch / "op.onnx"
    try:
        onnx.save(row.model(), path)
        peers.npz.save(scratch / "in.npz", **row.feed())
        args.inputs = scratch / "in.npz"
        return peers.measure(args, path, scratch), None
    except Exception as failure:  # what a peer lacks ends in an exception of its own
        return None, str(failure).strip().splitlines()[-1][:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows whose name begins so (default: all)")
    parser.add_argument("--adze", type=Path, default=peers.ROOT / "build/release/bin/adze", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.6, help="about this long a row (default 0.6)")
    parser.add_argument("--least", type=float, default=0.5, help="ratio that a row should have (default 0.5)")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    vars(args).update(threads=1, runs=None, flag=[], against=None, as_written=False, dim=[], seed=1)
    slow = missing = count = 0
    print(f"{'operator':30} {'adze ms':>9} {'ORT ms':>9} {'ratio':>7} {'difference':>10}")
    for row in rows():
        if args.names and not any(row.name.startswith(n) for n in args.names):
            continue
        with tempfile.TemporaryDirectory(prefix="adze-operators-") as scratch:
            found, why = measure(args, row, Path(scratch))
        if not found:
            missing += 1
            print(f"{row.name:30} {why}", flush=True)
            continue
        count += 1
        is_slow = found["ratio_min"] < args.least
        slow += is_slow
        print(f"{row.name:30} {found['adze_min_ms']:9.3f} {found['ort_min_ms']:9.3f} {found['ratio_min']:7.2f} "
              f"{found['difference']:10.1e}{'  slow' if is_slow else ''}", flush=True)
    print(f"{count} rows, {slow} below {args.least}, {missing} without a peer or a model")
    return 1 if args.check and slow else 0


if __name__ == "__main__":
    sys.exit(main())
