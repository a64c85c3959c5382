"""recurrent_layers.py ADZE FOLDER: recurrent layers of all kinds, in steps and compiled, beside their evaluation."""
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np

adze, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
random, failed = np.random.default_rng(1), 0
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
EACH = {"rnn": "Relu", "gru": "HardSigmoid softsign", "lstm": "sigmoid Tanh Relu"}
SIZE, HIDDEN = 5, 3


def constant(name, *dims):
    values = ", ".join(f"{x:.4g}" for x in random.uniform(-1, 1, dims).ravel())
    return f"const @{name} : f32[{','.join(map(str, dims))}] = dense[{values}]\n"


def layer(kind, direction, time, batch, full):
    d, rows = 2 if direction == "bidirectional" else 1, GATES[kind] * HIDDEN
    text = constant("w", d, rows, SIZE) + constant("r", d, rows, HIDDEN)
    operands, attributes = ["%x", "@w", "@r"], [f'direction = "{direction}"', f"hidden_size = {HIDDEN}"]
    arguments = f"%x: f32[{time},{batch},{SIZE}]"
    if full:
        text += constant("b", d, 2 * rows)
        operands += ["@b", "_", "%h0"]
        arguments += f", %h0: f32[{d},{batch},{HIDDEN}]"
        attributes += ["clip = 1.5", f'activations = "{" ".join([EACH[kind]] * d)}"']
        if kind == "gru":
            attributes.append("linear_before_reset = 1")
        if kind == "lstm":
            text += constant("p", d, 3 * HIDDEN)
            operands += ["%c0", "@p"]
            arguments += f", %c0: f32[{d},{batch},{HIDDEN}]"
            attributes += ["input_forget = 1"] if direction == "reverse" else []
    state, n = f"f32[{d},{batch},{HIDDEN}]", 3 if kind == "lstm" else 2
    types = ", ".join([f"f32[{time},{d},{batch},{HIDDEN}]"] + [state] * (n - 1))
    results = ", ".join(f"%y{i}" for i in range(n))
    return (f"{text}func @main({arguments}) -> ({types}) {{\n  {results} = {kind}({', '.join(operands)}) "
            f"{{{', '.join(sorted(attributes))}}} : {types}\n  return({results})\n}}\n")


def run(*arguments):
    return subprocess.run([adze, *map(str, arguments)], capture_output=True, text=True)


for kind, direction, (time, batch), full in itertools.product(
        GATES, ("forward", "reverse", "bidirectional"), ((1, 2), (4, 1), ("T", "N")), (False, True)):
    path, name = folder / "m.adz", f"{kind} {direction} {time} {batch} {'full' if full else ''}"
    path.write_text(layer(kind, direction, time, batch, full))
    dims = ["--dim=T=3", "--dim=N=2"] if time == "T" else []
    steps = run("opt", path, "--passes=recurrent,dce", "--check")
    stays = any(f" = {k}(" in steps.stdout for k in GATES)
    # The evaluation is the reference: what the model says as written.
    done = run("check", path, "--target=x86:x86-64-v3", "--rtol=1e-5", *dims)
    ok = steps.returncode == 0 and not stays and done.returncode == 0
    failed += not ok
    if not ok:
        print("FAILED", name, steps.stderr, done.stdout, done.stderr)
print(f"{failed} failed")
sys.exit(failed > 0)
