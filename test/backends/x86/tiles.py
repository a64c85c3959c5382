"""tiles.py MODULE INPUTS: products and convolutions of bytes with enough rows and steps for tiles, and some with too
few."""
import random
import sys

import numpy as np

random.seed(9)
consts, ops, results = [], [], []


def weights(dims):
    count = 1
    for dim in dims:
        count *= dim
    values = [random.choice([-128, 127, random.randint(-128, 127)]) for _ in range(count)]
    name = f"@w{len(consts)}"
    consts.append(f"const {name} : i8[{','.join(map(str, dims))}] = dense[{', '.join(map(str, values))}]")
    return name


def result(call, dims):
    n = len(ops)
    text = f"i32[{','.join(map(str, dims))}]"
    ops.append(f"%r{n} = {call} : {text}")
    results.append((f"%r{n}", text))


def product(x, dims, columns):
    result(f"matmul_integer({x}, {weights([dims[-1], columns])})", [*dims[:-1], columns])


def conv(x, dims, out, kernel, pad=0, stride=1):
    w = weights([out, dims[1], kernel, kernel])
    size = [(d + 2 * pad - kernel) // stride + 1 for d in dims[2:]]
    result(f"conv_integer({x}, {w}) {{kernel_shape = [{kernel}, {kernel}], pads = {[pad] * 4}, "
           f"strides = {[stride] * 2}, dilations = [1, 1], group = 1}}", [dims[0], out, *size])


args = {"few": [14, 70], "fifteen": [15, 64], "rows": [67, 100], "line": [130, 64], "any": ["N", 97],
        "image": [1, 64, 7, 7], "thin": [2, 36, 17, 5], "wide": [1, 32, 3, 40]}
product("%few", args["few"], 40)
product("%fifteen", args["fifteen"], 32)
product("%rows", args["rows"], 33)
product("%line", args["line"], 64)
product("%any", args["any"], 48)
conv("%image", args["image"], 20, 3, pad=1)
conv("%image", args["image"], 64, 1)
conv("%thin", args["thin"], 17, 3, pad=1, stride=2)
conv("%wide", args["wide"], 32, 3, pad=1)
head = ", ".join(f"%{name}: u8[{','.join(map(str, dims))}]" for name, dims in args.items())
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write("\n".join(consts))
    file.write(f"\nfunc @main({head}) -> ({', '.join(t for _, t in results)}) {{\n  ")
    file.write("\n  ".join(ops))
    file.write(f"\n  return({', '.join(v for v, _ in results)})\n}}\n")
bytes_of = np.random.default_rng(3)
np.savez(sys.argv[2], **{
    name: bytes_of.choice([0, 255, 128, 77], [90 if d == "N" else d for d in dims]).astype(np.uint8)
    for name, dims in args.items()})
