"""Cases of com.microsoft, for onnx_contrib.py, that stand behind those of onnx_contrib_cases.py: streams, alignments,
requests in a row, words, and small ones."""
from onnx_contrib_cases import Constant, case, f32, floats, ints, random, segments
from onnx_suite import np

# ---- Streams side by side ----

for name, streams, gates, more in (("", (2, 3, 4), (2, 3), {}), ("_axis", (2, 3, 4), (2, 3, 1), {}),
                                   ("_all", (5, 2, 3, 4), (5, 2, 3, 4), {"reduction_scale": 0.5}),
                                   ("_flat", (2, 12), (2, 12), {"num_branches": 3, "reduction_scale": 0.5}),
                                   ("_flat_each", (2, 12), (2, 3), {"num_branches": 3})):
    case("HyperConnectionPreMix", [floats(*streams), floats(*gates)], name=name, **more)
case("HyperConnectionPreMix", [floats(2, 3, 4, dtype=np.float16), floats(2, 3)], name="_half")
for name, streams, gates, mix, more in (("", (2, 3, 4), (2, 3), (2, 3, 3), {}),
                                        ("_none", (2, 3, 4), (2, 3, 1), None, {}),
                                        ("_all", (5, 2, 3, 4), (5, 2, 3, 4), (5, 2, 3, 3), {}),
                                        ("_flat", (2, 12), (2, 3), (2, 3, 3), {"num_branches": 3})):
    block = (*streams[:-1], 4) if more else (*streams[:-2], 4)
    case("HyperConnectionPostMix", [floats(*streams), floats(*block), floats(*gates),
                                    *([] if mix is None else [floats(*mix)])], name=name, **more)
memory = [floats(2, 5, 3, 4), floats(2, 5, 3, 4), floats(2, 5, 4), Constant(floats(3, 4)), Constant(floats(3, 4))]
case("EngramGate", memory)
case("EngramGate", [*memory, Constant(floats(3, 4))], outputs=2, epsilon=1e-3, name="_normed")
case("EngramGate", [operand.astype(np.float16) if isinstance(operand, np.ndarray) else
                    Constant(operand.array.astype(np.float16)) for operand in memory], name="_half")
for name, groups, chosen, each, top in (("", 4, 2, 1, 3), ("_pairs", 2, 1, 2, 4), ("_one", 1, 1, 2, 2),
                                        ("_many", 4, 3, 9, 6)):
    case("MoEGroupRouter", [floats(5, 8), Constant(floats(8))], n_group=groups, topk_group=chosen, group_topk=each,
         top_k=top, name=name)
case("MoEGroupRouter", [floats(2, 3, 8), floats(8)], top_k=2, router_sentinel=-50.0, name="_batch")
case("MoEGroupRouter", [floats(5, 8), floats(8)], top_k=2, outputs=(1, 2), name="_scores")
case("MoEGroupRouter", [floats(5, 256), floats(8), Constant(floats(8, 256))], top_k=2, outputs=(1, 2),
     name="_projected")

# ---- Rows of tokens against each other ----

for m, n in ((1, 1), (1, 5), (4, 1), (5, 7), (9, 4)):
    case("DynamicTimeWarping", [floats(m, n)], name=f"_{m}_{n}")
    case("DynamicTimeWarping", [random.integers(0, 3, (1, m, n)).astype(np.float32)], name=f"_equal_{m}_{n}")

tokens = lambda *values: ints(*values, dtype=np.int64)  # noqa: E731
for name, source, now, begin, guess in (
        ("", (1, 2, 3, 4, 5, 2), (7, 2, 3), 0, None), ("_twice", (1, 2, 3, 4, 5, 2), (7, 2), 0, None),
        ("_longer", (5, 1, 2, 6, 1, 2, 3), (6, 1, 2), 0, None), ("_short", (5, 1, 2, 6, 1, 2, 3), (1, 2), 0, None),
        ("_guess", (1, 2, 3, 4), (7,), 2, (3, 4, 3)), ("_wrong", (1, 2, 3, 4), (7,), 0, (9, 2, 3, 4, 5)),
        ("_all", (1, 2, 3, 4), (7,), 0, (1, 2, 3, 4, 2)), ("_some", (1, 2, 3, 4), (7,), 1, (2, 3, 9, 9)),
        ("_none", (2,), (9, 2), 0, None)):
    given = [tokens(*source), tokens(*now), tokens(begin), *([] if guess is None else [tokens(*guess)])]
    case("BifurcationDetector", given, outputs=2, name=name, min_ngram_size=1, max_ngram_size=3)
for name, source, begin, guess in (("", (1, 2, 3, 4), 0, None), ("_guess", (1, 2, 3, 4), 0, (1, 2, 3, 4, 5)),
                                   ("_end", (1, 2, 3, 4), 4, (5,)), ("_source", (), 0, (5,)), ("_all", (), 0, None)):
    given = [tokens(*source), tokens(), tokens(begin), *([] if guess is None else [tokens(*guess)])]
    case("BifurcationDetector", given, outputs=2, name=f"_empty{name}")
case("BifurcationDetector", [tokens(1, 2, 3, 1, 4, 3), tokens(2, 3), tokens(0)], outputs=2, min_ngram_size=2,
     max_ngram_size=2, name="_pairs")

# ---- Requests in a row ----

for name, kernel, bias, more in (("", 4, None, {}), ("_bias", 3, floats(5), {"activation": "silu"}),
                                 ("_far", 3, None, {"dilation": 2}), ("_one", 1, floats(5), {})):
    reach = (kernel - 1) * more.get("dilation", 1)
    requests = [floats(9, 5), floats(5, 1, kernel), ints(0, 1, 6, 9), bias, floats(3, 5, reach)]
    case("VarlenCausalConvWithState", requests, outputs=2, name=name, **more)
case("VarlenCausalConvWithState", [floats(9, 5), Constant(floats(5, 1, 4)), ints(0, 1, 6, 9), None, floats(3, 5, 3),
                                   ints(3, 2, -1)], outputs=3, state_update_capacity=4, name="_captured")
case("VarlenCausalConvWithState", [floats(9, 5, dtype=np.float16), floats(5, 1, 4, dtype=np.float16), ints(0, 1, 6, 9),
                                   None, floats(3, 5, 3, dtype=np.float16)], outputs=2, name="_half")
for name, bounds in (("first", (0, 0, 4)), ("last", (0, 4, 4)), ("middle", (0, 1, 1, 4)), ("most", (0, 0, 4, 4, 4))):
    for kernel in (3, 1):
        requests = [floats(4, 2), floats(2, 1, kernel), ints(*bounds), floats(2),
                    floats(len(bounds) - 1, 2, kernel - 1), ints(3, 2, 0, 1)[:len(bounds) - 1]]
        case("VarlenCausalConvWithState", requests, outputs=3, name=f"_empty_{name}_{kernel}", state_update_capacity=3)

# ---- Words and n-grams ----

for dtype in (np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64):
    x = (floats(3, 4) * 1e6).astype(dtype) if np.dtype(dtype).kind != "u" else np.abs(floats(3, 4) * 1e6).astype(dtype)
    case("MurmurHash3", [x], name=f"_{np.dtype(dtype)}")
    case("MurmurHash3", [x], name=f"_{np.dtype(dtype)}_signed", positive=0, seed=2**31 - 5)
for dtype in (np.int32, np.int64):
    for name, low, past, offsets, eos, segments, more in (
            ("", -5, 0, 0, 0, 0, {}), ("_past", 0, 1, 0, 0, 0, {}), ("_offsets", 0, 0, 1, 0, 1, {}),
            ("_eos", 0, 1, 0, 1, 0, {"reset_on_eos": 1}), ("_fill", 0, 0, 0, 1, 0, {}),
            ("_all", 0, 1, 1, 1, 1, {"reset_on_eos": 1})):
        given = [random.integers(low, 7, (2, 6)).astype(dtype),
                 random.integers(1, np.iinfo(dtype).max, 4).astype(dtype), ints(11, 13, 17, 19, 23, 29, dtype=dtype),
                 random.integers(0, 7, (2, 3)).astype(dtype) if past else None,
                 ints(*range(0, 600, 100), dtype=dtype) if offsets else None, np.array(3, dtype) if eos else None,
                 ints([0, 0, 1, 1, 1, 2], [0, 1, 2, 2, 2, 2]) if segments else None]
        case("NGramHashMapping", given, outputs=2, name=f"{name}_{np.dtype(dtype)}", max_ngram_size=4,
             n_head_per_ngram=2, pad_id=1, **more)
# What ONNX Runtime has of a word that begins with no character is memory that nobody wrote.
spelled = ints([1, 2, 3, 0], [4, 0, 0, 0], [2, 0, 0, 0], [1, 2, 3, 4], [1, 0, 2, 3], [3, 1, 2, 3], [4, 5, 0, 0])
case("WordConvEmbedding", [spelled], [floats(4, 1, 2, 3), floats(4), floats(6, 3)])
case("WordConvEmbedding", [spelled, floats(5, 1, 3, 2), floats(5), floats(6, 2)], conv_window_size=3, embedding_size=5,
     char_embedding_size=2, name="_sizes")
for name, pads, at in (("", (1, 0), (2, 3)), ("_axes", (1, 0, 2, 1), (2, 5, 4))):
    turned = [floats(1, *at), Constant(floats(2, 3, *[3] * (len(at) - 1)))]
    dynamic = {"strides": [2] * (len(at) - 1), "kernel_shape": [3] * (len(at) - 1)}
    case("ConvTransposeWithDynamicPads", [*turned, Constant(ints(*pads, dtype=np.int64)), Constant(floats(3))],
         name=name, **dynamic)
    case("ConvTransposeWithDynamicPads", [*turned, ints(*pads, dtype=np.int64)], name=f"{name}_input", **dynamic)

# More phases than are put in order, each further on than the one before.
case("ConvTransposeWithDynamicPads", [floats(1, 2, 3), Constant(floats(2, 3, 4)), Constant(ints(1, 0, dtype=np.int64))],
     name="_far", strides=[70], dilations=[3], kernel_shape=[4])

# ---- What ai.onnx has as well, and small ones ----

for upper, diagonal in ((1, None), (0, -1), (1, 1)):
    case("Trilu", [floats(2, 4, 5)], [] if diagonal is None else [np.array(diagonal, np.int64)], upper=upper,
         name=f"_{upper}_{diagonal}")
case("GatherND", [floats(2, 3, 4), ints([0, 1], [1, 2], dtype=np.int64)])
case("Range", [np.array(1, np.float32), np.array(7, np.float32)], [np.array(2, np.float32)])
case("Range", [np.array(1, np.int64), np.array(4, np.int64)], name="_ones")
case("Pad", [floats(2, 3)], [ints(0, 1, 1, 0, dtype=np.int64), f32([0.5])])
case("Pad", [floats(3, 4)], [ints(1, 1, 1, 0, dtype=np.int64)], mode="reflect", name="_reflect")
case("ExpandDims", [floats(2, 3)], [np.array(1, np.int32)])
case("ExpandDims", [floats(2, 3)], [np.array(-1, np.int32)], name="_end")
case("Unique", [f32([2, 1, 1, 3, 4, 3])], outputs=3)
case("Inverse", [floats(2, 4, 4) + np.eye(4, dtype=np.float32)])
case("Inverse", [f32([[0, 2, 1], [1, 0, 0], [3, 0, 1]])], name="_pivot")
case("CDist", [floats(3, 4), floats(5, 4)], metric="euclidean")
case("CDist", [floats(3, 4)], [floats(5, 4)], metric="sqeuclidean", name="_squares")
case("GridSample", [floats(1, 2, 4, 5), floats(1, 3, 3, 2)])
