"""Models that adze writes as ONNX, against ONNX's checker and ONNX Runtime.

    onnx_export.py [NAME...]     some of the cases alone

Modules of IR text, each op at the opsets that say it in different ways: ONNX Runtime must give what the
reference gives. Then the public models: ONNX Runtime's outputs of the exported model must be those of the
original, to the last bit, and close to them after `simplify`.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tally
from tally import check, skip

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
except ImportError as error:
    tally.skip_all(error)

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
MODELS = Path(os.environ.get("ADZE_MODELS", SOURCE.parent / "shared/models"))
ADZE = BUILD / "bin/adze"
ort.set_default_logger_severity(4)


def adze(*arguments):
    return subprocess.run([str(a) for a in (ADZE, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def export(name, source, target, *flags):
    done = adze("compile", source, "-o", target, *flags)
    if not check(f"{name} is written", done.returncode == 0, done.stderr):
        return False
    try:
        onnx.checker.check_model(str(target), full_check=True)
    except Exception as error:  # whatever the checker has to say
        return check(f"{name} is a valid model", False, error)
    return check(f"{name} is a valid model", True)


def run(model, inputs):
    """Outputs by name, computed as written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(model), options)
    names = [output.name for output in session.get_outputs()]
    wanted = {i.name for i in session.get_inputs()}
    return dict(zip(names, session.run(names, {k: v for k, v in inputs.items() if k in wanted})))


# Models that do not take any sizes and numbers: dims, or the number itself.
FITTING = {"silero_vad": {"input": (1, 288), "state": (2, 1, 128), "sr": 8000}}


def random_inputs(model, seed=3, fitting=None):
    types = {"float": "float32", "double": "float64"}
    random = np.random.default_rng(seed)
    values = {}
    for i in ort.InferenceSession(str(model)).get_inputs():
        name = re.fullmatch(r"tensor\((\w+)\)", i.type)[1]
        dims = [d if isinstance(d, int) and d > 0 else 3 for d in i.shape]
        dtype = np.dtype(types.get(name, name))
        known = (fitting or {}).get(i.name)
        if isinstance(known, int):
            values[i.name] = np.array(known, dtype)
            continue
        dims = known or dims
        values[i.name] = (random.standard_normal(dims) if dtype.kind == "f"
                          else random.integers(0, 2 if name == "bool" else 9, dims)).astype(dtype)
    return values


def same(name, got, want, share):
    """Equal dims and types; with `share` 0 equal bits, else so close in parts of the largest magnitude."""
    if not check(f"{name}: outputs", list(got) == list(want), f"{list(got)}, wanted {list(want)}"):
        return
    for key, b in want.items():
        a = got[key]
        if not check(f"{name}: {key}", a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype}{a.shape}, wanted "
                     f"{b.dtype}{b.shape}"):
            continue
        if share == 0 or a.dtype.kind not in "f":
            check(f"{name}: values of {key}", np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), f"{a} wanted {b}")
        else:
            far = np.abs(a.astype("f8") - b.astype("f8")).max(initial=0)
            check(f"{name}: values of {key}", far <= share * max(np.abs(b.astype("f8")).max(initial=0), 1e-30), far)


# ---- Ops ----

NEWEST = 24  # of those that this ONNX Runtime runs
CASES = []


def case(name, text, *opsets, share=2e-6):
    CASES.append((name, text, opsets, share))


def op(name, line, arguments, *opsets, constants="", share=2e-6):
    """One op; `line` is all behind `%y = `."""
    given = ", ".join(f"%{key}: {kind}" for key, kind in arguments.items())
    kind = line.rsplit(" : ", 1)[1]
    case(name,
         f"module @m {{\n{constants}\nfunc @main({given}) -> (%y: {kind}) {{\n  %y = {line}\n  return(%y)\n}}\n}}\n",
         *opsets, share=share)


X = {"x": "f32[2,3,4]"}
for kind in ("rsqrt",):
    case(kind, f"module @m {{ func @main(%x: f32[2,3,4]) -> (%y: f32[2,3,4]) {{ %a = abs(%x) : f32[2,3,4] "
               f"%y = {kind}(%a) : f32[2,3,4] return(%y) }} }}", 13, NEWEST)
for kind in ("gelu", "gelu_tanh", "hard_swish", "mish", "swish", "elu", "relu", "round", "identity"):
    op(kind, f"{kind}(%x) : f32[2,3,4]", X, 13, 15, 20, NEWEST)
op("swish_alpha", "swish(%x) {alpha = 1.5} : f32[2,3,4]", X, 13, NEWEST)
op("fma", "fma(%a, %b, %c) : f32[2,3]", {"a": "f32[2,3]", "b": "f32[3]", "c": "f32[2,1]"}, 13)
op("prelu", "prelu(%a, %b) : f32[2,3]", {"a": "f32[2,3]", "b": "f32[3]"}, 13, 16)
op("prelu_small", "prelu(%a, %b) : f32[2,3]", {"a": "f32[3]", "b": "f32[2,3]"}, 13)
op("sum_of_ints", "sum_n(%a, %b, %a) : i64[2,3]", {"a": "i64[2,3]", "b": "i64[3]"}, 13)
op("relu_of_bytes", "relu(%a) : u8[2,3]", {"a": "u8[2,3]"}, 13)
op("gather_nd", "gather_nd(%x, @i) : f32[2,4]", {"x": "f32[2,3,4]"}, 13,
   constants="const @i: i32[2,2] = dense[0, 1, 1, 2]")
SOME = "const @p: i64[2] = dense[2, -1]\nconst @a: i64[1] = dense[-1]\nconst @v: f32[] = dense[0.5]"
for mode in ("constant", "edge", "reflect"):
    op(f"pad_axes_{mode}", f"pad(%x, @p, @v, @a) {{mode = \"{mode}\"}} : f32[2,3,5]", X, 7, 10, 11, 13, 18, NEWEST,
       constants=SOME)
op("pad_axes_ints", "pad(%x, @p, _, @a) : i64[2,3]", {"x": "i64[2,2]"}, 11, 17, 18, constants=SOME)
# Elements of few bits are moved as bytes where an op takes none of them.
CODES = "const @c: u4[4,2] = dense[0, 1, 2, 3, 12, 13, 14, 15]\nconst @z: u4[] = dense[8]\n" \
        "const @n: i64[2] = dense[2, 2]"
case("few_bits", f"module @m {{\n{CODES}\nconst @s: i64[2] = dense[1, 0]\nconst @e: i64[2] = dense[3, 2]\n"
                 "func @main(%s: f32[2,2]) -> (%y: f32[2,2]) { %c = slice(@c, @s, @e) : u4[2,2] "
                 "%z = expand(@z, @n) : u4[2,2] %y = dequantize(%c, %s, %z) {axis = 0, block_size = 1} : f32[2,2] "
                 "return(%y) } }", 21, NEWEST)
op("relayout", "relayout(%a) : f32[3]", {"a": "f32[3]"}, 13)
op("max", "max(%a, %b) : f32[2,3]", {"a": "f32[2,3]", "b": "f32[3]"}, 13, NEWEST)
for axis in (0, 1, 2, -2):
    op(f"softmax_flat{axis}", f"softmax_flat(%x) {{axis = {axis}}} : f32[2,3,4]", X, 13)
op("softmax_symbol", "softmax_flat(%x) : f32[N,3,4]", {"x": "f32[N,3,4]"}, 13, NEWEST)
for axis in (1, -1):
    dims = "4" if axis == -1 else "3,4"
    constants = f"const @s: f32[{dims}] = dense[{', '.join(str(0.5 + i) for i in range(4 if axis == -1 else 12))}]"
    op(f"layer_norm{axis}", f"layer_norm(%x, @s, @s) {{axis = {axis}}} : f32[2,3,4]", X, 13, 17, 18,
       constants=constants)
    op(f"rms_norm{axis}", f"rms_norm(%x, @s) {{axis = {axis}}} : f32[2,3,4]", X, 13, 18, 23, constants=constants)
op("layer_norm_f16", "layer_norm(%x, %s) : f16[2,8]", {"x": "f16[2,8]", "s": "f16[8]"}, 13, 17, share=2e-3)
Q = {"q": "f32[2,3,5,8]", "k": "f32[2,3,7,8]", "v": "f32[2,3,7,4]"}
op("attention", "attention(%q, %k, %v) {scale = 0.25} : f32[2,3,5,4]", Q, 13, NEWEST)
op("attention_mask", "attention(%q, %k, %v, %m) : f32[2,3,5,4]", {**Q, "m": "f32[5,7]"}, 13)
for kind in ("sum", "mean", "max", "l2", "log_sum_exp"):
    op(f"reduce_{kind}", f"reduce_{kind}(%x, @axes) {{keepdims = 0}} : f32[2,4]", X, 13, 17, 18, NEWEST,
       constants="const @axes: i64[1] = dense[1]")
    op(f"reduce_{kind}_all", f"reduce_{kind}(%x) : f32[1,1,1]", X, 13, 18)
case("split", "module @m { func @main(%x: f32[6,4]) -> (%a: f32[3,4], %b: f32[3,4]) { %a, %b = split(%x) {num_outputs "
     "= 2} : f32[3,4], f32[3,4] return(%a, %b) } }", 13, 18)

# Shapes: stated by result types and symbols.
N = {"x": "f32[N,6,M]"}
op("reshape_one", "reshape(%x, _) : f32[2,12]", X, 13)
op("reshape_symbol", "reshape(%x, _) : f32[N,3,2,M]", N, 13, NEWEST)
op("reshape_product", "reshape(%x, _) : f32[N*6*M]", N, 13)
op("reshape_two", "reshape(%x, _) : f32[3*N,2*M]", N, 14)
case("reshape_above",  # no dim can be 0, so that opset 13 can say it
     "module @m { func @main(%n: f32[N], %m: f32[M]) -> (%y: f32[N+1,3,M+2]) { "
     "%a = full() {value = 2.5} : f32[M+2,3*N+3] %y = reshape(%a, _) : f32[N+1,3,M+2] return(%y) } }", 13)
op("expand", "expand(%x, _) : f32[N,3,4]", {"x": "f32[3,1]", "n": "f32[N]"}, 13)
op("full", "full() {value = 2.5} : f32[N,2]", N, 13, NEWEST)
op("full_i8", "full() {value = -3} : i8[2,2]", X, 13)
op("iota", "iota() {start = 3, step = 2} : i64[N]", N, 13)
op("iota_f32", "iota() {step = -1} : f32[5]", X, 13)
op("iota_matrix", "iota() : i32[2,M]", N, 13)
op("iota_still", "iota() {start = 7, step = 0} : i64[N]", N, 13)
op("dims", "dims() {dims = [N, 4, 2*N+1, floordiv(N-4, 2), ceildiv(N, 2), mod(M, 2), min(N, M), max(N-5, 1)]} : i64[8]",
   N, 13, NEWEST)
op("dims_constant", "dims() {dims = [2, 3]} : i64[2]", X, 13)
op("constant_of_shape", "constant_of_shape(@d) {value = 7, dtype = u8} : u8[2,3]", X, 13, NEWEST,
   constants="const @d: i64[2] = dense[2, 3]")
case("outputs", "module @m { const @c: f32[2] = dense[1, 2] func @main(%x: f32[2]) -> (%x: f32[2], %again: f32[2], "
     "%c: f32[2], %y: f32[2], %z: f32[2]) { %r = relu(%x) : f32[2] return(%x, %x, @c, %r, %r) } }", 13)
case("names", "module @\"a graph\" { const @x: f32[2] = dense[1, 2] func @main(%x: f32[2]) -> (%\"out:0\": f32[2]) { "
     "%v = add(%x, @x) : f32[2] %\"out:0\" = neg(%v) : f32[2] return(%\"out:0\") } }", 13)
case("if", "module @m { const @two: f32[] = dense[2] func @main(%c: bool[], %x: f32[N]) -> (%y: f32[N]) { %y = if(%c) "
     "do { %a = mul(%x, @two) : f32[N] yield(%a) } do { yield(%x) } : f32[N] return(%y) } }", 13, NEWEST)
case("if_shapes", "module @m { func @main(%c: bool[], %x: f32[N,2]) -> (%y: f32[2*N], %z: i64[1]) { %y = if(%c) do { "
     "%a = reshape(%x, _) : f32[2*N] yield(%a) } do { %b = full() {value = 1} : f32[2*N] yield(%b) } : f32[2*N] "
     "%z = dims() {dims = [N]} : i64[1] return(%y, %z) } }", 13)

# Quantization.
SCALES = "const @s: f32[3] = dense[0.1, 0.2, 0.05]\nconst @one: f32[] = dense[0.05]\n"
for kind, zero in (("u8", 117), ("i8", -4)):
    zeros = f"{SCALES}const @z: {kind}[] = dense[{zero}]\nconst @z3: {kind}[3] = dense[3, {zero}, 0]"
    op(f"quantize_{kind}", f"quantize(%x, @one, @z) : {kind}[2,3,4]", X, 13, 19, 21, 23, constants=zeros)
    op(f"quantize_axis_{kind}", f"quantize(%x, @s, @z3) : {kind}[2,3,4]", X, 13, 19, 21, 23, constants=zeros)
    op(f"dequantize_{kind}", "dequantize(%x, @one, @z) : f32[2,3,4]", {"x": f"{kind}[2,3,4]"}, 13, 19, 21, 23,
       constants=zeros)
    op(f"dequantize_axis_{kind}", "dequantize(%x, @s, @z3) {axis = -2} : f32[2,3,4]", {"x": f"{kind}[2,3,4]"}, 13, 21,
       constants=zeros)
    op(f"requantize_{kind}", f"requantize(%x, @s, @z) : {kind}[2,3,4]", {"x": "i32[2,3,4]"}, 13, 21, constants=zeros)
    op(f"requantize_one_{kind}", f"requantize(%x, @one, @z) : {kind}[2,3,4]", {"x": "i32[2,3,4]"}, 13, constants=zeros)
op("dequantize_i32", "dequantize(@w, @s) {axis = 0} : f32[3]", X, 13,
   constants=SCALES + "const @w: i32[3] = dense[100000, -7, 3]")
for kind in ("i4", "u4"):
    low = -8 if kind == "i4" else 0
    constants = (f"const @w: {kind}[3,5] = dense[{', '.join(str(low + i) for i in range(15))}]\n{SCALES}"
                 f"const @z: {kind}[3] = dense[1, {low}, 2]\n"
                 f"const @b: f32[3,3] = dense[1, 2, 3, 4, 5, 6, 7, 8, 9]")
    op(f"dequantize_{kind}", "dequantize(@w, @s, @z) {axis = 0} : f32[3,5]", X, 21, 23, constants=constants)
    op(f"dequantize_blocks_{kind}", "dequantize(@w, @b) {axis = 1, block_size = 2} : f32[3,5]", X, 21,
       constants=constants)
op("matmul_integer", "matmul_integer(%a, @w, @z) : i32[2,2]", {"a": "u8[2,3]"}, 13,
   constants="const @w: i8[3,2] = dense[1, -2, 3, -4, 5, -6]\nconst @z: u8[] = dense[3]")


def check_case(scratch, name, text, opsets, share):
    source, target = scratch / "case.adz", scratch / "case.onnx"
    source.write_text(text)
    for opset in (0, *opsets):
        label = f"{name} at {opset}" if opset else name
        if not export(label, source, target, *([f"--opset={opset}"] if opset else [])):
            continue
        model = onnx.load(str(target))
        check(f"{label}: opset", not opset or model.opset_import[0].version == opset)
        try:
            inputs = random_inputs(target)
            got = run(target, inputs)
        except Exception as error:  # whatever ONNX Runtime has to say
            check(f"{label} runs", False, error)
            continue
        np.savez(scratch / "in.npz", **inputs)
        done = adze("run", source, f"--outputs={scratch / 'out.npz'}",
                    *([f"--inputs={scratch / 'in.npz'}"] if inputs else []))
        if check(f"{label} runs on the reference", done.returncode == 0, done.stderr):
            with np.load(scratch / "out.npz") as want:
                same(label, got, dict(want), share)


# ---- Documentation and metadata ----

def said(message):
    return message.doc_string, [(entry.key, entry.value) for entry in message.metadata_props]


def notes_of(model):
    graph = model.graph
    return {"graph": said(graph), **{f"node {node.output[0]}": said(node) for node in graph.node},
            **{f"value {info.name}": said(info) for info in (*graph.input, *graph.output, *graph.value_info)},
            **{f"tensor {tensor.name}": said(tensor) for tensor in graph.initializer}}


def say(message, text, **metadata):
    message.doc_string = text
    for key, value in metadata.items():
        message.metadata_props.add(key=key, value=value)
    return message


def check_notes(scratch):
    """What is said of graph, nodes, values and tensors is there again; after a pass, of what is left."""
    helper, source, target = onnx.helper, scratch / "said.onnx", scratch / "written.onnx"
    f32 = onnx.TensorProto.FLOAT
    info = lambda name, text, **more: say(helper.make_tensor_value_info(name, f32, [2, 3]), text, **more)
    nodes = [say(helper.make_node("Add", ["x", "w"], ["a"], name="first"), "two\nlines", where="file.py:3"),
             say(helper.make_node("Neg", ["a"], ["b"]), "", only="metadata", empty=""),
             say(helper.make_node("Identity", ["b"], ["c"], name="copy"), "goes away"),
             helper.make_node("Relu", ["c"], ["y"])]
    weights = say(onnx.numpy_helper.from_array(np.ones((2, 3), "f4"), "w"), "weights", kind="ones")
    graph = say(helper.make_graph(nodes, "g", [info("x", "in", unit="m")], [info("y", "out")], [weights],
                                  value_info=[info("a", "between", other="a"), info("c", "copied")]), "graph", g="h")
    model = say(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10,
                                  producer_name="by hand", producer_version="beta", domain="org.test",
                                  model_version=5), "model", key="value")
    onnx.save(model, source)
    if export("said", source, target):
        got = onnx.load(target)
        have = notes_of(got)
        for key, want in notes_of(model).items():
            check(f"said of {key}", have.get(key) == want, f"{have.get(key)}, wanted {want}")
        check("said of the model", said(got) == said(model))
        head = lambda m: (m.ir_version, m.producer_name, m.producer_version, m.domain, m.model_version,
                          m.opset_import[0].version)
        check("head of the model", head(got) == head(model), head(got))
        check("said: text", text_of(source) == text_of(target))
    if export("said, simplified", source, target, "-O1"):
        have = notes_of(onnx.load(target))
        check("said of what is left", have["node a"] == said(nodes[0]) and have["tensor w"] == said(weights) and
              "node c" not in have, have)
    (scratch / "said.adz").write_text(adze("opt", source).stdout)
    if export("said, from text", scratch / "said.adz", target):
        check("said: through text", notes_of(onnx.load(target)) == notes_of(got))


ENCODERS = {"LabelEncoder": {"classes_strings": ["a", "b"]}, "OneHotEncoder": {"cats_strings": ["a", "b"]},
            "CategoryMapper": {"cats_strings": ["a", "b"], "cats_int64s": [4, 2]}}


def check_encoders(scratch):
    """Tables have other attributes in other versions, and the same names here."""
    helper, source, target = onnx.helper, scratch / "table.onnx", scratch / "written.onnx"
    for op, attributes in ENCODERS.items():
        node = helper.make_node(op, ["x"], ["y"], domain="ai.onnx.ml", name="node", **attributes)
        kind = onnx.TensorProto.FLOAT if op == "OneHotEncoder" else onnx.TensorProto.INT64
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", onnx.TensorProto.STRING, [3])],
                                  [helper.make_tensor_value_info("y", kind, None)])
        onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1),
                                                                        helper.make_opsetid("", 13)]), source)
        if export(op, source, target):
            check(f"{op}: text", text_of(source) == text_of(target), text_of(target))


LOOP = """<ir_version: 8, opset_import: ["" : 16]>
g (float[3,4] x, int64 n) => (float[k,2] y) <int64[1] most = {3}> {
  all = Identity(most)
  y, where = Loop(n, "") <body = b (int64[1] i, bool go) => (bool on, float[2] part, int64[1] at)
    <int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}, int64[1] zero = {0}> {
      on = Identity(go)
      at = Mod(i, all)
      next = Add(at, one)
      row = Slice(x, at, next, zero)
      flat = Reshape(row, four)
      part = Slice(flat, two, four)
    }>
}"""


def check_inner(scratch):
    """What a body alone reads is an initializer of it, where the checker looks for bounds; a run's number keeps the
    dims that the body declares."""
    source, target = scratch / "loop.onnx", scratch / "written.onnx"
    onnx.save(onnx.parser.parse_model(LOOP), source)
    if not export("loop", source, target):
        return
    check("loop: text", text_of(source) == text_of(target), text_of(target))
    graph = onnx.load(target).graph
    body = next(a.g for node in graph.node if node.op_type == "Loop" for a in node.attribute)
    check("loop: initializers of the body", [i.name for i in body.initializer][:4] == ["one", "two", "four", "zero"])
    check("loop: initializers of the graph", "most" in [i.name for i in graph.initializer] and
          not {i.name for i in graph.initializer} & {i.name for i in body.initializer})
    inputs = {"x": np.arange(12, dtype="f4").reshape(3, 4), "n": np.array(5)}
    same("loop", run(target, inputs), run(source, inputs), 0)


# ---- Models ----

def text_of(model):
    """As it reads, without what constants hold: that is in the text or in a file, as their place demands."""
    return re.sub(r"^( *const .*) = .*$", r"\1", adze("opt", model).stdout, flags=re.M)


def check_model(scratch, path):
    name, target, second = path.name, scratch / "model.onnx", scratch / "second.onnx"
    third = scratch / "third.onnx"
    done = adze("opt", path, "-o", scratch / "model.adz")
    if done.returncode:
        return skip(name, done.stderr)
    if not export(name, path, target):
        return
    inputs = random_inputs(path, fitting=next((of for key, of in FITTING.items() if name.startswith(key)), None))
    want = run(path, inputs)
    same(name, run(target, inputs), want, 0)
    done, again = adze("opt", target, "-o", second), adze("opt", second, "-o", third)
    check(f"{name}: the same bytes again", done.returncode == again.returncode == 0 and
          second.read_bytes() == third.read_bytes(), done.stderr + again.stderr)
    text = text_of(target)
    check(f"{name}: text", text_of(path) == text == text_of(second))
    if export(f"{name} with data beside it", path, second, "--external-data"):
        data = Path(f"{second}.data")
        check(f"{name}: data", data.stat().st_size > second.stat().st_size or path.stat().st_size < 200000)
        same(f"{name} with data beside it", run(second, inputs), want, 0)
        check(f"{name}: text with data beside it", text_of(second) == text)
        data.unlink()
    if export(f"{name} simplified", path, second, "-O1"):
        same(f"{name} simplified", run(second, inputs), want, 1e-3 if "fp16" in name else 1e-4)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, *rest in CASES:
            if not sys.argv[1:] or name in sys.argv[1:]:
                check_case(Path(folder), name, *rest)
        check_notes(Path(folder))
        check_encoders(Path(folder))
        check_inner(Path(folder))
        models = [SOURCE / "tools/models/digits.onnx"]
        models += sorted(p for p in MODELS.glob("*/*.onnx") if p.parent.name != "ort_graph_zoo")
        for path in models:
            if not sys.argv[1:] or path.stem in sys.argv[1:]:
                check_model(Path(folder), path)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
