"""gate.py MODEL.onnx --calib=C.npz --test=T.npz: time against agreement of a model that leaves out a residual block for
the inputs that do not need it (pass skip-gate).

Each row is one setting of the gate (--ways): how many of the test samples go without the block, how many have the
model's own answer (largest output), mean cosine of the outputs, and time of a sample, one thread, least of --rounds
over all samples, in turns with the model as it was: compiled by Adze, and in ONNX Runtime. `always` leaves the block
out for all: the least time there is.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
ADZE = os.environ.get("ADZE", ROOT / "build/release/bin/adze")
WAYS = [f"tau={tau},sure={sure}" for tau in (0.99, 0.98, 0.95) for sure in (0.95, 0.9, 0.7, 0.5)] + ["always"]


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def make(o, way, out):
    options = "tau=0.9,sure=0.000001" if way == "always" else way
    if o.block:
        options += f",block={o.block}"
    done = subprocess.run([str(ADZE), "opt", o.model, f"--passes=simplify,skip-gate{{{options}}}", f"--calib={o.calib}",
                           "-o", str(out.with_suffix(".adz"))], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    subprocess.run([str(ADZE), "opt", str(out.with_suffix(".adz")), "-o", str(out)], check=True)
    note = re.search(r"skip-gate: (.*)", done.stderr)[1]
    return note, "may be left out for" in note and "no block" not in note


def tapped(path):
    """The model with the gate's condition as one more output."""
    model = onnx.load(path)
    gate = next(node for node in model.graph.node if node.op_type == "If")
    model.graph.output.append(onnx.helper.make_tensor_value_info(gate.input[0], onnx.TensorProto.BOOL, None))
    onnx.save(model, path.with_suffix(".tapped.onnx"))
    return session(path.with_suffix(".tapped.onnx"))


def least(sessions, samples, rounds):
    best = [float("inf")] * len(sessions)
    for _ in range(rounds):
        for i, runner in enumerate(sessions):
            begin = time.perf_counter()
            for sample in samples:
                runner.run(None, sample)
            best[i] = min(best[i], (time.perf_counter() - begin) / len(samples))
    return best


def compiled(paths, folder, samples, rounds):
    """Milliseconds of a sample in each of the models, compiled: least of `rounds` in turns."""
    names = list(samples[0])
    data, files = Path(folder) / "samples.npz", []
    np.savez(data, **{name: np.concatenate([s[name] for s in samples]) for name in names})
    for path in paths:
        files.append(path.with_suffix(".so"))
        source = path.with_suffix(".adz") if path.with_suffix(".adz").exists() else path
        subprocess.run([str(ADZE), "compile", str(source), "-o", str(files[-1])], check=True)
    best = [float("inf")] * len(paths)
    for _ in range(rounds):
        for i, path in enumerate(files):
            done = subprocess.run([str(ADZE), "eval", str(path), f"--data={data}", f"--against={files[0]}",
                                   "--metric=cosine", "--batch=1"], capture_output=True, text=True, check=True)
            best[i] = min(best[i], float(re.search(r"([0-9.]+) ms a sample", done.stderr + done.stdout)[1]))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--block", help="default: the one that is needed least often")
    parser.add_argument("--samples", type=int, default=300, help="to test on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", nargs="*", default=WAYS)
    o = parser.parse_args()
    data = np.load(o.test)
    names = [n for n in data.files if n != "labels"]
    samples = [{n: data[n][i:i + 1] for n in names} for i in range(min(o.samples, len(data[names[0]])))]
    with tempfile.TemporaryDirectory(prefix="adze-gate-") as folder:
        base = Path(folder) / "base.onnx"
        subprocess.run([str(ADZE), "opt", o.model, "--passes=simplify", "-o", str(base)], check=True)
        before = session(base)
        want = np.array([before.run(None, s)[0].ravel() for s in samples])
        print(f"{'skips':>7} {'agree':>7} {'cosine':>8} {'time':>6} {'ORT':>6}  gate")
        for i, way in enumerate(o.ways):
            out = Path(folder) / f"{i}.onnx"
            note, gated = make(o, way, out)
            if not gated:
                print(f"{way}: {note}")
                continue
            runner, after = tapped(out), session(out)
            got = [runner.run(None, s) for s in samples]
            skips = np.mean([bool(g[-1]) for g in got])
            got = np.array([g[0].ravel() for g in got])
            cosine = np.mean((want * got).sum(1) / np.sqrt((want ** 2).sum(1) * (got ** 2).sum(1)))
            agree = np.mean(want.argmax(1) == got.argmax(1))
            was, now = least([before, after], samples, o.rounds)
            mine = compiled([base, out], folder, samples, o.rounds)
            print(f"{skips:7.1%} {agree:7.1%} {cosine:8.4f} {mine[1] / mine[0]:5.2f}x {now / was:5.2f}x  {way}: {note}",
                  flush=True)


if __name__ == "__main__":
    sys.exit(main())
