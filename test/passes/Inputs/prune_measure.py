"""prune_measure.py ADZE FOLDER: two branches that are added up, of which one counts a thousandth. Measured, all that
goes comes from that one; and groups that lose more than was predicted are put back."""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ADZE, FOLDER = sys.argv[1], Path(sys.argv[2])
rng = np.random.default_rng(3)


def constant(name, *shape, scale=1.0):
    values = ", ".join(repr(float(np.float32(v))) for v in scale * rng.normal(size=shape).ravel())
    return f"const @{name} : f32[{','.join(map(str, shape))}] = dense[{values}]\n"


body = """func @main(%x: f32[1,6,8]) -> (f32[1,6,4]) {
  %0 = matmul(%x, @a) : f32[1,6,16]
  %1 = relu(%0) : f32[1,6,16]
  %2 = matmul(%1, @b) : f32[1,6,4]
  %3 = matmul(%x, @c) : f32[1,6,16]
  %4 = relu(%3) : f32[1,6,16]
  %5 = matmul(%4, @d) : f32[1,6,4]
  %y = add(%2, %5) : f32[1,6,4]
  return(%y)
}
"""
(FOLDER / "m.adz").write_text(constant("a", 8, 16) + constant("b", 16, 4, scale=1e-3) + constant("c", 8, 16) +
                              constant("d", 16, 4) + body)
np.savez(FOLDER / "m.npz", x=rng.normal(size=(32, 1, 6, 8)).astype(np.float32))


def widths(options):
    done = subprocess.run([ADZE, "opt", FOLDER / "m.adz", f"--passes=simplify,prune-channels{{{options},multiple=1}}",
                           f"--calib={FOLDER}/m.npz"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    wide = dict(re.findall(r"const @(\w)\S*: f32\[\d+,(\d+)\]", done.stdout))
    return int(wide["a"]), int(wide["c"])


for score in ("obs", "l1"):
    a, c = widths(f"score={score},rate=0.3")
    assert a < 16 and c == 16, (score, a, c)
# Unmeasured, both give: each loses a share of what it gives, whatever that counts.
a, c = widths("rate=0.3,measure=false")
assert a < 16 and c < 16, (a, c)
# The loss of a few is not what half of them lose: where that is more than predicted, the group is whole again.
a, c = widths("score=l1,rate=0.3,put-back=1")
assert a == 16 or c == 16, (a, c)
print("the branch that counts stays whole")
