"""Every op of the IR's own tests (test/ir/ops/*.adz) as a model of its own: onnx_export_ops.py [--table] [NAME...]

Each op either is written, and ONNX's checker takes it, or is refused by one error that names it. Both are counted;
--table prints a line for each op that is refused.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tally

try:
    import onnx
except ImportError as error:
    tally.skip_all(error)

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
NAME = r'"(?:[^"\\]|\\.)*"|[\w.$-]+'
VALUE, CONST = re.compile(f"%(?:{NAME})"), re.compile(f"@(?:{NAME})")


def adze(*arguments):
    return subprocess.run([str(a) for a in (BUILD / "bin/adze", *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)


def split(text):
    """At commas that stand outside of brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for at, c in enumerate(text):
        quoted ^= c == '"' and text[at - 1:at] != "\\"
        depth += (c in "([{<") - (c in ")]}>") if not quoted else 0
        if c == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def ops_of(text):
    """(name, text of a module) of each op of all functions of printed IR."""
    consts = dict(re.findall(rf"^ *const (@(?:{NAME})): (.*)$", text, re.M))
    types, block = {}, []
    for line in text.splitlines():
        head = re.match(r"^  func @.*?\((.*)\) -> \(.*\) (?:\{.*\} )?\{$", line)
        if head:
            types = dict(re.match(rf"({VALUE.pattern}): (.*)", part).groups() for part in split(head[1]))
        elif line.startswith("    "):
            block.append(line)
            if line.startswith("     ") or " do {" in line:
                continue
            first = re.match(rf"^    ((?:{VALUE.pattern}(?:, )?)*)(?: = )?({NAME})\(", block[0])
            results, name, whole = VALUE.findall(first[1]), first[2], "\n".join(block)
            stated = split(line.rsplit(" : ", 1)[1]) if results else []
            inside = set(re.findall(rf"({VALUE.pattern}): ", whole)) | set(
                v for l in block[1:] if " = " in l for v in VALUE.findall(l.split(" = ")[0]))
            reads = [v for v in dict.fromkeys(VALUE.findall(whole)) if v in types and v not in (*results, *inside)]
            if name != "return":
                yield name, module_of(whole, reads, results, stated, types, consts)
            types.update(zip(results, stated))
            block = []


def module_of(op, reads, results, stated, types, consts):
    used = {c for c in CONST.findall(op) if c in consts}
    while more := {c for name in used for c in CONST.findall(consts[name]) if c in consts} - used:
        used |= more
    given = ", ".join([f"{v}: {types[v]}" for v in reads] + ["%kept: f32[2]"])
    gives = ", ".join([f"{v}: {t}" for v, t in zip(results, stated)] + ["%kept_too: f32[2]"])
    return "\n".join(["module @m {", *(f"const {name}: {text}" for name, text in consts.items() if name in used),
                      f"func @main({given}) -> ({gives}) {{", op, "%kept_too = neg(%kept) : f32[2]",
                      f"return({', '.join([*results, '%kept_too'])})", "}}"])


def hold(folder, name, text):
    """"written", "refused: WHY", or what is wrong; None: the op does not stand alone."""
    source, target = folder / "op.adz", folder / "op.onnx"
    source.write_text(text)
    if adze("opt", source).returncode:
        return None
    done = adze("compile", source, "-o", target)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        said = re.search(r"cannot say: (.*)", errors[0]) if len(errors) == 1 else None
        if said and (said[1].startswith(f"{name} (") or said[1].startswith("the graph (")):
            return f"refused: {said[1]}"
        return f"FAILED {done.stderr[:300]!r}"
    try:
        onnx.checker.check_model(str(target), full_check=True)
    except Exception as error:  # of many kinds
        return f"FAILED checker: {str(error).splitlines()[0]}"
    done = adze("opt", target)
    return "written" if done.returncode == 0 else f"FAILED it is not read: {done.stderr[:200]}"


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    became = collections.defaultdict(collections.Counter)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((SOURCE / "test/ir/ops").glob("*.adz")):
            if path.stem.endswith("_bad"):
                continue
            text = adze("opt", path).stdout
            for name, module in ops_of(text):
                if names and name not in names:
                    continue
                what = hold(Path(folder), name, module)
                kind = "alone" if what is None else what.split()[0].rstrip(":")
                became[name][kind] += 1
                bad += kind == "FAILED"
                if kind == "FAILED" or (kind == "refused" and "--table" in sys.argv):
                    print(f"{path.stem} {name}: {what}")
                    if kind == "FAILED" and "--table" in sys.argv:
                        print(module)
    kinds = ("written", "refused", "alone", "FAILED")
    uses = {kind: sum(c[kind] for c in became.values()) for kind in kinds}
    ops = {"written": sum(c["written"] > 0 for c in became.values()),
           "refused": sum(c["written"] == 0 and c["refused"] > 0 for c in became.values())}
    print(f"{len(became)} ops: {ops['written']} are written, {ops['refused']} are refused always, by name")
    print(f"of {sum(uses.values())} uses {uses['written']} are written, {uses['refused']} refused, {uses['alone']} do "
          "not stand alone")
    print(f"{sum(uses.values()) - bad - uses['alone']} passed, {bad} failed, {uses['alone']} skipped")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
