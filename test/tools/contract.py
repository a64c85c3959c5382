"""The command line's contract: exit statuses, stdout that cannot be written, files whole or not at all, what a
terminal gets and a pipe does not."""
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tally
from tally import check, skip

import numpy
import onnx
from onnx import helper, numpy_helper

BUILD, SOURCE = os.environ["ADZE_BUILD_DIR"], os.environ["ADZE_SOURCE_DIR"]
ADZE, MODEL = f"{BUILD}/bin/adze", f"{SOURCE}/tools/models/digits.onnx"
BIG = 6000  # bytes a file may have in the tests of a full disk


def run(*words, **options):
    r = subprocess.run([ADZE, *words], capture_output=True, timeout=300, **options)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def test_statuses(folder):
    """0 done, 1 the input is at fault, 2 the command line is wrong; results on stdout, messages on stderr."""
    for command in "compile", "run", "check", "bench", "info", "opt", "eval":
        more = {"compile": ["-o", f"{folder}/x.so"], "eval": [f"--data={folder}/none.npz"]}.get(command, [])
        for name, words, want in [("no input", [], 2), ("a flag that is not there", [MODEL, "--nothing"], 2),
                                  ("a flag without its value", [MODEL, "--target"], 2),
                                  ("a value that is none", [MODEL, "--threads=many", *more], 2),
                                  ("three levels of which one is none", [MODEL, "--target=x86:,", *more], 2),
                                  ("a file that is not there", [f"{folder}/none.onnx", *more], 1),
                                  ("a folder", [folder, *more], 1), ("a device", ["/dev/zero", *more], 1)]:
            code, out, err = run(command, *words)
            check(f"{command}: {name}", code == want and not out and err.count("\n") == 1, (code, out, err))
    code, out, err = run("nothing")
    check("a command that is not there", code == 2 and not out and "no command 'nothing'" in err, (code, err))


def test_stdout():
    """A result that did not arrive is a failure."""
    for words in [["--help"], ["--version"], ["run", "--help"], ["info", MODEL], ["run", MODEL], ["opt", MODEL],
                  ["opt", "--list-passes"], ["compile", MODEL, "-o", "-"], ["run", MODEL, "--outputs=-"]]:
        with open("/dev/full", "w") as full:
            r = subprocess.run([ADZE, *words], stdout=full, stderr=subprocess.PIPE)
        check(f"stdout is full: {words}", r.returncode == 1 and b"stdout" in r.stderr, (r.returncode, r.stderr))
        r = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", ADZE, *words], stderr=subprocess.PIPE)
        check(f"stdout is closed: {words}", r.returncode == 1 and b"stdout" in r.stderr, (r.returncode, r.stderr))


def test_dash(folder):
    """`-` is stdin or stdout."""
    code, text, err = run("opt", "tools/models/digits.onnx", "--passes=fold", cwd=SOURCE)
    check("opt to stdout", code == 0 and text.startswith("module "), err)
    code, again, err = run("opt", "-", input=text.encode(), cwd=SOURCE)
    check("opt from stdin", code == 0 and again == text, err)
    code, out, err = run("compile", "-", "-o", f"{folder}/stdin.adz", input=text.encode(), cwd=SOURCE)
    check("compile from stdin", code == 0 and not out and os.path.exists(f"{folder}/stdin.adz"), err)
    code, _, err = run("opt", "-", input=b"func @f() -> () { oops() }")
    check("a message names stdin", code == 1 and err.startswith("stdin:1:"), err)


OUTPUTS = {".so": "compile", ".o": "compile", "": "compile", ".adz": "compile", ".mlir": "compile",
           ".ll": "compile", ".s": "compile", ".npz": "run", ".opt.adz": "opt"}


def write(path, **options):
    """Makes the command write to `path`."""
    kind = next(s for s in sorted(OUTPUTS, key=len, reverse=True) if path.endswith(s))
    words = {"compile": ["compile", MODEL, "-o", path], "opt": ["opt", MODEL, "-o", path],
             "run": ["run", MODEL, f"--outputs={path}", "--dim=N=200"]}[OUTPUTS[kind]]
    return run(*words, **options)


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (BIG, BIG))


def test_files(folder):
    """Whole or not at all, whatever stands in the way."""
    for suffix in OUTPUTS:
        name = suffix or "program"
        at = tempfile.mkdtemp(dir=folder)
        os.mkdir(f"{at}/d{suffix}")
        code, out, err = write(f"{at}/d{suffix}")
        check(f"{name}: a folder is there", code == 1 and "Is a directory" in err and err.count("\n") == 1, err)
        code, out, err = write(f"{at}/none/x{suffix}")
        check(f"{name}: no folder is there", code == 1 and "No such file" in err and err.count("\n") == 1, err)
        check(f"{name}: nothing is left", os.listdir(at) == [f"d{suffix}"], os.listdir(at))
        at = tempfile.mkdtemp(dir=folder)
        with open(f"{at}/x{suffix}", "w") as old:
            old.write("old")
        code, out, err = write(f"{at}/x{suffix}", preexec_fn=small_files)
        with open(f"{at}/x{suffix}", "rb") as old:
            check(f"{name}: the disk is full", code == 1 and err and old.read() == b"old", (code, err))
        check(f"{name}: only the old file is left", os.listdir(at) == [f"x{suffix}"], os.listdir(at))
        os.mkdir(f"{at}/real")
        with open(f"{at}/real/y{suffix}", "w"):
            pass
        os.symlink(f"real/y{suffix}", f"{at}/y{suffix}")
        code, out, err = write(f"{at}/y{suffix}")
        check(f"{name}: a link stays one", code == 0 and os.path.islink(f"{at}/y{suffix}") and
              os.path.getsize(f"{at}/real/y{suffix}") > 0, (code, err))


def test_pairs(folder):
    """A text and the constants beside it appear together."""
    for name, words in {"compile": ["compile", MODEL, "-o"], "opt": ["opt", MODEL, "-o"]}.items():
        at = tempfile.mkdtemp(dir=folder)
        os.mkdir(f"{at}/x.adz.bin")
        code, _, err = run(*words, f"{at}/x.adz")
        check(f"{name}: a folder is where the constants go", code == 1 and "Is a directory" in err, (code, err))
        check(f"{name}: no text without constants", os.listdir(at) == ["x.adz.bin"], os.listdir(at))


def big_model(path):
    """Weights that take a while to write."""
    weights = numpy.arange(6 << 20, dtype="f4").reshape(2048, 3072)
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", 1, [1, 2048])],
                              [helper.make_tensor_value_info("y", 1, [1, 3072])],
                              [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def stop_when_it_writes(words, folder, number):
    """Sends the signal as soon as something lies in the folder; the exit status, and whether that came too late."""
    process = subprocess.Popen([ADZE, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not os.listdir(folder):
        pass
    process.send_signal(signal.SIGSTOP)
    late = process.poll() is not None
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    return process.wait(), late


def test_signals(folder):
    """A signal ends a command as it would any other, but leaves no temporary file."""
    model = f"{folder}/big.onnx"
    big_model(model)
    ends = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE]
    kinds = {"x.onnx": "compile", "y.onnx": "compile", "x.adz": "compile", "x.so": "compile", "program": "compile",
             "x.npz": "run", "opt.adz": "opt"}
    for name, command in kinds.items():
        for number in ends:
            at = tempfile.mkdtemp(dir=folder)
            words = [command, model, f"--outputs={at}/{name}" if command == "run" else f"-o{at}/{name}"]
            words[2:] = ["-o", f"{at}/{name}"] if command != "run" else words[2:]
            code, late = stop_when_it_writes(words + ["--external-data"] * (name == "y.onnx"), at, number)
            left = [f for f in os.listdir(at) if f not in (name, name + ".data", name + ".bin")]
            check(f"{name}: {number.name} leaves nothing", not left and (late or code in (0, -number)), (code, left))
    process = subprocess.Popen(["nohup", ADZE, "bench", MODEL, "--seconds=3"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    process.send_signal(signal.SIGHUP)
    check("a signal that was ignored stays so", process.wait() == 0, process.returncode)


def test_devices(folder):
    """A rename must not take the place of a device."""
    for suffix in OUTPUTS:
        if suffix == ".npz" or suffix.endswith(".adz"):
            continue
        path = f"{folder}/fifo{suffix}"
        os.mkfifo(path)
        code, _, err = write(path)
        check(f"fifo{suffix}", code == 1 and "not a regular file" in err and not os.path.isfile(path), (code, err))
    path = f"{folder}/fifo.adz"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    code, _, err = run("opt", f"{SOURCE}/test/backends/x86/vector_add.adz", "-o", path)
    text = os.read(reader, 1 << 20)
    os.close(reader)
    check("text goes through a pipe", code == 0 and text.startswith(b"module"), (code, err, text[:40]))
    check("and nothing beside it", not [f for f in os.listdir(folder) if "bin" in f], os.listdir(folder))


def on_terminal(*words, term="xterm"):
    """stderr as a terminal shows it."""
    master, slave = pty.openpty()
    process = subprocess.Popen([ADZE, *words], stdout=subprocess.DEVNULL, stderr=slave,
                               env={**os.environ, "TERM": term})
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 120)[0]:
        try:
            some = os.read(master, 65536)
        except OSError:
            break
        if not some:
            break
        shown += some
    os.close(master)
    process.wait()
    return shown.decode()


def test_terminal(folder):
    """Colour and progress: on a terminal, or where they are asked for."""
    bad = f"{folder}/bad.adz"
    with open(bad, "w") as f:
        f.write("func @f() -> () { oops() }")
    colour, red = "\033[", "\033[1;31merror: "
    check("colour on a terminal", red in on_terminal("opt", bad), on_terminal("opt", bad))
    check("none on one that cannot", colour not in on_terminal("opt", bad, term="dumb"))
    check("none if not wanted", colour not in on_terminal("opt", bad, "--color=never"))
    check("none in a pipe", colour not in run("opt", bad)[2])
    check("in a pipe if wanted", red in run("opt", bad, "--color=always")[2])
    slow = ["bench", MODEL, "--seconds=2.5"]
    check("progress on a terminal after two seconds", "bench [" in on_terminal(*slow))
    check("none if not wanted: progress", "bench [" not in on_terminal(*slow, "--progress=never"))
    said = run(*slow)[2].splitlines()
    check("none in a pipe: progress", all(line.startswith("note: inputs were made up") for line in said), said)
    check("in a pipe if wanted: progress", "bench [" in run(*slow, "--progress=always")[2])
    check("none for what is quick", "[" not in on_terminal("info", MODEL))


with tempfile.TemporaryDirectory() as folder:
    test_statuses(folder)
    test_stdout()
    test_dash(folder)
    test_files(folder)
    test_pairs(folder)
    test_signals(tempfile.mkdtemp(dir=folder))
    test_devices(tempfile.mkdtemp(dir=folder))
    test_terminal(folder)
sys.exit(tally.end())
