"""Standalone executables and the example of the runtime's API, on a model written by hand."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import tally
from tally import check

UNIT = os.path.join(os.environ["ADZE_BUILD_DIR"], "test/unit")


def run(program, *args, cwd=None):
    r = subprocess.run([os.path.join(UNIT, program), *args], capture_output=True, text=True, cwd=cwd)
    return r.returncode, r.stdout, r.stderr


def expect(name, args, code, text, cwd):
    """Exit status and a piece of stderr; a failure writes nothing to stdout."""
    got = run("fake_executable", *args, cwd=cwd)
    check(name, got[0] == code and text in got[2] and (code == 0 or not got[1]), got)


def test_executable(folder):
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal((9, 4)).astype("f4") for _ in range(2))
    flags = np.zeros(2, "i4")
    np.savez(f"{folder}/x.npz", x=x, y=y, flags=flags, labels=np.arange(9))
    np.savez_compressed(f"{folder}/part.npz", x=x, flags=flags)
    np.save(f"{folder}/y.npy", np.asfortranarray(y))
    want = (x + y) * np.array([1, 2, 3, 4], "f4")
    for name, args in {
        "all in one": ["--inputs=x.npz"],
        "some apart": ["--inputs=part.npz", "--input", "y=y.npy"],
        "threads": ["--inputs=x.npz", "--threads=3", "--input=y=y.npy"],
        "all CPUs": ["--inputs=x.npz", "--threads=0"],
    }.items():
        code, out, err = run("fake_executable", *args, "--outputs=o.npz", cwd=folder)
        check(name, code == 0 and not out and not err, (code, out, err))
        with np.load(f"{folder}/o.npz") as got:
            check(f"{name}: keys", list(got) == ["sum", "tiny", "where"])
            check(f"{name}: sum", (got["sum"] == want).all())
            check(f"{name}: tiny", got["tiny"].shape == (19,) and (got["tiny"] == 0).all())
            check(f"{name}: where", (got["where"] == np.nonzero(x[:, 0] < 0)[0]).all())
        os.remove(f"{folder}/o.npz")

    code, out, err = run("fake_executable", "--inputs=x.npz", cwd=folder)
    check("types", code == 0 and out.startswith("sum: f32[9,4]\ntiny: f32[19]\nwhere: i64["), out + err)
    code, out, err = run("fake_executable", "--help")
    check("help", code == 0 and "input  x: f32[N,4]" in out and "output tiny: f32[2*N+1]" in out, out)

    expect("nothing", [], 1, "no value for input 'x'", folder)
    expect("missing", ["--inputs=part.npz"], 1, "no value for input 'y'\nthe model has\n  input  x: f32[N,4]", folder)
    expect("no file", ["--inputs=none.npz"], 1, "none.npz: No such file", folder)
    expect("no archive", ["--inputs=y.npy"], 1, "not a readable .npz", folder)
    expect("no such input", ["--input", "z=y.npy"], 1, "names no input", folder)
    expect("unknown", ["--nonsense"], 2, "unknown argument '--nonsense'", folder)
    expect("no name", ["--input", "y.npy"], 2, "NAME=FILE.npy", folder)
    expect("no value", ["--input"], 2, "NAME=FILE.npy", folder)
    for bad in ("", "-1", "x", "3x", "9999"):
        expect(f"threads {bad}", [f"--threads={bad}"], 2, "--threads takes", folder)
    np.savez(f"{folder}/bad.npz", x=x, y=y[:5], flags=flags)
    expect("symbol", ["--inputs=bad.npz"], 1, "dim 0 says N = 5 but input 'x' says 9", folder)
    np.savez(f"{folder}/bad.npz", x=x.astype("f8"), y=y, flags=flags)
    expect("dtype", ["--inputs=bad.npz"], 1, "input 'x' is f64 but the model has f32", folder)
    np.savez(f"{folder}/bad.npz", x=x, y=y, flags=np.array([1, 0], "i4"))
    expect("step", ["--inputs=bad.npz", "--outputs=o.npz"], 1, "step 'where' (node 'NonZero_4')", folder)
    check("no output of a failed run", not os.path.exists(f"{folder}/o.npz"))
    expect("no folder", ["--inputs=x.npz", "--outputs=none/o.npz"], 1, "cannot be written", folder)


def test_size():
    """What a model brings along besides its own code: all loaded bytes, the fake model's few included."""
    program = os.path.join(UNIT, "fake_executable")
    if b"__asan_init" in open(program, "rb").read():
        return
    sizes = subprocess.run(["size", program], check=True, capture_output=True, text=True).stdout
    total = int(sizes.splitlines()[1].split()[3])
    check("an executable brings less than 64 KB", total < 65536, total)


def test_example():
    code, out, err = run("example_runtime", os.path.join(UNIT, "fake_model.so"), "3", "2")
    check("example", code == 0 and "sum: f32[3,4]" in out and "scale" in out, (code, out, err))
    code, out, err = run("example_runtime", "/nonexistent.so", "3", "2")
    check("example without a model", code == 1 and "No such file" in err, (code, out, err))


with tempfile.TemporaryDirectory() as work:
    test_executable(work)
test_size()
test_example()
sys.exit(tally.end())
