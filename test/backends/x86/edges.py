"""Generated edge cases of the x86 backend against the reference: op x element type x shape.

A group is one module with many results. Its symbolic dims N and M are bound at the run by one artifact
(zero, one, around a vector's 16 lanes) and fixed at compilation by others. Values hold NaN, infinities,
-0.0, denormals and the extremes of integers. `--precision=strict` keeps denormals, as the reference does;
other runs flush them, so differences below 1e-37 do not count there.
"""
import itertools
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from edges_run import Runner, host_is_v3

DTYPES = {"f32": "f4", "f64": "f8", "f16": "f2", "bf16": "u2", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8",
          "u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "bool": "?"}  # files hold the bits of bf16
INTS = [kind for kind in DTYPES if kind[0] in "iu"]
SPECIALS = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -1e-40, 3.4028235e38, -3.4028235e38, 1.1754944e-38, 0.5, -0.5,
            1.5, 2.5, -1.0, 1.0, 88.7, -88.7, 89.0, -104.0, 16777217.0, 2147483648.0, -2147483904.0, 9.3e18, 255.5]


class Group:
    """One module: inputs {name: type text} and results [(op text, type text)]."""

    def __init__(self, name, values="special", rtol=5e-7, scale=0.0, consts=""):
        self.name, self.values, self.rtol, self.scale = name, values, rtol, scale
        self.consts, self.inputs, self.ops, self.hidden = consts, {}, [], []
        self.fixed = None  # sizes of its own, in place of a turn among FIXED

    def input(self, kind, dims):
        name = "%" + re.sub(r"\W+", "_", f"{kind}_{dims}")
        self.inputs[name] = f"{kind}[{dims}]"
        return name

    def const(self, dims, kind="f32"):
        """A new constant of normally distributed values, in f32 or half precision."""
        count = self.consts.count("const")
        values = np.random.default_rng(count).standard_normal(int(np.prod([int(d) for d in dims.split(",")])))
        values = values.astype("<f4")
        values = values.astype("<f2") if kind == "f16" else values.view("<u4") >> 16 if kind == "bf16" else values
        raw = values.astype("<u2") if kind == "bf16" else values
        self.consts += f'  const @k{count}: {kind}[{dims}] = hex"{raw.tobytes().hex()}"\n'
        return f"@k{count}"

    def op(self, text, *types):
        self.ops.append((text, types))

    def chain(self, type_, *texts):
        """Ops one after another, @@ = the one before; only the last is a result, so that they may fuse."""
        for text in texts[:-1]:
            self.hidden.append(f"    %h{len(self.hidden)} = {text.replace('@@', f'%h{len(self.hidden) - 1}')}")
        self.op(texts[-1].replace("@@", f"%h{len(self.hidden) - 1}"), type_)

    def text(self):
        results, body, n = [], list(self.hidden), 0
        for text, types in self.ops:
            names = [f"%r{n + i}" for i in range(len(types))]
            n += len(types)
            results += [f"{a}: {t}" for a, t in zip(names, types)]
            body.append(f"    {', '.join(names)} = {text} : {', '.join(types)}")
        inputs = ", ".join(f"{a}: {t}" for a, t in self.inputs.items())
        names = ", ".join(r.split(":")[0] for r in results)
        return (f"module @{self.name} {{\n{self.consts}  func @main({inputs}) -> ({', '.join(results)}) {{\n"
                + "\n".join(body) + f"\n    return({names})\n  }}\n}}\n")

    def kind(self, result):
        """Element type of result k."""
        return list(itertools.chain(*(types for _, types in self.ops)))[result].split("[")[0]

    def of(self, result):
        """The op that result k comes from."""
        return list(itertools.chain(*([text] * len(types) for text, types in self.ops)))[result]

    def data(self, n, m):
        rng = np.random.default_rng(n * 100 + m)
        arrays = {}
        for name, type_ in self.inputs.items():
            kind, dims = re.fullmatch(r"(\w+)\[(.*)\]", type_).groups()
            shape = [eval(d, {"N": n, "M": m}) for d in dims.split(",")] if dims else []
            arrays[name[1:]] = self.array(rng, kind, shape)
        return arrays

    def array(self, rng, kind, shape):
        count = int(np.prod(shape))
        dtype = np.dtype(DTYPES[kind])
        if kind == "bool":
            flat = rng.random(count) < 0.5
        elif kind == "bf16":
            flat = (self.array(rng, "f32", [count]).view("u4") >> 16).astype(dtype)
        elif dtype.kind == "f":
            flat = rng.standard_normal(count).astype(dtype)
            if self.values == "special":
                with np.errstate(over="ignore"):
                    pool = np.resize(rng.permutation(SPECIALS), count).astype(dtype)
                flat = np.where(rng.random(count) < 0.6, pool, flat * 4)
        else:
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            few = np.array([low, high, 0, 1, 2, 7, high // 2, 0 if low == 0 else -1], dtype)
            wide = rng.integers(low, high, count, dtype, endpoint=True)
            flat = np.where(rng.random(count) < 0.5, few[rng.integers(0, 8, count)], wide)
            if self.values == "divide":  # zero divides nothing
                flat = np.where(flat == 0, dtype.type(3), flat)
        return flat.astype(dtype).reshape(shape)


UNARY = """abs neg sign ceil floor round exp log sqrt rsqrt reciprocal sin cos tan asin acos atan sinh cosh tanh asinh
acosh atanh erf sigmoid relu leaky_relu elu selu celu hard_sigmoid hard_swish softplus softsign thresholded_relu mish
swish gelu gelu_tanh isnan isinf""".split()
BINARY = "add sub mul div pow max min prelu equal less less_equal greater greater_equal".split()
INT_BINARY = """add sub mul div mod max min equal less less_equal greater greater_equal bitwise_and bitwise_or
bitwise_xor""".split()
COMPARE = {"equal", "less", "less_equal", "greater", "greater_equal"}
PAIRS = [("N,1", "1,M", "N,M"), ("N", "", "N"), ("M,N", "N", "M,N"), ("2,N,1", "M,1,1,5", "M,2,N,5"), ("", "", ""),
         ("N", "N", "N")]


def at_once(g, kind):
    """Ops that share a loop: what one leaves to the next is rounded to the element type."""
    x, y, t = g.input(kind, "M,N"), g.input(kind, "N"), f"{kind}[M,N]"
    g.chain(t, f"mul({x}, {x}) : {t}", f"add(@@, {y}) : {t}", f"sub(@@, {x})")
    g.chain("f32[M,N]", f"mul({x}, {y}) : {t}", "cast(@@) {to = f32}")
    g.op(f"sum_n({x}, {y}, {x})", t)


def binary(group, ops, kind, turn=0):
    for i, (op, at) in enumerate(itertools.product(ops, range(2))):
        a, b, c = PAIRS[(i + 2 * at + turn) % len(PAIRS)]
        left, right = group.input(kind, a), group.input(kind, b)
        attributes = " {fmod = 1}" if op == "mod" and at else ""
        group.op(f"{op}({left}, {right}){attributes}", f"{'bool' if op in COMPARE else kind}[{c}]")


def unary(group, ops, kind):
    for i, op in enumerate(ops):
        dims = ["N", "M,N", "", "N,1"][i % 4]
        group.op(f"{op}({group.input(kind, dims)})", f"{'bool' if op.startswith('is') else kind}[{dims}]")
        if dims == "":
            group.op(f"{op}({group.input(kind, 'N')})", f"{'bool' if op.startswith('is') else kind}[N]")


def chains():
    """Several elementwise ops, a reduction and moves in a row."""
    g = Group("chains", "normal", 1e-5, 1e-5, "  const @last: i64[1] = dense[-1]\n")
    x, y, row = g.input("f32", "M,N"), g.input("f32", "M,1"), g.input("f32", "N")
    for op in "sigmoid", "tanh":
        t = "f32[M,N]"
        g.chain(t, f"mul({x}, {y}) : {t}", f"add(@@, {row}) : {t}", f"{op}(@@) : {t}", f"sub(@@, {x})")
        g.chain("f32[M,1]", f"mul({x}, {y}) : {t}", f"{op}(@@) : {t}", "reduce_sum(@@, @last)")
        g.chain("f32[N,M]", f"add({x}, {row}) : {t}", f"{op}(@@) : {t}", "transpose(@@)")
        g.chain("f32[M,2*N]", f"add({x}, {row}) : {t}", f"{op}(@@) : {t}", f"concat(@@, {x}) {{axis = 1}}")
    n, z = g.input("i64", "N"), g.input("i64", "")
    g.chain("f32[N]", f"greater({n}, {z}) : bool[N]", "cast(@@) {to = f32} : f32[N]", f"mul(@@, {row})")
    yield g


def elementwise():
    for part in range(2):
        g = Group(f"unary_f32_{part}")
        unary(g, UNARY[part::2], "f32")
        yield g
    for kind in "f32", "f64", "f16", "bf16":
        g = Group(f"binary_{kind}", rtol=1e-15 if kind == "f64" else 5e-7)
        binary(g, BINARY + ["mod"] * (kind != "f32"), kind)
        if kind != "f32":
            at_once(g, kind)
            unary(g, UNARY[::3], kind)
        yield g
    for kind in INTS:
        g = Group(f"int_{kind}", values="divide")
        binary(g, INT_BINARY + ["pow"], kind, turn=1)
        unary(g, ["abs", "sign", "bitwise_not", "relu"] + ["neg"] * (kind[0] != "u"), kind)
        at_once(g, kind)
        yield g
    g = Group("bool")
    binary(g, ["and", "or", "xor", "equal"], "bool")
    unary(g, ["not"], "bool")
    for kind in DTYPES:
        c, a, b = g.input("bool", "N,1"), g.input(kind, "1,M"), g.input(kind, "")
        g.op(f"where({c}, {a}, {b})", f"{kind}[N,M]")
        g.op(f"where({g.input('bool', 'N')}, {g.input(kind, 'N')}, {b})", f"{kind}[N]")
    yield g
    for part in range(2):
        g = Group(f"cast_{part}")
        for a, b in list(itertools.permutations(DTYPES, 2))[part::2]:
            dims = "M,N" if a == "f32" else "N"
            g.op(f"cast({g.input(a, dims)}) {{to = {b}}}", f"{b}[{dims}]")
        yield g
    g = Group("many")
    for kind in "f32", "i32", "i64", "f16", "u16", "i8", "u64":
        x, y, s = g.input(kind, "M,N"), g.input(kind, "N"), g.input(kind, "")
        for op in "max_n", "min_n":
            g.op(f"{op}({x}, {y}, {s})", f"{kind}[M,N]")
        g.op(f"clip({y}, {s}, _)", f"{kind}[N]")
        g.op(f"clip({x}, _, {s})", f"{kind}[M,N]")
    g.op("sum_n(%f32_M_N, %f32_N, %f32_)", "f32[M,N]")
    yield g


REDUCE = "reduce_sum reduce_mean reduce_max reduce_min reduce_prod reduce_l1 reduce_sum_square".split()


def reductions():
    consts = "  const @a0: i64[1] = dense[0]\n  const @a1: i64[1] = dense[-1]\n  const @a2: i64[2] = dense[0, 2]\n"
    for kind, values in [("f32", "normal"), ("f64", "normal"), ("f32", "special")] + [(k, "special") for k in INTS]:
        g = Group(f"reduce_{kind}_{values}", values, 1e-5, 1e-5, consts)
        if values == "special" and kind == "f32":
            ops = ["reduce_max", "reduce_min"]
        else:
            ops = REDUCE + ["reduce_l2", "reduce_log_sum_exp"] * (kind[0] == "f")
        for op in ops:
            g.op(f"{op}({g.input(kind, 'M,N')}, @a1) {{keepdims = 0}}", f"{kind}[M]")
            g.op(f"{op}({g.input(kind, 'N,M')}, @a0)", f"{kind}[1,M]")
            g.op(f"{op}({g.input(kind, 'N')}) {{keepdims = 0}}", f"{kind}[]")
            g.op(f"{op}({g.input(kind, '3,N,5')}, @a2)", f"{kind}[1,N,1]")
            g.op(f"{op}({g.input(kind, 'N,149')}, @a0)", f"{kind}[1,149]")
        if kind == "f32":  # what has no operands: whole numbers, one number
            for to in DTYPES:
                t = f"{to}[N]"
                if to != "bool" and "f16" not in to and to != "f64":
                    g.op("iota() {start = 3, step = 2}", t)
                g.op("full() {value = 1}", t)
            g.chain("bool[N]", "iota() : i64[N]", f"less({g.input('i64', 'N')}, @@)")
            g.chain("f32[M,N]", "full() {value = 0.1} : f32[M,N]", f"add(@@, {g.input('f32', 'M,N')})")
        yield g
    g = Group("normalize", "normal", 1e-5, 1e-5)
    x, y = g.input("f32", "M,N"), g.input("f32", "N,3,M")
    for op in "softmax", "log_softmax":
        g.op(f"{op}({x})", "f32[M,N]")
        g.op(f"{op}({y}) {{axis = 1}}", "f32[N,3,M]")
        for axis, dims in (0, "37,N"), (1, "M,20,N"), (0, "M,N"), (1, "M,70,3"):
            g.op(f"{op}({g.input('f32', dims)}) {{axis = {axis}}}", f"f32[{dims}]")
    g.chain("f32[9,N]", f"softmax({g.input('f32', '9,N')}) {{axis = 0}} : f32[9,N]", "mul(@@, @@) : f32[9,N]",
            "log_softmax(@@) {axis = 0}")
    g.op(f"layer_norm({x}, {g.input('f32', 'N')}, %f32_N)", "f32[M,N]")
    for norm in "layer_norm", "rms_norm":
        g.op(f"{norm}({y}, {g.input('f32', '3,M')}) {{axis = 1}}", "f32[N,3,M]")
    g.op("layer_norm(%f32_M_N, %f32_N)", "f32[M,N]", "f32[M,1]", "f32[M,1]")
    g.op(f"rms_norm({x}, %f32_N)", "f32[M,N]")
    for axis, dims, out in (0, "17,N", "1,N"), (1, "M,17", "M,1"):
        for op in "argmax", "argmin":
            g.op(f"{op}({g.input('f32', dims)}) {{axis = {axis}}}", f"i64[{out}]")
    yield g


def contractions():
    g = Group("matmul", "normal", 1e-5, 1e-5)
    for a, b, c in [("M,N", "N,33", "M,33"), ("N,17", "17,M", "N,M"), ("2,M,N", "N,15", "2,M,15"),
                    ("3,1,N,7", "2,7,M", "3,2,N,M"), ("N", "N,M", "M"), ("M,N", "N", "M"), ("N", "N", "")]:
        g.op(f"matmul({g.input('f32', a)}, {g.input('f32', b)})", f"f32[{c}]")
    for ta, tb in itertools.product((0, 1), repeat=2):
        a, b = ("N,M" if ta else "M,N"), ("33,N" if tb else "N,33")
        bias = ["33", "M,1", "", "M,33"][ta * 2 + tb]
        g.op(f"gemm({g.input('f32', a)}, {g.input('f32', b)}, {g.input('f32', bias)}) "
             f"{{alpha = 0.5, beta = 2.0, transA = {ta}, transB = {tb}}}", "f32[M,33]")
    for a, b, c in [("M,N", "N,33", "M,33"), ("2,M,N", "2,N,17", "2,M,17"), ("4,17", "17,64", "4,64")]:
        t, x, y = f"f32[{c}]", g.input("f32", a), g.input("f32", b)
        g.chain(t, f"matmul({x}, {y}) : {t}", f"add(@@, {g.input('f32', c)}) : {t}", "gelu(@@)")
        turned = b.split(",")[:-2] + b.split(",")[:-3:-1]  # the second factor as it is stored elsewhere
        perm = "[0, 2, 1]" if len(turned) == 3 else "[1, 0]"
        g.chain(t, f"transpose({g.input('f32', ','.join(turned))}) {{perm = {perm}}} : f32[{b}]", f"matmul({x}, @@)")
    for kind, k in ("f32", 1024), ("f64", 512):  # rows 4096 bytes apart
        g.op(f"matmul({g.input(kind, f'31,{k}')}, {g.input(kind, f'{k},35')})", f"{kind}[31,35]")
    yield g
    for kind in "i32", "i64", "u32", "u64", "f64":
        g = Group(f"matmul_{kind}", "normal" if kind == "f64" else "special", 1e-12, 1e-12)
        for a, b, c in [("M,N", "N,33", "M,33"), ("3,1,N,7", "2,7,M", "3,2,N,M"), ("N", "N,M", "M"), ("N", "N", "")]:
            g.op(f"matmul({g.input(kind, a)}, {g.input(kind, b)})", f"{kind}[{c}]")
        operands = f"{g.input(kind, 'N,M')}, {g.input(kind, '33,N')}, {g.input(kind, 'M,1')}"
        g.op(f"gemm({operands}) {{transA = 1, transB = 1}}", f"{kind}[M,33]")
        yield g
    g = Group("conv", "normal", 1e-5, 1e-5)
    for batch, c, oc, k, attrs, out in [
            ("N", 3, 17, 3, "pads = [1, 1, 1, 1]", "9,9"), ("N", 16, 16, 3, "group = 16, pads = [1, 1, 1, 1]", "9,9"),
            ("1", 15, 33, 1, "", "9,9"), ("M", 6, 4, 3, "group = 2, strides = [2, 2]", "4,4"),
            ("N", 5, 1, 3, "dilations = [2, 2], pads = [2, 0, 2, 0]", "9,5")]:
        w = g.input("f32", f"{oc},{c // (int(attrs[8:].split(',')[0]) if 'group' in attrs else 1)},{k},{k}")
        g.op(f"conv({g.input('f32', f'{batch},{c},9,9')}, {w}, {g.input('f32', str(oc))})" +
             (f" {{{attrs}}}" if attrs else ""), f"f32[{batch},{oc},{out}]")
    g.op(f"conv({g.input('f32', '1,2,N,M')}, {g.input('f32', '3,2,1,1')})", "f32[1,3,N,M]")
    cube, pads = g.input("f32", "N,4,5,6,17"), "pads = [1, 1, 1, 1, 1, 1]"
    for w, attrs, out in [("3,4,3,3,3", pads, "3,5,6,17"), ("6,2,3,3,3", f"group = 2, {pads}", "6,5,6,17"),
                          ("4,1,1,3,2", "group = 4, strides = [2, 1, 3]", "4,3,4,6"),
                          ("17,4,2,3,4", "strides = [2, 1, 3], pads = [1, 0, 2, 0, 2, 1]", "17,3,6,6"),
                          ("5,4,3,1,2", "dilations = [2, 1, 3], pads = [2, 0, 0, 1, 0, 0]", "5,4,6,14"),
                          ("6,2,1,2,3", "group = 2, dilations = [1, 3, 2], strides = [3, 1, 1]", "6,2,3,13")]:
        t = f"f32[N,{out}]"
        g.chain(t, f"conv({cube}, {g.input('f32', w)}, {g.input('f32', w.split(',')[0])}) {{{attrs}}} : {t}",
                "relu(@@)")
        g.op(f"conv({cube}, {g.const(w)}) {{{attrs}}}", t)
    open_cube = g.input("f32", "1,3,N,5,M")
    g.op(f"conv({open_cube}, {g.const('4,3,3,2,3')}) {{pads = [1, 0, 1, 1, 0, 1]}}", "f32[1,4,N,4,M]")
    g.op(f"conv({open_cube}, {g.const('17,3,1,1,1')})", "f32[1,17,N,5,M]")
    yield g
    yield from packed()
    for values in "normal", "special":
        g = Group(f"pool_{values}", values, 1e-5, 1e-5 * (values == "normal"))
        for dims, attrs, out in [("N,3,9,9", "kernel_shape = [3, 3], strides = [2, 2]", "N,3,4,4"),
                                 ("1,17,5,7", "kernel_shape = [2, 3], pads = [1, 1, 0, 1]", "1,17,5,7"),
                                 ("M,1,4,4", "kernel_shape = [2, 2], strides = [2, 2]", "M,1,2,2")]:
            x = g.input("f32", dims)
            g.op(f"max_pool({x}) {{{attrs}}}", f"f32[{out}]")
            if values == "normal":
                g.op(f"average_pool({x}) {{{attrs}}}", f"f32[{out}]")
                g.op(f"average_pool({x}) {{count_include_pad = 1, {attrs}}}", f"f32[{out}]")
                g.op(f"global_average_pool({x})", f"f32[{dims.split(',')[0]},{dims.split(',')[1]},1,1]")
            g.op(f"global_max_pool({x})", f"f32[{dims.split(',')[0]},{dims.split(',')[1]},1,1]")
        yield g


def packed():
    """Weights that are constants, so that they are packed, and what follows joins the loop."""
    g = Group("matmul_packed", "normal", 1e-5, 1e-5)
    for k, n, form in (17, 33, "M,17"), (1, 1, "N,1"), (33, 15, "2,M,33"), (7, 64, "N,M,7"), (16, 32, "M,16"):
        x, w = g.input("f32", form), g.const(f"{k},{n}")
        out = f"f32[{form.rsplit(',', 1)[0]},{n}]"
        g.op(f"matmul({x}, {w})", out)
        g.chain(out, f"matmul({x}, {w}) : {out}", f"add(@@, {g.const(str(n))}) : {out}", "gelu(@@)")
    for left, right, out in [("M,3,4,7", "3,7,5", "M,3,4,5"), ("4,7", "3,7,5", "3,4,5"), ("N,4,7", "1,7,33", "N,4,33"),
                             ("N,4,7", "7", "N,4"), ("7", "7", ""), ("7", "3,7,5", "3,5"), ("M,7", "7", "M")]:
        g.op(f"matmul({g.input('f32', left)}, {g.const(right)})", f"f32[{out}]")
    for m, k, n in ("M", 17, 33), ("N", 15, 1), ("1", 16, 48):
        gemm = f"gemm({g.input('f32', f'{m},{k}')}, {g.const(f'{n},{k}')}, {g.const(str(n))}) {{transB = 1}}"
        g.op(gemm, f"f32[{m},{n}]")
        g.chain(f"f32[{m},{n}]", f"{gemm} : f32[{m},{n}]", f"relu(@@) : f32[{m},{n}]", "softmax(@@)")
    yield g
    g = Group("packed_twice", "normal", 1e-5, 1e-5)  # one constant, read in several forms
    w, x = g.const("24,24"), g.input("f32", "M,24")
    g.op(f"matmul({x}, {w})", "f32[M,24]")
    g.op(f"gemm({x}, {w}) {{transB = 1}}", "f32[M,24]")
    g.op(f"matmul({x}, {w})", "f32[M,24]")
    w = g.const("8,1,3,3")
    for channels in 8, 4:
        g.op(f"conv({g.input('f32', f'N,{channels},9,9')}, {w}) {{group = {channels}}}", "f32[N,8,7,7]")
    yield g
    g = Group("conv_packed", "normal", 1e-5, 1e-5)
    for batch, c, oc, k, group, attrs, out in [
            ("N", 3, 17, 3, 1, "pads = [1, 1, 1, 1]", "9,9"), ("N", 17, 17, 3, 17, "pads = [1, 1, 1, 1]", "9,9"),
            ("1", 16, 33, 1, 1, "", "9,9"), ("M", 6, 4, 3, 2, "strides = [2, 2]", "4,4"),
            ("M", 15, 15, 5, 15, "strides = [2, 2], pads = [2, 2, 2, 2]", "5,5"),
            ("N", 5, 1, 3, 1, "dilations = [2, 2], pads = [2, 0, 2, 0]", "9,5")]:
        x, w = g.input("f32", f"{batch},{c},9,9"), g.const(f"{oc},{c // group},{k},{k}")
        type_ = f"f32[{batch},{oc},{out}]"
        conv = f"conv({x}, {w}, {g.const(str(oc))}) {{group = {group}{', ' * bool(attrs)}{attrs}}}"
        g.op(conv, type_)
        joined = f"{conv} : {type_}", f"relu(@@) : {type_}", f"add(@@, {g.input('f32', type_[4:-1])})"
        g.chain(type_, *joined)
        g.chain(f"f32[{batch},{oc},{int(out[0]) - 1},{int(out[2]) - 1}]", *joined[:2], f"{joined[2]} : {type_}",
                "max_pool(@@) {kernel_shape = [2, 2]}")
    for c, oc, group, attrs, out in [(3, 17, 1, "pads = [1, 1]", 9), (16, 16, 16, "pads = [2, 0]", 9),
                                     (6, 4, 2, "strides = [2]", 4)]:
        g.op(f"conv({g.input('f32', f'N,{c},9')}, {g.const(f'{oc},{c // group},3')}, {g.const(str(oc))}) "
             f"{{group = {group}, {attrs}}}", f"f32[N,{oc},{out}]")
    g.op(f"conv({g.input('f32', '1,3,N,M')}, {g.const('17,3,3,3')}) {{pads = [1, 1, 1, 1]}}", "f32[1,17,N,M]")
    yield g


def rows():
    """Convolutions that run by rows, one behind the other, over images of odd sizes."""
    for number, (height, width, mid, kernel, stride, pads, residual) in enumerate([
            (56, 57, 33, 3, 1, [1, 1, 1, 1], True), (61, 60, 48, 5, 2, [2, 2, 2, 2], False),
            (40, 41, 65, 3, 2, [0, 1, 1, 0], False), (57, 56, 32, 3, 1, [2, 0, 0, 2], False),
            (30, 90, 36, 7, 1, [3, 3, 3, 3], True)]):
        g = Group(f"rows_{number}", "normal", 1e-5, 1e-5)
        high = (height + pads[0] + pads[2] - kernel) // stride + 1
        wide = (width + pads[1] + pads[3] - kernel) // stride + 1
        x = g.input("f32", f"N,5,{height},{width}")
        between, slid, out = (f"f32[N,{c},{h},{w}]"
                              for c, h, w in ((mid, height, width), (mid, high, wide), (5, high, wide)))
        texts = [f"conv({x}, {g.const(f'{mid},5,1,1')}, {g.const(str(mid))}) : {between}", f"relu(@@) : {between}",
                 f"conv(@@, {g.const(f'{mid},1,{kernel},{kernel}')}) {{group = {mid}, strides = [{stride}, {stride}], "
                 f"pads = {pads}}} : {slid}", f"sigmoid(@@) : {slid}", f"conv(@@, {g.const(f'5,{mid},1,1')}) : {out}"]
        g.chain(out, *texts, f"add(@@, {x if residual else g.const('5,1,1')})")
        texts = [f"conv({g.input('f32', f'M,{mid},{height},{width}')}, {g.const(f'{mid},1,2,2')}) {{group = {mid}, "
                 f"pads = [1, 1, 1, 1]}} : f32[M,{mid},{height + 1},{width + 1}]",
                 f"conv(@@, {g.const(f'17,{mid},1,1')}) : f32[M,17,{height + 1},{width + 1}]"]
        g.chain(f"f32[M,17,{height + 1},{width + 1}]", *texts, "relu(@@)")
        yield g
    g = Group("rows_skipped", "normal", 1e-5, 1e-5)  # by the last stage: between blocks, and behind the only one
    g.fixed = 16, 17  # with these the edges are cleared by hundreds of stores in one block, at which LLVM 22 hung
    a, d, p, c = g.const("33,5,1,1"), g.const("33,1,3,3"), g.const("7,33,1,1"), g.const("3,80,3,3")
    g.chain("f32[N,7,31,60]", f"conv({g.input('f32', 'N,5,61,60')}, {a}) : f32[N,33,61,60]",
            f"conv(@@, {d}) {{group = 33, pads = [1, 1, 1, 1]}} : f32[N,33,61,60]",
            f"conv(@@, {p}) {{strides = [2, 1]}}")
    image, y = "f32[M,80,14,30]", "f32[M,3,6,14]"
    g.chain(y, f"conv({g.input('f32', 'M,3,14,30')}, {g.const('80,3,1,1')}) : {image}", f"relu(@@) : {image}",
            f"conv(@@, {g.const('80,1,3,3')}) {{group = 80, pads = [1, 1, 1, 1]}} : {image}",
            f"conv(@@, {c}) {{strides = [2, 2]}}")
    g.op(f"exp(%h{len(g.hidden) - 2})", image)  # so that the chain begins with the depthwise convolution
    yield g
    g = Group("rows_copied", "normal", 1e-5, 1e-5)
    for batch, channels, side, group, attributes, out in [
            ("N", 3, "33,31", 1, "strides = [2, 2], pads = [1, 1, 1, 1]", "17,16"),
            ("M", 1, "9,5", 1, "pads = [1, 2, 3, 4]", "11,9"),
            ("1", 17, "3,70", 17, "pads = [1, 1, 1, 1]", "3,70"), ("N", 4, "12,8", 2, "", "10,6"),
            ("M", 3, "1703,5", 1, "pads = [1, 1, 1, 1]", "1703,5")]:
        filters = channels if group == channels else 18
        g.op(f"conv({g.input('f32', f'{batch},{channels},{side}')}, {g.const(f'{filters},{channels // group},3,3')}) "
             f"{{group = {group}{', ' * bool(attributes)}{attributes}}}", f"f32[{batch},{filters},{out}]")
    yield g


def halves():
    """Sums of half precision: rounded once, to half of a last place more than the reference."""
    for kind, last_place in ("f16", 2.0**-10), ("bf16", 2.0**-7):
        g = Group(f"sums_{kind}", "normal", last_place, last_place, "  const @a1: i64[1] = dense[-1]\n")
        x, image = g.input(kind, "M,N"), g.input(kind, "N,3,9,9")
        for op in "reduce_sum", "reduce_mean", "reduce_max", "reduce_min":
            g.op(f"{op}({x}, @a1)", f"{kind}[M,1]")
            g.chain(f"{kind}[M]", f"mul({x}, {x}) : {kind}[M,N]", f"{op}(@@, @a1) {{keepdims = 0}} : {kind}[M]",
                    "relu(@@)")
        g.op(f"softmax({x})", f"{kind}[M,N]")
        g.op(f"softmax({g.input(kind, '9,N')}) {{axis = 0}}", f"{kind}[9,N]")
        g.op(f"layer_norm({x}, {g.input(kind, 'N')}, %{kind}_N)", f"{kind}[M,N]")
        g.op(f"layer_norm({g.input(kind, 'N,3,M')}, {g.input(kind, '3,M')}) {{axis = 1}}", f"{kind}[N,3,M]")
        q, k = g.input(kind, "1,2,N,8"), g.input(kind, "1,2,5,8")
        g.op(f"attention({q}, {k}, {k}) {{scale = 0.5}}", f"{kind}[1,2,N,8]")
        w, bias, out = g.const("17,3,3,3", kind), g.const("17", kind), f"{kind}[N,17,7,7]"
        g.chain(f"{kind}[N,17,3,3]", f"conv({image}, {w}, {bias}) : {out}", f"relu(@@) : {out}",
                "max_pool(@@) {kernel_shape = [2, 2], strides = [2, 2]}")
        g.op(f"average_pool({image}) {{kernel_shape = [3, 3]}}", f"{kind}[N,3,7,7]")
        g.op(f"matmul({g.input(kind, 'M,N,17')}, {g.const('17,33', kind)})", f"{kind}[M,N,33]")
        yield g


def indexed():
    """Reads at positions that are loaded, from both ends of an axis."""
    for kind, index in ("f32", "i64"), ("f16", "i32"), ("u8", "i64"), ("i64", "i32"):
        g = Group(f"gather_{kind}", consts="".join(f"  const @{name}: {index}[] = dense[{value}]\n"
                                                  for name, value in [("n7", 7), ("n14", 14), ("n5", 5), ("n10", 10)]))

        def inside(dims, extent):
            """Indices of an axis of 5 or 7: from -extent to extent - 1."""
            at = len(g.hidden)
            g.hidden.append(f"    %h{at} = mod({g.input(index, dims)}, @n{2 * extent}) : {index}[{dims}]")
            g.hidden.append(f"    %h{at + 1} = sub(%h{at}, @n{extent}) : {index}[{dims}]")
            return f"%h{at + 1}"

        rows, columns = g.input(kind, "7,N"), g.input(kind, "N,7")
        g.op(f"gather({rows}, {inside('M', 7)})", f"{kind}[M,N]")
        g.op(f"gather({rows}, {inside('M,3', 7)})", f"{kind}[M,3,N]")
        g.op(f"gather({columns}, {inside('M', 7)}) {{axis = 1}}", f"{kind}[N,M]")
        g.op(f"gather({columns}, {inside('', 7)}) {{axis = -1}}", f"{kind}[N]")
        g.op(f"gather({g.input(kind, '2,5,N,3')}, {inside('M', 5)}) {{axis = 1}}", f"{kind}[2,M,N,3]")
        g.op(f"gather_elements({columns}, {inside('N,M', 7)}) {{axis = 1}}", f"{kind}[N,M]")
        g.op(f"gather_elements({rows}, {inside('M,N', 7)})", f"{kind}[M,N]")
        g.op(f"gather_nd({rows}, {inside('M,1', 7)})", f"{kind}[M,N]")
        g.op(f"gather_nd({g.input(kind, '5,5,N')}, {inside('M,2', 5)})", f"{kind}[M,N]")
        g.op(f"gather_nd({g.input(kind, 'N,5,3')}, {inside('N,1', 5)}) {{batch_dims = 1}}", f"{kind}[N,3]")
        yield g


def moves():
    consts = """  const @one: i64[1] = dense[1]
  const @zero: i64[1] = dense[0]
  const @far: i64[1] = dense[9223372036854775807]
  const @back: i64[1] = dense[-1]
  const @low: i64[1] = dense[-9223372036854775807]
  const @pads: i64[4] = dense[1, 2, 0, 17]
  const @around: i64[6] = dense[0, 1, 5, 0, 2, 1]
  const @beyond: i64[6] = dense[0, -1, 90, 0, 9, -3]
  const @last_two: i64[4] = dense[3, 20, -1, 40]
  const @axes: i64[2] = dense[-2, -1]
  const @parts: i64[3] = dense[1, 15, 17]
  const @twice: i64[2] = dense[2, 1]
  const @across: i64[2] = dense[1, 3]
  const @thrice: f32[4] = dense[1.0, 1.0, 1.0, 3.0]
  const @scales: f32[4] = dense[1.0, 1.0, 2.0, 2.0]
"""
    for kind in DTYPES:
        g = Group(f"move_{kind}", consts=consts)
        x, y, v = g.input(kind, "M,N"), g.input(kind, "2,N,M"), g.input(kind, "N")
        g.op(f"transpose({x})", f"{kind}[N,M]")
        g.op(f"transpose({y}) {{perm = [2, 0, 1]}}", f"{kind}[M,2,N]")
        g.op(f"slice({v}, @low, @back, @zero)", f"{kind}[max(N-1,0)]")
        g.op(f"slice({x}, @back, @low, @one, @back)", f"{kind}[M,N]")
        g.op(f"pad({x}, @pads)", f"{kind}[M+1,N+19]")
        for mode in ("edge", "reflect", "wrap"):
            fixed = g.input(kind, "N,3,37")
            g.op(f"pad({fixed}, @around) {{mode = \"{mode}\"}}", f"{kind}[N,6,43]")
            g.op(f"pad({fixed}, @beyond) {{mode = \"{mode}\"}}", f"{kind}[N,11,124]")
            g.op(f"pad({g.input(kind, 'N,2,1')}, @last_two, _, @axes) {{mode = \"{mode}\"}}", f"{kind}[N,4,61]")
        g.op(f"concat({x}, {x}, {g.input(kind, 'M,3')}) {{axis = 1}}", f"{kind}[M,2*N+3]")
        g.op(f"concat({v}, {g.input(kind, '0')}, {v}) {{axis = 0}}", f"{kind}[2*N]")
        g.op(f"split({g.input(kind, 'M,33')}, @parts) {{axis = 1}}", *(f"{kind}[M,{k}]" for k in (1, 15, 17)))
        g.op(f"expand({g.input(kind, 'N,1')}, _)", f"{kind}[N,M]")
        g.op(f"tile({x}, @twice)", f"{kind}[2*M,N]")
        g.op(f"tile({x}, @across)", f"{kind}[M,3*N]")
        g.op(f"reshape({y}, _)", f"{kind}[2*N*M]")
        if kind in ("f32", "u8", "f16"):
            image = g.input(kind, "N,3,5,7")
            g.op(f"resize({image}, _, @scales)", f"{kind}[N,3,10,14]")
            g.op(f"resize({image}, _, @thrice) {{nearest_mode = \"round_prefer_ceil\"}}", f"{kind}[N,3,5,21]")
            g.op(f"resize({image}, _, @thrice) {{coordinate_transformation_mode = \"asymmetric\", "
                 "nearest_mode = \"floor\"}", f"{kind}[N,3,5,21]")
            g.op(f"resize({image}, _, @thrice) {{coordinate_transformation_mode = \"asymmetric\"}}",
                 f"{kind}[N,3,5,21]")
        if kind == "f32":
            g.op("resize(%f32_N_3_5_7, _, @scales) {mode = \"linear\"}", "f32[N,3,10,14]")
        yield g
    g = Group("turned")  # 16 x 16 at a time, what is left by lanes
    g.op(f"abs({g.input('f32', 'N,M')})", "f32[N,M]")
    for kind, dims, perm in [("f32", (64, 128), (1, 0)), ("i32", (17, 35), (1, 0)), ("u32", (3, 20, 37), (2, 0, 1)),
                             ("f32", (3, 33, 31), (1, 2, 0)), ("f32", (2, 17, 5, 40), (0, 3, 1, 2)),
                             ("f64", (17, 35), (1, 0)), ("f32", (16, 130), (1, 0)), ("u8", (33, 35), (1, 0)),
                             ("bool", (3, 20, 37), (2, 0, 1)), ("f16", (17, 130), (1, 0)),
                             ("bf16", (2, 16, 33), (0, 2, 1)), ("i64", (3, 33, 31), (1, 2, 0)),
                             ("i8", (0, 16), (1, 0))]:
        x = g.input(kind, ",".join(map(str, dims)))
        turned = ",".join(str(dims[p]) for p in perm)
        g.op(f"transpose({x}) {{perm = {list(perm)}}}", f"{kind}[{turned}]")
    yield g
    g = Group("repeated", consts=consts)  # along the axis that is contiguous, by vectors and what is left of them
    for kind, dims in [("f32", "M,16"), ("f32", "N,17"), ("i64", "M,35"), ("u8", "N,130"), ("f16", "M,15")]:
        inner = int(dims.split(",")[1])
        g.op(f"tile({g.input(kind, dims)}, @across)", f"{kind}[{dims[0]},{3 * inner}]")
    x = g.input("f32", "N,17")
    g.hidden.append(f"    %h0 = tile({x}, @twice) : f32[2*N,17]")
    g.op("tile(%h0, @across)", "f32[2*N,51]")
    yield g


def codes():
    """Codes of less than a byte, as they are and packed on the way; a scale a block."""
    consts = "  const @s: f32[] = dense[0.25]\n"
    for kind in ("i4", "u4", "i2", "u2"):
        g = Group(f"codes_{kind}", consts=consts + f"  const @z: {kind}[] = dense[1]\n")
        x = g.input("f32", "N,M")
        g.chain("f32[N,M]", f"quantize({x}, @s, @z) : {kind}[N,M]", "dequantize(@@, @s, @z)")
        turned = f"transpose(@@) : {kind}[M,N]"
        g.chain("f32[M,N]", f"quantize({x}, @s, @z) : {kind}[N,M]", turned, "dequantize(@@, @s, @z)")
        for other in ("f32", "f16", "i64", "u8", "bool"):
            g.chain("i32[M,N]", f"cast({g.input(other, 'N,M')}) {{to = {kind}}} : {kind}[N,M]", turned,
                    "cast(@@) {to = i32}")
        yield g
    g = Group("blocked", values="normal")
    for kind, dims, scales, block, axis in [("i8", "N,48", "N,3", 16, 1), ("u8", "N,40", "N,2", 32, 1),
                                            ("i8", "N,10", "N,2", 5, 1), ("i16", "32,M", "2,M", 16, 0),
                                            ("u8", "N,3,M", "N,1,M", 3, 1), ("i8", "N,M", "N,M", 1, 1)]:
        at = f"{{axis = {axis}, block_size = {block}"
        x, s = g.input("f32", dims), g.input("f32", scales)
        code = {"u8": 2, "i8": 3, "i16": 5}[kind]
        g.op(f"quantize({x}, {s}) {at}, output_dtype = {code}}}", f"{kind}[{dims}]")
        g.op(f"dequantize({g.input(kind, dims)}, {s}, {g.input(kind, scales)}) {at}}}", f"f32[{dims}]")
    yield g


def main():
    only, one_level = sys.argv[1:], host_is_v3()
    with tempfile.TemporaryDirectory() as folder:
        groups = itertools.chain(elementwise(), chains(), reductions(), contractions(), rows(), halves(), indexed(),
                                 moves(), codes())
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(Runner(folder, one_level).group, group, turn) for turn, group in enumerate(groups)
                    if not only or group.name in only]
            counts = [job.result() for job in jobs]
    passed, failed = (sum(c) for c in zip(*counts))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
