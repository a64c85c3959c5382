"""ONNX's own node cases, written as ONNX again: onnx_export_nodes.py [--every=N] [--opsets=N,N] [--table] [NAME...]

Each model is read and written. ONNX's checker must take what it takes of the original, ONNX Runtime must compute the
same from both, and the IR text of what was written must be that of the original. Then the same at older opsets, where
that can be said: what cannot must be one error that names the op and the opset that has it. What becomes of the cases
is counted; --table prints a line for each that is not the same. --every=1 takes all cases, --jobs=N at a time.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tally
from onnx_suite import ADZE, np, numpy_helper, objection, onnx, session, without_data

SOURCE = Path(os.environ["ADZE_SOURCE_DIR"])
CASES = Path(os.environ.get("ADZE_NODE_CASES", SOURCE.parent / "shared/onnx_conformance_node/node"))

# Cases whose text differs, and why it cannot be the same.
DIFFERS = {
    "test_ai_onnx_ml_tree_ensemble_set_membership": "sets of members become a node each, as trees have them here",
}


class Failed(Exception):
    """What is wrong with what was written."""


def adze(*arguments):
    return subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, errors="replace", timeout=120)


def text_of(model, folder):
    """IR text without what constants hold; None where it is not read."""
    done = adze("opt", model, "-o", folder / "read.adz")
    if done.returncode:
        return None
    return without_data((folder / "read.adz").read_text())


def read_value(path, kind):
    """A stored value as ONNX Runtime takes it."""
    if kind.startswith("seq("):
        proto = onnx.SequenceProto()
        proto.ParseFromString(path.read_bytes())
        return numpy_helper.to_list(proto)
    if kind.startswith("optional("):
        proto = onnx.OptionalProto()
        proto.ParseFromString(path.read_bytes())
        return numpy_helper.to_optional(proto)
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


def computed(case, path):
    """Outputs, or None where ONNX Runtime does not run it: for what is written, does not have its ops."""
    try:
        model = session(path)
        feed = {info.name: read_value(case / f"test_data_set_0/input_{i}.pb", info.type)
                for i, info in enumerate(model.get_inputs())}
        return model.run(None, feed)
    except Exception as error:  # of many kinds: an op or type that it does not have
        if case not in path.parents and "Could not find an implementation" not in str(error):
            raise Failed(f"ONNX Runtime: {str(error).splitlines()[0][:160]}") from None
        return None


def near(a, b):
    if isinstance(b, list):
        return isinstance(a, list) and len(a) == len(b) and all(map(near, a, b))
    if a is None or b is None or isinstance(b, dict):
        return a == b or (a is None and b is None)
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if b.dtype.kind not in "fc":
        return np.array_equal(a, b)
    largest = max(np.abs(b[np.isfinite(b)].astype("f8")).max(initial=0), 1e-30)
    bound = 2e-3 if b.dtype == np.float16 else 1e-5
    return np.allclose(a.astype("f8"), b.astype("f8"), rtol=0, atol=bound * largest, equal_nan=True)


def as_stored(case, path, got):
    """The outputs that come with the case, where ONNX Runtime computes others from it."""
    kinds = [info.type for info in session(path).get_outputs()]
    return all(near(value, read_value(case / f"test_data_set_0/output_{i}.pb", kind))
               for i, (value, kind) in enumerate(zip(got, kinds)))


def is_random(model):
    return any(op in model for op in ("bernoulli", "training_dropout", "random", "dropout_default_mask"))


def hold(case, source, written, flags, want):
    """Writes it with these flags. What became of it: "same", "refused", "not run"; raises Failed."""
    done = adze("compile", source, "-o", written, *flags)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error:" in line]
        if len(lines) != 1 or "cannot say: " not in lines[0]:
            raise Failed(f"no clear error: {done.stderr[:200]!r}")
        return f"refused: {re.search('cannot say: (.*)', lines[0])[1][:90]}"
    if why := objection(written):
        if flags or not objection(source):
            raise Failed(f"checker: {why[:160]}")
    if want is None:
        return "not run"
    got = computed(case, written)
    if got is None:
        return "not run"
    if not is_random(case.name) and not all(map(near, got, want)) and not as_stored(case, written, got):
        raise Failed("other outputs")
    return "same"


def walk(case, opsets, folder):
    """{opset, 0 for its own: what became of it}"""
    folder = folder / case.name
    folder.mkdir()
    source, written, result = case / "model.onnx", folder / "written.onnx", {}
    first = text_of(source, folder)
    if first is None:
        return {0: "not read"}
    want = computed(case, source)
    for opset in (0, *opsets):
        try:
            result[opset] = hold(case, source, written, [f"--opset={opset}"] if opset else [], want)
            if not opset and written.exists() and not result[opset].startswith("refused"):
                second = text_of(written, folder)
                pairs = zip(first.splitlines(), (second or "").splitlines())
                if second is None:
                    raise Failed("what was written is not read")
                if first != second and case.name not in DIFFERS:
                    a, b = next(((a, b) for a, b in pairs if a != b), ("", "another length"))
                    at = len(os.path.commonprefix((a, b)))
                    raise Failed(f"text: {a.strip()[:40]} … {a[at:at + 50]} is {b[at:at + 50]}")
        except Failed as failed:
            result[opset] = f"FAILED {failed}"
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--opsets", default="7,9,11,12")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    cases = sorted(path.parent for path in CASES.glob("*/model.onnx"))
    if not cases:
        tally.skip_all(f"no cases in {CASES}")
    cases = [c for c in cases if any(n in c.name for n in options.names)] if options.names else cases[::options.every]
    opsets = [int(n) for n in options.opsets.split(",") if n]
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda case: walk(case, opsets, Path(folder)), cases))
    counts, bad = collections.Counter(), 0
    for case, result in zip(cases, results):
        for opset, what in result.items():
            kind = what.split()[0].rstrip(":") if what.startswith(("FAILED", "refused")) else what
            counts[opset, kind] += 1
            bad += kind == "FAILED"
            if kind == "FAILED" or (options.table and what != "same"):
                print(f"{case.name}{f' at {opset}' if opset else ''}: {what}", flush=True)
    kinds = ("same", "not run", "refused", "not read", "FAILED")
    print(f"| opset | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}")
    for opset in (0, *opsets):
        print(f"| {opset or 'its own'} | {' | '.join(str(counts[opset, kind]) for kind in kinds)} |")
    print(f"{sum(map(len, results)) - bad} passed, {bad} failed, 0 skipped")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
