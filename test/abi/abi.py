"""The binary interface of libadze.so: what plug-ins were built against goes on working.

    abi.py             checks; the last line is "N passed, N failed, N skipped"
    abi.py --update    stores the surface as it is now: after additions, or under a new ABI number

Two things are checked. The exported surface (functions, and all types that they mention, descriptors too) against
the dump stored for this ABI number, with abidw and abidiff: structs that begin with their size may grow at the end,
functions may be added, nothing else may change. And a plug-in built from a frozen copy of old headers: it runs, or,
where its ABI number is another one, is refused in one line.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = Path(os.environ.get("ADZE_BUILD_DIR", ROOT / "build/release"))
HEADERS = ["ir/include/adze", "passes/include/adze", "frontend/onnx/include/adze", "runtime/abi/include/adze"]
passed = failed = skipped = 0


def case(name, ok, text=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {name}\n{text}")


def skip(why):
    global skipped
    skipped += 1
    print(f"skip {why}")


def abi_number(header):
    return int(re.search(r"ADZE_ABI = (\d+)", header.read_text())[1])


def dump(path):
    """Writes the surface of the built library."""
    with tempfile.TemporaryDirectory() as folder:
        headers = Path(folder) / "adze"
        headers.mkdir()
        for source in HEADERS:
            for file in (ROOT / source).glob("*.[hd]*"):
                shutil.copy(file, headers)
        subprocess.run(["abidw", "--exported-interfaces-only", "--drop-private-types", "--headers-dir", headers,
                        "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
                        BUILD / "lib/libadze.so", "--out-file", path], check=True)
    # Where the sources lay is no part of the surface.
    text = path.read_text()
    path.write_text(re.sub(r"(path=')[^']*?/((?:ir|passes|frontend|runtime)/[^']*')", r"\1\2", text))


def growing(text):
    """Names of the structs that tell their size, so that they may grow."""
    names = []
    for block in re.findall(r"<class-decl name='adze_\w+' size-in-bits.*?</class-decl>", text, re.S):
        if "var-decl name='struct_size'" in block:
            names.append(re.match(r"<class-decl name='(\w+)'", block)[1])
    return names


def differences(old, new):
    """What of `old` is no longer so in `new`; empty where all that was built against it goes on working."""
    with tempfile.TemporaryDirectory() as folder:
        a, b, rules = (Path(folder) / name for name in ("old.abi", "new.abi", "rules"))
        a.write_text(old)
        b.write_text(new)
        names = "|".join(growing(old))
        rules.write_text(f"[suppress_type]\n  name_regexp = ^({names})$\n  type_kind = struct\n"
                         "  has_data_member_inserted_at = end\n")
        done = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", rules, a, b],
                              capture_output=True, text=True)
        return done.stdout + done.stderr if done.returncode else ""


def names_of(text):
    return set(re.findall(r"<elf-symbol name='(\w+)'", text))


# ---- The check of the check: changes of a dump, and whether they must be seen ----

def struct(text, name):
    return re.search(rf"<class-decl name='{name}' size-in-bits.*?</class-decl>", text, re.S)[0]


def grown(text, name):
    """The struct with one more pointer at its end."""
    old = struct(text, name)
    size = int(re.search(r"size-in-bits='(\d+)'", old)[1])
    member = re.findall(r" *<data-member.*?</data-member>\n", old, re.S)[-1]
    member = re.sub(r"layout-offset-in-bits='\d+'", f"layout-offset-in-bits='{size}'", member)
    member = re.sub(r"name='\w+'", "name='added'", member)
    new = old.replace(f"size-in-bits='{size}'", f"size-in-bits='{size + 64}'", 1)
    head, tail = new.rsplit("</data-member>\n", 1)
    return text.replace(old, head + "</data-member>\n" + member + tail)


def shortened(text, name):
    old = struct(text, name)
    member = re.findall(r" *<data-member.*?</data-member>\n", old, re.S)[3]
    return text.replace(old, old.replace(member, ""))


def without(text, function):
    text = re.sub(rf" *<elf-symbol name='{function}' .*?/>\n", "", text)
    return re.sub(rf" *<function-decl name='{function}' .*?</function-decl>\n", "", text, flags=re.S)


def check_checker(text):
    case("same dump", not differences(text, text))
    case("a struct with a size may grow", not differences(text, grown(text, "adze_plugin")),
         differences(text, grown(text, "adze_plugin")))
    case("a struct without a size may not", differences(text, grown(text, "adze_builder")))
    case("a member may not go", differences(text, shortened(text, "adze_plugin")))
    case("a function may not go", differences(text, without(text, "adze_op_erase")))
    case("a function may come", not differences(without(text, "adze_op_erase"), text))


def check_surface(stored, number):
    if not shutil.which("abidiff"):
        return skip("abidw and abidiff are not installed (Debian: abigail-tools)")
    with tempfile.TemporaryDirectory() as folder:
        dump(Path(folder) / "now.abi")
        now = (Path(folder) / "now.abi").read_text()
    if not stored.exists():
        return case("stored surface", False, f"there is none for ABI {number}: run test/abi/abi.py --update")
    old = stored.read_text()
    found = differences(old, now)
    case("surface", not found, f"incompatible with what ABI {number} was; take it back, or give ADZE_ABI a new "
         f"number and run test/abi/abi.py --update\n{found}")
    added = sorted(names_of(now) - names_of(old))
    case("additions", not added, f"not in the stored surface yet: {', '.join(added)}; run test/abi/abi.py --update")
    check_checker(now)


# ---- Old plug-ins ----

MODULE = """func @main(%x: f32[4]) -> (f32[4]) {
  %0 = exp(%x) : f32[4]
  %1 = neg(%0) : f32[4]
  %2 = old_twice(%1) : f32[4]
  return(%2)
}
"""
WANTED = ["%0 = tanh(%x)", "%1 = old_twice(%0)", "%2 = neg(%1)"]


def check_frozen(version, number):
    with tempfile.TemporaryDirectory() as folder:
        plugin, module = Path(folder) / "old.so", Path(folder) / "m.adz"
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-shared", "-fPIC", f"-I{version}",
                        HERE / "old_plugin.c", "-o", plugin], check=True)
        module.write_text(MODULE)
        done = subprocess.run([BUILD / "bin/adze", "opt", f"--plugin={plugin}", "--passes=old-swap,canonicalize",
                               "--check", module], capture_output=True, text=True)
        rules = subprocess.run([BUILD / "bin/adze", "opt", f"--plugin={plugin}", "--test-rules"],
                               capture_output=True, text=True)
    old = abi_number(version / "adze/abi.h")
    if old == number:
        case(f"plug-in of headers {version.name} runs",
             done.returncode == 0 and all(line in done.stdout for line in WANTED), done.stdout + done.stderr)
        case(f"rules of headers {version.name}", rules.returncode == 0 and "old-rules" in rules.stdout, rules.stderr)
    else:
        lines = done.stderr.splitlines()
        case(f"plug-in of headers {version.name} is refused",
             done.returncode == 1 and len(lines) == 1 and f"it speaks ABI {old}, this Adze speaks {number}" in lines[0],
             done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help="store the surface as it is")
    args = parser.parse_args()
    number = abi_number(ROOT / "runtime/abi/include/adze/abi.h")
    stored = HERE / f"libadze-{number}.abi"
    if args.update:
        return dump(stored)
    check_surface(stored, number)
    for version in sorted(path for path in HERE.iterdir() if path.name.isdigit()):
        check_frozen(version, number)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0


sys.exit(main())
