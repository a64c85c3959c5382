"""The installed tree: moved to another place it still works, for CMake, for pkg-config and by hand.

Exports: libadze.so only adze_* and no LLVM; a backend links LLVM and exports only adze_*.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tally
from tally import check

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])


def run(*command, **options):
    return subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)


def succeeds(name, *command, **options):
    done = run(*command, **options)
    check(name, done.returncode == 0, done.stdout)
    return done.stdout


def exported(library):
    """Names of the defined dynamic symbols."""
    return [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).stdout.splitlines()]


def needed(library):
    return [line for line in run("objdump", "-p", library).stdout.splitlines() if "NEEDED" in line]


def version():
    line = next(t for t in (SOURCE / "CMakeLists.txt").read_text().splitlines() if t.startswith("project("))
    return line.split("VERSION ")[1].split()[0]


def sanitized():
    return "ADZE_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text()


def decodes_images(scratch, prefix):
    """The installed program and artifacts find the extension in the installed tree."""
    model = scratch / "image.adz"
    model.write_text("const @x: u8[11] = dense[80, 53, 32, 50, 32, 49, 32, 57, 10, 1, 9]\n" # P5 2 1 9
                     "func @f() -> (u8[?,?,3]) {\n  %y = image_decode(@x)\n  return(%y)\n}\n")
    devices = [model]
    if (prefix / "lib/adze/adze_x86.so").exists():
        devices.append(scratch / "image.so")
        succeeds("compiles an image", prefix / "bin/adze", "compile", model, "-o", devices[-1])
    for device in devices:
        said = succeeds(f"decodes an image, {device.suffix}", prefix / "bin/adze", "run", device)
        check(f"an image, {device.suffix}", "u8[1,2,3]" in said, said)


def main(scratch):
    first, prefix = scratch / "first", scratch / "moved here"
    succeeds("install", "cmake", "--install", BUILD, "--prefix", first)
    first.rename(prefix)
    for name in ("lib/libadze.so", "lib/libadze_runtime.a", "include/adze_runtime.h",
                 "include/adze/ir.h", "include/adze/op.h", "include/adze/version.h", "lib/cmake/Adze/AdzeConfig.cmake",
                 "lib/pkgconfig/adze.pc", "lib/pkgconfig/adze-runtime.pc"):
        check(f"{name} is installed", (prefix / name).exists())

    names = exported(prefix / "lib/libadze.so")
    check("libadze.so exports something", names)
    stray = [n for n in names if not n.startswith("adze_")]
    check("libadze.so exports only adze_*", not stray, " ".join(stray))
    links = [n for n in needed(prefix / "lib/libadze.so") if "LLVM" in n or "MLIR" in n]
    check("libadze.so links no LLVM", not links, "\n".join(links))
    for backend in sorted((prefix / "lib/adze").glob("*.so")):
        stray = [n for n in exported(backend) if not n.startswith("adze_")]
        check(f"{backend.name} exports only adze_*", not stray, " ".join(stray[:20]))

    if (BUILD / "bin/adze").exists():
        said = succeeds("bin/adze runs where it was moved to", prefix / "bin/adze", "--version")
        check("bin/adze knows its version", version() in said, said)

    if (BUILD / "lib/libadze_images.so").exists():
        stray = [n for n in exported(prefix / "lib/libadze_images.so") if not n.startswith("adze_")]
        check("libadze_images.so exports only adze_*", not stray, " ".join(stray))
        decodes_images(scratch, prefix)

    tree = scratch / "user"
    succeeds("find_package(Adze)", "cmake", "-S", HERE / "Inputs", "-B", tree, "-G", "Ninja",
             f"-DCMAKE_PREFIX_PATH={prefix}", f"-DWANTED={version()}")
    succeeds("a program builds against the package", "cmake", "--build", tree)
    check("the program runs", run(tree / "user").stdout.strip() == version())
    env = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    check("pkg-config knows the version",
          run("pkg-config", "--modversion", "adze", env=env).stdout.strip() == version())
    flags = run("pkg-config", "--cflags", "--libs", "adze-runtime", env=env).stdout.strip()
    succeeds("a program builds with pkg-config's flags", "sh", "-c",
             f"cc '{HERE}/Inputs/user.c' -o by_flags {flags}", cwd=scratch)
    check("that program runs", run(scratch / "by_flags").stdout.strip() == version())


if sanitized():
    tally.skip_all("a user's program does not link the sanitizers")
folder = tempfile.mkdtemp(prefix="adze-install-")
try:
    main(Path(folder))
finally:
    shutil.rmtree(folder)
sys.exit(tally.end())
