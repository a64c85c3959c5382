"""prune.py: structured pruning of public models. A part of the work of ResNet-20 goes, whose residual blocks are tied
by zeros around channels, and of SqueezeNet; ONNX's checker takes the file, ONNX Runtime's answers stay close to the
original's, closer than with the smallest filters gone and nothing fitted.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from common import adze, check, end, models_folder

import npz
import zoo

# Share of the work that goes, samples to calibrate on and others to compare with, least share of equal answers.
MODELS = {"resnet20": (0.12, 96, 300, 0.8), "squeezenet": (0.06, 40, 60, 0.75)}


def macs(path):
    return int(re.search(r"^macs +(\d+)", adze("info", path), re.M)[1])


def answers(path, name, samples):
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = [session.run(None, {name: samples[i:i + 1]})[0].reshape(-1) for i in range(len(samples))]
    return np.argmax(rows, 1)


def check_model(model, folder, scratch):
    rate, n, more, least = MODELS[model.name]
    data = model.read(folder / "data", model.input, None)[model.input]  # files lie class by class
    data = data[np.random.default_rng(0).permutation(len(data))[:n + more]]
    npz.save(scratch / "calibrate.npz", **{model.input: data[:n]})
    source, before = folder / model.file, scratch / "before.onnx"
    adze("opt", source, "--passes=simplify", "-o", before)
    expected = answers(before, model.input, data[n:])
    equal = {}
    for way, options in {"obs": "measure=false", "l1": "score=l1,refit=false,measure=false"}.items():
        out = scratch / f"{way}.onnx"
        adze("opt", source, f"--passes=simplify,prune-channels{{rate={rate},{options}}}",
             f"--calib={scratch}/calibrate.npz", "-o", out)
        onnx.checker.check_model(str(out), full_check=True)
        share = macs(out) / macs(before)
        assert share <= 1 - rate + 1e-6, (way, share)
        equal[way] = np.mean(answers(out, model.input, data[n:]) == expected)
    ok = equal["obs"] >= least and equal["obs"] > equal["l1"]
    check(model.name, ok, f"{rate:.0%} of the work less, equal answers {equal['obs']:.1%}; smallest filters gone, "
                          f"nothing fitted: {equal['l1']:.1%}")


def main():
    folder = models_folder()
    for model in (row for row in zoo.table(folder) if row.name in MODELS):
        with tempfile.TemporaryDirectory(prefix="adze-prune-") as scratch:
            check_model(model, folder, Path(scratch))
    return end()


if __name__ == "__main__":
    sys.exit(main())
