"""What stands on the floor: for every op row and element type, does a kernel or the op's evaluation run it?

Prints a line an op with the element types that run on the evaluation; pack_panels is what a convolution needs whose
weights are no constant. The test beside this file holds the list, so
that it changes only where somebody looks: an op that leaves the floor, or falls back to it, changes a line.
Ops that are views, structure or loop IR, and ops whose result's dims depend on data, are not asked.
"""
import os
import re
import subprocess
import sys
import tempfile

from edges import BINARY, COMPARE, INT_BINARY, INTS, UNARY
from edges_run import ADZE

REALS = ["f32", "f64", "f16", "bf16"]
NUMBERS = REALS + INTS
WINDOW = "kernel_shape = [2, 2]"
CONSTS = """  const @last: i64[1] = dense[-1]
  const @axis: i64[] = dense[1]
  const @two: i64[2] = dense[2, 1]
  const @half: i64[2] = dense[8, 8]
  const @pads: i64[4] = dense[0, 1, 0, 1]
  const @zero: i64[2] = dense[0, 0]
  const @ends: i64[2] = dense[2, 8]
  const @up: f32[4] = dense[1.0, 1.0, 2.0, 2.0]
"""
# op: (element types, op text over x[4,16], y[16,4], v[16], image n[1,2,8,8], w[3,2,3,3], scalar s, indices i[3],
# j[4,16], k[3,1]; @@ = the element type, result dims)
OTHERS = {
    "where": (NUMBERS + ["bool"], "where(%c, %x, %x)", "4,16"),
    "clip": (NUMBERS, "clip(%x, %s, %s)", "4,16"),
    "max_n": (NUMBERS, "max_n(%x, %v)", "4,16"),
    "sum_n": (NUMBERS, "sum_n(%x, %v)", "4,16"),
    "cast": (NUMBERS + ["bool"], "cast(%x) {to = f32}", None),
    "quantize": (["i8", "u8", "i16", "u16"], "quantize(%real, %scale, %s)", "4,16"),
    "dequantize": (["i8", "u8", "i16", "u16", "i32"], "dequantize(%x, %scale, %s)", None),
    "matmul": (NUMBERS, "matmul(%x, %y)", "4,4"),
    "gemm": (NUMBERS, "gemm(%x, %x, %s) {transB = 1}", "4,4"),
    "conv": (REALS, "conv(%n, %w)", "1,3,6,6"),
    "max_pool": (REALS + ["i8", "u8"], f"max_pool(%n) {{{WINDOW}}}", "1,2,7,7"),
    "average_pool": (REALS, f"average_pool(%n) {{{WINDOW}}}", "1,2,7,7"),
    "global_average_pool": (REALS, "global_average_pool(%n)", "1,2,1,1"),
    "global_max_pool": (REALS, "global_max_pool(%n)", "1,2,1,1"),
    **{f"reduce_{op}": (NUMBERS, f"reduce_{op}(%x, @last)", "4,1") for op in
       "sum mean max min prod l1 sum_square".split()},
    **{f"reduce_{op}": (REALS, f"reduce_{op}(%x, @last)", "4,1") for op in "l2 log_sum log_sum_exp".split()},
    "argmax": (NUMBERS, "argmax(%x) {axis = 1}", None),
    "argmin": (NUMBERS, "argmin(%x) {axis = 0}", None),
    "cum_sum": (NUMBERS, "cum_sum(%x, @axis)", "4,16"),
    **{op: (REALS, f"{op}(%x)", "4,16") for op in ("softmax", "log_softmax")},
    "layer_norm": (REALS, "layer_norm(%x, %v, %v)", "4,16"),
    "rms_norm": (REALS, "rms_norm(%x, %v)", "4,16"),
    "transpose": (NUMBERS + ["bool"], "transpose(%x)", "16,4"),
    "expand": (NUMBERS + ["bool"], "expand(%s, _)", "4,16"),
    "concat": (NUMBERS + ["bool"], "concat(%x, %x) {axis = 1}", "4,32"),
    "split": (NUMBERS + ["bool"], "split(%x, @half) {axis = 1}", "4,8"),
    "slice": (NUMBERS + ["bool"], "slice(%x, @zero, @ends)", "2,8"),
    "pad": (NUMBERS + ["bool"], "pad(%x, @pads)", "4,18"),
    "gather": (NUMBERS + ["bool"], "gather(%x, %i)", "3,16"),
    "gather_elements": (NUMBERS + ["bool"], "gather_elements(%x, %j)", "4,16"),
    "gather_nd": (NUMBERS + ["bool"], "gather_nd(%x, %k)", "3,16"),
    "tile": (NUMBERS + ["bool"], "tile(%x, @two)", "8,16"),
    "resize": (NUMBERS, "resize(%n, _, @up)", "1,2,16,16"),
    "resize linear": (REALS, "resize(%n, _, @up) {mode = \"linear\"}", "1,2,16,16"),
    "depth_to_space": (NUMBERS, "depth_to_space(%d) {blocksize = 2}", "1,1,4,4"),
    "space_to_depth": (NUMBERS, "space_to_depth(%n) {blocksize = 2}", "1,8,4,4"),
    "attention": (REALS, "attention(%q, %q, %q)", "1,2,8,16"),
    "batch_norm": (REALS, "batch_norm(%n, %two, %two, %two, %two)", "1,2,8,8"),
    "iota": (INTS, "iota()", "16"),
    "full": (NUMBERS + ["bool"], "full() {value = 1}", "16"),
}
INPUTS = {"x": "4,16", "y": "16,4", "v": "16", "n": "1,2,8,8", "w": "3,2,3,3", "s": "", "d": "1,4,2,2", "q": "1,2,8,16",
          "two": "2"}
FIXED = {"c": "bool[4,16]", "i": "i64[3]", "j": "i64[4,16]", "k": "i64[3,1]", "real": "f32[4,16]", "scale": "f32[]"}
RESULTS = {"argmax": "i64[4,1]", "argmin": "i64[1,16]", "cast": "f32[4,16]", "dequantize": "f32[4,16]"}


def ops():
    """(name, element types, text, result type with @@)"""
    for name in UNARY:
        yield name, REALS, f"{name}(%x)", "bool[4,16]" if name.startswith("is") else "@@[4,16]"
    for name in ("abs", "sign", "relu", "bitwise_not"):
        yield name, INTS, f"{name}(%x)", "@@[4,16]"
    yield "neg", [k for k in INTS if k[0] == "i"], "neg(%x)", "@@[4,16]"
    yield "not", ["bool"], "not(%x)", "bool[4,16]"
    for names, kinds in ((BINARY + ["mod"], REALS), (INT_BINARY + ["pow"], INTS),
                         (["and", "or", "xor", "equal"], ["bool"])):
        for name in names:
            yield name, kinds, f"{name}(%x, %v)", f"{'bool' if name in COMPARE else '@@'}[4,16]"
    for name, (kinds, text, dims) in OTHERS.items():
        yield name, kinds, text, RESULTS.get(name) or f"@@[{dims}]"


def on_floor(folder, kind):
    """Names of the ops that run on their evaluation, of one module with all ops over the element type."""
    inputs = {f"%{n}": f"{kind}[{dims}]" for n, dims in INPUTS.items()} | {f"%{n}": t for n, t in FIXED.items()}
    body, results = [], []
    for _, kinds, text, result in ops():
        if kind not in kinds:
            continue
        types = [result.replace("@@", kind)] * (2 if text.startswith("split") else 1)
        names = [f"%r{len(results) + i}" for i in range(len(types))]
        results += zip(names, types)
        body.append(f"    {', '.join(names)} = {text} : {', '.join(types)}\n")
    path = os.path.join(folder, f"{kind}.adz")
    with open(path, "w") as f:
        f.write(f"module @m {{\n{CONSTS}  func @main({', '.join(f'{n}: {t}' for n, t in inputs.items())}) -> "
                f"({', '.join(t for _, t in results)}) {{\n{''.join(body)}"
                f"    return({', '.join(n for n, _ in results)})\n  }}\n}}\n")
    r = subprocess.run([ADZE, "info", path, "--target=x86:x86-64-v3"], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{kind}: {r.stderr.strip()}")
    return len(body), re.findall(r"^  (\w+) ", r.stdout[r.stdout.index("\nfloor "):], re.M)


def main():
    asked, floor = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in NUMBERS + ["bool"]:
            n, names = on_floor(folder, kind)
            asked += n
            for name in names:
                floor.setdefault(name, []).append(kind)
    for name, kinds in sorted(floor.items()):
        print(f"{name}: {' '.join(kinds)}")
    print(f"{sum(len(kinds) for kinds in floor.values())} of {asked} on the floor")


if __name__ == "__main__":
    sys.exit(main())
