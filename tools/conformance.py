"""tools/conformance [FLAG...]: does Adze mean what ONNX means? Runs the whole suite of the pinned onnx package.

The suite is generated from the package into build/data/conformance, a folder a kind: node, simple, light, the two that
came of PyTorch; then our own for versions of operators that the package has none of: versions (test/onnx_opsets.py) and
other-domains (test/onnx_ml.py). Every case runs on the reference and compiled for this machine, within the tolerance of
ONNX's own runner. Then a table by kind, the cases that do not pass with their reasons, those that are held to another
tolerance, and which versions of operators have a case.

  --device=reference|x86|all   what runs them (default: all)
  --kind=NAME                  only cases of that kind; repeatable
  --rows                       also a line for each operator: its versions, those without a case, cases that pass
  --write=FILE.md              all that as a page
  --check[=FILE.md]            status 1 where that page (default: docs/onnx.md) says anything else of what ran here
"""
import argparse
import collections
import difflib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case import model as model_cases, node as node_cases

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("ADZE_BUILD_DIR", ROOT / "build/release"))
SUITE = ROOT / "build/data/conformance"
STAMP = SUITE / f"onnx-{onnx.__version__}"
PAGE = ROOT / "docs/onnx.md"
OWN = {  # kind: what writes its cases, and what that reads
    "versions": ("onnx_opsets.py", "onnx_cases.py", "onnx_suite.py", "onnx_versions.py"),
    "other-domains": ("onnx_ml.py", "onnx_ml_cases.py", "onnx_ml_gradient.py", "onnx_suite.py"),
}
KINDS = ("node", "simple", "light", "pytorch-converted", "pytorch-operator", *OWN)
TARGETS = {"reference": [], "x86": ["--target=x86:host"]}


# ---- The suite ----

def proto(value, info):
    """A stored value as the package's own generator writes it."""
    if hasattr(value, "SerializeToString"):
        return value
    kind = info.type.WhichOneof("value")
    if kind == "map_type":
        return numpy_helper.from_dict(value, info.name)
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    return numpy_helper.from_array(value, info.name)


def write_case(folder, model, data_sets):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for i, (inputs, outputs) in enumerate(data_sets):
        where = folder / f"test_data_set_{i}"
        where.mkdir()
        for what, values, infos in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
            for k, value in enumerate(values):
                (where / f"{what}_{k}.pb").write_bytes(proto(value, infos[k]).SerializeToString())


def write_light(folder, path):
    """The package runs these on numbers that it makes itself: all of them 0 to 1, in even steps."""
    model = onnx.load(path)
    given = {t.name for t in model.graph.initializer}
    inputs = []
    for info in model.graph.input:
        if info.name in given:
            continue
        dims = tuple(d.dim_value or 1 for d in info.type.tensor_type.shape.dim)
        count = int(np.prod(dims))
        inputs.append((np.arange(count).reshape(dims) / count).astype(np.float32))
    outputs = [onnx.load_tensor(path.with_name(f"{path.stem}_output_{i}.pb")) for i in range(len(model.graph.output))]
    write_case(folder, model, [(inputs, outputs)])


def generate_own(kind, names):
    """Our own cases; again where what writes them has changed."""
    paths = [ROOT / "test" / name for name in names]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    stamp = SUITE / f"{kind}.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(SUITE / kind, ignore_errors=True)
    subprocess.run([sys.executable, paths[0], f"--write={SUITE / kind}"], check=True, stdout=sys.stderr)
    stamp.write_text(digest)


def generate():
    generate_package()
    for kind, names in OWN.items():
        generate_own(kind, names)


def generate_package():
    if STAMP.exists():
        return
    print(f"generating the suite of onnx {onnx.__version__}", file=sys.stderr)
    shutil.rmtree(SUITE, ignore_errors=True)
    for case in node_cases.collect_testcases() + model_cases.collect_testcases():
        if case.kind in ("node", "simple"):
            write_case(SUITE / case.kind / case.name, case.model, case.data_sets)
    stored = Path(onnx.__file__).parent / "backend/test/data"
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for folder in sorted((stored / kind).iterdir()):
            if not (SUITE / kind / folder.name).exists():
                shutil.copytree(folder, SUITE / kind / folder.name)
    for path in sorted((stored / "light").glob("*.onnx")):
        write_light(SUITE / "light" / path.stem, path)
    STAMP.write_text("")


# ---- Running ----

def run(device, kind):
    """{case: "" where it passes, else why not}."""
    folder = SUITE / kind
    parts = os.cpu_count() or 1
    command = [str(BUILD / "test/conformance/onnx_node"), "-v", *TARGETS[device]]
    running = [subprocess.Popen([*command, f"--part={i}/{parts}", str(folder)], stdout=subprocess.PIPE, text=True)
               for i in range(parts)]
    results = {case.name: "" for case in folder.iterdir()}
    for process in running:
        text, _ = process.communicate()
        lines = text.splitlines()
        if process.returncode not in (0, 1) or not lines or " passed, " not in lines[-1]:
            raise SystemExit(f"conformance: {' '.join(command)}: status {process.returncode}")
        for line in lines[:-1]:
            result, name, why = (line.split(" ", 2) + ["", ""])[:3]
            name = name.rstrip(":")
            if name in results:
                results[name] = f"{result}: {why}"
    return results


# ---- Operators ----

def versions(kind):
    """{case: its operators as (domain, name, since_version)}."""
    found = {}
    for case in (SUITE / kind).iterdir():
        model = onnx.load(case / "model.onnx")
        opsets = {o.domain: o.version for o in model.opset_import}
        rows = found[case.name] = set()

        def walk(nodes):
            for node in nodes:
                try:
                    schema = onnx.defs.get_schema(node.op_type, opsets.get(node.domain, 1), node.domain)
                    rows.add((schema.domain, schema.name, schema.since_version))
                except onnx.defs.SchemaError:
                    pass
                for attribute in node.attribute:
                    walk(attribute.g.node)
                    for graph in attribute.graphs:
                        walk(graph.node)
        walk(model.graph.node)
        for function in model.functions:
            walk(function.node)
    return found


def label(domain, name):
    return f"{domain + '.' if domain else ''}{name}"


def table(results, devices):
    """Lines of a Markdown table (operators, versions, those without a case, cases that pass), and a line of counts."""
    cases = collections.defaultdict(set)
    for kind in {kind for _, kind in results}:
        for case, rows in versions(kind).items():
            for row in rows:
                cases[row].add((kind, case))
    schemas = collections.defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.deprecated:
            schemas[schema.domain, schema.name].append(schema.since_version)
    lines = ["| operator | versions | without a case | cases | " + " | ".join(devices) + " |",
             "|---|---|---|---|" + "---|" * len(devices)]
    missing = 0
    for (domain, name), since in sorted(schemas.items()):
        without = [v for v in sorted(since) if not cases[domain, name, v]]
        missing += len(without)
        mine = set().union(*(cases[domain, name, v] for v in since))
        good = [sum(not results[device, kind][case] for kind, case in mine) for device in devices]
        lines.append(f"| {label(domain, name)} | {' '.join(map(str, sorted(since)))} | "
                     f"{' '.join(map(str, without))} | {len(mine)} | {' | '.join(map(str, good))} |")
    total = sum(len(since) for since in schemas.values())
    return lines, f"{total} versions of {len(schemas)} operators, {missing} of them without a case"


def summary(results, devices):
    lines = [f"| kind | cases | {' | '.join(devices)} |", "|---|---|" + "---|" * len(devices)]
    for kind in dict.fromkeys(kind for _, kind in results):
        good = [sum(not why for why in results[device, kind].values()) for device in devices]
        lines.append(f"| {kind} | {len(results[devices[0], kind])} | {' | '.join(map(str, good))} |")
    return lines


def not_passed(results):
    """Lines of cases that do not pass; one where the devices say the same."""
    found = collections.defaultdict(list)
    for (device, kind), of in results.items():
        for case, why in of.items():
            if why:
                found[kind, case, why.partition(": ")[2] or why].append(device)
    return [f"| {kind} | {case} | {' '.join(devices)} | {why} |"
            for (kind, case, why), devices in sorted(found.items())]


def loose(results):
    """Lines of cases that are held to another absolute tolerance than ONNX's."""
    sys.path.insert(0, str(ROOT / "test"))
    import onnx_cases
    import onnx_ml
    kinds = {kind for _, kind in results}
    return [f"| {kind} | {case} | {atol} | {why} |"
            for kind, of in (("versions", onnx_cases.LOOSE), ("other-domains", onnx_ml.LOOSE)) if kind in kinds
            for case, (atol, why) in sorted(of.items())]


def page(results, devices):
    lines, count = table(results, devices)
    return [
        "# ONNX operators", "",
        f"Made by `tools/conformance --write` from the suite of onnx {onnx.__version__}: {count}.",
        "A case passes within the tolerance of ONNX's own runner: 1e-7 and a thousandth of the value, of bf16 two",
        "units in the last place. A sparse tensor, be it a constant or an input of the graph, is read as the dense",
        "one, and an input is bound dense.", "",
        *summary(results, devices), "",
        "Not passed, and why. A case whose values are drawn is held to its types and dims:", "",
        "| kind | case | device | why |", "|---|---|---|---|", *not_passed(results), "",
        "Held to another absolute tolerance:", "",
        "| kind | case | tolerance | why |", "|---|---|---|---|", *loose(results), "", *lines, ""]


def without_devices(lines, dropped):
    """A page's lines without the columns of devices that did not run, and their names in the list of what fails."""
    drop, out = [], []
    for line in lines:
        cells = line.split(" | ") if line.startswith("|") else [line]
        bare = [cell.strip("| ") for cell in cells]
        if bare[0] in ("operator", "kind"):
            drop = [i for i, cell in enumerate(bare) if cell in dropped]
            device = bare.index("device") if "device" in bare else -1
        elif line.startswith("|") and device >= 0 and len(bare) > device:
            bare[device] = " ".join(word for word in bare[device].split() if word not in dropped)
            if not line.startswith("|---") and not bare[device]:
                continue
        if line.startswith("|---"):
            continue
        out.append([cell for i, cell in enumerate(bare) if i not in drop] if line.startswith("|") else bare)
    return out


def check(lines, path, devices):
    """Does the page at `path` say what ran here? Prints the lines that differ."""
    dropped = [name for name in TARGETS if name not in devices]
    want = without_devices(path.read_text().splitlines(), dropped)
    got = without_devices("\n".join(lines).splitlines(), dropped)
    for line in difflib.unified_diff([" | ".join(x) for x in want], [" | ".join(x) for x in got], str(path), "this run",
                                     lineterm="", n=0):
        print(line)
    if want != got:
        print(f"{path} is out of date: tools/conformance --write={path.relative_to(ROOT)}")
    return want == got


def main():
    parser = argparse.ArgumentParser(prog="tools/conformance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=(*TARGETS, "all"), default="all")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--write", metavar="FILE", type=Path)
    parser.add_argument("--check", metavar="FILE", type=Path, nargs="?", const=PAGE)
    options = parser.parse_args()
    if options.check and options.kind:
        parser.error("--check compares a page of all kinds")
    generate()
    devices = list(TARGETS) if options.device == "all" else [options.device]
    results = {(device, kind): run(device, kind) for kind in options.kind or KINDS for device in devices}
    print("\n".join(summary(results, devices)))
    for (device, kind), of in results.items():
        for case, why in sorted(of.items()):
            if why:
                print(f"{device} {kind} {case}: {why}")
    if options.rows:
        lines, count = table(results, devices)
        print("\n".join([*lines, count]))
    lines = page(results, devices) if options.write or options.check else []
    if options.write:
        options.write.write_text("\n".join(lines))
    good = not options.check or check(lines, options.check.resolve(), devices)
    if options.check:
        every = [why for of in results.values() for why in of.values()]
        print(f"{every.count('')} passed, {not good:d} failed, {len(every) - every.count('')} skipped")
    return not good


if __name__ == "__main__":
    sys.exit(main())
