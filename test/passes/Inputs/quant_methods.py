"""quant_methods.py ADZE FOLDER: SNR of m.adz with weights rounded by each method, compared."""
import re
import subprocess
import sys

adze, folder = sys.argv[1:]


def snr(options, *flags, model="m", data="x", stats="gram"):
    passes = f"simplify,quantize-weights{{edge-bits=2,stats={folder}/{stats},{options}}}"
    out = f"{folder}/q.adz"
    subprocess.run([adze, "opt", f"{folder}/{model}.adz", f"--passes={passes}", "--check", "-o", out, *flags],
                   check=True)
    out = subprocess.run([adze, "eval", out, f"--data={folder}/{data}.npz", f"--against={folder}/{model}.adz",
                          "--target=reference", "--metric=snr"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", out)[1])


def show(a, word, b, ok, values):
    print(a, word if ok else "NOT " + word, b, "" if ok else values)


base = snr("bits=4,method=rtn")
for method in "cd", "gptq", "gptq,act-order=false", "awq", "rtn,clip=gram":
    got = snr(f"bits=4,method={method}")
    show("rtn", "<", method, got > base + 0.3, (base, got))
for better, worse in (("method=gptq,clip=gram,polish=20", "method=gptq,clip=gram"),
                      ("method=gptq,clip=gram,refit=3", "method=gptq,clip=gram,polish=20"),
                      ("method=awq-gptq", "method=awq"), ("refit=1", "clip=absmax")):
    got, other = snr(f"bits=3,{better}"), snr(f"bits=3,{worse}")
    show(better, ">", worse, got > other, (got, other))
deep = {"model": "deep", "data": "deep", "stats": "deep.gram"}
alone = snr("bits=4,method=awq-gptq", **deep)
behind = snr("bits=4,method=awq-gptq,sequential=true", f"--calib={folder}/deep.npz", **deep)
show("sequential", ">", "each layer for itself", behind > alone + 1, (behind, alone))
alone = snr("bits=3,method=gptq,clip=gram,polish=20")
way = snr("bits=3,method=gptq,clip=gram,polish=20,progressive=true")
show("progressive", "is not", "direct", way != alone, (way, alone))
whole, groups = snr("bits=4,method=gptq"), snr("bits=4,method=gptq,group=8")
show("gptq,group=8", ">", "gptq", groups > whole, (groups, whole))
levels = [snr(f"bits={bits},method=gptq,symmetric=false") for bits in (8, 6, 4, 3)]
show("bits 8", ">", "6 > 4 > 3", all(a > b + 4 for a, b in zip(levels, levels[1:])), levels)
