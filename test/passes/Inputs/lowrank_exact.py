"""lowrank_exact.py ADZE FOLDER: exact.adz with each of its layers at its own rank, in every way: results stay."""
import re
import subprocess
import sys

adze, folder = sys.argv[1:]
PLAN = """adze-plan 1
layer w r3
layer t r2
layer wide r4
layer tucker t3x2
layer spatial v2
layer flat r3
layer point r3
layer line r2
"""
with open(f"{folder}/exact.plan", "w") as file:
    file.write(PLAN)
for options in ("method=svd", f"method=data,stats={folder}/exact.stats", f"method=diagonal,stats={folder}/exact.stats",
                "sequential=true"):
    out = f"{folder}/factored.adz"
    passes = f"simplify,low-rank{{plan={folder}/exact.plan,min-gain=1,report=true,{options}}}"
    run = subprocess.run([adze, "opt", f"{folder}/exact.adz", f"--passes={passes}", f"--calib={folder}/x.npz",
                          "--check", "-o", out], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    line = next(line for line in run.stderr.splitlines() if "layers factorised" in line)
    print(options.split(",")[0] + ":", line[len("note: low-rank: "):])
    text = subprocess.run([adze, "eval", out, f"--data={folder}/x.npz", f"--against={folder}/exact.adz",
                           "--target=reference", "--metric=snr"], check=True, capture_output=True,
                          text=True).stdout
    snr = float(re.search(r"snr +(\S+) dB", text)[1])
    print("results stay" if snr > 100 else f"results differ, {snr} dB")
