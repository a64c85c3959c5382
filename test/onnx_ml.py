"""Ops of ai.onnx.ml, ai.onnx.preview and ai.onnx.preview.training, imported and run on the reference and compiled:
every version of every operator, against ONNX Runtime, or numpy where it lacks the form; derivatives against
differences of the function in f64. Then models that are wrong: each is one clear error, in bounded time.

Makes a case folder per form and runs test/conformance's onnx_node over them.

    onnx_ml.py [--target=NAME] [--export]     flags of onnx_node; without them the models that are wrong run too
    onnx_ml.py --write=FOLDER                 writes the cases there and runs nothing
"""
import os
import shutil
import subprocess
import sys

from onnx_ml_cases import *  # noqa: F403
from onnx_ml_gradient import d, node
from onnx_suite import ADZE, first_line, folder_of, need_runner, option, run_cases, run_onnx, save_case

FOLDER = folder_of("onnx_ml")

# Cases that cannot keep ONNX's own absolute tolerance: the one they keep, and why.
LOOSE = {"gradient_1_instancenormalization": ("1e-6", "sums in f32 of terms that cancel to a thousandth of their size")}

# ---- Models that are wrong ----

BAD = []


def bad(says, op, inputs=None, version=3, domain=ML, **attributes):
    BAD.append((says, op, [x] if inputs is None else inputs, version, domain, attributes))


good = regressor(*forest(2, 2, 2, 1), n_targets=1)


def changed(**changes):
    return {**good, **changes}


def at(key, index, value):
    values = list(good[key])
    values[index] = value
    return changed(**{key: values})


branches = [i for i, mode in enumerate(good["nodes_modes"]) if mode != "LEAF"]
root = good["nodes_nodeids"].index(0)
TREE = "TreeEnsembleRegressor"
bad("entries for", TREE, **changed(nodes_values=[1.0]))
bad("entries for", TREE, **changed(nodes_modes=["LEAF"]))
bad("entries for", TREE, **changed(target_weights=[1.0]))
bad("has no nodes", TREE, n_targets=1)
bad("has no node", TREE, **at("nodes_truenodeids", branches[0], 99))
bad("has no node", TREE, **at("nodes_truenodeids", branches[0], -1))
bad("form a cycle", TREE, **at("nodes_falsenodeids", branches[-1], 0))
bad("roots", TREE, **at("nodes_falsenodeids", branches[0], good["nodes_truenodeids"][branches[0]]))
bad("is there twice", TREE, **at("nodes_nodeids", 1, good["nodes_nodeids"][0]))
bad("mode 'BRANCH_UP'", TREE, **at("nodes_modes", 0, "BRANCH_UP"))
bad("looks at feature", TREE, **at("nodes_featureids", branches[0], 2))
bad("looks at feature", TREE, **at("nodes_featureids", branches[0], -1))
bad("is for target", TREE, **at("target_ids", 0, 1))
bad("has no leaf", TREE, **at("target_nodeids", 0, 0))
bad("targets", TREE, **changed(n_targets=2 ** 40))
bad("targets", TREE, **changed(n_targets=-1))
bad("base values", TREE, **changed(base_values=[1.0, 2.0]))
bad("aggregate_function", TREE, **changed(aggregate_function="MEDIAN"))
bad("post_transform", TREE, **changed(post_transform="HARDMAX"))
bad("is not known", TREE, **changed(nodes_magic=[1]))
bad("is of strings", TREE, [np.array([["a", "b"]], STR)], **good)
bad("versions 1 to 5", TREE, version=6, **good)
bad("has no class labels", "TreeEnsembleClassifier", **classifier(*forest(1, 1, 2, 1)))
PLACED, _ = placed(F32)
bad("form a cycle", "TreeEnsemble", version=5, **{**PLACED, "nodes_trueleafs": [0, 0, 0]})
bad("form a cycle", "TreeEnsemble", version=5,
    **{**PLACED, "nodes_truenodeids": [0, 1, 2], "nodes_trueleafs": [0, 0, 0]})
bad("is not there", "TreeEnsemble", version=5, **{**PLACED, "nodes_falsenodeids": [1, 3, 5]})
bad("is not there", "TreeEnsemble", version=5, **{**PLACED, "tree_roots": [3]})
bad("is not there", "TreeEnsemble", version=5, **{**PLACED, "nodes_falsenodeids": [-1, 3, 4]})
bad("root", "TreeEnsemble", version=5, **{**PLACED, "tree_roots": [-1]})
bad("is not known", "TreeEnsemble", version=5, **{**PLACED, "nodes_modes": tensor([1, 2, 9], np.uint8)})
bad("has no set", "TreeEnsemble", version=5, **{**PLACED, "nodes_modes": tensor([6, 2, 0], np.uint8)})
bad("entries for", "TreeEnsemble", version=5, **{**PLACED, "nodes_splits": tensor([1.0])})
bad("leaf_weights", "TreeEnsemble", version=5, **{**PLACED, "leaf_weights": tensor([1.0])})
bad("as many", "LabelEncoder", [np.array([1], I64)], keys_int64s=[1, 2], values_int64s=[1])
bad("element type", "LabelEncoder", [np.array([1], I64)], keys_strings=["a"], values_int64s=[1])
bad("has both", "LabelEncoder", [np.array([1], I64)], keys_int64s=[1], keys_strings=["a"], values_int64s=[1])
bad("has no values", "LabelEncoder", [np.array([1], I64)], keys_int64s=[1])
bad("entries for 2 columns", "Scaler", offset=[1.0, 2.0, 3.0], scale=[1.0])
bad("is missing", "Scaler", scale=[1.0])
bad("norm", "Normalizer", norm="L3")
bad("is no list", "Scaler", offset=1.0, scale=[1.0])
bad("coefficients", "LinearRegressor", coefficients=[1.0, 2.0, 3.0], targets=2)
bad("coefficients", "LinearRegressor", targets=1)
bad("intercepts", "LinearRegressor", coefficients=[1.0, 2.0], intercepts=[1.0, 2.0])
bad("class labels", "LinearClassifier", coefficients=[1.0, 2.0], intercepts=[1.0], classlabels_ints=[1, 2, 3])
SVM = {"coefficients": [1.0, 2.0], "rho": [0.5], "support_vectors": [1.0, 2.0, 3.0, 4.0], "classlabels_ints": [1, 2],
       "vectors_per_class": [1, 1], "kernel_params": [1.0, 1.0, 1.0]}
bad("vectors", "SVMClassifier", **{**SVM, "vectors_per_class": [1, 2 ** 40]})
bad("vectors", "SVMClassifier", **{**SVM, "vectors_per_class": [1, -1]})
bad("kernel_type", "SVMClassifier", **{**SVM, "kernel_type": "CUBIC"})
bad("rho", "SVMClassifier", **{**SVM, "rho": [1.0, 2.0]})
bad("prob_a", "SVMClassifier", **{**SVM, "prob_a": [1.0]})
bad("support vectors", "SVMRegressor", coefficients=[1.0], n_supports=-1, rho=[1.0], support_vectors=[1.0, 2.0])
bad("keys are", "ZipMap", classlabels_int64s=[1, 2, 3])
bad("has no class labels", "ZipMap")
bad("is no map", "CastMap")
bad("is no map", "DictVectorizer", string_vocabulary=["a"])
bad("inputs and", "Adam", [np.array(0.1, F32), np.array(1, I64), floats(2)], domain=TRAINING, version=1)
bad("mode", "Momentum", [np.array(0.1, F32), np.array(1, I64), floats(2), floats(2), floats(2)], domain=TRAINING,
    version=1, alpha=1.0, beta=1.0, mode="fast")
bad("is defined nowhere", "Gradient", domain=TRAINING, version=1, xs=["x0"], y="w")
bad("has no xs", "Gradient", domain=TRAINING, version=1, xs=["x0"])
bad("inputs and", "Gradient", domain=TRAINING, version=1, xs=["x0", "q"], y="x0")
bad("rank", "FlexAttention", [x, x, x], domain=PREVIEW, version=1)


def check_bad(number, says, op, inputs, version, domain, attributes):
    names = [f"x{i}" for i in range(len(inputs))]
    graph = helper.make_graph([node(op, names, ["y"], name=op, domain=domain, **attributes)], op,
                              [info(n, value) for n, value in zip(names, inputs)], [onnx.ValueInfoProto(name="y")])
    path = os.path.join(FOLDER, f"bad_{number}.onnx")
    onnx.save(helper.make_model(graph, opset_imports=opsets(domain, version), ir_version=9), path)
    return refused(path, says, f"{op} {list(attributes)[-1:]}")


def refused(path, says, what):
    try:
        done = subprocess.run([ADZE, "info", path], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        print(f"FAILED bad {what}: takes more than 20 seconds")
        return False
    errors = [line for line in done.stderr.splitlines() if "error" in line or ": node " in line]
    ok = done.returncode == 1 and len(errors) == 1 and says in errors[0]
    if not ok:
        print(f"FAILED bad {what}: status {done.returncode}, want '{says}': {done.stderr.strip()[:300]}")
    return ok


def refused_derivative(says, name, nodes, inputs):
    """`inputs`: dims, which may be names, of floats; I64: three integers."""
    ends = [helper.make_tensor_value_info(n, TensorProto.INT64, [3]) if dims is I64
            else helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in inputs.items()]
    graph = helper.make_graph([*nodes, d([*inputs][:1], ["g"], xs=[*inputs][:1], y="y")], "g", ends,
                              [onnx.ValueInfoProto(name="g")])
    path = os.path.join(FOLDER, f"bad_derivative_{name}.onnx")
    onnx.save(helper.make_model(graph, opset_imports=opsets(TRAINING, 1), ir_version=9), path)
    return refused(path, says, f"derivative_{name}")


def loop_of_rests():
    body = helper.make_graph([node("Mod", ["c", "c"], ["s"], name="rest", fmod=1), node("Identity", ["go"], ["on"])],
                             "body",
                             [helper.make_tensor_value_info("i", TensorProto.INT64, []),
                              helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                              helper.make_tensor_value_info("c", TensorProto.FLOAT, [3])],
                             [onnx.ValueInfoProto(name="on"), onnx.ValueInfoProto(name="s")])
    trips = node("Constant", [], ["n"], value=numpy_helper.from_array(np.array(3, I64)))
    return [trips, node("Loop", ["n", "", "x"], ["y"], name="again", body=body)]


def loop_of_sequences():
    items = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [3]))
    body = helper.make_graph([node("SequenceInsert", ["c", "x"], ["s"]), node("Identity", ["go"], ["on"])], "body",
                             [helper.make_tensor_value_info("i", TensorProto.INT64, []),
                              helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                              helper.make_value_info("c", items)],
                             [onnx.ValueInfoProto(name="on"), onnx.ValueInfoProto(name="s")])
    trips = node("Constant", [], ["n"], value=numpy_helper.from_array(np.array(3, I64)))
    return [trips, node("SequenceConstruct", ["x"], ["q"]),
            node("Loop", ["n", "", "q"], ["r"], name="again", body=body),
            node("ConcatFromSequence", ["r"], ["y"], axis=0)]


def no_derivatives():
    """Ops without a derivative, in themselves or in a form, are named."""
    pool = node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2])
    return [refused_derivative("the derivative of Mod (node 'running')", "mod",
                               [node("Mod", ["x", "x"], ["y"], name="running", fmod=1)], {"x": [3]}),
            refused_derivative("the derivative of Mod (node 'rest')", "loop", loop_of_rests(), {"x": [3]}),
            refused_derivative("the derivative of ConcatFromSequence", "sequence", loop_of_sequences(), {"x": [3]}),
            refused_derivative("that keeps the ratio of axes", "resize",
                               [node("Constant", [], ["s"], value=numpy_helper.from_array(np.array([1, 1, 8, 8], I64))),
                                node("Resize", ["x", "", "", "s"], ["y"], mode="linear",
                                     keep_aspect_ratio_policy="not_larger")], {"x": [1, 2, 4, 4]}),
            refused_derivative("over an axis of unknown extent", "pool", [pool], {"x": [1, 2, "H", 4]}),
            refused_derivative("with the reduction 'mul'", "scatter",
                               [node("ScatterElements", ["x", "i", "x"], ["y"], reduction="mul")],
                               {"x": [3], "i": I64})]


# ---- Writing the cases ----


def map_proto(value):
    out = onnx.MapProto()
    text = isinstance(next(iter(value)), str)
    out.key_type = TensorProto.STRING if text else TensorProto.INT64
    for key, item in value.items():
        if text:
            out.string_keys.append(key.encode())
        else:
            out.keys.append(int(key))
    values = [np.asarray(v, STR if isinstance(v, str) else F32 if isinstance(v, float) else None)
              for v in value.values()]
    out.values.CopyFrom(numpy_helper.from_list(values))
    return out


def proto(value):
    if isinstance(value, dict):
        return map_proto(value)
    if isinstance(value, list):
        out = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
        out.map_values.extend(map_proto(item) for item in value)
        return out
    return numpy_helper.from_array(np.asarray(value))


def write(folder, name, row, model, inputs, want):
    try:
        feeds = {i.name: value for i, value in zip(model.graph.input, inputs)}
        results = want if isinstance(want, list) else run_onnx(want or model, feeds)
    except Exception as error:  # the runtime's own classes are not public
        print(f"FAILED {name}: ONNX Runtime does not have it: {first_line(error)}")
        return False
    save_case(os.path.join(folder, name), model, map(proto, inputs), map(proto, results), LOOSE.get(name, (None,))[0])
    return True


def has_form(name):
    """May it be written as ONNX again? No form has coupled probabilities, an error for an unknown category, or trees of
    f64 whose leaves have several weights."""
    return not ("_prob" in name and name.startswith("svm") or name == "onehotencoder_1_0" or
                name.startswith("treeensembleclassifier") and name.endswith(("_f64", "_i64", "_i32")))


def without_case():
    """Versions of operators that no case is for; those that are deprecated have one too."""
    have = {row for _, row, *_ in CASES}
    want = {(s.domain, s.name, s.since_version) for s in onnx.defs.get_all_schemas_with_history()
            if s.domain in (ML, PREVIEW, TRAINING)}
    return sorted(want - have)


def main():
    if option("write"):
        return 0 if all([write(option("write"), *row) for row in CASES]) else 1
    need_runner()
    global FOLDER
    flags = sys.argv[1:]
    FOLDER += "".join(c if c.isalnum() else "_" for c in "".join(flags))
    shutil.rmtree(FOLDER, ignore_errors=True)
    cases = os.path.join(FOLDER, "cases")
    failed = sum(not write(cases, *row) for row in CASES if "--export" not in flags or has_form(row[0]))
    for row in without_case():
        print(f"FAILED no case for {row}")
        failed += 1
    passed, wrong, skipped = run_cases(cases, *flags)
    if not flags:
        results = [check_bad(i, *row) for i, row in enumerate(BAD)] + no_derivatives()
        passed += sum(results)
        wrong += results.count(False)
        wrong += skipped  # on the reference everything written here is to be understood
        skipped = 0
    print(f"{passed} passed, {failed + wrong} failed, {skipped} skipped")
    return failed + wrong > 0


if __name__ == "__main__":
    sys.exit(main())
