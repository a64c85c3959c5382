#!/usr/bin/env python3
"""Minimax fits behind the coefficients of ir/eval/math_f32.inc and math_f64.inc.

    pip install mpmath && tools/math/minimax.py [NAME...]

Each fit is a rational function P(t)/Q(t) (Q = 1 for a polynomial) found by the Remez exchange with
weight 1/w(t), so that max |(P/Q - f)/w| is smallest. Coefficients print as hexadecimal floats after
rounding to the working precision, lowest power first, with the error in units of w.
"""
import struct
import sys

import mpmath as mp

mp.mp.dps = 60


def cheb_nodes(a, b, n):
    """Chebyshev extrema, nudged off 0 because callers divide by powers of t."""
    nodes = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * i / (n - 1)) for i in range(n)]
    return [t if abs(t) > (b - a) * mp.mpf("1e-20") else (b - a) * mp.mpf("1e-6") for t in nodes]


def solve(f, w, nodes, m, n, err):
    """Coefficients of P (degree m) and Q (degree n, Q0 = 1) that level the error on the nodes."""
    size = m + n + 2
    for _ in range(60):
        rows, rhs = mp.matrix(size, size), mp.matrix(size, 1)
        for i, t in enumerate(nodes):
            ft, wt, sign = f(t), w(t), (-1) ** i
            for j in range(m + 1):
                rows[i, j] = t**j
            for j in range(1, n + 1):
                rows[i, m + j] = -(ft + sign * err * wt) * t**j
            rows[i, size - 1] = -sign * wt
            rhs[i] = ft
        x = mp.lu_solve(rows, rhs)
        new = x[size - 1]
        done = n == 0 or abs(new - err) <= abs(new) * mp.mpf(10) ** -12
        err = new
        if done:
            break
    return [x[i] for i in range(m + 1)], [mp.mpf(1)] + [x[m + 1 + i] for i in range(n)], err


def evaluate(p, q, t):
    return mp.polyval(p[::-1], t) / mp.polyval(q[::-1], t)


def extrema(f, w, p, q, a, b, count):
    """Alternating extrema of the weighted error: one per sign run on a fine grid."""
    grid = [a + (b - a) * ((1 - mp.cos(mp.pi * i / (60 * count))) / 2) ** 2 for i in range(60 * count + 1)]
    grid = [t if t else (b - a) * mp.mpf("1e-20") for t in grid]
    runs = []
    for t in grid:
        e = (evaluate(p, q, t) - f(t)) / w(t)
        if runs and (runs[-1][1] > 0) == (e > 0):
            if abs(e) > abs(runs[-1][1]):
                runs[-1] = (t, e)
        else:
            runs.append((t, e))
    while len(runs) > count:
        runs.pop(0 if abs(runs[0][1]) < abs(runs[-1][1]) else -1)
    return runs


def start(f, w, a, b, m, n):
    """A good first P/Q: least squares, reweighted by 1/Q (Sanathanan-Koerner) and by the error (Lawson)."""
    grid = [a + (b - a) * ((1 - mp.cos(mp.pi * i / 199)) / 2) ** 2 for i in range(200)]
    grid = [t + (b - a) * mp.mpf("1e-12") for t in grid]
    fs, ws = [f(t) for t in grid], [w(t) for t in grid]
    lawson, q = [mp.mpf(1)] * len(grid), [mp.mpf(1)]
    for _ in range(12):
        rows, rhs = mp.matrix(len(grid), m + n + 1), mp.matrix(len(grid), 1)
        for i, t in enumerate(grid):
            s = mp.sqrt(lawson[i]) / (ws[i] * abs(mp.polyval(q[::-1], t)))
            for j in range(m + 1):
                rows[i, j] = s * t**j
            for j in range(1, n + 1):
                rows[i, m + j] = -s * fs[i] * t**j
            rhs[i] = s * fs[i]
        x = mp.lu_solve(rows.T * rows, rows.T * rhs)
        p, q = [x[i] for i in range(m + 1)], [mp.mpf(1)] + [x[m + 1 + i] for i in range(n)]
        errors = [abs((evaluate(p, q, t) - ft) / wt) for t, ft, wt in zip(grid, fs, ws)]
        lawson = [u * (e + max(errors) / 100) for u, e in zip(lawson, errors)]
        total = sum(lawson)
        lawson = [u / total for u in lawson]
    return p, q


def remez(f, w, a, b, m, n):
    a, b = mp.mpf(a), mp.mpf(b)
    nodes, err = cheb_nodes(a, b, m + n + 2), mp.mpf(0)
    best = None
    if n > 0:
        p, q = start(f, w, a, b, m, n)
        runs = extrema(f, w, p, q, a, b, m + n + 2)
        best = (p, q, max(abs(e) for _, e in runs))
        if len(runs) < m + n + 2:
            return best
        nodes, err = [t for t, _ in runs], sum(abs(e) for _, e in runs) / len(runs) * mp.sign(-runs[0][1])
    for _ in range(25):
        p, q, err = solve(f, w, nodes, m, n, err)
        runs = extrema(f, w, p, q, a, b, m + n + 2)
        worst = max(abs(e) for _, e in runs)
        if best is None or worst < best[2]:
            best = (p, q, worst)
        if len(runs) < m + n + 2:
            break
        nodes = [t for t, _ in runs]
        if worst < abs(err) * mp.mpf("1.001"):
            break
    return best


def to_float(x, bits):
    if bits == 24:
        return mp.mpf(struct.unpack("f", struct.pack("f", float(x)))[0])
    return mp.mpf(float(x))


def rounded_poly(f, w, a, b, m, bits, fixed=()):
    """Rounds coefficients one by one from the lowest power and refits the rest each time."""
    done = [mp.mpf(c) for c in fixed]
    while len(done) <= m:
        k = len(done)
        rest = lambda t: (f(t) - mp.polyval(done[::-1], t) if done else f(t)) / t**k
        p, _, _ = remez(rest, lambda t: w(t) / t**k, a, b, m - k, 0)
        done.append(to_float(p[0], bits))
    worst = max(abs((mp.polyval(done[::-1], t) - f(t)) / w(t)) for t in cheb_nodes(mp.mpf(a), mp.mpf(b), 2000))
    return done, [mp.mpf(1)], worst


def series(f, t, small, terms):
    """f(t), by `terms` (lowest power first) where the closed form cancels."""
    return f(t) if abs(t) > small else mp.polyval(terms[::-1], t)


def show(name, p, q, err, bits):
    print(f"/* {name}: error {mp.nstr(err, 3)} = 2^{mp.nstr(mp.log(err, 2), 4)} */")
    for label, c in (("p", p), ("q", q)):
        if len(c) > 1:
            suffix = "f" if bits == 24 else ""
            print(f"  {label}: " + ", ".join(float(to_float(x, bits)).hex() + suffix for x in c))
            print(f"     " + ", ".join(mp.nstr(x, 9 if bits == 24 else 18) + suffix for x in c))


ln2 = mp.log(2)
erf_t = lambda t: mp.erf(mp.sqrt(t)) / mp.sqrt(t) if t > 0 else 2 / mp.sqrt(mp.pi)
tanh_t = lambda t: mp.tanh(mp.sqrt(t)) / mp.sqrt(t) if t > 0 else mp.mpf(1)
fact = mp.factorial
# (e^r - 1 - r) / r^2
exp_tail = lambda r: series(lambda x: (mp.expm1(x) - x) / x**2, r, 1e-3, [1 / fact(i + 2) for i in range(12)])
# (log(1+f) - f + f^2/2) / f^3
log_tail = lambda f: series(lambda x: (mp.log1p(x) - x + x * x / 2) / x**3, f, 1e-3,
                            [(-1) ** i / mp.mpf(i + 3) for i in range(16)])

FITS = {}


def fit(name):
    def add(fn):
        FITS[name] = fn
        return fn
    return add


@fit("exp_f32")
def _():
    a = ln2 / 2 * mp.mpf("1.01")
    return (*rounded_poly(exp_tail, lambda r: mp.exp(r) / (r * r + mp.mpf("1e-3")), -a, a, 4, 24), 24)


@fit("log_f32")
def _():
    lo, hi = mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1
    w = lambda f: abs(series(lambda x: mp.log1p(x) / x**3, f, 1e-2, [mp.mpf(10) ** 4]))
    return (*rounded_poly(log_tail, w, lo, hi, 8, 24), 24)


@fit("erf_f32")
def _():
    return (*remez(erf_t, erf_t, 0, mp.mpf("3.93") ** 2, 6, 5), 24)


@fit("tanh_f32")
def _():
    return (*remez(tanh_t, tanh_t, 0, mp.mpf("9.02") ** 2, 6, 4), 24)


@fit("tanh2_f32")
def _():
    return (*remez(tanh_t, tanh_t, 0, mp.mpf("9.02") ** 2, 5, 4), 24)


@fit("exp_f64")
def _():
    a = ln2 / 2 * mp.mpf("1.001")
    return (*rounded_poly(exp_tail, lambda r: mp.exp(r) / (r * r + mp.mpf("1e-3")), -a, a, 9, 53), 53)


@fit("log_f64")
def _():
    # 2 atanh(s) = 2 s + s z P(z), z = s^2
    tail = lambda z: series(lambda y: (2 * mp.atanh(mp.sqrt(y)) / mp.sqrt(y) - 2) / y, z, 1e-6,
                            [mp.mpf(2) / (2 * i + 3) for i in range(10)])
    s = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    return (*rounded_poly(tail, lambda z: 2 / z, 0, s * s, 7, 53), 53)


@fit("erf_small_f64")
def _():
    return (*remez(erf_t, erf_t, 0, mp.mpf(1), 6, 5), 53)


@fit("erf_large_f64")
def _():
    # erfc(x) e^(x^2) for 1 <= x <= 6, to an absolute error of erfc
    g = lambda x: mp.erfc(x) * mp.exp(x * x)
    return (*remez(g, lambda x: mp.exp(x * x), 1, 6, 6, 7), 53)


sin_t = lambda z: series(lambda y: (mp.sin(mp.sqrt(y)) / mp.sqrt(y) - 1) / y, z, 1e-6,
                         [(-1) ** (i + 1) / fact(2 * i + 3) for i in range(8)])
cos_t = lambda z: series(lambda y: (mp.cos(mp.sqrt(y)) - 1 + y / 2) / y**2, z, 1e-6,
                         [(-1) ** i / fact(2 * i + 4) for i in range(8)])
asin_t = lambda z: series(lambda y: (mp.asin(mp.sqrt(y)) / mp.sqrt(y) - 1) / y, z, 1e-6,
                          [mp.mpf(1) / 6, mp.mpf(3) / 40, mp.mpf(15) / 336, mp.mpf(105) / 3456, mp.mpf(945) / 42240])
atan_t = lambda z: series(lambda y: (mp.atan(mp.sqrt(y)) / mp.sqrt(y) - 1) / y, z, 1e-6,
                          [(-1) ** (i + 1) / mp.mpf(2 * i + 3) for i in range(10)])


@fit("sin_f64")
def _():
    return (*rounded_poly(sin_t, lambda z: (sin_t(z) * z + 1) / z, 0, (mp.pi / 4) ** 2 * mp.mpf("1.001"), 5, 53), 53)


@fit("cos_f64")
def _():
    return (*rounded_poly(cos_t, lambda z: 1 / z**2, 0, (mp.pi / 4) ** 2 * mp.mpf("1.001"), 5, 53), 53)


@fit("asin_f64")
def _():
    return (*remez(asin_t, lambda z: (asin_t(z) * z + 1) / z, 0, mp.mpf("0.25"), 5, 4), 53)


@fit("acos_f32")
def _():
    return (*remez(asin_t, lambda z: (asin_t(z) * z + 1) / z, 0, mp.mpf("0.25"), 7, 0), 53)


@fit("atan_f64")
def _():
    return (*remez(atan_t, lambda z: (atan_t(z) * z + 1) / z, 0, (mp.sqrt(2) - 1) ** 2 * mp.mpf("1.001"), 4, 4), 53)


if __name__ == "__main__":
    for key in sys.argv[1:] or FITS:
        p, q, err, bits = FITS[key]()
        show(key, p, q, err, bits)
