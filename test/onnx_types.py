"""Every version of every operator in every element type that its schema allows.

The types are those of the onnx package's schemas. Pairs of a version's type variable and a type that a stored case has
are conformance.page's; each other pair gets a case here (onnx_types_cases.py), whose results are ONNX Runtime's, or of
ONNX's own evaluator, or what f32 gives where that is exact, or where there is none of these the reference's.

    onnx_types.py [--all | --device=reference] [--op=NAME] [--keep]
        --all    all of them compiled as well; without it each 16th of the newest versions
        --device=reference  none compiled
        --op     of this operator only
        --keep   leaves the cases in <build>/test/onnx_types
"""
import collections
import functools
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import warnings

SOURCE = os.environ.get("ADZE_SOURCE_DIR", os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import conformance  # noqa: E402
import onnx_types_built as built  # noqa: E402
import onnx_types_cases as cases  # noqa: E402
import tally  # noqa: E402
from onnx_suite import RUNNER, first_line, folder_of, need_runner, option, save_case  # noqa: E402

FOLDER = folder_of("onnx_types")
KINDS = ("node", "versions", "other-domains")
DOMAINS = {"": "", "ai.onnx.ml": "ml.", "ai.onnx.preview": "preview.", "ai.onnx.preview.training": "training."}

# Pairs that are not tried, and why: operators, types (patterns), the reason.
LISTED = (
    (".*", ".*float6.*", "the IR has no floats of 6 bits"),
    ("Dropout", r"tensor\(bool\)", "what the mask holds where nothing is dropped is said from opset 12 on"),
    ("Col2Im|GridSample", r"tensor\(string\)", "texts have no sums"),
    ("ZipMap", ".*", "stored cases have both, with outputs whose type is not declared"),
)


@functools.cache
def stored():
    return cases.bases(conformance.SUITE / kind for kind in KINDS)


def bases_of(row):
    """The stored cases of a row, then those of its other versions that fit."""
    near = sorted((abs(other[2] - row[2]), other) for other in stored() if other[:2] == row[:2] and other != row)
    moved = (cases.moved(base, row[2]) for _, other in near for base in stored()[other])
    return stored().get(row, []), [base for base in moved if base]


def listed(schema, text):
    """Why the pair is not tried; None where it is."""
    for operators, types, why in LISTED:
        if re.fullmatch(operators, schema.name) and re.fullmatch(types, text):
            return why
    return None


def name_of(schema, variable, text):
    kind = re.sub("[^0-9a-z]+", "_", text.removeprefix("tensor")).strip("_")
    return f"{DOMAINS[schema.domain]}{schema.name.lower()}_{schema.since_version}.{variable}.{kind}"


def make(row):
    """Writes the cases of a row; [(variable, type, what became of it)]."""
    mine, out = bases_of(row), []
    for schema, variable, text in cases.pairs():
        if (schema.domain, schema.name, schema.since_version) != row:
            continue
        out.append((name_of(schema, variable, text), make_pair(mine, schema, variable, text)))
    return out


def make_pair(own_and_near, schema, variable, text):
    """Writes the pair's case; "case", or what stands in its place."""
    if "float6" in text:
        return f"listed: {listed(schema, text)}"
    if schema.name in built.CASES and (schema.name != "Identity" or not text.startswith("tensor")):
        return make_built(schema, variable, text)
    own, near = own_and_near
    if any(base.texts.get(variable) == text for base in own):
        return "stored"
    why = listed(schema, text)
    if why:
        return f"listed: {why}"
    if variable not in {formal.type_str for formal in (*schema.inputs, *schema.outputs)}:
        return "listed: neither operand nor result has this type variable"
    number = cases.NUMBERS.get(text)
    for base in (*own, *near):
        if not number or not base.plain or not base.shows(variable):
            continue
        found = cases.other(base.load(), variable, number)
        if not found:
            continue
        results, who = cases.expected(*found, base, variable, number)
        save_case(os.path.join(FOLDER, name_of(schema, variable, text)), found[0], found[1].values(), results or (),
                  cases.tolerance(*found, results))
        return f"case of {who or 'nobody'}"
    return "no case"


def make_built(schema, variable, text):
    model, inputs, results, tolerance = built.build(schema, variable, text)
    save_case(os.path.join(FOLDER, name_of(schema, variable, text)), model, inputs, results, tolerance)
    return f"case of {'ONNX Runtime' if results else 'nobody'}"


def newest():
    """Names of the newest version of each operator, as cases begin."""
    last = {}
    for schema, *_ in cases.pairs():
        last[schema.domain, schema.name] = max(last.get((schema.domain, schema.name), 0), schema.since_version)
    return {f"{DOMAINS[domain]}{name.lower()}_{version}" for (domain, name), version in last.items()}


def run(flags, names):
    """{case: why it fails} of those that do, in as many processes as there are cores."""
    if not names:
        return {}
    failed, parts = {}, os.cpu_count() or 1
    command = [RUNNER, "-v", *flags, FOLDER]
    running = [subprocess.Popen([*command, *names[i::parts]], stdout=subprocess.PIPE, text=True)
               for i in range(min(parts, len(names)))]
    for process in running:
        text, _ = process.communicate()
        lines = text.splitlines()
        if not lines or " passed, " not in lines[-1]:
            failed[f"onnx_node {process.args[3:5]}"] = f"status {process.returncode}"
        for line in lines:
            found = re.match(r"(?:FAILED|skipped) (\S+): (.*)", line)
            if found:
                failed[found[1]] = found[2]
    return failed


def main():
    need_runner()
    warnings.simplefilter("ignore")  # numpy's, of what a type cannot hold
    conformance.generate()
    shutil.rmtree(FOLDER, ignore_errors=True)
    only = option("op")
    rows = sorted({(s.domain, s.name, s.since_version) for s, *_ in cases.pairs() if only in (None, s.name)})
    stored()
    with multiprocessing.Pool() as pool:
        made = [pair for of in pool.imap_unordered(make, rows, chunksize=8) for pair in of]
    names = sorted(name for name, what in made if what.startswith("case"))
    failed = {("reference", name): why for name, why in run([], names).items()}
    last = newest()
    compiled = names if "--all" in sys.argv or only else [n for n in names if n.rsplit(".", 2)[0] in last][::16]
    if option("device") == "reference":
        compiled = []
    failed.update({("x86", name): why for name, why in run(["--target=x86:host"], compiled).items()})
    for (device, name), why in sorted(failed.items()):
        print(f"FAILED {device} {name}: {why}")
    for name, what in made:
        if what == "no case":
            print(f"FAILED {name}: {what}")
    counts = collections.Counter(what for _, what in made)
    for what, count in sorted(counts.items()):
        print(f"{count} {what}")
    print(f"{len(rows)} rows, {len(made)} pairs")
    n_failed = len(failed) + counts["no case"]
    print(f"{len(names) + len(compiled) - len(failed)} passed, {n_failed} failed, 0 skipped")
    if "--keep" not in sys.argv:
        shutil.rmtree(FOLDER, ignore_errors=True)
    return n_failed > 0


if __name__ == "__main__":
    sys.exit(main())
