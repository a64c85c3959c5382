"""Searches of com.microsoft that run a model in a loop, on the reference and compiled, against ONNX Runtime.

    onnx_search.py [--keep] [--target=NAME]     NAME: x86:host, or none; --keep leaves the cases in <build>/test/onnx_search

The models are small and random: a word's chances hang on the mask, on what is encoded and on all words before, and
there are few words, so that sequences end early, late and never.
"""
import os
import shutil
import subprocess
import sys

from onnx_suite import (ADZE, TensorProto, folder_of, helper, need_runner, np, numpy_helper, onnx, option, run_cases,
                        run_onnx, save_case)

FOLDER = folder_of("onnx_search")
HIDDEN, HEADS, SIZE = 8, 2, 4
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


def decoder(draw, words, layers, hidden):
    """The word's embedding, plus means of all keys of its own and of those that are encoded."""
    own = caches("past_{}_self_{}", layers, "rows", HEADS, "past", SIZE)
    cross = caches("past_{}_cross_{}", layers, "rows", HEADS, "length", SIZE)
    nodes = [node("Gather", "words input_ids", "embedded"), *as_heads("embedded", "now"),
             node("Cast", "encoder_attention_mask", "mask_f", to=F32), node("ReduceMean", "mask_f", "seen", axes=[1]),
             node("Unsqueeze", "seen last", "seen_3")]
    sums, outputs = ["embedded", "seen_3"], [info("logits", F32, "rows", 1, words)]
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
    extra = [info("encoder_hidden_states", F32, "rows", "length", HIDDEN)] if hidden else []
    return helper.make_graph(nodes, "decoder", [info("input_ids", I32, "rows", 1),
                                                info("encoder_attention_mask", I32, "rows", "length"), *extra,
                                                *own, *cross], outputs,
                             constants(words=draw["words"], to_words=draw["to_words"], last=np.array([2]),
                                       row=np.array([0, 1, HIDDEN]), by_heads=np.array([0, 0, HEADS, SIZE]),
                                       **{f"by_{i}": np.float32(1 + i / 2) for i in range(layers + 1)}))


def beam_search(seed, words=6, batch=2, length=4, longest=8, beams=3, returned=2, layers=1, hidden=False, least=0,
                penalty=1.0, repetition=None, mask=False, allowed=None, first=None, attributes=(), outputs=2):
    """(model, inputs)"""
    random = np.random.default_rng(seed)
    draw = {"words": random.standard_normal((words, HIDDEN)).astype("f4"),
            "to_words": random.standard_normal((HIDDEN, words)).astype("f4")}
    ids = random.integers(0, words, (batch, length)).astype("i4")
    ids[-1, 0] = 1
    given = {"max_length": np.int32(longest), "min_length": np.int32(least),
             "num_beams": np.int32(beams), "returned": np.int32(returned),
             "penalty": np.float32(penalty),
             "repetition": None if repetition is None else np.float32(repetition),
             "allowed": None if allowed is None else np.int32(allowed),
             "first": None if first is None else np.int32(first)}
    names = ["ids", *(name if value is not None else "" for name, value in given.items())]
    inputs = {"ids": ids}
    if mask:
        names.append("mask")
        inputs["mask"] = random.integers(0, 2, (batch, length)).astype("i4")
    attributes = {"model_type": 1, "eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 0,
                  "encoder": encoder(draw, words, layers), "decoder": decoder(draw, words, layers, hidden),
                  **dict(attributes)}
    attributes = {key: value for key, value in attributes.items() if value is not None}
    search = helper.make_node("BeamSearch", names, ["sequences", "scores", "steps"][:outputs], domain="com.microsoft",
                              name="search", **attributes)
    graph = helper.make_graph([search], "g", [info(n, I32, "batch" if n == "ids" else batch, length) for n in inputs],
                              [info("sequences", I32, "batch", returned, longest),
                               info("scores", F32, "batch", returned), info("steps", F32, *"abcd")][:outputs],
                              constants(**{k: v for k, v in given.items() if v is not None}))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)]), inputs


def gpt(draw, words):
    """A word's chances hang on its place, on how much of what there is counts, and on the mean of all keys."""
    nodes = [node("Gather", "words input_ids", "embedded"), node("Gather", "places position_ids", "place"),
             node("Cast", "attention_mask", "mask_f", to=F32), node("ReduceMean", "mask_f", "seen", axes=[1]),
             node("Unsqueeze", "seen last", "seen_3"), *as_heads("embedded", "now"),
             node("Unsqueeze", "now zero", "now_5"), node("Concat", "now_5 now_5", "both", axis=0),
             node("Concat", "past_0 both", "present_0", axis=3), node("ReduceMean", "present_0", "mean", axes=[0, 3]),
             node("Reshape", "mean row", "mean_row"), node("Sum", "embedded place seen_3 mean_row", "sum"),
             node("Tanh", "sum", "bent"), node("MatMul", "bent to_words", "logits")]
    inputs = [info(name, I32, "rows", "times") for name in ("input_ids", "position_ids")]
    inputs += [info("attention_mask", I32, "rows", "all"), info("past_0", F32, 2, "rows", HEADS, "past", SIZE)]
    outputs = [info("logits", F32, "rows", "times", words), info("present_0", F32, 2, "rows", HEADS, "all", SIZE)]
    return helper.make_graph(nodes, "decoder", inputs, outputs,
                             constants(**draw, last=np.array([2]), zero=np.array([0]), row=np.array([-1, 1, HIDDEN]),
                                       by_heads=np.array([0, 0, HEADS, SIZE])))


def greedy_search(seed, words=6, batch=3, length=3, longest=8, least=0, repetition=1.0, allowed=None, first=None,
                  start=False, attributes=()):
    """(model, inputs)"""
    random = np.random.default_rng(seed)
    draw = {name: random.standard_normal(dims).astype("f4") for name, dims in (
        ("words", (words, HIDDEN)), ("places", (20, HIDDEN)), ("to_words", (HIDDEN, words)))}
    ids = random.integers(0, words, (batch, length)).astype("i4")
    ids[0, 0] = 1
    given = {"max_length": np.int32(longest), "min_length": np.int32(least), "repetition": np.float32(repetition),
             "allowed": None if allowed is None else np.int32(allowed),
             "first": None if first is None else np.int32(first)}
    attributes = {"model_type": 0, "eos_token_id": 2, "pad_token_id": 1, "decoder": gpt(draw, words),
                  **({"init_decoder": gpt(draw, words)} if start else {}), **dict(attributes)}
    search = helper.make_node("GreedySearch", ["ids", *(n if v is not None else "" for n, v in given.items())],
                              ["sequences"], domain="com.microsoft", name="search", **attributes)
    graph = helper.make_graph([search], "g", [info("ids", I32, "batch", length)],
                              [info("sequences", I32, "batch", longest)],
                              constants(**{k: v for k, v in given.items() if v is not None}))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)]), {"ids": ids}


CASES = {f"plain_{seed}": {"seed": seed} for seed in range(6)}
CASES |= {"early": {"seed": 1, "attributes": {"early_stopping": 1}}, "few": {"seed": 2, "words": 3, "longest": 12},
          "few_early": {"seed": 2, "words": 3, "longest": 12, "attributes": {"early_stopping": 1}},
          "three": {"seed": 3, "longest": 3},
          "one_beam": {"seed": 4, "beams": 1, "returned": 1}, "all": {"seed": 4, "beams": 4, "returned": 4},
          "longer": {"seed": 5, "penalty": 2.5}, "shorter": {"seed": 5, "penalty": -1.0},
          "least": {"seed": 6, "words": 4, "least": 5}, "repetition": {"seed": 7, "repetition": 1.7},
          "repetition_one": {"seed": 7, "repetition": 1.0}, "mask": {"seed": 8, "mask": True},
          "allowed": {"seed": 9, "allowed": [1, 0, 1, 1, 0, 1]},
          "first": {"seed": 9, "first": [[0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 1, 1]]},
          "layers": {"seed": 10, "layers": 2, "hidden": True}, "batch": {"seed": 11, "batch": 5, "words": 5},
          "all_of_it": {"seed": 12, "least": 3, "penalty": 0.5, "repetition": 1.2, "allowed": [1, 1, 1, 1, 0, 1],
                        "hidden": True, "longest": 10}}

GREEDY = {f"greedy_{seed}": {"seed": seed} for seed in (0, 2, 3, 4)}
GREEDY |= {"greedy_start": {"seed": 6, "start": True}, "greedy_repetition": {"seed": 0, "repetition": 1.5},
           "greedy_least": {"seed": 8, "least": 7}, "greedy_allowed": {"seed": 9, "allowed": [1, 0, 0, 1, 1, 1]},
           "greedy_first": {"seed": 10, "first": [[0, 0, 0, 1, 0, 1], [1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0]]},
           "greedy_one": {"seed": 3, "longest": 4}, "greedy_ends": {"seed": 7, "ends": 5}}

# Of one word ONNX Runtime gives other scores from one process to the next, so these are what follows from the encoder.
SHORT = {"seed": 3, "longest": 2}

# (what differs, what is said)
NOT_GREEDY = [({"longest": 3}, "max_length is 3, and a prompt has 3"), ({"longest": 1}, "max_length is 1"),
              ({"attributes": {"model_type": 1}}, "model_type 1"), ({"attributes": {"eos_token_id": -1}}, "is -1"),
              ({"attributes": {"decoder": helper.make_graph([], "empty", [], [])}}, "0 inputs and 0 outputs"),
              ({"attributes": {"init_decoder": helper.make_graph([], "empty", [], [])}}, "0 inputs and 0 outputs")]
REFUSED = [({"longest": 1}, "max_length is 1, not from 2 to 4096"), ({"longest": 5000}, "max_length is 5000"),
           ({"beams": 0}, "num_beams is 0"), ({"beams": 1000, "returned": 1}, "num_beams is 1000"),
           ({"returned": 4}, "num_return_sequences is 4, not from 1 to 3"), ({"least": -1}, "min_length is -1"),
           ({"outputs": 3}, "the scores of all steps"),
           *(({"attributes": {name: value}}, says) for name, value, says in (
               ("model_type", 0, "model_type 0"), ("no_repeat_ngram_size", 2, "no_repeat_ngram_size"),
               ("pad_token_id", -1, "a token of its attributes is -1"), ("eos_token_id", None, "is -1"),
               ("early_stopping", 2, "attribute 'early_stopping'"), ("vocab_size", 9, "9 words, and logits of 6"),
               ("encoder", None, "attribute 'encoder', a graph, is missing"),
               ("decoder", None, "attribute 'decoder', a graph, is missing"),
               ("encoder", helper.make_graph([], "empty", [], []), "an encoder of 0 inputs"),
               ("decoder", helper.make_graph([], "empty", [], []), "a decoder of 0 inputs and 0 outputs")))]


def one_word(model, inputs):
    """The best words and their scores by the encoder alone, where none of them ends."""
    graph = next(a.g for a in model.graph.node[0].attribute if a.name == "encoder")
    ids = inputs["ids"]
    feeds = {"encoder_input_ids": ids, "decoder_input_ids": np.zeros((len(ids), 1), "i4"),
             "encoder_attention_mask": np.maximum.accumulate(ids != 1, 1).astype("i4")}
    logits = run_onnx(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), feeds,
                      ["logits"])[0][:, 0].astype("f8")
    scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    words = np.argsort(-scores)[:, :2]
    assert not (words == 2).any()
    texts = np.stack([np.zeros_like(words), words], -1)
    return [texts.astype("i4"), (np.take_along_axis(scores, words, 1) / 2).astype("f4")]


def greedy_results(model, inputs, ends):
    """Once all sequences ended, at that place, ONNX Runtime leaves memory as it was: padding here."""
    words = run_onnx(model, inputs)[0]
    words[:, ends:] = 1
    return [words]


def refused(search, row, says):
    """One error, which holds these words."""
    path = os.path.join(FOLDER, "refused.onnx")
    onnx.save(search(0, **row)[0], path)
    done = subprocess.run([ADZE, "opt", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    ok = done.returncode == 1 and len(lines) == 1 and says in lines[0]
    if not ok:
        print(f"FAILED {row.keys()}: {done.returncode} {done.stderr}")
    return ok


def main():
    need_runner()
    target = option("target") or "x86:host"
    cases = os.path.join(FOLDER, "cases")
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, row in {**CASES, "short": SHORT}.items():
        model, inputs = beam_search(**row)
        want = one_word(model, inputs) if row is SHORT else run_onnx(model, inputs)
        save_case(os.path.join(cases, name), model, inputs.values(), want)
    for name, row in GREEDY.items():
        model, inputs = greedy_search(**{key: value for key, value in row.items() if key != "ends"})
        save_case(os.path.join(cases, name), model, inputs.values(), greedy_results(model, inputs, row.get("ends", 99)))
    results = [refused(beam_search, *row) for row in REFUSED] + [refused(greedy_search, *row) for row in NOT_GREEDY]
    passed, failed = sum(results), results.count(False)
    for flags in ([], [f"--target={target}"] if target != "none" else None):
        if flags is not None:
            good, *bad = run_cases(cases, *flags)
            passed, failed = passed + good, failed + sum(bad)
    if "--keep" not in sys.argv:
        shutil.rmtree(FOLDER)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
