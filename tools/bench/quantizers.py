"""quantizers.py [MODEL...]: post-training quantization by Adze, ONNX Runtime and NNCF, from the same samples.

Each tool makes an ONNX file with i8 weights for each channel and 8-bit activations (QDQ) out of the same float model
and 100 samples, which are spread over the data set; the others are scored. ONNX Runtime runs all files as they are
written, without graph optimisations, on the same samples.

  agree     answers that are the float model's, in percent; of boxes those found again, one to one (F1)
  compiled  the same where the tool's own runtime computes in integers: ONNX Runtime optimised, or code from Adze
  SNR       of the outputs, in dB
  top1      change of right answers against the float model, in points; AP50 for boxes
  95 %      its interval: paired bootstrap over the samples
  weights   bytes of all constants in the float file (batch norms folded) over those in the quantized file
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import npz  # noqa: E402
import quantizer_runs as runs  # noqa: E402
import quantizer_scores  # noqa: E402
import quantizer_sets  # noqa: E402
import quantizer_ways as ways  # noqa: E402
import scores  # noqa: E402
import zoo  # noqa: E402


def score_in_integers(subject, job, name, made, wanted, row):
    """The agreement where the way's own runtime computes; of ours also the artifact's size."""
    if not ways.ours(name):
        again = runs.run(made, subject.test, optimise=True)
        return scores.found_again(wanted, again) if subject.boxes else quantizer_scores.agreement(wanted, again)
    artifact = runs.compile_model(job, made, "quantized.so")
    row["so_bytes"] = artifact.stat().st_size
    if subject.boxes:
        return scores.found_again(wanted, runs.run_compiled(job, artifact, subject.test))
    text = ways.run_adze(job.adze, "eval", artifact, f"--data={job.scratch}/test.npz", "--batch=1",
                         f"--against={job.scratch}/wanted.npz", "--metric=agreement")
    return float(text.split()[1])


def measure(subject, job, name, wanted, wanted_bytes):
    """(row of the table, outputs or None)."""
    made = job.scratch / "quantized.onnx"
    row = {"way": name}
    try:
        ways.make(name, job, made)
        got = runs.run(made, subject.test)
        row |= quantizer_scores.score(subject, wanted, got)
        row["compiled"] = score_in_integers(subject, job, name, made, wanted, row)
    except ways.Failure as failure:
        return row | {"failed": str(failure)}, None
    row["weight_bytes"] = quantizer_scores.payload(made)
    row["smaller"] = wanted_bytes / row["weight_bytes"]
    row["onnx_bytes"] = made.stat().st_size
    return row, got


def compare(subject, wanted, rows, outputs):
    """Ours with the most agreement against the others' most, sample by sample."""
    best = {}
    for row, got in zip(rows, outputs):
        side, key = ways.ours(row["way"]), (row.get("boxes", row.get("agreement", -1)), row.get("snr_db", 0))
        if got is not None and (side not in best or key > best[side][0]):
            best[side] = key, row["way"], got
    if len(best) < 2:
        return None
    answer = {"ours": best[True][1], "theirs": best[False][1]}
    if not subject.boxes:
        same = [quantizer_scores.same(wanted, best[side][2]).astype(int) for side in (True, False)]
        answer["points"] = quantizer_scores.interval(same[0] - same[1])
    return answer


def print_row(row):
    if "failed" in row:
        print(f"  {row['way']:17} {row['failed']}", flush=True)
        return
    change = row.get("top1_change")
    middle = f"{change[0]:+7.2f} {change[1]:+7.2f} to {change[2]:+6.2f}" if change else \
        f"{row['ap50'] - row['ap50_float']:+7.2f} {'':17}" if "ap50" in row else " " * 25
    so = f"{row['so_bytes'] / 1e3:8.0f}" if "so_bytes" in row else ""
    print(f"  {row['way']:17} {row.get('boxes', row.get('agreement')):7.2f} {row['compiled']:8.2f} "
          f"{row['snr_db']:6.2f} {middle} {row['smaller']:7.2f}x {row['onnx_bytes'] / 1e3:8.0f} {so}".rstrip(),
          flush=True)


def print_model(answer):
    floats = answer["float"]
    print(f"{answer['model']}: {answer['calibrated']} samples calibrate, {answer['scored']} are scored; float: "
          f"{floats['weight_bytes'] / 1e3:.0f} kB of weights, {floats['onnx_bytes'] / 1e3:.0f} kB .onnx, "
          f"{floats['so_bytes'] / 1e3:.0f} kB .so")
    print(f"  {'way':17} {'agree':>7} {'compiled':>8} {'SNR':>6} {'top1':>7} {'95 %':>17} {'weights':>8} "
          f"{'kB .onnx':>8} {'kB .so':>8}", flush=True)


def print_end(answer):
    row = next((r for r in answer["rows"] if "labelled" in r), None)
    if row:
        name = "top1" if "top1_float" in row else "ap50"
        print(f"  float {name}: {row[name + '_float']:.2f} % of {row['labelled']} labelled samples")
    best = answer["against"]
    if best and "points" in best:
        print("  {ours} against {theirs}: {0:+.2f} points of agreement (95 %: {1:+.2f} to {2:+.2f})".format(
            *best["points"], **best))


def do_model(args, folder, name, scratch):
    subject = quantizer_sets.load(name, folder, args.calibrate, args.limit)
    key = next(iter(subject.calibrate))
    job = ways.Job(args.adze, subject.file, [{key: x[None]} for x in subject.calibrate[key]],
                   scratch / "calibrate.npz", scratch)
    npz.save(job.stored, **subject.calibrate)
    wanted = runs.run(subject.file, subject.test, optimise=True)
    npz.save(scratch / "test.npz", **subject.test)
    npz.save(scratch / "wanted.npz", **{runs.output_name(subject.file): wanted})
    folded = scratch / "folded.onnx"
    ways.run_adze(args.adze, "opt", subject.file, "--passes=simplify", "-o", folded)
    floats = {"weight_bytes": min(map(quantizer_scores.payload, (subject.file, folded))),
              "onnx_bytes": subject.file.stat().st_size,
              "so_bytes": runs.compile_model(job, subject.file, "float.so").stat().st_size}
    answer = {"model": name, "calibrated": len(job.samples), "scored": len(wanted), "float": floats, "rows": []}
    if not args.json:
        print_model(answer)
    outputs = []
    for way in args.way or ways.WAYS:
        row, got = measure(subject, job, way, wanted, floats["weight_bytes"])
        answer["rows"].append(row)
        outputs.append(got)
        if not args.json:
            print_row(row)
    answer["against"] = compare(subject, wanted, answer["rows"], outputs)
    if not args.json:
        print_end(answer)
    return answer


def main():
    parser = argparse.ArgumentParser(prog="quantizers.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=" ".join(quantizer_sets.NAMES) + " (default: all)")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/release/bin/adze", metavar="FILE")
    parser.add_argument("--calibrate", type=int, default=100, metavar="N", help="samples (default 100)")
    parser.add_argument("--limit", type=int, metavar="N", help="score at most N samples, spread over the rest")
    parser.add_argument("--way", action="append", choices=list(ways.WAYS), help="only this one; repeatable")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.models) - set(quantizer_sets.NAMES)
    if unknown:
        parser.error(f"no model named {', '.join(sorted(unknown))}")
    if args.calibrate < 1 or (args.limit is not None and args.limit < 1):
        parser.error("--calibrate and --limit take 1 or more")
    folder = zoo.models_folder()
    if folder is None:
        print("quantizers.py: no folder of public models: set ADZE_MODELS", file=sys.stderr)
        return 1
    ort.set_default_logger_severity(3)
    about = ways.machine()
    if not args.json:
        print(", ".join(f"{k} {v}" for k, v in about.items()))
    answers = []
    for name in args.models or quantizer_sets.NAMES:
        with tempfile.TemporaryDirectory(prefix="adze-quantizers-") as scratch:
            answers.append(do_model(args, folder, name, Path(scratch)))
    if args.json:
        print(json.dumps({"machine": about, "models": answers}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
