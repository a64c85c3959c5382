"""quant_absorb.py ADZE FOLDER MODEL: SNR of MODEL with codes of 8 bits, its biases absorbed and not."""
import re
import subprocess
import sys

adze, folder, model = sys.argv[1:]


def run(*arguments):
    return subprocess.run([adze, *arguments], check=True, capture_output=True, text=True).stdout


def snr(source):
    run("calibrate", source, f"--calib={folder}/x.npz", "-o", f"{folder}/s", "--target=reference")
    run("opt", source, f"--passes=simplify,quantize-static{{stats={folder}/s}}", "-o", f"{folder}/q.adz")
    text = run("eval", f"{folder}/q.adz", f"--data={folder}/x.npz", f"--against={model}", "--target=reference",
               "--metric=snr")
    return float(re.search(r"snr +(\S+) dB", text)[1])


absorbed, before = snr(f"{folder}/a.adz"), snr(model)
print("absorbed", ">" if absorbed > before + 1 else "NOT >", "not", (absorbed, before))
