"""Says whether all .npz files hold the same floats as the first one, up to 1e-6 of the largest."""
import sys

import numpy as np

first, *others = [np.load(path) for path in sys.argv[1:]]
assert others and first.files
for other in others:
    assert sorted(other.files) == sorted(first.files), other.files
    for name in first.files:
        a, b = first[name], other[name]
        assert a.shape == b.shape and np.abs(a - b).max() <= 1e-6 * np.abs(a).max(), name
