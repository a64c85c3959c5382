"""The models of quantizers.py: which file, which samples, and which of them calibrate.

Samples to calibrate on are spread over the whole set; all others are scored. Where a public set is too small for that,
there is more of its kind without labels: a wrong answer then is one that the float model does not give.
"""
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import packages  # noqa: E402
import prepare  # noqa: E402
import raw  # noqa: E402
import zoo  # noqa: E402


@dataclass
class Subject:
    """A model with its samples."""
    name: str
    file: Path
    calibrate: dict  # arrays by input, samples first
    test: dict  # likewise, and `labels` where they are known
    boxes: bool = False  # the answer is a set of boxes


# Reader of another set than the zoo's, and samples that stay together.
READERS = {"magika": (partial(raw.file_parts, names=packages.magika_names()), 3),
           "fastestdet": (raw.boxes_and_photos, 1)}
NAMES = ["squeezenet", "resnet20", "kws_float", "fastestdet", "magika"]


def split(arrays, calibrate, together, limit):
    """(arrays to calibrate on, arrays to score)."""
    count = len(next(iter(arrays.values())))
    blocks, wanted = count // together, -(-calibrate // together)
    if blocks < 2 * wanted:
        raise ValueError(f"{count} samples are too few to calibrate on {calibrate}")
    chosen = np.arange(blocks)[::blocks // wanted][:wanted]
    chosen = (chosen[:, None] * together + np.arange(together)).ravel()
    rest = np.setdiff1d(np.arange(count), chosen)
    if limit and limit < len(rest):
        rest = rest[np.linspace(0, len(rest) - 1, limit).astype(int)]
    pick = [{k: v[rows] for k, v in arrays.items()} for rows in (chosen[:calibrate], rest)]
    pick[0].pop("labels", None)
    return pick


def load(name, folder, calibrate, limit):
    model = next(row for row in zoo.table(folder) if row.name == name)
    read, together = READERS.get(name, (None, 1))
    if read:
        arrays = read(folder / "data", model.input, None)
    else:
        arrays, _ = prepare.prepare(model, folder, ROOT / "build/data", None, oracle=False)
    used, test = split(arrays, calibrate, together, limit)
    return Subject(name, folder / model.file, used, test, boxes=name == "fastestdet")
