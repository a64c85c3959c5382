"""Writes reports as `adze compress` leaves them, of SqueezeNet 1.1's 26 convolutions.

    report_sample.py OUT.json [plain|four|hostile|sparse|wide|extreme]

plain: 8 bits, a goal that is missed, no energy; four: 4 bits, labels and energy, other points; hostile: names that
mean something to HTML, terminals and shells; sparse: what may be null is null, what may be missing is missing; wide:
many formats; extreme: numbers at the ends of what there is.
"""
import json
import random
import sys

FORMATS = {"f32": (32, 32, 0), "w8a8": (8, 8, 0), "w4g32": (4, 32, 32), "w4a8": (4, 8, 32)}
HOSTILE = ["</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a'b\"c&amp;d",
           "\x1b[31mred\x07\n\r\t\x7f",
           "‮gnp.exe‭\u0085\u200b", "$(rm -rf x)`y`';z", "n" * 400, "<!--", "{{x}}", "%s%n%d", "é€😀"]


def convolutions():
    """(name, output channels, input channels, kernel, positions of the output)."""
    yield "conv1", 64, 3, 3, 111 * 111
    channels = 64
    for fire, (squeeze, expand, side) in zip(range(2, 10), [(16, 64, 55), (16, 64, 55), (32, 128, 27), (32, 128, 27),
                                                           (48, 192, 13), (48, 192, 13), (64, 256, 13), (64, 256, 13)]):
        yield f"fire{fire}/squeeze1x1", squeeze, channels, 1, side * side
        yield f"fire{fire}/expand1x1", expand, squeeze, 1, side * side
        yield f"fire{fire}/expand3x3", expand, squeeze, 3, side * side
        channels = 2 * expand
    yield "conv10", 1000, 512, 1, 13 * 13


def in_format(form, outputs, inputs, kernel, positions, noise):
    weights = outputs * inputs * kernel * kernel
    bits, activation, group = FORMATS[form]
    scales = outputs * 4 if form == "w8a8" else weights // 32 * 4 if bits == 4 else 0
    speed = {"f32": 55, "w8a8": 118, "w4g32": 52, "w4a8": 96}[form]  # GFLOP/s
    loss = 0 if form == "f32" else noise * {"w8a8": 1, "w4g32": 21, "w4a8": 24}[form]
    return {"format": form, "loss": round(loss, 7), "bytes": weights * bits // 8 + scales + 4 * outputs,
            "us": round(2 * weights * positions / speed / 1000, 1)}


def layers(chance, wanted):
    for index, (name, outputs, inputs, kernel, positions) in enumerate(convolutions()):
        noise = 2e-5 * chance.lognormvariate(0, 1) * (9 if index == 0 else 1)
        forms = [in_format(form, outputs, inputs, kernel, positions, noise) for form in FORMATS]
        form = "f32" if index == 0 else "w8a8" if index in (3, 25) else wanted
        taken, before = next(f for f in forms if f["format"] == form), forms[0]
        bits, activation, group = FORMATS[form]
        reason = {0: "restored by the guard", 3: "named in the plan file"}.get(index, "chosen by the search")
        yield {"name": name, "nodes": [name, name + "_relu"] if index % 5 == 0 else [name], "op": "conv",
               "type": f"f32[{outputs},{inputs},{kernel},{kernel}]", "format": form, "weight_bits": bits,
               "activation_bits": activation, "group": group, "method": "none" if form == "f32" else "cd",
               "loss": taken["loss"],
               "error_db": None if form == "f32" else round(44 - 8 * chance.random() - (8 - bits) * 4, 2),
               "bytes_before": before["bytes"], "bytes_after": taken["bytes"], "us_before": before["us"],
               "us_after": taken["us"], "reason": reason, "formats": forms}


def points(rows, chance):
    """Plans along the way from all float to the smallest; one in the middle is the chosen one."""
    current, found = [row["formats"][0] for row in rows], []
    for step in range(26):
        current[25 - step] = rows[25 - step]["formats"][1 if step % 2 else 3]
        found.append({"bytes": sum(f["bytes"] for f in current), "us": round(sum(f["us"] for f in current), 1),
                      "loss": round(sum(f["loss"] for f in current) + 1e-5 * chance.random(), 7), "chosen": step == 21})
    return found


def report(kind):
    chance = random.Random(len(kind))
    four = kind == "four"
    rows = list(layers(chance, "w4a8" if four else "w8a8"))
    before, after = sum(r["bytes_before"] for r in rows), sum(r["bytes_after"] for r in rows)
    fast, slow = sum(r["us_after"] for r in rows) / 1000 + 0.4, sum(r["us_before"] for r in rows) / 1000 + 0.4
    found = {
        "adze": "0.1.0", "schema": 1, "model": "models/squeezenet1.1.onnx",
        "result": f"out/squeezenet-{'w4' if four else 'w8'}.so", "target": "x86:x86-64-v3", "cpu": "AMD EPYC 7B13",
        "threads": 1, "seed": 1,
        "goal": [{"text": "agreement>=0.95", "kind": "agreement", "bound": 0.95, "reached": 0.9675, "held": True},
                 {"text": "size<=0.25x", "kind": "size", "bound": 0.25, "reached": round(after / before, 4),
                  "held": four},
                 {"text": "loss<=1%", "kind": "loss", "bound": 0.01, "reached": 0.0086, "held": True}],
        "held": four,
        "samples": {"calibration": 100, "held_back": 400, "labels": four},
        "original": {"bytes": before + 13113, "weight_bytes": before, "min_ms": round(slow, 3),
                     "median_ms": round(slow * 1.03, 3), "memory_bytes": 9019392,
                     "accuracy": 0.592 if four else None, "energy_mj": 301.25 if four else None},
        "compressed": {"bytes": after + 24561, "weight_bytes": after, "min_ms": round(fast, 3),
                       "median_ms": round(fast * 1.05, 3), "memory_bytes": 4132864,
                       "agreement": {"value": 0.9675, "low": 0.9454, "high": 0.981, "n": 400},
                       "accuracy": {"metric": "top1", "value": 0.5895, "original": 0.592, "difference": -0.0025,
                                    "low": -0.0121, "high": 0.0079, "n": 400} if four else None,
                       "snr_db": 24.93, "kl": 0.00213, "energy_mj": 148.5 if four else None},
        "missing": {} if four else {"energy": "/sys/class/powercap: No such file or directory",
                                    "accuracy": "the samples have no labels"},
        "size": [{"part": "weights", "before": before - 21000, "after": after - 43000},
                 {"part": "scales and zero points", "before": 0, "after": 22000},
                 {"part": "biases", "before": 21000, "after": 21000},
                 {"part": "code and tables", "before": 13113, "after": 24561}],
        "layers": rows, "pareto": points(rows, chance),
        "trials": [{"step": i, "restored": i, "loss": round(0.03 / (i + 1), 5), "agreement": 0.9425 + 0.0125 * i,
                    "bytes": after - 5000 * (2 - i), "min_ms": round(fast - 0.21 + 0.105 * i, 3)} for i in range(3)],
        "pipeline": "simplify,quantize-static{stats=squeezenet.stats, plan=squeezenet.plan, method=cd},quantize-fuse,"
                    "fuse,layout,tile,plan",
        "seconds": [{"step": "statistics", "seconds": 31.4}, {"step": "sensitivities", "seconds": 88.25},
                    {"step": "plan", "seconds": 0.07}, {"step": "guard", "seconds": 54.6}],
    }
    if kind == "hostile":
        for i, row in enumerate(rows):
            row["name"] = row["reason"] = HOSTILE[i % len(HOSTILE)] + str(i)
            row["op"] = row["format"] = row["method"] = row["type"] = HOSTILE[(i + 1) % len(HOSTILE)]
            row["nodes"] = HOSTILE
            row["formats"][0]["format"] = HOSTILE[i % len(HOSTILE)]
        for key in ("model", "result", "target", "cpu", "pipeline", "adze"):
            found[key] = HOSTILE[0] + HOSTILE[3] + key + HOSTILE[5]
        for key in ("size", "seconds"):
            found[key][0]["part" if key == "size" else "step"] = HOSTILE[1]
        found["goal"][0]["text"] = found["goal"][0]["kind"] = HOSTILE[0]
        found["missing"] = {key: HOSTILE[i] for i, key in enumerate(["energy", "accuracy", "memory", "x<y"])}
    if kind == "sparse":
        found = {"schema": 1, "model": "m.onnx", "original": {"bytes": None}, "compressed": {}, "goal": [], "size": [],
                 "held": None, "later": {"anything": [1, "goes"]},
                 "layers": [{"name": "only", "loss": None}, {"name": "", "formats": []}], "pareto": [{"bytes": 1}],
                 "trials": None}
    if kind == "wide":
        for row in rows[:3]:
            row["formats"] += [{"format": f"f{i}", "loss": i + 0.5, "bytes": 1000003 + i, "us": 7.25 + i}
                               for i in range(30)]
            row["formats"].append(dict(row["formats"][1], loss=0.777))
    if kind == "extreme":
        ends = [0, 5e-324, 1e-320, 1e300, 1.0000000000000002e300, 1.7976931348623157e308, 9007199254740993,
                123456789012345678]
        for i, row in enumerate(rows):
            for key in ("loss", "error_db", "bytes_before", "bytes_after", "us_before", "us_after", "group"):
                row[key] = ends[(i + len(key)) % len(ends)]
        found["pareto"] = [{"bytes": 10**17 + 16 * (i % 2), "us": end, "loss": (-1) ** i * end, "chosen": i == 3}
                           for i, end in enumerate(ends)]
        found["size"] = [{"part": str(end), "before": end, "after": end} for end in ends]
        found["goal"][0]["reached"] = -1.7976931348623157e308
        for side in ("original", "compressed"):
            found[side].update(min_ms=ends[1], median_ms=ends[5], bytes=ends[5], memory_bytes=ends[2])
        found["compressed"]["agreement"].update(value=1, low=1, high=1, n=ends[5])
        found["compressed"]["accuracy"] = {"metric": "m", "value": -1e308, "original": 1e308, "difference": 5e-324,
                                           "low": -5e-324, "high": 1e-320}
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(report(sys.argv[2] if len(sys.argv) > 2 else "plain"), out, indent=1, ensure_ascii=len(sys.argv) < 4)
