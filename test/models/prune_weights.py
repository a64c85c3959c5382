"""prune_weights.py NAME: a public model with half of its weights 0, calibrated on part of its data and measured on the
rest.

Checks that Gram matrices keep what magnitudes lose, in compiled code, with bounds below what was measured when this was
written; and that 8 bits behind that keep the zeros and the answers. tools/bench/prune_weights.py prints the whole
table.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from common import SOURCE, adze, check, end, models_folder

import npz
import prepare
import zoo

# Samples to calibrate on and to measure on; least agreement of `obs`, and behind it with 8 bits.
MODELS = {"kws_float": (100, 400, 88, 87), "resnet20": (100, 400, 88, 87)}


def measure(folder, model, options, behind=""):
    """Agreement in percent and SNR in dB of the model pruned with these options."""
    passes = f"simplify,prune{{stats={folder}/stats,{options}}}{behind},dce"
    adze("opt", model, f"--passes={passes}", "-o", folder / "pruned.onnx")
    text = adze("eval", folder / "pruned.onnx", f"--data={folder}/test.npz", f"--against={model}", "--target=x86:host",
                "--against-target=x86:host", "--batch=1", "--metric=agreement,snr")
    return [float(re.search(rf"^{name} +(\S+)", text, re.M)[1]) for name in ("agreement", "snr")]


def zeros(path, kind):
    """The share of 0 in the constants of this kind that have two axes or more."""
    tensors = [t for t in onnx.load(path).graph.initializer if len(t.dims) > 1 and t.data_type == kind]
    values = [onnx.numpy_helper.to_array(t) for t in tensors]
    return sum(int((v == 0).sum()) for v in values) / sum(v.size for v in values)


def split(arrays, calibrate, test, folder):
    """Samples to calibrate on come from all over the set; those to measure on are others."""
    count = len(next(iter(arrays.values())))
    chosen = np.arange(count)[::count // calibrate][:calibrate]
    rest = np.setdiff1d(np.arange(count), chosen)[:test]
    npz.save(folder / "calibrate.npz", **{k: v[chosen] for k, v in arrays.items()})
    npz.save(folder / "test.npz", **{k: v[rest] for k, v in arrays.items()})


def main(name):
    folder = models_folder()
    model = next(row for row in zoo.table(folder) if row.name == name)
    calibrate, test, least, least_narrow = MODELS[name]
    arrays, _ = prepare.prepare(model, folder, SOURCE / f"build/data-{calibrate + test}", calibrate + test,
                                oracle=False)
    source = folder / model.file
    with tempfile.TemporaryDirectory(prefix="adze-prune-") as scratch:
        scratch = Path(scratch)
        split(arrays, calibrate, test, scratch)
        adze("calibrate", source, f"--calib={scratch}/calibrate.npz", "-o", scratch / "stats", "--gram",
             "--target=x86:host", "--batch=1")
        magnitude, sparsegpt, obs = (measure(scratch, source, f"method={way}")
                                     for way in ("magnitude", "sparsegpt,refit=true", "obs"))
        share = zeros(scratch / "pruned.onnx", onnx.TensorProto.FLOAT)
        check("half of the weights are 0", abs(share - 0.5) < 0.01, share)
        check("magnitude < sparsegpt, fitted < obs", magnitude[1] + 1 < sparsegpt[1] < obs[1] - 1,
              f"{magnitude}, {sparsegpt}, {obs}")
        check("obs keeps answers", obs[0] >= least, f"{obs[0]} %")
        narrow = measure(scratch, source, "method=obs", f",quantize-static{{weights=cd,stats={scratch}/stats}}")
        share = zeros(scratch / "pruned.onnx", onnx.TensorProto.INT8)
        check("8 bits keep the zeros", 0.49 < share < 0.6, share)
        check("8 bits keep answers", narrow[0] >= least_narrow, f"{narrow[0]} %")
    return end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
