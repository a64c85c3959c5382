"""Each named pipeline prints as text that reads back to the same text; nesting without end is an error."""
import subprocess
import sys

adze = sys.argv[1]


def show(passes):
    return subprocess.run([adze, "opt", "--print-pipeline", f"--passes={passes}"], capture_output=True, text=True)


for name in ("O0", "O1", "O2", "O3", "simplify", "lower", "O2,dce,O1"):
    once = show(name)
    twice = show(once.stdout.strip())
    assert once.returncode == 0 and once.stdout.strip(), (name, once)
    assert twice.returncode == 0 and twice.stdout == once.stdout, (name, once, twice)
    assert not any(word in once.stdout for word in ("O0", "O1", "O2", "O3")), once

deep = show("repeat(" * 1000 + "dce" + ")" * 1000)
assert deep.returncode == 2 and "nested too deeply" in deep.stderr, deep
long = show(",".join(["dce"] * 20000))
assert long.returncode == 2 and "too many steps" in long.stderr, long
print("pipelines read back")
