"""Small random models for onnx_search.py: an encoder and a decoder in the manner of T5, and decoders like GPT-2.

A word's chances hang on the mask, on what is encoded and on all words before, and there are few words, so that
sequences end early, late and never. Names of inputs and results are those that ONNX Runtime wants.
"""
from onnx_suite import TensorProto, helper, np, numpy_helper

HIDDEN, HEADS, SIZE, PLACES = 8, 2, 4, 20
F32, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def info(name, dtype, *dims):
    return helper.make_tensor_value_info(name, dtype, dims)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def constants(**values):
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def caches(form, layers, *dims):
    """Keys and values of each layer, called as ONNX Runtime wants it."""
    return [info(form.format(what, i), F32, *dims) for i in range(layers) for what in ("key", "value")]


def as_heads(source, target):
    """[batch, times, HIDDEN] as keys."""
    return [node("Reshape", f"{source} by_heads", f"{target}_4"), node("Transpose", f"{target}_4", target,
                                                                      perm=[0, 2, 1, 3])]


def encoder(draw, words, layers):
    """Keys and values of layer i are the embedded words times i + 1 and i + 2; padding is taken out by the mask."""
    nodes = [node("Gather", "words encoder_input_ids", "embedded"),
             node("Cast", "encoder_attention_mask", "mask_f", to=F32),
             node("Unsqueeze", "mask_f last", "mask_3"), node("Mul", "embedded mask_3", "encoder_hidden_states"),
             node("ReduceMean", "encoder_hidden_states", "mean", axes=[1]),
             node("Gather", "words decoder_input_ids", "start"),
             node("Add", "start mean", "sum"), node("MatMul", "sum to_words", "logits"),
             *as_heads("encoder_hidden_states", "cross"), *as_heads("sum", "self")]
    outputs = [info("logits", F32, "batch", 1, words), info("encoder_hidden_states", F32, "batch", "length", HIDDEN)]
    for kind in ("self", "cross"):
        made = caches("present_{}_" + kind + "_{}", layers, "batch", HEADS, "times", SIZE)
        nodes += [node("Mul", f"{kind} by_{(i + 1) // 2}", value.name) for i, value in enumerate(made)]
        outputs += made
    return helper.make_graph(nodes, "encoder", [info("encoder_input_ids", I32, "batch", "length"),
                                                info("encoder_attention_mask", I32, "batch", "length"),
                                                info("decoder_input_ids", I32, "batch", 1)], outputs,
                             constants(words=draw["words"], to_words=draw["to_words"], last=np.array([2]),
                                       by_heads=np.array([0, 0, HEADS, SIZE]),
                                       **{f"by_{i}": np.float32(1 + i / 2) for i in range(layers + 1)}))


def sound_encoder(draw, words, layers):
    """In the manner of Whisper: sounds [batch, features, times] in place of words, several words to start with."""
    nodes = [node("ReduceMean", "encoder_input_ids", "loud", axes=[1], keepdims=0),
             node("Unsqueeze", "loud last", "loud_3"), node("Mul", "loud_3 first", "encoder_hidden_states"),
             node("ReduceMean", "encoder_hidden_states", "mean", axes=[1]),
             node("Gather", "words decoder_input_ids", "start"), node("Add", "start mean", "sum"),
             node("MatMul", "sum to_words", "logits"), *as_heads("encoder_hidden_states", "cross"),
             *as_heads("sum", "self")]
    outputs = [info("logits", F32, "batch", "times", words),
               info("encoder_hidden_states", F32, "batch", "length", HIDDEN)]
    for kind in ("self", "cross"):
        many = "times" if kind == "self" else "length"
        made = caches("present_{}_" + kind + "_{}", layers, "batch", HEADS, many, SIZE)
        nodes += [node("Mul", f"{kind} by_{(i + 1) // 2}", value.name) for i, value in enumerate(made)]
        outputs += made
    return helper.make_graph(nodes, "encoder", [info("encoder_input_ids", F32, "batch", 3, "length"),
                                                info("decoder_input_ids", I32, "batch", "times")], outputs,
                             constants(words=draw["words"], to_words=draw["to_words"], first=draw["words"][0],
                                       last=np.array([2]), by_heads=np.array([0, 0, HEADS, SIZE]),
                                       **{f"by_{i}": np.float32(1 + i / 2) for i in range(layers + 1)}))


def decoder(draw, words, layers, hidden, masked=True):
    """The word's embedding, plus means of all keys of its own and of those that are encoded, and of the mask."""
    own = caches("past_{}_self_{}", layers, "rows", HEADS, "past", SIZE)
    cross = caches("past_{}_cross_{}", layers, "rows", HEADS, "length", SIZE)
    nodes = [node("Gather", "words input_ids", "embedded"), *as_heads("embedded", "now")]
    sums, outputs = ["embedded"], [info("logits", F32, "rows", 1, words)]
    if masked:
        nodes += [node("Cast", "encoder_attention_mask", "mask_f", to=F32),
                  node("ReduceMean", "mask_f", "seen", axes=[1]), node("Unsqueeze", "seen last", "seen_3")]
        sums.append("seen_3")
    for i, (past, present) in enumerate(zip(own, caches("present_{}_self_{}", layers, "rows", HEADS, "all", SIZE))):
        nodes += [node("Mul", f"now by_{(i + 1) // 2}", f"now_{i}"),
                  node("Concat", f"{past.name} now_{i}", present.name, axis=2)]
        outputs.append(present)
    for value in [*outputs[1:], *cross]:
        nodes += [node("ReduceMean", value.name, f"{value.name}_mean", axes=[2]),
                  node("Reshape", f"{value.name}_mean row", f"{value.name}_row")]
        sums.append(f"{value.name}_row")
    if hidden:
        nodes.append(node("ReduceMean", "encoder_hidden_states", "hidden_mean", axes=[1]))
        sums.append("hidden_mean")
    nodes += [node("Sum", " ".join(sums), "sum"), node("Tanh", "sum", "bent"),
              node("MatMul", "bent to_words", "logits")]
    mask = [info("encoder_attention_mask", I32, "rows", "length")] if masked else []
    extra = [info("encoder_hidden_states", F32, "rows", "length", HIDDEN)] if hidden else []
    inputs = [info("input_ids", I32, "rows", 1), *mask, *extra, *own, *cross]
    return helper.make_graph(nodes, "decoder", inputs, outputs,
                             constants(words=draw["words"], to_words=draw["to_words"], last=np.array([2]),
                                       row=np.array([0, 1, HIDDEN]), by_heads=np.array([0, 0, HEADS, SIZE]),
                                       **{f"by_{i}": np.float32(1 + i / 2) for i in range(layers + 1)}))


def gpt_ends(words, layers):
    """The inputs and the results of a decoder like GPT-2."""
    ids = [info(name, I32, "rows", "times") for name in ("input_ids", "position_ids")]
    past, present = ([info(f"{name}_{i}", F32, 2, "rows", HEADS, times, SIZE) for i in range(layers)]
                     for name, times in (("past", "past"), ("present", "all")))
    return [*ids, info("attention_mask", I32, "rows", "all"), *past], [info("logits", F32, "rows", "times", words),
                                                                      *present]


def gpt(draw, words):
    """A word's chances hang on its place, on how much of what there is counts, and on the mean of all keys."""
    nodes = [node("Gather", "words input_ids", "embedded"), node("Gather", "places position_ids", "place"),
             node("Cast", "attention_mask", "mask_f", to=F32), node("ReduceMean", "mask_f", "seen", axes=[1]),
             node("Unsqueeze", "seen last", "seen_3"), *as_heads("embedded", "now"),
             node("Unsqueeze", "now zero", "now_5"), node("Concat", "now_5 now_5", "both", axis=0),
             node("Concat", "past_0 both", "present_0", axis=3), node("ReduceMean", "present_0", "mean", axes=[0, 3]),
             node("Reshape", "mean row", "mean_row"), node("Sum", "embedded place seen_3 mean_row", "sum"),
             node("Tanh", "sum", "bent"), node("MatMul", "bent to_words", "logits")]
    return helper.make_graph(nodes, "decoder", *gpt_ends(words, 1),
                             constants(**draw, last=np.array([2]), zero=np.array([0]), row=np.array([-1, 1, HIDDEN]),
                                       by_heads=np.array([0, 0, HEADS, SIZE])))


def gpt2(random, words, layers=2):
    """GPT-2 itself, small: norms, heads that see what came before, layers of twice the width, weights of words used
    twice. The layers' weights stand in the graph."""
    weights = {"words": (words, HIDDEN), "places": (PLACES, HIDDEN)}
    shapes = {"qkv": (HIDDEN, 3 * HIDDEN), "out": (HIDDEN, HIDDEN), "up": (HIDDEN, 2 * HIDDEN),
              "down": (2 * HIDDEN, HIDDEN), "gain": (HIDDEN,), "shift": (HIDDEN,)}
    weights |= {f"{name}_{i}": dims for i in range(layers) for name, dims in shapes.items()}
    held = {name: (random.standard_normal(dims) / 2).astype("f4") for name, dims in weights.items()}
    nodes = [node("Gather", "words input_ids", "embedded"), node("Gather", "places position_ids", "place"),
             node("Add", "embedded place", "x_0"),
             # Columns of keys, rows of queries: a key counts where the mask has it and it is not behind the query.
             node("Shape", "attention_mask", "dims"), node("Gather", "dims one", "all"),
             node("Shape", "input_ids", "now_dims"), node("Gather", "now_dims one", "now"),
             node("Sub", "all now", "ago"), node("Range", "zero all step", "columns"),
             node("Range", "ago all step", "rows"), node("Unsqueeze", "rows last", "rows_2"),
             node("LessOrEqual", "columns rows_2", "before"),
             node("Cast", "attention_mask", "mask_b", to=TensorProto.BOOL),
             node("Unsqueeze", "mask_b inner", "mask_4"), node("And", "mask_4 before", "counts"),
             node("Where", "counts nothing lowest", "added")]
    for i in range(layers):
        lines = f"""LayerNormalization x gain shift -> n; MatMul n qkv -> qkv_x; Split qkv_x -> q k v;
            Reshape q by_heads -> q4; Reshape k by_heads -> k4; Reshape v by_heads -> v4; Transpose q4 -> qh;
            Transpose k4 -> kh; Transpose v4 -> vh; Unsqueeze kh zero_1 -> k5; Unsqueeze vh zero_1 -> v5;
            Concat k5 v5 -> kv; Concat past kv -> present; Gather present zero -> keys; Gather present step -> values;
            Transpose keys -> turned; MatMul qh turned -> s; Mul s scale -> scaled; Add scaled added -> biased;
            Softmax biased -> p; MatMul p values -> o; Transpose o -> ot; Reshape ot flat -> of; MatMul of out -> a;
            Add x a -> y; LayerNormalization y gain shift -> m; MatMul m up -> u; Tanh u -> t; MatMul t down -> d;
            Add y d -> x_next"""
        own = {"Split": {"axis": 2}, "Concat": {"axis": 0}, "Gather": {"axis": 0}, "Softmax": {"axis": -1},
               "Transpose": {"perm": [0, 2, 1, 3]}}
        shared = {"by_heads", "zero_1", "zero", "step", "scale", "added", "flat"}
        for line in lines.split(";"):
            (op, *given), made = (half.split() for half in line.split("->"))
            more = {"present": {"axis": 3}, "turned": {"perm": [0, 1, 3, 2]}}.get(made[0], own.get(op, {}))
            names = [f"x_{i + 1}" if name == "x_next" else name if name in shared else f"{name}_{i}"
                     for name in (*given, *made)]
            nodes.append(helper.make_node(op, names[:len(given)], names[len(given):], **more))
    nodes += [node("Transpose", "words", "to_words", perm=[1, 0]), node("MatMul", f"x_{layers} to_words", "logits")]
    held |= {"zero": np.int64(0), "one": np.int64(1), "step": np.int64(1), "last": np.array([1]),
             "inner": np.array([1, 2]), "zero_1": np.array([0]), "nothing": np.float32(0), "lowest": np.float32(-1e4),
             "by_heads": np.array([0, 0, HEADS, SIZE]), "flat": np.array([0, 0, HIDDEN]),
             "scale": np.float32(SIZE ** -0.5)}
    return helper.make_graph(nodes, "decoder", *gpt_ends(words, layers), constants(**held))
