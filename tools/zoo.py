"""tools/zoo [FLAG...] [NAME...]: what becomes of real models, each held to ONNX Runtime.

Every file of the folder that ONNX Runtime accepts goes through these steps; NAME picks those whose name holds it.

  import      adze opt reads and verifies it
  text        its IR text reads as the same text
  export      it is written as ONNX, and ONNX's checker has nothing to say that it does not say of the file
  again       what was written reads as the same text as the file, and so does what is written of that
  onnx        ONNX Runtime computes the same from what was written
  reference   the reference computes what ONNX Runtime does, on seeded inputs
  x86         so does code for this machine

A file whose inputs nobody could guess, or whose outputs are drawn at random, stops behind `again`. Those that ONNX
Runtime refuses must be read, or give an error; so must those of `zoo.known`, which names the step that a file fails and
why. A step that fails and does not stand there, or stands there and does not fail, is a regression: status 1.

  --folder=DIR    the files (default: ort_graph_zoo beside the models)
  --target=NAME   what the last step compiles for (default: x86:host; none: it is left out)
  --every=N       the last step for each N-th file only
  --jobs=N        files at a time (default: processors)
  --table         a line a file, not only for those that fail
"""
import argparse
import collections
import concurrent.futures
import itertools
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test"))
from onnx_suite import np, numpy_helper, objection, onnx, run_session, session, without_data  # noqa: E402

BUILD = Path(os.environ.get("ADZE_BUILD_DIR", ROOT / "build/release"))
MODELS = Path(os.environ.get("ADZE_MODELS", ROOT.parent / "shared/models"))
WORK = BUILD / "test/zoo"
STEPS = ("import", "text", "export", "again", "onnx", "reference", "x86")
DTYPES = {"float": "f4", "double": "f8", "float16": "f2", "bool": "?", "int64": "i8", "int32": "i4", "int16": "i2",
          "int8": "i1", "uint64": "u8", "uint32": "u4", "uint16": "u2", "uint8": "u1", "string": "O"}
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}


class Failed(Exception):
    """A step's reason."""


# ---- ONNX Runtime ----

def is_random(graph, functions):
    """Does a node draw numbers? Dropout does where a third input may say that it trains."""
    for node in graph.node:
        if node.op_type in RANDOM or (node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]):
            return True
        if any(is_random(g, functions) for a in node.attribute for g in (a.g, *a.graphs)):
            return True
        if any(f.name == node.op_type and f.domain == node.domain and is_random(f, ()) for f in functions):
            return True
    return False


def made(info, size, seed):
    """A value for an input; dims without a number are `size`. None: not a tensor of a kind that can be made. Of a sparse
    tensor it is the dense one, in which most elements are 0."""
    kind = re.fullmatch(r"(?:sparse_)?tensor\((\w+)\)", info.type)
    if not kind or kind[1] not in DTYPES:
        return None
    if is_sparse(info):
        dense = types.SimpleNamespace(name=info.name, type=info.type.removeprefix("sparse_"), shape=info.shape)
        value = made(dense, size, seed)
        return None if value is None else np.where(np.arange(value.size).reshape(value.shape) % 3, 0, value).astype(
            value.dtype)
    draw = np.random.default_rng([seed, *info.name.encode()])
    dims = [d if isinstance(d, int) and d >= 0 else size for d in info.shape]
    if kind[1] == "string":
        return draw.choice(np.array(["a", "b", "cat"], object), dims)
    dtype = np.dtype(DTYPES[kind[1]])
    if dtype.kind == "f":
        return np.asarray(draw.standard_normal(dims)).astype(dtype)
    return np.asarray(draw.integers(0, 2, dims)).astype(dtype)


def is_sparse(info):
    return info.type.startswith("sparse_")


def computed(model, seed=1):
    """(inputs, outputs) in the model's order; None where no inputs that it takes were found."""
    for size in (3, 1, 2, 4, 8):
        inputs = [made(info, size, seed) for info in model.get_inputs()]
        if any(value is None for value in inputs):
            return None
        try:
            return inputs, run_session(model, {i.name: v for i, v in zip(model.get_inputs(), inputs)})
        except Exception:  # of its many kinds: these inputs do not fit
            continue
    return None


# ---- Steps ----

def adze(*arguments):
    done = subprocess.run([str(a) for a in (BUILD / "bin/adze", *arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=300)
    if done.returncode not in (0, 1):
        raise Failed(f"status {done.returncode}: {done.stderr[-200:]}")
    if done.returncode:
        lines = [line.split(": ", 1)[-1] for line in done.stderr.splitlines() if "warning" not in line]
        raise Failed("; ".join(lines[:3]) or "no error is given")


def step_text(model, folder):
    adze("opt", folder / "1.adz", "-o", folder / "2.adz")
    if (folder / "1.adz").read_bytes() != (folder / "2.adz").read_bytes():
        raise Failed("the text that is read again differs")


def step_export(model, folder):
    """What the checker does not take of the model itself, it need not take of what is written."""
    adze("compile", model, "-o", folder / "written.onnx")
    why = objection(folder / "written.onnx")
    if why and not objection(model):
        raise Failed(f"checker: {why}")


def text_of(path):
    return without_data(path.read_text(errors="replace")).splitlines()


def read_again(model, folder):
    adze("opt", model, "-o", folder / "read.adz")
    return text_of(folder / "read.adz")


def step_again(folder):
    adze("compile", folder / "written.onnx", "-o", folder / "twice.onnx")
    first, second, third = (text_of(folder / "1.adz"), read_again(folder / "written.onnx", folder),
                            read_again(folder / "twice.onnx", folder))
    for what, one, other in (("read again twice", second, third), ("read again", first, second)):
        for a, b in itertools.zip_longest(one, other, fillvalue="no line"):
            if a != b:
                at = len(os.path.commonprefix((a, b)))
                raise Failed(f"{what}, {a.strip()[:40]} … {a[at:at + 60]} is {b[at:at + 60]}")


def near(got, want, part):
    """Why two values differ; "" where they do not. `part` of the largest magnitude is allowed."""
    if isinstance(want, (list, dict)):
        if type(got) is not type(want) or len(got) != len(want):
            return "another number of items"
        pairs = zip(got, want) if isinstance(want, list) else ((got[key], want[key]) for key in want)
        return next(filter(None, (near(a, b, part) for a, b in pairs)), "")
    a, b = np.asarray(got), np.asarray(want)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
    if b.dtype.kind != "f":
        return "" if np.array_equal(a, b) else "other elements"
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    far = np.abs(np.where(same, 0, a.astype("f8") - np.where(same, 0, b.astype("f8"))))
    bound = max(part, 1e-3 if b.dtype == np.float16 else 0) * max(np.abs(b[np.isfinite(b)]).max(initial=0), 1e-30)
    return "" if (far[~same] <= bound).all() else f"up to {far[~same].max():.3g} apart, {bound:.3g} is allowed"


def step_onnx(folder, inputs, outputs):
    try:
        model = session(folder / "written.onnx")
        got = run_session(model, {info.name: value for info, value in zip(model.get_inputs(), inputs)})
    except Exception as error:
        raise Failed(f"ONNX Runtime: {str(error).splitlines()[0][:300]}") from None
    for info, a, b in zip(model.get_outputs(), got, outputs):
        if why := near(a, b, 1e-5):
            raise Failed(f"{info.name}: {why}")


def holds_maps(value):
    return isinstance(value, dict) or isinstance(value, list) and any(map(holds_maps, value))


def write_case(model, folder, inputs, outputs):
    """A folder as the runner of conformance cases takes it."""
    case = folder / "case"
    (case / "test_data_set_0").mkdir(parents=True)
    for other in model.parent.glob("*"):
        if other.suffix != ".onnx":
            (case / other.name).symlink_to(other)
    shutil.copy(model, case / "model.onnx")
    for what, values in (("input", inputs), ("output", outputs)):
        for i, value in enumerate(values):
            proto = (numpy_helper.from_list(value) if isinstance(value, list) else
                     numpy_helper.from_dict(value) if isinstance(value, dict) else
                     numpy_helper.from_array(np.asarray(value)))
            (case / f"test_data_set_0/{what}_{i}.pb").write_bytes(proto.SerializeToString())


def step_run(folder, target, outputs):
    half = "f16[" in (folder / "1.adz").read_text(errors="replace")
    largest = max((np.abs(v[np.isfinite(v)].astype("f8")).max(initial=0) for v in outputs
                   if isinstance(v, np.ndarray) and v.dtype.kind == "f"), default=1)
    command = [str(BUILD / "test/conformance/onnx_node"), "-v", f"--atol={(4e-3 if half else 1e-5) * largest + 1e-7}"]
    done = subprocess.run([*command, *([f"--target={target}"] if target else []), str(folder), "case"],
                          capture_output=True, text=True, errors="replace", timeout=600)
    if done.returncode:
        lines = done.stdout.splitlines()
        raise Failed(lines[0].split(": ", 1)[-1] if lines else f"status {done.returncode}: {done.stderr[-200:]}")


def walk(path, target):
    """{step: "" where it went well, else why not}; a step that was not reached is not there."""
    folder = WORK / path.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return steps(path, folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def steps(path, folder, target):
    result = {}

    def step(name, run, *arguments):
        try:
            run(*arguments)
            result[name] = ""
        except Failed as failed:
            result[name] = str(failed)
        except subprocess.TimeoutExpired:
            result[name] = "takes too long"
        return not result[name]

    try:
        model = session(path)
    except Exception as error:
        step("import", adze, "opt", path, "-o", folder / "1.adz")
        return {"refused": str(error).splitlines()[0], **result}
    if step("import", adze, "opt", path, "-o", folder / "1.adz"):
        step("text", step_text, path, folder)
        written = step("export", step_export, path, folder)
        if (folder / "written.onnx").exists():
            step("again", step_again, folder)
        proto = onnx.load(path, load_external_data=False)
        values = None if is_random(proto.graph, proto.functions) else computed(model)
        if values:
            if written:
                step("onnx", step_onnx, folder, *values)
            if any(holds_maps(value) for value in values[1]):
                return result  # onnx writes no maps of strings
            write_case(path, folder, *values)
            step("reference", step_run, folder, None, values[1])
            if target != "none":
                step("x86", step_run, folder, target, values[1])
    return result


# ---- What is known, and the table ----

def read_known():
    """{(file, step): why} from lines `FILE STEP: WHY`."""
    known = {}
    for line in (ROOT / "tools/zoo.known").read_text().splitlines():
        if line and line[0] != "#":
            head, why = line.split(": ", 1)
            known[tuple(head.split())] = why
    return known


def cell(result, step):
    return "-" if step not in result else "FAIL" if result[step] else "ok"


def report(results, known, options):
    """Prints; how many differ from what is known."""
    counts = collections.Counter((step, cell(result, step)) for result in results.values() for step in STEPS
                                 if "refused" not in result)
    if options.table:
        print(f"| file | {' | '.join(STEPS)} |\n|---|{'---|' * len(STEPS)}")
        for name, result in results.items():
            print(f"| {name}{' (refused)' if 'refused' in result else ''} | "
                  f"{' | '.join(cell(result, step) for step in STEPS)} |")
    bad = set()
    for name, result in results.items():
        clear = "refused" in result and not result.get("import", "").startswith(("status", "no error"))
        for step in STEPS:
            why, listed = result.get(step, ""), known.get((name, step))
            if bool(why) == bool(listed) or clear:
                if why and options.table:
                    print(f"{name} {step}: {why}")
                continue
            bad.add(name)
            print(f"{name} {step}: {why or 'is listed as failing but does not: ' + listed}")
    accepted = sum("refused" not in result for result in results.values())
    print(f"{len(results)} files, {accepted} accepted by ONNX Runtime")
    print("| step | ok | FAIL | not reached |\n|---|---|---|---|")
    for step in STEPS:
        print(f"| {step} | {' | '.join(str(counts[step, kind]) for kind in ('ok', 'FAIL', '-'))} |")
    return len(bad)


def main():
    parser = argparse.ArgumentParser(prog="tools/zoo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=MODELS / "ort_graph_zoo")
    parser.add_argument("--target", default="x86:host")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"skipped: no models in {options.folder}")
        return 77
    paths = sorted(p for p in options.folder.glob("*.onnx")
                   if not options.names or any(name in p.name for name in options.names))
    targets = [options.target if i % options.every == 0 else "none" for i in range(len(paths))]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = dict(zip([p.stem for p in paths], pool.map(walk, paths, targets)))
    compiled = {path.stem for path, target in zip(paths, targets) if target != "none"}
    known = {key: why for key, why in read_known().items()
             if key[0] in results and (key[1] != "x86" or key[0] in compiled)}
    bad = report(results, known, options)
    print(f"{len(results) - bad} passed, {bad} failed, 0 skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
