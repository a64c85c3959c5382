"""If, Loop, Scan and sequences: the reference against ONNX Runtime, as read and after the model was written and read
again.

    onnx_control.py [NAME...]     some of the cases alone
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tally
from tally import check

try:
    import numpy as np
    import onnx
    import onnx.parser
    import onnxruntime as ort
except ImportError as error:
    tally.skip_all(error)

BUILD = Path(os.environ["ADZE_BUILD_DIR"])
ADZE = BUILD / "bin/adze"
ort.set_default_logger_severity(4)
X = {"x": np.arange(12, dtype=np.float32).reshape(3, 4) - 5}
N = {"n": np.array(3, np.int64)}
C, D = {"c": np.array(True)}, {"c": np.array(False)}
CASES = []  # name, opset, main graph in ONNX's own text, inputs


def case(name, graph, *inputs, opset=17):
    for number, values in enumerate(inputs):
        CASES.append((f"{name}.{number}", opset, graph, values))


case("if", """g (float[3,4] x, bool c) => (float[3,4] y) {
    y = If (c) <then_branch = a () => (float[3,4] t) { t = Relu(x) },
                else_branch = b () => (float[3,4] t) { t = Neg(x) }> }""", X | C, X | D)
case("if_shapes", """g (float[3,4] x, bool[1] c) => (float[M,4] y) {
    y = If (c) <then_branch = a () => (float[3,4] t) { t = Relu(x) },
                else_branch = b () => (float[6,4] t) { t = Concat <axis = 0> (x, x) }> }""",
     X | {"c": np.array([True])}, X | {"c": np.array([False])})
case("if_nested", """g (float[3,4] x, bool c) => (float[3,4] y, float[3,4] z) {
    d = Not(c)
    y, z = If (c) <
        then_branch = a () => (float[3,4] t, float[3,4] u) {
            w = Abs(x)
            t = If (d) <then_branch = p () => (float[3,4] q) { q = Abs(x) },
                        else_branch = p () => (float[3,4] q) { q = Sqrt(w) }>
            u = Add(w, t) },
        else_branch = b () => (float[3,4] t, float[3,4] u) { t = Neg(x)  u = Identity(x) }> }""", X | C, X | D)
case("if_initializer", """g (float[3,4] x, bool c) => (float[3,4] y) {
    y = If (c) <then_branch = a () => (float[3,4] t) <float[4] w = {1, 2, 3, 4}> { t = Add(x, w) },
                else_branch = b () => (float[3,4] t) <float[4] w = {4, 3, 2, 1}> { t = Mul(x, w) }> }""",
     X | C, X | D)
case("loop", """g (float[3,4] x, int64 n, bool c) => (float[3,4] y, float[K,3,4] all) {
    y, all = Loop (n, c, x) <body = b (int64 i, bool go, float[3,4] v) => (bool again, float[3,4] w, float[3,4] s) {
        f = Cast <to = 1> (i)
        w = Add(v, f)
        s = Mul(w, x)
        again = Identity(go) }> }""", X | N | C, X | N | D, X | C | {"n": np.array(0, np.int64)})
case("loop_until", """g (float[3,4] x) => (float[3,4] y, float[K] sums) {
    y, sums = Loop ("", "", x) <body = b (int64 i, bool go, float[3,4] v) => (bool again, float[3,4] w, float s)
        <float limit = {40}> {
        w = Add(v, v)
        a = Abs(w)
        s = ReduceSum <keepdims = 0> (a)
        again = Less(s, limit) }> }""", X, {"x": np.full((3, 4), 0.25, np.float32)})
case("loop_grows", """g (float[3,4] x, int64 n) => (float[M,4] y) {
    y = Loop (n, "", x) <body = b (int64 i, bool go, float[M,4] v) => (bool again, float[L,4] w) {
        w = Concat <axis = 0> (v, x)
        again = Identity(go) }> }""", X | N, X | {"n": np.array(0, np.int64)})
case("loop_in_loop", """g (float[3,4] x, int64 n) => (float[3,4] y, float[K,J] all) {
    y, all = Loop (n, "", x) <body = b (int64 i, bool go, float[3,4] v) => (bool again, float[3,4] w, float[J] s) {
        w, s = Loop (n, go, v) <body = d (int64 k, bool on, float[3,4] p) => (bool more, float[3,4] q, float r) {
            ik = Add(i, k)
            f = Cast <to = 1> (ik)
            q = Sub(p, f)
            r = ReduceMax <keepdims = 0> (q)
            more = Identity(on) }>
        again = Identity(go) }> }""", X | N)
case("loop_if", """g (float[3,4] x, int64 n, bool c) => (float[3,4] y) {
    y = Loop (n, c, x) <body = b (int64 i, bool go, float[3,4] v) => (bool again, float[3,4] w) <int64 one = {1}> {
        odd = Equal(i, one)
        w = If (odd) <then_branch = p () => (float[3,4] t) { t = Neg(v) },
                      else_branch = q () => (float[3,4] t) { t = Add(v, x) }>
        again = Identity(go) }> }""", X | N | C)
case("loop_hands_through", """g (float[3,4] x, int64 n, bool c) => (float[3,4] y, float[3,4] z, float[K,3,4] all) {
    y, z, all = Loop (n, c, x, x) <body = b (int64 i, bool go, float[3,4] v, float[3,4] u)
        => (bool again, float[3,4] p, float[3,4] q, float[3,4] s) {
        p = Neg(u)
        q = Identity(v)
        s = Identity(x)
        again = Identity(go) }> }""", X | N | C)
case("loop_output_not_used", """g (float[3,4] x, int64 n, bool c) => (float[K,3,4] all) {
    y, all = Loop (n, c, x) <body = b (int64 i, bool go, float[3,4] v) => (bool again, float[3,4] w, float[3,4] s) {
        w = Neg(v)
        s = Add(w, x)
        again = Identity(go) }> }""", X | N | C)
SCAN = """g (float[3,4] x, float[4,3] z, float[4] s) => (float[4] y, float[{0}] t) {{
    y, t = Scan <num_scan_inputs = 2, {1},
        body = b (float[4] v, float[4] p, float[4] q) => (float[4] w, float[4] r) {{
            k = Mul(p, q)
            w = Add(v, k)
            r = Sub(w, p) }}> (s, x, z) }}"""
SCANNED = {**X, "z": np.arange(12, dtype=np.float32).reshape(4, 3), "s": np.ones(4, np.float32)}
case("scan", SCAN.format("3,4", "scan_input_axes = [0, 1]"), SCANNED)
case("scan_reversed", SCAN.format("3,4", "scan_input_axes = [0, -1], scan_input_directions = [1, 0], "
                                         "scan_output_directions = [1]"), SCANNED)
case("scan_axes", SCAN.format("4,3", "scan_input_axes = [0, 1], scan_output_axes = [1]"), SCANNED)
case("scan_dynamic", SCAN.format("K,4", "scan_input_axes = [0, 1], scan_input_directions = [1, 1]")
     .replace("float[3,4] x", "float[K,4] x").replace("float[4,3] z", "float[4,K] z"), SCANNED)
case("scan8", """g (float[2,3,4] x, float[2,4] s) => (float[2,4] y, float[2,3,4] t) {
    y, t = Scan <num_scan_inputs = 1, directions = [1], body = b (float[4] v, float[4] p) => (float[4] w, float[4] r) {
            w = Add(v, p)
            r = Sub(w, p) }> ("", s, x) }""",
     {"x": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "s": np.ones((2, 4), np.float32)}, opset=8)
case("scan8_lengths", """g (int64[2] n, float[2,3,4] x, float[2,4] s) => (float[2,4] y, float[2,3,4] t) {
    y, t = Scan <num_scan_inputs = 1, directions = [1], body = b (float[4] v, float[4] p) => (float[4] w, float[4] r) {
            w = Add(v, p)
            r = Sub(w, p) }> (n, s, x) }""",
     {"n": np.array([2, 3], np.int64), "x": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
      "s": np.ones((2, 4), np.float32)}, opset=8)
case("sequence_grows", """g (float[3,4] x, int64 n) => (float[M,4] y, int64 count, float[3,4] first) {
    none = SequenceEmpty <dtype = 1> ()
    s = Loop (n, "", none) <body = b (int64 i, bool go, seq(float) v) => (bool again, seq(float) w) {
        f = Cast <to = 1> (i)
        t = Add(x, f)
        w = SequenceInsert(v, t)
        again = Identity(go) }>
    y = ConcatFromSequence <axis = 0> (s)
    count = SequenceLength(s)
    zero = Constant <value_int = 0> ()
    first = SequenceAt(s, zero) }""", X | N)
case("sequence_parts", """g (float[3,4] x, int64 n) => (float[4,K] y, float[3,1] z) {
    s = SplitToSequence <axis = 1> (x)
    at = Constant <value_int = -2> ()
    t = SequenceErase(s, at)
    p = SequenceAt(t, at)
    u = SequenceInsert(t, p, at)
    q = ConcatFromSequence <axis = 1> (u)
    y = Transpose(q)
    z = SequenceAt(u, at) }""", X | N)
case("sequence_stacked", """g (float[3,4] x) => (float[3,2,2] y) {
    two = Constant <value_int = 2> ()
    s = SplitToSequence <axis = -1> (x, two)
    y = ConcatFromSequence <axis = -1, new_axis = 1> (s) }""", X)
case("sequence_of_a_branch", """g (float[3,4] x, bool c) => (float[M,N] y) {
    s = If (c) <then_branch = a () => (seq(float) t) { t = SequenceConstruct(x, x) },
                else_branch = b () => (seq(float) t) { t = SplitToSequence <axis = 0> (x) }>
    y = ConcatFromSequence <axis = 0> (s) }""", X | C, X | D)
case("sequence_map", """g (float[3,4] x) => (float[3,4] y) {
    s = SplitToSequence <axis = 0> (x)
    m = SequenceMap (s, x) <body = b (float[1,4] v, float[3,4] w) => (float[1,4] p) {
        t = ReduceSum <keepdims = 0> (w)
        p = Sub(v, t) }>
    y = ConcatFromSequence <axis = 0> (m) }""", X)


def adze(name, *arguments):
    done = subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout if check(f"{name}: {arguments[0]}", done.returncode == 0, done.stderr) else None


def compare(name, got, want):
    for key, value in want.items():
        fits = key in got and got[key].shape == value.shape and np.allclose(got[key], value, rtol=1e-5, atol=1e-6)
        check(f"{name}: {key}", fits, f"{got.get(key)}, wanted {value}")


def run_reference(name, model, values, scratch):
    outputs = scratch / "out.npz"
    if adze(name, "run", model, *(f"--input={k}={scratch / k}.npy" for k in values), f"--outputs={outputs}") is None:
        return {}
    with np.load(outputs) as file:
        return {key: file[key] for key in file.files}


def run_runtime(model, values):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(model), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, values)))


def text_of(name, model):
    """The IR, without its first line, which says the opset."""
    text = adze(name, "opt", "--passes=", model)
    return text.split("\n", 1)[1] if text else None


def run_case(name, opset, graph, values, scratch):
    model, again, twice = (scratch / f"{n}.onnx" for n in ("model", "again", "twice"))
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{graph}')
    onnx.save(proto, model)
    for key, value in values.items():
        np.save(scratch / key, value)
    want = run_runtime(model, values)
    compare(f"{name}: as read", run_reference(name, model, values, scratch), want)
    if adze(name, "compile", model, "-o", again) is None or adze(name, "compile", again, "-o", twice) is None:
        return
    onnx.checker.check_model(str(again), full_check=True)
    compare(f"{name}: as written, ONNX Runtime", run_runtime(again, values), want)
    compare(f"{name}: as written", run_reference(name, again, values, scratch), want)
    texts = [text_of(name, m) for m in (model, again, twice)]
    check(f"{name}: the text stays", texts[1] == texts[2], texts[1:])
    if name.startswith(("scan", "sequence_map")):  # some values of what it becomes have no name before they are written
        return
    plain = [re.sub(r"_\d+\b", "", str(text)) for text in texts]  # two of a name get numbers
    check(f"{name}: the text is the same at once", plain[0] == plain[1], "\n".join(map(str, texts[:2])))


def main():
    for name, opset, graph, values in CASES:
        if len(sys.argv) > 1 and name.split(".")[0] not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            run_case(name, opset, graph, values, Path(scratch))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
