"""stats_resume.py ADZE FOLDER MODEL DATA INPUT: a run that was stopped or killed goes on and ends in the same bytes; it
does not go on for another model, other data or other options.
"""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

adze, folder, model, source, name = sys.argv[1:]
folder = Path(folder)
folder.mkdir(parents=True, exist_ok=True)
data, out, part = folder / "many.npz", folder / "m.stats", folder / "m.stats.part"
with np.load(source) as arrays:
    x = arrays[name]
np.savez(data, **{name: np.tile(x, (4,) + (1,) * (x.ndim - 1))})


def command(*flags, model=model, data=data, output=out):
    return [adze, "calibrate", model, f"--calib={data}", "-o", str(output), "--target=reference", *flags]


def run(*flags, status=0, **others):
    done = subprocess.run(command(*flags, **others), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status, done.stdout
    return done.stdout


def stop(number, *flags):
    """Starts a run and ends it by a signal once a state of it is saved."""
    process = subprocess.Popen(command("--every=0.02", *flags), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    while not part.exists():
        assert process.poll() is None, "it ended before it saved its state"
        time.sleep(0.005)
    process.send_signal(number)
    text = process.communicate()[0]
    assert process.returncode and part.exists() and not out.exists(), text
    return text


def same(want, *flags):
    for number in (signal.SIGINT, signal.SIGKILL):
        text = stop(number, *flags)
        if number == signal.SIGINT:
            assert "stopped; --resume goes on with" in text, text
        run("--resume", *flags)
        assert out.read_bytes() == want and not part.exists(), f"other bytes after signal {number}"
        out.unlink()


run("--gram", output=folder / "whole.stats")
whole = (folder / "whole.stats").read_bytes()
same(whole, "--gram")

# A state is a file of statistics, but no finished one.
stop(signal.SIGINT, "--gram")
state = folder / "state.stats"
os.rename(part, state)
shown = subprocess.run([adze, "calibrate", state], stderr=subprocess.PIPE, text=True)
assert shown.returncode == 1 and "has not ended; 'adze calibrate --resume' goes on" in shown.stderr, shown.stderr

# It goes on with nothing but itself, and stays as it is.
other = folder / "other.adz"
other.write_text("func @main(%image: f32[N,1,8,8]) -> (f32[N,1,8,8]) {\n"
                 "  %y = relu(%image) : f32[N,1,8,8]\n  return(%y)\n}\n")
np.savez(folder / "else.npz", **{name: np.tile(x, (4,) + (1,) * (x.ndim - 1))[::-1]})
for want, flags, others in [("another model", ["--gram"], {"model": other}),
                            ("other data", ["--gram"], {"data": folder / "else.npz"}),
                            ("a run with other options", [], {}),
                            ("a run with other options", ["--gram", "--max-memory=900K"], {})]:
    part.write_bytes(state.read_bytes())
    text = run("--resume", *flags, status=1, **others)
    assert f"cannot go on with it: it is of {want}" in text, text
    assert part.read_bytes() == state.read_bytes() and not out.exists()
for damage in (state.read_bytes()[:1000], state.read_bytes()[:-8], b"", bytes(100)):
    part.write_bytes(damage)
    run("--resume", "--gram", status=1)
part.unlink()

# In turns of a few values, whose matrices wait in the file, it counts the same.
run("--gram", "--max-memory=900K", output=folder / "turns.stats")
assert (folder / "turns.stats").read_bytes() == whole, "other bytes in turns"
same(whole, "--gram", "--max-memory=900K")
print("the same bytes, whenever it was stopped")
