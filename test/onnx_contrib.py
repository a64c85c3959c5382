"""Ops of the domain com.microsoft, on the reference and compiled, against ONNX Runtime.

Makes a case folder per form (model.onnx, test_data_set_0 with what ONNX Runtime computes) and runs
test/conformance's onnx_node over them.

    onnx_contrib.py [--keep] [--target=NAME] [WORD...]     cases whose name holds a word; --keep leaves them in
                                                           <build>/test/onnx_contrib; NAME: x86:host, or none
"""
import logging
import os
import shutil
import subprocess
import sys

from onnx_contrib_attention import cache_model, cache_runs
from onnx_contrib_cases import CASES, OPEN, SHARED, WANTED, Constant, I, M, N, Sparse, T, floats
from onnx_contrib_refused import FAILING, REFUSED
from onnx_suite import (ADZE, TensorProto, first_line, folder_of, helper, np, numpy_helper, onnx, option, run_cases,
                        run_onnx, save_case)

FOLDER = folder_of("onnx_contrib")


def refusals(words):
    """(passed, failed): each gives one error that holds these words."""
    passed = failed = 0
    path = os.path.join(FOLDER, "refused.onnx")
    os.makedirs(FOLDER, exist_ok=True)
    for op, operands, attributes, text, *outputs in REFUSED:
        if words and not any(word in op.lower() for word in words):
            continue
        onnx.save(build(op, "com.microsoft", operands, *(outputs or [1]), 0, attributes)[0], path)
        done = subprocess.run([ADZE, "opt", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        messages = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
        ok = done.returncode == 1 and text in done.stderr and len(messages) == 1
        passed, failed = passed + ok, failed + (not ok)
        if not ok:
            print(f"FAILED {op}: {done.returncode} {done.stderr}")
    return passed, failed


def failures(words, target):
    """(passed, failed): runs that end in an error, here and in ONNX Runtime."""
    passed = failed = 0
    path, data = (os.path.join(FOLDER, name) for name in ("failing.onnx", "failing.npz"))
    for op, operands, attributes, text in FAILING:
        if words and not any(word in op.lower() for word in words):
            continue
        model, args, shown = build(op, "com.microsoft", operands, 1, 0, attributes)
        onnx.save(model, path)
        np.savez(data, **dict(args))
        try:
            run_onnx(model, dict(args), shown)
            wanted = False
        except Exception:  # of the many kinds that ONNX Runtime has
            wanted = True
        for flags in ([], [f"--target={target}"])[:1 + (target != "none")]:
            done = subprocess.run([ADZE, "run", path, f"--inputs={data}", *flags], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL)
            ok = wanted and done.returncode == 1 and text in done.stderr
            passed, failed = passed + ok, failed + (not ok)
            if not ok:
                print(f"FAILED {op} {[a.tolist() for _, a in args if a.size < 4]} {attributes} {flags}: "
                      f"{done.returncode} {done.stderr} ONNX Runtime refuses: {wanted}")
    return passed, failed


def caches(words, target):
    """(passed, failed): runs of caches whose lengths have names alone. One that contradicts them is an error."""
    passed = failed = 0
    if words and not any(word in "groupqueryattention" for word in words):
        return 0, 0
    path, data, made = (os.path.join(FOLDER, name) for name in ("cache.onnx", "in.npz", "out.npz"))
    for after in ("P", "M", "T"):
        onnx.save(cache_model(after), path)
        for feeds, fits in cache_runs(after):
            np.savez(data, **feeds)
            want = run_onnx(onnx.load(path), feeds)[0]
            for flags in ([], [f"--target={target}"])[:1 + (target != "none")]:
                done = subprocess.run([ADZE, "run", path, f"--inputs={data}", f"--outputs={made}", *flags],
                                      capture_output=True, text=True, stdin=subprocess.DEVNULL)
                ok = (done.returncode == 0 and np.allclose(np.load(made)["y"], want, 1e-5, 1e-5) if fits else
                      done.returncode == 1 and "index out of range" in done.stderr)
                passed, failed = passed + ok, failed + (not ok)
                if not ok:
                    print(f"FAILED cache, {after} behind: {feeds['total']} keys: {done.returncode} {done.stderr}")
    return passed, failed


# ---- Making and running them ----

def value_info(name, operand):
    """Of a graph's input. ONNX Runtime compares dims of a sparse one as if it were not turned, so they are names."""
    if not isinstance(operand, Sparse):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(operand.dtype), operand.shape)
    return helper.make_sparse_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(operand.array.dtype),
                                                [f"{name}_{i}" for i in range(operand.array.ndim)])


def build(op, domain, operands, outputs, step, attributes):
    """The model, its arguments as (name, array), and the names of its results, whose types are open."""
    names, initializers, args, infos = [], [], [], []
    for i, operand in enumerate(operands):
        again = next((n for n, value in args if value is operand), None)
        names.append("" if operand is None else again or f"x{i}")
        if isinstance(operand, Constant):
            initializers.append(numpy_helper.from_array(operand.array, f"x{i}"))
        elif operand is not None and not again:
            args.append((f"x{i}", getattr(operand, "array", operand)))
            infos.append(value_info(f"x{i}", operand))
    while names and not names[-1]:
        names.pop()
    which = range(outputs) if isinstance(outputs, int) else outputs
    made = [f"y{i}" if i in which else "" for i in range(max(which) + 1)]
    nodes = [helper.make_node(op, names, made, domain=domain, name="node", **attributes)]
    shown = [name for name in made if name]
    if step:
        initializers.append(numpy_helper.from_array(np.array(step, np.float32), "step"))
        nodes.append(helper.make_node("DequantizeLinear", ["y0", "step"], ["z0"]))
        shown = ["z0"]
    graph = helper.make_graph(
        nodes, "g", infos,
        [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in shown], initializers)
    for output in graph.output:
        output.ClearField("type")
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    return model, args, shown


def write(folder, name, op, domain, operands, outputs, step, attributes):
    """The case's folder, with what ONNX Runtime computes."""
    model, args, shown = build(op, domain, operands, outputs, step, attributes)
    got = WANTED.get(name) or run_onnx(model, dict(args), shown, SHARED.get(name))
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(y.dtype), None if name in OPEN else y.shape)
        for n, y in zip(shown, got))
    save_case(os.path.join(folder, name), model, [a for _, a in args], got, step * 1.001 or None)


# ---- What ONNX Runtime's quantizer makes of a model with an LSTM ----

def quantized_lstm(folder, name, per_channel, direction):
    """quantize_dynamic of an LSTM in front of a product."""
    logging.disable(logging.WARNING)
    from onnxruntime.quantization import QuantType, quantize_dynamic
    d = 2 if direction == "bidirectional" else 1
    weights = {"w": floats(d, 4 * M, I), "r": floats(d, 4 * M, M), "b": floats(d, 8 * M), "m": floats(M, 3)}
    x = floats(T, N, I)
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["h", "", "c"], hidden_size=M, direction=direction, name="l"),
         helper.make_node("MatMul", ["h", "m"], ["y"], name="product")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [T, d, N, 3]),
         helper.make_tensor_value_info("c", TensorProto.FLOAT, [d, N, M])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()])
    source, made = os.path.join(folder, "float.onnx"), os.path.join(folder, "made.onnx")
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), source)
    quantize_dynamic(source, made, per_channel=per_channel, weight_type=QuantType.QInt8)
    model = onnx.load(made)
    if "DynamicQuantizeLSTM" not in {n.op_type for n in model.graph.node}:
        raise ValueError("the quantizer left the LSTM as it was")
    save_case(os.path.join(folder, "cases", name), model, [x], run_onnx(model, {"x": x}))


def write_quantized(folder, words):
    """How many could not be made."""
    failed = 0
    for per_channel in (False, True):
        for direction in ("forward", "reverse", "bidirectional"):
            name = f"quantized_lstm_{direction}{'_columns' * per_channel}"
            if words and not any(word in name for word in words):
                continue
            try:
                quantized_lstm(folder, name, per_channel, direction)
            except Exception as error:  # of the many kinds that ONNX Runtime has
                failed += 1
                print(f"FAILED {name}: {first_line(error)}")
    return failed


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    target = option("target") or "x86:host"
    shutil.rmtree(FOLDER, ignore_errors=True)
    passed, failed = map(sum, zip(refusals(words), failures(words, target), caches(words, target)))
    cases = os.path.join(FOLDER, "cases")
    for name, *case_ in CASES:
        if words and not any(word in name for word in words):
            continue
        try:
            write(cases, name, *case_)
        except Exception as error:  # of the many kinds that ONNX Runtime has
            failed += 1
            print(f"FAILED {name}: ONNX Runtime: {first_line(error)}")
    failed += write_quantized(FOLDER, words)
    for flags in ([], [f"--target={target}"] if target != "none" else None):
        if flags is not None and os.path.exists(cases):
            good, *bad = run_cases(cases, *flags)
            passed, failed = passed + good, failed + sum(bad)
    if "--keep" not in sys.argv:
        shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
