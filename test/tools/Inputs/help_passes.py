"""Every built-in pass says its purpose, its contract and shows an example that it changes, unless it needs data for
that: help_passes.py ADZE"""
import re
import subprocess
import sys


def adze(*words):
    return subprocess.run([sys.argv[1], *words], capture_output=True, text=True, check=True).stdout


listed = adze("opt", "--list-passes")
groups = [line for line in listed.splitlines() if not line.startswith(" ")]
names = re.findall(r"^  (\S+)", listed, re.M)
assert len(names) >= 11 and "other:" not in groups and groups[0] == "simplify:", listed
for name in names:
    text = adze("help", "pass", name)
    head, *parts = re.split(r"\n\n(?=\S)", text)
    assert head.startswith(f"{name}: ") and "\nNumerics: " in parts[0], text
    contract = [part for part in parts[1:] if not re.match(r"Options:|Before:|After ", part)]
    assert len(contract) == 1 and contract[0].rstrip().endswith("."), text
    if contract[0].startswith("Needs --calib"):
        assert "\nBefore:\n" not in text, text
        continue
    before, after = text.split("\nBefore:\n\n")[1].split(f"\nAfter --passes={name}:\n\n")
    bare = lambda ir: re.sub(r" *//.*|[ \n]|(?<=\d)\.0", "", ir)
    assert before.strip() and after.strip() and bare(before) != bare(after), text
print(len(names), "passes")
