"""Metrics of a data set: (outputs, labels) to a number. outputs: arrays in the model's order."""
import numpy as np


def topk(k):
    def score(outputs, labels):
        logits = outputs[0].reshape(len(labels), -1)
        best = np.argsort(-logits.astype(np.float64), axis=1, kind="stable")[:, :k]
        return 100 * float(np.mean((best == labels[:, None]).any(1)))
    return score


def token_loss(outputs, labels):
    """Cross entropy in nat per predicted token; its exponential is the perplexity."""
    total = count = 0
    for logits, wanted in zip(outputs[0], labels):
        seen = wanted >= 0
        x = logits[seen].astype(np.float64)
        x -= x.max(1, keepdims=True)
        total -= (x[np.arange(len(x)), wanted[seen]] - np.log(np.exp(x).sum(1))).sum()
        count += len(x)
    return total / count


def token_top1(outputs, labels):
    seen = labels >= 0
    return 100 * float(np.mean(outputs[0].argmax(-1)[seen] == labels[seen]))


def psnr(outputs, labels):
    """Mean over the images, peak 1, outputs clipped to [0, 1], NaN labels left out."""
    values = []
    for got, wanted in zip(outputs[0], labels):
        seen = ~np.isnan(wanted)
        error = np.clip(got[seen].astype(np.float64), 0, 1) - wanted[seen]
        values.append(-10 * np.log10(np.mean(error**2)))
    return float(np.mean(values))


def faces_found(outputs, _labels):
    """Anchors whose face score is above 0.7, over all images."""
    return int((outputs[0][:, :, 1] > 0.7).sum())


def _iou(box, boxes):
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(0, high - low), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return common / (np.prod(box[2:] - box[:2]) + area - common + 1e-12)


def detect(grid, least=0.05, overlap=0.45):
    """FastestDet's head [85, h, w]: objectness, 4 box terms, 80 classes, one box a cell. Rows of
    class, score, x0, y0, x1, y1 (fractions), after suppression of overlaps within each class."""
    grid = grid.astype(np.float64)
    rows, columns = grid.shape[1:]
    y, x = np.mgrid[0:rows, 0:columns]
    score = grid[0]**0.6 * grid[5:].max(0)**0.4
    centre = np.stack([(x + np.tanh(grid[1])) / columns, (y + np.tanh(grid[2])) / rows])
    half = 0.5 / (1 + np.exp(-grid[3:5]))
    found = np.concatenate([grid[5:].argmax(0)[None], score[None], centre - half, centre + half])
    left = found[:, score > least].T
    left = left[np.argsort(-left[:, 1], kind="stable")]
    kept = []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(first)
        left = left[(_iou(first[2:], left[:, 2:]) <= overlap) | (left[:, 0] != first[0])]
    return np.array(kept).reshape(-1, 6)


def _class_ap50(found, boxes):
    """found: rows of image, score, box, best first; boxes: image to its true boxes. Average
    precision over 101 recalls at an overlap of 0.5."""
    free = {image: np.ones(len(b), bool) for image, b in boxes.items()}
    hits = np.zeros(len(found))
    for i, row in enumerate(found):
        image = int(row[0])
        if image not in boxes:
            continue
        overlap = np.where(free[image], _iou(row[2:], boxes[image]), -1)
        best = overlap.argmax()
        if overlap[best] >= 0.5:
            free[image][best] = False
            hits[i] = 1
    if not len(hits):
        return 0.0
    right = np.cumsum(hits)
    recall = right / sum(map(len, boxes.values()))
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean(np.append(precision, 0)[at]))


def ap50(outputs, labels):
    """Mean over the classes that occur in the labels."""
    detections = [detect(grid) for grid in outputs[0]]
    classes = np.concatenate([d[:, 0] for d in detections])
    found = np.concatenate([np.insert(d[:, 1:], 0, i, axis=1) for i, d in enumerate(detections)])
    values = []
    for c in np.unique(labels[:, :, 0][labels[:, :, 0] >= 0]):
        mine = found[classes == c]
        mine = mine[np.argsort(-mine[:, 1], kind="stable")]
        boxes = {i: rows[rows[:, 0] == c, 1:].astype(np.float64) for i, rows in enumerate(labels)}
        values.append(_class_ap50(mine, {i: b for i, b in boxes.items() if len(b)}))
    return 100 * float(np.mean(values))


def found_again(wanted, got, least=0.3):
    """Boxes of two outputs that match one to one, by class and an overlap of 0.5, in percent of the mean number of
    both (F1). Only boxes with a score of `least` or more count."""
    matched = total = 0
    for pair in zip(wanted, got):
        a, b = (found[found[:, 1] >= least] for found in map(detect, pair))
        total += len(a) + len(b)
        free = b[:, 0] >= 0
        for row in a:
            overlap = np.where(free & (b[:, 0] == row[0]), _iou(row[2:], b[:, 2:]), 0)
            if overlap.max(initial=0) >= 0.5:
                free[overlap.argmax()] = False
                matched += 1
    return 200 * matched / total if total else 100.0
