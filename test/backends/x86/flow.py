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
    "late": """module @late {
  const @w : f32[4,3] = dense[WEIGHTS12]
  const @two : i64[1] = dense[2]
  const @zero : i64[1] = dense[0]
  const @minus : i64[1] = dense[-1]
  func @main(%n: i64[], %x: f32[4], %t: i64[1]) -> (f32[?,4], f32[?,3], f32[?], f32[?,2], i64[2]) {
    %0 = loop(%n, _) do { (%i: i64[])
      %f = cast(%i) {to = f32} : f32[]
      %g = add(%x, %f)
      yield(_, %g)
    } : f32[?,4]
    %1 = relu(%0) : f32[?,4]
    %2 = matmul(%1, @w) : f32[?,3]
    %3 = loop(%n, _, %x) do { (%i: i64[], %a: f32[?])
      %4 = concat(%a, %x) {axis = 0} : f32[?]
      yield(_, %4)
    } : f32[?]
    %5 = slice(%2, @zero, %t) : f32[?,3]
    %6 = softmax(%5) : f32[?,3]
    %7 = transpose(%6) {perm = [1,0]} : f32[3,?]
    %8 = concat(@minus, @two) {axis = 0} : i64[2]
    %9 = reshape(%3, %8) : f32[?,2]
    %10 = shape(%2) : i64[2]
    %11 = matmul(%6, %7) : f32[?,?]
    %12 = reduce_sum(%11) {keepdims = 0} : f32[]
    %13 = mul(%9, %12) : f32[?,2]
    return(%1, %6, %3, %13, %10)
  }
}
""",
    "before": """module @before {
  func @main(%g: bool[], %x: f32[4]) -> (f32[4], bool[]) {
    %c, %y = loop(_, _, %g, %x) do { (%i: i64[], %c: bool[], %p: f32[4])
      %n = not(%c)
      %q = add(%p, %x)
      yield(%c, %n, %q)
    } : bool[], f32[4]
    return(%y, %c)
  }
}
""",
    "wider": """module @wider {
  func @main(%n: i64[], %x: f32[N,4], %j: i8[2]) -> (f32[?,4], f32[N,4], i8[?,2]) {
    %h = cast(%j) {to = i4}
    %a, %b, %s = loop(%n, _, %x, %x) do { (%i: i64[], %p: f32[N,4], %q: f32[?,4])
      %0 = add(%p, %x)
      yield(_, %0, %p, %h)
    } : f32[?,4], f32[N,4], i4[?,2]
    %1 = relu(%a) : f32[?,4]
    %2 = cast(%s) {to = i8} : i8[?,2]
    return(%1, %b, %2)
  }
}
""",
    "choice_late": """module @choice_late {
  const @zero : i64[1] = dense[0]
  func @main(%x: f32[N,8], %t: i64[1], %c: bool[]) -> (f32[?,8], f32[]) {
    %y = if(%c) do {
      %0 = slice(%x, @zero, %t) : f32[?,8]
      %1 = neg(%0) : f32[?,8]
      yield(%1)
    } do {
      yield(%x)
    } : f32[?,8]
    %2 = exp(%y) : f32[?,8]
    %3 = reduce_sum(%2) {keepdims = 0} : f32[]
    return(%y, %3)
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
    text = text.replace("WEIGHTS12", ", ".join(weights.split(", ")[:12])).replace("WEIGHTS", weights)
    (FOLDER / f"{name}.adz").write_text(text)
for i, threshold in enumerate([-1000.0, 0.0, 1000.0]):
    for n in (1, 33):
        x = random.standard_normal((n, 16)).astype(np.float32)
        check("choice", x=x, t=np.float32(x.sum() if i == 1 else threshold))
for count in (-1, 0, 1, 2, 7):
    x = np.abs(random.standard_normal((3, 16))).astype(np.float32) + 0.1
    check("again", x=x, n=np.int64(count), t=np.float32(100))
np.save(FOLDER / "two.npy", np.int64(2))
np.save(FOLDER / "three.npy", np.int64(3))
for n, t in ((3, 2), (0, 0), (1, 1), (40, 40)):
    check("late", x=np.arange(4, dtype=np.float32), n=np.int64(n), t=np.array([t]))
for c in (True, False):
    for t in (0, 1, 9):
        check("choice_late", x=random.standard_normal((5, 8)).astype(np.float32), t=np.array([t]), c=np.bool_(c))
    check("before", g=np.bool_(c), x=np.arange(4, dtype=np.float32))
for n in (0, 1, 3):
    check("wider", n=np.int64(n), x=random.standard_normal((n, 4)).astype(np.float32), j=np.array([-8, n], np.int8))
for n in (0, 1, 2, 3, 4000):
    np.savez(FOLDER / f"size{n}.npz", x=np.ones(n, np.float32), t=np.array([n]), c=np.ones(n, bool), n=np.full(n, 2))
