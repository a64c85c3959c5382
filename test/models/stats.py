"""stats.py: `adze calibrate` of public models against ONNX Runtime: every value's range, moments, channels and
histogram, and the Gram matrix of what each convolution and product reads.
"""
import subprocess
import sys

from common import BUILD, SOURCE, check, end, models_folder

# common.py found their folder.
import prepare
import zoo

# Models and how many of their samples.
MODELS = {"squeezenet": 4, "resnet20": 20, "kws_float": 20, "mnist": 20}


def main():
    folder = models_folder()
    for model in (row for row in zoo.table(folder) if row.name in MODELS):
        samples = MODELS[model.name]
        out = SOURCE / f"build/data-{samples}"
        prepare.prepare(model, folder, out, samples, oracle=False)
        command = [sys.executable, SOURCE / "test/tools/Inputs/stats_onnx.py", BUILD / "bin/adze",
                   BUILD / "test/models-stats" / model.name, folder / model.file, out / f"{model.name}.npz", samples]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        ok = not done.returncode and done.stdout.count("are ONNX Runtime's") == 1
        check(model.name, ok, done.stdout.strip() if ok else done.stderr.strip())
    return end()


if __name__ == "__main__":
    sys.exit(main())
