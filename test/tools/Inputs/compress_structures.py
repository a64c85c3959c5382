"""compress_structures.py ADZE FOLDER: plans that cut channels, leave out blocks and factor layers, and searches among
them, on a small model whose layers have no names but those of their constants.
"""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

adze, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(7)
failed = 0
WIDTH, HIDDEN, OUT = 32, 64, 8


def check(ok, what):
    global failed
    failed += not ok
    print("ok    " if ok else "FAILED", what)


def constant(name, array):
    values = ", ".join(f"{v:.5g}" for v in array.ravel())
    return f"const @{name} : f32[{','.join(map(str, array.shape))}] = dense[{values}]\n"


def weights(rows, columns, scale=1.0, rank=None):
    rank = rank or min(rows, columns)
    x = random.normal(size=(rows, rank)) @ random.normal(size=(rank, columns))
    return scale * x / np.sqrt(rank * rows)


def write_model(path, huge=False):
    """Two residual blocks, the second of which adds little, and a head. `huge`: a branch whose values overflow on the
    data, and are cut to what they may be behind that."""
    text = constant("a1", weights(WIDTH, HIDDEN)) + constant("b1", weights(HIDDEN, WIDTH, rank=8))
    text += constant("a2", weights(WIDTH, HIDDEN)) + constant("b2", weights(HIDDEN, WIDTH, 1e-3))
    text += constant("head", weights(WIDTH, OUT))
    if huge:
        text += constant("big", np.full((), 3e38)) + constant("wide", np.abs(weights(WIDTH, WIDTH)))
        text += constant("one", np.full((), 1.0))
    text += f"func @main(%x: f32[1,{WIDTH}]) -> (f32[1,{OUT}]) {{\n"
    value = "%x"
    for k in (1, 2):
        text += f"""  %h{k} = matmul({value}, @a{k}) : f32[1,{HIDDEN}]
  %r{k} = relu(%h{k}) : f32[1,{HIDDEN}]
  %m{k} = matmul(%r{k}, @b{k}) : f32[1,{WIDTH}]
  %s{k} = add({value}, %m{k}) : f32[1,{WIDTH}]
"""
        value = f"%s{k}"
    if huge:
        text += f"""  %e0 = relu({value}) : f32[1,{WIDTH}]
  %e1 = mul(%e0, @big) : f32[1,{WIDTH}]
  %e3 = matmul(%e1, @wide) : f32[1,{WIDTH}]
  %e4 = min(%e3, @one) : f32[1,{WIDTH}]
  %e5 = add({value}, %e4) : f32[1,{WIDTH}]
"""
        value = "%e5"
    path.write_text(text + f"  %y = matmul({value}, @head) : f32[1,{OUT}]\n  return(%y)\n}}\n")


def write_embeddings(path):
    """Rows of a table, and two layers: what becomes of the table is no layer's."""
    text = constant("table", random.normal(size=(1000, WIDTH))) + constant("a", weights(WIDTH, HIDDEN))
    text += constant("b", weights(HIDDEN, OUT)) + f"func @main(%ids: i64[1,4]) -> (f32[1,4,{OUT}]) {{\n"
    path.write_text(text + f"""  %rows = gather(@table, %ids) : f32[1,4,{WIDTH}]
  %h = matmul(%rows, @a) : f32[1,4,{HIDDEN}]
  %r = relu(%h) : f32[1,4,{HIDDEN}]
  %y = matmul(%r, @b) : f32[1,4,{OUT}]
  return(%y)
}}
""")


def compress(model, out, *more, data="data", metric="cosine", samples=48):
    return subprocess.run([adze, "compress", str(model), "-o", str(folder / out), f"--calib={folder}/{data}.npz",
                           f"--metric={metric}", "--cache=none", "--seconds=0.1", f"--samples={samples}", *more],
                          capture_output=True, text=True)


def report(out):
    return json.loads((folder / f"{out}.report.json").read_text())


model, huge = folder / "model.adz", folder / "huge.adz"
write_model(model)
write_model(huge, huge=True)
np.savez(folder / "data.npz", x=random.normal(size=(96, 1, WIDTH)).astype(np.float32))
plan = folder / "plan"
plan.write_text("adze-plan 1\nlayer a1 s50+w8a8\nlayer b1 r8\nlayer a2 w8a8\nlayer head w8a8\n"
                "channels a1 48\ndrop s2\n")
done = compress(model, "planned.so", f"--plan={plan}", "--goal=loss<=50%")
check(done.returncode == 0, f"a plan of all: {done.stderr.strip()}")
if done.returncode == 0:
    layers = {layer["name"]: layer for layer in report("planned.so")["layers"]}
    check(layers["a2"]["bytes_after"] == layers["b2"]["bytes_after"] == 0, "a block that is left out takes no bytes")
    check(layers["b1"]["bytes_after"] == 4 * 8 * (48 + WIDTH), f"of 48 channels: {layers['b1']['bytes_after']}")
    sizes = {part["part"]: part["after"] for part in report("planned.so")["size"]}
    check(sum(sizes.values()) == report("planned.so")["compressed"]["bytes"], f"parts of the whole: {sizes}")
    again = compress(model, "again.so", f"--replay={folder}/planned.so.plan")
    same = again.returncode == 0 and (folder / "planned.so").read_bytes() == (folder / "again.so").read_bytes()
    check(same, f"the same bytes once more: {again.stdout.strip()} {again.stderr.strip()}")
    for pass_name in ("drop-blocks", "prune-channels", "low-rank", "prune{", "quantize-static"):
        check(pass_name in report("planned.so")["pipeline"], f"its pipeline has {pass_name}")

tried = 0
for number, formats in enumerate(("w2a8", "w3a8", "s50+w4a8", "s80", "s90", "s70")):
    plan.write_text(f"adze-plan 1\nlayer a1 {formats}\nlayer a2 {formats}\nlayer head {formats}\n")
    one = {"metric": "agreement", "samples": 46}  # 50 are left to judge by, so that an answer is 2 %
    compress(model, "share.so", f"--plan={plan}", "--goal=loss<=100%", **one)
    lost = round(100 * report("share.so")["goal"][0]["reached"])
    done = compress(model, "share.so", f"--plan={plan}", f"--goal=loss<={lost}%", **one)
    check(done.returncode == 0, f"what a plan loses holds a goal that is as large: {lost} %: {done.stdout[-200:]}")
    tried += lost > 0
check(tried > 3, f"{tried} plans lose answers")

done = compress(model, "search.onnx", "--goal=weights<=0.8x", "--formats=f32", "--channels=25%,50%", "--swaps=1", "-v")
check(done.returncode == 0 and "goal weights<=0.8x: 0." in done.stdout, f"a search: {done.stdout[-300:]}{done.stderr}")
check("channels " in done.stdout, "took out channels")
done = compress(model, "bits.onnx", "--goal=weights<=0.5x", "--channels=none", "--formats=w8a8", "--swaps=0",
                "--allow-slower")
check(done.returncode == 0, f"bits alone: {done.stderr}")

for goal in ("loss<=5%", "weights<=0.5x"):
    done = compress(huge, "huge.onnx", f"--goal={goal}", "--formats=w8a8,s50", "--channels=25%",
                    "--swaps=1", "--allow-slower", "-v")
    check(done.returncode == 0, f"values that overflow, {goal}: {done.stderr} {done.stdout[-300:]}")
    floats = [layer["name"] for layer in report("huge.onnx")["layers"] if layer["format"] == "f32"]
    check("wide" in floats, f"the layer that reads them stays float: {floats}")

embeddings = folder / "embeddings.adz"
write_embeddings(embeddings)
np.savez(folder / "ids.npz", ids=random.integers(0, 1000, size=(96, 1, 4)))
for goal in ("size<=0.30x", "size<=0.5x,weights<=0.3x"):
    done = compress(embeddings, "embeddings.onnx", f"--goal={goal}", "--formats=f16,w8a8", "--channels=none",
                    "--swaps=0", "--allow-slower", data="ids")
    check(done.returncode == 0, f"a table beside layers, {goal}: {done.stderr} {done.stdout[-200:]}")
print(f"{failed} failed")
sys.exit(failed > 0)
