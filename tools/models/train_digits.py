"""train_digits: trains the default model on scikit-learn's 1,797 handwritten digits and exports it.

Writes digits.onnx (dynamic batch N, under 200 kB) and digits_test.npz (the held-out split: `image`
float32 [n,1,8,8] in 0..16 as the data set has it, and `labels`) beside itself. Plain numpy: forward,
backward and Adam are written out here, all draws come from one seed, sums run in one thread, so two
runs on one machine give the same bytes.

The net: scaling by 1/16, conv 3x3 to 16, ReLU, conv 3x3 to 32, ReLU, max pool 2, conv 3x3 to 32, ReLU,
average pool 2, fully connected 128 -> 10.
"""
import argparse
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (reads the variables above)

HERE = Path(__file__).resolve().parent
SEED, EPOCHS, BATCH = 7, 60, 32


def digits():
    """(train images, train labels, test images, test labels): a fixed fifth of all is held out."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    x = data.images[order].astype(np.float32)[:, None]
    y = data.target[order].astype(np.int64)
    held = len(y) // 5
    return x[held:], y[held:], x[:held], y[:held]


def columns(x):
    """Patches of a 3x3 convolution with padding 1: [n, c, h, w] -> [n, h, w, c * 9]."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = x.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)


class Conv:
    def __init__(self, rng, inputs, outputs):
        scale = np.sqrt(2 / (inputs * 9))
        self.w = rng.normal(0, scale, (outputs, inputs, 3, 3)).astype(np.float32)
        self.b = np.zeros(outputs, np.float32)

    def forward(self, x):
        self.shape, self.patches = x.shape, columns(x)
        y = self.patches @ self.w.reshape(len(self.b), -1).T + self.b
        return y.transpose(0, 3, 1, 2)

    def backward(self, d):
        flat = d.transpose(0, 2, 3, 1).reshape(-1, len(self.b))
        patches = self.patches.reshape(len(flat), -1)
        self.grads = [(flat.T @ patches).reshape(self.w.shape), flat.sum(0)]
        # The gradient of the input is the convolution of d with the flipped, transposed weights.
        turned = self.w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(self.shape[1], -1)
        return (columns(d) @ turned.T).transpose(0, 3, 1, 2)


class Linear:
    def __init__(self, rng, inputs, outputs):
        self.w = rng.normal(0, np.sqrt(1 / inputs), (outputs, inputs)).astype(np.float32)
        self.b = np.zeros(outputs, np.float32)

    def forward(self, x):
        self.x = x.reshape(len(x), -1)
        self.shape = x.shape
        return self.x @ self.w.T + self.b

    def backward(self, d):
        self.grads = [d.T @ self.x, d.sum(0)]
        return (d @ self.w).reshape(self.shape)


class Relu:
    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, d):
        return d * self.on


class Pool:
    """2x2, stride 2; the largest or the mean."""

    def __init__(self, largest):
        self.largest = largest

    def forward(self, x):
        n, c, h, w = x.shape
        cells = x.reshape(n, c, h // 2, 2, w // 2, 2)
        if not self.largest:
            return cells.mean((3, 5))
        y = cells.max((3, 5))
        hit = cells == y[:, :, :, None, :, None]
        self.share = hit / hit.sum((3, 5), keepdims=True)
        return y

    def backward(self, d):
        share = self.share if self.largest else np.float32(0.25)
        cells = d[:, :, :, None, :, None] * share * np.ones((1, 1, 1, 2, 1, 2), np.float32)
        n, c, h, _, w, _ = cells.shape
        return cells.reshape(n, c, h * 2, w * 2)


def network(rng):
    return [Conv(rng, 1, 16), Relu(), Conv(rng, 16, 32), Relu(), Pool(True), Conv(rng, 32, 32),
            Relu(), Pool(False), Linear(rng, 128, 10)]


def forward(layers, x):
    x = x * np.float32(1 / 16)
    for layer in layers:
        x = layer.forward(x)
    return x


def shifted(rng, x):
    """Each image moved by up to one pixel each way."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = rng.integers(0, 3, (len(x), 2))
    return np.stack([p[:, i:i + 8, j:j + 8] for p, (i, j) in zip(padded, moves)])


def train(layers, x, y, rng):
    """Adam on the cross entropy, learning rate falling to 0 as a half cosine."""
    owners = [layer for layer in layers if hasattr(layer, "w")]
    moments = [[np.zeros_like(p) for p in (o.w, o.b) for _ in range(2)] for o in owners]
    steps, step = EPOCHS * -(-len(x) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            pick = order[at:at + BATCH]
            logits = forward(layers, shifted(rng, x[pick]))
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(pick)), y[pick]] -= 1
            d = (p / len(pick)).astype(np.float32)
            for layer in reversed(layers):
                d = layer.backward(d)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for owner, (mw, vw, mb, vb) in zip(owners, moments):
                for value, grad, m, v in ((owner.w, owner.grads[0], mw, vw),
                                          (owner.b, owner.grads[1], mb, vb)):
                    m += 0.1 * (grad - m)
                    v += 0.001 * (grad * grad - v)
                    unbiased = np.sqrt(v / (1 - 0.999**step)) + 1e-8
                    value -= (rate * m / (1 - 0.9**step) / unbiased).astype(np.float32)


def export(layers, path):
    """The same net as ONNX, opset 17, input `image` [N,1,8,8], output `logits` [N,10]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    convs = [layer for layer in layers if isinstance(layer, Conv)]
    linear = layers[-1]
    weights = {"scale": np.float32(1 / 16), "fc.weight": linear.w, "fc.bias": linear.b}
    nodes = [helper.make_node("Mul", ["image", "scale"], ["scaled"], name="scale_input")]
    at = "scaled"
    for i, conv in enumerate(convs, 1):
        weights |= {f"conv{i}.weight": conv.w, f"conv{i}.bias": conv.b}
        nodes += [helper.make_node("Conv", [at, f"conv{i}.weight", f"conv{i}.bias"], [f"conv{i}"],
                                   name=f"conv{i}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  helper.make_node("Relu", [f"conv{i}"], [f"relu{i}"], name=f"relu{i}")]
        at = f"relu{i}"
        if i > 1:
            kind = "MaxPool" if i == 2 else "AveragePool"
            nodes.append(helper.make_node(kind, [at], [f"pool{i}"], name=f"pool{i}",
                                          kernel_shape=[2, 2], strides=[2, 2]))
            at = f"pool{i}"
    nodes += [helper.make_node("Flatten", [at], ["flat"], name="flatten"),
              helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc",
                               transB=1)]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              producer_name="train_digits")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def accuracy(layers, x, y):
    return 100 * float(np.mean(forward(layers, x).argmax(1) == y))


def main():
    parser = argparse.ArgumentParser(prog="train_digits", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR")
    args = parser.parse_args()
    import npz

    x, y, held_x, held_y = digits()
    rng = np.random.default_rng(SEED)
    layers = network(rng)
    train(layers, x, y, rng)
    args.out.mkdir(parents=True, exist_ok=True)
    export(layers, args.out / "digits.onnx")
    npz.save(args.out / "digits_test.npz", image=held_x, labels=held_y)
    print(f"trained on {len(y)}: {accuracy(layers, x, y):.2f} %, "
          f"held out {len(held_y)}: {accuracy(layers, held_x, held_y):.2f} %, "
          f"{(args.out / 'digits.onnx').stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
