"""few_bits.py: a small language model with weights of 4 bits in groups of 32, calibrated on some stories and scored on
others.

Checks that GPTQ loses less than rounding to nearest, and what docs/design/quantization.md recommends less than GPTQ.
--all scores 100 stories, calibrates on 250 others, prints the loss of all ways and checks nothing.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import adze, check, end, models_folder

import npz
import raw
import zoo

LENGTH = 160  # tokens of a story that is calibrated on
BEST = "method=awq-gptq,clip=gram,symmetric=false,polish=20,refit=1,scales=f16"
WAYS = ["", "symmetric=false", "method=gptq", "method=gptq,symmetric=false,clip=gram",
        "method=awq,symmetric=false,clip=gram",
        "method=gptq,symmetric=false,clip=gram,polish=20", "method=gptq,symmetric=false,clip=gram,polish=20,refit=1",
        "method=gptq,symmetric=false,clip=gram,polish=20,progressive=true", BEST, f"{BEST},sequential=true",
        f"{BEST},edge-bits=8", f"{BEST},sequential=true,edge-bits=8"]


def entropy(model, folder):
    text = adze("eval", model, f"--data={folder}/test.npz", "--target=x86:host", "--batch=4", "--metric=entropy")
    return float(re.search(r"^ *entropy +(\S+)", text, re.M)[1])


def bits_a_weight(module):
    """Codes, scales and zero points of a module's text, over the number of codes."""
    size = {"i4": 4, "i8": 8, "f16": 16, "f32": 32}
    bits = codes = 0
    for kind, dtype, dims in re.findall(r"^ *const @\S+\.(codes|scale|zero): (\w+)\[([\d,]+)\]", module, re.M):
        count = int(np.prod([int(d) for d in dims.split(",")]))
        bits += count * size[dtype]
        codes += count if kind == "codes" else 0
    return bits / codes


def loss(model, folder, options):
    """Of the model with weights rounded with these options, in nat a token; q.adz is that model."""
    options = f"bits=4,group=32,stats={folder}/stats" + (options and "," + options)
    if "edge-bits" not in options:
        options += ",edge-bits=4"
    adze("opt", model, f"--passes=simplify,quantize-weights{{{options}}}", f"--calib={folder}/calibrate.npz", "-o",
         folder / "q.adz")
    return entropy(folder / "q.adz", folder)


def write(folder, models, scored, calibrated, letters):
    """Stories to score, and others, all of one length, to calibrate on."""
    parts = (models / "data/tinystories/val_a.txt").read_text().split("\n\nOnce upon a time")
    texts = parts[:1] + ["Once upon a time" + part for part in parts[1:]]
    coder = raw.Tokenizer(models / "stories260K/tok512.bin")
    chunks = [coder.encode(text[:letters])[:512] for text in texts[:scored]]
    tokens = np.zeros((scored, max(map(len, chunks))), np.int64)
    labels = np.full(tokens.shape, -1, np.int64)
    for i, chunk in enumerate(chunks):
        tokens[i, :len(chunk)] = chunk
        labels[i, :len(chunk) - 1] = chunk[1:]
    npz.save(folder / "test.npz", tokens=tokens, labels=labels)
    chunks = [coder.encode(text[:520]) for text in texts[101:101 + calibrated]]
    npz.save(folder / "calibrate.npz", tokens=np.array([c[:LENGTH] for c in chunks if len(c) > LENGTH + 4]))


def main(everything):
    folder = models_folder()
    model = folder / "stories260K/stories260K.onnx"
    with tempfile.TemporaryDirectory(prefix="adze-few-bits-") as scratch:
        scratch = Path(scratch)
        write(scratch, folder, *((100, 250, None) if everything else (16, 40, 400)))
        adze("calibrate", model, f"--calib={scratch}/calibrate.npz", "-o", scratch / "stats", "--gram",
             "--target=x86:host")
        before = entropy(model, scratch)
        if everything:
            for options in WAYS:
                lost, bits = loss(model, scratch, options) - before, bits_a_weight((scratch / "q.adz").read_text())
                print(f"{lost:+8.4f} nat  {bits:.2f} bits  {options or 'defaults'}", flush=True)
            return 0
        nearest, gptq, best = (loss(model, scratch, o) - before for o in ("", "method=gptq", BEST))
        bits = bits_a_weight((scratch / "q.adz").read_text())
    ok = nearest > gptq > best and best < 0.07 and bits < 4.7
    check(model.stem, ok,
          f"nearest {nearest:.4f}, gptq {gptq:.4f}, best {best:.4f} at {bits:.2f} bits, nat above {before:.4f}")
    return end()


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
