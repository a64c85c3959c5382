"""peers.py MODEL.onnx...: compiled models beside ONNX Runtime, taking turns.

Each model is compiled once. Then rounds: some runs of `adze bench`, as many runs of ONNX Runtime, so that
what disturbs the machine disturbs both. Both get the same inputs, and the largest difference of
their outputs is printed too. ratio = ONNX Runtime's time over Adze's: above 1 Adze is the faster one.
With --against=OTHER.onnx ONNX Runtime runs that file on the same inputs: the float model beside the quantized one,
or its own quantized file beside ours.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import npz  # noqa: E402

WARM_UP = 3
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
          "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int8)": np.int8,
          "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


class Failure(Exception):
    """Ends the program with its text."""


def run_adze(args, *arguments):
    """What the command prints."""
    command = [str(a) for a in (args.adze, *arguments)]
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def make_inputs(session, dims, seed):
    """Seeded inputs: normal floats; integers 0 and 1, which every table of embeddings has."""
    random = np.random.default_rng(seed)
    inputs = {}
    for row in session.get_inputs():
        if row.type not in DTYPES:
            raise Failure(f"input {row.name} is a {row.type}; give --inputs")
        shape = [d if isinstance(d, int) else dims.get(d, 1) for d in row.shape]
        dtype = DTYPES[row.type]
        normal = np.issubdtype(dtype, np.floating)
        inputs[row.name] = (random.standard_normal(shape) if normal else
                            random.integers(0, 2, shape)).astype(dtype)
    return inputs


def open_session(path, threads, as_written):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bind(session, inputs):
    """Inputs and outputs bound once, as `adze bench` binds them."""
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return binding


def time_session(session, binding, runs):
    """Milliseconds of each run."""
    for _ in range(WARM_UP):
        session.run_with_iobinding(binding)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def time_adze(args, artifact, inputs, runs):
    """(minimum, median) milliseconds."""
    text = run_adze(args, "bench", artifact, f"--inputs={inputs}", f"--runs={runs}",
                    f"--warm-up={WARM_UP}", f"--threads={args.threads}", "--json")
    row = json.loads(text)[0]
    return row["min_ms"], row["median_ms"]


def difference(args, artifact, inputs, scratch, wanted):
    """Largest difference of any output as a share of its largest magnitude; NaN where there is one."""
    run_adze(args, "run", artifact, f"--inputs={inputs}", f"--outputs={scratch / 'y.npz'}")
    shares = []
    with np.load(scratch / "y.npz") as arrays:
        for name, want in wanted.items():
            if name not in arrays:
                raise Failure(f"{artifact.stem} has no output {name}")
            got, want = arrays[name].astype(np.float64), np.asarray(want, np.float64)
            if got.shape != want.shape:
                raise Failure(f"output {name} has shape {got.shape}, ONNX Runtime says {want.shape}")
            scale = np.abs(want).max(initial=0) or 1.0
            shares.append(np.abs(got - want).max(initial=0) / scale)
    return float(np.max(shares))


def measure(args, path, scratch):
    """One row of the table."""
    artifact, stored = scratch / f"{path.stem}.so", scratch / "x.npz"
    run_adze(args, "compile", path, "-o", artifact, *args.flag)
    session = open_session(args.against or path, args.threads, args.as_written)
    if args.inputs:
        with np.load(args.inputs) as arrays:
            inputs = dict(arrays)
    else:
        inputs = make_inputs(session, dict(args.dim), args.seed)
    npz.save(stored, **inputs)
    names = [output.name for output in session.get_outputs()]
    off = difference(args, artifact, stored, scratch, dict(zip(names, session.run(names, inputs))))
    binding = bind(session, inputs)
    once = statistics.median(time_session(session, binding, 3))
    runs = args.runs or int(min(10000, max(3, 1e3 * args.seconds / (2 * args.rounds * once))))
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(time_adze(args, artifact, stored, runs))
        times = time_session(session, binding, runs)
        theirs.append((min(times), statistics.median(times)))
    adze_min, ort_min = (min(pair[0] for pair in side) for side in (ours, theirs))
    adze_median, ort_median = (statistics.median(pair[1] for pair in side) for side in (ours, theirs))
    return {"model": path.name, "threads": args.threads, "rounds": args.rounds, "runs": runs,
            "adze_min_ms": adze_min, "adze_median_ms": adze_median, "ort_min_ms": ort_min,
            "ort_median_ms": ort_median, "ratio_min": ort_min / adze_min,
            "ratio_median": ort_median / adze_median, "difference": off}


def print_row(row, first):
    if first:
        print(f"{'':32} {'adze ms':>19} {'ONNX Runtime ms':>19} {'ratio':>13}")
        print(f"{'model':32}" + f" {'min':>9} {'median':>9}" * 2 + f" {'min':>6} {'median':>6} "
              f"{'difference':>10}")
    print(f"{row['model'][:32]:32} {row['adze_min_ms']:9.4f} {row['adze_median_ms']:9.4f} "
          f"{row['ort_min_ms']:9.4f} {row['ort_median_ms']:9.4f} {row['ratio_min']:6.2f} "
          f"{row['ratio_median']:6.2f} {row['difference']:10.1e}", flush=True)


def dim(text):
    name, equals, value = text.partition("=")
    if not (name and equals and value.isdigit()):
        raise argparse.ArgumentTypeError(f"NAME=VALUE with a whole number, not '{text}'")
    return name, int(value)


def main():
    parser = argparse.ArgumentParser(prog="peers.py", description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/release/bin/adze", metavar="FILE")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument("--runs", type=int, metavar="N", help="runs a round of each (default: by time)")
    parser.add_argument("--seconds", type=float, default=6, metavar="S", help="about this long a model")
    parser.add_argument("--inputs", type=Path, metavar="FILE.npz", help="arrays named as the inputs")
    parser.add_argument("--dim", type=dim, action="append", default=[], metavar="NAME=VALUE",
                        help="size of a dim that the caller chooses (default 1)")
    parser.add_argument("--flag", action="append", default=[], metavar="FLAG",
                        help="for adze compile, as --flag=-O3")
    parser.add_argument("--against", type=Path, metavar="OTHER.onnx", help="what ONNX Runtime runs instead")
    parser.add_argument("--as-written", action="store_true", help="ONNX Runtime without graph optimisations")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1 or (args.runs is not None and args.runs < 1):
        parser.error("--rounds, --threads and --runs take 1 or more")
    if args.against and len(args.models) > 1:
        parser.error("--against takes one model")
    rows = []
    try:
        for path in args.models:
            with tempfile.TemporaryDirectory(prefix="adze-peers-") as scratch:
                rows.append(measure(args, path, Path(scratch)))
            if not args.json:
                print_row(rows[-1], len(rows) == 1)
    except Failure as failure:
        print(f"peers.py: {failure}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
