"""pruning.py MODEL.onnx --calib=C.npz --test=T.npz: scores of structured pruning beside each other, at equal work.

Each row is one way to prune with prune-channels; all lose the same share of multiply-accumulates (--rate). `fitted`
says whether what reads the channels was fitted anew. The first row is the model as it was. Metrics are those of
`adze eval` on the test data, beside the original model's; with an attention_mask in the data also the mean cosine of
sentence embeddings (means over tokens that are no padding), by ONNX Runtime. `time` is the compiled model's, as a
share of the original's: both take turns.
Calibrate and test on different samples.

    build/venv/bin/python tools/bench/pruning.py resnet20.onnx --calib=c.npz --test=t.npz --metric=top1,snr --rate=0.25
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ADZE = ROOT / "build/release/bin/adze"
SCORES = "l1", "l2", "geomean", "geomedian", "activation", "thinet", "obs"


def adze(*arguments):
    done = subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def macs(path):
    """Where symbolic dims are 1."""
    return int(re.search(r"^macs +(\d+)", adze("info", path), re.M)[1])


def sentences(path, data):
    import onnxruntime
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    vectors = []
    for k in range(len(data[names[0]])):
        tokens = session.run(None, {n: data[n][k:k + 1] for n in names})[0][0]
        mean = tokens[data["attention_mask"][k] > 0].mean(0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.array(vectors)


def time_share(original, pruned, scratch, rounds):
    """Minimum of the pruned model over the original's; runs take turns."""
    files = [scratch / "original.so", scratch / "pruned.so"]
    for path, file in zip((original, pruned), files):
        if path != original or not file.exists():
            adze("compile", path, "--target=x86:host", "-o", file)
    least = [float("inf")] * 2
    for _ in range(rounds):
        lines = adze("bench", "--seconds=0.5", *files).splitlines()[1:3]
        least = [min(old, float(line.split()[0])) for old, line in zip(least, lines)]
    return least[1] / least[0]


def row(options, how, scratch, original):
    """`how` is empty for the model as it was."""
    out = original
    if how:
        out = scratch / "pruned.onnx"
        adze("opt", options.model, f"--passes=simplify,{how}", f"--calib={options.calib}", "--target=x86:host",
             "-o", out)
    cells = [f"{1 - macs(out) / macs(original):6.3f}"]
    text = adze("eval", out, f"--data={options.test}", "--target=x86:host", f"--metric={options.metric}",
                f"--against={original}", "--against-target=x86:host", *options.flag)
    for metric in options.metric.split(","):
        cells.append(re.search(rf"^{metric} +(\S+)", text, re.M)[1])
    if options.base is not None:
        vectors = sentences(out, np.load(options.test))
        cells.append(f"{(vectors * options.base).sum(1).mean():.4f}")
    if options.rounds and how:
        cells.append(f"{time_share(original, out, scratch, options.rounds):.3f}")
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--metric", default="agreement,snr")
    parser.add_argument("--rate", default="0.25", help="share of the multiply-accumulates that goes")
    parser.add_argument("--options", default="", help="more options of prune-channels, as in multiple=8,samples=32")
    parser.add_argument("--scores", default=",".join(SCORES), help="which rows")
    parser.add_argument("--alone", action="store_true", help="also without fitting")
    parser.add_argument("--rounds", type=int, default=10, help="of timing; 0 = none")
    parser.add_argument("--flag", action="append", default=[], help="of adze eval, as --flag=--batch=50")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adze-pruning-") as folder:
        scratch = Path(folder)
        original = scratch / "original.onnx"
        adze("opt", options.model, "--passes=simplify", "-o", original)
        data = np.load(options.test)
        options.base = sentences(original, data) if "attention_mask" in data else None
        heads = ["macs", *options.metric.split(","), *(["sentence"] if options.base is not None else []),
                 *(["time"] if options.rounds else [])]
        print(f"{'score':<12}{'fitted':<8}" + "".join(f"{h:>12}" for h in heads), flush=True)
        print(f"{'original':<12}{'':<8}" + "".join(f"{c:>12}" for c in row(options, "", scratch, original)), flush=True)
        for score in options.scores.split(","):
            for fitted in ("false", "true") if options.alone else ("true",):
                how = f"prune-channels{{score={score},rate={options.rate},refit={fitted}"
                how += f",{options.options}}}" if options.options else "}"
                try:
                    cells = row(options, how, scratch, original)
                except RuntimeError as why:
                    cells = [str(why)]
                print(f"{score:<12}{'yes' if fitted == 'true' else 'no':<8}" + "".join(f"{c:>12}" for c in cells),
                      flush=True)


if __name__ == "__main__":
    sys.exit(main())
