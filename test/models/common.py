"""What the scripts of this folder share: where things lie, the tool, and checks that are counted."""
import os
import subprocess
import sys
from pathlib import Path

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
sys.path[:0] = [str(SOURCE / "tools/models"), str(SOURCE / "tools/bench")]
counts = {"passed": 0, "failed": 0, "skipped": 0}


def try_adze(*arguments):
    """What adze did, whether it failed or not."""
    return subprocess.run([str(a) for a in (BUILD / "bin/adze", *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)


def adze(*arguments):
    """What adze printed; it must not fail."""
    done = try_adze(*arguments)
    if done.returncode:
        raise SystemExit(f"adze {arguments[0]}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def check(name, ok, detail=""):
    counts["passed" if ok else "failed"] += 1
    print(f"{'ok    ' if ok else 'FAILED'} {name} {detail}", flush=True)
    return ok


def skip(name, detail):
    counts["skipped"] += 1
    print(f"skip   {name} {detail}", flush=True)


def end():
    """The exit status."""
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    return 1 if counts["failed"] else 0
