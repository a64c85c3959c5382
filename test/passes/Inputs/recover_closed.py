"""recover_closed.py ADZE FOLDER: models that were changed in ways that a method undoes exactly, or partly."""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

adze, folder = sys.argv[1], Path(sys.argv[2])
rng = np.random.default_rng(7)


def constant(name, values):
    values = np.asarray(values, np.float32)
    dims = ",".join(map(str, values.shape))
    return f"const @{name} : f32[{dims}] = dense[{', '.join(repr(float(v)) for v in values.ravel())}]\n"


def write(name, body, **constants):
    (folder / f"{name}.adz").write_text("".join(constant(k, v) for k, v in constants.items()) + body)
    return f"{folder}/{name}.adz"


def recover(student, options, data="x", passes="simplify", check=True):
    out = f"{folder}/out.adz"
    done = subprocess.run([adze, "opt", student, f"--passes={passes},recover{{{options}}}", "--check", "-o", out,
                           f"--calib={folder}/{data}.npz"], capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(done.stderr)
    return out if check else done.stderr.strip()


def snr(a, b, data="x"):
    out = subprocess.run([adze, "eval", a, f"--data={folder}/{data}.npz", f"--against={b}", "--target=reference",
                          "--metric=snr"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", out)[1])


def say(what, ok, *values):
    print(what + (": yes" if ok else ": NO"), *(() if ok else values))


# Convolutions: plain, one group a channel with stride and border, plain behind a shortcut, a product.
NET = """func @main(%x: f32[1,3,9,9]) -> (f32[1,5]) {
  %c0 = conv(%x, @w0, @b0) {pads = [1, 1, 1, 1]} : f32[1,8,9,9]
  %r0 = relu(%c0) : f32[1,8,9,9]
  %c1 = conv(%r0, @w1, @b1) {group = 8, pads = [1, 1, 1, 1], strides = [2, 2]} : f32[1,8,5,5]
  %r1 = relu(%c1) : f32[1,8,5,5]
  %c2 = conv(%r1, @w2, @b2) : f32[1,8,5,5]
  %s = add(%c2, %r1) : f32[1,8,5,5]
  %r2 = relu(%s) : f32[1,8,5,5]
  %p = global_average_pool(%r2) : f32[1,8,1,1]
  %f = flatten(%p) : f32[1,8]
  %y = gemm(%f, @w3, @b3) {transB = 1} : f32[1,5]
  return(%y)
}
"""
net = {"w0": rng.normal(size=(8, 3, 3, 3)) / 3, "b0": rng.normal(size=8) / 4, "w1": rng.normal(size=(8, 1, 3, 3)),
       "b1": rng.normal(size=8) / 4, "w2": rng.normal(size=(8, 8, 1, 1)) / 2, "b2": rng.normal(size=8) / 4,
       "w3": rng.normal(size=(5, 8)), "b3": rng.normal(size=5)}
net = {k: v.astype(np.float32) for k, v in net.items()}
np.savez(folder / "x.npz", x=rng.normal(size=(96, 1, 3, 9, 9)).astype(np.float32))
np.savez(folder / "test.npz", x=rng.normal(size=(64, 1, 3, 9, 9)).astype(np.float32))
teacher = write("teacher", NET, **net)
option = f"teacher={teacher}"

# Channels that were scaled and shifted.
factors = rng.uniform(0.3, 3, size=8).astype(np.float32)
student = write("scaled", NET, **net | {"w0": net["w0"] * factors[:, None, None, None],
                                        "b0": net["b0"] * factors + factors})
say("moments undo scales and shifts", (got := snr(recover(student, f"method=moments,{option}"), teacher)) > 60, got)
student = write("shifted", NET, **net | {"b2": net["b2"] + 0.5})
say("bias undoes shifts", (got := snr(recover(student, f"method=bias,{option}"), teacher)) > 60, got)

# A last layer of other weights; any weights of a linear layer with all information there.
student = write("last", NET, **net | {"w3": net["w3"] * 0 + 0.1, "b3": net["b3"] * 0})
got = snr(recover(student, f"method=ridge,{option}"), teacher, "test")
say("ridge finds the last layer", got > 60, got)
student = write("middle", NET, **net | {"w2": net["w2"] * 0 + 0.3})
got = snr(recover(student, f"method=least-squares,damping=1e-9,{option}"), teacher, "test")
say("least squares find a layer behind a shortcut", got > 60, got)
student = write("deep", NET, **net | {"w1": net["w1"] * 0 + 0.3})
got = snr(recover(student, f"method=least-squares,damping=1e-9,{option}"), teacher, "test")
say("least squares find a layer of groups", got > 60, got)
FACTORS = NET.replace("{transB = 1}", "{alpha = 0.5, beta = 0.5, transB = 1}")
halves = write("halves", FACTORS, **net)
student = write("halved", FACTORS, **net | {"w3": net["w3"] * 0 + 0.1})
got = snr(recover(student, f"method=least-squares,damping=1e-9,teacher={halves}"), halves, "test")
say("least squares find a product that is multiplied", got > 60, got)

# A layer behind undoes what was done before.
CHAIN = """func @main(%x: f32[1,4,6]) -> (f32[1,4,6]) {
  %a = matmul(%x, @v0) : f32[1,4,6]
  %b = matmul(%a, @v1) : f32[1,4,6]
  return(%b)
}
"""
v = {"v0": rng.normal(size=(6, 6)), "v1": rng.normal(size=(6, 6))}
np.savez(folder / "rows.npz", x=rng.normal(size=(40, 1, 4, 6)).astype(np.float32))
chain = write("chain", CHAIN, **v)
# Of @v0 only the weights that are not 0 may change; here they may not do any good.
student = write("chained", CHAIN, **v | {"v0": np.eye(6)})
out = recover(student, f"method=least-squares,damping=1e-9,teacher={chain}", "rows")
say("least squares undo what is before", (got := snr(out, chain, "rows")) > 60, got)

# Half of all weights gone.
pruned = {k: np.where(np.abs(v) < np.median(np.abs(v)), 0, v) if k[0] == "w" else v for k, v in net.items()}
student = write("pruned", NET, **pruned)
before, found = snr(student, teacher, "test"), {}
for method in "bias", "moments", "least-squares", "ridge":
    found[method] = snr(recover(student, f"method={method},{option}"), teacher, "test")
say("pruned: moments and least squares help",
    found["moments"] > before + 0.5 and found["least-squares"] > before + 3, before, found)
dump = f"{folder}/out.onnx"
subprocess.run([adze, "opt", student, f"--passes=simplify,recover{{method=least-squares,{option}}}", "-o", dump,
                f"--calib={folder}/x.npz"], check=True)
arrays = {t.name: numpy_helper.to_array(t) for t in onnx.load(dump).graph.initializer}
pairs = [(a, w) for a in arrays.values() for k, w in pruned.items() if k[0] == "w" and a.shape == w.shape]
say("pruned: zeros stay and others move", len(pairs) == 4 and all(not a[w == 0].any() for a, w in pairs) and
    any((a != w).any() for a, w in pairs), len(pairs))

# Codes of few bits: scales and biases alone.
def integers(path):
    onnx_path = path.replace(".adz", ".onnx")
    subprocess.run([adze, "opt", path, "--passes=dce", "-o", onnx_path], check=True)
    return sorted(t.SerializeToString() for t in onnx.load(onnx_path).graph.initializer
                  if t.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.INT4) and "codes" in t.name)


quantize = "simplify,quantize-weights{bits=3,edge-bits=3}"
plain = f"{folder}/plain.adz"
subprocess.run([adze, "opt", teacher, f"--passes={quantize}", "-o", plain], check=True)
before = snr(plain, teacher, "test")
for method in "moments", "least-squares":
    out = recover(teacher, f"method={method},{option}", passes=quantize)
    got, codes = snr(out, teacher, "test"), [integers(f) for f in (out, plain)]
    say(f"codes: {method} helps, codes stay", got > before + 1 and codes[0] == codes[1], before, got, codes)

# Products with codes are layers, too.
PRODUCT = """func @main(%x: f32[4,16]) -> (f32[4,5]) {
  %y = gemm(%x, @w, @b) : f32[4,5]
  return(%y)
}
"""
np.savez(folder / "positive.npz", x=rng.uniform(size=(40, 4, 16)).astype(np.float32))
product = write("product", PRODUCT, w=rng.normal(size=(16, 5)), b=rng.normal(size=5))
subprocess.run([adze, "opt", product, f"--passes={quantize}", "-o", plain], check=True)
before = snr(plain, product, "positive")
out = recover(product, f"method=bias,teacher={product}", "positive", passes=quantize)
say("codes: bias helps a product", (got := snr(out, product, "positive")) > before + 1, before, got)

# Several teachers: given weights; and one that is sure beside one that knows nothing.
b = (net["w3"] + rng.normal(size=(5, 8))).astype(np.float32)
other = write("other", NET, **net | {"w3": b})
wanted = write("wanted", NET, **net | {"w3": (3 * net["w3"] + b) / 4})
student = write("last", NET, **net | {"w3": net["w3"] * 0 + 0.1})
got = snr(recover(student, f'method=ridge,w=3:1,teacher="{teacher},{other}"'), wanted, "test")
say("ridge finds the mix of two teachers", got > 60, got)
sure = write("sure", NET, **net | {"w3": 60 * net["w3"]})
none = write("none", NET, **net | {"w3": 0 * net["w3"], "b3": 0 * net["b3"]})
got = snr(recover(student, f'method=ridge,teacher="{sure},{none}"'), sure, "test")
even = snr(recover(student, f'method=ridge,w=1:1,teacher="{sure},{none}"'), sure, "test")
say("who is sure has more of a say", got > even + 12, got, even)

# Nothing to do.
same = f"{folder}/same.adz"
subprocess.run([adze, "opt", teacher, "--passes=simplify", "-o", same], check=True)
for method in "bias", "moments", "least-squares", "ridge", "batchnorm":
    out = recover(teacher, f"method={method},{option}")
    texts = [Path(f).read_text().replace(Path(f).name, "") for f in (out, same)]
    bits = [Path(f + ".bin").read_bytes() for f in (out, same)]
    say(f"{method} leaves a teacher as it is", texts[0] == texts[1] and bits[0] == bits[1])

# Batch normalization whose statistics are off.
NORM = """func @main(%x: f32[1,3,9,9]) -> (f32[1,3,9,9]) {
  %n = batch_norm(%x, @g, @b, @m, @v) : f32[1,3,9,9]
  return(%n)
}
"""
x = np.load(folder / "x.npz")["x"].astype(np.float64)
norm = {"g": [1, 2, 3], "b": [0, 1, -1], "m": x.mean((0, 1, 3, 4)), "v": x.var((0, 1, 3, 4))}
wanted = write("norm", NORM, **norm)
student = write("off", NORM, **norm | {"m": [1, 1, 1], "v": [4, 4, 4]})
got = snr(recover(student, "method=batchnorm", passes="dce"), wanted)
say("batchnorm estimates means and variances", got > 80, got)

# Errors.
x = np.load(folder / "x.npz")["x"]
x[5, 0, 1, 2, 3] = np.nan
np.savez(folder / "nan.npz", x=x)
names = write("names", re.sub("%([a-z]\\d?)\\b", lambda m: "%" + (m[1] if m[1] == "x" else m[1] + "q"), NET), **net)
broken = write("broken", NET, **pruned | {"w0": net["w0"] * np.float32(1e30), "w2": net["w2"] * np.float32(1e30)})
pruned = f"{folder}/pruned.adz"
for what, student, options, data in (
        ("other inputs", pruned, f"teacher={chain}", "x"), ("other names", pruned, f"teacher={names}", "x"),
        ("two", pruned, f'method=least-squares,teacher="{teacher},{other}"', "x"),
        ("NaN", pruned, f"method=least-squares,{option}", "nan"),
        ("infinite", broken, f"method=least-squares,{option}", "x"), ("none", pruned, "method=bias", "x"),
        ("no file", pruned, f"teacher={folder}/nowhere.onnx", "x"),
        ("no method", pruned, f"{option},method=magic", "x"),
        ("weights", pruned, f"{option},method=ridge,w=1:2", "x"), ("hold", pruned, f"{option},hold=1", "x"),
        ("damping", pruned, f"{option},damping=0", "x")):
    print(f"{what}:", recover(student, options, data, check=False).replace(str(folder) + "/", "").splitlines()[0])
