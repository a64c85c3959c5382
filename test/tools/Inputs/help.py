"""The help of every command is one screen: at most 40 lines of 120 columns, one example, exit status 0."""
import subprocess
import sys

listed = subprocess.run([sys.argv[1], "--help"], capture_output=True, text=True, check=True).stdout
names = [line.split()[0] for line in listed.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
assert len(names) >= 7, names
for name in names:
    text = subprocess.run([sys.argv[1], name, "--help"], capture_output=True, text=True, check=True).stdout
    lines = text.splitlines()
    assert lines[0].startswith(f"Usage: adze {name} "), lines[0]
    assert sum(line.startswith(f"Example: adze {name} ") for line in lines) == 1, text
    assert len(lines) <= 40 and max(map(len, lines)) <= 120, (len(lines), max(lines, key=len))
print(" ".join(names))
