"""recover_reconstruct.py ADZE FOLDER: models that were changed, trained block by block; FOLDER has what
recover_closed.py wrote."""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

adze, folder = sys.argv[1], Path(sys.argv[2])


def recover(student, options, passes="simplify", teacher="teacher", data="x", out="out.onnx", check=True):
    done = subprocess.run([adze, "opt", f"{folder}/{student}.adz", "--check", "-o", f"{folder}/{out}",
                           f"--passes={passes},recover{{method=reconstruct,{options},teacher={folder}/{teacher}.adz}}",
                           f"--calib={folder}/{data}.npz"], capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(done.stderr)
    return done.stderr


def snr(name, teacher="teacher", data="test"):
    out = subprocess.run([adze, "eval", f"{folder}/{name}", f"--data={folder}/{data}.npz", "--metric=snr",
                          f"--against={folder}/{teacher}.adz", "--target=reference"], check=True, capture_output=True,
                         text=True).stdout
    return float(re.search(r"snr +(\S+) dB", out)[1])


def arrays(name):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / name).graph.initializer}


def say(what, ok, *values):
    print(what + (": yes" if ok else ": NO"), *(() if ok else values))


# Weights that went stay away, and the others make up for them.
before = snr("pruned.adz")
recover("pruned", "rate=0.02,steps=60")
got = snr("out.onnx")
subprocess.run([adze, "opt", f"{folder}/pruned.adz", "--passes=simplify", "-o", f"{folder}/pruned.onnx"], check=True)
was = [w for w in arrays("pruned.onnx").values() if w.ndim > 1]
now = [w for w in arrays("out.onnx").values() if w.ndim > 1]
pairs = [(a, b) for a in was for b in now if a.shape == b.shape]
say("pruned: reconstruction helps", got > before + 6, before, got)
say("pruned: zeros stay", len(pairs) == 4 and all(not b[a == 0].any() for a, b in pairs))
first = Path(folder / "out.onnx").read_bytes()
recover("pruned", "rate=0.02,steps=60")
say("the same seed gives the same bytes", first == Path(folder / "out.onnx").read_bytes())

# Codes stay; scales and biases change, and scales alone stay where they are told to.
quantize = "simplify,quantize-weights{bits=3,edge-bits=3}"
subprocess.run([adze, "opt", f"{folder}/teacher.adz", f"--passes={quantize}", "-o", f"{folder}/codes.onnx"], check=True)
before = snr("codes.onnx")
recover("teacher", "rate=0.01,steps=40", quantize)
was, now, got = arrays("codes.onnx"), arrays("out.onnx"), snr("out.onnx")
same = [k for k in was if "codes" in k]
say("codes: reconstruction helps", got > before + 1, before, got)
say("codes: they stay", len(same) >= 4 and all((was[k] == now[k]).all() for k in same), same)

# Steps that are far too long: what came of them is thrown away.
told = recover("pruned", "rate=1,steps=3,hold=0.5", out="bad.adz")
say("never worse than before", snr("bad.adz") >= snr("pruned.adz") - 0.5, snr("bad.adz"), told)
recover("teacher", "steps=3", out="same.adz")
subprocess.run([adze, "opt", f"{folder}/teacher.adz", "--passes=simplify", "-o", f"{folder}/plain.adz"], check=True)
say("a teacher stays as it is",
    Path(folder / "same.adz.bin").read_bytes() == Path(folder / "plain.adz.bin").read_bytes())

# A layer of a transformer.
rng = np.random.default_rng(5)


def constant(name, values):
    dims = ",".join(map(str, values.shape))
    return f"const @{name} : f32[{dims}] = dense[{', '.join(repr(float(np.float32(v))) for v in values.ravel())}]\n"


BODY = """func @main(%x: f32[1,6,16]) -> (f32[1,6,4]) {
  %q = matmul(%x, @wq) : f32[1,6,16]
  %k = matmul(%x, @wk) : f32[1,6,16]
  %v = matmul(%x, @wv) : f32[1,6,16]
  %kt = transpose(%k) {perm = [0, 2, 1]} : f32[1,16,6]
  %s = matmul(%q, %kt) : f32[1,6,6]
  %m = add(%s, @mask) : f32[1,6,6]
  %p = softmax(%m) : f32[1,6,6]
  %c = matmul(%p, %v) : f32[1,6,16]
  %o = matmul(%c, @wo) : f32[1,6,16]
  %r = add(%o, %x) : f32[1,6,16]
  %n = layer_norm(%r, @g, @b) : f32[1,6,16]
  %h = matmul(%n, @w1) : f32[1,6,24]
  %a = gelu(%h) : f32[1,6,24]
  %d = matmul(%a, @w2) : f32[1,6,16]
  %t = add(%d, %n) : f32[1,6,16]
  %y = matmul(%t, @w3) : f32[1,6,4]
  return(%y)
}
"""
shapes = {"wq": (16, 16), "wk": (16, 16), "wv": (16, 16), "wo": (16, 16), "w1": (16, 24), "w2": (24, 16), "w3": (16, 4)}
layer = {k: rng.normal(size=s) / 4 for k, s in shapes.items()} | {"g": np.ones(16), "b": np.zeros(16)}
layer["mask"] = np.triu(np.full((6, 6), -1e9), 1)
for name, cut in ("layer", 0), ("thin", 0.5):
    kept = {k: np.where(np.abs(v) < np.quantile(np.abs(v), cut), 0, v) if k[0] == "w" else v for k, v in layer.items()}
    (folder / f"{name}.adz").write_text("".join(constant(k, v) for k, v in kept.items()) + BODY)
np.savez(folder / "tokens.npz", x=rng.normal(size=(64, 1, 6, 16)).astype(np.float32))
np.savez(folder / "more.npz", x=rng.normal(size=(64, 1, 6, 16)).astype(np.float32))
before = snr("thin.adz", "layer", "more")
recover("thin", "rate=0.02,steps=40,attention=0.5", teacher="layer", data="tokens")
got = snr("out.onnx", "layer", "more")
say("a transformer's layer", got > before + 1, before, got)
recover("thin", "rate=0.02,steps=40,blocks=\"r,t\"", teacher="layer", data="tokens")
got = snr("out.onnx", "layer", "more")
say("blocks by name", got > before + 1, before, got)

# Layers that share weights go on doing so.
TWICE = """func @main(%x: f32[1,6,16]) -> (f32[1,6,16]) {
  %a = matmul(%x, @w) : f32[1,6,16]
  %b = relu(%a) : f32[1,6,16]
  %c = matmul(%b, @w) : f32[1,6,16]
  return(%c)
}
"""
for name, factor in ("twice", 1), ("louder", 1.2):
    (folder / f"{name}.adz").write_text(constant("w", layer["wq"] * factor) + TWICE)
before = snr("louder.adz", "twice", "more")
recover("louder", "rate=0.02,steps=20", teacher="twice", data="tokens")
got, shared = snr("out.onnx", "twice", "more"), arrays("out.onnx")
say("shared weights stay shared, and keep their name", got > before + 1 and list(shared) == ["w"], before, got,
    [*shared])
for what, options in (("rate", "rate=0"), ("batch", "batch=0"), ("temperature", "temperature=0")):
    print(f"{what}:", recover("thin", options, teacher="layer", data="tokens", check=False).splitlines()[0])
