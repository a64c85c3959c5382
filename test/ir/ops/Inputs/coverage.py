"""Every op that `adze opt --list-ops` names must stand in a file of this folder, and in one whose name ends
in _bad under an expected error. Arguments: the list, the folder."""
import pathlib
import re
import sys

ops = [line.split()[0] for line in open(sys.argv[1])]
good, bad = set(), set()
for path in pathlib.Path(sys.argv[2]).glob("*.adz"):
    expected = False
    for line in path.read_text().splitlines():
        if "expected-error" in line:
            expected = True
        elif not line.strip().startswith("//"):
            for name in re.findall(r"(?:= |^\s*)([a-z_0-9]+)\(", line):
                (bad if expected else good).add(name)
            expected = False
missing = [f"no case of {op} in test/ir/ops/*.adz" for op in ops if op not in good]
missing += [f"no negative twin of {op} in test/ir/ops/*_bad.adz" for op in ops if op not in bad]
print("\n".join(missing))
sys.exit(bool(missing) or not ops)
