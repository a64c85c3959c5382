"""stats_same.py A B TOLERANCE: two files of `adze calibrate` say the same, whatever data they say it of."""
import sys

import numpy as np
import stats_file

a, b, tolerance = stats_file.load(sys.argv[1]), stats_file.load(sys.argv[2]), float(sys.argv[3])
assert a.fingerprint == b.fingerprint and list(a.values) == list(b.values)
for name, x in a.values.items():
    y = b.values[name]
    scale = tolerance * max(abs(x.min), abs(x.max))
    assert (x.count, x.axis, x.first_bin, x.width) == (y.count, y.axis, y.first_bin, y.width), name
    assert np.abs(np.cumsum(x.bins.astype(np.int64) - y.bins.astype(np.int64))).max() <= tolerance * 1e3, name
    for field in ("min", "max", "mean", "abs_mean"):
        assert abs(getattr(x, field) - getattr(y, field)) <= scale, (name, field)
    for field in x.channels:
        slack = scale * max(scale, 1)
        assert np.allclose(x.channels[field], y.channels[field], rtol=tolerance, atol=slack), (name, field)
assert [(g.name, g.window) for g in a.grams] == [(g.name, g.window) for g in b.grams]
for g, h in zip(a.grams, b.grams):
    assert np.array_equal(g.rows, h.rows) and np.abs(g.h - h.h).max() <= tolerance * np.abs(g.h).max(), g.name
