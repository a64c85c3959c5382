"""lowrank_methods.py ADZE FOLDER: SNR of deep.adz on held-back data with factors found in several ways, compared."""
import re
import subprocess
import sys

adze, folder = sys.argv[1:]


def snr(options):
    passes = f"simplify,low-rank{{stats={folder}/deep.stats,multiple=1,{options}}}"
    out = f"{folder}/l.adz"
    subprocess.run([adze, "opt", f"{folder}/deep.adz", f"--passes={passes}", f"--calib={folder}/deep.npz", "--check",
                    "-o", out], check=True, stderr=subprocess.DEVNULL)
    text = subprocess.run([adze, "eval", out, f"--data={folder}/held.npz", f"--against={folder}/deep.adz",
                           "--target=reference", "--metric=snr"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"snr +(\S+) dB", text)[1])


def compare(better, worse, margin=0.0):
    a, b = snr(better), snr(worse)
    print(better, ">" if a > b + margin else "NOT >", worse, "" if a > b + margin else (a, b))


compare("method=data", "method=diagonal", 1)
compare("method=diagonal", "method=svd,refit=false")
compare("method=svd,refit=true", "method=svd,refit=false", 0.5)
compare("method=data", "method=data,correct-bias=false")
compare("correct-bias=false,sequential=true", "correct-bias=false")
compare("share=true,ratio=0.4", "ratio=0.4", 0.5)
compare("energy=0.999", "energy=0.9", 3)
compare("rank=12", "rank=6", 3)
