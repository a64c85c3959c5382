"""Readers of the raw data sets: files as they lie in the models folder to model inputs.

Every reader takes the folder of data sets and a limit (None: all) and returns a dict of arrays:
the model's input under the given key, first axis = samples, and `labels` where they are known.
Preprocessing is what each model was trained for; `tools/models/README.md` lists the conventions.
"""
import gzip
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def _files(folder, pattern, limit):
    files = sorted(folder.glob(pattern))
    if not files:
        raise FileNotFoundError(f"no {pattern} in {folder}")
    return files[:limit]


def _rgb(source):
    return Image.open(source).convert("RGB")


def _planes(image):
    """HWC bytes to CHW float32."""
    return np.asarray(image, np.float32).transpose(2, 0, 1)


def mnist(data, key, limit):
    """Raw 0..255 pixels, no scaling."""
    with gzip.open(data / "mnist/t10k-half-images-idx3-ubyte.gz") as f:
        _, n, rows, cols = struct.unpack(">4i", f.read(16))
        pixels = np.frombuffer(f.read(), np.uint8).reshape(n, 1, rows, cols)
    with gzip.open(data / "mnist/t10k-half-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read()[8:], np.uint8)
    return {key: pixels[:limit].astype(np.float32), "labels": labels[:limit].astype(np.int64)}


def _imagenet(data, limit):
    for path in _files(data / "imagenet256", "*.jpg", limit):
        yield _rgb(path).crop((16, 16, 240, 240)), int(path.name.split("_")[0])


def imagenet_caffe(data, key, limit, dtype=np.float32):
    """Centre crop 224, BGR, minus the channel means, no scaling."""
    mean = np.array([104, 117, 123], np.float32)[:, None, None]
    pairs = [(_planes(image)[::-1] - mean, label) for image, label in _imagenet(data, limit)]
    return {key: np.stack([x for x, _ in pairs]).astype(dtype),
            "labels": np.array([label for _, label in pairs], np.int64)}


def imagenet_128(data, key, limit):
    """Centre crop 224, resized to 128, RGB to [-1, 1]. Class 0 is background: labels start at 1."""
    half = np.float32(127.5)
    pairs = [((_planes(image.resize((128, 128), Image.BILINEAR)) - half) / half, label + 1)
             for image, label in _imagenet(data, limit)]
    return {key: np.stack([x for x, _ in pairs]),
            "labels": np.array([label for _, label in pairs], np.int64)}


def _cifj(path, limit):
    """`.cifj`: "CIFJ", u32 count, then per image u8 label, u16 length, JPEG bytes. Images stand class by class, so
    fewer are taken from all over the file."""
    blob = path.read_bytes()
    if blob[:4] != b"CIFJ":
        raise ValueError(f"{path}: not a CIFJ file")
    count, at = struct.unpack_from("<I", blob, 4)[0], 8
    limit = count if limit is None else min(count, limit)
    for i in range(count):
        label, size = struct.unpack_from("<BH", blob, at)
        if i * limit // count != (i - 1) * limit // count:
            yield _planes(_rgb(io.BytesIO(blob[at + 3:at + 3 + size]))), label
        at += 3 + size


def cifar_raw(data, key, limit, file="cifar10_jpeg/test_half.cifj"):
    """RGB, raw 0..255."""
    pairs = list(_cifj(data / file, limit))
    return {key: np.stack([x for x, _ in pairs]),
            "labels": np.array([label for _, label in pairs], np.int64)}


def cifar_scaled(data, key, limit, file="cifar10_jpeg/test_half.cifj"):
    """RGB / 255, then normalised by the training set's mean and deviation."""
    mean = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
    deviation = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
    arrays = cifar_raw(data, key, limit, file)
    arrays[key] = (arrays[key] / np.float32(255) - mean) / deviation
    return arrays


def keywords(data, key, limit):
    """Int8 MFCC features (scale 0.5847029, zero point 83) as float [n,1,49,10]."""
    features = np.load(data / "kws01/mfcc_int8.npy")[:limit].astype(np.float32)
    labels = np.load(data / "kws01/labels.npy")[:limit].astype(np.int64)
    scaled = (features - np.float32(83)) * np.float32(0.5847029)
    return {key: scaled.reshape(-1, 1, 49, 10), "labels": labels}


def file_bytes(content):
    """Magika's features of one file: first 1024 bytes of the stripped first block of 4096, last
    1024 of the stripped last block, 256 where there is none: int32 [2048]."""
    x = np.full(2048, 256, np.int32)
    begin, end = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
    x[:len(begin)] = list(begin)
    if end:
        x[2048 - len(end):] = list(end)
    return x


def magika(data, key, limit, names=None):
    """Files below a folder named as their type; empty files have no content to look at. `names`:
    the model's classes in order; without them there are no labels."""
    files = [f for f in sorted((data / "magika_files").glob("*/*")) if f.parent.name != "empty"]
    if not files:
        raise FileNotFoundError(f"no files in {data / 'magika_files'}")
    files = files[:limit]
    arrays = {key: np.stack([file_bytes(f.read_bytes()) for f in files])}
    if names:
        arrays["labels"] = np.array([names.index(f.parent.name) for f in files], np.int64)
    return arrays


def file_parts(data, key, _limit, names=None):
    """Magika's files and the halves of each, which have no label (-1): 3 samples a file, one after the other."""
    arrays = magika(data, key, None, names)
    files = [f for f in sorted((data / "magika_files").glob("*/*")) if f.parent.name != "empty"]
    parts = []
    for content in map(Path.read_bytes, files):
        parts += [content, content[:len(content) // 2], content[len(content) // 2:]]
    if "labels" in arrays:
        labels = np.full(len(parts), -1, np.int64)
        labels[::3] = arrays["labels"]
        arrays["labels"] = labels
    return {**arrays, key: np.stack([file_bytes(part) for part in parts])}


def coco_boxes(data, key, limit):
    """Stretched to 352 x 352, BGR / 255. labels: float32 [n, boxes, 5], rows of class, x0, y0,
    x1, y1 as fractions of the image, padded with class -1."""
    inputs, boxes = [], []
    for path in _files(data / "coco128_512", "*.jpg", limit):
        image = _rgb(path)
        x = _planes(image.resize((352, 352), Image.BILINEAR))[::-1] / np.float32(255)
        rows = [[float(v) for v in line.split()] for line in
                path.with_suffix(".txt").read_text().splitlines() if line.strip()]
        scale = np.array([1, image.width, image.height, image.width, image.height])
        inputs.append(x)
        boxes.append(np.array(rows).reshape(-1, 5) / scale)
    labels = np.full((len(boxes), max(1, max(map(len, boxes))), 5), -1, np.float32)
    for i, rows in enumerate(boxes):
        labels[i, :len(rows)] = rows
    return {key: np.stack(inputs), "labels": labels}


def boxes_and_photos(data, key, _limit):
    """The images of coco_boxes, and those of imagenet256 in the same way, without boxes."""
    arrays = coco_boxes(data, key, None)
    photos = [_planes(_rgb(path).resize((352, 352), Image.BILINEAR))[::-1] / np.float32(255)
              for path in _files(data / "imagenet256", "*.jpg", None)]
    none = np.full((len(photos), *arrays["labels"].shape[1:]), -1, np.float32)
    return {key: np.concatenate([arrays[key], np.stack(photos)]), "labels": np.concatenate([arrays["labels"], none])}


def faces(data, key, limit):
    """Stretched to 320 x 240, RGB, (x - 127) / 128. No labels."""
    files = _files(data / "faces_unlabelled", "*.jpg", limit)
    files.sort(key=lambda f: int(f.stem))
    return {key: np.stack([(_planes(_rgb(f).resize((320, 240), Image.BILINEAR)) - np.float32(127)) /
                           np.float32(128) for f in files])}


def luma(data, key, limit):
    """Luma of the first 40 COCO images that measure 336 or more both ways: their top left 336
    square, bicubic down by 3 to 112, in the top left of a 224 frame of zeros.
    labels: the square itself in the output's shape, NaN where there is nothing to compare with:
    outside it, and in its border of 6 pixels."""
    inputs, wanted = [], []
    for path in _files(data / "coco128_512", "*.jpg", 40):
        image = Image.open(path).convert("YCbCr").split()[0]
        if min(image.size) < 336:
            continue
        square = image.crop((0, 0, 336, 336))
        frame = np.zeros((1, 224, 224), np.float32)
        frame[0, :112, :112] = np.asarray(square.resize((112, 112), Image.BICUBIC))
        label = np.full((1, 672, 672), np.nan, np.float32)
        label[0, 6:330, 6:330] = np.asarray(square, np.float32)[6:-6, 6:-6]
        inputs.append(frame / np.float32(255))
        wanted.append(label / np.float32(255))
    return {key: np.stack(inputs[:limit]), "labels": np.stack(wanted[:limit])}


class Tokenizer:
    """llama2.c's tokenizer file: i32 longest, then per token f32 score, i32 length, bytes.
    Byte pair encoding: of all neighbours that make a token, the one with the best score joins."""

    BOS = 1

    def __init__(self, path):
        blob, at = Path(path).read_bytes(), 4
        self.tokens, self.scores, self.ids = [], [], {}
        while at < len(blob):
            score, size = struct.unpack_from("<fi", blob, at)
            token = blob[at + 8:at + 8 + size]
            self.ids.setdefault(token, len(self.tokens))
            self.tokens.append(token)
            self.scores.append(score)
            at += 8 + size

    def encode(self, text):
        ids = [self.BOS, self.ids[b" "]] if text else [self.BOS]
        for character in text:
            raw = character.encode()
            ids += [self.ids[raw]] if raw in self.ids else [byte + 3 for byte in raw]
        while True:
            pairs = (self.ids.get(self.tokens[a] + self.tokens[b]) for a, b in zip(ids, ids[1:]))
            best = max(((self.scores[t], -i, t) for i, t in enumerate(pairs) if t is not None),
                       default=None)
            if best is None:
                return ids
            ids[-best[1]:-best[1] + 2] = [best[2]]


def stories(data, key, limit, tokenizer=None):
    """The first 100 stories (a story starts with "Once upon a time"), at most 512 tokens each.
    Padded at the end with token 0 to one length, which a causal model's earlier outputs do not see.
    labels: the next token; -1 where there is none to predict."""
    parts = (data / "tinystories/val_a.txt").read_text().split("\n\nOnce upon a time")
    texts = parts[:1] + ["Once upon a time" + p for p in parts[1:]]
    coder = Tokenizer(tokenizer)
    chunks = [coder.encode(text)[:512] for text in texts[:min(limit or 100, 100)]]
    tokens = np.zeros((len(chunks), max(map(len, chunks))), np.int64)
    labels = np.full(tokens.shape, -1, np.int64)
    for i, chunk in enumerate(chunks):
        tokens[i, :len(chunk)] = chunk
        labels[i, :len(chunk) - 1] = chunk[1:]
    return {key: tokens, "labels": labels}
