"""Files of arrays against numpy: what it writes is read, what we write it reads."""
import io
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import tally
from tally import check

COPY = os.path.join(os.environ["ADZE_BUILD_DIR"], "test/unit/io_copy")


def run(*args):
    return subprocess.run([COPY, *args], capture_output=True, text=True)


def arrays():
    rng = np.random.default_rng(7)
    for dtype in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split():
        for shape in ((), (1,), (0, 3), (5,), (3, 4), (2, 1, 3, 5)):
            bits = rng.integers(0, 2 if dtype == "?" else 100, shape)
            a = bits.astype(dtype)
            yield f"{dtype}{shape}", a
            yield f"{dtype}{shape} fortran", np.asfortranarray(a)
    yield "floats", np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42], "f4")
    yield "strings", np.array([["a", "", "grün"], ["😀 x", "z" * 40, "\t"]])
    yield "bytes", np.array([b"ab", b"", b"\xc3\xa9"])
    yield "large", rng.standard_normal((300, 500)).astype("f4")
    yield "runs", np.zeros((100, 1000), "i4")
    yield "a/b:0 ü", np.arange(3)


def same(a, b):
    if a.dtype.kind == "S":  # comes back as text
        a = np.char.decode(a, "utf-8")
    if a.dtype.kind == "U":
        return a.shape == b.shape and (a == b).all()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_arrays(folder):
    source, copied = (os.path.join(folder, n) for n in ("a.npy", "b.npy"))
    everything = dict(arrays())
    for name, a in everything.items():
        np.save(source, a)
        r = run(source, copied)
        check(f"npy {name}", r.returncode == 0 and same(a, np.load(copied)), r.stderr)
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(source, "wb") as f:
            np.lib.format.write_array(f, everything["large"], version=version)
        r = run(source, copied)
        check(f"npy {version}", r.returncode == 0 and same(everything["large"], np.load(copied)), r.stderr)
    for save in (np.savez, np.savez_compressed):
        source, copied = (os.path.join(folder, n) for n in ("a.npz", "b.npz"))
        save(source, **everything)
        r = run(source, copied)
        check(f"{save.__name__}", r.returncode == 0, r.stderr)
        with np.load(copied) as got:
            check(f"{save.__name__} keys", list(got) == list(everything))
            for name, a in everything.items():
                check(f"{save.__name__} {name}", same(a, got[name]))
        again = os.path.join(folder, "c.npz")
        run(copied, again)
        with open(copied, "rb") as x, open(again, "rb") as y:
            check("the same arrays give the same bytes", x.read() == y.read())
        with zipfile.ZipFile(copied) as z:
            check("zipfile finds no fault", z.testzip() is None)


def test_levels(folder):
    """Deflate streams of each kind of block, and entries that are no arrays."""
    a = np.arange(20000, dtype="i4") % 777
    path, copied = (os.path.join(folder, n) for n in ("l.npz", "m.npz"))
    payload = io.BytesIO()
    np.save(payload, a)
    for level in range(10):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as z:
            z.writestr("a.npy", payload.getvalue())
            z.writestr("README", "not an array")
            z.comment = b"a comment PK\x05\x06"
        r = run(path, copied)
        check(f"level {level}", r.returncode == 0 and same(a, np.load(copied)["a"]), r.stderr)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as z:
            z.writestr("a.npy", payload.getvalue())
        r = run(path, copied)
        check("other methods", r.returncode == 1 and "compression method" in r.stderr, r.stderr)


def test_hostile(folder):
    path = os.path.join(folder, "h.npz")
    for save in (np.savez, np.savez_compressed):
        save(path, x=np.arange(150, dtype="i2") ** 2 % 311, y=np.zeros(9), s=np.array(["ab", "c"]))
        r = run("--cut", path)
        check(f"{save.__name__} cut", r.returncode == 0, r.stdout + r.stderr)
        r = run("--bend", path)
        check(f"{save.__name__} bent", r.returncode == 0, r.stdout + r.stderr)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:  # 64 MB of spaces as a header
        z.writestr("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x03" + b" " * (64 << 20))
    r = run(path, os.path.join(folder, "o.npz"))
    check("huge header", r.returncode == 1 and "too long" in r.stderr, r.stderr)
    check("nothing was written", not os.path.exists(os.path.join(folder, "o.npz")))
    np.save(os.path.join(folder, "o.npy"), np.array([None, 1], dtype=object), allow_pickle=True)
    r = run(os.path.join(folder, "o.npy"), os.path.join(folder, "p.npy"))
    check("objects", r.returncode == 1 and "not supported" in r.stderr, r.stderr)


with tempfile.TemporaryDirectory() as work:
    test_arrays(work)
    test_levels(work)
    test_hostile(work)
sys.exit(tally.end())
