"""compress_resume.py ADZE MODEL DATA FOLDER: a search of adze compress that is killed is gone on with, and ends in the
file that it would have ended in.

One search runs through and is killed at each of some places: after layers were measured alone, between sensitivities,
between trials. Times come from a file, so that all see the same ones.
"""
import signal
import subprocess
import sys
import time
from pathlib import Path

adze, model, data, folder = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
folder.mkdir(parents=True, exist_ok=True)
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print("ok    " if ok else "FAILED", what)


def command(out, *more):
    return [adze, "compress", model, f"--calib={data}", "-o", str(folder / out), "--goal=loss<=2%", "--limit=60",
            "--formats=w8a8,w4a8", "--channels=25%", "--allow-slower", "--seconds=0.1",
            f"--cache={folder}/times", *more]


def lines(out):
    path = folder / f"{out}.search"
    return path.read_text().count("\n") if path.exists() else 0


def kill_after(n):
    """Whether it could be killed with that many lines in its file, before its end."""
    with subprocess.Popen(command("part.so"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while lines("part.so") < n and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


done = subprocess.run(command("whole.so"), capture_output=True, text=True)
check(done.returncode == 0, "a search that runs through")
check(not (folder / "whole.so.search").exists(), "leaves no file of its state")
want = (folder / "whole.so").read_bytes()
for n in (5, 7, 10):
    if not kill_after(n):
        print(f"-      it was done before {n} lines stood there")
        continue
    again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
    check(again.returncode == 0 and (folder / "part.so").read_bytes() == want,
          f"killed behind {n} lines: {again.stderr.strip()}")
if kill_after(5):
    state = folder / "part.so.search"
    damaged = state.read_text()
    state.write_text(damaged[:-20])  # cut off within a line
    again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
    check(again.returncode == 0 and (folder / "part.so").read_bytes() == want, "its last line cut off")
    lines_now = damaged.split("\n")[:-1]
    last = max(i for i, line in enumerate(lines_now) if line.startswith("layer 0 "))
    lines_now[last] = lines_now[last].rsplit(" ", 2)[0]
    state.write_text("\n".join(lines_now) + "\n")
    again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
    check(again.returncode == 0 and (folder / "part.so").read_bytes() == want, "a line that lacks numbers")
    for text, message in (("", "is no search of adze compress"), ("adze-search 1 0123\n", "is of another search"),
                          ("\0\0", "is no search of adze compress")):
        state.write_text(text)
        again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
        check(again.returncode == 1 and message in again.stderr, f"{text!r}: {again.stderr.strip()}")
        check(state.read_text() == text, "and the file stays as it was")
    state.write_text(damaged.split("\n")[0] + "\nlayer 99 1\nlayer 0 x\nlayer 0 1\ntrial 5\ntrial\n" + "trial 0 " * 9)
    again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
    check(again.returncode == 0 and (folder / "part.so").read_bytes() == want, "lines that say nothing")
else:
    check(False, "it was never stopped")
(folder / "part.so.search").unlink(missing_ok=True)
again = subprocess.run(command("part.so", "--resume"), capture_output=True, text=True)
check(again.returncode == 1 and "there is no such search" in again.stderr and "keeps" not in again.stderr,
      "nothing to go on with")
whole = folder / "whole.so"
again = subprocess.run(command("whole.so", "--keep-search"), capture_output=True, text=True)
state = folder / "whole.so.search"
check(again.returncode == 0 and state.exists(), "a search that leaves what it measured")
measured = state.read_text()
again = subprocess.run(command("whole.so", "--resume", "--keep-search"), capture_output=True, text=True)
check(again.returncode == 0 and whole.read_bytes() == want and state.read_text() == measured,
      f"the same goal again measures nothing: {again.stderr.strip()}")
again = subprocess.run(command("whole.so", "--resume", "--goal=weights<=0.2x"), capture_output=True, text=True)
check(again.returncode in (0, 1) and whole.read_bytes() != want, f"another goal: {again.stderr.strip()}")
check(not state.exists(), "which leaves nothing, as nothing was said")
again = subprocess.run(command("whole.so", "--keep-search", "--plan=x.plan"), capture_output=True, text=True)
check(again.returncode == 2 and "--keep-search is for a search" in again.stderr, again.stderr.strip())
print(f"{failed} failed")
sys.exit(failed > 0)
