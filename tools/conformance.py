"""tools/conformance [FLAG...]: does Adze mean what ONNX means? Runs the whole suite of the pinned onnx package.

The suite is generated from the package into build/data/conformance, a folder a kind: node, simple, light, the two that
came of PyTorch, and versions: the cases of test/onnx_opsets.py, for versions of operators that the package has none of.
Every case runs on the reference and compiled for this machine; then a table by kind, the cases that do not pass with
their reasons, and which versions of operators have a case.

  --device=reference|x86|all   what runs them (default: all)
  --kind=NAME                  only cases of that kind; repeatable
  --rows                       also a line for each operator: its versions, those without a case, cases that pass
  --write=FILE.md              that table as a page
  --check                      status 1 unless all pass (default: only a crash of the runner is an error)
"""
import argparse
import collections
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
CASES = [ROOT / "test" / name for name in ("onnx_cases.py", "onnx_opsets.py", "onnx_versions.py")]
ABSOLUTE = {"versions": "1e-5"}  # ONNX Runtime, which says what these give, computes in f32
KINDS = ("node", "simple", "light", "pytorch-converted", "pytorch-operator", "versions")
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


def generate_versions():
    """The cases of test/onnx_opsets.py; again where its files changed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in CASES)).hexdigest()
    stamp = SUITE / "versions.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(SUITE / "versions", ignore_errors=True)
    subprocess.run([sys.executable, CASES[1], f"--write={SUITE / 'versions'}"], check=True)
    stamp.write_text(digest)


def generate():
    generate_package()
    generate_versions()


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
    parts = 1 if device == "reference" else os.cpu_count() or 1
    command = [str(BUILD / "test/conformance/onnx_node"), "-v", *TARGETS[device]]
    if kind in ABSOLUTE:
        command.append(f"--atol={ABSOLUTE[kind]}")
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


def table(results, devices):
    """Lines of a Markdown table: operators, versions, versions without a case, cases that pass."""
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
        lines.append(f"| {domain + '.' if domain else ''}{name} | {' '.join(map(str, sorted(since)))} | "
                     f"{' '.join(map(str, without))} | {len(mine)} | {' | '.join(map(str, good))} |")
    total = sum(len(since) for since in schemas.values())
    return lines, f"{total} versions of {len(schemas)} operators, {missing} of them without a case"


def main():
    parser = argparse.ArgumentParser(prog="tools/conformance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=(*TARGETS, "all"), default="all")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    generate()
    devices = list(TARGETS) if options.device == "all" else [options.device]
    kinds = options.kind or KINDS
    results, summary = {}, [f"| kind | cases | {' | '.join(devices)} |", "|---|---|" + "---|" * len(devices)]
    for kind in kinds:
        for device in devices:
            results[device, kind] = run(device, kind)
        good = [sum(not why for why in results[device, kind].values()) for device in devices]
        summary.append(f"| {kind} | {len(results[devices[0], kind])} | {' | '.join(map(str, good))} |")
    print("\n".join(summary))
    bad = [(device, kind, case, why) for (device, kind), of in results.items()
           for case, why in sorted(of.items()) if why]
    for device, kind, case, why in bad:
        print(f"{device} {kind} {case}: {why}")
    if options.rows or options.write:
        lines, count = table(results, devices)
        if options.rows:
            print("\n".join([*lines, count]))
        if options.write:
            head = ["# ONNX operators", "", f"Made by `tools/conformance --write` from the suite of onnx "
                    f"{onnx.__version__}: {count}.", "", *summary, ""]
            Path(options.write).write_text("\n".join([*head, *lines, ""]))
    return 1 if options.check and bad else 0


if __name__ == "__main__":
    sys.exit(main())
