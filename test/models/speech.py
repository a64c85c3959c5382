"""speech.py: silero_vad compiled, over a stream with its state: scores as ONNX Runtime's, and what they are worth.

Chunks of 256 samples at 8 kHz, each behind the 32 samples before it; a chunk is speech if its middle lies in a segment.
Both files: one whose rate chooses branches while it runs (If, LSTM), and one where that is written out.
"""
import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import onnxruntime as ort

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "tools/models"))
import zoo  # noqa: E402

RATE, CHUNK, CONTEXT, STATE = 8000, 256, 32, (2, 1, 128)
# Area under the curve and share of right answers at 0.5, of ONNX Runtime on the same stream.
MODELS = {"silero_vad.onnx": (0.9134, 0.907), "silero_vad_op18_ifless.onnx": (0.9150, 0.911)}


def chunks(folder):
    with wave.open(str(folder / "stream.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    n = len(samples) // CHUNK
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    x = np.stack([padded[i * CHUNK:i * CHUNK + CHUNK + CONTEXT] for i in range(n)])
    segments = np.loadtxt(folder / "speech_segments.txt", dtype=int)
    middle = np.arange(n) * CHUNK + CHUNK // 2
    return x, ((middle[:, None] >= segments[:, 0]) & (middle[:, None] < segments[:, 1])).any(1)


def reference(path, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options)
    state, scores = np.zeros(STATE, np.float32), []
    for chunk in x:
        inputs = {"input": chunk[None], "state": state, "sr": np.array(RATE, np.int64)}
        score, state = session.run(["output", "stateN"], inputs)
        scores.append(score.item())
    return np.array(scores)


def area(scores, speech):
    """Under the receiver's curve: how often a chunk of speech scores above one of silence."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1
    n = speech.sum()
    return (order[speech].sum() - n * (n + 1) / 2) / (n * (~speech).sum())


def check(path, x, speech, known, scratch):
    artifact, data = scratch / "m.so", scratch / "chunks.f32"
    x.tofile(data)
    subprocess.run([BUILD / "bin/adze", "compile", path, "-o", artifact, "--target=x86:host"], check=True)
    done = subprocess.run([BUILD / "test/stream", artifact, data, str(x.shape[1]), str(RATE), *map(str, STATE)],
                          stdout=subprocess.PIPE, text=True, check=True)
    got, want = np.array(done.stdout.split(), float), reference(path, x)
    worst = np.abs(got - want).max() if got.shape == want.shape else np.inf
    auc, right = area(got, speech), np.mean((got > 0.5) == speech)
    ok = worst < 1e-4 and auc > known[0] - 0.001 and right > known[1] - 0.002
    print(f"{'ok    ' if ok else 'FAILED'} {path.name}: {len(got)} chunks, {worst:.1e} from ONNX Runtime, "
          f"area {auc:.4f}, right {right:.1%} (known: {known[0]:.4f}, {known[1]:.1%})")
    return ok


def main():
    folder = zoo.models_folder()
    if folder is None:
        print("skipped: no folder of public models (ADZE_MODELS)")
        return 77
    x, speech = chunks(folder / "data/vad_fsdd_8k")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, known in MODELS.items():
            failed += not check(folder / "silero_vad" / name, x, speech, known, Path(scratch))
    print(f"{len(MODELS) - failed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
