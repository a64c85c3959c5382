"""Cases for onnx_types.py of operators that no stored case of one node can show in other types: graphs inside nodes,
sequences and optionals, values that are drawn."""
import re

from onnx_suite import TensorProto, helper, np, numpy_helper, onnx, run_onnx
from onnx_types_cases import NUMBERS, ORT_TYPES, small


def elements(text):
    """The element type that a type's text is about."""
    return NUMBERS["tensor(" + re.search(r"tensor\((\w+)\)", text)[1] + ")"]


def proto_of(text, dims=(3,)):
    """TypeProto of tensor(...), seq(...) or optional(...)."""
    kind, _, inner = text.partition("(")
    if kind == "seq":
        return helper.make_sequence_type_proto(proto_of(inner[:-1], dims))
    if kind == "optional":
        return helper.make_optional_type_proto(proto_of(inner[:-1], dims))
    if kind == "map":
        key, value = (NUMBERS[f"tensor({name})"] for name in inner[:-1].split(", "))
        return helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))
    return helper.make_tensor_type_proto(NUMBERS[text], dims)


def value_of(text, start=1.0):
    """A small value of that type."""
    kind, _, inner = text.partition("(")
    if kind == "optional":
        return value_of(inner[:-1], start)
    if kind == "map":
        key, value = inner[:-1].split(", ")
        values = small(np.array([1.0, 2.0]), NUMBERS[f"tensor({value})"])
        return dict(zip(["a", "b"] if key == "string" else [1, 2], values))
    if kind == "seq":
        return [value_of(inner[:-1], 1.0), value_of(inner[:-1], 0.0)]
    return small(np.array([start, 1.0, 0.0]), NUMBERS[text])


def map_proto(key, kind, value):
    out = onnx.MapProto(key_type=NUMBERS[f"tensor({key})"])
    if key == "string":
        out.string_keys.extend(k.encode() for k in value)
    else:
        out.keys.extend(value)
    dtype = helper.tensor_dtype_to_np_dtype(NUMBERS[f"tensor({kind})"])
    out.values.CopyFrom(numpy_helper.from_list([np.array(v, dtype) for v in value.values()]))
    return out


def stored(text, value):
    """The value as a case's file has it."""
    kind, _, inner = text.partition("(")
    if kind == "map":
        return map_proto(*inner[:-1].split(", "), value)
    if kind == "optional":
        return onnx.OptionalProto(elem_type=3 if inner.startswith("seq") else 1, **(
            {"sequence_value": numpy_helper.from_list(value)} if inner.startswith("seq")
            else {"tensor_value": numpy_helper.from_array(value)}))
    return numpy_helper.from_list(value) if kind == "seq" else numpy_helper.from_array(value)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), name=op, **attributes)


def body(nodes, inputs, outputs):
    """A graph inside a node; {name: type's text}."""
    return helper.make_graph(nodes, "body", *(
        [helper.make_value_info(name, proto_of(text, dims)) for name, (text, dims) in of.items()]
        for of in (inputs, outputs)))


def same(opset, text, into, out):
    """What gives the value again, in a form that this opset has for its type."""
    types = {c.type_param_str: c.allowed_type_strs for c in
             onnx.defs.get_schema("Identity", opset, "").type_constraints}
    if text in next(iter(types.values())):
        return [node("Identity", into, out)]
    return [node("Constant", "", "n_" + out, value=numpy_helper.from_array(np.array(1))),
            helper.make_node("Loop", ["n_" + out, "", into], [out], body=passing(text))]


def passing(text):
    """A body that gives what it gets."""
    return body([node("Identity", "g", "h")],
                {"j": ("tensor(int64)", ()), "g": ("tensor(bool)", ()), "u": (text, (3,))},
                {"h": ("tensor(bool)", ()), "u": (text, (3,))})


def if_case(opset, text):
    then, other = same(opset, text, "x", "t"), same(opset, text, "x", "e")
    return [node("If", "c", "y", then_branch=body(then, {}, {"t": (text, (3,))}),
                 else_branch=body(other, {}, {"e": (text, (3,))}))], {"c": "tensor(bool)", "x": text}


def loop_case(opset, text):
    again = same(opset, text, "v", "w")
    inside = body([node("Identity", "go", "more"), *again],
                  {"i": ("tensor(int64)", ()), "go": ("tensor(bool)", ()), "v": (text, (3,))},
                  {"more": ("tensor(bool)", ()), "w": (text, (3,))})
    return [node("Loop", "n c x", "y", body=inside)], {"n": "tensor(int64)", "c": "tensor(bool)", "x": text}


def scan_case(opset, text):
    inside = body([node("Identity", "v", "w"), node("Identity", "p", "q")],
                  {"v": (text, (3,)), "p": (text, (3,))}, {"w": (text, (3,)), "q": (text, (3,))})
    if opset > 8:
        return [node("Scan", "x rows", "y all", num_scan_inputs=1, body=inside)], {"x": text, "rows": text}
    return [node("Unsqueeze", "x", "batch", axes=[0]), node("Unsqueeze", "rows", "batches", axes=[0]),
            helper.make_node("Scan", ["", "batch", "batches"], ["y", "all"], num_scan_inputs=1, body=inside)
            ], {"x": text, "rows": text}


def map_case(opset, text):
    inside = body([node("Identity", "v", "w")], {"v": (text[4:-1] if text[:3] == "seq" else text, (3,))},
                  {"w": (text[4:-1] if text[:3] == "seq" else text, (3,))})
    return [node("SequenceMap", "s", "y", body=inside)], {"s": text if text[:3] == "seq" else f"seq({text})"}


def sequence_case(op):
    """Between a sequence's construction and what comes of it."""
    def case(opset, text, variable):
        item = text if text.startswith("tensor") and variable == "T" else re.sub(r"^seq\((.*)\)$", r"\1", text)
        place = text if variable == "I" or variable == "Tind" else "tensor(int64)"
        if variable == "I":
            item = "tensor(float)"
        made = [node("SequenceConstruct", "x x", "s")]
        feeds = {"x": item}
        if op == "SequenceConstruct":
            return made[:-1] + [node(op, "x x", "y")], feeds
        if op in ("SequenceAt", "SequenceErase"):
            return [*made, node(op, "s at", "y")], {**feeds, "at": place}
        if op == "SequenceInsert":
            return [*made, node(op, "s x at", "y")], {**feeds, "at": place}
        if op == "SequenceLength":
            return [*made, node(op, "s", "y")], feeds
        if op == "ConcatFromSequence":
            return [*made, node(op, "s", "y", axis=0)], feeds
        if op == "SplitToSequence":
            return [node(op, "x at", "y", axis=0)], {**feeds, "at": place}
        return [node(op, "", "y", dtype=elements(item))], {}
    return case


def optional_case(op):
    def case(opset, text, variable):
        if op == "Optional":
            inner = re.sub(r"^optional\((.*)\)$", r"\1", text)
            return [node("Optional", "x", "o"), node("OptionalGetElement", "o", "y")], {"x": inner}
        given = text if op == "OptionalHasElement" or variable == "O" else f"optional({text})"
        return [node(op, "x", "y")], {"x": "optional(tensor(float))" if variable == "B" else given}
    return case


def drawn_case(op):
    def case(opset, text, variable):
        given = text if variable == "T1" else "tensor(float)"
        dtype = {"dtype": elements(text)} if variable in ("T", "T2") else {}
        if op.endswith("Like"):
            kept = dtype or {"dtype": TensorProto.FLOAT}
            return [node(op, "x", "y", **kept)], {"x": given}
        if op == "Multinomial":
            old = opset < 13
            return [node("Unsqueeze", "x", "rows", axes=[0]) if old else node("Unsqueeze", "x at", "rows"),
                    node(op, "rows", "y", sample_size=4, **dtype)], {"x": given, **({} if old else {"at": "axes"})}
        return [node(op, "", "y", shape=[2, 3], **dtype)], {}
    return case


def gradient_case(opset, text, variable):
    """Of 3 x, whose 3 is how many elements z has."""
    kind = text if variable == "T2" else "tensor(float)"
    nodes = [node("Size", "z", "n"), node("Cast", "n", "k", to=elements(kind)), node("Mul", "x k", "p"),
             node("Gradient", "x z", "y", xs=["x"], zs=["z"], y="p", domain="ai.onnx.preview.training")]
    return nodes, {"x": kind, "z": text if variable == "T1" else "tensor(float)"}


def plain(make):
    return lambda opset, text, variable: make(opset, text if variable in ("V", "S") else "tensor(float)")


def identity_case(opset, text, variable):
    return [node("Identity", "x", "y")], {"x": text}


def dictionary_case(opset, text, variable):
    given = text if variable == "T1" else f"map({'int64' if text == 'tensor(string)' else 'string'}, {text[7:-1]})"
    kept = {"string_vocabulary": ["a", "b"]} if given.startswith("map(string") else {"int64_vocabulary": [1, 2]}
    return [node("DictVectorizer", "x", "y", domain="ai.onnx.ml", **kept)], {"x": given}


CASES = {"Identity": identity_case, "If": plain(if_case), "Loop": plain(loop_case), "Scan": plain(scan_case),
         "SequenceMap": plain(map_case), "DictVectorizer": dictionary_case}
CASES["Gradient"] = gradient_case
CASES.update((op, sequence_case(op)) for op in (
    "SequenceConstruct", "SequenceAt", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceEmpty",
    "ConcatFromSequence", "SplitToSequence"))
CASES.update((op, optional_case(op)) for op in ("Optional", "OptionalGetElement", "OptionalHasElement"))
CASES.update((op, drawn_case(op)) for op in (
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial"))

FEEDS = {"c": (np.array(True), ()), "n": (np.array(2), ()), "at": (1, ())}


def opsets(schema):
    if schema.domain:
        return [helper.make_opsetid("", 18), helper.make_opsetid(schema.domain, schema.since_version)]
    return [helper.make_opsetid("", schema.since_version)]


def build(schema, variable, text):
    """(model, inputs as files have them, results or (), absolute tolerance) of the pair."""
    nodes, inputs = CASES[schema.name](schema.since_version, text, variable)
    infos, feeds = [], {}
    for name, kind in inputs.items():
        if kind == "axes":
            value, dims, kind = np.array([0]), (1,), "tensor(int64)"
        elif name in FEEDS:
            value, dims = FEEDS[name]
            value = np.asarray(value, helper.tensor_dtype_to_np_dtype(NUMBERS[kind]))
        elif name == "rows":
            value, dims = small(np.array([[1, 0, 1], [0, 1, 1.0]]), NUMBERS[kind]), (2, 3)
        else:
            value, dims = value_of(kind), (3,)
        infos.append(helper.make_value_info(name, proto_of(kind, dims)))
        feeds[name] = (kind, value)
    graph = helper.make_graph(nodes, schema.name, infos, [onnx.ValueInfoProto(name=n) for n in nodes[-1].output])
    model = helper.make_model(graph, opset_imports=opsets(schema),
                              ir_version=13 if schema.since_version > 20 else 8)
    files = [stored(*of) for of in feeds.values()]
    drawn = "Random" in schema.name or schema.name == "Multinomial"
    return model, files, results_of(schema, model, feeds), -1 if drawn else 0


def results_of(schema, model, feeds):
    """What is given, of graphs that give it again; else ONNX Runtime's; () where it lacks the form."""
    if schema.name in ("If", "Loop", "Scan", "Identity"):
        again = [stored(*feeds[name]) for name in ("x", "rows") if name in feeds]
        return again if schema.since_version > 8 or schema.name != "Scan" else [
            numpy_helper.from_array(numpy_helper.to_array(t)[None]) for t in again]
    if schema.name == "DictVectorizer":
        values = list(feeds["x"][1].values())
        return [np.array([values], object if isinstance(values[0], str) else values[0].dtype)]
    if schema.name == "Gradient":
        return [np.full_like(feeds["x"][1], 3)]
    if not all(array.dtype in ORT_TYPES for _, value in feeds.values()
               for array in (value if isinstance(value, list) else [value])):
        return ()
    try:
        found = run_onnx(model, {name: value for name, (_, value) in feeds.items()})
    except Exception:  # the runtime's own classes are not public
        return ()
    return [numpy_helper.from_list([np.asarray(v) for v in value]) if isinstance(value, list) else np.asarray(value)
            for value in found]
