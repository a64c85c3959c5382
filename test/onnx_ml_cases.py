"""Cases of ai.onnx.ml, ai.onnx.preview and ai.onnx.preview.training, for onnx_ml.py: CASES grows where this is read."""
import math

from onnx_suite import ReferenceEvaluator, TensorProto, helper, np, numpy_helper, onnx

ML, PREVIEW, TRAINING = "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"
F32, F64, I64, I32, STR = np.float32, np.float64, np.int64, np.int32, object
random = np.random.default_rng(11)
CASES = []  # name, operator row, model, inputs, outputs or None


def floats(*dims):
    return random.standard_normal(dims).astype(F32)


def info(name, value):
    if isinstance(value, dict):
        key = TensorProto.STRING if isinstance(next(iter(value)), str) else TensorProto.INT64
        first = np.asarray(next(iter(value.values())))
        kind = TensorProto.STRING if first.dtype.kind in "UO" else helper.np_dtype_to_tensor_dtype(first.dtype)
        return helper.make_value_info(name, helper.make_map_type_proto(key, helper.make_tensor_type_proto(kind, [])))
    kind = TensorProto.STRING if value.dtype == STR else helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(name, kind, value.shape)


def opsets(domain, version):
    return [helper.make_opsetid("", 18 if domain != PREVIEW else 26), helper.make_opsetid(domain, version)]


def case(version, op, inputs, outputs=1, name="", want=None, domain=ML, oracle=None, **attributes):
    """One node. `want`: the results; without it ONNX Runtime's, of version `oracle` where it refuses this one."""
    names = [f"x{i}" for i in range(len(inputs))]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, name=op, domain=domain, **attributes)
    graph = helper.make_graph([node], op, [info(n, x) for n, x in zip(names, inputs)],
                              [onnx.ValueInfoProto(name=n) for n in results])
    model = helper.make_model(graph, opset_imports=opsets(domain, version), ir_version=9)
    if oracle:
        want = helper.make_model(graph, opset_imports=opsets(domain, oracle), ir_version=9)
    CASES.append((f"{op.lower()}_{version}{name}", (domain, op, version), model, inputs, want))


def tensor(values, dtype=F32):
    return numpy_helper.from_array(np.array(values, dtype))


# ---- Features ----

x = np.array([[1, 2], [-1, 0.5], [0, 0], [3, -2]], F32)
words = np.array([["b", "a"], ["zz", "b"]], STR)
case(1, "ArrayFeatureExtractor", [floats(3, 4), np.array([[3, 0, 3]], I64)])
case(1, "ArrayFeatureExtractor", [floats(4), np.array([1, 0], I64)], name="_row")
case(1, "ArrayFeatureExtractor", [floats(2, 3, 4), np.array([2], I64)], name="_three")
case(1, "ArrayFeatureExtractor", [words, np.array([1], I64)], name="_strings")
case(1, "Binarizer", [x], threshold=0.5)
for dtype in (F64, I64, I32):
    case(1, "Binarizer", [np.array([[1, 2], [3, -5]], dtype)], threshold=1.5, name=f"_{dtype.__name__}",
         want=[np.array([[0, 1], [1, 0]], dtype)])
case(1, "Imputer", [np.array([[1, np.nan], [np.nan, 5]], F32)], imputed_value_floats=[9.0, 8.0],
     replaced_value_float=float("nan"))
case(1, "Imputer", [np.array([[1, -7], [-7, 5]], F32)], imputed_value_floats=[0.1], replaced_value_float=-7.0,
     name="_one")
case(1, "Imputer", [np.array([[1, -7], [3, 5]], I64)], imputed_value_int64s=[9], replaced_value_int64=-7, name="_i64")
case(1, "Imputer", [np.array([[1, -7], [3, 5]], I32)], imputed_value_int64s=[8, 9], replaced_value_int64=-7,
     name="_i32", want=[np.array([[1, 9], [3, 5]], I32)])
case(1, "Imputer", [np.array([[1, 0.1], [3, 5]], F64)], imputed_value_floats=[9.0], replaced_value_float=3.0,
     name="_f64", want=[np.array([[1, 0.1], [9, 5]], F64)])
for dtype in (F32, F64, I64, I32):
    values = np.array([[1, 2], [3, -5], [0, 0]], dtype)
    case(1, "Scaler", [values], offset=[0.5, 0.1], scale=[2.0, 3.0], name=f"_{dtype.__name__}")
    for norm in ("MAX", "L1", "L2"):
        case(1, "Normalizer", [values], norm=norm, name=f"_{norm.lower()}_{dtype.__name__}")
case(1, "Scaler", [x], offset=[0.5], scale=[2.0], name="_one")
case(1, "Normalizer", [x[0]], norm="L1", name="_row")
case(1, "FeatureVectorizer", [floats(2, 2), floats(2, 3)], inputdimensions=[2, 3])
case(1, "FeatureVectorizer", [floats(2, 2), floats(2, 3)], inputdimensions=[1, 4], name="_cut")
case(1, "FeatureVectorizer", [np.array([1, 2], I64), np.array([3], I64)], inputdimensions=[2, 1], name="_rows")

# ---- Tables ----

case(1, "CategoryMapper", [words], cats_strings=["a", "b"], cats_int64s=[7, 9], default_int64=-3)
case(1, "CategoryMapper", [np.array([9, 7, 8], I64)], cats_strings=["a", "b"], cats_int64s=[7, 9],
     default_string="?", name="_back")
case(1, "LabelEncoder", [words], classes_strings=["a", "b"], default_int64=-3)
case(1, "LabelEncoder", [np.array([1, 0, 5], I64)], classes_strings=["a", "b"], default_string="?", name="_back")
case(1, "LabelEncoder", [words], classes_strings=["a", "b\0"], default_string=" \0", name="_zero_byte")
LISTS = {"strings": ["a", "b", "c"], "int64s": [4, 5, 6], "floats": [0.5, float("nan"), 2.0]}
GIVEN = {"strings": np.array(["c", "x", "a"], STR), "int64s": np.array([6, 1, 4], I64),
         "floats": np.array([np.nan, 7, 0.5], F32)}
for version in (2, 4):
    for keys in LISTS:
        for values in LISTS:
            given = np.array([2, 7, 0.5], F32) if keys == "floats" and version == 2 else GIVEN[keys]
            case(version, "LabelEncoder", [given], name=f"_{keys}_{values}",
                 **{f"keys_{keys}": LISTS[keys], f"values_{values}": [LISTS[values][0]] * 2 + [LISTS[values][2]]})
case(2, "LabelEncoder", [GIVEN["floats"]], keys_floats=LISTS["floats"], values_int64s=[1, 2, 3], name="_nan",
     want=[np.array([2, -1, 1], I64)])
case(2, "LabelEncoder", [GIVEN["strings"]], keys_strings=["a", "b"], values_int64s=[1, 2], default_int64=77,
     name="_default")
for dtype in (F64, I64, I32, np.int16):
    case(4, "LabelEncoder", [np.array([3, 1, 9], dtype)], keys_tensor=tensor([1, 2, 3], dtype),
         values_tensor=tensor([10, 20, 30], dtype), default_tensor=tensor([-5], dtype), name=f"_{np.dtype(dtype).name}",
         want=[np.array([30, 10, -5], dtype)])
case(4, "LabelEncoder", [np.array([1, 2], I64)], keys_int64s=[1, 1, 2], values_int64s=[5, 6, 7], name="_last",
     want=[np.array([6, 7], I64)])
case(4, "LabelEncoder", [np.arange(2000, dtype=I64)], keys_int64s=list(range(0, 6000, 3)),
     values_int64s=list(range(2000)), name="_many")
for zeros in (0, 1):
    case(1, "OneHotEncoder", [np.array([[1, 2], [3, 1]], I64)], cats_int64s=[1, 2, 3], zeros=zeros,
         name=f"_{zeros}")
case(1, "OneHotEncoder", [np.array([1.7, 2, 9], F32)], cats_int64s=[1, 2, 3], name="_floats")
case(1, "OneHotEncoder", [np.array([1.7, 2, 9], F64)], cats_int64s=[1, 2, 3], name="_f64")
case(1, "OneHotEncoder", [np.array([1, 2, 9], I32)], cats_int64s=[1, 2, 3], name="_i32",
     want=[np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], F32)])
case(1, "OneHotEncoder", [words], cats_strings=["a", "b"], name="_strings")

# ---- Maps ----

case(1, "CastMap", [{3: F32(1.5), 1: F32(2.5)}], want=[np.array([[2.5, 1.5]], F32)])
case(1, "CastMap", [{3: F32(1.5), 1: F32(2.5)}], cast_to="TO_INT64", name="_ints", want=[np.array([[2, 1]], I64)])
case(1, "CastMap", [{3: F32(1.5), 1: F32(2.5)}], map_form="SPARSE", max_map=5, name="_sparse",
     want=[np.array([[0, 2.5, 0, 1.5, 0]], F32)])
case(1, "CastMap", [{3: "x", 1: "yy"}], cast_to="TO_STRING", name="_strings", want=[np.array([["yy", "x"]], STR)])
case(1, "DictVectorizer", [{"b": F32(2), "q": F32(3)}], string_vocabulary=["a", "b", "c"],
     want=[np.array([[0, 2, 0]], F32)])
case(1, "DictVectorizer", [{"b": 2, "q": 3}], string_vocabulary=["q", "b", "c"], name="_ints",
     want=[np.array([[3, 2, 0]], I64)])
case(1, "DictVectorizer", [{5: "u", 2: "v"}], int64_vocabulary=[2, 3], name="_strings",
     want=[np.array([["v", ""]], STR)])
case(1, "ZipMap", [floats(3, 2)], classlabels_strings=["no", "yes"])
case(1, "ZipMap", [floats(3, 2)], classlabels_int64s=[7, 3], name="_ints")
case(1, "ZipMap", [floats(2)], classlabels_int64s=[7, 3], name="_row")

# ---- Linear models and support vectors ----

TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
for transform in TRANSFORMS:
    low = "_" + transform.lower()
    case(1, "LinearRegressor", [x], coefficients=[0.1, -0.3, 0.2, 0.4], intercepts=[1.0, 2.0], targets=2,
         post_transform=transform, name=low)
    case(1, "LinearClassifier", [x], 2, coefficients=[0.1, -0.3], intercepts=[0.05], classlabels_ints=[7, 9],
         post_transform=transform, name="_one" + low)
    case(1, "LinearClassifier", [x], 2, coefficients=[0.1, -0.3, 0.2, 0.4, -0.1, 0.3], intercepts=[0.05, 0.1, 0.2],
         classlabels_strings=["a", "b", "c"], post_transform=transform, name=low)
inside = abs(floats(3, 2)) / 5 + 0.1
case(1, "LinearRegressor", [inside], coefficients=[0.5, 0.3], intercepts=[0.1], post_transform="PROBIT", name="_probit")
case(1, "LinearRegressor", [x], coefficients=[0.5, 0.3], name="_plain", want=[x @ F32([[0.5], [0.3]])])
for dtype in (F64, I64, I32):
    case(1, "LinearClassifier", [np.array([[1, 2], [3, -5]], dtype)], 2, coefficients=[0.1, -0.3, 0.2, 0.4],
         intercepts=[0.05, 0.1], classlabels_ints=[1, 2], name=f"_{dtype.__name__}")

VECTORS = [1.0, 0, 0, 1, -1, 1, 2, 2, 0.5, -0.5]
for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
    params = {"kernel_params": [0.5, 0.1, 2.0], "kernel_type": kernel}
    low = "_" + kernel.lower()
    case(1, "SVMRegressor", [x], coefficients=[1.0, -0.5, 0.3], n_supports=3, rho=[0.2], support_vectors=VECTORS[:6],
         name=low, **params)
    two = {"coefficients": [1.0, -0.5, 0.3, -0.2, 0.4], "rho": [0.2], "support_vectors": VECTORS,
           "vectors_per_class": [2, 3], "classlabels_ints": [5, 9], **params}
    three = {"coefficients": [1.0, -0.5, 0.3, -0.2, 0.4, 0.3, 0.2, -0.7, 0.1, 0.9], "rho": [0.2, 0.1, -0.1],
             "support_vectors": VECTORS, "vectors_per_class": [2, 2, 1], "classlabels_strings": ["a", "b", "c"],
             **params}
    case(1, "SVMClassifier", [x], 2, name="_two" + low, **two)
    case(1, "SVMClassifier", [x], 2, name="_two_prob" + low, prob_a=[-1.2], prob_b=[0.1], **two)
    case(1, "SVMClassifier", [x], 2, name="_three" + low, **three)
    case(1, "SVMClassifier", [x], 2, name="_three_prob" + low, prob_a=[-1.2, -0.7, -2.0], prob_b=[0.1, 0.2, 0.3],
         **three)
case(1, "SVMRegressor", [x], coefficients=[1.0, -0.5, 0.3], n_supports=3, rho=[0.2], support_vectors=VECTORS[:6],
     kernel_params=[0.5, 0.1, 3.0], kernel_type="RBF", one_class=1, name="_one_class")
case(1, "SVMRegressor", [x], coefficients=[1.0, -0.5], kernel_params=[0.5, 0.1, 3.0], rho=[0.2], name="_no_vectors")
case(1, "SVMClassifier", [x], 2, kernel_params=[0.5, 0.1, 2.0], coefficients=[0.1, -0.3, 0.2, 0.4, 0.5, 0.6],
     rho=[0.1], kernel_type="LINEAR", classlabels_ints=[3, 4, 5], name="_no_vectors")
for transform in TRANSFORMS[1:]:
    case(1, "SVMClassifier", [x], 2, name="_two_" + transform.lower(), post_transform=transform, **two)
    case(1, "SVMClassifier", [x], 2, name="_three_" + transform.lower(), post_transform=transform, **three)
case(1, "SVMClassifier", [x], 2, coefficients=[1.0, -0.5, 0.3, -0.2, 0.4] * 3, rho=[0.2, 0.1, -0.1, 0.3, 0.4, 0.5],
     support_vectors=VECTORS, vectors_per_class=[2, 1, 1, 1], classlabels_ints=[0, 1, 2, 3], name="_four",
     kernel_params=[0.5, 0.1, 2.0], kernel_type="POLY")

# ---- Trees ----


def forest(n_trees, depth, features, outputs, per_leaf=1, modes=("BRANCH_LEQ",), missing=False, seed=0, positive=False):
    """Full trees as the older operators have them; `outputs` targets or classes, `per_leaf` weights each."""
    rng = np.random.default_rng(seed)
    nodes = {key: [] for key in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    leaves = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    inner, count = 2 ** depth - 1, 2 ** (depth + 1) - 1
    for tree in range(n_trees):
        for node in [0, *(1 + rng.permutation(count - 1))]:  # ONNX Runtime takes the first one for the root
            branch = node < inner
            row = (tree, node, rng.integers(features) if branch else 0,
                   modes[rng.integers(len(modes))] if branch else "LEAF",
                   float(F32(np.round(rng.standard_normal(), 1))) if branch else 0.0,
                   2 * node + 1 if branch else 0, 2 * node + 2 if branch else 0)
            for key, value in zip(nodes, row):
                nodes[key].append(value if isinstance(value, (str, float)) else int(value))
            for _ in range(0 if branch else per_leaf):
                weight = rng.standard_normal()
                target = (int(node) + _) % outputs
                size = float(F32(abs(weight) if positive else weight))
                for key, value in zip(leaves, (tree, int(node), target, size)):
                    leaves[key].append(value)
    if missing:
        nodes["missing_value_tracks_true"] = [int(v) for v in rng.integers(0, 2, len(nodes["modes"]))]
    return {f"nodes_{key}": value for key, value in nodes.items()}, leaves


def regressor(nodes, leaves, **more):
    return {**nodes, **{f"target_{key}": value for key, value in leaves.items()}, **more}


def classifier(nodes, leaves, **more):
    return {**nodes, **{f"class_{key}": value for key, value in leaves.items()}, **more}


ALL_MODES = tuple("BRANCH_" + mode for mode in ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ"))
many = np.round(floats(40, 5), 1)
holes = many.copy()
holes[random.random(holes.shape) < 0.3] = np.nan
for version in (1, 3, 5):
    old = {"oracle": 3} if version == 5 else {}  # the new version is that it is deprecated
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        case(version, "TreeEnsembleRegressor", [many], name="_" + aggregate.lower(), **old, **regressor(
            *forest(7, 3, 5, 1, seed=version), n_targets=1, aggregate_function=aggregate, base_values=[0.25]))
    case(version, "TreeEnsembleRegressor", [many], name="_modes", **old, **regressor(
        *forest(7, 4, 5, 3, per_leaf=3, modes=ALL_MODES, seed=version), n_targets=3))
    case(version, "TreeEnsembleRegressor", [holes], name="_missing", **old, **regressor(
        *forest(7, 4, 5, 2, per_leaf=2, modes=ALL_MODES[:4], missing=True, seed=version), n_targets=2))
    case(version, "TreeEnsembleClassifier", [many], 2, name="_three", **old, **classifier(
        *forest(5, 3, 5, 3, per_leaf=3, seed=version), classlabels_strings=["a", "b", "c"], post_transform="SOFTMAX"))
    for positive in (False, True):
        for transform in TRANSFORMS[:2]:
            case(version, "TreeEnsembleClassifier", [many], 2, name=f"_two_{transform.lower()}_{int(positive)}",
                 **old, **classifier(*forest(5, 3, 5, 1, seed=version, positive=positive), classlabels_int64s=[7, 8],
                              base_values=[0.1], post_transform=transform))
    case(version, "TreeEnsembleClassifier", [many.astype(F64)], 2, name="_f64", **old, **classifier(
        *forest(5, 3, 5, 3, per_leaf=3, seed=version), classlabels_int64s=[3, 4, 5]))
    case(version, "TreeEnsembleClassifier", [(many * 3).astype(I64)], 2, name="_i64", **old, **classifier(
        *forest(5, 3, 5, 3, per_leaf=3, seed=version), classlabels_int64s=[3, 4, 5]))
    case(version, "TreeEnsembleClassifier", [(many * 3).astype(I32)], 2, name="_i32", **old, **classifier(
        *forest(5, 3, 5, 3, per_leaf=3, seed=version), classlabels_int64s=[3, 4, 5]))
for version in (3, 5):
    nodes, leaves = forest(5, 3, 5, 1, seed=9)
    wide = regressor(nodes, leaves, n_targets=1, base_values_as_tensor=tensor([0.3], F64))
    for key in ("nodes_values", "target_weights"):
        wide[key + "_as_tensor"] = tensor(wide.pop(key), F64)
    case(version, "TreeEnsembleRegressor", [many.astype(F64)], name="_tensors", **wide,
         **({"oracle": 3} if version == 5 else {}))
# A large one, as gradient boosting makes them.
case(3, "TreeEnsembleRegressor", [floats(100, 20)], name="_large", **regressor(
    *forest(100, 8, 20, 1, seed=5), n_targets=1))
case(1, "TreeEnsembleRegressor", [x], name="_one_leaf", want=[np.full((4, 1), 2.5, F32)], nodes_treeids=[0],
     nodes_nodeids=[0], nodes_featureids=[0], nodes_modes=["LEAF"], nodes_values=[0.0], nodes_truenodeids=[0],
     nodes_falsenodeids=[0], target_treeids=[0], target_nodeids=[0], target_ids=[0], target_weights=[2.5], n_targets=1)


def placed(dtype, members=False):
    """Two trees as TreeEnsemble has them; f(row) beside it."""
    if members:
        return dict(tree_roots=[0], nodes_featureids=[0, 0], nodes_modes=tensor([6, 6], np.uint8),
                    nodes_splits=tensor([0, 0], dtype), nodes_truenodeids=[0, 1], nodes_trueleafs=[1, 1],
                    nodes_falsenodeids=[1, 2], nodes_falseleafs=[0, 1], leaf_targetids=[0, 1, 0],
                    leaf_weights=tensor([1, 10, 100], dtype), n_targets=2,
                    membership_values=tensor([1, 2, np.nan, 3, np.nan], dtype)), lambda row: (
                        [1, 0] if row[0] in (1, 2) else [0, 10] if row[0] == 3 else [100, 0])
    return dict(tree_roots=[2, 1], nodes_featureids=[1, 0, 0], nodes_modes=tensor([1, 2, 0], np.uint8),
                nodes_splits=tensor([0.5, 0.25, 1], dtype), nodes_truenodeids=[0, 2, 0], nodes_trueleafs=[1, 1, 0],
                nodes_falsenodeids=[1, 3, 4], nodes_falseleafs=[1, 1, 1], leaf_targetids=[0, 0, 1, 1, 0],
                leaf_weights=tensor([1, 2, 4, 8, 16], dtype), n_targets=2), lambda row: np.add(
                    ([1, 0] if row[1] < 0.5 else [2, 0]) if row[0] <= 1 else [16, 0],
                    [0, 4] if row[0] >= 0.25 else [0, 8])


for dtype in (F32, F64, np.float16):
    for members in (False, True):
        attributes, function = placed(dtype, members)
        rows = np.array([[v, w] for v in (0, 0.25, 1, 2, 3, 4) for w in (0.25, 0.5)], dtype)
        for number, aggregate in enumerate(("average", "sum", "min", "max")):
            if number != 1 and (members or dtype != F32):
                continue
            want = np.array([function(row) for row in rows], dtype)
            if aggregate == "average":
                want = want / dtype(2)
            if aggregate in ("min", "max"):
                want = None  # ONNX Runtime's
            case(5, "TreeEnsemble", [rows], name=f"_{np.dtype(dtype).name}_{aggregate}{'_members' * members}",
                 want=None if want is None else [want], aggregate_function=number, **attributes)

# ---- FlexAttention, optimizers ----


def graph_of(op, value, dtype=F32):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [helper.make_tensor_value_info(n, kind, [None] * 4) for n in ("s", "t")]
    return helper.make_graph([helper.make_node(op, ["s", "c"], ["t"])], "g", ends[:1], ends[1:],
                             [numpy_helper.from_array(np.array(value, dtype), "c")])


def flex(q, k, v, scale=None, score=lambda s: s, prob=lambda p: p):
    repeat = q.shape[1] // k.shape[1]
    k, v = k.repeat(repeat, 1), v.repeat(repeat, 1)
    s = score(q @ k.swapaxes(2, 3) * (scale or 1 / np.sqrt(q.shape[3])))
    p = np.exp(s - s.max(-1, keepdims=True))
    return [(prob(p / p.sum(-1, keepdims=True)) @ v).astype(q.dtype)]


q, k, v = floats(2, 4, 3, 8), floats(2, 2, 5, 8), floats(2, 2, 5, 6)
case(1, "FlexAttention", [q, k, v], domain=PREVIEW, want=flex(q, k, v))
case(1, "FlexAttention", [q, k, v], domain=PREVIEW, name="_graphs", scale=0.5, score_mod=graph_of("Mul", 2.0),
     prob_mod=graph_of("Add", 0.1), want=flex(q, k, v, 0.5, lambda s: 2 * s, lambda p: p + F32(0.1)))

weights = [floats(2, 3), floats(4)]
grads = [floats(2, 3), floats(4)]
ones = [abs(floats(2, 3)), abs(floats(4))]
squares = [abs(floats(2, 3)), abs(floats(4))]
for count in (1, 2):
    for step in (0, 3):
        rate, at, name = F32(0.1), np.array(step, I64), f"_{count}_{step}"
        w, g, h, s = weights[:count], grads[:count], ones[:count], squares[:count]
        gr = [0.01 * a + b for a, b in zip(w, g)]
        nh = [a + b * b for a, b in zip(h, gr)]
        case(1, "Adagrad", [rate, at, *w, *g, *h], 2 * count, name, domain=TRAINING, norm_coefficient=0.01,
             decay_factor=0.1, epsilon=1e-4,
             want=[(a - rate / (1 + 0.1 * step) * b / (np.sqrt(c) + 1e-4)).astype(F32) for a, b, c in zip(w, gr, nh)] +
             [a.astype(F32) for a in nh])
        nv = [0.9 * a + 0.1 * b for a, b in zip(h, gr)]
        nh = [0.95 * a + 0.05 * b * b for a, b in zip(s, gr)]
        r = rate * np.sqrt(1 - 0.95 ** step) / (1 - 0.9 ** step) if step else rate
        case(1, "Adam", [rate, at, *w, *g, *h, *s], 3 * count, name, domain=TRAINING, norm_coefficient=0.01,
             norm_coefficient_post=0.02, alpha=0.9, beta=0.95, epsilon=1e-4,
             want=[(0.98 * (a - r * b / (np.sqrt(c) + 1e-4))).astype(F32) for a, b, c in zip(w, nv, nh)] +
             [a.astype(F32) for a in nv + nh])
        for mode in ("standard", "nesterov"):
            nv = [0.8 * a + (0.7 if step else 1) * b for a, b in zip(h, gr)]
            case(1, "Momentum", [rate, at, *w, *g, *h], 2 * count, f"_{mode}{name}", domain=TRAINING,
                 norm_coefficient=0.01, alpha=0.8, beta=0.7, mode=mode,
                 want=[(a - rate * (b if mode == "standard" else c + 0.8 * b)).astype(F32)
                       for a, b, c in zip(w, nv, gr)] + [a.astype(F32) for a in nv])
