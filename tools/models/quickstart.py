"""quickstart: two models the whole way, ONNX file to shared library to a checked answer.

First the digits model of this repository; then magika (which type is this file?), fetched by name from
the Python package index, on the files of the repository itself. Each is compiled, scored on the
reference (which defines what every op means) and on the compiled code, and timed.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import npz
import packages
import raw

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ADZE = ROOT / "build/release/bin/adze"
OUT = ROOT / "build/quickstart"

# Kinds of file that magika knows and the repository has, by suffix or name.
KINDS = {".c": "c", ".h": "c", ".py": "python", ".md": "markdown", ".cmake": "cmake",
         "CMakeLists.txt": "cmake", ".json": "json", ".proto": "proto", ".npz": "npz",
         ".onnx": "onnx"}

MOST = 150  # files to look at: the interpreter takes 0.1 s for each


def say(text):
    print(text, file=sys.stderr, flush=True)


def adze(*arguments):
    """Runs adze; its output and the peak of its memory in bytes. A failure ends the demonstration."""
    command = [str(ADZE), *map(str, arguments)]
    say("$ " + " ".join(os.path.relpath(c, ROOT) if c.startswith("/") else c for c in command)
        .replace(f"{ROOT}/", ""))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"quickstart: adze {arguments[0]} failed with status {child.returncode}")
    return output, usage.ru_maxrss * 1024


def accuracy(model, data):
    output, _ = adze("eval", model, f"--data={data}", "--metric=top1")
    found = re.search(r"\btop1\b\D*([0-9.]+)", output)
    if not found:
        sys.exit(f"quickstart: no top1 in what adze eval printed:\n{output}")
    return float(found.group(1))


def kept_accuracy(model, data):
    """The reference's accuracy. It takes long, so it is kept for the same model, data and adze."""
    digest = hashlib.sha256()
    for path in (model, data, ADZE, ROOT / "build/release/lib/libadze.so"):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    store = OUT / "reference.json"
    try:
        known = json.loads(store.read_text())
    except (OSError, ValueError):
        known = {}
    key = digest.hexdigest()
    if key in known:
        say(f"(the reference's answers on {data.name} are known from an earlier run)")
    else:
        known = {**known, key: accuracy(model, data)}
        store.write_text(json.dumps(known))
    return known[key]


def tour(name, model, data, samples):
    """Compile, score twice, time: one row of the table."""
    artifact = OUT / f"{name}.so"
    start = time.monotonic()
    adze("compile", model, "-o", artifact)
    compiled = time.monotonic() - start
    reference, x86 = kept_accuracy(model, data), accuracy(artifact, data)
    output, peak = adze("bench", artifact, "--json")
    bench = json.loads(output)[0]
    return (name, samples, f"{reference:.2f} %", f"{x86:.2f} %", f"{bench['min_ms']:.3f} ms",
            f"{compiled:.1f} s", f"{artifact.stat().st_size / 1e3:.0f} kB", f"{peak / 1e6:.0f} MB")


def repository_files():
    """(path, kind) of the files whose kind is beyond doubt."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    paths = [ROOT / line for line in listed.splitlines()] or sorted(ROOT.glob("*/**/*.[ch]"))
    for path in paths:
        kind = KINDS.get(path.name) or KINDS.get(path.suffix)
        if kind and path.is_file():
            yield path, kind


def magika_tour():
    model, names = packages.magika_model()
    files = list(repository_files())
    files = files[::1 + len(files) // MOST]
    data = OUT / "magika.npz"
    npz.save(data, bytes=np.stack([raw.file_bytes(path.read_bytes()) for path, _ in files]),
             labels=np.array([names.index(kind) for _, kind in files], np.int64))
    return tour("magika", model, data, len(files))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    digits = HERE / "digits_test.npz"
    with np.load(digits) as test:
        samples = len(test["labels"])
    say("\nHandwritten digits, the small model of this repository:")
    rows = [tour("digits", HERE / "digits.onnx", digits, samples)]
    say("\nMagika, which tells the type of a file, on the files of this repository:")
    try:
        rows.append(magika_tour())
    except packages.Unreachable as error:
        say(f"left out: {error}")
    head = ("model", "samples", "reference", "compiled", "time a run", "compile", "artifact", "memory")
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    print()
    for row in [head, *rows]:
        print("  ".join(str(cell).rjust(w) if i else str(cell).ljust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))))
    print("""
reference and compiled: answers that are right, with Adze's interpreter and with the compiled library.
memory: peak of the process that ran the compiled library.

Next:
  build/release/bin/adze compile MODEL.onnx -o model.so     your own model
  build/release/bin/adze check MODEL.onnx                   compiled code against the reference
  build/release/bin/adze bench model.so --profile           where the time goes
  docs/ has the rest; tools/check runs all tests.""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
