"""What statistics should be, by numpy, and comparing a file of `adze calibrate` with it."""
import warnings

import numpy as np
import stats_file


def near(got, want, tolerance, scale=None):
    scale = np.max(np.abs(want), initial=0) if scale is None else scale
    return np.all(np.abs(np.asarray(got) - want) <= tolerance * scale + 1e-30)


def check_value(name, v, x, tolerance):
    """`x` holds all samples, first axis = samples, in the order in which the value's axes stand."""
    x = np.asarray(x, np.float64)
    finite = np.isfinite(x)
    y = x[finite]
    scale = np.max(np.abs(y), initial=0)
    assert v.count == y.size and v.n_nan == np.isnan(x).sum() and v.n_infinite == np.isinf(x).sum(), name
    assert near([v.min, v.max], [y.min(), y.max()], tolerance, scale), (name, v.min, v.max, y.min(), y.max())
    assert near([v.mean, v.abs_mean], [y.mean(), np.abs(y).mean()], tolerance, scale), name
    assert near(v.variance, y.var(), tolerance, scale * scale), (name, v.variance, y.var())
    # Elements near a border may be in the next bin.
    borders = (v.first_bin + np.arange(stats_file.BINS + 1)) * v.width
    slack = tolerance * scale
    below = np.cumsum(v.bins)
    y = np.sort(y)
    low, high = np.searchsorted(y, borders[1:] - slack), np.searchsorted(y, borders[1:] + slack)
    assert np.all(low <= below) and np.all(below <= high), name
    assert below[-1] == v.count and v.max - v.min >= 1022 * v.width or v.min == v.max, name
    if v.axis == stats_file.NO_AXIS:
        assert v.channels["count"].size == 0, name
        return
    x = np.moveaxis(x, v.axis, 0)
    x = x.reshape(x.shape[0], -1)
    c = v.channels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # channels without finite elements
        masked = np.where(np.isfinite(x), x, np.nan)
        wanted = {"min": np.nanmin(masked, 1), "max": np.nanmax(masked, 1), "mean": np.nanmean(masked, 1),
                  "abs_max": np.nanmax(np.abs(masked), 1), "abs_mean": np.nanmean(np.abs(masked), 1)}
        variance = np.nanvar(masked, 1)
    assert np.array_equal(c["count"], np.isfinite(x).sum(1)), name
    for key, want in wanted.items():
        assert near(c[key], np.nan_to_num(want), tolerance, scale), (name, key)
    assert near(c["variance"], np.nan_to_num(variance), tolerance, scale * scale), name


def patches(x, kernel, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1):
    """Rows of a convolution's matrix: [groups, rows, channels * window]."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    n, c, h, w = x.shape
    out = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip((h, w), kernel, strides, dilations)]
    columns = np.empty((n, c, *kernel, *out), x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            a, b = i * dilations[0], j * dilations[1]
            columns[:, :, i, j] = x[:, :, a:a + strides[0] * (out[0] - 1) + 1:strides[0],
                                    b:b + strides[1] * (out[1] - 1) + 1:strides[1]]
    columns = columns.reshape(n, groups, c // groups * kernel[0] * kernel[1], -1)
    return columns.transpose(1, 0, 3, 2).reshape(groups, -1, columns.shape[2])


def check_gram(gram, rows, tolerance):
    """`rows` is [groups, rows, size]."""
    rows = np.asarray(rows, np.float64)
    assert gram.h.shape == (rows.shape[0], rows.shape[2], rows.shape[2]), gram.name
    for g, x in enumerate(rows):
        x = x[np.all(np.isfinite(x), 1)]
        assert gram.rows[g] == len(x), gram.name
        h = 2 * x.T @ x / max(len(x), 1)
        assert near(gram.h[g], h, tolerance), (gram.name, np.abs(gram.h[g] - h).max(), np.abs(h).max())
        assert near(gram.mean[g], x.mean(0) if len(x) else 0 * gram.mean[g], tolerance), gram.name
