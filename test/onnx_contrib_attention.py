"""Cases of com.microsoft's attentions, for onnx_contrib.py: they stand behind those of the other files."""
import onnx_contrib_streams  # noqa: F401  whose cases stand ahead of these
from onnx_contrib_cases import CASES, OPEN, SHARED, WANTED, bytes_, case, f32, floats, i8, ints, random, u8
from onnx_suite import TensorProto, helper, np, run_onnx

B, S, H, D, P = 2, 4, 2, 16, 3
x, w, wb = floats(B, S, 12), floats(12, 3 * H * D), floats(3 * H * D)
padded = ints([1, 1, 1, 0], [1, 1, 0, 0])
masks = {"": None, "_ends": ints(3, 4), "_ends_starts": ints(3, 4, 0, 1), "_padding": padded,
         "_square": random.integers(0, 2, (B, S, S)).astype(np.int32)}
for name, mask in masks.items():
    case("Attention", [x], [w, wb, mask], num_heads=H, name=name)
case("Attention", [x], [w, wb], num_heads=H, unidirectional=1, scale=0.5, name="_causal")
case("Attention", [x], [w, wb, padded], num_heads=H, unidirectional=1, mask_filter_value=-3.0, name="_causal_padding")
case("Attention", [x], [w, wb, None, None, floats(1, H, S, S)], num_heads=H, name="_bias")
case("Attention", [x], [floats(12, 2 * H * D + 8), floats(2 * H * D + 8)], num_heads=H,
     qkv_hidden_sizes=[H * D, H * D, 8], name="_sizes")
past = floats(2, B, H, P, D)
case("Attention", [x], [w, wb, None, past], num_heads=H, outputs=2, unidirectional=1, name="_past")
case("Attention", [x], [w, wb, ints(*[[1] * (P + S)] * B), past], num_heads=H, outputs=2, name="_past_mask")
case("Attention", [x], [w], num_heads=H, name="_plain")
longest = np.random.default_rng(4).integers(0, 2, (B, 1, 9, 9)).astype(np.int32)
longest[..., 0] = 1
for name, caches, first in (("", None, 0), ("_past", past, P)):
    case("Attention", [x, w, wb, longest, caches], num_heads=H, name="_longest" + name)
    used = {"x": x, "w": w, "b": wb, "mask": longest[:, 0, first:first + S, :first + S]}
    used |= {} if caches is None else {"past": caches}
    node = helper.make_node("Attention", list(used), ["y", "now"], domain="com.microsoft", num_heads=H)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(
        n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in used.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    WANTED["attention_longest" + name] = run_onnx(model, used, ["y"])
qx3 = bytes_(B, S, 12)
for name, tail, more in (("", [], {}), ("_mask", [ints(3, 4)], {}), ("_causal", [], {"unidirectional": 1})):
    case("QAttention", [qx3], [bytes_(12, 3 * H * D, dtype=np.int8), wb, f32(0.02), f32(0.01), *(tail or [None]),
                               u8(120), i8(0)], num_heads=H, name=name, **more)
case("QAttention", [qx3], [bytes_(12, 3 * H * D), wb, f32(0.02), f32(0.01), None, u8(120), u8(127), past], num_heads=H,
     outputs=2, name="_past")
q, k, v = floats(B, S, H * D), floats(B, 5, H * D), floats(B, 5, H * D)
case("MultiHeadAttention", [q, k, v], num_heads=H)
case("MultiHeadAttention", [q, k, v], [wb], num_heads=H, name="_bias", scale=0.3)
for name, mask in (("_ends", ints(3, 5)), ("_padding", ints([1, 1, 1, 0, 0], [1, 1, 1, 1, 0])),
                   ("_square", random.integers(0, 2, (B, S, 5)).astype(np.int32))):
    case("MultiHeadAttention", [q, k, v], [None, mask], num_heads=H, name=name)
case("MultiHeadAttention", [q, k, v], [None, None, floats(B, 1, S, 5)], num_heads=H, name="_added")
case("MultiHeadAttention", [q, q, q], num_heads=H, unidirectional=1, name="_causal")
caches = [floats(B, H, P, D), floats(B, H, P, D)]
case("MultiHeadAttention", [q, q, q], [None, None, None, *caches], num_heads=H, outputs=3, name="_past")
case("MultiHeadAttention", [q, q, q], [wb, None, None, *caches], num_heads=H, outputs=3, unidirectional=1,
     name="_past_causal")
case("MultiHeadAttention", [q, *caches], [wb], num_heads=H, name="_cached")
one = floats(B, 1, H * D)
case("DecoderMaskedMultiHeadAttention", [one, *caches], [*[None] * 7, wb], num_heads=H, name="_cross")
room = [floats(B, H, 6, D), floats(B, H, 6, D)]
case("DecoderMaskedMultiHeadAttention", [one, floats(B, 1, H * D), floats(B, 1, H * D)],
     [None, None, *room, ints(3), ints(1), np.zeros((B, 1, 6), np.int32)], num_heads=H, outputs=3,
     past_present_share_buffer=1, name="_self")

G = 4  # heads of queries, two of keys
half = D // 2
angles = [np.cos(floats(16, half)), np.sin(floats(16, half))]
gq, gk, gv = floats(B, S, G * D), floats(B, S, 2 * D), floats(B, S, 2 * D)


def group(name, ends, total, tail=(), inputs=(gq, gk, gv), past=(None, None), outputs=3, **attributes):
    case("GroupQueryAttention", [*inputs], [*past, ints(*ends), np.array(total, np.int32), *tail], outputs=outputs,
         num_heads=G, kv_num_heads=2, name=name, **attributes)


group("", (3, 3), 4)
group("_packed", (3, 3), 4, inputs=(floats(B, S, (G + 4) * D), None, None))
group("_rotary", (3, 3), 4, angles, do_rotary=1)
group("_interleaved", (3, 3), 4, angles, do_rotary=1, rotary_interleaved=1)
group("_options", (3, 3), 4, scale=0.2, softcap=3.0, outputs=1)
group("_window", (3, 3), 4, local_window_size=2, outputs=1)
group("_window_none", (3, 3), 4, local_window_size=0)
group("_window_none_smooth", (3, 3), 4, local_window_size=0, smooth_softmax=1, outputs=1)
group("_smooth", (3, 3), 4, smooth_softmax=1, outputs=1)
group("_sink", (3, 3), 4, [None, None, None, None, floats(G)], outputs=1)
group("_added", (3, 3), 4, [None, None, None, floats(1, 1, S, S)], outputs=1)
group("_all", (3, 3), 4, causal=0, outputs=1)
small = (floats(1, 1, G * D), floats(1, 1, 2 * D), floats(1, 1, 2 * D))
group("_next", (3,), 4, angles, inputs=small, past=(floats(1, 2, 3, D), floats(1, 2, 3, D)), do_rotary=1)
tokens = (floats(B, 1, G * D), floats(B, 1, 2 * D), floats(B, 1, 2 * D))
group("_room", (2, 4), 5, angles, inputs=tokens, past=(floats(B, 2, 8, D), floats(B, 2, 8, D)), do_rotary=1)
case("GroupQueryAttention", [*small, floats(1, 2, 6, D), floats(1, 2, 6, D), ints(3), np.array(4, np.int32)], outputs=3,
     num_heads=G, kv_num_heads=2, name="_total_given")
OPEN.add("groupqueryattention_total_given")
group("_window_next", (2, 4), 5, inputs=tokens, past=(floats(B, 2, 8, D), floats(B, 2, 8, D)), local_window_size=2)
for name, shape in (("", (1, 1, 1, 5)), ("_each", (B, G, 1, 5))):
    group(f"_room_added{name}", (2, 4), 5, [None, None, None, floats(*shape)], inputs=tokens,
          past=(floats(B, 2, 8, D), floats(B, 2, 8, D)))
for name, length, total in (("_room", 8, 5), ("_next", 4, 5), ("_full", 8, 9)):
    case("GroupQueryAttention", [*small, *(floats(1, 2, length, D) for _ in range(2)), ints(total - 1),
                                 np.array(total, np.int32), None, None, None, floats(1, G, 1, total)], outputs=3,
         num_heads=G, kv_num_heads=2, name=f"_total_given_added{name}")
    OPEN.add(f"groupqueryattention_total_given_added{name}")
group("_chunk_added", (4,), 5, [None, None, None, floats(1, 1, 3, 5)],
      inputs=(floats(1, 3, G * D), floats(1, 3, 2 * D), floats(1, 3, 2 * D)),
      past=(floats(1, 2, 8, D), floats(1, 2, 8, D)))
group("_chunk", (6,), 7, angles, inputs=(floats(1, S, G * D), floats(1, S, 2 * D), floats(1, S, 2 * D)),
      past=(floats(1, 2, 3, D), floats(1, 2, 3, D)), do_rotary=1)
group("_short", (3,), 5, inputs=small, past=(floats(1, 2, 4, D), floats(1, 2, 4, D)))  # the cache has more than its end


def cache_model(after):
    """GroupQueryAttention whose cache is `P` long, and `after` when it comes out: M is as long as the mask."""
    cache = [1, 2, "P", D]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in
             (("q", [1, "S", G * D]), ("k", [1, "S", 2 * D]), ("v", [1, "S", 2 * D]), ("pk", cache), ("pv", cache))]
    infos += [helper.make_tensor_value_info(name, TensorProto.INT32, dims) for name, dims in
              (("ends", [1]), ("total", []))]
    node = helper.make_node("GroupQueryAttention", [info.name for info in infos[:7]], ["y", "nk", "nv"], num_heads=G,
                            kv_num_heads=2, domain="com.microsoft")
    after = [1, 2, after, D]
    infos.append(helper.make_tensor_value_info("mask", TensorProto.INT64, [1, "M"]))
    shown = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in
             (("y", [1, "S", G * D]), ("nk", after), ("nv", after))]
    return helper.make_model(helper.make_graph([node], "g", infos, shown), ir_version=10, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])


def cache_runs(after):
    """(feeds, whether the lengths are what the model says)."""
    for past, time, total in ((8, 1, 5), (8, 4, 8), (8, 4, 4), (6, 1, 7), (6, 4, 10)):
        feeds = {"q": floats(1, time, G * D), "k": floats(1, time, 2 * D), "v": floats(1, time, 2 * D),
                 "pk": floats(1, 2, past, D), "pv": floats(1, 2, past, D), "ends": ints(total - 1),
                 "total": np.array(total, np.int32), "mask": np.zeros((1, max(past, total)), np.int64)}
        yield feeds, total <= past if after == "P" else total == past + time if after == "M" else True


def block_mask(layouts):
    """(seen [layouts, 4, 4], where rows begin, their columns, -1 behind them)."""
    seen = np.tril(random.integers(0, 2, (layouts, 4, 4))) | np.eye(4, dtype=np.int64)
    begins = np.concatenate([np.zeros((layouts, 1)), seen.sum(-1).cumsum(-1)], -1).astype(np.int32)
    columns = np.full((layouts, begins.max()), -1, np.int32)
    for i in range(layouts):
        columns[i, :begins[i, -1]] = np.nonzero(seen[i])[1]
    return seen, begins, columns


def sparse_attention(name, layouts, time, total, ends=None, packed=False, **attributes):
    """SparseAttention over a cache of 64 keys in blocks of 16."""
    seen, begins, columns = block_mask(layouts)
    tail = [np.cos(floats(64, half)), np.sin(floats(64, half))] if attributes.get("do_rotary") else []
    inputs = [floats(B, time, (G + 4) * D), None, None] if packed else [
        floats(B, time, G * D), floats(B, time, 2 * D), floats(B, time, 2 * D)]
    case("SparseAttention", [*inputs, floats(B, 2, 64, D), floats(B, 2, 64, D)],
         [begins, columns, ints(total), ints(*(ends or [total] * B)), *tail], outputs=3, num_heads=G, kv_num_heads=2,
         sparse_block_size=16, name=name, **attributes)
    SHARED["sparseattention" + name] = {"y1": "x3", "y2": "x4"}
    return seen


def ragged(operands, seen, total, ends):
    """What the text says where lengths differ: ONNX Runtime mixes the shares of queries up then."""
    q, k, v, *cache = (x.copy() for x in operands[:5])
    y, time = np.zeros((B, q.shape[1], G, D)), q.shape[1]
    for b, end in enumerate(ends):
        first = 0 if time == total else end - time
        for kept, new in zip(cache, (k, v)):
            kept[b, :, first:first + time] = new[b].reshape(time, 2, D).transpose(1, 0, 2)
        for t, h in np.ndindex(time, G):
            place = np.arange(64)
            ok = (place <= first + t) & (seen[h % len(seen), (first + t) // 16, place // 16] > 0)
            scores_ = np.where(ok, cache[0][b, h // 2] @ q[b, t, h * D:h * D + D] / np.sqrt(D), -np.inf)
            shares = np.exp(scores_ - scores_.max())
            y[b, t, h] = shares @ cache[1][b, h // 2] / shares.sum()
    return [y.reshape(q.shape).astype(np.float32), *cache]


sparse_attention("", 2, 40, 40)
sparse_attention("_next", 2, 1, 38)
sparse_attention("_one", 1, 1, 50, do_rotary=1)
sparse_attention("_turned", 4, 20, 20, do_rotary=1, rotary_interleaved=1, scale=0.3)
sparse_attention("_packed", 2, 33, 33, packed=True, do_rotary=1)
for time, total in ((1, 38), (40, 40)):
    blocks_seen = sparse_attention(f"_ragged_{time}", 2, time, total, (total, 20 + time))
    WANTED[f"sparseattention_ragged_{time}"] = ragged(CASES[-1][3], blocks_seen, total, (total, 20 + time))

flat = floats(B, S, H * D)
places = ints([0, 1, 2, 3], [2, 3, 4, 5], dtype=np.int64)
for name, given in (("", places), ("_first", ints(5, dtype=np.int64))):
    for interleaved in (0, 1):
        case("RotaryEmbedding", [flat, given], angles, interleaved=interleaved, name=f"{name}_{interleaved}")
case("RotaryEmbedding", [floats(B, H, S, D), places], angles, name="_heads")
case("RotaryEmbedding", [flat, places], [a[:, :2].copy() for a in angles], num_heads=H, rotary_embedding_dim=4,
     name="_part")
three = random.integers(0, 16, (3, B, S))
wide_angles = [np.cos(floats(16, 6)), np.sin(floats(16, 6))]
for sections in ([2, 2, 2], [3, 2, 1]):
    for layout in (0, 1):
        for interleaved in (0, 1):
            case("MRotaryEmbedding", [floats(B, H, S, 12), three], wide_angles, mrope_section=sections,
                 mrope_layout=layout, interleaved=interleaved, name=f"_{sections[0]}_{layout}_{interleaved}")
case("MRotaryEmbedding", [floats(B, S, 2 * 14), three], wide_angles, mrope_section=[2, 2, 2], num_heads=2,
     rotary_embedding_dim=12, name="_part")
case("MRotaryEmbedding", [floats(B, H, S, 12), three], wide_angles, mrope_section=[0, 4, 2], mrope_layout=1,
     name="_most")
