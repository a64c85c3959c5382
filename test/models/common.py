"""What the scripts of this folder share: where things lie, the tool, and checks that are counted."""
import os
import subprocess
import sys
from pathlib import Path

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
sys.path[:0] = [str(SOURCE / folder) for folder in ("tools/models", "tools/bench", "test")]
import tally
import zoo
from tally import end, skip


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
    """As tally's, and says what passed as well: these take long."""
    if ok:
        print(f"ok     {name} {detail}", flush=True)
    return tally.check(name, ok, detail)


def models_folder():
    """Where the public models lie; without them the driver ends."""
    return zoo.models_folder() or tally.skip_all("no folder of public models (ADZE_MODELS)")
