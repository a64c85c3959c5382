"""Reads files of `adze calibrate` (version 1), independently of the C code: load(path) gives Stats."""
import struct
from dataclasses import dataclass, field

import numpy as np

BINS = 2048
NO_AXIS = 255


@dataclass
class Value:
    axis: int = 0
    samples: int = 0
    count: int = 0
    n_nan: int = 0
    n_infinite: int = 0
    min: float = 0
    max: float = 0
    mean: float = 0
    abs_mean: float = 0
    variance: float = 0
    width: float = 0
    first_bin: int = 0
    bins: np.ndarray = None
    channels: dict = field(default_factory=dict)  # arrays by name


@dataclass
class Gram:
    name: str
    window: str
    rows: np.ndarray
    h: np.ndarray  # [groups, size, size]
    mean: np.ndarray  # [groups, size]


class Stats:
    def __init__(self, data):
        assert data[:8] == b"ADZSTATS"
        self.version, self.flags, size, self.table_size, _ = struct.unpack_from("<IIQQQ", data, 8)
        assert self.version == 1 and size == len(data)
        self.data, self.at = data, 40
        words = [self.u64() for _ in range(6)]
        self.fingerprint, self.samples, self.turn, self.next = words[0], words[2], words[4], words[5]
        n_values, n_grams = self.u32(), self.u32()
        self.values = dict(self.value() for _ in range(n_values))
        self.grams = [self.gram() for _ in range(n_grams)]
        assert self.at == 40 + self.table_size

    def get(self, form, n=1):
        values = np.frombuffer(self.data, dtype=form, count=n, offset=self.at)
        self.at += values.nbytes
        return values

    def u32(self):
        return int(self.get("<u4")[0])

    def u64(self):
        return int(self.get("<u8")[0])

    def name(self):
        n = self.u32()
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self):
        name, v = self.name(), Value(axis=self.u32())
        v.samples, v.count, v.n_nan, v.n_infinite = (int(x) for x in self.get("<u8", 4))
        v.min, v.max, v.mean, v.abs_mean, v.variance = (float(x) for x in self.get("<f8", 5))
        exponent, v.first_bin = (int(x) for x in self.get("<i8", 2))
        v.width = 2.0**exponent
        first, n = self.u32(), self.u32()
        v.bins = np.zeros(BINS, np.uint64)
        v.bins[first:first + n] = self.get("<u8", n)
        n = self.u64()
        v.channels["count"] = self.get("<u8", n)
        for key in ("min", "max", "abs_max", "mean", "abs_mean", "variance"):
            v.channels[key] = self.get("<f8", n)
        return name, v

    def gram(self):
        name, window, groups, pending = self.name(), self.name(), self.u32(), self.u32()
        assert pending == 0
        size, _, offset, _ = (int(x) for x in self.get("<u8", 4))
        rows = self.get("<u8", groups)
        each = size + size * (size + 1) // 2
        sums = np.frombuffer(self.data, "<f8", groups * each, offset).reshape(groups, each)
        h = np.zeros((groups, size, size))
        lower = np.tril_indices(size)
        scale = np.maximum(rows, 1).astype(float)[:, None]
        h[:, lower[0], lower[1]] = 2 * sums[:, size:] / scale
        h[:, lower[1], lower[0]] = h[:, lower[0], lower[1]]
        return Gram(name, window, rows, h, sums[:, :size] / scale)


def load(path):
    with open(path, "rb") as file:
        return Stats(file.read())
