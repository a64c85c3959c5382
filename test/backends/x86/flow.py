"""flow.py FOLDER ADZE [FLAG...]: modules with `if` and `loop`, checked on inputs that take each way through them."""
import subprocess
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(sys.argv[1])
MODULES = {
    "choice": """module @choice {
  const @w : f32[16,4] = dense[WEIGHTS]
  func @main(%x: f32[N,16], %t: f32[]) -> (f32[N,4], f32[N,4]) {
    %s = reduce_sum(%x) {keepdims = 0} : f32[]
    %c = less(%s, %t) : bool[]
    %r = relu(%x)
    %y, %z = if(%c) do {
      %0 = matmul(%r, @w)
      %1 = exp(%0)
      yield(%1, %0)
    } do {
      %2 = matmul(%x, @w)
      %d = greater(%s, %t) : bool[]
      %3 = if(%d) do {
        %4 = neg(%2)
        yield(%4)
      } do {
        yield(%2)
      } : f32[N,4]
      yield(%3, %2)
    } : f32[N,4], f32[N,4]
    %e = add(%y, %z)
    return(%e, %y)
  }
}
""",
    "again": """module @again {
  const @one : i64[] = dense[1]
  const @five : i64[] = dense[5]
  func @main(%x: f32[N,16], %n: i64[], %t: f32[]) -> (f32[N,16], f32[N,16], f32[5,N,16], i64[]) {
    %a, %b = loop(%n, _, %x, %x) do { (%i: i64[], %p: f32[N,16], %q: f32[N,16])
      %0 = add(%p, %x)
      yield(_, %q, %0)
    } : f32[N,16], f32[N,16]
    %k, %s = loop(@five, _, @one) do { (%i: i64[], %m: i64[])
      %1 = add(%m, %i)
      %2 = cast(%1) {to = f32} : f32[]
      %3 = mul(%a, %2)
      yield(_, %1, %3)
    } : i64[], f32[5,N,16]
    %g = less(%t, %t) : bool[]
    %h = not(%g)
    %c = loop(_, %h, %b) do { (%i: i64[], %p: f32[N,16])
      %4 = add(%p, %p)
      %5 = reduce_max(%4) {keepdims = 0} : f32[]
      %6 = less(%5, %t)
      yield(%6, %4)
    } : f32[N,16]
    return(%c, %a, %s, %k)
  }
}
""",
}



def check(name, **inputs):
    file = FOLDER / f"{name}.npz"
    np.savez(file, **inputs)
    subprocess.run([sys.argv[2], "check", FOLDER / f"{name}.adz", f"--inputs={file}", *sys.argv[3:]], check=True)


random = np.random.default_rng(1)
for name, text in MODULES.items():
    weights = ", ".join(f"{w:.3f}" for w in random.standard_normal(64))
    (FOLDER / f"{name}.adz").write_text(text.replace("WEIGHTS", weights))
for i, threshold in enumerate([-1000.0, 0.0, 1000.0]):
    for n in (1, 33):
        x = random.standard_normal((n, 16)).astype(np.float32)
        check("choice", x=x, t=np.float32(x.sum() if i == 1 else threshold))
for count in (-1, 0, 1, 2, 7):
    x = np.abs(random.standard_normal((3, 16))).astype(np.float32) + 0.1
    check("again", x=x, n=np.int64(count), t=np.float32(100))
