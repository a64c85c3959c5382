"""stats_data.py FOLDER: calibration data for the model of digits, with everything that can be wrong about it."""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
x = np.random.default_rng(2).uniform(0, 16, (6, 1, 8, 8)).astype(np.float32)


def save(name, **arrays):
    np.savez(folder / f"{name}.npz", **arrays)


save("good", image=x)
save("name", picture=x)
save("wide", image=np.zeros((6, 1, 8, 9), np.float32))
save("double", image=x.astype(np.float64))
save("none", image=x[:0])
save("scalar", image=np.float32(1))
save("one", image=x[:1])
save("zero", image=0 * x)
save("labels", image=x, labels=np.zeros(4, np.int64))  # not even as many as samples
for name, number in (("nan", np.nan), ("infinite", -np.inf)):
    bad = x.copy()
    bad[3, 0, 2, 5] = number
    save(name, image=bad)

# Folders: an array for the input, a file for each sample with and without its leading axis, none, one that is wrong.
for name in ("array", "files", "flat", "empty", "late"):
    (folder / name).mkdir(exist_ok=True)
np.save(folder / "array/image.npy", x)
for i, sample in enumerate(x):
    np.save(folder / f"files/{i:03}.npy", sample[None])
    np.save(folder / f"flat/{i:03}.npy", sample)
    np.save(folder / f"late/{i:03}.npy", sample if i < 4 else sample[:, :7])
