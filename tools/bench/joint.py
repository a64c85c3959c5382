"""joint.py MODEL.onnx --calib=D.npz: what adze compress keeps by each method alone, and by all together.

    python tools/bench/joint.py resnet20.onnx --calib=resnet20.npz --bounds='weights<=0.25x,weights<=0.15x,time<=0.7x'

For each bound and each set of formats one search; its loss, size and time on samples held back. Methods: bits (8 and
4), zeros (single weights and blocks), factors (low rank), channels, all. A row that misses its bound says so. Sets of
formats and levels are those that `adze compress` has by default; further flags for it stand behind --. With --test what
was found is scored on data of its own, against the model as it was: --metric, of `adze eval`.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BITS, ZEROS = "w8a8,w8a8-rows,w4a8,w4g32", "s50,s70,s90,s50b16x1,s80b16x1"
FACTORS = "r75%,r50%,r25%,t50%,t25%,v50%,v25%"
CHANNELS = "10%,25%,40%,60%"
METHODS = {"bits": [f"--formats={BITS}", "--channels=none"],
           "zeros": [f"--formats={ZEROS}", "--channels=none"],
           "factors": [f"--formats={FACTORS}", "--channels=none"],
           "channels": ["--formats=f32", f"--channels={CHANNELS}"],
           "all": [f"--formats={BITS},{ZEROS},{FACTORS}", f"--channels={CHANNELS}"]}


def score(options, artifact):
    """What `adze eval` says of the artifact beside the model, a figure a metric."""
    done = subprocess.run([options.adze, "eval", str(artifact), f"--data={options.test}", f"--against={options.model}",
                           "--against-target=x86:host", f"--metric={options.metric}", "--batch=1"],
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {line[0]: line[1] for line in lines if len(line) > 1}
    return "".join(f" {found[name]:>9}" for name in options.metric.split(","))


def search(options, bound, method, scratch):
    """One row of the table. What a method's first search measures of layers serves its other bounds."""
    out = scratch / f"{method}.so"
    resume = ["--resume"] if Path(f"{out}.search").exists() else []
    done = subprocess.run([options.adze, "compress", options.model, "-o", str(out), f"--calib={options.calib}",
                           f"--goal={bound}", f"--cache={scratch}/times", "--keep-search", *resume, *METHODS[method],
                           *options.flags], capture_output=True, text=True)
    report = Path(f"{out}.report.json")
    if done.returncode > 1 or not report.exists():
        return f"fails: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
    r = json.loads(report.read_text())
    report.unlink()
    was, now = r["original"], r["compressed"]
    best = min(r["trials"], key=lambda t: abs(t["bytes"] - now["bytes"]))
    scores = score(options, out) if options.test else ""
    return (f"{now['weight_bytes'] / was['weight_bytes']:8.3f} {now['bytes'] / was['bytes']:8.3f} "
            f"{now['min_ms'] / was['min_ms']:8.3f} {100 * best['loss']:9.3f} "
            f"{now['snr_db'] if now['snr_db'] is not None else float('nan'):8.2f} {len(r['trials']):7}"
            f"{scores}  {'' if r['held'] else 'misses the bound'}")


def main():
    mine, rest = sys.argv[1:], []
    if "--" in mine:
        at = mine.index("--")
        mine, rest = mine[:at], mine[at + 1:]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--calib", required=True)
    p.add_argument("--test", help="samples that no search sees")
    p.add_argument("--metric", default="agreement", help="what they are scored by (default: agreement)")
    p.add_argument("--bounds", default="weights<=0.25x,weights<=0.15x,time<=0.7x")
    p.add_argument("--methods", default=",".join(METHODS))
    p.add_argument("--adze", default=str(ROOT / "build/release/bin/adze"))
    options = p.parse_args(mine)
    options.flags = rest
    unknown = [m for m in options.methods.split(",") if m not in METHODS]
    if unknown:
        p.error(f"there is no method {unknown[0]}; there are {', '.join(METHODS)}")
    scores = "".join(f" {name:>9}" for name in options.metric.split(",")) if options.test else ""
    print(f"{'bound':16} {'method':9} {'weights':>8} {'file':>8} {'time':>8} {'loss %':>9} {'snr dB':>8} {'trials':>7}"
          f"{scores}")
    with tempfile.TemporaryDirectory(prefix="adze-joint-") as scratch:
        for method in options.methods.split(","):
            for bound in options.bounds.split(","):
                print(f"{bound:16} {method:9} {search(options, bound, method, Path(scratch))}", flush=True)


if __name__ == "__main__":
    main()
