"""Searches of com.microsoft that run a model in a loop, on the reference and compiled, against ONNX Runtime.

    onnx_search.py [--keep] [--target=NAME]     NAME: x86:host, or none; --keep leaves the cases in
                                                <build>/test/onnx_search

The models are those of onnx_search_models.py.
"""
import os
import shutil
import subprocess
import sys

from onnx_search_models import F32, HIDDEN, I32, constants, decoder, encoder, gpt, gpt2, info, sound_encoder
from onnx_suite import ADZE, folder_of, helper, need_runner, np, onnx, option, run_cases, run_onnx, save_case

FOLDER = folder_of("onnx_search")
CASE_FOLDER = os.path.join(FOLDER, "cases")


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


def over_gpt(op, seed, words=6, batch=3, length=3, longest=8, least=0, beams=3, returned=2, penalty=1.0, repetition=1.0,
             allowed=None, first=None, start=False, layers=0, mask=None, attributes=(), outputs=1):
    """(model, inputs). A search over a decoder like GPT-2: gpt, or with `layers` gpt2. `start`: the prompt is read by a
    graph of its own."""
    random = np.random.default_rng(seed)
    if layers:
        graph = gpt2(random, words, layers)
    else:
        graph = gpt({name: random.standard_normal(dims).astype("f4") for name, dims in (
            ("words", (words, HIDDEN)), ("places", (20, HIDDEN)), ("to_words", (HIDDEN, words)))}, words)
    ids = random.integers(0, words, (batch, length)).astype("i4")
    ids[0, 0] = 1
    beam = {"num_beams": np.int32(beams), "returned": np.int32(returned), "penalty": np.float32(penalty)}
    given = {"max_length": np.int32(longest), "min_length": np.int32(least), **(beam if op == "BeamSearch" else {}),
             "repetition": np.float32(repetition), "allowed": None if allowed is None else np.int32(allowed),
             "first": None if first is None else np.int32(first)}
    inputs = {"ids": ids, **({} if mask is None else {"mask": np.int32(mask)})}
    names = ["ids", *(n if v is not None else "" for n, v in given.items()), *list(inputs)[1:]]
    attributes = {"model_type": 0, "eos_token_id": 2, "pad_token_id": 1, "decoder": graph,
                  **({"init_decoder": graph} if start else {}), **dict(attributes)}
    results = ([info("sequences", I32, "batch", returned, longest), info("scores", F32, "batch", returned),
                info("steps", F32, max(longest - length, 0), "batch", beams, words)] if op == "BeamSearch" else
               [info("sequences", I32, "batch", longest)])[:outputs]
    search = helper.make_node(op, names, [value.name for value in results], domain="com.microsoft", name="search",
                              **attributes)
    fed = [info(name, I32, "batch", value.shape[1]) for name, value in inputs.items()]
    graph = helper.make_graph([search], "g", fed, results,
                              constants(**{k: v for k, v in given.items() if v is not None}))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)]), inputs


def whisper(seed, op="WhisperBeamSearch", words=6, prompt=2, longest=8, repetition=1.0, least=0, hidden=False,
            temperature=None, allowed=None, layers=1, attributes=(), outputs=3):
    """(model, inputs)"""
    random = np.random.default_rng(seed)
    draw = {"words": random.standard_normal((words, HIDDEN)).astype("f4"),
            "to_words": random.standard_normal((HIDDEN, words)).astype("f4")}
    given = {"max_length": np.int32(longest), "min_length": np.int32(least), "num_beams": np.int32(3),
             "returned": np.int32(2), "penalty": np.float32(1), "repetition": np.float32(repetition),
             "allowed": None if allowed is None else np.int32(allowed)}
    inputs = {"sounds": random.standard_normal((2, 3, 5)).astype("f4"),
              **({"prompt": random.integers(0, words, (2, prompt)).astype("i4")} if prompt else {})}
    names = ["sounds", *(n if v is not None else "" for n, v in given.items()), "", "", "prompt" if prompt else ""]
    if temperature is not None:
        given["temperature"] = np.float32([temperature])
        names += ["", "", "", "temperature"]
    attributes = {"model_type": 2, "eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 4,
                  "encoder": sound_encoder(draw, words, layers), "decoder": decoder(draw, words, layers, hidden, False),
                  **dict(attributes)}
    results = [info("sequences", I32, "batch", 2, longest), info("scores", F32, "batch", 2),
               info("steps", F32, max(longest - max(prompt, 1), 0), "batch", 3, words),
               info("weights", F32, *"abcde")][:outputs]
    search = helper.make_node(op, names, [value.name for value in results], domain="com.microsoft", name="search",
                              **attributes)
    graph = helper.make_graph([search], "g", [info("sounds", F32, "batch", 3, 5),
                                              info("prompt", I32, "batch", prompt)][:len(inputs)], results,
                              constants(**{k: v for k, v in given.items() if v is not None}))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)]), inputs


def greedy_search(seed, **row):
    return over_gpt("GreedySearch", seed, **row)


def gpt_beams(seed, **row):
    return over_gpt("BeamSearch", seed, **{"outputs": 3, **row})


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
           "greedy_one": {"seed": 3, "longest": 4}, "greedy_ends": {"seed": 7, "ends": 5},
           "greedy_mask": {"seed": 3, "mask": [[0, 1, 1], [1, 1, 0], [1, 0, 1]]},
           "greedy_ngram": {"seed": 2, "attributes": {"no_repeat_ngram_size": 2}},
           "greedy_word": {"seed": 4, "words": 9, "longest": 10, "attributes": {"no_repeat_ngram_size": 1}},
           "greedy_gpt2": {"seed": 1, "layers": 2}, "greedy_gpt2_start": {"seed": 2, "layers": 1, "start": True}}

# Over a decoder like GPT-2, with the scores of all steps.
OVER_GPT = {f"gpt_{seed}": {"seed": seed} for seed in range(4)}
OVER_GPT |= {f"gpt2_{seed}": {"seed": seed, "layers": 1 + seed % 2, "longest": 9} for seed in range(4)}
OVER_GPT |= {"gpt_early": {"seed": 1, "attributes": {"early_stopping": 1}}, "gpt_start": {"seed": 6, "start": True},
             "gpt2_start": {"seed": 6, "start": True, "layers": 2}, "gpt_one": {"seed": 3, "longest": 4},
             "gpt_one_beam": {"seed": 4, "beams": 1, "returned": 1}, "gpt_longer": {"seed": 5, "penalty": 2.5},
             "gpt_shorter": {"seed": 5, "penalty": -1.0}, "gpt_least": {"seed": 8, "least": 7},
             "gpt_repetition": {"seed": 0, "repetition": 1.5},
             "gpt_allowed": {"seed": 9, "allowed": [1, 0, 0, 1, 1, 1]},
             "gpt_first": {"seed": 10, "first": [[0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 0, 1]]},
             "gpt_mask": {"seed": 3, "mask": [[0, 1, 1], [1, 1, 0], [1, 0, 1]]},
             "gpt_ngram": {"seed": 2, "attributes": {"no_repeat_ngram_size": 2}},
             "gpt_word": {"seed": 4, "words": 9, "longest": 10, "attributes": {"no_repeat_ngram_size": 1}},
             "gpt_long_ngram": {"seed": 4, "attributes": {"no_repeat_ngram_size": 9}},
             "gpt_few": {"seed": 2, "words": 4, "longest": 12, "ended": 3},
             "gpt_all": {"seed": 7, "least": 5, "repetition": 1.3, "penalty": 0.5, "allowed": [1, 1, 1, 1, 0, 1],
                         "layers": 2, "longest": 10, "attributes": {"no_repeat_ngram_size": 3}}}
CASES |= {"steps": {"seed": 3, "outputs": 3, "ended": 6},
          "steps_repetition": {"seed": 4, "outputs": 3, "repetition": 1.4},
          "steps_few": {"seed": 2, "words": 3, "longest": 12, "outputs": 3, "ended": 4},
          "steps_one": {"seed": 4, "beams": 1, "returned": 1, "outputs": 3},
          "ngram": {"seed": 1, "outputs": 3, "attributes": {"no_repeat_ngram_size": 2}},
          "ngram_3": {"seed": 2, "longest": 12, "attributes": {"no_repeat_ngram_size": 3}}}

WHISPER = {f"whisper_{seed}": {"seed": seed} for seed in (0, 2)}
WHISPER |= {"whisper_one": {"seed": 3, "prompt": 1}, "whisper_start": {"seed": 4, "prompt": 0},
            "whisper_long": {"seed": 5, "prompt": 5, "longest": 12}, "whisper_plain": {"seed": 6, "op": "BeamSearch"},
            "whisper_warm": {"seed": 7, "temperature": 2.5}, "whisper_layers": {"seed": 8, "layers": 2},
            "whisper_all": {"seed": 9, "repetition": 1.4, "least": 6, "allowed": [1, 1, 1, 0, 1, 1],
                            "temperature": 0.5, "attributes": {"no_repeat_ngram_size": 2}}}
NOT_WHISPER = [({"hidden": True}, "encoder_hidden_states of sounds"),
               ({"prompt": 8}, "max_length is 8, and a prompt has 8"), ({"outputs": 4}, "weights of attention"),
               ({"attributes": {"decoder_output_cross_qk": 1}}, "weights of attention"),
               ({"attributes": {"model_type": 1}}, "model_type 1"),
               ({"attributes": {"encoder": helper.make_graph([], "empty", [], [])}}, "an encoder of 0 inputs"),
               ({"attributes": {"decoder_start_token_id": -1}, "prompt": 0}, "is -1")]

# Of one word ONNX Runtime gives other scores from one process to the next, so these are what follows from the encoder.
SHORT = {"seed": 3, "longest": 2}

# (what differs, what is said)
NOT_GREEDY = [({"mask": [[1] * 5] * 3}, "an attention_mask of 5, and a prompt has 3"),
              ({"longest": 3}, "max_length is 3, and a prompt has 3"), ({"longest": 1}, "max_length is 1"),
              ({"attributes": {"eos_token_id": -1}}, "is -1"),
              ({"attributes": {"decoder": helper.make_graph([], "empty", [], [])}}, "0 inputs and 0 outputs"),
              ({"attributes": {"init_decoder": helper.make_graph([], "empty", [], [])}}, "0 inputs and 0 outputs")]
REFUSED = [({"longest": 1}, "max_length is 1, not from 2 to 4096"), ({"longest": 5000}, "max_length is 5000"),
           ({"beams": 0}, "num_beams is 0"), ({"beams": 1000, "returned": 1}, "num_beams is 1000"),
           ({"returned": 4}, "num_return_sequences is 4, not from 1 to 3"), ({"least": -1}, "min_length is -1"),
           *(({"attributes": {name: value}}, says) for name, value, says in (
               ("model_type", 3, "model_type 3"), ("no_repeat_ngram_size", 99, "no_repeat_ngram_size 99"),
               ("no_repeat_ngram_size", -1, "no_repeat_ngram_size -1"),
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


def results(model, inputs, ends=99, ended=None):
    """What ONNX Runtime computes. Once all sequences ended it leaves memory as it was: here there is padding from place
    `ends` on, and zeros are the scores of steps from `ended` on."""
    found = run_onnx(model, inputs)
    found[0][..., ends:] = 1
    if len(found) > 2:
        found[2][ended if ended is not None else len(found[2]):] = 0
    return found


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


def save(name, search, row, expected=None):
    ends = {key: value for key, value in row.items() if key in ("ends", "ended")}
    model, inputs = search(**{key: value for key, value in row.items() if key not in ends})
    save_case(os.path.join(CASE_FOLDER, name), model, inputs.values(), (expected or results)(model, inputs, **ends))


def main():
    need_runner()
    target = option("target") or "x86:host"
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, row in {**CASES, "short": SHORT}.items():
        save(name, beam_search, row, one_word if row is SHORT else None)
    for name, row in OVER_GPT.items():
        save(name, gpt_beams, row)
    for name, row in WHISPER.items():
        save(name, whisper, row)
    for name, row in GREEDY.items():
        save(name, greedy_search, row)
    said = [refused(search, *row) for search, rows in ((beam_search, REFUSED), (greedy_search, NOT_GREEDY),
                                                       (gpt_beams, NOT_GREEDY), (whisper, NOT_WHISPER)) for row in rows]
    passed, failed = sum(said), said.count(False)
    for flags in ([], [f"--target={target}"] if target != "none" else None):
        if flags is not None:
            good, *bad = run_cases(CASE_FOLDER, *flags)
            passed, failed = passed + good, failed + sum(bad)
    if "--keep" not in sys.argv:
        shutil.rmtree(FOLDER)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
