"""prune_channels.py ADZE FOLDER: small models in each of which half of the units of a group are copies of others, so
that they can go without a loss. prune-channels finds them, tensors shrink, and what ONNX Runtime makes of the exported
model is what the model gave before. Prints the types that show it.
"""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ADZE, FOLDER = sys.argv[1], Path(sys.argv[2])
rng = np.random.default_rng(5)


def twins(n, axis, *shape):
    """Weights of which the second half along an axis is the first one again."""
    half = list(shape)
    half[axis] = n // 2
    w = rng.normal(size=half)
    return np.concatenate([w, w], axis)


def constants(**arrays):
    text = ""
    for name, a in arrays.items():
        kind = "i64" if a.dtype.kind == "i" else "f32"
        values = ", ".join(str(v) if kind == "i64" else repr(float(np.float32(v))) for v in a.ravel())
        text += f"const @{name} : {kind}[{','.join(map(str, a.shape))}] = dense[{values}]\n"
    return text


def normal(*shape):
    return rng.normal(size=shape)


def ints(*values):
    return np.array(values, np.int64)


def residual():
    return constants(w=twins(8, 0, 8, 3, 3, 3), a=twins(8, 0, 8, 8, 1, 1), b=twins(8, 0, 8), v=normal(2, 8, 1, 1)), """
  %0 = conv(%x, @w) {pads = [1, 1, 1, 1]} : f32[1,8,6,6]
  %1 = relu(%0) : f32[1,8,6,6]
  %2 = conv(%1, @a, @b) : f32[1,8,6,6]
  %3 = add(%2, %1) : f32[1,8,6,6]
  %y = conv(%3, @v) : f32[1,2,6,6]""", "f32[1,2,6,6]", "0.5"


def shortcut():
    """A slice of the pixels and zeros around the channels, as in residual networks without projections."""
    return constants(w=twins(4, 0, 4, 3, 1, 1), a=normal(8, 4, 1, 1), v=normal(2, 8, 1, 1), starts=ints(0, 0),
                     ends=ints(99, 99), axes=ints(2, 3), steps=ints(2, 2), pads=ints(0, 2, 0, 0, 0, 2, 0, 0)), """
  %0 = conv(%x, @w) : f32[1,4,6,6]
  %1 = relu(%0) : f32[1,4,6,6]
  %2 = slice(%1, @starts, @ends, @axes, @steps) : f32[1,4,3,3]
  %3 = pad(%2, @pads) : f32[1,8,3,3]
  %4 = conv(%1, @a) {strides = [2, 2]} : f32[1,8,3,3]
  %5 = add(%3, %4) : f32[1,8,3,3]
  %y = conv(%5, @v) : f32[1,2,3,3]""", "f32[1,2,3,3]", None


def concat():
    return constants(w=twins(4, 0, 4, 3, 1, 1), a=twins(6, 0, 6, 3, 1, 1), v=normal(2, 10, 1, 1)), """
  %0 = conv(%x, @w) : f32[1,4,6,6]
  %1 = conv(%x, @a) : f32[1,6,6,6]
  %2 = concat(%0, %1) {axis = 1} : f32[1,10,6,6]
  %3 = relu(%2) : f32[1,10,6,6]
  %y = conv(%3, @v) : f32[1,2,6,6]""", "f32[1,2,6,6]", "0.5"


def split():
    return constants(w=np.concatenate([twins(4, 0, 4, 3, 1, 1), twins(6, 0, 6, 3, 1, 1)]), sizes=ints(4, 6),
                     u=normal(2, 4, 1, 1), v=normal(2, 6, 1, 1)), """
  %0 = conv(%x, @w) : f32[1,10,6,6]
  %1, %2 = split(%0, @sizes) {axis = 1} : f32[1,4,6,6], f32[1,6,6,6]
  %3 = relu(%1) : f32[1,4,6,6]
  %4 = conv(%3, @u) : f32[1,2,6,6]
  %5 = conv(%2, @v) : f32[1,2,6,6]
  %y = add(%4, %5) : f32[1,2,6,6]""", "f32[1,2,6,6]", "0.5"


def depthwise():
    return constants(w=twins(8, 0, 8, 3, 1, 1), d=twins(8, 0, 8, 1, 3, 3), b=twins(8, 0, 8), s=twins(8, 0, 8, 1, 1),
                     v=normal(2, 8, 1, 1)), """
  %0 = conv(%x, @w) : f32[1,8,6,6]
  %1 = prelu(%0, @s) : f32[1,8,6,6]
  %2 = conv(%1, @d, @b) {group = 8, pads = [1, 1, 1, 1]} : f32[1,8,6,6]
  %3 = max_pool(%2) {kernel_shape = [2, 2], strides = [2, 2]} : f32[1,8,3,3]
  %y = conv(%3, @v) : f32[1,2,3,3]""", "f32[1,2,3,3]", "0.5"


def grouped():
    """The same channel of every group goes: there are more channels than groups."""
    w = normal(2, 2, 3, 1, 1)
    return constants(w=np.concatenate([w, w], 1).reshape(8, 3, 1, 1), d=normal(6, 4, 3, 3), v=normal(2, 6, 1, 1)), """
  %0 = conv(%x, @w) : f32[1,8,6,6]
  %1 = relu(%0) : f32[1,8,6,6]
  %2 = conv(%1, @d) {group = 2, pads = [1, 1, 1, 1]} : f32[1,6,6,6]
  %y = conv(%2, @v) : f32[1,2,6,6]""", "f32[1,2,6,6]", "plan channels w 4"


def flatten():
    return constants(w=twins(4, 0, 4, 3, 1, 1), b=twins(4, 0, 4), v=normal(5, 144), shape=ints(0, -1)), """
  %0 = conv(%x, @w, @b) : f32[1,4,6,6]
  %1 = relu(%0) : f32[1,4,6,6]
  %2 = reshape(%1, @shape) : f32[1,144]
  %y = gemm(%2, @v) {transB = 1} : f32[1,5]""", "f32[1,5]", "0.5"


def factors():
    """Products that are multiplied, and biases that are, or are no numbers of a row."""
    return constants(w=twins(8, 1, 8, 8), b=twins(8, 0, 8), v=normal(5, 8), c=normal(5), u=normal(5, 4),
                     o=normal(6, 1), shape=ints(6, 8)), """
  %0 = reshape(%x, @shape) : f32[6,8]
  %1 = gemm(%0, @w, @b) {alpha = 0.5, beta = 0.5} : f32[6,8]
  %2 = relu(%1) : f32[6,8]
  %3 = gemm(%2, @v, @c) {alpha = 0.5, beta = 0.5, transB = 1} : f32[6,5]
  %4 = relu(%3) : f32[6,5]
  %y = gemm(%4, @u, @o) : f32[6,4]""", "f32[6,4]", "plan channels w 4"


def heads():
    """Two of four heads are copies; q, k and v lose rows, o columns."""
    def rows():
        w = normal(8, 2, 4)
        return np.concatenate([w, w], 1).reshape(8, 16)
    return constants(q=rows(), k=rows(), v=rows(), o=normal(16, 8), shape=ints(1, 6, 4, 4), back=ints(1, 6, 16)), """
  %q = matmul(%x, @q) : f32[1,6,16]
  %k = matmul(%x, @k) : f32[1,6,16]
  %v = matmul(%x, @v) : f32[1,6,16]
  %0 = reshape(%q, @shape) : f32[1,6,4,4]
  %1 = reshape(%k, @shape) : f32[1,6,4,4]
  %2 = reshape(%v, @shape) : f32[1,6,4,4]
  %3 = transpose(%0) {perm = [0, 2, 1, 3]} : f32[1,4,6,4]
  %4 = transpose(%1) {perm = [0, 2, 3, 1]} : f32[1,4,4,6]
  %5 = transpose(%2) {perm = [0, 2, 1, 3]} : f32[1,4,6,4]
  %6 = matmul(%3, %4) : f32[1,4,6,6]
  %7 = softmax(%6) : f32[1,4,6,6]
  %8 = matmul(%7, %5) : f32[1,4,6,4]
  %9 = transpose(%8) {perm = [0, 2, 1, 3]} : f32[1,6,4,4]
  %10 = reshape(%9, @back) : f32[1,6,16]
  %y = matmul(%10, @o) : f32[1,6,8]""", "f32[1,6,8]", "0.5"


def grouped_query():
    """Four heads of q share two of k and v, which are copies: one goes with its two of q."""
    q = normal(8, 1, 8)
    def kv():
        w = normal(8, 1, 4)
        return np.concatenate([w, w], 1).reshape(8, 8)
    return constants(q=np.concatenate([q, q], 1).reshape(8, 16), k=kv(), v=kv(), o=normal(16, 8), sq=ints(1, 6, 4, 4),
                     sk=ints(1, 6, 2, 1, 4), wide=ints(1, 6, 2, 2, 4), back=ints(1, 6, 16)), """
  %q = matmul(%x, @q) : f32[1,6,16]
  %k = matmul(%x, @k) : f32[1,6,8]
  %v = matmul(%x, @v) : f32[1,6,8]
  %0 = reshape(%q, @sq) : f32[1,6,4,4]
  %1 = reshape(%k, @sk) : f32[1,6,2,1,4]
  %2 = reshape(%v, @sk) : f32[1,6,2,1,4]
  %3 = expand(%1, @wide) : f32[1,6,2,2,4]
  %4 = expand(%2, @wide) : f32[1,6,2,2,4]
  %5 = reshape(%3, @sq) : f32[1,6,4,4]
  %6 = reshape(%4, @sq) : f32[1,6,4,4]
  %7 = transpose(%0) {perm = [0, 2, 1, 3]} : f32[1,4,6,4]
  %8 = transpose(%5) {perm = [0, 2, 3, 1]} : f32[1,4,4,6]
  %9 = transpose(%6) {perm = [0, 2, 1, 3]} : f32[1,4,6,4]
  %10 = matmul(%7, %8) : f32[1,4,6,6]
  %11 = softmax(%10) : f32[1,4,6,6]
  %12 = matmul(%11, %9) : f32[1,4,6,4]
  %13 = transpose(%12) {perm = [0, 2, 1, 3]} : f32[1,6,4,4]
  %14 = reshape(%13, @back) : f32[1,6,16]
  %y = matmul(%14, @o) : f32[1,6,8]""", "f32[1,6,8]", "0.5"


def shared():
    """One product's weights stand at two places, and so do the units that they read."""
    return constants(w=twins(6, 1, 8, 6), b=twins(6, 0, 6), v=normal(6, 8)), """
  %0 = matmul(%x, @w) : f32[1,6,6]
  %1 = add(%0, @b) : f32[1,6,6]
  %2 = relu(%1) : f32[1,6,6]
  %3 = matmul(%2, @v) : f32[1,6,8]
  %4 = matmul(%3, @w) : f32[1,6,6]
  %5 = gelu(%4) : f32[1,6,6]
  %y = matmul(%5, @v) : f32[1,6,8]""", "f32[1,6,8]", "0.5"


def run(*arguments):
    done = subprocess.run([ADZE, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"adze {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def outputs(path, samples):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": x})[0] for x in samples])


for model in (residual, shortcut, concat, split, depthwise, grouped, flatten, factors, heads, grouped_query, shared):
    text, body, result, rate = model()
    image = "conv(%x" in body
    shape, kind = ((1, 3, 6, 6), "f32[1,3,6,6]") if image else ((1, 6, 8), "f32[1,6,8]")
    base = FOLDER / model.__name__
    base.with_suffix(".adz").write_text(f"{text}func @main(%x: {kind}) -> ({result}) {{{body}\n  return(%y)\n}}\n")
    np.savez(base.with_suffix(".npz"), x=rng.normal(size=(300 if model is flatten else 24, *shape)).astype(np.float32))
    if rate is None:  # what is tied to the padding stays: it is no copy
        rate = "plan channels w 2"
    how = f"group-rate={rate}"
    if rate.startswith("plan"):
        base.with_suffix(".plan").write_text(f"adze-plan 1\n{rate[5:]}\n")
        how = f"plan={base}.plan"
    run("opt", f"{base}.adz", "--passes=simplify", "-o", f"{base}.before.onnx")
    printed = run("opt", f"{base}.adz", f"--passes=simplify,prune-channels{{{how},multiple=1}}",
                  f"--calib={base}.npz", "--check", "-o", f"{base}.after.adz")
    printed = (FOLDER / f"{model.__name__}.after.adz").read_text()
    run("opt", f"{base}.after.adz", "-o", f"{base}.after.onnx")
    onnx.checker.check_model(f"{base}.after.onnx", full_check=True)
    samples = rng.normal(size=(4, *shape)).astype(np.float32)
    before, after = (outputs(f"{base}.{when}.onnx", samples) for when in ("before", "after"))
    difference = np.abs(before - after).max() / np.abs(before).max()
    was, kinds = (dict(re.findall(r"const @(\w+) ?: f32(\[[0-9,]*\])", t)) for t in (text, printed))
    kinds = {name: kind for name, kind in kinds.items() if was.get(name) != kind}
    print(model.__name__, *(f"{n}{k}" for n, k in sorted(kinds.items())), "same" if difference < 1e-2 else difference)
