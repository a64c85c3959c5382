"""recovery.py MODEL.onnx --calib=C.npz --data=T.npz [--zeros=70] [--bits=4] [--ways=A;B]: what the ways of `recover`
bring back of a model that lost weights, or bits, on samples that it was not recovered on.

Weights are set to 0 by size, tensor by tensor, and rounded to nearest. A way is a method with options, or several in a
row, joined by `+`. Labels in T.npz, where there are any, give the accuracy, too.
"""
import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

BUILD = Path(os.environ.get("ADZE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build/release"))
ADZE = BUILD / "bin/adze"
WAYS = ("method=bias", "method=moments", "method=least-squares", "method=ridge", "method=reconstruct",
        "method=moments+method=least-squares", "method=least-squares+method=reconstruct",
        "method=least-squares+method=ridge")


def run(*arguments):
    done = subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"adze {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def prune(source, target, zeros):
    """The smallest `zeros` percent of each tensor of weights become 0."""
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim < 2 or weights.size < 256:
            continue
        least = np.quantile(np.abs(weights), zeros / 100)
        kept = np.where(np.abs(weights) <= least, 0, weights).astype(weights.dtype)
        tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    onnx.save(model, target)


def score(model, original, data, labels):
    """Agreement, accuracy and SNR of the answers."""
    metrics = "agreement,snr" + (",top1" if labels else "")
    text = run("eval", model, f"--data={data}", f"--against={original}", f"--metric={metrics}", "--target=x86:host")
    number = lambda name: (re.search(rf"^ *{name} +(\S+)", text, re.M) or [0, "-"])[1]
    return [number(name) for name in ("agreement", "top1", "snr")]


def table(title, source, passes, options, folder):
    labels = "labels" in np.load(options.data).files
    print(f"\n{title}\n\n| way | answers as before, % | top 1, % | SNR, dB | seconds |\n|---|---|---|---|---|")
    for way in ("", *options.ways.split(";")):
        steps = [f"recover{{{step},teacher={options.model}}}" for step in way.split("+") if step]
        out, start = f"{folder}/out.adz", time.monotonic()
        run("opt", source, f"--passes={','.join([passes, *steps])}", f"--calib={options.calib}", "-o", out,
            "--target=x86:host")
        seconds = time.monotonic() - start if steps else 0
        row = score(out, options.model, options.data, labels)
        print(f"| {way.replace('method=', '') or 'none'} | {' | '.join(row)} | {seconds:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--zeros", type=float, default=70)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--ways", default=";".join(WAYS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adze-recovery-") as folder:
        if options.zeros:
            pruned = f"{folder}/pruned.onnx"
            prune(options.model, pruned, options.zeros)
            table(f"{options.zeros:g} % of weights 0", pruned, "simplify", options, folder)
        if options.bits:
            quantize = f"simplify,quantize-weights{{bits={options.bits},edge-bits={options.bits}}}"
            table(f"Weights of {options.bits} bits", options.model, quantize, options, folder)


if __name__ == "__main__":
    main()
