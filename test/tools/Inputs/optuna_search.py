"""optuna_search.py ADZE SOURCE FOLDER: the search with Optuna ends in a plan that adze compress takes; two processes
share a study; a goal that cannot be held gives status 1, wrong flags one line."""
import json
import subprocess
import sys
from pathlib import Path

adze, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print("ok    " if ok else "FAILED", what)


def search(out, *flags, goal="weights<=0.3x"):
    script = source / "tools/search/optuna_search.py"
    model, data = source / "tools/models/digits.onnx", source / "tools/models/digits_test.npz"
    return subprocess.Popen([sys.executable, str(script), str(model), "-o", str(folder / out), f"--calib={data}",
                             f"--goal={goal}", "--formats=w8a8,w4a8", f"--adze={adze}", *flags, "--", "--limit=60",
                             "--allow-slower", "--swaps=0", "--seconds=0.1", f"--cache={folder}/times"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, err = process.communicate()
    return process.returncode, out, err


status, out, err = ended(search("a.so", "--trials=3", "--from-program", "--compare"))
check(status == 0 and "optuna" in out and "dynamic program" in out, f"a search: {status} {err.strip()}")
if status == 0:
    report = json.loads((folder / "a.so.report.json").read_text())
    plan = (folder / "a.so.plan").read_text()
    check(report["held"] and report["goal"][0]["reached"] <= 0.3, "its goal is held")
    there = plan.startswith("adze-plan 1") and "layer conv1" in plan and (folder / "a.so").exists()
    check(there, "its files are there")
database = f"--storage=sqlite:///{folder}/study.db"
both = [search(name, "--trials=2", "--from-program", database, "--study=shared") for name in ("b.so", "c.so")]
results = [ended(p) for p in both]
check(all(r[0] == 0 for r in results), f"two processes: {[(r[0], r[2].strip()[-200:]) for r in results]}")
status, out, err = ended(search("d.so", "--trials=1", "--from-program", database, "--study=shared"))
check(status == 0 and "   5 trials" in out, f"share a study: {out.strip()}")
status, out, err = ended(search("e.so", "--trials=2", goal="weights<=0.01x"))
check(status == 1 and "misses" in out, f"a goal that cannot be held: {out.strip()}")
status, out, err = ended(search("f.so", "--trials=0"))
check(status == 2 and "--trials" in err, "no trials")
status, out, err = ended(search("g.o"))
check(status == 2 and "-o takes" in err, "an output that is none")
print(f"{failed} failed")
sys.exit(failed > 0)
