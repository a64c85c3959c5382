"""stats_onnx.py ADZE FOLDER MODEL DATA SAMPLES [FLAG…]: `adze calibrate` against ONNX Runtime.

Every value of the model that the statistics name is computed by ONNX Runtime, and its range, moments, channels and
histogram by numpy; so is the Gram matrix of what each 2-D convolution and each product with constant weights reads.
MODEL `kinds` is made here: windows of all kinds, groups, products that share an input, batches of weights, a dead
channel, NaN and infinity inside.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import stats_file
import stats_numpy
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 2e-5


def kinds(folder):
    rng = np.random.default_rng(1)
    weights, nodes = {}, []

    def weight(name, *dims):
        weights[name] = rng.standard_normal(dims).astype(np.float32)
        return name

    def conv(out, x, *dims, **attributes):
        nodes.append(helper.make_node("Conv", [x, weight(out + "_w", *dims)], [out], name=out, **attributes))

    conv("odd", "x", 8, 6, 3, 2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])
    conv("same", "x", 4, 6, 3, 3, auto_pad="SAME_UPPER", strides=[2, 2])
    conv("point", "x", 5, 6, 1, 1)
    conv("point2", "x", 7, 6, 1, 1)
    conv("depth", "x", 6, 1, 3, 3, group=6, pads=[1, 1, 1, 1])
    conv("groups", "x", 4, 3, 3, 3, group=2)
    weights["depth_w"][4] = 0
    nodes.append(helper.make_node("Relu", ["depth"], ["relu"]))
    nodes.append(helper.make_node("Log", ["odd"], ["log"]))
    nodes.append(helper.make_node("ReduceMean", ["relu"], ["pooled"], axes=[2, 3], keepdims=0))
    nodes.append(helper.make_node("MatMul", ["tokens", weight("q_w", 20, 12)], ["q"]))
    nodes.append(helper.make_node("MatMul", ["tokens", weight("k_w", 20, 9)], ["k"]))
    nodes.append(helper.make_node("MatMul", ["tokens", weight("b_w", 3, 20, 8)], ["b"]))
    nodes.append(helper.make_node("Gemm", ["pooled", weight("g_w", 10, 6)], ["g"], transB=1))
    weights["eight"] = np.float32(8)
    nodes.append(helper.make_node("Add", ["k", "eight"], ["more"]))
    nodes.append(helper.make_node("Log", ["more"], ["bad"]))
    nodes.append(helper.make_node("MatMul", ["bad", weight("bad_w", 9, 4)], ["worse"]))
    outputs = ["odd", "same", "point", "point2", "groups", "log", "q", "b", "g", "worse"]
    graph = helper.make_graph(
        nodes, "kinds",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6, 17, 18]),
         helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, 3, 5, 20])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(w, n) for n, w in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.save(model, folder / "kinds.onnx")
    x = rng.standard_normal((12, 6, 17, 18)).astype(np.float32)
    x[:, 2] += 40
    x[5] *= 30
    np.savez(folder / "kinds.npz", x=x, tokens=rng.standard_normal((12, 3, 5, 20)).astype(np.float32))
    return folder / "kinds.onnx", folder / "kinds.npz"


def run_onnx(model, data, samples):
    """All values of the model by name, samples one by one along the first axis."""
    constants = {t.name for t in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in constants]
    outputs = {o.name for o in model.graph.output}
    names = [o for node in model.graph.node for o in node.output if o]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    with np.load(data) as arrays:
        feed = {name: arrays[name][:samples] for name in inputs}
    rows = [session.run(names, {n: v[i:i + 1] for n, v in feed.items()}) for i in range(samples)]
    return {**feed, **{n: np.concatenate(column) for n, column in zip(names, zip(*rows))}}


def rows_of(node, weight, x):
    """The matrix of patches that a contraction reads, [groups, rows, size]; None: none is known."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "MatMul":
        if weight.ndim == 2:
            return x.reshape(1, -1, x.shape[-1])
        return x.transpose(1, 0, 2, 3).reshape(x.shape[1], -1, x.shape[-1])
    if node.op_type == "Gemm":
        return x[None]
    if node.op_type != "Conv" or weight.ndim != 4:
        return None
    kernel, strides = weight.shape[2:], attributes.get("strides", [1, 1])
    dilations, pads = attributes.get("dilations", [1, 1]), attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
                 for n, s, k, d in zip(x.shape[2:], strides, kernel, dilations)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    return stats_numpy.patches(x, kernel, strides, pads, dilations, attributes.get("group", 1))


def check_grams(model, stats, values):
    """Each contraction's matrix is among those of its input; gives the number of contractions, and of matrices."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    checked = used = 0
    seen = set()
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm") or node.input[1] not in constants:
            continue
        rows = rows_of(node, constants[node.input[1]], values[node.input[0]])
        if rows is None or not any(g.name == node.input[0] for g in stats.grams):
            continue
        errors = []
        for index, gram in enumerate(stats.grams):
            if gram.name != node.input[0]:
                continue
            try:
                stats_numpy.check_gram(gram, rows, TOLERANCE)
                seen.add(index)
                break
            except AssertionError as error:
                errors.append(error)
        else:
            raise AssertionError(f"{node.output[0]}: no matrix of '{node.input[0]}' agrees: {errors}")
        checked += 1
    return checked, len(seen)


def main(adze, folder, model, data, samples, *flags):
    folder, samples = Path(folder), int(samples)
    folder.mkdir(parents=True, exist_ok=True)
    if model == "kinds":
        model, data = kinds(folder)
    out = folder / "model.stats"
    subprocess.run([adze, "calibrate", model, f"--calib={data}", "-o", out, "--gram", f"--samples={samples}", *flags],
                   check=True, stdout=subprocess.DEVNULL)
    assert not Path(f"{out}.part").exists()
    stats = stats_file.load(out)
    assert stats.samples == samples and stats.flags == 0
    loaded = onnx.load(model)
    values = run_onnx(loaded, data, samples)
    known = [name for name in stats.values if name in values]
    for name in known:
        stats_numpy.check_value(name, stats.values[name], values[name], TOLERANCE)
    contractions, matrices = check_grams(loaded, stats, values)
    print(f"{len(known)} of {len(stats.values)} values, {contractions} contractions, {matrices} of "
          f"{len(stats.grams)} matrices are ONNX Runtime's")


if __name__ == "__main__":
    main(*sys.argv[1:])
