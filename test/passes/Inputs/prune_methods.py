"""prune_methods.py ADZE FOLDER: what prune makes of the modules of prune_layers.py, against numpy and each other."""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

adze, folder = sys.argv[1], Path(sys.argv[2])


def constants(path):
    """Those of f32 and i8, written out or in the file beside it."""
    rows = re.findall(r"^ *const @(\S+?) ?: (f32|i8)\[([\d,]+)\] = (\w+)[\[(](.*)[\])]$", path.read_text(), re.M)
    found = {}
    for name, kind, dims, form, text in rows:
        kind = np.dtype(np.float32 if kind == "f32" else np.int8)
        if form == "dense":
            values = np.array([float(v) for v in text.split(",")], kind)
        else:
            file, offset, size = text.split(", ")
            values = np.frombuffer((path.parent / file.strip('"')).read_bytes(), kind, int(size) // kind.itemsize,
                                   int(offset))
        found[name] = values.reshape([int(d) for d in dims.split(",")])
    return found


def prune(model, options, *passes):
    out = folder / "pruned.adz"
    text = ",".join(["simplify", f"prune{{stats={folder}/{model}.stats,{options}}}", *passes])
    subprocess.run([adze, "opt", f"{folder}/{model}.adz", f"--passes={text}", f"--calib={folder}/{model}.npz",
                    "--check", "-o", out], check=True)
    return constants(out)


def snr(model):
    out = subprocess.run([adze, "eval", f"{folder}/pruned.adz", f"--data={folder}/{model}.npz",
                          f"--against={folder}/{model}.adz", "--target=reference", "--metric=snr"], check=True,
                         capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", out)[1])


def show(text, ok, values=""):
    print(text if ok else f"NOT {text}: {values}")


METHODS = "wanda", "sparsegpt", "obs"

# A diagonal Gram matrix: of each four the two of least |w| * gain go, and nothing makes up for them.
before = constants(folder / "alone.adz")["w"].T
x = np.load(f"{folder}/alone.npz")["x"]
worth = np.abs(before) * np.sqrt((x**2).sum((0, 1, 2)))
fours = worth.reshape(4, 2, 4)
best = np.where(fours >= np.sort(fours, 2)[:, :, 2:3], before.reshape(4, 2, 4), 0).reshape(4, 8)
for method in METHODS:
    got = prune("alone", f'pattern="2:4",method={method}')["w"].T
    show(f"2:4 {method}: the known optimum", np.array_equal(got, best), (got, best))
plain = prune("alone", 'pattern="2:4"')["w"].T
show("2:4 magnitude: another mask", not np.array_equal(plain != 0, best != 0) and (plain != 0).sum() == 16)

# Half of the inputs are always 0: their weights go, the others keep their bits.
before = constants(folder / "dead.adz")["w"].copy()
before[1::2] = 0
for method in METHODS:
    for refit in "", ",refit=true":
        show(f"dead inputs: {method}{refit}", np.array_equal(prune("dead", f"method={method}{refit}")["w"], before))
show("nothing changed in the outputs", snr("dead") > 200, snr("dead"))

# Groups, a group a channel, shared weights.
for method in METHODS:
    got = prune("groups", f"method={method}")
    zeros = {name: float((w == 0).mean()) for name, w in got.items()}
    ok = sorted(zeros) == ["d", "k", "s", "v"] and all(0.43 < z < 0.52 for z in zeros.values())
    show(f"groups {method}", ok, zeros)
got = prune("groups", 'method=obs,sparsity=0.75,pattern="4x1",min-elements=100')
blocks = got["k"].reshape(2, 4, 18)
show("4x1 within groups", np.all((blocks == 0).all(1) | (blocks != 0).any(1)) and
     (blocks == 0).all(1).mean() == 0.75 and (got["d"] != 0).all(), (blocks == 0).mean())

# Methods against each other, all of them behind each other.
results = {}
for name in ("method=magnitude", "method=wanda", "method=sparsegpt", "method=obs", "method=magnitude,refit=true",
             "method=obs,sequential=true", "method=obs,scope=global", "method=obs,sparsity=0.8",
             "method=obs,sparsity=0.8,sequential=true,steps=5", "method=obs,sparsity=0.8,steps=5",
             'method=obs,pattern="16x1"', 'method=sparsegpt,pattern="16x1"', 'method=magnitude,pattern="16x1"'):
    got = prune("deep", name)
    results[name] = snr("deep")
    share = 0.8 if "0.8" in name else 0.5
    zeros = np.mean([(w == 0).mean() for w in got.values()])
    if abs(zeros - share) > 0.01:
        print(f"NOT {share}: {name} has {zeros}")
for better, worse in (("method=sparsegpt", "method=magnitude"), ("method=obs", "method=sparsegpt"),
                      ("method=magnitude,refit=true", "method=magnitude"),
                      ("method=obs,sequential=true", "method=obs"),
                      ("method=obs,sparsity=0.8,sequential=true,steps=5", "method=obs,sparsity=0.8"),
                      ('method=obs,pattern="16x1"', 'method=sparsegpt,pattern="16x1"'),
                      ('method=sparsegpt,pattern="16x1"', 'method=magnitude,pattern="16x1"'),
                      ("method=obs", 'method=obs,pattern="16x1"')):
    show(f"{better} > {worse}", results[better] > results[worse], (results[better], results[worse]))

# Rounding behind it keeps the zeros: their codes are the zero point.
mask = {name: w != 0 for name, w in prune("deep", "method=obs,sparsity=0.6").items()}
for way in ("method=gptq", "method=cd", "method=awq-gptq", "method=gptq,polish=20,refit=1,group=8",
            "method=gptq,symmetric=false", "method=gptq,sequential=true"):
    got = prune("deep", "method=obs,sparsity=0.6", f"quantize-weights{{bits=5,stats={folder}/deep.stats,{way}}}")
    moved = sum(int((got[f"{name}.codes"] != got.get(f"{name}.zero", np.zeros(32, np.int8)))[~m].sum())
                for name, m in mask.items())
    show(f"zeros stay behind {way}", moved == 0, moved)
