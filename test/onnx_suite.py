"""What tests over ONNX cases share: where things lie, ONNX Runtime's answer, folders of cases, and running them.

A case is a folder with model.onnx and test_data_set_0, as ONNX's own suite has them; test/conformance's onnx_node runs
a folder of such. Tolerances are those of ONNX's own runner; a case that cannot keep them has a file `atol` with another
absolute one.
"""
import os
import re
import subprocess
import sys

import tally

try:
    import numpy as np
    import onnx
    import onnx.parser
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator
except ImportError as error:
    tally.skip_all(error)

BUILD = os.environ.get("ADZE_BUILD_DIR", "build/release")
RUNNER = os.path.join(BUILD, "test", "conformance", "onnx_node")
ADZE = os.path.join(BUILD, "bin", "adze")
ort.set_default_logger_severity(4)


def folder_of(name):
    """Where the cases of a test lie while it runs."""
    return os.path.join(BUILD, "test", name)


def need_runner():
    """Ends a driver where what runs cases was not built."""
    if not os.path.exists(RUNNER):
        tally.skip_all(f"no {RUNNER}")


def option(name):
    """The value of --NAME=VALUE, else None."""
    return next((flag[len(name) + 3:] for flag in sys.argv if flag.startswith(f"--{name}=")), None)


def session(model):
    """ONNX Runtime's session of a model or a path, with no optimization, on one thread: where it quantizes as it runs,
    what it finds depends on how rows are shared out."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    source = model.SerializeToString() if hasattr(model, "SerializeToString") else str(model)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run_onnx(model, feeds, results=None, shared=None):
    """What ONNX Runtime computes. What is fed to sparse inputs is dense. `shared` is as run_shared has it."""
    if shared:
        return run_shared(session(model), feeds, results, shared)
    return run_session(session(model), feeds, results)


def run_shared(session, feeds, results, shared):
    """Its results, where ONNX Runtime wants some to be in the memory of operands: {result's name: operand's}."""
    binding = session.io_binding()
    values = {name: ort.OrtValue.ortvalue_from_numpy(value.copy()) for name, value in feeds.items()}
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for name in results:
        if name in shared:
            binding.bind_ortvalue_output(name, values[shared[name]])
        else:
            binding.bind_output(name)
    session.run_with_iobinding(binding)
    return [value.numpy().copy() for value in binding.get_outputs()]


def run_session(session, feeds, results=None):
    """Its results. What is fed to sparse inputs is dense."""
    sparse = {i.name for i in session.get_inputs() if i.type.startswith("sparse_")}
    if not sparse:
        return session.run(results, feeds)
    results = results or [o.name for o in session.get_outputs()]
    feeds = {k: sparse_value(v) if k in sparse else ort.OrtValue.ortvalue_from_numpy(v) for k, v in feeds.items()}
    return [value.numpy() for value in session.run_with_ort_values(results, feeds)]


def sparse_value(dense):
    """The tensor as ONNX Runtime takes it where a model says that it is sparse: coordinates of what is not 0."""
    places = np.argwhere(dense).astype(np.int64).ravel()
    return ort.OrtValue.ort_value_from_sparse_tensor(ort.SparseTensor.sparse_coo_from_numpy(
        np.array(dense.shape, np.int64), dense[dense != 0], places, ort.OrtDevice.make("cpu", 0)))


def objection(path):
    """What ONNX's checker has to say of a model, its first line; "" for nothing."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # of many kinds
        return str(error).splitlines()[0]
    return ""


def without_data(text):
    """IR text without what constants hold: that is in the text or in a file, as their place demands."""
    return re.sub(r"^( *const .*) = .*$", r"\1", text, flags=re.M)


def first_line(error):
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def save_case(folder, model, inputs, outputs, atol=None):
    """`inputs` and `outputs` are arrays, or protobuf messages. An output without a type in the model is inferred by the
    import, and that is compared as well."""
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for kind, values in (("input", inputs), ("output", outputs)):
        for i, value in enumerate(values):
            proto = value if hasattr(value, "SerializeToString") else numpy_helper.from_array(np.asarray(value))
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as file:
                file.write(proto.SerializeToString())
    if atol:
        with open(os.path.join(folder, "atol"), "w") as file:
            file.write(f"{atol}\n")


def run_cases(folder, *flags):
    """Runs the cases of a folder and prints those that do not pass; (passed, failed, skipped)."""
    done = subprocess.run([RUNNER, "-v", *flags, folder], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode not in (0, 1) or not lines or " passed, " not in lines[-1]:
        print(f"FAILED: onnx_node ended with {done.returncode}\n{done.stderr[-500:]}")
        return 0, 1, 0
    for line in lines[:-1]:
        print(f"{line} {' '.join(flags)}".rstrip())
    return tuple(int(part.split()[0]) for part in lines[-1].split(", "))
