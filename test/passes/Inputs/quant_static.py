"""quant_static.py ADZE FOLDER: SNR of convs.adz with weights of 4 bits and activations of 8 in several ways, compared.
"""
import re
import subprocess
import sys

adze, folder = sys.argv[1:]


def snr(options):
    passes = f"simplify,quantize-static{{stats={folder}/convs.gram,bits=4,{options}}}"
    out = f"{folder}/s.adz"
    subprocess.run([adze, "opt", f"{folder}/convs.adz", f"--passes={passes}", f"--calib={folder}/convs.npz", "--check",
                    "-o", out], check=True)
    text = subprocess.run([adze, "eval", out, f"--data={folder}/convs.npz", f"--against={folder}/convs.adz",
                           "--target=reference", "--metric=snr"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", text)[1])


def compare(better, worse, margin=0.0):
    a, b = snr(better), snr(worse)
    print(better, ">" if a > b + margin else "NOT >", worse, "" if a > b + margin else (a, b))


compare("correct-bias=true", "clip=absmax", 0.3)
compare("correct-bias=true,sequential=true", "correct-bias=true")
compare("weights=gptq,correct-bias=true", "weights=gptq", 0.3)
compare("weights=gptq,correct-bias=true,sequential=true", "weights=gptq,correct-bias=true", 0.3)
compare("weights=gptq,clip=gram,refit=2", "weights=gptq,clip=gram")
compare("search=2", "clip=absmax", 2)
