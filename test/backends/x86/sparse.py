"""sparse.py FOLDER: a module whose weights have rows of 16 outputs that are zero, in every form, and inputs for it.

sparse.adz: products, windows with strides, borders, dilation and groups, panels that are empty, one step of k.
"""
import os
import random
import sys

import numpy as np

random.seed(11)
consts, ops, results, args, inputs = [], [], [], {}, {}


def const(dims, values):
    name = f"@c{len(consts)}"
    consts.append(f"const {name} : f32[{','.join(map(str, dims))}] = dense[{', '.join(map(str, values))}]")
    return name


def weights(dims, out, kept, groups=1, each=1.0):
    """Outputs lie along axis `out`; of the steps of 16 of them a share is kept, of their weights another."""
    w = np.round(np.array([random.uniform(-1, 1) for _ in range(int(np.prod(dims)))]).reshape(dims), 3)
    w = np.moveaxis(w, out, 0).copy()
    n = w.shape[0] // groups
    flat = w.reshape(w.shape[0], -1)
    for group in range(groups):
        for panel in range(0, n, 16):
            rows = slice(group * n + panel, group * n + min(panel + 16, n))
            for k in range(flat.shape[1]):
                if random.random() >= kept or (kept < 1 and panel == 16):  # the second panel is empty
                    flat[rows, k] = 0
    for i in range(flat.size):
        if random.random() >= each:
            flat.flat[i] = 0
    return const(dims, np.moveaxis(flat.reshape(w.shape), 0, out).ravel().tolist())


def arg(name, dims, known=None):
    args[name] = f"%{name}: f32[{','.join(map(str, dims))}]"
    known = known or dims
    inputs[name] = np.array([random.uniform(-1, 1) for _ in range(int(np.prod(known)))], np.float32).reshape(known)
    return f"%{name}"


def result(text, dims):
    value = f"%v{len(ops)}"
    ops.append(f"{value} = {text} : f32[{','.join(map(str, dims))}]")
    results.append((value, f"f32[{','.join(map(str, dims))}]"))
    return value


def product(rows, k, n, kept, each=1.0, form="matmul", known=None):
    x = arg(f"x{len(args)}", [*rows, k], known and [*known, k])
    if form == "matmul":
        result(f"matmul({x}, {weights([k, n], 1, kept, 1, each)})", [*rows, n])
    else:
        bias = const([n], [round(random.uniform(-1, 1), 3) for _ in range(n)])
        result(f"gemm({x}, {weights([n, k], 0, kept, 1, each)}, {bias}) {{transB = 1, alpha = 0.5}}", [*rows, n])


def conv(dims, out, kernel, kept, each=1.0, group=1, stride=1, pad=0, dilation=1):
    n = len(kernel)
    x = arg(f"x{len(args)}", dims)
    first = const([dims[1], dims[1], *[1] * n], [round(random.uniform(-0.5, 0.5), 3) for _ in range(dims[1] ** 2)])
    ops.append(f"%v{len(ops)} = conv({x}, {first}) : f32[{','.join(map(str, dims))}]")  # makes the layout
    x = f"%v{len(ops) - 1}"
    w = weights([out, dims[1] // group, *kernel], 0, kept, group, each)
    bias = const([out], [round(random.uniform(-1, 1), 3) for _ in range(out)])
    to = [dims[0], out, *[(d + 2 * pad - (k - 1) * dilation - 1) // stride + 1 for d, k in zip(dims[2:], kernel)]]
    y = f"%v{len(ops)}"
    ops.append(f"{y} = conv({x}, {w}, {bias}) {{group = {group}, kernel_shape = {list(kernel)}, "
               f"pads = {[pad] * 2 * n}, strides = {[stride] * n}, dilations = {[dilation] * n}}} : "
               f"f32[{','.join(map(str, to))}]")
    result(f"relu({y})", to)


for kept, each in ((0.3, 1), (0, 1), (1, 0.14)):
    product([13], 37, 50, kept, each)
    product([1], 64, 48, kept, each, "gemm")
    product([2, 3], 24, 16, kept, each)
    product([70], 40, 97, kept, each)
    product(["M"], 40, 33, kept, each, known=[19])
    product([31], 1, 20, kept, each, "gemm")
    conv([1, 16, 7, 7], 40, [1, 1], kept, each)
    conv([2, 8, 9, 11], 20, [3, 3], kept, each, pad=1)
    conv([1, 6, 10, 10], 33, [3, 3], kept, each, stride=2, pad=1)
    conv([1, 5, 12, 9], 16, [3, 2], kept, each, dilation=2)
    conv([1, 12, 8, 8], 60, [3, 3], kept, each, group=3, pad=1)
    conv([1, 32, 6, 6], 32, [1, 1], kept, each, group=2, stride=2)
    conv([1, 7, 30], 19, [5], kept, each, pad=2, stride=2)
    conv([1, 3, 16, 16], 17, [7, 7], kept, each, pad=3)

product([100], 33, 80, 1, 0.12)  # single weights, in whole panels and beyond their end
product([2, 45], 16, 64, 1, 0.13)
product([33], 50, 41, 1, 0.12)
conv([2, 8, 9, 16], 32, [3, 3], 1, 0.13, pad=1)
conv([1, 6, 13, 80], 48, [3, 3], 1, 0.12, stride=2, pad=1)
conv([1, 5, 12, 34], 16, [3, 2], 1, 0.13, dilation=2)
conv([1, 12, 8, 8], 48, [3, 3], 1, 0.13, group=3, pad=1)
conv([1, 7, 64], 23, [5], 1, 0.12, pad=2, stride=2)
conv([1, 32, 28, 28], 64, [1, 1], 1, 0.1)

for n in 40, 16:  # bytes: panels without their zeros
    name, codes = f"x{len(args)}", [random.choice([0, 0, 0, 0, random.randint(-128, 127)]) for _ in range(130 * n)]
    args[name] = f"%{name}: u8[9,130]"
    inputs[name] = np.array([random.randint(0, 255) for _ in range(9 * 130)], np.uint8).reshape(9, 130)
    consts.append(f"const @c{len(consts)} : i8[130,{n}] = dense[{', '.join(map(str, codes))}]")
    ops.append(f"%v{len(ops)} = matmul_integer(%{name}, @c{len(consts) - 1}) : i32[9,{n}]")
    results.append((f"%v{len(ops) - 1}", f"i32[9,{n}]"))

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "sparse.adz"), "w") as f:
    types = ", ".join(t for _, t in results)
    f.write("\n".join(consts) + f"\nfunc @main({', '.join(args.values())}) -> ({types}) {{\n")
    f.write("".join(f"  {op}\n" for op in ops) + f"  return({', '.join(v for v, _ in results)})\n}}\n")
np.savez(os.path.join(folder, "in.npz"), **inputs)
