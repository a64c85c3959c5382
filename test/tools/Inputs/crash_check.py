"""crash_check.py ADZE PLUGIN MODEL FOLDER: what a crash inside a pass leaves, for each signal and command.

The process must die by the signal; the IR that it names must parse; the command that it prints must die, too.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

adze, plugin, model, folder = sys.argv[1:]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder + "/out")


def run(args, **more):
    return subprocess.run(args, cwd=folder, capture_output=True, text=True, **more)


def check(name, what, got):
    if not what:
        sys.exit(f"{name}: {got}")


def crashes(name, args, want, where, again=True, **more):
    done = run([adze, *args, f"--plugin={plugin}"], **more)
    check(name, done.returncode == -want, f"status {done.returncode}\n{done.stderr}")
    check(name, f"{want.name} while pass 'boom' ran, number " in done.stderr, done.stderr)
    found = re.search(r"the IR in front of it: (\S+)\n  this crashes again:    (.*)\n$", done.stderr)
    check(name, bool(found) == again, done.stderr)
    if not again:
        return done.stderr
    path = os.path.join(folder, found[1])
    check(name, os.path.dirname(path) == os.path.normpath(os.path.join(folder, where)), path)
    parsed = run([adze, "opt", path])
    check(name, parsed.returncode == 0 and "func @main" in parsed.stdout, parsed.stderr)
    second = run(["bash", "-c", "exec " + found[2]])
    check(name, second.returncode == -want, f"{found[2]}\nstatus {second.returncode}\n{second.stderr}")
    return parsed.stdout


for how, want in [("segv", signal.SIGSEGV), ("abort", signal.SIGABRT), ("fpe", signal.SIGFPE),
                  ("bus", signal.SIGBUS), ("ill", signal.SIGILL), ("stack", signal.SIGSEGV)]:
    crashes(how, ["opt", model, "--passes=simplify,boom{how=%s},fuse" % how], want, ".")

# The IR is that in front of the pass: behind the others, and with its symbol fixed. Other flags go along.
text = crashes("dim", ["opt", model, "--passes=simplify,fuse{single=true},repeat{n=2}(cse,boom{op=kernel,last=8})",
                       "--dim=N=3", "--max-memory=1G", "--precision=strict", "-o", "out/x.adz"], signal.SIGSEGV, "out")
check("dim", "f32[3,1,8,8]" in text and "kernel(" in text, text)
text = crashes("stdin", ["opt", "-", "--passes=cse,boom"], signal.SIGSEGV, ".",
               input="func @main(%x: f32[4]) -> (f32[4]) {\n  %0 = relu(%x) : f32[4]\n  return(%0)\n}\n")
check("stdin", "relu" in text, text)
crashes("limit", ["opt", model, "--passes=simplify,fuse,boom{op=kernel}", "--rewrite-limit=2"], signal.SIGSEGV, ".")
crashes("certify", ["opt", model, "--passes=simplify,boom", "--certify"], signal.SIGSEGV, ".")
crashes("bisect", ["opt", model, "--passes=simplify,boom", "--bisect"], signal.SIGSEGV, ".")

# Names that a shell or the flags would read otherwise; more flags than any fixed number.
shutil.copy(model, os.path.join(folder, "out", "it's $1.onnx"))
crashes("quotes", ["opt", "out/it's $1.onnx", "--passes=boom"], signal.SIGSEGV, ".")
os.makedirs(folder + "/-x")
crashes("dash", ["opt", model, "--passes=boom", "--crash-folder=-x"], signal.SIGSEGV, "-x")
many = []
for i in range(70):
    many.append(f"--plugin=out/r{i}.rules")
    open(os.path.join(folder, "out", f"r{i}.rules"), "w").close()
crashes("many", ["opt", model, "--passes=boom", *many], signal.SIGSEGV, ".")

# Other commands that run passes.
crashes("compile", ["compile", model, "--passes=simplify,boom,fuse,lower", "-o", "out/x.so"], signal.SIGSEGV, "out")
crashes("run", ["run", model, "--passes=simplify,boom"], signal.SIGSEGV, ".")

# Elsewhere, nowhere, and where nothing can be written.
crashes("folder", ["opt", model, "--passes=boom", "--crash-folder=out"], signal.SIGSEGV, "out")
done = run([adze, "opt", model, f"--plugin={plugin}", "--passes=boom", "--crash-folder=none"])
check("none", done.returncode == -signal.SIGSEGV and not done.stderr, done.stderr)
text = crashes("readonly", ["opt", model, "--passes=boom{op=relu}", "--crash-folder=gone"], signal.SIGSEGV, ".", False)
check("readonly", "cannot be written: no file can be made in gone\n  this crashed: " in text, text)
check("readonly", "--passes='boom{op=relu}' --crash-folder=gone" in text, text)
print("crashes leave what they should")
