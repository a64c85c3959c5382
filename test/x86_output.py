"""What the x86 backend writes: libraries, objects, executables; linkers, symbols, weights, errors."""
import os
import resource
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import tally
from tally import check, skip

BUILD, SOURCE = os.environ["ADZE_BUILD_DIR"], os.environ["ADZE_SOURCE_DIR"]
ADZE = os.path.join(BUILD, "bin/adze")
MODEL = os.path.join(SOURCE, "test/backends/x86/vector_add.adz")
# All that generated code may take from outside: copying of memory and what LLVM leaves to libm.
ALLOWED = {"memcpy", "memmove", "memset", "memcmp", "fmod", "fmodf", "fma", "fmaf"}


def run(*words, cwd=None, **env):
    r = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env={**os.environ, **env})
    return r.returncode, r.stdout, r.stderr


def compile_model(out, model=MODEL, cwd=None, target="x86:x86-64-v4,x86-64-v3", **env):
    return run(ADZE, "compile", model, "-o", out, f"--target={target}", cwd=cwd, **env)


def nm(path, *flags):
    out = run("nm", *flags, path)[1]
    return {line.split()[-1].split("@")[0]: line.split()[-2] for line in out.splitlines() if line.strip()}


def expected(x, y):
    return np.maximum(x * np.float32(-2) + y, 0)


def run_program(name, program, folder):
    """Runs an executable of vector_add and compares."""
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal(77).astype("f4") for _ in range(2))
    np.savez(f"{folder}/in.npz", x=x, y=y)
    code, out, err = run(program, f"--inputs={folder}/in.npz", f"--outputs={folder}/out.npz", "--threads=2")
    check(name, code == 0, err)
    if code == 0:
        with np.load(f"{folder}/out.npz") as got:
            check(f"{name}: values", np.allclose(got["z"], expected(x, y), atol=1e-6))


def test_library(folder):
    for linker in ["ld.lld-22", "ld.lld", "ld", "cc"]:
        if not shutil.which(linker):
            skip(linker, "not installed")
            continue
        so = f"{folder}/{linker}.so"
        code, _, err = compile_model(so, ADZE_LINKER=linker)
        check(f"{linker} links", code == 0, err)
        if code:
            continue
        check(f"{linker}: one exported symbol", list(nm(so, "-D", "--defined-only")) == ["adze_artifact"])
        check(f"{linker}: undefined symbols", set(nm(so, "-D", "-u")) <= ALLOWED, nm(so, "-D", "-u"))
        stripped = f"{folder}/stripped.so"
        run("strip", "-o", stripped, so)
        for path in so, stripped:
            headers = run("readelf", "-SW", path)[1]
            line = next((l for l in headers.splitlines() if ".adze.weights" in l), "")
            check(f"{path}: weights are content of the file", "PROGBITS" in line, headers)
            code, _, err = run(sys.executable, "-c", LOAD_WEIGHTS, path)
            check(f"{path}: weights as written", code == 0, err)


# Reads the descriptor's weights the way the loader maps them: fields 112 and 120 bytes in.
LOAD_WEIGHTS = """
import ctypes, sys
a = ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(sys.argv[1]), "adze_artifact"))
at, size = (ctypes.c_uint64.from_address(a + o).value for o in (112, 120))
got = list((ctypes.c_float * 3).from_address(at))
sys.exit(0 if size == 12 and at % 64 == 0 and got == [0.5, -2.0, 4.0] else f"{size} bytes at {at:#x}: {got}")
"""

TWO_MODELS = """
#include "first.h"
#include "second.h"
#include <adze_runtime.h>
#include <stdio.h>
static int one(const adze_artifact *artifact)
{
    adze_model *model;
    adze_session *session;
    float x[5] = {1, 2, 3, -4, -5}, y[5] = {9, 9, 9, 9, 9};
    int64_t dims[] = {5};
    adze_value a = adze_value_tensor(ADZE_DTYPE_f32, 1, dims, x), b = adze_value_tensor(ADZE_DTYPE_f32, 1, dims, y), z;
    if (adze_model_open_linked(artifact, NULL, &model) || adze_session_create(model, NULL, &session)) return 1;
    if (adze_session_set_input(session, 0, &a) || adze_session_set_input(session, 1, &b)) return 2;
    if (adze_session_run(session) || adze_session_output(session, 0, &z)) return 3;
    const float *got = z.data;
    int ok = got[0] == 7 && got[1] == 5 && got[2] == 3 && got[3] == 17 && got[4] == 19;
    adze_session_destroy(session);
    adze_model_close(model);
    return ok ? 0 : 4;
}
int main(void) { return one(&adze_compiled_first) + 10 * one(&adze_compiled_second); }
"""


def test_object(folder):
    for name in "first", "second":
        code, _, err = compile_model(f"{folder}/{name}.o", MODEL)  # one graph name, two symbols
        check(f"{name}.o", code == 0, err)
    symbols = nm(f"{folder}/first.o")
    visible = [s for s, kind in symbols.items() if kind.isupper() and kind != "U"]
    check("one global symbol", visible == ["adze_compiled_first"], visible)
    check("undefined symbols of the object", {s for s, kind in symbols.items() if kind == "U"} <= ALLOWED, symbols)
    with open(f"{folder}/two.c", "w") as f:
        f.write(TWO_MODELS)
    code, _, err = run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", f"{folder}/two.c", f"{folder}/first.o",
                       f"{folder}/second.o", f"-I{folder}", f"-I{SOURCE}/runtime/include",
                       f"-I{SOURCE}/runtime/abi/include", f"-I{BUILD}/include", f"{BUILD}/lib/libadze_runtime.a", "-lm",
                       "-lpthread", "-ldl", "-o", f"{folder}/two")
    check("two models in one program link", code == 0, err)
    if code == 0:
        check("two models in one program run", run(f"{folder}/two")[0] == 0, run(f"{folder}/two"))


def test_executable(folder):
    program = f"{folder}/program"
    code, _, err = compile_model(program)
    check("executable", code == 0, err)
    if code:
        return
    run_program("executable", program, folder)
    run("strip", program)
    run_program("stripped executable", program, folder)


def test_text(folder):
    for suffix, want in {".mlir": "scf.for", ".ll": "@adze_kernel_", ".s": "adze_step_0_0:"}.items():
        code, _, err = compile_model(f"{folder}/x{suffix}")
        check(suffix, code == 0, err)
        if code == 0:
            with open(f"{folder}/x{suffix}") as f:
                check(f"{suffix} has {want}", want in f.read())


def test_same_bytes(folder):
    for suffix in ".so", ".o", "":
        made = []
        for place in "a", "b/deeper":
            at = f"{folder}/{place}"
            os.makedirs(at, exist_ok=True)
            shutil.copy(MODEL, f"{at}/same.adz")
            code, _, err = compile_model(f"same{suffix}", "same.adz", cwd=at)
            check(f"same{suffix} in {place}", code == 0, err)
            if code == 0:
                with open(f"{at}/same{suffix}", "rb") as f:
                    made.append(f.read())
        check(f"same bytes from two folders: same{suffix}", len(made) == 2 and made[0] == made[1])


def test_errors(folder):
    so = f"{folder}/none.so"

    def refused(name, want, **env):
        code, out, err = compile_model(so, **env)
        check(f"{name}: status", code == 1, (code, err))
        check(f"{name}: message", want in err and not out, err)
        check(f"{name}: nothing is left", not [f for f in os.listdir(folder) if f.startswith("none")])

    refused("a linker that fails", "the linker", ADZE_LINKER="/bin/false")
    refused("a linker that is not there", "cannot run the linker", ADZE_LINKER="/no/such/ld")
    refused("no linker", "no linker found", PATH="/nonexistent")
    with open(so, "w") as f:
        f.write("old")
    code, _, _ = compile_model(so, ADZE_LINKER="/bin/false")
    with open(so) as f:
        check("a failure keeps the old file", code == 1 and f.read() == "old")


def test_memory(folder):
    """Weights go to the artifact without passing through LLVM or the linker, or staying in memory."""
    n = 64 << 20
    data = np.arange(n // 4, dtype="f4")
    data.tofile(f"{folder}/big.bin")
    with open(f"{folder}/big.adz", "w") as f:
        f.write(f"""module @big {{
  const @w: f32[{n // 4}] = blob("big.bin", 0, {n})
  func @main(%i: i64[N]) -> (%y: f32[N]) {{
    %y = gather(@w, %i) : f32[N]
    return(%y)
  }}
}}
""")
    code, _, err = compile_model(f"{folder}/big", f"{folder}/big.adz", target="x86:x86-64-v3")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    check("big weights", code == 0, err)
    check("peak memory", peak <= 1.5 * n + (300 << 20), f"{peak >> 20} MB")
    index = np.array([0, 5, n // 4 - 1])
    np.savez(f"{folder}/i.npz", i=index)
    code, _, err = run(f"{folder}/big", f"--inputs={folder}/i.npz", f"--outputs={folder}/o.npz")
    check("big weights: run", code == 0, err)
    if code == 0:
        with np.load(f"{folder}/o.npz") as got:
            check("big weights: values", (got["y"] == data[index]).all(), got["y"])


for test in (test_library, test_object, test_executable, test_text, test_same_bytes, test_errors, test_memory):
    with tempfile.TemporaryDirectory() as folder:
        test(folder)
sys.exit(tally.end())
