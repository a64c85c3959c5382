"""Two compiled models at once in one process, several threads: with the runtime as it is installed, and with one that
ThreadSanitizer watches. Two compilations at once in one process are unit.x86's."""
import glob
import os
import subprocess
import sys
import tempfile

import tally
from tally import check, skip

BUILD, SOURCE = os.environ["ADZE_BUILD_DIR"], os.environ["ADZE_SOURCE_DIR"]
MODELS = os.environ.get("ADZE_MODELS") or os.path.join(SOURCE, "../shared/models")
PUBLIC = os.path.join(MODELS, "resnet8_mlperf/resnet8_float_float.onnx")


def succeeds(name, done):
    """A run that ended well, and of which ThreadSanitizer found nothing to say."""
    ok = done.returncode == 0 and "WARNING: ThreadSanitizer" not in done.stderr
    return check(name, ok, f"status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-6000:]}")


def run(*words, **env):
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, **env})


def build(program, *more):
    return run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", f"{SOURCE}/test/two_models.c",
               f"-I{SOURCE}/runtime/include", f"-I{SOURCE}/runtime/abi/include", f"-I{BUILD}/include", *more, "-lm",
               "-lpthread", "-ldl", "-o", program)


def main(folder):
    second = PUBLIC if os.path.exists(PUBLIC) else f"{SOURCE}/test/backends/x86/levels.adz"
    if second != PUBLIC:
        skip("a public model", f"{PUBLIC} is not there; a small one of the tests takes its place")
    files = []
    for i, model in enumerate([f"{SOURCE}/tools/models/digits.onnx", second]):
        files.append(f"{folder}/{i}.so")
        if not succeeds(f"compile {model}", run(f"{BUILD}/bin/adze", "compile", model, "-o", files[-1])):
            return
    plain, watched = f"{folder}/plain", f"{folder}/watched"
    if succeeds("build", build(plain, f"{BUILD}/lib/libadze_runtime.a")):
        succeeds("two models, four threads", run(plain, *files))
    done = build(watched, "-fsanitize=thread", *sorted(glob.glob(f"{SOURCE}/runtime/*.c")))
    if done.returncode or run(watched).stderr.startswith("FATAL"):
        skip("under ThreadSanitizer", "cc cannot build for it, or it cannot run here")
    else:
        succeeds("two models, four threads, under ThreadSanitizer",
                 run(watched, *files, TSAN_OPTIONS="halt_on_error=0 exitcode=66"))


with tempfile.TemporaryDirectory() as folder:
    main(folder)
sys.exit(tally.end())
