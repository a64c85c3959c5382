#!/usr/bin/env python3
"""The table of ONNX forms (frontend/onnx/forms.def) against the onnx package's own schemas.

Without arguments: fails, naming the rows, where they differ. --write writes the table anew.
"""
import os
import re
import sys

import tally

try:
    import onnx
except ImportError as error:
    tally.skip_all(error)

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(SOURCE, "frontend/onnx/forms.def")
FIRST, LAST = 7, 28
KINDS = {"seq": 29, "optional": 30, "map": 31}  # bits of what are no tensors

HEAD = """\
/* The forms that ONNX ops have had from opset 7 to 28: what the export may say at an opset.
 *
 * FORM(op, since, signature, attributes, A, B, C, D)
 *   signature   a letter an input, '>', a letter an output; behind one '?': it may be absent, '*': any number of them,
 *               '+': at least one of them
 *   attributes  their names, each between spaces
 *   A ... D     the element types that a letter stands for: bit n is the n-th row of adze/dtype.def, from 0;
 *               0 = any; 29: sequences, 30: optionals, 31: maps
 * test/onnx_forms.py compares the table with the onnx package, and writes it anew with --write.
 */
"""


def op_names():
    text = open(os.path.join(SOURCE, "ir/include/adze/ops.def")).read()
    names = set(re.findall(r'^(?:OP|BODY|VALUE)\(\w+, "(\w+)"', text, re.M))
    return sorted(names | {"BitShift", "If", "Loop", "Max", "Min", "Optional", "Scatter", "SequenceEmpty",
                            "Upsample"})


def type_bits():
    text = open(os.path.join(SOURCE, "runtime/abi/include/adze/dtype.def")).read()
    numbers = [int(n) for n in re.findall(r"^DTYPE\(\w+,\s*\d+, \w+,\s*(\d+)\)", text, re.M)]
    return {number: bit for bit, number in enumerate(numbers)}


def mask_of(strings, bits):
    mask = 0
    for text in strings:
        name = re.fullmatch(r"tensor\((\w+)\)", text)
        mask |= 1 << KINDS[text.split("(")[0]] if text.split("(")[0] in KINDS else 0
        if not name:
            continue
        number = getattr(onnx.TensorProto, name.group(1).upper())
        if number in bits:  # the IR has no other types
            mask |= 1 << bits[number]
    return mask


def row(schema, bits):
    sets = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    letters, option = {}, onnx.defs.OpSchema.FormalParameterOption
    marks = {option.Variadic: "*", option.Optional: "?"}

    def letter(formal):
        name = formal.type_str
        if name not in letters:
            letters[name] = "ABCD"[len(letters)]
        mark = marks.get(formal.option, "")
        return letters[name] + ("+" if mark == "*" and formal.min_arity else mark)

    signature = "".join(map(letter, schema.inputs)) + ">" + "".join(map(letter, schema.outputs))
    masks = ["0", "0", "0", "0"]
    for name, where in letters.items():
        masks["ABCD".index(where)] = hex(mask_of(sets.get(name, [name]), bits))
    attributes = "".join(f" {name}" for name in sorted(schema.attributes)) + " "
    return f'FORM("{schema.name}", {schema.since_version}, "{signature}", "{attributes}", {", ".join(masks)})'


def rows():
    bits = type_bits()
    history = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and not schema.deprecated:
            history.setdefault(schema.name, []).append(schema)
    for name in op_names():
        forms = sorted(history[name], key=lambda s: s.since_version)
        old = [s for s in forms if s.since_version <= FIRST][-1:]
        for schema in old + [s for s in forms if FIRST < s.since_version <= LAST]:
            yield row(schema, bits)


def main():
    if onnx.defs.onnx_opset_version() != LAST:
        tally.skip_all(f"onnx {onnx.__version__} has opset {onnx.defs.onnx_opset_version()}, not {LAST}")
    want = list(rows())
    if "--write" in sys.argv:
        open(TABLE, "w").write(HEAD + "\n".join(want) + "\n#undef FORM\n")
        return 0
    have = re.findall(r"^FORM\(.*\)$", open(TABLE).read(), re.M)
    for line in sorted(set(want) ^ set(have)):
        print("the package has" if line in want else "the table has", line)
    if want == have:
        print(f"{len(have)} forms agree with onnx {onnx.__version__}")
    return want != have


if __name__ == "__main__":
    sys.exit(main())
