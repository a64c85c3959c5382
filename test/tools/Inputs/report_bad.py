"""Broken reports: each gives one error of one line with its place, and no page.

    report_bad.py ADZE FOLDER SAMPLE.json
"""
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

adze, folder, sample = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
good = json.loads(sample.read_text())
whole = sample.read_bytes()


def changed(*path, value=None, drop=False):
    """The sample with one member set, or without it."""
    report = copy.deepcopy(good)
    at = report
    for key in path[:-1]:
        at = at[key]
    if drop:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(report).encode()


BAD = [
    ("empty", b"", "1:1: error: the text ends where a value is expected"),
    ("zero bytes", whole[:100] + b"\0" + whole[100:], "holds zero bytes, so it is no text"),
    ("no JSON", b"model \"x\"", "1:1: error: expected a value, got 'm'"),
    ("latin-1", whole.replace(b"AMD", b"\xc4MD"), "this byte is no UTF-8"),
    ("behind", whole + b"{}", "error: expected the end of the text, got '{'"),
    ("twice", whole.replace(b'"seed"', b'"schema"'), "this key stands twice in the object"),
    ("deep", b"[" * 100000, "1:65: error: too many objects and arrays inside one another"),
    ("deep inside", whole.replace(b'"seed": 1', b'"later": ' + b"[" * 70 + b"]" * 70), "inside one another"),
    ("many", b"[" + b"0," * 1100000 + b"0]", "error: too many values"),
    ("wide", b"{" + b",".join(b'"%d":0' % i for i in range(2000)) + b"}", "too many members in one object"),
    ("large number", changed("seed", value=0).replace(b'"seed": 0', b'"seed": 1e999'), "this number is too large"),
    ("NaN", changed("seed", value=float("nan")), "expected a value, got 'N'"),
    ("array", b"[]", "1:1: error: the report: expected an object, got an array"),
    ("nothing", b"{}", "1:1: error: schema is missing"),
    ("zero byte", changed("layers", 2, "reason", value="a\0b"),
     "layers[2].reason: expected a string, got one with a zero"),
    ("old", changed("schema", value=0), "this is schema 0; adze report reads schema 1"),
    ("new", changed("schema", value=2), "this is schema 2; adze report reads schema 1"),
    ("schema text", changed("schema", value="1"), "schema: expected a number, got a string"),
    ("no model", changed("model", drop=True), "model is missing"),
    ("null model", changed("model", value=None), "model is missing"),
    ("no layers", changed("layers", drop=True), "layers is missing"),
    ("layers object", changed("layers", value={}), "layers: expected an array, got an object"),
    ("layer number", changed("layers", 3, value=7), "layers[3]: expected an object, got a number"),
    ("layer name", changed("layers", 25, "name", value=None), "layers[25].name is missing"),
    ("layer bytes", changed("layers", 3, "bytes_after", value="12"),
     "layers[3].bytes_after: expected a number, got a string"),
    ("negative", changed("layers", 3, "us_after", value=-1.5),
     "layers[3].us_after: expected a number from 0 on, got -1.5"),
    ("nodes", changed("layers", 0, "nodes", value=["a", 1]), "layers[0].nodes[1]: expected a string, got a number"),
    ("format", changed("layers", 0, "formats", 2, "loss", value=[]),
     "layers[0].formats[2].loss: expected a number, got an array"),
    ("agreement", changed("compressed", "agreement", "value", value=1.5),
     "compressed.agreement.value: expected a number from 0 to 1, got 1.5"),
    ("original", changed("original", value=[]), "original: expected an object, got an array"),
    ("held", changed("goal", 0, "held", value="yes"), "goal[0].held: expected true or false, got a string"),
    ("reason", changed("missing", "energy", value=3), "missing.energy: expected a string, got a number"),
    ("chosen", changed("pareto", 2, "chosen", value=1), "pareto[2].chosen: expected true or false, got a number"),
]


def check(name, data, wanted):
    bad, page = folder / "bad.json", folder / "bad.html"
    bad.write_bytes(data)
    page.write_text("as it was")
    done = subprocess.run([adze, "report", bad, "-o", page, "--max-memory=8M"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1, (name, done)
    assert done.stderr.count("error:") == 1 and not done.stdout, (name, done)
    assert wanted in done.stderr, (name, wanted, done.stderr)
    assert page.read_text() == "as it was", name
    assert sorted(path.name for path in folder.iterdir()) == ["bad.html", "bad.json"], name


folder.mkdir(exist_ok=True)
for case in BAD:
    check(*case)
cuts = range(1, len(whole.rstrip()), 877)
for cut in cuts:
    check(f"cut at {cut}", whole[:cut], "error:")
# Whatever one byte becomes, the report is read or refused.
refused = 0
for at in range(0, len(whole), 613):
    (folder / "bad.json").write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:])
    done = subprocess.run([adze, "report", folder / "bad.json"], capture_output=True, text=True, errors="replace",
                          timeout=60)
    assert done.returncode in (0, 1), (at, done)
    assert len(re.findall("error:", done.stderr)) == done.returncode, (at, done.stderr)
    refused += done.returncode
print(f"{len(BAD) + len(cuts)} refused, {refused} of those with a wrong bit")
