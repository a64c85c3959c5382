"""cache.py FOLDER ADZE MODEL.adz: artifacts with and without files of code, and with files that are broken."""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

FOLDER, ADZE, MODEL = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
CACHE = FOLDER / "cache"
OURS = re.compile("[0-9a-f]{32}")
OLD = time.time() - 3600


def start(name, where, target="x86:x86-64-v3"):
    command = [ADZE, "compile", MODEL, "--passes=", f"--target={target}", "-o", FOLDER / name]
    return subprocess.Popen(command, env=dict(os.environ, ADZE_CODE_CACHE=str(where)), stderr=subprocess.PIPE)


def finish(name, process):
    said = process.communicate()[1]
    if process.returncode or said:
        sys.exit(f"{name}: {process.returncode} {said.decode()}")
    return (FOLDER / name).read_bytes()


def made(where=CACHE, target="x86:x86-64-v3"):
    return finish("model.so", start("model.so", where, target))


def files():
    return sorted(path for path in CACHE.iterdir() if OURS.fullmatch(path.name))


def show(good, what):
    print(what if good else f"WRONG: {what}")


def spoil(what, change):
    """Changes every file, and wants the artifact as it was and the files as they were."""
    before = {path: path.read_bytes() for path in files()}
    for path, content in before.items():
        path.write_bytes(change(content, before))
    good = made() == WANTED and {path: path.read_bytes() for path in files()} == before
    show(good, f"the same bytes: {what}, all of them mended")


def other(content, all_of_them):
    return next(x for x in all_of_them.values() if x != content)


WANTED = made("none")
first = made()
show(len(files()) == 4, "4 files: two kernels, an evaluation, the steps")
written = {path: path.stat().st_ino for path in files()}
show(first == WANTED == made(), "the same bytes: without, making and using the files")
show({path: path.stat().st_ino for path in files()} == written, "using the files makes none")
spoil("one flipped", lambda content, _: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
spoil("cut short", lambda content, _: content[:-1])
spoil("empty", lambda content, _: b"")
spoil("another file's", other)

in_the_way = files()[0]
in_the_way.unlink()
in_the_way.mkdir()
show(made() == WANTED, "the same bytes: a folder in the way")
in_the_way.rmdir()
show(made("/dev/null/nowhere") == WANTED, "the same bytes: no folder")

for path in files():
    path.unlink()
running = {name: start(name, CACHE) for name in ("a.so", "b.so", "c.so")}
show(all([finish(name, process) == WANTED for name, process in running.items()]), "the same bytes: three at once")
show(len(files()) == 4 and {path.name for path in CACHE.iterdir()} - {path.name for path in files()} == {"checked"},
     "4 files, nothing else")

for i in range(2):
    large = CACHE / f"{i:032x}"
    with large.open("wb") as file:
        file.truncate(200 << 20)
    os.utime(large, (OLD + i, OLD + i))
(CACHE / "checked").unlink()
(CACHE / "notes").write_text("mine")
os.utime(CACHE / "notes", (0, 0))
made()
show(len(files()) == 4 and (CACHE / "notes").exists(), "the oldest go where it grows too large, others' files stay")

for path in files():
    path.unlink()
made(target="x86:x86-64-v4,x86-64-v3")
show(len(files()) == 8, "two levels: 8 files")
