"""dims.py: artifacts of public models with dims that the caller chooses, at several sizes each.

One artifact, compiled once, must give the reference's outputs within 1e-5 of their largest magnitude
at every size, and ONNX Runtime's within 1e-4. Inputs are samples of the model's own data set.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import SOURCE, check, end, models_folder, try_adze

import npz
import prepare
import zoo

# Leading dims of the only input: first a size, then others, then the first again.
SIZES = {"resnet20": [(1,), (5,), (16,), (1,)], "stories260K": [(1, 9), (3, 33), (2, 1), (1, 9)]}
SAMPLES = 16


def run(name, model, inputs, outputs):
    """Outputs by name that `adze run` writes, or None."""
    done = try_adze("run", model, f"--inputs={inputs}", f"--outputs={outputs}")
    if not check(f"{name} runs", done.returncode == 0, done.stderr.strip()):
        return None
    with np.load(outputs) as arrays:
        return dict(arrays)


def compare(name, values, wanted, bound):
    """Per output: shape, and the largest difference as a share of the largest magnitude."""
    for key, want in wanted.items():
        got = values.get(key)
        if not check(f"{name}: shape of {key}", got is not None and got.shape == want.shape,
                     "missing" if got is None else f"{got.shape}, wanted {want.shape}"):
            continue
        share = np.abs(got - want).max() / np.abs(want).max()
        check(f"{name}: {key}", share <= bound, f"{share:.2g} of the largest")


def check_model(model, folder, scratch):
    import onnxruntime as ort

    source, artifact = folder / model.file, scratch / "model.so"
    arrays, _ = prepare.prepare(model, folder, SOURCE / f"build/data-{SAMPLES}", SAMPLES, oracle=False)
    done = try_adze("compile", source, "-o", artifact)
    if not check(f"{model.name}: compile", done.returncode == 0, done.stderr.strip()):
        return
    session = ort.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for size in SIZES[model.name]:
        name = f"{model.name} {'x'.join(map(str, size))}"
        x = np.ascontiguousarray(arrays[model.input][tuple(slice(0, n) for n in size)])
        check(f"{name}: the data set is that large", x.shape[:len(size)] == size, x.shape)
        npz.save(scratch / "x.npz", **{model.input: x})
        reference = run(f"{name}: reference", source, scratch / "x.npz", scratch / "reference.npz")
        compiled = run(f"{name}: x86", artifact, scratch / "x.npz", scratch / "x86.npz")
        if reference and compiled:
            oracle = dict(zip(names, session.run(names, {model.input: x})))
            compare(f"{name}: x86 as the reference", compiled, reference, 1e-5)
            compare(f"{name}: x86 as ONNX Runtime", compiled, oracle, 1e-4)


def main():
    folder = models_folder()
    for model in zoo.table(folder):
        if model.name in SIZES:
            with tempfile.TemporaryDirectory(prefix="adze-dims-") as scratch:
                check_model(model, folder, Path(scratch))
    return end()


if __name__ == "__main__":
    sys.exit(main())
