"""Which element types an operator's schema allows, and a case for each that no stored case has: a stored case of one
node, with the type in the place of another, and small values, which every type holds. For onnx_types.py."""
import copy
import itertools
import os
from pathlib import Path

from onnx_suite import ReferenceEvaluator, TensorProto, helper, np, numpy_helper, onnx, run_onnx

NUMBERS = {f"tensor({name.lower()})": number for name, number in TensorProto.DataType.items() if number}
NAMES = {number: name for name, number in NUMBERS.items()}
ORT_TYPES = {np.dtype(name) for name in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "O")}
TINY = {number for text, number in NUMBERS.items() if "float8" in text or "float4" in text or "float6" in text}
TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype", "stash_type")  # what says the type of a result


class Base:
    """A stored case of one node: its schema, what its operands and results are named, and their values."""

    def __init__(self, folder, model=None):
        self.folder, self.model = folder, model or onnx.load(folder / "model.onnx")
        graph = self.model.graph
        if len(graph.node) != 1:
            raise ValueError("not one node")
        kinds = {i.type.WhichOneof("value") for i in (*graph.input, *graph.output)}
        # else it shows its own types alone
        self.plain = kinds <= {"tensor_type", None} and not any(a.HasField("g") for a in graph.node[0].attribute)
        self.node = graph.node[0]
        opsets = {o.domain: o.version for o in self.model.opset_import}
        self.schema = onnx.defs.get_schema(self.node.op_type, opsets[self.node.domain], self.node.domain)
        self.row = (self.schema.domain, self.schema.name, self.schema.since_version)
        self.texts = self.bindings()
        self.bound = {variable: NUMBERS.get(text) for variable, text in self.texts.items()}

    def load(self):
        data, graph = self.folder / "test_data_set_0", self.model.graph
        self.inputs = [onnx.load_tensor(data / f"input_{i}.pb") for i in range(len(graph.input))]
        return self

    def formals(self, names, formals):
        """(name, its formal) of operands or results."""
        for i, name in enumerate(names):
            if name and formals:
                yield name, formals[min(i, len(formals) - 1)]

    def operands(self):
        return self.formals(self.node.input, self.schema.inputs)

    def results(self):
        return self.formals(self.node.output, self.schema.outputs)

    def shows(self, variable):
        """Has an operand or a result this type variable? A result that may be there comes to be."""
        if variable in self.bound:
            return True
        formals = [i for i, formal in enumerate(self.schema.outputs) if formal.type_str == variable]
        for i in range(len(self.node.output), formals[0] + 1 if formals else 0):
            self.node.output.append(f"more_{i}")
            self.model.graph.output.append(onnx.ValueInfoProto(name=f"more_{i}"))
        return bool(formals) and formals[0] < len(self.node.output)

    def bindings(self):
        """{type variable: the type's text}."""
        graph, data = self.model.graph, self.folder / "test_data_set_0"
        types = {i.name: text_of(i.type) for i in graph.input}
        types.update((t.name, NAMES[t.data_type]) for t in graph.initializer)
        for i, out in enumerate(graph.output):
            types[out.name] = text_of(out.type)
            path = data / f"output_{i}.pb"
            if not types[out.name] and path.exists() and not out.type.WhichOneof("value"):
                types[out.name] = output_text(path)
        return {formal.type_str: types[name] for name, formal in itertools.chain(self.operands(), self.results())
                if types.get(name)}


def text_of(kind):
    """A TypeProto as schemas spell it; "" of a type that is not told."""
    which = kind.WhichOneof("value")
    if which in ("tensor_type", "sparse_tensor_type"):
        return NAMES.get(getattr(kind, which).elem_type, "")
    if which == "map_type":
        value = text_of(kind.map_type.value_type)[7:-1]
        return f"map({NAMES[kind.map_type.key_type][7:-1]}, {value})"
    if which:
        return f"{which.split('_')[0].replace('sequence', 'seq')}({text_of(getattr(kind, which).elem_type)})"
    return ""


def output_text(path):
    """Of a stored output without a declared type; "" of what is no tensor."""
    try:
        return NAMES.get(onnx.load_tensor(path).data_type, "")
    except Exception:  # of protobuf
        return ""


def bases(folders):
    """{row: stored cases of one node for it, those with little data first}."""
    found = {}
    for folder in folders:
        for case in sorted(Path(folder).iterdir()):
            try:
                base = Base(case)
            except (ValueError, KeyError, onnx.defs.SchemaError):
                continue
            found.setdefault(base.row, []).append(base)
    for of in found.values():
        of.sort(key=lambda base: (-len(base.bound), os.path.getsize(base.folder / "model.onnx"), base.folder.name))
    return found


def moved(base, since):
    """The case in another version of its operator; None where that has another form."""
    model = copy.deepcopy(base.model)
    for opset in model.opset_import:
        if opset.domain == base.node.domain:
            opset.version = since
    model.ir_version = max(3, min(model.ir_version, 10))
    try:
        schema = onnx.defs.get_schema(base.node.op_type, since, base.node.domain)
        onnx.checker.check_node(model.graph.node[0], checker_context(model))
        again = Base(base.folder, model)
    except (ValueError, KeyError, onnx.defs.SchemaError, onnx.checker.ValidationError):
        return None
    known = {name for name, _ in again.operands()} >= {name for name in base.node.input if name}
    return again if known and len(base.node.input) <= max(len(schema.inputs), schema.max_input) else None


def checker_context(model):
    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {o.domain: o.version for o in model.opset_import}
    return context


def pairs():
    """(schema, type variable, type's text) of all that schemas allow."""
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.deprecated:
            for constraint in schema.type_constraints:
                for text in constraint.allowed_type_strs:
                    yield schema, constraint.type_param_str, text


# ---- Values ----

def small(array, number):
    """The array in that type: as it is where the type holds it, else small integers with the same signs."""
    kind = helper.tensor_dtype_to_np_dtype(number)
    if array.dtype == object:
        array = np.array([float(t) if is_number(t) else len(t) for t in array.ravel()]).reshape(array.shape)
    if number == TensorProto.STRING:
        return np.array([str(int(v)) for v in np.real(whole(array)).ravel()], object).reshape(array.shape)
    if number == TensorProto.BOOL:
        return array.astype(np.complex128) != 0
    step = 0.25 if "float" in NAMES[number] or "double" in NAMES[number] or "complex" in NAMES[number] else 1
    values = whole(array, 2 * step if number in TINY else step)
    low, high = limits(number)
    if number == TensorProto.FLOAT8E8M0:  # it has powers of two alone
        return np.where(np.abs(values) > 1, 2, 1).astype(np.float32).astype(kind)
    if np.any(values < low) or np.any(values > high):
        values = np.clip(np.abs(values) if low == 0 else values, max(low, -3), min(high, 3))
    wide = np.int64 if array.dtype.kind in "iu" and high > 2 ** 24 else np.float32
    return values.astype(wide).astype(kind)


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


def whole(array, step=1):
    """Away from 0 to the next multiple of `step`, so that what is not 0 stays so."""
    values = np.real(array.astype(np.complex128)) if array.dtype.kind == "c" else array.astype(np.float64)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    values = np.nan_to_num(values, nan=0, posinf=3, neginf=-3)
    return np.clip(np.sign(values) * np.ceil(np.abs(values) / step) * step, -2 ** 40, 2 ** 40)


def limits(number):
    """What integers the type holds without a gap."""
    name = NAMES[number]
    if "int" in name:
        bits = int("".join(c for c in name if c.isdigit()))
        return (0, 2 ** bits - 1) if "uint" in name else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
    most = {"tensor(float4e2m1)": 4, "tensor(float16)": 2048, "tensor(bfloat16)": 256}.get(name)
    most = most or (16 if "float8e4" in name else 8 if "float8e5" in name else 2 ** 24)
    return -most, most


# ---- A case in another type ----

def other(base, variable, number):
    """(model, feeds) of the case with this type for the variable; None where nothing of the case has it."""
    model = copy.deepcopy(base.model)
    graph, node = model.graph, model.graph.node[0]
    mine = {name for name, formal in base.operands() if formal.type_str == variable}
    if node.op_type == "BitCast":  # both types have as many bits
        mine, to = set(node.input), number if variable == "T2" else as_wide(number)
        number = as_wide(number) if variable == "T2" else number
        set_attribute(node, base.schema, to)
    elif not mine and not is_only(base.schema, variable) and not set_attribute(node, base.schema, number):
        return None
    feeds, zeros = {}, zero_points(base, number)
    for info, value in zip(graph.input, base.inputs):
        array = numpy_helper.to_array(value)
        if info.name in mine:
            info.type.tensor_type.elem_type = number
            array = small(array * 0 if info.name in zeros else array, number)
        elif array.dtype.kind != "i":
            array = small(array, value.data_type)
        if not mine and "uint" in NAMES[number] and array.dtype.kind in "fi":  # no unsigned type has what is below 0
            array = abs(array)
        feeds[info.name] = array
    for tensor in graph.initializer:
        if tensor.name in mine:
            array = numpy_helper.to_array(tensor)
            array = small(array * 0 if tensor.name in zeros else array, number)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    if number in (TensorProto.STRING, TensorProto.BOOL) or ("int" in NAMES[number] and node.op_type == "GridSample"):
        only_moves(node)
    asks = node.op_type == "DequantizeLinear" and "output_dtype" in base.schema.attributes
    if number == TensorProto.FLOAT8E8M0 and asks:  # a type for scales, not for results
        node.attribute.append(helper.make_attribute("output_dtype", TensorProto.FLOAT))
    declare(base, model)
    return model, feeds


def zero_points(base, number):
    """Operands that are 0 in floats of few bits: what else they could be nobody says alike."""
    return {name for name, formal in base.operands() if number in TINY and formal.name.endswith("zero_point")}


def is_only(schema, variable):
    """Is there no choice of its type?"""
    return any(c.type_param_str == variable and len(c.allowed_type_strs) == 1 for c in schema.type_constraints)


def as_wide(number):
    """A type with as many bits."""
    name = NAMES[number]
    bits = {"tensor(bool)": 8, "tensor(float)": 32, "tensor(double)": 64, "tensor(complex64)": 64,
            "tensor(float4e2m1)": 4}.get(name)
    if not bits:
        bits = 8 if "float8" in name else int("".join(c for c in name if c.isdigit()))
    return NUMBERS["tensor(complex128)" if bits == 128 else f"tensor(uint{bits})"]


def only_moves(node):
    """Texts have no sums: what can choose or add chooses."""
    for attribute in node.attribute:
        if attribute.name == "reduction":
            attribute.s = b"none"
        elif attribute.name == "mode" and node.op_type in ("Resize", "GridSample", "Upsample"):
            attribute.s = b"nearest"
        elif attribute.name == "pool_int64s":
            texts = [str(v) for v in attribute.ints]
            attribute.CopyFrom(helper.make_attribute("pool_strings", texts))


def declare(base, model):
    """Outputs have the types that ONNX's own inference gives, where it gives one."""
    graph = model.graph
    for info in graph.output:
        info.ClearField("type")
    try:
        found = {info.name: info for info in onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output}
    except Exception:  # of many kinds
        return
    for info in graph.output:
        if found[info.name].type.tensor_type.elem_type:
            info.type.tensor_type.elem_type = found[info.name].type.tensor_type.elem_type


def set_attribute(node, schema, number):
    """Says the result's type in the attribute that is for it."""
    kept = [a for a in node.attribute if a.name not in TYPE_ATTRIBUTES and not a.name.startswith(("value", "sparse"))]
    name = next((name for name in TYPE_ATTRIBUTES if name in schema.attributes), None)
    if name == "to" and schema.since_version < 6:  # its name, then
        attribute = helper.make_attribute(name, TensorProto.DataType.Name(number))
    elif name:
        attribute = helper.make_attribute(name, number)
    elif "value" in schema.attributes:
        values = small(np.array([2.0] if schema.name == "ConstantOfShape" else [1.0, 2.0, 0.0]), number)
        attribute = helper.make_attribute("value", numpy_helper.from_array(values))
    else:
        return False
    del node.attribute[:]
    node.attribute.extend([*kept, attribute])
    return True


# ---- What it should give ----

# Who is asked alone about integers: of two the others compute in integers, and add infinities to a mask or cut parts of
# a sum off; of Resize ONNX Runtime cuts off what ONNX's evaluator rounds.
ALONE = {"Attention": "f32", "ReduceLogSumExp": "f32", "Resize": "ONNX's evaluator"}


def expected(model, feeds, base, variable, number):
    """(the results, who says so); (None, "") where nobody else can."""
    order = [("ONNX Runtime", runtime), ("f32", cast), ("ONNX's evaluator", evaluator)]
    if base.schema.name in ALONE and "int" in NAMES[number]:
        order = [row for row in order if row[0] == ALONE[base.schema.name]]
    if number == TensorProto.STRING:  # ONNX Runtime's kernels of old versions move some texts wrong
        order.reverse()
    for who, compute in order:
        try:
            results = compute(model, feeds, base, variable, number)
        except Exception:  # of many kinds
            continue
        if results is not None:
            return results, who
    return None, ""


def runtime(model, feeds, base, variable, number):
    kinds = [value.dtype for value in feeds.values()]
    kinds += [helper.tensor_dtype_to_np_dtype(t.data_type) for t in model.graph.initializer]
    if not ORT_TYPES.issuperset([*kinds, helper.tensor_dtype_to_np_dtype(number)]):
        return None
    if base.row[2] < 7 and not base.row[0]:  # it knows no older opsets; a form may be of the 7th as well
        copied = copy.deepcopy(model)
        copied.opset_import[0].version, copied.ir_version = 7, 7
        onnx.checker.check_node(copied.graph.node[0], checker_context(copied))
        model = copied
    return run_onnx(model, feeds)


def evaluator(model, feeds, base, variable, number):
    kinds = {}  # what is known of results' types
    for name, formal in base.results():
        bound = number if formal.type_str == variable else base.bound.get(formal.type_str)
        kinds[name] = NUMBERS.get(formal.type_str, bound)
    kinds.update((i.name, i.type.tensor_type.elem_type) for i in model.graph.output if i.type.tensor_type.elem_type)
    results = ReferenceEvaluator(model).run(None, feeds)
    return [typed(value, kinds.get(info.name)) for value, info in zip(results, model.graph.output)]


def typed(value, number):
    """What the evaluator gives, if it is of the type that it should be of."""
    value = np.asarray(value)
    if value.dtype.kind in "UT":
        value = value.astype(object)
    if number and value.dtype != helper.tensor_dtype_to_np_dtype(number):
        raise TypeError("of another type")
    if value.dtype == object and not all(isinstance(v, (str, bytes)) for v in value.ravel()):
        raise TypeError("no text")
    return value


def cast(model, feeds, base, variable, number):
    """What the same values give in f32, in this type, where that changes none of them."""
    again = other(base, variable, TensorProto.FLOAT) if base.schema.name != "BitCast" else None
    allowed = {c.type_param_str: c.allowed_type_strs for c in base.schema.type_constraints}[variable]
    if not again or "tensor(float)" not in allowed or number in (TensorProto.STRING, TensorProto.BOOL):
        return None
    wide, mine = again[0], {name for name, f in base.operands() if f.type_str == variable}
    given = {tensor.name: tensor for tensor in model.graph.initializer}
    for tensor in wide.graph.initializer:
        if tensor.name in mine:
            array = np.real(numpy_helper.to_array(given[tensor.name])).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    feeds = {k: np.real(v).astype(np.float32) if k in mine else v for k, v in feeds.items()}
    results = runtime(wide, feeds, base, variable, TensorProto.FLOAT)
    types = {i.name: i.type.tensor_type.elem_type for i in model.graph.output}
    return results and [narrowed(value, types[name] or number if formal.type_str == variable else types[name])
                        for value, (name, formal) in zip(results, base.results())]


def narrowed(value, number):
    if not number:
        return value
    narrow = value.astype(helper.tensor_dtype_to_np_dtype(number))
    exact = np.array_equal(np.real(narrow).astype(np.float32), value.astype(np.float32), equal_nan=True)
    if not exact and number not in (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE):
        raise ValueError("not exact")
    return narrow


def tolerance(model, feeds, results):
    """What is below a rounding of the coarsest type there, beside the largest of results; -1 where values are drawn."""
    node = model.graph.node[0]
    if node.op_type == "Bernoulli" or node.op_type == "Dropout" and len(node.input) > 2:
        return -1
    arrays = [*feeds.values(), *map(numpy_helper.to_array, model.graph.initializer), *(results or ())]
    names = {array.dtype.name for array in arrays}
    unit = 2e-2 if "bfloat16" in names else 2e-3 if "float16" in names else 1e-6
    most = [np.abs(array[np.isfinite(array)]).max(initial=0) for array in results or () if array.dtype.kind == "f"]
    return unit * max([1, *most])
