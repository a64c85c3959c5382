"""recover.py: keyword spotting with half of its weights set to 0, recovered on some samples and measured on others.

Checks that moments, least squares and reconstruction each bring back answers and signal, and that zeros stay.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from common import SOURCE, adze, check, end, models_folder

import npz
import prepare
import recovery
import zoo

CALIBRATE, TEST, ZEROS = 64, 200, 50
WAYS = "moments", "least-squares", "reconstruct,steps=30,batch=4,samples=48"


def measure(model, original, data):
    text = adze("eval", model, f"--data={data}", f"--against={original}", "--target=x86:host",
                "--metric=agreement,snr")
    return [float(re.search(rf"^{name} +(\S+)", text, re.M)[1]) for name in ("agreement", "snr")]


def zeros(model):
    """How many weights are 0, tensor by tensor of more than one dim."""
    arrays = (numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer)
    return sorted((a.shape, int((a == 0).sum())) for a in arrays if a.ndim > 1 and a.dtype == np.float32)


def main():
    folder = models_folder()
    model = next(row for row in zoo.table(folder) if row.name == "kws_float")
    arrays, _ = prepare.prepare(model, folder, SOURCE / f"build/data-{CALIBRATE + TEST}", CALIBRATE + TEST,
                                oracle=False)
    source = folder / model.file
    with tempfile.TemporaryDirectory(prefix="adze-recover-") as scratch:
        scratch = Path(scratch)
        npz.save(scratch / "calibrate.npz", **{k: v[:CALIBRATE] for k, v in arrays.items()})
        npz.save(scratch / "test.npz", **{k: v[CALIBRATE:] for k, v in arrays.items()})
        recovery.prune(source, scratch / "pruned.onnx", ZEROS)
        adze("opt", scratch / "pruned.onnx", "--passes=simplify", "-o", scratch / "plain.onnx")
        before, found = measure(scratch / "plain.onnx", source, scratch / "test.npz"), []
        for way in WAYS:
            adze("opt", scratch / "pruned.onnx", f"--passes=simplify,recover{{method={way},teacher={source}}}",
                 f"--calib={scratch}/calibrate.npz", "-o", scratch / "out.onnx")
            found.append(measure(scratch / "out.onnx", source, scratch / "test.npz"))
            better = found[-1][0] > before[0] and found[-1][1] > before[1] + 1
            check(way, better, f"{found[-1]}, before {before}")
            check(f"{way}: zeros stay", zeros(scratch / "out.onnx") == zeros(scratch / "plain.onnx"))
    return end()


if __name__ == "__main__":
    sys.exit(main())
