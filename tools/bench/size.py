"""size.py [--gigabytes=3]: memory that adze takes for a model with large weights, in a file beside the model.

A chain of products of random matrices, as many as fill the size. For each command: seconds, the peak of all memory, the
peak of memory that is its own (not pages of the files that it reads), both also as a share of the weights.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

BUILD = Path(os.environ.get("ADZE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build/release"))


def write_model(folder, size, width):
    """model.onnx and weights.bin with `size` bytes of f32 matrices [width,width]; gives the bytes there are."""
    count = max(1, int(size // (4 * width * width)))
    rng = np.random.default_rng(1)
    block = (rng.standard_normal((width, width), np.float32) / np.float32(np.sqrt(width)))
    nodes, weights = [], []
    with open(folder / "weights.bin", "wb") as file:
        for i in range(count):
            file.write(np.roll(block, i, axis=0).tobytes())  # no two are the same
            tensor = onnx.TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[width, width],
                                      data_location=TensorProto.EXTERNAL)
            for key, value in (("location", "weights.bin"), ("offset", i * block.nbytes), ("length", block.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            weights.append(tensor)
            nodes.append(helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]))
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, width]) for n in ("x0", f"x{count}")]
    graph = helper.make_graph(nodes, "large", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              folder / "model.onnx")
    return count * block.nbytes


def read_status(pid):
    """(all, own) memory of a process in bytes; None when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return (found["VmRSS"], found["RssAnon"]) if len(found) == 2 else None


def measure(command):
    """Seconds and peaks; looks every 5 ms, so a peak of less may be missed."""
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    peaks = [0, 0]
    while process.poll() is None:
        now = read_status(process.pid)
        peaks = [max(a, b) for a, b in zip(peaks, now)] if now else peaks
        time.sleep(0.005)
    reader.join()
    if process.returncode:
        raise SystemExit(f"{command[1]}: status {process.returncode}: {errors[0].strip()}")
    return time.monotonic() - start, *peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=3, help="of weights (default 3)")
    parser.add_argument("--width", type=int, default=4096, help="of the matrices (default 4096)")
    parser.add_argument("--folder",
                        help="where model and artifact go for a while (default: the system's for such files)")
    parser.add_argument("--adze", default=str(BUILD / "bin/adze"))
    parser.add_argument("--check", action="store_true",
                        help="fail where import has more than 200 MB of its own, or compiling takes more than 1.5 "
                             "times the weights and 300 MB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adze-size-", dir=args.folder) as folder:
        folder = Path(folder)
        size = write_model(folder, args.gigabytes * 1e9, args.width)
        print(f"{size / 1e6:.0f} MB of weights")
        print(f"{'':12} {'s':>7} {'all MB':>9} {'own MB':>9} {'all':>6} {'own':>6}")
        model, wrong = folder / "model.onnx", False
        rows = [("info", ["info", model]), ("opt", ["opt", model, "-o", folder / "m.adz"]),
                ("compile", ["compile", model, "-o", folder / "m.so", "--target=x86:host"]),
                ("run", ["run", folder / "m.so"])]
        for name, command in rows:
            seconds, peak, own = measure([args.adze, *command])
            print(f"{name:12} {seconds:7.1f} {peak / 1e6:9.0f} {own / 1e6:9.0f} {peak / size:6.2f} {own / size:6.2f}",
                  flush=True)
            wrong |= name == "info" and own > 200e6
            wrong |= name == "compile" and peak > 1.5 * size + 300e6
        if args.check and wrong:
            sys.exit("size.py: over the bounds")


if __name__ == "__main__":
    main()
