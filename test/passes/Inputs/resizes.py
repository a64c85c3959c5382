"""resizes.py ADZE FOLDER: resizes of all kinds, in sums and compiled, beside their evaluation."""
import itertools
import subprocess
import sys
from pathlib import Path

adze, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
failed = 0
COORDINATES = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric")
# By scales, or by sizes; 13 x 9 becomes so much.
CASES = {"up": ("scales", (2, 3), (26, 27)), "down": ("scales", (0.5, 0.7), (6, 6)), "one": ("sizes", (1, 20), (1, 20)),
         "odd": ("sizes", (17, 5), (17, 5))}


def run(*arguments):
    return subprocess.run([adze, *map(str, arguments)], capture_output=True, text=True)


def module(case, mode, coordinates, flags, dtype="f32"):
    kind, numbers, (h, w) = CASES[case]
    sizes = kind == "sizes"
    constant = (f"const @n : {'i64' if sizes else 'f32'}[2] = dense[{numbers[0]}, {numbers[1]}]\n")
    attributes = [f"{key} = 1" for key in flags]
    attributes += ["axes = [2, 3]", f'coordinate_transformation_mode = "{coordinates}"', f'mode = "{mode}"']
    operands = "%x, _, _, @n" if sizes else "%x, _, @n"
    return (f"{constant}func @main(%x: {dtype}[2,3,13,9]) -> ({dtype}[2,3,{h},{w}]) {{\n  %y = resize({operands}) "
            f"{{{', '.join(sorted(attributes))}}} : {dtype}[2,3,{h},{w}]\n  return(%y)\n}}\n")


for case, mode, coordinates, flags in itertools.product(CASES, ("linear", "cubic"), COORDINATES,
                                                         ((), ("antialias",), ("exclude_outside",))):
    path = folder / "m.adz"
    path.write_text(module(case, mode, coordinates, flags))
    sums = run("opt", path, "--passes=interpolate,dce", "--check", "--certify")
    ok = sums.returncode == 0 and "resize(" not in sums.stdout and "gather(" in sums.stdout
    if ok and coordinates == COORDINATES[0]:  # code alike for all
        ok = run("check", path, "--target=x86:x86-64-v3", "--rtol=1e-6").returncode == 0
    failed += not ok
    if not ok:
        print("FAILED", case, mode, coordinates, flags, sums.stderr)
# Pixels: the same sums, so the same halves to round.
for case, mode, dtype in itertools.product(CASES, ("linear", "cubic"), ("u8", "i8")):
    path = folder / "m.adz"
    path.write_text(module(case, mode, COORDINATES[0], (), dtype))
    done = run("check", path, "--target=x86:host")
    failed += done.returncode != 0
    if done.returncode:
        print("FAILED", case, mode, dtype, done.stdout, done.stderr)
print(f"{failed} failed")
sys.exit(failed > 0)
