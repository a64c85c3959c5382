"""quantize.py NAME: a public model with codes of 8 and 4 bits, calibrated on part of its data and measured on the rest.

Checks the share of equal answers and the signal to noise ratio of the outputs against the float model, both in
compiled code, with bounds below what was measured when this was written; and that weights of 4 bits keep more when they
are rounded by Gram matrices. --all takes more samples, prints a table of all ways and checks nothing.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import SOURCE, adze, check, end, models_folder

import npz
import prepare
import zoo

# Samples to calibrate on and to measure on; least agreement and SNR of `rtn` and `cd`.
MODELS = {"kws_float": (100, 400, (97, 27), (98, 28)), "resnet20": (100, 400, (97, 28), (97.5, 29)),
          "squeezenet": (40, 40, (90, 21), (92, 22))}
FULL = {"kws_float": (100, 400), "resnet20": (100, 2000), "squeezenet": (100, 400)}
WAYS = ["", "range=minmax", "range=percentile", "range=kl", "correct-bias=true", "sums=true", "weights=gptq",
        "weights=cd", "bits=4", "bits=4,clip=mse", "bits=4,weights=cd,clip=gram",
        "bits=4,weights=gptq,clip=gram,correct-bias=true", "search=2,search-samples=16",
        "correct-bias=true,sequential=true", "bits=4,search=2,search-samples=16",
        "bits=4,weights=gptq,clip=gram,polish=20,refit=2,correct-bias=true",
        "bits=4,weights=gptq,clip=gram,polish=20,refit=2,correct-bias=true,sequential=true"]


def measure(folder, model, options):
    """Agreement in percent and SNR in dB of the model quantized with these options."""
    passes = f"simplify,quantize-static{{stats={folder}/stats{options and ','}{options}}}"
    adze("opt", model, f"--passes={passes}", f"--calib={folder}/calibrate.npz", "-o", folder / "q.adz")
    text = adze("eval", folder / "q.adz", f"--data={folder}/test.npz", f"--against={model}", "--target=x86:host",
                "--against-target=x86:host", "--batch=1", "--metric=agreement,snr")
    return [float(re.search(rf"^{name} +(\S+)", text, re.M)[1]) for name in ("agreement", "snr")]


def split(arrays, calibrate, test, folder):
    """Samples to calibrate on come from all over the set; those to measure on are others."""
    count = len(next(iter(arrays.values())))
    chosen = np.arange(count)[::count // calibrate][:calibrate]
    rest = np.setdiff1d(np.arange(count), chosen)[:test]
    npz.save(folder / "calibrate.npz", **{k: v[chosen] for k, v in arrays.items()})
    npz.save(folder / "test.npz", **{k: v[rest] for k, v in arrays.items()})


def main(name, everything):
    folder = models_folder()
    model = next(row for row in zoo.table(folder) if row.name == name)
    calibrate, test = FULL[name] if everything else MODELS[name][:2]
    limit = calibrate + test
    arrays, _ = prepare.prepare(model, folder, SOURCE / f"build/data-{limit}", limit, oracle=False)
    source = folder / model.file
    with tempfile.TemporaryDirectory(prefix="adze-quantize-") as scratch:
        scratch = Path(scratch)
        split(arrays, calibrate, test, scratch)
        adze("calibrate", source, f"--calib={scratch}/calibrate.npz", "-o", scratch / "stats", "--gram",
             "--target=x86:host", "--batch=1")
        if everything:
            for options in WAYS:
                agreement, snr = measure(scratch, source, options)
                print(f"{name:12} {agreement:6.2f} % {snr:6.2f} dB  {options or 'defaults'}", flush=True)
            return 0
        for options, (least, noise) in zip(("", "weights=cd"), MODELS[name][2:]):
            agreement, snr = measure(scratch, source, options)
            check(f"quantize-static{{{options}}}", agreement >= least and snr >= noise, f"{agreement} %, {snr} dB")
        nearest = measure(scratch, source, "bits=4,clip=mse")[1]
        gram = measure(scratch, source, "bits=4,weights=gptq,clip=gram")[1]
        check("gptq at 4 bits is better by 3 dB", gram >= nearest + 3, f"{nearest} and {gram} dB")
        if name == "kws_float":
            search = measure(scratch, source, "bits=4,clip=mse,search=1,search-samples=16")[1]
            check("search at 4 bits is better by 3 dB", search >= nearest + 3, f"{nearest} and {search} dB")
    return end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--all" in sys.argv[2:]))
