"""Logits in one .npz against the labels in the other: at least 95 % of them are right."""
import sys

import numpy as np

logits = np.load(sys.argv[1])["logits"]
labels = np.load(sys.argv[2])["labels"]
assert logits.shape == (len(labels), 10), logits.shape
right = (logits.argmax(1) == labels).mean()
assert right >= 0.95, right
