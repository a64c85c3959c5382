"""families.py [--write]: lines of code per family of operators, from the sources, without blank ones.

A family is what shares files: reading from ONNX (the rows of its tables and the functions behind them), inference,
access, evaluation, and what tile and the x86 backend have for it alone. Files that all families use count as such. A
file of these folders that no family names is an error, so the table stays whole. --write puts the table into
docs/design/families.md.
"""
import re
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/design/families.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"

# Stage: the files it has.
STAGES = {
    "import": "frontend/onnx/upgrade*.[ch] frontend/onnx/contrib*.[ch] frontend/onnx/gradient* frontend/onnx/ml.h "
              "frontend/onnx/trees.* frontend/onnx/list.c frontend/onnx/attention.h frontend/onnx/repeat.* "
              "frontend/onnx/subgraph.c frontend/onnx/compose*.[ch] frontend/onnx/recurrent.* "
              "frontend/onnx/search.[ch]",
    "infer": "ir/infer*",
    "access": "ir/access*",
    "evaluate": "ir/eval/*",
    "x86": "passes/tile/*.[ch] backends/x86/emit*.[ch] backends/x86/floor.c backends/x86/control.c "
           "backends/x86/step_control.c backends/x86/late.c",
}
# Family: words that its files' names end in, or patterns. The first family that has a file counts it.
FAMILIES = {
    "elementwise": "elementwise math contrib_activation bodies* casts* lanes* math* convert.h bits.h couple "
                   "emit_vector",
    "sums and choices": "reduce sum.c lookup select topk",
    "norms, softmax, losses": "norm loss",
    "products and convolutions": "contraction conv contrib_varlen einsum matmul contrib_bits contrib_experts "
                                 "product* contract* codes.c gather.c rows.c sparse",
    "attention": "*attention* group flex contrib_streams",
    "windows": "window.[ch] window pool",
    "moves and shapes": "move shape reshape pad copy.h constant index "
                        "transpose bends.c",
    "resize and sampling": "resize sample sample.h deform suppress",
    "scatter": "scatter",
    "quantization": "quant pack.c",
    "recurrent": "recurrent",
    "signal": "signal",
    "random": "random",
    "sequences, maps, strings": "sequence string regex* tfidf map infer_map contrib_text contrib_hash cast_text "
                                "decimal.*",
    "images": "image",
    "trees, SVM, features": "tree trees.* svm features linear list.c ml.h infer_table",
    "training and gradients": "training *gradient*",
    "control flow": "if upgrade_loop upgrade_scan repeat.* subgraph.c control step_control late infer_loop "
                    "compose_loop search search.[ch] greedy contrib_sampling contrib_align",
    "old forms": "legacy contrib_standard domains upgrade.* contrib.*",
    "shared by all": "compose.* eval.h access.h access_util infer.h infer_util fold emit.* emit_loop emit_memory floor "
                     "build.c loops.c nest.c tile.*",
}


def has(words, path):
    return any(fnmatch(path.name, word) or fnmatch(path.stem, word) or path.stem.endswith(f"_{word}") or
               path.stem == word for word in words.split())


def lines_of(path):
    return sum(1 for line in path.read_text().splitlines() if line.strip())


def place():
    """{file: (stage, family)}."""
    found, lost = {}, []
    for stage, patterns in STAGES.items():
        for path in sorted({p for pattern in patterns.split() for p in ROOT.glob(pattern)}):
            if path.suffix not in (".c", ".h", ".def"):
                continue
            family = next((name for name, words in FAMILIES.items() if has(words, path)), None)
            lost += [path.relative_to(ROOT)] if family is None else []
            found[path] = (stage, family)
    if lost:
        raise SystemExit(f"families: no family has {' '.join(map(str, lost))}")
    return found


def operators(placed):
    """Families of operators with how many: by the file that evaluates their row, else by the one that reads them."""
    text = {path: path.read_text() for path in placed}
    table = (ROOT / "ir/include/adze/ops.def").read_text()
    counts, known = Counter(), set()
    for macro, name, onnx in re.findall(r'^(OP|BODY|STRUCT)\((\w+), (?:"(\w+)")?', table, re.M):
        if not onnx:
            continue
        where = next((p for p, s in text.items() if placed[p][0] == "evaluate" and placed[p][1] != "shared by all" and
                      re.search(rf"\beval_{name}\b|\bEVAL\w*\({name}\b|\b[A-Z]+\({name}[,)]", s)), None)
        counts["elementwise" if macro == "BODY" else placed[where][1] if where else "control flow"] += 1
        known.add(onnx)
    for path, rows in [(p, s) for p, s in text.items() if p.name in ("upgrade.c", "upgrade_domains.c", "contrib.c")]:
        for op, function in re.findall(r'\{"(\w+)",.*?(adze_onnx_\w+)\}', rows, re.S):
            if path.name == "upgrade.c" and op in known:
                continue
            head = re.compile(rf"^bool {function}\([^;]*?\)\n?\s*\{{", re.M)
            where = next((p for p, s in text.items() if head.search(s)), None)
            counts[placed[where][1] if where else "old forms"] += 1
    return counts


def table():
    placed = place()
    lines, ops = Counter(), operators(placed)
    for path, (stage, family) in placed.items():
        lines[family, stage] += lines_of(path)
    out = ["| family | operators | " + " | ".join(STAGES) + " | all | lines an operator |", "|---|---|" + "---|" * 7]
    for family in FAMILIES:
        row = [lines[family, stage] for stage in STAGES]
        each = f"{sum(row) / ops[family]:.0f}" if ops[family] else ""
        cells = [family, ops[family] or "", *(n or "" for n in row), sum(row), each]
        out.append("| " + " | ".join(map(str, cells)) + " |")
    sums = [sum(lines[family, stage] for family in FAMILIES) for stage in STAGES]
    out.append(f"| all | {ops.total()} | {' | '.join(map(str, sums))} | {sum(sums)} | {sum(sums) / ops.total():.0f} |")
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = table()
    if not sys.argv[1:]:
        print(text, end="")
        return 0
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(head + BEGIN + text + END + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
