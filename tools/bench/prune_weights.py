"""prune_weights.py [MODEL...]: what models keep when weights become 0, by method, pattern and density.

Each way prunes the same float model, calibrated on samples that are spread over the data set; others are scored.

  zeros   share of the weights of contractions that are exactly 0
  agree   answers that are the float model's, in percent, with their 95 % interval (Wilson)
  KL      divergence of the answers' distributions from the float model's, in nat, mean over the samples
  top1    right answers, in percent, where labels are known; the float model's stands in the first line
  SNR     of the outputs, in dB
  s       seconds of `adze opt`
"""
import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import npz  # noqa: E402
import quantizer_runs as runs  # noqa: E402
import quantizer_scores as scores  # noqa: E402
import quantizer_sets  # noqa: E402
import quantizer_ways as ways  # noqa: E402
import zoo  # noqa: E402

NAMES = ["squeezenet", "resnet20", "kws_float"]
WAYS = {  # options of prune, but for the sparsity
    "magnitude": "method=magnitude",
    "magnitude, global": "method=magnitude,scope=global",
    "magnitude, fitted": "method=magnitude,refit=true",
    "wanda": "method=wanda",
    "wanda, fitted": "method=wanda,refit=true",
    "sparsegpt": "method=sparsegpt",
    "sparsegpt, fitted": "method=sparsegpt,refit=true",
    "obs": "method=obs",
    "obs, global": "method=obs,scope=global",
    "obs, 5 steps": "method=obs,steps=5",
    "obs, sequential": "method=obs,sequential=true",
    "obs, sequential, global": "method=obs,sequential=true,scope=global",
    "obs, sequential, 5 steps": "method=obs,sequential=true,steps=5",
    "sparsegpt, 5 steps": "method=sparsegpt,refit=true,steps=5",
    "sparsegpt 2:4": 'method=sparsegpt,refit=true,pattern="2:4"',
    "obs 2:4": 'method=obs,pattern="2:4"',
    "obs 4x1": 'method=obs,pattern="4x1"',
    "obs 16x1": 'method=obs,pattern="16x1"',
}


def distributions(outputs):
    """Rows of probabilities: the outputs, or their softmax."""
    x = outputs.reshape(len(outputs), -1).astype(np.float64)
    if x.min() < 0 or np.abs(x.sum(1) - 1).max() > 1e-2:
        x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def divergence(wanted, got):
    p, q = (np.maximum(distributions(x), 1e-12) for x in (wanted, got))
    return float((p * np.log(p / q)).sum(1).mean())


def wilson(share, n):
    """95 % interval of a share of n, in percent."""
    z = 1.96
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [100 * float((middle + sign * half) / (1 + z * z / n)) for sign in (-1, 1)]


def zeros(path):
    """Of the weights of convolutions and products."""
    graph = onnx.load(path).graph
    names = {node.input[1] for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}
    weights = [onnx.numpy_helper.to_array(t) for t in graph.initializer if t.name in names]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)


def measure(args, subject, folder, way, sparsity, wanted):
    made = folder / "pruned.onnx"
    text = f"simplify,prune{{{WAYS[way]},sparsity={sparsity / 100},stats={folder}/model.stats}}"
    row = {"model": subject.name, "way": way, "sparsity": sparsity}
    begin = time.monotonic()
    try:
        ways.run_adze(args.adze, "opt", subject.file, f"--passes={text}", f"--calib={folder}/calibrate.npz", "-o", made)
        row["seconds"] = time.monotonic() - begin
        got = runs.run(made, subject.test, optimise=True)
    except ways.Failure as failure:
        return row | {"failed": str(failure)}
    same = scores.agreement(wanted, got)
    row |= {"zeros": zeros(made), "agreement": same, "interval": wilson(same / 100, len(got)),
            "kl": divergence(wanted, got), "snr_db": scores.snr(wanted, got)}
    labels = subject.test.get("labels")
    if labels is not None:
        row["top1"] = 100 * float((scores.answers(got) == labels)[labels >= 0].mean())
    return row


def print_row(row):
    if "failed" in row:
        print(f"  {row['sparsity']:3.0f} %  {row['way']:25} {row['failed']}", flush=True)
        return
    low, high = row["interval"]
    top1 = f"{row['top1']:7.2f}" if "top1" in row else " " * 7
    print(f"  {row['sparsity']:3.0f} %  {row['way']:25} {100 * row['zeros']:6.2f} {row['agreement']:7.2f} "
          f"{low:6.1f} to {high:5.1f} {row['kl']:8.4f} {top1} {row['snr_db']:6.2f} {row['seconds']:6.1f}", flush=True)


def do_model(args, models, name, folder):
    subject = quantizer_sets.load(name, models, args.calibrate, args.limit)
    npz.save(folder / "calibrate.npz", **subject.calibrate)
    ways.run_adze(args.adze, "calibrate", subject.file, f"--calib={folder}/calibrate.npz", "-o",
                  folder / "model.stats", "--gram", "--target=x86:host", "--batch=1")
    wanted = runs.run(subject.file, subject.test, optimise=True)
    labels, answers = subject.test.get("labels"), scores.answers(wanted)
    if not args.json:
        right = "" if labels is None else f", float top1 {100 * (answers == labels)[labels >= 0].mean():.2f} %"
        print(f"{name}: {args.calibrate} samples calibrate, {len(wanted)} are scored{right}")
        print(f"  {'':5}  {'way':25} {'zeros':>6} {'agree':>7} {'95 %':>15} {'KL':>8} {'top1':>7} {'SNR':>6} {'s':>6}",
              flush=True)
    rows = []
    for sparsity in args.sparsity:
        for way in args.way or WAYS:
            if ":" in way and sparsity != 50 and not args.way:
                continue  # n:m has one density
            rows.append(measure(args, subject, folder, way, sparsity, wanted))
            if not args.json:
                print_row(rows[-1])
    return rows


def main():
    parser = argparse.ArgumentParser(prog="prune_weights.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=" ".join(NAMES) + " (default: all)")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/release/bin/adze", metavar="FILE")
    parser.add_argument("--calibrate", type=int, default=100, metavar="N", help="samples (default 100)")
    parser.add_argument("--limit", type=int, metavar="N", help="score at most N samples, spread over the rest")
    parser.add_argument("--sparsity", type=lambda text: [float(x) for x in text.split(",")], default=[50, 60, 70, 80],
                        metavar="P,...", help="per cents that become 0 (default 50,60,70,80)")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this one; repeatable")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.models) - set(quantizer_sets.NAMES)
    if unknown:
        parser.error(f"no model named {', '.join(sorted(unknown))}")
    models = zoo.models_folder()
    if models is None:
        print("prune_weights.py: no folder of public models: set ADZE_MODELS", file=sys.stderr)
        return 1
    ort.set_default_logger_severity(3)
    rows = []
    for name in args.models or NAMES:
        with tempfile.TemporaryDirectory(prefix="adze-pruning-") as folder:
            rows += do_model(args, models, name, Path(folder))
    if args.json:
        print(json.dumps({"machine": ways.machine(), "rows": rows}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
