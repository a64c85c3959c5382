"""prepare: raw data of the public models to .npz sets, and what ONNX Runtime answers on them.

Writes into build/data, per model NAME of zoo.py:
  NAME.npz         arrays named as the model's inputs, first axis = samples; `labels` where known
  NAME.oracle.npz  the outputs of ONNX Runtime, one sample at a time, named as the model's outputs
  NAME.exact.npz   those of the graph in float64, where float32 loses too much (zoo.py says where)
Files that are there already with the same limit are kept. `--scores` prints what the outputs are
worth beside the score known for the model, and fails when one differs.
"""
import argparse
import os
import sys
from pathlib import Path

import numpy as np

import exact
import npz
import zoo


def run_oracle(model, path, arrays):
    """Outputs of ONNX Runtime by name; a sample is one run of batch size 1."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 3
    if model.qdq:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    x = arrays[model.input]
    rows = [session.run(names, {model.input: x[i:i + 1]}) for i in range(len(x))]
    return {name: np.concatenate(column) for name, column in zip(names, zip(*rows))}


CHOICE = "images from all over"  # how samples are chosen: what was made in another way is made again


def stored(folder, file, limit, make):
    """The arrays of `file`, from disk if it was made with the same limit, else made and written.
    The limit stands in a file of its own, written last, so that runs side by side do no harm."""
    path, mark, made = folder / file, folder / ".limits" / file, f"{limit}, {CHOICE}"
    if path.exists() and mark.exists() and mark.read_text() == made:
        with np.load(path) as data:
            return dict(data)
    arrays = make()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    npz.save(path, **arrays)
    mark.write_text(made)
    return arrays


def prepare(model, folder, out, limit, oracle=True):
    """(data set, oracle's outputs or None) of one row of the zoo, made where they are missing."""
    out.mkdir(parents=True, exist_ok=True)
    data = stored(out, f"{model.name}.npz", limit,
                  lambda: model.read(folder / "data", model.input, limit))
    if not oracle:
        return data, None
    if model.exact:
        stored(out, f"{model.name}.exact.npz", limit, lambda: exact.run(folder / model.file, data, model.input))
    return data, stored(out, f"{model.name}.oracle.npz", limit,
                        lambda: run_oracle(model, folder / model.file, data))


def score_lines(model, data, outputs, limited):
    """Text lines and whether every score is the known one."""
    lines, good = [], True
    for name, (function, known, digits) in model.metrics.items():
        if "labels" not in data and name != "faces":
            lines.append((model.name, len(data[model.input]), name, "no labels", "", ""))
            continue
        value = function(list(outputs.values()), data.get("labels"))
        # The known score is rounded to its last digit, as the sum of flips near a tie may be.
        same = abs(value - known) <= 0.55 * 10.0**-digits
        good &= same or limited
        lines.append((model.name, len(data[model.input]), name, f"{value:.{digits}f}",
                      f"{known:.{digits}f}", "" if limited else "ok" if same else "DIFFERS"))
    return lines, good


def main():
    parser = argparse.ArgumentParser(prog="prepare", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all)")
    parser.add_argument("--out", type=Path, default=zoo.REPOSITORY / "build/data", metavar="DIR")
    parser.add_argument("--limit", type=int, metavar="N", help="only N samples of each")
    parser.add_argument("--no-oracle", action="store_true", help="only the data sets")
    parser.add_argument("--scores", action="store_true", help="print scores beside the known ones")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    args = parser.parse_args()
    folder = zoo.models_folder()
    if folder is None:
        print("prepare: no folder of public models: set ADZE_MODELS", file=sys.stderr)
        return 1
    models = zoo.table(folder)
    if args.list:
        print("\n".join(model.name for model in models))
        return 0
    unknown = set(args.names) - {model.name for model in models}
    if unknown:
        print(f"prepare: no model named {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    if args.limit is not None and args.limit < 1:
        print("prepare: --limit must be 1 or more", file=sys.stderr)
        return 2
    rows, good = [], True
    for model in models:
        if args.names and model.name not in args.names:
            continue
        data, outputs = prepare(model, folder, args.out, args.limit, not args.no_oracle)
        print(f"{model.name}: {len(data[model.input])} samples", file=sys.stderr, flush=True)
        if outputs is None:
            continue
        if args.scores:
            lines, same = score_lines(model, data, outputs, args.limit is not None)
            rows += lines
            good &= same
    if rows:
        print(f"{'model':21} {'samples':>7} {'metric':10} {'score':>9} {'known':>9}")
        for row in rows:
            print("{:21} {:7} {:10} {:>9} {:>9} {}".format(*row).rstrip())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
