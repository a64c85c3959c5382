"""headers.py INCLUDE: every installed header alone is valid C17, C++17 and C++20, for gcc and clang, without a warning,
and includes standard headers and its own kind only. Compilers that are not there are skipped, and said so."""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INCLUDE = Path(sys.argv[1])
STANDARD = {"math.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fsyntax-only"]
COMPILERS = [("gcc", "c", "c17"), ("clang", "c", "c17"), *((cxx, "c++", std) for cxx in ("g++", "clang++")
                                                           for std in ("c++17", "c++20"))]


def compile_alone(job):
    header, compiler, language, standard = job
    done = subprocess.run([compiler, f"-std={standard}", *WARNINGS, f"-I{INCLUDE}", "-x", language, "-"], text=True,
                          input=f"#include <{header}>\nint adze_test(void);\n", capture_output=True)
    return (header, compiler, standard, done.stderr) if done.returncode else None


def find(compiler):
    return shutil.which(compiler) or shutil.which(compiler, path="/usr/lib/llvm-22/bin")


headers = sorted(p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob("*.h"))
own = {p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob("*") if p.suffix in (".h", ".def")}
faults = []
for name in sorted(own):
    for included in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)', (INCLUDE / name).read_text(), re.M):
        if included not in own | STANDARD:
            faults.append(f"{name} includes {included}")
there = [(find(c), language, std) for c, language, std in COMPILERS if find(c)]
with ThreadPoolExecutor(os.cpu_count()) as pool:
    for bad in pool.map(compile_alone, [(h, *c) for h in headers for c in there]):
        if bad:
            faults.append("{} by {} as {}:\n{}".format(*bad))
print("\n".join(faults))
missing = [f"{c} {std}" for c, _, std in COMPILERS if not find(c)]
for name in missing:
    print(f"skipped: no {name}")
print(f"{len(headers)} headers, {len(there)} compilers, {len(faults)} faults")
sys.exit(1 if faults or not headers or not there else 0)
