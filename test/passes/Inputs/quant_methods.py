"""quant_methods.py ADZE FOLDER: SNR of m.adz with weights rounded by each method, compared."""
import re
import subprocess
import sys

adze, folder = sys.argv[1:]


def snr(options):
    passes = f"simplify,quantize-weights{{edge-bits=2,stats={folder}/gram,{options}}}"
    out = f"{folder}/q.adz"
    subprocess.run([adze, "opt", f"{folder}/m.adz", f"--passes={passes}", "--check", "-o", out], check=True)
    out = subprocess.run([adze, "eval", out, f"--data={folder}/x.npz", f"--against={folder}/m.adz",
                          "--target=reference", "--metric=snr"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", out)[1])


def show(a, word, b, ok, values):
    print(a, word if ok else "NOT " + word, b, "" if ok else values)


base = snr("bits=4,method=rtn")
for method in "cd", "gptq", "gptq,act-order=false", "awq", "rtn,clip=gram":
    got = snr(f"bits=4,method={method}")
    show("rtn", "<", method, got > base + 0.3, (base, got))
whole, groups = snr("bits=4,method=gptq"), snr("bits=4,method=gptq,group=8")
show("gptq,group=8", ">", "gptq", groups > whole, (groups, whole))
levels = [snr(f"bits={bits},method=gptq,symmetric=false") for bits in (8, 6, 4, 3)]
show("bits 8", ">", "6 > 4 > 3", all(a > b + 4 for a, b in zip(levels, levels[1:])), levels)
