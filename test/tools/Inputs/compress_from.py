"""compress_from.py ADZE MODEL DATA FOLDER: a plan of adze compress is updated on new data, from the statistics it kept.

The new data are the other half of the digits, as negatives of more contrast: ranges grow downwards. What is asked: the
update answers more of them as the model does than the old statistics alone let it, and forgets less of the old data
than one of share 0. Its plan makes the same file again.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

adze, model, data, folder = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
folder.mkdir(parents=True, exist_ok=True)
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print("ok    " if ok else "FAILED", what)


def run(*words):
    return subprocess.run([adze, *map(str, words)], capture_output=True, text=True, cwd=folder)


def compress(out, calib, *more):
    return run("compress", model, "-o", out, f"--calib={calib}", "--metric=agreement", "--cache=none", "--limit=60",
               "--seconds=0.1", *more)


def refuses(done, status, text):
    lines = [line for line in done.stderr.splitlines() if not line.startswith(" ")]
    check(done.returncode == status and len(lines) == 1 and text in lines[0], f"{text}: {done.stderr.strip()}")


def on_old_data(file):
    """Agreement and snr with the original, in floats, on the old data."""
    done = run("eval", file, "--data=old.npz", "--metric=agreement,snr", f"--against={model}")
    found = {name: float(value) for name, value in re.findall(r"^(agreement|snr) +(-?[0-9.]+)", done.stdout, re.M)}
    check(len(found) == 2, f"{file} on old data: {found} {done.stderr}")
    return found


digits = np.load(data)
image, labels = digits["image"], digits["labels"]
np.savez(folder / "old.npz", image=image[::2], labels=labels[::2])
np.savez(folder / "new.npz", image=(12 - 2 * image[1::2]).astype(np.float32), labels=labels[1::2])
layers = ["conv1", "conv2", "conv3", "fc"]
(folder / "my.plan").write_text("adze-plan 1\n" + "".join(f"layer {layer} w8a8\n" for layer in layers))

done = compress("old.so", "old.npz", "--plan=my.plan", "--keep-stats", "--goal=loss<=20%")
check(done.returncode == 0 and (folder / "old.so.stats").exists(), f"a plan that keeps statistics: {done.stderr}")
done = compress("both.so", "new.npz", "--from=old.so.plan", "--keep-stats", "--goal=loss<=60%")
check(done.returncode == 0, f"an update: {done.stderr}")
print(done.stdout)
ranges = {line.split()[-1]: line for line in done.stdout.splitlines() if re.search(r" [0-9.]+x  \w+$", line)}
check(list(ranges) == layers, "the table names the layers")
check(re.match(r"0 to 1 +-1\.25 to 0\.75 +-1\.25 to 1 +2\.25x +conv1$", ranges["conv1"]),
      "and how far their inputs reach")
scores = re.findall(r"^(before|updated) +agreement ([0-9.]+) %", done.stdout, re.M)
check([name for name, _ in scores] == ["before", "updated"] and float(scores[1][1]) > float(scores[0][1]),
      f"it agrees more on new data: {scores}")
update = json.loads((folder / "both.so.report.json").read_text())["update"]
check(update["share"] == 0.5 and not update["worse"] and update["value_before"] < update["value"],
      "so says the report")
check([entry["layer"] for entry in update["inputs"]] == layers and update["inputs"][0]["together"] == [-1.25, 1],
      "and which ranges there are")
check((folder / "both.so.stats").exists(), "statistics of both are kept")

done = compress("new.so", "new.npz", "--from=old.so.plan", "--share=0", "--goal=loss<=60%")
check(done.returncode == 0, f"an update that forgets: {done.stderr}")
was, both, new = on_old_data("old.so"), on_old_data("both.so"), on_old_data("new.so")
check(was["agreement"] - both["agreement"] < was["agreement"] - new["agreement"] and new["snr"] < both["snr"],
      f"old data are not forgotten: {was}, {both} with share 0.5, {new} with share 0")

done = run("compress", model, "-o", "again.so", "--calib=new.npz", "--replay=both.so.plan")
check(done.returncode == 0 and (folder / "again.so").read_bytes() == (folder / "both.so").read_bytes(),
      f"the same bytes again: {done.stderr}")

plan = (folder / "old.so.plan").read_text()
(folder / "other.plan").write_text(re.sub("model-hash .*", "model-hash 0123", plan))
refuses(compress("x.so", "new.npz", "--from=other.plan"), 1, "other.plan: it was made for another model")
refuses(compress("x.so", "new.npz", "--from=my.plan"), 1, "my.plan: it names no statistics to weight in: compress the "
        "old data once more with --keep-stats")
(folder / "gone.plan").write_text(plan.replace("stats old.so.stats", "stats gone.stats"))
refuses(compress("x.so", "new.npz", "--from=gone.plan"), 1, "gone.stats: No such file")
refuses(compress("old.so", "new.npz", "--from=old.so.plan"), 2, "old.so: the output would replace what is read")
(folder / "old.so.stats").write_bytes((folder / "both.so.stats").read_bytes())
refuses(compress("x.so", "new.npz", "--from=old.so.plan"), 1,
        "old.so.stats: not the statistics that old.so.plan was written with")
refuses(run("compress", model, "-o", "x.so", "--calib=new.npz", "--replay=both.so.plan"), 1,
        "old.so.stats: not the statistics that both.so.plan was written with")
for flags, text in ((["--from=a", "--plan=b"], "--from is an update; it takes no --plan"),
                    (["--from=a", "--replay=b"], "--from is an update"),
                    (["--from=a", "--resume"], "--from is an update"),
                    (["--share=0.5"], "--share says what old statistics count; give --from, too"),
                    (["--from=a", "--share=1.5"], "--share takes a number from 0 to 1"),
                    (["--replay=a", "--keep-stats"], "--replay keeps no statistics")):
    refuses(run("compress", model, "-o", "x.so", "--calib=new.npz", *flags), 2, text)
check(not (folder / "x.so").exists(), "nothing was written")
print(f"{failed} failed")
sys.exit(failed > 0)
