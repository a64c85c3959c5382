"""integers.py: a module with every form of an integer convolution and product, codes and weights at their extremes."""
import random

random.seed(5)
consts, ops, results = [], [], []


def const(dtype, dims, values):
    name = f"@c{len(consts)}"
    consts.append(f"const {name} : {dtype}[{','.join(map(str, dims))}] = dense[{', '.join(map(str, values))}]")
    return name


def count(dims):
    n = 1
    for dim in dims:
        n *= dim
    return n


def weights(dims, low, high):
    """Long runs of the least and the greatest code: what saturates in 16 bits does so here."""
    values = []
    while len(values) < count(dims):
        values += [random.choice([low, high, random.randint(low, high)])] * random.randint(1, 9)
    return values[: count(dims)]


def finish(acc, dtype, channels, dims, axis):
    """Sums, and what a model makes of them: bias, scale for each channel, bound, code."""
    n = len(ops)
    shape = [1] * len(dims)
    shape[axis] = channels
    bias = const("i32", shape, [random.randint(-30000, 30000) for _ in range(channels)])
    by = const("f32", [channels], [random.uniform(1e-4, 4e-3) for _ in range(channels)])
    zero = const(dtype, [], [random.randint(0, 100)])
    text = ",".join(map(str, dims))
    ops.append(f"%s{n} = add({acc}, {bias}) : i32[{text}]")
    ops.append(f"%q{n} = requantize(%s{n}, {by}, {zero}) {{axis = {axis}}} : {dtype}[{text}]")
    if random.random() < 0.3:  # the sums themselves, too: then the kernel ends with them
        results.append((acc, f"i32[{text}]"))
    results.append((f"%q{n}", f"{dtype}[{text}]"))


def conv(x, in_dims, out, kernel, group=1, stride=1, pad=0, dilation=1, wide=False, dtype="u8", most=255):
    n = len(ops)
    w = [out, in_dims[1] // group, *kernel]
    values = weights(w, *((-most, most) if wide else (-128, 127)))
    name = const("i16" if wide else "i8", w, values)
    dims = [in_dims[0], out]
    for size, k in zip(in_dims[2:], kernel):
        dims.append((size + 2 * pad - (k - 1) * dilation - 1) // stride + 1)
    axes = len(kernel)
    attrs = (f"dilations = {[dilation] * axes}, group = {group}, kernel_shape = {list(kernel)}, "
             f"pads = {[pad] * 2 * axes}, strides = {[stride] * axes}")
    ops.append(f"%a{n} = conv_integer({x}, {name}) {{{attrs}}} : i32[{','.join(map(str, dims))}]")
    finish(f"%a{n}", dtype, out, dims, 1)


def product(x, dims, columns, wide=False):
    n = len(ops)
    name = const("i16" if wide else "i8", [dims[-1], columns],
                 weights([dims[-1], columns], *((-255, 255) if wide else (-128, 127))))
    to = [*dims[:-1], columns]
    ops.append(f"%a{n} = matmul_integer({x}, {name}) : i32[{','.join(map(str, to))}]")
    finish(f"%a{n}", "i8", columns, to, len(to) - 1)


image, few, deep, rows, line = [1, 32, 9, 11], [1, 3, 13, 10], [2, 48, 5, 5], [7, 50], [3, 6, 21]
for wide in (False, True):
    conv("%few", few, 20, (3, 3), stride=2, pad=1, wide=wide)      # taps of 3 channels
    conv("%image", image, 40, (1, 1), wide=wide)                   # a product over pixels
    conv("%image", image, 16, (3, 3), pad=1, wide=wide, dtype="i8")
    conv("%image", image, 17, (5, 3), pad=2, dilation=2, wide=wide)
    conv("%image", image, 32, (3, 3), group=32, pad=1, wide=wide)  # depthwise
    conv("%deep", deep, 48, (3, 3), group=48, stride=2, wide=wide)
    conv("%deep", deep, 24, (3, 3), group=3, pad=1, wide=wide)
    product("%rows", rows, 33, wide=wide)                          # k is no multiple of 4
    product("%line", line, 64, wide=wide)
    product("%rows", rows, 1, wide=wide)
conv("%line", line, 12, (3,), pad=1)                               # one axis
conv("%image", image, 32, (3, 3), group=32, pad=1, wide=True, most=32767)  # sums that floats do not hold
conv("%gray", [1, 1, 8, 9], 1, (3, 3))                             # one channel to one
args = [("few", few), ("image", image), ("deep", deep), ("rows", rows), ("line", line), ("gray", [1, 1, 8, 9])]
print("\n".join(consts))
head = ", ".join(f"%{name}: u8[{','.join(map(str, dims))}]" for name, dims in args)
print(f"func @main({head}) -> ({', '.join(t for _, t in results)}) {{")
print("\n".join("  " + op for op in ops))
print(f"  return({', '.join(v for v, _ in results)})\n}}")
