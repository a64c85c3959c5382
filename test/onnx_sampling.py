"""com.microsoft's Sampling, on the reference and compiled, against ONNX Runtime and numpy.

    onnx_sampling.py [--target=NAME]     NAME: x86:host, or none

Random numbers are not those of ONNX Runtime, so what is drawn is held to shares: of as many equal prompts as there are,
each word comes as often as the logits that are left say, and as often as in ONNX Runtime. Which logits are left is
exact, and so is what is drawn where one word is left.
"""
import os
import shutil
import subprocess
import sys

from onnx_search_models import F32, HEADS, HIDDEN, I32, SIZE, constants, gpt, gpt2, info
from onnx_suite import ADZE, folder_of, helper, need_runner, np, onnx, option, run_onnx

FOLDER = folder_of("onnx_sampling")
WORDS, ENDS, PAD, ROWS = 7, 6, 5, 4000
# Far beyond what chance does: a share of ROWS is off by five times its deviation once in a million.
DEVIATIONS = 5


def decoder(seed, layers):
    random = np.random.default_rng(seed)
    if layers:
        return gpt2(random, WORDS, layers)
    return gpt({name: random.standard_normal(dims).astype("f4") for name, dims in (
        ("words", (WORDS, HIDDEN)), ("places", (20, HIDDEN)), ("to_words", (HIDDEN, WORDS)))}, WORDS)


def sampling(seed, rows, longest, graph, outputs=2, repetition=1.0, **attributes):
    """A model whose input is `ids`, i32[rows, 3]."""
    given = {"max_length": np.int32([longest]), "min_length": np.int32([0]), "repetition": np.float32([repetition]),
             "seed": np.int32([seed])}
    results = [info("sequences", I32, rows, longest), info("filtered", F32, rows, WORDS)][:outputs]
    names = ["ids", "max_length", "min_length", "repetition", "", "", "", "", "seed"]
    made = helper.make_node("Sampling", names, [value.name for value in results], domain="com.microsoft", name="search",
                            **{"decoder": graph, "model_type": 0, "eos_token_id": ENDS, "pad_token_id": PAD,
                               **attributes})
    graph = helper.make_graph([made], "g", [info("ids", I32, rows, 3)], results, constants(**given))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)])


def run(model, ids, *flags):
    path = os.path.join(FOLDER, "model.onnx")
    onnx.save(model, path)
    np.savez(os.path.join(FOLDER, "in.npz"), ids=ids)
    out = os.path.join(FOLDER, "out.npz")
    subprocess.run([ADZE, "run", path, f"--inputs={FOLDER}/in.npz", f"--outputs={out}", *flags], check=True,
                   capture_output=True)
    with np.load(out) as made:
        return [made[value.name] for value in model.graph.output]


def logits_of(graph, ids):
    """Of the word behind the prompt."""
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    past = {value.name: np.zeros((2, len(ids), HEADS, 0, SIZE), "f4") for value in graph.input[3:]}
    feeds = {"input_ids": ids, "position_ids": np.tile(np.arange(3, dtype="i4"), (len(ids), 1)),
             "attention_mask": np.ones_like(ids), **past}
    return run_onnx(model, feeds, ["logits"])[0][:, -1]


def softmax(x):
    power = np.exp((x - x.max(-1, keepdims=True)).astype("f8"))
    return power / power.sum(-1, keepdims=True)


def filtered(logits, temperature=1.0, top_p=0.0, filter_value=-1e20, custom=0, min_tokens_to_keep=0):
    """What is left of the logits, word by word."""
    out = (logits / np.float32(temperature)).astype("f4")
    for row in out:
        share, sum_ = softmax(row), 0
        order = np.argsort(-row if custom else row, kind="stable")
        bad = []
        for place, word in enumerate(order):
            if custom and sum_ > top_p:
                bad.append(word)
            sum_ += share[word]
            if not custom and sum_ <= 1 - top_p and (place == 0 or place < WORDS - min_tokens_to_keep):
                bad.append(word)
        row[bad] = filter_value
    return out


def shares(words):
    """How often each word was drawn; an end is written as padding."""
    return np.bincount(words, minlength=WORDS) / len(words)


def expected(logits):
    share = softmax(logits[0])
    share[PAD] += share[ENDS]
    share[ENDS] = 0
    return share


def as_often(got, want, rows):
    return np.abs(got - want) <= DEVIATIONS * np.sqrt(want * (1 - want) / rows) + 1e-9


RULES = {"half": {"top_p": 0.5}, "most": {"top_p": 0.9}, "warm": {"top_p": 0.8, "temperature": 2.0},
         "cold": {"top_p": 0.9, "temperature": 0.5}, "custom": {"top_p": 0.6, "custom": 1},
         "custom_warm": {"top_p": 0.8, "custom": 1, "temperature": 3.0},
         "keep": {"top_p": 0.05, "min_tokens_to_keep": 3},
         "value": {"top_p": 0.6, "filter_value": -3.0}, "all": {"top_p": 1.0}}
PROMPT = np.int32([[0, 2, 4]])
REFUSED = [({"temperature": 0.0}, "attribute 'temperature' is 0"), ({"top_p": 1.5}, "attribute 'top_p' is 1.5"),
           ({"top_p": -0.5}, "attribute 'top_p' is -0.5"), ({"min_tokens_to_keep": -1}, "'min_tokens_to_keep' is -1"),
           ({"custom": 2}, "attribute 'custom'"), ({"model_type": 1}, "model_type 1"), ({"seed": -1}, "seed is -1")]


def rule_holds(rule, *flags):
    """One word behind equal prompts."""
    graph = decoder(1, 0)
    ids = np.repeat(PROMPT, ROWS, 0)
    model = sampling(5, ROWS, 4, graph, **rule)
    words, left = run(model, ids, *flags)
    want = filtered(logits_of(graph, ids), **rule)
    ok = np.allclose(left, want, rtol=1e-4, atol=1e-5)
    got, share = shares(words[:, 3]), expected(want)
    ok = ok and as_often(got, share, ROWS).all()
    theirs = shares(run_onnx(sampling(5, ROWS, 4, graph, 1, **rule), {"ids": ids}, ["sequences"])[0][:, 3])
    return ok and as_often(theirs, share, ROWS).all()


def repeats(*flags):
    """A seed says all; words of one row are not those of the next, and a step's not those of the step before."""
    ids = np.repeat(PROMPT, 50, 0)
    graph = decoder(2, 1)
    first, again, other = (run(sampling(seed, 50, 12, graph, 1, top_p=1.0, temperature=3.0), ids, *flags)[0]
                           for seed in (3, 3, 4))
    return (first == again).all() and (first != other).any() and len(np.unique(first, axis=0)) > 40


def one_left(layers, *flags):
    """Where the best word alone is left it is the whole search of ONNX Runtime, as long as not all have ended."""
    graph = decoder(5, layers)
    ids = np.random.default_rng(3).integers(0, 5, (6, 3)).astype("i4")
    rule = {"top_p": 0.01, "custom": 1, "no_repeat_ngram_size": 2, "repetition": 1.3}
    got = run(sampling(0, 6, 9, graph, 1, **rule), ids, *flags)[0]
    want = run_onnx(sampling(0, 6, 9, graph, 1, **rule), {"ids": ids}, ["sequences"])[0]
    ended = (got == PAD).all(0)
    return (got == want)[:, ~ended].all() and not ended[4]


def refused(rule, says):
    path = os.path.join(FOLDER, "refused.onnx")
    more = {key: value for key, value in rule.items() if key != "seed"}
    onnx.save(sampling(rule.get("seed", 1), 2, 5, decoder(0, 0), **more), path)
    done = subprocess.run([ADZE, "opt", path], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    return done.returncode == 1 and len(lines) == 1 and says in lines[0]


def main():
    need_runner()
    target = option("target") or "x86:host"
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    results = {f"refused {rule}": refused(rule, says) for rule, says in REFUSED}
    for flags in ([], [f"--target={target}"] if target != "none" else None):
        if flags is None:
            continue
        results |= {f"{name} {flags}": rule_holds(rule, *flags) for name, rule in RULES.items()}
        results |= {f"one left {layers} {flags}": one_left(layers, *flags) for layers in (0, 2)}
        results[f"repeats {flags}"] = repeats(*flags)
    for name in results:
        if not results[name]:
            print(f"FAILED {name}")
    shutil.rmtree(FOLDER)
    passed = sum(results.values())
    print(f"{passed} passed, {len(results) - passed} failed, 0 skipped")
    return int(passed < len(results))


if __name__ == "__main__":
    sys.exit(main())
