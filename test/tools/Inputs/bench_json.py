"""What `adze bench --json --profile` prints: fields, order, sums."""
import json
import sys

with open(sys.argv[1]) as f:
    models = json.load(f)
assert len(models) == 2, models
for m in models:
    assert m["runs"] == int(sys.argv[2]) and m["threads"] == 1, m
    assert 0 < m["min_ms"] <= m["median_ms"], m
    steps = m["profile"]
    assert steps and steps == sorted(steps, key=lambda s: -s["ms"]), steps
    assert abs(sum(s["share"] for s in steps) - 1) < 1e-3, steps
    macs = sum(s["macs"] or 0 for s in steps)
    assert macs == 452864, macs
    nodes = {n for s in steps for n in s["nodes"]}
    assert {"conv1", "conv2", "conv3", "fc"} <= nodes, nodes
assert models[0]["device"] == "x86-64-v3", models[0]
