"""windows.py ADZE FOLDER: attention with windows of all kinds and heads of all widths, compiled for each level, beside
its evaluation; masks that must not become windows."""
import itertools
import subprocess
import sys
from pathlib import Path

adze, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    if not ok:
        print("FAILED", what)


def run(*arguments):
    return subprocess.run([adze, *map(str, arguments)], capture_output=True, text=True)


for width, sides in itertools.product((8, 20, 40, 64), ("3, 0, 1000, 0", "0, 5, 2, 2", "100, 100, 7, 100")):
    path = folder / "m.adz"
    path.write_text(f"""const @w : i64[2,2] = dense[{sides}]
func @main(%q: f32[1,2,T,{width}], %k: f32[1,2,T,{width}], %v: f32[1,2,T,{width}]) -> (f32[1,2,T,{width}]) {{
  %y = attention(%q, %k, %v, _, @w) {{scale = 0.3}} : f32[1,2,T,{width}]
  return(%y)
}}
""")
    for level in ("x86-64-v3", "host"):
        for length in (1, 37, 70):
            done = run("check", path, f"--target=x86:{level}", f"--dim=T={length}")
            check(done.returncode == 0, f"{width} {sides} {level} {length}: {done.stdout}{done.stderr}")

PLACES = {  # what is no place of its own
    "wraps": ("%at = cast(%i) {to = i8}", "i8"), "rounds": ("%at = cast(%i) {to = f16}", "f16"),
    "unsigned": ("%at = cast(%i) {to = u8}", "u8")}
for name, (cast, dtype) in PLACES.items():
    path = folder / "p.adz"
    path.write_text(f"""const @hidden : f32[] = dense[-inf]
const @seen : f32[] = dense[0]
func @main(%q: f32[1,1,300,8]) -> (f32[1,1,300,8]) {{
  %i = iota() : i64[300]
  {cast} : {dtype}[300]
  %r = reshape(%at, _) : {dtype}[300,1]
  %c = reshape(%at, _) : {dtype}[1,300]
  %l = less(%r, %c) : bool[300,300]
  %m = where(%l, @hidden, @seen) : f32[300,300]
  %y = attention(%q, %q, %q, %m) : f32[1,1,300,8]
  return(%y)
}}
""")
    done = run("opt", path, "--passes=mask-window,dce")
    check(done.returncode == 0 and "window" not in done.stdout, f"{name}: {done.stdout}{done.stderr}")

# Another mask may hide what a query would see: only -infinity hides whatever else is hidden.
for hides, becomes in (("-1e9", False), ("-inf", True)):
    path = folder / "o.adz"
    path.write_text(f"""const @hidden : f32[] = dense[{hides}]
const @seen : f32[] = dense[0]
func @main(%q: f32[1,1,T,8], %pad: f32[1,1,1,T]) -> (f32[1,1,T,8]) {{
  %i = iota() : i64[T]
  %r = reshape(%i, _) : i64[T,1]
  %c = reshape(%i, _) : i64[1,T]
  %l = less(%r, %c) : bool[T,T]
  %m = where(%l, @hidden, @seen) : f32[T,T]
  %s = add(%m, %pad) : f32[1,1,T,T]
  %y = attention(%q, %q, %q, %s) : f32[1,1,T,8]
  return(%y)
}}
""")
    done = run("opt", path, "--passes=mask-window,dce")
    check(done.returncode == 0 and ("window" in done.stdout) == becomes, f"{hides}: {done.stdout}{done.stderr}")
print(f"{failed} failed")
sys.exit(failed > 0)
