"""codes.py FOLDER: modules with every form of weights that are stored as codes, and inputs for them.

kept.adz: all are computed with as codes. wide.adz: what has no such form. large.adz: a matrix, to be made codes.
codes.py FOLDER ARTIFACT LEAST MOST: fails where the artifact has not between so many bytes.
"""
import os
import random
import sys

import numpy as np

if len(sys.argv) > 2:
    size = os.path.getsize(sys.argv[2])
    if not int(sys.argv[3]) <= size <= int(sys.argv[4]):
        sys.exit(f"{sys.argv[2]} has {size} bytes, not between {sys.argv[3]} and {sys.argv[4]}")
    sys.exit()
random.seed(7)


def count(dims):
    return int(np.prod(dims, dtype=int))


class Module:
    def __init__(self):
        self.consts, self.ops, self.results, self.args = [], [], [], {}

    def const(self, dtype, dims, values):
        name = f"@c{len(self.consts)}"
        values = ", ".join(map(str, values))
        self.consts.append(f"const {name} : {dtype}[{','.join(map(str, dims))}] = dense[{values}]")
        return name

    def op(self, text, dims, dtype="f32"):
        self.ops.append(f"%v{len(self.ops)} = {text} : {dtype}[{','.join(map(str, dims))}]")
        return f"%v{len(self.ops) - 1}"

    def arg(self, name, dims, dtype="f32"):
        self.args[name] = f"%{name}: {dtype}[{','.join(map(str, dims))}]"
        return f"%{name}"

    def result(self, value, dims, dtype="f32"):
        self.results.append((value, f"{dtype}[{','.join(map(str, dims))}]"))

    def weights(self, bits, dims, axis, block=0, scale=None, zero=None, dtype=None, of="f32"):
        """The dequantize of codes with a scale an index of the axis, or a block along it."""
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        dtype = dtype or f"i{bits}"
        if dtype[0] == "u":
            low, high = 0, high - low
        codes = self.const(dtype, dims, [random.randint(low, high) for _ in range(count(dims))])
        to = [dims[axis]]
        if block:
            to = [-(-d // block) if i == axis else d for i, d in enumerate(dims)]
        if scale == "one":
            to = []
        scales = self.const(of, to, [f"{random.uniform(0.01, 0.1):.6f}" for _ in range(count(to))])
        operands = [codes, scales]
        if zero is not None:
            zeros = [random.randint(low, high) for _ in range(count(to))] if zero == "any" else [zero] * count(to)
            operands.append(self.const(dtype, to, zeros))
        attrs = f"axis = {axis}" + (f", block_size = {block}" if block else "")
        attrs += ", output_dtype = 1" if of != "f32" else ""
        return self.op(f"dequantize({', '.join(operands)}) {{{attrs}}}", dims)

    def matmul(self, x, rows, w, columns):
        self.result(self.op(f"matmul({x}, {w})", [*rows, columns]), [*rows, columns])

    def conv(self, x, dims, bits, out, kernel, group=1, stride=1, pad=0, block=0, axis=0, zero=None):
        w = self.weights(bits, [out, dims[1] // group, *kernel], axis, block, zero=zero)
        n = len(kernel)
        to = [dims[0], out, *[(d + 2 * pad - k) // stride + 1 for d, k in zip(dims[2:], kernel)]]
        y = self.op(f"conv({x}, {w}) {{group = {group}, kernel_shape = {list(kernel)}, pads = {[pad] * 2 * n}, "
                    f"strides = {[stride] * n}}}", to)
        self.result(y, to)

    def write(self, path):
        with open(path, "w") as f:
            f.write("\n".join(self.consts) + f"\nfunc @main({', '.join(self.args.values())}) -> (")
            f.write(", ".join(t for _, t in self.results) + ") {\n")
            f.write("".join(f"  {op}\n" for op in self.ops))
            f.write(f"  return({', '.join(v for v, _ in self.results)})\n}}\n")


kept = Module()
K = 77  # ends within a group, and within a row of eight steps
one, few, many, some = [kept.arg(n, [m, K]) for n, m in (("one", 1), ("few", 9), ("many", 40), ("some", "M"))]
rows = {one: [1], few: [9], many: [40], some: ["M"]}
for bits in (4, 8):
    for x, m in rows.items():
        kept.matmul(x, m, kept.weights(bits, [K, 33], 0, 32), 33)
    kept.matmul(some, ["M"], kept.weights(bits, [K, 16], 1), 16)             # one scale a column
    kept.matmul(one, [1], kept.weights(bits, [K, 48], 1, scale="one"), 48)   # one scale
    kept.matmul(many, [40], kept.weights(bits, [K, 20], 0, 64, zero=0), 20)  # zero points that are 0
    kept.matmul(some, ["M"], kept.weights(bits, [K, 7], 0, 80), 7)           # one group
    w = kept.weights(bits, [24, K], 1, 16)                                   # gemm, weights turned round, shared
    bias = kept.const("f32", [24], [f"{random.uniform(-1, 1):.4f}" for _ in range(24)])
    for x in (few, some):
        y = kept.op(f"gemm({x}, {w}, {bias}) {{alpha = 0.5, beta = 2, transB = 1}}", [*rows[x], 24])
        kept.result(kept.op(f"relu({y})", [*rows[x], 24]), [*rows[x], 24])
for bits in (4, 8):                                                          # zero points of any size
    for x, m in rows.items():
        kept.matmul(x, m, kept.weights(bits, [K, 35], 0, 32, zero="any"), 35)
    kept.matmul(some, ["M"], kept.weights(bits, [K, 16], 1, zero="any"), 16)
    kept.matmul(some, ["M"], kept.weights(bits, [K, 37], 1, scale="one", zero=3), 37)
    kept.matmul(some, ["M"], kept.weights(bits, [K, 7], 0, 80, zero="any"), 7)
    w = kept.weights(bits, [24, K], 1, 16, zero="any")
    for x in (few, some):
        kept.result(kept.op(f"gemm({x}, {w}) {{transB = 1}}", [*rows[x], 24]), [*rows[x], 24])
for bits in (4, 8):                                                          # scales of f16
    for zero in (None, "any"):
        for x, m in rows.items():
            kept.matmul(x, m, kept.weights(bits, [K, 35], 0, 32, zero=zero, of="f16"), 35)
        kept.matmul(many, [40], kept.weights(bits, [K, 16], 1, zero=zero, of="f16"), 16)
    kept.matmul(some, ["M"], kept.weights(bits, [K, 37], 1, scale="one", of="f16"), 37)
kept.matmul(few, [9], kept.weights(8, [K, 19], 0, 12), 19)                   # rows of 8 bits are one step
kept.matmul(many, [40], kept.weights(4, [K, 19], 0, 32, dtype="i8"), 19)     # i8 that needs four bits
image, deep, line = [1, 16, 9, 11], [2, 24, 6, 5], [3, 6, 21]
x, d, l = kept.arg("image", image), kept.arg("deep", deep), kept.arg("line", line)
for bits in (4, 8):
    kept.conv(x, image, bits, 20, (3, 3), pad=1)
    kept.conv(x, image, bits, 33, (1, 1))
    kept.conv(x, image, bits, 8, (5, 3), stride=2)
    kept.conv(x, image, bits, 16, (3, 3), group=16, pad=1)
    kept.conv(d, deep, bits, 36, (3, 3), group=2, pad=1)
    kept.conv(d, deep, bits, 10, (3, 3), block=8, axis=1)
    kept.conv(l, line, bits, 12, (3,), pad=1)
    kept.conv(x, image, bits, 20, (3, 3), pad=1, zero="any")
    kept.conv(x, image, bits, 16, (3, 3), group=16, pad=1, zero="any")
    kept.conv(d, deep, bits, 36, (3, 3), group=2, pad=1, zero="any")
    kept.conv(d, deep, bits, 10, (3, 3), block=8, axis=1, zero="any")
u = kept.arg("codes", [7, 50], "u8")
v = kept.arg("pixels", [1, 12, 8, 7], "u8")
w = kept.const("i8", [50, 33], [random.randint(-8, 7) for _ in range(50 * 33)])
kept.result(kept.op(f"matmul_integer({u}, {w})", [7, 33], "i32"), [7, 33], "i32")
for group in (1, 3):
    w = kept.const("i8", [18, 12 // group, 3, 3], [random.randint(-8, 7) for _ in range(18 * 12 // group * 9)])
    kept.result(kept.op(f"conv_integer({v}, {w}) {{group = {group}, pads = [1, 1, 1, 1]}}", [1, 18, 8, 7], "i32"),
                [1, 18, 8, 7], "i32")

wide = Module()
few = wide.arg("few", [9, K])
wide.matmul(few, [9], wide.weights(4, [K, 19], 0, 20, zero="any"), 19)       # groups end within a row of eight steps
wide.matmul(few, [9], wide.weights(8, [K, 19], 1, dtype="u8", zero=100), 19) # bytes without a sign
wide.matmul(few, [9], wide.weights(4, [K, 19], 0, 12), 19)                   # groups end within a row of eight steps
wide.matmul(few, [9], wide.weights(8, [K, 19], 0, 32, of="bf16"), 19)        # scales of bf16
w = wide.weights(4, [K, K], 0, 32)                                           # read by more than contractions
wide.matmul(few, [9], w, K)
wide.result(wide.op(f"relu({w})", [K, K]), [K, K])
wide.matmul(few, [2, 9], wide.weights(8, [2, K, 5], 2), 5)                   # a matrix a place of the batch
cube = wide.arg("cube", [1, 4, 5, 5, 5])
w = wide.weights(8, [6, 4, 3, 3, 3], 0)
wide.result(wide.op(f"conv({cube}, {w})", [1, 6, 3, 3, 3]), [1, 6, 3, 3, 3])

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
kept.write(f"{folder}/kept.adz")
wide.write(f"{folder}/wide.adz")
data = np.random.default_rng(3)
fixed = {"one": [1, K], "few": [9, K], "many": [40, K], "image": image, "deep": deep, "line": line}
for m in (1, 4, 6, 9, 12, 13, 31):
    arrays = {name: data.standard_normal(dims, dtype=np.float32) for name, dims in {**fixed, "some": [m, K]}.items()}
    arrays["codes"] = data.integers(0, 256, [7, 50], dtype=np.uint8)
    arrays["pixels"] = data.integers(0, 256, [1, 12, 8, 7], dtype=np.uint8)
    np.savez(f"{folder}/rows{m}.npz", **arrays)
data.standard_normal((1024, 1024), dtype=np.float32).tofile(f"{folder}/large.bin")
with open(f"{folder}/large.adz", "w") as f:
    f.write("""const @w : f32[1024,1024] = blob("large.bin", 0, 4194304)
func @main(%x: f32[M,1024]) -> (f32[M,1024]) {
  %y = matmul(%x, @w) : f32[M,1024]
  return(%y)
}
""")
