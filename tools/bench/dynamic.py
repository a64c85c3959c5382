"""dynamic.py [--minilm FILE.onnx]: transformers with codes of 8 bits, by Adze, ONNX Runtime and NNCF.

stories260K: loss in nat a token and its change, on 70 stories; 30 others calibrate. MiniLM (sentence embeddings, 128
tokens; the file is made by an exporter and given with --minilm): mean cosine of outputs with the float model's, over
64 seeded sequences of 8 to 128 random tokens; 64 others calibrate. `token` is of the vectors of single tokens that are
not padding, `sentence` of their means. Every file runs in ONNX Runtime as written; `compiled` is Adze's own code.

ONNX Runtime's dynamic products of u8 and i8 overflow 16 bits on CPUs without VNNI, which `reduce range` (weights of 7
bits) is for.
"""
import argparse
import functools
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import npz  # noqa: E402
import prepare  # noqa: E402
import quantizer_runs as runs  # noqa: E402
import quantizer_scores  # noqa: E402
import quantizer_ways as ways  # noqa: E402
import scores  # noqa: E402
import zoo  # noqa: E402

SEQUENCES, TOKENS, VOCABULARY = 64, 128, (1000, 30000)


# ---- Ways ----

def adze_passes(passes, gram, job, out):
    """Passes behind simplify; STATS in their text is the file of statistics, collected where it is named."""
    stats = job.scratch / "model.stats"
    if gram and not stats.exists():
        calibrate(job, job.source, stats)
    text = passes.replace("STATS", str(stats))
    ways.run_adze(job.adze, "opt", job.source, f"--passes=simplify,{text},dce", "-o", out)


def calibrate(job, model, stats):
    ways.run_adze(job.adze, "calibrate", model, f"--calib={job.stored}", "-o", stats, "--gram", "--target=x86:host",
                  "--batch=1")


def adze_smooth(passes, job, out):
    """smooth changes values, so calibration for what is behind it comes behind it."""
    smooth, stats = job.scratch / "smooth.adz", job.scratch / "smooth.stats"
    if not stats.exists():
        adze_passes("smooth{stats=STATS}", True, job, smooth)
        calibrate(job, smooth, stats)
    ways.run_adze(job.adze, "opt", smooth, f"--passes=simplify,{passes.replace('STATS', str(stats))},dce", "-o", out)


def onnxruntime_dynamic(reduce_range, job, out):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(job.source), str(out), weight_type=QuantType.QInt8, per_channel=True,
                     reduce_range=reduce_range)


def nncf_transformer(job, out):
    os.environ["NNCF_CI"] = "1"  # sends no telemetry
    import nncf

    nncf.set_log_level(logging.ERROR)
    made = nncf.quantize(onnx.load(ways.ready(job)), nncf.Dataset(job.samples), subset_size=len(job.samples),
                         model_type=nncf.ModelType.TRANSFORMER)
    onnx.save(made, out)


def passes(text, gram=False):
    return functools.partial(adze_passes, text, gram)


WAYS = {
    "ORT dynamic": functools.partial(onnxruntime_dynamic, False),
    "ORT dynamic, reduce range": functools.partial(onnxruntime_dynamic, True),
    "NNCF transformer, static": nncf_transformer,
    "Adze dynamic": passes("quantize-dynamic"),
    "Adze dynamic, tables": passes("quantize-dynamic,quantize-tables"),
    "Adze dynamic, cd": passes("quantize-dynamic{weights=cd,stats=STATS}", True),
    "Adze smooth, dynamic": functools.partial(adze_smooth, "quantize-dynamic"),
    "Adze static": passes("quantize-static{stats=STATS}", True),
    "Adze smooth, static": functools.partial(adze_smooth, "quantize-static{stats=STATS}"),
    "Adze smooth, static, tables": functools.partial(adze_smooth, "quantize-static{stats=STATS},quantize-tables"),
    "Adze smooth, static, cd": functools.partial(adze_smooth, "quantize-static{weights=cd,stats=STATS}"),
    "Adze weights, 8 bits": passes("quantize-weights"),
    "Adze weights, 4 bits, g32, cd": passes("quantize-weights{bits=4,group=32,method=cd,clip=gram,stats=STATS}", True),
}


# ---- Models ----

def sequences(seed):
    """Random tokens, and a mask that is 1 for those that are no padding."""
    random = np.random.default_rng(seed)
    ids, mask = (np.zeros((SEQUENCES, TOKENS), np.int64) for _ in range(2))
    for row in range(SEQUENCES):
        length = int(random.integers(8, TOKENS + 1))
        ids[row, :length] = random.integers(*VOCABULARY, length)
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def mean_cosine(a, b):
    a, b = (x.astype(np.float64) for x in (a, b))
    return float(np.mean((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))))


def score_sentences(arrays, wanted, got):
    seen = arrays["attention_mask"].astype(bool)
    means = [[x[i][seen[i]].mean(0) for i in range(len(x))] for x in (wanted, got)]
    return {"token": mean_cosine(wanted[seen], got[seen]), "sentence": mean_cosine(*map(np.array, means))}


def score_stories(arrays, wanted, got):
    loss, known = (scores.token_loss([x], arrays["labels"]) for x in (got, wanted))
    return {"loss": loss, "change": loss - known}


def load_stories(folder):
    model = next(row for row in zoo.table(folder) if row.name == "stories260K")
    arrays, _ = prepare.prepare(model, folder, ROOT / "build/data", None, oracle=False)
    chosen = np.arange(len(arrays["tokens"])) % 10 < 3
    used = {"tokens": arrays["tokens"][chosen]}
    return folder / model.file, used, {k: v[~chosen] for k, v in arrays.items()}


# ---- The table ----

def do_model(args, source, used, test, score, scratch):
    count = len(next(iter(used.values())))
    job = ways.Job(args.adze, source, [{k: v[i:i + 1] for k, v in used.items()} for i in range(count)],
                   scratch / "calibrate.npz", scratch)
    npz.save(job.stored, **used)
    wanted, made = runs.run(source, test), scratch / "quantized.onnx"
    floats = quantizer_scores.payload(source)
    if not args.json:
        names = list(score(test, wanted, wanted))
        print(f"{source.name}: {count} samples calibrate, {len(wanted)} are scored; {floats / 1e6:.2f} MB of weights"
              + (f", float loss {score(test, wanted, wanted)['loss']:.4f}" if "loss" in names else ""))
        print(f"  {'way':30}" + "".join(f"{n:>10}" for n in names) + f"{'compiled':>10}{'weights':>9}{'MB .onnx':>10}"
              f"{'MB .so':>8}", flush=True)
    rows = []
    for way in args.way or WAYS:
        row = {"way": way}
        try:
            ways.guarded(WAYS[way], job, made)
            row |= score(test, wanted, runs.run(made, test))
            if ways.ours(way):
                artifact = runs.compile_model(job, made, "quantized.so")
                row["so_bytes"] = artifact.stat().st_size
                again = score(test, wanted, runs.run_compiled(job, artifact, test))
                row["compiled"] = again[next(iter(again))]
            row["smaller"] = floats / quantizer_scores.payload(made)
            row["onnx_bytes"] = made.stat().st_size
        except ways.Failure as failure:
            row["failed"] = str(failure)
        rows.append(row)
        if not args.json:
            print_row(row)
    return {"model": source.name, "calibrated": count, "scored": len(wanted), "weight_bytes": floats, "rows": rows}


def print_row(row):
    if "failed" in row:
        print(f"  {row['way']:30} {row['failed']}", flush=True)
        return
    values = [row[k] for k in ("token", "sentence", "loss", "change") if k in row]
    compiled, so = " " * 10, ""
    if "compiled" in row:
        compiled, so = f"{row['compiled']:10.4f}", f"{row['so_bytes'] / 1e6:8.2f}"
    print(f"  {row['way']:30}" + "".join(f"{v:10.4f}" for v in values) + compiled +
          f"{row['smaller']:8.2f}x{row['onnx_bytes'] / 1e6:10.2f}{so}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="dynamic.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, metavar="FILE.onnx", help="inputs input_ids and attention_mask [1,128]")
    parser.add_argument("--no-stories", action="store_true", help="MiniLM alone")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/release/bin/adze", metavar="FILE")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this one; repeatable")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder = zoo.models_folder()
    if folder is None:
        print("dynamic.py: no folder of public models: set ADZE_MODELS", file=sys.stderr)
        return 1
    jobs = [] if args.no_stories else [(*load_stories(folder), score_stories)]
    if args.minilm:
        jobs.append((args.minilm, sequences(1), sequences(2), score_sentences))
    onnxruntime.set_default_logger_severity(3)
    answers, about = [], ways.machine()
    if not args.json:
        print(", ".join(f"{k} {v}" for k, v in about.items()))
    for job in jobs:
        with tempfile.TemporaryDirectory(prefix="adze-dynamic-") as scratch:
            answers.append(do_model(args, *job, Path(scratch)))
    if args.json:
        print(json.dumps({"machine": about, "models": answers}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
