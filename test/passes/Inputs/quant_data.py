"""quant_data.py FILE NAME=DIMS…: eight samples of uniform numbers in [-1, 1], both ends among them; in [0, 1] with
`:0` behind the dims."""
import sys

import numpy as np

rng = np.random.default_rng(3)
arrays = {}
for word in sys.argv[2:]:
    name, _, dims = word.partition("=")
    dims, _, least = dims.partition(":")
    x = rng.uniform(-1, 1, (8, *map(int, dims.split(",")))).astype(np.float32)
    x.flat[:2] = -1, 1
    arrays[name] = np.abs(x) if least else x
np.savez(sys.argv[1], **arrays)
