"""lowrank.py layers|curve MODEL.onnx --calib=C.npz --test=T.npz: low rank, on data that calibration has not seen.

layers: each layer with half of its weights (--ratio), in factors by the plain SVD, by the sizes of its inputs and by
their Gram matrix: signal to noise of the layer's own outputs, on its inputs in the model as it was. Ranks are the same,
so bytes are. Files run in ONNX Runtime. The last line counts the layers where Gram matrices are best.

curve: the whole model for each of --ways, options of the pass: cosine and SNR of its outputs, weights, and time of the
compiled model as a share of the original's, in turns (minimum of --rounds).
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
ADZE = os.environ.get("ADZE", ROOT / "build/release/bin/adze")
METHODS = {"svd": "method=svd,refit=false", "diagonal": "method=diagonal,refit=false", "data": "method=data"}
WAYS = [f"ratio={r}{share}" for share in ("", ",share=true") for r in (0.8, 0.6, 0.4)]


def adze(*arguments):
    done = subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode:
        raise SystemExit(f"adze {arguments[0]}: status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout, done.stderr


# ---- Layers ----

def cut(model, x, y):
    """The nodes of a model that lead from x to y, as a session."""
    makers = {out: node for node in model.graph.node for out in node.output}
    values = {v.name: v for v in model.graph.initializer}
    nodes, todo = [], [y]
    while todo:
        name = todo.pop()
        if name == x or name in values or not name:
            continue
        node = makers[name]
        if node not in nodes:
            nodes.append(node)
            todo += node.input
    nodes = [node for node in model.graph.node if node in nodes]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "layer", [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
                              [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
                              [v for name, v in values.items() if name in used])
    whole = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return session(whole.SerializeToString())


def session(source):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def factored(base, other):
    """(weights, input, output) of layers of `base` that have factors in `other`."""
    names = {v.name for v in other.graph.initializer}
    return [(node.input[1], node.input[0], node.output[0]) for node in base.graph.node
            if len(node.input) > 1 and node.input[1] + ".v" in names]


def tapped(base, layers, samples):
    """Per sample, inputs of the layers."""
    inputs = list(dict.fromkeys(x for _, x, _ in layers))
    model = onnx.ModelProto()
    model.CopyFrom(base)
    known = {v.name for v in model.graph.input}
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(x, TensorProto.FLOAT, None) for x in inputs
                              if x not in known)
    runner = session(model.SerializeToString())
    for sample in samples:
        out = dict(zip([o.name for o in model.graph.output], runner.run(None, sample)))
        yield {**sample, **out}


def split(path, limit):
    data = np.load(path)
    names = [n for n in data.files if n != "labels"]
    count = min(limit, len(data[names[0]]))
    return [{n: data[n][i:i + 1] for n in names} for i in range(count)]


def table(o, scratch):
    base = scratch / "base.onnx"
    adze("opt", o.model, "--passes=simplify", "-o", base)
    stats = o.stats or scratch / "stats"
    if not o.stats:
        adze("calibrate", o.model, f"--calib={o.calib}", "-o", stats, "--gram", "--target=x86:host", "--batch=1")
    models = {"base": onnx.load(base)}
    for method, options in METHODS.items():
        out = scratch / f"{method}.onnx"
        adze("opt", o.model, f"--passes=simplify,low-rank{{{options},stats={stats},ratio={o.ratio},conv={o.conv},"
             f"correct-bias=false}}", "-o", out)
        models[method] = onnx.load(out)
    layers = factored(models["base"], models["data"])
    sizes = {v.name: (list(v.dims)) for m in models.values() for v in m.graph.initializer}
    noise = {w: dict.fromkeys(METHODS, 0.0) for w, _, _ in layers}
    signal = dict.fromkeys(noise, 0.0)
    runners = {(w, m): cut(models[m], x, y) for w, x, y in layers for m in models}
    for values in tapped(models["base"], layers, split(o.test, o.limit)):
        for w, x, _ in layers:
            want = runners[w, "base"].run(None, {x: values[x]})[0].astype(np.float64)
            signal[w] += (want ** 2).sum()
            for m in METHODS:
                noise[w][m] += ((runners[w, m].run(None, {x: values[x]})[0] - want) ** 2).sum()
    best = 0
    print(f"{'weights':>20} {'rank':>5} " + " ".join(f"{m:>9}" for m in METHODS) + "  layer   (dB)")
    for w, _, y in layers:
        db = [10 * np.log10(signal[w] / noise[w][m]) for m in METHODS]
        best += db[-1] > max(db[:-1])
        dims = "x".join(map(str, sizes[w]))
        print(f"{dims:>20} {min(sizes[w + '.u'][:2]):5} " + " ".join(f"{d:9.1f}" for d in db) + f"  {y}")
    print(f"Gram matrices are best in {best} of {len(layers)} layers")


# ---- Curve ----

def shortest(paths, rounds):
    """Minimum times of compiled models, in turns."""
    least = dict.fromkeys(paths, float("inf"))
    for _ in range(rounds):
        for path in paths:
            text, _ = adze("bench", path, "--seconds=0.4", "--json")
            least[path] = min(least[path], json.loads(text)[0]["min_ms"])
    return least


def weights_of(path):
    model = onnx.load(path)
    return sum(int(np.prod(v.dims)) for v in model.graph.initializer if v.data_type == TensorProto.FLOAT)


def curve(o, scratch):
    stats = o.stats or scratch / "stats"
    if not o.stats:
        adze("calibrate", o.model, f"--calib={o.calib}", "-o", stats, "--gram", "--target=x86:host", "--batch=1")
    adze("opt", o.model, "--passes=simplify,dce", "-o", scratch / "base.onnx")
    rows = [("as it was", scratch / "base.onnx", "", "")]
    for i, options in enumerate(o.ways or WAYS):
        out = scratch / f"way{i}.onnx"
        passes = f"simplify,low-rank{{stats={stats},report=true,{options}}},simplify,dce"
        _, notes = adze("opt", o.model, f"--passes={passes}", f"--calib={o.calib}", "-o", out)
        said = re.search(r"(\d+ of \d+) layers factorised", notes)[1]
        text, _ = adze("eval", out, f"--data={o.test}", f"--against={o.model}", "--metric=cosine,snr",
                       "--target=x86:host", "--batch=1")
        rows.append((f"{options}: {said}", out, re.search(r"cosine +(\S+)", text)[1],
                     re.search(r"snr +(\S+)", text)[1]))
    for _, path, _, _ in rows:
        adze("compile", path, "-o", f"{path}.so")
    least = shortest([f"{path}.so" for _, path, _, _ in rows], o.rounds)
    whole, before = weights_of(rows[0][1]), least[f"{rows[0][1]}.so"]
    print(f"{'weights':>8} {'time':>6} {'cosine':>8} {'snr dB':>7}")
    for name, path, cosine, snr in rows:
        print(f"{weights_of(path) / whole:7.2f}x {least[f'{path}.so'] / before:5.2f}x {cosine:>8} {snr:>7}  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("layers", "curve"))
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--stats", help="of adze calibrate --gram; default: collected")
    parser.add_argument("--ratio", default="0.5")
    parser.add_argument("--conv", default="matrix")
    parser.add_argument("--limit", type=int, default=100, help="samples to test on")
    parser.add_argument("--ways", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adze-lowrank-") as folder:
        (table if o.what == "layers" else curve)(o, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
