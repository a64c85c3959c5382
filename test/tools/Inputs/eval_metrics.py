"""Every metric of `adze eval` against numpy. Arguments: adze, folder for files, the folder tools/models.

The model is the identity, so the data set's inputs are the outputs to judge.
"""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

adze, folder = sys.argv[1], Path(sys.argv[2])
sys.path.insert(0, sys.argv[3])
import scores  # noqa: E402

folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(7)


def evaluate(x, *flags, **arrays):
    """Runs the identity on x; the metrics by name."""
    dims = ",".join(["N", *map(str, x.shape[1:])])
    model, data = folder / "identity.adz", folder / "data.npz"
    model.write_text(f"func @main(%x: f32[{dims}]) -> (%y: f32[{dims}]) {{\n"
                     f"  %y = identity(%x) : f32[{dims}]\n  return(%y)\n}}\n")
    np.savez(data, x=x, **arrays)
    out = subprocess.run([adze, "eval", model, f"--data={data}", *flags], check=True, text=True,
                         capture_output=True).stdout
    return {name: float(value) for name, value in re.findall(r"^(\w+) +(\S+)", out, re.M)}


def near(got, want, digits):
    assert abs(got - want) <= 0.51 * 10.0**-digits, (got, want)


# Classes, among them ties and NaN.
x = random.integers(0, 6, (50, 12)).astype(np.float32)
x[3, 2] = np.inf
labels = random.integers(0, 12, 50)
got = evaluate(x, labels=labels)
near(got["top1"], scores.topk(1)([x], labels), 2)
near(got["top5"], scores.topk(5)([x], labels), 2)
assert got["samples"] == 50
assert evaluate(x, "--limit=20", labels=labels)["samples"] == 20
near(evaluate(x, "--limit=20", labels=labels)["top1"], scores.topk(1)([x[:20]], labels[:20]), 2)
near(evaluate(x, "--batch=7", labels=labels)["top1"], got["top1"], 2)

# Tokens: labels below 0 do not count.
x = random.normal(0, 3, (4, 9, 11)).astype(np.float32)
labels = random.integers(-3, 11, (4, 9))
got = evaluate(x, labels=labels)
near(got["entropy"], scores.token_loss([x], labels), 4)
near(got["perplexity"], np.exp(scores.token_loss([x], labels)), 4)
near(got["top1"], scores.token_top1([x], labels), 2)

# Images: NaN does not count.
x = random.normal(0.5, 0.5, (3, 1, 8, 8)).astype(np.float32)
labels = random.random((3, 1, 8, 8)).astype(np.float32)
labels[:, :, 0] = np.nan
near(evaluate(x, labels=labels)["psnr"], scores.psnr([x], labels), 2)

# Boxes.
x = random.random((3, 8, 5, 6)).astype(np.float32)
x[:, 3:5] = random.normal(-1, 1, (3, 2, 5, 6))
labels = np.full((3, 4, 5), -1, np.float32)
for image in range(3):
    for row, (h, w) in enumerate(random.integers(0, 5, (image + 1, 2))):
        best = x[image, 5:, h, w].argmax()
        centre = np.array([(w + np.tanh(x[image, 1, h, w])) / 6, (h + np.tanh(x[image, 2, h, w])) / 5])
        half = 0.5 / (1 + np.exp(-x[image, 3:5, h, w]))
        labels[image, row] = [best, *(centre - half), *(centre + half)]
want = scores.ap50([x], labels)
assert want > 1, want
near(evaluate(x, labels=labels)["ap50"], want, 2)

# Against stored outputs.
x = random.normal(0, 1, (20, 6)).astype(np.float32)
y = (x + random.normal(0, 0.3, x.shape)).astype(np.float32)
np.savez(folder / "other.npz", y=y)
got = evaluate(x, f"--against={folder / 'other.npz'}")
near(got["agreement"], 100 * np.mean(x.argmax(1) == y.argmax(1)), 2)
a, b = x.astype(np.float64), y.astype(np.float64)
near(got["snr"], 10 * np.log10((b**2).sum() / ((a - b)**2).sum()), 2)
near(got["cosine"], np.mean((a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))), 6)
near(got["difference"], max(np.abs(a - b).max(1) / np.abs(b).max(1)), 9)
print("metrics are numpy's")
