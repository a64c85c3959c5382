"""What quantizers.py counts: bytes of weights, answers that stay the same, and how sure a difference is."""
import numpy as np
import onnx

import scores

ROUNDS, SEED = 10000, 1


def payload(path):
    """Bytes of all constants of an ONNX file: weights or their codes, scales, zero points, biases, and small change."""
    graph = onnx.load(path).graph
    tensors = list(graph.initializer)
    for node in graph.node:
        tensors += [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
    return sum(tensor_bytes(t) for t in tensors)


def tensor_bytes(tensor):
    kinds = onnx.TensorProto
    count = int(np.prod(tensor.dims, dtype=np.int64))
    if tensor.data_type in (kinds.INT4, kinds.UINT4):
        return (count + 1) // 2
    return count * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def snr(wanted, got):
    """Power of the outputs over power of the difference, in dB."""
    noise = np.sum((got.astype(np.float64) - wanted)**2)
    return float(10 * np.log10(np.sum(wanted.astype(np.float64)**2) / noise)) if noise else float("inf")


def answers(outputs):
    return outputs.reshape(len(outputs), -1).argmax(1)


def same(wanted, got):
    return answers(wanted) == answers(got)


def agreement(wanted, got):
    return 100 * float(same(wanted, got).mean())


def interval(change):
    """Mean of -1, 0 and 1 in percent with its 95 % interval: paired bootstrap over the samples. Only the counts of the
    three matter, so a resampling is one multinomial draw."""
    counts = np.array([(change == v).sum() for v in (-1, 0, 1)])
    n = counts.sum()
    drawn = np.random.default_rng(SEED).multinomial(n, counts / n, ROUNDS)
    low, high = np.percentile((drawn[:, 2] - drawn[:, 0]) / n, [2.5, 97.5])
    return [100 * float(v) for v in (change.mean(), low, high)]


def score(subject, wanted, got):
    """Numbers of one quantized model; wanted and got: outputs, samples first."""
    row = {"snr_db": snr(wanted, got), "samples": len(got)}
    labels = subject.test.get("labels")
    if subject.boxes:
        row["boxes"] = scores.found_again(wanted, got)
        known = (labels[:, :, 0] >= 0).any(1)
        row["ap50"], row["ap50_float"] = (scores.ap50([x[known]], labels[known]) for x in (got, wanted))
        row["labelled"] = int(known.sum())
        return row
    row["agreement"] = agreement(wanted, got)
    if labels is not None:
        known = labels >= 0
        right = [(answers(x)[known] == labels[known]).astype(int) for x in (wanted, got)]
        row["top1_float"], row["top1"] = (100 * float(x.mean()) for x in right)
        row["top1_change"] = interval(right[1] - right[0])
        row["labelled"] = int(known.sum())
    return row
