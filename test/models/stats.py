"""stats.py: `adze calibrate` of public models against ONNX Runtime: every value's range, moments, channels and
histogram, and the Gram matrix of what each convolution and product reads.
"""
import os
import subprocess
import sys
from pathlib import Path

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "tools/models"))
import prepare  # noqa: E402
import zoo  # noqa: E402

# Models and how many of their samples.
MODELS = {"squeezenet": 4, "resnet20": 20, "kws_float": 20, "mnist": 20}


def main():
    folder = zoo.models_folder()
    if folder is None:
        print("skipped: no folder of public models (ADZE_MODELS)")
        return 77
    failed = 0
    for model in (row for row in zoo.table(folder) if row.name in MODELS):
        samples = MODELS[model.name]
        out = SOURCE / f"build/data-{samples}"
        prepare.prepare(model, folder, out, samples, oracle=False)
        command = [sys.executable, SOURCE / "test/tools/Inputs/stats_onnx.py", BUILD / "bin/adze",
                   BUILD / "test/models-stats" / model.name, folder / model.file, out / f"{model.name}.npz", samples]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        ok = not done.returncode and done.stdout.count("are ONNX Runtime's") == 1
        failed += not ok
        print(f"{'ok    ' if ok else 'FAILED'} {model.name}: {done.stdout.strip() if ok else done.stderr.strip()}")
    print(f"{len(MODELS) - failed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
