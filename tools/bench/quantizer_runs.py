"""Outputs of the models that quantizers.py and dynamic.py score: the first output, one sample at a time."""
import os
import tempfile

import numpy as np

import npz
import peers
import quantizer_ways as ways


def inputs_of(arrays):
    return [name for name in arrays if name != "labels"]


def run(path, arrays, optimise=False):
    """By ONNX Runtime; as the file is written where it does not optimise."""
    try:
        session = peers.open_session(path, min(2, os.cpu_count() or 1), not optimise)
        names, first = [row.name for row in session.get_inputs()], [session.get_outputs()[0].name]
        count = len(arrays[names[0]])
        return np.concatenate([session.run(first, {k: arrays[k][i:i + 1] for k in names})[0] for i in range(count)])
    except Exception as error:  # its errors have no common class
        raise ways.Failure(ways.first_line(error)) from error


def output_name(path):
    return peers.open_session(path, 1, True).get_outputs()[0].name


def compile_model(job, model, name):
    artifact = job.scratch / name
    ways.run_adze(job.adze, "compile", model, "-o", artifact, "--target=x86:host")
    return artifact


def run_compiled(job, artifact, arrays):
    names, outputs = inputs_of(arrays), []
    with tempfile.TemporaryDirectory(dir=job.scratch) as folder:
        x, y = f"{folder}/x.npz", f"{folder}/y.npz"
        for i in range(len(arrays[names[0]])):
            npz.save(x, **{k: arrays[k][i:i + 1] for k in names})
            ways.run_adze(job.adze, "run", artifact, f"--inputs={x}", f"--outputs={y}")
            with np.load(y) as stored:
                outputs.append(next(iter(stored.values())))
    return np.concatenate(outputs)
