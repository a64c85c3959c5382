"""What onnx_opsets.py and onnx_versions.py share: a list of cases, what they should give, case folders."""
import os
import shutil
import sys

from onnx_suite import (ReferenceEvaluator, TensorProto, first_line, folder_of, helper, need_runner, np, numpy_helper,
                        onnx, option, run_cases, run_onnx, save_case)

random = np.random.default_rng(7)


def floats(*dims):
    return random.standard_normal(dims).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


CASES = []  # name, model, inputs, results or None: what ONNX Runtime gives for `oracle`, a model that means the same


def case(opset, op, inputs, constants=(), outputs=1, name="", want=None, as_of=None, **attributes):
    """One node. `inputs` are arguments, `constants` initializers; None is an absent operand. `want`: the results;
    `as_of`: what the form of another opset gives (that opset, attributes that it lacks)."""
    model = build(opset, op, inputs, constants, outputs, attributes)
    oracle = model
    if as_of:
        known, lost = as_of
        oracle = build(known, op, inputs, constants, outputs, {k: v for k, v in attributes.items() if k not in lost})
    CASES.append((f"{op.lower()}_{opset}{name}", model, [np.asarray(value) for value in inputs], want, oracle))


def graph_case(name, opset, text, inputs=(), want=None):
    """A graph in ONNX's own text."""
    model = onnx.parser.parse_model(f'<ir_version: {min(10, max(4, opset))}, opset_import: ["" : {opset}]> {text}')
    CASES.append((f"{name}_{opset}", model, [np.asarray(value) for value in inputs], want, model))


def build(opset, op, inputs, constants, outputs, attributes):
    names, arguments, initializers = [], [], []
    for i, value in enumerate(inputs):
        value = np.asarray(value)
        names.append(f"x{i}")
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        arguments.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
    for i, value in enumerate(constants):
        names.append("" if value is None else f"c{i}")
        if value is not None:
            initializers.append(numpy_helper.from_array(np.asarray(value), names[-1]))
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, name=op, **attributes)
    graph = helper.make_graph([node], op, arguments,
                              [onnx.ValueInfoProto(name=name) for name in results], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=min(10, max(4, opset)))


def evaluate(model, feeds):
    """What ONNX Runtime computes, or where it lacks this form ONNX's own evaluator; raises where neither does."""
    try:
        return run_onnx(model, feeds)
    except Exception:  # the runtime's own classes are not public
        return ReferenceEvaluator(model).run(None, feeds)


# Cases that cannot keep ONNX's own absolute tolerance: the one they keep, and why.
ROUNDED = "zeros that the stored output has as what rounding in f32 left"
LOOSE = {name: ("1e-5", ROUNDED) for name in (
    "dft_17_onesided_7", "dft_17_onesided_8", "dft_17_onesided_12", "dft_20_onesided_7", "dft_20_onesided_8",
    "dft_20_onesided_12", "stft_17", "stft_17_all")}


def write(folder, name, model, inputs, want, oracle):
    """Writes the case; False where nobody but us has this form."""
    feeds = {info.name: value for info, value in zip(model.graph.input, inputs, strict=True)}
    try:
        results = want if want is not None else evaluate(oracle, feeds)
    except Exception as error:
        print(f"skipped {name}: {first_line(error)}")
        return False
    save_case(os.path.join(folder, name), model, feeds.values(), results, LOOSE.get(name, (None,))[0])
    return True


def main(n_forms):
    """`n_forms` of the cases come first, which only the reference runs here."""
    if option("write"):
        return 0 if all([write(option("write"), *row) for row in CASES]) else 1
    need_runner()
    target = option("target")
    folder = folder_of("onnx_opsets") + (f"_{target.partition(':')[0]}" if target else "")
    shutil.rmtree(folder, ignore_errors=True)
    written = [write(folder, *row) for row in CASES[n_forms if target else 0:]]
    passed, failed, skipped = run_cases(folder, *([f"--target={target}"] if target else []))
    # Everything written here is to be understood.
    print(f"{passed} passed, {failed + skipped} failed, {written.count(False)} skipped")
    if "--keep" not in sys.argv:
        shutil.rmtree(folder)
    return 1 if failed + skipped or not passed else 0
